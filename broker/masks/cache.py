"""Answers that are kept as long as their table is, within a bound of bytes."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Final

__all__ = ["MAX_BYTES", "Cache"]

MAX_BYTES: Final = 64 << 20
"""Bytes that the answers of one table take; a clause on 5,000 computing elements is 5 kB."""

_OVERHEAD: Final = 400
"""Bytes that an answer takes beside its key and its arrays."""


class Cache:
    """A map that forgets what was not asked for longest.  Used by several threads at once.

    :param limit: bytes of keys and answers together; one that alone is larger is not kept.
    """

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: Hashable) -> Any | None:
        """The answer, None when it is not here."""
        with self._lock:
            found = self._held.get(key)
            if found is None:
                self.misses += 1
                return None
            self.hits += 1
            self._held.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, answer: Any, size: int) -> None:
        """Keep an answer.

        :param size: bytes of its arrays.
        """
        size += _OVERHEAD + _size(key)
        if size > self._limit:
            return
        with self._lock:
            before = self._held.pop(key, None)
            self._bytes += size - (before[1] if before else 0)
            self._held[key] = answer, size
            while self._bytes > self._limit:
                _, (_, freed) = self._held.popitem(last=False)
                self._bytes -= freed

    @property
    def bytes(self) -> int:
        """What the answers take now."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._held)


def _size(key: Hashable) -> int:
    return sum(map(_size, key)) if isinstance(key, tuple) else sys.getsizeof(key)
