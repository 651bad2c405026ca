"""Compound requests: DAGs, collections and parametric jobs as lists of whole descriptions, one for each node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from grid.errors import JdlError
from grid.limits import MAX_COMPOUND_CHARACTERS, MAX_NODES
from jdl.attributes import ATTRIBUTES
from jdl.check import Checker, check_expression, check_value, check_vo, without_private
from jdl.classad import ClassAd
from jdl.collection import collection
from jdl.dag import dag
from jdl.draft import Draft
from jdl.errors import JdlSyntaxError, MandatoryMissing, NodeFaults, NotSet, TypeMismatch, WrongCombination, WrongValue
from jdl.inheritance import Inheritance
from jdl.jobtype import INTERACTIVE, NORMAL, PARAMETRIC, job_types, request_type
from jdl.links import Links
from jdl.nodes import Expr, ListExpr, Literal, Reference
from jdl.outer import Outer
from jdl.parametric import parametric
from jdl.parser import SUBMITTED
from jdl.sandbox import check_input, check_input_names, check_zipped, input_files
from jdl.tree import from_python

__all__ = ["Compound", "CompoundKind", "Node", "as_dag", "expand", "resolve"]

MAX_FAULTS: Final = 100
"""Nodes whose errors one answer names."""

REFERENCE_CHARACTERS: Final = 200
"""What a reference to a file grows to when it becomes a URI, about."""

MAX_TAGS: Final = 20_000
"""UserTags of all nodes together; each is an event."""


class CompoundKind(Enum):
    """Whether nodes wait for one another."""

    DAG = "dag"
    COLLECTION = "collection"


@dataclass(frozen=True)
class Node:
    """A node: its name, its whole description, and the indices of the nodes that it waits for.

    ``ad`` has passed the check and holds what it inherits and its NodeName.  Its InputSandbox may refer to files of
    the request and of other nodes until :func:`resolve` puts URIs in their place.
    """

    name: str
    ad: ClassAd
    parents: tuple[int, ...]


@dataclass(frozen=True)
class Compound:
    """A compound request.

    ``kind`` is DAG when there is a dependency.  ``ad`` holds the request's own attributes: no nodes, no
    dependencies, no parameters.  ``parametric``: the nodes came from a parametric job.  ``warnings`` are sentences for
    the user.
    """

    kind: CompoundKind
    ad: ClassAd
    nodes: tuple[Node, ...]
    parametric: bool
    warnings: tuple[str, ...]


def expand(ad: ClassAd, *, vo: str | None, max_nodes: int = MAX_NODES) -> Compound | None:
    """The nodes of a submitted description, each checked; None when it is that of one job.

    The same description makes the same nodes in the same order, whenever it is expanded.

    :param vo: the virtual organisation of the caller's proxy, as :func:`jdl.check.check` takes it.
    :raises NodeFaults: 1513, nodes are wrong; holds the error of each, of the first hundred.
    :raises JdlSyntaxError: 1507, nested too deep, or no valid DAG.
    :raises NotAccepted: 1219, 1220, a type of job that is not served, another VO than the proxy's.
    :raises AttributeFault: 15xx, the request itself is wrong.
    """
    kind = request_type(ad)
    types = job_types(ad)
    if kind == "job" and PARAMETRIC not in types:
        return None
    if ad.depth > SUBMITTED.depth:
        raise JdlSyntaxError(f"nested deeper than {SUBMITTED.depth} levels")
    own, warnings = without_private(ad)
    if kind != "job" and types != (NORMAL,):
        raise WrongCombination("Type, JobType", own.where("JobType"))
    if vo is not None:
        check_vo(own, vo)
    shared = ClassAd()
    if kind == "job":
        root, drafts = parametric(own, max_nodes)
    elif kind == "collection":
        root, drafts = own, collection(own, max_nodes)
    else:
        root = own
        drafts, shared, more = dag(own, max_nodes)
        warnings += more
    for name in ("Nodes", "Dependencies", "JobType"):
        root.remove(name)
    waits = any(draft.parents for draft in drafts)
    result = CompoundKind.DAG if waits else CompoundKind.COLLECTION
    root.set("Type", result.value)
    warnings += _check_root(root, vo)
    # a parametric job has nothing around it: each of its nodes is all of it
    nodes, more = _nodes(root, shared, drafts, vo, None if kind == "job" else Outer(root))
    return Compound(result, root, nodes, kind == "job", tuple(dict.fromkeys([*warnings, *more])))


def resolve(compound: Compound, root_uri: str, node_uris: Sequence[str]) -> tuple[Node, ...]:
    """The nodes with absolute URIs in their InputSandbox, and the files' names in InputSandboxDestFileName.

    :param root_uri: URI of the request's own sandbox directory; ``input`` and ``output`` are below it.
    :param node_uris: the same of each node, in node order.
    """
    links = Links(compound.ad, [(node.name, node.ad) for node in compound.nodes], [n.parents for n in compound.nodes])
    root_files = input_files(compound.ad, root_uri)
    inherited: dict[tuple[int, int], tuple[Expr, Expr]] = {}
    resolved: list[Node] = []
    for index, node in enumerate(compound.nodes):
        sandbox, names = node.ad.get("InputSandbox"), node.ad.get("InputSandboxDestFileName")
        if sandbox is None:
            resolved.append(node)
            continue
        # nodes that take over the whole of the request's sandbox have one list among them
        key = (id(sandbox), id(names)) if isinstance(sandbox, Reference) else (index, -1)
        if key not in inherited:
            files = links.files(index, root_files, node_uris.__getitem__)
            inherited[key] = (from_python([file.uri for file in files]), from_python([file.name for file in files]))
        own = node.ad.copy()
        own.set("InputSandbox", inherited[key][0])
        own.set("InputSandboxDestFileName", inherited[key][1])
        resolved.append(replace(node, ad=own))
    return tuple(resolved)


def as_dag(root: ClassAd, nodes: Sequence[Node]) -> ClassAd:
    """The request as one description of Type ``dag``, which expands to these nodes again (gLite WMS).

    :param root: the request's own attributes.
    """
    own = root.copy()
    own.set("Type", "dag")
    named = [
        (node.name, ClassAd([("description", node.ad), ("node_type", Literal("edg-jdl"))])) for node in nodes
    ]
    own.set("nodes", ClassAd(named))
    pairs = [
        ListExpr([Reference(nodes[parent].name), Reference(node.name)]) for node in nodes for parent in node.parents
    ]
    own.set("dependencies", ListExpr(pairs))
    return own


# -- the request itself


def _check_root(root: ClassAd, vo: str | None) -> list[str]:
    """Check the request's own attributes, give it its VO, and say which have no meaning."""
    if vo is not None and not root.string("VirtualOrganisation"):
        if not vo:
            raise NotSet.because("VirtualOrganisation", "neither the request nor the proxy names one", None)
        root.set("VirtualOrganisation", vo)
    for name in ("rank", "requirements"):
        check_expression(root, name)
    check_input(root)
    check_input_names(root)
    check_zipped(root)
    warnings: list[str] = []
    for name in root:
        row = ATTRIBUTES.get(name.lower())
        if row is None:
            continue
        check_value(root, row)
        if not {"D", "C", "P"} & set(row.where) and name.lower() != "inputsandboxdestfilename":
            warnings.append(f"{name}: the attribute has no meaning for the whole request, only in its nodes")
    if root.boolean("NodesCollocation") and not ("rank" in root and "requirements" in root):
        raise MandatoryMissing.group_incomplete("NodesCollocation, Rank, Requirements", root.where("NodesCollocation"))
    return warnings


