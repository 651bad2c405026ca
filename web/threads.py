"""The threads of a worker: a fixed number that work, and beside them those that wait for slow clients.

A thread that has waited for its client for too long *parks*: it does not count any more, and another takes its
place, so that clients that send or take bytes slowly hold up nobody.  There are bounds to that, for each owner and
for all; beyond them a waiting thread counts as one that works, of which no owner gets all (:mod:`web.ready`).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Final, Generic, TypeVar

from web.ready import ReadyQueue

log = logging.getLogger("wms.web")

T = TypeVar("T")

PARKED_OF_ONE: Final = 16
"""Threads that may wait for the slow clients of one owner."""

PARKED: Final = 128
"""Threads that may wait for slow clients in all."""


def share(threads: int) -> int:
    """How many of ``threads`` one owner may hold: a quarter is kept for others, where there are enough."""
    return threads - threads // 4


class Threads(Generic[T]):
    """Threads that take from a queue.

    :param count: threads that work at once.
    :param work: what to do with an item, given its owner; returns the owner who holds the thread then (it may be
        another than at the beginning, by :meth:`web.ready.ReadyQueue.move`).
    :param worn: asked in a thread after each item: whether it should end, and another take its place.
    """

    def __init__(
        self,
        count: int,
        ready: ReadyQueue[T],
        work: Callable[[Hashable, T], Hashable],
        worn: Callable[[], bool] = lambda: False,
    ) -> None:
        self._count = count
        self._ready = ready
        self._work = work
        self._worn = worn
        self._active = 0
        self._parked: Counter[Hashable] = Counter()
        self._born = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads that work."""
        for _ in range(self._count):
            self._spawn()

    @contextlib.contextmanager
    def parked(self, owner: Hashable) -> Iterator[None]:
        """Around a wait for a client: another thread takes the place of this one meanwhile, if there is room.

        Called in one of the threads, while ``owner`` holds it.
        """
        if not self._park(owner):
            yield
            return
        try:
            yield
        finally:
            self._ready.resume(owner)
            with self._lock:
                self._parked[owner] -= 1
                if not self._parked[owner]:
                    del self._parked[owner]
                self._active += 1

    def _park(self, owner: Hashable) -> bool:
        with self._lock:
            if self._parked[owner] >= PARKED_OF_ONE or self._parked.total() >= PARKED:
                if not self._parked[owner]:
                    del self._parked[owner]
                return False
            self._parked[owner] += 1
            self._active -= 1
            replace = self._active < self._count
        self._ready.done(owner)
        if replace:
            self._spawn()
        return True

    def _spawn(self) -> bool:
        with self._lock:
            self._active += 1
            self._born += 1
            name = f"request-{self._born}"
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError:  # the system has no more of them
            with self._lock:
                self._active -= 1
            log.warning("cannot start another thread; slow clients hold up others")
            return False
        return True

    def _replaced(self) -> bool:
        """Whether another thread takes the place of this one."""
        with self._lock:
            self._active -= 1
        if self._spawn():
            return True
        with self._lock:
            self._active += 1
        return False

    def _run(self) -> None:
        while (taken := self._ready.get()) is not None:
            owner, item = taken
            self._ready.done(self._work(owner, item))
            with self._lock:
                if self._active > self._count:  # one that waited has come back
                    self._active -= 1
                    return
            if self._worn() and self._replaced():
                return
