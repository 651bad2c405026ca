"""The event journal of one producing service: lines on disk, durable when ``append`` returns.

A journal ``spool/wmproxy.0.log`` is kept in segments ``spool/wmproxy.0.00000001.log`` and so on, so that no file
grows for ever.  Who writes a segment holds an exclusive flock on it; the interlogger removes a segment that it
has delivered wholly, and only while it holds that same lock, so the two can never lose a line between them.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from grid.errors import FileSystemFailure, GridError, InvalidArgument
from grid.faultpoints import point
from grid.files import fsync_directory, make_directory
from lb.errors import JournalBusy

_log = logging.getLogger("wms.lb")

SEGMENT_BYTES: Final = 16 << 20
"""A segment that has grown beyond this is closed and the next one begun."""

SEGMENT_NAME = re.compile(r"(?P<stem>.+)\.(?P<number>\d{8})\.log")
"""What the interlogger takes for a journal's segment."""

_LOCK_SECONDS: Final = 2.0
_LOCK_STEP: Final = 0.02
_TAIL: Final = 1 << 16


class _Batch:
    """Lines of several callers that one fsync makes durable."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.done = False
        self.error: Exception | None = OSError("the write was interrupted")


class Journal:
    """Append-only event lines.  One writing process per journal; any number of threads.

    The file is opened, and locked, at the first append, so a journal may be made before a fork.

    :param path: ``<spool>/<service>.<instance>.log``.
    :param segment_bytes: size after which the next segment is begun.
    """

    def __init__(self, path: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.path = path
        self._segment_bytes = segment_bytes
        self._condition = threading.Condition()
        self._batch = _Batch()
        self._writing = False
        self._descriptor = -1
        self._size = 0
        self._number = 0

    def append(self, lines: Sequence[str]) -> None:
        """Write ``lines`` in order; they are on disk when this returns.

        Callers that come while a write is going on share the next fsync.

        :raises InvalidArgument: when a line holds a newline.
        :raises JournalBusy: when another process writes this journal.
        :raises FileSystemFailure: when the disk refuses; then none of the lines counts as written.
        """
        if any("\n" in line for line in lines):
            raise InvalidArgument("an event line holds a newline")
        data = "".join(f"{line}\n" for line in lines).encode()
        if not data:
            return
        with self._condition:
            mine = self._batch
            mine.parts.append(data)
            while not mine.done:
                if self._writing:
                    self._condition.wait()
                else:
                    self._lead()
        if isinstance(mine.error, GridError):
            raise mine.error
        if mine.error is not None:
            raise FileSystemFailure(f"events could not be written to {self.path}: {mine.error}") from mine.error

    def close(self) -> None:
        """Give the journal up; the next append would open it again."""
        with self._condition:
            while self._writing:
                self._condition.wait()
            self._release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _lead(self) -> None:
        """Write the waiting batch for everybody in it (called and returning with the condition held)."""
        batch, self._batch = self._batch, _Batch()
        self._writing = True
        self._condition.release()
        try:
            self._write(b"".join(batch.parts))
            batch.error = None
        except (OSError, GridError) as error:
            batch.error = error
        finally:
            self._condition.acquire()
            self._writing = False
            batch.done = True
            self._condition.notify_all()

    def _write(self, data: bytes) -> None:
        if self._descriptor >= 0 and self._size >= self._segment_bytes:
            self._release()
        if self._descriptor < 0:
            self._open()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            point("lb.journal.written")
            os.fsync(self._descriptor)
        except OSError:
            # A part may stand in the file: take it away, and never trust this descriptor's fsync again.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._size)
            self._release()
            raise
        self._size += len(data)

    def _open(self) -> None:
        make_directory(self.path.parent)
        numbers = [n for n in map(self._number_of, self.path.parent.iterdir()) if n]
        number = max([self._number, 1, *numbers])
        while True:
            segment = self.path.with_name(f"{self.path.stem}.{number:08d}.log")
            descriptor = _open_locked(segment)
            try:
                size = _whole_lines(descriptor, segment)
            except BaseException:
                os.close(descriptor)
                raise
            if size < self._segment_bytes:
                break
            os.close(descriptor)
            number += 1
        fsync_directory(self.path.parent)
        self._descriptor, self._size, self._number = descriptor, size, number

    def _number_of(self, path: Path) -> int:
        found = SEGMENT_NAME.fullmatch(path.name)
        return int(found["number"]) if found and found["stem"] == self.path.stem else 0

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _open_locked(segment: Path) -> int:
    """Open ``segment`` for appending and lock it; the name is known to lead to the locked file."""
    deadline = time.monotonic() + _LOCK_SECONDS
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        descriptor = os.open(segment, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(descriptor, segment):
                return descriptor
            os.close(descriptor)  # the interlogger removed it between open and lock
        except BlockingIOError:
            os.close(descriptor)  # the interlogger holds it for moments, another writer for good
            if time.monotonic() > deadline:
                raise JournalBusy(str(segment)) from None
            time.sleep(_LOCK_STEP)


def _same_file(descriptor: int, path: Path) -> bool:
    here = os.fstat(descriptor)
    try:
        there = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _whole_lines(descriptor: int, segment: Path) -> int:
    """Cut a line that a crash left unfinished; return the size of what remains."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - _TAIL)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        _log.warning("%s: an unfinished line of %d bytes was cut off", segment, size - end)
        os.ftruncate(descriptor, end)
        os.fsync(descriptor)
    return end
