"""What the computing elements report: one thread for each CE that has jobs of ours.

It waits in a long poll on the CE's QueryEvent.  The events of one answer, the moves they cause, what they log
and the position in the CE's stream are one transaction, so after a crash an event is taken again or was taken,
never both and never neither.  A CE whose database was made anew (another database id) has forgotten its jobs:
they are sent elsewhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Connection

from broker import queue
from broker.ce_client import CeEvent, ComputingElements
from broker.errors import CeRefused, CeUnreachable
from broker.ledger import Ledger
from broker.outcome import Attempts, Outcome, Verdict, after_infrastructure_failure, judge
from broker.queue import End, Phase, Request
from broker.settings import BrokerSettings
from broker.trail import Trail
from grid.errors import GridError
from grid.faultpoints import point
from grid.states import CreamState, DoneCode

log = logging.getLogger("wms.broker")


@dataclass(frozen=True)
class Reports:
    """Turns a CE's events into moves; used inside a transaction."""

    settings: BrokerSettings
    ledger: Ledger
    attempts: Callable[[Request], Attempts]

    def apply(self, connection: Connection, endpoint: str, events: Sequence[CeEvent]) -> None:
        """Apply events in order; those of jobs or attempts that are not ours any more change nothing."""
        requests = queue.by_ce_job(connection, endpoint, sorted({event.ce_job for event in events}))
        for event in events:
            request = requests.get(event.ce_job)
            if request is None or request.phase not in (Phase.REGISTERED, Phase.RUNNING):
                continue
            requests[event.ce_job] = self._one(connection, request, event)

    def lost(self, connection: Connection, request: Request, reason: str) -> None:
        """The CE will never report on this attempt."""
        self._settle(
            connection, request, Trail(request, self.settings.host), self._judge_lost(request, reason), exit_code=1
        )

    def _one(self, connection: Connection, request: Request, event: CeEvent) -> Request:
        if event.state is CreamState.REGISTERED:
            return request
        trail = Trail(request, self.settings.host)
        if request.phase is Phase.REGISTERED:
            # The CE runs it although the answer to JobStart has not been recorded: it was started.
            trail.handed_over(str(request.ce_endpoint), event.ce_job)
        if event.state.final:
            outcome = judge(
                event.state,
                reason=self._reason(request, event),
                infrastructure=event.infrastructure,
                cancelling=request.cancelling,
                attempts=self.attempts(request),
                hopeless=event.hopeless,
            )
            return self._settle(connection, request, trail, outcome, exit_code=event.exit_code)
        trail.reported(event.state, worker_node=event.worker_node, wrapper_code=event.wrapper_code)
        return self._move(connection, request, trail, phase=Phase.RUNNING)

    @staticmethod
    def _reason(request: Request, event: CeEvent) -> str:
        """Why it ended; a job that the planner gave up and had cancelled ends for the planner's reason."""
        if event.state is CreamState.CANCELLED and request.reason:
            return request.reason
        return event.failure_reason

    def _settle(
        self, connection: Connection, request: Request, trail: Trail, outcome: Outcome, *, exit_code: int
    ) -> Request:
        if outcome.verdict is Verdict.DONE:
            trail.done(DoneCode.OK, outcome.reason, exit_code)
            return self._end(connection, request, trail, End.DONE, outcome.reason, exit_code)
        if outcome.verdict is Verdict.CANCELLED:
            trail.done(DoneCode.CANCELLED, outcome.reason, 0)
            trail.cancelled(outcome.reason)
            return self._end(connection, request, trail, End.CANCELLED, outcome.reason, None)
        trail.done(DoneCode.FAILED, outcome.reason, 1)
        if outcome.verdict is Verdict.ABORT:
            trail.aborted(outcome.reason)
            return self._end(connection, request, trail, End.ABORTED, outcome.reason, None)
        trail.will_resubmit(outcome.reason, str(request.attempt))
        now = time.time()
        host = str(request.ce_id).partition(":")[0]
        counter = "infrastructure" if outcome.infrastructure else "failures"
        return self._move(
            connection,
            request,
            trail,
            phase=Phase.WAITING,
            tried_hosts=request.tried_hosts if host in request.tried_hosts else (*request.tried_hosts, host),
            next_try=now + self.settings.infrastructure_delay * 2 ** min(request.infrastructure, 5),
            expiry=max(request.expiry, now + self.settings.expiry_period),
            ce_job=None,
            stumbles=0,
            reason=None,
            **{counter: getattr(request, counter) + 1},
        )

    def _judge_lost(self, request: Request, reason: str) -> Outcome:
        if request.cancelling:
            return Outcome(Verdict.CANCELLED, "Cancelled by user")
        return after_infrastructure_failure(reason, self.attempts(request))

    def _end(
        self,
        connection: Connection,
        request: Request,
        trail: Trail,
        end: End,
        reason: str,
        exit_code: int | None,
    ) -> Request:
        return self._move(
            connection,
            request,
            trail,
            phase=Phase.ENDED,
            end=end,
            reason=reason,
            exit_code=exit_code,
            purge_ce=request.ce_job is not None,
        )

    def _move(self, connection: Connection, request: Request, trail: Trail, **values: Any) -> Request:
        if not self.ledger.step_in(connection, request, trail, **values):
            return request
        known = {name: value for name, value in values.items() if name != "purge_ce"}
        return replace(request, sequence_code=trail.sequence_code, **known)


