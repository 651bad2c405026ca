"""One job's expressions, asked of a table.

An expression is taken apart at its operators.  What reads one column only is asked of that column's distinct values;
what reads several is computed by columns, or asked of the distinct combinations when it is a function.  The leaves are
asked of the evaluator itself, with the job's ad and an ad of the table, so functions mean what they mean there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from broker.circumstances import Circumstances
from broker.masks.column import Column
from broker.masks.key import OTHER_SCOPES, Keys, Opaque, own_name
from broker.masks.operators import KIND_TESTS, binary, choose, default, kind_test, logic, unary
from broker.masks.vector import CONSTANT, Codes, Domain, Kind, Vector
from jdl.evaluate import code_of
from jdl.nodes import SCOPES, Call, Conditional, Expr, Literal, Operation, Reference
from jdl.scope import MAX_STEPS, Abandoned, Scope
from jdl.special import SPECIAL
from jdl.tree import ClassAd
from jdl.values import ERROR, UNDEFINED, Value

__all__ = ["MAX_SECONDS", "MAX_TOTAL_STEPS", "GivenUp", "Question", "Rows", "Sources"]

MAX_SECONDS: Final = 1.0
"""Seconds of its thread's processor time that one expression may take on a whole table.  What users write takes
milliseconds; twenty thousand terms could take half a minute, for each picture again."""

MAX_TOTAL_STEPS: Final = 4_000_000
"""Work of the evaluator for one expression on a whole table; what is asked beyond is ERROR, as what costs too much for
one computing element is."""

_BETWEEN: Final = 32
"""Operations between two looks at the clock; each takes 5 ms at the most, and a look takes as long as a small one."""

_TOGETHER: Final = 64
"""Sides of ``&&`` and ``||`` that are put together at a time."""

_LEVELS_ABOVE: Final = 60
"""Depth at which a part is evaluated, so that it is never less deep than within the whole."""

_PLAIN: Final = frozenset({"ifthenelse", "anymatch", "allmatch", "whichmatch"})
"""Functions of :mod:`jdl.special` that read nothing but what their arguments name."""

_LOOKED_UP: Final = frozenset({"member", "ismember", "regexp"})

_UNDEFINED: Final = Vector.of(CONSTANT, (UNDEFINED,))


class Rows(Protocol):
    """What a question wants of a table."""

    domain: Domain

    def column(self, name: str) -> Column:
        """The column of that name in lower case."""

    def combinations(self, names: frozenset[str]) -> Domain:
        """The distinct combinations of these columns' values."""

    def ad(self, row: int) -> ClassAd:
        """The ad of a row."""


class GivenUp(Exception):
    """The expression takes longer than it may.  Never leaves the table."""


@dataclass
class Sources:
    """Time, chance and experience, and how much may be done.  Time stands still while a question is asked.

    :ivar seconds: of processor time until it is given up, counted from the first look at the clock.
    :ivar used: whether an answer depends on one of them.
    """

    circumstances: Circumstances
    seconds: float = MAX_SECONDS
    used: bool = False
    rolled: bool = False
    _now: float | None = None
    _left: int = _BETWEEN
    _until: float | None = None

    def work(self, operations: int = 1) -> None:
        """So many operations come now.

        :raises GivenUp: there have been too many.
        """
        self._left -= operations
        if self._left < 0:
            self._left = _BETWEEN
            now = time.thread_time()
            if self._until is None:
                self._until = now + self.seconds
            elif now > self._until:
                raise GivenUp

    def asked(self) -> Circumstances:
        """The same for the evaluator, such that :attr:`used` is known afterwards."""
        return Circumstances(self.time, self.random, self.fraction)

    def time(self) -> float:
        """The one moment."""
        self.used = True
        if self._now is None:
            self._now = self.circumstances.clock()
        return self._now

    def random(self) -> float:
        """Another number each time."""
        self.used = self.rolled = True
        return self.circumstances.rng()

    def fraction(self, element: str) -> float:
        """How a computing element fared."""
        self.used = True
        success = self.circumstances.success
        return 1.0 if success is None else success(element)


