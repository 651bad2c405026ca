"""Fair order: no user waits for another's heap of jobs, and virtual organisations may have shares."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker import queue
from broker.dispatcher import Dispatcher
from broker.queue import Phase, Submission
from broker.request import row_of
from broker.shares import Turn, in_turn, read_shares
from broker.tables import REQUESTS
from grid.doorbell import Doorbell, ring
from grid.errors import ConfigurationError
from grid.jobid import JobId

CODE = "UI=000000:NS=0000000004:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
TURNS = st.builds(
    Turn,
    turn=st.integers(0, 50),
    due=st.floats(0, 1000),
    job=st.text("abc", min_size=1, max_size=6),
    vo=st.sampled_from(["", "atlas", "CMS"]),
)


@given(st.lists(TURNS, max_size=60), st.dictionaries(st.sampled_from(["atlas", "cms"]), st.floats(0.5, 9)))
def test_nobody_is_lost_or_served_twice(turns, shares) -> None:
    key = lambda each: (each.turn, each.due, each.job, each.vo)  # noqa: E731
    assert sorted(in_turn(turns, shares), key=key) == sorted(turns, key=key)


@given(st.lists(TURNS, max_size=60))
def test_without_shares_owners_take_turns_by_the_time_they_wait(turns) -> None:
    ordered = in_turn(turns, {})
    assert [(each.turn, each.due) for each in ordered] == sorted((each.turn, each.due) for each in turns)


def test_shares_are_kept_whatever_the_number_of_users() -> None:
    turns = [Turn(0, 0.0, f"a{n:02}", "atlas") for n in range(40)]  # forty users with one job each
    turns += [Turn(n, 0.0, f"c{n:02}", "cms") for n in range(40)]  # one user with forty
    turns += [Turn(n, 0.0, f"o{n:02}", "other") for n in range(40)]
    first = Counter(each.vo for each in in_turn(turns, {"atlas": 1.0, "cms": 3.0})[:25])
    assert first == {"cms": 15, "atlas": 5, "other": 5}


@pytest.mark.parametrize("wrong", ["cms", "cms=", "=1", "cms=x", "cms=0", "cms=-1", "cms=inf", "cms=nan"])
def test_a_share_that_cannot_be_read_is_named(wrong) -> None:
    with pytest.raises(ConfigurationError, match="must have the form"):
        read_shares(["atlas=2", wrong])


def test_shares_ignore_case() -> None:
    assert read_shares([" Atlas = 2.5", "cms=1"]) == {"atlas": 2.5, "cms": 1.0}


# -- the real queue --------------------------------------------------------------------------------------------


def fill(engine, owner: str, count: int, vo: str = "vo", phase: Phase = Phase.WAITING) -> None:
    """Requests of one owner that have been due for an hour."""
    rows = []
    for number in range(count):
        job = JobId("lb.example.org", 9000, f"{owner[4:]}{number:05}")
        row = row_of(Submission(job, owner, (f"/{vo}",), "[]", "/p", CODE))
        rows.append(row | {"phase": phase.value, "next_try": time.time() - 3600, "expiry": time.time() + 9999})
    with engine.begin() as connection:
        connection.execute(REQUESTS.insert(), rows)


def test_ten_thousand_waiting_jobs_of_one_do_not_delay_the_single_job_of_another(engine) -> None:
    fill(engine, "/CN=bulk", 10_000)
    fill(engine, "/CN=quiet", 1, phase=Phase.QUEUED)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ANALYZE")
        queue.due(connection, time.time(), 20)
        took = []
        for _ in range(5):
            started = time.perf_counter()
            found = [request.owner for request in queue.due(connection, time.time(), 20)]
            took.append(time.perf_counter() - started)
    assert "/CN=quiet" in found[:2]
    assert len(found) == 20
    assert min(took) < 0.5  # measured: a few milliseconds; to read all of them takes longer than this on slow machines


def test_however_many_owners_there_are_each_has_a_turn_soon(engine, monkeypatch) -> None:
    """More owners than are looked at in one step, some with a heap: chance decides, and leaves nobody out."""
    monkeypatch.setattr(queue.random, "sample", random.Random(7).sample)
    for user in range(30):
        fill(engine, f"/CN=o{user:02}", 40 if user % 10 == 0 else 1)
    served: Counter[str] = Counter()
    with engine.begin() as connection:
        for _ in range(40):
            found = queue.due(connection, time.time(), 10)
            assert len(found) == 10 and len({request.job for request in found}) == 10
            served.update({request.owner for request in found})
    assert len(served) == 30  # each 13 times on average


def test_the_queue_keeps_shares(engine) -> None:
    for user in range(10):
        fill(engine, f"/CN=a{user}", 20, "atlas")
    fill(engine, "/CN=c0", 200, "cms")
    with engine.begin() as connection:
        found = queue.due(connection, time.time(), 40, {"cms": 3.0})
        plain = queue.due(connection, time.time(), 40)
    assert Counter(each.fqans[0] for each in found) == {"/cms": 30, "/atlas": 10}
    assert Counter(each.fqans[0] for each in plain)["/cms"] in (3, 4)


def test_a_single_job_overtakes_a_heap_that_is_being_worked_on(make_world) -> None:
    world = make_world(worker_threads=2)
    started: list[str] = []
    world.elements.before = lambda operation: time.sleep(0.01)
    stop = threading.Event()
    for number in range(120):
        world.submit(f"bulk{number:03}", owner="/O=Grid/CN=Bulk")
    with Doorbell.listen(world.settings.doorbell) as bell:
        dispatcher = Dispatcher(world.settings, world.ledger, world.planner, world.engine, world.elements, bell)
        thread = threading.Thread(target=dispatcher.run, args=(stop,))
        thread.start()
        try:
            single = world.submit("single")
            ring(world.settings.doorbell)
            deadline = time.monotonic() + 20
            while world.get(single).phase is not Phase.RUNNING and time.monotonic() < deadline:
                time.sleep(0.01)
            with world.ledger.engine.connect() as connection:
                rows = connection.execute(REQUESTS.select().with_only_columns(REQUESTS.c.job_id, REQUESTS.c.phase))
                started = [job for job, phase in rows if phase == Phase.RUNNING.value]
        finally:
            stop.set()
            ring(world.settings.doorbell)
            thread.join(10)
    assert world.get(single).phase is Phase.RUNNING
    assert len(started) < 40
