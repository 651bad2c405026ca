"""Who may move which file of a peek directory: chunks in by the running job, the list and merged files out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from grid.errors import TimedOut
from jdl.perusal import LIST_FILE
from web.places import Location, TransferRefused
from wmproxy.jobs import Job
from wmproxy.peek import MAX_NAMES, PeekDirectory, chunk_file, is_merged, leaf
from wmproxy.sandboxes import JobDirectory

_UNKNOWN = "there is no such file here, or it is not yours"


class PeekTransfer:
    """The rules of one server's peek directories.

    :param max_bytes: of one job's peek directory.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def locate(
        self, record: Job, directory: JobDirectory, method: str, name: str, check_running: Callable[[Job], None]
    ) -> Location:
        """Find the place of a file, for a caller whose right to the job has been established.

        :param check_running: raises TransferRefused unless the job runs now.
        :raises TransferRefused: with the HTTP status and one sentence.
        """
        peek = PeekDirectory(directory.peek)
        if method in ("GET", "HEAD"):
            if name != LIST_FILE and not is_merged(name):
                raise TransferRefused(404, _UNKNOWN)
            return Location(peek.path, name)
        check_running(record)
        try:
            self._check_wanted(peek, name)
            left = self._left(peek, name)
        except FileNotFoundError:
            raise TransferRefused(404, _UNKNOWN) from None
        return Location(peek.path, name, left, lambda: self._naming(record, peek, name, check_running), hidden=True)

    @staticmethod
    def _check_wanted(peek: PeekDirectory, name: str) -> None:
        file = chunk_file(name)
        if file is None:
            raise TransferRefused(403, f"{name!r} is not the name of a chunk: <file>.<YYYYmmddHHMMSS>_<counter>")
        if file not in map(leaf, peek.listed()):
            raise TransferRefused(404, f"nobody looks at {file!r} now; enable it first")

    def _left(self, peek: PeekDirectory, name: str) -> int:
        """Bytes that the directory still takes."""
        names, size = peek.used(but=name)
        if names >= MAX_NAMES or size >= self._max_bytes:
            raise TransferRefused(
                507, "the job's peek directory is full; ask for the files, which merges their chunks, or purge the job"
            )
        return self._max_bytes - size

    @contextlib.contextmanager
    def _naming(
        self, record: Job, peek: PeekDirectory, name: str, check_running: Callable[[Job], None]
    ) -> Iterator[None]:
        """Hold merging off while a chunk gets its name; uploads under way count for the directory's size."""
        try:
            with peek.locked():
                check_running(record)
                if peek.holds(name):
                    raise TransferRefused(409, f"the chunk {name!r} has come before, and was taken")
                if peek.used(but=name)[1] > self._max_bytes:
                    raise TransferRefused(507, "the job's peek directory is full")
                yield
        except FileNotFoundError:
            raise TransferRefused(404, _UNKNOWN) from None
        except TimedOut as error:
            raise TransferRefused(503, error.description) from None
