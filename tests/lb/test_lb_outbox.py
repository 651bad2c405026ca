"""The outbox: events travel with their transaction, reach the journal once it is committed, also after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import MetaData, func, select

import storage
from grid.doorbell import Doorbell
from grid.states import Source
from lb.journal import Journal
from lb.outbox import Outbox, outbox_table
from lb.producer import JobLog

metadata = MetaData(info={"room": "outbox-test"})
table = outbox_table(metadata)


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def lines(directory):
    return [line for path in sorted(directory.glob("*.log")) for line in path.read_text().splitlines()]


@pytest.fixture
def writer(tmp_path):
    engine = storage.open_engine(f"sqlite:///{tmp_path}/o.db")
    storage.create(engine, metadata, 1)
    writer = storage.GroupWriter(engine)
    yield writer
    writer.close()
    engine.dispose()


@pytest.fixture
def events(trace):
    log = JobLog(trace.jobid, trace.OWNER, Source.NetworkServer)
    return [log.event("UserTag", name="n", value=str(n)) for n in range(5)]


def test_committed_events_reach_the_journal_in_order_and_ring_the_interlogger(tmp_path, writer, events):
    spool = tmp_path / "spool"
    with Doorbell.listen(tmp_path / "il") as bell, Journal(spool / "s.0.log") as journal:
        outbox = Outbox(table, writer, journal, tmp_path / "il").start()
        writer.run(lambda connection: outbox.add(connection, events))
        outbox.notify()
        assert bell.wait(10)
        found = lines(spool)
        assert [line.rpartition("VALUE=")[2] for line in found] == [f'"{n}"' for n in range(5)]
        wait_for(lambda: writer.run(lambda c: c.execute(select(func.count()).select_from(table)).scalar()) == 0)
        outbox.close()


def test_events_of_a_transaction_that_failed_are_never_seen(tmp_path, writer, events):
    def fails(connection):
        outbox.add(connection, events)
        raise ValueError

    with Journal(tmp_path / "spool/s.0.log") as journal:
        outbox = Outbox(table, writer, journal, tmp_path / "il").start()
        with pytest.raises(ValueError):
            writer.run(fails)
        outbox.notify()
        writer.run(lambda connection: outbox.add(connection, events[:1]))
        outbox.close()
    assert len(lines(tmp_path / "spool")) == 1


def test_the_other_worker_takes_over_when_the_elected_one_ends(tmp_path, writer, events, monkeypatch):
    monkeypatch.setattr("lb.outbox._LOOK_AGAIN", 0.1)
    journals = [Journal(tmp_path / "spool/s.0.log") for _ in range(2)]
    first, second = (Outbox(table, writer, journal, tmp_path / "il").start() for journal in journals)
    writer.run(lambda connection: first.add(connection, events[:2]))
    second.notify()
    wait_for(lambda: len(lines(tmp_path / "spool")) == 2)
    first.close()
    writer.run(lambda connection: second.add(connection, events[2:]))
    second.notify()
    wait_for(lambda: len(lines(tmp_path / "spool")) == 5)
    second.close()


CRASH = """
import sys
from pathlib import Path
import storage
from sqlalchemy import MetaData
from grid.jobid import JobId
from grid.states import Source
from lb.journal import Journal
from lb.outbox import Outbox, outbox_table
from lb.producer import JobLog
root = Path(sys.argv[1])
metadata = MetaData(info={"room": "outbox-test"})
table = outbox_table(metadata)
engine = storage.open_engine(f"sqlite:///{root}/o.db")
storage.create(engine, metadata, 1)
writer = storage.GroupWriter(engine)
outbox = Outbox(table, writer, Journal(root / "spool/s.0.log"), root / "il").start()
if sys.argv[2] == "write":
    log = JobLog(JobId.new("lb.example.org"), "/CN=a", Source.NetworkServer)
    writer.run(lambda c: outbox.add(c, [log.event("UserTag", name="n", value=str(n)) for n in range(5)]))
outbox.close(30)
writer.close()
"""


@pytest.mark.parametrize("where", ["lb.journal.written", "lb.outbox.journalled", "lb.outbox.deleted"])
def test_no_event_is_lost_when_the_service_is_killed_anywhere(tmp_path, where):
    environment = os.environ | {"WMS_FAULT_POINT": where, "WMS_FAULT_MARKER": str(tmp_path / "marker")}
    here = Path(__file__).parents[2]
    command = [sys.executable, "-c", CRASH, str(tmp_path)]
    died = subprocess.run([*command, "write"], env=environment, cwd=here, timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL
    subprocess.run([*command, "read"], env=environment, cwd=here, timeout=60, check=True)
    found = list(dict.fromkeys(lines(tmp_path / "spool")))
    assert [line.rpartition("VALUE=")[2] for line in found] == [f'"{n}"' for n in range(5)]
