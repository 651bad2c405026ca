"""The nodes of an expression.

Nodes are not changed after they are made (a :class:`~jdl.classad.ClassAd` is, through its own methods) and compare by
structure; where they stand in the text is kept and not compared.  Chains of one precedence are one flat
:class:`Operation`, so a requirement of 100 000 terms is two levels deep.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from jdl.errors import Position
from jdl.values import Error, Undefined

__all__ = [
    "SCOPES",
    "Call",
    "Conditional",
    "Expr",
    "ListExpr",
    "Literal",
    "Operation",
    "Reference",
    "Select",
    "Subscript",
]

SCOPES: Final = frozenset({"other", "target", "self", "my", "root", "parent"})
"""Names (lower case) that mean an ad and not an attribute."""


class Expr:
    """The base of all nodes.

    ``position`` is where the node begins in its text, ``depth`` the number of levels below and with it, ``weight``
    a measure of what one evaluation costs.
    """

    __slots__ = ("_code", "depth", "position", "weight")

    position: Position | None
    depth: int
    weight: int
    _code: Callable[..., Any] | None  # the compiled form; jdl.evaluate fills it

    def _place(self, children: Iterable[Expr], position: Position | None) -> None:
        depth = 0
        weight = 1
        for child in children:
            weight += child.weight
            if child.depth > depth:
                depth = child.depth
        self.position = position
        self.depth = depth + 1
        self.weight = weight
        self._code = None

    def children(self) -> Iterator[Expr]:
        """The nodes directly below."""
        return iter(())

    def _key(self) -> tuple[object, ...]:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return type(self) is type(other) and isinstance(other, Expr) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self).__name__, self._key()))

    def text(self) -> str:
        """The expression on one line; it parses back to an equal tree."""
        from jdl.printing import text  # the printer knows the nodes, so they cannot import it at load time

        return text(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text()}>"


class Literal(Expr):
    """A constant: str, int (64 bits), float, bool, UNDEFINED or ERROR."""

    __slots__ = ("value",)

    value: str | int | float | bool | Undefined | Error

    def __init__(self, value: str | int | float | bool | Undefined | Error, position: Position | None = None) -> None:
        self.value = value
        self.position = position
        self.depth = 1
        self.weight = 1 + len(value) // 64 if isinstance(value, str) else 1
        self._code = None

    def _key(self) -> tuple[object, ...]:
        # 1, 1.0 and True are equal in Python and three things in a ClassAd; 0.0 and -0.0 print differently
        value = self.value
        sign = math.copysign(1.0, value) if isinstance(value, float) else 0
        return (type(value).__name__, value, sign)


class Reference(Expr):
    """An attribute by name, optionally of a named ad: ``Name``, ``other.Name``, ``.Name`` (scope ``"."``, the root)."""

    __slots__ = ("key", "name", "scope")

    def __init__(self, name: str, scope: str | None = None, position: Position | None = None) -> None:
        self.name = name
        self.key = name.lower()
        self.scope = scope
        self._place((), position)

    def _key(self) -> tuple[object, ...]:
        return (self.name, self.scope)


class Operation(Expr):
    """Operators of one precedence, applied from the left.

    Unary: one operand, one operator.  Else ``operands[0] operators[0] operands[1] operators[1] …``.
    ``is`` and ``isnt`` are stored as ``=?=`` and ``=!=``.
    """

    __slots__ = ("operands", "operators")

    def __init__(self, operators: Iterable[str], operands: Iterable[Expr], position: Position | None = None) -> None:
        self.operators = tuple(operators)
        self.operands = tuple(operands)
        self._place(self.operands, position)

    @property
    def operator(self) -> str:
        """The first operator; the only one of a unary, an ``&&`` or an ``||`` operation."""
        return self.operators[0]

    @property
    def unary(self) -> bool:
        """Whether the operator stands before its one operand."""
        return len(self.operands) == 1

    def children(self) -> Iterator[Expr]:
        return iter(self.operands)

    def _key(self) -> tuple[object, ...]:
        return (self.operators, self.operands)


class Conditional(Expr):
    """``condition ? then : otherwise``; without ``then`` it is ``condition ?: otherwise``."""

    __slots__ = ("condition", "otherwise", "then")

    def __init__(self, condition: Expr, then: Expr | None, otherwise: Expr, position: Position | None = None) -> None:
        self.condition = condition
        self.then = then
        self.otherwise = otherwise
        self._place(self.children(), position)

    def children(self) -> Iterator[Expr]:
        yield self.condition
        if self.then is not None:
            yield self.then
        yield self.otherwise

    def _key(self) -> tuple[object, ...]:
        return (self.condition, self.then, self.otherwise)


class Call(Expr):
    """A function applied to arguments; ``key`` is the name in lower case."""

    __slots__ = ("arguments", "key", "name")

    def __init__(self, name: str, arguments: Iterable[Expr], position: Position | None = None) -> None:
        self.name = name
        self.key = name.lower()
        self.arguments = tuple(arguments)
        self._place(self.arguments, position)

    def children(self) -> Iterator[Expr]:
        return iter(self.arguments)

    def _key(self) -> tuple[object, ...]:
        return (self.name, self.arguments)


class ListExpr(Expr):
    """``{ a, b, … }``; ``constant``: all items are literals."""

    __slots__ = ("constant", "items")

    def __init__(self, items: Iterable[Expr], position: Position | None = None) -> None:
        self.items = tuple(items)
        self.constant = all(isinstance(item, Literal) for item in self.items)
        self._place(self.items, position)
        if self.constant:
            # its value is made once, so a reference to it costs little
            self.weight = 1 + self.weight // 16

    def children(self) -> Iterator[Expr]:
        return iter(self.items)

    def _key(self) -> tuple[object, ...]:
        return (self.items,)


class Select(Expr):
    """``base.name``."""

    __slots__ = ("base", "key", "name")

    def __init__(self, base: Expr, name: str, position: Position | None = None) -> None:
        self.base = base
        self.name = name
        self.key = name.lower()
        self._place((base,), position)

    def children(self) -> Iterator[Expr]:
        yield self.base

    def _key(self) -> tuple[object, ...]:
        return (self.base, self.name)


class Subscript(Expr):
    """``base[index]``."""

    __slots__ = ("base", "index")

    def __init__(self, base: Expr, index: Expr, position: Position | None = None) -> None:
        self.base = base
        self.index = index
        self._place((base, index), position)

    def children(self) -> Iterator[Expr]:
        yield self.base
        yield self.index

    def _key(self) -> tuple[object, ...]:
        return (self.base, self.index)
