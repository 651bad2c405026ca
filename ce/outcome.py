"""What a job's end means: pure."""

from __future__ import annotations

from dataclasses import dataclass

from ce.database import Change, Job
from ce.reports import Result
from grid.states import CreamState, DoneCode

CANCELLED = "Cancelled by user"
OPERATOR = "ended by the operator"
VANISHED = "the job wrapper vanished without a result"
MAX_LAUNCHES = 3
"""How often a wrapper that ended before it began is started again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The change of state, and the code of L&B's Done event that goes with it."""

    change: Change
    done: DoneCode


def judge(job: Job, result: Result | None, moment: float) -> Outcome:
    """The end of an assigned job whose wrapper is gone.

    A user's exit code other than 0 is DONE-OK all the same; a cancellation wins over whatever the wrapper still
    wrote; a wrapper without a result, or one that somebody but the user ended, is the site's fault.

    :param job: its row as it is now.
    :param result: None when there is none that a wrapper wrote.
    :param moment: seconds of the epoch.
    """
    node = result.node if result else job.node
    if job.cancel:
        return Outcome(Change(CreamState.CANCELLED, moment, reason=CANCELLED, node=node), DoneCode.CANCELLED)
    if result is not None and result.verdict == "ok":
        reason = "; ".join(result.notes) or None
        change = Change(CreamState.DONE_OK, moment, exit_code=result.exit_code or 0, reason=reason, node=node)
        return Outcome(change, DoneCode.OK)
    if job.operator_end:
        return _failed(moment, OPERATOR, node, infrastructure=True)
    if result is None:
        return _failed(moment, VANISHED, node, infrastructure=True)
    ended = result.reason.startswith("Job has been terminated") and "SIGXCPU" not in result.reason
    change = Change(
        CreamState.DONE_FAILED,
        moment,
        exit_code=result.exit_code,
        reason=result.reason,
        node=node,
        infrastructure=ended,
        verdict=result.verdict,
    )
    return Outcome(change, DoneCode.FAILED)


def _failed(moment: float, reason: str, node: str | None, *, infrastructure: bool) -> Outcome:
    change = Change(
        CreamState.DONE_FAILED,
        moment,
        reason=reason,
        node=node,
        infrastructure=infrastructure,
        verdict="resubmit",
    )
    return Outcome(change, DoneCode.FAILED)


def may_launch_again(job: Job, begun: bool, result: Result | None) -> bool:
    """True when the wrapper ended before it began, so that starting it again runs nothing twice."""
    untouched = not begun and result is None and job.state is CreamState.IDLE
    return untouched and not job.cancel and not job.operator_end and job.launches < MAX_LAUNCHES
