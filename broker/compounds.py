"""The books of compound jobs: collections and DAGs, their nodes and who waits for whom.

A node is a row of the queue in phase HELD until it is released; from then on it is a request like any other.  Each
compound job has a row that counts its nodes by what became of them, so no question about it looks at all of them:
the end of a node costs as much as it has children.

Two processes meet here.  WMProxy enqueues, asks and sets ``cancelling``; all else is the broker's, in its one writer.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from broker.compound import Compound, CompoundSubmission, Fate, Kind, NodeSubmission
from broker.errors import BadCompound
from broker.request import End, Phase, Progress, Request, progress_of, request_of, row_of
from broker.tables import COMPOUNDS, DOOMED, EDGES, REQUESTS
from grid.jobid import JobId

__all__ = ["Compound", "CompoundSubmission", "Fate", "Kind", "NodeSubmission"]

_CHUNK = 500
"""Rows of one statement."""


# Made once: making a statement costs several times what running it does.
_NODE = REQUESTS.insert()
_EDGE = EDGES.insert()
_GET = sa.select(COMPOUNDS).where(COMPOUNDS.c.job_id == sa.bindparam("wanted"))
_OF = REQUESTS.c.compound == sa.bindparam("of")
_HELD = sa.and_(_OF, REQUESTS.c.phase == Phase.HELD.value)
_ALL_HELD = (
    sa.select(REQUESTS).where(_HELD).order_by(REQUESTS.c.unmet, REQUESTS.c.node_index).limit(sa.bindparam("most"))
)
_DOOMED_HELD = (
    sa.select(REQUESTS)
    .where(_HELD, REQUESTS.c.unmet == DOOMED)
    .order_by(REQUESTS.c.node_index)
    .limit(sa.bindparam("most"))
)
_READY = (
    sa.select(REQUESTS.c.job_id)
    .where(_HELD, REQUESTS.c.unmet == 0)
    .order_by(REQUESTS.c.node_index)
    .limit(sa.bindparam("most"))
)
_RELEASE = (
    REQUESTS.update()
    .where(REQUESTS.c.job_id.in_(_READY))
    .values(
        phase=Phase.QUEUED.value,
        next_try=sa.bindparam("now"),
        expiry=sa.func.coalesce(REQUESTS.c.expiry, sa.bindparam("until")),
    )
)
_END_HELD = (
    REQUESTS.update()
    .where(REQUESTS.c.job_id == sa.bindparam("wanted"), REQUESTS.c.phase == Phase.HELD.value)
    .values(
        phase=Phase.ENDED.value,
        end=sa.bindparam("how"),
        reason=sa.bindparam("why"),
        sequence_code=sa.bindparam("code"),
        next_try=None,
    )
)
_CANCEL_RELEASED = (
    REQUESTS.update()
    .where(
        _OF,
        REQUESTS.c.phase.not_in([Phase.HELD.value, Phase.ENDED.value]),
        REQUESTS.c.cancelling == sa.false(),
    )
    .values(cancelling=True, next_try=sa.bindparam("now"))
)
# By place alone: the phase in the condition would lead the database through all nodes of the same phase.  A node
# that has ended, as one that was cancelled by itself, is not hurt by a change of this column.
_CHILD = sa.and_(
    _OF,
    REQUESTS.c.node_index.in_(
        sa.select(EDGES.c.child).where(
            EDGES.c.compound == sa.bindparam("of"), EDGES.c.parent == sa.bindparam("place")
        )
    ),
)
_MET = (
    REQUESTS.update()
    .where(_CHILD)
    .values(unmet=sa.case((REQUESTS.c.unmet > 0, REQUESTS.c.unmet - 1), else_=REQUESTS.c.unmet))
)
_DOOM = (
    REQUESTS.update()
    .where(_CHILD)
    .values(unmet=DOOMED, reason=sa.func.coalesce(REQUESTS.c.reason, sa.bindparam("why")))
)
_DUE = (
    sa.select(COMPOUNDS.c.job_id)
    .where(COMPOUNDS.c.next_try <= sa.bindparam("now"))
    .order_by(COMPOUNDS.c.next_try)
    .limit(sa.bindparam("most"))
)
_NEXT_DUE = sa.select(sa.func.min(COMPOUNDS.c.next_try)).where(COMPOUNDS.c.next_try > sa.bindparam("after"))


# -- what WMProxy calls --------------------------------------------------------------------------------------


def enqueue(
    connection: Connection,
    parent: CompoundSubmission,
    nodes: Iterable[NodeSubmission],
    *,
    expiry_period: float,
) -> None:
    """Queue a compound job with all its nodes inside the caller's transaction.

    :param nodes: in node order; taken as they come, so they need not all be in memory.
    :param expiry_period: seconds that a node may wait for a match, from its release on.
    :raises BadCompound: when there is no node, or what they say of one another is not a DAG.
    """
    compound = str(parent.job)
    parents: list[tuple[int, ...]] = []
    for chunk in _chunks(nodes):
        rows = []
        for node in chunk:
            if node.index != len(parents):
                raise BadCompound(compound, f"node {node.name} has place {node.index}, expected is {len(parents)}")
            parents.append(tuple(dict.fromkeys(node.parents)))
            rows.append(_node_row(compound, node, len(parents[-1])))
        connection.execute(_NODE, rows)
    _check_order(compound, parents)
    edges = [
        {"compound": compound, "parent": above, "child": place}
        for place, all_above in enumerate(parents)
        for above in all_above
    ]
    if edges:
        connection.execute(_EDGE, edges)
    connection.execute(COMPOUNDS.insert(), _compound_row(parent, len(parents), expiry_period))


def request_cancel(connection: Connection, job: JobId) -> bool:
    """Ask for the cancellation of a compound job; False when it has ended, was asked before, or is none.

    The broker passes the wish on to the nodes, since it alone moves them.
    """
    done = connection.execute(
        COMPOUNDS.update()
        .where(
            COMPOUNDS.c.job_id == str(job),
            COMPOUNDS.c.phase != Phase.ENDED.value,
            COMPOUNDS.c.cancelling == sa.false(),
        )
        .values(cancelling=True, next_try=time.time())
    )
    return done.rowcount == 1


def progress(connection: Connection, job: JobId) -> Progress | None:
    """Where a compound job stands, or None when it is unknown or none."""
    columns = COMPOUNDS.c
    row = connection.execute(
        sa.select(columns.phase, columns.end, columns.cancelling, sa.null().label("exit_code"), columns.reason).where(
            columns.job_id == str(job)
        )
    ).mappings()
    first = row.first()
    return progress_of(first) if first else None


def nodes_progress(connection: Connection, job: JobId) -> list[tuple[JobId, Progress]]:
    """Where the nodes stand that are not purged, in node order."""
    columns = REQUESTS.c
    rows = connection.execute(
        sa.select(columns.job_id, columns.phase, columns.end, columns.cancelling, columns.exit_code, columns.reason)
        .where(columns.compound == str(job))
        .order_by(columns.node_index)
    ).mappings()
    return [(JobId.parse(row["job_id"]), progress_of(row)) for row in rows]


def node_states(connection: Connection, job: JobId) -> list[tuple[str, int]]:
    """How many nodes, of those that are not purged, are in each phase; of those that have ended, how they ended."""
    state = sa.func.coalesce(REQUESTS.c.end, REQUESTS.c.phase)
    rows = connection.execute(
        sa.select(state, sa.func.count()).where(REQUESTS.c.compound == str(job)).group_by(state).order_by(state)
    )
    return [(str(row[0]), int(row[1])) for row in rows]


def waiting(connection: Connection, job: JobId, most: int) -> list[tuple[str, str]]:
    """Identifiers of nodes that wait for a match, with the reasons, in node order."""
    rows = connection.execute(
        sa.select(REQUESTS.c.job_id, REQUESTS.c.reason)
        .where(
            REQUESTS.c.compound == str(job),
            REQUESTS.c.phase == Phase.WAITING.value,
            REQUESTS.c.reason.is_not(None),
        )
        .order_by(REQUESTS.c.node_index)
        .limit(most)
    )
    return [(str(row[0]), str(row[1])) for row in rows]


def forget(connection: Connection, job: JobId) -> None:
    """Drop a compound job that has ended, with its nodes."""
    done = connection.execute(
        COMPOUNDS.delete().where(COMPOUNDS.c.job_id == str(job), COMPOUNDS.c.phase == Phase.ENDED.value)
    )
    if done.rowcount:
        connection.execute(EDGES.delete().where(EDGES.c.compound == str(job)))
        connection.execute(REQUESTS.delete().where(REQUESTS.c.compound == str(job)))


# -- what the broker calls -----------------------------------------------------------------------------------


def get(connection: Connection, job: JobId) -> Compound | None:
    """The whole row of a compound job."""
    row = connection.execute(_GET, {"wanted": str(job)}).mappings().first()
    return _compound_of(row) if row else None


def due(connection: Connection, now: float, limit: int) -> list[JobId]:
    """Compound jobs of which something is to be done, those that wait longest first."""
    return [JobId.parse(row[0]) for row in connection.execute(_DUE, {"now": now, "most": limit})]


def next_due(connection: Connection, after: float) -> float | None:
    """When the next one later than ``after`` is due, seconds since the epoch."""
    value = connection.execute(_NEXT_DUE, {"after": after}).scalar()
    return None if value is None else float(value)


def change(connection: Connection, job: JobId, **values: Any) -> None:
    """Set columns of the row of ``job``."""
    for name in ("phase", "end"):
        if values.get(name) is not None:
            values[name] = values[name].value
    connection.execute(COMPOUNDS.update().where(COMPOUNDS.c.job_id == str(job)).values(**values))


def release(connection: Connection, compound: Compound, most: int, now: float) -> int:
    """Hand at most ``most`` nodes whose parents have all succeeded to the queue; returns how many there were."""
    done = connection.execute(
        _RELEASE, {"of": str(compound.job), "most": most, "now": now, "until": now + compound.wait}
    )
    if done.rowcount:
        change(connection, compound.job, released=COMPOUNDS.c.released + done.rowcount)
    return done.rowcount


def cancel_released(connection: Connection, job: JobId, now: float) -> int:
    """Pass the wish to cancel on to the nodes that were released and have not ended; returns how many heard it."""
    return connection.execute(_CANCEL_RELEASED, {"of": str(job), "now": now}).rowcount


def held(connection: Connection, job: JobId, limit: int, *, doomed: bool) -> list[Request]:
    """Nodes that were not released: all, or those that can never start (their reason says why)."""
    statement = _DOOMED_HELD if doomed else _ALL_HELD
    rows = connection.execute(statement, {"of": str(job), "most": limit}).mappings()
    return [request_of(row) for row in rows]


def end_held(connection: Connection, nodes: Sequence[tuple[Request, str]], end: End, reasons: Sequence[str]) -> None:
    """Record the ends of nodes that were never released.

    :param nodes: with the sequence code after the events that tell of it.
    """
    rows = [
        {"wanted": str(node.job), "how": end.value, "why": why, "code": code}
        for (node, code), why in zip(nodes, reasons, strict=True)
    ]
    if rows:
        connection.execute(_END_HELD, rows)


def count(
    connection: Connection, job: JobId, fates: Mapping[Fate, int], *, released: int, culprit: str | None
) -> Compound | None:
    """Add ended nodes to the counts, ``released`` of which had been released; the row afterwards.

    None when the compound job is not there any more.
    """
    columns = COMPOUNDS.c
    changes: dict[str, Any] = {fate.value: columns[fate.value] + number for fate, number in fates.items() if number}
    if released:
        changes["released"] = columns.released - released
    if culprit:
        changes["culprit"] = sa.func.coalesce(columns.culprit, culprit)
    change(connection, job, next_try=time.time(), **changes)
    return get(connection, job)


def met(connection: Connection, job: JobId, place: int) -> None:
    """The node at ``place`` has succeeded: its children wait for one less."""
    connection.execute(_MET, {"of": str(job), "place": place})


def doom(connection: Connection, job: JobId, places: Mapping[int, str]) -> None:
    """The nodes at ``places`` have not succeeded, so their children can never start.

    :param places: with the reason that the children end for.
    """
    if places:
        connection.execute(_DOOM, [{"of": str(job), "place": place, "why": why} for place, why in places.items()])


# -- rows ----------------------------------------------------------------------------------------------------


def _chunks(nodes: Iterable[NodeSubmission]) -> Iterator[list[NodeSubmission]]:
    chunk: list[NodeSubmission] = []
    for node in nodes:
        chunk.append(node)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _node_row(compound: str, node: NodeSubmission, unmet: int) -> dict[str, Any]:
    return row_of(node.submission) | {
        "phase": Phase.HELD.value,
        "next_try": None,
        "expiry": node.submission.expiry,
        "compound": compound,
        "node_index": node.index,
        "node_name": node.name,
        "unmet": unmet,
    }


def _compound_row(parent: CompoundSubmission, nodes: int, wait: float) -> dict[str, Any]:
    return {
        "job_id": str(parent.job),
        "owner": parent.owner,
        "kind": Kind(parent.kind).value,
        "phase": Phase.QUEUED.value,
        "cancelling": False,
        "sequence_code": parent.sequence_code,
        "next_try": time.time(),
        "stumbles": 0,
        "wait": wait,
        "nodes": nodes,
        "released": 0,
        "succeeded": 0,
        "failed": 0,
        "aborted": 0,
        "cancelled": 0,
    }


def _compound_of(row: RowMapping) -> Compound:
    values: dict[str, Any] = {name: row[name] for name in row if name != "job_id"}
    values["job"] = JobId.parse(row["job_id"])
    values["kind"] = Kind(row["kind"])
    values["phase"] = Phase(row["phase"])
    values["end"] = End(row["end"]) if row["end"] else None
    return Compound(**values)


def _check_order(compound: str, parents: Sequence[Sequence[int]]) -> None:
    """Make sure that the nodes can all run: a cycle would keep its nodes, and the job, for ever."""
    if not parents:
        raise BadCompound(compound, "it has no nodes")
    children: list[list[int]] = [[] for _ in parents]
    unmet = [len(above) for above in parents]
    for place, all_above in enumerate(parents):
        for above in all_above:
            if not 0 <= above < len(parents):
                raise BadCompound(compound, f"the node at place {place} waits for place {above}, where there is none")
            children[above].append(place)
    free = [place for place, number in enumerate(unmet) if number == 0]
    for place in free:
        for child in children[place]:
            unmet[child] -= 1
            if unmet[child] == 0:
                free.append(child)
    if len(free) < len(parents):
        raise BadCompound(compound, f"{len(parents) - len(free)} nodes wait for one another in a circle")
