"""The garbage collector of a process that keeps a lot: what stays is not looked at again and again."""

from __future__ import annotations

import gc
import threading
from types import TracebackType
from typing import Final

_COLLECT: Final = (20_000, 20, 20)
"""Objects, and collections of the younger generations, between two collections of each."""


def settle(_worker: object = None) -> None:
    """What the application made at its start lives as long as the process: the collector need not look at it.

    Nor need it look every few hundred objects: one description of a thousand jobs has half a million, all of which
    would be looked at again and again while it is read.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)


class Collector:
    """Holds the garbage collector off while many records come, which it would look at again and again.

    A full collection stops every thread for as long as it takes to look at all objects; half a million nodes are
    0.2 s.  They hold no cycles, so after the hand-over they are put where the collector does not look; that they are
    given back is a matter of their reference counts.
    """

    MANY: Final = 1000
    """Records from which on it is worth it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resting = False

    def expecting(self, records: int) -> None:
        """So many records will come."""
        with self._lock:
            if records >= self.MANY and not self._resting:
                self._resting = True
                gc.collect()  # little is left to look at; what is garbage now must not be put away
                gc.disable()

    def resume(self) -> None:
        """They are where they belong."""
        with self._lock:
            if self._resting:
                self._resting = False
                gc.freeze()
                gc.enable()

    def __enter__(self) -> Collector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.resume()
