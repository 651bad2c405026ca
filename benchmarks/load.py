"""Drive HTTPS requests with a client credential from one process of its own, and say how many a second.

::

    python -m benchmarks.load https://localhost:7443/ --trust certs --credential proxy --requests 2000 --connections 8

Kept connections are driven by one loop without threads, so that the driver costs little beside the server that it
measures; with ``--new`` every request has a connection of its own, made by as many threads as ``--connections``.
"""

from __future__ import annotations

import argparse
import json
import select
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gsi.tls import client_context

ROOT: Final = Path(__file__).resolve().parents[1]
"""The checkout: modules of this package are run from there."""

DEADLINE: Final = 120.0
MAX_REQUESTS: Final = 100_000
MAX_CONNECTIONS: Final = 200


@dataclass(frozen=True, slots=True)
class Load:
    """What to send.

    :ivar requests: at most.
    :ivar seconds: after which no request is begun; 0 means no such bound.
    :ivar new: a new TLS connection for every request.
    :ivar body: of a POST; a GET is sent when it is empty.
    :ivar headers: further header lines, without line ends.
    """

    url: str
    trust: Path
    credential: Path
    requests: int = 2000
    connections: int = 8
    new: bool = False
    body: bytes = b""
    headers: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What came of it: ``rate`` in requests a second, times in milliseconds."""

    requests: int
    seconds: float
    rate: float
    median: float
    p99: float
    worst: float


class WrongAnswer(Exception):
    """The server answered something else than 200."""


def measure(load: Load, driver: Path | None = None) -> Figures:
    """Run the load in a separate process.

    :param driver: a program that takes this module's options (``load.cpp``), if not this module.
    :raises RuntimeError: when it fails; the message is the process's own.
    """
    command = [str(driver)] if driver else [sys.executable, "-m", "benchmarks.load"]
    command += [load.url]
    command += ["--trust", str(load.trust), "--credential", str(load.credential)]
    command += ["--requests", str(load.requests), "--connections", str(load.connections), "--json"]
    command += ["--seconds", str(load.seconds)]
    command += ["--new"] if load.new else []
    command += [f"--header={header}" for header in load.headers]
    command += ["--body", "-"] if load.body else []
    done = subprocess.run(
        command, input=load.body, capture_output=True, timeout=DEADLINE + 30, check=False, cwd=ROOT
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return Figures(**json.loads(done.stdout))


def run(load: Load) -> Figures:
    """Run the load in this process."""
    if not 0 < load.requests <= MAX_REQUESTS or not 0 < load.connections <= MAX_CONNECTIONS:
        raise ValueError(f"at most {MAX_REQUESTS} requests over {MAX_CONNECTIONS} connections")
    driver = _Driver(load)
    begin, times = driver.new() if load.new else driver.kept()
    seconds = time.perf_counter() - begin
    times.sort()
    return Figures(
        len(times),
        round(seconds, 3),
        round(len(times) / seconds, 1),
        round(times[len(times) // 2] * 1000, 2),
        round(times[int(len(times) * 0.99)] * 1000, 2),
        round(times[-1] * 1000, 2),
    )


class _Driver:
    def __init__(self, load: Load) -> None:
        target = urlsplit(load.url)
        self._load = load
        self._host, self._port = target.hostname or "", target.port or 443
        self._context = client_context(load.trust, load.credential)
        lines = [
            f"{'POST' if load.body else 'GET'} {target.path or '/'} HTTP/1.1",
            f"Host: {self._host}:{self._port}",
            *load.headers,
        ]
        if load.body:
            lines.append(f"Content-Length: {len(load.body)}")
        if load.new:
            lines.append("Connection: close")
        self._request = "\r\n".join([*lines, "", ""]).encode() + load.body
        self._end = time.monotonic() + DEADLINE
        self._last = time.perf_counter() + DEADLINE

    def kept(self) -> tuple[float, list[float]]:
        """All requests over kept connections; the handshakes are not counted."""
        times: list[float] = []
        socks = [self._connect() for _ in range(min(self._load.connections, self._load.requests))]
        with selectors.EpollSelector() as selector:
            started: dict[ssl.SSLSocket, float] = {}
            for sock in socks:
                selector.register(sock, select.EPOLLIN)
            begin = time.perf_counter()
            self._begin(begin)
            for sock in socks:
                started[sock] = time.perf_counter()
                sock.sendall(self._request)
            sent = len(socks)
            while len(times) < sent:
                for key, _ in selector.select(max(0.0, self._end - time.monotonic())):
                    sock = key.fileobj  # type: ignore[assignment]
                    _receive(sock)
                    now = time.perf_counter()
                    times.append(now - started[sock])
                    if sent < self._load.requests and now < self._last:
                        started[sock] = now
                        sock.sendall(self._request)
                        sent += 1
                if time.monotonic() > self._end:
                    raise TimeoutError(f"only {len(times)} answers in {DEADLINE:g} s")
        for sock in socks:
            sock.close()
        return begin, times

    def new(self) -> tuple[float, list[float]]:
        """A connection for each request, handshake and all."""
        times: list[float] = []
        failures: list[BaseException] = []
        shares = [len(range(i, self._load.requests, self._load.connections)) for i in range(self._load.connections)]
        threads = [threading.Thread(target=self._new, args=(share, times, failures)) for share in shares]
        begin = time.perf_counter()
        self._begin(begin)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return begin, times

    def _new(self, count: int, times: list[float], failures: list[BaseException]) -> None:
        try:
            for _ in range(count):
                begin = time.perf_counter()
                if time.monotonic() > self._end or failures or (begin > self._last and times):
                    return
                with self._connect() as sock:
                    sock.sendall(self._request)
                    _receive(sock)
                times.append(time.perf_counter() - begin)
        except (OSError, WrongAnswer) as error:
            failures.append(error)

    def _begin(self, moment: float) -> None:
        if self._load.seconds > 0:
            self._last = moment + self._load.seconds

    def _connect(self) -> ssl.SSLSocket:
        sock = socket.create_connection((self._host, self._port), timeout=30)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._context.wrap_socket(sock, server_hostname=self._host)


def _receive(sock: ssl.SSLSocket) -> None:
    """Read one answer to its end."""
    data = sock.recv(65536)
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise ConnectionResetError("the server closed the connection")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise WrongAnswer(head.partition(b"\r\n")[0].decode("latin-1"))
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    left = length - len(body)
    while left > 0:
        left -= len(sock.recv(left))


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.load", description="Drive HTTPS requests and say how many a second."
    )
    made.add_argument("url")
    made.add_argument("--trust", type=Path, required=True)
    made.add_argument("--credential", type=Path, required=True)
    made.add_argument("--requests", type=int, default=2000, help="at most (2000)")
    made.add_argument("--seconds", type=float, default=0.0, help="begin no request later than that; 0: no bound (0)")
    made.add_argument("--connections", type=int, default=8, help="at once (8)")
    made.add_argument("--new", action="store_true", help="a new connection for every request")
    made.add_argument("--body", help="file with the body of a POST, - for standard input")
    made.add_argument("--header", action="append", default=[], metavar="LINE", help="a header line (repeatable)")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def main() -> int:
    """The command."""
    given = parser().parse_args()
    body = b""
    if given.body:
        body = sys.stdin.buffer.read() if given.body == "-" else Path(given.body).read_bytes()
    figures = run(
        Load(
            given.url,
            given.trust,
            given.credential,
            given.requests,
            given.connections,
            given.new,
            body,
            tuple(given.header),
            given.seconds,
        )
    )
    if given.json:
        print(json.dumps(asdict(figures)))
    else:
        print(f"{figures.rate:10.1f} requests/s   median {figures.median} ms   p99 {figures.p99} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
