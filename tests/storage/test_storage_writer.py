"""The group-commit writer: durable when answered, isolated, in order, bounded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import IntegrityError

from storage import GroupWriter, OutcomeUnknown, StorageFailure, WriterBusy, WriterClosed, create, open_engine

ROOT = Path(__file__).resolve().parents[2]


class Gate:
    """Holds the writer inside a transaction until opened, so that a group can gather behind it."""

    def __init__(self, writer: GroupWriter) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()
        self.future = writer.submit(self._wait)
        if not self.entered.wait(10):
            raise TimeoutError("the writer did not begin")

    def _wait(self, _connection: Connection) -> None:
        self.entered.set()
        if not self.opened.wait(10):
            raise TimeoutError("the gate was not opened")


def count_commits(engine: Engine) -> list[int]:
    commits: list[int] = []
    event.listen(engine, "commit", lambda _connection: commits.append(1))
    return commits


def test_a_result_is_visible_to_others_when_it_is_delivered(engine: Engine, writer: GroupWriter, tools: Any) -> None:
    assert writer.run(tools.note("one")) == 1
    assert tools.texts(engine) == {"one"}


def test_work_that_gathers_behind_a_commit_shares_the_next(engine: Engine, writer: GroupWriter, tools: Any) -> None:
    commits = count_commits(engine)
    gate = Gate(writer)
    futures = [writer.submit(tools.note(f"n{i}")) for i in range(50)]
    gate.opened.set()
    assert [future.result(10) for future in futures] == list(range(1, 51)), "done in the order of arrival"
    assert len(commits) == 2


def test_a_group_has_at_most_max_batch_pieces(engine: Engine, tools: Any) -> None:
    writer = GroupWriter(engine, max_batch=10)
    commits = count_commits(engine)
    gate = Gate(writer)
    futures = [writer.submit(tools.note(f"n{i}")) for i in range(35)]
    gate.opened.set()
    for future in futures:
        future.result(10)
    writer.close()
    assert len(commits) == 1 + 4


def test_work_that_comes_alone_is_not_delayed(engine: Engine, tools: Any) -> None:
    writer = GroupWriter(engine, max_delay=5.0)
    start = time.monotonic()
    for i in range(5):
        writer.run(tools.note(f"n{i}"))
    assert time.monotonic() - start < 5.0
    writer.close()


def test_a_piece_that_fails_hurts_only_itself(engine: Engine, writer: GroupWriter, tools: Any) -> None:
    gate = Gate(writer)
    good = writer.submit(tools.note("a"))
    twin = writer.submit(tools.note("a"))
    other = writer.submit(tools.note("b"))
    gate.opened.set()
    assert good.result(10) == 1
    with pytest.raises(IntegrityError):
        twin.result(10)
    assert other.result(10)
    assert tools.texts(engine) == {"a", "b"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plans=st.lists(st.lists(st.sampled_from(["note", "twin", "raise-first", "raise-last"]), max_size=12), max_size=4)
)
def test_exactly_the_acknowledged_pieces_are_kept(
    tmp_path_factory: pytest.TempPathFactory, tools: Any, plans: list[list[str]]
) -> None:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('group')}/t.db")
    create(engine, tools.metadata, 1)
    writer = GroupWriter(engine, max_batch=5)

    def piece(kind: str, name: str) -> Any:
        def work(connection: Connection) -> str:
            if kind == "raise-first":
                raise ZeroDivisionError
            tools.note("twin" if kind == "twin" else name)(connection)
            if kind == "raise-last":
                raise ZeroDivisionError
            return "twin" if kind == "twin" else name

        return work

    acknowledged = set()
    for number, plan in enumerate(plans):
        futures = [writer.submit(piece(kind, f"{number}.{i}")) for i, kind in enumerate(plan)]
        for future in futures:
            if future.exception(10) is None:
                acknowledged.add(future.result())
    writer.close()
    assert tools.texts(engine) == acknowledged
    engine.dispose()


def test_a_failing_commit_is_heard_by_the_whole_group(engine: Engine, writer: GroupWriter, tools: Any) -> None:
    writer.run(
        lambda c: c.execute(text("CREATE TABLE child (p INTEGER REFERENCES note(id) DEFERRABLE INITIALLY DEFERRED)"))
    )
    gate = Gate(writer)
    innocent = writer.submit(tools.note("innocent"))
    guilty = writer.submit(lambda c: c.execute(text("INSERT INTO child VALUES (99)")) and None)
    gate.opened.set()
    gate.future.result(10)
    for future in (innocent, guilty):
        with pytest.raises(StorageFailure, match="kept nothing"):
            future.result(10)
    assert tools.texts(engine) == set()
    assert writer.run(tools.note("afterwards"))
    writer.run(lambda c: c.execute(text("DROP TABLE child")))


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_work_that_ends_the_shared_transaction_is_never_acknowledged(
    engine: Engine, writer: GroupWriter, tools: Any, end: str
) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("the statement is SQLite's way to do it")
    gate = Gate(writer)
    before = writer.submit(tools.note("before"))
    culprit = writer.submit(lambda c: c.exec_driver_sql(end) and None)
    gate.opened.set()
    for future in (before, culprit):
        with pytest.raises(StorageFailure):
            future.result(10)
    assert writer.run(tools.note("afterwards"))


def test_close_finishes_what_waits_and_takes_no_more(engine: Engine, tools: Any) -> None:
    writer = GroupWriter(engine)
    gate = Gate(writer)
    futures = [writer.submit(tools.note(f"n{i}")) for i in range(20)]
    threading.Timer(0.05, gate.opened.set).start()
    writer.close()
    assert all(future.done() for future in futures)
    assert len(tools.texts(engine)) == 20
    with pytest.raises(WriterClosed):
        writer.run(tools.note("late"))
    writer.close()


def test_work_not_begun_in_time_is_never_done(engine: Engine, writer: GroupWriter, tools: Any) -> None:
    gate = Gate(writer)
    with pytest.raises(WriterBusy):
        writer.run(tools.note("late"), timeout=0.05)
    gate.opened.set()
    writer.run(tools.note("next"))
    assert tools.texts(engine) == {"next"}


def test_work_that_is_being_committed_at_the_deadline_is_said_to_be_unknown(writer: GroupWriter) -> None:
    release = threading.Event()
    with pytest.raises(OutcomeUnknown, match="may still take effect"):
        writer.run(lambda c: release.wait(5), timeout=0.1)
    release.set()


def test_a_timeout_of_the_work_itself_is_its_own(writer: GroupWriter) -> None:
    def work(_connection: Connection) -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        writer.run(work)


CHILD = textwrap.dedent("""
    import sys
    sys.path.insert(0, sys.argv[1])
    from sqlalchemy import text
    from storage import open_engine, GroupWriter
    from concurrent.futures import ThreadPoolExecutor
    engine = open_engine(sys.argv[2])
    writer = GroupWriter(engine)
    def one(name):
        writer.run(lambda c: c.execute(text("INSERT INTO note (text) VALUES (:t)"), {"t": name}))
        sys.stdout.write(name + "\\n"); sys.stdout.flush()
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(one, [sys.argv[3] + str(i) for i in range(int(sys.argv[4]))]): pass
    writer.close(); engine.dispose()
