"""The information supermarket: the last good picture of the computing elements, refreshed in the background.

Readers get an immutable :class:`Snapshot`; a new one is made beside it and put in its place, so nobody ever sees half
of a purchase.  Everything is bought now and then, what changes by the minute in between; each purchase is made by a
process of its own (:mod:`broker.errand`), so that matchmaking goes on.  A source that fails keeps its last good
records until they expire, across a restart too (:mod:`broker.picture`).
"""

from __future__ import annotations

import logging
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from apscheduler.schedulers.background import BackgroundScheduler

from broker.blacklist import read_blacklist
from broker.closeness import Close, close_rows
from broker.errand import Errand, Goods, PurchaseFailed
from broker.picture import picture_of, sweep
from broker.purchase import STATES, STORED, WHOLE, Order
from broker.shelf import Bill, Shelf, wall_to_monotonic
from broker.source import InformationSource
from broker.table import Table
from grid import clock
from grid.collector import Collector
from grid.files import make_directory
from infosys import names
from infosys.ce_ads import CeRecord, with_close_storage
from infosys.se_ads import SeRecord, by_id
from jdl.values import Record

log = logging.getLogger("wms.broker")

MAX_PURCHASERS: Final = 8
"""Sources that are read at the same time."""
_FIRST_PAUSE: Final = 1.0
"""Seconds until a source that has never answered, or knows no element, is asked again; doubled each time."""
_FIRST_TIMEOUT: Final = 5.0
"""Seconds that a source may take at the start, when there is a picture of it to be shown meanwhile."""
_LET_GO: Final = 200
"""Records that are given back at a time; to give back all at once would stop every thread for 0.1 s."""
_LET_GO_WAIT: Final = 5.0
"""Seconds for the readers of the snapshot before to end."""


@dataclass(frozen=True)
class Snapshot:
    """The computing elements as they were known at one moment.

    :ivar records: one for each computing element or VO view, each key once.
    :ivar storage: the storage elements by their ids, as :func:`infosys.names.fold` makes them (lower case).
    :ivar taken_at: aware, UTC.
    :ivar generation: grows by one with every snapshot of a supermarket.
    :ivar problems: what is wrong with sources and entries, one sentence each, for operators.
    :ivar health: those of them that are about the sources themselves.
    :ivar barred: the operator's blacklist; nothing of :attr:`records` is on it.
    """

    records: tuple[CeRecord, ...] = field(default=(), repr=False)
    taken_at: datetime = field(default_factory=clock.now)
    generation: int = 0
    problems: tuple[str, ...] = ()
    health: tuple[str, ...] = ()
    storage: Mapping[str, SeRecord] = field(default_factory=dict, repr=False)
    barred: tuple[re.Pattern[str], ...] = field(default=(), repr=False)

    @cached_property
    def table(self) -> Table:
        """The records as jobs' expressions are asked of them; a supermarket makes it before it shows the snapshot."""
        return Table(self.records)

    @cached_property
    def close(self) -> Mapping[str, tuple[Close, ...]]:
        """By storage element, as in :attr:`storage`, the rows of the records that it is close to."""
        return close_rows(self.records)

    def after(self, before: Snapshot) -> Snapshot:
        """This snapshot with its table made, of what has not changed in the table of the one before."""
        self.__dict__["table"] = Table(self.records, before.table).prepare()
        return self


@dataclass(frozen=True)
class Stock:
    """One record on the shelves, for operators.

    :ivar age: seconds since it was last seen.  :ivar left: seconds until it expires.
    """

    source: str
    record: CeRecord | SeRecord
    age: float
    left: float


