"""A socket look-alike over a TLS connection of pyOpenSSL, for servers written for plain sockets.

It waits with ``poll``, never spins; the handshake is lazy (at the first use) and has an absolute deadline, so that
a slow peer holds a thread for that long at most.  One thread at a time may use it, as with Python's ``ssl``.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import select
import socket
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Final, TypeVar

from cryptography import x509
from OpenSSL import SSL

_log = logging.getLogger("wms.gsi")
_CHUNK: Final = 64 << 10
T = TypeVar("T")
Buffer = bytes | bytearray | memoryview


class HandshakeFailed(ConnectionResetError):
    """A TLS handshake that did not end well; the connection is of no use any more."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.ECONNRESET, f"TLS handshake failed: {reason}")


class GsiSocket:
    """The server's end of one connection.

    :ivar chain: what the client presented, leaf first, unverified; empty without a client certificate and before
        the handshake.
    """

    def __init__(
        self, context: SSL.Context, sock: socket.socket, *, handshake_timeout: float, io_timeout: float
    ) -> None:
        """Take over ``sock``; nothing is sent or awaited yet.

        :param handshake_timeout: seconds for the whole handshake.
        :param io_timeout: seconds that one receive or send may wait while no other time-out is set.
        """
        self._sock = sock
        self._default = io_timeout
        self._timeout: float = sock.gettimeout() or io_timeout
        self._handshake_timeout = handshake_timeout
        self._shaken = False
        self._failure: HandshakeFailed | None = None
        self._closed = False
        self._files = 0
        self._closing = False
        self.chain: tuple[x509.Certificate, ...] = ()
        sock.setblocking(False)
        with contextlib.suppress(
            OSError
        ):  # without it, the small records of TLS 1.3 wait 40 ms for an answer
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = SSL.Connection(context, sock)
        self._connection.set_accept_state()

    def do_handshake(self) -> None:
        """Complete the handshake; does nothing when that was done.

        :raises HandshakeFailed: the peer speaks no TLS, broke off, or was too slow.
        """
        if self._shaken:
            return
        if self._failure is not None:
            raise self._failure
        deadline = time.monotonic() + self._handshake_timeout
        self._shake(lambda: self._wait(self._connection.do_handshake, deadline))

    def try_handshake(self) -> int:
        """Go on with the handshake as far as it gets without waiting, for a server that waits for many at once.

        :returns: 0 when it is complete, else the event to wait for: ``select.POLLIN`` or ``select.POLLOUT``.
        :raises HandshakeFailed: the peer speaks no TLS or broke off; the deadline is the caller's affair.
        """
        if self._shaken:
            return 0
        if self._failure is not None:
            raise self._failure
        try:
            self._shake(self._connection.do_handshake)
        except SSL.WantReadError:
            return select.POLLIN
        except SSL.WantWriteError:
            return select.POLLOUT
        return 0

    def _shake(self, handshake: Callable[[], None]) -> None:
        try:
            handshake()
        except TimeoutError as error:
            raise self._failed(f"not complete after {self._handshake_timeout:g} s") from error
        except (SSL.WantReadError, SSL.WantWriteError):
            raise
        except SSL.SysCallError as error:
            raise self._failed("the peer went away") from error
        except SSL.Error as error:
            raise self._failed(_reason(error)) from error
        self.chain = self._presented()
        self._shaken = True

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Receive up to ``size`` bytes; ``b""`` when the peer has ended.

        :raises TimeoutError: nothing came in time.
        :raises OSError: the connection broke.
        """
        return self._receive(lambda: self._connection.recv(size, flags), b"")

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """As :meth:`recv`, into a writable buffer; returns the number of bytes, 0 when the peer has ended."""
        return self._receive(lambda: self._connection.recv_into(buffer, nbytes or len(buffer), flags), 0)

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send some of ``data``; returns how much.

        :raises TimeoutError: the peer took nothing in time.
        :raises OSError: the connection broke.
        """
        view = memoryview(data).cast("B")[:_CHUNK]
        if not view:
            return 0
        self.do_handshake()
        chunk = bytes(view)  # OpenSSL wants the same bytes again when a write is repeated
        try:
            return self._wait(lambda: self._connection.send(chunk), time.monotonic() + self._timeout)
        except SSL.Error as error:
            raise _broken(error) from error

    def try_recv(self, size: int) -> bytes | None:
        """Receive what is there, after the handshake, up to ``size`` bytes; ``b""`` when the peer has ended, None when
        there is nothing.

        :raises OSError: the connection broke.
        """
        try:
            data: bytes = self._connection.recv(size)
        except (SSL.WantReadError, SSL.WantWriteError):
            return None
        except SSL.Error as error:
            return self._ended(error, b"")
        return data

    def try_send(self, data: bytes) -> int:
        """Send what the peer takes at once, after the handshake; returns how much, 0 when nothing.  The next bytes to
        be sent must then begin with the same ones.

        :raises OSError: the connection broke.
        """
        try:
            sent: int = self._connection.send(data)
        except (SSL.WantReadError, SSL.WantWriteError):
            return 0
        except SSL.Error as error:
            raise _broken(error) from error
        return sent

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send all of ``data``; the time-out is for each piece that the peer takes."""
        view = memoryview(data).cast("B")
        while view:
            view = view[self.send(view) :]

    def sendfile(self, file: BinaryIO, offset: int = 0, count: int | None = None) -> int:
        """Send a file's bytes, encrypted like all others; returns how many."""
        file.seek(offset)
        sent = 0
        while count is None or sent < count:
            data = file.read(_CHUNK if count is None else min(_CHUNK, count - sent))
            if not data:
                break
            self.sendall(data)
            sent += len(data)
        return sent

    def pending(self) -> int:
        """Bytes that were decrypted and wait to be received, which ``poll`` cannot see."""
        return self._connection.pending() if self._shaken else 0

    def settimeout(self, timeout: float | None) -> None:
        """Seconds that one receive or send may wait; ``None`` and 0 are the default, never for ever."""
        self._timeout = timeout or self._default

    def gettimeout(self) -> float:
        """Seconds that one receive or send may wait."""
        return self._timeout

    @property
    def timeout(self) -> float:
        """The same as :meth:`gettimeout`."""
        return self._timeout

    def setblocking(self, flag: bool) -> None:
        """Go back to the default time-out; the socket below never blocks and the look-alike always waits."""
        self._timeout = self._default

    def fileno(self) -> int:
        """The descriptor, to be waited on; -1 when closed."""
        return self._sock.fileno()

    def getpeername(self) -> Any:
        """The peer's address."""
        return self._sock.getpeername()

    def getsockname(self) -> Any:
        """The own address."""
        return self._sock.getsockname()

    def getsockopt(self, level: int, option: int, *length: int) -> Any:
        """An option of the socket below."""
        return self._sock.getsockopt(level, option, *length)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Set an option of the socket below."""
        self._sock.setsockopt(level, option, value)

    @property
    def family(self) -> int:
        """The address family."""
        return self._sock.family

    @property
    def type(self) -> int:
        """The socket type."""
        return self._sock.type

    @property
    def proto(self) -> int:
        """The protocol number."""
        return self._sock.proto

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol and bits of the cipher, as Python's ``ssl`` gives them; ``None`` before the handshake."""
        name, version = self._connection.get_cipher_name(), self._connection.get_cipher_version()
        bits = self._connection.get_cipher_bits()
        return None if name is None or version is None or bits is None else (name, version, bits)

    def version(self) -> str:
        """The protocol: ``TLSv1.3``."""
        return self._connection.get_protocol_version_name()

    def makefile(self, mode: str = "rb", buffering: int = -1, **_: Any) -> Any:
        """A buffered binary file over the connection, for :mod:`http.server` and :mod:`socketserver`.

        :raises ValueError: for a mode other than ``rb`` or ``wb``.
        """
        if mode not in ("r", "rb", "w", "wb"):
            raise ValueError(f"mode {mode!r} is not offered; use rb or wb")
        reading = mode.startswith("r")
        raw: Any = socket.SocketIO(self, "r" if reading else "w")  # type: ignore[arg-type]  # a look-alike
        self._files += 1
        if buffering == 0:
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering < 0 else buffering
        return io.BufferedReader(raw, size) if reading else io.BufferedWriter(raw, size)

    def _decref_socketios(self) -> None:
        self._files = max(0, self._files - 1)
        if self._closing and not self._files:
            self._really_close()

    def shutdown(self, how: int = socket.SHUT_RDWR) -> None:
        """End the conversation: close_notify when writing ends, then the shutdown of the socket below.

        :raises OSError: when the socket is not connected any more.
        """
        if how != socket.SHUT_RD:
            self._notify()
        self._sock.shutdown(how)

    def close(self) -> None:
        """Say good-bye without waiting for an answer, and close; more than once is harmless."""
        self._closing = True
        if not self._files:
            self._really_close()

    def detach(self) -> int:
        """Give the descriptor away without closing it."""
        self._closed = self._closing = True
        return self._sock.detach()

    def __enter__(self) -> GsiSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _really_close(self) -> None:
        if not self._closed:
            self._closed = True
            self._notify()
            self._sock.close()

    def _notify(self) -> None:
        if self._shaken:
            with contextlib.suppress(SSL.Error, OSError):  # a peer that has gone cannot be told
                self._connection.shutdown()

    def _receive(self, receive: Callable[[], T], end: T) -> T:
        self.do_handshake()
        try:
            return self._wait(receive, time.monotonic() + self._timeout)
        except SSL.Error as error:
            return self._ended(error, end)

    @staticmethod
    def _ended(error: SSL.Error, end: T) -> T:
        """What a failed receive gives: the end, or what broke the connection."""
        if isinstance(error, SSL.ZeroReturnError):
            return end
        if isinstance(error, SSL.SysCallError):
            number = error.args[0] if error.args else -1
            if number <= 0:
                return end  # end of file without close_notify, as many clients do
            raise OSError(number, "the connection broke") from error
        raise ConnectionResetError(errno.ECONNRESET, f"TLS failure: {_reason(error)}") from error

    def _wait(self, operation: Callable[[], T], deadline: float) -> T:
        while True:
            try:
                return operation()
            except SSL.WantReadError:
                event = select.POLLIN
            except SSL.WantWriteError:
                event = select.POLLOUT
            if self._sock.fileno() < 0:
                raise OSError(errno.EBADF, "the socket is closed")
            waiter = select.poll()
            waiter.register(self._sock, event)
            left = (deadline - time.monotonic()) * 1000
            if left <= 0 or not waiter.poll(left):
                raise TimeoutError(errno.ETIMEDOUT, "the peer did not answer in time")

    def _presented(self) -> tuple[x509.Certificate, ...]:
        """On the server's side OpenSSL gives the leaf apart from the rest."""
        try:
            leaf = self._connection.get_peer_certificate(as_cryptography=True)
            rest = self._connection.get_peer_cert_chain(as_cryptography=True) or []
        except ValueError as error:
            raise self._failed(f"the client's certificates cannot be read: {error}") from error
        if leaf is None:
            return ()
        return (leaf, *(certificate for certificate in rest if certificate != leaf))

    def _failed(self, reason: str) -> HandshakeFailed:
        peer = "?"
        with contextlib.suppress(OSError):
            peer = str(self._sock.getpeername())
        _log.info("TLS handshake with %s failed: %s", peer, reason)
        self._failure = HandshakeFailed(reason)
        return self._failure


def _broken(error: SSL.Error) -> OSError:
    """What a failed send means."""
    if isinstance(error, SSL.SysCallError):
        return BrokenPipeError(errno.EPIPE, "the peer went away")
    return ConnectionResetError(errno.ECONNRESET, f"TLS failure: {_reason(error)}")


def _reason(error: SSL.Error) -> str:
    """OpenSSL's own words, such as ``wrong version number``."""
    queue = error.args[0] if error.args else []
    texts = [str(entry[-1]) for entry in queue if entry] if isinstance(queue, list) else [str(queue)]
    return "; ".join(text for text in texts if text) or type(error).__name__
