"""WSGI calls of WMProxy's application within one process and one thread: no HTTP, no TLS, no other worker.

::

    python -m benchmarks.in_process NODE --proxy PROXY --seconds 2 < envelope

The node must be prepared, and run L&B and the interlogger when the operation needs them, but not WMProxy itself.
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import ROOT
from gsi.credential import Credential
from node.configuration import Configuration
from node.layout import Layout
from node.settings import Settings
from web.server import settle
from wmproxy.service import Application


@dataclass(frozen=True, slots=True)
class InProcess:
    """What came of it.

    :ivar cpu: milliseconds a call, of the whole process.
    """

    calls: int
    rate: float
    cpu: float


class _Client:
    """What the application knows of a connection."""

    def __init__(self, proxy: Path) -> None:
        self.chain = Credential.load(proxy).chain


def measure(root: Path, proxy: Path, body: bytes, seconds: float) -> InProcess:
    """Run it in a separate process.

    :raises RuntimeError: when it fails; the message is the process's own.
    """
    command = [sys.executable, "-m", "benchmarks.in_process", str(root), "--proxy", str(proxy)]
    command += ["--seconds", str(seconds), "--json"]
    done = subprocess.run(command, input=body, capture_output=True, timeout=120, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return InProcess(**json.loads(done.stdout))


def run(root: Path, proxy: Path, body: bytes, seconds: float) -> InProcess:
    """Run it in this process."""
    layout = Layout(root)
    application = Application(Settings(layout, Configuration.read(layout.configuration)).wmproxy)
    settle()
    try:
        return _calls(application, _Client(proxy), body, seconds)
    finally:
        application.close()


def _calls(application: Application, client: _Client, body: bytes, seconds: float) -> InProcess:
    statuses: list[str] = []

    def start_response(status: str, _headers: list[tuple[str, str]], _exc_info: Any = None) -> None:
        statuses.append(status)

    def call() -> None:
        environ = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/glite_wms_wmproxy_server",
            "QUERY_STRING": "",
            "CONTENT_TYPE": "text/xml; charset=utf-8",
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.input": io.BytesIO(body),
            "gunicorn.socket": client,
        }
        answer = b"".join(application.wsgi(environ, start_response))
        if statuses.pop() != "200 OK":
            raise RuntimeError(answer.decode()[:2000])

    call()
    count, begin, used = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - begin) < seconds:
        call()
        count += 1
    used = time.process_time() - used
    return InProcess(count, round(count / passed, 1), round(used * 1000 / count, 4))


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks.in_process", description="Call WMProxy's application in this process."
    )
    made.add_argument("node", type=Path, help="directory of the node")
    made.add_argument("--proxy", type=Path, required=True, help="of the caller")
    made.add_argument("--seconds", type=float, default=2.0, help="(2)")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def main() -> int:
    """The command; the envelope comes from the standard input."""
    given = parser().parse_args()
    found = run(given.node, given.proxy, sys.stdin.buffer.read(), given.seconds)
    if given.json:
        print(json.dumps(asdict(found)))
    else:
        print(f"{found.rate:10.1f} calls/s   {found.cpu} ms CPU each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
