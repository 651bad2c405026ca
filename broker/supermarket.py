"""The information supermarket: the last good picture of the computing elements, refreshed in the background.

Readers get an immutable :class:`Snapshot`; a new one is made beside it and put in its place, so nobody ever sees half
of a purchase.  A source that fails keeps its last good records until they expire.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Final

from apscheduler.schedulers.background import BackgroundScheduler

from broker.blacklist import read_blacklist
from broker.table import Table
from grid import clock
from grid.errors import GridError
from infosys.ce_ads import ADS_FILTER, CeRecord, assemble, with_close_storage
from infosys.client import LdapSource
from infosys.schema import Schema
from infosys.se_ads import SeRecord, by_id

log = logging.getLogger("wms.broker")

MAX_PURCHASERS: Final = 8
"""Sources that are read at the same time."""


@dataclass(frozen=True)
class Snapshot:
    """The computing elements as they were known at one moment.

    :ivar records: one for each computing element or VO view, each key once.
    :ivar storage: the storage elements by their ids, as :func:`infosys.names.fold` makes them (lower case).
    :ivar taken_at: aware, UTC.
    :ivar generation: grows by one with every snapshot of a supermarket.
    :ivar problems: what is wrong with sources and entries, one sentence each, for operators.
    """

    records: tuple[CeRecord, ...] = field(default=(), repr=False)
    taken_at: datetime = field(default_factory=clock.now)
    generation: int = 0
    problems: tuple[str, ...] = ()
    storage: Mapping[str, SeRecord] = field(default_factory=dict, repr=False)

    @cached_property
    def table(self) -> Table:
        """The records as jobs' expressions are asked of them; a supermarket makes it before it shows the snapshot."""
        return Table(self.records)

    def after(self, before: Snapshot) -> Snapshot:
        """This snapshot with its table made, of what has not changed in the table of the one before."""
        self.__dict__["table"] = Table(self.records, before.table).prepare()
        return self


@dataclass(slots=True)
class _Shelf:
    """What is known from one source."""

    source: LdapSource
    schema: Schema | None = None
    records: tuple[CeRecord, ...] = ()
    storage: tuple[SeRecord, ...] = ()
    good_at: float | None = None
    problems: tuple[str, ...] = ()
    failure: str = ""


class Supermarket:
    """Buys from information sources, and shows what it has.

    :param sources: the BDIIs; of records with one key the first source's counts.
    :param refresh: seconds between two purchases.
    :param lifetime: seconds that records are shown after the purchase that brought them.
    :param blacklist: regular expressions of the operator; a record whose key one of them matches whole is left out.
    :param scheduler: an APScheduler to put the purchases on; without one the supermarket has its own.
    :raises ConfigurationError: when a blacklist expression cannot be read.
    """

    def __init__(
        self,
        sources: Sequence[LdapSource],
        *,
        refresh: float = 60.0,
        lifetime: float = 900.0,
        blacklist: Iterable[str] = (),
        scheduler: Any | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelves = [_Shelf(source) for source in sources]
        self._refresh = refresh
        self._lifetime = lifetime
        self._blacklist = read_blacklist(blacklist)
        self._own_scheduler = scheduler is None
        self._scheduler = scheduler
        self._job: Any | None = None
        self._monotonic = monotonic
        self._buying = threading.Lock()
        self._snapshot = Snapshot()
        self._expires: float | None = None
        self._listeners: list[Callable[[Snapshot], None]] = []

    def start(self) -> Supermarket:
        """Buy once before returning, then every ``refresh`` seconds until :meth:`close`.

        A first purchase that fails is no error: the snapshot is empty and says why.
        """
        self.refresh_now()
        if self._scheduler is None:
            self._scheduler = BackgroundScheduler(daemon=True, timezone=UTC)
            self._scheduler.start()
        self._job = self._scheduler.add_job(
            self.refresh_now, "interval", seconds=self._refresh, max_instances=1, coalesce=True, misfire_grace_time=None
        )
        return self

    def snapshot(self) -> Snapshot:
        """What is known now; costs nothing and never waits for a source."""
        expires = self._expires
        if expires is not None and self._monotonic() >= expires and self._buying.acquire(blocking=False):
            try:
                self._show()
            finally:
                self._buying.release()
        return self._snapshot

    def refresh_now(self) -> Snapshot:
        """Buy from every source and give what is known then.  Sources that fail are told in the problems."""
        with self._buying:
            if self._shelves:
                with ThreadPoolExecutor(min(MAX_PURCHASERS, len(self._shelves)), "purchaser") as pool:
                    list(pool.map(self._purchase, self._shelves))
            shown = self._show()
        for listener in tuple(self._listeners):
            listener(shown)
        return shown

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Call ``listener`` with the new snapshot after each purchase, in the purchasing thread; it must be quick."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Buy no more; a purchase that is under way ends first."""
        if self._own_scheduler and self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
        elif self._job is not None:
            self._job.remove()
        self._job = None

    def __enter__(self) -> Supermarket:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _purchase(self, shelf: _Shelf) -> None:
        try:
            if shelf.schema is None:
                shelf.schema = _learnt(shelf.source)
            assembly = assemble(shelf.source.fetch(ADS_FILTER), shelf.schema)
        except GridError as error:
            if shelf.failure != error.description:
                log.warning("%s", error.description)
            shelf.failure = error.description
            return
        except Exception:  # one source's bytes must not keep the others' from being shown
            log.exception("the purchase from %s failed", shelf.source.url)
            shelf.failure = f"The purchase from {shelf.source.url} failed unexpectedly; the log knows more"
            return
        if shelf.failure:
            log.info("the information source %s answers again", shelf.source.url)
        shelf.failure, shelf.problems = "", assembly.problems
        shelf.records = tuple(each for each in assembly.records if not self._forbidden(each.key))
        shelf.storage = assembly.storage
        shelf.good_at = self._monotonic()

    def _forbidden(self, key: str) -> bool:
        return any(pattern.fullmatch(key) for pattern in self._blacklist)

    def _show(self) -> Snapshot:
        """Put a new snapshot of what has not expired in the old one's place."""
        now = self._monotonic()
        records: dict[str, CeRecord] = {}
        storage: dict[str, SeRecord] = {}
        problems: list[str] = []
        expires: float | None = None
        for shelf in self._shelves:
            problems.extend([shelf.failure] if shelf.failure else [])
            problems.extend(shelf.problems)
            if shelf.good_at is None or not (shelf.records or shelf.storage):
                continue
            end = shelf.good_at + self._lifetime
            if now >= end:
                problems.append(
                    f"The {len(shelf.records)} records of {shelf.source.url} have expired: "
                    f"its last good answer is {now - shelf.good_at:.0f} s old"
                )
                continue
            expires = end if expires is None else min(expires, end)
            for record in shelf.records:
                records.setdefault(record.key, record)
            storage = {**by_id(shelf.storage), **storage}
        shown = tuple(records.values())
        if len(self._shelves) > 1 and storage:
            shown = with_close_storage(shown, storage)  # what is close may be known from another source
        before = self._snapshot
        made = Snapshot(shown, clock.now(), before.generation + 1, tuple(problems), storage)
        self._snapshot = made.after(before)  # by who purchases, so that the first job that is matched need not
        self._expires = expires
        return self._snapshot


def _learnt(source: LdapSource) -> Schema | None:
    """The source's own schema; None (then GLUE 1.3 counts) when it publishes none."""
    try:
        return source.schema()
    except GridError as error:
        log.info("%s; its attributes are read as GLUE 1.3 has them", error.description)
        return None
