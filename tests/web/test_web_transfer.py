"""Files in and out, over real TLS with proxies."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grid.files import write_private
from web.upload import is_partial, sweep

LIMIT = 1_000_000

FILES = """
import contextlib
from gsi.trust import TrustStore
from web.identity import Authenticator
from web.transfer import FileTransfer, Location, TransferRefused
class Policy:
    def __init__(self, place): self.place = place
    def locate(self, identity, method, path):
        parts = path[1:].split("/")
        if len(parts) != 2 or identity.dn != "/O=Grid/CN=alice":
            raise TransferRefused(404, "there is no such file, or it is not yours")
        return Location(self.place / parts[0], parts[1], 1_000_000, self.commit, parts[0] == "dots")
    @contextlib.contextmanager
    def commit(self):
        if (self.place / "started").exists():
            raise TransferRefused(409, "the job was started: its input sandbox is closed")
        yield
class App:
    def __init__(self, place, trust):
        self.wsgi = FileTransfer(Policy(place), Authenticator(TrustStore(trust)).identify)
    def close(self): pass
def make_app(place, trust): return App(place, trust)
"""


@pytest.fixture(scope="module")
def shared(running: Any, grid: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running(grid, tmp_path_factory.mktemp("files"), FILES, threads=8, max_body=3_000_000) as server:
        yield server


@pytest.fixture
def files(shared: Any) -> Iterator[Any]:
    """The server with an empty directory "in"."""
    for name in ("in", "dots"):
        (shared.place / name).mkdir()
    yield shared
    for name in ("in", "dots"):
        left = [path.name for path in (shared.place / name).iterdir() if is_partial(path.name)]
        shutil.rmtree(shared.place / name)
        assert left == [], "every upload, done or not, has gone"
    (shared.place / "started").unlink(missing_ok=True)


class Client:
    """Plain requests as one user."""

    def __init__(self, server: Any, credential: Path | None) -> None:
        self.connection = http.client.HTTPSConnection(
            "localhost", server.port, timeout=10, context=server.grid.context(credential)
        )

    def __call__(self, method: str, path: str, body: Any = None, **fields: str) -> tuple[int, Any, bytes]:
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        self.connection.request(
            method, path, body, headers, encode_chunked=body is not None and not isinstance(body, bytes)
        )
        response = self.connection.getresponse()
        return response.status, response.headers, response.read()


def once(server: Any, credential: Path, *request: Any, **fields: str) -> int:
    """One request over a connection of its own; returns the status."""
    client = Client(server, credential)
    try:
        return int(client(*request, **fields)[0])
    finally:
        client.connection.close()


@pytest.fixture
def alice(files: Any, grid: Any) -> Iterator[Client]:
    client = Client(files, grid.alice)
    yield client
    client.connection.close()


@pytest.fixture
def bob(files: Any, grid: Any) -> Iterator[Client]:
    client = Client(files, grid.bob)
    yield client
    client.connection.close()


def digest(data: bytes) -> str:
    return "sha-256=" + base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_a_file_goes_in_and_comes_out_whole(files: Any, alice: Client) -> None:
    data = os.urandom(700_000)
    status, headers, _ = alice("PUT", "/in/a%20b", data)
    assert status == 201
    stored = files.place / "in" / "a b"
    assert stored.read_bytes() == data
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    tag = headers["ETag"]
    status, headers, body = alice("GET", "/in/a%20b")
    assert (status, body) == (200, data)
    assert headers["ETag"] == tag
    assert headers["Digest"] == digest(data)
    assert headers["Accept-Ranges"] == "bytes"
    assert alice("PUT", "/in/a%20b", b"new")[0] == 204
    assert stored.read_bytes() == b"new"
    assert alice("GET", "/in/a%20b")[1]["ETag"] != tag


def test_head_tells_the_size_and_sends_nothing(files: Any, alice: Client) -> None:
    (files.place / "in" / "x").write_bytes(b"12345")
    status, headers, body = alice("HEAD", "/in/x", Range="bytes=0-1")
    assert (status, headers["Content-Length"], body) == (200, "5", b"")


def test_an_empty_file_is_a_file(alice: Client) -> None:
    assert alice("PUT", "/in/empty", b"")[0] == 201
    status, headers, body = alice("GET", "/in/empty")
    assert (status, headers["Content-Length"], body) == (200, "0", b"")


def test_ranges(files: Any, alice: Client) -> None:
    data = bytes(range(256)) * 4
    (files.place / "in" / "x").write_bytes(data)
    status, headers, body = alice("GET", "/in/x", Range="bytes=10-19")
    assert (status, headers["Content-Range"], body) == (206, "bytes 10-19/1024", data[10:20])
    assert headers["Digest"] == digest(data), "of the whole file, so that a resumed download can be checked"
    tag, date = headers["ETag"], headers["Last-Modified"]
    assert alice("GET", "/in/x", Range="bytes=1000-")[2] == data[1000:]
    assert alice("GET", "/in/x", Range="bytes=-3")[2] == data[-3:]
    status, headers, _ = alice("GET", "/in/x", Range="bytes=1024-")
    assert (status, headers["Content-Range"]) == (416, "bytes */1024")
    assert alice("GET", "/in/x", Range="bytes=0-1,5-6")[0] == 200
    assert alice("GET", "/in/x", Range="bytes=1-2", If_Range=tag)[0] == 206
    assert alice("GET", "/in/x", Range="bytes=1-2", If_Range=date)[0] == 206
    assert alice("GET", "/in/x", Range="bytes=1-2", If_Range='"other"')[0] == 200
    assert alice("GET", "/in/x", If_None_Match=tag)[0] == 304
    assert alice("GET", "/in/x", If_Match='"other"')[0] == 412


def test_a_chunked_upload_is_taken(files: Any, alice: Client) -> None:
    status, _, _ = alice("PUT", "/in/x", iter([b"abc", b"def"]), Transfer_Encoding="chunked")
    assert status == 201
    assert (files.place / "in" / "x").read_bytes() == b"abcdef"


def test_an_upload_over_the_limit_leaves_the_old_file(files: Any, alice: Client, grid: Any) -> None:
    assert alice("PUT", "/in/x", b"old")[0] == 201
    status, _, body = alice("PUT", "/in/x", b"x" * (LIMIT + 1))
    assert (status, body) == (413, b"'x' is larger than the 1000000 bytes that are taken here; send less\n")
    chunks = iter([b"x" * 100_000] * 11)
    assert once(files, grid.alice, "PUT", "/in/x", chunks, Transfer_Encoding="chunked") == 413
    assert (files.place / "in" / "x").read_bytes() == b"old"
    assert once(files, grid.alice, "PUT", "/in/x", b"x" * LIMIT) == 204


def test_an_upload_without_a_length_is_asked_for_one(files: Any, grid: Any) -> None:
    answer = files.ask(b"PUT /in/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", grid.alice)
    assert answer.startswith(b"HTTP/1.1 411 ")


def test_a_client_that_aborts_leaves_nothing(files: Any, grid: Any, alice: Client) -> None:
    alice("PUT", "/in/x", b"old")
    for body in (
        b"Content-Length: 500000\r\n\r\n" + b"x" * 1000,
        b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000,
    ):
        with files.tls(grid.alice) as sock:
            sock.sendall(b"PUT /in/x HTTP/1.1\r\nHost: x\r\n" + body)
            deadline = time.monotonic() + 5
            while not any(is_partial(path.name) for path in (files.place / "in").iterdir()):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        while any(is_partial(path.name) for path in (files.place / "in").iterdir()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert (files.place / "in" / "x").read_bytes() == b"old"


def test_a_wrong_digest_is_refused(files: Any, alice: Client) -> None:
    assert alice("PUT", "/in/x", b"abc", Digest=digest(b"abd"))[0] == 400
    assert not (files.place / "in" / "x").exists()
    assert alice("PUT", "/in/x", b"abc", Digest=digest(b"abc"))[0] == 201


def test_the_policy_has_the_last_word_when_the_file_gets_its_name(files: Any, alice: Client) -> None:
    assert alice("PUT", "/in/x", b"old")[0] == 201
    (files.place / "started").touch()
    status, _, body = alice("PUT", "/in/x", b"new")
    assert (status, body) == (409, b"the job was started: its input sandbox is closed\n")
    assert (files.place / "in" / "x").read_bytes() == b"old"


def test_of_uploads_at_once_one_wins_whole(files: Any, grid: Any) -> None:
    contents = [bytes([65 + i]) * 300_000 for i in range(6)]
    threads = [
        threading.Thread(target=lambda data=data: once(files, grid.alice, "PUT", "/in/x", data)) for data in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (files.place / "in" / "x").read_bytes() in contents


def test_somebody_elses_file_and_no_file_are_the_same(files: Any, alice: Client, bob: Client) -> None:
    alice("PUT", "/in/x", b"secret")
    for method, body in (("GET", None), ("HEAD", None), ("PUT", b"y")):
        there, absent = bob(method, "/in/x", body), bob(method, "/in/absent", body)
        assert there[0] == absent[0] == 404
        assert there[2] == absent[2]


def test_who_sends_no_certificate_is_told_so(files: Any) -> None:
    client = Client(files, None)
    for method, body in (("GET", None), ("PUT", b"x")):
        status, _, sentence = client(method, "/in/x", body)
        assert status == 403
        assert b"certificate" in sentence
    client.connection.close()


def test_a_refused_upload_is_never_sent(files: Any, bob: Client) -> None:
    head = b"PUT /in/x HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\nExpect: 100-continue\r\n\r\n"
    answer = files.ask(head, files.grid.bob)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"Connection: close" in answer


TRAVERSAL = [
    "/../in/x", "/in/../in/x", "/in/%2e%2e/secret", "/%2e%2e/secret", "/in/%2e%2e%2fsecret", "/in/..%2fsecret",
    "/in//x", "//in/x", "/in/x/", "/in/./x", "/in/%00", "/in/x%00.txt", "/in/x%0a", "/in/..%5csecret", "/in/..\\secret",
    "/in/%c0%ae%c0%ae", "/in/" + "a" * 256, "/in/%", "/in/%2", "/in", "/", "/in/x%0d%0aX-Evil:%201", "/etc/passwd",
    "/in/%252e%252e/secret",
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_no_path_escapes(files: Any, grid: Any, method: str) -> None:
    (files.place / "secret").write_text("secret")
    before = set(files.place.rglob("*"))
    for path in TRAVERSAL:
        client = Client(files, grid.alice)
        client.connection._validate_path = lambda url: None  # type: ignore[attr-defined]  # it refuses some itself
        status, headers, body = client(method, path, b"evil" if method == "PUT" else None)
        assert status in (400, 404), path
        assert b"secret" not in body and "X-Evil" not in headers
        client.connection.close()
    assert set(files.place.rglob("*")) == before


def test_names_with_a_dot_are_for_those_whom_the_policy_lets(files: Any, alice: Client) -> None:
    assert alice("PUT", "/in/.bashrc", b"x")[0] == 403
    assert alice("PUT", "/dots/.BrokerInfo", b"x")[0] == 201
    for path in ("/dots/.upload-0123456789abcdef", "/in/.upload-0123456789abcdef"):
        assert alice("PUT", path, b"x")[0] == 403
        assert alice("GET", path)[0] == 404


def test_only_plain_files_are_sent(files: Any, alice: Client) -> None:
    place = files.place / "in"
    (files.place / "secret").write_text("secret")
    (place / "link").symlink_to(files.place / "secret")
    (place / "hard").hardlink_to(files.place / "secret")
    (place / "directory").mkdir()
    os.mkfifo(place / "fifo")
    start = time.monotonic()
    for name in ("link", "hard", "directory", "fifo"):
        status, _, body = alice("GET", f"/in/{name}")
        assert (status, b"secret" in body) == (403, False), name
    assert time.monotonic() - start < 2.0
    assert alice("PUT", "/in/directory", b"x")[0] == 409
    for name in ("link", "hard", "fifo"):
        assert alice("PUT", f"/in/{name}", b"mine")[0] in (201, 204), name
        assert (place / name).read_bytes() == b"mine"
    assert (files.place / "secret").read_text() == "secret", "a planted link is replaced, not written through"


def test_a_directory_that_became_a_link_is_not_followed(files: Any, alice: Client) -> None:
    (files.place / "in" / "x").write_text("x")
    (files.place / "alias").symlink_to(files.place / "in")
    assert alice("GET", "/alias/x")[0] == 403
    assert alice("PUT", "/alias/y", b"y")[0] == 409
    (files.place / "alias").unlink()


def test_other_methods(alice: Client) -> None:
    for method, expected in (("DELETE", 405), ("OPTIONS", 405), ("POST", 501), ("PROPFIND", 501)):
        status, headers, _ = alice(method, "/in/x")
        assert (status, headers["Allow"]) == (expected, "GET, HEAD, PUT")


def test_conditions_of_uploads(alice: Client) -> None:
    assert alice("PUT", "/in/x", b"1", If_Match="*")[0] == 412
    assert alice("PUT", "/in/x", b"1", If_None_Match="*")[0] == 201
    assert alice("PUT", "/in/x", b"2", If_None_Match="*")[0] == 412
    assert alice("PUT", "/in/x", b"2", Content_Range="bytes 0-0/1")[0] == 400
    assert alice("PUT", "/in/x", b"2", Content_Encoding="gzip")[0] == 415
    assert alice("GET", "/in/x")[2] == b"1"


def test_a_file_that_shrinks_while_it_is_sent_breaks_the_answer(files: Any, grid: Any) -> None:
    path = files.place / "in" / "big"
    with open(path, "wb") as file:
        file.truncate(200_000_000)
    with files.tls(grid.alice) as sock:
        sock.sendall(b"GET /in/big HTTP/1.1\r\nHost: x\r\n\r\n")
        received = len(sock.recv(65536))
        os.truncate(path, 1000)
        while block := sock.recv(1 << 20):
            received += len(block)
    assert received < 200_000_000


def test_what_a_dead_service_left_is_swept(tmp_path: Path) -> None:
    old, young, other = (
        tmp_path / name for name in (".upload-0123456789abcdef", ".upload-fedcba9876543210", ".upload-x")
    )
    for path in (old, young, other):
        write_private(path, b"x")
    for path in (old, other):
        os.utime(path, (1, 1))
    assert sweep(tmp_path, 3600) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([young.name, other.name])


@pytest.mark.parametrize(("step", "expected"), [("web.upload.written", None), ("web.upload.named", b"new")])
def test_death_in_an_upload_leaves_the_old_file_or_the_new(
    start: Any, grid: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, expected: bytes | None
) -> None:
    monkeypatch.setenv("WMS_FAULT_POINT", step)
    monkeypatch.setenv("WMS_FAULT_MARKER", str(tmp_path / "marker"))
    server = start(FILES)
    (server.place / "in").mkdir()
    with pytest.raises((OSError, http.client.HTTPException)):
        once(server, grid.alice, "PUT", "/in/x", b"new")
    found = server.place / "in" / "x"
    assert (found.read_bytes() if found.exists() else None) == expected
    assert sweep(server.place / "in", 0) == (0 if expected else 1)
    server.stop(signal.SIGTERM)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_with_a_proxy_puts_waits_resumes_and_is_told_why(files: Any, grid: Any, tmp_path: Path) -> None:
    data = os.urandom(900_000)
    source = tmp_path / "source"
    source.write_bytes(data)

    def curl(*arguments: str, credential: Path = grid.alice) -> str:
        common = ["curl", "-sS", "--capath", str(grid.trust), "--cert", str(credential), "--key", str(credential)]
        done = subprocess.run([*common, *arguments], capture_output=True, text=True, timeout=30, check=False)
        return done.stdout + done.stderr

    begin = time.monotonic()
    shown = curl("-v", "-H", "Expect: 100-continue", "-T", str(source), f"{files.url}/in/c", "-w", "%{http_code}")
    assert "100 Continue" in shown and shown.count("201") >= 1
    assert time.monotonic() - begin < 3.0
    part = tmp_path / "part"
    part.write_bytes(data[:400_000])
    curl("-C", "-", "-o", str(part), f"{files.url}/in/c")
    assert part.read_bytes() == data
    assert "there is no such file, or it is not yours" in curl(f"{files.url}/in/c", credential=grid.bob)
    assert "416" in curl("-r", "900000-", "-o", "/dev/null", "-w", "%{http_code}", f"{files.url}/in/c")
    source.write_bytes(b"x" * (LIMIT + 1))
    shown = curl("-v", "-H", "Expect: 100-continue", "-T", str(source), f"{files.url}/in/c")
    assert "413" in shown and "100 Continue" not in shown
