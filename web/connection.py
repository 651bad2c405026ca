"""One connection of a client, from the accepted socket to its end.

Nothing of a connection holds a thread while it waits for the client to begin: the TLS handshake, the head of each
request and a body of a usual size (:data:`GATHERED_BYTES`) are taken in without blocking, piece by piece as they
come, until a deadline.  Only then is a request given a thread.  From then on reads and writes block, bounded by
the time that the client in all makes the server wait: :data:`PATIENCE` seconds plus one second for each
:data:`SLOWEST` bytes.
"""

from __future__ import annotations

import enum
import itertools
import logging
import os
import re
import select
import socket
import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any, Final

from gunicorn.http.parser import RequestParser

from gsi.tls import GsiSocket, ServerContext
from web import head
from web.errors import ClientGone, ClientTooSlow
from web.tape import Recorder, Tape

log = logging.getLogger("wms.web")

HANDSHAKE_SECONDS: Final = 10.0
"""From the accepted connection to the end of the TLS handshake."""

HEAD_SECONDS: Final = 20.0
"""From the first byte of a request (or the handshake) to the end of its head."""

HEAD_BYTES: Final = 96 << 10
"""Bytes of a head, whatever its lines; the parser's limits per line and field are tighter."""

EMPTY_BYTES: Final = 16
"""Bytes of empty lines before a request that mean nothing (RFC 9112 §2.2); more are no request."""

GATHERED_BYTES: Final = 128 << 10
"""A body of at most so many bytes is waited for without a thread; a larger one, one of unknown length and one that
waits for 100-continue are read by the application, which should know by then whose they are."""

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 64 << 20
"""After the last answer: how long, and for how many bytes, what still arrives is thrown away.  Without it the
kernel answers late bytes with a reset, and the client loses the answer that says why it was refused."""

SLOWEST: Final = 1024
"""Bytes a second that a client must send or take, once the patience is used up."""

QUICK_SECONDS: Final = 0.1
QUICK_BYTES: Final = 1 << 20
"""A thread may wait so long for its client, and one second more for each so many bytes, before it parks."""

_SHORTEST: Final = 1e-3  # 0 would be the GSI socket's default

Parked = Callable[[Hashable], AbstractContextManager[None]]

