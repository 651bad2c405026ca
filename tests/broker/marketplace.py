"""Supermarkets that buy when a test says so, and servers that behave as it says."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

from broker.purchase import Order
from broker.shelf import Shelf
from broker.source import InformationSource
from broker.supermarket import Snapshot, Supermarket
from infosys.ce_ads import CeRecord
from infosys.server import LdapServer

SITE = 4
"""Sites of the grid that most tests buy: 20 computing elements."""


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def market(
    *servers: LdapServer | str, clock: Clock | None = None, seconds: float = 2.0, **more: object
) -> Supermarket:
    """A supermarket that buys only when it is told.

    :param seconds: for each answer.
    """
    urls = [each if isinstance(each, str) else each.url for each in servers]
    sources = [InformationSource(url, "mds-vo-name=local,o=grid", timeout=seconds) for url in urls]
    return Supermarket(sources, refresh=1e6, whole_refresh=1e6, monotonic=clock or time.monotonic, **more)  # type: ignore[arg-type]


def texts(records: tuple[CeRecord, ...]) -> dict[str, str]:
    return {record.key: record.ad.text() for record in records}


def looked(shop: Supermarket) -> Snapshot:
    """What is known after a look at what changes by the minute."""
    shop._buy_due()
    return shop.snapshot()


def bought(shop: Supermarket) -> list[str]:
    """Which kinds of purchase are made from now on."""
    made: list[str] = []
    real = shop._sent

    def sent(order: Order, shelf: Shelf) -> object:
        made.append(order.kind)
        return real(order, shelf)

    shop._sent = sent  # type: ignore[method-assign, assignment]
    return made


@contextlib.contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does to each client as ``talk`` says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = []

        def one(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                client.recv(65_536)
                talk(client)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threads.append(threading.Thread(target=one, args=(client,), daemon=True))
                    threads[-1].start()

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    for thread in (server, *threads):
        thread.join(5)


def until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False
