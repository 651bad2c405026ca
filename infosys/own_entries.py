"""What a BDII publishes by itself: its site, and the services that it was told of, with whether they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from grid import clock
from infosys import names
from infosys.entry import Entry
from infosys.services import PublishedService
from infosys.site import SiteSettings

PROBE_AGAIN: Final = 60.0
"""Seconds after which a service that answered is tried again; one that did not is tried each time."""
MAX_PROBES: Final = 8
"""Services that are tried at the same time."""


@dataclass(slots=True)
class _Seen:
    answering: bool = False
    tried_at: float = float("-inf")
    since: str = ""


class OwnEntries:
    """The entries of one site and its services, made when they are asked for."""

    def __init__(
        self,
        site: SiteSettings,
        services: Sequence[PublishedService] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site = site
        self._services = tuple(services)
        self._monotonic = monotonic
        self._seen = [_Seen() for _ in self._services]

    def entries(self) -> list[Entry]:
        """The entries in their places in a top-level tree; tries the services first where that is due."""
        self._probe()
        name, moment = self._site.name, clock.now()
        grid = names.join(names.rdn("mds-vo-name", name), "mds-vo-name=local", "o=grid")
        glue = "GLUE2GroupID=grid,o=glue"
        below = names.join("GLUE2GroupID=resource", names.rdn("GLUE2DomainID", name), glue)
        found = [*self._site.glue1(grid), *self._site.glue2(glue, moment)]
        for service, seen in zip(self._services, self._seen, strict=True):
            found += service.glue1(name, grid, answering=seen.answering, started=seen.since)
            found += service.glue2(name, below, moment, answering=seen.answering, started=seen.since)
        return found

    def _probe(self) -> None:
        now = self._monotonic()
        due = [
            (service, seen)
            for service, seen in zip(self._services, self._seen, strict=True)
            if not seen.answering or now - seen.tried_at >= PROBE_AGAIN
        ]
        if not due:
            return
        with ThreadPoolExecutor(min(MAX_PROBES, len(due)), "bdii-probe") as pool:
            answers = list(pool.map(lambda each: each[0].answers(), due))
        for (_, seen), answering in zip(due, answers, strict=True):
            if answering and not seen.answering:
                seen.since = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            elif not answering:
                seen.since = ""
            seen.answering, seen.tried_at = answering, now
