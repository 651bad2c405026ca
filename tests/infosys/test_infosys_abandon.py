"""A search that runs is stopped by Abandon, Cancel and the client's going, and keeps its limits; by literal bytes."""

from __future__ import annotations

import dataclasses
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from ldap_talk import LDAPSEARCH, codes, needs_ldapsearch, received_until, search, sizes_of

from infosys import ber, messages
from infosys.attribute_index import Steps
from infosys.connection import MAX_WAITING, ServerLimits
from infosys.directory import Directory
from infosys.entry import Entry
from infosys.filters import Filter, Present
from infosys.node import Node
from infosys.server import LdapServer

DONE, EXTENDED = messages.SEARCH_DONE, messages.EXTENDED_RESPONSE
CANCEL_2 = bytes.fromhex("3019 020103 7714 800b") + b"1.3.6.1.1.8" + bytes.fromhex("8105 3003020102")
"""Request 3: cancel request 2 (RFC 3909)."""
ABANDON_2 = bytes.fromhex("3006 020104 500102")
"""Request 4: abandon request 2."""
UNBIND = bytes.fromhex("3005 020105 4200")
ENDLESS, FLOOD = "endless", "flood"


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Searches for two attributes go on until somebody stops them; the event tells that one has ended.

    That for ``endless`` finds nothing, that for ``flood`` the same entry again and again.
    """
    told = threading.Event()
    real = Directory.search

    def flood(node: Node) -> Iterator[Node]:
        try:
            while True:
                yield node
        finally:
            told.set()

    def search(self: Directory, base: Node, scope: int, wanted: Filter) -> Steps[Iterator[Node]]:
        if wanted == Present(FLOOD):
            return flood(base)
        if wanted != Present(ENDLESS):
            return (yield from real(self, base, scope, wanted))
        try:
            while True:
                yield
        finally:
            told.set()

    monkeypatch.setattr(Directory, "search", search)
    yield told


@pytest.fixture
def client(server: LdapServer, ended: threading.Event) -> Iterator[socket.socket]:
    """A connection on which request 2 is being searched for ever."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as opened:
        opened.sendall(search(1, "GlueSiteUniqueID"))
        received_until(opened, (1, DONE))
        opened.sendall(search(2, ENDLESS))
        yield opened


def test_an_abandoned_search_ends_without_a_word_and_the_next_one_is_answered(
    client: socket.socket, ended: threading.Event
) -> None:
    client.sendall(search(6, "GlueSiteUniqueID") + ABANDON_2)
    assert ended.wait(20)
    assert [number for number, _, _ in codes(received_until(client, (6, DONE)))] == [6]


def test_a_cancelled_search_ends_with_its_code_before_the_cancel_is_answered(
    client: socket.socket, ended: threading.Event
) -> None:
    client.sendall(CANCEL_2)
    assert codes(received_until(client, (3, EXTENDED))) == [(2, DONE, 118), (3, EXTENDED, 0)]
    assert ended.is_set()


def test_what_waits_is_abandoned_and_cancelled_too(client: socket.socket, ended: threading.Event) -> None:
    cancel_7 = CANCEL_2[:-1] + b"\7"
    client.sendall(search(6, "GlueSiteUniqueID") + search(7, "GlueSiteUniqueID") + search(8, "GlueSiteUniqueID"))
    client.sendall(ABANDON_2[:-1] + b"\6" + cancel_7)
    assert codes(received_until(client, (3, EXTENDED))) == [(7, DONE, 118), (3, EXTENDED, 0)]
    assert not ended.is_set()
    client.sendall(ABANDON_2)
    assert [number for number, _, _ in codes(received_until(client, (8, DONE)))] == [8]


@pytest.mark.parametrize(
    ("cancel", "code"),
    [
        (CANCEL_2[:-1] + b"\x09", messages.NO_SUCH_OPERATION),
        (CANCEL_2[:-1] + b"\x01", messages.NO_SUCH_OPERATION),  # answered long ago
        (CANCEL_2[:-1] + b"\x06", messages.CANNOT_CANCEL),  # a bind that waits
        (bytes.fromhex("3014 020103 770f 800b") + b"1.3.6.1.1.8" + bytes.fromhex("8100"), messages.PROTOCOL_ERROR),
        (bytes.fromhex("3012 020103 770d 800b") + b"1.3.6.1.1.8", messages.PROTOCOL_ERROR),
        (CANCEL_2[:-5] + b"\x31\3\2\1\2", messages.PROTOCOL_ERROR),
    ],
)
def test_a_cancel_of_what_cannot_be_cancelled_is_told_so(
    client: socket.socket, ended: threading.Event, cancel: bytes, code: int
) -> None:
    client.sendall(bytes.fromhex("300c 020106 6007 020103 0400 8000") + cancel)
    assert codes(received_until(client, (3, EXTENDED))) == [(3, EXTENDED, code)]
    assert not ended.is_set()


@pytest.mark.parametrize("number", [1, 3, 2**31 - 1])
def test_an_abandon_of_nothing_changes_nothing(client: socket.socket, ended: threading.Event, number: int) -> None:
    client.sendall(ber.sequence(ber.integer(9), ber.integer(number, 0x50)) + CANCEL_2[:-1] + b"\x09")
    received_until(client, (3, EXTENDED))
    assert not ended.is_set()
    client.sendall(ABANDON_2)
    assert ended.wait(20)


