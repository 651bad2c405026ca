"""Which of the computing elements that match a job is sent to.  Pure but for chance, which is passed in.

1. Those that no job can be handed to (:mod:`broker.reach`) are no choice, nor are those that are set aside after
   failures (:mod:`broker.standing`), nor those that the jobs sent since the picture was taken have filled
   (:mod:`broker.traffic`): with these jobs on top they do not meet the Requirements.  When only elements are left that
   the job was at before, those are taken rather than none.
2. Ranks are those that the job's Rank gives with these jobs on top.
3. The best rank wins; among equals chance decides.  An element with failures is taken with the chance that its standing
   gives, else the turn goes to the next.  With FuzzyRank it is one roulette over all, in which the standing counts too.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Final, TypeAlias

from broker.candidates import Candidate, MatchResult, fuzzy_weights
from broker.circumstances import Circumstances
from broker.job import Job
from broker.reach import out_of_reach
from broker.standing import Standing
from broker.standings import Standings, moment
from broker.traffic import Traffic, with_jobs
from infosys.ce_ads import CeRecord
from jdl.evaluate import compile as compiled
from jdl.tree import Expr
from jdl.values import is_true

MOST_CORRECTED: Final = 200
"""Elements whose rank is computed anew for one job; further ones keep that of the picture."""
MOST_NAMED: Final = 3


@dataclass(frozen=True)
class Aside:
    """A computing element that matches and is not taken now.

    :ivar until: when it may be; None: with the next picture of the information system; infinite: never.
    """

    ce_id: str
    why: str
    until: float | None = None


@dataclass(frozen=True)
class Choice:
    """The element to send the job to; without one, what all that match wait for."""

    candidate: Candidate | None = None
    aside: tuple[Aside, ...] = ()

    @property
    def until(self) -> float | None:
        """When the first of those set aside may be taken."""
        return min((each.until for each in self.aside if each.until is not None and each.until < inf), default=None)

    def sentence(self) -> str:
        """Why nothing is taken although something matches."""
        aside = [each for each in self.aside if each.until != inf]
        never = Counter(each.why for each in self.aside if each.until == inf)
        told = "; ".join(f"{number} {why}" for why, number in never.most_common())
        if not aside:
            return f"of the computing elements that match none can be given a job: {told}"
        named = "; ".join([*(f"{each.ce_id} {each.why}" for each in aside[:MOST_NAMED]), *([told] if told else [])])
        left = len(aside) - MOST_NAMED
        more = f"; and {left} more" if left > 0 else ""
        count = len(self.aside)
        all_of = "the only computing element that matches is" if count == 1 else f"all {count} that match are"
        return f"{all_of} set aside: {named}{more}"


Memo: TypeAlias = dict[tuple[str, int], "int | float | None"]
"""The ranks of one kind of job with jobs on top, by the record's key and their slots; None: it does not match then."""