# -- the nodes


def _nodes(
    root: ClassAd, shared: ClassAd, drafts: Sequence[Draft], vo: str | None, outer: Outer | None
) -> tuple[tuple[Node, ...], list[str]]:
    checker = Checker(vo)
    filled = _filled(Inheritance(root, shared), outer, drafts)
    room = MAX_COMPOUND_CHARACTERS - sum(checker.share(draft.ad) for draft in filled)
    if room < 0:
        detail = f"the descriptions of all nodes have more than {MAX_COMPOUND_CHARACTERS} characters"
        raise WrongValue.because("nodes", detail, None)
    links = Links(root, [(draft.name, draft.ad) for draft in filled], [draft.parents for draft in filled])
    nodes: list[Node] = []
    faults: list[tuple[str, JdlError]] = []
    warnings: list[str] = []
    for index, draft in enumerate(filled):
        try:
            ad, more, grown = _checked(draft, links, index, checker)
        except JdlError as error:
            faults.append((draft.name, error))
            if len(faults) == MAX_FAULTS:
                raise NodeFaults(faults, len(filled) - index - 1) from error
            continue
        room -= grown
        if room < 0:
            detail = f"the input sandboxes of all nodes have more than {MAX_COMPOUND_CHARACTERS} characters"
            raise WrongValue.because("InputSandbox", detail, None)
        nodes.append(Node(draft.name, ad, draft.parents))
        if more and len(warnings) < MAX_FAULTS:
            warnings += [f"{draft.name}: {text}" for text in more]
    if faults:
        raise NodeFaults(faults)
    return tuple(nodes), warnings


