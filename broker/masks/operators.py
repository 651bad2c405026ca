"""What the operators do to vectors.

What an operator means stands in :mod:`jdl.operators` and nowhere else: numbers are computed here by columns, in 64-bit
integers and reals, and everything else is asked of the functions there, once for each pair of kinds when one of the
operands is undefined or an error, else for each pair of values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker.masks.vector import Domain, Kind, Kinds, Mask, Vector, common
from jdl.evaluate import evaluate
from jdl.nodes import Call, Expr, ListExpr, Literal, Operation
from jdl.operators import BINARY, UNARY
from jdl.tree import ClassAd
from jdl.values import ERROR, UNDEFINED, Value

__all__ = ["KIND_TESTS", "binary", "choose", "default", "kind_test", "logic", "unary"]

_SAMPLES: Final[tuple[Expr, ...]] = (
    Literal(False),
    Literal(True),
    Literal(UNDEFINED),
    Literal(ERROR),
    Literal(7),
    Literal(2.5),
    Literal("x"),
    ListExpr(()),
    ClassAd(),
    Call("absTime", (Literal(0),)),
    Call("relTime", (Literal(0),)),
)
"""A value of each kind."""

KIND_TESTS: Final = frozenset(
    {"isundefined", "iserror", "isstring", "isinteger", "isreal", "isboolean", "islist", "isclassad"}
    | {"isabstime", "isreltime"}
)
"""Functions of one argument whose answer is the same for all values of a kind."""

_COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_IDENTITIES: Final[dict[str, Callable[[Any, Any], Any]]] = {"=?=": np.equal, "=!=": np.not_equal}
_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {"+": np.add, "-": np.subtract, "*": np.multiply}
_EQUALITIES: Final = {"==": True, "!=": False, "=?=": True, "=!=": False}
_EXACT: Final = 1 << 53
"""Integers up to here are themselves as reals."""
_ASK: Final = -1
"""The outcome depends on the values, not only on their kinds."""

_SCALARS: Final = (Kind.FALSE, Kind.TRUE, Kind.UNDEFINED, Kind.ERROR)


def _kind(value: Value) -> int:
    kind = int(Vector.of(Domain(1), (value,)).kinds[0])
    return kind if kind in _SCALARS else _ASK


@lru_cache(maxsize=64)
def _by_kinds(operator: str) -> Kinds:
    """For each pair of kinds the outcome where it is the same for all their values; else :data:`_ASK`."""
    apply = BINARY[operator]
    values = [evaluate(sample) for sample in _SAMPLES]
    table = np.full((len(values), len(values)), _ASK, np.int8)
    for left in range(len(values)):
        for right in range(len(values)):
            single = left in _SCALARS and right in _SCALARS
            missing = {left, right} & {Kind.UNDEFINED, Kind.ERROR}
            unlike = operator in _IDENTITIES and left != right
            if single or missing or unlike:
                table[left, right] = _kind(apply(values[left], values[right]))
    return table


def binary(operator: str, left: Vector, right: Vector, rows: Domain) -> Vector:
    """``left operator right`` for each position; not for ``&&`` and ``||``."""
    domain = common((left, right), rows)
    cost = left.cost + right.cost
    left, right = left.over(domain), right.over(domain)
    kinds = _by_kinds(operator)[left.kinds, right.kinds]
    result = Vector(domain, kinds, cost=cost)
    asked = kinds == _ASK
    if asked.any():
        asked &= ~_looked_up(operator, left, right, result)
        numbers = asked & left.numeric() & right.numeric()
        if numbers.any():
            asked &= ~_computed(operator, left, right, numbers, result)
        if asked.any():
            _ask(BINARY[operator], left, right, np.flatnonzero(asked), result)
    return result


def _looked_up(operator: str, left: Vector, right: Vector, result: Vector) -> Mask:
    """Answer whether a column's strings equal one string from the column's index; gives where that is answered."""
    if left.column is None:
        left, right = right, left
    nowhere = np.zeros(len(result.kinds), np.bool_)
    if operator not in _EQUALITIES or left.column is None or len(right.kinds) != 1 or right.kinds[0] != Kind.STRING:
        return nowhere
    strings = left.kinds == Kind.STRING
    if len(strings) != len(nowhere):
        return nowhere
    wanted = right.value(0)
    equal = _EQUALITIES[operator]
    result.kinds[strings] = not equal
    result.kinds[left.column.equal_to(wanted, exact=operator in _IDENTITIES)] = equal
    return np.asarray(strings)


def _ask(
    apply: Callable[[Any, Any], Value], left: Vector, right: Vector, positions: NDArray[np.intp], result: Vector
) -> None:
    """Ask the operator itself, value by value."""
    answers = [apply(left.value(position), right.value(position)) for position in positions.tolist()]
    _put(result, positions, Vector.of(result.domain, answers))


def _put(result: Vector, positions: NDArray[np.intp] | Mask, answers: Vector) -> None:
    """Write answers, one for each of the positions, into the result."""
    size = len(result.kinds)
    result.kinds[positions] = answers.kinds
    if answers.ints is not None:
        result.ints = np.zeros(size, np.int64) if result.ints is None else result.ints
        result.ints[positions] = answers.ints
    if answers.reals is not None:
        result.reals = np.zeros(size) if result.reals is None else result.reals
        result.reals[positions] = answers.reals
    if answers.objects is not None:
        held: list[Value | None] = [None] * size if result.objects is None else list(result.objects)
        for position, value in zip(np.arange(size)[positions].tolist(), answers.objects, strict=True):
            held[position] = value
        result.objects = held


def _computed(operator: str, left: Vector, right: Vector, numbers: Mask, result: Vector) -> Mask:
    """Compute numbers by columns; gives where that is done."""
    whole = numbers & (left.kinds == Kind.INT) & (right.kinds == Kind.INT)
    done = np.zeros_like(numbers)
    with np.errstate(all="ignore"):
        if whole.any():
            done |= _on_integers(operator, left, right, whole, result)
        rest = numbers & ~whole
        if rest.any():
            done |= _on_reals(operator, left, right, rest, result)
    return done


def _on_integers(operator: str, left: Vector, right: Vector, where: Mask, result: Vector) -> Mask:
    first, second = left.ints, right.ints
    if first is None or second is None:
        raise ValueError("a vector of integers without integers")
    test = _COMPARISONS.get(operator) or _IDENTITIES.get(operator)
    if test is not None:
        np.copyto(result.kinds, test(first, second), where=where, casting="unsafe")
        return where
    size = len(result.kinds)
    compute = _ARITHMETIC.get(operator)
    ok = where
    if compute is not None:
        values = compute(first, second)
    elif operator in ("/", "%"):
        ok = where & (second != 0)
        divisor = np.where(second == 0, 1, second)
        values = np.fmod(first, divisor)  # with the sign of the dividend, as C does
        if operator == "/":
            values = (first - values) // divisor
        result.kinds[where & ~ok] = Kind.ERROR
    else:
        return np.zeros_like(where)
    result.ints = np.broadcast_to(values, (size,)).astype(np.int64)
    result.kinds[ok] = Kind.INT
    return where


def _on_reals(operator: str, left: Vector, right: Vector, where: Mask, result: Vector) -> Mask:
    """Where at least one operand is a real."""
    first, second = left.doubles(), right.doubles()
    identity = _IDENTITIES.get(operator)
    if identity is not None:
        alike = np.where(left.kinds == right.kinds, identity(first, second), operator == "=!=")
        np.copyto(result.kinds, alike, where=where, casting="unsafe")
        return where
    test = _COMPARISONS.get(operator)
    if test is not None:
        # an integer beyond that is another number as a real; few have one, so those are asked of the operator
        where = where & _exact(left) & _exact(right)
        np.copyto(result.kinds, test(first, second), where=where, casting="unsafe")
        return where
    compute = _ARITHMETIC.get(operator)
    if compute is not None:
        values = compute(first, second)
    elif operator == "/":
        values = np.divide(first, second)
    else:
        return np.zeros_like(where)
    values = np.broadcast_to(values, (len(result.kinds),))
    finite = np.isfinite(values)
    result.reals = np.where(finite, values, 0.0)
    result.kinds[where & finite] = Kind.REAL
    result.kinds[where & ~finite] = Kind.ERROR
    return where


def _exact(vector: Vector) -> Any:
    if vector.ints is None:
        return True
    return (vector.kinds != Kind.INT) | ((vector.ints <= _EXACT) & (vector.ints >= -_EXACT))


@lru_cache(maxsize=8)
def _unary_by_kind(operator: str) -> Kinds:
    return np.array([_kind(UNARY[operator](evaluate(sample))) for sample in _SAMPLES], np.int8)


def unary(operator: str, operand: Vector) -> Vector:
    """``operator operand`` for each position."""
    result = Vector(operand.domain, _unary_by_kind(operator)[operand.kinds], cost=operand.cost)
    asked = result.kinds == _ASK
    if not asked.any():
        return result
    if operator in ("-", "+", "~") and operand.ints is not None:
        with np.errstate(all="ignore"):
            result.ints = _ON_INTEGER[operator](operand.ints)
        whole = operand.kinds == Kind.INT
        result.kinds[whole] = Kind.INT
        asked &= ~whole
    if operator in ("-", "+") and operand.reals is not None:
        result.reals = _ON_INTEGER[operator](operand.reals)
        real = operand.kinds == Kind.REAL
        result.kinds[real] = Kind.REAL
        asked &= ~real
    positions = np.flatnonzero(asked)
    if len(positions):
        answers = [UNARY[operator](operand.value(position)) for position in positions.tolist()]
        _put(result, positions, Vector.of(operand.domain, answers))
    return result


_ON_INTEGER: Final[dict[str, Callable[[Any], Any]]] = {"-": np.negative, "+": np.positive, "~": np.invert}


@lru_cache(maxsize=2)
def _steps(operator: str) -> Kinds:
    """What a chain of ``&&`` or ``||`` says after one more operand, by what it said before and the operand's truth."""
    operands = (*_SAMPLES[: Kind.ERROR + 1], _SAMPLES[Kind.INT])
    said = operands[: Kind.ERROR + 1]
    return np.array(
        [[_kind(evaluate(Operation((operator,), (left, right)))) for right in operands] for left in said], np.int8
    )


