"""Up, down and status of a node."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker import control
from grid.errors import ConfigurationError, GridError, TimedOut
from grid.files import write_private
from node.configuration import Configuration
from node.credentials import Credentials
from node.layout import Layout
from node.ports import PortInUse, is_free
from node.process import is_same, start_time
from node.supervisor import AlreadyUp, Supervisor, claim, end_leftovers, leftovers, supervisor_pid
from wmproxy.drain import Drain

log = logging.getLogger("wms.node")

DOWN_DEADLINE = 12.0
_INFORMATION_DEADLINE = 2.0
_MOST_PROBLEMS = 3
"""Problems of the information supermarket that ``wms status`` shows."""


class DidNotComeUp(GridError):
    """A service does not answer."""

    default_code = 1205

    def __init__(self, root: Path, missing: list[str], seconds: float) -> None:
        self.missing = missing
        logs = ", ".join(str(root / "log" / f"{name}.log") for name in missing) or str(root / "log")
        super().__init__(
            f"{root} did not come up within {seconds:.0f} s: {', '.join(missing) or 'the supervisor'} "
            f"does not answer; the reason stands in {logs}"
        )


@dataclass(frozen=True)
class Report:
    """What ``wms status`` tells."""

    root: Path
    ready: bool
    supervisor: int | None
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    endpoint: str = ""
    drained: bool = False
    information: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "node": str(self.root),
            "ready": self.ready,
            "supervisor": self.supervisor,
            "endpoint": self.endpoint,
            "drained": self.drained,
            "services": self.services,
            "notes": list(self.notes),
            "information": self.information,
        }

    def lines(self) -> list[str]:
        if self.supervisor is None:
            down = f"{self.root} is down; start it with `wms up {self.root}`"
            return [down, *(f"  note: {note}" for note in self.notes)]
        lines = [f"{self.root} is {'up' if self.ready else 'coming up, or partly down'} (supervisor {self.supervisor})"]
        for name, service in self.services.items():
            state = "answers" if service["ready"] else "does not answer"
            extra = f", restarted {service['restarts']} times" if service["restarts"] else ""
            last = f", last end: {service['last_exit']}" if service["last_exit"] else ""
            lines.append(f"  {name:<12} {state:<16} pid {service['pid'] or '-'}{extra}{last}")
        return [*lines, *(f"  note: {note}" for note in self.notes)]


def up(root: Path, *, detach: bool, timeout: float) -> int:
    """Start a node.

    :raises PortInUse: naming the port and the service.
    :raises AlreadyUp: when it runs.
    :raises ConfigurationError: a setting that no service can start with.
    :raises DidNotComeUp: naming the services that do not answer (the node is stopped again).
    """
    from node import services

    layout = Layout(root)
    layout.check()
    configuration = Configuration.read(layout.configuration)
    pid = supervisor_pid(layout.run)
    if pid is not None:
        raise AlreadyUp(root, pid)
    services.check(layout, configuration)
    if not leftovers(layout.run):  # the new supervisor ends those first
        for service, port in configuration.ports().items():
            if not is_free(configuration.node.bind, port):
                raise PortInUse(service, configuration.node.bind, port)
    if detach:
        return _up_detached(layout, timeout)
    return _supervise(layout, configuration)


def _supervise(layout: Layout, configuration: Configuration) -> int:
    from node import services
    from node.health import Health

    health = Health(layout, configuration)
    supervisor = Supervisor(
        layout.root,
        layout.run,
        layout.logs,
        services.NAMES,
        ready=health.answers,
        end_payloads=lambda: services.end_payloads(layout, configuration),
        hourly=Credentials(layout).refresh,
        prepare=lambda: services.prepare(layout, configuration),
    )
    return supervisor.serve()


def _up_detached(layout: Layout, timeout: float) -> int:
    started = time.monotonic()
    log_file = layout.logs / "supervisor.log"
    descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "node", "up", str(layout.root)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            cwd="/",
        )
    finally:
        os.close(descriptor)
    while time.monotonic() - started < timeout:
        report = status(layout.root)
        if report.ready:
            print(f"{layout.root} is up: {len(report.services)} services answer ({time.monotonic() - started:.1f} s)")
            return 0
        if process.poll() is not None:
            last = _last_line(log_file)
            raise ConfigurationError(f"{layout.root} did not come up: {last or f'see {log_file}'}")
        time.sleep(0.1)
    report = status(layout.root)
    _take_back(process, layout)
    raise DidNotComeUp(layout.root, [n for n, s in report.services.items() if not s["ready"]], timeout)


def _take_back(process: subprocess.Popen[bytes], layout: Layout) -> None:
    """End a supervisor that did not bring the node up, whether or not it has come as far as taking the node."""
    write_private(layout.run / "stop.json", json.dumps({"keep_jobs": False}).encode())
    process.terminate()
    try:
        process.wait(DOWN_DEADLINE)
    except subprocess.TimeoutExpired:
        log.warning("the supervisor %d did not end within %.0f s and is killed", process.pid, DOWN_DEADLINE)
        process.kill()
        process.wait(DOWN_DEADLINE)
        end_leftovers(layout.run)


def down(root: Path, *, keep_jobs: bool) -> int:
    """Stop a node; also one whose supervisor was killed and has left its services running.

    :raises TimedOut: when the supervisor does not end in time.
    """
    layout = Layout(root)
    layout.check()
    pid = supervisor_pid(layout.run)
    if pid is None:
        return _down_without_supervisor(layout, keep_jobs)
    started = time.monotonic()
    born = start_time(pid)
    write_private(layout.run / "stop.json", json.dumps({"keep_jobs": keep_jobs}).encode())
    with contextlib.suppress(ProcessLookupError):  # it ended this very moment
        os.kill(pid, signal.SIGTERM)
    while born is not None and is_same(pid, born):  # to its very end: it holds the node's lock until then
        if time.monotonic() - started > DOWN_DEADLINE:
            raise TimedOut(f"the supervisor {pid} did not end within {DOWN_DEADLINE:.0f} s; see {layout.logs}")
        time.sleep(0.05)
    print(f"{root} is down ({time.monotonic() - started:.1f} s{', jobs go on' if keep_jobs else ''})")
    return 0


def _down_without_supervisor(layout: Layout, keep_jobs: bool) -> int:
    if not leftovers(layout.run):
        print(f"{layout.root} is down already")
        return 0
    from node import services

    lock = claim(layout.root, layout.run)
    try:
        count = end_leftovers(layout.run)
        if not keep_jobs:
            services.end_payloads(layout, Configuration.read(layout.configuration))
    finally:
        for name in ("supervisor.json", "status.json", "stop.json"):
            (layout.run / name).unlink(missing_ok=True)
        os.close(lock)
    print(f"{layout.root} is down: {count} services ended that a killed supervisor had left")
    return 0


def status(root: Path) -> Report:
    """Look at a node."""
    layout = Layout(root)
    layout.check()
    configuration = Configuration.read(layout.configuration)
    pid = supervisor_pid(layout.run)
    drain = Drain(layout.sandbox)
    if pid is None:
        left = len(leftovers(layout.run))
        killed = [f"{left} services of a supervisor that was killed still run"] if left else []
        told = (*killed, *_drain_notes(drain))
        return Report(root, False, None, notes=told, endpoint=configuration.wmproxy_endpoint, drained=drain.on)
    try:
        data = json.loads((layout.run / "status.json").read_text())
    except (OSError, ValueError):
        data = {}
    if data.get("supervisor") != pid:  # what an earlier supervisor wrote, or nothing yet
        data = {"ready": False, "services": {}}
    information = _information(layout)
    notes = (*_notes(), *_drain_notes(drain), *_information_notes(information))
    endpoint = configuration.wmproxy_endpoint
    return Report(root, bool(data["ready"]), pid, data["services"], notes, endpoint, drain.on, information)


def _information(layout: Layout) -> dict[str, Any]:
    """What the broker says of its information supermarket; nothing when it does not answer, which is told anyway."""
    try:
        return control.ask(layout.run / "broker.sock", {"op": "health"}, _INFORMATION_DEADLINE)
    except GridError:
        return {}


def _information_notes(information: dict[str, Any]) -> list[str]:
    if not information:
        return []
    problems: list[str] = information["problems"]
    made_up = f", {information['made_up']} of them made up" if information["made_up"] else ""
    elements = information["computing_elements"]
    left = len(problems) - _MOST_PROBLEMS
    more = [f"and {left} more problems of the information supermarket, see `wms ism`"] if left > 0 else []
    known = f"the broker knows {elements} computing element{'' if elements == 1 else 's'}{made_up}"
    aside: list[str] = information["set_aside"]
    others = len(aside) - _MOST_PROBLEMS
    rest = [f"and {others} more computing elements that are set aside or on trial"] if others > 0 else []
    return [known, *problems[:_MOST_PROBLEMS], *more, *aside[:_MOST_PROBLEMS], *rest]


def _drain_notes(drain: Drain) -> list[str]:
    if not drain.on:
        return []
    told = f"; callers are told: {drain.message}" if drain.message else ""
    return [f"drained: new work is refused, the rest is served{told}"]


def _notes() -> list[str]:
    if os.geteuid() == 0:
        return []
    return ["single-user mode: jobs run under the account of the services, and those of a second DN are refused"]


def _last_line(path: Path) -> str:
    try:
        lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return lines[-1] if lines else ""
