"""PUT of one file: private, bounded while it arrives, whole or not at all, on disk when it is answered."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from grid import faultpoints
from web import digest, ranges
from web.places import Location, TransferRefused, directory_of

BLOCK: Final = 256 << 10

STEP: Final = 4 << 20
"""Bytes by which the room of an upload of unknown length grows."""

_PARTIAL: Final = re.compile(r"\.upload-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class Stored:
    """An upload that has its name."""

    created: bool
    tag: str
    size: int
    digest: bytes


def is_partial(name: str) -> bool:
    """Whether ``name`` is that of an upload under way (or of one that a crash cut off)."""
    return _PARTIAL.fullmatch(name) is not None


def sweep(directory: Path, older_than: float = 3600.0) -> int:
    """Remove what uploads left in ``directory`` when the service died.  Returns how many files were removed.

    :param older_than: seconds since the last byte came; an upload under way is younger.
    """
    removed = 0
    limit = time.time() - older_than
    with os.scandir(directory) as entries:
        for entry in entries:
            if is_partial(entry.name) and entry.stat(follow_symlinks=False).st_mtime <= limit:
                with contextlib.suppress(FileNotFoundError):  # its own upload ended this moment
                    os.unlink(entry.path)
                    removed += 1
    return removed


def store(location: Location, environ: Mapping[str, Any]) -> Stored:
    """Take the body of a PUT.

    The bytes go to a temporary name in the same directory, mode 0600, and are fsynced; inside the policy's
    ``commit`` context the file gets its name and the directory is fsynced.  Of several uploads to one name the
    last to finish wins, whole.  Whatever goes wrong, nothing is left behind.  A file whose length was announced is
    that long before the first byte comes, so that one which does not fit is never sent.

    :raises TransferRefused: 400, 411, 412, 413, 415, 507, or what the policy's ``commit`` and ``room`` say.
    :raises BodyTooLarge: the server's own limit was passed.
    :raises ClientGone: the client went away.
    """
    _check_headers(environ)
    declared = _declared(environ)
    limit = location.max_bytes
    if limit is not None and declared is not None and declared > limit:
        raise _too_large(location.name, limit)
    expected = digest.named(environ.get("HTTP_DIGEST"))
    try:
        with directory_of(location) as directory:
            _check_target(directory, location.name, environ)
            temporary = f".upload-{secrets.token_hex(8)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
            try:
                checksum = _receive(directory, descriptor, environ["wsgi.input"].read, location, declared)
                if expected is not None and checksum != expected:
                    raise TransferRefused(400, f"{location.name!r} does not have the digest announced; send it again")
                digest.keep(descriptor, checksum)
                os.fsync(descriptor)
                faultpoints.point("web.upload.written")
                return _name(location, directory, temporary, descriptor, checksum)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=directory)
                raise
            finally:
                os.close(descriptor)
                if location.room is not None:
                    location.room.give_back()
    except OSError as error:
        raise _refusal(location.name, error) from error


def _receive(
    directory: int, descriptor: int, read: Callable[[int], bytes], location: Location, declared: int | None
) -> bytes:
    limit, received, checksum = location.max_bytes, 0, hashlib.sha256()
    room = 0
    if declared is not None:
        room = _grow(location, directory, descriptor, declared, declared)
    while block := read(BLOCK):
        received += len(block)
        if limit is not None and received > limit:
            raise _too_large(location.name, limit)
        if received > room:
            room = _grow(location, directory, descriptor, received, received + STEP)
        checksum.update(block)
        view = memoryview(block)
        while view:
            view = view[os.write(descriptor, view) :]
    if room > received:
        os.ftruncate(descriptor, received)
    return checksum.digest()


def _grow(location: Location, directory: int, descriptor: int, needed: int, wanted: int) -> int:
    """Have room for ``needed`` bytes, better for ``wanted``; returns for how many there is."""
    if location.room is None:
        return needed
    if wanted > needed:
        with contextlib.suppress(TransferRefused):
            location.room.grow(directory, descriptor, location.name, wanted)
            return wanted
    location.room.grow(directory, descriptor, location.name, needed)
    return needed


def _name(location: Location, directory: int, temporary: str, descriptor: int, checksum: bytes) -> Stored:
    with location.commit() if location.commit is not None else contextlib.nullcontext():
        room, size = location.room, os.fstat(descriptor).st_size
        with room.naming(directory, location.name, size) if room is not None else contextlib.nullcontext():
            created = _status(directory, location.name) is None
            os.rename(temporary, location.name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
    faultpoints.point("web.upload.named")
    status = os.fstat(descriptor)
    tag = ranges.entity_tag(status.st_ino, status.st_mtime_ns, status.st_size)
    return Stored(created, tag, status.st_size, checksum)


def _declared(environ: Mapping[str, Any]) -> int | None:
    length = environ.get("CONTENT_LENGTH")
    if length:
        return int(length)  # gunicorn has checked its form
    if environ.get("HTTP_TRANSFER_ENCODING") is None:
        raise TransferRefused(411, "the upload has no length; send Content-Length or the chunked encoding")
    return None


def _check_headers(environ: Mapping[str, Any]) -> None:
    if "HTTP_CONTENT_RANGE" in environ:  # RFC 9110 §14.5
        raise TransferRefused(400, "parts of a file are not taken; send it whole, without Content-Range")
    if environ.get("HTTP_CONTENT_ENCODING", "identity").strip().lower() != "identity":
        raise TransferRefused(415, "encoded contents are not taken; send the file as it is, without Content-Encoding")


def _check_target(directory: int, name: str, environ: Mapping[str, Any]) -> None:
    """The conditions of the request, and what stands under the name now."""
    status = _status(directory, name)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise TransferRefused(409, f"{name!r} is a directory; choose another name")
    plain = status is not None and stat.S_ISREG(status.st_mode)
    tag = ranges.entity_tag(status.st_ino, status.st_mtime_ns, status.st_size) if status and plain else None
    if_match = environ.get("HTTP_IF_MATCH")
    if if_match is not None and not ranges.names(if_match, tag, weak=False):
        raise TransferRefused(412, f"{name!r} is not the file that If-Match names; look at it again")
    if ranges.names(environ.get("HTTP_IF_NONE_MATCH"), tag, weak=True):
        raise TransferRefused(412, f"{name!r} exists already; choose another name")


def _status(directory: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _too_large(name: str, limit: int) -> TransferRefused:
    return TransferRefused(413, f"{name!r} is larger than the {limit} bytes that are taken here; send less")


def _refusal(name: str, error: OSError) -> TransferRefused:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return TransferRefused(507, f"there is no room for {name!r} on the server; remove files or try later")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
        return TransferRefused(409, f"something that is no file stands in the place of {name!r}")
    if error.errno == errno.ENOENT:
        return TransferRefused(404, f"there is no place for {name!r} any more")
    return TransferRefused(500, f"the server could not store {name!r}; tell its administrator")
