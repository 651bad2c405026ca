"""The catalogues that the information system has for a VO (GLUE 1.3, GlueService)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from grid.errors import GridError
from infosys.catalogue_service import SERVICE_TYPE
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.filters import escape

log = logging.getLogger("wms.broker")

REFRESH: Final = 60.0
"""Seconds after which the information system is asked again."""
MAX_CATALOGUES: Final = 10
"""Catalogues of one VO."""

_FILTER: Final = f"(&(objectClass=GlueService)(GlueServiceType={escape(SERVICE_TYPE)}))"
_ATTRIBUTES: Final = (
    "GlueServiceEndpoint",
    "GlueServiceAccessPointURL",
    "GlueServiceAccessControlBaseRule",
    "GlueServiceAccessControlRule",
    "GlueServiceOwner",
    "GlueServiceStatus",
)


class Discovery:
    """Reads the services of the catalogues' type from each source; a source that fails keeps what it said last.

    :param sources: the BDIIs.
    """

    def __init__(self, sources: Sequence[LdapSource], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[Entry, ...]] = {}
        self._next = float("-inf")

    def __call__(self, vo: str) -> tuple[str, ...]:
        """The addresses for members of a VO, in the order of the sources, each once."""
        with self._lock:
            if self._monotonic() >= self._next:
                self._refresh()
                self._next = self._monotonic() + REFRESH
            entries = [entry for source in self._sources for entry in self._entries.get(source.url, ())]
        found = (_address(entry) for entry in entries if serves(entry, vo))
        return tuple(dict.fromkeys(address for address in found if address))[:MAX_CATALOGUES]

    def _refresh(self) -> None:
        for source in self._sources:
            try:
                self._entries[source.url] = tuple(source.fetch(_FILTER, _ATTRIBUTES))
            except GridError as error:
                log.warning("catalogues are looked for without an answer: %s", error.description)


def serves(entry: Entry, vo: str) -> bool:
    """Whether a service admits a VO: by a rule, by its owner, or because it names nobody."""
    rules = [
        rule.removeprefix("VO:")
        for name in ("GlueServiceAccessControlBaseRule", "GlueServiceAccessControlRule", "GlueServiceOwner")
        for rule in entry.values(name)
    ]
    return not rules or vo in rules or "*" in rules


def _address(entry: Entry) -> str:
    return entry.first("GlueServiceEndpoint") or entry.first("GlueServiceAccessPointURL") or ""
