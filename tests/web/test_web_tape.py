"""Recorded traffic is byte by byte what was on the wire, in private files, and bounded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from web.tape import INDEX, Switch

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def tape(echo: Any, tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Turns the recorder on; returns the folder."""
    path = Switch.path(echo.place, "test")

    def turn_on(**limits: int) -> Path:
        Switch(str(tmp_path), **limits).turn_on(path)
        return tmp_path

    yield turn_on
    path.unlink(missing_ok=True)


def index(folder: Path, count: int) -> list[dict[str, Any]]:
    """The lines of the index, when there are so many."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        lines = (folder / INDEX).read_bytes().splitlines() if (folder / INDEX).exists() else []
        if len(lines) >= count:
            return sorted(map(json.loads, lines), key=lambda entry: entry["number"])
        time.sleep(0.02)
    raise AssertionError(f"{count} exchanges were not recorded")


def both(folder: Path, entry: dict[str, Any]) -> tuple[bytes, bytes]:
    return (folder / entry["request"]).read_bytes(), (folder / entry["response"]).read_bytes()


def test_nothing_is_recorded_unless_it_is_wanted(echo: Any, tmp_path: Path) -> None:
    echo.ask(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /x HTTP/1.1\r\nHost: h\r\nX-Odd:   spaces \r\nConnection: close\r\n\r\n",
        b"POST /read HTTP/1.1\r\nhost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\n<\x00\xff>!",
        b"POST /read HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"3;a=b\r\nabc\r\n0002\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nabc",
        b"GET / HTTP/1.0\r\n\r\n",
        b"NOT HTTP AT ALL\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ],
    ids=["get", "post", "chunked", "continue", "1.0", "malformed", "no host", "streamed"],
)
def test_an_exchange_is_recorded_byte_by_byte(echo: Any, tape: Callable[..., Path], request_bytes: bytes) -> None:
    folder = tape()
    answer = echo.ask(request_bytes)
    (entry,) = index(folder, 1)
    assert both(folder, entry) == (request_bytes, answer)
    assert (entry["request_bytes"], entry["response_bytes"]) == (len(request_bytes), len(answer))
    assert entry["client"].startswith("127.0.0.1:") and entry["server"] == f"127.0.0.1:{echo.port}"
    assert entry["requested"] <= entry["answered"]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_requests_of_one_connection_are_told_apart(
    echo: Any, tape: Callable[..., Path], everything: Callable[..., bytes]
) -> None:
    """Sent at once, so that the second has arrived before the first is answered."""
    folder = tape()
    requests = [
        b"POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab",
        b"GET /one HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET /two HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
    ]
    with echo.tls() as sock:
        sock.sendall(b"".join(requests))
        answers = everything(sock)
    entries = index(folder, 3)
    assert [both(folder, entry)[0] for entry in entries] == requests
    assert b"".join(both(folder, entry)[1] for entry in entries) == answers
    assert len({entry["connection"] for entry in entries}) == 1


def test_messages_that_are_too_large_are_left_out_and_noted(echo: Any, tape: Callable[..., Path]) -> None:
    folder = tape(message_bytes=500)
    echo.ask(b"POST /read HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\nConnection: close\r\n\r\n" + b"x" * 5000)
    echo.ask(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    large, small = index(folder, 2)
    assert (large["request"], large["response"]) == (None, None) and large["request_bytes"] > 5000
    assert both(folder, small)[1].startswith(HEAD)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2000


def test_no_more_than_wanted_are_recorded(echo: Any, tape: Callable[..., Path]) -> None:
    folder = tape(exchanges=2)
    for _ in range(4):
        assert echo.ask(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").startswith(HEAD)
    assert [entry["number"] for entry in index(folder, 2)] == [1, 2]
    assert len(list(folder.glob("*.http"))) == 4


def test_a_switch_that_makes_no_sense_changes_nothing_for_the_client(echo: Any, tape: Callable[..., Path]) -> None:
    folder = tape()
    two = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" + b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    for nonsense in ("{}", "[1]", json.dumps({"folder": str(folder), "exchanges": "many"}), '{"folder": 1}'):
        Switch.path(echo.place, "test").write_text(nonsense)
        assert echo.ask(two).count(HEAD) == 2
    Switch(str(folder / "gone")).turn_on(Switch.path(echo.place, "test"))
    assert echo.ask(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").startswith(HEAD)
    assert list(folder.iterdir()) == []
