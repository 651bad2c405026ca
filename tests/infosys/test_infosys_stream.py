"""Reading an answer as it comes: what ldap3 reads, from good servers; an error in one sentence, from all others."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infosys import ber, filters, messages, stream, synthetic
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.errors import SourceFailure, SourceTimedOut
from infosys.filters import And, Compare, Extensible, Filter, Not, Or, Present, Substrings
from infosys.server import LdapServer
from infosys.stream import by_class

EVERYTHING = Present("objectClass")
NAME = ber.octets("cn=x,o=grid")
Talk = Callable[[socket.socket], None]


def message(operation: bytes, message_id: int = 1) -> bytes:
    return ber.sequence(ber.integer(message_id), operation)


def attribute(name: str, *values: bytes) -> bytes:
    return ber.sequence(ber.octets(name), ber.sequence(*map(ber.octets, values), tag=ber.SET))


def entry_message(*attributes: bytes) -> bytes:
    return messages.search_entry(1, NAME, b"".join(attributes))


DONE = messages.result(1, messages.SEARCH_DONE, messages.SUCCESS)


@contextlib.contextmanager
def answering(talk: Talk) -> Iterator[str]:
    """A server of one connection that takes a request and then does as ``talk`` says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listening.accept()
                with client:
                    client.recv(65_536)
                    talk(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10)
        assert not thread.is_alive()


def read(url: str, timeout: float = 5.0, **limits: int) -> list[Entry]:
    return list(LdapSource(url, timeout=timeout, **limits).stream(EVERYTHING))


def test_it_reads_what_ldap3_reads() -> None:
    published = list(synthetic.entries(4))
    with LdapServer("127.0.0.1:0") as server:
        server.publish(published)
        source = LdapSource(server.url)
        wanted = by_class("GlueCE", "GlueVOView", "GlueSA")
        found = list(source.stream(wanted))
        assert found == source.fetch("(|(objectClass=GlueCE)(objectClass=GlueVOView)(objectClass=GlueSA))")
        assert {entry.dn for entry in found} < {entry.dn for entry in published}
        assert found[0].first("glueCEUNIQUEid") == found[0].first("GlueCEUniqueID")
        chosen = next(iter(source.stream(by_class("GlueCE"), ("GlueCEStateStatus",))))
        assert list(chosen.attributes) == ["GlueCEStateStatus"]


def test_spellings_of_one_attribute_are_one_attribute() -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(entry_message(attribute("cn", b"a"), attribute("CN", b"b", b"\xff"), attribute("o")) + DONE)

    with answering(talk) as url:
        (found,) = read(url)
    assert found.values("Cn") == ("a", "b", "\ufffd")
    assert found.values("o") == ()


def test_the_answer_may_come_in_any_pieces() -> None:
    long = b"x" * 70_000
    whole = entry_message(attribute("cn", long)) + message(ber.tlv(0x73, ber.octets("ldap://other"))) + DONE

    def talk(client: socket.socket) -> None:
        for octet in whole[:40]:
            client.sendall(bytes((octet,)))
        for start in range(40, len(whole), 9_999):
            client.sendall(whole[start : start + 9_999])

    with answering(talk) as url:
        (found,) = read(url)
    assert found.values("cn") == (long.decode(),)


@pytest.mark.parametrize(
    ("bytes_sent", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not LDAP"),
        (b"\x30\x80", "not LDAP"),
        (b"\x30\x85\x01\x01\x01\x01\x01", "not LDAP"),
        (b"\x30\x84\x7f\xff\xff\xff", "one of its entries has 2147483647 bytes"),
        (message(ber.tlv(0x64, b"\x04\x7f")), "not LDAP"),
        (message(ber.tlv(0x64, NAME + ber.tlv(0x30, ber.tlv(0x30, ber.octets("a") + b"\x31\x05\x04")))), "not LDAP"),
        (message(ber.tlv(0x64, NAME + ber.sequence(ber.sequence(ber.octets("a"))))), "not LDAP"),
        (message(ber.tlv(0x64, NAME)), "not LDAP"),
        (message(ber.tlv(0x42, b"")), "not LDAP"),
        (message(ber.tlv(0x64, b""), 7), "answers request 7"),
        (b"\x30\x00", "not LDAP"),
        (entry_message(attribute("cn", b"x")), "closed the connection before its answer was complete"),
        (b"", "closed the connection before its answer was complete"),
        (messages.disconnection(52, "bye"), "ended the connection"),
        (messages.result(1, 0x65, 32), "noSuchObject"),
        (messages.result(1, 0x65, 80, "", "disk\nfull"), "result code 80 disk full"),
        (entry_message() + messages.result(1, 0x65, 4), "it gives 1 entries to a reader without a name"),
    ],
)
def test_what_is_no_good_answer_is_told_in_one_sentence(bytes_sent: bytes, reason: str) -> None:
    with answering(lambda client: client.sendall(bytes_sent)) as url, pytest.raises(SourceFailure, match=reason):
        read(url)


@given(st.binary(max_size=200), st.integers(0, 100))
def test_no_bytes_break_the_reader(noise: bytes, place: int) -> None:
    whole = bytearray(entry_message(attribute("cn", b"abc", b"def"), attribute("o", b"grid")) + DONE)
    whole[place % len(whole) : place % len(whole)] = noise

    class Canned:
        def __init__(self) -> None:
            self.left = bytes(whole)

        def settimeout(self, _: float) -> None: ...

        def recv(self, size: int) -> bytes:
            taken, self.left = self.left[:size], self.left[size:]
            return taken

    source = LdapSource("ldap://nowhere")
    question = stream.Question(source.url, "nowhere", 1, "o=grid", EVERYTHING, ("*",), 5.0, 1 << 20, 100)
    with contextlib.suppress(SourceFailure, stream.ProtocolError):
        list(stream.Answer(question, Canned(), time.monotonic() + 5).entries())


def test_a_source_that_trickles_is_given_up_at_the_deadline() -> None:
    def talk(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for octet in entry_message(attribute("cn", b"x" * 1000)):
                client.sendall(bytes((octet,)))
                time.sleep(0.05)

    began = time.monotonic()
    with answering(talk) as url, pytest.raises(SourceTimedOut):
        read(url, timeout=0.5)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("kind", ["bytes", "entries"])
def test_an_endless_answer_is_given_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infosys.client.MAX_ENTRIES", 500)

    def talk(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client.sendall(entry_message(attribute("cn", b"x" * 1000)) * 50)

    limits = {"max_bytes": 100_000} if kind == "bytes" else {}
    reason = "larger than 100000 bytes" if kind == "bytes" else "more than 500 entries"
    with answering(talk) as url, pytest.raises(SourceFailure, match=reason):
        read(url, **limits)


def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceFailure, match="refused"):
        read(f"ldap://127.0.0.1:{port}")


_TEXTS = st.text(alphabet="ab*(\\é", min_size=1, max_size=5)
_LEAVES: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Present, _TEXTS),
    st.builds(Compare, st.sampled_from(["=", ">=", "<=", "~="]), _TEXTS, _TEXTS),
    st.builds(Substrings, _TEXTS, _TEXTS, st.tuples(_TEXTS), _TEXTS),
    st.builds(Substrings, _TEXTS, st.just(""), st.tuples(_TEXTS, _TEXTS), st.just("")),
    st.builds(Extensible, _TEXTS, _TEXTS, _TEXTS),
)
_FILTERS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=8,
)


@given(_FILTERS)
def test_a_filter_that_was_encoded_is_decoded_to_the_same(wanted: Filter) -> None:
    assert filters.decode(ber.Reader(filters.encode(wanted))) == wanted
