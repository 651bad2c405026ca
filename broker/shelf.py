"""What is known from one information source, and how it ages.  Pure: times come from the caller's clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from broker.errand import Goods
from broker.parcels import Nodes
from broker.purchase import Receipt
from broker.source import InformationSource
from broker.states import Values, state_of, with_state
from infosys.ce_ads import CeRecord
from infosys.se_ads import SeRecord

SUSPICIOUS_LOSS: Final = 20
"""So many records fewer, and fewer than half of them left: then a source is thought to be refilling."""


@dataclass(frozen=True)
class Bill:
    """What one source has brought, for operators.

    :ivar schema: what its records came in: ``1.3``, ``2.0`` or ``both``; empty while it has brought none.
    :ivar records: shown ones.
    :ivar age: seconds since it last answered well; None when it never did.
    :ivar whole_age: seconds since the last purchase of everything.
    :ivar current: whether its last answer was a good one.
    :ivar stored: whether what is shown comes from the picture on disk.
    """

    url: str
    base: str
    schema: str
    records: int
    storage: int
    age: float | None
    whole_age: float | None
    current: bool
    stored: bool
    failure: str
    receipt: Receipt
    refresh: Receipt | None
    seconds: float
    refresh_seconds: float


@dataclass(slots=True)
class Shelf:
    """One source's records.

    :ivar answered: whether it has answered since this program was started.
    :ivar due: whether everything must be bought next time.
    :ivar empty: whether its last answer held no computing element.
    :ivar nodes: the nodes of its records.
    :ivar seen: the moments of records that the last good answer lacked; all others were seen at :attr:`good_at`.
    """

    source: InformationSource
    records: dict[str, CeRecord] = field(default_factory=dict)
    storage: dict[str, SeRecord] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    good_at: float | None = None
    whole_at: float | None = None
    tried_at: float | None = None
    answered: bool = False
    stored: bool = False
    due: bool = True
    failure: str = ""
    suspicion: str = ""
    expired: str = ""
    receipt: Receipt = field(default_factory=Receipt)
    refresh: Receipt | None = None
    seconds: float = 0.0
    refresh_seconds: float = 0.0
    failures: int = 0
    empty: bool = False
    states: dict[str, Values] = field(default_factory=dict)
    nodes: Nodes = field(default_factory=Nodes)

    @property
    def current(self) -> bool:
        """Whether its last answer was a good one."""
        return self.answered and not self.failure

    def take_whole(self, goods: Goods, records: Mapping[str, CeRecord], now: float, *, stored: bool = False) -> None:
        """Everything was bought (or read from disk).

        :param records: of the goods those that are wanted.
        :param now: when the source was asked.
        """
        before, good_at = self.records, self.good_at
        kept: dict[str, float] = {}
        self.suspicion = ""
        lost = len(before) - sum(1 for key in before if key in records)
        if not stored and _is_suspicious(len(before), lost, len(records)):
            kept = {key: self.seen.get(key, good_at or now) for key in before if key not in records}
            self.suspicion = (
                f"The information source {self.source.url} shows {len(records)} records, {lost} of {len(before)} are "
                "gone at once: it seems to be refilling; they are kept until they expire"
            )
        self.records = {**records, **{key: before[key] for key in kept}}
        self.seen = kept
        self.storage = {each.se_id: each for each in goods.storage} or (self.storage if kept else {})
        self.states = {key: state_of(record.ad) for key, record in self.records.items()}
        self.receipt, self.seconds = goods.receipt, goods.seconds
        self.refresh = None
        self.good_at = self.whole_at = now
        self.answered, self.stored, self.due, self.failures = self.answered or not stored, stored, stored, 0
        self.expired = ""
        self.empty = not records
        if not stored:
            self.failure = ""

    def take_states(self, goods: Goods, now: float) -> int:
        """What changes by the minute was bought; records in which something did are made anew.

        Elements or views that came or went make a purchase of everything due.

        :returns: how many were made anew.
        """
        changed = 0
        for key, values in goods.states.items():
            known = self.states.get(key)
            if known is None or key in self.seen or len(known) != len(values):
                continue
            if known != values:
                self.records[key] = with_state(self.records[key], known, values)
                self.states[key] = values
                changed += 1
        self.due = goods.receipt.census != self.receipt.census
        self.refresh, self.refresh_seconds = goods.receipt, goods.seconds
        self.failure, self.failures = "", 0
        if not self.due:  # else some of what is known was not seen
            self.good_at = now
        return changed

    def fail(self, reason: str) -> None:
        """The source could not be read; what is known stays until it expires."""
        self.failure = reason
        self.failures += 1
        self.due = True

    def expire(self, now: float, lifetime: float) -> list[CeRecord]:
        """Let go what was not seen for too long; gives that."""
        if self.good_at is None:
            return []
        gone = [key for key, seen in self.seen.items() if now - seen >= lifetime]
        if now - self.good_at >= lifetime:
            gone = list(self.records)
            if gone:
                self.expired = (
                    f"The {len(gone)} records of {self.source.url} have expired: "
                    f"its last good answer is {now - self.good_at:.0f} s old"
                )
            self.storage = {}
        let_go = [self.records.pop(key) for key in gone]
        for key in gone:
            self.seen.pop(key, None)
            self.states.pop(key, None)
        if not self.seen:
            self.suspicion = ""
        return let_go

    def next_expiry(self, lifetime: float) -> float | None:
        """When the first record expires unless it is seen before; None without records."""
        if self.good_at is None or not (self.records or self.storage):
            return None
        return min(self.good_at, min(self.seen.values(), default=self.good_at)) + lifetime

    def seen_at(self, key: str) -> float:
        """When the record was last seen."""
        return self.seen.get(key, self.good_at or 0.0)

    def problems(self, now: float) -> list[str]:
        """What is wrong with the source and with its entries, one sentence each."""
        return [*self.health(now), *self.receipt.problems, *(self.refresh.problems if self.refresh else ())]

    def health(self, now: float) -> list[str]:
        """What is wrong with the source itself, one sentence each: users read these too."""
        found = [each for each in (self.failure, self.suspicion, self.expired) if each]
        if self.stored and self.records and self.good_at is not None:
            found.append(
                f"What is known of {self.source.url} comes from the picture that was kept on disk, "
                f"{now - self.good_at:.0f} s old"
            )
        elif self.failure and self.records and self.good_at is not None:
            found.append(
                f"The {len(self.records)} records of {self.source.url} are those of its last good answer, "
                f"{now - self.good_at:.0f} s old"
            )
        elif self.failure and self.good_at is None:
            found.append(f"Nothing has come from {self.source.url} since the broker began")
        return found

    def bill(self, now: float) -> Bill:
        """What it has brought."""
        return Bill(
            url=self.source.url,
            base=self.source.base,
            schema=self.receipt.schema,
            records=len(self.records),
            storage=len(self.storage),
            age=None if self.good_at is None else now - self.good_at,
            whole_age=None if self.whole_at is None else now - self.whole_at,
            current=self.current,
            stored=self.stored,
            failure=self.failure,
            receipt=replace(self.receipt, holders={}, origins={}),
            refresh=self.refresh,
            seconds=self.seconds,
            refresh_seconds=self.refresh_seconds,
        )


def _is_suspicious(before: int, lost: int, now: int) -> bool:
    """Whether an answer looks like that of a source that is being refilled: empty, or most of it gone at once."""
    if not now:
        return before > 0
    return lost >= SUSPICIOUS_LOSS and now < before / 2


def wall_to_monotonic(wall: float, now: float) -> float:
    """A moment of the wall clock (s since 1970) on the monotonic clock that shows ``now``; never in the future."""
    return now - max(0.0, time.time() - wall)
