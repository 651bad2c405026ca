"""The interlogger: delivers the journals of a spool directory to the bookkeeping servers that the job ids name.

It may be killed at any moment: what is delivered stands in the control files, everything else is delivered
(again) after the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from grid.doorbell import Doorbell, ring
from grid.errors import ConfigurationError
from grid.files import make_directory
from lb.channel import ChannelSettings, Dialler
from lb.delivery import Delivery, Patience
from lb.journal import SEGMENT_NAME
from lb.spool import Segment

_log = logging.getLogger("wms.lb")

_SLICE: Final = 0.5
_STOP_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class InterloggerSettings:
    """What the interlogger works on.

    :ivar spool: directory of the journals.
    :ivar doorbell: where producers ring.
    :ivar channel: credential, trust and routes for the event ports.
    :ivar scan_seconds: the directory is looked at this often though nobody rings.
    """

    spool: Path
    doorbell: Path
    channel: ChannelSettings
    scan_seconds: float = 5.0
    patience: Patience = field(default_factory=Patience)


def run(settings: InterloggerSettings, stop: threading.Event) -> None:
    """Deliver until ``stop`` is set (looked at twice a second; ringing the doorbell is faster).

    :raises ConfigurationError: when another interlogger works on the spool directory.
    """
    make_directory(settings.spool)
    with _alone(settings.spool), Doorbell.listen(settings.doorbell) as bell:
        interlogger = Interlogger(settings)
        try:
            while not stop.is_set():
                interlogger.scan()
                end = time.monotonic() + settings.scan_seconds
                while not stop.is_set() and not bell.wait(_SLICE) and time.monotonic() < end:
                    pass
        finally:
            interlogger.close()


class Interlogger:
    """The segments that are known and the deliveries that are under way."""

    def __init__(self, settings: InterloggerSettings) -> None:
        self._settings = settings
        self._dialler = Dialler(settings.channel)
        self._stop = threading.Event()
        self._segments: dict[Path, Segment] = {}
        self._deliveries: dict[tuple[str, int], Delivery] = {}
        self._complained: set[Path] = set()

    def scan(self) -> None:
        """Queue every line that was not queued yet; remove files that are done with."""
        try:
            names = sorted(path for path in self._settings.spool.iterdir() if SEGMENT_NAME.fullmatch(path.name))
        except OSError as error:
            _log.error("the spool directory %s cannot be read: %s", self._settings.spool, error)
            return
        for path in names:
            try:
                self._look_at(path)
                self._complained.discard(path)
            except OSError as error:
                if path not in self._complained:
                    _log.error("the events of %s cannot be delivered: %s", path, error)
                    self._complained.add(path)

    def close(self) -> None:
        """Stop the deliveries; confirmed lines are on record."""
        self._stop.set()
        end = time.monotonic() + _STOP_SECONDS
        for delivery in self._deliveries.values():
            delivery.close(max(0.0, end - time.monotonic()))
        for segment in self._segments.values():
            segment.close()

    def _look_at(self, path: Path) -> None:
        segment = self._segments.get(path)
        if segment is None:
            segment = self._segments[path] = Segment(path)
        for item in segment.read():
            address = (item.jobid.host, item.jobid.store_port)
            delivery = self._deliveries.get(address)
            if delivery is None:
                delivery = Delivery(address, self._dialler, self._settings.patience, self._stop, self._delivered)
                self._deliveries[address] = delivery
            delivery.put(item)
        if segment.remove_if_finished():
            del self._segments[path]
            segment.close()

    def _delivered(self, segment: Segment) -> None:
        if segment.starved:
            ring(self._settings.doorbell)


@contextlib.contextmanager
def _alone(spool: Path) -> Iterator[None]:
    descriptor = os.open(spool / "interlogger.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        _lock(descriptor, spool)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, spool: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(f"another interlogger works on {spool}; one is enough, stop one of them") from None
