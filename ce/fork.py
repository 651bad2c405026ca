"""The simplest batch system: wrappers are child processes of the service, slots are counted for each queue.

One thread waits on pidfds and a wake-up descriptor; nothing is polled.  A wrapper begins only when it reads
``go`` from its standard input, which is written after the process was recorded durably, so a job can neither
run unrecorded nor run twice.  Wrappers lead their own sessions and outlive the service.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ce.line import Line
from ce.lrms import BatchJob, Load, Lrms, Watcher
from ce.process import ProcessId, boot_id, kill_session, send
from ce.vital import VitalThread
from grid import faultpoints
from grid.errors import GridError

_log = logging.getLogger("wms.ce")
MARKER = "GLITE_CREAM_JOBID"
"""Variable that every process of a job is started with; it tells leftovers from strangers."""
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_BATCH = 16  # wrappers held at the gate at a time: one durable record serves them all
_BACK_OFF = 1.0


@dataclass(slots=True)
class _Running:
    """A wrapper that has a process; ``child`` is None for an adopted one."""

    job: BatchJob
    process: ProcessId
    pidfd: int
    child: subprocess.Popen[bytes] | None = None
    kill_at: float | None = None
    cancelled: bool = False


class Fork(Lrms):
    """Jobs as processes of this host.

    :param slots: places for each queue name.
    :param interpreter: absolute path of the Python that runs the wrapper (3.9 or later).
    :param grace: seconds between TERM and KILL of a cancelled job.
    """

    name = "fork"

    def __init__(self, slots: Mapping[str, int], interpreter: Path, watcher: Watcher, *, grace: float = 5.0) -> None:
        self._interpreter = interpreter
        self._watcher = watcher
        self._grace = grace
        self._lock = threading.Lock()
        self._waiting = {queue: Line(places) for queue, places in slots.items()}
        self._running: dict[str, _Running] = {}
        self._new: list[_Running] = []
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._retry_at: float | None = None
        self._closing = False
        self._thread = VitalThread("ce-fork", self._run)

    def start(self) -> None:
        """Begin to launch and watch; call it after the last :meth:`adopt`, which count for the slots."""
        self._thread.start()

    def submit(self, job: BatchJob) -> None:
        with self._lock:
            self._waiting[job.queue].add(job)
        self._ring()

    def adopt(self, job: BatchJob, batch_id: str) -> bool:
        process = ProcessId.parse(batch_id)
        pidfd = process.open()
        if pidfd is None:
            if process.boot == boot_id():
                kill_session(process.pid, job.account.uid, f"{MARKER}={job.id}")
            return False
        running = _Running(job, process, pidfd)
        with self._lock:
            self._running[job.id] = running
            self._new.append(running)
        self._ring()
        return True

    def cancel(self, job: str) -> bool:
        with self._lock:
            if any(line.remove(job) for line in self._waiting.values()):
                return True
            running = self._running.get(job)
            if running is not None and not running.cancelled:
                running.cancelled = True
                running.kill_at = time.monotonic() + self._grace
                send(running.pidfd, signal.SIGTERM)
        self._ring()
        return False

    def load(self, queue: str) -> Load:
        with self._lock:
            running = sum(1 for item in self._running.values() if item.job.queue == queue)
            return Load(running, len(self._waiting[queue]))

    def close(self) -> None:
        self._closing = True
        self._ring()
        if self._thread.ident is not None:
            self._thread.join(timeout=30.0)
        with self._lock:
            for running in self._running.values():
                os.close(running.pidfd)
                if running.child is not None:
                    running.child.returncode = 0  # left running on purpose: the next life adopts it
            self._running.clear()
            self._selector.close()
            os.close(self._wake)
            self._wake = -1

    def _ring(self) -> None:
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(self._timeout()):
                if key.data is None:
                    os.eventfd_read(self._wake)
                else:
                    self._exited(key.data)
            if self._closing:
                return
            self._watch_new()
            self._escalate()
            if self._retry_at is None or time.monotonic() >= self._retry_at:
                self._retry_at = None
                while self._launch():
                    pass

    def _timeout(self) -> float | None:
        with self._lock:
            moments = [item.kill_at for item in self._running.values() if item.kill_at is not None]
        if self._retry_at is not None:
            moments.append(self._retry_at)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _watch_new(self) -> None:
        with self._lock:
            new, self._new = self._new, []
        for running in new:
            self._selector.register(running.pidfd, selectors.EVENT_READ, running)

    def _escalate(self) -> None:
        """KILL what did not end within the grace time after TERM, its whole session."""
        moment = time.monotonic()
        with self._lock:
            late = [item for item in self._running.values() if item.kill_at is not None and item.kill_at <= moment]
            for item in late:
                item.kill_at = None
        for item in late:
            _log.warning("job %s did not end within %.0f s of TERM: KILL", item.job.id, self._grace)
            send(item.pidfd, signal.SIGKILL)
            kill_session(item.process.pid, item.job.account.uid)

    def _exited(self, running: _Running) -> None:
        self._selector.unregister(running.pidfd)
        if not self._tidy(running):
            kill_session(running.process.pid, running.job.account.uid)
        if running.child is not None:
            running.child.wait()
        with self._lock:
            self._running.pop(running.job.id, None)
            os.close(running.pidfd)
        self._watcher.ended(running.job.id)

    def _tidy(self, running: _Running) -> bool:
        """True when the wrapper exited normally, so nothing of its payload is left.  It is not reaped yet: as long
        as it is in the process table its number names no other session."""
        if running.child is None:
            return False
        ended = os.waitid(os.P_PIDFD, running.pidfd, os.WEXITED | os.WNOWAIT)
        return ended is not None and ended.si_code == os.CLD_EXITED and ended.si_status == 0

    def _take(self) -> list[BatchJob]:
        """Waiting jobs for which there are free slots."""
        taken: list[BatchJob] = []
        with self._lock:
            for name, line in self._waiting.items():
                busy: Counter[int] = Counter()
                for item in self._running.values():
                    if item.job.queue == name:
                        busy[item.job.account.uid] += item.job.slots
                while len(taken) < _BATCH and (job := line.take(busy)) is not None:
                    taken.append(job)
                    busy[job.account.uid] += job.slots
        return taken

    def _launch(self) -> bool:
        """Start wrappers for free slots.  Returns False when there was nothing to do or nothing could be recorded."""
        held: list[_Running] = []
        for job in self._take():
            running = self._spawn(job)
            if running is not None:
                held.append(running)
        if not held:
            return False
        with self._lock:
            self._running.update((item.job.id, item) for item in held)
        faultpoints.point("ce.launch.spawned")
        try:
            admitted = self._watcher.assigned([(item.job.id, str(item.process)) for item in held])
        except GridError as error:
            _log.error("the start of %d jobs could not be recorded: %s", len(held), error)
            self._give_back(held)
            return False
        faultpoints.point("ce.launch.recorded")
        for item in held:
            self._release(item, item.job.id in admitted and not item.cancelled)
            self._selector.register(item.pidfd, selectors.EVENT_READ, item)
        return True

    def _spawn(self, job: BatchJob) -> _Running | None:
        account = job.account
        options = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
        command = [str(self._interpreter), "-I", "-S", "-B", str(job.control / "wrapper.py"), str(job.control)]
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**_ENVIRONMENT, MARKER: job.id},
                cwd=job.control,
                start_new_session=True,
                umask=0o077,
                bufsize=0,
                **options,  # type: ignore[call-overload]
            )
        except OSError as error:
            _log.error("the wrapper of job %s cannot be started: %s", job.id, error)
            self._watcher.refused(job.id, f"the job wrapper cannot be started: {error.strerror}")
            return None
        process = ProcessId.of(child.pid)
        if process is None:  # a child stays in the process table until it is waited for
            raise ProcessLookupError(child.pid)
        return _Running(job, process, os.pidfd_open(child.pid), child)

    def _release(self, item: _Running, go: bool) -> None:
        """Open the gate, or close it for ever; either way the wrapper's end is seen by its pidfd."""
        stdin = item.child.stdin if item.child is not None else None
        if stdin is None:
            return
        try:
            if go:
                stdin.write(b"go\n")
        except BrokenPipeError:
            _log.warning("the wrapper of job %s ended at the gate", item.job.id)
        finally:
            stdin.close()

    def _give_back(self, held: list[_Running]) -> None:
        for item in reversed(held):
            self._release(item, False)
            if item.child is not None:
                item.child.wait()
            with self._lock:
                self._running.pop(item.job.id, None)
                os.close(item.pidfd)
                self._waiting[item.job.queue].put_back(item.job)
        self._retry_at = time.monotonic() + _BACK_OFF
