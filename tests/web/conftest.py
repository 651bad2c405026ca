"""A CA, credentials, and servers in processes of their own."""

from __future__ import annotations

import contextlib
import datetime
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gsi import proxy
from gsi.ca import TestCA
from gsi.tls import client_context
from node.ports import choose

ROOT = Path(__file__).resolve().parents[2]
HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Grid:
    """Files of a small grid: one CA, one host, two users with proxies."""

    place: Path
    ca: TestCA
    trust: Path
    host_cert: Path
    host_key: Path
    alice: Path
    bob: Path

    def context(self, credential: Path | None) -> ssl.SSLContext:
        return client_context(self.trust, credential)


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    place = tmp_path_factory.mktemp("grid")
    ca = TestCA.create(place / "ca", "/O=Grid/CN=Web Test CA")
    ca.install(place / "trust")
    host = ca.issue_host(["localhost"])
    host.save_pair(place / "host.pem", place / "host.key")
    for name in ("alice", "bob"):
        proxy.create(ca.issue_user(name), lifetime=HOUR).save(place / f"{name}.proxy")
    return Grid(
        place, ca, place / "trust", place / "host.pem", place / "host.key", place / "alice.proxy", place / "bob.proxy"
    )


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int
    grid: Grid
    place: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def stderr(self) -> str:
        return (self.place / "stderr").read_text()

    def tcp(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def tls(self, credential: Path | None = None) -> ssl.SSLSocket:
        sock = self.tcp()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return self.grid.context(credential).wrap_socket(sock, server_hostname="localhost")
        except BaseException:
            sock.close()
            raise

    def ask(self, data: bytes, credential: Path | None = None) -> bytes:
        """Send bytes, return everything until the server closes."""
        with self.tls(credential) as sock:
            sock.sendall(data)
            return read_all(sock)

    def stop(self, number: int = signal.SIGTERM) -> float:
        start = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(10)
        return time.monotonic() - start


def read_all(sock: socket.socket) -> bytes:
    data = bytearray()
    with contextlib.suppress(ConnectionResetError, ssl.SSLEOFError):
        while block := sock.recv(65536):
            data += block
    return bytes(data)


def listening(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


Start = Callable[..., Server]


@contextlib.contextmanager
def running(grid: Grid, place: Path, application: str, **settings: object) -> Iterator[Server]:
    """Run ``application`` (source that defines ``make_app(place, trust)``) under web.server."""
    place.mkdir(exist_ok=True)
    (port,) = choose(1)
    shown = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    source = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
place, trust = Path({str(place)!r}), Path({str(grid.trust)!r})
from web.server import ServerSettings, serve
{application}
sys.exit(serve(lambda: make_app(place, trust), ServerSettings("test", ("127.0.0.1:{port}",),
    Path({str(grid.host_cert)!r}), Path({str(grid.host_key)!r}), place, {shown})))
"""
    with open(place / "stderr", "wb") as stderr:
        process = subprocess.Popen([sys.executable, "-c", source], stderr=stderr, stdin=subprocess.DEVNULL)
    server = Server(process, port, grid, place)
    try:
        deadline = time.monotonic() + 15
        while not listening(port) or not answers(server):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{server.stderr()}")
            time.sleep(0.02)
        yield server
    finally:
        if process.poll() is None:
            server.stop()
        deadline = time.monotonic() + 5
        while listening(port) and time.monotonic() < deadline:
            time.sleep(0.02)


def answers(server: Server) -> bool:
    try:
        with server.tls() as sock:
            return sock.version() is not None
    except OSError:
        return False


@pytest.fixture
def start(grid: Grid, tmp_path: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:
        yield lambda application, **settings: stack.enter_context(
            running(grid, tmp_path / "server", application, **settings)
        )


ECHO = """
import os, time
class App:
    def __init__(self, place): self.place = place
    def close(self): (self.place / f"closed-{os.getpid()}").touch()
    def wsgi(self, environ, start):
        path = environ["PATH_INFO"]
        if path == "/pid": body = str(os.getpid()).encode()
        elif path == "/slow": time.sleep(float(environ["QUERY_STRING"])); body = b"slow"
        elif path == "/read": body = str(len(environ["wsgi.input"].read())).encode()
        elif path == "/swallow":
            try: body = environ["wsgi.input"].read()
            except Exception: body = b"swallowed"
        elif path == "/fail": raise ValueError("secret of the payload")
        elif path == "/late":
            start("200 OK", [("Content-Length", "10")]); return iter_fail()
        elif path == "/stream": start("200 OK", []); return iter([b"a", b"b", b"c"])
        elif path == "/umask": old = os.umask(0); os.umask(old); body = oct(old).encode()
        elif path == "/environ": body = repr(sorted((k, v) for k, v in environ.items() if isinstance(v, str))).encode()
        else: body = b"hello"
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]
def iter_fail():
    yield b"12345"
    raise ValueError("in the middle")
def make_app(place, trust): return App(place)
"""


@pytest.fixture(scope="module")
def echo(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(grid, tmp_path_factory.mktemp("echo"), ECHO, threads=4, max_body=100_000) as server:
        yield server


@pytest.fixture
def echo_source() -> str:
    return ECHO


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.fixture
def workers_of() -> Callable[[Server], list[int]]:
    return lambda server: children(server.process.pid)


@pytest.fixture
def everything() -> Callable[[socket.socket], bytes]:
    return read_all


@pytest.fixture
def is_listening() -> Callable[[int], bool]:
    return listening


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    return alive


@pytest.fixture(scope="session", name="running")
def _running() -> object:
    return running


@pytest.fixture
def free() -> int:
    """A port where nobody listens."""
    return choose(1)[0]