""")


def child(url: str, name: str, count: int, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ROOT), url, name, str(count)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def test_what_was_acknowledged_survives_kill_9(url: str, tools: Any) -> None:
    engine = open_engine(url)
    create(engine, tools.metadata, 1)
    with child(url, "k", 100_000) as process:
        acknowledged = [process.stdout.readline().strip() for _ in range(200)]
        process.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in process.stdout.read().splitlines() if line]
    assert process.returncode == -signal.SIGKILL
    # The last line may have been cut by the kill; all whole ones were acknowledged.
    assert set(acknowledged[:-1]) <= tools.texts(engine)
    engine.dispose()


def test_death_before_the_commit_keeps_nothing(url: str, tools: Any, tmp_path: Path) -> None:
    engine = open_engine(url)
    create(engine, tools.metadata, 1)
    marker = {"WMS_FAULT_POINT": "storage.writer.commit", "WMS_FAULT_MARKER": str(tmp_path / "marker")}
    with child(url, "k", 1, **marker) as process:
        assert process.stdout.read() == ""
    assert process.returncode == -signal.SIGKILL
    assert tools.texts(engine) == set()
    engine.dispose()


def test_two_processes_write_at_once_and_lose_nothing(url: str, tools: Any) -> None:
    engine = open_engine(url)
    create(engine, tools.metadata, 1)
    processes = [child(url, name, 300) for name in "ab"]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert tools.texts(engine) == {f"{name}{i}" for name in "ab" for i in range(300)}
    engine.dispose()
