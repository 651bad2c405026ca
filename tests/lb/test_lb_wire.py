"""The historical framing, byte by byte, and what a peer can do to it."""

from __future__ import annotations

import socket
import time

import pytest

from grid.errors import TimedOut
from lb import wire
from lb.errors import FrameError


def pair():
    left, right = socket.socketpair()
    return left, right


def test_a_request_is_the_historical_bytes():
    assert wire.request("DATE=1") == b"              18\n6 michal\n6 DATE=1\n"
    assert wire.parse_request(b"6 michal\n6 DATE=1\n") == "DATE=1"


def test_an_answer_is_two_numbers_and_a_text():
    message = wire.answer(wire.Answer(wire.Major.DBERR, 2, "no such\njob"))
    assert message == b"              21\n700\n2\n11 no such job\n"
    assert wire.parse_answer(message[17:]) == wire.Answer(wire.Major.DBERR, 2, "no such job")


@pytest.mark.parametrize(
    "body",
    [b"", b"6 michel\n1 x\n", b"6 michal\n", b"6 michal\n9 x\n", b"6 michal\n1 x\nmore", b"6 michal\n2 \xff\xff\n"],
)
def test_a_broken_request_is_refused(body):
    with pytest.raises(FrameError):
        wire.parse_request(body)


def test_messages_are_taken_one_by_one_however_their_bytes_arrive():
    left, right = pair()
    with left, right:
        data = wire.request("one") + wire.request("two")
        reader = wire.FrameReader(right)
        for byte in data[:25]:
            left.sendall(bytes([byte]))
        assert reader.buffered() is None
        left.sendall(data[25:])
        bodies = [reader.read(1.0, wire.Deadline(1)) for _ in range(2)]
        assert [wire.parse_request(body or b"") for body in bodies] == ["one", "two"]
        assert reader.buffered() is None


def test_silence_between_messages_is_an_end_and_inside_one_a_time_out():
    left, right = pair()
    with left, right:
        reader = wire.FrameReader(right)
        assert reader.read(0.05, wire.Deadline(1)) is None
        left.sendall(b"    ")
        with pytest.raises(TimedOut):
            reader.read(5, wire.Deadline(0.1))


def test_a_slow_peer_cannot_stretch_the_deadline():
    left, right = pair()
    with left, right:
        reader = wire.FrameReader(right)
        begin = time.monotonic()
        with pytest.raises(TimedOut):
            for _ in range(20):
                left.sendall(b" ")
                reader.read(0.05, wire.Deadline(0.05))
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize("header", [b"x" * 17, b"%16d\n" % (1 << 40), b"%17d" % 5])
def test_a_wrong_or_monstrous_header_is_refused_before_anything_is_read(header):
    left, right = pair()
    with left, right:
        left.sendall(header)
        with pytest.raises(FrameError):
            wire.FrameReader(right).read(1, wire.Deadline(1))


def test_a_connection_that_ends_inside_a_message_is_refused():
    left, right = pair()
    with right:
        left.sendall(wire.request("x")[:20])
        left.close()
        with pytest.raises(FrameError):
            wire.FrameReader(right).read(1, wire.Deadline(1))
