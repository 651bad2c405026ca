"""What CREAM's own events do to a job (L&B): only the state that CREAM reached, never an order between hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from grid.states import CreamState, DoneCode, JobState
from lb.step import Step

_STATES: Final = {
    CreamState.PENDING: JobState.Waiting,
    CreamState.IDLE: JobState.Scheduled,
    CreamState.RUNNING: JobState.Running,
    CreamState.REALLY_RUNNING: JobState.Running,
    CreamState.DONE_OK: JobState.Done,
    CreamState.DONE_FAILED: JobState.Done,
    CreamState.ABORTED: JobState.Aborted,
    CreamState.CANCELLED: JobState.Cancelled,
    CreamState.PURGED: JobState.Cleared,
}


def _store(step: Step) -> None:
    event = step.event
    if event.get("result") != "OK":
        return step.ignore()
    if event.get("command") == "CMDSTART":
        step.move(JobState.Waiting, cream_state=CreamState.PENDING.value)
    elif event.get("command") == "CMDCANCEL":
        step.set(cream_cancelling=True)


def _call(step: Step) -> None:
    event = step.event
    if event.get("result") != "OK":
        return step.ignore()
    if event.get("command") == "CMDSTART":
        step.move(JobState.Scheduled, cream_state=CreamState.IDLE.value)
        step.note(cream_lrms_id=event.fields.get("destid"))
    elif event.get("command") == "CMDPURGE" and step.before.jobtype == "CREAM":
        step.move(JobState.Cleared, cream_state=CreamState.PURGED.value)


def _status(step: Step) -> None:
    event = step.event
    if event.get("result") != "DONE":
        return step.ignore()
    name = event.get("new_state").upper().replace("_", "-")
    if name not in list(CreamState):
        return step.suspect()
    reached = CreamState(name)
    state = _STATES.get(reached)
    exit_code = event.get("exit_code")
    if state is None:
        return step.set(cream_state=reached.value)
    step.move(state, cream_state=reached.value)
    step.note(
        cream_lrms_id=event.fields.get("LRMS_jobid"),
        cream_node=event.fields.get("worker_node"),
        cream_failure_reason=event.fields.get("failure_reason"),
        ce_node=event.fields.get("worker_node"),
    )
    if state is JobState.Done:
        done = DoneCode.OK if reached is CreamState.DONE_OK else DoneCode.FAILED
        number = int(exit_code) if exit_code.lstrip("-").isdigit() else 0
        step.set(done_code=done, exit_code=number, cream_exit_code=number)


def _cancel(step: Step) -> None:
    if step.event.get("status_code") != "DONE":
        return step.ignore()
    step.move(JobState.Cancelled, cream_state=CreamState.CANCELLED.value, cream_cancelling=False, location="none")


def _abort(step: Step) -> None:
    reason = step.event.get("reason")
    step.move(JobState.Aborted, cream_state=CreamState.ABORTED.value, cream_failure_reason=reason, reason=reason)


def _nothing(step: Step) -> None:
    step.ignore()


CREAM_HANDLERS: Final[Mapping[str, Callable[[Step], None]]] = MappingProxyType(
    {
        "CREAMStore": _store,
        "CREAMCall": _call,
        "CREAMStatus": _status,
        "CREAMCancel": _cancel,
        "CREAMAbort": _abort,
        "CREAMStart": _nothing,
        "CREAMAccepted": _nothing,
    }
)
