"""GET and HEAD of one regular file."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final

from web import digest, ranges
from web.errors import ClientGone
from web.places import Location, TransferRefused, directory_of

BLOCK: Final = 256 << 10

Headers = list[tuple[str, str]]


class FileSpan:
    """The bytes of a part of an open file, as a WSGI response body; owns the descriptor."""

    def __init__(self, descriptor: int, start: int, length: int) -> None:
        self._descriptor = descriptor
        self._at = start
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            data = os.pread(self._descriptor, min(BLOCK, self._left), self._at)
            if not data:
                # The length was announced: the only honest way out is to break the connection.
                raise ClientGone("a file became shorter while it was being sent")
            self._at += len(data)
            self._left -= len(data)
            yield data

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line, headers and a body."""

    status: str
    headers: Headers
    body: FileSpan | tuple[bytes, ...] = ()


def answer(location: Location, environ: Mapping[str, Any]) -> Answer:
    """Answer a GET or HEAD.

    :raises TransferRefused: 404 when there is no such file, 403 when it is not a plain file of its own,
        412 and 416 as RFC 9110 says.
    """
    descriptor = _open(location)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        _plain(status, location.name)
        found = _describe(descriptor, status, environ)
        if isinstance(found.body, FileSpan):
            on_failure.pop_all()
        return found


def _open(location: Location) -> int:
    try:
        with directory_of(location) as directory:
            # O_NONBLOCK: opening a FIFO must not wait for somebody to write into it.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(location.name, flags, dir_fd=directory)
    except FileNotFoundError:
        raise TransferRefused(404, f"there is no file {location.name!r} here; look at the name") from None
    except OSError as error:  # ELOOP for a link, ENXIO for a socket, EACCES
        raise TransferRefused(403, f"{location.name!r} cannot be read: {os.strerror(error.errno or 0)}") from None


def _plain(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise TransferRefused(403, f"{name!r} is not a regular file and is not sent")
    if status.st_nlink > 1:
        # A second name may be a hard link that somebody planted to have the service read a file for him.
        raise TransferRefused(403, f"{name!r} is a hard link and is not sent; make a copy of the file")


def _describe(descriptor: int, status: os.stat_result, environ: Mapping[str, Any]) -> Answer:
    size = status.st_size
    tag = ranges.entity_tag(status.st_ino, status.st_mtime_ns, size)
    modified = formatdate(status.st_mtime, usegmt=True)
    headers: Headers = [("ETag", tag), ("Last-Modified", modified), ("Accept-Ranges", "bytes")]
    if_match, if_none_match = environ.get("HTTP_IF_MATCH"), environ.get("HTTP_IF_NONE_MATCH")
    if if_match is not None and not ranges.names(if_match, tag, weak=False):
        raise TransferRefused(412, "the file is not the one that If-Match names; fetch it again from its beginning")
    if ranges.names(if_none_match, tag, weak=True):
        return Answer("304 Not Modified", headers)
    head = environ["REQUEST_METHOD"] == "HEAD"
    span = None
    if not head and ranges.still_current(environ.get("HTTP_IF_RANGE"), tag, modified):
        try:
            span = ranges.span(environ.get("HTTP_RANGE"), size)
        except ranges.Unsatisfiable:
            raise TransferRefused(
                416,
                f"the file has {size} bytes and the range begins behind them; ask for less",
                (("Content-Range", f"bytes */{size}"),),
            ) from None
    checksum = digest.of_file(descriptor, status)
    if checksum is not None:
        headers.append(("Digest", digest.field(checksum)))
    headers += [("Content-Type", "application/octet-stream"), ("X-Content-Type-Options", "nosniff")]
    start, length = (span.start, span.length) if span else (0, size)
    headers.append(("Content-Length", str(length)))
    body = () if head else FileSpan(descriptor, start, length)
    if span is None:
        return Answer("200 OK", headers, body)
    headers.append(("Content-Range", f"bytes {start}-{start + length - 1}/{size}"))
    return Answer("206 Partial Content", headers, body)
