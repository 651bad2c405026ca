"""The encoding of LDAP."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infosys import ber, messages
from infosys.errors import ProtocolError


@settings(max_examples=100, deadline=None)
@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_an_integer_survives_in_the_shortest_form(value: int) -> None:
    encoded = ber.integer(value)
    assert ber.Reader(encoded).integer() == value
    content = encoded[2:]
    assert len(content) == 1 or content[0] not in (0x00, 0xFF) or (content[0] ^ content[1]) & 0x80


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=400), st.text(max_size=100), st.booleans())
def test_elements_come_back_in_their_order(data: bytes, text: str, flag: bool) -> None:
    reader = ber.Reader(ber.sequence(ber.octets(data), ber.octets(text.encode()), ber.boolean(flag))).enter()
    assert reader.octets() == data
    assert reader.text() == text
    assert reader.boolean() is flag
    reader.finish()


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_a_protocol_error(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        messages.decode(data)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_request_is_a_request_or_a_protocol_error(data: st.DataObject) -> None:
    good = bytearray(
        bytes.fromhex(
            "30430201026338040b6f3d677269642c633d78780a01020a010002010002010001"
            "0100a01087036f6263a30904036162630402787930090401310402612b0401"
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ProtocolError):
        messages.decode(bytes(good))


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x80",
        b"\x30\x85\x01\x00\x00\x00\x00",
        b"\x3f\x81\x01\x00",
        b"\x30\x84\xff\xff\xff\xff\x02\x01\x01",
        b"\x30\x03\x02\x05\x01",
        b"\x30\x0b\x02\x09" + b"\x01" * 9,
        b"\x30\x00",
    ],
)
def test_lengths_and_tags_that_lie_are_refused(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        messages.decode(data)
