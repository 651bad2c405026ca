"""What each event does to a job (L&B's transition table for simple jobs, parents of nodes and CREAM).

Where this differs from the original's accidents: a KILLED Done is a failed one, ``resubmitted`` is set by a deep
resubmission too, and a worker-node's wrapper status is not put back by the same news from the CE's monitor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from grid.dn import normalise
from grid.seqcode import SequenceCode, SequenceCodeError
from grid.states import DoneCode, JobState, Source
from lb.creamtransitions import CREAM_HANDLERS
from lb.events import Event
from lb.ordering import Line
from lb.status import JobStatus, Mark, changed
from lb.step import Step

_WMS: Final = frozenset((Source.WorkloadManager, Source.BigHelper))
_SUCCESS: Final = "Job Terminated Successfully"


def _component(step: Step) -> str:
    event = step.event
    return f"{event.source.value}/{event.host}/{event.src_instance or ''}"


def _registered(step: Step) -> None:
    event = step.event
    step.accept()
    step.mark(registered=True)
    step.move(
        JobState.Submitted,
        owner=normalise(event.user),
        jdl=event.fields.get("jdl"),
        network_server=event.get("ns"),
        parent_job=event.fields.get("parent"),
        jobtype=event.get("jobtype"),
        children_num=event.number("nsubjobs") or 0,
        seed=event.fields.get("seed"),
        location=_component(step),
    )


def _transfer(step: Step) -> None:
    event, result = step.event, step.event.get("result")
    if result not in ("OK", "FAIL"):
        return step.ignore()
    reached = f"{event.get('destination')}/{event.get('dest_host')}/{event.get('dest_instance')}"
    job, reason = event.get("job"), event.fields.get("reason")
    if event.source is Source.UserInterface:
        if result == "OK":
            step.move(JobState.Waiting, location=reached)
            step.note(jdl=job)
        else:
            step.move(JobState.Submitted, reason=reason)
    elif event.source is Source.JobController:
        if step.lrms_ahead and result == "OK":
            step.late()
        if result == "OK":
            step.move(JobState.Ready, location=reached)
            step.note(condor_jdl=job)
        else:
            step.move(JobState.Ready, reason=reason)
    elif event.source is Source.LogMonitor:
        _transfer_to_lrms(step, reached)
    else:
        step.suspect()


def _transfer_to_lrms(step: Step, reached: str) -> None:
    event = step.event
    if step.lrms_ahead:
        if event.get("result") == "OK":
            step.stamp(JobState.Scheduled)
        step.late()
    if event.get("result") == "OK":
        step.move(JobState.Scheduled, location=reached)
        step.note(rsl=event.get("job"), globus_id=event.fields.get("dest_jobid"))
        step.lm_yields()
    else:
        step.move(JobState.Ready, reason=event.fields.get("reason"))


def _accepted(step: Step) -> None:
    event = step.event
    local = event.fields.get("local_jobid")
    if event.source is Source.NetworkServer:
        step.move(JobState.Waiting, location=_component(step))
        step.note(ui_host=event.get("from_host"))
    elif event.source is Source.LogMonitor:
        if step.lrms_ahead:
            step.late()
        step.move(JobState.Ready, location=_component(step))
        step.note(condor_id=local)
        step.lm_yields()
    elif event.source is Source.LRMS:
        if step.lrms_ahead:
            step.late()
        step.move(JobState.Scheduled, location=_component(step))
        step.note(globus_id=local)
    else:
        step.suspect()


def _refused(step: Step) -> None:
    states = {
        Source.NetworkServer: JobState.Submitted,
        Source.LogMonitor: JobState.Ready,
        Source.LRMS: JobState.Ready,
    }
    state = states.get(step.event.source)
    if state is None:
        return step.suspect()
    step.move(state, reason=step.event.fields.get("reason"))


def _enqueued(step: Step) -> None:
    event, result = step.event, step.event.get("result")
    if result not in ("OK", "FAIL"):
        return step.ignore()
    job = event.fields.get("job")
    queue = f"{event.get('queue')}/{event.host}/{event.src_instance or ''}"
    if event.source not in (Source.NetworkServer, Source.WorkloadManager, Source.LogMonitor):
        return step.suspect()
    if result == "FAIL":
        step.move(JobState.Waiting, reason=event.fields.get("reason"))
    elif event.source is Source.WorkloadManager:
        step.move(JobState.Ready, location=queue)
        step.note(matched_jdl=job)
        step.branch(matched_jdl=job)
    elif event.source is Source.LogMonitor:
        step.move(JobState.Waiting, location=queue, resubmitted=True)
    else:
        step.move(JobState.Waiting, location=queue)
        step.note(jdl=job)


def _dequeued(step: Step) -> None:
    if step.event.source is Source.WorkloadManager:
        step.move(JobState.Waiting, location=_component(step))
    elif step.event.source is Source.JobController:
        if step.lrms_ahead:
            step.late()
        step.move(JobState.Ready, location=_component(step))
    else:
        step.suspect()


def _helper(step: Step) -> None:
    if step.event.source not in _WMS:
        return step.suspect()
    step.move(JobState.Waiting, location=_component(step))


def _match(step: Step) -> None:
    if step.event.source not in _WMS:
        return step.suspect()
    chosen = step.event.get("dest_id")
    step.move(JobState.Waiting, location=_component(step))
    step.note(destination=chosen)
    step.branch(destination=chosen)
    if step.line is not Line.TOO_OLD and chosen not in step.before.possible_destinations:
        step.always(possible_destinations=(*step.before.possible_destinations, chosen))


def _pending(step: Step) -> None:
    if step.event.source not in _WMS:
        return step.suspect()
    step.move(JobState.Waiting, reason=step.event.get("reason"), location=_component(step))


def _running(step: Step) -> None:
    event, before = step.event, step.before
    node = event.get("node")
    step.move(JobState.Running, location=f"LRMS/worknode/{node}")
    if event.source is Source.LRMS or before.jw_status == "UNKNOWN":
        step.set(jw_status="WRAPPER_RUNNING")
    step.note(ce_node=node)
    step.branch(ce_node=node)
    if step.line is not Line.TOO_OLD and node not in before.possible_ce_nodes:
        step.always(possible_ce_nodes=(*before.possible_ce_nodes, node))


def _really_running(step: Step) -> None:
    event = step.event
    if step.line is not Line.GOOD or not step.usable:
        return
    if event.source is Source.LRMS:
        step.elect(step.here[0])
        step.move(JobState.Running, payload_running=True, jw_status="PAYLOAD_RUNNING")
    elif event.source is Source.LogMonitor:
        _reported_running(step)
    else:
        step.suspect()


def _reported_running(step: Step) -> None:
    """The monitor repeats what the worker node may not have been able to say; the worker's own word is better."""
    if step.before.marks.branch_tag:
        return step.move(JobState.Running)
    try:
        code = str(SequenceCode.parse(step.event.get("wn_seq")))
    except SequenceCodeError:
        return step.suspect()
    step.elect(code)
    step.move(JobState.Running, payload_running=True, jw_status="PAYLOAD_RUNNING")


