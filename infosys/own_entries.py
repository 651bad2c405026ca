"""What a BDII publishes by itself: its site, and the services that it was told of, with whether they answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from grid import clock
from infosys import names
from infosys.entry import Entry
from infosys.services import PROBE_SECONDS, PublishedService
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
    trial: Future[bool] | None = None

    def learn(self, answering: bool) -> None:
        """A trial has ended."""
        if answering and not self.answering:
            self.since = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        elif not answering:
            self.since = ""
        self.answering, self.trial = answering, None


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
        self._pool = ThreadPoolExecutor(MAX_PROBES, "bdii-probe")

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
        for service, seen in due:
            seen.tried_at = now
            if seen.trial is None:
                seen.trial = self._pool.submit(service.answers)
        wait([seen.trial for _, seen in due if seen.trial is not None], PROBE_SECONDS)
        for _, seen in due:
            # a name that takes longer to be resolved is looked at next time; until then it counts as it did
            if seen.trial is not None and seen.trial.done():
                seen.learn(seen.trial.result())

    def close(self) -> None:
        """Try no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
