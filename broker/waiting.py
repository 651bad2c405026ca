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
MAX_WEIGHT: Final = 2_000_000
"""Nodes of the descriptions of all kinds together (:attr:`jdl.nodes.Expr.weight`), for the same reason."""


@dataclass(frozen=True)
class Kind:
    """What the match of a request depends on beside the picture.

    :ivar key: equal for jobs that are alike (:func:`broker.bulk.match_key`) and wait for the same, else of its own.
    :ivar filled: elements match, and the jobs sent meanwhile have filled them.
    :ivar aside: elements match, and are set aside.
    """

    key: Hashable
    job: Job = field(repr=False)
    user: User
    filled: bool = False
    aside: bool = False


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

    def add(self, request: str, kind: Kind) -> None:
        """The request waits; ``kind`` says by what it is matched now."""
        with self._lock:
            self._remove(request)
            group = self._groups.get(kind.key)
            if group is None:
                if len(self._groups) >= MAX_KINDS or self._weight + kind.job.ad.weight > MAX_WEIGHT:
                    return
                self._weight += kind.job.ad.weight
                group = self._groups[kind.key] = _Group(kind)
            group.requests.add(request)
            self._group_of[request] = group

    def remove(self, request: str) -> None:
        """The request waits no more."""
        with self._lock:
            self._remove(request)

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

    def _remove(self, request: str) -> None:
        group = self._group_of.pop(request, None)
        if group is None:
            return
        group.requests.discard(request)
        if not group.requests:
            del self._groups[group.kind.key]
            self._weight -= group.kind.job.ad.weight
