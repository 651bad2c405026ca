"""One attribute of all records: each distinct value once, and for each record which of them it has."""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker.masks.search import Texts
from broker.masks.vector import Codes, Domain, Kind, Mask, Vector
from jdl.evaluate import evaluate
from jdl.nodes import Call, Expr, ListExpr, Literal, Operation
from jdl.tree import ClassAd
from jdl.values import UNDEFINED, Value, fold

__all__ = ["Column"]

_MAX_DEPTH: Final = 50
"""Levels of a value; deeper ones are asked with their record."""
_MAX_ANSWERS: Final = 64
"""Expressions whose answers a column keeps, those that were not asked for longest go first."""
_SLACK: Final = 256
"""Values that no record has any more and that a column may carry along, beside half of all."""


class Column:
    """What records have under one name.

    :ivar codes: for each record the number of its value.
    :ivar exprs: the values' expressions by number; None, always number 0, when a record has none of that name.
    :ivar shared: whether the expressions mean the same in every record; not when they refer to other attributes.
    :ivar weight: the most steps that the evaluator charges for reading the attribute.

    :param found: the attribute of each record, in order; with ``previous``, of the changed records only.
    :param previous: a column to take the others from.
    :param changed: the rows of the records that may be different there.
    :param origins: for each record its row there (any for a changed one); when not given, the same row.
    """

    def __init__(
        self,
        found: Iterable[Expr | None],
        previous: Column | None = None,
        changed: NDArray[np.intp] | None = None,
        origins: NDArray[np.int64] | None = None,
    ) -> None:
        self._numbers: dict[Hashable, int] = {} if previous is None else dict(previous._numbers)
        self.exprs: list[Expr | None] = [None] if previous is None else list(previous.exprs)
        self.shared: bool = previous is None or previous.shared
        numbers = np.array(self._number_all(found), np.int32)
        self.codes: Codes = numbers
        if previous is not None:
            before = previous.codes if origins is None else previous.codes[origins]
            self.codes = before.copy() if origins is None else np.where(origins < 0, np.int32(0), before)
            self.codes[changed] = numbers
        self.weight = max((_charge(expr) for expr in self.exprs if expr is not None), default=0)
        self.domain = Domain(len(self.exprs), self.codes)
        self._lock = threading.Lock()
        self._vector: Vector | None = None
        self._folded: dict[str, list[int]] | None = None
        self._holders: dict[str, Codes] | None = None
        self._texts: tuple[NDArray[np.intp], Texts] | None = None
        self._answers: OrderedDict[str, Vector] = OrderedDict()

    def updated(
        self, found: Iterable[Expr | None], changed: NDArray[np.intp], origins: NDArray[np.int64] | None
    ) -> Column | None:
        """The column after some records have changed; this one when nothing is different.

        None when it is better made anew: its values do not mean the same everywhere, or too many are nobody's any more.
        """
        column = Column(found, self, changed, origins)
        if len(column.exprs) == len(self.exprs) and np.array_equal(column.codes, self.codes):
            return self
        used = int(np.count_nonzero(np.bincount(column.codes, minlength=len(column.exprs))))
        return column if column.shared and len(column.exprs) <= used + used // 2 + _SLACK else None

    def prepare(self) -> None:
        """Make what questions look things up in."""
        if not self.shared or self.vector.objects is None:
            return
        self.equal_to("", exact=False)
        self.holding("")
        self.having("", "")
        self.longest  # noqa: B018 - made for all who ask

    def unasked(self) -> Column:
        """The column without its answers; what questions look things up in is shared."""
        column = copy.copy(self)
        column._answers = OrderedDict()
        if self._vector is not None:
            vector = column._vector = copy.copy(self._vector)
            vector.column = column
        return column

    def _number_all(self, found: Iterable[Expr | None]) -> list[int]:
        by_identity: dict[int, int] = {id(None): 0}
        codes = []
        for expr in found:
            number = by_identity.get(id(expr))
            if number is None:
                number = 0 if expr is None else self._number(expr)
                by_identity[id(expr)] = number
            codes.append(number)
        return codes

    def _number(self, expr: Expr) -> int:
        key = _identity(expr) if expr.depth <= _MAX_DEPTH else None
        if key is None:
            self.shared = False
            key = ("one", id(expr))
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.exprs)
            self.exprs.append(expr)
        return number

    # -- values

    @property
    def vector(self) -> Vector:
        """The values by number."""
        if self._vector is None:
            values: list[Value] = [_value(expr) for expr in self.exprs]
            self._vector = Vector.of(self.domain, values, self.weight, self)
        return self._vector

    def equal_to(self, text: str, exact: bool) -> list[int]:
        """Numbers of the strings that are this one; ``exact``: with regard to case."""
        if exact:
            number = self._numbers.get(text)
            return [] if number is None else [number]
        if self._folded is None:
            index: dict[str, list[int]] = {}
            for number, expr in enumerate(self.exprs):
                if isinstance(expr, Literal) and isinstance(expr.value, str):
                    index.setdefault(fold(expr.value), []).append(number)
            self._folded = index
        return self._folded.get(fold(text), [])

    @cached_property
    def strings(self) -> Mask:
        """The numbers whose values are strings."""
        return np.asarray(self.vector.kinds == Kind.STRING)

    @cached_property
    def longest(self) -> int:
        """Characters of the longest string, or items of the longest list."""
        objects = self.vector.objects or ()
        return max((len(value) for value in objects if isinstance(value, (str, tuple))), default=0)

    def having(self, expression: str, options: str = "") -> Mask | None:
        """The numbers whose values are strings in which the pattern is found; None when it is no pattern."""
        if self._texts is None:
            where = np.flatnonzero(self.strings)
            objects = self.vector.objects or ()
            self._texts = where, Texts([str(objects[number]) for number in where.tolist()])
        where, texts = self._texts
        hits = texts.having(expression, options)
        if hits is None:
            return None
        found = np.zeros(len(self.exprs), np.bool_)
        found[where[hits]] = True
        return found

    @cached_property
    def lists_of_strings(self) -> Mask:
        """The numbers whose values are lists of nothing but strings."""
        found = [
            isinstance(expr, ListExpr) and expr.constant and all(type(each.value) is str for each in expr.items)  # type: ignore[attr-defined]
            for expr in self.exprs
        ]
        return np.array(found, np.bool_)

    def holding(self, text: str) -> Codes:
        """Numbers of the lists of strings that hold this one, without regard to case."""
        if self._holders is None:
            index: dict[str, list[int]] = {}
            folded: dict[str, str] = {}
            for number in np.flatnonzero(self.lists_of_strings).tolist():
                for item in self.exprs[number].items:  # type: ignore[union-attr]
                    word = folded.get(item.value)
                    if word is None:
                        word = folded[item.value] = fold(item.value)
                    holders = index.setdefault(word, [])
                    if not holders or holders[-1] != number:
                        holders.append(number)
            self._holders = {word: np.array(holders, np.int32) for word, holders in index.items()}
        return self._holders.get(fold(text), np.zeros(0, np.int32))

    # -- answers

    def kept(self, key: str) -> Vector | None:
        """What an expression that reads this column alone was found to say."""
        with self._lock:
            answer = self._answers.get(key)
            if answer is not None:
                self._answers.move_to_end(key)
            return answer

    def keep(self, key: str, answer: Vector) -> None:
        """Keep what an expression that reads this column alone says, if it is a truth value everywhere.

        It must depend on nothing else.
        """
        if answer.objects is not None or answer.ints is not None or answer.reals is not None:
            return
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > _MAX_ANSWERS:
                self._answers.popitem(last=False)