def _suspend(step: Step) -> None:
    if step.before.state is not JobState.Running:
        return step.ignore()
    step.set(suspended=True, suspend_reason=step.event.fields.get("reason"))


def _resume(step: Step) -> None:
    if step.before.state is not JobState.Running:
        return step.ignore()
    step.set(suspended=False, suspend_reason=None)


def _resubmission(step: Step) -> None:
    event, marks = step.event, step.before.marks
    if event.get("result") == "WONTRESUB":
        return step.set(reason=event.fields.get("reason"))
    if event.get("result") != "WILLRESUB" or event.source is not Source.WorkloadManager or not step.here[0]:
        return step.ignore()
    if step.before.state in (JobState.Aborted, JobState.Cancelled, JobState.Cleared):
        return
    if marks.deep is None or step.here[0] > marks.deep:
        step.accept()
        step.mark(deep=step.here[0], branch_tag=None, branch_last=None, branches=())
        step.always(possible_destinations=(), possible_ce_nodes=(), payload_running=False, resubmitted=True)


def _done(step: Step) -> None:
    event = step.event
    if event.source is Source.LRMS:
        return step.set(payload_running=False, jw_status="DONE")
    code, reason = event.get("status_code"), event.fields.get("reason")
    if code == "CANCELLED":
        return step.move(
            JobState.Cancelled,
            done_code=DoneCode.CANCELLED,
            cancelling=False,
            reason=reason or "Cancelled by user",
            location="none",
            remove_from_proxy=True,
        )
    if code == "OK":
        step.move(
            JobState.Done,
            done_code=DoneCode.OK,
            exit_code=event.number("exit_code") or 0,
            reason=reason or _SUCCESS,
            location="none",
        )
        return
    _failure(step, reason or ("killed" if code == "KILLED" else "unspecified failure"))
    step.move(JobState.Done, done_code=DoneCode.FAILED, exit_code=0, reason=reason, location="none")


def _failure(step: Step, reason: str) -> None:
    """Failures pile up, so that a user sees why each attempt failed, and where."""
    place = step.before.destination or "unknown"
    if step.usable:
        line = f"{reason} [{place}]"
    else:
        line = f"{reason} [reported late; the destination is not certain: {place}]"
    old = step.before.failure_reasons
    step.always(failure_reasons=f"{old}\n{line}" if old else line)


def _cancel(step: Step) -> None:
    event, code = step.event, step.event.get("status_code")
    reason = event.fields.get("reason")
    if code == "REQ":
        step.set(cancelling=True)
    elif code == "DONE":
        step.move(
            JobState.Cancelled,
            cancelling=False,
            remove_from_proxy=True,
            reason=reason or "Cancelled by user",
            location="none",
        )
    elif code == "ABORT":
        step.set(cancelling=False)
    step.note(cancel_reason=reason)