class Supermarket:
    """Buys from information sources, and shows what it has.

    Of a computing element that several sources know the first source whose last answer was good counts, whole.

    :param sources: the BDIIs, the one that counts most first.
    :param refresh: seconds between two looks at what changes by the minute.
    :param whole_refresh: seconds between two purchases of everything.
    :param lifetime: seconds that a record is shown after it was last seen.
    :param blacklist: regular expressions of the operator; a record whose key or CE id one of them matches whole is
        left out.
    :param pictures: a directory for the last good answers; None keeps none.
    :param memory: bytes that a purchase may take.
    :param scheduler: an APScheduler to put the purchases on; without one the supermarket has its own.
    :raises ConfigurationError: when a blacklist expression cannot be read.
    """

    def __init__(
        self,
        sources: Sequence[InformationSource],
        *,
        refresh: float = 60.0,
        whole_refresh: float = 300.0,
        lifetime: float = 900.0,
        blacklist: Iterable[str] = (),
        pictures: Path | None = None,
        memory: int = 2 << 30,
        scheduler: Any | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelves = [Shelf(source) for source in sources]
        self._refresh = refresh
        self._whole_refresh = whole_refresh
        self._lifetime = lifetime
        self._blacklist = read_blacklist(blacklist)
        self._pictures = pictures
        self._memory = memory
        self._own_scheduler = scheduler is None
        self._scheduler = scheduler
        self._jobs: list[Any] = []
        self._monotonic = monotonic
        self._buying = threading.Lock()
        self._collector = Collector()
        self._errands: set[Errand] = set()
        self._closed = threading.Event()
        self._snapshot = Snapshot()
        self._expires: float | None = None
        self._listeners: list[Callable[[Snapshot], None]] = []

    def start(self) -> Supermarket:
        """Buy once before returning, then again and again until :meth:`close`.

        A first purchase that fails is no error: then the picture on disk is shown, or the snapshot is empty; both say
        why.
        """
        if self._pictures is not None:
            make_directory(self._pictures, 0o700)
            sweep(self._pictures, {path for shelf in self._shelves if (path := self._picture(shelf)) is not None})
        self.refresh_now()
        if self._scheduler is None:
            self._scheduler = BackgroundScheduler(daemon=True, timezone=UTC)
            self._scheduler.start()
        for buy, seconds in ((self._buy_due, self._refresh), (self._buy_first, min(_FIRST_PAUSE, self._refresh))):
            self._jobs.append(
                self._scheduler.add_job(
                    buy, "interval", seconds=seconds, max_instances=1, coalesce=True, misfire_grace_time=None
                )
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
        """Buy everything from every source and give what is known then.  Sources that fail are told in the problems."""
        return self._buy({id(shelf): WHOLE for shelf in self._shelves})

    def subscribe(self, listener: Callable[[Snapshot], None]) -> None:
        """Call ``listener`` with the new snapshot after each purchase, in the purchasing thread; it must be quick."""
        self._listeners.append(listener)

    def bills(self) -> list[Bill]:
        """What each source has brought."""
        now = self._monotonic()
        return [shelf.bill(now) for shelf in self._shelves]

    def stock(self) -> list[Stock]:
        """Every record that is shown, computing elements first, with its source and age."""
        snapshot = self.snapshot()
        now = self._monotonic()
        owner = {id(record): shelf for shelf in self._shelves for record in list(shelf.storage.values())}
        found = []
        of_key = self._of_key()
        for record in snapshot.records:
            shelf = of_key.get(record.key)
            if shelf is not None:
                found.append(self._on_shelf(shelf, record, now - shelf.seen_at(record.key)))
        for element in snapshot.storage.values():
            shelf = owner.get(id(element))
            if shelf is not None:
                found.append(self._on_shelf(shelf, element, now - (shelf.good_at or 0.0)))
        return found

    def close(self) -> None:
        """Buy no more; purchases that are under way are ended."""
        self._closed.set()
        for errand in tuple(self._errands):
            errand.stop()
        if self._own_scheduler and self._scheduler is not None:
            self._scheduler.shutdown(wait=True)
            self._scheduler = None
        else:
            for job in self._jobs:
                job.remove()
        self._jobs.clear()

    def __enter__(self) -> Supermarket:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what to buy when

    def _buy_due(self) -> None:
        now = self._monotonic()
        orders = {}
        for shelf in self._shelves:
            whole = shelf.due or shelf.whole_at is None or now - shelf.whole_at >= self._whole_refresh - 1.0
            if whole:
                orders[id(shelf)] = WHOLE
            elif shelf.receipt.schema in ("1.3", "2.0"):
                orders[id(shelf)] = STATES
        if orders:
            self._buy(orders)

    def _buy_first(self) -> None:
        """From sources that have never answered, or know nothing: as when a node is being started."""
        now = self._monotonic()
        orders = {}
        for shelf in self._shelves:
            pause = min(self._refresh, _FIRST_PAUSE * 2.0 ** min(shelf.failures, 10))
            waits = not shelf.answered or shelf.empty
            if waits and (shelf.tried_at is None or now - shelf.tried_at >= pause):
                orders[id(shelf)] = WHOLE
        if orders and not self._buying.locked():
            self._buy(orders)

    # -- buying

    def _buy(self, orders: Mapping[int, str]) -> Snapshot:
        """Buy, and show what is known then."""
        with self._buying, self._collector:
            chosen = [shelf for shelf in self._shelves if id(shelf) in orders]
            if chosen and not self._closed.is_set():
                with ThreadPoolExecutor(min(MAX_PURCHASERS, len(chosen)), "purchaser") as pool:
                    list(pool.map(lambda shelf: self._purchase(shelf, orders[id(shelf)]), chosen))
            before = self._snapshot
            shown = self._show()
        for listener in tuple(self._listeners):
            listener(shown)
        old, gone = list(before.records), weakref.ref(before)
        del before
        self._let_go(old, gone)
        return shown

    def _let_go(self, records: list[CeRecord], snapshot: weakref.ref[Snapshot]) -> None:
        """Give the records of a large snapshot back little by little, once nobody reads it any more."""
        if len(records) < Collector.MANY:
            return
        deadline = time.monotonic() + _LET_GO_WAIT
        while snapshot() is not None and time.monotonic() < deadline and not self._closed.wait(0.02):
            pass
        while records:
            del records[-_LET_GO:]
            time.sleep(0.0005)

    def _purchase(self, shelf: Shelf, kind: str) -> None:
        now = shelf.tried_at = self._monotonic()
        picture = self._picture(shelf)
        source = shelf.source
        if shelf.good_at is None and picture is not None and picture.exists():
            source = replace(source, timeout=min(source.timeout, _FIRST_TIMEOUT))  # there is something to show
        try:
            known = shelf.receipt
            order = Order(source, kind, picture, self._memory, known.holders)
            if kind == STATES:
                order = replace(order, schema=known.schema, origins=known.origins)
            goods = self._sent(order, shelf)
        except PurchaseFailed as error:
            if shelf.failure != error.description:
                log.warning("%s", error.description)
            shelf.fail(error.description)
        except Exception:  # one source's bytes must not keep the others' from being shown
            log.exception("the purchase from %s failed", shelf.source.url)
            shelf.fail(f"The purchase from {shelf.source.url} failed unexpectedly; the log knows more")
        else:
            self._put(shelf, kind, goods, now)
            if kind == STATES and shelf.due:  # some came or went
                self._purchase(shelf, WHOLE)
            return
        if not shelf.answered and shelf.good_at is None:
            self._restore(shelf)

    def _put(self, shelf: Shelf, kind: str, goods: Goods, now: float) -> None:
        if shelf.failure:
            log.info("the information source %s answers again", shelf.source.url)
        if kind == STATES:
            shelf.take_states(goods, now)
            return
        shelf.take_whole(goods, self._wanted(goods.records), now)
        if shelf.suspicion:
            log.warning("%s", shelf.suspicion)
        receipt = goods.receipt
        log.log(
            logging.INFO if len(shelf.records) >= Collector.MANY else logging.DEBUG,
            "bought %d records from %s: %d entries, %.1f MiB, read in %.1f s, made in %.1f s, %.0f MiB at most",
            len(goods.records), shelf.source.url, receipt.entries, receipt.bytes / (1 << 20),
            receipt.read_seconds, receipt.made_seconds, receipt.peak_memory / (1 << 20),
        )  # fmt: skip

    def _restore(self, shelf: Shelf) -> None:
        """Show what was known before this program was started."""
        picture = self._picture(shelf)
        if picture is None or not picture.exists():
            return
        try:
            goods = self._sent(Order(shelf.source, STORED, picture, self._memory), shelf)
        except PurchaseFailed as error:
            log.warning("%s", error.description)
            return
        now = self._monotonic()
        taken = wall_to_monotonic(goods.receipt.taken_at, now)
        if now - taken >= self._lifetime:
            log.warning("the picture of %s on disk is %.0f s old and not shown", shelf.source.url, now - taken)
            return
        shelf.take_whole(goods, self._wanted(goods.records), taken, stored=True)
        log.warning("%d records of %s come from the picture on disk", len(shelf.records), shelf.source.url)

    def _sent(self, order: Order, shelf: Shelf) -> Goods:
        if order.kind != STATES:
            shelf.nodes.turn()
        errand = Errand(order, self._collector.expecting, shelf.nodes)
        self._errands.add(errand)
        try:
            if self._closed.is_set():
                errand.stop()
            return errand.run()
        finally:
            self._errands.discard(errand)

    def _picture(self, shelf: Shelf) -> Path | None:
        source = shelf.source
        return self._pictures and picture_of(self._pictures, source.url, source.base, source.schema)

    def _wanted(self, records: Iterable[CeRecord]) -> dict[str, CeRecord]:
        found: dict[str, CeRecord] = {}
        for record in records:
            named = (record.key, record.ce_id)
            if not any(pattern.fullmatch(name) for pattern in self._blacklist for name in named):
                found.setdefault(record.key, record)
        return found

    # -- showing

    def _of_key(self) -> dict[str, Shelf]:
        """Which source counts for each record: for all records of an element the first one that is current."""
        owner: dict[str, Shelf] = {}
        found: dict[str, Shelf] = {}
        for shelf in sorted(self._shelves, key=lambda each: not each.current):
            for key, record in list(shelf.records.items()):
                if owner.setdefault(names.fold(record.ce_id), shelf) is shelf:
                    found[key] = shelf
        return found

    def _show(self) -> Snapshot:
        """Put a new snapshot of what has not expired in the old one's place."""
        now = self._monotonic()
        problems: list[str] = []
        health: list[str] = []
        expiries: list[float] = []
        for shelf in self._shelves:
            for record in shelf.expire(now, self._lifetime):
                log.debug("%s has expired", record.key)
            problems.extend(shelf.problems(now))
            health.extend(shelf.health(now))
            expiry = shelf.next_expiry(self._lifetime)
            if expiry is not None:
                expiries.append(expiry)
        of_key = self._of_key()
        order = [(key, shelf) for shelf in self._shelves for key in shelf.records if of_key.get(key) is shelf]
        storage: dict[str, SeRecord] = {}
        for shelf in sorted(self._shelves, key=lambda each: not each.current):
            storage = {**by_id(shelf.storage.values()), **storage}
        shown = self._completed([(shelf.records[key], shelf) for key, shelf in order], storage)
        before, barred = self._snapshot, tuple(self._blacklist)
        made = Snapshot(shown, clock.now(), before.generation + 1, tuple(problems), tuple(health), storage, barred)
        self._snapshot = made.after(before)  # its table is made here, not by the first job that is matched
        self._expires = min(expiries, default=None)
        return made

    def _completed(
        self, records: Sequence[tuple[CeRecord, Shelf]], storage: Mapping[str, SeRecord]
    ) -> tuple[CeRecord, ...]:
        """The records; close storage elements that another source alone knows are put into their ads."""
        own = {id(shelf): {names.fold(each) for each in shelf.storage} for shelf in self._shelves}
        found = []
        for record, shelf in records:
            if len(storage) > len(own[id(shelf)]) and _lacks(record, own[id(shelf)], storage):
                (record,) = with_close_storage((record,), storage)
            found.append(record)
        return tuple(found)

    def _on_shelf(self, shelf: Shelf, record: CeRecord | SeRecord, age: float) -> Stock:
        return Stock(shelf.source.url, record, age, max(0.0, self._lifetime - age))


def _lacks(record: CeRecord, own: set[str], storage: Mapping[str, SeRecord]) -> bool:
    """Whether a close storage element of the record is published by another source only."""
    binds = record.ad.value("CloseStorageElements")
    for bind in binds if isinstance(binds, tuple) else ():
        name = names.fold(str(bind.ad.value("name"))) if isinstance(bind, Record) else ""
        if name not in own and name in storage:
            return True
    return False
