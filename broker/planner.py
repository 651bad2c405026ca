"""The next step of one request: match it, choose a computing element, hand it over, start it.

Each method is one step; each step ends in one transaction (:mod:`broker.ledger`).  A crash between steps finds
the request in the phase of the last one, and repeating the step does no harm: registration at the CE is keyed by
job and attempt, and nothing that could run is sent before the CE's answer is recorded.

Once JobStart was sent, an attempt ends by the CE's word alone, since an unanswered call may have been heard.  When
it cannot be repeated (refused, or the proxy has ended), the CE is told to cancel, and its report moves the job on.
"""

from __future__ import annotations

import logging
import random
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from broker import queue
from broker.catalogues import Catalogues
from broker.ce_client import ComputingElements
from broker.errors import CeJobUnknown, CeRefused, CeUnreachable
from broker.explanation import same_reason
from broker.ledger import Fared, Ledger
from broker.outcome import Attempts, Verdict, after_infrastructure_failure
from broker.placement import Placement, Placements
from broker.queue import End, Phase, Request
from broker.settings import BrokerSettings
from broker.standing import Sign
from broker.supermarket import Supermarket
from broker.trail import Trail
from broker.waiting import Waiting
from grid.errors import GridError
from grid.faultpoints import point
from gsi.credential import Credential

log = logging.getLogger("wms.broker")

INTERNAL_FAILURE = "the broker failed; its log says how"
_REGISTRATION_STUMBLES = 3
_STUMBLES = 12
"""Unexpected failures of one step, with growing delays (about half an hour in all), before the broker gives up."""
_TELL_AGAIN = 60.0
_TELL_AT_MOST = 3600.0
"""Seconds between two reasons of one wait that bookkeeping is told of: they double from the one to the other."""
_WOKEN_PER_SECOND = 200
"""Requests that look again in one second when an element's time aside ends."""
_ASK_AGAIN = 30.0
"""Seconds between two requests to a CE to cancel; its report ends them."""


