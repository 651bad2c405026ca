"""Processes that are measured: when they listen, and their CPU seconds from ``/proc``, which hold on a loaded machine,
where rates do not."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_SESSION, _USER, _SYSTEM, _CHILD_USER, _CHILD_SYSTEM = 3, 11, 12, 13, 14  # proc(5), after the command's name
_START: Final = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that runs: its URL and its process, the leader of a session."""

    url: str
    pid: int


def free_port() -> int:
    """A port of loopback that nobody has just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until ``process`` listens at ``port`` of loopback.

    :raises RuntimeError: when it ends before, or does not within 20 s.
    """
    deadline = time.monotonic() + _START
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the server did not start")
        time.sleep(0.05)


def of_sessions(leaders: Iterable[int]) -> float:
    """CPU seconds of all living processes in the sessions of ``leaders``, children that ended not counted."""
    wanted = set(leaders)
    return sum(
        (int(fields[_USER]) + int(fields[_SYSTEM])) * _TICK
        for fields in _all()
        if int(fields[_SESSION]) in wanted
    )


def of_ended_children(leaders: Iterable[int]) -> float:
    """CPU seconds of what the sessions of ``leaders`` have started and waited for."""
    wanted = set(leaders)
    return sum(
        (int(fields[_CHILD_USER]) + int(fields[_CHILD_SYSTEM])) * _TICK
        for fields in _all()
        if int(fields[_SESSION]) in wanted
    )


def _all() -> list[list[str]]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(errors="replace")
        except OSError:
            continue  # it ended while we looked
        found.append(text.rpartition(")")[2].split())
    return found
