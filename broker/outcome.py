"""What the end of an attempt on a computing element means for the job.  Pure rules.

A failure of the infrastructure is resubmitted and never eats the user's RetryCount; a failure that the job
wrapper blames on the job itself is resubmitted as often as RetryCount allows (gLite WMS: deep resubmission),
except those that no other computing element would mend.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from grid.states import CreamState

_HOPELESS = ("not found or unreadable", "Job killed by the jobwrapper")
"""Wrapper texts after which another attempt cannot help (gLite log monitor: abort)."""


class Verdict(StrEnum):
    """What happens to the job now."""

    DONE = "done"
    CANCELLED = "cancelled"
    RESUBMIT = "resubmit"
    ABORT = "abort"


@dataclass(frozen=True)
class Attempts:
    """What was tried so far, and the bounds.

    :ivar failures: attempts that failed by the job's own fault and were resubmitted.
    :ivar infrastructure: attempts that the infrastructure lost.
    :ivar retry_count: the job's RetryCount (negative or absent: 0).
    """

    failures: int
    infrastructure: int
    retry_count: int
    max_retry_count: int
    max_infrastructure: int


@dataclass(frozen=True)
class Outcome:
    """The verdict, the sentence for the user, and whether the infrastructure is to blame."""

    verdict: Verdict
    reason: str
    infrastructure: bool = False


def judge(
    state: CreamState,
    *,
    reason: str,
    infrastructure: bool,
    cancelling: bool,
    attempts: Attempts,
    hopeless: bool = False,
) -> Outcome:
    """Judge a final state that a computing element reported.

    :param state: one of the final states.
    :param reason: the CE's failure reason, may be empty.
    :param infrastructure: the CE says that it, or the node, lost the job.
    :param hopeless: the CE says that no other attempt can help; CEs that say nothing are judged by the reason's text.
    :param cancelling: the user asked for cancellation before.
    :raises ValueError: for a state that is not final.
    """
    if not state.final:
        raise ValueError(f"{state} is not a final state")
    if state is CreamState.DONE_OK:
        return Outcome(Verdict.DONE, reason or "Job Terminated Successfully")
    if cancelling:
        return Outcome(Verdict.CANCELLED, "Cancelled by user")
    if state in (CreamState.CANCELLED, CreamState.PURGED, CreamState.ABORTED):
        # Nobody asked for it here: the CE's operator, a lease, or the batch system took the job away.
        infrastructure = True
        reason = reason or f"the computing element reports {state.value}"
    reason = reason or "the computing element gives no reason"
    if infrastructure:
        return after_infrastructure_failure(reason, attempts)
    if hopeless or any(text in reason for text in _HOPELESS):
        return Outcome(Verdict.ABORT, reason)
    allowed = max(0, min(attempts.retry_count, attempts.max_retry_count))
    if attempts.failures < allowed:
        return Outcome(Verdict.RESUBMIT, reason)
    if attempts.retry_count > attempts.max_retry_count:
        return Outcome(Verdict.ABORT, f"hit max retry count ({attempts.max_retry_count}): {reason}")
    return Outcome(Verdict.ABORT, f"hit job retry count ({allowed}): {reason}")


def after_infrastructure_failure(reason: str, attempts: Attempts) -> Outcome:
    """Judge a failure that is nobody's fault here: try again, up to the node's bound."""
    if attempts.infrastructure < attempts.max_infrastructure:
        return Outcome(Verdict.RESUBMIT, reason, infrastructure=True)
    return Outcome(
        Verdict.ABORT,
        f"the infrastructure failed {attempts.infrastructure + 1} times, the last time: {reason}",
        infrastructure=True,
    )
