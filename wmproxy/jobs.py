"""WMProxy's own durable record of jobs: who owns what, and at which moment of its life it is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from grid.jobid import JobId

SCHEMA_VERSION = 2
metadata = sa.MetaData(info={"room": "wmproxy"})

_JOBS = sa.Table(
    "wmproxy_jobs",
    metadata,
    sa.Column("job_id", sa.String(1024), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("vo", sa.Text, nullable=False),
    sa.Column("fqans", sa.Text, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("sequence_code", sa.String(160), nullable=False),
    sa.Column("created", sa.Float, nullable=False),
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


class Phase(StrEnum):
    """REGISTERED: the input sandbox is open.  STARTED: handed to the broker.  CANCELLED: ended before its start.
    PURGED: the sandbox is, or is being, removed."""

    REGISTERED = "registered"
    STARTED = "started"
    CANCELLED = "cancelled"
    PURGED = "purged"


@dataclass(frozen=True)
class Job:
    """One job.

    :ivar owner: DN of the user, from the verified chain.
    :ivar fqans: the attributes at registration; they do not change later.
    :ivar sequence_code: the code with which the next event of this service is logged.
    """

    job: JobId
    owner: str
    vo: str
    fqans: tuple[str, ...]
    phase: Phase
    sequence_code: str


def insert(connection: Connection, job: Job) -> None:
    """Record a new job."""
    row = {
        "job_id": str(job.job),
        "owner": job.owner,
        "vo": job.vo,
        "fqans": json.dumps(list(job.fqans)),
        "phase": job.phase.value,
        "sequence_code": job.sequence_code,
        "created": time.time(),
    }
    connection.execute(_INSERT, row)


def get(connection: Connection, job: JobId) -> Job | None:
    """The record of a job, purged ones included."""
    row = connection.execute(_GET, {"wanted": str(job)}).mappings().first()
    if row is None:
        return None
    return Job(
        job, row["owner"], row["vo"], tuple(json.loads(row["fqans"])), Phase(row["phase"]), row["sequence_code"]
    )


def move(connection: Connection, job: JobId, expected: Iterable[Phase], to: Phase, sequence_code: str) -> bool:
    """Move a job on if it is in one of the ``expected`` phases; tell whether it was."""
    done = connection.execute(
        _JOBS.update()
        .where(_JOBS.c.job_id == str(job), _JOBS.c.phase.in_([phase.value for phase in expected]))
        .values(phase=to.value, sequence_code=sequence_code)
    )
    return done.rowcount == 1


def set_sequence_code(connection: Connection, job: JobId, sequence_code: str) -> None:
    """Remember the code after an event that moves nothing."""
    connection.execute(_JOBS.update().where(_JOBS.c.job_id == str(job)).values(sequence_code=sequence_code))


def in_phase(connection: Connection, phase: Phase) -> set[str]:
    """The identifiers of all jobs in a phase."""
    return {row[0] for row in connection.execute(sa.select(_JOBS.c.job_id).where(_JOBS.c.phase == phase.value))}


def owners(connection: Connection) -> dict[str, str]:
    """Identifier and owner of every job that has not been purged."""
    wanted = sa.select(_JOBS.c.job_id, _JOBS.c.owner).where(_JOBS.c.phase != Phase.PURGED.value)
    return {row[0]: row[1] for row in connection.execute(wanted)}


def waiting(connection: Connection, owner: str, most: int) -> int:
    """How many jobs of ``owner`` are registered and not started; counting stops at ``most``."""
    some = sa.select(_JOBS.c.job_id).where(_JOBS.c.phase == _REGISTERED, _JOBS.c.owner == owner).limit(most)
    return connection.execute(sa.select(sa.func.count()).select_from(some.subquery())).scalar_one()


def waiting_since(connection: Connection, moment: float, most: int) -> list[JobId]:
    """Jobs that were registered before ``moment`` (seconds since the epoch) and have not been started."""
    some = sa.select(_JOBS.c.job_id).where(_JOBS.c.phase == _REGISTERED, _JOBS.c.created < moment).limit(most)
    return [JobId.parse(row[0]) for row in connection.execute(some)]
