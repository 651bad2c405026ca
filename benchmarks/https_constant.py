"""How many requests a second the server itself allows: a constant application, TLS, a client proxy.

The figures of the SOAP services are to be read against these: what is between is theirs.  ``python -m benchmarks``
measures both side by side; alone, this module makes a CA and a credential of its own::

    python -m benchmarks.https_constant --requests 5000 --connections 8
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from benchmarks import processes
from benchmarks.load import ROOT, Figures, Load, measure
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


@contextlib.contextmanager
def running(certificate: Path, key: Path, run_dir: Path, workers: int) -> Iterator[processes.Running]:
    """The server on a free port of loopback, in processes of its own."""
    port = processes.free_port()
    command = [sys.executable, "-m", "benchmarks.https_constant", "--serve"]
    command += [str(certificate), str(key), str(run_dir), str(port), str(workers)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    try:
        processes.await_port(process, port)
        yield processes.Running(f"https://localhost:{port}/", process.pid)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


def figures(requests: int, connections: int, workers: int) -> dict[str, Figures]:
    """Measure with kept and with new connections."""
    with tempfile.TemporaryDirectory(prefix="wms-bench-https-") as name:
        place = Path(name)
        ca = TestCA.create(place / "ca", "/O=Grid/CN=Benchmark CA")
        ca.install(place / "trust")
        ca.issue_host(["localhost"]).save_pair(place / "host.pem", place / "host.key")
        proxy.create(ca.issue_user("bench"), lifetime=datetime.timedelta(hours=1)).save(place / "proxy")
        with running(place / "host.pem", place / "host.key", place, workers) as server:
            body = b"<request/>" + b"x" * 1300

            def load(new: bool, count: int) -> Figures:
                return measure(Load(server.url, place / "trust", place / "proxy", count, connections, new, body))

            load(False, max(1, requests // 10))  # warm up
            return {"kept": load(False, requests), "new": load(True, max(1, requests // 10))}


def _serve(certificate: str, key: str, run_dir: str, port: str, workers: str) -> int:
    binds = (f"127.0.0.1:{port}",)
    settings = ServerSettings(
        "constant", binds, Path(certificate), Path(key), Path(run_dir), workers=int(workers)
    )
    return serve(Constant, settings)


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.https_constant", description="The server's own limit.")
    made.add_argument("--requests", type=int, default=5000, help="over kept connections; a tenth over new ones (5000)")
    made.add_argument("--connections", type=int, default=8, help="at once (8)")
    made.add_argument("--workers", type=int, default=2, help="processes of the server (2)")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def main() -> int:
    """The command."""
    if sys.argv[1:2] == ["--serve"]:
        return _serve(*sys.argv[2:7])
    given = parser().parse_args()
    found = figures(given.requests, given.connections, given.workers)
    if given.json:
        print(json.dumps({name: asdict(figure) for name, figure in found.items()}))
    else:
        for name, figure in found.items():
            print(f"{name:5} {figure.rate:10.1f} requests/s   median {figure.median} ms   p99 {figure.p99} ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
