"""Who is at the other end: the outcome of judging a chain."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from cryptography import x509

from grid.fqan import Fqan
from gsi.proxyinfo import LEGACY, ProxyKind
from gsi.voms import VomsAttributes


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified caller.

    :ivar dn: slash DN of the end-entity certificate, normalised (:func:`grid.dn.normalise`).
    :ivar issuer: slash DN of the CA that issued it.
    :ivar chain: leaf first, ending with the end-entity certificate.
    :ivar kinds: kinds of the proxies, leaf first; empty for a plain certificate.
    :ivar limited: a limited proxy is on the chain.
    :ivar fqans: attributes of all accepted attribute certificates, the primary first.
    :ivar vo: VO of the first accepted attribute certificate.
    :ivar not_after: when the first certificate of the chain ends (aware, UTC).
    :ivar attributes_refused: why attribute certificates that were sent grant nothing: one sentence each.
    """

    dn: str
    issuer: str
    chain: tuple[x509.Certificate, ...] = field(repr=False)
    kinds: tuple[ProxyKind, ...]
    limited: bool
    fqans: tuple[Fqan, ...]
    vo: str | None
    vo_attributes: tuple[VomsAttributes, ...] = field(repr=False)
    not_after: datetime.datetime
    attributes_refused: tuple[str, ...] = ()

    @property
    def full_proxy(self) -> bool:
        """May act in the owner's full right: an end-entity certificate or proxies of which none is limited."""
        return not self.limited

    @property
    def legacy(self) -> bool:
        """Some proxy is of a kind older than RFC 3820."""
        return not LEGACY.isdisjoint(self.kinds)