class Question:
    """Answers expressions of one job on all rows of a table.

    :ivar sources: say afterwards whether the answers may be kept.
    """

    def __init__(self, rows: Rows, ad: ClassAd, sources: Sources) -> None:
        self._rows = rows
        self._ad = ad
        self.sources = sources
        self._own: dict[str, Vector] = {}
        self._steps = 0

    def vector(self, expr: Expr) -> Vector:
        """The values of an expression, taken apart.

        :raises Opaque: it cannot be; :meth:`whole` answers then.
        """
        keys = Keys(self._ad)
        keys.of(expr)
        for name in keys.columns:
            if not self._rows.column(name).shared:
                raise Opaque  # the value is an expression itself, and may lead back to this one
        found = self._of(expr)
        if found.cost > MAX_STEPS:
            raise Opaque
        return found

    def whole(self, expr: Expr, by_rows: bool = False) -> Vector:
        """The values of an expression as the evaluator has them, whatever it is.

        :param by_rows: whether to ask for every row, whatever it has in common with others.
        """
        self._steps = 0
        names = None if by_rows else _names_read(expr, self._ad)
        if names is not None and all(self._rows.column(name).shared for name in names):
            rolled, self.sources.rolled = self.sources.rolled, False
            found = self._evaluated(expr, self._rows.combinations(frozenset(names)), partial=False)
            if not self.sources.rolled:
                self.sources.rolled = rolled
                return found
        return self._evaluated(expr, self._rows.domain, partial=False)

    # -- taking apart

    def _of(self, expr: Expr) -> Vector:
        if isinstance(expr, Literal):
            return Vector.of(CONSTANT, (expr.value,))
        if isinstance(expr, Reference):
            return self._reference(expr)
        if isinstance(expr, Operation):
            return self._operation(expr)
        if isinstance(expr, Conditional):
            return self._conditional(expr)
        if isinstance(expr, Call):
            return self._call(expr)
        return self._leaf(expr)

    def _reference(self, expr: Reference) -> Vector:
        if (expr.scope or "").lower() in OTHER_SCOPES:
            return self._rows.column(expr.key).vector
        name = own_name(expr)
        found = None if name is None else self._ad.at(name)
        if name is None or found is None:
            return _UNDEFINED
        vector = self._own.get(name)
        if vector is None:
            inner = self._of(found)
            charged = found.weight if not isinstance(found, Literal) or found.weight > 1 else 0
            vector = Vector(
                inner.domain, inner.kinds, inner.ints, inner.reals, inner.objects, inner.cost + charged, inner.column
            )
            self._own[name] = vector
        return vector

    def _operation(self, expr: Operation) -> Vector:
        rows = self._rows.domain
        if expr.unary:
            return unary(expr.operator, self._of(expr.operands[0]))
        if expr.operator in ("&&", "||"):
            return self._together(expr.operator, self._until_decided(expr))
        result = self._of(expr.operands[0])
        for operator, operand in zip(expr.operators, expr.operands[1:], strict=True):
            self.sources.work()
            result = binary(operator, result, self._of(operand), rows)
        return result

    def _until_decided(self, expr: Operation) -> list[Vector]:
        """The operands up to one that decides for all rows."""
        decisive = Kind.FALSE if expr.operator == "&&" else Kind.TRUE
        found = []
        for operand in expr.operands:
            self.sources.work()
            vector = self._of(operand)
            found.append(vector)
            if vector.domain is CONSTANT and vector.kinds[0] == decisive:
                break
        return found

    def _together(self, operator: str, vectors: Sequence[Vector]) -> Vector:
        rows = self._rows.domain
        found = logic(operator, vectors[:_TOGETHER], rows)
        for start in range(_TOGETHER, len(vectors), _TOGETHER):
            self.sources.work(_BETWEEN)
            found = logic(operator, [found, *vectors[start : start + _TOGETHER]], rows)
        return found

    def _conditional(self, expr: Conditional) -> Vector:
        self.sources.work()
        condition = self._of(expr.condition)
        rows = self._rows.domain
        if expr.then is None:
            return default(condition, self._of(expr.otherwise), rows)
        return self._chosen(condition, expr.then, expr.otherwise)

    def _chosen(self, condition: Vector, then: Expr, otherwise: Expr) -> Vector:
        kind = condition.kinds[0] if condition.domain is CONSTANT else None
        if kind in (Kind.TRUE, Kind.FALSE):
            return self._of(then if kind == Kind.TRUE else otherwise)
        return choose(condition, self._of(then), self._of(otherwise), self._rows.domain)

    def _call(self, expr: Call) -> Vector:
        arguments = expr.arguments
        if expr.key in KIND_TESTS and len(arguments) == 1:
            return kind_test(expr.key, self._of(arguments[0]))
        if expr.key == "ifthenelse" and len(arguments) == 3:
            return self._chosen(self._of(arguments[0]), arguments[1], arguments[2])
        return self._leaf(expr)

    # -- leaves

    def _leaf(self, expr: Expr) -> Vector:
        """What only the evaluator knows, by the distinct values of what it reads."""
        self.sources.work()
        keys = Keys(self._ad)
        key = keys.of(expr)
        if keys.random:
            return self._evaluated(expr, self._rows.domain)
        if len(keys.columns) != 1:
            return self._evaluated(expr, self._rows.combinations(frozenset(keys.columns)))
        column = self._rows.column(*keys.columns)
        vector = None if keys.unkept else column.kept(key)
        if vector is None:
            before, self.sources.used = self.sources.used, False
            vector = self._looked_up(expr, column) or self._evaluated(expr, column.domain)
            if not keys.unkept and not self.sources.used:
                column.keep(key, vector)
            self.sources.used |= before
        return vector

    def _looked_up(self, expr: Expr, column: Column) -> Vector | None:
        """Answer Member() and RegExp() of one string and a column from the column's indexes; None for another call."""
        if not isinstance(expr, Call) or expr.key not in _LOOKED_UP:
            return None
        arguments = [self._of(each) for each in expr.arguments]
        held = [each for each in arguments if each.column is column]
        words = [each.value(0) for each in arguments if each.domain is CONSTANT]
        if len(held) != 1 or len(words) != len(arguments) - 1 or not all(isinstance(each, str) for each in words):
            return None
        texts = [str(each) for each in words]
        kinds = np.zeros(len(column.exprs), np.int8)
        if expr.key != "regexp" and len(texts) == 1:
            known = column.lists_of_strings
            kinds[column.holding(texts[0])] = Kind.TRUE
        elif expr.key == "regexp" and 1 <= len(texts) <= 2 and arguments[1] is held[0]:
            found = column.having(texts[0], *texts[1:])
            if found is None:
                return None
            known = column.strings
            kinds[found] = Kind.TRUE
        else:
            return None
        rest = np.flatnonzero(~known)
        others = self._values(expr, column.domain.representatives(rest))
        if others.objects is not None or others.ints is not None or others.reals is not None:
            return None
        kinds[rest] = others.kinds
        charged = sum(each.cost for each in arguments) + (sum(map(len, texts)) + column.longest) // 16
        return Vector(column.domain, kinds, cost=max(charged, others.cost))

    def _evaluated(self, expr: Expr, domain: Domain, partial: bool = True) -> Vector:
        """Ask the evaluator for each position of a domain.

        :param partial: whether the expression is a part of another one; then what it costs decides with the whole.
        :raises Opaque: a part costs too much, or draws numbers by chance that a whole domain must not share.
        """
        rolled, self.sources.rolled = self.sources.rolled, False
        found = self._values(expr, domain.representatives(), partial)
        if partial and self.sources.rolled and domain is not self._rows.domain:
            raise Opaque
        self.sources.rolled |= rolled
        return Vector(domain, found.kinds, found.ints, found.reals, found.objects, found.cost)

    def _values(self, expr: Expr, rows: Codes, partial: bool = True) -> Vector:
        """Ask the evaluator for each of the rows; a row -1 is nobody's, and its answer does not matter."""
        code, asked = code_of(expr), self.sources.asked()
        values: list[Value] = []
        most = 0
        for row in rows.tolist():
            value: Value = UNDEFINED
            if row >= 0:
                self.sources.work(1 + expr.weight // 64)
                scope = asked.scope(self._ad, self._rows.ad(row))
                value = self._value(code, scope, partial)
                spent = MAX_STEPS - scope.run.steps
                most = max(most, spent)
                self._steps += spent + expr.weight
            values.append(value)
        return Vector.of(CONSTANT, values, most)

    def _value(self, code: Callable[[Scope], Value], scope: Scope, partial: bool) -> Value:
        try:
            if self._steps > MAX_TOTAL_STEPS:
                raise Abandoned
            scope.run.depth = _LEVELS_ABOVE if partial else 0
            return code(scope)
        except Abandoned:
            if partial:
                raise Opaque from None
            return ERROR


def _names_read(expr: Expr, ad: ClassAd) -> set[str] | None:
    """The other ad's attributes that an expression may read, in lower case; None when they cannot be told."""
    names: set[str] = set()
    followed: set[str] = set()
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.children())
        if isinstance(node, Call) and (node.key == "random" or (node.key in SPECIAL and node.key not in _PLAIN)):
            return None
        if not isinstance(node, Reference):
            continue
        if (node.scope or "").lower() in OTHER_SCOPES:
            names.add(node.key)
        elif node.scope is None and node.key in SCOPES:
            return None
        elif node.key not in followed:
            followed.add(node.key)
            found = ad.at(node.key)
            if found is not None:
                waiting.append(found)
    return names
