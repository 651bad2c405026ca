"""What the operators do to values.

The rules are those of the ClassAd library that gLite used: an ERROR operand makes ERROR, else an undefined one makes
UNDEFINED, else one that cannot be an operand ERROR; booleans are no numbers; integers wrap at 64 bits; a division by
zero and a real that is not finite are ERROR; ``==`` on strings ignores case, ``=?=`` does not.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

from jdl.values import ERROR, UNDEFINED, AbsTime, Error, RelTime, Undefined, Value, finite, fold, wrap64

__all__ = ["BINARY", "UNARY", "identical", "subscript"]

Binary = Callable[[Any, Any], Value]

_NUMBERS: Final = (int, float)
_TIMES: Final = (AbsTime, RelTime)
_MASK: Final = (1 << 64) - 1


def _comparison(test: Callable[[Any, Any], bool]) -> Binary:
    def compare(left: Any, right: Any) -> Any:
        kind = type(left)
        if kind is type(right):
            if kind is str:
                return test(fold(left), fold(right))
            if kind is int or kind is float or kind is bool:
                return test(left, right)
        if left is ERROR or right is ERROR:
            return ERROR
        if left is UNDEFINED or right is UNDEFINED:
            return UNDEFINED
        if kind in _NUMBERS and type(right) in _NUMBERS:
            return test(left, right)
        if kind is type(right) and kind in _TIMES:
            return test(left.seconds, right.seconds)
        return ERROR

    return compare


def _unfit(left: Any, right: Any) -> Undefined | Error:
    """The outcome when the operands are not of the kinds that the operator wants."""
    missing = left is UNDEFINED or right is UNDEFINED
    return UNDEFINED if missing and left is not ERROR and right is not ERROR else ERROR


def _arithmetic(
    whole: Callable[[int, int], Value],
    real: Callable[[float, float], float],
    time: Callable[[Any, Any], Value] = _unfit,
) -> Binary:
    def compute(left: Any, right: Any) -> Any:
        if type(left) is int and type(right) is int:
            return whole(left, right)
        if type(left) in _NUMBERS and type(right) in _NUMBERS:
            try:
                return finite(real(left, right))
            except (ZeroDivisionError, OverflowError):
                return ERROR
        if type(left) in _TIMES or type(right) in _TIMES:
            return time(left, right)
        return _unfit(left, right)

    return compute


def _later(left: Any, right: Any) -> Value:
    """The sum of spans, or of a point in time and a span."""
    if type(left) is RelTime and type(right) is RelTime:
        return _span(left.seconds + right.seconds)
    if type(left) is AbsTime and type(right) is RelTime:
        return _point(left.seconds + right.seconds, left.offset)
    if type(left) is RelTime and type(right) is AbsTime:
        return _point(left.seconds + right.seconds, right.offset)
    return _unfit(left, right)


def _earlier(left: Any, right: Any) -> Value:
    """The span between two points in time, and what a span in front of one is."""
    if type(left) is AbsTime and type(right) is RelTime:
        return _point(left.seconds - right.seconds, left.offset)
    if type(left) is type(right):
        return _span(left.seconds - right.seconds)
    return _unfit(left, right)


def _times_span(left: Any, right: Any) -> Value:
    if type(left) is RelTime and type(right) in _NUMBERS:
        return _span(left.seconds * right)
    if type(right) is RelTime and type(left) in _NUMBERS:
        return _span(left * right.seconds)
    return _unfit(left, right)


def _part_of_span(left: Any, right: Any) -> Value:
    if type(left) is RelTime and type(right) in _NUMBERS:
        return ERROR if right == 0 else _span(left.seconds / right)
    return _unfit(left, right)


def _span(seconds: float) -> Value:
    return RelTime(float(seconds)) if math.isfinite(seconds) else ERROR


def _point(seconds: float, offset: int) -> Value:
    whole = int(seconds) if math.isfinite(seconds) else 1 << 64
    return AbsTime(whole, offset) if wrap64(whole) == whole else ERROR


def _divide(left: int, right: int) -> Value:
    if right == 0:
        return ERROR
    quotient = abs(left) // abs(right)  # towards zero, as C does
    return wrap64(quotient if (left < 0) == (right < 0) else -quotient)


def _remainder(left: int, right: int) -> Value:
    if right == 0:
        return ERROR
    rest = abs(left) % abs(right)  # with the sign of the dividend, as C does
    return -rest if left < 0 else rest


def _modulo(left: Any, right: Any) -> Value:
    if type(left) is int and type(right) is int:
        return _remainder(left, right)
    return _unfit(left, right)


def _bits(whole: Callable[[int, int], int], logical: Callable[[bool, bool], bool]) -> Binary:
    def compute(left: Any, right: Any) -> Value:
        if type(left) is int and type(right) is int:
            return wrap64(whole(left, right))
        if type(left) is bool and type(right) is bool:
            return logical(left, right)
        return _unfit(left, right)

    return compute


def _shift(move: Callable[[int, int], int]) -> Binary:
    def compute(left: Any, right: Any) -> Value:
        if type(left) is int and type(right) is int:
            # C leaves other distances undefined
            return wrap64(move(left, right)) if 0 <= right < 64 else ERROR
        return _unfit(left, right)

    return compute


def identical(left: Any, right: Any) -> bool:
    """``=?=``: the same type and the same value, strings with regard to case; never undefined."""
    if type(left) is not type(right):
        return False
    if isinstance(left, tuple):
        return bool(len(left) == len(right) and all(map(identical, left, right)))
    return bool(left == right)


def _negate(value: Any) -> Value:
    if type(value) is int:
        return wrap64(-value)
    if type(value) is float:
        return -value
    if type(value) is RelTime:
        return RelTime(-value.seconds)
    return UNDEFINED if value is UNDEFINED else ERROR


def _plus(value: Any) -> Any:
    if type(value) in _NUMBERS or type(value) is RelTime or value is UNDEFINED:
        return value
    return ERROR


def _not(value: Any) -> Any:
    if type(value) is bool:
        return not value
    return UNDEFINED if value is UNDEFINED else ERROR


def _invert(value: Any) -> Any:
    if type(value) is int:
        return ~value
    return UNDEFINED if value is UNDEFINED else ERROR


def subscript(base: Any, index: Any) -> Any:
    """``base[index]``: an item of a list by number from 0; outside of the list is ERROR.

    An attribute of an ad by its name is the evaluator's.
    """
    if type(base) is tuple and type(index) is int:
        return base[index] if 0 <= index < len(base) else ERROR
    return _unfit(base, index)


BINARY: Final[dict[str, Binary]] = {
    "==": _comparison(operator.eq),
    "!=": _comparison(operator.ne),
    "<": _comparison(operator.lt),
    "<=": _comparison(operator.le),
    ">": _comparison(operator.gt),
    ">=": _comparison(operator.ge),
    "=?=": identical,
    "=!=": lambda left, right: not identical(left, right),
    "+": _arithmetic(lambda a, b: wrap64(a + b), operator.add, _later),
    "-": _arithmetic(lambda a, b: wrap64(a - b), operator.sub, _earlier),
    "*": _arithmetic(lambda a, b: wrap64(a * b), operator.mul, _times_span),
    "/": _arithmetic(_divide, operator.truediv, _part_of_span),
    "%": _modulo,
    "&": _bits(operator.and_, operator.and_),
    "|": _bits(operator.or_, operator.or_),
    "^": _bits(operator.xor, operator.xor),
    "<<": _shift(operator.lshift),
    ">>": _shift(operator.rshift),
    ">>>": _shift(lambda a, b: (a & _MASK) >> b),
}
"""The binary operators that want both operands; ``&&`` and ``||`` are the evaluator's."""

UNARY: Final[dict[str, Callable[[Any], Value]]] = {"-": _negate, "+": _plus, "!": _not, "~": _invert}