@pytest.mark.parametrize("farewell", [lambda client: client.sendall(UNBIND), socket.socket.close])
def test_who_goes_ends_the_search(
    client: socket.socket, ended: threading.Event, farewell: Callable[[socket.socket], object]
) -> None:
    assert not ended.wait(0.1)
    farewell(client)
    assert ended.wait(20)


def test_what_is_no_ldap_ends_the_search_with_a_notice(client: socket.socket, ended: threading.Event) -> None:
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert codes(received_until(client, (0, EXTENDED))) == [(0, EXTENDED, messages.PROTOCOL_ERROR)]
    assert ended.wait(20)


def test_others_are_answered_while_a_search_runs(
    client: socket.socket, server: LdapServer, ended: threading.Event
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as other:
        other.sendall(search(1, "GlueSiteUniqueID"))
        received_until(other, (1, DONE))
    assert not ended.is_set()


def test_a_client_may_send_more_than_is_kept_for_it(server: LdapServer, ended: threading.Event) -> None:
    many = 3 * MAX_WAITING
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(search(2, ENDLESS, seconds=1))
        client.sendall(b"".join(search(number, "GlueSiteUniqueID") for number in range(10, 10 + many)))
        found = codes(received_until(client, (9 + many, DONE)))
    assert found == [(2, DONE, messages.TIME_LIMIT_EXCEEDED), *((10 + each, DONE, 0) for each in range(many))]


def test_the_row_of_waiting_requests_is_bounded(client: socket.socket, server: LdapServer) -> None:
    client.sendall(b"".join(search(number, "GlueSiteUniqueID") for number in range(10, 10 + 5 * MAX_WAITING)))
    (connection,) = server._connections.values()
    deadline = time.monotonic() + 20
    while len(connection._waiting) <= MAX_WAITING:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(connection._waiting) == MAX_WAITING + 1


def test_a_client_that_waits_for_an_answer_is_not_idle(
    client: socket.socket, server: LdapServer, ended: threading.Event
) -> None:
    (connection,) = server._connections.values()
    connection._limits = dataclasses.replace(connection._limits, idle_seconds=0.05)
    client.sendall(ABANDON_2[:-1] + b"\x09")  # of nothing: it is waited for the next request anew
    assert not ended.wait(0.5)
    client.sendall(CANCEL_2)
    assert codes(received_until(client, (3, EXTENDED))) == [(2, DONE, messages.CANCELED), (3, EXTENDED, 0)]
    assert client.recv(10) == b""  # and idle afterwards


def test_no_search_lasts_longer_than_the_server_allows(ended: threading.Event, grid: list[Entry]) -> None:
    with LdapServer("127.0.0.1:0", limits=ServerLimits(search_seconds=0.2)) as server:
        server.publish(grid)
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(search(2, ENDLESS) + search(3, ENDLESS, seconds=3600))
            found = codes(received_until(client, (3, DONE)))
    assert found == [(number, DONE, messages.TIME_LIMIT_EXCEEDED) for number in (2, 3)]


def test_an_abandoned_answer_is_sent_no_further(ended: threading.Event) -> None:
    """The client takes nothing of 40 MB, abandons, and then takes what is on its way."""
    with LdapServer("127.0.0.1:0") as server:
        server.publish([Entry.of(f"cn={each},o=grid", {"cn": [f"{each}", "x" * 100_000]}) for each in range(400)])
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(30)
            client.connect(("127.0.0.1", server.port))
            client.sendall(search(2, "cn", "cn"))
            client.recv(1)
            client.sendall(ABANDON_2 + search(6, "noSuchAttribute"))
            sizes = sizes_of(b"\x30" + received_until(client, (6, DONE), before=b"\x30"))
    assert (2, DONE) not in sizes
    assert sum(sizes.values()) < 400 * 100_000


def command(server: LdapServer, attribute: str, *arguments: str) -> list[str]:
    return [str(LDAPSEARCH), "-x", "-LLL", "-H", server.url, "-b", "o=grid", *arguments, f"({attribute}=*)", "1.1"]


@needs_ldapsearch
@pytest.mark.parametrize("wish", ["!cancel", "!abandon"])
def test_ldapsearch_takes_its_search_back_after_the_first_entry(
    server: LdapServer, ended: threading.Event, wish: str
) -> None:
    done = subprocess.run(command(server, FLOOD, "-e", wish), capture_output=True, timeout=60)
    assert f"{wish[1:]} got 0: Success" in done.stderr.decode()
    assert ended.wait(20)


@needs_ldapsearch
def test_ldapsearch_meets_its_time_limit(server: LdapServer, ended: threading.Event) -> None:
    done = subprocess.run(command(server, ENDLESS, "-l", "1"), capture_output=True, timeout=30)
    assert done.returncode == messages.TIME_LIMIT_EXCEEDED, done.stderr


@needs_ldapsearch
def test_the_search_of_a_killed_ldapsearch_ends(server: LdapServer, ended: threading.Event) -> None:
    with subprocess.Popen(command(server, ENDLESS), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 20
        while not any(each.rested_at is None for each in list(server._connections.values())):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
    assert ended.wait(20)
