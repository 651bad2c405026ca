"""Requests that are ready for a thread: their owners take turns, and no owner gets all the threads.

An owner is whoever a connection counts for: the user whose certificate was verified, or else the client's address.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class ReadyQueue(Generic[T]):
    """Holds what is ready, and counts what each owner has in the hands of threads.

    :param most: threads that one owner may hold; what he has beyond that waits, and others go first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._ready: OrderedDict[Hashable, deque[T]] = OrderedDict()  # in the order of their turns
        self._held: dict[Hashable, int] = {}
        self._tokens: queue.SimpleQueue[bool] = queue.SimpleQueue()  # as many at least as items may be taken now
        self._lock = threading.Lock()

    def put(self, owner: Hashable, item: T) -> None:
        """Add something for a thread to take."""
        with self._lock:
            self._ready.setdefault(owner, deque()).append(item)
        self._tokens.put(True)

    def get(self) -> tuple[Hashable, T] | None:
        """Wait for something to do: the owner whose turn it is, who now holds the thread, and the item.

        None after :meth:`stop`.  Each result is followed by one :meth:`done` for the owner who holds the thread then.
        """
        while self._tokens.get():
            with self._lock:
                owner = next((name for name in self._ready if self._held.get(name, 0) < self._most), None)
                if owner is None:
                    continue
                items = self._ready[owner]
                item = items.popleft()
                if items:
                    self._ready.move_to_end(owner)
                else:
                    del self._ready[owner]
                self._held[owner] = self._held.get(owner, 0) + 1
            return owner, item
        self._tokens.put(False)  # for the next thread
        return None

    def move(self, old: Hashable, new: Hashable) -> bool:
        """Count a thread that ``old`` holds for ``new`` from now on; False when ``new`` has his share already."""
        with self._lock:
            if self._held.get(new, 0) >= self._most:
                return False
            self._held[new] = self._held.get(new, 0) + 1
        self.done(old)
        return True

    def done(self, owner: Hashable) -> None:
        """A thread of the owner's is free."""
        with self._lock:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            waits = owner in self._ready
        if waits:
            self._tokens.put(True)

    def resume(self, owner: Hashable) -> None:
        """The owner holds a thread again, even if he has his share already."""
        with self._lock:
            self._held[owner] = self._held.get(owner, 0) + 1

    def stop(self) -> None:
        """Let every thread go that waits, or comes to wait."""
        self._tokens.put(False)

    def empty(self) -> bool:
        """Whether nothing waits for a thread."""
        return not self._ready
