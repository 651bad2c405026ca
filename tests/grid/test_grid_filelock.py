"""Locks on files: who waits, for how long, and that the dead hold none."""

import os
import subprocess
import sys
import threading
import time

import pytest

from grid.errors import TimedOut
from grid.filelock import lock


@pytest.fixture
def two(tmp_path):
    """Two descriptors of one file, opened apart."""
    descriptors = [os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2)]
    yield descriptors
    for descriptor in descriptors:
        os.close(descriptor)


def test_shared_locks_go_together_and_an_exclusive_one_does_not(two):
    first, second = two
    lock(first, exclusive=False)
    lock(second, exclusive=False)
    with pytest.raises(BlockingIOError):
        lock(first, seconds=0)


def test_a_wait_ends_at_its_deadline(two):
    first, second = two
    lock(first)
    begin = time.monotonic()
    with pytest.raises(TimedOut, match="within 0 s"):
        lock(second, seconds=0.2)
    assert 0.2 <= time.monotonic() - begin < 2


def test_who_waits_gets_it_when_it_is_given_back(tmp_path, two):
    holder = os.open(tmp_path / "file", os.O_RDWR)
    lock(holder)
    timer = threading.Timer(0.1, os.close, (holder,))
    timer.start()
    lock(two[0], seconds=5)
    timer.join()


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path, two):
    code = "import sys, os; from grid.filelock import lock; lock(os.open(sys.argv[1], os.O_RDWR)); print(1); input()"
    command = [sys.executable, "-c", code, str(tmp_path / "file")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"1\n"
        with pytest.raises(BlockingIOError):
            lock(two[0], seconds=0)
        holder.kill()
        holder.wait()
        lock(two[0], seconds=5)
