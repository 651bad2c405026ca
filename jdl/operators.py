"""What the operators do to values.

The rules are those of the ClassAd library that gLite used: an operand that cannot be an operand makes ERROR, else an
undefined one makes UNDEFINED; booleans are no numbers; integers wrap at 64 bits; a division by zero and a real that
is not finite are ERROR; ``==`` on strings ignores case, ``=?=`` does not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from jdl.values import ERROR, UNDEFINED, Value, finite, fold, wrap64

__all__ = ["BINARY", "UNARY", "identical", "subscript"]

Binary = Callable[[Any, Any], Value]

_NUMBERS: Final = (int, float)
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
        return ERROR

    return compare


def _strict_numbers(left: Any, right: Any, kinds: tuple[type, ...]) -> Value:
    """The outcome when not both operands are of the kinds."""
    for value in (left, right):
        if value is not UNDEFINED and type(value) not in kinds:
            return ERROR
    return UNDEFINED


def _arithmetic(whole: Callable[[int, int], Value], real: Callable[[float, float], float]) -> Binary:
    def compute(left: Any, right: Any) -> Value:
        if type(left) is int and type(right) is int:
            return whole(left, right)
        if type(left) in _NUMBERS and type(right) in _NUMBERS:
            try:
                return finite(real(left, right))
            except (ZeroDivisionError, OverflowError):
                return ERROR
        return _strict_numbers(left, right, _NUMBERS)

    return compute


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
    return _strict_numbers(left, right, (int,))


def _bits(whole: Callable[[int, int], int], logical: Callable[[bool, bool], bool]) -> Binary:
    def compute(left: Any, right: Any) -> Value:
        if type(left) is int and type(right) is int:
            return wrap64(whole(left, right))
        if type(left) is bool and type(right) is bool:
            return logical(left, right)
        return _strict_numbers(left, right, (int, bool))

    return compute


def _shift(move: Callable[[int, int], int]) -> Binary:
    def compute(left: Any, right: Any) -> Value:
        if type(left) is int and type(right) is int:
            # C leaves other distances undefined
            return wrap64(move(left, right)) if 0 <= right < 64 else ERROR
        return _strict_numbers(left, right, (int,))

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
    return UNDEFINED if value is UNDEFINED else ERROR


def _plus(value: Any) -> Any:
    if type(value) in _NUMBERS or value is UNDEFINED:
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
    """``base[index]``: an item of a list by number from 0; outside of the list is ERROR."""
    if type(base) is tuple and type(index) is int:
        return base[index] if 0 <= index < len(base) else ERROR
    if (base is UNDEFINED and index is not ERROR) or (index is UNDEFINED and type(base) is tuple):
        return UNDEFINED
    return ERROR


BINARY: Final[dict[str, Binary]] = {
    "==": _comparison(operator.eq),
    "!=": _comparison(operator.ne),
    "<": _comparison(operator.lt),
    "<=": _comparison(operator.le),
    ">": _comparison(operator.gt),
    ">=": _comparison(operator.ge),
    "=?=": identical,
    "=!=": lambda left, right: not identical(left, right),
    "+": _arithmetic(lambda a, b: wrap64(a + b), operator.add),
    "-": _arithmetic(lambda a, b: wrap64(a - b), operator.sub),
    "*": _arithmetic(lambda a, b: wrap64(a * b), operator.mul),
    "/": _arithmetic(_divide, operator.truediv),
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
