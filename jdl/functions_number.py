"""The builtin functions of types and numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from jdl.function import Function, number_of, whole
from jdl.operators import BINARY
from jdl.scope import Run
from jdl.values import ERROR, UNDEFINED, AbsTime, Record, RelTime, Value, finite, fold

__all__ = ["NUMBERS"]


def _is(*kinds: type) -> Function:
    return Function(lambda run, value: type(value) in kinds, 1, 1, strict=False, weighs=False)


def _rounded(rounding: Callable[[float], int]) -> Function:
    return Function(lambda run, value: whole(number_of(value), rounding), 1, 1, strict=False)


def _real(run: Run, value: Any) -> Value:
    number = number_of(value)
    return ERROR if number is None else finite(float(number))


def _bool(run: Run, value: Any) -> Value:
    if type(value) is str:
        return {"true": True, "false": False}.get(fold(value), UNDEFINED)
    number = number_of(value)
    return ERROR if number is None or type(value) is AbsTime else number != 0


def _pow(run: Run, base: Any, exponent: Any) -> Value:
    """An integer when both are and the exponent is not negative."""
    if type(base) is int and type(exponent) is int and exponent >= 0:
        if abs(base) > 1 and exponent > 63:
            return ERROR
        return whole(base**exponent)
    left, right = number_of(base), number_of(exponent)
    if left is None or right is None:
        return ERROR
    try:
        return finite(math.pow(left, right))
    except (ValueError, OverflowError):
        return ERROR


def _quantize(run: Run, value: Any, steps: Any) -> Any:
    """The next multiple of a number; of a list, its first item that is not less, else a multiple of the last."""
    number = number_of(value)
    if number is None:
        return ERROR
    if type(steps) is not tuple:
        return _multiple(value, steps)
    step: Any = None
    for step in steps:
        if type(step) not in (int, float):
            return ERROR
        if step >= number:
            return step
    return value if step is None else _multiple(value, step)


def _multiple(value: Any, step: Any) -> Any:
    if type(step) is bool:
        step = int(step)
    if step == 0 and type(step) in (int, float):
        return value
    if type(value) is int and type(step) is int:
        up = BINARY["+"](value, step - 1)
        return BINARY["*"](BINARY["/"](up, step), step)
    number, size = number_of(value), number_of(step)
    if number is None or size is None:
        return ERROR
    if size == 0:
        return finite(float(number))
    try:
        steps = number / size
        return finite(math.copysign(math.ceil(steps), steps) * size)
    except (ValueError, OverflowError):
        return ERROR


def _random(run: Run, limit: Any = 1.0) -> Value:
    """random() is a real below 1, random(n) an integer below n, random(x) a real below x."""
    if run.random is None or type(limit) not in (int, float) or limit <= 0:
        return ERROR
    number = run.random() * limit
    return min(int(number), limit - 1) if type(limit) is int else number


NUMBERS: Final[dict[str, Function]] = {
    "isundefined": _is(type(UNDEFINED)),
    "iserror": _is(type(ERROR)),
    "isstring": _is(str),
    "isinteger": _is(int),
    "isreal": _is(float),
    "isboolean": _is(bool),
    "islist": _is(tuple),
    "isclassad": _is(Record),
    "isabstime": _is(AbsTime),
    "isreltime": _is(RelTime),
    "int": Function(lambda run, value: whole(number_of(value)), 1, 1),
    "real": Function(_real, 1, 1),
    "bool": Function(_bool, 1, 1),
    "floor": _rounded(math.floor),
    "ceiling": _rounded(math.ceil),
    "ceil": _rounded(math.ceil),
    "round": _rounded(round),
    "pow": Function(_pow, 2, 2, strict=False),
    "quantize": Function(_quantize, 2, 2, strict=False),
    "random": Function(_random, 0, 1, pure=False),
}
