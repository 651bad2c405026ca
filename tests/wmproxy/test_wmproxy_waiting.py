"""Jobs that wait for their start for too long end, with their nodes, their files and a word to L&B."""

from __future__ import annotations

import sqlite3
import time
from types import SimpleNamespace

import pytest

from grid.jobid import JobId
from lb import ulm
from storage import schema
from storage.engine import open_engine
from wmproxy import jobs
from wmproxy.jobs import Job, Kind, Phase
from wmproxy.ledger import Ledger
from wmproxy.sandboxes import Sandboxes
from wmproxy.waiting import WaitingJobs

DAY = 86_400.0


class Shop:
    def __init__(self, root) -> None:
        self.url = f"sqlite:///{root}/db.sqlite"
        self.database = root / "db.sqlite"
        self.journal = root / "journal" / "wmproxy.0.log"
        engine = open_engine(self.url)
        schema.create(engine, jobs.metadata, jobs.SCHEMA_VERSION)
        engine.dispose()
        self.sandboxes = Sandboxes(root / "docroot", "SandboxDir", "https://localhost:7443")
        self.ledger = Ledger(self.url, self.journal, root / "bell")
        settings = SimpleNamespace(waiting_lifetime=14 * DAY, host="localhost")
        self.waiting = WaitingJobs(settings, self.ledger, self.sandboxes)

    def register(self, nodes: int = 0, phase: Phase = Phase.REGISTERED) -> JobId:
        kind = Kind.COLLECTION if nodes else Kind.JOB
        record = Job(JobId.new("localhost", 9000), "/O=Grid/CN=Owner", "vo", (), phase, "", kind=kind)
        children = [record.node(f"Node_{index}", index) for index in range(nodes)]
        with self.sandboxes.create(record.job, []):
            self.ledger.commit(lambda connection: jobs.insert(connection, record, children))
        return record.job

    def age(self, job: JobId, seconds: float) -> None:
        with sqlite3.connect(self.database, timeout=10) as connection:
            born = time.time() - seconds
            connection.execute("UPDATE wmproxy_jobs SET created = ? WHERE job_id = ?", (born, str(job)))
        connection.close()

    def phase(self, job: JobId) -> Phase:
        with self.ledger.engine.connect() as connection:
            return jobs.get(connection, job).phase

    def events(self) -> list[tuple[str, str]]:
        """Type and job of what L&B will hear of."""
        self.ledger.close()
        lines = [line for path in self.journal.parent.glob("*.log*") for line in path.read_text().splitlines()]
        found = [ulm.decode(line) for line in lines if line.startswith("DATE=")]
        return [(event.type, str(event.jobid)) for event in found]


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path)
    yield made
    made.ledger.close()


def test_what_waits_for_too_long_is_aborted_with_its_nodes_and_its_files(shop):
    young, old, family, started = shop.register(), shop.register(), shop.register(3), shop.register(phase=Phase.STARTED)
    node = family.child("WMPROXY", 1)
    shop.sandboxes.ensure(node)
    for job in (old, family, started):
        shop.age(job, 15 * DAY)
    assert shop.waiting.expire() == 2
    assert shop.waiting.expire() == 0
    assert [shop.phase(job) for job in (young, old, family, node, started)] == [
        Phase.REGISTERED, Phase.PURGED, Phase.PURGED, Phase.PURGED, Phase.STARTED,
    ]  # fmt: skip
    assert set(shop.sandboxes.jobs()) == {young, started}
    ended = [old, family, *(family.child("WMPROXY", index) for index in range(3))]
    assert sorted(shop.events()) == sorted(("Abort", str(job)) for job in ended)


def test_a_job_that_is_being_started_is_left_alone(shop):
    job = shop.register()
    shop.age(job, 15 * DAY)
    with shop.sandboxes.of(job).locked(exclusive=True):
        assert shop.waiting.expire() == 0
    assert shop.phase(job) is Phase.REGISTERED
    assert shop.waiting.expire() == 1
