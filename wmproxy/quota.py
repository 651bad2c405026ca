"""The quota of users: how much their sandboxes hold, how much they may hold, and how many jobs may wait for a start.

=====  ==========================================================================================
soft   beyond it no new job is registered; those that exist go on, and their output is taken
hard   no byte beyond it is taken, as input, as output or in an archive
=====  ==========================================================================================
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter

import sqlalchemy as sa

from grid.jobid import JobId
from wmproxy import jobs
from wmproxy.accounts import Account, Accounts
from wmproxy.errors import QuotaExceeded, TooManyWaiting
from wmproxy.sandboxes import Sandboxes

log = logging.getLogger("wms.wmproxy")

UNLIMITED = -1
_COUNTED_FOR = 1.0
"""Seconds for which a count of waiting jobs is good; what this process registers meanwhile is added to it."""


class Quota:
    """The quota of one server's users.

    :param soft: bytes, negative for any number; and ``hard``.
    :param max_waiting: jobs of one user that may be registered and not started.
    """

    def __init__(
        self, accounts: Accounts, engine: sa.Engine, sandboxes: Sandboxes, soft: int, hard: int, max_waiting: int
    ) -> None:
        self.accounts = accounts
        self.soft = soft if soft >= 0 else UNLIMITED
        self.hard = hard if hard >= 0 else UNLIMITED
        self._engine = engine
        self._sandboxes = sandboxes
        self._max_waiting = max_waiting
        self._waiting: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    # -- what is asked -----------------------------------------------------------------------------------

    def total(self) -> tuple[int, int]:
        """``(soft, hard)`` in bytes; -1 for no limit."""
        return self.soft, self.hard

    def free(self, owner: str) -> tuple[int, int]:
        """What is left of :meth:`total`: -1 where there is no limit, 0 when the soft limit is passed.

        :raises QuotaExceeded: 1224, when the hard limit is reached: the old clients take 0 for no limit.
        """
        used, _ = self.accounts.used(owner)
        if 0 <= self.hard <= used:
            raise QuotaExceeded(used, 0, self.hard)
        soft, hard = (limit if limit < 0 else max(0, limit - used) for limit in self.total())
        return soft, hard

    def admit(self, owner: str, *, waits: bool) -> None:
        """Admit one more job.

        :param waits: it will be registered and not started yet.
        :raises QuotaExceeded: 1224, when the soft limit (or the hard one) is reached.
        :raises TooManyWaiting: 1224, when too many jobs wait for their start.
        """
        limits = [limit for limit in self.total() if limit >= 0]
        if limits:
            used, _ = self.accounts.used(owner)
            if used >= min(limits):
                raise QuotaExceeded(used, 0, min(limits))
        if waits:
            self._admit_waiting(owner)

    def _admit_waiting(self, owner: str) -> None:
        """The table is asked once a second for each user, and always before one is refused."""
        now = time.monotonic()
        with self._lock:
            counted, number = self._waiting.get(owner, (0.0, self._max_waiting))
            if number < self._max_waiting and now - counted < _COUNTED_FOR:
                self._waiting[owner] = (counted, number + 1)
                return
        with self._engine.connect() as connection:
            number = jobs.waiting(connection, owner, self._max_waiting)
        if number >= self._max_waiting:
            raise TooManyWaiting(self._max_waiting)
        with self._lock:
            self._waiting = {name: kept for name, kept in self._waiting.items() if now - kept[0] < _COUNTED_FOR}
            self._waiting[owner] = (now, number + 1)

    # -- what changes ------------------------------------------------------------------------------------

    def charge(self, owner: str, size: int) -> None:
        """Put ``size`` bytes on a user's account.

        :raises QuotaExceeded: 1224, when they do not fit.
        """
        with self.accounts.opened(owner) as account:
            account.charge(size, self.hard)

    def refund(self, owner: str, size: int) -> None:
        """Take ``size`` bytes off a user's account."""
        with self.accounts.opened(owner) as account:
            account.refund(size)

    def freed(self, job: JobId, size: int) -> None:
        """A job's directory was removed, and it held ``size`` bytes (:class:`wmproxy.sandboxes.Sandboxes`)."""
        if not size:
            return
        with self._engine.connect() as connection:
            record = jobs.get(connection, job)
        if record is not None:
            self.refund(record.owner, size)

    def recount(self, *, alone: bool = False) -> None:
        """Make the accounts anew from the files: for what a crash, a GridFTP server or an administrator changed.

        An account that is used meanwhile is left as it is; the next recount will find it.

        :param alone: nobody else uses the accounts now.
        """
        if alone:
            self.accounts.clear()
        with self._engine.connect() as connection:
            owners = jobs.owners(connection)
        before = {owner: self.accounts.used(owner) for owner in set(owners.values())}
        found: Counter[str] = Counter()
        for job in self._sandboxes.jobs():
            owner = owners.get(str(job))
            if owner is not None:
                directory = self._sandboxes.of(job)
                directory.sweep_uploads()
                found[owner] += directory.size()
        for owner, (_, changes) in before.items():
            with self.accounts.opened(owner) as account:
                if account.changes == changes:
                    _correct(account, owner, found[owner], quietly=alone)


def _correct(account: Account, owner: str, size: int, *, quietly: bool) -> None:
    if account.used != size and not quietly:
        log.info("the sandboxes of %s hold %d bytes; the account said %d", owner, size, account.used)
    account.used = size
