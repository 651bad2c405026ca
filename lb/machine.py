"""The state machine: a pure function from events to a job's status (L&B).

``fold`` takes the events in their causal order whatever their order of arrival, so any order of arrival gives
one and the same status.  ``advance`` is its single step; it may be used alone while events arrive in order
(:func:`in_order` tells).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

from grid.jobid import JobId
from grid.states import JobState
from lb import ulm
from lb.events import Event
from lb.ordering import Verdict, forget, judge, place, restarted
from lb.status import JobStatus, Mark, changed
from lb.step import Step
from lb.transitions import FREE, HANDLERS, OWNERSHIP

__all__ = ["JobStatus", "Verdict", "advance", "fold", "in_order", "initial"]


def initial(jobid: JobId) -> JobStatus:
    """The status of a job of which nothing is known."""
    return JobStatus(jobid)


def in_order(status: JobStatus, event: Event) -> bool:
    """True when ``advance(status, event)`` equals a fold of all events up to and with this one."""
    if event.type in OWNERSHIP:
        return False
    if event.type not in HANDLERS:
        return status.marks.registered  # it commutes with every other event
    top = status.marks.top
    here = place(event)
    return here is not None and (top is None or here > top) and (event.type != "RegJob" or top is None)


def fold(events: Iterable[Event], start: JobStatus | None = None) -> JobStatus:
    """The status that ``events`` make, in whatever order they are given.

    :param start: the status to begin with: a node created by its parent's registration; otherwise the initial
        status of the first event's job.
    :raises ValueError: when there is no event and no start.
    """
    ordered = _ordered(events)
    if start is None:
        if not ordered:
            raise ValueError("no events to fold")
        start = initial(ordered[0].jobid)
    status = start
    for event in ordered:
        status, _ = advance(status, event)
    return status


def advance(status: JobStatus, event: Event) -> tuple[JobStatus, Verdict]:
    """The status after one more event, and what became of the event.

    Never raises for an odd event: a code that cannot be read is SUSPECT and changes nothing.
    """
    if not status.marks.registered and event.type != "RegJob":
        return status, Verdict.UNREG
    here = place(event)
    if event.type in FREE:
        return FREE[event.type](status, event, here), Verdict.OK
    if event.type not in HANDLERS:
        return status, Verdict.IGNORE
    if here is None:
        if status.jobtype != "CREAM":
            return status, Verdict.SUSPECT
        here = ("", event.timestamp.isoformat(timespec="microseconds"))
    top = max(status.marks.top or here, here)
    status = changed(status, marks=changed(status.marks, top=top))
    if event.type == "RegJob" and status.state is not JobState.Undef:
        return _registered_again(status, event), Verdict.LATE
    if here[0] and restarted(status.marks, event, here):
        status = changed(status, marks=forget(status.marks))
    return _step(status, event, here)


def _step(status: JobStatus, event: Event, here: Mark) -> tuple[JobStatus, Verdict]:
    step = Step(status, event, here, judge(status, event, here) if here[0] else None)
    HANDLERS[event.type](step)
    return step.result(), step.verdict


def _registered_again(status: JobStatus, event: Event) -> JobStatus:
    """A repeated registration completes or replaces the description and touches nothing else."""
    return changed(
        status,
        jdl=event.fields.get("jdl") or status.jdl,
        network_server=event.get("ns") or status.network_server,
        parent_job=event.fields.get("parent") or status.parent_job,
        marks=changed(status.marks, registered=True),
    )


def _ordered(events: Iterable[Event]) -> list[Event]:
    """The events in their causal order, registrations first.

    Only among those of one kind at one place do their lines decide, which cost more to write than all the rest.
    """
    placed = sorted(((_position(event), event) for event in events), key=itemgetter(0))
    ordered: list[Event] = []
    for _, same in groupby(placed, key=itemgetter(0)):
        group = [event for _, event in same]
        ordered += group if len(group) == 1 else sorted(group, key=_line)
    return ordered


def _position(event: Event) -> tuple[bool, Mark, str]:
    here = place(event) or ("", event.timestamp.isoformat(timespec="microseconds"))
    return event.type != "RegJob", here, event.type


def _line(event: Event) -> str:
    return ulm.encode(replace(event, arrived=None))