class Planner:
    """Takes steps; used by several threads at once, each with another request.

    :ivar waiting: the requests for which there was no element.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        ledger: Ledger,
        supermarket: Supermarket,
        elements: ComputingElements,
        catalogues: Catalogues | None = None,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._elements = elements
        self._supermarket = supermarket
        catalogues = catalogues or Catalogues(settings.certificate_directory, settings.catalogues)
        self._placements = Placements(settings, ledger, supermarket, catalogues)
        self.waiting = Waiting()

    def step(self, request: Request) -> None:
        """Take steps until the request waits for something outside.

        :raises Exception: whatever goes wrong unexpectedly; the caller puts the request back with a delay.
        """
        current: Request | None = request
        while current is not None:
            if current.phase is Phase.HELD:
                if current.cancelling:
                    self._end_cancelled(current, self._trail(current))
                current = None
            elif current.phase in (Phase.QUEUED, Phase.WAITING):
                current = self._plan(current)
            elif current.phase is Phase.CHOSEN:
                current = self._register(current)
            elif current.phase is Phase.REGISTERED and not current.cancelling:
                if current.reason:
                    self._abandon(current, current.reason)
                else:
                    self._start(current)
                current = None
            elif current.phase in (Phase.REGISTERED, Phase.RUNNING):
                self._cancel(current)
                current = None
            else:
                current = None

    def postpone(self, request: Request, delay: float) -> None:
        """Try the same step again after ``delay`` seconds."""
        self._ledger.step(
            request, self._trail(request), next_try=time.time() + delay, stumbles=request.stumbles + 1
        )

    def put_back(self, request: Request, delay: float) -> None:
        """After an unexpected failure: try the step again, but not for ever.  What the CE has stays there."""
        if request.stumbles < _STUMBLES or request.phase is Phase.RUNNING:
            self.postpone(request, delay)
        elif request.phase is Phase.REGISTERED:
            self._abandon(request, INTERNAL_FAILURE)
        else:
            self._abort(request, self._trail(request), INTERNAL_FAILURE)

    # -- steps -------------------------------------------------------------------------------------------

    def _plan(self, request: Request) -> Request | None:
        trail = self._trail(request)
        kind = self.waiting.remove(str(request.job))
        if request.phase is Phase.QUEUED:
            trail.taken()
        if request.cancelling:
            self._end_cancelled(request, trail)
            return None
        now = time.time()
        hopeless = self._proxy_problem(request, now) or ("request expired" if now >= request.expiry else None)
        if hopeless:
            self._abort(request, trail, hopeless)
            return None
        seen = self._supermarket.snapshot()
        placement = self._placements.place(request, None if kind is None else kind.data)
        choice = placement.candidate
        if choice is None:
            self._wait(request, trail, placement)
            if self._supermarket.snapshot() is not seen:  # nobody asked the new one for this request
                self._ledger.writer.run(partial(queue.rouse, jobs=[str(request.job)]))
            return None
        trail.matched(choice.ce_id, choice.host, placement.jdl)
        values: dict[str, Any] = {
            "phase": Phase.CHOSEN,
            "attempt": request.attempt + 1,
            "ce_id": choice.ce_id,
            "ce_endpoint": choice.endpoint,
            "ce_job": None,
            "stumbles": 0,
            "reason": None,
            "told": 0,
            "told_at": None,
            "matched": placement.matched,
            "sent_at": None if placement.sent is None else placement.sent.at,
            "slots": None if placement.sent is None else placement.sent.slots,
            "next_try": now,
        }
        if not self._ledger.step(request, trail, **values):
            self._ledger.traffic.ended(str(request.job))
            return None
        point("broker.plan.chosen")
        return replace(request, sequence_code=trail.sequence_code, **values)

    def _wait(self, request: Request, trail: Trail, placement: Placement) -> None:
        """Look again later; an event tells of it when there is something new to tell, and that ever more seldom."""
        now = time.time()
        values: dict[str, Any] = {}
        stale = placement.until is None and same_reason(request.reason, placement.reason)
        if not stale and placement.reason != request.reason and may_tell(request, now):
            trail.pending(placement.reason)
            values = {"reason": placement.reason, "told": request.told + 1, "told_at": now}
        again = now + placement.wait
        if placement.until is not None:
            # one is enough to try the element; when it is taken again the others are roused (broker.rouser)
            spread = 1.0 + len(self.waiting) / _WOKEN_PER_SECOND
            again = min(again, max(placement.until, now) + random.uniform(0.05, spread))
        self._ledger.step(
            request,
            trail,
            phase=Phase.WAITING,
            stumbles=0,
            next_try=min(again, max(request.expiry, now) + 0.05),
            **values,
        )
        if placement.kind is not None:
            self.waiting.add(str(request.job), placement.kind)

    def _register(self, request: Request) -> Request | None:
        """Delegate, and register without starting: a CE that answers late has nothing to run."""
        if request.cancelling:
            self._end_cancelled(request, self._trail(request))
            return None
        problem = self._proxy_problem(request, time.time())
        if problem:
            self._abort(request, self._trail(request), problem)
            return None
        endpoint, proxy = str(request.ce_endpoint), Path(request.proxy)
        try:
            delegation = self._elements.delegate(endpoint, proxy)
            point("broker.register.delegated")
            ce_job = self._elements.register(
                endpoint,
                proxy,
                delegation,
                description_id=f"{request.job.unique}-{request.attempt}",
                jdl=self._placements.adapted(request),
            )
        except CeUnreachable as error:
            if request.stumbles < _REGISTRATION_STUMBLES:
                self.postpone(request, self._settings.infrastructure_delay * 2**request.stumbles)
            else:
                self._send_elsewhere(request, error)
            return None
        except CeRefused as error:
            self._send_elsewhere(request, error)
            return None
        point("broker.register.answered")
        trail = self._trail(request)
        if not self._ledger.step(
            request, trail, phase=Phase.REGISTERED, ce_job=ce_job, stumbles=0, next_try=time.time()
        ):
            return None
        point("broker.register.recorded")
        return self._reload(request)

    def _start(self, request: Request) -> None:
        """Start the registered job.  From here the CE may run it, so only the CE's word ends the attempt."""
        endpoint, ce_job = str(request.ce_endpoint), str(request.ce_job)
        problem = self._proxy_problem(request, time.time())
        if problem:
            self._abandon(request, problem)
            return
        try:
            self._elements.start(endpoint, Path(request.proxy), ce_job)
        except CeUnreachable as error:
            log.warning("%s: the start at %s has no answer yet: %s", request.job, endpoint, error.description)
            self.postpone(request, min(60.0, self._settings.infrastructure_delay * 2 ** min(request.stumbles, 6)))
            return
        except CeJobUnknown as error:
            self._send_elsewhere(request, error)
            return
        except CeRefused as error:
            self._abandon(request, error.description, fared=_refusal(error))
            return
        point("broker.start.answered")
        trail = self._trail(request)
        trail.handed_over(endpoint, ce_job)
        # The monitor may have been faster: then the request has moved and this changes nothing.
        troubled = self._ledger.standings.of(str(request.ce_id)).failures
        started = Fared(Sign.STARTED) if troubled else None
        self._ledger.step(request, trail, fared=started, phase=Phase.RUNNING, stumbles=0)
        point("broker.start.recorded")

    def _abandon(self, request: Request, why: str, fared: Fared | None = None) -> None:
        """Give up an attempt whose start can no longer be asked for, though an earlier call may have been heard.

        The CE is asked, with the host's credential, to cancel.  What it reports then ends the attempt.

        :param fared: what it says of the CE, when the CE is to blame.
        """
        log.warning("%s: the attempt at %s is given up: %s", request.job, request.ce_endpoint, why)
        try:
            self._elements.cancel(str(request.ce_endpoint), str(request.ce_job))
        except CeJobUnknown as error:
            self._send_elsewhere(request, error)
            return
        except GridError as error:
            log.warning("%s: cancelling at %s: %s", request.job, request.ce_endpoint, error.description)
        self._ledger.step(
            request,
            self._trail(request),
            fared=fared,
            reason=why,
            next_try=time.time() + _ASK_AGAIN,
            stumbles=request.stumbles + 1,
        )

    def _cancel(self, request: Request) -> None:
        """Ask the CE to cancel; its report, not our wish, ends the job."""
        try:
            self._elements.cancel(str(request.ce_endpoint), str(request.ce_job))
        except CeJobUnknown as error:
            trail = self._trail(request)
            trail.cancelled(f"Cancelled by user; {error.description}")
            self._ledger.end(request, trail, End.CANCELLED, "Cancelled by user")
            return
        except GridError as error:
            log.warning("%s: cancelling at %s: %s", request.job, request.ce_endpoint, error.description)
        self.postpone(request, _ASK_AGAIN)

    # -- rules -------------------------------------------------------------------------------------------

    def _proxy_problem(self, request: Request, now: float) -> str | None:
        try:
            proxy = Credential.load(Path(request.proxy))
        except (OSError, ValueError, GridError):
            return f"X509 proxy not found or I/O error ({Path(request.proxy).name})"
        return "proxy expired" if proxy.not_after.timestamp() <= now else None

    def _abort(self, request: Request, trail: Trail, reason: str) -> None:
        trail.aborted(reason)
        self._ledger.end(request, trail, End.ABORTED, reason)

    def _end_cancelled(self, request: Request, trail: Trail) -> None:
        trail.cancelled("Cancelled by user")
        self._ledger.end(request, trail, End.CANCELLED, "Cancelled by user")

    def _send_elsewhere(self, request: Request, error: GridError) -> None:
        """The CE did not take the job: that is the infrastructure's failure."""
        trail, fared = self._trail(request), _refusal(error)
        trail.hand_over_failed(str(request.ce_endpoint), error.description)
        outcome = after_infrastructure_failure(f"{request.ce_id}: {error.description}", self.attempts(request))
        if outcome.verdict is Verdict.ABORT:
            trail.aborted(outcome.reason)
            self._ledger.end(request, trail, End.ABORTED, outcome.reason, fared=fared)
            return
        trail.will_resubmit(outcome.reason, str(request.attempt))
        self._ledger.step(
            request,
            trail,
            fared=fared,
            phase=Phase.WAITING,
            infrastructure=request.infrastructure + 1,
            tried_hosts=_with(request.tried_hosts, str(request.ce_id)),
            next_try=time.time() + self._settings.infrastructure_delay * 2 ** min(request.infrastructure, 5),
            ce_job=None,
            stumbles=0,
            reason=None,
        )

    def attempts(self, request: Request) -> Attempts:
        """What was tried and what is allowed."""
        return Attempts(
            request.failures,
            request.infrastructure,
            request.retry_count,
            self._settings.max_retry_count,
            self._settings.max_infrastructure_failures,
        )

    def _trail(self, request: Request) -> Trail:
        return Trail(request, self._settings.host)

    def _reload(self, request: Request) -> Request | None:
        with self._ledger.engine.connect() as connection:
            return queue.get(connection, request.job)


def _refusal(error: GridError) -> Fared | None:
    """What a hand-over that failed says of the CE; nothing when it is about the job: others may be served well."""
    if isinstance(error, CeRefused) and error.about_job:
        return None
    return Fared(Sign.REFUSED, error.description)


def may_tell(request: Request, now: float) -> bool:
    """Whether bookkeeping may be told of another reason: at once, after a minute, two, four ..., an hour."""
    if request.told_at is None or not request.told:
        return True
    return now >= request.told_at + min(_TELL_AT_MOST, _TELL_AGAIN * 2.0 ** min(request.told - 1, 20))


def _with(hosts: tuple[str, ...], ce_id: str) -> tuple[str, ...]:
    host = ce_id.partition(":")[0]
    return hosts if host in hosts else (*hosts, host)
