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
from broker.ledger import Fared, Ledger
from broker.outcome import Attempts, Outcome, Verdict, after_infrastructure_failure, judge
from broker.queue import End, Phase, Request
from broker.settings import BrokerSettings
from broker.standing import Sign
from broker.trail import Trail
from ce.outcome import OPERATOR
from grid.doorbell import ring
from grid.errors import GridError
from grid.faultpoints import point
from grid.states import CreamState, DoneCode
from jdl.parser import parse

log = logging.getLogger("wms.broker")

_UNHELD = 2.0
"""Seconds between two questions to a CE that answers *nothing* at once."""


@dataclass(frozen=True)
class Reports:
    """Turns a CE's events into moves; used inside a transaction."""

    settings: BrokerSettings
    ledger: Ledger
    attempts: Callable[[Request], Attempts]

    def apply(self, connection: Connection, endpoint: str, events: Sequence[CeEvent]) -> bool:
        """Apply events in order; those of jobs or attempts that are not ours any more change nothing.

        :returns: True when a request waits for the planner now, or a compound job for its engine.
        """
        requests = queue.by_ce_job(connection, endpoint, sorted({event.ce_job for event in events}))
        for event in events:
            request = requests.get(event.ce_job)
            if request is None or request.phase not in (Phase.REGISTERED, Phase.RUNNING):
                continue
            requests[event.ce_job] = self._one(connection, request, event)
        return any(
            request.phase is Phase.WAITING or (request.phase is Phase.ENDED and request.compound is not None)
            for request in requests.values()
        )

    def lost(self, connection: Connection, request: Request, reason: str, *, blamed: bool) -> None:
        """The CE will never report on this attempt.

        :param blamed: it counts against the CE; of many that are lost together, one does.
        """
        trail, outcome = Trail(request, self.settings.host), self._judge_lost(request, reason)
        fared = Fared(Sign.FAILED, reason) if blamed else None
        self._settle(connection, request, trail, outcome, exit_code=1, fared=fared)

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
            fared = _fared(request, event, outcome)
            return self._settle(connection, request, trail, outcome, exit_code=event.exit_code, fared=fared)
        trail.reported(event.state, worker_node=event.worker_node, wrapper_code=event.wrapper_code)
        return self._move(connection, request, trail, phase=Phase.RUNNING)

    @staticmethod
    def _reason(request: Request, event: CeEvent) -> str:
        """Why it ended; a job that the planner gave up and had cancelled ends for the planner's reason."""
        if event.state is CreamState.CANCELLED and request.reason:
            return request.reason
        return event.failure_reason

    def _settle(
        self,
        connection: Connection,
        request: Request,
        trail: Trail,
        outcome: Outcome,
        *,
        exit_code: int,
        fared: Fared | None,
    ) -> Request:
        if outcome.verdict is Verdict.DONE:
            trail.done(DoneCode.OK, outcome.reason, exit_code)
            return self._end(connection, request, trail, End.DONE, outcome.reason, exit_code, fared)
        if outcome.verdict is Verdict.CANCELLED:
            trail.done(DoneCode.CANCELLED, outcome.reason, 0)
            trail.cancelled(outcome.reason)
            return self._end(connection, request, trail, End.CANCELLED, outcome.reason, None, None)
        trail.done(DoneCode.FAILED, outcome.reason, 1)
        if outcome.verdict is Verdict.ABORT:
            trail.aborted(outcome.reason)
            return self._end(connection, request, trail, End.ABORTED, outcome.reason, None, fared)
        trail.will_resubmit(outcome.reason, str(request.attempt))
        now = time.time()
        host = str(request.ce_id).partition(":")[0]
        counter = "infrastructure" if outcome.infrastructure else "failures"
        return self._move(
            connection,
            request,
            trail,
            fared,
            phase=Phase.WAITING,
            tried_hosts=request.tried_hosts if host in request.tried_hosts else (*request.tried_hosts, host),
            next_try=now + self.settings.infrastructure_delay * 2 ** min(request.infrastructure, 5),
            expiry=self._expiry(request, now),
            ce_job=None,
            stumbles=0,
            reason=None,
            **{counter: getattr(request, counter) + 1},
        )

    def _expiry(self, request: Request, now: float) -> float:
        """The wait begins anew, unless the user has set its end (ExpiryTime)."""
        if parse(request.ad).integer("ExpiryTime") is not None:
            return request.expiry
        return max(request.expiry, now + self.settings.expiry_period)

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
        fared: Fared | None,
    ) -> Request:
        return self._move(
            connection,
            request,
            trail,
            fared,
            phase=Phase.ENDED,
            end=end,
            reason=reason,
            exit_code=exit_code,
            purge_ce=request.ce_job is not None,
        )

    def _move(
        self, connection: Connection, request: Request, trail: Trail, fared: Fared | None = None, **values: Any
    ) -> Request:
        if not self.ledger.step_in(connection, request, trail, fared, **values):
            return request
        known = {name: value for name, value in values.items() if name != "purge_ce"}
        return replace(request, sequence_code=trail.sequence_code, **known)


