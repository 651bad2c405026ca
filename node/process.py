"""A child process that is a service: started in its own session, known by pid and start time, ended with its group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


def start_time(pid: int) -> str | None:
    """The kernel's start time of a process (ticks since boot), or None when there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def is_same(pid: int, started: str) -> bool:
    """Tell whether ``pid`` is still the process that started at ``started`` and not a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return False
    return fields[19] == started and fields[0] != "Z"


@dataclass
class ServiceProcess:
    """One run of one service."""

    name: str
    process: subprocess.Popen[bytes]
    started: float
    kernel_start: str | None

    @classmethod
    def start(
        cls, name: str, arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> ServiceProcess:
        """Start the program with ``arguments``; its output is appended to ``log`` (mode 0600)."""
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            process = subprocess.Popen(
                list(arguments),
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=None if environment is None else dict(environment),
                start_new_session=True,
                close_fds=True,
            )
        finally:
            os.close(descriptor)
        return cls(name, process, time.monotonic(), start_time(process.pid))

    @property
    def pid(self) -> int:
        return self.process.pid

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        return self.process.poll()

    def terminate(self) -> None:
        """Ask the service to end."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    def kill_group(self) -> None:
        """End whatever is left of the service's session: workers of a master that was killed hold its port."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """``exit code 1`` or ``signal SIGKILL``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
