"""What each command costs to its usage text: CPU seconds, beside a Python that does nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from benchmarks.figure import Figure, Limit, middle

PROMISE: Final = 0.4
"""CPU seconds that a command may cost to its usage text."""


def measure_commands(quick: bool) -> list[Figure]:
    """Each installed command with ``--help``."""
    runs = 1 if quick else 7
    directory = Path(sys.executable).parent
    names = sorted(entry.name for entry in distribution("wmproxy").entry_points if entry.group == "console_scripts")
    bare = middle(cpu_seconds([sys.executable, "-c", "pass"]) for _ in range(runs))
    figures = []
    for name in names:
        cpu_seconds([str(directory / name), "--help"])  # the first run may compile
        cost = middle(cpu_seconds([str(directory / name), "--help"]) for _ in range(runs))
        limits = (Limit("what is promised", PROMISE), Limit("python -c pass", bare))
        figures.append(Figure(f"{name} --help", cost, "s", limits))
    return figures


def cpu_seconds(command: Sequence[str]) -> float:
    """CPU seconds, user and system, of a command that must succeed; what it prints is dropped."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime
