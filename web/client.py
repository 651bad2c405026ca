"""The client of :mod:`web.transfer`: HTTP/1.1 over TLS with a proxy certificate, on the standard library alone.

Downloads go to ``<name>.part`` and resume there, in this run or a later one, as long as the server's file is still
the same (its entity tag is kept in ``<name>.part.tag``); the file gets its name when size and digest agree.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import logging
import os
import re
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, TypeVar
from urllib.parse import SplitResult, urlsplit

from gsi.tls import explain
from web import digest
from web.dial import dial
from web.errors import TransferError

__all__ = ["FileClient", "TransferError"]

log = logging.getLogger("wms.web")

T = TypeVar("T")

ATTEMPTS: Final = 5
"""Tries without progress before a transfer is given up."""

BACK_OFF: Final = (0.5, 1.0, 2.0, 4.0)
"""Seconds before the second, third, ... try."""

CONTINUE_SECONDS: Final = 3.0
"""How long to wait for ``100 Continue`` before the body is sent all the same (RFC 9110 §10.1.1)."""

BLOCK: Final = 256 << 10

_TOLD_AT_MOST: Final = 4096
_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_TRY_AGAIN: Final = frozenset({408, 429, 500, 502, 503, 504})


class _Broken(Exception):
    """The connection failed; trying again may help."""

    def __init__(self, sentence: str, *, progress: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.progress = progress


class _Unreachable(OSError):
    """A failure of the network that has no class of its own (no route, no address)."""


class _Connection(http.client.HTTPSConnection):
    """One that tries all addresses of a host at once, nearly."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, timeout: float) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls = context
        self._seconds = timeout

    def connect(self) -> None:
        try:
            sock = dial(self.host, self.port, self._seconds)
        except (ConnectionError, TimeoutError, socket.gaierror):
            raise
        except OSError as error:
            raise _Unreachable(str(error)) from error
        try:
            self.sock = self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    sentence: str


