"""The events that a job's wrapper means for Logging and Bookkeeping, logged as LRMS by the element for it.

The worker node needs no way to L&B: the wrapper's steps are read by the element, which logs them in the same
transaction as its own change of state, going on from the sequence code that came with the job.
"""

from __future__ import annotations

import datetime
from dataclasses import replace

from ce.database import Job
from ce.outcome import Outcome
from ce.reports import Result, Step
from grid.jobid import JobId
from grid.states import CreamState, Source
from lb.events import Event
from lb.producer import JobLog


class Logbook:
    """The log of one job; silent for a job that came without a grid job id.

    :ivar seqcode: the code reached so far, as text.
    """

    def __init__(self, job: Job) -> None:
        self._log: JobLog | None = None
        self._last = job.created
        self._given = job.seqcode
        if job.grid_id is not None:
            self._log = JobLog(JobId.parse(job.grid_id), job.dn, Source.LRMS, job.seqcode or None)

    @property
    def seqcode(self) -> str:
        """The code that the next event would carry."""
        return self._log.seqcode if self._log else self._given

    def step(self, step: Step, at: float) -> list[Event]:
        """Running or ReallyRunning at the time ``at`` (seconds of the epoch)."""
        if step.state is CreamState.RUNNING:
            return self._event(at, "Running", node=step.node)
        return self._event(at, "ReallyRunning")

    def end(self, outcome: Outcome, result: Result | None) -> list[Event]:
        """ResourceUsage for real, user and system time when they are known, then Done."""
        at = outcome.change.at
        events: list[Event] = []
        if result is not None and result.usage is not None:
            for name in ("real", "user", "sys"):
                quantity = f"{getattr(result.usage, name):.6f}"
                events += self._event(at, "ResourceUsage", resource=name, quantity=quantity, unit="s")
        code = outcome.change.exit_code
        reason = outcome.change.reason or None
        status = outcome.done.value
        events += self._event(at, "Done", status_code=status, exit_code=1 if code is None else code, reason=reason)
        return events

    def _event(self, at: float, kind: str, **fields: object) -> list[Event]:
        if self._log is None:
            return []
        self._last = at = max(at, self._last)
        moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
        return [replace(self._log.event(kind, **fields), timestamp=moment)]
