"""How each condition fared: where it fails, where it alone fails, and what was found there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from broker.explanation import likeness
from broker.explanation.clause import REQUIREMENTS, Clause, is_and, is_light, is_or, is_other
from broker.explanation.demand import EQUAL, ORDERED, Demand, demand_of, is_number
from broker.explanation.elements import Places
from broker.explanation.examination import Examination
from broker.explanation.mistakes import Correction
from broker.explanation.vocabulary import texts_of
from broker.explanation.wording import MAX_NAMED, count, listed, literal, shown
from broker.table import Mask, Truth
from infosys.unknown import is_unknown
from jdl.tree import Expr, Reference
from jdl.values import UNDEFINED, Value
from wsdl.explanation import Alternative, Condition, NearMiss

MAX_CONDITIONS: Final = 40
"""Conditions that are reported, those that fail most often first."""
MAX_NEAR: Final = 5
"""Near misses that are named for each condition."""
MAX_ALTERNATIVES: Final = 12
"""Sides of an ``||``, and terms of a side, that are reported."""
MAX_LIKE: Final = 3
"""Texts that are like the wanted one."""
_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {
    "cost": ("the evaluation of the whole Requirements takes more steps than it may",),
    "late": ("there was no time to look at the terms of the Requirements one by one",),
}
_NOT_ASKED: Final = frozenset({"rank", "late", "heavy"})
"""Whose terms are not looked into."""
_SHORT: Final = 60
"""Characters of a text that is shown whole."""
_LOOKED_AT: Final = 400
"""Records whose values are looked at one by one."""


def conditions_of(ex: Examination, corrections: Mapping[int, Correction]) -> tuple[Condition, ...]:
    """All conditions of the job, and those of the WMS that fail somewhere; the hardest first."""
    asked = ex.elements(ex.asked)
    matching = ex.elements(ex.matching)
    found = []
    for number, (clause, holds) in enumerate(zip(ex.conditions, ex.holds, strict=True)):
        failing = asked & ~ex.elements(ex.asked & holds)
        failed = int(failing.sum())
        if not failed and clause.whose != "job":
            continue
        alone = ex.asked & ex.available & ~holds & (ex.failures == 1)
        only = ex.elements(alone) & ~matching
        failing_records = ex.of(failing) & ex.asked
        found.append(
            _condition(ex, clause, failing_records, alone & ex.of(only), (int(asked.sum()), failed, int(only.sum())))
            if failed
            else Condition(shown(clause.expr.text()), "job", int(asked.sum()), 0, 0, clause.via)
        )
        correction = corrections.get(number)
        if correction is not None and correction.mistakes:
            found[-1] = _with_remarks(found[-1], correction)
    return tuple(sorted(found, key=lambda each: (-each.failed, -each.only))[:MAX_CONDITIONS])


def _with_remarks(condition: Condition, correction: Correction) -> Condition:
    remarks = (*condition.remarks, *(each.sentence for each in correction.mistakes))
    return Condition(**{**condition.__dict__, "remarks": remarks})


def _condition(
    ex: Examination, clause: Clause, failing: Mask, alone: Mask, counts: tuple[int, int, int]
) -> Condition:
    expr = clause.expr
    light = clause.whose not in _NOT_ASKED and is_light(expr, ex.job)
    truth = ex.truth(expr) if light else np.zeros(len(failing), dtype=np.int8)
    demand = demand_of(expr, ex.job) if clause.whose not in _NOT_ASKED else None
    return Condition(
        shown(expr.text()),
        "job" if clause.whose in REQUIREMENTS else clause.whose,
        *counts,
        via=clause.via,
        undefined=ex.count(failing & (truth == Truth.UNDEFINED)),
        erroneous=ex.count(failing & (truth == Truth.ERROR)),
        found=_found(ex, demand, failing) if demand is not None else "",
        near=tuple(_near(ex, expr, demand, alone)),
        alternatives=_alternatives(ex, expr) if light and is_or(expr) else (),
        remarks=(_too_long(ex, clause),) if ex.gave_up(expr) else _WHOLE.get(clause.whose, ()),
    )


def _too_long(ex: Examination, clause: Clause) -> str:
    what = {"rank": "the Rank", "wms": "a condition of this WMS"}.get(clause.whose, "the Requirements")
    parts = count(clause.expr.weight, "part", "parts")
    elements = count(len(ex.ce_ids), "computing element", "computing elements")
    return (
        f"matching gave up: to evaluate {what} ({parts}) on {elements} takes more than {ex.table.seconds:g} s of "
        "processor time, the most that an expression may take; write fewer terms, or simpler ones"
    )


# -- what the failing elements have


def values_of(ex: Examination, subject: Expr, places: Places) -> list[tuple[Value, int]]:
    """What an expression of the job is on these records, with how often; a plain attribute costs nearly nothing."""
    if is_other(subject):
        numbers, values = ex.vocabulary.values(subject.name)  # type: ignore[attr-defined]
        counts = np.bincount(numbers[places], minlength=len(values))
        return [(values[number], int(counts[number])) for number in np.flatnonzero(counts)]
    return [(ex.value(subject, int(place)), 1) for place in places[:_LOOKED_AT]]


def _found(ex: Examination, demand: Demand, failing: Mask) -> str:
    """In words, what stands in place of what is wanted."""
    subject = shown(demand.subject.text())
    places = np.flatnonzero(failing)
    if demand.operator in ORDERED and is_number(demand.wanted):
        numbers, numeric = ex.ranks(demand.subject)
        places = places[numeric[places]]
        if len(places):
            least = demand.operator in ("<", "<=")
            place = int(places[numbers[places].argmin() if least else numbers[places].argmax()])
            return f"best: {literal(ex.value(demand.subject, place))} on {ex.ce_id(place)}"
        places = np.flatnonzero(failing)
    values = values_of(ex, demand.subject, places)
    if all(value is UNDEFINED for value, _ in values):
        return f"{subject} is not published by any of them"
    if demand.operator in ("member", "identicalmember"):
        return _nearest(ex, demand, places)
    if demand.operator in EQUAL or demand.operator in ("!=", "=!=", "regexp", "!regexp", *ORDERED):
        return f"found: {_counted(values)}"
    return ""


def _counted(values: Sequence[tuple[Value, int]]) -> str:
    """The values that are there most often; only those that are named are written out."""
    counted: Counter[str | tuple[str]] = Counter()
    for value, often in values:
        counted[(value,) if isinstance(value, str) and len(value) < _SHORT else literal(value)] += often
    named = [literal(each[0]) if isinstance(each, tuple) else each for each, _ in counted.most_common(MAX_NAMED)]
    return listed(named, total=len(counted))


def _nearest(ex: Examination, demand: Demand, places: Places) -> str:
    """Which of the texts that these records have are like the wanted one."""
    wanted, subject = demand.wanted, demand.subject
    if not isinstance(wanted, str):
        return ""
    if is_other(subject):
        name: str = subject.name  # type: ignore[attr-defined]
        numbers, values = ex.vocabulary.values(name)
        there = np.bincount(numbers[places], minlength=len(values)) > 0
        words = ex.vocabulary.words(name)
        near = (words[each] for each in ex.vocabulary.like(name, wanted))
        like = [word.text for word in near if there[word.numbers].any()][:MAX_LIKE]
    else:
        texts = texts_of(value for value, _ in values_of(ex, subject, places))
        like = [texts[each] for each in likeness.nearest(wanted, texts, MAX_LIKE)]
    return f"nearest: {listed([literal(each) for each in like])}" if like else ""


# -- near misses


def _near(ex: Examination, expr: Expr, demand: Demand | None, alone: Mask) -> list[NearMiss]:
    """The elements that fail nothing else, the nearest first."""
    places = np.flatnonzero(alone)
    if demand is not None and is_number(demand.wanted) and len(places):
        numbers, numeric = ex.ranks(demand.subject)
        distance = np.where(numeric, np.abs(numbers - float(demand.wanted)), np.inf)  # type: ignore[arg-type]
        places = places[np.argsort(distance[places], kind="stable")]
    named: dict[str, NearMiss] = {}
    for place in places:
        ce_id = ex.ce_id(int(place))
        if ce_id not in named:
            named[ce_id] = NearMiss(ce_id, _had(ex, expr, demand, int(place)))
        if len(named) == MAX_NEAR:
            break
    return list(named.values())


def _had(ex: Examination, expr: Expr, demand: Demand | None, place: int) -> str:
    if demand is not None:
        value = ex.value(demand.subject, place)
        if isinstance(value, tuple) and demand.operator in ("member", "identicalmember"):
            return _nearest(ex, demand, np.array([place])) or literal(value)
        return f"{literal(value)} (unknown)" if is_unknown(value) else literal(value)
    read = [Reference(name, "other") for name in ex.job.referenced(expr)]
    return listed([f"{shown(each.name)} = {literal(ex.value(each, place))}" for each in read])


# -- alternatives


def _alternatives(ex: Examination, expr: Expr, depth: int = 0) -> tuple[Alternative, ...]:
    sides: Sequence[Expr] = [] if ex.overdue else list(expr.children())[:MAX_ALTERNATIVES]
    return tuple(
        Alternative(
            shown(side.text()),
            ex.count(ex.asked & (ex.truth(side) == Truth.TRUE)),
            _alternatives(ex, side, depth + 1) if depth < 2 and (is_and(side) or is_or(side)) else (),
        )
        for side in sides
    )
