"""Connecting to a host that has several addresses, of which some may be dead (RFC 8305, "happy eyeballs")."""

from __future__ import annotations

import errno
import itertools
import os
import selectors
import socket
import time
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

STAGGER: Final = 0.25
"""Seconds that an address has before the next is tried beside it."""

Address: TypeAlias = tuple[int, tuple[Any, ...]]
"""A family and what :meth:`socket.socket.connect` takes for it: the numeric host, the port, and so on."""


def resolve(host: str, port: int) -> list[Address]:
    """The TCP addresses of a host: the resolver's order, with the families in turn.

    :raises OSError: the name is not known, or nobody can say.  :raises UnicodeError: it cannot be a host's name.
    """
    return _interleaved(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


def dial(host: str, port: int, timeout: float) -> socket.socket:
    """A connected TCP socket; the first address that answers wins.

    :param timeout: seconds for all of it, and then the time-out of the socket.
    :raises OSError: when no address answers; TimeoutError when none did in time.
    """
    deadline = time.monotonic() + timeout
    return connect(host, resolve(host, port), deadline - time.monotonic(), timeout)


def connect(host: str, addresses: Sequence[Address], patience: float, timeout: float) -> socket.socket:
    """The same with addresses that are known already.

    :param host: for errors alone.
    :param patience: seconds until one must have answered.  :param timeout: of the socket afterwards.
    """
    deadline = time.monotonic() + patience
    waiting = list(addresses)
    last: OSError = OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or selector.get_map():
                if waiting:
                    try:
                        selector.register(_begin(*waiting.pop(0)), selectors.EVENT_WRITE)
                    except OSError as error:
                        last = error
                        continue
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
                for key, _ in selector.select(min(left, STAGGER) if waiting else left):
                    sock = key.fileobj
                    selector.unregister(sock)
                    if not isinstance(sock, socket.socket):
                        continue
                    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if code == 0:
                        return _ready(sock, timeout)
                    sock.close()
                    last = OSError(code, os.strerror(code))
        finally:
            for key in list(selector.get_map().values()):
                if isinstance(key.fileobj, socket.socket):
                    key.fileobj.close()
    raise last


def _begin(family: int, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    sock.setblocking(False)
    code = sock.connect_ex(address)
    if code not in (0, errno.EINPROGRESS):
        sock.close()
        raise OSError(code, os.strerror(code))
    return sock


def _ready(sock: socket.socket, timeout: float) -> socket.socket:
    sock.settimeout(timeout)
    # A TLS handshake is small packets in both directions: waiting to fill one costs 40 ms.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _interleaved(found: Sequence[tuple[Any, ...]]) -> list[Address]:
    if not found:
        return []
    every = [(info[0], info[4]) for info in found]
    first = [pair for pair in every if pair[0] == every[0][0]]
    others = [pair for pair in every if pair[0] != every[0][0]]
    return [pair for pairs in itertools.zip_longest(first, others) for pair in pairs if pair is not None]