def _abort(step: Step) -> None:
    closed = step.before.state in (JobState.Cancelled, JobState.Cleared, JobState.Aborted)
    if step.event.source is Source.WorkloadManager and step.line is not Line.TOO_OLD and not closed:
        step.accept()
    if step.usable:
        step.mark(branches=(), branch_tag=None, branch_last=None)
    step.move(JobState.Aborted, reason=step.event.get("reason"), location="none", remove_from_proxy=True)


def _clear(step: Step) -> None:
    why = step.event.get("reason")
    sentences = {"USER": "user retrieved output sandbox", "TIMEOUT": "timed out, resource purge forced"}
    step.move(
        JobState.Cleared,
        sandbox_retrieved=why,
        reason=sentences.get(why, "no output was generated"),
        location="none",
        remove_from_proxy=True,
    )


def _collection_state(step: Step) -> None:
    event = step.event
    names = {state.value.lower(): state for state in JobState}
    state = names.get(event.get("state").lower())
    if event.source is not Source.LBServer or state is None:
        return step.suspect()
    done = DoneCode.OK if state is JobState.Done else None
    step.move(state, children_hist=parse_histogram(event.get("histogram")), done_code=done)


def _sandbox(step: Step) -> None:
    transfer = step.event.fields.get("transfer_job")
    if step.event.get("sandbox_type") == "INPUT":
        step.note(isb_transfer=transfer)
    else:
        step.note(osb_transfer=transfer)


def write_histogram(histogram: Mapping[JobState, int]) -> str:
    """The text of CollectionState.histogram: ``Running=1 Done=2``."""
    return " ".join(f"{state.value}={count}" for state, count in histogram.items())


def parse_histogram(text: str) -> tuple[tuple[JobState, int], ...]:
    """Read :func:`write_histogram`'s text; what is not a state and a number is passed over."""
    found = []
    for item in text.split():
        name, _, count = item.partition("=")
        if name in JobState.__members__ and count.isdigit():
            found.append((JobState(name), int(count)))
    return tuple(found)


def _touched(status: JobStatus, event: Event) -> JobStatus:
    return changed(status, last_update_time=max(status.last_update_time or event.timestamp, event.timestamp))


def _user_tag(status: JobStatus, event: Event, here: Mark | None) -> JobStatus:
    """Tags are replaced by strictly newer ones only; equal places go by value, so that no order of arrival wins."""
    name, value = event.get("name").lower(), event.get("value")
    mine = here or ("", event.timestamp.isoformat(timespec="microseconds"))
    tags, marks = dict(status.user_tags), dict(status.marks.tags)
    if name in marks and (mine, value) <= (marks[name], tags[name]):
        return _touched(status, event)
    tags[name], marks[name] = value, mine
    ordered = tuple(sorted(tags.items()))
    tagged = changed(status, user_tags=ordered, marks=changed(status.marks, tags=tuple(sorted(marks.items()))))
    return _touched(tagged, event)


def _usage(status: JobStatus, event: Event, here: Mark | None) -> JobStatus:
    return _touched(status, event)


def _ownership(status: JobStatus, event: Event, here: Mark | None) -> JobStatus:
    """The pilot's owner grants, the payload's owner takes; both halves are needed, in any order."""
    marks = status.marks
    if event.type == "GrantPayloadOwnership":
        marks = changed(marks, granted_to=normalise(event.get("payload_owner")))
    else:
        marks = changed(marks, taken_by=normalise(event.user))
    owner = marks.granted_to if marks.granted_to and marks.granted_to == marks.taken_by else status.payload_owner
    return _touched(changed(status, marks=marks, payload_owner=owner), event)


FREE: Final[Mapping[str, Callable[[JobStatus, Event, Mark | None], JobStatus]]] = MappingProxyType(
    {
        "UserTag": _user_tag,
        "ResourceUsage": _usage,
        "GrantPayloadOwnership": _ownership,
        "TakePayloadOwnership": _ownership,
    }
)
"""Events that no order touches: they commute with all others, except those of ownership with one another."""

OWNERSHIP: Final = frozenset({"GrantPayloadOwnership", "TakePayloadOwnership"})
"""Of two grants the newer one counts, whichever arrives first."""

HANDLERS: Final[Mapping[str, Callable[[Step], None]]] = MappingProxyType(
    {
        "RegJob": _registered,
        "Transfer": _transfer,
        "Accepted": _accepted,
        "Refused": _refused,
        "EnQueued": _enqueued,
        "DeQueued": _dequeued,
        "HelperCall": _helper,
        "HelperReturn": _helper,
        "Match": _match,
        "Pending": _pending,
        "Running": _running,
        "ReallyRunning": _really_running,
        "Suspend": _suspend,
        "Resume": _resume,
        "Resubmission": _resubmission,
        "Done": _done,
        "Cancel": _cancel,
        "Abort": _abort,
        "Clear": _clear,
        "CollectionState": _collection_state,
        "Sandbox": _sandbox,
        **CREAM_HANDLERS,
    }
)
"""Events whose order matters."""
