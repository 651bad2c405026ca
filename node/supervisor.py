"""Keeps a node's services running: starts them, says when all answer, restarts one that dies, stops them all.

A service that dies is restarted after a delay that doubles from half a second to a minute and falls back when
the service has run for a minute.  Each event of that kind is one line in ``log/supervisor.log`` (or on standard
error in the foreground).  What there is to see stands in ``run/status.json``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grid.errors import GridError
from grid.files import write_private
from node.process import ServiceProcess, describe_exit, is_same, start_time

log = logging.getLogger("wms.node")

FIRST_DELAY = 0.5
LONGEST_DELAY = 60.0
SETTLED = 60.0
STARTING = 15.0
LEFTOVER_DEADLINE = 5.0
STOP_DEADLINE = 8.0


class AlreadyUp(GridError):
    """Another supervisor holds the node."""

    default_code = 1205

    def __init__(self, root: Path, pid: int) -> None:
        self.pid = pid
        super().__init__(f"{root} is up already (supervisor {pid}); stop it with `wms down {root}`")


@dataclass
class _Watched:
    name: str
    process: ServiceProcess | None = None
    restarts: int = 0
    delay: float = FIRST_DELAY
    start_at: float = 0.0
    last_exit: str | None = None
    ready: bool = False
    since: float = field(default_factory=time.time)


class Supervisor:
    """Runs ``wms run DIR SERVICE`` for each service.

    :param ready: asks one service whether it answers.
    :param hourly: called at the start and once an hour; an error in it is logged and ends nothing.
    :param end_payloads: called at a stop that does not keep jobs, after the services have ended.
    :param prepare: called before the first service starts, when no service of this node runs.
    """

    def __init__(
        self,
        root: Path,
        run: Path,
        logs: Path,
        services: Sequence[str],
        *,
        ready: Callable[[str], bool],
        end_payloads: Callable[[], None],
        hourly: Callable[[], None] = lambda: None,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._root = root
        self._run = run
        self._logs = logs
        self._watched = {name: _Watched(name) for name in services}
        self._ready = ready
        self._end_payloads = end_payloads
        self._prepare = prepare
        self._hourly = hourly
        self._hour_ends = 0.0
        self._stopping = False
        self._announced = False
        self._written: str | None = None

    def serve(self) -> int:
        """Run until SIGTERM or SIGINT; returns the exit code of the supervisor.

        :raises AlreadyUp: when another supervisor holds the node.
        """
        lock = claim(self._root, self._run)
        try:
            (self._run / "stop.json").unlink(missing_ok=True)  # the wish of a stop that was never heard
            end_leftovers(self._run)
            self._prepare()
            return self._watch()
        finally:
            for name in ("supervisor.json", "status.json", "stop.json"):
                (self._run / name).unlink(missing_ok=True)
            os.close(lock)

    def _watch(self) -> int:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        previous = signal.set_wakeup_fd(writer)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        selector = selectors.DefaultSelector()
        selector.register(reader, selectors.EVENT_READ)
        try:
            self._write_status()
            while not self._stopping:
                self._turn()
                selector.select(self._pause())
                with contextlib.suppress(BlockingIOError):
                    os.read(reader, 4096)
            self._stop_all()
            return 0
        finally:
            for watched in self._watched.values():
                if watched.process:
                    watched.process.kill_group()
            selector.close()
            signal.set_wakeup_fd(previous)
            os.close(reader)
            os.close(writer)

    def _on_stop(self, *_: object) -> None:
        self._stopping = True

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._hour_ends:
            self._hour_ends = now + 3600.0
            try:
                self._hourly()
            except (OSError, GridError) as error:
                log.error("the hourly work failed: %s", error)
        for watched in self._watched.values():
            if self._stopping:
                return
            if watched.process and (code := watched.process.exit_code()) is not None:
                self._died(watched, code, now)
            if watched.process is None and now >= watched.start_at:
                self._start(watched)
            elif watched.process and not watched.ready and self._ready(watched.name):
                watched.ready = True
                log.info("%s answers (pid %d)", watched.name, watched.process.pid)
        if not self._announced and all(w.ready for w in self._watched.values()):
            self._announced = True
            log.info("all %d services answer", len(self._watched))
        self._write_status()

    def arguments(self, name: str) -> list[str]:
        """The command of a service."""
        return [sys.executable, "-m", "node", "run", str(self._root), name]

    def _start(self, watched: _Watched) -> None:
        log_file = self._logs / f"{watched.name}.log"
        try:
            watched.process = ServiceProcess.start(watched.name, self.arguments(watched.name), log_file)
        except OSError as error:  # no more processes, no more memory: the others go on, and this may pass
            self._again(watched, f"it could not be started: {error.strerror}", time.monotonic())
            return
        watched.ready = False
        watched.since = time.time()
        self._write_status()  # at once: should we be killed, the next supervisor must know whom we left

    def _died(self, watched: _Watched, code: int, now: float) -> None:
        if watched.process:
            watched.process.kill_group()
            if now - watched.process.started > SETTLED:
                watched.delay = FIRST_DELAY
        watched.process = None
        watched.ready = False
        self._again(watched, describe_exit(code), now)

    def _again(self, watched: _Watched, why: str, now: float) -> None:
        watched.restarts += 1
        watched.last_exit = why
        watched.start_at = now + watched.delay
        log.warning(
            "%s died (%s); starting it again in %.1f s, for the %d. time; see %s",
            watched.name,
            watched.last_exit,
            watched.delay,
            watched.restarts,
            self._logs / f"{watched.name}.log",
        )
        watched.delay = min(LONGEST_DELAY, watched.delay * 2)

    def _pause(self) -> float:
        now = time.monotonic()
        coming = [now - w.process.started for w in self._watched.values() if w.process and not w.ready]
        if coming:
            return 0.1 if min(coming) < STARTING else 1.0
        waits = [w.start_at - now for w in self._watched.values() if w.process is None]
        return max(0.05, min([*waits, 5.0]))

    def _stop_all(self) -> None:
        keep_jobs = keeps_jobs(self._run)
        running = [w for w in self._watched.values() if w.process]
        log.info("stopping %d services%s", len(running), ", jobs go on" if keep_jobs else "")
        for watched in running:
            if watched.process:
                watched.process.terminate()
        deadline = time.monotonic() + STOP_DEADLINE - 4
        while time.monotonic() < deadline and any(w.process and w.process.exit_code() is None for w in running):
            time.sleep(0.05)
        for watched in running:
            if watched.process:
                if watched.process.exit_code() is None:
                    log.warning("%s did not end in time and is killed", watched.name)
                watched.process.kill_group()
                watched.process.process.wait(2)
                watched.process = None
        if not keep_jobs:
            self._end_payloads()
        log.info("stopped")

    def _write_status(self) -> None:
        text = json.dumps(
            {
                "supervisor": os.getpid(),
                "ready": self._announced and all(w.ready for w in self._watched.values()),
                "services": {
                    w.name: {
                        "pid": w.process.pid if w.process else None,
                        "started": w.process.kernel_start if w.process else None,
                        "ready": w.ready,
                        "restarts": w.restarts,
                        "last_exit": w.last_exit,
                        "since": w.since,
                    }
                    for w in self._watched.values()
                },
            }
        )
        if text != self._written:
            write_private(self._run / "status.json", text.encode())
            self._written = text


def claim(root: Path, run: Path) -> int:
    """Take the node's lock; the kernel gives it back when this process ends, however it ends.

    :raises AlreadyUp: when another process has it.
    """
    descriptor = os.open(run / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyUp(root, supervisor_pid(run) or 0) from None
    write_private(
        run / "supervisor.json", json.dumps({"pid": os.getpid(), "started": start_time(os.getpid())}).encode()
    )
    return descriptor


def leftovers(run: Path) -> list[tuple[int, str]]:
    """The services (pid, start time) of a supervisor that was killed: they run, and nobody watches them."""
    try:
        services = json.loads((run / "status.json").read_text())["services"].values()
        noted = [(int(s["pid"]), str(s["started"])) for s in services if s["pid"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return [(pid, started) for pid, started in noted if pid > 1 and is_same(pid, started)]


def end_leftovers(run: Path) -> int:
    """End them with their process groups and wait until they are gone, since they hold the ports; returns how many."""
    left = leftovers(run)
    for pid, _ in left:
        log.warning("ending process %d, left over from a supervisor that died", pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    deadline = time.monotonic() + LEFTOVER_DEADLINE
    while any(is_same(pid, started) for pid, started in left):
        if time.monotonic() > deadline:
            log.error("processes left over from a supervisor that died do not end: %s", [pid for pid, _ in left])
            break
        time.sleep(0.02)
    return len(left)


def supervisor_pid(run: Path) -> int | None:
    """The running supervisor of a node, or None."""
    try:
        data = json.loads((run / "supervisor.json").read_text())
        pid, started = int(data["pid"]), str(data["started"])
    except (OSError, ValueError, KeyError):
        return None
    return pid if is_same(pid, started) else None


def keeps_jobs(run: Path) -> bool:
    """Tell whether the stop that is asked for leaves the payloads running."""
    try:
        return bool(json.loads((run / "stop.json").read_text())["keep_jobs"])
    except (OSError, ValueError, KeyError):
        return False
