"""enableFilePerusal and getPerusalFiles: the files of a job while it runs (gLite WMS)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from grid.errors import InvalidArgument
from grid.limits import MAX_FILE_NAME
from jdl.perusal import PEEK_DIRECTORY, wants_perusal
from jdl.tree import ClassAd
from wmproxy.descriptions import Descriptions
from wmproxy.errors import WrongPhase
from wmproxy.jobs import Job, Phase
from wmproxy.peek import PeekDirectory, leaf
from wmproxy.sandboxes import Sandboxes

_STAMPS: Final = 64
"""Bytes that the names of chunks and merged files add to the file's own."""

_MAX_PATH: Final = 1024


class Perusal:
    """Both operations, for a job whose owner has been established.

    :param max_files: names that one call may enable.
    """

    def __init__(self, sandboxes: Sandboxes, descriptions: Descriptions, max_files: int) -> None:
        self._sandboxes = sandboxes
        self._descriptions = descriptions
        self._max_files = max_files

    def enable(self, record: Job, files: Sequence[str]) -> None:
        """Replace the list of files that the job is to look at; an empty one ends it.  Before the start or after it.

        :raises WrongPhase: the description does not allow perusal, the job is a compound one, or has ended unstarted.
        :raises InvalidArgument: a name is not that of a file in the working directory, or two end in the same one.
        """
        ad = self._descriptions.current(record)
        if (ad.string("Type") or "job").lower() != "job":
            raise WrongPhase(str(record.job), "Perusal service not available for dag or collection type")
        _check_enabled(record, ad)
        if len(files) > self._max_files:
            reason = (
                "The maximum number of perusal files is reached: "
                f"{len(files)} are named, {self._max_files} are allowed"
            )
            raise WrongPhase(str(record.job), reason)
        names: set[str] = set()
        for file in files:
            _check_name(file)
            if leaf(file) in names:
                raise InvalidArgument(f"two of the files have the name {leaf(file)!r}; enable one of them")
            names.add(leaf(file))
        self._peek(record).enlist(files)

    def files(self, record: Job, file: str, *, all_chunks: bool) -> list[str]:
        """The names of the merged files with what has come of ``file`` since the last call.

        :param all_chunks: those of earlier calls as well, first.
        :raises InvalidArgument: no such name is possible.
        :raises WrongPhase: the job was not started, perusal is not enabled, or its chunks go elsewhere.
        """
        _check_name(file)
        if record.phase is not Phase.STARTED:
            raise WrongPhase(str(record.job), "the job is not started")
        ad = self._descriptions.current(record)
        _check_enabled(record, ad)
        self._check_destination(record, ad.string("PerusalFilesDestURI") or "")
        peek = self._peek(record)
        fresh = peek.merge(leaf(file))
        if not all_chunks:
            return fresh
        return [*(merged.name for merged in peek.merged(leaf(file)) if merged.name not in fresh), *fresh]

    def _check_destination(self, record: Job, uri: str) -> None:
        own = self._sandboxes.url(record.job, PEEK_DIRECTORY)
        if uri.rstrip("/") == own:
            return
        if urlsplit(uri).netloc.lower() == urlsplit(own).netloc.lower():
            reason = "Remote perusal peek URI refers to server host, but the path is not managed by WMProxy:\n" + uri
            raise WrongPhase(str(record.job), reason)
        raise WrongPhase(str(record.job), f"Remote perusal peek URI set:\n{uri}")

    def _peek(self, record: Job) -> PeekDirectory:
        # The directory of a node is made when it is first needed.
        directory = self._sandboxes.of(record.job) if record.parent is None else self._sandboxes.ensure(record.job)
        return PeekDirectory(directory.peek)


def _check_enabled(record: Job, ad: ClassAd) -> None:
    if not wants_perusal(ad):
        raise WrongPhase(
            str(record.job), "Perusal not enabled for this job: its description does not say PerusalFileEnable = true"
        )


def _check_name(file: str) -> None:
    parts = file.split("/")
    good = file and all(part not in ("", ".", "..") for part in parts) and not any(map(_control, file))
    if not good or len(file.encode()) > _MAX_PATH or len(parts[-1].encode()) + _STAMPS > MAX_FILE_NAME:
        raise InvalidArgument(
            f"Provided file name not valid: {file[:80]!r} is no path of a file in the job's working directory"
        )


def _control(character: str) -> bool:
    return ord(character) < 0x20 or ord(character) == 0x7F
