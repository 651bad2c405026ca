"""What a client of the LDAP server can do to others: filters that cost much, many connections, pages, endless names."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from ldap_talk import codes, parts, received_until, search, search_by

from infosys import ber, filters, messages, names, server
from infosys.attribute_index import STEP
from infosys.connection import ServerLimits
from infosys.entry import Entry
from infosys.responder import MAX_PAGED_SEARCHES, MAX_PICTURES
from infosys.server import LdapServer

DONE = messages.SEARCH_DONE


def connected(to: LdapServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", to.port), timeout=30)


def some(number: int) -> list[Entry]:
    return [Entry.of(f"cn={each},o=grid", {"cn": f"{each}", "GlueCEName": f"{each} x"}) for each in range(number)]


@pytest.fixture
def large() -> Iterator[LdapServer]:
    """A server with fifteen hundred entries."""
    with LdapServer("127.0.0.1:0") as running:
        running.publish(some(1_500))
        yield running


def substrings(number: int) -> bytes:
    """A filter of as many terms, none of which can be told from an index alone."""
    terms = [
        ber.sequence(ber.octets("GlueCEName"), ber.sequence(ber.octets(f"{each}x", 0x81)), tag=0xA4)
        for each in range(number)
    ]
    return ber.sequence(*terms, tag=0xA1)


def test_a_filter_as_large_as_there_may_be_is_worked_out_in_small_steps(large: LdapServer) -> None:
    terms = filters.MAX_TERMS // 2 - 1
    wanted = filters.decode(ber.Reader(substrings(terms)))
    base = large.directory.find("o=grid")
    assert base is not None
    taken = sum(1 for _ in large.directory.search(base, messages.SUBTREE, wanted))
    assert taken >= terms * 1_500 // STEP
    with connected(large) as hostile, connected(large) as other:
        hostile.sendall(search_by(1, substrings(terms)))
        for number in range(1, 6):
            other.sendall(search(number, "noSuchAttribute"))
            received_until(other, (number, DONE))


@pytest.mark.parametrize(
    "encoded",
    [
        substrings(filters.MAX_TERMS),
        b"\xa2\x82\xff\xff" * 100,
        ber.sequence(ber.octets("cn"), ber.sequence(*[ber.octets("x", 0x81)] * filters.MAX_TERMS), tag=0xA4),
    ],
)
def test_a_filter_that_is_larger_or_deeper_ends_the_connection(large: LdapServer, encoded: bytes) -> None:
    with connected(large) as hostile:
        hostile.sendall(search_by(1, encoded))
        assert codes(received_until(hostile, (0, messages.EXTENDED_RESPONSE)))[-1][2] == messages.PROTOCOL_ERROR
        assert hostile.recv(1) == b""


def test_filters_at_the_limit_of_depth_are_answered(large: LdapServer) -> None:
    encoded = ber.octets("cn", 0x87)
    for _ in range(filters.MAX_DEPTH - 1):
        encoded = ber.tlv(0xA2, encoded)
    with connected(large) as client:
        client.sendall(search_by(1, encoded))
        assert codes(received_until(client, (1, DONE))) == [(1, DONE, 0)]


def test_names_that_strangers_ask_for_are_not_kept(large: LdapServer) -> None:
    with connected(large) as client:
        before = names.key.cache_info().currsize, names.parse.cache_info().currsize
        for number in range(1, 200):
            client.sendall(search_by(number, ber.octets("cn", 0x87), base=f"cn={'x' * 1000}{number},o=nowhere"))
            assert codes(received_until(client, (number, DONE))) == [(number, DONE, messages.NO_SUCH_OBJECT)]
        assert (names.key.cache_info().currsize, names.parse.cache_info().currsize) == before


def test_who_does_nothing_makes_room_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAKES_ROOM_SECONDS", 0.0)
    with LdapServer("127.0.0.1:0", limits=ServerLimits(max_connections=3)) as full, contextlib.ExitStack() as stack:
        full.publish(some(3))
        idle = [stack.enter_context(connected(full)) for _ in range(3)]
        for number, client in enumerate(idle, 1):
            client.sendall(search(number, "noSuchAttribute"))
            received_until(client, (number, DONE))
            time.sleep(0.01)
        idle[0].sendall(search(7, "noSuchAttribute"))  # now the second has rested longest
        received_until(idle[0], (7, DONE))
        late = stack.enter_context(connected(full))
        late.sendall(search(1, "cn"))
        received_until(late, (1, DONE))
        with contextlib.suppress(ConnectionResetError):
            assert idle[1].recv(1) == b""
        for client in (idle[0], idle[2]):
            client.sendall(search(8, "noSuchAttribute"))
            received_until(client, (8, DONE))


def paged(number: int, cookie: bytes = b"") -> bytes:
    value = ber.sequence(ber.integer(1), ber.octets(cookie))
    control = ber.sequence(ber.octets(messages.PAGED_RESULTS), ber.octets(value))
    return search(number, "cn", controls=ber.tlv(0xA0, control))


def answer(client: socket.socket, request: bytes, number: int) -> tuple[int, bytes]:
    """Result code of a page, and the cookie for the next."""
    client.sendall(request)
    _, tag, reader = parts(received_until(client, (number, DONE)))[-1]
    code = reader.enter(tag).integer(ber.ENUMERATED)
    if not reader.more:
        return code, b""
    control = reader.enter(0xA0).enter()
    control.octets()
    value = ber.Reader(control.octets()).enter()
    value.integer()
    return code, value.octets()


def test_pages_go_on_over_a_few_pictures_and_hold_no_older_ones() -> None:
    with LdapServer("127.0.0.1:0") as running, connected(running) as client:
        running.publish(some(20))
        for turn, (exchanges, code) in enumerate([(MAX_PICTURES, 0), (MAX_PICTURES + 1, 53)]):
            number = 10 * turn + 1
            first, cookie = answer(client, paged(number), number)
            assert (first, len(cookie)) == (0, 8)
            for _ in range(exchanges):
                running.publish(some(3))
            received = answer(client, paged(number + 1, cookie), number + 1)
            assert received[0] == code
            (connection,) = running._connections.values()
            assert len(connection._responder._paged) == (0 if code else 1)
            running.publish(some(20))


def test_a_connection_has_few_pages_open(large: LdapServer) -> None:
    with connected(large) as client:
        cookies = [answer(client, paged(number), number)[1] for number in range(1, MAX_PAGED_SEARCHES + 2)]
        assert answer(client, paged(20, cookies[0]), 20)[0] == messages.UNWILLING_TO_PERFORM
        assert answer(client, paged(21, cookies[1]), 21)[0] == messages.SUCCESS


def test_answers_that_nobody_takes_do_not_gather(large: LdapServer) -> None:
    """A client that asks and asks and reads nothing: what waits for it stays small."""
    with connected(large) as client:
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            for number in range(1, 3_000):
                client.sendall(search(number, "cn", "*"))
        (connection,) = large._connections.values()
        (transport,) = large._clients.values()
        waiting = connection._waiting_bytes + connection._outlet._size + transport.get_write_buffer_size()
        assert waiting < 3 << 18
        assert connection.rested_at is None
