"""The builtin functions of lists, and of strings that are lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from jdl.function import Function, number_of, split_at
from jdl.operators import BINARY, identical
from jdl.patterns import pattern
from jdl.scope import Run
from jdl.values import ERROR, UNDEFINED, Record, Value, finite, fold

__all__ = ["LISTS"]


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
    if type(items) is not tuple:
        return UNDEFINED if items is UNDEFINED else ERROR
    if type(item) in (tuple, Record):
        return ERROR
    return any(identical(item, other) for other in items)


def _compared(decisive: bool) -> Callable[..., Value]:
    """anyCompare() is decided by the first true one, allCompare() by the first that is not; before it, by an ERROR."""

    def body(run: Run, operator: Any, items: Any, value: Any) -> Value:
        compare = _COMPARISONS.get(operator) if type(operator) is str else None
        if compare is None:
            return UNDEFINED if operator is UNDEFINED else ERROR
        if type(items) is not tuple:
            return UNDEFINED if items is UNDEFINED else ERROR
        for item in items:
            verdict = compare(item, value)
            if verdict is ERROR:
                return ERROR
            if (verdict is True) is decisive:
                return decisive
        return not decisive

    return body


_COMPARISONS: Final = {name: BINARY[name] for name in ("<", "<=", "==", "!=", ">", ">=", "=?=", "=!=")} | {
    "is": BINARY["=?="],
    "isnt": BINARY["=!="],
}


def _numbers(values: Any) -> Any:
    """The numbers of a list, without what is undefined; or what the function answers instead."""
    if type(values) is not tuple:
        return ERROR
    known = tuple([value for value in values if value is not UNDEFINED])
    return known if all(type(value) in (int, float) for value in known) else ERROR


def _sum(run: Run, values: Any) -> Any:
    numbers = _numbers(values)
    if type(numbers) is not tuple:
        return numbers
    total: Value = 0
    for index, number in enumerate(numbers):
        total = BINARY["+"](total, number) if index else number
    return total


def _avg(run: Run, values: Any) -> Any:
    numbers = _numbers(values)
    if type(numbers) is not tuple:
        return numbers
    if not numbers:
        return 0
    return finite(sum(map(float, numbers)) / len(numbers))


def _extreme(choose: Callable[..., Any]) -> Callable[..., Value]:
    def body(run: Run, values: Any) -> Any:
        numbers = _numbers(values)
        if type(numbers) is not tuple:
            return numbers
        return _extreme_of(choose, numbers)

    return body


def _extreme_of(choose: Callable[..., Any], numbers: Sequence[int | float]) -> Value:
    """A real when one of the numbers is."""
    if any(type(number) is float for number in numbers):
        return float(choose(numbers))
    return choose(numbers, default=UNDEFINED)  # type: ignore[no-any-return]


# -- strings that are lists: "a, b, c"


def _items(text: str, separators: str) -> list[str]:
    """The items of such a string; any of the separators ends one, blanks around it and empty ones do not count."""
    return [part.strip() for part in split_at(text, separators) if part.strip()]


def _string_list(answer: Callable[[list[str]], Value]) -> Function:
    """A function of the items of one string list."""

    def body(run: Run, text: Any, separators: Any = " ,") -> Value:
        if type(text) is not str or type(separators) is not str:
            return ERROR
        return answer(_items(text, separators))

    return Function(body, 1, 2, strict=False)


_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}\Z")


def _real_of(text: str) -> float | None:
    number = number_of(text)
    return None if number is None else float(number)


def _string_numbers(answer: Callable[[list[int | float]], Value]) -> Function:
    def numbers(items: list[str]) -> Value:
        found = [int(item) if _WHOLE.match(item) else _real_of(item) for item in items]
        known = [number for number in found if number is not None]
        return answer(known) if len(known) == len(found) else ERROR

    return _string_list(numbers)


def _string_sum(numbers: list[int | float]) -> Value:
    total: Value = 0 if numbers else 0.0
    for number in numbers:
        total = BINARY["+"](total, number)
    return total


def _string_member(form: Callable[[str], str]) -> Callable[..., Value]:
    def body(run: Run, item: Any, text: Any, separators: Any = " ,") -> Value:
        if type(item) is not str or type(text) is not str or type(separators) is not str:
            return ERROR
        wanted = form(item)
        return any(form(other) == wanted for other in _items(text, separators))

    return body


def _string_sets(form: Callable[[str], str], test: Callable[[set[str], set[str]], bool]) -> Function:
    def body(run: Run, left: Any, right: Any, separators: Any = " ,") -> Value:
        if type(left) is not str or type(right) is not str or type(separators) is not str:
            return ERROR
        return test(set(map(form, _items(left, separators))), set(map(form, _items(right, separators))))

    return Function(body, 2, 3)


def _string_regexp(run: Run, expression: Any, text: Any, separators: Any = " ,", options: Any = "") -> Value:
    if type(expression) is not str or type(text) is not str or type(separators) is not str or type(options) is not str:
        return ERROR
    compiled = pattern(expression, options)
    if compiled is None:
        return ERROR
    items = _items(text, separators)
    if not items:
        return UNDEFINED
    return any(compiled.search(item.encode("utf-8", "surrogatepass")) is not None for item in items)


LISTS: Final[dict[str, Function]] = {
    "size": Function(_size, 1, 1, weighs=False),
    "member": Function(_member, 2, 2),
    "ismember": Function(_member, 2, 2),
    "identicalmember": Function(_identical_member, 2, 2, strict=False),
    "anycompare": Function(_compared(True), 3, 3, strict=False),
    "allcompare": Function(_compared(False), 3, 3, strict=False),
    "sum": Function(_sum, 1, 1),
    "avg": Function(_avg, 1, 1),
    "min": Function(_extreme(min), 1, 1),
    "max": Function(_extreme(max), 1, 1),
    "stringlistsize": _string_list(len),
    "stringlistsum": _string_numbers(_string_sum),
    "stringlistavg": _string_numbers(lambda numbers: finite(sum(map(float, numbers)) / max(len(numbers), 1))),
    "stringlistmin": _string_numbers(lambda numbers: _extreme_of(min, numbers)),
    "stringlistmax": _string_numbers(lambda numbers: _extreme_of(max, numbers)),
    "stringlistmember": Function(_string_member(str), 2, 3),
    "stringlistimember": Function(_string_member(fold), 2, 3),
    "stringlistsintersect": _string_sets(str, lambda left, right: not left.isdisjoint(right)),
    "stringlistsubsetmatch": _string_sets(str, lambda left, right: left <= right),
    "stringlistisubsetmatch": _string_sets(fold, lambda left, right: left <= right),
    "stringlist_regexpmember": Function(_string_regexp, 2, 4, strict=False),
}
