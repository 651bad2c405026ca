"""Which of the computing elements that match a job is sent to.  Pure but for chance, which is passed in.

1. Those that are set aside after failures (:mod:`broker.standing`) are no choice, nor are those that the jobs sent
   since the picture was taken have filled (:mod:`broker.traffic`): with these jobs on top they do not meet the
   Requirements.  When only elements are left that the job was at before, those are taken rather than none.
2. Ranks are those that the job's Rank gives with these jobs on top.
3. The best rank wins; among equals chance decides.  An element with failures is taken with the chance that its standing
   gives, else the turn goes to the next.  With FuzzyRank it is one roulette over all, in which the standing counts too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from broker.candidates import Candidate, MatchResult, fuzzy_weights
from broker.job import Job
from broker.standing import Standing
from broker.standings import Standings, moment
from broker.traffic import Traffic, with_jobs
from jdl.evaluate import compile as compiled
from jdl.scope import scope_of
from jdl.tree import Expr
from jdl.values import is_true

MOST_CORRECTED: Final = 200
"""Elements whose rank is computed anew for one job; further ones keep that of the picture."""
MOST_NAMED: Final = 3


@dataclass(frozen=True)
class Aside:
    """A computing element that matches and is not taken now.

    :ivar until: when it may be; None: with the next picture of the information system.
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
        return min((each.until for each in self.aside if each.until is not None), default=None)

    def sentence(self) -> str:
        """Why nothing is taken although something matches."""
        named = "; ".join(f"{each.ce_id} {each.why}" for each in self.aside[:MOST_NAMED])
        left = len(self.aside) - MOST_NAMED
        more = f"; and {left} more" if left > 0 else ""
        count = len(self.aside)
        all_of = "the only computing element that matches is" if count == 1 else f"all {count} that match are"
        return f"{all_of} set aside: {named}{more}"


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

    def choose(self, job: Job, result: MatchResult, seen_at: float) -> Choice:
        """One of the candidates, or why none of them now.

        :param seen_at: when the picture was taken that the result comes from, seconds since 1970.
        :raises ValueError: when there are no candidates.
        """
        if not result.candidates:
            raise ValueError("there is nothing to choose from")
        if job.submit_to is not None:
            return Choice(result.candidates[0])
        sent = self._traffic.since(seen_at)
        asides: list[Aside] = []
        for candidates in (result.candidates, result.tried):
            ready = self._ready(candidates, asides)
            ready = self._as_they_are_now(job, ready, sent, asides)
            if ready:
                return Choice(self._chosen(ready, result.fuzzy_factor))
        return Choice(None, tuple(asides))

    # -- who is ready ------------------------------------------------------------------------------------

    def _ready(self, candidates: Iterable[Candidate], asides: list[Aside]) -> list[Candidate]:
        """The candidates that are not set aside after failures."""
        now = self._clock()
        ready = []
        for candidate in candidates:
            standing = self._standings.of(candidate.ce_id)
            until = self._until(standing, now)
            if until is None:
                ready.append(candidate)
            else:
                asides.append(Aside(candidate.ce_id, self._why(standing, until), until))
        return ready

    def _until(self, standing: Standing, now: float) -> float | None:
        """When the element may be taken, None for now."""
        if standing.held(now):
            return standing.held_until
        if standing.on_trial(now):
            last = self._traffic.last_sent(standing.ce_id)
            again = last + standing.patience(self._standings.rules)
            if last >= standing.held_until and now < again:
                return again
        return None

    def _why(self, standing: Standing, until: float) -> str:
        number = standing.failures
        failed = f"after {number} failed jobs in succession" if number > 1 else "after a failed job"
        reason = f" ({standing.reason})" if standing.reason else ""
        return f"until {moment(until)} {failed}{reason}"

    # -- how they are with our jobs on top ---------------------------------------------------------------

    def _as_they_are_now(
        self, job: Job, candidates: Sequence[Candidate], sent: Mapping[str, int], asides: list[Aside]
    ) -> list[Candidate]:
        """The candidates with the ranks that they have now, best first; without those that are filled.

        An element with more jobs is no better than without them, so those below the best untouched one stay as they
        are, unless the choice is a roulette.
        """
        touched = [each for each in candidates if each.ce_id in sent and each.record is not None]
        if not touched:
            return list(candidates)
        if job.fuzzy_factor is None:
            best = max((each.rank for each in candidates if each.ce_id not in sent), default=None)
            touched = [each for each in touched if best is None or each.rank >= best]
        current = {id(each): self._with_jobs(job, each, sent[each.ce_id]) for each in touched[:MOST_CORRECTED]}
        ready = []
        for each in candidates:
            now = current.get(id(each), each)
            if now is None:
                asides.append(Aside(each.ce_id, "until it is looked at again: the jobs sent meanwhile have filled it"))
            else:
                ready.append(now)
        return sorted(ready, key=lambda each: -each.rank)

    def _with_jobs(self, job: Job, candidate: Candidate, slots: int) -> Candidate | None:
        """The candidate with its present rank; None when it does not match any more."""
        if candidate.record is None:
            return candidate
        ad = with_jobs(candidate.record.ad, slots)

        def value(expr: Expr) -> object:
            success = self._standings.success
            return compiled(expr)(scope_of(job.ad, ad, clock=self._clock, rng=self._rng.random, success=success))

        demands = [expr for expr in (job.requirements, self._wms_requirements) if expr is not None]
        rank = value(job.rank)
        if not all(is_true(value(expr)) for expr in demands):
            return None
        if isinstance(rank, bool) or not isinstance(rank, (int, float)):
            return None
        return replace(candidate, rank=rank)

    # -- chance ------------------------------------------------------------------------------------------

    def _trust(self, candidate: Candidate) -> float:
        return self._standings.of(candidate.ce_id).trust(self._clock(), self._standings.rules)

    def _chosen(self, ready: Sequence[Candidate], fuzzy_factor: float | None) -> Candidate:
        """:param ready: best rank first, not empty."""
        if fuzzy_factor is not None:
            weights = fuzzy_weights([each.rank for each in ready], fuzzy_factor)
            trusted = [weight * self._trust(each) for weight, each in zip(weights, ready, strict=True)]
            return self._rng.choices(ready, trusted if sum(trusted) > 0 else None)[0]
        first: Candidate | None = None
        for _, group in groupby(ready, key=lambda each: each.rank):
            equals = list(group)
            self._rng.shuffle(equals)
            for candidate in equals:
                first = first or candidate
                trust = self._trust(candidate)
                if trust >= 1.0 or self._rng.random() < trust:
                    return candidate
        return first or ready[0]