def _filled(inheritance: Inheritance, outer: Outer | None, drafts: Sequence[Draft]) -> list[Draft]:
    """The nodes with what they take from the request; one that cannot has its fault."""
    filled: list[Draft] = []
    tags = 0
    for draft in drafts:
        if draft.fault is None:
            inheritance.fill(draft.ad, draft.name)
            try:
                if outer is not None:
                    outer.close(draft.ad)
            except JdlError as error:
                filled.append(replace(draft, fault=error))
                continue
        filled.append(draft)
        tags += _tags(draft.ad)
        if tags > MAX_TAGS:
            detail = f"the nodes of a request have at most {MAX_TAGS} tags together"
            raise WrongValue.because("UserTags", detail, draft.ad.where("UserTags"))
    return filled


def _tags(ad: ClassAd) -> int:
    tags = ad.get("UserTags")
    return len(tags) if isinstance(tags, ClassAd) else 0


def _checked(draft: Draft, links: Links, index: int, checker: Checker) -> tuple[ClassAd, tuple[str, ...], int]:
    """The node's checked description, warnings, and how much its input sandbox will grow, in characters."""
    if draft.fault is not None:
        raise draft.fault
    ad = draft.ad
    _check_kind(ad)
    names = links.names(index)
    if names is None:
        checked = checker.check(ad)
        return checked.ad, checked.warnings, 0
    probe = ad.copy()
    probe.set("InputSandbox", names)
    checked = checker.check(probe)
    checked.ad.set("InputSandbox", ad.get("InputSandbox"))
    return checked.ad, checked.warnings, REFERENCE_CHARACTERS * len(names.items)


def _check_kind(ad: ClassAd) -> None:
    """A node is one job, and nobody sits at its console.

    :raises WrongValue: 1506.  :raises TypeMismatch: 1503.
    """
    kind = request_type(ad)
    if kind != "job":
        raise WrongValue.because(ad.spelling("Type"), f"a node is a job and cannot be a {kind}", ad.where("Type"))
    types = {value.lower() for value in ad.strings("JobType")}
    if types & {INTERACTIVE, PARAMETRIC, "partitionable", "checkpointable"}:
        text = "wrong type caught for attribute (Interactive, Partitionable, Checkpointable, Parametric are deprecated "
        raise TypeMismatch(ad.spelling("JobType"), text + "for children jobs)", ad.where("JobType"))
