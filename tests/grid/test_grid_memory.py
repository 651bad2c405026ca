"""The memory of this process."""

from __future__ import annotations

import subprocess
import sys

from grid import memory

SHOW = "from grid import memory; print(memory.resident(), memory.peak())"


def test_the_peak_stays_when_memory_was_given_back() -> None:
    before = memory.peak()
    held = bytearray(before + (64 << 20))
    assert len(held) < memory.resident()
    del held
    assert memory.peak() >= before + (64 << 20)
    assert memory.resident() < memory.peak()


def test_a_program_does_not_inherit_the_peak_of_the_one_that_started_it() -> None:
    held = bytearray(300 << 20)
    shown = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True, timeout=30).stdout
    resident, peak = map(int, shown.split())
    assert len(held) == 300 << 20
    assert 1 << 20 < resident <= peak < 200 << 20
