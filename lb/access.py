"""The authorization point of the bookkeeping server's readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grid.dn import normalise
from gsi.errors import ChainError
from lb.admission import Sender
from web.guard import asked
from web.identity import Authenticator


class Access:
    """Who asks.  What a reader may see of a job is decided with the job (:class:`lb.database.LbDatabase`).

    :param trusted: DNs of services, which read every job.
    """

    def __init__(self, authenticator: Authenticator, trusted: frozenset[str]) -> None:
        self._authenticator = authenticator
        self._trusted = frozenset(map(normalise, trusted))

    def reader(self, environ: Mapping[str, Any], action: str) -> Sender:
        """The caller, who must have a valid certificate or proxy of any kind and VO.

        :raises ChainError: naming the certificate and what is wrong with it.
        """
        try:
            identity = self._authenticator.identify(environ)
        except ChainError:
            asked(action, "refused")
            raise
        asked(action, "granted")
        return Sender(identity.dn, identity.dn in self._trusted)

    def anybody(self, action: str) -> None:
        """Note that an action needs no identity."""
        asked(action, "granted to anybody")
