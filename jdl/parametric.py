"""Parametric jobs: one description and a list of values become a job for each value (gLite WMS JDL).

``_PARAM_`` is replaced wherever it stands: as text within strings and within names, as the value itself where it
stands alone as an expression.  Requirements and Rank are substituted like everything else, node by node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from grid.limits import MAX_COMPOUND_CHARACTERS, MAX_JDL_BYTES
from jdl.classad import ClassAd
from jdl.draft import Draft, check_distinct, check_name, sanitised
from jdl.errors import AlreadySet, JdlSyntaxError, NotSet, TypeMismatch, WrongValue
from jdl.jobtype import PARAMETRIC, job_types
from jdl.nodes import Expr, ListExpr, Literal, Reference
from jdl.references import has_references, root_input
from jdl.sandbox import leaf
from jdl.substitution import MARK, Parameter, Substitution, mentions
from jdl.tree import from_python

__all__ = ["parametric"]

_OWN: Final = ("Parameters", "ParameterStart", "ParameterStep")
_ROOT_ONLY: Final = (
    "VirtualOrganisation",
    "HLRLocation",
    "MyProxyServer",
    "JobProvenance",
    "LBAddress",
    "AllowZippedISB",
    "ZippedISB",
    "NodesCollocation",
)
"""What is the whole request's and cannot differ from node to node."""

_ROOT_TOO: Final = ("InputSandboxBaseURI", "UserTags", "requirements", "rank", "SignificantAttributes")
"""What the request has as well, unless it differs from node to node."""


def parametric(ad: ClassAd, max_nodes: int) -> tuple[ClassAd, list[Draft]]:
    """The request of its own (a collection) and its nodes.

    :raises NotSet: 1502, no values, or none that the start and the step reach.
    :raises WrongValue: 1506, more nodes than ``max_nodes``, a number below 0.
    :raises AlreadySet: 1501, two values make one node name.
    :raises JdlSyntaxError: 1507, a step of 0, or a value that makes no expression where one is wanted.
    :raises TypeMismatch: 1503, a value that is neither a number, a string nor a word.
    """
    values = _values(ad, max_nodes)
    names = [sanitised(f"Node_{value.text}") for value in values]
    where = ad.where("Parameters")
    for name in names:
        check_name(name, where)
    check_distinct((name, where) for name in names)
    root, body = _split(ad)
    if len(body.text()) * len(values) > MAX_COMPOUND_CHARACTERS:
        detail = f"the descriptions of all nodes have more than {MAX_COMPOUND_CHARACTERS} characters"
        raise WrongValue.because(ad.spelling("Parameters"), detail, where)
    substitution = Substitution(body, MAX_JDL_BYTES)
    drafts = [Draft(name, _node(substitution, value)) for name, value in zip(names, values, strict=True)]
    _share_input(body, root, drafts)
    return root, drafts


# -- values


def _values(ad: ClassAd, max_nodes: int) -> list[Parameter]:
    for name in _OWN:
        if name in ad.duplicates:
            raise AlreadySet(name, "unable to complete the operation: the attribute has already been set")
    start, step = _number(ad, "ParameterStart", 0), _number(ad, "ParameterStep", 1)
    where = ad.where("ParameterStep")
    if step == 0:
        text = "JDL Attribute ParameterStep must be different from zero, division by zero not allowed"
        raise JdlSyntaxError.at(where, text)
    given = ad.get("Parameters")
    if given is None:
        raise NotSet.because("Parameters", "an integer or a list of values is wanted", None)
    name, where = ad.spelling("Parameters"), ad.where("Parameters")
    if isinstance(given, ListExpr):
        chosen = range(start, len(given.items), step)
    else:
        number = ad.integer("Parameters")
        if number is None or number < 0:
            raise WrongValue.because(name, "value cannot be less than 0", where)
        chosen = range(start, number, step)
    if not chosen:
        raise NotSet.because("nodes", f"{name}, ParameterStart and ParameterStep make no node", where)
    # the length of a range that is too long for a machine word is no Python integer either
    count = (chosen.stop - chosen.start + step - 1) // step
    if count > max_nodes:
        raise WrongValue.because(name, f"a request has at most {max_nodes} nodes, and this has {count}", where)
    if not isinstance(given, ListExpr):
        return [Parameter(str(number), Literal(number)) for number in chosen]
    return [_item(given.items[index], ad) for index in chosen]


