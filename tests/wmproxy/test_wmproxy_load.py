"""Load limits: each gauge against its limit, and what a refused caller is told, over the wire."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from broker import queue
from grid.errors import ConfigurationError
from grid.jobid import JobId
from storage import schema
from storage.engine import open_engine
from wmproxy.errors import LoadTooHigh
from wmproxy.load import ALL, MEASURED_FOR, Limits, LoadLimiter

HUGE = 1 << 60
KEYS = frozenset({"jobRegister", "jobSubmit", "getVersion", "getProxyReq"})


def limiter(tmp_path: Path, depth=lambda most: 0, **limits: Limits) -> LoadLimiter:
    return LoadLimiter(limits, KEYS, tmp_path, tmp_path, depth)


def refusal(found: LoadLimiter, key: str = "getVersion") -> LoadTooHigh:
    with pytest.raises(LoadTooHigh) as caught, found.admitted(key, key):
        raise AssertionError("it was let through")
    return caught.value


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(load1=-1.0), "the load average of the last minute is "),
        (Limits(load5=-1.0), "the load average of the last 5 minutes is "),
        (Limits(load15=-1.0), "the load average of the last 15 minutes is "),
        (Limits(memory_available=HUGE), "the available memory is "),
        (Limits(sandbox_free=HUGE), "the free space for sandboxes is "),
        (Limits(database_free=HUGE), "the free space for the database is "),
        (Limits(descriptors_free=HUGE), "the number of free file descriptors is "),
        (Limits(queue=2), "the number of requests waiting for a computing element is 7, "),
        (Limits(requests=0), "the number of calls under way in this process is 0, "),
    ],
)
def test_each_limit_refuses_and_says_which_it_is(tmp_path: Path, limits: Limits, words: str) -> None:
    error = refusal(limiter(tmp_path, lambda most: min(most, 7), getVersion=limits))
    assert error.code == 1228
    assert error.description.startswith(f"System load is too high: {words}")
    assert "and the limit for getVersion is " in error.description
    assert error.description.endswith("; try again in 60 s")


def test_generous_limits_let_calls_through(tmp_path: Path) -> None:
    limits = Limits(1e9, 1e9, 1e9, 1, 1, 1, 1, 10, 1)
    with limiter(tmp_path, lambda most: 3, getVersion=limits).admitted("getVersion", "getVersion"):
        pass


def test_an_operation_has_its_own_limits_or_those_of_all(tmp_path: Path) -> None:
    found = limiter(tmp_path, **{ALL: Limits(load1=-1.0, retry_after=5), "getVersion": Limits(load1=1e9)})
    with found.admitted("getVersion", "getVersion"):
        pass
    assert refusal(found, "getProxyReq").description.endswith("; try again in 5 s")
    with found.admitted("jobStart", None):
        pass  # what was begun is finished


def test_registering_needs_room_on_the_disks_without_any_configuration(tmp_path: Path, monkeypatch) -> None:
    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    for key in ("jobRegister", "jobSubmit"):
        assert "is 4096 bytes, and the limit" in refusal(limiter(tmp_path), key).description


def test_limits_of_an_unknown_operation_are_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="load limits for jobRegistre"):
        limiter(tmp_path, jobRegistre=Limits())


def test_a_value_is_measured_once_a_second(tmp_path: Path) -> None:
    measured: list[int] = []
    found = limiter(tmp_path, lambda most: measured.append(most) or 0, getVersion=Limits(queue=4))
    begin = time.monotonic()
    while time.monotonic() - begin < 1.5 * MEASURED_FOR:
        with found.admitted("getVersion", "getVersion"):
            pass
    default = 250_001  # of the registering operations
    assert measured == [default, default]


def test_a_check_costs_microseconds(tmp_path: Path) -> None:
    found = limiter(tmp_path, getVersion=Limits(1e9, 1e9, 1e9, 1, 1, 1, 1, 10, 100))
    count = 20_000
    best = 1.0
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(count):
            with found.admitted("getVersion", "getVersion"):
                pass
        best = min(best, (time.perf_counter() - begin) / count)
    assert best < 50e-6


def test_calls_under_way_are_counted_and_forgotten(tmp_path: Path) -> None:
    found = limiter(tmp_path, getVersion=Limits(requests=2))
    inside, leave = threading.Barrier(3), threading.Event()

    def call() -> None:
        with found.admitted("getVersion", "getVersion"):
            inside.wait(10)
            leave.wait(10)

    threads = [threading.Thread(target=call) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    assert "is 2, and the limit for getVersion is 2" in refusal(found).description
    leave.set()
    for thread in threads:
        thread.join(10)
    with found.admitted("getVersion", "getVersion"):
        pass
    with pytest.raises(KeyError), found.admitted("getVersion", "getVersion"):
        raise KeyError
    assert found._under_way == 0


def test_what_cannot_be_measured_limits_nothing(tmp_path: Path, caplog) -> None:
    def broken(most: int) -> int:
        raise OSError("gone")

    with limiter(tmp_path, broken, getVersion=Limits(queue=0)).admitted("getVersion", "getVersion"):
        pass
    assert "cannot be measured, so no limit on it holds: gone" in caplog.text


def test_the_depth_of_the_queue_counts_what_waits_for_a_computing_element(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/q.sqlite")
    schema.create(engine, queue.metadata, queue.SCHEMA_VERSION)
    jobs = [JobId.new("localhost", 9000) for _ in range(4)]
    with engine.begin() as connection:
        for job in jobs:
            submission = queue.Submission(job, "/CN=a", (), "[]", "/p", "", 0)
            queue.enqueue(connection, submission, expiry_period=60.0)
        assert queue.depth(connection, 100) == 4
        assert queue.depth(connection, 3) == 3
        table = queue.metadata.tables["broker_requests"]
        ended = sa.update(table).where(table.c.job_id == str(jobs[0])).values(phase=queue.Phase.ENDED.value)
        connection.execute(ended)
        running = sa.update(table).where(table.c.job_id == str(jobs[1])).values(phase=queue.Phase.RUNNING.value)
        connection.execute(running)
        assert queue.depth(connection, 100) == 2
    engine.dispose()
