"""Who is next: the jobs of one queue that wait for slots."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping

from ce.lrms import BatchJob


class Line:
    """Jobs that wait.  Accounts take turns, so thousands of jobs of one user hold nobody else's up.

    Within an account the oldest is next.  A job that needs more slots than are free keeps its place at the head until
    they are: nobody overtakes it, or it might wait for ever.

    :param slots: of the queue.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._numbers = itertools.count(1)
        self._waiting: dict[int, deque[tuple[int, BatchJob]]] = {}
        self._account_of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._account_of)

    def add(self, job: BatchJob) -> None:
        """To the end."""
        self._waiting.setdefault(job.account.uid, deque()).append((next(self._numbers), job))
        self._account_of[job.id] = job.account.uid

    def put_back(self, job: BatchJob) -> None:
        """To the head: it was taken and could not begin."""
        self._waiting.setdefault(job.account.uid, deque()).appendleft((0, job))
        self._account_of[job.id] = job.account.uid

    def remove(self, name: str) -> bool:
        """Take a job out of the line; False when it is not there."""
        uid = self._account_of.pop(name, None)
        if uid is None:
            return False
        self._keep(uid, deque(item for item in self._waiting[uid] if item[1].id != name))
        return True

    def take(self, busy: Mapping[int, int]) -> BatchJob | None:
        """The next job, out of the line; None when there is none or it must wait for more slots.

        :param busy: slots in use, by account.
        """
        if not self._waiting:
            return None
        uid = min(self._waiting, key=lambda each: (busy.get(each, 0), self._waiting[each][0][0]))
        _, job = self._waiting[uid][0]
        if sum(busy.values()) + job.slots > self._slots:
            return None
        self._waiting[uid].popleft()
        self._keep(uid, self._waiting[uid])
        del self._account_of[job.id]
        return job

    def _keep(self, uid: int, jobs: deque[tuple[int, BatchJob]]) -> None:
        if jobs:
            self._waiting[uid] = jobs
        else:
            del self._waiting[uid]
