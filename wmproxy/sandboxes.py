"""The sandbox tree: ``<document root>/<sandbox directory>/<xx>/<encoded job id>/{input,output,peek}/`` (gLite WMS).

A job's directory is made under a temporary name and renamed, so it exists whole or not at all; removing goes
the other way, by a rename to a name that a later sweep recognises.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from grid.filelock import lock
from grid.files import fsync_directory, make_directory, write_new
from grid.jobid import JobId, JobIdError
from grid.limits import BROKER_INFO, MAX_BROKER_INFO
from web import upload

_MAKING = ".making-"
_REMOVING = ".removing-"
_START_LOCK = ".startLockFile.lock"
_STALE = 600.0
_LOCK_SECONDS = 30.0
_URI_SAFE = "!$&'()*+,;=:@"


@dataclass(frozen=True)
class JobDirectory:
    """The places of one job."""

    path: Path

    @property
    def input(self) -> Path:
        return self.path / "input"

    @property
    def output(self) -> Path:
        return self.path / "output"

    @property
    def peek(self) -> Path:
        return self.path / "peek"

    @property
    def proxy(self) -> Path:
        return self.path / "user.proxy"

    @property
    def proxy_backup(self) -> Path:
        return self.path / ".user.proxy.bak"

    @property
    def original_jdl(self) -> Path:
        return self.path / "JDLOriginal"

    @property
    def jdl_to_start(self) -> Path:
        return self.path / "JDLToStart"

    @property
    def started_jdl(self) -> Path:
        return self.path / "JDLStarted"

    def sweep_uploads(self) -> None:
        """Remove uploads of which no byte has come for an hour: their worker died."""
        for area in (self.input, self.output, self.path / "peek"):
            with contextlib.suppress(FileNotFoundError):
                upload.sweep(area)

    def size(self, *, under_way: bool = True) -> int:
        """The bytes that count for the job's owner: input, output, what is looked at, archives being unpacked.

        What the broker writes for the job is not the owner's.

        :param under_way: uploads under way as well.
        """
        total = 0
        pending = [self.input, self.output, self.path / "peek", *self.path.glob(".unzip*/")]
        while pending:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(Path(entry.path))
                        continue
                    if not under_way and upload.is_partial(entry.name):
                        continue
                    with contextlib.suppress(FileNotFoundError):
                        size = entry.stat(follow_symlinks=False).st_size
                        total += 0 if entry.name == BROKER_INFO and size <= MAX_BROKER_INFO else size
        return total

    @contextlib.contextmanager
    def locked(self, *, exclusive: bool, wait: bool = True) -> Iterator[None]:
        """Hold the start lock: shared while an uploaded file gets its name, exclusive while the job is registered
        and while it starts.

        :raises FileNotFoundError: when the job's directory is gone.
        :raises BlockingIOError: when somebody else holds it and ``wait`` is False.
        :raises TimedOut: when somebody else holds it for too long.
        """
        descriptor = os.open(self.path / _START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            lock(descriptor, exclusive=exclusive, seconds=_LOCK_SECONDS if wait else 0.0)
            yield
        finally:
            os.close(descriptor)


class Sandboxes:
    """All sandboxes of one server.

    :param document_root: what the root of the server's URL stands for.
    :param name: the one directory below it that holds sandboxes.
    :param base_url: ``https://host:port``.
    :ivar freed: told of each directory that is removed, and of the bytes in it that count for its owner, uploads under
        way left out.
    """

    def __init__(self, document_root: Path, name: str, base_url: str) -> None:
        self.name = name
        self.freed: Callable[[JobId, int], None] = lambda job, size: None
        self._root = document_root / name
        self._base_url = base_url
        make_directory(self._root, 0o700)

    def relative(self, job: JobId) -> str:
        """``<sandbox directory>/<xx>/<encoded id>``, the path below the document root and in URLs."""
        return f"{self.name}/{job.reduced}/{job.file_name}"

    def url(self, job: JobId, *parts: str) -> str:
        """The HTTPS URI of a job's directory, or of something in it."""
        return "/".join((self._base_url, self.relative(job), *(quote(part, safe=_URI_SAFE) for part in parts)))

    def of(self, job: JobId) -> JobDirectory:
        """The directory of a job, existing or not."""
        return JobDirectory(self._root / job.reduced / job.file_name)

    @contextlib.contextmanager
    def create(self, job: JobId, files: Sequence[tuple[str, bytes]]) -> Iterator[JobDirectory]:
        """Make a job's directory with its sub-directories and ``files``, durably; then register inside.

        The directory has its start lock taken from the first moment on, until the caller leaves: one that has
        neither a row nor a holder of its lock belongs to a registration that a crash cut off.

        :param files: names and contents, written with mode 0600.
        """
        parent = make_directory(self._root / job.reduced, 0o700)
        temporary = parent / f"{_MAKING}{secrets.token_hex(8)}"
        os.mkdir(temporary, 0o700)
        with JobDirectory(temporary).locked(exclusive=True):
            self._fill(temporary, files, self.of(job).path)
            fsync_directory(parent)
            yield self.of(job)

    def ensure(self, job: JobId, *, sync: bool = True) -> JobDirectory:
        """Make the directory of a node, durably, if it is not there.

        Nodes have none until the first file comes: a large collection would be mostly empty directories.

        :param sync: False leaves durability to the caller, who makes many.
        """
        directory = self.of(job)
        if directory.output.is_dir():
            return directory
        parent = make_directory(self._root / job.reduced, 0o700)
        temporary = parent / f"{_MAKING}{secrets.token_hex(8)}"
        os.mkdir(temporary, 0o700)
        try:
            self._fill(temporary, (), directory.path, sync=sync)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # somebody else has just made it
                raise
        if sync:
            fsync_directory(parent)
        return directory

    @staticmethod
    def _fill(temporary: Path, files: Sequence[tuple[str, bytes]], final: Path, *, sync: bool = True) -> None:
        try:
            for name in ("input", "output", "peek"):
                os.mkdir(temporary / name, 0o700)
            for name, content in files:
                # What the first access list says is known without it: it is not waited for on its way to the disk.
                write_new(temporary / name, content, sync=name != ".gacl")
            # The backup of the proxy is a second name of the same bytes until somebody renews the first.
            if (temporary / "user.proxy").exists():
                os.link(temporary / "user.proxy", temporary / ".user.proxy.bak")
            if sync:
                fsync_directory(temporary)
            os.rename(temporary, final)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def remove(self, job: JobId) -> None:
        """Remove a job's directory; nothing happens when there is none.  What a crash leaves, :meth:`sweep` ends."""
        directory = self.of(job).path
        grave = directory.parent / f"{_REMOVING}{secrets.token_hex(8)}"
        try:
            os.rename(directory, grave)
        except FileNotFoundError:
            return
        fsync_directory(directory.parent)
        # An upload that is under way finds its place gone, and gives its bytes back itself.
        self.freed(job, JobDirectory(grave).size(under_way=False))
        # An upload or a sweep may be at it too; what stays is ended by the next sweep.
        shutil.rmtree(grave, ignore_errors=True)

    def jobs(self) -> Iterator[JobId]:
        """Every job that has a directory."""
        for path in self._root.glob("??/https_3a*"):
            with contextlib.suppress(JobIdError):
                yield JobId.from_file_name(path.name)

    def sweep(self) -> int:
        """Remove what interrupted makings and removings left; returns how many."""
        count = 0
        for path in self._root.glob("??/.*-*"):
            making = path.name.startswith(_MAKING) and _age(path) > _STALE
            if making or path.name.startswith(_REMOVING):
                shutil.rmtree(path, ignore_errors=True)
                count += 1
        return count


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError as error:
        if error.errno == errno.ENOENT:
            return 0.0
        raise
