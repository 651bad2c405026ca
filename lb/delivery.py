"""Delivery to one bookkeeping server: a queue, a kept connection, retries without end.

An event is delivered when the server has confirmed it, or has refused it for good: a refusal must not block what
stands behind it, so it is logged as an error here.  What says nothing about the event (no memory, a busy
database, a certificate that is not accepted now, no answer at all) is tried again, with growing pauses.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import queue
import ssl
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from grid.errors import GridError
from lb import wire
from lb.channel import Dialler
from lb.spool import Item, Segment
from lb.wire import Answer, Major

_log = logging.getLogger("wms.lb")

_AT_ONCE: Final = 64
_AT_ONCE_BYTES: Final = 256 << 10
_FOR_GOOD: Final = frozenset((Major.OK, Major.PROTO, Major.PERM))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a delivery waits, in seconds.

    :ivar first_pause: after the first failure; it doubles up to ``longest_pause``.
    :ivar idle: without events before the connection and its thread end.
    :ivar exchange: for one group of events and its answers.
    """

    first_pause: float = 1.0
    longest_pause: float = 60.0
    idle: float = 60.0
    exchange: float = 60.0


class Delivery:
    """The queue of one server; its thread lives while there is something to do.

    :param delivered: called with each segment of which lines were confirmed.
    """

    def __init__(
        self,
        address: tuple[str, int],
        dialler: Dialler,
        patience: Patience,
        stop: threading.Event,
        delivered: Callable[[Segment], None],
    ) -> None:
        self._address = address
        self._name = f"{address[0]}:{address[1]}"
        self._dialler = dialler
        self._patience = patience
        self._stop = stop
        self._delivered = delivered
        self._queue: queue.Queue[Item | None] = queue.Queue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._connection: ssl.SSLSocket | None = None
        self._reader: wire.FrameReader | None = None

    def put(self, item: Item) -> None:
        """Queue a line behind those of the same server."""
        with self._lock:
            self._queue.put(item)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"lb-to-{self._name}", daemon=True)
                self._thread.start()

    def close(self, timeout: float) -> None:
        """End the thread (the stop event is set); what was not confirmed is delivered after the next start."""
        self._queue.put(None)
        thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        while True:
            try:
                first = self._queue.get(timeout=self._patience.idle)
            except queue.Empty:
                with self._lock:
                    if not self._queue.empty():
                        continue
                    self._thread = None
                self._disconnect()
                return
            if first is None or self._stop.is_set():
                self._disconnect()
                return
            self._deliver(self._group(first))

    def _group(self, first: Item) -> list[Item]:
        group, size = [first], len(first.line)
        while len(group) < _AT_ONCE and size < _AT_ONCE_BYTES:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                break
            group.append(item)
            size += len(item.line)
        return group

    def _deliver(self, group: list[Item]) -> None:
        pause = self._patience.first_pause
        while group and not self._stop.is_set():
            kept = self._connection is not None
            try:
                done, trouble = self._exchange(group)
            except (GridError, OSError) as error:
                self._disconnect()
                if kept:
                    continue  # the server had closed an idle connection: once more at once, on a new one
                done, trouble = 0, str(error)
            if done:
                pause = self._patience.first_pause
                self._confirm(group[:done])
                group = group[done:]
            if trouble:
                self._disconnect()
                _log.warning("events for %s wait %.0f s: %s", self._name, pause, trouble)
                self._stop.wait(pause)
                pause = min(pause * 2, self._patience.longest_pause)

    def _exchange(self, group: list[Item]) -> tuple[int, str | None]:
        """Send a group and read the answers: how many are settled, and what kept the next one from being so."""
        deadline = wire.Deadline(self._patience.exchange)
        if self._connection is None or self._reader is None:
            self._connection = self._dialler.dial(*self._address, deadline)
            self._reader = wire.answer_reader(self._connection)
        self._connection.settimeout(deadline.left(self._name))
        self._connection.sendall(b"".join(wire.request(item.line) for item in group))
        for number, item in enumerate(group):
            try:
                reply = wire.read_answer(self._reader, deadline, self._name)
            except (GridError, OSError) as error:
                if number == 0:
                    raise
                return number, str(error)
            if not _settled(reply):
                return number, reply.text or reply.major.name
            if reply.major is not Major.OK:
                _log.error("%s refused an event of %s for good: %s", self._name, item.jobid, reply.text)
        return len(group), None

    def _confirm(self, items: list[Item]) -> None:
        ends: dict[Segment, list[int]] = defaultdict(list)
        for item in items:
            ends[item.segment].append(item.end)
        for segment, found in ends.items():
            try:
                segment.confirm(found)
            except OSError as error:
                _log.error("the offset of %s could not be kept; its events may go twice: %s", segment.path, error)
            self._delivered(segment)

    def _disconnect(self) -> None:
        connection, self._connection, self._reader = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()


def _settled(reply: Answer) -> bool:
    return reply.major in _FOR_GOOD or (reply.major is Major.DBERR and reply.minor == errno.ENOENT)
