"""Periodic work of the service: one scheduler, however many worker processes there are."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from datetime import UTC
from pathlib import Path

from apscheduler.schedulers.background import BackgroundScheduler

PERIOD = 3600.0
_ELECTION_PERIOD = 60.0


class Housekeeping:
    """Does the service's hourly work: removes delegated proxies that have ended, and what failed registrations left.

    Every worker stands for election once a minute; who holds the lock file works.  The kernel gives the lock back
    when its holder ends, however it ends.
    """

    def __init__(self, lock: Path, hourly: Sequence[Callable[[], object]]) -> None:
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._hourly = tuple(hourly)
        self._elected = False
        self._scheduler = BackgroundScheduler(daemon=True, timezone=UTC)
        self._scheduler.add_job(self._stand, "interval", seconds=_ELECTION_PERIOD, max_instances=1, coalesce=True)
        self._scheduler.start()
        self._stand()

    def close(self) -> None:
        """Stop; another worker may take over."""
        self._scheduler.shutdown(wait=False)
        os.close(self._lock)

    def _stand(self) -> None:
        if self._elected:
            return
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        self._elected = True
        for work in self._hourly:
            self._scheduler.add_job(work, "interval", seconds=PERIOD, max_instances=1, coalesce=True)
