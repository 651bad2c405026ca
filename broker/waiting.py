"""The requests that wait because nothing matched, and by what they are matched: so that a new picture of the computing
elements can be asked what it changes for them, each kind of job once.

In memory: after a restart every waiting request is looked at once, and is here again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from broker.job import Job
from infosys.access import User

MAX_KINDS: Final = 10_000
"""Kinds that are remembered; further requests are looked at by their own period alone."""


@dataclass(frozen=True)
class Kind:
    """What the match of a request depends on beside the picture.

    :ivar key: equal for jobs that are alike (:func:`broker.bulk.match_key`), of its own for others.
    :ivar filled: elements match, and the jobs sent meanwhile have filled them.
    :ivar aside: elements match, and are set aside.
    """

    key: Hashable
    job: Job = field(compare=False, repr=False)
    user: User = field(compare=False)
    filled: bool = field(default=False, compare=False)
    aside: bool = field(default=False, compare=False)


class Waiting:
    """Used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: OrderedDict[Kind, set[str]] = OrderedDict()
        self._kind_of: dict[str, Kind] = {}

    def add(self, request: str, kind: Kind) -> None:
        """The request waits; ``kind`` says by what it is matched now."""
        with self._lock:
            self._remove(request)
            if kind not in self._kinds:
                if len(self._kinds) >= MAX_KINDS:
                    return
                self._kinds[kind] = set()
            self._kinds[kind].add(request)
            self._kind_of[request] = kind

    def remove(self, request: str) -> None:
        """The request waits no more."""
        with self._lock:
            self._remove(request)

    def __len__(self) -> int:
        return len(self._kind_of)

    def kinds(self) -> list[Kind]:
        """All kinds, the one first that was not looked at for longest (:meth:`looked_at`)."""
        with self._lock:
            return list(self._kinds)

    def looked_at(self, kind: Kind) -> None:
        """The kind goes to the end of the line."""
        with self._lock:
            if kind in self._kinds:
                self._kinds.move_to_end(kind)

    def of(self, kind: Kind) -> list[str]:
        """The requests of a kind."""
        with self._lock:
            return sorted(self._kinds.get(kind, ()))

    def _remove(self, request: str) -> None:
        kind = self._kind_of.pop(request, None)
        if kind is None:
            return
        there = self._kinds[kind]
        there.discard(request)
        if not there:
            del self._kinds[kind]
