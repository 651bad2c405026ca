"""HTTP connections to addresses that were checked: no name is resolved again when they are made.

The name still goes into the Host header, and TLS verifies the server by it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from web.dial import Address, connect

_LONGEST = 60.0
"""Seconds of a connection for which nobody has set a limit."""


def pinned_pools(addresses: Sequence[Address]) -> dict[str, type[HTTPConnectionPool]]:
    """By scheme, pools whose connections go to one of ``addresses``, whatever their host's name stands for."""
    to = tuple(addresses)

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, to)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connected(self, to)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _connected(connection: HTTPConnection, addresses: Sequence[Address]) -> socket.socket:
    """As :meth:`urllib3.connection.HTTPConnection._new_conn`, but for where it goes."""
    seconds = connection.timeout if isinstance(connection.timeout, (int, float)) else _LONGEST
    try:
        return connect(connection.host, addresses, seconds, seconds)
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"no connection to {connection.host} in {seconds:g} s") from error
    except OSError as error:
        raise NewConnectionError(connection, f"no connection to {connection.host}: {error}") from error
