"""The framing of L&B's event port, spoken inside TLS.

A message is a 17-byte header, the body's length as 16 right-aligned digits and a newline, then the body.  A
request's body is two length-counted strings ``<length> <bytes>newline``: the word ``michal`` and the event line.
An answer's body is two integers (major, minor), each on its line, and one length-counted text.
"""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from grid.errors import TimedOut
from grid.limits import MAX_EVENT_LINE
from lb.errors import FrameError

MAGIC: Final = b"michal"
HEADER_BYTES: Final = 17
MAX_BODY: Final = MAX_EVENT_LINE + 64
_MAX_ANSWER: Final = 64 << 10
_CHUNK: Final = 1 << 16


class Major(IntEnum):
    """Answer codes of the event port."""

    OK = 0
    NOMEM = 200
    PROTO = 400
    AUTH = 500
    PERM = 600
    DBERR = 700
    SYS = 800
    TIME = 900


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bookkeeping server says to one event.

    :ivar minor: an errno that narrows the code down.
    """

    major: Major
    minor: int = 0
    text: str = ""


class Connection(Protocol):
    """What this module needs of a TLS socket."""

    def settimeout(self, value: float | None, /) -> None: ...
    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> object: ...


def request(line: str) -> bytes:
    """The message that carries one event line."""
    data = line.encode()
    return _frame(_counted(MAGIC) + _counted(data))


def answer(reply: Answer) -> bytes:
    """The message that answers one event."""
    text = reply.text.replace("\n", " ").encode()[:500]
    return _frame(b"%d\n%d\n" % (reply.major, reply.minor) + _counted(text))


def parse_request(body: bytes) -> str:
    """The event line of a request's body.

    :raises FrameError: when the body has another form or is not UTF-8.
    """
    magic, at = _take_counted(body, 0)
    if magic != MAGIC:
        raise FrameError("the first word is not the protocol's")
    data, at = _take_counted(body, at)
    if at != len(body):
        raise FrameError("bytes follow the event")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise FrameError("the event is not UTF-8") from None


def parse_answer(body: bytes) -> Answer:
    """Read an answer's body; a code that is not known counts as SYS.

    :raises FrameError: when the body has another form.
    """
    try:
        major, minor, rest = body.split(b"\n", 2)
        code, detail = int(major), int(minor)
    except ValueError:
        raise FrameError("the answer holds no two numbers") from None
    text, _ = _take_counted(rest, 0)
    known = Major(code) if code in Major.__members__.values() else Major.SYS
    return Answer(known, detail, text.decode("utf-8", "replace"))


class Deadline:
    """A moment by which something must have happened.

    :param seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, what: str) -> float:
        """Seconds left.

        :raises TimedOut: when there are none; ``what`` completes "… did not answer in time".
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimedOut(f"{what} did not answer in time")
        return left


class FrameReader:
    """Takes whole message bodies off a connection, however the bytes arrive."""

    def __init__(self, connection: Connection, limit: int = MAX_BODY) -> None:
        self._connection = connection
        self._limit = limit
        self._buffer = bytearray()

    def buffered(self) -> bytes | None:
        """A body that has arrived already, or None.

        :raises FrameError: when the header is wrong or the message larger than allowed.
        """
        if len(self._buffer) < HEADER_BYTES:
            return None
        header = bytes(self._buffer[:HEADER_BYTES])
        digits = header[:-1].strip()
        if header[-1:] != b"\n" or not digits.isdigit():
            raise FrameError("the header is not a length")
        length = int(digits)
        if length > self._limit:
            raise FrameError(f"the message is longer than {self._limit} bytes")
        end = HEADER_BYTES + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[HEADER_BYTES:end])
        del self._buffer[:end]
        return body

    def read(self, idle: float, patience: float | Deadline) -> bytes | None:
        """Wait for the next body.

        :param idle: seconds to wait for its first byte.
        :param patience: seconds from its first byte in which it must be whole, or a deadline for that.
        :returns: None when the peer closed, or stayed silent for ``idle``, between two messages.
        :raises FrameError: when the peer breaks the protocol or closes inside a message.
        :raises TimedOut: when a message that has begun is not whole in time.
        """
        deadline = patience if isinstance(patience, Deadline) else None
        while True:
            body = self.buffered()
            if body is not None:
                return body
            begun = bool(self._buffer)
            if begun and deadline is None:
                deadline = Deadline(patience)  # type: ignore[arg-type]
            self._connection.settimeout(deadline.left("the peer") if begun and deadline else idle)
            data = self._receive(begun)
            if not data:
                return None
            self._buffer += data

    def _receive(self, begun: bool) -> bytes:
        """More bytes; none when the peer is silent or gone between two messages."""
        try:
            data = self._connection.recv(_CHUNK)
        except TimeoutError:
            if begun:
                raise TimedOut("the peer stopped in the middle of a message") from None
            return b""
        except (ssl.SSLEOFError, ConnectionError):
            data = b""
        if begun and not data:
            raise FrameError("the connection closed inside a message")
        return data


def read_answer(reader: FrameReader, deadline: Deadline, server: str) -> Answer:
    """Read one answer from ``server`` (its name is for the error's sentence).

    :raises FrameError: when the server closes or answers in another protocol.
    :raises TimedOut: at the deadline.
    """
    body = reader.read(deadline.left(server), deadline)
    if body is None:
        deadline.left(server)
        raise FrameError(f"{server} closed the connection without an answer")
    return parse_answer(body)


def answer_reader(connection: socket.socket | ssl.SSLSocket) -> FrameReader:
    """A reader for the client's side: answers are short."""
    return FrameReader(connection, _MAX_ANSWER)


def _frame(body: bytes) -> bytes:
    return b"%16d\n" % len(body) + body


def _counted(data: bytes) -> bytes:
    return b"%d " % len(data) + data + b"\n"


def _take_counted(body: bytes, at: int) -> tuple[bytes, int]:
    space = body.find(b" ", at, at + 20)
    if space < 0 or not body[at:space].isdigit():
        raise FrameError("a string has no length")
    length = int(body[at:space])
    end = space + 1 + length
    if length > MAX_BODY or body[end : end + 1] != b"\n":
        raise FrameError("a string's length does not fit")
    return body[space + 1 : end], end + 1
