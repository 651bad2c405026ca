"""The nodes of a compound job as its description names them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from grid.errors import GridError
from grid.jobid import JobId

if TYPE_CHECKING:
    from clients.bookkeeping import Status
    from clients.endpoint import Endpoint
    from jdl.tree import ClassAd

SEED: Final = "WMPROXY"
"""What WMProxy makes the identifiers of nodes with, beside the parent's (gLite WMS)."""

_UNFIT: Final = re.compile(r"[/\0]")


def names(server: Endpoint, jobid: str, children: Sequence[Status]) -> dict[str, str]:
    """The name of each node by its identifier; a node that the description does not name is called by its number.

    :param children: the nodes as L&B tells them, in their order.
    """
    known = _named(server, jobid)
    found: dict[str, str] = {}
    for number, child in enumerate(children):
        job = child.text("jobId") or ""
        found[job] = known.get(job) or f"Node_{number}"
    return found


def directory(name: str, used: set[str]) -> str:
    """A node's name as the name of a directory that is not ``used`` yet; then it is."""
    plain = made = "_" + name if name in (".", "..", "ids_nodes.map") else _UNFIT.sub("_", name)
    number = 1
    while made in used:
        number += 1
        made = f"{plain}_{number}"
    used.add(made)
    return made


def _named(server: Endpoint, jobid: str) -> dict[str, str]:
    from jdl.parser import parse

    try:
        ad = parse(str(server.call("getJDL", jobId=jobid, type="REGISTERED")))
        nodes = ad.record("Nodes")
    except GridError as error:
        server.session.messages.debug("getJDL:", error.description)
        return _named_when_sent(server, jobid)
    found: dict[str, str] = {}
    for name in nodes or ():
        job = _job(nodes, name) if nodes is not None else None
        if job:
            found[job] = name
    return found


def _named_when_sent(server: Endpoint, jobid: str) -> dict[str, str]:
    """The same from the description as it was sent, which is short when that of all nodes is too long to be told."""
    from jdl.compound import expand
    from jdl.parser import SUBMITTED, parse

    try:
        compound = expand(parse(str(server.call("getJDL", jobId=jobid, type="ORIGINAL")), limits=SUBMITTED), vo=None)
    except GridError as error:
        server.session.messages.debug("getJDL:", error.description)
        return {}
    parent = JobId.parse(jobid)
    nodes = compound.nodes if compound is not None else ()
    return {str(parent.child(SEED, index)): node.name for index, node in enumerate(nodes)}


def _job(nodes: ClassAd, name: str) -> str | None:
    """The identifier that stands in a node's description."""
    from jdl.tree import ClassAd

    node = nodes.get(name)
    body = node.get("description") if isinstance(node, ClassAd) else None
    return body.string("edg_jobid") if isinstance(body, ClassAd) else None
