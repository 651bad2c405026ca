"""How full a queue is, as a whole and for each of those that it admits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from ce import database
from ce.settings import Queue
from grid.fqan import Fqan, FqanError
from infosys.access import User, judge

ASSUMED_SECONDS = 60.0
"""How long a job is taken to run while none has ended yet."""
SAMPLES = 20
"""Jobs whose duration is averaged."""


@dataclass(frozen=True, slots=True)
class Occupation:
    """How full a queue is, and how long its last jobs ran on the average (s).

    :ivar busy: slots in use; a running job may have several.
    :ivar asked: slots that waiting jobs want.
    """

    running: int
    waiting: int
    busy: int
    mean_seconds: float
    asked: int = 0


def response_time(queue: Queue, now: Occupation) -> int:
    """Seconds until a job that comes now would start: 0 while there is a free slot (GLUE 1.3, estimated)."""
    if now.busy < queue.slots and now.waiting == 0:
        return 0
    return max(1, int((now.waiting + 1) * now.mean_seconds / queue.slots))


def free_slots(queue: Queue, now: Occupation, own: Occupation | None = None) -> int:
    """Slots that a job could have at once; none for whom jobs wait already (lcg-info-dynamic-scheduler).

    :param own: what those who ask have in the queue; the whole queue when not given.
    """
    if own is not None and own.waiting:
        return 0
    return max(0, queue.slots - now.busy)


def observe(db: Connection, queue: Queue) -> tuple[Occupation, dict[str, Occupation]]:
    """The queue, and by access rule what those have in it whom the rule admits."""
    groups = database.occupation_by_user(db, queue.name)
    seconds = database.mean_seconds(db, queue.name, SAMPLES)
    mean = ASSUMED_SECONDS if seconds is None else max(seconds, 1.0)
    granted = [rule for rule in queue.access_rules if rule[:5].upper() != "DENY:"]
    own = {
        rule: _summed((each for each in groups if judge([rule], user_of(each)).allowed), mean) for rule in granted
    }
    return _summed(groups, mean), own


def user_of(group: database.Group) -> User:
    """Whose jobs a group is."""
    try:
        fqans = (Fqan.parse(group.fqan),) if group.fqan else ()
    except FqanError:
        fqans = ()
    return User(group.dn, fqans, group.vo)


def _summed(groups: Iterable[database.Group], mean: float) -> Occupation:
    running = waiting = busy = asked = 0
    for group in groups:
        if group.placed:
            running, busy = running + group.jobs, busy + group.slots
        else:
            waiting, asked = waiting + group.jobs, asked + group.slots
    return Occupation(running, waiting, busy, mean, asked)
