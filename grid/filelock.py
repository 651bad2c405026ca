"""Locks between processes, on open files and directories, with a deadline.

The kernel gives a lock back when its holder ends, however it ends, and has no deadline of its own.
"""

from __future__ import annotations

import fcntl
import time

from grid.errors import TimedOut

_FIRST_WAIT = 0.0002
_LONGEST_WAIT = 0.01


def lock(descriptor: int, *, exclusive: bool = True, seconds: float = 30.0) -> None:
    """Take the lock of an open file or directory; closing the descriptor gives it back.

    :param seconds: how long to wait for who holds it; 0 is not at all.
    :raises TimedOut: when somebody holds it all that time.
    :raises BlockingIOError: when somebody holds it and ``seconds`` is 0.
    """
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    deadline = time.monotonic() + seconds
    wait = _FIRST_WAIT
    while True:
        try:
            return fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if not seconds:
                raise
            if time.monotonic() >= deadline:
                raise TimedOut(f"another operation on the same thing has not ended within {seconds:.0f} s") from None
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT)