def _fared(request: Request, event: CeEvent, outcome: Outcome) -> Fared | None:
    """What a final report says of the CE; None when it says nothing.

    A job that failed by its own fault could have failed anywhere.  What the user, the planner or the operator of the
    CE had ended was no failure.
    """
    if outcome.verdict is Verdict.DONE:
        return Fared(Sign.GOOD)
    ended = event.state is CreamState.CANCELLED and (request.reason or request.cancelling)
    if not outcome.infrastructure or ended or event.failure_reason == OPERATOR:
        return None
    return Fared(Sign.FAILED, event.failure_reason or outcome.reason)


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

    def go_on(self) -> None:
        """Take :meth:`stop` back, if it is not too late: a thread that has ended does not come back."""
        self._stopped.clear()

    def run(self) -> None:
        """Follow the CE's events."""
        silent_since: float | None = None
        delay = 0.5
        while not self._stopped.is_set():
            asked = time.monotonic()
            try:
                news = self.take()
                silent_since, delay = None, 0.5
                if not news and time.monotonic() - asked < _UNHELD:
                    self._stopped.wait(_UNHELD)  # this CE does not hold its answer back (now): do not spin
            except (CeUnreachable, CeRefused) as error:
                silent_since = silent_since or asked
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

    def take(self) -> bool:
        """Ask once and record what came; False when there was nothing.

        :raises CeUnreachable: when there is no answer.
        :raises CeRefused: when the CE does not let this host watch.
        """
        with self._ledger.engine.connect() as connection:
            db_id, last = queue.stream(connection, self.endpoint)
        answer = self._elements.events(self.endpoint, last, self._reports.settings.ce_poll)
        if answer.db_id != db_id:
            self._begin_anew(answer.db_id)
            return True
        position = max([last, answer.last, *(event.number for event in answer.events)])
        if position == last:
            return False

        def unit(connection: Connection) -> bool:
            if queue.stream(connection, self.endpoint) != (db_id, last):
                return False  # another monitor of this CE, that was about to end, took them
            queue.set_stream(connection, self.endpoint, answer.db_id, position)
            return self._reports.apply(connection, self.endpoint, answer.events)

        point("broker.monitor.heard")
        planning = self._ledger.writer.run(unit)
        point("broker.monitor.recorded")
        self._ledger.told()
        if planning:
            ring(self._reports.settings.doorbell)
        return bool(answer.events)

    def _begin_anew(self, db_id: str) -> None:
        """The CE has another database than before, or is heard for the first time.

        What is not in there is lost; what it took since then is not.  The requests are listed before the CE is
        asked, so that one that it takes in between is left alone.
        """
        lost = there = self._jobs_there()
        after = 0
        while lost:
            answer = self._elements.events(self.endpoint, after, 0)
            if answer.db_id != db_id:
                return  # yet another one; the next look begins from there
            lost = lost - {event.ce_job for event in answer.events}
            if answer.last <= after:
                break
            after = answer.last
        if lost:
            log.warning("%s has a new database; %d of its %d jobs are lost", self.endpoint, len(lost), len(there))
        self._lose(lost, "the computing element has lost its database", db_id)

    def _give_up(self, reason: str) -> None:
        self._lose(self._jobs_there(), reason, None)

    def _jobs_there(self) -> frozenset[str]:
        with self._ledger.engine.connect() as connection:
            return frozenset(str(request.ce_job) for request in queue.on_endpoint(connection, self.endpoint))

    def _lose(self, ce_jobs: frozenset[str], reason: str, db_id: str | None) -> None:
        """Send what still is at one of these jobs elsewhere; a new stream begins at 0."""

        def unit(connection: Connection) -> None:
            blamed: set[str | None] = set()
            for request in queue.on_endpoint(connection, self.endpoint):
                if request.ce_job in ce_jobs:
                    self._reports.lost(connection, request, reason, blamed=request.ce_id not in blamed)
                    blamed.add(request.ce_id)
            if db_id is not None:
                queue.set_stream(connection, self.endpoint, db_id, 0)

        self._ledger.writer.run(unit)
        self._ledger.told()
        if ce_jobs:
            ring(self._reports.settings.doorbell)


def purge_ended(ledger: Ledger, elements: ComputingElements, limit: int = 200) -> int:
    """Tell the CEs to forget attempts that have ended, at most ``limit`` at each; returns how many they forgot.

    What fails is tried again at the next call, and keeps no other CE waiting; a CE purges by age anyhow.
    """
    with ledger.engine.connect() as connection:
        kept = {at: queue.to_purge(connection, at, limit) for at in queue.endpoints_to_purge(connection)}
    done: list[str] = []
    for endpoint, rows in kept.items():
        try:
            elements.purge(endpoint, [ce_job for _, ce_job in rows])
        except GridError as error:
            log.info("purging %d jobs at %s: %s", len(rows), endpoint, error.description)
            continue
        done += [job for job, _ in rows]
    if done:
        ledger.writer.run(lambda connection: queue.purged(connection, done))
    return len(done)
