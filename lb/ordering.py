"""The causal order of a job's events (L&B): which event may still move the job, and which is late.

Sequence codes decide, timestamps only between equal codes.  The WM counter names the branch: every submission
passes the workload manager, which increments it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grid.seqcode import SequenceCode, SequenceCodeError
from grid.states import JobState
from lb.events import Event
from lb.status import JobStatus, Mark, Marks, changed


class Verdict(Enum):
    """What became of an event."""

    OK = "OK"
    SOON = "SOON"
    LATE = "LATE"
    IGNORE = "IGNORE"
    SUSPECT = "SUSPECT"
    UNREG = "UNREG"

    @property
    def usable(self) -> bool:
        """The event may move the job."""
        return self in (Verdict.OK, Verdict.SOON)


class Line(Enum):
    """How an event stands to the branch that started the payload."""

    GOOD = "good branch"
    BAD = "another branch"
    TOO_OLD = "before a deep resubmission"


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of the ordering rules for one event.

    :ivar newer: the event's place is not before the last one that moved the job.
    """

    verdict: Verdict
    line: Line
    newer: bool


_CLOSED = frozenset((JobState.Cancelled, JobState.Cleared))


def place(event: Event) -> Mark | None:
    """The event's place in the causal order, or None when its sequence code cannot be read."""
    try:
        return str(SequenceCode.parse(event.seqcode)), event.timestamp.isoformat(timespec="microseconds")
    except SequenceCodeError:
        return None


def code_of(mark: Mark | str) -> SequenceCode:
    """The counters of a place or a code."""
    return SequenceCode.parse(mark if isinstance(mark, str) else mark[0])


def restarted(marks: Marks, event: Event, here: Mark) -> bool:
    """True when the job was handed in again from the top: a greater UI or NS counter than the last event's.

    Cancel does not count (it comes from the network server of a job that goes on), nor does anything that
    leaves the order untouched.
    """
    if marks.last is None or event.type == "Cancel":
        return False
    old, new = code_of(marks.last), code_of(here)
    return new.ns > old.ns or new.ui > old.ui


def judge(status: JobStatus, event: Event, here: Mark) -> Judgement:
    """Apply the ordering rules to an event whose marks of a former life were forgotten already.

    Cancel is judged against the last Cancel alone, since its code is the requester's, not the branch's.
    """
    marks = status.marks
    if event.type == "Cancel":
        newer = marks.last_cancel is None or here >= marks.last_cancel
        late = _ended(status, event) or not newer
        return Judgement(Verdict.LATE if late else Verdict.OK, Line.GOOD, newer)
    newer = marks.last is None or here >= marks.last
    verdict, line = Verdict.OK, Line.GOOD
    if marks.deep and code_of(here).wm < code_of(marks.deep).wm:
        verdict, line = Verdict.LATE, Line.TOO_OLD
    elif marks.branch_tag:
        if code_of(here).wm != code_of(marks.branch_tag).wm:
            verdict, line = Verdict.LATE, Line.BAD
        elif marks.branch_last is not None and here < marks.branch_last:
            verdict = Verdict.LATE
    elif not newer:
        verdict = Verdict.LATE
    if _ended(status, event):
        verdict = Verdict.LATE
    return Judgement(verdict, line, newer)


def _ended(status: JobStatus, event: Event) -> bool:
    if status.state in _CLOSED:
        return True
    return status.state is JobState.Aborted and event.type != "CollectionState"


def forget(marks: Marks) -> Marks:
    """The marks after a restart from the top."""
    return changed(marks, branch_tag=None, branch_last=None, deep=None, branches=())
