"""CPU seconds of running services, from ``/proc``: they hold on a loaded machine, where rates do not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_SESSION, _USER, _SYSTEM, _CHILD_USER, _CHILD_SYSTEM = 3, 11, 12, 13, 14  # proc(5), after the command's name


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