class FileClient:
    """Moves files to and from one or more servers; keeps the connection to the last.  For one thread at a time.

    :param context: of :func:`gsi.tls.client_context`.
    :param timeout: seconds that the server may be silent.
    """

    def __init__(
        self, context: ssl.SSLContext, timeout: float = 60.0, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._context = context
        self._timeout = timeout
        self._sleep = sleep
        self._connection: _Connection | None = None
        self._place: tuple[str, int] | None = None

    def put(self, url: str, path: Path) -> None:
        """Upload a file; when it returns the server has it on disk.

        :raises TransferError: naming the URL, and what the server or the network said.
        :raises OSError: when the local file cannot be read.
        """
        with open(path, "rb") as file:
            self._persist(url, lambda target: self._put(url, target, file))

    def get(self, url: str, path: Path, resume: bool = True) -> int:
        """Download to ``path``, which appears when it is complete.  Returns the bytes that came over the wire.

        :param resume: go on where an earlier download of the same file stopped.
        :raises TransferError: naming the URL; what has arrived stays for the next time.
        :raises OSError: when the local file cannot be written.
        """
        download = _Download(path)
        if not resume:
            download.forget()
        self._persist(url, lambda target: self._get(url, target, download))
        return download.received

    def size(self, url: str) -> int:
        """The size of a file in bytes.

        :raises TransferError: as :meth:`get`.
        """
        return self._persist(url, lambda target: self._head(url, target))

    def close(self) -> None:
        """Close the kept connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> FileClient:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _persist(self, url: str, attempt: Callable[[SplitResult], T]) -> T:
        """Try, and after a broken connection try again, ATTEMPTS times without progress."""
        target = _split(url)
        failures = 0
        while True:
            try:
                return attempt(target)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if isinstance(error, OSError) and not isinstance(error, _NETWORK):
                    raise
                if isinstance(error, ssl.SSLError) and not isinstance(error, _CUT):
                    raise TransferError(url, None, self._why(error, target)) from error
                broken = _Broken(self._why(error, target))
            except _Broken as error:
                self.close()
                broken = error
            failures = 1 if broken.progress else failures + 1
            if failures >= ATTEMPTS:
                raise TransferError(url, None, f"{broken.sentence}; given up after {ATTEMPTS} tries")
            pause = BACK_OFF[min(failures, len(BACK_OFF)) - 1]
            log.info("%s: %s; trying again in %g s", url, broken.sentence, pause)
            self._sleep(pause)

    @staticmethod
    def _why(error: BaseException, target: SplitResult) -> str:
        return explain(error, target.hostname or "", target.port or 443)

    def _open(self, target: SplitResult) -> _Connection:
        place = (target.hostname or "", target.port or 443)
        if self._connection is None or self._place != place:
            self.close()
            self._connection = _Connection(*place, self._context, self._timeout)
            self._place = place
        if self._connection.sock is not None and _readable(self._connection.sock, 0):
            self._connection.close()  # the server has closed the kept connection meanwhile
        return self._connection

    def _head(self, url: str, target: SplitResult) -> int:
        connection = self._open(target)
        connection.request("HEAD", _path(target))
        response = connection.getresponse()
        response.read()
        length = response.headers.get("Content-Length", "")
        if response.status != 200 or not length.isdecimal():
            raise self._refused(url, response.status, _reason(response.status))
        return int(length)

    def _put(self, url: str, target: SplitResult, file: BinaryIO) -> None:
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        connection = self._open(target)
        connection.putrequest("PUT", _path(target), skip_accept_encoding=True)
        connection.putheader("Content-Length", str(size))
        connection.putheader("Content-Type", "application/octet-stream")
        if size:
            connection.putheader("Expect", "100-continue")
        connection.endheaders()
        answer = _interim(connection) if size else None
        if answer is None:
            answer = self._send(connection, file, size)
        else:
            self.close()  # the server may or may not expect the body now: only a new connection is certain
        if answer.status not in (200, 201, 204):
            raise self._refused(url, answer.status, answer.sentence)

    def _send(self, connection: _Connection, file: BinaryIO, size: int) -> _Answer:
        left = size
        try:
            while left:
                block = file.read(min(BLOCK, left))
                if not block:
                    raise _Broken("the local file became shorter while it was being sent")
                connection.send(block)
                left -= len(block)
        except OSError:
            # The server may have said why before it stopped listening; if not, the first error counts.
            with contextlib.suppress(OSError, http.client.HTTPException):
                return _answer(connection.getresponse())
            raise
        return _answer(connection.getresponse())

    def _get(self, url: str, target: SplitResult, download: _Download) -> None:
        connection = self._open(target)
        connection.request("GET", _path(target), headers=download.wanted())
        response = connection.getresponse()
        if response.status == 416 and download.offset:
            response.read()
            download.forget()
            raise _Broken("the file changed on the server", progress=False)
        if response.status not in (200, 206):
            raise self._refused(url, response.status, _answer(response).sentence)
        total = download.begin(response)
        if total is None:
            raise TransferError(url, response.status, "the server did not say how long the file is")
        before = download.received
        try:
            download.take(response)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and not isinstance(error, _NETWORK):
                raise
            raise _Broken(self._why(error, target), progress=download.received > before) from error
        if download.offset != total:
            raise _Broken("the connection ended before the file did", progress=download.received > before)
        if not download.finish(digest.named(response.headers.get("Digest"))):
            raise _Broken("the file does not have the digest that the server named")

    def _refused(self, url: str, status: int, sentence: str) -> Exception:
        if status in _TRY_AGAIN:
            return _Broken(f"{sentence} (HTTP {status})")
        return TransferError(url, status, sentence)


_NETWORK: Final = (ConnectionError, TimeoutError, ssl.SSLError, socket.gaierror, _Unreachable)
_CUT: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)


class _Download:
    """The part of a file that has arrived."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._tag_file = path.with_name(path.name + ".part.tag")
        self.received = 0
        self.offset = 0
        self._tag = ""
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            self._tag = self._tag_file.read_text("ascii")[:512]
            self.offset = self._part.lstat().st_size

    def forget(self) -> None:
        """Begin anew."""
        self._tag_file.unlink(missing_ok=True)
        self._tag, self.offset = "", 0

    def wanted(self) -> dict[str, str]:
        """The headers of the next request."""
        headers = {"Accept-Encoding": "identity"}
        if self._tag and self.offset:
            headers |= {"Range": f"bytes={self.offset}-", "If-Range": self._tag}
        return headers

    def begin(self, response: http.client.HTTPResponse) -> int | None:
        """Look at the head of the answer; returns the size of the whole file."""
        if response.status == 206:
            found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != self.offset:
                return None
            return int(found[3])
        self.offset = 0
        self._tag = response.headers.get("ETag", "")
        length = response.headers.get("Content-Length", "")
        return int(length) if length.isdecimal() else None

    def take(self, response: http.client.HTTPResponse) -> None:
        """Write what arrives."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(self._part, flags, 0o666), "wb") as part:
            part.truncate(self.offset)
            part.seek(self.offset)
            if self._tag.startswith('"') and self._tag.isascii():
                self._tag_file.write_text(self._tag, "ascii")
            else:
                self.forget()  # a weak tag does not promise the same bytes
                self.offset = part.tell()
            while block := response.read1(BLOCK):
                part.write(block)
                self.offset += len(block)
                self.received += len(block)
            if response.length == 0:
                response.read()  # nothing is left, but only this makes the connection free for the next request
            part.flush()
            os.fsync(part.fileno())

    def finish(self, expected: bytes | None) -> bool:
        """Give the file its name, if its digest is the expected one."""
        if expected is not None:
            with open(self._part, "rb") as file:
                if hashlib.file_digest(file, "sha256").digest() != expected:
                    self.forget()
                    return False
        os.replace(self._part, self._path)
        self.forget()
        return True


def _split(url: str) -> SplitResult:
    try:
        target = urlsplit(url)
        port_is_valid = target.port is None or target.port > 0
    except ValueError:
        port_is_valid = False
    if not port_is_valid or target.scheme != "https" or not target.hostname or target.username is not None:
        raise TransferError(url, None, "this is not a usable URL; write https://host:port/path")
    if re.search(r"[^\x21-\x7e]", url):
        raise TransferError(url, None, "the URL has characters that must be escaped")
    return target


def _path(target: SplitResult) -> str:
    return (target.path or "/") + (f"?{target.query}" if target.query else "")


def _readable(sock: ssl.SSLSocket, seconds: float) -> bool:
    if sock.pending():
        return True
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _interim(connection: _Connection) -> _Answer | None:
    """Wait for 100 Continue.  None: send the body; otherwise the final answer, given before the body."""
    sock = connection.sock
    if not _readable(sock, CONTINUE_SECONDS):
        return None
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte or len(head) > 64 << 10:
            raise ConnectionResetError("the server closed the connection without an answer")
        head += byte
    status_line, _, fields = bytes(head).partition(b"\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3})", status_line)
    if found is None:
        raise http.client.BadStatusLine(status_line.decode("latin-1"))
    status = int(found[1])
    if status == 100:
        return None
    headers = http.client.parse_headers(io.BytesIO(fields))
    left = min(int(headers.get("Content-Length", "0")), _TOLD_AT_MOST)
    text = bytearray()
    while left > len(text) and (data := sock.recv(left - len(text))):
        text += data
    return _Answer(status, headers, _sentence(status, headers, bytes(text)))


def _answer(response: http.client.HTTPResponse) -> _Answer:
    text = response.read(_TOLD_AT_MOST)
    if response.status not in (200, 201, 204) and not response.isclosed():
        response.close()
    return _Answer(response.status, response.headers, _sentence(response.status, response.headers, text))


def _sentence(status: int, headers: http.client.HTTPMessage, text: bytes) -> str:
    """What the server said, when it said it in plain text."""
    if headers.get_content_type() == "text/plain":
        line = text.decode("utf-8", "replace").strip().partition("\n")[0]
        said = "".join(char for char in line if char.isprintable())
        if said:
            return said
    return _reason(status)


def _reason(status: int) -> str:
    return http.client.responses.get(status, "the server gave an unknown answer").lower()
