"""Gives due requests to worker threads and keeps a monitor on every computing element that has jobs of ours."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from broker import queue
from broker.ce_client import ComputingElements
from broker.ledger import Ledger
from broker.monitor import CeMonitor, Reports, purge_ended
from broker.planner import Planner
from broker.queue import Request
from broker.settings import BrokerSettings
from grid.doorbell import Doorbell, ring

log = logging.getLogger("wms.broker")

_LOOK_AGAIN = 15.0
_LONGEST_DELAY = 300.0
_HELD_BACK = 5.0


class Dispatcher:
    """The broker's main loop: woken by the doorbell, by a due time, or by its own timer."""

    def __init__(
        self,
        settings: BrokerSettings,
        ledger: Ledger,
        planner: Planner,
        elements: ComputingElements,
        bell: Doorbell,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._planner = planner
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
        """Tell the CEs to forget what has ended; called by the scheduler."""
        purge_ended(self._ledger, self._elements)

    def _turn(self) -> float:
        now = time.time()
        with self._lock:
            busy = set(self._busy)
        free = self._settings.worker_threads * 4 - len(busy)
        with self._ledger.engine.connect() as connection:
            ready = queue.due(connection, now, self._settings.worker_threads * 4 + len(busy)) if free > 0 else []
            upcoming = queue.next_due(connection, now)
            endpoints = queue.active_endpoints(connection)
        for request in [r for r in ready if str(r.job) not in busy][: max(0, free)]:
            with self._lock:
                self._busy.add(str(request.job))
            self._pool.submit(self._step, request)
        self._watch(endpoints)
        if upcoming is None:
            return _LOOK_AGAIN
        # What is due now is in the workers' hands, and they ring when they are done.
        return min(_LOOK_AGAIN, max(0.01, upcoming - now))

    def _step(self, request: Request) -> None:
        try:
            self._planner.step(request)
        except Exception:
            log.exception("a step of %s failed in phase %s", request.job, request.phase)
            self._put_back(request)
        finally:
            with self._lock:
                self._busy.discard(str(request.job))
            self._ring()

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