class CeMonitor(threading.Thread):
    """Follows one CE until :meth:`stop`."""

    def __init__(self, endpoint: str, reports: Reports, elements: ComputingElements) -> None:
        super().__init__(name=f"monitor-{endpoint}", daemon=True)
        self.endpoint = endpoint
        self._reports = reports
        self._ledger = reports.ledger
        self._elements = elements
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End after the present answer."""
        self._stopped.set()

    def run(self) -> None:
        """Follow the CE's events."""
        silent_since: float | None = None
        delay = 0.5
        while not self._stopped.is_set():
            try:
                self._take()
                silent_since, delay = None, 0.5
            except (CeUnreachable, CeRefused) as error:
                silent_since = silent_since or time.monotonic()
                log.warning("%s; asking again in %.1f s", error.description, delay)
                if time.monotonic() - silent_since > self._reports.settings.ce_lost_after:
                    self._give_up(f"the computing element has been silent for too long: {error.description}")
                    silent_since = None
                self._stopped.wait(delay)
                delay = min(30.0, delay * 2)
            except Exception:
                log.exception("the monitor of %s stumbled; trying again in %.1f s", self.endpoint, delay)
                self._stopped.wait(delay)
                delay = min(30.0, delay * 2)

    def _take(self) -> None:
        with self._ledger.engine.connect() as connection:
            db_id, last = queue.stream(connection, self.endpoint)
        answer = self._elements.events(self.endpoint, last, self._reports.settings.ce_poll)
        if db_id and answer.db_id != db_id:
            self._give_up("the computing element has lost its database", answer.db_id)
            return
        if not answer.events and db_id:
            return
        position = max([last, *(event.number for event in answer.events)])

        def unit(connection: Connection) -> None:
            self._reports.apply(connection, self.endpoint, answer.events)
            queue.set_stream(connection, self.endpoint, answer.db_id, position)

        point("broker.monitor.heard")
        self._ledger.writer.run(unit)
        point("broker.monitor.recorded")
        self._ledger.told()

    def _give_up(self, reason: str, db_id: str | None = None) -> None:
        def unit(connection: Connection) -> None:
            for request in queue.on_endpoint(connection, self.endpoint):
                self._reports.lost(connection, request, reason)
            if db_id is not None:
                queue.set_stream(connection, self.endpoint, db_id, 0)

        self._ledger.writer.run(unit)
        self._ledger.told()


def purge_ended(ledger: Ledger, elements: ComputingElements, limit: int = 200) -> int:
    """Tell the CEs to forget attempts that have ended; returns how many they forgot.

    What fails is tried again at the next call; a CE purges by age anyhow.
    """
    with ledger.engine.connect() as connection:
        rows = queue.to_purge(connection, limit)
    done: list[str] = []
    for endpoint in sorted({row[1] for row in rows}):
        mine = [(job, ce_job) for job, where, ce_job in rows if where == endpoint]
        try:
            elements.purge(endpoint, [ce_job for _, ce_job in mine])
        except GridError as error:
            log.info("purging %d jobs at %s: %s", len(mine), endpoint, error.description)
            continue
        done += [job for job, _ in mine]
    if done:
        ledger.writer.run(lambda connection: queue.purged(connection, done))
    return len(done)
