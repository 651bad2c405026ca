"""``glite-wms-job-status --follow``: each new state as it comes, until nothing more will come."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from clients.bookkeeping import Status
from clients.jsontext import compact
from clients.result import machine_readable
from grid.errors import GridError
from grid.jobid import JobId
from grid.states import JobState

if TYPE_CHECKING:
    from clients.bookkeeping import Bookkeeping
    from clients.session import Session

SHORTEST: Final = 0.5
"""Seconds between two questions while states change."""

LONGEST: Final = 2.0
"""Seconds between two questions after a while without news."""

STEADY: Final = 4
"""Questions without news after which Done (Failed) counts as the end."""

PATIENCE: Final = 5
"""Questions in a row that may fail before the command gives up."""


def follow(
    session: Session,
    bookkeeping: Bookkeeping,
    job: JobId,
    sleep: Callable[[float], None] = time.sleep,
) -> Status:
    """Print the states of one job as they come and return the final one.

    States that came and went between two questions are printed too, with the time at which L&B saw them.

    :raises GridError: L&B does not know the job, or did not answer several times in a row.
    """
    seen: set[tuple[JobState, datetime.datetime | None]] = set()
    last: str | None = None
    pause, failures, steady = SHORTEST, 0, 0
    while True:
        try:
            status = bookkeeping.status(job, nodes=False)
            failures = 0
        except GridError as error:
            failures += 1
            if not seen or failures >= PATIENCE:
                raise
            session.messages.debug("L&B did not answer:", error.description)
            sleep(LONGEST)
            continue
        news = _news(status, seen, last)
        for shown, moment, reason in news:
            _print(session, job, shown, moment, reason)
            last = shown
        steady = 0 if news else steady + 1
        # a failed attempt may be resubmitted a moment later
        if status.state.final and (status.done_code != "FAILED" or steady >= STEADY):
            return status
        pause = SHORTEST if news else min(pause * 1.3, LONGEST)
        sleep(pause)


def _news(
    status: Status, seen: set[tuple[JobState, datetime.datetime | None]], last: str | None
) -> list[tuple[str, datetime.datetime | None, str | None]]:
    """What was not printed before: states passed through since, then the present one."""
    rows: list[tuple[str, datetime.datetime | None, str | None]] = []
    passed = sorted(status.entered.items(), key=lambda item: item[1])
    for state, moment in passed:
        if state is not status.state and (state, moment) not in seen:
            seen.add((state, moment))
            rows.append((str(state), moment, None))
    present = (status.state, status.entered.get(status.state) or status.changed)
    if present not in seen or (not rows and last != status.shown):
        seen.add(present)
        rows.append((status.shown, status.changed or present[1], status.text("reason")))
    return rows


def _print(
    session: Session, job: JobId, shown: str, moment: datetime.datetime | None, reason: str | None
) -> None:
    when = moment or datetime.datetime.now(datetime.UTC)
    if machine_readable(session):
        row = {"jobid": str(job), "status": shown, "time": when.isoformat(), "reason": reason}
        session.messages.result(compact(row))
        return
    tail = f"  ({reason})" if reason else ""
    # whole seconds: of the states passed through L&B keeps no more
    session.messages.result(f"{when.astimezone():%H:%M:%S}  {shown:<20}{tail}".rstrip())
