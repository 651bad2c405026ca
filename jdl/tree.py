"""The tree of a job description: nodes, ads, and how they are made from Python values.

The one import for who builds or reads trees::

    from jdl.tree import ClassAd, Literal, Operation, Reference, from_python
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias, Union

from grid.errors import JdlError
from jdl.classad import ClassAd
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
from jdl.values import Error, Undefined

__all__ = [
    "MAX_INT",
    "MIN_INT",
    "SCOPES",
    "Call",
    "ClassAd",
    "Conditional",
    "Expr",
    "ListExpr",
    "Literal",
    "Operation",
    "Python",
    "RecordExpr",
    "Reference",
    "Select",
    "Subscript",
    "conjunction",
    "from_python",
    "rebuilt",
]

Python: TypeAlias = Union[str, int, float, bool, Undefined, Error, Expr, "Iterable[Python]", "Mapping[str, Python]"]

RecordExpr = ClassAd
"""A record inside an expression is a ClassAd like the outermost."""

MIN_INT: Final = -(1 << 63)
MAX_INT: Final = (1 << 63) - 1


def from_python(value: object) -> Expr:
    """The node for a Python value: str, bool, int, float, UNDEFINED, ERROR, and iterables and mappings of them.

    Nodes are returned unchanged.  A float that is not finite has no literal and becomes ``real("INF")`` and the like.

    :raises JdlError: a type that has no node, an integer beyond 64 bits, a NUL in a string.
    """
    if isinstance(value, Expr):
        return value
    if isinstance(value, str):
        if "\0" in value:
            raise JdlError("A string of a job description cannot hold a NUL character", code=1503)
        return Literal(str(value))
    if isinstance(value, (bool, Undefined, Error)):
        return Literal(value)
    if isinstance(value, int):
        if not MIN_INT <= value <= MAX_INT:
            raise JdlError(f"The integer {value} does not fit 64 bits", code=1503)
        return Literal(int(value))
    if isinstance(value, float):
        if math.isfinite(value):
            return Literal(float(value))
        return Call("real", (Literal("NaN" if math.isnan(value) else "INF" if value > 0 else "-INF"),))
    if isinstance(value, Mapping):
        return ClassAd((str(name), from_python(item)) for name, item in value.items())
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview)):
        return ListExpr(from_python(item) for item in value)
    raise JdlError(f"A value of type {type(value).__name__} has no form in a job description", code=1503)


def rebuilt(expr: Expr, children: Sequence[Expr]) -> Expr:
    """A node of the same kind above other children, one for each of its own.

    :raises TypeError: the node has no children.
    """
    if isinstance(expr, ListExpr):
        return ListExpr(children, expr.position)
    if isinstance(expr, ClassAd):
        return ClassAd(zip(expr, children, strict=True), expr.position)
    if isinstance(expr, Operation):
        return Operation(expr.operators, children, expr.position)
    if isinstance(expr, Call):
        return Call(expr.name, children, expr.position)
    if isinstance(expr, Select):
        return Select(children[0], expr.name, expr.position)
    if isinstance(expr, Subscript):
        return Subscript(children[0], children[1], expr.position)
    if isinstance(expr, Conditional):
        then = None if expr.then is None else children[1]
        return Conditional(children[0], then, children[-1], expr.position)
    raise TypeError(f"{type(expr).__name__} has no children")


def conjunction(*terms: Expr | None) -> Expr | None:
    """``(a) && (b) && …`` of the terms that are given, flat; None when none is."""
    parts: list[Expr] = []
    for term in terms:
        if term is None:
            continue
        if isinstance(term, Operation) and not term.unary and term.operator == "&&":
            parts.extend(term.operands)
        else:
            parts.append(term)
    if len(parts) < 2:
        return parts[0] if parts else None
    return Operation(("&&",) * (len(parts) - 1), parts)
