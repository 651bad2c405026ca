"""Where those wait who follow the status events (QueryEvent's long poll)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

LONGEST_WAIT = 30.0
"""Seconds a query may wait."""

S = TypeVar("S", bound=Sequence[object])


class EventBoard:
    """Wakes the waiting when something was committed.

    :param places: callers that may wait at a time; one more is answered at once, so that followers can never
        hold every thread of the server.
    """

    def __init__(self, places: int) -> None:
        self._condition = threading.Condition()
        self._generation = 0
        self._free = places
        self._closed = False

    def publish(self) -> None:
        """Say that there may be new events; call it after the commit."""
        with self._condition:
            self._generation += 1
            self._condition.notify_all()

    def close(self) -> None:
        """Let everybody go."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def wait_for(self, look: Callable[[], S], seconds: float) -> S:
        """Return ``look()`` as soon as it is not empty, at the latest after ``seconds``."""
        deadline = time.monotonic() + min(max(seconds, 0.0), LONGEST_WAIT)
        with self._condition:
            seen = self._generation
        found = look()
        if found or seconds <= 0 or not self._take():
            return found
        try:
            while not found and self._await_change(seen, deadline):
                with self._condition:
                    seen = self._generation
                found = look()
            return found
        finally:
            with self._condition:
                self._free += 1

    def _take(self) -> bool:
        with self._condition:
            if self._free <= 0:
                return False
            self._free -= 1
            return True

    def _await_change(self, seen: int, deadline: float) -> bool:
        with self._condition:
            while self._generation == seen and not self._closed:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._condition.wait(left)
            return not self._closed
