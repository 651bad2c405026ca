"""What a node's expressions say of the request around it.

``root.X`` in a node is the request's X, and so is a bare X that the node does not have: names are looked up outwards.
A node that stands for itself has nothing around it, so the request's expression is put in place of its name.
"""

from __future__ import annotations

from typing import Final

from jdl.classad import ClassAd
from jdl.errors import Position, WrongValue
from jdl.nodes import SCOPES, Expr, ListExpr, Literal, Reference
from jdl.tree import rebuilt
from jdl.values import ERROR, UNDEFINED

__all__ = ["Outer"]

MAX_WEIGHT: Final = 20_000
"""What an expression may cost after names were replaced (:attr:`jdl.nodes.Expr.weight`); names can double it each."""

MAX_CHAIN: Final = 20
"""Attributes of a request that refer to one another, one after the other."""

_ROOTS: Final = ("root", ".")
_ELSEWHERE: Final = frozenset({"inputsandbox", "nodes", "dependencies"})
"""The input sandbox has references of its own (:mod:`jdl.references`)."""


class Outer:
    """The request's attributes, as its nodes see them.

    :param root: the request's own attributes.
    """

    def __init__(self, root: ClassAd) -> None:
        self._root = root
        self._closed: dict[str, Expr] = {}
        self._active: list[str] = []
        self._looks_out: dict[int, tuple[Expr, bool]] = {}

    def close(self, node: ClassAd) -> None:
        """Put the request's expressions in place of its names in the node.

        :raises WrongValue: 1506, an expression grows too large, or the request's refer to too many others.
        """
        own = frozenset(node.folded())
        for key, expr in list(node.pairs()):
            if key in _ELSEWHERE or not self._may_look_out(expr):
                continue
            written = self._write(expr, own, at_root=False)
            if written is not expr:
                _check_weight(written, node.spelling(key), node.where(key))
                node.set(key, written)

    def _may_look_out(self, expr: Expr) -> bool:
        """Whether there is a name in it that the request could have."""
        if isinstance(expr, Literal) or (isinstance(expr, ListExpr) and expr.constant):
            return False
        known = self._looks_out.get(id(expr))
        if known is None:
            known = self._looks_out[id(expr)] = (expr, _looks_out(expr))
        return known[1]

    def _write(self, expr: Expr, known: frozenset[str], *, at_root: bool) -> Expr:
        """The expression without names of the request; ``known`` are the names that are found before it is asked."""
        if isinstance(expr, Reference):
            return self._reference(expr, known, at_root=at_root)
        below = known | expr.folded() if isinstance(expr, ClassAd) else known
        children = list(expr.children())
        written = [self._write(child, below, at_root=at_root) for child in children]
        if all(new is old for new, old in zip(written, children, strict=True)):
            return expr
        return rebuilt(expr, written)

    def _reference(self, expr: Reference, known: frozenset[str], *, at_root: bool) -> Expr:
        scope = None if expr.scope is None else expr.scope.lower()
        if scope is None:
            if expr.key in known or expr.key in SCOPES:
                return expr
        elif scope not in _ROOTS and not (at_root and scope in ("self", "my")):
            return expr
        found = self._attribute(expr.key)
        if found is None and scope is None and not at_root:
            return expr
        return Literal(UNDEFINED) if found is None else found

    def _attribute(self, key: str) -> Expr | None:
        """An attribute of the request with all that it refers to in place."""
        expr = self._root.at(key)
        if expr is None or key in _ELSEWHERE:
            return None
        if key in self._active:
            return Literal(ERROR)  # what the evaluator makes of an attribute that refers to itself
        closed = self._closed.get(key)
        if closed is None:
            name, where = self._root.spelling(key), self._root.where(key)
            if len(self._active) >= MAX_CHAIN:
                detail = f"more than {MAX_CHAIN} attributes refer to one another"
                raise WrongValue.because(name, detail, where)
            self._active.append(key)
            closed = self._write(expr, frozenset(), at_root=True)
            self._active.pop()
            _check_weight(closed, name, where)
            self._closed[key] = closed
        return closed


def _looks_out(expr: Expr) -> bool:
    waiting = [expr]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Reference) and (item.scope or "root").lower() in _ROOTS:
            return True
        waiting.extend(item.children())
    return False


def _check_weight(expr: Expr, name: str, where: Position | None) -> None:
    if expr.weight > MAX_WEIGHT:
        detail = "it grows too large when what it takes from the request is put in place"
        raise WrongValue.because(name, detail, where)
