"""Matching one job with the computing elements of a snapshot.  Pure.

A computing element is a candidate when its access rules admit the user, the WMS's own requirements and the job's
Requirements are true with ``other`` being its ad (anything but boolean true is no match), it takes jobs, and the
job's Rank is a number there.

*It takes jobs*: GLUE 1.3 calls an element that accepts none Closed or Draining.  Such a one is no candidate, unless
the job's Requirements speak of GlueCEStateStatus themselves; then the user decides.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from broker.supermarket import Snapshot
from broker.table import STATUS, Mask, refuses_jobs
from infosys.access import User, Verdict, judge
from infosys.ce_ads import CeRecord
from infosys.ce_id import CeId, CeIdError
from jdl.parser import parse_expression
from jdl.scope import Clock, Random
from jdl.tree import ClassAd, Expr, Operation, Reference

__all__ = [
    "WMS_REQUIREMENTS",
    "Candidate",
    "Job",
    "MatchResult",
    "User",
    "admits",
    "candidates_of",
    "match",
    "refuses_jobs",
]

WMS_REQUIREMENTS: Final = parse_expression(
    '(ShortDeadlineJob =?= true ? RegExp(".*sdj$", other.GlueCEUniqueID) : !RegExp(".*sdj$", other.GlueCEUniqueID))'
    " && ((other.GlueCEPolicyMaxTotalJobs == 0"
    " || other.GlueCEStateTotalJobs < other.GlueCEPolicyMaxTotalJobs) =!= false)"
    ' && (EnableWmsFeedback =?= true ? RegExp("cream", other.GlueCEImplementationName, "i") : true)'
    " && (isUndefined(OutputSE) || member(OutputSE, other.GlueCESEBindGroupSEUniqueID))"
)
"""What gLite WMS demands of an element beside its access rules: short-deadline queues for such jobs only, a queue that
is not full, CREAM when feedback is wanted, the wanted storage element close by."""

DEFAULT_RANK: Final = parse_expression("-other.GlueCEStateEstimatedResponseTime")


class Job:
    """A job's ad as the matchmaker reads it.

    A job without Requirements has none to meet; one without Rank is ranked by :data:`DEFAULT_RANK`.
    """

    def __init__(self, ad: ClassAd) -> None:
        self.ad = ad

    @property
    def requirements(self) -> Expr | None:
        """The expression, None when there is none."""
        return self.ad.get("Requirements")

    @property
    def rank(self) -> Expr:
        """The expression."""
        return self.ad.get("Rank") or DEFAULT_RANK

    @property
    def submit_to(self) -> str | None:
        """The CE id that the user has chosen, None when the broker shall choose."""
        value = self.ad.value("SubmitTo")
        return value if isinstance(value, str) else None

    @property
    def needs_data(self) -> bool:
        """Whether the job names input data; then hosts that were tried are not avoided (gLite WMS)."""
        return "InputData" in self.ad or "DataRequirements" in self.ad

    @property
    def fuzzy_factor(self) -> float | None:
        """The steepness of a fuzzy choice, None when the best rank wins."""
        if self.ad.value("FuzzyRank") is not True:
            return None
        value = self.ad.value("fuzzy_factor")
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 1.0

    @cached_property
    def decides_status(self) -> bool:
        """Whether the Requirements speak of GlueCEStateStatus."""
        return any(name.lower() == STATUS.lower() for name in self.referenced(self.requirements))

    def referenced(self, expr: Expr | None) -> Iterator[str]:
        """The names of the other ad's attributes that an expression reads, through own attributes too; each once."""
        waiting = [] if expr is None else [expr]
        followed: set[str] = set()
        seen: set[str] = set()
        while waiting:
            node = waiting.pop()
            waiting.extend(reversed(list(node.children())))
            if not isinstance(node, Reference):
                continue
            if (node.scope or "").lower() in ("other", "target"):
                if node.key not in seen:
                    seen.add(node.key)
                    yield node.name
            elif node.key not in followed:
                followed.add(node.key)
                own = self.ad.get(node.name)
                if own is not None:
                    waiting.append(own)

    def conjuncts(self, expr: Expr | None) -> list[Expr]:
        """The terms that must all be true: nested ``&&`` and own attributes that stand for terms are resolved."""
        found: dict[Expr, None] = {}
        followed: set[str] = set()
        waiting = [] if expr is None else [expr]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Operation) and not node.unary and node.operator == "&&":
                waiting.extend(reversed(node.operands))
                continue
            if isinstance(node, Reference) and (node.scope or "self").lower() in ("self", "my"):
                own = self.ad.get(node.name)
                if own is not None and node.key not in followed:
                    followed.add(node.key)
                    waiting.append(own)
                    continue
            found.setdefault(node)
        return list(found)