_BODY: Final = re.compile(rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_NUMBERS: Final = itertools.count(1)
_PIECE: Final = 64 << 10
_LAST_WORDS: Final = 2.0
_READ_ONCE: Final = 1 << 20


class Need(enum.Enum):
    """What a connection needs before it can go on."""

    READ = select.EPOLLIN
    WRITE = select.EPOLLOUT
    SERVICE = -1
    END = -2


class Connection:
    """The state of one connection; used by one thread at a time.

    To gunicorn's parser and response writer it is the socket (``recv``, ``send``, ``sendall``, time-outs).

    :ivar tls: the GSI socket; has the client's certificate chain.
    :ivar ends: both addresses, as the WSGI environment has them.
    :ivar deadline: monotonic time at which a waiting connection is given up.
    :ivar served: requests answered.
    :ivar late: the body of the request did not arrive in time; all that is left is to say so.
    :ivar born: monotonic time at which it was accepted.
    :ivar name: of the user whose certificate was verified, once that is done.
    :ivar holder: the owner for whom the thread that serves it counts.
    :ivar arrived: the whole body of the request had arrived before it was given a thread.
    :ivar plain: the head of the request, when it is a plain one and the whole body has arrived.
    """

    def __init__(
        self,
        raw: socket.socket,
        ends: tuple[Any, Any],
        context: ServerContext,
        settings: Any,
        patience: float,
        parked: Parked,
    ) -> None:
        """:param ends: addresses of the client and of the listener.
        :param patience: seconds that the client in all may keep a request waiting.
        :param parked: given the holder, the context in which a thread waits for a slow client.
        """
        raw.setblocking(False)
        self.raw = raw
        self.descriptor = raw.fileno()
        self._poll = select.poll()
        self._poll.register(self.descriptor, select.POLLIN)
        self.peer, self.server = ends
        self.ends = {
            "REMOTE_ADDR": self.peer[0],
            "REMOTE_PORT": str(self.peer[1]),
            "SERVER_NAME": self.server[0],
            "SERVER_PORT": str(self.server[1]),
        }
        self.tls: GsiSocket = context.wrap_socket(raw, server_side=True)
        self.parser = RequestParser(settings, self, self.peer)
        self.deadline = time.monotonic() + HANDSHAKE_SECONDS
        self.served = 0
        self.born = time.monotonic()
        self.name: str | None = None
        self.holder: Hashable = None
        self.tape: Tape | None = None
        self._number = next(_NUMBERS)
        self.arrived = False
        self.plain: head.Head | None = None
        self.late = False
        self._patience = patience
        self._parked = parked
        self._head = bytearray()
        self._wanted = 0  # bytes of head and body to be gathered; 0: the head is not complete
        self._end = 0  # of the head
        self._empty = 0  # bytes of empty lines before it
        self._held = bytearray()
        self._shaken = False
        self._lingering = 0
        self._waited = 0.0
        self._moved = 0

    @property
    def owner(self) -> Hashable:
        """Whom the connection counts for: a verified user, or else the client's address."""
        return self.name or self.peer[0]

    @property
    def idle(self) -> bool:
        """No request has begun: closing it now loses nothing but a connection."""
        return self._lingering > 0 or not self._head

    @property
    def quiet(self) -> bool:
        """No byte is here that a poll would not see."""
        return not self._head and not self.tls.pending()

    @property
    def whole(self) -> bool:
        """The head of a request has arrived to its end, not only to the limit."""
        return b"\r\n\r\n" in self._head

    @property
    def begun(self) -> bool:
        """The head of a request is there, the body is awaited."""
        return self._wanted > 0

    def advance(self) -> Need:
        """Take in what has arrived, without blocking."""
        if self._lingering:
            return self._linger()
        if self.late:
            return Need.SERVICE
        try:
            return self._advance()
        except (OSError, ClientGone) as error:
            log.debug("connection from %s ended: %s", self.peer, error)
            return Need.END

    def record(self, recorder: Recorder) -> None:
        """Record the request that begins, and its answer, if that is wanted."""
        if not recorder.wanted:
            return
        self.tape = recorder.tape(f"{os.getpid()}-{self._number}", self.peer, self.server, bytes(self._head))

    def begin(self) -> None:
        """Hand the head to the parser; from now on reads and writes wait for the client, within bounds."""
        self.parser.unreader.unread(bytes(self._head))
        self._head.clear()
        self._wanted = 0
        self._held.clear()
        self._waited, self._moved = 0.0, 0

    def take(self) -> bytes:
        """The body of a plain request; from now on writes wait for the client, within bounds."""
        body = bytes(self._head[self._end : self._wanted])
        del self._head[: self._wanted]
        self._wanted = 0
        self._held.clear()
        self._waited, self._moved = 0.0, 0
        return body

    def rest(self, seconds: float) -> None:
        """A request is answered; wait up to ``seconds`` for the next."""
        self.served += 1
        self._empty = 0
        if self.plain is None:
            self._head += self.parser.unreader.take_buffered()
        if self.tape is not None:
            self._end_tape(len(self._head))
        self.deadline = time.monotonic() + (HEAD_SECONDS if self._head else seconds)

    def last(self) -> None:
        """Nothing more is answered: say so to the client and throw away what still comes."""
        self._end_tape(0)
        self._lingering = LINGER_BYTES
        self.deadline = time.monotonic() + LINGER_SECONDS
        try:
            self.tls.shutdown(socket.SHUT_WR)
        except OSError:
            self.deadline = 0.0  # the client went first

    def tell(self, answer: bytes) -> None:
        """Send a short last answer, also to a client that has used up the server's patience."""
        self._waited = self._patience + self._moved / SLOWEST - _LAST_WORDS
        self.send(answer)

    def soon(self, seconds: float) -> bool:
        """Whether bytes arrive within ``seconds`` (a short time: it holds the thread)."""
        return bool(self._poll.poll(seconds * 1000))

    def close(self) -> None:
        """End it."""
        self.tls.close()

    # What gunicorn's parser and response writer call.

    def recv(self, size: int) -> bytes:
        """Bytes of the request; ``b""`` at the end of the connection.

        :raises ClientTooSlow: when the client keeps the server waiting too long.
        :raises ClientGone: when the connection broke.
        """
        data: bytes = self._waiting(self.tls.recv, size)
        self._moved += len(data)
        if self.tape is not None:
            self.tape.received(data)
        return data

    def sendall(self, data: bytes) -> None:
        """Take a piece of the answer.  Small pieces are held until :meth:`flush`: the head and a short body are
        one TLS record and one packet then.

        :raises ClientTooSlow: when the client does not take it in time.
        :raises ClientGone: when the connection broke.
        """
        if len(self._held) + len(data) < _PIECE:
            self._held += data
        else:
            self.flush()
            self._send(memoryview(data))

    def flush(self) -> None:
        """Send what is held."""
        if self._held:
            held, self._held = self._held, bytearray()
            self._send(memoryview(held))

    def send(self, data: bytes) -> int:
        """Send all of it."""
        self.sendall(data)
        self.flush()
        return len(data)

    def _send(self, view: memoryview) -> None:
        while view:
            piece = bytes(view[:_PIECE])
            # What the client takes at once has not kept anybody waiting.
            sent = self._at_once(piece) or self._waiting(self.tls.send, piece)
            self._moved += sent
            if self.tape is not None:
                self.tape.sent(view[:sent])
            view = view[sent:]

    def _end_tape(self, leftover: int) -> None:
        if self.tape is not None:
            self.tape.end(leftover)
            self.tape = None

    def _at_once(self, piece: bytes) -> int:
        try:
            return self.tls.try_send(piece)
        except OSError as error:
            raise ClientGone("the connection to the client broke") from error

    def _waiting(self, operation: Any, argument: Any) -> Any:
        begin = time.monotonic()
        left = self._patience + self._moved / SLOWEST - self._waited
        if left <= 0:
            raise ClientTooSlow(f"the client is slower than {SLOWEST} bytes a second; the request is given up")
        left = min(left, self._patience)
        quick = min(left, QUICK_SECONDS + self._moved / QUICK_BYTES - self._waited)
        try:
            if quick > 0:
                self.tls.settimeout(quick)
                try:
                    return operation(argument)
                except TimeoutError:
                    if quick >= left:
                        raise
            self.tls.settimeout(max(_SHORTEST, left - max(0.0, quick)))
            with self._parked(self.holder):
                return operation(argument)
        except TimeoutError as error:
            raise ClientTooSlow("the client was silent for too long; the request is given up") from error
        except OSError as error:
            raise ClientGone("the connection to the client broke") from error
        finally:
            self._waited += time.monotonic() - begin

    def _advance(self) -> Need:
        if not self._shaken:
            event = self.tls.try_handshake()
            if event:
                return Need(event)
            self._shaken = True
            self.deadline = time.monotonic() + HEAD_SECONDS
        while not self._complete():
            data = self.tls.try_recv(16 << 10)
            if data is None:
                return Need.READ
            if not data:
                return Need.END
            if not self._head:
                self.deadline = time.monotonic() + HEAD_SECONDS
            self._head += data
        return Need.SERVICE

    def _complete(self) -> bool:
        while self._empty < EMPTY_BYTES and self._head.startswith(b"\r\n"):
            del self._head[:2]
            self._empty += 2
        if not self._wanted:
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return len(self._head) > HEAD_BYTES
            self._end = end + 4
            self.plain = head.plain(bytes(self._head[: self._end]))
            if self.plain is not None and self.plain.length > GATHERED_BYTES:
                self.plain = None
            body = _announced(bytes(self._head[: end + 2])) if self.plain is None else self.plain.length
            self.arrived = body is not None
            self._wanted = self._end + (body or 0)
            self.deadline = time.monotonic() + self._patience
        return len(self._head) >= self._wanted

    def _linger(self) -> Need:
        taken = 0
        while taken < _READ_ONCE:
            try:
                data = self.raw.recv(_PIECE)
            except BlockingIOError:
                return Need.READ
            except OSError:
                return Need.END
            if not data or self._lingering <= len(data):
                return Need.END
            self._lingering -= len(data)
            taken += len(data)
        return Need.READ


def _announced(field_lines: bytes) -> int | None:
    """Bytes of a body that is to be gathered; None: it is the application's to read.

    Whether the head is right is for the parser to say; here it is only about the moment to ask it.
    """
    found = _BODY.findall(field_lines)
    if not found:
        return 0
    (name, value), *more = found
    if more or name.lower() != b"content-length" or not re.fullmatch(rb"[0-9]{1,9}[ \t]*", value):
        return None
    return int(value) if int(value) <= GATHERED_BYTES else None
