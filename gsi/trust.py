"""The one place that says who a peer is: the trust directory and the judgement of chains against it."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509

from grid.clock import now as clock_now
from grid.dn import normalise
from grid.errors import ConfigurationError
from gsi import voms
from gsi.anchors import Anchors, TrustPolicy
from gsi.chain import made_by_gridsite, proxy_path
from gsi.dn import slash
from gsi.errors import BadProxy, ChainError, Untrusted, WeakKey, described
from gsi.identity import Identity
from gsi.proxyinfo import LEGACY
from gsi.trustdir import FileCache, Fingerprint, fingerprint
from gsi.verdicts import Verdicts

__all__ = ["TrustPolicy", "TrustStore"]

_log = logging.getLogger("wms.gsi")
_LOOK_EVERY: Final = 2.0
"""Seconds between two looks at the directories."""
_READ_EVERY: Final = 900.0
"""Seconds after which they are read again though nothing seems to have changed."""


class TrustStore:
    """A trust directory and a VOMS directory, read again when they change.

    Safe for many threads; a judgement sees one moment of the directories, never a mixture.
    """

    def __init__(
        self, cert_dir: Path, voms_dir: Path | None = None, policy: TrustPolicy | None = None
    ) -> None:
        """:raises grid.errors.ConfigurationError: when ``cert_dir`` cannot be listed."""
        self.cert_dir: Final = Path(cert_dir)
        self.voms_dir: Final = None if voms_dir is None else Path(voms_dir)
        self.policy: Final = policy or TrustPolicy()
        self._cache = FileCache()
        self._verdicts = Verdicts()
        self._lock = threading.Lock()
        self._generation = 0
        self._looked = self._read = time.monotonic()
        self._seen = self._look()
        self._anchors = self._load()

    def verify(self, chain: Sequence[x509.Certificate], *, now: datetime.datetime | None = None) -> Identity:
        """Judge a presented chain, leaf first, and say whose it is.

        :param now: the moment to judge for (aware); ``None`` is the present, for which a chain that was found good
            a moment ago is not judged again (:mod:`gsi.verdicts`).
        :raises ChainError: a subclass names the certificate at fault and the reason.
        """
        anchors = self._current()
        try:
            if now is not None:
                return _identify(chain, anchors, now)
            present = clock_now()
            identity = self._verdicts.find(chain, anchors, present)
            if identity is None:
                identity = _identify(chain, anchors, present)
                self._verdicts.keep(chain, anchors, identity)
            return identity
        except ChainError as error:
            if chain:
                error.subject = described(chain[0])
                self._tell_setting(chain, error)
            raise

    def verify_plain(
        self, chain: Sequence[x509.Certificate], *, now: datetime.datetime | None = None
    ) -> tuple[x509.Certificate, ...]:
        """Judge a chain without proxies, a server's for instance; returns it with its CAs.

        :raises ChainError: as :meth:`verify`.
        """
        path = proxy_path(chain)
        if path.proxies:
            raise BadProxy.about(chain[0], "is a proxy where a host's own certificate is expected")
        return self._current().judge(path.certificates, path.others, now or clock_now())

    def generation(self) -> int:
        """A number that changes when the content of the directories has changed (noticed within two seconds)."""
        self._current()
        return self._generation

    def _current(self) -> Anchors:
        moment = time.monotonic()
        if moment - self._looked < _LOOK_EVERY:
            return self._anchors
        if not self._lock.acquire(blocking=False):
            return self._anchors  # another thread is reading; large revocation lists must not stop everybody
        try:
            if moment - self._looked >= _LOOK_EVERY:
                self._refresh(moment)
                self._looked = moment
        finally:
            self._lock.release()
        return self._anchors

    def _tell_setting(self, chain: Sequence[x509.Certificate], error: ChainError) -> None:
        """The operator, not the peer, hears that there is a setting for GridSite's proxies."""
        if isinstance(error, WeakKey | Untrusted) and not self.policy.gridsite_proxies and made_by_gridsite(chain):
            _log.warning(
                "%s has a proxy as GridSite's htproxyput makes it, signed with SHA-1 or without ProxyCertInfo;"
                " gridsite_proxies = true in the section [trust] of wms.toml would accept it",
                error.subject,
            )

    def _refresh(self, moment: float) -> None:
        try:
            seen = self._look()
            changed = seen != self._seen
            if not changed and moment - self._read < _READ_EVERY:
                return
            anchors = self._load()
        except ConfigurationError as error:
            _log.error("%s; until it is back, nobody is trusted", error.description)
            anchors, seen, changed = self._nobody(), (), self._seen != ()
        self._anchors, self._seen, self._read = anchors, seen, moment
        if changed:
            self._generation += 1
            _log.info("the trust directory %s has changed: %d CAs", self.cert_dir, len(anchors.authorities))

    def _look(self) -> Fingerprint:
        voms_dir = self.voms_dir if self.voms_dir is not None and self.voms_dir.is_dir() else None
        return fingerprint(self.cert_dir, voms_dir)

    def _load(self) -> Anchors:
        return Anchors.load(self.cert_dir, self.voms_dir, self.policy, self._cache, clock_now())

    def _nobody(self) -> Anchors:
        return Anchors.empty(self.policy)


def _identify(chain: Sequence[x509.Certificate], anchors: Anchors, now: datetime.datetime) -> Identity:
    path = proxy_path(chain, gridsite=anchors.policy.gridsite_proxies)
    legacy = not LEGACY.isdisjoint(path.kinds)
    if legacy and not anchors.policy.allow_legacy:
        raise BadProxy.about(chain[0], "is a legacy proxy; make an RFC 3820 proxy (voms-proxy-init -rfc)")
    last = len(path.certificates) - 1
    plain = 0 if path.gridsite is None else path.gridsite + 1
    full = anchors.judge(
        path.certificates,
        path.others,
        now,
        end_entity=last,
        openssl_from=last if legacy else plain,
        sha1=path.gridsite,
    )
    if len(full) <= len(path.certificates):
        raise Untrusted.about(path.end_entity, "is itself a trust anchor and identifies no caller")
    attributes, refused = voms.verify(path.certificates, anchors, now)
    return Identity(
        dn=normalise(slash(path.end_entity.subject)),
        issuer=slash(path.end_entity.issuer),
        chain=path.certificates,
        kinds=path.kinds,
        limited=path.limited,
        fqans=tuple(fqan for found in attributes for fqan in found.fqans),
        vo=attributes[0].vo if attributes else None,
        vo_attributes=attributes,
        not_after=min(c.not_valid_after_utc for c in path.certificates),
        attributes_refused=refused,
    )
