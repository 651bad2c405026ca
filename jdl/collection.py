"""Collections: a list of descriptions that are submitted together (gLite WMS JDL)."""

from __future__ import annotations

from grid.errors import JdlError
from jdl.classad import ClassAd
from jdl.draft import Draft, check_distinct, check_name, sanitised
from jdl.errors import NotAccepted, NotSet, TooManyAttributes, TypeMismatch, WrongCombination, WrongValue
from jdl.nodes import ListExpr

__all__ = ["collection"]


def collection(ad: ClassAd, max_nodes: int) -> list[Draft]:
    """The nodes of a collection, in order.

    A node without NodeName is called ``Node_<i>``, where i counts all nodes from 0.

    :raises NotSet: 1502, there are no nodes.  :raises TypeMismatch: 1503, they are no list of classads.
    :raises WrongValue: 1506, more than ``max_nodes``, or a name that cannot be one.
    :raises AlreadySet: 1501, a name is given twice.
    :raises WrongCombination: 1508, with dependencies it would be a DAG.
    """
    name, where = ad.spelling("Nodes"), ad.where("Nodes")
    nodes = ad.get("Nodes")
    if nodes is None or (isinstance(nodes, ListExpr) and not nodes.items):
        raise NotSet.because(name, "a list of at least one node is wanted", where)
    if not isinstance(nodes, ListExpr):
        raise TypeMismatch.wrong_type(name, "a list of classads is wanted", where)
    if len(nodes.items) > max_nodes:
        detail = f"a request has at most {max_nodes} nodes, and this has {len(nodes.items)}"
        raise WrongValue.because(name, detail, where)
    dependencies = ad.get("Dependencies")
    if dependencies is not None and not (isinstance(dependencies, ListExpr) and not dependencies.items):
        raise WrongCombination("Type, Dependencies", ad.where("Dependencies"))
    drafts: list[Draft] = []
    for index, item in enumerate(nodes.items):
        if not isinstance(item, ClassAd):
            raise TypeMismatch.wrong_type(name, f"node {index} is no classad", item.position or where)
        drafts.append(_draft(item, index))
    check_distinct(
        (draft.name, item.where("NodeName") if isinstance(item, ClassAd) else None)
        for draft, item in zip(drafts, nodes.items, strict=True)
    )
    return drafts


def _draft(item: ClassAd, index: int) -> Draft:
    given = item.string("NodeName")
    where = item.where("NodeName")
    name = f"Node_{index}" if given is None else sanitised(given)
    if given is not None:
        check_name(name, where)
    fault = _file_fault(item)
    if fault is not None:
        return Draft(name, ClassAd(), fault=fault)
    own = item.copy()
    own.remove("NodeName")
    return Draft(name, own)


def _file_fault(item: ClassAd) -> JdlError | None:
    """A node can be a file of the client's, which no server can read."""
    if "File" not in item:
        return None
    where = item.where("File")
    others = [name for name in item if name.lower() not in ("file", "nodename")]
    if others:
        return TooManyAttributes(", ".join([item.spelling("File"), *others[:10]]), where)
    text = "the file of a node is put in its place by the client; send the description itself"
    return NotAccepted(item.spelling("File"), text, where)
