"""How many requests a second the server itself allows: a constant application, TLS, a client proxy.

The figures of the SOAP services are to be read against these: what is between is theirs.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from load import Figures, Load, measure

from gsi import proxy
from gsi.ca import TestCA
from web.server import ServerSettings, serve

ANSWER: Final = b"<?xml version='1.0'?>" + b"x" * 400


class Constant:
    """The application."""

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Read the request, answer the same to everything."""
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(ANSWER)))])
        return (ANSWER,)

    def close(self) -> None:
        """Nothing to stop."""


def figures(requests: int, connections: int, workers: int) -> dict[str, Figures]:
    """Measure with kept and with new connections."""
    with tempfile.TemporaryDirectory(prefix="https-") as name:
        place = Path(name)
        with _server(place, workers) as url:
            body = b"<request/>" + b"x" * 1300

            def load(new: bool, count: int) -> Figures:
                return measure(Load(url, place / "trust", place / "proxy", count, connections, new, body))

            load(False, max(1, requests // 10))  # warm up
            return {"kept": load(False, requests), "new": load(True, max(1, requests // 10))}


@contextlib.contextmanager
def _server(place: Path, workers: int) -> Iterator[str]:
    ca = TestCA.create(place / "ca", "/O=Grid/CN=Benchmark CA")
    ca.install(place / "trust")
    ca.issue_host(["localhost"]).save_pair(place / "host.pem", place / "host.key")
    proxy.create(ca.issue_user("bench"), lifetime=datetime.timedelta(hours=1)).save(place / "proxy")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(place), str(port), str(workers)])
    try:
        deadline = time.monotonic() + 20
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            time.sleep(0.05)
        yield f"https://localhost:{port}/"
    finally:
        process.terminate()
        process.wait(10)


def _serve(place: Path, port: int, workers: int) -> int:
    settings = ServerSettings(
        "constant", (f"127.0.0.1:{port}",), place / "host.pem", place / "host.key", place, workers=workers
    )
    return serve(Constant, settings)


def main() -> int:
    """The command."""
    if sys.argv[1:2] == ["--serve"]:
        return _serve(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    parser = argparse.ArgumentParser(description="The server's own limit.")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = figures(given.requests, given.connections, given.workers)
    if given.json:
        print(json.dumps({name: asdict(figure) for name, figure in found.items()}))
    else:
        for name, figure in found.items():
            print(f"{name:5} {figure.rate:10.1f} requests/s   median {figure.median} ms   p99 {figure.p99} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
