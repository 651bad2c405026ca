"""What a term says that no computing element can meet as it is written, and what is probably meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from broker.explanation.clause import Clause, is_light, is_or, is_other, is_own, reads_other, references, substituted
from broker.explanation.demand import EQUAL, Demand, demand_of, is_number
from broker.explanation.examination import Examination
from broker.explanation.wording import listed, literal, shown
from broker.table import Truth
from jdl.tree import Expr, Literal, Operation, Reference, rebuilt
from jdl.values import ERROR, UNDEFINED, Value
from wsdl.explanation import Mistake

MAX_NAMES: Final = 20
"""Names of one term that are looked up."""
_LOOKED_AT: Final = 20
"""Records whose values are looked at, to find one of a wrong type."""
_SURE: Final = 0.75
"""How much like a name another one must be to be meant."""


@dataclass(frozen=True)
class Correction:
    """The mistakes of one term, and the term without those that can only be mistakes; None when there are none."""

    mistakes: tuple[Mistake, ...] = ()
    fixed: Expr | None = None


def correction_of(ex: Examination, clause: Clause) -> Correction:
    """Look for mistakes in a term that fails somewhere."""
    if clause.whose not in ("job", "rank") or clause.added:
        return Correction()
    mistakes: list[Mistake] = []
    names: dict[Reference, Reference] = {}
    for written, meant, mistake in _names(ex, clause.expr):
        mistakes.append(mistake)
        if meant is not None:
            names[written] = meant
    fixed: Expr | None = None
    if names:
        fixed = substituted(clause.expr, lambda node: names.get(node) if isinstance(node, Reference) else None)
        fixed = fixed if is_light(fixed, ex.job) else None
    if clause.whose == "rank":
        return Correction(tuple(mistakes), fixed)
    if not mistakes and is_light(clause.expr, ex.job) and not reads_other(clause.expr, ex.job):
        return Correction(tuple(_constant(ex, clause.expr)))
    expr = fixed or clause.expr
    demand = demand_of(expr, ex.job)
    if demand is not None:
        found = (*_types(ex, demand, expr), *_values(ex, demand))
    elif is_or(expr) and is_light(expr, ex.job):
        found = tuple(_sides(ex, expr))
    else:
        found = tuple(_numbers(ex, expr))
    for mistake, repaired in found:
        mistakes.append(mistake)
        fixed = repaired or fixed
    return Correction(tuple(mistakes), fixed)


# -- names


def _names(ex: Examination, expr: Expr) -> Iterator[tuple[Reference, Reference | None, Mistake]]:
    """Names that nothing has, with what is meant; also those that stand behind the job's own attributes."""
    if not ex.ce_ids:
        return
    direct = dict.fromkeys(references(expr))
    behind = [Reference(name, "other") for name in ex.job.referenced(expr)]
    seen = {each.key for each in direct if is_other(each)}
    for reference in [*direct, *(each for each in behind if each.key not in seen)][:MAX_NAMES]:
        if is_other(reference) and not ex.vocabulary.has(reference.key):
            yield reference, *_unpublished(ex, reference)
        elif is_own(reference) and reference.name not in ex.job.ad:
            found = _unscoped(ex, reference)
            if found is not None:
                yield reference, *found


def _unpublished(ex: Examination, reference: Reference) -> tuple[Reference | None, Mistake]:
    name = shown(reference.name)
    like = ex.vocabulary.like_names(reference.key, least=_SURE)
    if like:
        meant = ex.vocabulary.names[like[0]]
        sentence = f"no computing element publishes other.{name}; did you mean other.{shown(meant)}?"
        return Reference(meant, "other"), Mistake(f"other.{name}", f"other.{shown(meant)}", sentence)
    if reference.name in ex.job.ad:
        sentence = f"no computing element publishes other.{name}; {name} is an attribute of the job: write self.{name}"
        return Reference(reference.name, "self"), Mistake(f"other.{name}", f"self.{name}", sentence)
    return None, Mistake(f"other.{name}", "", f"no computing element publishes other.{name}")


def _unscoped(ex: Examination, reference: Reference) -> tuple[Reference, Mistake] | None:
    """A name without ``other.`` that the job does not have."""
    name, names = shown(reference.name), ex.vocabulary.names
    found = names.get(reference.key)
    if found is None:
        like = ex.vocabulary.like_names(reference.key, least=_SURE)
        found = names[like[0]] if like else None
    if found is None:
        return None
    meant = f"other.{shown(found)}"
    sentence = f"the job has no attribute {name}; an attribute of the computing element is written {meant}"
    return Reference(found, "other"), Mistake(name, meant, sentence)


# -- types


