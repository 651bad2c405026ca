"""The BDII: harvests LDAP servers, puts their entries under one tree and serves it.

It serves the site level or the top level (:mod:`infosys.levels`).  The site itself and the services that its settings
name are published by the BDII (:mod:`infosys.own_entries`), figures of its work below ``o=infosys``
(:mod:`infosys.metrics`).
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from types import TracebackType
from typing import Final

from grid.doorbell import Doorbell
from infosys import metrics, names
from infosys.entry import Entry
from infosys.harvest import Harvest
from infosys.levels import Level, placed
from infosys.own_entries import OwnEntries
from infosys.server import LdapServer
from infosys.settings import BdiiSettings
from infosys.site import SiteSettings
from infosys.synthetic import SyntheticGrid

log = logging.getLogger("wms.infosys")

_FIRST_TRIES: Final = 1.0
"""Seconds between harvests while a source has never answered."""

_FIRST_CHANCE: Final = 30.0
"""Seconds that the sources have to answer before the made-up grid is published without them."""

MAX_HARVESTERS: Final = 32
"""Sources that are read at the same time."""
_SHOW_AFTER: Final = 2.0
"""Seconds of a harvest after which what has come is served, while other sources are still being waited for."""


class Bdii:
    """One harvester and its server.

    :meth:`start` takes the address and harvests once before it returns; then a thread harvests every
    ``refresh`` seconds, or at once after :meth:`trigger` (or a ring at the doorbell), until :meth:`close`.
    """

    def __init__(self, settings: BdiiSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.server = LdapServer(settings.bind)
        self._clock = clock
        self._began = clock()
        self._harvests = [
            Harvest.of(url, settings.site_name, settings.level, settings.timeout, clock) for url in settings.sources
        ]
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._refreshing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._bell: Doorbell | None = None
        self._bell_thread: threading.Thread | None = None
        self._served: dict[names.Key, Entry] = {}
        self._update = metrics.Update(0, 0, 0, 0, 0.0, 0.0)
        self._own = OwnEntries(settings.site or SiteSettings(name=settings.site_name), settings.services)
        self._synthetic = SyntheticGrid(settings.synthetic_sites, settings.synthetic_vos)

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong with sources at the last harvest, one sentence each."""
        return tuple(text for each in self._harvests for text in (each.problem, each.refused) if text)

    def start(self) -> Bdii:
        """Begin to serve.

        :raises BindFailure: when the address cannot be had.
        """
        self.server.start()
        try:
            self.refresh_now()
            if self.settings.doorbell is not None:
                self._bell = Doorbell.listen(self.settings.doorbell)
                self._bell_thread = threading.Thread(target=self._listen, name="bdii-bell", daemon=True)
                self._bell_thread.start()
        except BaseException:
            self.server.close()
            raise
        self._thread = threading.Thread(target=self._run, name="bdii", daemon=True)
        self._thread.start()
        return self

    def trigger(self) -> None:
        """Ask for a harvest soon; returns at once."""
        self._wake.set()

    def refresh_now(self) -> None:
        """Harvest every source and serve the result before returning."""
        with self._refreshing:
            began = shown = time.monotonic()
            before = self._served
            if self._harvests:
                with ThreadPoolExecutor(min(MAX_HARVESTERS, len(self._harvests)), "bdii-harvest") as pool:
                    for done in as_completed([pool.submit(each.take) for each in self._harvests]):
                        done.result()
                        if time.monotonic() - shown > _SHOW_AFTER:
                            self._publish(began, before)
                            shown = time.monotonic()
            now = self._clock()
            for harvest in self._harvests:
                harvest.age(now, self.settings.grace)
            self._publish(began, before)

    def close(self) -> None:
        """End the harvesting thread and the server."""
        self._closing.set()
        self._wake.set()
        for thread in (self._thread, self._bell_thread):
            if thread is not None:
                thread.join(self.settings.timeout + 5.0)
        if self._bell is not None:
            self._bell.close()
        self._own.close()
        self.server.close()

    def __enter__(self) -> Bdii:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        next_at = time.monotonic() + self._pause()
        self._synthetic.entries()  # made while the sources are still starting, it is there when they answer
        while not self._closing.is_set():
            self._wake.wait(max(0.0, next_at - time.monotonic()))
            self._wake.clear()
            if self._closing.is_set():
                return
            began = time.monotonic()
            self.refresh_now()
            next_at = began + self._pause()

    def _pause(self) -> float:
        """Seconds to the next harvest: short while a source has never answered, as when a site is being started."""
        if any(each.good_at is None for each in self._harvests):
            return min(_FIRST_TRIES, self.settings.refresh)
        return self.settings.refresh

    def _listen(self) -> None:
        bell = self._bell
        while bell is not None and not self._closing.is_set():
            if bell.wait(0.5):
                self.trigger()

    def _publish(self, began: float, before: Mapping[names.Key, Entry]) -> None:
        """Serve what is known now, where anything of it is new, and the figures of this harvest.

        :param began: when the harvest began (``time.monotonic``).
        :param before: what was served then.
        """
        merged = self._merged((*(each.entries for each in self._harvests), self._made_up()))
        read = time.monotonic() - began
        started = time.monotonic()
        if merged != self._served or not self._update.total:
            self.server.publish(merged.values())
            self._served = merged
        published = time.monotonic() - started
        self._update = metrics.Update.between(before, self._served, read=read, published=published)
        report = self.server.directory.index_report()
        told = metrics.entries(socket.gethostname(), self._update, self._harvests, self._clock(), report)
        self.server.publish_beside(told)

    def _made_up(self) -> tuple[Entry, ...]:
        """The made-up grid, once the real sources have answered: who finds a grid here does not look again soon."""
        waiting = any(each.good_at is None for each in self._harvests)
        if self.settings.level is not Level.TOP or (waiting and self._clock() - self._began < _FIRST_CHANCE):
            return ()
        return self._synthetic.entries()

    def _merged(self, parts: Iterable[tuple[Entry, ...]]) -> dict[names.Key, Entry]:
        """All entries: the site's own, then those of sources in their order; a later one cannot replace an earlier."""
        site, level = self.settings.site_name, self.settings.level
        own = tuple(entry.moved(placed(entry.dn, site, level)) for entry in self._own.entries())
        merged: dict[names.Key, Entry] = {}
        for part in (own, *parts):
            for entry in part:
                merged.setdefault(entry.key, entry)
        return merged


def run(settings: BdiiSettings, stop_event: threading.Event) -> None:
    """Serve until ``stop_event`` is set.

    :raises BindFailure: when the address cannot be had.
    """
    with Bdii(settings) as bdii:
        log.info("the BDII of %s answers on %s", settings.site_name, bdii.server.url)
        stop_event.wait()
