"""Templates: descriptions to be filled in, with exactly the attributes of gLite WMS.

Each function takes plain values and gives the description as one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from grid.limits import MAX_NODES
from jdl.classad import ClassAd
from jdl.dag import order
from jdl.draft import check_name
from jdl.errors import JdlSyntaxError, TemplateRefused, WrongValue
from jdl.nodes import Expr, ListExpr, Literal, Reference
from jdl.parser import SUBMITTED, parse_expression
from jdl.substitution import MARK

__all__ = [
    "collection_template",
    "dag_template",
    "int_parametric_template",
    "job_template",
    "string_parametric_template",
]

PLACE: Final = "<put executable path>"
"""What a user puts a path in place of."""

MAX_ATTRIBUTES: Final = 1000

_JOB_TYPES: Final = {"PARAMETRIC": "parametric", "INTERACTIVE": "interactive", "MPI": "mpich"}
_OTHER_TYPES: Final = frozenset({"NORMAL", "PARTITIONABLE", "CHECKPOINTABLE"})


def job_template(
    job_types: Sequence[str], executable: str, arguments: str, requirements: str, rank: str
) -> str:
    """A job (getJobTemplate).

    :param job_types: of NORMAL, PARAMETRIC, INTERACTIVE, MPI; the types of old add nothing.
    :raises TemplateRefused: 1225, another type.
    :raises JdlSyntaxError: 1507, requirements or rank is no expression.
    """
    for given in job_types:
        if given not in _JOB_TYPES and given not in _OTHER_TYPES:
            raise TemplateRefused("jobType", f"has no type {given[:40]!r}")
    ad = ClassAd()
    ad.set("Executable", executable)
    if arguments:
        ad.set("Arguments", arguments)
    types = [word for name, word in _JOB_TYPES.items() if name in job_types]
    if types:
        ad.set("JobType", types)
    if "PARAMETRIC" in job_types:
        if not arguments:
            ad.set("Arguments", MARK)
        ad.set("StdInput", MARK)
        _set_steps(ad, Literal(4), 0, 1)
    if "INTERACTIVE" in job_types:
        ad.set("ListenerPort", 0)
    if "MPI" in job_types:
        ad.set("CpuNumber", 2)
    return _with_match(ad, requirements, rank).text()


def collection_template(job_number: int, requirements: str, rank: str) -> str:
    """A collection of so many jobs (getCollectionTemplate).

    :raises TemplateRefused: 1225, no job, or more than a request may have.
    :raises JdlSyntaxError: 1507, as :func:`job_template`.
    """
    if not 1 <= job_number <= MAX_NODES:
        raise TemplateRefused("jobNumber", f"is {job_number}, a collection has 1 to {MAX_NODES} jobs")
    common = _job(requirements, rank)
    nodes: list[Expr] = []
    for index in range(job_number):
        node = ClassAd()
        node.set("NodeName", f"Node_{index}")
        for name, expr in common.items():
            node.set(name, expr)
        nodes.append(node)
    return ClassAd([("Type", Literal("collection")), ("nodes", ListExpr(nodes))]).text()


def int_parametric_template(
    attributes: Sequence[str], param: int, start: int, step: int, requirements: str, rank: str
) -> str:
    """A job over numbers (getIntParametricJobTemplate).

    :param attributes: names of the attributes that hold the parameter.
    :raises TemplateRefused: 1225, an attribute has no name, or there are too many.
    :raises JdlSyntaxError: 1507, a step of 0; and as :func:`job_template`.
    """
    if step == 0:
        raise JdlSyntaxError("JDL Attribute ParameterStep must be different from zero, division by zero not allowed")
    ad = _parametric(attributes, requirements, rank)
    _set_steps(ad, Literal(param), start, step)
    return ad.text()


def string_parametric_template(
    attributes: Sequence[str], params: Sequence[str], requirements: str, rank: str
) -> str:
    """A job over strings (getStringParametricJobTemplate).

    :raises TemplateRefused: 1225, no values or too many, or as :func:`int_parametric_template`.
    :raises JdlSyntaxError: 1507, as :func:`job_template`.
    """
    if not 1 <= len(params) <= MAX_NODES:
        raise TemplateRefused("param", f"has {len(params)} values, 1 to {MAX_NODES} are wanted")
    ad = _parametric(attributes, requirements, rank)
    ad.set("Parameters", list(params))
    return ad.text()


def dag_template(graph: Mapping[str, object], requirements: str, rank: str) -> str:
    """A DAG of that graph (getDAGTemplate): each child waits for its parent.

    A name that stands in several places is one node with several parents; what has no name is no node, and its
    children belong to the nearest parent with a name.

    :param graph: ``name`` (str or None) and ``childrenJob`` (a sequence of such mappings); that of the root may lack
        a name.
    :raises WrongValue: 1506, there are no children, or a name cannot be one.
    :raises TemplateRefused: 1225, more nodes than a request may have.
    :raises JdlSyntaxError: 1507, the graph has a cycle; and as :func:`job_template`.
    """
    if not graph.get("childrenJob"):
        raise WrongValue("Empty NodeStruct given", "syntax Error caught")
    spelt: dict[str, str] = {}
    edges: dict[tuple[str, str], None] = {}
    for parent, name in _walk(graph):
        check_name(name, None)
        spelt.setdefault(name.lower(), name)
        if len(spelt) > MAX_NODES:
            raise TemplateRefused("dependencies", f"has more than {MAX_NODES} nodes")
        if parent is not None:
            edges[parent.lower(), name.lower()] = None
    if not spelt:
        raise WrongValue("Empty NodeStruct given", "syntax Error caught")
    index_of = {key: index for index, key in enumerate(spelt)}
    parents: list[list[int]] = [[] for _ in spelt]
    for before, after in edges:
        parents[index_of[after]].append(index_of[before])
    if len(order([tuple(before) for before in parents])) < len(spelt):
        raise JdlSyntaxError("DAG has a cycle")
    common = _job(requirements, rank)
    node = common.copy()
    node.set("node_type", "edg-jdl")
    node.set("description", common)
    pairs = [ListExpr([Reference(spelt[before]), Reference(spelt[after])]) for before, after in edges]
    nodes = ClassAd((name, node) for name in spelt.values())
    return ClassAd([("type", Literal("dag")), ("nodes", nodes), ("dependencies", ListExpr(pairs))]).text()


def _walk(graph: Mapping[str, object]) -> Iterator[tuple[str | None, str]]:
    """The names of the graph, parents first, each with that of its nearest parent that has one."""
    waiting: list[tuple[str | None, object]] = [(None, graph)]
    while waiting:
        parent, item = waiting.pop()
        if not isinstance(item, Mapping):
            continue  # a nil child
        name = item.get("name")
        if isinstance(name, str) and name:
            yield parent, name
            parent = name
        children = item.get("childrenJob")
        if isinstance(children, Sequence):
            waiting.extend((parent, child) for child in reversed(children))


# -- what templates are made of


def _with_match(ad: ClassAd, requirements: str, rank: str) -> ClassAd:
    ad.set("requirements", parse_expression(requirements, SUBMITTED))
    ad.set("rank", parse_expression(rank, SUBMITTED))
    return ad


def _job(requirements: str, rank: str) -> ClassAd:
    ad = _with_match(ClassAd(), requirements, rank)
    ad.set("Executable", PLACE)
    return ad


def _parametric(attributes: Sequence[str], requirements: str, rank: str) -> ClassAd:
    if len(attributes) > MAX_ATTRIBUTES:
        raise TemplateRefused("attributes", f"has {len(attributes)} names, at most {MAX_ATTRIBUTES} are wanted")
    ad = ClassAd()
    for name in attributes:
        if not name.strip() or "\0" in name:
            raise TemplateRefused("attributes", "has an empty name")
        ad.set(name, MARK)
    _with_match(ad, requirements, rank)
    ad.set("JobType", "parametric")
    return ad


def _set_steps(ad: ClassAd, parameters: Expr, start: int, step: int) -> None:
    ad.set("Parameters", parameters)
    ad.set("ParameterStart", start)
    ad.set("ParameterStep", step)
