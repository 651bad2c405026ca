"""Input sandbox entries that are files of other parts of a compound request (gLite WMS JDL).

A node writes ``root.InputSandbox`` for all files of the request's own input sandbox, ``root.InputSandbox[i]`` for one,
``root.nodes.<name>.description.OutputSandbox[i]`` for a file that another node leaves, and the same without ``[i]``
for all that it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from jdl.classad import CONSTANT_STEPS, ClassAd
from jdl.errors import TypeMismatch
from jdl.evaluate import evaluate_attribute
from jdl.nodes import Expr, ListExpr, Literal, Reference, Select, Subscript

__all__ = ["Entry", "NodeOutput", "RootInput", "entries", "has_references", "is_plain", "root_input"]

_ROOTS: Final = ("root", ".")


@dataclass(frozen=True)
class RootInput:
    """A file of the request's own input sandbox; ``index`` None: all of them."""

    index: int | None


@dataclass(frozen=True)
class NodeOutput:
    """A file that the node of that name leaves; ``index`` None: all of them."""

    node: str
    index: int | None

    def __str__(self) -> str:
        part = "" if self.index is None else f"[{self.index}]"
        return f"root.nodes.{self.node}.description.OutputSandbox{part}"


Entry: TypeAlias = str | RootInput | NodeOutput


def root_input(index: int | None = None) -> Expr:
    """The expression of a file of the request's own input sandbox, or of all."""
    whole = Reference("InputSandbox", "root")
    return whole if index is None else Subscript(whole, Literal(index))


def has_references(ad: ClassAd) -> bool:
    """Whether InputSandbox is, or holds, something else than constants."""
    expr = ad.get("InputSandbox")
    return not (expr is None or isinstance(expr, Literal) or (isinstance(expr, ListExpr) and expr.constant))


def is_plain(expr: Expr | None) -> bool:
    """Whether the entries are the same in whichever ad the expression stands: strings and references only."""
    items = expr.items if isinstance(expr, ListExpr) else (expr,)
    return all(isinstance(item, Literal) or (item is not None and _reference(item) is not None) for item in items)


def entries(ad: ClassAd) -> tuple[Entry, ...]:
    """The entries of the node's InputSandbox, in order.

    :raises TypeMismatch: 1503, one is neither a string nor such a reference.
    """
    expr = ad.get("InputSandbox")
    if expr is None:
        return ()
    if isinstance(expr, ListExpr):
        return tuple(entry for item in expr.items for entry in _entries(item, ad))
    return _entries(expr, ad)


def _entries(item: Expr, ad: ClassAd) -> tuple[Entry, ...]:
    if isinstance(item, Literal) and isinstance(item.value, str):
        return (item.value,)
    found = _reference(item)
    if found is not None:
        return (found,)
    probe = ad.copy()
    probe.set("InputSandbox", item)
    value = evaluate_attribute(probe, "InputSandbox", steps=CONSTANT_STEPS)
    values = value if isinstance(value, tuple) else (value,)
    texts = tuple(text for text in values if isinstance(text, str))
    if len(texts) == len(values):
        return texts
    name = ad.spelling("InputSandbox")
    if isinstance(item, Literal | ListExpr | ClassAd):
        raise TypeMismatch.wrong_type(name, "a string or a list of strings is wanted", ad.where(name))
    wanted = (
        f"'{item.text()[:200]}' is no file: a string, root.InputSandbox[i] or "
        "root.nodes.<name>.description.OutputSandbox[i] is wanted"
    )
    raise TypeMismatch.wrong_type(name, wanted, ad.where(name))


def _reference(expr: Expr) -> RootInput | NodeOutput | None:
    index: int | None = None
    if isinstance(expr, Subscript):
        inner = expr.index
        if not isinstance(inner, Literal) or isinstance(inner.value, bool) or not isinstance(inner.value, int):
            return None
        index, expr = inner.value, expr.base
    if _rooted(expr, "inputsandbox"):
        return RootInput(index)
    path: list[str] = []
    while isinstance(expr, Select):
        path.append(expr.name)
        expr = expr.base
    if not _rooted(expr, "nodes") or len(path) != 3:
        return None
    output, description, name = path
    right = output.lower() == "outputsandbox" and description.lower() == "description"
    return NodeOutput(name, index) if right else None


def _rooted(expr: Expr, key: str) -> bool:
    """Whether this is that attribute of the request itself."""
    return isinstance(expr, Reference) and (expr.scope or "").lower() in _ROOTS and expr.key == key
