"""The file client: resumes, checks, and says what the server said."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from web import dial as dialing
from web.client import FileClient, TransferError

FILES = """
from pathlib import Path
from gsi.trust import TrustStore
from web.identity import Authenticator
from web.transfer import FileTransfer, Location, TransferRefused
class Policy:
    def __init__(self, place): self.place = place
    def locate(self, identity, method, path):
        if path.startswith("/closed"): raise TransferRefused(409, "the input sandbox is closed")
        if path.startswith("/busy"):
            count = self.place / "busy"
            with open(count, "a") as file: file.write(".")
            if len(count.read_text()) < 3: raise TransferRefused(503, "come back")
        return Location(self.place / "in", path.rpartition("/")[2], 50_000_000)
class App:
    def __init__(self, place, trust):
        self.wsgi = FileTransfer(Policy(place), Authenticator(TrustStore(trust)).identify)
    def close(self): pass
def make_app(place, trust):
    (place / "in").mkdir(exist_ok=True)
    return App(place, trust)
"""


@pytest.fixture(scope="module")
def files(running: Any, grid: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running(grid, tmp_path_factory.mktemp("client"), FILES) as server:
        yield server


@pytest.fixture
def naps() -> list[float]:
    return []


@pytest.fixture
def client(grid: Any, naps: list[float]) -> Iterator[FileClient]:
    with FileClient(grid.context(grid.alice), timeout=5, sleep=naps.append) as made:
        yield made


class Cutter:
    """A TCP relay that cuts each connection after so many bytes from the server."""

    def __init__(self, port: int, allowances: list[int]) -> None:
        self._target = port
        self._allowances = allowances
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            allowance = self._allowances.pop(0) if self._allowances else 1 << 40
            with near, socket.create_connection(("127.0.0.1", self._target)) as far:
                self._relay(near, far, allowance)

    @staticmethod
    def _relay(near: socket.socket, far: socket.socket, allowance: int) -> None:
        with contextlib.suppress(OSError):
            while allowance > 0:
                readable, _, _ = select.select([near, far], [], [], 10)
                for source in readable:
                    data = source.recv(65536)
                    if not data:
                        return
                    if source is far:
                        data = data[:allowance]
                        allowance -= len(data)
                    (far if source is near else near).sendall(data)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(15)


def relay(stack: contextlib.ExitStack, server: Any, *allowances: int) -> Cutter:
    cutter = Cutter(server.port, list(allowances))
    stack.callback(cutter.close)
    return cutter


def test_a_file_goes_there_and_back(files: Any, client: FileClient, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    client.put(f"{files.url}/x/a", tmp_path / "a")
    assert client.size(f"{files.url}/x/a") == len(data)
    assert client.get(f"{files.url}/x/a", tmp_path / "b") == len(data)
    assert (tmp_path / "b").read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_an_empty_file_too(files: Any, client: FileClient, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    client.put(f"{files.url}/x/empty", tmp_path / "a")
    assert client.get(f"{files.url}/x/empty", tmp_path / "b") == 0
    assert (tmp_path / "b").read_bytes() == b""


def test_many_files_go_over_one_connection(files: Any, client: FileClient, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with contextlib.ExitStack() as stack:
        cutter = relay(stack, files)
        for number in range(5):
            client.put(f"https://localhost:{cutter.port}/x/m{number}", tmp_path / "a")
            client.get(f"https://localhost:{cutter.port}/x/m{number}", tmp_path / "b")
        assert cutter.connections == 1
        client.close()


def test_a_download_that_breaks_goes_on_where_it_was(
    files: Any, client: FileClient, tmp_path: Path, naps: list[float]
) -> None:
    data = os.urandom(3_000_000)
    (files.place / "in" / "big").write_bytes(data)
    with contextlib.ExitStack() as stack:
        cutter = relay(stack, files, 1_000_000, 1_500_000)
        received = client.get(f"https://localhost:{cutter.port}/x/big", tmp_path / "big")
        client.close()
    assert (tmp_path / "big").read_bytes() == data
    assert received == len(data), "no byte came twice"
    assert naps == [0.5, 0.5]


def test_a_later_run_goes_on_too_unless_the_file_changed(
    files: Any, grid: Any, client: FileClient, tmp_path: Path
) -> None:
    data = os.urandom(2_000_000)
    stored = files.place / "in" / "later"
    for change in (False, True):
        stored.write_bytes(data)
        with contextlib.ExitStack() as stack:
            cutter = relay(stack, files, *[1_000_000] + [0] * 10)
            with FileClient(grid.context(grid.alice), timeout=5, sleep=lambda pause: None) as first:
                with pytest.raises(TransferError, match="given up after 5 tries"):
                    first.get(f"https://localhost:{cutter.port}/x/later", tmp_path / "later")
        assert not (tmp_path / "later").exists()
        arrived = (tmp_path / "later.part").stat().st_size
        assert 0 < arrived < len(data)
        if change:
            data = os.urandom(2_000_000)
            stored.write_bytes(data)
            os.utime(stored, (1, 1))
        received = client.get(f"{files.url}/x/later", tmp_path / "later")
        assert (tmp_path / "later").read_bytes() == data
        assert received == (len(data) if change else len(data) - arrived)
        (tmp_path / "later").unlink()


def test_a_part_of_unknown_origin_is_not_trusted(files: Any, client: FileClient, tmp_path: Path) -> None:
    (files.place / "in" / "x").write_bytes(b"right")
    (tmp_path / "x.part").write_bytes(b"wro")
    assert client.get(f"{files.url}/x/x", tmp_path / "x") == 5
    assert (tmp_path / "x").read_bytes() == b"right"


def test_without_resume_the_download_begins_anew(files: Any, client: FileClient, tmp_path: Path) -> None:
    (files.place / "in" / "x").write_bytes(b"right")
    client.get(f"{files.url}/x/x", tmp_path / "x")
    (tmp_path / "x.part").write_bytes(b"ri")
    (tmp_path / "x.part.tag").write_text('"whatever"')
    assert client.get(f"{files.url}/x/x", tmp_path / "x", resume=False) == 5


def test_a_kept_part_that_was_spoilt_is_found_out_and_fetched_again(
    files: Any, client: FileClient, tmp_path: Path
) -> None:
    stored = files.place / "in" / "spoilt"
    stored.write_bytes(b"right" * 1000)
    status = stored.stat()
    tag = f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'
    (tmp_path / "x.part").write_bytes(b"wrong")
    (tmp_path / "x.part.tag").write_text(tag)
    client.get(f"{files.url}/x/spoilt", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"right" * 1000


def test_a_refused_upload_says_why_and_sends_nothing(files: Any, client: FileClient, tmp_path: Path) -> None:
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1_000_000_000)
    begin = time.monotonic()
    with pytest.raises(TransferError) as caught:
        client.put(f"{files.url}/closed/huge", tmp_path / "huge")
    assert time.monotonic() - begin < 2.0
    assert caught.value.status == 409
    assert caught.value.sentence == "the input sandbox is closed"
    assert caught.value.description == f"{files.url}/closed/huge: the input sandbox is closed (HTTP 409)"
    with pytest.raises(TransferError, match="50000000 bytes"):
        client.put(f"{files.url}/x/huge", tmp_path / "huge")


def test_a_missing_file_is_not_tried_twice(files: Any, client: FileClient, tmp_path: Path, naps: list[float]) -> None:
    for operation in (lambda url: client.get(url, tmp_path / "x"), client.size):
        with pytest.raises(TransferError) as caught:
            operation(f"{files.url}/x/absent")
        assert caught.value.status == 404
    assert naps == []
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_tried_again(files: Any, client: FileClient, tmp_path: Path, naps: list[float]) -> None:
    (tmp_path / "a").write_bytes(b"x")
    client.put(f"{files.url}/busy/a", tmp_path / "a")
    assert naps == [0.5, 1.0]


def test_nobody_listening_is_given_up_after_a_few_tries(
    client: FileClient, tmp_path: Path, naps: list[float], free: int
) -> None:
    with pytest.raises(TransferError, match=rf"https://localhost:{free}/x: .*given up after 5 tries") as caught:
        client.get(f"https://localhost:{free}/x", tmp_path / "x")
    assert caught.value.status is None
    assert naps == [0.5, 1.0, 2.0, 4.0]


def test_a_host_without_a_route_is_a_failed_transfer(
    client: FileClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise OSError(113, "No route to host")

    monkeypatch.setattr("web.client.dial", unreachable)
    with pytest.raises(TransferError, match="No route to host"):
        client.get("https://far.example/x", tmp_path / "x")


def test_a_server_of_an_unknown_ca_is_refused_at_once(files: Any, grid: Any, tmp_path: Path, naps: list[float]) -> None:
    (tmp_path / "empty").mkdir()
    from gsi.tls import client_context

    with FileClient(client_context(tmp_path / "empty", grid.alice), timeout=5, sleep=naps.append) as stranger:
        with pytest.raises(TransferError, match="is of a CA that is not in the trust directory"):
            stranger.size(f"{files.url}/x/x")
    assert naps == []


@pytest.mark.parametrize(
    "url", ["http://localhost/x", "https:///x", "file:///etc/passwd", "https://u:p@h/x", "https://h:0/x", "https://h:99999/x",
            "https://h/a b", "https://h/a\r\nX: y"]
)  # fmt: skip
def test_an_unusable_url_is_refused(client: FileClient, tmp_path: Path, url: str) -> None:
    with pytest.raises(TransferError):
        client.get(url, tmp_path / "x")


def test_a_dead_address_costs_a_moment_only(files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_INET) as dead:
        # A listener whose queue is full takes no connection and answers nothing, as a dead host does.
        dead.bind(("127.0.0.1", 0))
        dead.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(dead.getsockname())
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in (dead.getsockname(), ("127.0.0.1", files.port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **more: found)
        begin = time.monotonic()
        with dialing.dial("dual.example", 1, 10.0) as sock:
            assert sock.getpeername()[1] == files.port
        assert time.monotonic() - begin < 2.0
        for filler in fillers:
            filler.close()
