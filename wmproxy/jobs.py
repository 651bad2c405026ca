"""WMProxy's own durable record of jobs: who owns what, and at which moment of its life it is.

A compound job has a row for itself and one for each of its nodes, which have names, places from 0 in node order, and
the identifiers that follow from the parent's (:meth:`grid.jobid.JobId.child`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from grid.jobid import JobId

SCHEMA_VERSION = 2
metadata = sa.MetaData(info={"room": "wmproxy"})

SEED = "WMPROXY"
"""What the identifiers of nodes are made with, beside the parent's (gLite WMS)."""

_JOBS = sa.Table(
    "wmproxy_jobs",
    metadata,
    sa.Column("job_id", sa.String(1024), primary_key=True),
    sa.Column("parent", sa.String(1024)),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("vo", sa.Text, nullable=False),
    sa.Column("fqans", sa.Text, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("sequence_code", sa.String(160), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Index("wmproxy_jobs_nodes", "parent", "position"),
)
# Only what waits for its start stands in it, so a job that is submitted at once costs it nothing.
sa.Index(
    "wmproxy_jobs_waiting",
    _JOBS.c.owner,
    _JOBS.c.created,
    sqlite_where=_JOBS.c.phase == "registered",
    postgresql_where=_JOBS.c.phase == "registered",
)

_REGISTERED: sa.ColumnElement[str] = sa.literal_column("'registered'")
"""As it stands in the index, so that a planner sees that the index may be used."""

# Made once: making a statement costs several times what running it does.
_INSERT = _JOBS.insert()
_GET = sa.select(_JOBS).where(_JOBS.c.job_id == sa.bindparam("wanted"))
_NODES = sa.select(_JOBS).where(_JOBS.c.parent == sa.bindparam("wanted")).order_by(_JOBS.c.position)
_NODES_IN = sa.select(_JOBS.c.job_id).where(
    _JOBS.c.parent == sa.bindparam("wanted"), _JOBS.c.phase == sa.bindparam("phase")
)
_THESE_NODES = _JOBS.update().where(
    _JOBS.c.parent == sa.bindparam("wanted"), _JOBS.c.phase.in_(sa.bindparam("expected", expanding=True))
)
_MOVE_NODES = _THESE_NODES.values(phase=sa.bindparam("to"))
_SET_CODE = (
    _JOBS.update().where(_JOBS.c.job_id == sa.bindparam("wanted")).values(sequence_code=sa.bindparam("code"))
)


class Phase(StrEnum):
    """REGISTERED: the input sandbox is open.  STARTED: handed to the broker.  CANCELLED: ended before its start.
    PURGED: the sandbox is, or is being, removed."""

    REGISTERED = "registered"
    STARTED = "started"
    CANCELLED = "cancelled"
    PURGED = "purged"


class Kind(StrEnum):
    """What was registered.  Nodes are jobs; a parametric job is a collection."""

    JOB = "job"
    COLLECTION = "collection"
    DAG = "dag"


@dataclass(frozen=True)
class Job:
    """One job: simple, compound, or a node.

    :ivar owner: DN of the user, from the verified chain.
    :ivar fqans: the attributes at registration; they do not change later.
    :ivar sequence_code: the code with which the next event of this service is logged; empty for a node of which none
        was logged yet.
    :ivar parent: the compound job of which this is a node.
    :ivar name: of a node; empty for others.
    :ivar index: a node's place, from 0 in node order.
    """

    job: JobId
    owner: str
    vo: str
    fqans: tuple[str, ...]
    phase: Phase
    sequence_code: str
    parent: JobId | None = None
    name: str = ""
    index: int = 0
    kind: Kind = Kind.JOB

    @property
    def compound(self) -> bool:
        """Whether it has nodes."""
        return self.kind is not Kind.JOB

    @property
    def sandbox_owner(self) -> JobId:
        """The job whose directory holds what its nodes share: the proxy and the start lock."""
        return self.parent or self.job

    def node(self, name: str, index: int) -> Job:
        """The record of one of its nodes, as it is registered."""
        return replace(
            self,
            job=self.job.child(SEED, index),
            parent=self.job,
            name=name,
            index=index,
            kind=Kind.JOB,
            phase=Phase.REGISTERED,
            sequence_code="",
        )


def insert(connection: Connection, job: Job, nodes: Iterable[Job] = ()) -> None:
    """Record a new job with its nodes."""
    shared = {
        "owner": job.owner,
        "vo": job.vo,
        "fqans": json.dumps(list(job.fqans)),
        "created": time.time(),
    }
    connection.execute(_INSERT, [shared | _own_values(one) for one in (job, *nodes)])


def _own_values(job: Job) -> dict[str, Any]:
    return {
        "job_id": str(job.job),
        "parent": None if job.parent is None else str(job.parent),
        "position": job.index,
        "name": job.name,
        "kind": job.kind.value,
        "phase": job.phase.value,
        "sequence_code": job.sequence_code,
    }


def get(connection: Connection, job: JobId) -> Job | None:
    """The record of a job, purged ones included."""
    row = connection.execute(_GET, {"wanted": str(job)}).mappings().first()
    if row is None:
        return None
    parent = None if row["parent"] is None else JobId.parse(row["parent"])
    return _job(row, job, parent, tuple(json.loads(row["fqans"])))


def nodes(connection: Connection, parent: Job) -> list[Job]:
    """The records of a compound job's nodes in their order, purged ones included."""
    rows = connection.execute(_NODES, {"wanted": str(parent.job)}).mappings()
    return [_job(row, JobId.parse(row["job_id"]), parent.job, parent.fqans) for row in rows]


def nodes_in(connection: Connection, parent: JobId, phase: Phase) -> list[JobId]:
    """The nodes of a compound job that are in a phase."""
    rows = connection.execute(_NODES_IN, {"wanted": str(parent), "phase": phase.value})
    return [JobId.parse(row[0]) for row in rows]


def _job(row: RowMapping, job: JobId, parent: JobId | None, fqans: tuple[str, ...]) -> Job:
    return Job(
        job,
        row["owner"],
        row["vo"],
        fqans,
        Phase(row["phase"]),
        row["sequence_code"],
        parent,
        row["name"],
        row["position"],
        Kind(row["kind"]),
    )


def move(connection: Connection, job: JobId, expected: Iterable[Phase], to: Phase, sequence_code: str) -> bool:
    """Move a job on if it is in one of the ``expected`` phases; tell whether it was."""
    done = connection.execute(
        _JOBS.update()
        .where(_JOBS.c.job_id == str(job), _JOBS.c.phase.in_([phase.value for phase in expected]))
        .values(phase=to.value, sequence_code=sequence_code)
    )
    return done.rowcount == 1


def move_nodes(
    connection: Connection, parent: JobId, expected: Sequence[Phase], to: Phase, codes: Mapping[JobId, str]
) -> int:
    """Move those nodes of a compound job on that are in one of the ``expected`` phases; returns how many they were.

    :param codes: the new sequence codes of all nodes of which events are logged.
    """
    phases = [phase.value for phase in expected]
    done = connection.execute(_MOVE_NODES, {"wanted": str(parent), "expected": phases, "to": to.value})
    if codes:
        connection.execute(_SET_CODE, [{"wanted": str(node), "code": code} for node, code in codes.items()])
    return done.rowcount


def set_sequence_code(connection: Connection, job: JobId, sequence_code: str) -> None:
    """Remember the code after an event that moves nothing."""
    connection.execute(_SET_CODE, {"wanted": str(job), "code": sequence_code})


def in_phase(connection: Connection, phase: Phase) -> set[str]:
    """The identifiers of all jobs in a phase."""
    return {row[0] for row in connection.execute(sa.select(_JOBS.c.job_id).where(_JOBS.c.phase == phase.value))}


def owners(connection: Connection) -> dict[str, str]:
    """Identifier and owner of every job that has not been purged."""
    wanted = sa.select(_JOBS.c.job_id, _JOBS.c.owner).where(_JOBS.c.phase != Phase.PURGED.value)
    return {row[0]: row[1] for row in connection.execute(wanted)}


def waiting(connection: Connection, owner: str, most: int) -> int:
    """How many jobs of ``owner`` are registered and not started, nodes included; counting stops at ``most``."""
    some = sa.select(_JOBS.c.job_id).where(_JOBS.c.phase == _REGISTERED, _JOBS.c.owner == owner).limit(most)
    return connection.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()


def waiting_since(connection: Connection, moment: float, most: int) -> list[JobId]:
    """Jobs, but no nodes, that were registered before ``moment`` (seconds since the epoch) and not started."""
    old = sa.and_(_JOBS.c.phase == _REGISTERED, _JOBS.c.created < moment, _JOBS.c.parent.is_(None))
    some = sa.select(_JOBS.c.job_id).where(old).limit(most)
    return [JobId.parse(row[0]) for row in connection.execute(some)]
