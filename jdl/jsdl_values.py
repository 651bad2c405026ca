"""What the parts of a JSDL document are read with: members by name, foreign elements, range values.

A document is what the contract's codec makes of it: mappings with a key for each member, ``value`` for the text of an
element that has attributes, and ``any`` for elements that the type does not name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Final, Protocol, runtime_checkable

from jdl.errors import NotExpressible
from jdl.nodes import Expr, Literal, Operation, Reference
from jdl.tree import MAX_INT

__all__ = ["Foreign", "Part", "Range"]

MAX_COUNT: Final = 1_000_000
"""Processors or hosts of one job."""

MAX_ALTERNATIVES: Final = 1000
"""Values and intervals of one range value."""


@runtime_checkable
class Foreign(Protocol):
    """An element that came through a wildcard; ``value`` is None when the contract does not know it."""

    @property
    def namespace(self) -> str | None:
        """Its namespace."""

    @property
    def name(self) -> str:
        """Its local name."""

    @property
    def value(self) -> object:
        """What the codec made of it."""


class Part:
    """One element of the document, and the names of the elements down to it; of the document itself, none."""

    def __init__(self, value: Mapping[str, object], path: str) -> None:
        self._value = value
        self.path = path

    def refused(self, name: str, reason: str) -> NotExpressible:
        """The error for a member; of this element itself when ``name`` is empty."""
        return NotExpressible("/".join(filter(None, (self.path, name))), reason)

    def has(self, name: str) -> bool:
        """Whether the member is there."""
        return self._value.get(name) is not None

    def text(self, name: str) -> str | None:
        """The text of a member, None when it is not there.

        :raises NotExpressible: 1225, a NUL, which no job description can hold.
        """
        value = self._value.get(name)
        if isinstance(value, Mapping):
            value = value.get("value")
        if value is None:
            return None
        text = str(value)
        if "\0" in text:
            raise self.refused(name, "it holds a NUL character")
        return text

    def real(self, name: str) -> Fraction | None:
        """The number of a member, None when it is not there.

        :raises NotExpressible: 1225, it is not finite.
        """
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise self.refused("", f"'{value}' is no finite number")
        return Fraction(value)

    def flag(self, name: str) -> bool | None:
        """The boolean of a member, None when it is not there."""
        value = self._value.get(name)
        return value if isinstance(value, bool) else None

    def number(self, name: str) -> int | None:
        """The whole number of a member, None when it is not there.

        :raises NotExpressible: 1225, it is beyond 64 bits.
        """
        value = self._value.get(name)
        if isinstance(value, Mapping):
            value = value.get("value")
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        if value > MAX_INT:
            raise self.refused(name, "the number does not fit 64 bits")
        return value

    def part(self, name: str) -> Part | None:
        """The member as an element of its own, None when it is not there."""
        value = self._value.get(name)
        return Part(value, "/".join(filter(None, (self.path, name)))) if isinstance(value, Mapping) else None

    def parts(self, name: str) -> list[Part]:
        """The members of a repeated element."""
        items = self._items(name)
        tail = "[{}]" if len(items) > 1 else ""
        return [
            Part(item, f"{self.path}/{name}{tail.format(index)}")
            for index, item in enumerate(items, 1)
            if isinstance(item, Mapping)
        ]

    def texts(self, name: str) -> list[str]:
        """The texts of a repeated element."""
        found = [Part({name: item}, self.path).text(name) for item in self._items(name)]
        return [text for text in found if text is not None]

    def range(self, name: str) -> Range | None:
        """The range value of a member, None when it is not there.

        :raises NotExpressible: 1225, it is empty, or holds no number.
        """
        part = self.part(name)
        return None if part is None else Range(part)

    def foreign(self) -> list[Foreign]:
        """The elements that the type does not name."""
        return [item for item in self._items("any") if isinstance(item, Foreign)]

    def refuse_foreign(self) -> None:
        """Nothing else is understood here.

        :raises NotExpressible: 1225, naming the element.
        """
        for item in self.foreign():
            where = f" of the namespace {item.namespace}" if item.namespace else ""
            raise self.refused(item.name, f"this element{where} is not known here; leave it out")

    def _items(self, name: str) -> Sequence[object]:
        value = self._value.get(name)
        if isinstance(value, Mapping) and len(value) == 1:  # a type that holds nothing but a list
            value = next(iter(value.values()))
        return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


class Range:
    """A range value (GFD.56, jsdl:RangeValue_Type): numbers and intervals, one of which is to hold.

    A lower and an upper bound that leave an interval between them mean that interval, since either alone would leave
    out nothing.
    """

    def __init__(self, part: Part) -> None:
        self.part = part
        upper, lower = _bound(part, "UpperBoundedRange"), _bound(part, "LowerBoundedRange")
        self._alternatives: list[tuple[_Bound | None, _Bound | None]] = []
        if upper is not None and lower is not None and lower.number <= upper.number:
            self._alternatives.append((lower, upper))
        else:
            self._alternatives += [] if upper is None else [(None, upper)]
            self._alternatives += [] if lower is None else [(lower, None)]
        for exact in part.parts("Exact"):
            number, epsilon = exact.real("value"), exact.real("epsilon")
            if number is None or (epsilon or 0) < 0:
                raise exact.refused("", "a number, and an epsilon that is not below 0, are wanted")
            self._alternatives.append((_Bound(number - (epsilon or 0)), _Bound(number + (epsilon or 0))))
        for interval in part.parts("Range"):
            least, most = _bound(interval, "LowerBound"), _bound(interval, "UpperBound")
            if least is None or most is None or _empty(least, most):
                raise interval.refused("", "it has no number between its bounds")
            self._alternatives.append((least, most))
        if not self._alternatives:
            raise part.refused("", "it is empty; give UpperBoundedRange, LowerBoundedRange, Exact or Range")
        if len(self._alternatives) > MAX_ALTERNATIVES:
            raise part.refused("", f"it has more than {MAX_ALTERNATIVES} alternatives")
        part.refuse_foreign()

    def requirement(self, name: str, unit: Fraction) -> Expr:
        """That an attribute of the computing element lies in the range; ``unit`` is what one of it is worth."""
        terms = [_within(Reference(name, "other"), least, most, unit) for least, most in self._alternatives]
        return terms[0] if len(terms) == 1 else Operation(("||",) * (len(terms) - 1), terms)

    def needed(self) -> Fraction:
        """An amount that satisfies whatever the range says is needed: the largest number it names.

        :raises NotExpressible: 1225, it is beyond 64 bits.
        """
        most = max(bound.number for alternative in self._alternatives for bound in alternative if bound is not None)
        if most > MAX_INT:
            raise self.part.refused("", "the number does not fit 64 bits")
        return most

    def least(self) -> int:
        """The smallest whole number from 1 on that is in the range.

        :raises NotExpressible: 1225, there is none, or none that is a number of processors.
        """
        found = [number for alternative in self._alternatives if (number := _smallest(*alternative)) is not None]
        if not found or min(found) > MAX_COUNT:
            raise self.part.refused("", f"there is no whole number from 1 to {MAX_COUNT} in it")
        return min(found)

    def holds(self, number: int) -> bool:
        """Whether the number is in the range."""
        return any(
            (least is None or least.number < number or (least.number == number and not least.exclusive))
            and (most is None or number < most.number or (most.number == number and not most.exclusive))
            for least, most in self._alternatives
        )


class _Bound:
    def __init__(self, number: Fraction, exclusive: bool = False) -> None:
        self.number = number
        self.exclusive = exclusive


def _bound(part: Part, name: str) -> _Bound | None:
    bound = part.part(name)
    if bound is None:
        return None
    number = bound.real("value")
    return None if number is None else _Bound(number, bound.flag("exclusiveBound") or False)


def _empty(least: _Bound, most: _Bound) -> bool:
    return least.number > most.number or (least.number == most.number and (least.exclusive or most.exclusive))


def _smallest(least: _Bound | None, most: _Bound | None) -> int | None:
    number = 1
    if least is not None:
        number = max(1, math.ceil(least.number))
        if least.exclusive and number == least.number:
            number += 1
    if most is not None and (number > most.number or (number == most.number and most.exclusive)):
        return None
    return number


def _within(value: Expr, least: _Bound | None, most: _Bound | None, unit: Fraction) -> Expr:
    if least is not None and most is not None and least.number == most.number:
        return Operation(("==",), (value, _literal(least.number / unit)))
    terms: list[Expr] = []
    if least is not None:
        terms.append(Operation((">" if least.exclusive else ">=",), (value, _literal(least.number / unit))))
    if most is not None:
        terms.append(Operation(("<" if most.exclusive else "<=",), (value, _literal(most.number / unit))))
    return terms[0] if len(terms) == 1 else Operation(("&&",), terms)


def _literal(number: Fraction) -> Literal:
    whole = number.denominator == 1 and abs(number.numerator) <= MAX_INT
    return Literal(number.numerator if whole else float(number))
