"""The builtin functions that take values.

Functions that look at their arguments' expressions are in :mod:`jdl.special`.  Unless said otherwise an ERROR among
the arguments makes ERROR and else an UNDEFINED one UNDEFINED; a wrong number or type of arguments makes ERROR.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from jdl.fqan_member import fqan_member
from jdl.operators import BINARY, identical
from jdl.patterns import pattern
from jdl.printing import text as expression_text
from jdl.scope import Run
from jdl.tree import MAX_INT, MIN_INT, from_python
from jdl.values import ERROR, UNDEFINED, Record, Value, finite, fold

__all__ = ["FUNCTIONS", "Function"]

MAX_STRING: Final = 1 << 20
"""Characters that a function may put together."""


@dataclass(frozen=True)
class Function:
    """A function and the number of its arguments.

    ``strict``: ERROR and UNDEFINED arguments are answered before the body runs.  ``weighs``: the length of its
    arguments is charged, because its time grows with them.
    """

    body: Callable[..., Value]
    least: int
    most: int
    strict: bool = True
    weighs: bool = True


def _number(value: Any) -> int | float | None:
    """The number that a value is or, as text, stands for."""
    if type(value) is bool:
        return int(value)
    if type(value) in (int, float):
        return value  # type: ignore[no-any-return]
    if type(value) is str:
        word = value.strip()
        if len(word) > 400 or "_" in word or not word.isascii():
            return None
        try:
            return int(word)
        except ValueError:
            try:
                return float(word)
            except ValueError:
                return None
    return None


def _whole(value: float | None, rounding: Callable[[float], int] = math.trunc) -> Value:
    """The number as a 64-bit integer; ERROR when it is none."""
    if value is None or (type(value) is float and not math.isfinite(value)):
        return ERROR
    number = rounding(value)
    return number if MIN_INT <= number <= MAX_INT else ERROR


def _text(value: Any) -> str | None:
    """A value as the text that strcat() and string() make of it."""
    if type(value) is str:
        return value
    if type(value) in (bool, int, float):
        return expression_text(from_python(value))
    return None


def _bounded(run: Run, text: str) -> Value:
    run.charge(len(text) >> 6)
    return text if len(text) <= MAX_STRING else ERROR


# -- strings


def _strcat(run: Run, *values: Any) -> Value:
    parts = [_text(value) for value in values]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or sum(map(len, known)) > MAX_STRING:
        return ERROR
    return _bounded(run, "".join(known))


def _substr(run: Run, text: Any, offset: Any, length: Any = None) -> Value:
    if type(text) is not str or type(offset) is not int or (length is not None and type(length) is not int):
        return ERROR
    begin = max(len(text) + offset, 0) if offset < 0 else min(offset, len(text))
    if length is None:
        end = len(text)
    elif length < 0:
        end = max(len(text) + length, begin)
    else:
        end = min(begin + length, len(text))
    return text[begin:end]


def _case(change: Callable[[str], str]) -> Callable[..., Value]:
    def body(run: Run, value: Any) -> Value:
        text = _text(value)
        return ERROR if text is None else _bounded(run, change(text))

    return body


def _string(run: Run, value: Any) -> Value:
    text = _text(value)
    if text is None and type(value) is Record:
        text = value.ad.text()
    return ERROR if text is None else _bounded(run, text)


def _regexp(run: Run, expression: Any, text: Any, options: Any = "") -> Value:
    if type(expression) is not str or type(text) is not str or type(options) is not str:
        return ERROR
    compiled = pattern(expression, options)
    if compiled is None:
        return ERROR
    return compiled.search(text.encode("utf-8", "surrogatepass")) is not None


def _split(run: Run, text: Any, separators: Any = ", \t") -> Value:
    if type(text) is not str or type(separators) is not str:
        return ERROR
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    parts = text.split(separators[0]) if separators else [text]
    return tuple([part for part in parts if part])


def _join(run: Run, separator: Any, *values: Any) -> Value:
    items: Iterable[Any] = values
    if len(values) == 1 and type(values[0]) is tuple:
        items = values[0]
    parts = [_text(item) for item in items]
    known = [part for part in parts if part is not None]
    if type(separator) is not str or len(known) < len(parts):
        return ERROR
    if sum(map(len, known)) + len(separator) * len(known) > MAX_STRING:
        return ERROR
    return _bounded(run, separator.join(known))


def _strcmp(change: Callable[[str], str]) -> Callable[..., Value]:
    def body(run: Run, left: Any, right: Any) -> Value:
        first, second = _text(left), _text(right)
        if first is None or second is None:
            return ERROR
        first, second = change(first), change(second)
        return (first > second) - (first < second)

    return body


# -- lists


def _size(run: Run, value: Any) -> Value:
    if type(value) in (str, tuple):
        return len(value)
    return len(value.ad) if type(value) is Record else ERROR


def _member(run: Run, item: Any, items: Any) -> Value:
    """Whether a list holds the item, by ``==``; the list may come first."""
    if type(item) is tuple and type(items) is not tuple:
        item, items = items, item
    if type(items) is not tuple or type(item) in (tuple, Record):
        return ERROR
    if type(item) is str:
        wanted = fold(item)
        return any(type(other) is str and fold(other) == wanted for other in items)
    equal = BINARY["=="]
    return any(equal(item, other) is True for other in items)


def _identical_member(run: Run, item: Any, items: Any) -> Value:
    """As member(), by ``=?=``."""
    if type(item) is tuple and type(items) is not tuple:
        item, items = items, item
    if type(items) is not tuple or type(item) in (tuple, Record):
        return ERROR
    return any(identical(item, other) for other in items)


def _compared(combine: Callable[[Iterable[bool]], bool]) -> Callable[..., Value]:
    def body(run: Run, operator: Any, items: Any, value: Any) -> Value:
        compare = BINARY.get(operator) if type(operator) is str and operator in _COMPARISONS else None
        if compare is None or type(items) is not tuple:
            return ERROR
        return combine(compare(item, value) is True for item in items)

    return body


_COMPARISONS: Final = frozenset({"<", "<=", "==", "!=", ">", ">=", "=?=", "=!="})


def _numbers(values: Any) -> tuple[int | float, ...] | Value:
    """The items of a list of numbers, or what the function answers instead."""
    if type(values) is not tuple:
        return ERROR
    if any(value is not UNDEFINED and type(value) not in (int, float) for value in values):
        return ERROR
    return UNDEFINED if UNDEFINED in values else values


def _sum(run: Run, values: Any) -> Value:
    numbers = _numbers(values)
    if type(numbers) is not tuple:
        return numbers
    total: Value = 0
    for number in numbers:
        total = BINARY["+"](total, number)
    return total


def _avg(run: Run, values: Any) -> Value:
    numbers = _numbers(values)
    if type(numbers) is not tuple:
        return numbers
    return finite(sum(map(float, numbers)) / len(numbers)) if numbers else 0.0  # type: ignore[arg-type]


def _extreme(choose: Callable[..., Any]) -> Callable[..., Value]:
    def body(run: Run, values: Any) -> Value:
        numbers = _numbers(values)
        if type(numbers) is not tuple:
            return numbers
        return choose(numbers, default=UNDEFINED)  # type: ignore[no-any-return]

    return body


# -- types and numbers


def _is(*kinds: type) -> Function:
    return Function(lambda run, value: type(value) in kinds, 1, 1, strict=False, weighs=False)


def _rounded(rounding: Callable[[float], int]) -> Function:
    return Function(lambda run, value: _whole(_number(value), rounding), 1, 1)


def _real(run: Run, value: Any) -> Value:
    number = _number(value)
    return ERROR if number is None else finite(float(number))


def _bool(run: Run, value: Any) -> Value:
    if type(value) is str:
        return {"true": True, "false": False}.get(fold(value), ERROR)
    number = _number(value)
    return ERROR if number is None else number != 0


def _random(run: Run, limit: Any = 1.0) -> Value:
    """random() is a real below 1, random(n) an integer below n, random(x) a real below x."""
    if run.random is None or type(limit) not in (int, float) or limit <= 0:
        return ERROR
    number = run.random() * limit
    return min(int(number), limit - 1) if type(limit) is int else number


def _time(run: Run) -> Value:
    return ERROR if run.clock is None else int(run.clock())


def _success_fraction(run: Run, element: Any, bookkeeping: Any = "") -> Value:
    """Which part of the jobs that lately came to a computing element ended well there; 1.0 when nobody knows.

    A second argument named a bookkeeping server; who evaluates has one source.
    """
    if type(element) is not str or type(bookkeeping) is not str:
        return ERROR
    return 1.0 if run.success is None else float(run.success(element))


def _fqan_member(run: Run, fqan: Any, rules: Any) -> Value:
    """False, never undefined, when there is nothing that could match."""
    if fqan is UNDEFINED or rules is UNDEFINED:
        return ERROR if fqan is ERROR or rules is ERROR else False
    if type(fqan) is not str or type(rules) is not tuple:
        return ERROR
    return any(type(rule) is str and fqan_member(fqan, rule) for rule in rules)


_MANY: Final = 1_000_000

FUNCTIONS: Final[dict[str, Function]] = {
    "strcat": Function(_strcat, 0, _MANY),
    "substr": Function(_substr, 2, 3),
    "toupper": Function(_case(str.upper), 1, 1),
    "tolower": Function(_case(str.lower), 1, 1),
    "string": Function(_string, 1, 1),
    "strcmp": Function(_strcmp(str), 2, 2),
    "stricmp": Function(_strcmp(fold), 2, 2),
    "regexp": Function(_regexp, 2, 3),
    "split": Function(_split, 1, 2),
    "join": Function(_join, 1, _MANY),
    "size": Function(_size, 1, 1, weighs=False),
    "member": Function(_member, 2, 2),
    "ismember": Function(_member, 2, 2),
    "identicalmember": Function(_identical_member, 2, 2),
    "anycompare": Function(_compared(any), 3, 3),
    "allcompare": Function(_compared(all), 3, 3),
    "sum": Function(_sum, 1, 1),
    "avg": Function(_avg, 1, 1),
    "min": Function(_extreme(min), 1, 1),
    "max": Function(_extreme(max), 1, 1),
    "isundefined": _is(type(UNDEFINED)),
    "iserror": _is(type(ERROR)),
    "isstring": _is(str),
    "isinteger": _is(int),
    "isreal": _is(float),
    "isboolean": _is(bool),
    "islist": _is(tuple),
    "isclassad": _is(Record),
    "int": _rounded(math.trunc),
    "real": Function(_real, 1, 1),
    "bool": Function(_bool, 1, 1),
    "floor": _rounded(math.floor),
    "ceiling": _rounded(math.ceil),
    "round": _rounded(round),
    "random": Function(_random, 0, 1),
    "time": Function(_time, 0, 0),
    "successfraction": Function(_success_fraction, 1, 2),
    "fqanmember": Function(_fqan_member, 2, 2, strict=False),
}
"""The functions by their names in lower case."""
