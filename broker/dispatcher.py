"""Gives what is due to worker threads: steps of requests and of compound jobs.

It also keeps a monitor on every computing element that has jobs of ours.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from broker import compounds, queue
from broker.ce_client import ComputingElements
from broker.engine import Engine
from broker.ledger import Ledger
from broker.monitor import CeMonitor, Reports, purge_ended
from broker.planner import Planner
from broker.queue import Request
from broker.settings import BrokerSettings
from broker.shares import read_shares
from grid.doorbell import Doorbell, ring
from grid.jobid import JobId

log = logging.getLogger("wms.broker")

T = TypeVar("T")

_LOOK_AGAIN = 15.0
_LONGEST_DELAY = 300.0
_HELD_BACK = 5.0
_COMPOUNDS_AT_ONCE = 16


class Dispatcher:
    """The broker's main loop: woken by the doorbell, by a due time, or by its own timer."""

    def __init__(
        self,
        settings: BrokerSettings,
        ledger: Ledger,
        planner: Planner,
        engine: Engine,
        elements: ComputingElements,
        bell: Doorbell,
    ) -> None:
        self._settings = settings
        self._shares = read_shares(settings.vo_shares)
        self._ledger = ledger
        self._planner = planner
        self._engine = engine
        self._elements = elements
        self._bell = bell
        self._reports = Reports(settings, ledger, planner.attempts)
        self._pool = ThreadPoolExecutor(settings.worker_threads, thread_name_prefix="worker")
        self._busy: set[str] = set()
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._monitors: dict[str, CeMonitor] = {}

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set (and the doorbell rung)."""
        try:
            while not stop.is_set():
                self._bell.wait(self._turn())
        finally:
            self._ended.set()
            for monitor in self._monitors.values():
                monitor.stop()
            self._pool.shutdown(wait=True, cancel_futures=True)

    def purge(self) -> None:
        """Tell the CEs to forget what has ended, and forget what was long ago; called by the scheduler."""
        purge_ended(self._ledger, self._elements)
        self._ledger.writer.run(self._ledger.standings.purge)

    def _turn(self) -> float:
        now = time.time()
        with self._lock:
            busy = set(self._busy)
        free = self._settings.worker_threads * 4 - len(busy)
        with self._ledger.engine.connect() as connection:
            compound = compounds.due(connection, now, _COMPOUNDS_AT_ONCE)
            most = self._settings.worker_threads * 4 + len(busy)
            ready = queue.due(connection, now, most, self._shares) if free > 0 else []
            upcoming = [queue.next_due(connection, now), compounds.next_due(connection, now)]
            endpoints = queue.active_endpoints(connection)
        for job in [job for job in compound if str(job) not in busy]:
            self._give(job, self._advance, job)
        for request in [r for r in ready if str(r.job) not in busy][: max(0, free)]:
            self._give(request.job, self._step, request)
        self._watch(endpoints)
        # What is due now is in the workers' hands, and they ring when they are done.
        return min([_LOOK_AGAIN, *(max(0.01, moment - now) for moment in upcoming if moment is not None)])

    def _give(self, job: JobId, work: Callable[[T], None], what: T) -> None:
        """Let a worker do ``work(what)``; until it has, nobody else touches ``job``."""

        def turn() -> None:
            try:
                work(what)
            finally:
                with self._lock:
                    self._busy.discard(str(job))
                self._ring()

        with self._lock:
            self._busy.add(str(job))
        self._pool.submit(turn)

    def _step(self, request: Request) -> None:
        try:
            self._planner.step(request)
        except Exception:
            log.exception("a step of %s failed in phase %s", request.job, request.phase)
            self._put_back(request)

    def _advance(self, job: JobId) -> None:
        try:
            self._engine.advance(job)
        except Exception:
            log.exception("a step of the compound job %s failed", job)
            try:
                self._engine.put_back(job)
            except Exception:
                log.exception("%s cannot be put back; trying again in %.0f s", job, _HELD_BACK)
                self._ended.wait(_HELD_BACK)

    def _put_back(self, request: Request) -> None:
        try:
            with self._ledger.engine.connect() as connection:
                current = queue.get(connection, request.job)
            if current is not None:
                self._planner.put_back(current, min(_LONGEST_DELAY, 1.0 * 2 ** min(current.stumbles, 8)))
        except Exception:
            # Not even that could be written (a full disk?): the request stays due, so hold it back here.
            log.exception("%s cannot be put back; trying again in %.0f s", request.job, _HELD_BACK)
            self._ended.wait(_HELD_BACK)

    def _watch(self, endpoints: set[str]) -> None:
        """A monitor for each CE that has jobs of ours, and no longer than it has."""
        self._monitors = {at: monitor for at, monitor in self._monitors.items() if monitor.is_alive()}
        for endpoint, monitor in self._monitors.items():
            if endpoint in endpoints:
                monitor.go_on()
            else:
                monitor.stop()
        for endpoint in endpoints - self._monitors.keys():
            monitor = CeMonitor(endpoint, self._reports, self._elements)
            self._monitors[endpoint] = monitor
            monitor.start()

    def _ring(self) -> None:
        ring(self._settings.doorbell)
