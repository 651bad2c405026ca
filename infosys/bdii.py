"""The BDII: harvests LDAP servers, puts their entries under one tree and serves it.

Levels as in grids: a service publishes below ``mds-vo-name=resource,o=grid``; here its entries appear below
``mds-vo-name=<site>,mds-vo-name=local,o=grid``, where users and the Workload Management System look.  Those of GLUE 2.0
come from below ``GLUE2GroupID=resource,o=glue`` to ``GLUE2DomainID=<site>,GLUE2GroupID=grid,o=glue``.  The site itself
and the services that its settings name are published by the BDII (:mod:`infosys.own_entries`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from grid.doorbell import Doorbell
from grid.errors import GridError
from infosys import levels, names
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.errors import NameSyntaxError, SourceFailure
from infosys.glue1 import RESOURCE
from infosys.own_entries import OwnEntries
from infosys.server import LdapServer
from infosys.settings import BdiiSettings
from infosys.site import SiteSettings
from infosys.synthetic import SyntheticGrid

log = logging.getLogger("wms.infosys")

_FIRST_TRIES: Final = 1.0
"""Seconds between harvests while a source has never answered."""

MAX_HARVESTERS: Final = 8
"""Sources that are read at the same time."""
_LEVEL: Final = "mds-vo-name"


def rerooted(dn: str, site: str) -> str:
    """A name's place in the top-level tree.

    ``…,mds-vo-name=resource,o=grid`` goes below the site, ``…,mds-vo-name=<X>,o=grid`` stays with its site X, and
    what is below ``mds-vo-name=local`` already stays where it is.

    :raises NameSyntaxError: when the name does not end in ``o=grid``.
    """
    components = list(names.parse(dn))
    if not components or names.key(dn)[-1] != "o=grid":
        raise NameSyntaxError(dn)
    body = components[:-1]
    levels: list[str] = []
    while body and len(body[-1]) == 1 and body[-1][0][0].lower() == _LEVEL:
        levels.insert(0, body.pop()[0][1])
    wanted = [site if level.lower() == "resource" else level for level in levels if level.lower() != "local"]
    suffix = [names.rdn(_LEVEL, level) for level in (wanted or [site])]
    return names.join(names.render(tuple(body)), *suffix, f"{_LEVEL}=local", "o=grid")


def is_level(dn: str) -> bool:
    """Whether the name is only a level of the tree (``mds-vo-name=x,o=grid``), which every server makes itself."""
    return all(component[0][0].lower() in (_LEVEL, "o") for component in names.parse(dn))


@dataclass(slots=True)
class _Harvest:
    """What is known from one source."""

    source: LdapSource
    entries: tuple[Entry, ...] = ()
    good_at: float | None = None
    problem: str = ""
    expired: bool = False


class Bdii:
    """One harvester and its server.

    :meth:`start` takes the address and harvests once before it returns; then a thread harvests every
    ``refresh`` seconds, or at once after :meth:`trigger` (or a ring at the doorbell), until :meth:`close`.
    """

    def __init__(self, settings: BdiiSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.server = LdapServer(settings.bind)
        self._clock = clock
        self._harvests = [
            _Harvest(LdapSource(url, None if _has_base(url) else RESOURCE, settings.timeout))
            for url in settings.sources
        ]
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._refreshing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._bell: Doorbell | None = None
        self._bell_thread: threading.Thread | None = None
        self._served: tuple[Entry, ...] | None = None
        self._own = OwnEntries(settings.site or SiteSettings(name=settings.site_name), settings.services)
        self._synthetic = SyntheticGrid(settings.synthetic_sites, settings.synthetic_vos)

    @property
    def problems(self) -> tuple[str, ...]:
        """What was wrong with sources at the last harvest, one sentence each."""
        return tuple(each.problem for each in self._harvests if each.problem)

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
            if self._harvests:
                with ThreadPoolExecutor(min(MAX_HARVESTERS, len(self._harvests)), "bdii-harvest") as pool:
                    list(pool.map(self._harvest, self._harvests))
            now = self._clock()
            for harvest in self._harvests:
                self._age(harvest, now)
            self._publish()

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

    def _harvest(self, harvest: _Harvest) -> None:
        try:
            found = [*harvest.source.fetch(), *_glue2(harvest.source)]
        except GridError as error:
            if harvest.problem != error.description:
                log.warning("%s", error.description)
            harvest.problem = error.description
            return
        except Exception:  # one source's bytes must not keep the others' from being served
            log.exception("harvesting %s failed", harvest.source.url)
            harvest.problem = f"harvesting {harvest.source.url} failed unexpectedly; the log knows more"
            return
        kept: list[Entry] = []
        refused = ""
        for entry in found:
            try:
                place = _place(entry.dn, self.settings.site_name)
                if place:
                    kept.append(entry.moved(place))
            except NameSyntaxError as error:
                refused = f"{harvest.source.url} publishes an entry that has no place here: {error.description}"
        if harvest.problem:
            log.info("the information source %s answers again", harvest.source.url)
        harvest.entries, harvest.good_at, harvest.problem, harvest.expired = tuple(kept), self._clock(), refused, False

    def _age(self, harvest: _Harvest, now: float) -> None:
        """Let the entries of a source go that has been silent for longer than the grace time."""
        if harvest.good_at is None or harvest.expired or now - harvest.good_at <= self.settings.grace:
            return
        if harvest.problem:
            log.warning(
                "the %d entries of %s are let go: no good answer for %.0f s",
                len(harvest.entries), harvest.source.url, now - harvest.good_at,
            )  # fmt: skip
            harvest.entries, harvest.expired = (), True

    def _publish(self) -> None:
        merged = tuple(self._merged((*(each.entries for each in self._harvests), self._synthetic.entries())))
        if merged != self._served:
            self.server.publish(merged)
            self._served = merged

    def _merged(self, parts: Iterable[tuple[Entry, ...]]) -> Iterable[Entry]:
        """All entries: the site's own, then those of sources in their order; a later one cannot replace an earlier."""
        seen: set[names.Key] = set()
        for part in (self._own.entries(), *parts):
            for entry in part:
                if entry.key not in seen:
                    seen.add(entry.key)
                    yield entry


def _place(dn: str, site: str) -> str:
    """Where an entry stands in the served tree; empty for one that is only a level of its source's.

    :raises NameSyntaxError: when it belongs to neither tree.
    """
    if names.key(dn)[-1:] == (levels.BASE,):
        return "" if levels.is_level2(dn) else levels.rerooted2(dn, site)
    return "" if is_level(dn) else rerooted(dn, site)


def _glue2(source: LdapSource) -> list[Entry]:
    """A source's entries of GLUE 2.0; none when it has no such tree.

    :raises SourceFailure: as :meth:`LdapSource.fetch`.
    :raises SourceTimedOut: likewise.
    """
    try:
        return source.fetch(base=levels.BASE)
    except SourceFailure as error:
        if error.reason.startswith("noSuchObject"):
            return []
        raise


def _has_base(url: str) -> bool:
    return "/" in url.partition("://")[2].rstrip("/")


def run(settings: BdiiSettings, stop_event: threading.Event) -> None:
    """Serve until ``stop_event`` is set.

    :raises BindFailure: when the address cannot be had.
    """
    with Bdii(settings) as bdii:
        log.info("the BDII of %s answers on %s", settings.site_name, bdii.server.url)
        stop_event.wait()
