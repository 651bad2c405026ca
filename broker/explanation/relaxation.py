"""A term made easier, so that it is true on one computing element."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from broker.explanation import likeness
from broker.explanation.clause import is_and, is_light, is_or, is_other
from broker.explanation.demand import EQUAL, ORDERED, Demand, demand_of, is_number, is_plain
from broker.explanation.examination import Examination
from broker.explanation.vocabulary import texts_of
from infosys.unknown import NUMBERS, is_unknown
from jdl.tree import Call, Expr, Literal, Operation
from jdl.values import Value

LEFT_OUT: Final = 1.5
"""What it costs to leave a term out; a term that is relaxed costs up to 1, by how far it moves."""
CORRECTED: Final = 0.01
"""What it costs to write what was meant."""

Option = tuple[float, Expr]
"""A cost, and an expression that is true."""


def relaxed(ex: Examination, expr: Expr, place: int) -> list[Option]:
    """Forms of the term that are true on a record, the cheapest first; none when there are none but leaving it out."""
    if ex.overdue or not is_light(expr, ex.job):
        return []
    if ex.value(expr, place) is True:
        return [(0.0, expr)]
    if is_and(expr):
        return _each(ex, expr, place)
    if is_or(expr):
        return _either(ex, expr, place)
    demand = demand_of(expr, ex.job)
    if demand is None:
        return []
    options = [each for each in _moved(ex, expr, demand, place) if ex.value(each[1], place) is True]
    return sorted(options, key=lambda each: each[0])


def _each(ex: Examination, expr: Expr, place: int) -> list[Option]:
    cost, operands = 0.0, []
    for operand in expr.children():
        options = relaxed(ex, operand, place)
        if not options:
            return []
        cost += options[0][0]
        operands.append(options[0][1])
    return [(cost, Operation(("&&",) * (len(operands) - 1), operands))]


def _either(ex: Examination, expr: Expr, place: int) -> list[Option]:
    operands = list(expr.children())[:20]
    found = []
    for number, operand in enumerate(operands):
        for cost, new in relaxed(ex, operand, place)[:1]:
            changed = [*operands[:number], new, *operands[number + 1 :]]
            found.append((cost, Operation(("||",) * (len(changed) - 1), changed)))
    options = [each for each in found if ex.value(each[1], place) is True]
    return sorted(options, key=lambda each: each[0])


def _moved(ex: Examination, expr: Expr, demand: Demand, place: int) -> list[Option]:
    value = ex.value(demand.subject, place)
    wanted, operator = demand.wanted, demand.operator
    if is_unknown(value):
        return []  # nothing is moved to a value by which a site says that it does not know
    if operator in ORDERED and is_number(value) and is_number(wanted):
        return [(_distance(value, wanted), demand.with_wanted(value, operator[0] + "="))]  # type: ignore[arg-type]
    if operator in EQUAL and is_plain(value) and type(value) is type(wanted):
        return [(_difference(value, wanted), demand.with_wanted(value, "=="))]  # type: ignore[arg-type]
    if operator in ("member", "identicalmember") and isinstance(value, tuple) and isinstance(wanted, str):
        words = texts_of([value])
        if is_other(demand.subject):
            every = ex.vocabulary.like(demand.subject.name, wanted)  # type: ignore[attr-defined]
            like = [each for each in every if each in words][:1]
        else:
            like = likeness.nearest(wanted, words, 1)
        return [(_difference(words[each], wanted), demand.with_wanted(words[each], "member")) for each in like]
    if operator == "regexp" and "i" not in demand.options.lower() and isinstance(wanted, str):
        loose = Call("RegExp", (Literal(wanted), demand.subject, Literal(f"{demand.options}i")))
        return [(CORRECTED, loose)]
    return []


def _distance(value: float, wanted: float) -> float:
    apart = abs(value - wanted)
    return apart / (apart + abs(wanted) + 1)


def _difference(value: Value, wanted: Value) -> float:
    if isinstance(value, str) and isinstance(wanted, str):
        return 1 - likeness.similarity(value, wanted)
    if is_number(value) and is_number(wanted):
        return _distance(value, wanted)  # type: ignore[arg-type]
    return 1.0


def distances(ex: Examination, expr: Expr, places: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """About how far the term is from being true on each of these records; for choosing where to look closely."""
    apart = np.where(ex.where(expr)[places], 0.0, 1.0)
    demand = demand_of(expr, ex.job)
    if demand is None:
        return apart
    if is_number(demand.wanted):
        numbers, numeric = ex.ranks(demand.subject)
        known = numeric[places] & ~np.isin(numbers[places], list(NUMBERS))
        away = np.abs(numbers[places] - float(demand.wanted))  # type: ignore[arg-type]
        scaled = away / (away + abs(float(demand.wanted)) + 1)  # type: ignore[arg-type]
        return np.where(apart == 0, 0.0, np.where(known, scaled, LEFT_OUT))
    if isinstance(demand.wanted, str) and is_other(demand.subject):
        return np.where(apart == 0, 0.0, _unlike(ex, demand, places))
    return apart


def _unlike(ex: Examination, demand: Demand, places: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """1 - similarity of each record's texts to the wanted one; only the nearest texts of all count."""
    wanted, name = str(demand.wanted), demand.subject.name  # type: ignore[attr-defined]
    near = {each: 1 - likeness.similarity(each, wanted) for each in ex.vocabulary.like(name, wanted)}
    numbers, values = ex.vocabulary.values(name)
    apart = np.ones(len(values))
    for each, away in sorted(near.items(), key=lambda item: -item[1]):
        apart[ex.vocabulary.words(name)[each].numbers] = away  # the nearest come last
    return apart[numbers[places]]