def logic(operator: str, operands: Sequence[Vector], rows: Domain) -> Vector:
    """``operand && operand …`` or with ``||``, decided from the left."""
    domain = common(operands, rows)
    steps = _steps(operator).ravel()
    said = np.full(1, operator == "&&", np.int8)
    for operand in operands:
        said = steps[said * np.int8(5) + operand.over(domain).truth()]
    if len(said) != domain.size:
        said = np.full(domain.size, said[0], np.int8)
    return Vector(domain, said, cost=sum(operand.cost for operand in operands))


def choose(condition: Vector, then: Vector, otherwise: Vector, rows: Domain) -> Vector:
    """``condition ? then : otherwise`` for each position."""
    domain = common((condition, then, otherwise), rows)
    truth = condition.over(domain).truth()
    cost = condition.cost + then.cost + otherwise.cost
    result = Vector(domain, np.where(truth == Kind.UNDEFINED, np.int8(Kind.UNDEFINED), np.int8(Kind.ERROR)), cost=cost)
    result.kinds = np.broadcast_to(result.kinds, (domain.size,)).copy()
    _take(result, then.over(domain), truth == Kind.TRUE)
    _take(result, otherwise.over(domain), truth == Kind.FALSE)
    return result


def default(condition: Vector, otherwise: Vector, rows: Domain) -> Vector:
    """``condition ?: otherwise``: the condition itself unless it is undefined."""
    domain = common((condition, otherwise), rows)
    first = condition.over(domain)
    result = Vector(domain, np.full(domain.size, Kind.UNDEFINED, np.int8), cost=condition.cost + otherwise.cost)
    undefined = first.kinds == Kind.UNDEFINED
    _take(result, first, ~undefined)
    _take(result, otherwise.over(domain), undefined)
    return result


def _take(result: Vector, source: Vector, where: Mask) -> None:
    size = len(result.kinds)
    where = np.broadcast_to(where, (size,))
    if not where.any():
        return
    np.copyto(result.kinds, source.kinds, where=where)
    if source.ints is not None:
        result.ints = np.where(where, source.ints, 0 if result.ints is None else result.ints)
    if source.reals is not None:
        result.reals = np.where(where, source.reals, 0.0 if result.reals is None else result.reals)
    if source.objects is not None:
        held: list[Value | None] = [None] * size if result.objects is None else list(result.objects)
        single = len(source.objects) == 1
        for position in np.flatnonzero(where).tolist():
            held[position] = source.objects[0 if single else position]
        result.objects = held


@lru_cache(maxsize=32)
def _test_by_kind(function: str) -> Kinds:
    return np.array([_kind(evaluate(Call(function, (sample,)))) for sample in _SAMPLES], np.int8)


def kind_test(function: str, operand: Vector) -> Vector:
    """One of :data:`KIND_TESTS` for each position."""
    return Vector(operand.domain, _test_by_kind(function)[operand.kinds], cost=operand.cost)
