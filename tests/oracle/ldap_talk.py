"""Talking LDAP by hand: requests as bytes, and what comes back taken apart."""

from __future__ import annotations

import shutil
import socket

import pytest

from infosys import ber, messages

LDAPSEARCH = shutil.which("ldapsearch")
needs_ldapsearch = pytest.mark.skipif(LDAPSEARCH is None, reason="ldapsearch (Debian: ldap-utils) is not installed")


def search(message_id: int, attribute: str, *selected: str, seconds: int = 0, controls: bytes = b"") -> bytes:
    """A subtree search below ``o=grid`` for entries that have the attribute; without attributes when none is named."""
    return search_by(message_id, ber.octets(attribute, 0x87), *selected, seconds=seconds, controls=controls)


def search_by(
    message_id: int, encoded: bytes, *selected: str, base: str = "o=grid", seconds: int = 0, controls: bytes = b""
) -> bytes:
    """The same with an encoded filter."""
    body = ber.sequence(
        ber.octets(base),
        *(ber.integer(2, ber.ENUMERATED), ber.integer(0, ber.ENUMERATED), ber.integer(0), ber.integer(seconds)),
        *(ber.boolean(False), encoded, ber.sequence(*map(ber.octets, selected or ("1.1",)))),
        tag=messages.SEARCH_REQUEST,
    )
    return ber.sequence(ber.integer(message_id), body, controls)


def parts(data: bytes) -> list[tuple[int, int, ber.Reader]]:
    """Message id, tag and rest of each whole message."""
    found, place = [], 0
    while (header := ber.header(data, place)) is not None and header[1] + header[2] <= len(data):
        place = header[1] + header[2]
        reader = ber.Reader(data[header[1] : place])
        found.append((reader.integer(), reader.peek(), reader))
    return found


def messages_of(data: bytes) -> list[tuple[int, int]]:
    """Message id and tag of each whole message."""
    return [(number, tag) for number, tag, _ in parts(data)]


def codes(data: bytes) -> list[tuple[int, int, int]]:
    """Message id, tag and result code of each message that ends an operation."""
    return [
        (number, tag, reader.enter(tag).integer(ber.ENUMERATED))
        for number, tag, reader in parts(data)
        if tag != messages.SEARCH_ENTRY
    ]


def sizes_of(data: bytes) -> dict[tuple[int, int], int]:
    """Bytes by message id and tag."""
    found: dict[tuple[int, int], int] = {}
    for number, tag, reader in parts(data):
        found[number, tag] = found.get((number, tag), 0) + len(reader.take()[1])
    return found


def received_until(client: socket.socket, end: tuple[int, int], before: bytes = b"") -> bytes:
    """What comes until the message with that id and tag, after what was taken already."""
    received = bytearray(before)
    place = 0
    while True:
        while (header := ber.header(received, place)) is not None and header[1] + header[2] <= len(received):
            reader = ber.Reader(bytes(received[header[1] : header[1] + header[2]]))
            place = header[1] + header[2]
            if (reader.integer(), reader.peek()) == end:
                return bytes(received[len(before) :])
        data = client.recv(1 << 18)
        assert data, f"the server ended the connection before {end}"
        received += data
