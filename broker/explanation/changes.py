"""The smallest changes of a job that give it a match.

A record that is not a match fails a set of the job's terms; leave out these and it matches.  So the smallest changes
are the smallest of these sets.  For each of them the terms are moved as little as possible instead of being left out
where that can be done, and every change is tried out: the changed job is evaluated against the same picture.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from broker.explanation.clause import Clause, added_terms, is_own, references
from broker.explanation.demand import is_number
from broker.explanation.examination import Examination
from broker.explanation.mistakes import Correction
from broker.explanation.relaxation import CORRECTED, LEFT_OUT, distances, relaxed
from broker.explanation.wording import number, shown
from broker.matchmaker import Job
from broker.table import Mask
from jdl.tree import ClassAd, Expr, Literal, Operation, conjunction
from wsdl.explanation import Change, Edit, Match

MAX_CHANGES: Final = 5
"""Changes that are reported."""
MAX_TRIED: Final = 24
"""Sets of terms that are tried, the smallest first."""
MAX_REQUIREMENTS: Final = 4000
"""Characters of changed Requirements; longer ones are not shown."""
_PLACES: Final = 6
"""Records of one set to which its terms are fitted."""
_BEST: Final = 3
_NUMBERS: Final = frozenset({"CpuNumber", "NodeNumber", "SMPGranularity", "HostNumber"})
"""Attributes that registration makes terms of, and that a user may change."""


@dataclass(frozen=True)
class _Set:
    """Terms that some records fail, and nothing else of the job.

    :ivar terms: places in :attr:`Examination.conditions`.
    :ivar places: these records.
    """

    terms: tuple[int, ...]
    places: np.ndarray


@dataclass(frozen=True)
class _Trial:
    """Terms of the job with what to write in their place, None to leave them out."""

    instead: Mapping[int, Expr | None]
    cost: float


class Changes:
    """Finds the changes for one examination.

    :param corrections: by the place of a condition, its mistakes.
    """

    def __init__(self, ex: Examination, corrections: Mapping[int, Correction]) -> None:
        self._ex = ex
        self._fixed = {place: each.fixed for place, each in corrections.items() if each.fixed is not None}
        self._complete = self._is_complete()
        self._own = {place: self._attributes(place) for place in range(len(ex.conditions))}
        self._terms = [place for place in range(len(ex.conditions)) if self._changeable(place)]
        fixed = [place for place in range(len(ex.conditions)) if place not in self._terms]
        self._base: Mask = ex.asked & ex.available
        for place in fixed:
            self._base &= ex.holds[place]
        self._found = self._sets()

    @property
    def nearest(self) -> int:
        """How many terms the nearest record fails; 0 when no change of the job helps."""
        return len(self._found[0].terms) if self._found else 0

    def find(self) -> tuple[Change, ...]:
        """The smallest changes, those with the fewest and smallest edits first."""
        found: list[tuple[float, Change]] = []
        accepted: list[frozenset[int]] = []
        for each in self._found[:MAX_TRIED]:
            if self._ex.overdue:
                break
            terms = frozenset(each.terms)
            if any(smaller <= terms for smaller in accepted):
                continue
            best = self._change(each)
            if best is not None:
                accepted.append(terms)
                found.append(best)
        found.sort(key=lambda each: (len(each[1].edits), each[0], -each[1].matches))
        return tuple(change for _, change in found[:MAX_CHANGES])

    # -- which terms

    def _changeable(self, place: int) -> bool:
        clause = self._ex.conditions[place]
        whose = clause.whose
        if whose == "job":
            return not clause.added or bool(self._own[place])
        if whose == "rank":
            return "Rank" in self._ex.job.ad
        return whose == "wms" and bool(self._own[place])

    def _is_complete(self) -> bool:
        """Whether the Requirements hold the terms that registration makes of attributes, as those of a job do."""
        there = {clause.expr for clause in self._ex.conditions if clause.added}
        return all(term in there for _, term in added_terms(self._ex.job.ad))

    def _attributes(self, place: int) -> tuple[str, ...]:
        """The job's attributes to change instead of a condition: that of an added term, or those that a condition of
        the WMS reads, of which one is enough where it is without it that the condition is met everywhere.
        """
        clause, ad = self._ex.conditions[place], self._ex.job.ad
        if clause.added:
            return clause.via if clause.via[0] in _NUMBERS else ()
        if clause.whose != "wms":
            return ()
        read = (each.name for each in references(clause.expr) if is_own(each) and each.name in ad)
        names = tuple(dict.fromkeys(ad.spelling(name) for name in read))
        failing = self._ex.asked & ~self._ex.holds[place]
        for name in reversed(names) if len(names) > 1 else ():
            without = ad.copy()
            without.remove(name)
            if self._ex.where(clause.expr, without)[failing].all():
                return (name,)
        return names

    def _sets(self) -> list[_Set]:
        """The different sets of terms that records fail, the smallest first, then those that most records fail."""
        places = np.flatnonzero(self._base)
        if not len(places) or not self._terms:
            return []
        failed = np.array([~self._ex.holds[term][places] for term in self._terms])
        somewhere = failed.any(axis=0)
        failed, places = failed[:, somewhere], places[somewhere]
        if not len(places):
            return []
        rows = np.ascontiguousarray(np.packbits(failed, axis=0).T)
        keys = rows.view(np.dtype((np.void, rows.shape[1]))).ravel()
        _, first, which, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        sizes = failed[:, first].sum(axis=0)
        found = []
        for group in np.lexsort((-counts, sizes))[: MAX_TRIED * 4]:
            terms = tuple(self._terms[row] for row in np.flatnonzero(failed[:, first[group]]))
            found.append(_Set(terms, places[which == group]))
        return found

    # -- what to write instead

    def _change(self, each: _Set) -> tuple[float, Change] | None:
        dropped = _Trial(dict.fromkeys(each.terms), LEFT_OUT * len(each.terms))
        without = self._tried(dropped)
        best: tuple[float, Change] | None = None
        for trial in () if self._ex.overdue else self._trials(each):
            change = self._tried(trial, without.matches if without is not None else 0)
            if change is not None and (best is None or (trial.cost, -change.matches) < (best[0], -best[1].matches)):
                best = (trial.cost, change)
        if best is None and without is not None:
            best = (dropped.cost, dataclasses.replace(without, without=without.matches))
        return best

    def _trials(self, each: _Set) -> Iterator[_Trial]:
        """The set's terms fitted to the records that come nearest."""
        ex, away = self._ex, np.zeros(len(each.places))
        for term in each.terms:
            if ex.conditions[term].whose == "job":
                away = away + distances(ex, self._fixed.get(term) or ex.conditions[term].expr, each.places)
        seen: set[tuple[Expr | None, ...]] = set()
        for place in each.places[np.argsort(away, kind="stable")][:_PLACES]:
            instead: dict[int, Expr | None] = {}
            cost = 0.0
            for term in each.terms:
                more, instead[term] = self._fitted(term, int(place))
                cost += more
            key = tuple(instead.values())
            if key not in seen and any(new is not None for new in key):
                seen.add(key)
                yield _Trial(instead, cost)

    def _fitted(self, term: int, place: int) -> tuple[float, Expr | None]:
        ex, fixed = self._ex, self._fixed.get(term)
        clause = ex.conditions[term]
        if clause.whose == "rank":
            usable = fixed is not None and is_number(ex.value(fixed, place))
            return (CORRECTED, fixed) if usable else (LEFT_OUT, None)
        if clause.whose != "job":
            return LEFT_OUT, None
        if clause.added:
            return self._number(clause, place)
        options = relaxed(ex, fixed if fixed is not None else clause.expr, place)
        if not options:
            return LEFT_OUT, None
        cost, new = options[0]
        return (cost + CORRECTED if fixed is not None else cost), new

    def _number(self, clause: Clause, place: int) -> tuple[float, Expr | None]:
        """What the attribute of an added term should be for a record."""
        options = relaxed(self._ex, clause.expr, place)
        had = options[0][1].operands[1] if options and isinstance(options[0][1], Operation) else None
        value = had.value if isinstance(had, Literal) else None
        if not isinstance(value, int) or value < 1:
            return LEFT_OUT, None
        if clause.via[0] == "HostNumber":  # a host has that many slots
            value = -(-self._ex.job.slots // value)
        return options[0][0], Literal(value)

    # -- trying it out

    def _tried(self, trial: _Trial, without: int = 0) -> Change | None:
        """The change, if the changed job matches somewhere."""
        ex = self._ex
        ad, requirements = self.changed(trial.instead)
        job = Job(ad)
        mask = ex.admitted & ex.available if ex.data is None else ex.admitted & ex.available & ex.data.mask
        if not job.decides_status:
            mask = mask & ex.table.takes_jobs()
        for demand in (job.requirements, ex.wms_requirements):
            if demand is not None:
                mask = mask & ex.where(demand, ad)
        mask &= ex.ranks(job.rank, ad)[1]
        if ex.data is not None:
            mask = ex.data.nearest(mask)
        matches = ex.count(mask)
        if not matches:
            return None
        text = requirements.text() if requirements is not None else ""
        best = tuple(Match(ce_id, number(rank)) for ce_id, rank in ex.best(mask, _BEST, job.rank, ad))
        return Change(
            tuple(self._edits(trial.instead)),
            matches,
            without,
            text if len(text) <= MAX_REQUIREMENTS else "",
            best,
        )

    def changed(self, instead: Mapping[int, Expr | None]) -> tuple[ClassAd, Expr | None]:
        """The changed job as it would be registered, and the Requirements for its user to write if they are others."""
        ad = self._ex.job.ad.copy()
        for name, new in self._rewritten(instead).items():
            if new is None:
                ad.remove(name)
            else:
                ad.set(name, new)
        terms: list[Expr | None] = []
        added: list[Expr] = []
        touched = False
        for place, clause in enumerate(self._ex.conditions):
            if clause.added:
                added.append(clause.expr)
            elif clause.whose == "job":
                terms.append(instead.get(place, clause.expr))
                touched = touched or place in instead
        if self._complete:
            added = [term for _, term in added_terms(ad)]
        written = conjunction(*terms) or Literal(True)
        if touched or any(name in _NUMBERS for name in self._rewritten(instead)):
            ad.set("Requirements", conjunction(written, *added))
        return ad, written if touched else None

    def _rewritten(self, instead: Mapping[int, Expr | None]) -> dict[str, Expr | None]:
        """The attributes to write otherwise, Requirements apart; None for those to leave out."""
        found: dict[str, Expr | None] = {}
        for place, new in instead.items():
            names = ("Rank",) if self._ex.conditions[place].whose == "rank" else self._own[place]
            for name in names:
                found[name] = new if found.get(name, new) is not None else None
        return found

    def _edits(self, instead: Mapping[int, Expr | None]) -> Iterator[Edit]:
        for place, new in instead.items():
            clause = self._ex.conditions[place]
            if clause.whose == "job" and not clause.added:
                yield Edit("Requirements", shown(clause.expr.text()), "" if new is None else shown(new.text()))
        for name, new in self._rewritten(instead).items():
            value = self._ex.job.ad.get(name)
            yield Edit(name, shown(value.text() if value is not None else ""), "" if new is None else shown(new.text()))
