"""DAGs: named nodes, and which of them wait for which (gLite WMS JDL)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from grid.errors import JdlError
from grid.limits import MAX_DEPENDENCIES
from jdl.classad import ClassAd
from jdl.draft import Draft, check_distinct, check_name
from jdl.errors import JdlSyntaxError, NotAccepted, Position, WrongCombination, WrongValue
from jdl.nodes import Expr, ListExpr, Reference

__all__ = ["SHARED", "dag", "order"]

SHARED: Final = ("retrycount", "shallowretrycount", "significantattributes")
"""Attributes beside the nodes that are meant for all of them."""

_BESIDE: Final = frozenset({"description", "file", "node_type", "node_retry_count", "nodename"})
"""What a node has that is not its description's."""


def dag(ad: ClassAd, max_nodes: int) -> tuple[list[Draft], ClassAd, list[str]]:
    """The nodes of a DAG in the order in which they are written, what is set for all of them, and warnings.

    :raises JdlSyntaxError: 1507, nodes or dependencies are not valid, name no node, or go round in a circle.
    :raises WrongValue: 1506, more than ``max_nodes``, more than the limit of dependencies.
    :raises AlreadySet: 1501, a node is given twice.
    """
    nodes = ad.get("Nodes")
    if not isinstance(nodes, ClassAd):
        raise _invalid("'nodes' not valid", "an ad of named nodes is wanted", ad.where("Nodes"))
    named, shared = _named(nodes)
    if not named:
        raise _invalid("'nodes' not valid", "there is none", ad.where("Nodes"))
    if len(named) > max_nodes:
        detail = f"a request has at most {max_nodes} nodes, and this has {len(named)}"
        raise WrongValue.because(ad.spelling("Nodes"), detail, ad.where("Nodes"))
    for name, _ in named:
        check_name(name, nodes.where(name))
    # a name that is written twice has lost its first node when it comes here
    lost = [name for name in nodes.duplicates if isinstance(nodes.get(name), ClassAd)]
    check_distinct((name, nodes.where(name)) for name in (*(name for name, _ in named), *lost))
    edges, warnings = _edges(ad, nodes, [name for name, _ in named])
    parents: list[dict[int, None]] = [{} for _ in named]
    for parent, child in edges:
        parents[child][parent] = None
    known = [tuple(sorted(before)) for before in parents]
    _check_acyclic([name for name, _ in named], known, _dependencies(ad, nodes)[1])
    drafts = [_draft(name, item, known[index], warnings) for index, (name, item) in enumerate(named)]
    return drafts, shared, warnings


def order(parents: Sequence[tuple[int, ...]]) -> list[int]:
    """The nodes so that each comes behind its parents; nodes on a circle, and behind one, are left out."""
    waiting = [len(before) for before in parents]
    children: list[list[int]] = [[] for _ in parents]
    for child, before in enumerate(parents):
        for parent in before:
            children[parent].append(child)
    ready = [index for index, count in enumerate(waiting) if not count]
    for index in ready:  # grows while it is walked
        for child in children[index]:
            waiting[child] -= 1
            if not waiting[child]:
                ready.append(child)
    return ready


def _invalid(text: str, detail: str, where: Position | None) -> JdlSyntaxError:
    return JdlSyntaxError.at(where, f"{text}: {detail}")


# -- nodes


def _named(nodes: ClassAd) -> tuple[list[tuple[str, ClassAd]], ClassAd]:
    named: list[tuple[str, ClassAd]] = []
    shared = ClassAd()
    for name, value in nodes.items():
        key = name.lower()
        if isinstance(value, ClassAd):
            named.append((name, value))
        elif key in SHARED:
            shared.set(name, value, nodes.where(name))
        elif key != "dependencies":
            raise _invalid("'nodes' not valid", f"'{name[:100]}' is no classad", nodes.where(name))
    return named, shared


def _draft(name: str, item: ClassAd, parents: tuple[int, ...], warnings: list[str]) -> Draft:
    try:
        return Draft(name, _description(item), parents)
    except JdlError as error:
        return Draft(name, ClassAd(), parents, error)
    finally:
        if "node_retry_count" in item and not any(text.startswith("node_retry_count") for text in warnings):
            warnings.append("node_retry_count: the attribute is deprecated and has no effect, use RetryCount")


