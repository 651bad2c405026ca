"""The memory that this process takes (Linux, proc(5))."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")


def resident() -> int:
    """Bytes in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak() -> int:
    """Bytes in use at most since the program began.

    Not getrusage()'s ru_maxrss: a program that a larger one started has the larger one's there, from before its begin.
    """
    for line in _STATUS.read_text().splitlines():
        if line.startswith("VmHWM:"):
            return max(int(line.split()[1]) * 1024, resident())
    return resident()
