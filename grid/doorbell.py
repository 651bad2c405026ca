"""A doorbell between processes of one host: a Unix datagram socket that says only *look again*.

It replaces polling, never truth: what there is to do stands in a database or a file, and the listener looks
there also when its timer ends, so a lost ring costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path
from types import TracebackType

from grid.unixpath import short


class Doorbell:
    """The listening side."""

    def __init__(self, sock: socket.socket, path: Path) -> None:
        self._socket = sock
        self._path = path

    @classmethod
    def listen(cls, path: Path, mode: int = 0o600) -> Doorbell:
        """Bind ``path``, replacing a socket that a dead listener left there.

        :param mode: permission bits of the socket; 0o666 lets other accounts ring.
        """
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
            with short(temporary) as name:
                sock.bind(name)
            temporary.chmod(mode)
            temporary.rename(path)
        except BaseException:
            sock.close()
            raise
        return cls(sock, path)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def wait(self, timeout: float | None) -> bool:
        """Wait until somebody rings or ``timeout`` seconds pass; all rings so far are taken together."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        rang = bool(poll.poll(None if timeout is None else max(0.0, timeout) * 1000))
        self.drain()
        return rang

    def drain(self) -> None:
        """Take the rings that have arrived."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(64)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def __enter__(self) -> Doorbell:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def ring(path: Path) -> bool:
    """Ring; never blocks.  Returns False when nobody listens (the listener will look by its timer)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC) as sock:
        try:
            with short(path) as name:
                sock.sendto(b"!", name)
        except BlockingIOError:
            return True  # the queue is full of rings: the listener will wake anyway
        except OSError:
            return False
    return True
