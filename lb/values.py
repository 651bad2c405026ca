"""Statuses and events as values of the web service's types (:mod:`lb.port`): dicts with the WSDL's names."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any, Final

from grid.clock import from_ulm_date
from grid.states import JobState, Source
from lb.database import JobRecord
from lb.events import Event, Field
from lb.status import JobStatus

_SOURCE_NAMES: Final = {Source.JobController: "JobSubmission", Source.PBSMomSuperior: "PBSsMom"}
"""Two sources have other names in the WSDL than in events."""

_JOB_TYPES: Final = {"PARTITIONABLE": "_PARTITIONABLE_UNUSED", "PARTITIONED": "_PARTITIONED_UNUSED"}

_UNUSED: Final = {
    "subjobFailed": False,
    "expectUpdate": False,
    "pbsSubstate": 0,
    "pbsPid": 0,
    "pbsExitStatus": 0,
    "condorShadowPid": 0,
    "condorShadowExitStatus": 0,
    "condorStarterPid": 0,
    "condorStarterExitStatus": 0,
    "condorJobPid": 0,
    "condorJobExitStatus": 0,
    "creamCpuTime": -1,
    "vmSystemHalting": False,
}
"""Members that the WSDL requires of every job, whatever its kind, with L&B's values for *not set*."""

_TAG = re.compile(r'\s*([^=,\s]+)\s*=\s*(?:"([^"]*)"|([^,]*))\s*(?:,|$)')


def state_name(state: JobState) -> str:
    """A state in the WSDL's spelling, which has none for Undef."""
    return JobState.Unknown.wire if state is JobState.Undef else state.wire


def job_status(
    record: JobRecord,
    *,
    classads: bool = False,
    children: bool = False,
    histogram: Sequence[tuple[JobState, int]] = (),
    nodes: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """A job as a ``jobStatus`` structure.

    :param classads: with the description in ``jdlClassad`` too.
    :param children: with the identifiers of the nodes.
    :param nodes: the nodes' own structures.
    """
    status = record.status
    values: dict[str, Any] = dict(_UNUSED) | _plain_members(status)
    values |= {
        "state": state_name(status.state),
        "jobId": str(status.job_id),
        "jobtype": _JOB_TYPES.get(status.jobtype, status.jobtype),
        "children": list(record.children) if children else [],
        "childrenHist": [{"state": state_name(state), "count": count} for state, count in histogram],
        "childrenStates": list(nodes),
        "doneCode": status.done_code.value if status.done_code else None,
        "userTags": [{"tag": name, "value": value} for name, value in status.user_tags],
        "stateEnterTime": timeval(status.state_enter_time),
        "lastUpdateTime": timeval(status.last_update_time),
        "stateEnterTimes": [{"state": state_name(s), "time": when} for s, when in status.state_enter_times],
        "possibleDestinations": list(status.possible_destinations),
        "possibleCeNodes": list(status.possible_ce_nodes),
        "userFqans": list(status.user_fqans),
        "jdlClassad": status.jdl if classads else None,
        "creamState": f"CREAM_{status.cream_state}" if status.cream_state else None,
    }
    return values


def _plain_members(status: JobStatus) -> dict[str, Any]:
    """The members whose value is the attribute as it is."""
    return {
        "owner": status.owner,
        "parentJob": status.parent_job,
        "seed": status.seed,
        "childrenNum": status.children_num,
        "condorId": status.condor_id,
        "globusId": status.globus_id,
        "localId": status.local_id,
        "jdl": status.jdl,
        "matchedJdl": status.matched_jdl,
        "destination": status.destination,
        "condorJdl": status.condor_jdl,
        "rsl": status.rsl,
        "reason": status.reason,
        "location": status.location,
        "ceNode": status.ce_node,
        "networkServer": status.network_server,
        "exitCode": status.exit_code,
        "resubmitted": status.resubmitted,
        "cancelling": status.cancelling,
        "cancelReason": status.cancel_reason,
        "acl": status.acl,
        "payloadRunning": status.payload_running,
        "suspended": status.suspended,
        "suspendReason": status.suspend_reason,
        "failureReasons": status.failure_reasons,
        "removeFromProxy": status.remove_from_proxy,
        "uiHost": status.ui_host,
        "sandboxRetrieved": status.sandbox_retrieved,
        "jwStatus": status.jw_status,
        "isbTransfer": status.isb_transfer,
        "osbTransfer": status.osb_transfer,
        "payloadOwner": status.payload_owner,
        "creamId": status.cream_id,
        "creamReason": status.cream_reason,
        "creamFailureReason": status.cream_failure_reason,
        "creamLrmsId": status.cream_lrms_id,
        "creamNode": status.cream_node,
        "creamDoneCode": status.cream_done_code,
        "creamExitCode": status.cream_exit_code,
        "creamCancelling": status.cream_cancelling,
    }


def event_choice(event: Event) -> dict[str, dict[str, Any]]:
    """An event as the WSDL's choice: one key, the type's name, over the type's structure."""
    values: dict[str, Any] = {
        "timestamp": timeval(event.timestamp),
        "arrived": timeval(event.arrived),
        "host": event.host,
        "level": event.level,
        "priority": event.priority,
        "jobId": str(event.jobid),
        "seqcode": event.seqcode,
        "user": event.user,
        "source": source_name(event.source),
        "srcInstance": event.src_instance,
    }
    for own in event.definition.fields:
        if own.name in event.fields:
            values[own.wire] = _value(own, event.fields[own.name])
    return {event.type: values}


def source_name(source: Source) -> str:
    """A source in the WSDL's spelling."""
    return _SOURCE_NAMES.get(source, source.value)


def timeval(moment: datetime.datetime | None) -> dict[str, int] | None:
    """A moment as whole seconds and microseconds since 1970."""
    if moment is None:
        return None
    whole = moment.replace(microsecond=0)
    return {"tvSec": int(whole.timestamp()), "tvUsec": moment.microsecond}


def from_timeval(value: dict[str, int]) -> datetime.datetime:
    """Invert :func:`timeval`.

    :raises ValueError, OverflowError: when the number names no moment.
    """
    begin = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return begin + datetime.timedelta(seconds=int(value["tvSec"]), microseconds=int(value["tvUsec"]))


def _value(own: Field, text: str) -> object:
    if own.kind == "int":
        return int(text)
    if own.kind == "float":
        return float(text)
    if own.kind == "source":
        return source_name(Source(text))
    if own.kind == "time":
        return timeval(from_ulm_date(text))
    if own.kind == "tags":
        return [{"tag": m[1], "value": m[2] if m[2] is not None else m[3].strip()} for m in _TAG.finditer(text)]
    return text