@dataclass(frozen=True)
class Candidate:
    """A computing element that the job can go to.

    :ivar record: what is known of it; None when the user named an element that no source publishes.
    :ivar endpoint: base URL of its CREAM service, ``https://host:port/ce-cream/services``.
    """

    ce_id: str
    rank: int | float
    host: str
    endpoint: str
    record: CeRecord | None = None

    @property
    def listed_rank(self) -> int:
        """The rank as jobListMatch shows it: a long, cut towards zero."""
        return int(self.rank)


@dataclass(frozen=True)
class MatchResult:
    """What matched.

    :ivar candidates: best rank first; equal ranks in the order of their keys.
    :ivar fuzzy_factor: when the choice is a roulette (see :meth:`choose`).
    :ivar restored: every match was on a host that had been tried, so none of them is left out.
    """

    candidates: tuple[Candidate, ...] = ()
    fuzzy_factor: float | None = None
    restored: bool = False

    def choose(self, rng: random.Random) -> Candidate:
        """One candidate: of the best rank, ties broken uniformly; with FuzzyRank a weighted roulette over all.

        The weight of rank r is ``atan((r - mean) * fuzzy_factor) + pi/2`` (gLite WMS).

        :raises IndexError: when there is no candidate.
        """
        if self.fuzzy_factor is None:
            best = self.candidates[0].rank
            return rng.choice([each for each in self.candidates if each.rank == best])
        mean = math.fsum(each.rank for each in self.candidates) / len(self.candidates)
        weights = [math.atan((each.rank - mean) * self.fuzzy_factor) + math.pi / 2 for each in self.candidates]
        if not sum(weights) > 0:
            return rng.choice(self.candidates)
        return rng.choices(self.candidates, weights)[0]


def match(
    job: Job,
    snapshot: Snapshot,
    user: User,
    *,
    tried_hosts: Collection[str] = (),
    wms_requirements: Expr | None = WMS_REQUIREMENTS,
    clock: Clock = time.time,
    rng: Random = random.random,
) -> MatchResult:
    """Find the candidates.

    :param tried_hosts: hosts to leave out (GlueCEInfoHostName), unless nothing else remains.
    :param wms_requirements: conditions of the WMS itself; None for none.
    :param clock: what ``time()`` gives in expressions.  :param rng: what ``random()`` gives.
    """
    if job.submit_to is not None:
        return MatchResult(tuple(_named(job.submit_to, snapshot, user)))
    possible = candidates_of(job, snapshot, user, wms_requirements, clock=clock, rng=rng)
    found = ranked(job, snapshot, possible, clock=clock, rng=rng)
    found.sort(key=lambda each: (-each.rank, each.record.key if each.record else each.ce_id))
    fresh = found if job.needs_data else [each for each in found if not _tried(each, tried_hosts)]
    return MatchResult(tuple(fresh or found), job.fuzzy_factor, bool(found) and not fresh)


def candidates_of(
    job: Job,
    snapshot: Snapshot,
    user: User,
    wms_requirements: Expr | None = WMS_REQUIREMENTS,
    *,
    clock: Clock = time.time,
    rng: Random = random.random,
) -> Mask:
    """The rows of the snapshot's table that meet everything but the rank."""
    table = snapshot.table
    possible = table.admitted(user)
    if not job.decides_status:
        possible = possible & table.takes_jobs()
    for demand in (job.requirements, wms_requirements):
        if demand is not None:
            possible = possible & table.where(job.ad, demand, clock=clock, rng=rng)
    return possible


def ranked(
    job: Job, snapshot: Snapshot, possible: Mask, *, clock: Clock = time.time, rng: Random = random.random
) -> list[Candidate]:
    """The possible rows on which the job's Rank is a number, in the order of the records."""
    found = []
    for row, value in snapshot.table.ranks(job.ad, job.rank, possible, clock=clock, rng=rng):
        record = snapshot.records[row]
        found.append(Candidate(record.ce_id, value, record.host, record.endpoint, record))
    return found


def admits(record: CeRecord, user: User) -> Verdict:
    """What the record's access rules say about the user."""
    return judge(record.access_rules, user)


def _tried(candidate: Candidate, hosts: Collection[str]) -> bool:
    return candidate.host in hosts or candidate.ce_id.partition(":")[0] in hosts


def _named(text: str, snapshot: Snapshot, user: User) -> Iterator[Candidate]:
    """The element that SubmitTo names: no matching, but a known one must admit the user."""
    known = [record for record in snapshot.records if record.ce_id == text]
    if known:
        record = next((each for each in known if admits(each, user).allowed), None)
        if record is not None and record.endpoint:
            yield Candidate(text, 0, record.host, record.endpoint, record)
        return
    try:
        parts = CeId.parse(text)
    except CeIdError:
        return  # the explanation says so
    if parts.kind == "cream":
        yield Candidate(text, 0, parts.host, f"https://{parts.host}:{parts.port}/ce-cream/services")
