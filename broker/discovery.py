"""The catalogues that the information system has for a VO."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from grid.errors import GridError
from infosys.catalogue_service import SERVICE_TYPE
from infosys.client import LdapSource
from infosys.discovery import FoundService, services

log = logging.getLogger("wms.broker")

REFRESH: Final = 60.0
"""Seconds after which the information system is asked again."""
MAX_CATALOGUES: Final = 10
"""Catalogues of one VO."""


class Discovery:
    """Reads the services of the catalogues' type from each source; a source that fails keeps what it said last.

    :param sources: the BDIIs.
    """

    def __init__(self, sources: Sequence[LdapSource], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._sources = sources
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._found: dict[str, tuple[FoundService, ...]] = {}
        self._next = float("-inf")

    def __call__(self, vo: str) -> tuple[str, ...]:
        """The addresses for members of a VO, in the order of the sources, each once."""
        with self._lock:
            if self._monotonic() >= self._next:
                self._refresh()
                self._next = self._monotonic() + REFRESH
            found = [each for source in self._sources for each in self._found.get(source.url, ())]
        return tuple(dict.fromkeys(each.url for each in found if each.admits(vo)))[:MAX_CATALOGUES]

    def _refresh(self) -> None:
        for source in self._sources:
            try:
                self._found[source.url] = services(source, SERVICE_TYPE)
            except GridError as error:
                log.warning("catalogues are looked for without an answer: %s", error.description)
