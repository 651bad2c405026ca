"""Reading LDAP servers, good and bad ones."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable

import pytest

from grid.errors import ConfigurationError
from infosys import ber, messages
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.errors import SourceFailure, SourceTimedOut
from infosys.schema import glue
from infosys.server import LdapServer

Talk = Callable[[socket.socket], None]


def test_everything_is_pulled_as_it_was_published(server: LdapServer, grid: list[Entry]) -> None:
    found = LdapSource(server.url).fetch("(objectClass=GlueTop)")
    assert sorted(found, key=lambda entry: entry.dn) == sorted(grid, key=lambda entry: entry.dn)


def test_a_source_may_carry_its_base_and_attributes_be_chosen(server: LdapServer) -> None:
    source = LdapSource(f"{server.url}/GlueClusterUniqueID=ce.example.org,mds-vo-name=resource,o=grid")
    found = source.fetch(attributes=("GlueSubClusterUniqueID",))
    assert [dict(entry.attributes) for entry in found] == [{}, {"GlueSubClusterUniqueID": ("ce.example.org",)}]


def test_the_schema_is_learnt(server: LdapServer) -> None:
    learnt = LdapSource(server.url).schema()
    assert learnt.attributes == glue().attributes


def test_an_error_of_the_server_is_told(server: LdapServer) -> None:
    with pytest.raises(SourceFailure, match="noSuchObject") as caught:
        LdapSource(server.url, "o=nowhere").fetch()
    assert caught.value.url == server.url


def test_a_filter_that_is_none_is_told(server: LdapServer) -> None:
    with pytest.raises(SourceFailure):
        LdapSource(server.url).fetch("(((")


def test_a_source_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(SourceFailure, match="refused"):
        LdapSource(f"ldap://127.0.0.1:{port}", timeout=2).fetch()


@pytest.mark.parametrize("url", ["http://x", "ldap://", "ldap://h:port", "host:2170", "ldap://h:99999", "ldap://["])
def test_a_url_that_is_no_source_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        LdapSource(url)


def entry_message(size: int = 10, message_id: int = 1) -> bytes:
    attributes = ber.sequence(ber.octets("cn"), ber.sequence(ber.octets("x" * size), tag=ber.SET))
    return messages.search_entry(message_id, ber.octets("cn=x,o=grid"), attributes)


def silent(client: socket.socket) -> None:
    while client.recv(4096):
        pass


def trickling(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        for octet in entry_message(1000):
            client.sendall(bytes((octet,)))
            time.sleep(0.1)


def endless(client: socket.socket) -> None:
    data = entry_message(10_000, messages.decode(client.recv(4096)).message_id)
    with contextlib.suppress(OSError):
        while True:
            client.sendall(data)


@pytest.mark.parametrize("talk", [silent, trickling])
def test_a_source_that_does_not_answer_in_time_is_given_up(badly: Callable[[Talk], str], talk: Talk) -> None:
    begun = time.monotonic()
    with pytest.raises(SourceTimedOut, match="within 1 s"):
        LdapSource(badly(talk), timeout=1).fetch()
    assert time.monotonic() - begun < 3


def one_huge_entry(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.sendall(b"\x30\x84\x7f\xff\xff\xff")
        while True:
            client.sendall(b"x" * 10_000)


@pytest.mark.parametrize("talk", [endless, one_huge_entry])
def test_an_answer_without_end_is_given_up(badly: Callable[[Talk], str], talk: Talk) -> None:
    with pytest.raises(SourceFailure, match="larger"):
        LdapSource(badly(talk), timeout=20, max_bytes=1 << 20).fetch()


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x30\x84\xff\xff\xff\xff" + b"x" * 1000,
        b"\x30\x05\x02\x01\x01\x64\x00",
        b"\x30\x03\x02\x01\x01",
        b"\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
        entry_message(),
        b"",
    ],
)
def test_an_answer_that_is_no_ldap_or_breaks_off_is_told(badly: Callable[[Talk], str], data: bytes) -> None:
    def talk(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(data)

    with pytest.raises((SourceFailure, SourceTimedOut)):
        LdapSource(badly(talk), timeout=3).fetch()


def test_what_is_not_utf8_does_not_stop_a_pull(badly: Callable[[Talk], str]) -> None:
    def talk(client: socket.socket) -> None:
        message_id = messages.decode(client.recv(4096)).message_id
        attributes = ber.sequence(ber.octets("cn"), ber.sequence(ber.octets(b"\xff\xfe"), tag=ber.SET))
        client.sendall(messages.search_entry(message_id, ber.octets("cn=x,o=grid"), attributes))
        client.sendall(messages.result(message_id, messages.SEARCH_DONE, 0))
        client.recv(4096)

    (entry,) = LdapSource(badly(talk), timeout=5).fetch()
    assert entry.values("cn") == ("\ufffd\ufffd",)
