"""Durable and private files: the final mode from the first byte, whole or not at all, on disk when it returns."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from grid.errors import FileSystemFailure


def write_private(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Write ``data`` to ``path`` atomically and durably.

    A temporary name in the same directory is created exclusively with ``mode``, written, fsynced and renamed;
    the directory is fsynced.  A reader sees the old file or the new one, never a part (CVE-2024-29905 is what
    happens otherwise).

    :raises OSError: when the file system refuses; nothing is left behind.
    """
    directory = path.parent
    temporary = directory / f".{path.name[:200]}.{secrets.token_hex(6)}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # the umask may have taken bits away
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    fsync_directory(directory)


def write_new(path: Path, data: bytes, mode: int = 0o600, *, sync: bool = True) -> None:
    """Write ``data`` to a file that does not exist yet; its bytes are on disk when this returns, its name is not.

    For the files of a directory that is being made under a name which nobody looks at: one fsync of the directory
    (:func:`fsync_directory`) then makes all names durable at once.

    :param sync: False leaves the bytes to the system's own time: a power cut may leave the file empty.
    :raises FileExistsError: when something stands there.
    :raises OSError: when the file system refuses; the file may be there in part.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)  # the umask may have taken bits away
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


def fsync_file(path: Path) -> None:
    """Make the bytes of a file durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int = 0o700) -> Path:
    """Make ``path`` (parents too) with ``mode`` whatever the umask; an existing directory keeps its mode.

    :raises FileSystemFailure: when something else stands there.
    """
    if path.is_dir():
        return path
    if path.is_symlink() or (path.exists() and not path.is_dir()):  # another thread may just have made it
        raise FileSystemFailure(f"{path} exists and is not a directory; move it away and try again")
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, mode)
        os.chmod(path, mode)
    return path


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a regular file that must not be larger than ``limit`` bytes, not following a link at its end.

    :raises FileSystemFailure: when it is larger or not a regular file.
    :raises OSError: when it cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if (status.st_mode & 0o170000) != 0o100000:
            raise FileSystemFailure(f"{path} is not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise FileSystemFailure(f"{path} is larger than {limit} bytes")
    return data
