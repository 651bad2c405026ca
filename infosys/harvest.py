"""What a BDII gathers from one source, and for how long it stands by it.

A source may speak for one site, the one that its base names (a resource level speaks for the BDII's own), or for all
of them when it is a top level.  Whatever else it says is refused: a site must not be able to publish another one's
computing elements.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from grid.errors import GridError
from infosys import names
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.errors import ForeignEntry, NameSyntaxError, SourceFailure
from infosys.filters import Present
from infosys.glue1 import RESOURCE
from infosys.levels import BASE, Level, placed, site_of

log = logging.getLogger("wms.infosys")

MAX_GRID_BYTES: Final = 128 << 20
"""Bytes of one answer of a source that speaks for all sites; 5 000 computing elements need about 50 MiB."""
MAX_SITE_BYTES: Final = 16 << 20
"""Likewise of one that speaks for a single site: there may be many, and all are read at the same time."""
_EVERYTHING: Final = Present("objectClass")


@dataclass(frozen=True, slots=True)
class Territory:
    """What a source is asked, and what it may answer.

    :ivar bases: names below which it is asked: GLUE 1.3, GLUE 2.0.
    :ivar site: the site that it may speak for; None for any.
    """

    bases: tuple[str, ...]
    site: str | None

    @classmethod
    def of(cls, base: str, own_site: str) -> Territory:
        """From the base of a source's URL, empty for the resource level.

        :raises NameSyntaxError: when it is no name.
        """
        key = names.key(base or RESOURCE)
        if key[-1:] == (BASE,):
            if "glue2groupid=resource" in key and site_of(base) is None:
                return cls((base,), own_site)
            return cls((base,), site_of(base))
        if key[:1] == ("mds-vo-name=resource",) and len(key) == 2:
            return cls((base or RESOURCE, Level.RESOURCE.suffix2(own_site)), own_site)
        site = site_of(base)
        if site is None:
            return cls((base, BASE), None)
        level = Level.TOP if "mds-vo-name=local" in key else Level.SITE
        return cls((base, level.suffix2(site)), site)


@dataclass(slots=True)
class Refused:
    """What was refused of one answer: how many entries, and what is wrong with the first."""

    first: str = ""
    count: int = 0

    def add(self, complaint: str) -> None:
        """Note one more."""
        self.first = self.first or complaint
        self.count += 1


@dataclass(slots=True)
class Harvest:
    """One source with what is known from it.

    :ivar entries: in their places of the served tree.
    :ivar good_at: when it last answered wholly (the clock's seconds), None while it never has.
    :ivar problem: why the last try failed, one sentence; empty when it did not.
    :ivar refused: what was refused of the last answer, likewise.
    :ivar expired: whether its entries were let go because it has been silent for too long.
    """

    source: LdapSource
    territory: Territory
    own_site: str
    level: Level
    clock: Callable[[], float] = field(repr=False)
    entries: tuple[Entry, ...] = ()
    good_at: float | None = None
    problem: str = ""
    refused: str = ""
    expired: bool = False

    @classmethod
    def of(cls, url: str, own_site: str, level: Level, timeout: float, clock: Callable[[], float]) -> Harvest:
        """:param timeout: seconds that one answer may take; a source has two to give, one for each tree."""
        has_base = "/" in url.partition("://")[2].rstrip("/")
        source = LdapSource(url, None if has_base else RESOURCE, timeout)
        territory = Territory.of(source.base, own_site)
        source.max_bytes = MAX_GRID_BYTES if territory.site is None else MAX_SITE_BYTES
        return cls(source, territory, own_site, level, clock)

    def take(self) -> None:
        """Ask the source.  A failure is noted in :attr:`problem`, and what was known stays."""
        kept: dict[names.Key, Entry] = {}
        try:
            refused = Refused()
            for base in self.territory.bases:
                self._ask(base, kept, refused)
        except GridError as error:
            if self.problem != error.description:
                log.warning("%s", error.description)
            self.problem = error.description
            return
        except Exception:  # one source's bytes must not keep the others' from being served
            log.exception("harvesting %s failed", self.source.url)
            self.problem = f"harvesting {self.source.url} failed unexpectedly; the log knows more"
            return
        if self.problem:
            log.info("the information source %s answers again", self.source.url)
        known = {entry.key: entry for entry in self.entries}
        # what stays the same is not encoded again
        self.entries = tuple([known[key] if known.get(key) == new else new for key, new in kept.items()])
        self.good_at, self.problem, self.expired = self.clock(), "", False
        self._complain(refused)

    def _complain(self, refused: Refused) -> None:
        more = f" (and {refused.count - 1} more)" if refused.count > 1 else ""
        text = f"{self.source.url} publishes what has no place here: {refused.first}{more}" if refused.count else ""
        if text and text != self.refused:
            log.warning("%s", text)
        self.refused = text

    def _ask(self, base: str, kept: dict[names.Key, Entry], refused: Refused) -> None:
        """Read one tree."""
        below = names.key(base)
        try:
            for entry in self.source.stream(_EVERYTHING, base=base):
                try:
                    place = self._place(entry.dn, below)
                    if place:
                        kept.setdefault(names.key(place), entry.moved(place))
                except (NameSyntaxError, ForeignEntry) as error:
                    refused.add(error.description)
        except SourceFailure as error:
            # a source need not have both trees, but one of them
            if not error.reason.startswith("noSuchObject") or (base == self.territory.bases[-1] and not kept):
                raise

    def _place(self, dn: str, below: names.Key) -> str:
        """Where an entry stands in the served tree; empty for a mere level.

        :raises ForeignEntry: when it is not the source's to publish.
        :raises NameSyntaxError: when it is of neither tree.
        """
        key = names.key(dn)
        if key[len(key) - len(below) :] != below:
            raise ForeignEntry(dn, f"is not below {','.join(below)}")
        site = site_of(dn)
        if self.territory.site is not None and site is not None and names.fold(site) != names.fold(self.territory.site):
            raise ForeignEntry(dn, f"belongs to another site than {self.territory.site}")
        return placed(dn, self.territory.site or self.own_site, self.level)

    def age(self, now: float, grace: float) -> None:
        """Let the entries go when the source has been silent for longer than the grace time."""
        if self.good_at is None or self.expired or now - self.good_at <= grace:
            return
        if self.problem:
            log.warning(
                "the %d entries of %s are let go: no good answer for %.0f s",
                len(self.entries), self.source.url, now - self.good_at,
            )  # fmt: skip
            self.entries, self.expired = (), True
