"""What the queue holds: requests and their phases, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

from sqlalchemy.engine import RowMapping

from grid.jobid import JobId


class Phase(StrEnum):
    """Where a request stands.

    HELD: a node of a compound job that waits for its parents or its turn.  QUEUED: not looked at yet.  WAITING: no
    match, or to be sent again.  CHOSEN: a CE is picked, nothing sent that could run.  REGISTERED: the CE knows the
    job, its start may be on the way.  RUNNING: the CE has it.  ENDED: exactly one end is recorded.

    A compound job is QUEUED until its nodes are first looked at, then RUNNING, then ENDED.
    """

    HELD = "held"
    QUEUED = "queued"
    WAITING = "waiting"
    CHOSEN = "chosen"
    REGISTERED = "registered"
    RUNNING = "running"
    ENDED = "ended"


class End(StrEnum):
    """The one end of a job."""

    DONE = "done"
    ABORTED = "aborted"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Submission:
    """What WMProxy hands over.

    :ivar ad: the final JDL, one ClassAd text.
    :ivar proxy: path of the job's delegated proxy.
    :ivar expiry: absolute end of waiting, seconds since the epoch, or None for the node's ExpiryPeriod.
    """

    job: JobId
    owner: str
    fqans: tuple[str, ...]
    ad: str
    proxy: str
    sequence_code: str
    retry_count: int = 0
    expiry: float | None = None


@dataclass(frozen=True)
class Request:
    """One row of the queue.

    :ivar next_try: when the broker's next step is due; None while nothing is to be done here.
    :ivar expiry: the end of waiting for a match; infinite while the node is held.
    :ivar told: how many reasons of this wait bookkeeping was told of, the last one at ``told_at``.
    :ivar compound: the compound job that this is a node of, with its place and name there.
    :ivar matched: of the last match, as JSON: ``at`` (seconds since the epoch), ``rank``, the number of ``candidates``
        and the next best of them (``others``).
    :ivar sent_at: when the present element was chosen, seconds since the epoch; the job wants so many ``slots`` there.
    :ivar unmet: how many parents have not ended well yet.
    """

    job: JobId
    owner: str
    fqans: tuple[str, ...]
    ad: str
    proxy: str
    phase: Phase
    attempt: int
    failures: int
    infrastructure: int
    stumbles: int
    retry_count: int
    next_try: float | None
    expiry: float
    cancelling: bool
    sequence_code: str
    tried_hosts: tuple[str, ...]
    ce_id: str | None
    ce_endpoint: str | None
    ce_job: str | None
    end: End | None
    exit_code: int | None
    reason: str | None
    told: int = 0
    told_at: float | None = None
    matched: str | None = None
    sent_at: float | None = None
    slots: int | None = None
    compound: JobId | None = None
    node_index: int | None = None
    node_name: str | None = None
    unmet: int | None = None


@dataclass(frozen=True)
class Progress:
    """What WMProxy may know of a request."""

    phase: Phase
    end: End | None
    cancelling: bool
    exit_code: int | None
    reason: str | None


def request_of(row: RowMapping) -> Request:
    """Read a whole row."""
    values: dict[str, Any] = {name: row[name] for name in row if name not in ("job_id", "purge_ce")}
    values["job"] = JobId.parse(row["job_id"])
    values["fqans"] = tuple(json.loads(row["fqans"]))
    values["tried_hosts"] = tuple(json.loads(row["tried_hosts"]))
    values["phase"] = Phase(row["phase"])
    values["end"] = End(row["end"]) if row["end"] else None
    values["expiry"] = inf if row["expiry"] is None else row["expiry"]
    values["compound"] = JobId.parse(row["compound"]) if row["compound"] else None
    return Request(**values)


def row_of(submission: Submission) -> dict[str, Any]:
    """The columns of a request that has just come; when it is due, and until when it waits, the queue adds."""
    return {
        "job_id": str(submission.job),
        "owner": submission.owner,
        "fqans": json.dumps(list(submission.fqans)),
        "ad": submission.ad,
        "proxy": submission.proxy,
        "attempt": 0,
        "failures": 0,
        "infrastructure": 0,
        "stumbles": 0,
        "retry_count": max(0, submission.retry_count),
        "cancelling": False,
        "sequence_code": submission.sequence_code,
        "tried_hosts": "[]",
        "told": 0,
        "purge_ce": False,
    }


def progress_of(row: RowMapping) -> Progress:
    """Read phase, end, cancelling, exit_code and reason of a row."""
    end = End(row["end"]) if row["end"] else None
    return Progress(Phase(row["phase"]), end, row["cancelling"], row["exit_code"], row["reason"])
