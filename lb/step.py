"""One step of the state machine: what a transition may do to a status, by the verdict on its event."""

from __future__ import annotations

import datetime
from dataclasses import replace
from typing import Any

from grid.states import JobState
from lb.events import Event
from lb.ordering import Judgement, Line, Verdict, code_of
from lb.status import Branch, JobStatus, Mark, changed

_FRESH_WRAPPER = frozenset((JobState.Waiting, JobState.Ready, JobState.Scheduled))
_BEYOND_LM = frozenset((JobState.Running, JobState.Done))
_BRANCHES_KEPT = 50


class Step:
    """The working place of one event.  A transition calls its methods; ``result`` gives the new status.

    :ivar before: the status before the event.
    :ivar verdict: OK moves the job; LATE changes data only.
    """

    def __init__(self, status: JobStatus, event: Event, here: Mark, judgement: Judgement | None) -> None:
        self.before = status
        self.event = event
        self.here = here
        self.verdict = judgement.verdict if judgement else Verdict.OK
        self.line = judgement.line if judgement else Line.GOOD
        self._newer = judgement.newer if judgement else True
        self._changes: dict[str, Any] = {}
        self._marks: dict[str, Any] = {}
        self._stamps: dict[JobState, datetime.datetime] = {}
        self._lm_yields = False

    @property
    def usable(self) -> bool:
        """The event may move the job."""
        return self.verdict.usable

    @property
    def lrms_ahead(self) -> bool:
        """The worker node has reported the job running already, so what led to it is late."""
        return self.before.state in _BEYOND_LM

    def ignore(self) -> None:
        """The event says nothing that moves the job."""
        if self.usable:
            self.verdict = Verdict.IGNORE

    def suspect(self) -> None:
        """The event does not come from a component that could log it."""
        self.verdict = Verdict.SUSPECT

    def late(self) -> None:
        """Take the event for its data alone."""
        self.verdict = Verdict.LATE

    def accept(self) -> None:
        """Take the event although it is late."""
        self.verdict = Verdict.OK

    def move(self, state: JobState, **changes: Any) -> None:
        """Go to ``state`` and set attributes; nothing happens when the event is late."""
        if self.usable:
            self._changes.update(changes, state=state)

    def set(self, **changes: Any) -> None:
        """Set attributes unless the event is late."""
        if self.usable:
            self._changes.update(changes)

    def note(self, **changes: Any) -> None:
        """Store data that the event carries: also of a late event, when what is there is not newer.

        None values are left out.  Events of another branch say nothing about this job's whereabouts.
        """
        if self.line is not Line.GOOD or self.verdict is Verdict.SUSPECT:
            return
        for name, value in changes.items():
            unset = getattr(self.before, name) in (None, "", ())
            if value not in (None, "") and (self.usable or self._newer or unset):
                self._changes[name] = value

    def always(self, **changes: Any) -> None:
        """Set attributes whatever the order."""
        self._changes.update(changes)

    def mark(self, **marks: Any) -> None:
        """Set what the machine remembers."""
        self._marks.update(marks)

    def stamp(self, state: JobState) -> None:
        """Remember that the job was in ``state`` at the event's time, without moving it."""
        self._stamps[state] = self.event.timestamp

    def lm_yields(self) -> None:
        """Remember the place with the LM counter at zero, so that worker-node events with smaller codes count."""
        self._lm_yields = True

    def branch(self, **data: str | None) -> None:
        """Remember data of the event's own branch (its WM counter)."""
        if self.line is Line.TOO_OLD or not self.here[0]:
            return
        number = code_of(self.here).wm
        known = {branch.wm: branch for branch in self._marks.get("branches", self.before.marks.branches)}
        kept = {name: value for name, value in data.items() if value}
        known[number] = replace(known.get(number, Branch(number)), **kept)
        ordered = sorted(known.values(), key=lambda branch: branch.wm)
        self._marks["branches"] = tuple(ordered[-_BRANCHES_KEPT:])

    def elect(self, code: str) -> None:
        """Make the branch of ``code`` the job's: it has started the payload.

        Destination, node and description come from it and the two branches before it, the newest last, since
        they were logged under neighbouring WM counters.
        """
        number = code_of(code).wm
        near = [branch for branch in self.before.marks.branches if branch.wm <= number][-3:]
        for name in ("destination", "ce_node", "matched_jdl"):
            values = [getattr(branch, name) for branch in near if getattr(branch, name)]
            if values:
                self._changes[name] = values[-1]
        self._marks["branch_tag"] = code

    def result(self) -> JobStatus:
        """The status after the event."""
        status, event = self.before, self.event
        changes, marks = self._changes, self._marks
        if self.usable:
            changes["last_update_time"] = max(status.last_update_time or event.timestamp, event.timestamp)
            marks.update(self._places())
            if event.type == "Cancel":
                marks["last_cancel"] = self.here
        stamps = dict(status.state_enter_times) | self._stamps
        state = changes.get("state", status.state)
        if state is not status.state:
            changes["state_enter_time"] = event.timestamp
            stamps[state] = event.timestamp
            changes.update(_on_entering(status.state, state, changes))
        changes["state_enter_times"] = tuple(sorted(stamps.items(), key=lambda item: item[0].code))
        return changed(status, **changes, marks=changed(status.marks, **marks))

    def _places(self) -> dict[str, Mark]:
        if not self.here[0] or self.event.type == "Cancel":
            return {}
        here = self.here
        if self._lm_yields:
            here = (str(replace(code_of(here), lm=0)), here[1])
        tag = self._marks.get("branch_tag", self.before.marks.branch_tag)
        places = {"last": here}
        if tag and self.line is Line.GOOD and code_of(here).wm == code_of(tag).wm:
            places["branch_last"] = here
        return places


def _on_entering(old: JobState, new: JobState, changes: dict[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if new in _FRESH_WRAPPER:
        more["jw_status"] = "UNKNOWN"
    if old is JobState.Running:
        more |= {"suspended": False, "suspend_reason": None, "payload_running": False}
    return {name: value for name, value in more.items() if name not in changes}