def _value(expr: Expr | None) -> Value:
    if expr is None:
        return UNDEFINED
    return expr.value if isinstance(expr, Literal) else evaluate(expr)


def _charge(expr: Expr) -> int:
    """What the evaluator charges for an attribute of this expression."""
    return expr.weight if not isinstance(expr, Literal) or expr.weight > 1 else 0


def _identity(expr: Expr) -> Hashable:
    """What is equal for expressions that mean the same wherever they stand; None when they may not."""
    if isinstance(expr, Literal):
        value = expr.value
        kind = type(value)
        if kind is str:
            return value
        return value if kind is int else (kind, repr(value))
    if isinstance(expr, ListExpr):
        if expr.constant:
            return (ListExpr, *[_identity(item) for item in expr.items])
        return _above(ListExpr, expr.items)
    if isinstance(expr, ClassAd):
        return _above(ClassAd, [each for _, each in expr.pairs()], tuple(expr.folded()))
    if isinstance(expr, Operation):
        return _above(Operation, expr.operands, expr.operators)
    if isinstance(expr, Call) and expr.key == "real":
        return _above(Call, expr.arguments)
    return None


def _above(kind: type, children: Iterable[Expr], more: Hashable = None) -> Hashable:
    keys = [_identity(child) for child in children]
    return None if None in keys else (kind, more, *keys)
