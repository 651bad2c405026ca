"""The peek directory of a job: chunks that come in while it runs, and the files that they are merged into.

====================================  ===================================================================
``files2peek``                        what the job is to look at, one name on each line
``<file>.<stamp>_<counter>``          a chunk: bytes of ``<file>`` that nobody has asked for yet
``<file>-<first>-<last>``             a merged file: the chunks from stamp ``first`` to ``last``, served
====================================  ===================================================================

A merged file has its name before its chunks are removed, and has been served when the last of them is: as long
as one is left, the call that made the file died before it answered, and the next call answers it as new.  A
chunk that comes again after it was merged (its sender did not hear the first answer) is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grid.errors import FileSystemFailure, TimedOut
from grid.faultpoints import point
from grid.files import fsync_directory, read_bounded, write_private
from jdl.perusal import LIST_FILE

MAX_MERGED: Final = 2_147_000_000
"""Bytes of one merged file; more chunks begin another one (clients of 32 bits)."""

MAX_NAMES: Final = 2000
"""Chunks and merged files of one job; asking for the chunks makes room."""

MAX_LIST: Final = 64 << 10

_LOCK_SECONDS: Final = 30.0
_STAMP: Final = r"\d{14}_\d{1,9}"
_CHUNK: Final = re.compile(rf"(?P<file>.+)\.(?P<stamp>{_STAMP})", re.DOTALL)
_MERGED: Final = re.compile(rf"(?P<file>.+)-(?P<first>{_STAMP})-(?P<last>{_STAMP})", re.DOTALL)
_SCRATCH: Final = ".merge-"

Stamp = tuple[str, int]


@dataclass(frozen=True, order=True, slots=True)
class Chunk:
    """One chunk; they sort as they were made."""

    stamp: Stamp
    name: str
    size: int


@dataclass(frozen=True, order=True, slots=True)
class Merged:
    """One merged file."""

    first: Stamp
    last: Stamp
    name: str

    def covers(self, stamp: Stamp) -> bool:
        """Whether a chunk of that stamp is in it."""
        return self.first <= stamp <= self.last


def leaf(file: str) -> str:
    """The name under which a file of the working directory stands here: without its directories."""
    return file.rpartition("/")[2]


def chunk_file(name: str) -> str | None:
    """The file that a chunk's name belongs to; None when it is no chunk's name."""
    found = _CHUNK.fullmatch(name)
    return found["file"] if found else None


def is_merged(name: str) -> bool:
    """Whether a name is that of a merged file."""
    return _MERGED.fullmatch(name) is not None


class PeekDirectory:
    """The peek directory of one job.

    :param path: belongs to the service alone; what stands in it and is no regular file is passed over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def listed(self) -> tuple[str, ...]:
        """The files to look at; empty when nobody has asked for any."""
        try:
            text = read_bounded(self.path / LIST_FILE, MAX_LIST).decode("utf-8")
        except FileNotFoundError:
            return ()
        return tuple(line for line in text.split("\n") if line)

    def enlist(self, files: Sequence[str]) -> None:
        """Replace the list, durably; without files there is none any more."""
        if files:
            write_private(self.path / LIST_FILE, "".join(f"{file}\n" for file in files).encode("utf-8"))
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path / LIST_FILE)
        fsync_directory(self.path)

    @contextlib.contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the directory while a chunk gets its name or chunks are merged; yields its descriptor.

        :raises FileNotFoundError: when it is gone.  :raises TimedOut: when somebody else holds it for too long.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            _lock(descriptor)
            yield descriptor
        finally:
            os.close(descriptor)

    def used(self, but: str = "") -> tuple[int, int]:
        """``(names, bytes)`` of all files here, uploads under way included.

        :param but: a name that is not counted, since it is to be replaced.
        """
        names = size = 0
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.name == but:
                    continue
                names += 1
                with contextlib.suppress(FileNotFoundError):  # an upload got its name this moment
                    size += entry.stat(follow_symlinks=False).st_size
        return names, size

    def holds(self, chunk: str) -> bool:
        """Whether a chunk of that name was merged before (and may have been served)."""
        found = _CHUNK.fullmatch(chunk)
        if found is None:
            return False
        stamp = _stamp(found["stamp"])
        return any(merged.covers(stamp) for merged in self.merged(found["file"]))

    def merged(self, file: str) -> list[Merged]:
        """The merged files of ``file``, oldest first."""
        return sorted(
            Merged(_stamp(found["first"]), _stamp(found["last"]), name)
            for name in os.listdir(self.path)
            if (found := _MERGED.fullmatch(name)) and found["file"] == file
        )

    def merge(self, file: str, most: int = MAX_MERGED) -> list[str]:
        """Merge the chunks of ``file`` that have come since the last call; returns the names of the merged files.

        :param most: bytes of one merged file; a single chunk may be larger.
        """
        with self.locked() as directory:
            self._sweep(directory)
            chunks = self._chunks(directory, file)
            before = [merged for merged in self.merged(file) if any(merged.covers(chunk.stamp) for chunk in chunks)]
            fresh = [chunk for chunk in chunks if not any(merged.covers(chunk.stamp) for merged in before)]
            made = [self._write(directory, file, group) for group in _groups(fresh, most)]
            point("wmproxy.perusal.merged")
            for chunk in chunks:
                os.unlink(chunk.name, dir_fd=directory)
            if chunks:
                os.fsync(directory)
            point("wmproxy.perusal.removed")
            return [merged.name for merged in sorted([*before, *made])]

    def _chunks(self, directory: int, file: str) -> list[Chunk]:
        chunks = []
        for name in os.listdir(directory):
            found = _CHUNK.fullmatch(name)
            if not found or found["file"] != file:
                continue
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode):
                chunks.append(Chunk(_stamp(found["stamp"]), name, status.st_size))
        return sorted(chunks)

    @staticmethod
    def _sweep(directory: int) -> None:
        """Remove what a merging left that a crash cut off; nobody else merges now."""
        for name in os.listdir(directory):
            if name.startswith(_SCRATCH):
                os.unlink(name, dir_fd=directory)

    @staticmethod
    def _write(directory: int, file: str, group: Sequence[Chunk]) -> Merged:
        first, last = group[0].stamp, group[-1].stamp
        name = f"{file}-{_text(group[0])}-{_text(group[-1])}"
        scratch = f"{_SCRATCH}{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(scratch, flags, 0o600, dir_fd=directory)
        try:
            for chunk in group:
                _append(target, directory, chunk)
            os.fsync(target)
            os.rename(scratch, name, src_dir_fd=directory, dst_dir_fd=directory)
            os.fsync(directory)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(scratch, dir_fd=directory)
            raise
        finally:
            os.close(target)
        return Merged(first, last, name)


def _append(target: int, directory: int, chunk: Chunk) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    source = os.open(chunk.name, flags, dir_fd=directory)
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise FileSystemFailure(f"the chunk {chunk.name} was replaced by something that is no file; try again")
        at = 0
        while sent := os.sendfile(target, source, at, 1 << 24):
            at += sent
    finally:
        os.close(source)


def _groups(chunks: Sequence[Chunk], most: int) -> Iterator[list[Chunk]]:
    """Runs of chunks that are together not larger than ``most``."""
    group: list[Chunk] = []
    size = 0
    for chunk in chunks:
        if group and size + chunk.size > most:
            yield group
            group, size = [], 0
        group.append(chunk)
        size += chunk.size
    if group:
        yield group


def _stamp(text: str) -> Stamp:
    moment, _, counter = text.partition("_")
    return moment, int(counter)


def _text(chunk: Chunk) -> str:
    """The stamp as it stands in the chunk's name."""
    return chunk.name.rpartition(".")[2]


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimedOut(f"another operation on the job has not ended within {_LOCK_SECONDS:.0f} s") from None
        time.sleep(0.01)