def _number(ad: ClassAd, name: str, default: int) -> int:
    number = ad.integer(name)
    if number is None:
        return default
    if number < 0:
        raise WrongValue.because(ad.spelling(name), "value cannot be less than 0", ad.where(name))
    return number


def _item(item: Expr, ad: ClassAd) -> Parameter:
    if isinstance(item, Reference) and item.scope is None:
        return Parameter(item.name, item)
    if isinstance(item, Literal) and isinstance(item.value, str):
        return Parameter(item.value, None)
    if isinstance(item, Literal) and isinstance(item.value, int | float):
        return Parameter(item.text(), item)
    name = ad.spelling("Parameters")
    raise TypeMismatch.wrong_type(name, f"'{item.text()[:100]}' is no number, string or word", ad.where(name))


# -- the request and the nodes


def _split(ad: ClassAd) -> tuple[ClassAd, ClassAd]:
    """What is the request's, and what the nodes are made of."""
    body = ad.copy()
    types = tuple(kind for kind in job_types(ad) if kind != PARAMETRIC)
    body.remove("JobType")
    if types:
        body.set("JobType", types[0])
    body.set("Type", "job")
    for name in _OWN:
        body.remove(name)
    root = ClassAd((), ad.position)
    root.set("Type", "collection")
    for name in (*_ROOT_ONLY, *_ROOT_TOO):
        expr = ad.get(name)
        if expr is None:
            continue
        if not mentions(expr):
            root.set(ad.spelling(name), expr, ad.where(name))
        elif name in _ROOT_ONLY:
            detail = f"it is one for all nodes and cannot hold {MARK}"
            raise WrongValue.because(ad.spelling(name), detail, ad.where(name))
        if name in _ROOT_ONLY:
            body.remove(name)
    return root, body


def _node(substitution: Substitution, value: Parameter) -> ClassAd:
    node = substitution.of(value)
    given = node.get("Environment")
    added = Literal(f"ParameterValue={value.text}")
    items = given.items if isinstance(given, ListExpr) else tuple(map(Literal, node.strings("Environment")))
    node.set("Environment", ListExpr([*items, added]))
    return node


# -- the input sandbox


def _share_input(body: ClassAd, root: ClassAd, drafts: list[Draft]) -> None:
    """Move the files that all nodes can share a directory for to the request's own sandbox.

    Static entries go there once, then those that differ by their own name; entries that differ by their path alone
    stay with the nodes, since files of one name cannot lie beside one another.
    """
    if has_references(body):
        return
    kinds = list(_kinds(body))
    shared: dict[str, int] = {}
    names: set[str] = set()
    where = body.where("InputSandbox")
    for entry, kind in kinds:
        if kind == "static" and entry not in shared:
            shared[entry] = len(shared)
            names.add(leaf(entry))
    if all(kind == "static" for _, kind in kinds):
        same = ListExpr(root_input(shared[entry]) for entry, _ in kinds)
        for draft in drafts:
            draft.ad.set("InputSandbox", same, where)
    else:
        for draft in drafts:
            items: list[Expr] = []
            for entry, (_, kind) in zip(draft.ad.strings("InputSandbox"), kinds, strict=True):
                if kind == "leaf" and entry not in shared and leaf(entry) not in names:
                    shared[entry] = len(shared)
                    names.add(leaf(entry))
                items.append(root_input(shared[entry]) if kind != "path" and entry in shared else from_python(entry))
            draft.ad.set("InputSandbox", ListExpr(items), where)
    if shared:
        root.set("InputSandbox", list(shared), where)


def _kinds(body: ClassAd) -> Iterator[tuple[str, str]]:
    """Each entry of the input sandbox with ``static``, ``leaf`` or ``path``: where it holds the parameter."""
    base = body.get("InputSandboxBaseURI")
    apart = base is not None and mentions(base)
    for entry in body.strings("InputSandbox"):
        if apart:
            yield entry, "path"
        elif MARK not in entry:
            yield entry, "static"
        else:
            yield entry, "leaf" if MARK in leaf(entry) else "path"
