"""A computing element in a scratch directory that job accounts can reach."""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ce.jobproxy import JobProxy
from ce.process import kill_session, read_state
from ce.settings import Accounts, CeSettings, Queue, Transfers

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