class Chooser:
    """Chooses for one broker.

    :param wms_requirements: must hold of an element with our jobs on top, as the job's Requirements.
    """

    def __init__(
        self,
        standings: Standings,
        traffic: Traffic,
        wms_requirements: Expr | None,
        rng: random.Random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._standings = standings
        self._traffic = traffic
        self._wms_requirements = wms_requirements
        self._rng = rng
        self._clock = clock

    def choose(self, job: Job, result: MatchResult, seen_at: float, memo: Memo | None = None) -> Choice:
        """One of the candidates, or why none of them now.

        :param seen_at: when the picture was taken that the result comes from, seconds since 1970.
        :param memo: what is kept between jobs that are alike and share the result.
        :raises ValueError: when there are no candidates.
        """
        if not result.candidates:
            raise ValueError("there is nothing to choose from")
        if job.submit_to is not None:
            (named,) = result.candidates[:1]
            why = out_of_reach(named)
            return Choice(named) if why is None else Choice(None, (Aside(named.ce_id, why, inf),))
        demands = tuple(expr for expr in (job.requirements, self._wms_requirements) if expr is not None)
        sent = self._traffic.since(seen_at)
        present = _Present(
            job, demands, sent, self._standings, self._traffic, {} if memo is None else memo, self._clock
        )
        pick = self._best if result.fuzzy_factor is None else self._roulette
        for candidates in (result.candidates, result.tried):
            found = pick(candidates, present, result.fuzzy_factor)
            if found is not None:
                return Choice(found)
        return Choice(None, tuple({each.ce_id: each for each in present.asides}.values()))

    def _best(self, candidates: Sequence[Candidate], present: _Present, _: float | None) -> Candidate | None:
        """The best rank; level by level, and of each level only as many as chance asks for."""
        lowered: list[Candidate] = []
        first: Candidate | None = None
        at = 0
        while at < len(candidates) or lowered:
            begin = at
            level = max((each.rank for each in lowered), default=-inf)
            if at < len(candidates) and candidates[at].rank >= level:
                level = candidates[at].rank
                at = _end_of_level(candidates, at)
            equals = [each for each in lowered if each.rank == level]
            lowered = [each for each in lowered if each.rank != level]
            for place in _sampled(at - begin + len(equals), self._rng):
                number = place - (at - begin)
                now = equals[number] if number >= 0 else present.of(candidates[begin + place])
                if now is None:
                    continue
                if now.rank < level:
                    lowered.append(now)
                    continue
                first = first or now
                trust = present.trust(now)
                if trust >= 1.0 or self._rng.random() < trust:
                    return now
        return first

    def _roulette(
        self, candidates: Sequence[Candidate], present: _Present, fuzzy_factor: float | None
    ) -> Candidate | None:
        ready = [now for each in candidates if (now := present.of(each)) is not None]
        if not ready:
            return None
        weights = fuzzy_weights([each.rank for each in ready], 1.0 if fuzzy_factor is None else fuzzy_factor)
        trusted = [weight * present.trust(each) for weight, each in zip(weights, ready, strict=True)]
        return self._rng.choices(ready, trusted if sum(trusted) > 0 else weights)[0]


class _Present:
    """The candidates of one job as they are now, with those that are set aside.

    :ivar asides: the candidates that were asked about and are no choice now.
    """

    def __init__(
        self,
        job: Job,
        demands: tuple[Expr, ...],
        sent: Mapping[str, int],
        standings: Standings,
        traffic: Traffic,
        memo: Memo,
        clock: Callable[[], float],
    ) -> None:
        self.asides: list[Aside] = []
        self._job = job
        self._demands = demands
        self._sent = sent
        self._standings = standings
        self._traffic = traffic
        self._memo = memo
        self._clock = clock
        self._now = clock()
        self._doubtful = standings.doubtful()
        self._left = MOST_CORRECTED

    def trust(self, candidate: Candidate) -> float:
        """With which chance it is taken."""
        return self._standings.trust(candidate.ce_id, self._now)

    def of(self, candidate: Candidate) -> Candidate | None:
        """The candidate with the rank that it has now; None when it is no choice."""
        why = out_of_reach(candidate)
        if why is not None:
            self.asides.append(Aside(candidate.ce_id, why, inf))
            return None
        standing = self._doubtful.get(candidate.ce_id)
        until = None if standing is None else self._until(standing)
        if standing is not None and until is not None:
            self.asides.append(Aside(candidate.ce_id, _why(standing, until), until))
            return None
        slots = self._sent.get(candidate.ce_id)
        if not slots or candidate.record is None:
            return candidate
        rank = self._rank(candidate.record, candidate.rank, slots)
        if rank is None:
            self.asides.append(Aside(candidate.ce_id, "until it is looked at again: the jobs sent meanwhile filled it"))
            return None
        # an element with more jobs is no better than without them, whatever a strange Rank says
        return candidate if rank >= candidate.rank else replace(candidate, rank=rank)

    def _until(self, standing: Standing) -> float | None:
        """When the element may be taken, None for now."""
        if standing.held(self._now):
            return standing.held_until
        last = self._traffic.last_sent(standing.ce_id)
        again = last + standing.patience(self._standings.rules)
        return again if last >= standing.held_until and self._now < again else None

    def _rank(self, record: CeRecord, before: int | float, slots: int) -> int | float | None:
        """The rank on the element with so many of our jobs on top; None when it does not match any more."""
        if (record.key, slots) in self._memo:
            return self._memo[record.key, slots]
        if self._left <= 0:
            return before
        self._left -= 1
        ad = with_jobs(record.ad, slots)

        def value(expr: Expr) -> object:
            circumstances = Circumstances(self._clock, success=self._standings.success)
            return compiled(expr)(circumstances.scope(self._job.ad, ad))

        rank = value(self._job.rank)
        meets = all(is_true(value(expr)) for expr in self._demands)
        number = isinstance(rank, (int, float)) and not isinstance(rank, bool) and isfinite(rank)
        found = rank if meets and number and isinstance(rank, (int, float)) else None
        self._memo[record.key, slots] = found
        return found


def _why(standing: Standing, until: float) -> str:
    number = standing.failures
    failed = f"after {number} failed jobs in succession" if number > 1 else "after a failed job"
    reason = f" ({standing.reason})" if standing.reason else ""
    return f"until {moment(until)} {failed}{reason}"


def _end_of_level(candidates: Sequence[Candidate], begin: int) -> int:
    """The first place after ``begin`` where the rank is another one; found by halving, since ranks only fall."""
    rank = candidates[begin].rank
    low, high = begin + 1, len(candidates)
    while low < high:
        middle = (low + high) // 2
        if candidates[middle].rank == rank:
            low = middle + 1
        else:
            high = middle
    return low


def _sampled(number: int, rng: random.Random) -> Iterator[int]:
    """The numbers below ``number`` in random order, made as they are asked for (Fisher and Yates, sparse)."""
    moved: dict[int, int] = {}
    for last in range(number - 1, -1, -1):
        place = rng.randrange(last + 1)
        yield moved.get(place, place)
        moved[place] = moved.get(last, last)
