"""How each condition fared: where it fails, where it alone fails, and what was found there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from broker.explanation import likeness
from broker.explanation.clause import Clause, is_and, is_or, is_other
from broker.explanation.demand import EQUAL, ORDERED, Demand, demand_of, is_number
from broker.explanation.examination import Examination
from broker.explanation.mistakes import Correction
from broker.explanation.wording import listed, literal, shown
from broker.table import Mask, Truth
from jdl.tree import Expr, Reference
from jdl.values import UNDEFINED, Value
from wsdl.explanation import Alternative, Condition, NearMiss

MAX_CONDITIONS: Final = 40
"""Conditions that are reported, those that fail most often first."""
MAX_NEAR: Final = 5
"""Near misses that are named for each condition."""
MAX_ALTERNATIVES: Final = 12
"""Sides of an ``||``, and terms of a side, that are reported."""
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
    truth = ex.truth(expr) if clause.whose != "rank" else np.zeros(len(failing), dtype=np.int8)
    demand = demand_of(expr, ex.job) if clause.whose != "rank" else None
    cost = ("the evaluation of the whole Requirements takes more steps than it may",) if clause.whose == "cost" else ()
    return Condition(
        shown(expr.text()),
        "job" if clause.whose == "cost" else clause.whose,
        *counts,
        via=clause.via,
        undefined=ex.count(failing & (truth == Truth.UNDEFINED)),
        erroneous=ex.count(failing & (truth == Truth.ERROR)),
        found=_found(ex, demand, failing) if demand is not None else "",
        near=tuple(_near(ex, expr, demand, alone)),
        alternatives=_alternatives(ex, expr) if is_or(expr) else (),
        remarks=cost,
    )


# -- what the failing elements have


def values_of(ex: Examination, subject: Expr, places: npt.NDArray[np.intp]) -> list[Value]:
    """What an expression of the job is on these records; a plain attribute costs nearly nothing."""
    if is_other(subject):
        column = ex.vocabulary.column(subject.name)  # type: ignore[attr-defined]
        return [column[place] for place in places]
    return [ex.value(subject, int(place)) for place in places[:_LOOKED_AT]]


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
    if all(value is UNDEFINED for value in values):
        return f"{subject} is not published by any of them"
    if demand.operator in ("member", "identicalmember"):
        return _nearest(demand, values)
    if demand.operator in EQUAL or demand.operator in ("!=", "=!=", "regexp", "!regexp", *ORDERED):
        return f"found: {listed([text for text, _ in Counter(literal(each) for each in values).most_common()])}"
    return ""


def _nearest(demand: Demand, values: Iterable[Value]) -> str:
    if not isinstance(demand.wanted, str):
        return ""
    words: dict[str, str] = {}
    for value in values:
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, str):
                words.setdefault(item.lower(), item)
    like = likeness.nearest(demand.wanted, words)
    return f"nearest: {listed([literal(words[each]) for each in like])}" if like else ""


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
            return _nearest(demand, [value]) or literal(value)
        return literal(value)
    read = [Reference(name, "other") for name in ex.job.referenced(expr)]
    return listed([f"{shown(each.name)} = {literal(ex.value(each, place))}" for each in read])


# -- alternatives


def _alternatives(ex: Examination, expr: Expr, depth: int = 0) -> tuple[Alternative, ...]:
    sides: Sequence[Expr] = list(expr.children())[:MAX_ALTERNATIVES]
    return tuple(
        Alternative(
            shown(side.text()),
            ex.count(ex.asked & (ex.truth(side) == Truth.TRUE)),
            _alternatives(ex, side, depth + 1) if depth < 2 and (is_and(side) or is_or(side)) else (),
        )
        for side in sides
    )
