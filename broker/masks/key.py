"""The canonical text of an expression in the ad of one job: whoever has the same asks the same.

The job's own attributes are written out where they are referred to, so two jobs with ``other.Slots > Wanted`` and
``Wanted = 3`` share a key with one that writes ``other.Slots > 3``.  A key is unambiguous: what users write stands in
it quoted, so nobody can make a key that means another expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from jdl.nodes import (
    SCOPES,
    Call,
    Conditional,
    Expr,
    ListExpr,
    Literal,
    Operation,
    Reference,
    Select,
    Subscript,
)
from jdl.special import SPECIAL
from jdl.tree import ClassAd

__all__ = ["MAX_DEPTH", "OTHER_SCOPES", "OWN_SCOPES", "Keys", "Opaque", "own_name", "own_names"]

OWN_SCOPES: Final = frozenset({"self", "my", "root", "."})
"""The scopes by which an ad's outermost expressions name its own attributes; a bare name does as well."""

OTHER_SCOPES: Final = frozenset({"other", "target"})
"""The scopes that name the other ad's attributes."""

MAX_DEPTH: Final = 60
"""Levels of an expression, and of own attributes below one another; what goes deeper is the evaluator's alone."""
_MAX_WRITTEN_OUT: Final = 1 << 20
"""Characters that the references to own attributes may add to a key."""
_CHOOSING: Final = "ifthenelse"
_MATCHING: Final = frozenset({"anymatch", "allmatch", "whichmatch"})
"""Functions that evaluate an argument for themselves, if it has the right form."""


class Opaque(Exception):
    """The expression cannot be taken apart: only the evaluator, asked for the whole, gives the right answer."""


class Keys:
    """Makes the keys of one job's expressions.

    What it has met on the way is told for all the keys that it has made:

    :ivar columns: attributes of the other ad, in lower case.
    :ivar random: random() is called.
    :ivar unkept: the key is not enough to know an answer again.
    """

    __slots__ = ("_active", "_ad", "_deepest", "_depth", "_own", "_written_out", "columns", "random", "unkept")

    def __init__(self, ad: ClassAd) -> None:
        self._ad = ad
        self._own: dict[str, tuple[str, int, bool]] = {}
        self._active: set[str] = set()
        self._depth = 0
        self._deepest = 0
        self._written_out = 0
        self.columns: set[str] = set()
        self.random = False
        self.unkept = False

    def of(self, expr: Expr) -> str:
        """The key.

        :raises Opaque: own attributes refer to each other in a circle or too often, the expression is too deep, or it
            uses an ad as a whole.
        """
        if expr.depth > MAX_DEPTH:
            raise Opaque
        return _MAKERS[type(expr)](self, expr)

    def _reference(self, expr: Reference) -> str:
        name = own_name(expr)
        if name is None:
            return self._elsewhere(expr)
        found = self._ad.at(name)
        if found is None:
            return "UNDEFINED"
        if isinstance(found, Literal):
            return repr(found.value)
        text, levels, unkept = self._own.get(name) or self._write_out(name, found)
        self.unkept |= unkept
        self._deepest = max(self._deepest, self._depth + levels)
        self._written_out += len(text)
        if self._written_out > _MAX_WRITTEN_OUT or self._deepest > MAX_DEPTH:
            raise Opaque
        return text

    def _write_out(self, name: str, found: Expr) -> tuple[str, int, bool]:
        """The key of an own attribute, the levels below it, and whether it is unkept."""
        before, deepest, unkept = self._depth, self._deepest, self.unkept
        self._depth = self._deepest = before + found.depth + 3
        if name in self._active or self._depth > MAX_DEPTH:
            raise Opaque
        self._active.add(name)
        self.unkept = False
        text = self.of(found)
        self._active.discard(name)
        written = self._own[name] = text, self._deepest - before, self.unkept
        self._depth, self._deepest, self.unkept = before, max(deepest, self._deepest), unkept
        return written

    def _elsewhere(self, expr: Reference) -> str:
        scope = (expr.scope or "").lower()
        if scope in OTHER_SCOPES:
            self.columns.add(expr.key)
            return "o." + (expr.key if expr.key.isidentifier() else repr(expr.key))
        if scope == "parent":
            return "UNDEFINED"  # nothing is around a job's ad
        raise Opaque

    def _operation(self, expr: Operation) -> str:
        keys = [self.of(operand) for operand in expr.operands]
        if len(keys) == 1:
            return f"({expr.operators[0]}{keys[0]})"
        operator = expr.operators[0]
        if expr.operators.count(operator) == len(expr.operators):
            return "(" + f" {operator} ".join(keys) + ")"
        parts = [keys[0]]
        for operator, key in zip(expr.operators, keys[1:], strict=True):
            parts += (operator, key)
        return "(" + " ".join(parts) + ")"

    def _call(self, expr: Call) -> str:
        keys = [self.of(each) for each in expr.arguments]
        if expr.key in SPECIAL and expr.key != _CHOOSING:
            if expr.key not in _MATCHING:
                raise Opaque
            keys = [f"{type(each).__name__}:{key}" for each, key in zip(expr.arguments, keys, strict=True)]
        elif expr.key == "random":
            self.random = self.unkept = True
        return f"{expr.key!r}({','.join(keys)})"

    def _conditional(self, expr: Conditional) -> str:
        then = "" if expr.then is None else self.of(expr.then)
        return f"({self.of(expr.condition)}?{then}:{self.of(expr.otherwise)})"

    def _list(self, expr: ListExpr) -> str:
        return "{" + ",".join([self.of(each) for each in expr.items]) + "}"

    def _record(self, expr: ClassAd) -> str:
        # names inside may be the inner ad's or the outer one's, so its text says too little
        self.unkept = True
        for child in expr.children():
            self.of(child)
        return "?"

    def _select(self, expr: Select) -> str:
        return f"{self.of(expr.base)}.{expr.key!r}"

    def _subscript(self, expr: Subscript) -> str:
        return f"{self.of(expr.base)}[{self.of(expr.index)}]"


def own_name(expr: Reference) -> str | None:
    """The lower-case name when the reference is to an attribute of the outermost own ad, else None."""
    if expr.scope is None:
        return None if expr.key in SCOPES else expr.key
    return expr.key if expr.scope.lower() in OWN_SCOPES else None


def own_names(expr: Expr) -> frozenset[str]:
    """The names (lower case) of own attributes in an expression, and maybe some of inner ads."""
    names: set[str] = set()
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.children())
        if isinstance(node, Reference) and (node.scope or "").lower() not in OTHER_SCOPES:
            names.add(node.key)
    return frozenset(names)


def _literal(keys: Keys, expr: Literal) -> str:
    return repr(expr.value)


_MAKERS: Final[dict[type, Callable[..., str]]] = {
    Literal: _literal,
    Reference: Keys._reference,
    Operation: Keys._operation,
    Call: Keys._call,
    Conditional: Keys._conditional,
    ListExpr: Keys._list,
    ClassAd: Keys._record,
    Select: Keys._select,
    Subscript: Keys._subscript,
}
