"""Processes by what identifies them for good: number, start time and boot, since numbers are used again."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from grid.errors import InvalidArgument

_FORM = re.compile(r"fork/([0-9]{1,10})\.([0-9]{1,20})\.([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class ProcessState:
    """From ``/proc/<pid>/stat``: state letter, session and start time in clock ticks since boot."""

    state: str
    session: int
    start: int


def read_state(pid: int) -> ProcessState | None:
    """The state of ``pid`` now, or None when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name in parentheses may hold anything
    return ProcessState(fields[0], int(fields[3]), int(fields[19]))


def boot_id() -> str:
    """The identity of this boot of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process of one boot; ``str()`` is the id that the fork batch system gives to its jobs."""

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Identify a live process (a zombie counts: it cannot be mistaken for another before it is reaped)."""
        state = read_state(pid)
        return None if state is None else cls(pid, state.start, boot_id())

    @classmethod
    def parse(cls, text: str) -> ProcessId:
        """Invert ``str()``.

        :raises InvalidArgument: for any other text.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise InvalidArgument(f"{text[:80]!r} is not the id of a forked job")
        return cls(int(found[1]), int(found[2]), found[3])

    def __str__(self) -> str:
        return f"fork/{self.pid}.{self.start}.{self.boot}"

    def open(self) -> int | None:
        """A pidfd of exactly this process, or None when it has ended (a zombie has ended)."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except (ProcessLookupError, OverflowError):
            return None
        state = read_state(self.pid)  # after the descriptor: what it shows is what the descriptor holds
        if state is None or state.start != self.start or state.state in "ZX" or self.boot != boot_id():
            os.close(descriptor)
            return None
        return descriptor


def send(descriptor: int, number: signal.Signals) -> None:
    """Signal the process of a pidfd; one that has ended is left in peace."""
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return


def kill_session(session: int, uid: int, marker: str | None = None) -> int:
    """KILL the processes of a session that run under ``uid``.

    :param marker: ``NAME=value`` that a process must have been started with.  Needed when the session's leader
        has been gone for an unknown time, since its number may by now name somebody else's session.
    :returns: how many there were.
    """
    killed = 0
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            descriptor = os.pidfd_open(int(name))
        except OSError:  # it ended meanwhile, or is a thread's number
            continue
        try:
            if _belongs(int(name), session, uid, marker):
                send(descriptor, signal.SIGKILL)
                killed += 1
        finally:
            os.close(descriptor)
    return killed


def _belongs(pid: int, session: int, uid: int, marker: str | None) -> bool:
    state = read_state(pid)
    if state is None or state.session != session or state.state in "ZX":
        return False
    try:
        if os.stat(f"/proc/{pid}").st_uid != uid:
            return False
        return marker is None or marker.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
