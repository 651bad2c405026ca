"""A computing element in a scratch directory that job accounts can reach."""

from __future__ import annotations

import datetime
import http.server
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import ce.wrapper
from ce.jobproxy import JobProxy
from ce.process import kill_session, read_state
from ce.settings import Accounts, CeSettings, Queue, Transfers
from gsi.ca import TestCA

PYTHON = Path("/usr/bin/python3")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory under /tmp that every account may pass through (pytest's own are 0700)."""
    directory = Path(tempfile.mkdtemp(prefix="ce-test-"))
    directory.chmod(0o755)
    yield directory
    _end_what_runs_in(directory)
    shutil.rmtree(directory, ignore_errors=True)


def _end_what_runs_in(directory: Path) -> None:
    """KILL wrappers that a failed test left."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            command = Path(f"/proc/{name}/cmdline").read_bytes()
            uid = os.stat(f"/proc/{name}").st_uid
        except OSError:
            continue
        if str(directory).encode() in command and b"wrapper.py" in command:
            kill_session(int(name), uid)


def _until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    state = read_state(pid)
    return state is not None and state.state not in "ZX"


@pytest.fixture
def until() -> Callable[..., None]:
    """Wait for something that other processes do."""
    return _until


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process lives (a zombie does not)."""
    return _alive


@pytest.fixture
def python() -> Path:
    """An interpreter that every account can run."""
    return PYTHON


@dataclass(frozen=True)
class StaticProxy:
    """A proxy source for tests without a delegation port."""

    pem: bytes = b"not a proxy\n"
    lifetime: float = 3600.0

    def of(self, job: object) -> JobProxy:
        return JobProxy(self.pem, datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.lifetime))


@pytest.fixture
def settings(place: Path) -> CeSettings:
    """Two queues, one slot and two slots."""
    return CeSettings(
        host="ce.example.org",
        work_directory=place / "work",
        database_url=f"sqlite:///{place}/ce.db",
        host_certificate=place / "hostcert.pem",
        host_key=place / "hostkey.pem",
        trust_directory=place / "trust",
        spool_directory=place / "spool",
        interpreter=PYTHON,
        queues=(
            Queue("short", slots=2, access_rules=("VO:test",), max_wall_minutes=60, ram_mb=512),
            Queue("long", slots=1, access_rules=("VO:test", "DENY:/test/banned"), ram_mb=2048),
        ),
        accounts=Accounts(first_id=234_000, count=10),
        transfers=Transfers(tries=3, first_wait=0.05, timeout=10.0),
        administrators=("/DC=org/CN=wms.example.org",),
        kill_grace=2.0,
    )


@pytest.fixture
def static_proxy() -> type[StaticProxy]:
    """Makes proxy sources that need no delegation port."""
    return StaticProxy


CODE = "UI=000000:NS=0000000006:WM=000004:BH=0000000000:JSS=000002:LM=000000:LRMS=000000:APP=000000:LBS=000000"


@dataclass
class Wrapped:
    """A control directory and what came of it."""

    control: Path
    work: Path
    python: Path
    order: dict[str, object]
    go: bytes = b"go\n"

    def begin(self, **changes: object) -> subprocess.Popen[bytes]:
        (self.control / "job.json").write_text(json.dumps({**self.order, **changes}))
        child = subprocess.Popen(
            [str(self.python), "-I", "-S", "-B", ce.wrapper.__file__, str(self.control)],
            stdin=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )
        assert child.stdin is not None
        child.stdin.write(self.go)
        child.stdin.close()
        return child

    def run(self, **changes: object) -> dict:
        assert self.begin(**changes).wait(30.0) == 0
        return self.result()

    def shell(self, script: str, **changes: object) -> dict:
        return self.run(arguments=["-c", script], **changes)

    def result(self) -> dict:
        return json.loads((self.control / "result.json").read_text())

    def output(self) -> str:
        return (self.work / "out").read_text()


@pytest.fixture
def wrapped(place: Path, python: Path) -> Wrapped:
    for name in ("control", "work", "tmp"):
        (place / name).mkdir()
    order = {
        "sequence_code": CODE,
        "executable": "/bin/sh",
        "arguments": [],
        "environment": [],
        "internals": {"GLITE_WMS_JOBID": "https://lb:9000/x"},
        "stdout": "out",
        "stderr": "err",
        "input": [],
        "output": [],
        "work": str(place / "work"),
        "tmp": str(place / "tmp"),
        "proxy": str(place / "proxy.pem"),
        "certificates": str(place / "trust"),
        "transfer_tries": 3,
        "transfer_first_wait": 0.01,
        "transfer_timeout": 5.0,
        "kill_grace": 0.3,
    }
    return Wrapped(place / "control", place / "work", python, order)


@dataclass
class Behaviour:
    """What the test server does next: entries are taken off the list, request by request."""

    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[object] = field(default_factory=list)
    put_faults: list[object] = field(default_factory=list)
    seen: list[tuple[str, str, str]] = field(default_factory=list)


@pytest.fixture
def server(place: Path) -> Iterator[tuple[Behaviour, str]]:
    ca = TestCA.create(place / "ca", "/DC=org/DC=example/CN=Test CA")
    ca.install(place / "trust")
    ca.issue_user("alice").save(place / "proxy.pem")
    ca.issue_host(["localhost"]).save(place / "host.pem")
    behaviour = Behaviour()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            behaviour.seen.append(("GET", self.path, self.headers.get("Range", "")))
            data = behaviour.files.get(self.path)
            fault = behaviour.faults.pop(0) if behaviour.faults else None
            if isinstance(fault, int):
                self.answer(fault, b"the server is tired")
            elif data is None:
                self.answer(404, b"there is no such file here")
            elif fault == "cut":
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("ETag", '"1"')
                self.end_headers()
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
            elif self.headers.get("Range"):
                begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
                span = f"bytes {begin}-{len(data) - 1}/{len(data)}"
                self.answer(206, data[begin:], Content_Range=span)
            else:
                self.answer(200, data)

        def do_PUT(self) -> None:
            behaviour.seen.append(("PUT", self.path, ""))
            data = self.rfile.read(int(self.headers["Content-Length"]))
            faults = behaviour.put_faults or behaviour.faults
            fault = faults.pop(0) if faults else None
            if isinstance(fault, int):
                self.answer(fault, b"no room for this file")
                return
            behaviour.files[self.path] = data
            if fault == "lost":
                self.close_connection = True
            else:
                self.answer(201, b"")

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "host.pem")
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    listener.socket = context.wrap_socket(listener.socket, server_side=True)
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield behaviour, f"https://localhost:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join(10.0)
