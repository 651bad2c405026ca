"""What the operator does to an element from outside its service."""

from __future__ import annotations

import logging
import os
import select
import signal
import time

from sqlalchemy import Connection

from ce import database
from ce.accounts import AccountMap
from ce.process import ProcessId, kill_session, send
from ce.settings import CeSettings
from grid.states import CreamState
from storage.engine import open_engine

_log = logging.getLogger("wms.ce")
_RUNNING = (CreamState.IDLE, CreamState.RUNNING, CreamState.REALLY_RUNNING)


def end_payloads(settings: CeSettings, grace: float = 5.0) -> int:
    """End every running wrapper with its payload; the element reports the jobs at its next start as DONE-FAILED,
    ``ended by the operator``, a matter of the infrastructure.

    That it was the operator is on record before the first signal is sent.  May be called while the service runs
    and when it does not.

    :param grace: seconds between TERM and KILL.
    :returns: how many wrappers there were.
    """
    engine = open_engine(settings.database_url)
    try:
        with engine.begin() as db:
            places = _condemn(db, AccountMap(database.accounts, settings.accounts))
    finally:
        engine.dispose()
    living = {}
    for process, uid in places:
        descriptor = process.open()
        if descriptor is not None:
            living[descriptor] = (process, uid)
            send(descriptor, signal.SIGTERM)
    count = len(living)
    _wait(set(living), grace)
    for descriptor, (process, uid) in living.items():
        send(descriptor, signal.SIGKILL)
        kill_session(process.pid, uid)
    _wait(set(living), 2.0)
    for descriptor in living:
        os.close(descriptor)
    _log.info("%d running jobs were ended by the operator", count)
    return count


def _condemn(db: Connection, accounts: AccountMap) -> list[tuple[ProcessId, int]]:
    places = []
    for job in database.jobs_in(db, _RUNNING):
        if job.batch_id is not None:
            database.set_fields(db, job.id, operator_end=True)
            places.append((ProcessId.parse(job.batch_id), accounts.local(job.slot).uid))
    return places


def _wait(descriptors: set[int], seconds: float) -> None:
    """Wait until every process of these pidfds has ended, or the time is over."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    left = set(descriptors)
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        for descriptor, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            poll.unregister(descriptor)
            left.discard(descriptor)