def _types(ex: Examination, demand: Demand, expr: Expr) -> Iterator[tuple[Mistake, Expr | None]]:
    """A comparison of a number with a text and the like is an error everywhere."""
    if demand.operator.startswith("!") or demand.operator in ("member", "identicalmember", "regexp"):
        return
    places = np.flatnonzero(ex.asked & (ex.truth(expr) == Truth.ERROR))
    strict = demand.operator in ("=?=", "=!=")
    if strict:
        places = np.flatnonzero(ex.asked)
    for place in places[:_LOOKED_AT]:
        found = ex.value(demand.subject, int(place))
        if found is UNDEFINED or found is ERROR or _kind(found) == _kind(demand.wanted):
            continue
        subject, wanted = shown(demand.subject.text()), literal(demand.wanted)
        sentence = (
            f"{subject} is {_kind(found)} (such as {literal(found)}) and {wanted} is "
            f"{_kind(demand.wanted)}, so {shown(expr.text())} is {'never true' if strict else 'an error'}"
        )
        other = _as(demand.wanted, found)
        if other is None:
            yield Mistake(wanted, "", sentence), None
        else:
            meant = literal(other)
            yield Mistake(wanted, meant, f"{sentence}; did you mean {meant}?"), demand.with_wanted(other)
        return


def _sides(ex: Examination, expr: Expr) -> Iterator[tuple[Mistake, Expr | None]]:
    """Sides of an ``||`` that are an error: to the left of a true one they spoil it."""
    operands = list(expr.children())
    for number, side in enumerate(operands[:MAX_NAMES]):
        demand = demand_of(side, ex.job)
        for mistake, repaired in () if demand is None else _types(ex, demand, side):
            if repaired is not None:
                operands[number] = repaired
                yield mistake, rebuilt(expr, tuple(operands))
            else:
                yield mistake, None


def _numbers(ex: Examination, expr: Expr) -> Iterator[tuple[Mistake, Expr | None]]:
    """An attribute alone that is something else than true or false."""
    if not is_other(expr):
        return
    for place in np.flatnonzero(ex.asked)[:_LOOKED_AT]:
        value = ex.value(expr, int(place))
        if value is not UNDEFINED and value is not ERROR and not isinstance(value, bool):
            text = shown(expr.text())
            sentence = f"{text} is {_kind(value)} (such as {literal(value)}), and a condition must be true or false"
            yield Mistake(text, "", sentence), None
            return


def _kind(value: Value) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if is_number(value):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, tuple):
        return "a list"
    return "undefined" if value is UNDEFINED else "no value"


def _as(wanted: Value, found: Value) -> str | int | float | bool | None:
    """The wanted value in the type of the one found."""
    if isinstance(found, bool):
        return {"true": True, "false": False}.get(wanted.lower()) if isinstance(wanted, str) else None
    if isinstance(found, str):
        return Literal(wanted).text() if isinstance(wanted, (bool, int, float)) else None
    if is_number(found) and isinstance(wanted, str) and len(wanted) < 40:
        for kind in (int, float):
            try:
                value = kind(wanted.strip())
            except ValueError:
                continue
            return value if abs(value) < 2**63 else None
    return None


# -- values


def _values(ex: Examination, demand: Demand) -> Iterator[tuple[Mistake, Expr | None]]:
    """A text that no computing element has in that attribute, or has in other letters only."""
    wanted, subject = demand.wanted, demand.subject
    member = demand.operator in ("member", "identicalmember")
    if not isinstance(wanted, str) or not is_other(subject) or not (member or demand.operator in EQUAL):
        return
    words = ex.vocabulary.words(subject.name)  # type: ignore[attr-defined]
    if not words:
        return
    name, quoted = shown(subject.text()), literal(wanted)
    if wanted.lower() not in words:
        like = [words[each].text for each in ex.vocabulary.like(subject.name, wanted)[:3]]  # type: ignore[attr-defined]
        hint = f"; nearest: {listed([literal(each) for each in like])}" if like else ""
        meant = literal(like[0]) if like else ""
        yield Mistake(quoted, meant, f"no computing element has {quoted} in {name}{hint}"), None
    elif demand.operator in ("=?=", "identicalmember") and words[wanted.lower()].text != wanted:
        values = ex.vocabulary.values(subject.name)[1]  # type: ignore[attr-defined]
        if any(wanted in value if isinstance(value, tuple) else value == wanted for value in values):
            return
        spelt = literal(words[wanted.lower()].text)
        easy, loose = ("Member", "member") if member else ("==", "==")
        sentence = f"no computing element has {quoted} in {name}, but {spelt}; {easy} does not look at the case"
        yield Mistake(quoted, spelt, sentence), demand.with_wanted(wanted, loose)


# -- constants


def _constant(ex: Examination, expr: Expr) -> Iterator[Mistake]:
    """A term that is the same everywhere."""
    value = ex.value(expr, 0) if len(ex.ce_ids) else True
    if value is True:
        return
    text = shown(expr.text())
    if value is False:
        what = "false"
    elif value is ERROR:
        what = "an error"
    else:
        what = "undefined" if value is UNDEFINED else f"{_kind(value)} and not true"
    why = ""
    if isinstance(expr, Operation) and len(expr.operands) == 2:
        kinds = [_kind(ex.value(each, 0)) for each in expr.operands]
        if kinds[0] != kinds[1]:
            why = f" (it compares {kinds[0]} with {kinds[1]})"
    yield Mistake(text, "", f"{text} is {what} whatever the computing element{why}")
