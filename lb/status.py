"""The status of a job: what the state machine makes of its events, with L&B's attributes."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, TypeVar

from grid.errors import InternalFailure
from grid.jobid import JobId
from grid.states import DoneCode, JobState

STATUS_VERSION: Final = 1
"""Raise it when the meaning of a kept status changes: kept ones are then made anew from the events."""

Pairs = tuple[tuple[str, str], ...]
Mark = tuple[str, str]
"""A place in a job's causal order: sequence code, then the time as an ISO text."""


@dataclass(frozen=True, slots=True)
class Branch:
    """What one submission to a computing element said about itself, by its WM counter."""

    wm: int
    destination: str | None = None
    ce_node: str | None = None
    matched_jdl: str | None = None


class Record:
    """Base of what is copied with every event.  Without slots, so that :func:`changed` is a copy of one dictionary."""


R = TypeVar("R", bound=Record)


def changed(record: R, **changes: Any) -> R:
    """As :func:`dataclasses.replace`, at a tenth of the cost: a status has more than fifty attributes.

    :raises TypeError: for an attribute that the record does not have.
    """
    values = record.__dict__
    if not changes.keys() <= values.keys():
        raise TypeError(f"a {type(record).__name__} has no {', '.join(sorted(changes.keys() - values.keys()))}")
    made = object.__new__(type(record))
    made.__dict__.update(values)
    made.__dict__.update(changes)
    return made


@dataclass(frozen=True)
class Marks(Record):
    """What the machine remembers besides the visible attributes.

    :ivar registered: a RegJob was seen, or the parent's RegJob created the job.
    :ivar top: the greatest place seen so far; an event beyond it needs no recomputation.
    :ivar last: place of the last event that moved the job.
    :ivar last_cancel: place of the last Cancel event.
    :ivar branch_tag: code whose WM counter names the branch that started the payload.
    :ivar branch_last: place of the last event of that branch.
    :ivar deep: code of the last deep resubmission.
    :ivar tags: place of the event that set each user tag.
    """

    registered: bool = False
    top: Mark | None = None
    last: Mark | None = None
    last_cancel: Mark | None = None
    branch_tag: str | None = None
    branch_last: Mark | None = None
    deep: str | None = None
    branches: tuple[Branch, ...] = ()
    tags: tuple[tuple[str, Mark], ...] = ()
    granted_to: str | None = None
    taken_by: str | None = None


@dataclass(frozen=True)
class JobStatus(Record):
    """A job's status.  Attribute names are L&B's with underscores; None or an empty value means *not set*."""

    job_id: JobId
    state: JobState = JobState.Undef
    owner: str | None = None
    jobtype: str = "SIMPLE"
    parent_job: str | None = None
    seed: str | None = None
    children_num: int = 0
    children_hist: tuple[tuple[JobState, int], ...] = ()
    condor_id: str | None = None
    globus_id: str | None = None
    local_id: str | None = None
    jdl: str | None = None
    matched_jdl: str | None = None
    destination: str | None = None
    condor_jdl: str | None = None
    rsl: str | None = None
    reason: str | None = None
    location: str | None = None
    ce_node: str | None = None
    network_server: str | None = None
    subjob_failed: bool = False
    done_code: DoneCode | None = None
    exit_code: int = 0
    resubmitted: bool = False
    cancelling: bool = False
    cancel_reason: str | None = None
    user_tags: Pairs = ()
    state_enter_time: datetime.datetime | None = None
    last_update_time: datetime.datetime | None = None
    state_enter_times: tuple[tuple[JobState, datetime.datetime], ...] = ()
    acl: str | None = None
    payload_running: bool = False
    possible_destinations: tuple[str, ...] = ()
    possible_ce_nodes: tuple[str, ...] = ()
    suspended: bool = False
    suspend_reason: str | None = None
    failure_reasons: str | None = None
    remove_from_proxy: bool = False
    ui_host: str | None = None
    user_fqans: tuple[str, ...] = ()
    sandbox_retrieved: str = "NOTYET"
    jw_status: str = "UNKNOWN"
    isb_transfer: str | None = None
    osb_transfer: str | None = None
    payload_owner: str | None = None
    cream_state: str | None = None
    cream_id: str | None = None
    cream_reason: str | None = None
    cream_failure_reason: str | None = None
    cream_lrms_id: str | None = None
    cream_node: str | None = None
    cream_done_code: int | None = None
    cream_exit_code: int | None = None
    cream_cancelling: bool = False
    marks: Marks = field(default_factory=Marks)

    def entered(self, state: JobState) -> datetime.datetime | None:
        """When the job last entered ``state``, or None if it never did."""
        return dict(self.state_enter_times).get(state)

    @property
    def compound(self) -> bool:
        """True for a parent of nodes."""
        return self.jobtype in ("DAG", "COLLECTION", "FILE_TRANSFER_COLLECTION")


def to_json(status: JobStatus) -> str:
    """Write a status for keeping; attributes with their default value are left out."""
    return _WRITER.encode(status)


def from_json(text: str) -> JobStatus:
    """Invert :func:`to_json`.

    :raises InternalFailure: when the text was not written by it.
    """
    try:
        values: dict[str, Any] = json.loads(text)
        values["marks"] = _marks(values.get("marks", {}))
        values["job_id"] = JobId.parse(values["job_id"])
        values["state"] = JobState(values.get("state", JobState.Undef))
        if values.get("done_code"):
            values["done_code"] = DoneCode(values["done_code"])
        for name in ("state_enter_time", "last_update_time"):
            if values.get(name):
                values[name] = datetime.datetime.fromisoformat(values[name])
        values["state_enter_times"] = tuple(
            (JobState(s), datetime.datetime.fromisoformat(t)) for s, t in values.get("state_enter_times", ())
        )
        values["children_hist"] = tuple((JobState(s), int(n)) for s, n in values.get("children_hist", ()))
        values["user_tags"] = tuple((str(n), str(v)) for n, v in values.get("user_tags", ()))
        for name in ("possible_destinations", "possible_ce_nodes", "user_fqans"):
            values[name] = tuple(values.get(name, ()))
        return JobStatus(**values)
    except (ValueError, TypeError, KeyError) as error:
        raise InternalFailure("a kept job status cannot be read; it will be made anew from the events") from error


_DEFAULTS: Final[dict[Any, tuple[tuple[str, object], ...]]] = {
    kind: tuple((own.name, own.default) for own in fields(kind)) for kind in (JobStatus, Marks, Branch)
}
"""Names and defaults of the attributes, looked up once: every event writes a status."""


def _plain(value: object) -> Any:
    """What JSON does not know."""
    if isinstance(value, JobStatus | Marks | Branch):
        kept: dict[str, Any] = {}
        for name, default in _DEFAULTS[type(value)]:
            item = getattr(value, name)
            if item != default and item != ():
                kept[name] = item
        return kept
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, JobId):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is not kept in a status")


_WRITER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_plain)
"""Goes through texts and tuples by itself, which may be thousands (tags)."""


def _marks(values: Mapping[str, Any]) -> Marks:
    kept: dict[str, Any] = dict(values)
    for name in ("top", "last", "last_cancel", "branch_last"):
        if kept.get(name):
            kept[name] = _mark(kept[name])
    kept["branches"] = tuple(Branch(**branch) for branch in kept.get("branches", ()))
    kept["tags"] = tuple((str(name), _mark(mark)) for name, mark in kept.get("tags", ()))
    return Marks(**kept)


def _mark(value: list[str]) -> Mark:
    code, moment = value
    return str(code), str(moment)