def _description(item: ClassAd) -> ClassAd:
    """The node's description, filled with what stands beside it.

    :raises WrongCombination: 1508, both a description and a file, or neither.
    :raises NotAccepted: 1220, a file, which only a client can read.
    :raises AttributeFault: the node's own attributes are wrong.
    """
    body = item.get("description")
    if (body is None) == ("file" not in item):
        raise WrongCombination("description, file", item.where("file") or item.position)
    if body is None:
        if not item.string("file"):
            raise WrongValue.because("file", "it must not be empty", item.where("file"))
        text = "the file of a node is put in its place by the client; send the description itself"
        raise NotAccepted(item.spelling("file"), text, item.where("file"))
    kind = item.string("node_type")
    if kind is not None and kind.lower() != "edg-jdl":
        raise WrongValue.because("node_type", "it must be edg-jdl", item.where("node_type"))
    count = item.integer("node_retry_count")
    if count is not None and count < 0:
        raise WrongValue.because("node_retry_count", "value cannot be less than 0", item.where("node_retry_count"))
    if not isinstance(body, ClassAd):
        raise WrongValue.because("description", "a classad is wanted", item.where("description"))
    own = body.copy()
    own.remove("NodeName")
    for key in item.folded():
        if key not in _BESIDE and key not in own:
            own.set(item.spelling(key), item.get(key), item.where(key))
    return own


# -- dependencies


def _dependencies(ad: ClassAd, nodes: ClassAd) -> tuple[Expr | None, Position | None]:
    inner, outer = nodes.get("dependencies"), ad.get("dependencies")
    if isinstance(inner, ClassAd):  # a node of that name
        inner = None
    if inner is not None and outer is not None:
        raise _invalid("'dependencies' not valid", "they are given twice", ad.where("dependencies"))
    return (outer, ad.where("dependencies")) if inner is None else (inner, nodes.where("dependencies"))


def _edges(ad: ClassAd, nodes: ClassAd, names: Sequence[str]) -> tuple[dict[tuple[int, int], None], list[str]]:
    given, where = _dependencies(ad, nodes)
    if not isinstance(given, ListExpr):
        raise _invalid("'dependencies' not valid", "a list of pairs of nodes is wanted, { } for none", where)
    index_of = {name.lower(): index for index, name in enumerate(names)}
    edges: dict[tuple[int, int], None] = {}
    warnings: list[str] = []
    for entry in given.items:
        if not isinstance(entry, ListExpr) or len(entry.items) != 2:
            detail = f"'{entry.text()[:100]}' is no pair of nodes or of lists of nodes"
            raise _invalid("'dependencies' not valid", detail, entry.position or where)
        before, after = ([*_members(side, index_of, where)] for side in entry.items)
        if not before or not after:
            warnings.append("dependencies: a pair with an empty list says nothing and is dropped")
        # before the pairs are made: two lists of 10 000 make 100 000 000
        if len(edges) + len(before) * len(after) > MAX_DEPENDENCIES:
            detail = f"a DAG has at most {MAX_DEPENDENCIES} dependencies"
            raise WrongValue.because("dependencies", detail, entry.position or where)
        edges.update({(parent, child): None for parent in before for child in after})
    return edges, list(dict.fromkeys(warnings))


def _members(side: Expr, index_of: dict[str, int], where: Position | None) -> Iterator[int]:
    for item in side.items if isinstance(side, ListExpr) else (side,):
        place = item.position or where
        if not isinstance(item, Reference) or item.scope is not None:
            detail = f"'{item.text()[:100]}' is no name of a node"
            raise _invalid("'dependencies' not valid", detail, place)
        index = index_of.get(item.key)
        if index is None:
            raise _invalid("Invalid reference in 'dependencies'", f"there is no node '{item.name[:100]}'", place)
        yield index


def _check_acyclic(names: Sequence[str], parents: Sequence[tuple[int, ...]], where: Position | None) -> None:
    done = set(order(parents))
    if len(done) == len(parents):
        return
    at = next(index for index in range(len(parents)) if index not in done)
    path: dict[int, None] = {}
    while at not in path:
        path[at] = None
        at = next(parent for parent in parents[at] if parent not in done)
    walked = list(path)
    circle = [*walked[walked.index(at) :], at][::-1]
    shown = [names[index] for index in circle[:20]]
    raise _invalid("DAG has a cycle", " -> ".join(shown) + (" -> …" if len(circle) > 20 else ""), where)
