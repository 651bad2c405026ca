"""Zipped input sandboxes at the start of a job: all files of all archives in their places, or none.

=====================  =================================================================================
``.unzipping``         archives are being read; what a crash leaves of it is thrown away
``.unzipped``          all of them were read, and their files are on disk: they are being moved
``.unzipok``           the archives that were unpacked, one name on each line; they themselves are removed
=====================  =================================================================================

The step from the first to the second is one rename, and moving can be repeated, so a start that was cut off goes on
where it was.  The caller holds the job's start lock: nobody uploads meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from grid import filesystem
from grid.errors import FileSystemFailure
from grid.faultpoints import point
from grid.files import fsync_directory, read_bounded, write_new, write_private
from grid.jobid import JobId
from wmproxy.archive import MANY, Member, Place, Unpacker
from wmproxy.errors import InputMissing
from wmproxy.jobs import Job
from wmproxy.quota import Quota
from wmproxy.sandboxes import JobDirectory, Sandboxes

log = logging.getLogger("wms.wmproxy")

_READING = ".unzipping"
_READ = ".unzipped"
_DONE = ".unzipok"
_MANIFEST = "manifest"
_MAX_MANIFEST = 256 << 20
_NAMED = 5

MAX_MEMBERS = 50_000
"""Files in all archives of one request: unpacking one costs a millisecond, in which its thread serves nobody else."""

RESERVE = 64 << 20
"""Bytes that unpacking leaves on the file system: a small archive can hold a thousand times its own size."""


class Unpacking:
    """Unpacks the zipped sandboxes of one server's jobs.

    :param max_files: files of one job's (or node's) input sandbox; and ``max_bytes``.
    """

    def __init__(self, sandboxes: Sandboxes, quota: Quota, max_files: int, max_bytes: int) -> None:
        self._sandboxes = sandboxes
        self._quota = quota
        self._max_files = max_files
        self._max_bytes = max_bytes

    def unpack(self, record: Job, nodes: Sequence[Job], archives: Sequence[str]) -> None:
        """Unpack the archives of a job into its input directory and those of its nodes, durably.

        Archives that were unpacked at an earlier try are not asked for again; the files of one that is sent again
        replace those that are there, since nobody can remove these.

        :param archives: the job's ZippedISB, plain names.
        :raises InputMissing: 1226, when one was not uploaded.
        :raises ArchiveRefused: 1225.  :raises QuotaExceeded: 1224.  Nothing was unpacked then.
        :raises FileSystemFailure: 1203, when there is no room on the server.
        """
        if not archives:
            return
        directory = self._sandboxes.of(record.job)
        places = {self._key(job.job): job.job for job in (record, *nodes)}
        try:
            if (directory.path / _READ).is_dir():
                self._move(record, directory, places)
            done = _done(directory)
            waiting = [name for name in archives if (directory.input / name).is_file()]
            missing = [name for name in archives if name not in waiting and name not in done]
            if missing:
                raise InputMissing(str(record.job), missing[:_NAMED], self._sandboxes.url(record.job, "input"))
            if waiting:
                self._read(record, directory, places, waiting, again=not done.isdisjoint(waiting))
                self._move(record, directory, places)
        except OSError as error:
            log.error("the archives of %s cannot be unpacked: %s", record.job, error)
            raise FileSystemFailure(
                f"Unable to untar ISB file: the server could not write its files ({os.strerror(error.errno or 0)}); "
                "try again later"
            ) from error

    def _key(self, job: JobId) -> str:
        """How the input directory of a job stands in archives: relative to the document root."""
        return f"{self._sandboxes.relative(job)}/input"

    def _read(
        self, record: Job, directory: JobDirectory, places: Mapping[str, JobId], names: Sequence[str], *, again: bool
    ) -> None:
        """Read the archives into ``.unzipping`` and make that ``.unzipped``."""
        staging = directory.path / _READING
        shutil.rmtree(staging, ignore_errors=True)
        os.mkdir(staging, 0o700)
        charged = 0

        def charge(size: int) -> None:
            nonlocal charged
            if filesystem.free(staging) < size + RESERVE:
                raise FileSystemFailure("Unable to untar ISB file: the server has no room for it; try again later")
            self._quota.charge(record.owner, size)
            charged += size

        def place(key: str) -> Place | None:
            job = places.get(key)
            return None if job is None else self._place(key, self._sandboxes.of(job).input, names, again)

        most = min(2 * self._max_files * len(places) + 100, MAX_MEMBERS)
        unpacker = Unpacker(staging, place, most, charge)
        try:
            for name in names:
                unpacker.unpack(directory.input / name)
            write_new(staging / _MANIFEST, _manifest(names, unpacker.members.values()))
            fsync_directory(staging)
            os.rename(staging, directory.path / _READ)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            self._quota.refund(record.owner, charged)
            raise
        fsync_directory(directory.path)
        point("wmproxy.unpack.read")

    def _place(self, key: str, path: Path, archives: Sequence[str], again: bool) -> Place:
        """What an input directory still takes; the archives themselves will be gone."""
        place = Place(key, self._max_files, self._max_bytes)
        with contextlib.suppress(FileNotFoundError), os.scandir(path) as entries:
            for entry in entries:
                if entry.name in archives:
                    place.taken.add(entry.name)
                    continue
                size = entry.stat(follow_symlinks=False).st_size
                place.files -= 1
                place.room -= size
                if again:
                    place.replaceable[entry.name] = size
                else:
                    place.taken.add(entry.name)
        return place

    def _move(self, record: Job, directory: JobDirectory, places: Mapping[str, JobId]) -> None:
        """Move what stands in ``.unzipped`` to its places, and remove the archives."""
        staged = directory.path / _READ
        manifest = json.loads(read_bounded(staged / _MANIFEST, _MAX_MANIFEST))
        many = len(manifest["files"]) > MANY
        touched: dict[str, Path] = {}
        for number, key, name in manifest["files"]:
            if key not in touched:
                job = places[key]
                at = directory if job == record.job else self._sandboxes.ensure(job, sync=not many)
                touched[key] = at.input
            with contextlib.suppress(FileNotFoundError):  # it was moved before the crash
                self._replace(record, staged / number, touched[key] / name)
        if many:
            filesystem.sync(staged)
        else:
            for path in touched.values():
                fsync_directory(path)
        point("wmproxy.unpack.moved")
        archives: list[str] = manifest["archives"]
        for name in archives:
            with contextlib.suppress(FileNotFoundError):
                size = (directory.input / name).stat().st_size
                os.unlink(directory.input / name)
                self._quota.refund(record.owner, size)
        fsync_directory(directory.input)
        write_private(directory.path / _DONE, "".join(f"{name}\n" for name in _done(directory) | {*archives}).encode())
        shutil.rmtree(staged, ignore_errors=True)

    def _replace(self, record: Job, staged: Path, target: Path) -> None:
        """Give a file its name; what stood there is no longer charged for."""
        try:
            replaced = target.lstat().st_size
        except FileNotFoundError:
            replaced = 0
        os.rename(staged, target)
        if replaced:
            self._quota.refund(record.owner, replaced)


def _done(directory: JobDirectory) -> set[str]:
    try:
        text = read_bounded(directory.path / _DONE, _MAX_MANIFEST).decode("utf-8")
    except FileNotFoundError:
        return set()
    return set(text.splitlines())


def _manifest(archives: Sequence[str], members: Iterable[Member]) -> bytes:
    files = [(member.staged.name, member.place, member.name) for member in members]
    return json.dumps({"archives": list(archives), "files": files}).encode("utf-8")
