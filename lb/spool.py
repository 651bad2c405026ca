"""A journal segment as the interlogger reads it: lines, what of them is delivered, and when the file may go.

The offset up to which everything is delivered stands in a control file beside the segment
(``<segment>.ctl``: offset and inode), fsynced after each delivery.  When it is missing or does not fit,
delivery begins anew at the start of the file; the bookkeeping server stores equal events once.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grid.faultpoints import point
from grid.files import fsync_directory
from grid.jobid import JobId
from grid.limits import MAX_EVENT_LINE
from lb import ulm
from lb.errors import UlmError

_log = logging.getLogger("wms.lb")

_BLOCK: Final = 1 << 20
_WINDOW_BYTES: Final = 32 << 20
"""Bytes of lines read ahead of the delivered ones, per segment."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line on its way.

    :ivar end: offset in the segment of the byte after the line.
    """

    segment: Segment
    end: int
    line: str
    jobid: JobId


class Segment:
    """One file of a spool directory.  One thread reads; any thread confirms."""

    def __init__(self, path: Path) -> None:
        """:raises OSError: when the file cannot be opened."""
        self.path = path
        self._control = path.with_name(f"{path.name}.ctl")
        self._descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        self._inode = os.fstat(self._descriptor).st_ino
        self._lock = threading.Lock()
        self._committed = self._load()
        self._read_to = self._committed
        self._waiting: deque[int] = deque()
        self._done: set[int] = set()
        self.starved = False

    def read(self) -> list[Item]:
        """The whole lines that were not read yet, as many as the window allows; unreadable ones are set aside.

        :raises OSError: when the disk refuses.
        """
        items: list[Item] = []
        while not self._full():
            block = os.pread(self._descriptor, _BLOCK, self._read_to)
            end = block.rfind(b"\n") + 1
            if end == 0 and len(block) == _BLOCK:
                block = os.pread(self._descriptor, MAX_EVENT_LINE + 2, self._read_to)
                end = block.find(b"\n") + 1 or (len(block) if len(block) > MAX_EVENT_LINE else 0)
            if end == 0:
                break
            for raw in _lines(block[:end]):
                self._take(raw, items)
        return items

    def confirm(self, ends: Iterable[int]) -> None:
        """Note that the lines ending there are delivered, and write the offset when it has grown."""
        with self._lock:
            self._done.update(ends)
            before = self._committed
            while self._waiting and self._waiting[0] in self._done:
                self._committed = self._waiting.popleft()
                self._done.discard(self._committed)
            if self._committed != before:
                self._save()

    def remove_if_finished(self) -> bool:
        """Remove a segment that is wholly delivered and that nobody writes; True when it is gone.

        The control file goes first: one that outlived its segment could make a later one of the same name
        look delivered.
        """
        with self._lock:
            if self._waiting or os.fstat(self._descriptor).st_size != self._committed:
                return False
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            try:
                if os.fstat(self._descriptor).st_size != self._committed:
                    return False
                with contextlib.suppress(FileNotFoundError):
                    self._control.unlink()
                fsync_directory(self.path.parent)
                point("lb.interlogger.control_removed")
                with contextlib.suppress(FileNotFoundError):
                    self.path.unlink()
                return True
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def _take(self, raw: bytes, items: list[Item]) -> None:
        self._read_to += len(raw)
        with self._lock:
            self._waiting.append(self._read_to)
        try:
            line = raw.rstrip(b"\n").decode("utf-8")
            items.append(Item(self, self._read_to, line, ulm.job_of(line)))
        except (UnicodeDecodeError, UlmError) as error:
            self._quarantine(raw, error)
            self.confirm([self._read_to])

    def _full(self) -> bool:
        with self._lock:
            self.starved = self._read_to - self._committed > _WINDOW_BYTES
        return self.starved

    def _quarantine(self, raw: bytes, error: Exception) -> None:
        """Set a damaged line aside instead of letting it block those behind it."""
        aside = self.path.with_name(f"{self.path.name}.quarantine")
        _log.error("%s: a damaged line of %d bytes was moved to %s: %s", self.path, len(raw), aside.name, error)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(aside, flags, 0o600)
        try:
            os.write(descriptor, raw if raw.endswith(b"\n") else raw + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _load(self) -> int:
        try:
            offset, inode = (int(part) for part in self._control.read_text().split())
        except (OSError, ValueError):
            return 0
        size = os.fstat(self._descriptor).st_size
        if inode != self._inode or not 0 < offset <= size or os.pread(self._descriptor, 1, offset - 1) != b"\n":
            return 0
        return offset

    def _save(self) -> None:
        point("lb.interlogger.confirmed")
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._control, flags, 0o600)
        try:
            # Fixed width: every write covers the one before, so a torn one reads as no number at all.
            os.pwrite(descriptor, b"%020d %020d\n" % (self._committed, self._inode), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lines(block: bytes) -> list[bytes]:
    """Lines ended by newlines only; ``splitlines`` would end them at carriage returns too."""
    parts = block.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
