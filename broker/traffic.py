"""What this broker has sent to computing elements since they were last looked at.

The information system tells of a job minutes after it was sent.  A broker that believes the picture meanwhile sends a
thousand jobs to the element that was the best when it was taken.  So the jobs that were sent since, and have not ended,
are counted on top of the picture: an element's ad is shown to a job as it would be with them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from jdl.tree import ClassAd

UNKNOWN_JOBS: Final = 444_444
"""What GLUE 1.3 sites publish for *nobody knows how many*."""
UNKNOWN_TIME: Final = 2_146_000_000
"""Seconds, and more, that stand for *nobody knows how long*."""
ASSUMED_SECONDS: Final = 600.0
"""How long a job is taken to run where a queue says nothing about it."""
MAX_KEPT: Final = 100_000
"""Jobs that are remembered; beyond it the oldest are forgotten, and the picture is believed a little more."""
MAX_ELEMENTS: Final = 20_000
"""Elements of which it is remembered when a job was last sent there; beyond it those of longest ago are forgotten."""


@dataclass(frozen=True)
class Sent:
    """A job on its way.

    :ivar at: when it was sent, seconds since 1970.
    :ivar slots: as many as it wants.
    """

    job: str
    ce_id: str
    at: float
    slots: int


class Traffic:
    """The jobs on their way, by element; after a restart the queue's rows tell of them (:meth:`recall`)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sent: dict[str, Sent] = {}  # by job, in the order of sending
        self._wanted: dict[str, int] = {}
        self._last: dict[str, float] = {}

    def sent(self, ce_id: str, job: str, slots: int) -> Sent:
        """A job was sent there; it wants so many slots."""
        now = Sent(job, ce_id, self._clock(), slots)
        self.recall([now])
        return now

    def recall(self, jobs: Iterable[Sent]) -> None:
        """These were sent, the earliest first, after all that are known here."""
        with self._lock:
            for each in jobs:
                self._drop(each.job)
                self._sent[each.job] = each
                self._wanted[each.ce_id] = self._wanted.get(each.ce_id, 0) + each.slots
                self._last.pop(each.ce_id, None)
                self._last[each.ce_id] = each.at
                if len(self._last) > MAX_ELEMENTS:  # users may name any (SubmitTo)
                    del self._last[next(iter(self._last))]
                while len(self._sent) > MAX_KEPT:
                    self._drop(next(iter(self._sent)))

    def ended(self, job: str) -> None:
        """The job takes no slot any more where it was sent."""
        with self._lock:
            self._drop(job)

    def last_sent(self, ce_id: str) -> float:
        """When a job was last sent there, seconds since 1970; 0 when none was."""
        with self._lock:
            return self._last.get(ce_id, 0.0)

    def since(self, moment: float) -> Mapping[str, int]:
        """Slots wanted by the jobs that were sent after ``moment`` and have not ended, by element.

        What was sent before is in the picture, and is forgotten here.
        """
        with self._lock:
            while self._sent:
                first = next(iter(self._sent.values()))
                if first.at > moment:
                    break
                self._drop(first.job)
            return dict(self._wanted)

    def _drop(self, job: str) -> None:
        found = self._sent.pop(job, None)
        if found is not None:
            self._wanted[found.ce_id] -= found.slots
            if not self._wanted[found.ce_id]:
                del self._wanted[found.ce_id]


def with_jobs(ad: ClassAd, slots: int) -> ClassAd:
    """The element's ad as it would be with jobs that want so many slots more; unknown numbers stay unknown."""
    corrected = ad.copy()
    free = _free(ad)
    taken = min(slots, free)
    queued = slots - taken
    for name, change in (
        ("GlueCEStateFreeJobSlots", -taken),
        ("GlueCEStateFreeCPUs", -taken),
        ("GlueCEStateRunningJobs", taken),
        ("GlueCEStateWaitingJobs", queued),
        ("GlueCEStateTotalJobs", slots),
    ):
        value = _number(ad, name)
        if value is not None:
            corrected.set(name, max(0, value + change))
    response = ad.value("GlueCEStateEstimatedResponseTime")
    number = response if isinstance(response, (int, float)) and not isinstance(response, bool) else UNKNOWN_TIME
    if slots >= free and 0 <= number < UNKNOWN_TIME:  # the next one has to wait
        longer = min(number + _longer(ad, queued + 1), UNKNOWN_TIME)
        corrected.set("GlueCEStateEstimatedResponseTime", int(longer))
    return corrected


def _free(ad: ClassAd) -> int:
    """Free slots; where a queue does not tell them, its processors without running jobs, or none."""
    free = _number(ad, "GlueCEStateFreeJobSlots")
    if free is None:
        total, running = _number(ad, "GlueCEInfoTotalCPUs"), _number(ad, "GlueCEStateRunningJobs")
        free = 0 if total is None or running is None else max(0, total - running)
    return free


def _longer(ad: ClassAd, queued: int) -> float:
    """Seconds that so many more waiting jobs add: as much each as the queue's own ones have added, if it tells."""
    waiting = _number(ad, "GlueCEStateWaitingJobs") or 0
    response = _number(ad, "GlueCEStateEstimatedResponseTime") or 0
    if waiting > 0 and response > 0:
        return response * queued / (waiting + 1)
    return queued * ASSUMED_SECONDS / max(1, _number(ad, "GlueCEInfoTotalCPUs") or 1)


def _number(ad: ClassAd, name: str) -> int | None:
    """A published number of jobs or slots; None when there is none or it means that nobody knows."""
    value = ad.value(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < UNKNOWN_TIME:
        return None
    return None if value == UNKNOWN_JOBS else int(value)
