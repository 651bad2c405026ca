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

from broker.data import Resolution
from broker.job import Job
from infosys.access import User

MAX_KINDS: Final = 10_000
"""Kinds that are remembered; further requests are looked at by their own period alone."""
MAX_WEIGHT: Final = 2_000_000
"""Nodes of the descriptions of all kinds together (:attr:`jdl.nodes.Expr.weight`), for the same reason."""
MAX_LENGTH: Final = 40_000_000
"""Characters of what catalogues said of the files of all kinds together, for the same reason."""
MAX_LENGTH_OF_ONE: Final = 400_000
"""The same of one job."""


@dataclass(frozen=True)
class Kind:
    """What the match of a request depends on beside the picture.

    :ivar key: equal for jobs that are alike (:func:`broker.bulk.match_key`) and wait for the same, else of its own.
    :ivar filled: elements match, and the jobs sent meanwhile have filled them.
    :ivar aside: elements match, and are set aside.
    :ivar matched: elements match, and none of them can be sent to now.
    :ivar data: where the files of the job are.
    """

    key: Hashable
    job: Job = field(repr=False)
    user: User
    filled: bool = False
    aside: bool = False
    matched: bool = False
    data: Resolution | None = field(default=None, repr=False)

    @property
    def length(self) -> int:
        """Characters of what is kept about files."""
        return 0 if self.data is None else self.data.length


@dataclass
class _Group:
    """The requests of one kind."""

    kind: Kind
    requests: set[str] = field(default_factory=set)


class Waiting:
    """Used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: OrderedDict[Hashable, _Group] = OrderedDict()
        self._group_of: dict[str, _Group] = {}
        self._weight = 0
        self._length = 0

    def add(self, request: str, kind: Kind) -> None:
        """The request waits; ``kind`` says by what it is matched now."""
        with self._lock:
            self._remove(request)
            group = self._groups.get(kind.key)
            if group is None:
                weight, length = kind.job.ad.weight, kind.length
                if len(self._groups) >= MAX_KINDS or self._weight + weight > MAX_WEIGHT:
                    return
                if length > MAX_LENGTH_OF_ONE or self._length + length > MAX_LENGTH:
                    return
                self._weight += weight
                self._length += length
                group = self._groups[kind.key] = _Group(kind)
            group.requests.add(request)
            self._group_of[request] = group

    def remove(self, request: str) -> Kind | None:
        """The request waits no more; by what it was matched, if that is remembered."""
        with self._lock:
            return self._remove(request)

    def __len__(self) -> int:
        return len(self._group_of)

    def kinds(self) -> list[Kind]:
        """All kinds, the one first that was not looked at for longest (:meth:`looked_at`)."""
        with self._lock:
            return [group.kind for group in self._groups.values()]

    def looked_at(self, kind: Kind) -> None:
        """The kind goes to the end of the line."""
        with self._lock:
            if kind.key in self._groups:
                self._groups.move_to_end(kind.key)

    def of(self, kind: Kind) -> list[str]:
        """The requests of a kind."""
        with self._lock:
            group = self._groups.get(kind.key)
            return sorted(group.requests) if group else []

    def _remove(self, request: str) -> Kind | None:
        group = self._group_of.pop(request, None)
        if group is None:
            return None
        group.requests.discard(request)
        if not group.requests:
            del self._groups[group.kind.key]
            self._weight -= group.kind.job.ad.weight
            self._length -= group.kind.length
        return group.kind
