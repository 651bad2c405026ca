"""What a client does to the nodes of a compound request before it is sent (gLite user interface)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from jdl.classad import ClassAd
from jdl.client import local_files
from jdl.compound import Compound
from jdl.errors import TooManyAttributes
from jdl.nodes import Expr, ListExpr, Literal, Reference
from jdl.references import entries, root_input
from jdl.sandbox import leaf, scheme

__all__ = ["Upload", "each_node", "hoist", "kind_of", "uploads", "with_files"]

_SCHEME: Final = "file://"
Change = Callable[[ClassAd], ClassAd]


@dataclass(frozen=True)
class Upload:
    """A local file, and whose input sandbox it goes to: that of the node of this name, None: the job's own."""

    node: str | None
    path: str


def kind_of(ad: ClassAd) -> str:
    """``job``, ``collection`` or ``dag``, in lower case, as far as the ad says it."""
    return (ad.string("Type") or "job").lower()


def each_node(ad: ClassAd, change: Change) -> ClassAd:
    """A copy of a compound request with another description for each node; of any other description a plain copy.

    What is no node, as the checks will say, stays as it is.
    """
    own = ad.copy()
    nodes = own.get("Nodes")
    if kind_of(own) == "collection" and isinstance(nodes, ListExpr):
        own.set("Nodes", ListExpr(change(item) if isinstance(item, ClassAd) else item for item in nodes.items))
    elif kind_of(own) == "dag" and isinstance(nodes, ClassAd):
        changed = nodes.copy()
        for name, item in nodes.items():
            body = item.get("description") if isinstance(item, ClassAd) else None
            if isinstance(item, ClassAd) and isinstance(body, ClassAd):
                node = item.copy()
                node.set("description", change(body))
                changed.set(name, node)
        own.set("Nodes", changed)
    return own


def with_files(ad: ClassAd, read: Callable[[str], ClassAd]) -> ClassAd:
    """A copy in which the description of each node that is written as ``file = "..."`` stands in its place.

    :param read: the ad in a file.
    :raises TooManyAttributes: 1510, a node has a file and something else.
    """
    own = ad.copy()
    nodes = own.get("Nodes")
    if kind_of(own) == "collection" and isinstance(nodes, ListExpr):
        own.set("Nodes", ListExpr(_from_file(item, read) for item in nodes.items))
    elif kind_of(own) == "dag" and isinstance(nodes, ClassAd):
        changed = nodes.copy()
        for name, item in nodes.items():
            file = item.string("file") if isinstance(item, ClassAd) else None
            if isinstance(item, ClassAd) and file and "description" not in item:
                node = item.copy()
                node.remove("file")
                node.set("description", read(file))
                changed.set(name, node)
        own.set("Nodes", changed)
    return own


def _from_file(item: Expr, read: Callable[[str], ClassAd]) -> Expr:
    file = item.string("File") if isinstance(item, ClassAd) else None
    if not isinstance(item, ClassAd) or not file:
        return item
    others = [name for name in item if name.lower() not in ("file", "nodename")]
    if others:
        raise TooManyAttributes(", ".join([item.spelling("File"), *others[:10]]), item.where("File"))
    node = read(file).copy()
    name = item.get("NodeName")
    if name is not None:
        node.set("NodeName", name)
    return node


def hoist(ad: ClassAd) -> ClassAd:
    """A copy of a collection whose nodes share the files that several of them name: each is sent once.

    The shared files become the request's own InputSandbox, when it has none of its own.
    """
    nodes = ad.get("Nodes")
    if kind_of(ad) != "collection" or "InputSandbox" in ad or not isinstance(nodes, ListExpr):
        return ad
    count: Counter[str] = Counter()
    for item in nodes.items:
        if isinstance(item, ClassAd):
            count.update(set(_local(item)))
    shared: dict[str, int] = {}
    names: set[str] = set()
    for entry, number in count.items():
        if number > 1 and leaf(entry) not in names:
            shared[entry] = len(shared)
            names.add(leaf(entry))
    if not shared:
        return ad

    def share(node: ClassAd) -> ClassAd:
        own = node.copy()
        expr = own.get("InputSandbox")
        items = expr.items if isinstance(expr, ListExpr) else () if expr is None else (expr,)
        own.set("InputSandbox", ListExpr(_shared(item, shared) for item in items))
        return own

    own = each_node(ad, share)
    own.set("InputSandbox", list(shared))
    return own


def _local(node: ClassAd) -> Iterator[str]:
    expr = node.get("InputSandbox")
    for item in expr.items if isinstance(expr, ListExpr) else (expr,):
        if isinstance(item, Literal) and isinstance(item.value, str) and scheme(item.value) == "file":
            yield item.value


def _shared(item: Expr, shared: dict[str, int]) -> Expr:
    if isinstance(item, Literal) and isinstance(item.value, str) and item.value in shared:
        return root_input(shared[item.value])
    return item


def uploads(ad: ClassAd, compound: Compound | None) -> tuple[Upload, ...]:
    """The files that the client sends: the request's own first, then those of each node in node order.

    :param ad: with absolute ``file://`` entries.  :param compound: the same, expanded; None for a simple job.
    """
    own = ad if compound is None else compound.ad
    found = [Upload(None, file.path) for file in local_files(own)]
    for node in compound.nodes if compound is not None else ():
        if isinstance(node.ad.get("InputSandbox"), Reference):  # the request's own list
            continue
        paths = [entry for entry in entries(node.ad) if isinstance(entry, str) and scheme(entry) == "file"]
        found += [Upload(node.name, entry[len(_SCHEME) :]) for entry in paths]
    return tuple(found)
