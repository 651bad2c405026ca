"""The jobs on their way to elements are known again after a restart, from the queue's rows."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from broker import queue
from broker.queue import Phase
from broker.supermarket import Snapshot
from broker.traffic import Sent, Traffic
from grid.states import CreamState
from storage import schema

ONE, TWO = "one.example.org:8443/cream-fork-short", "two.example.org:8443/cream-fork-short"
FREE = "Rank = other.GlueCEStateFreeJobSlots; Requirements = other.GlueCEStateFreeJobSlots > 0;"


@pytest.fixture
def world(make_world, element):
    """One element with five free slots, and one with three."""
    records = (*element("one.example.org", free_job_slots=5), *element("two.example.org", free_job_slots=3))
    return make_world(snapshot=Snapshot(records))


def since_ever(world) -> dict[str, int]:
    return dict(world.ledger.traffic.since(0))


def placed(world, unique: str, extra: str = FREE) -> str:
    request = world.step(world.submit(unique, extra=extra))
    assert request.phase is Phase.RUNNING
    return request.ce_id


def test_a_broker_that_starts_again_does_not_send_its_jobs_to_the_best_of_the_old_picture(world):
    assert [placed(world, f"before{number}") for number in range(2)] == [ONE, ONE]
    world.restart()
    assert since_ever(world) == {ONE: 2}
    after = [placed(world, f"after{number}") for number in range(4)]
    assert (after.count(ONE), after.count(TWO)) == (2, 2)  # three free slots there and three here, then two and two
    waiting = [world.step(world.submit(f"more{number}", extra=FREE)).phase for number in range(3)]
    assert waiting == [Phase.RUNNING, Phase.RUNNING, Phase.WAITING]  # eight slots in all
    world.restart()
    assert world.step(world.submit("last", extra=FREE)).phase is Phase.WAITING


def test_what_came_back_or_ended_is_on_its_way_no_more(world):
    jobs = [world.running(f"job{number}", extra=FREE) for number in range(3)]
    (_, ce, name), (_, other, second), _ = jobs
    ce.go(name, CreamState.DONE_OK)
    other.go(second, CreamState.DONE_FAILED, infrastructure=True)
    world.take()
    (request,) = (world.get(job) for job, _, name in jobs if name == second)
    assert request.phase is Phase.WAITING
    before = since_ever(world)
    world.restart()
    assert since_ever(world) == before and sum(before.values()) == 1


def test_what_was_sent_before_the_picture_is_in_it(world):
    placed(world, "old")
    later = datetime.fromtimestamp(time.time() + world.settings.information_delay + 1, UTC)
    world.shelf.now = Snapshot(world.shelf.now.records, taken_at=later)
    world.restart()
    assert since_ever(world) == {}


def test_a_job_of_many_slots_counts_with_all_of_them(world):
    placed(world, "wide", 'JobType = "Normal"; CpuNumber = 3; Requirements = other.GlueCEUniqueID == "' + TWO + '";')
    world.restart()
    assert since_ever(world) == {TWO: 3}


def test_when_a_job_was_last_sent_to_an_element_is_known_again(world):
    placed(world, "job")
    last = world.ledger.traffic.last_sent(ONE)
    world.restart()
    assert world.ledger.traffic.last_sent(ONE) == last > 0


def test_of_more_jobs_than_are_remembered_the_latest_are(world, monkeypatch):
    for number in range(4):
        placed(world, f"job{number}")
    sent = list(world.ledger.traffic._sent.values())
    monkeypatch.setattr("broker.ledger.MAX_KEPT", 2)
    world.restart()
    assert list(world.ledger.traffic._sent.values()) == sent[2:]


def test_jobs_are_taken_up_in_the_order_of_their_sending():
    traffic = Traffic(lambda: 50.0)
    traffic.recall([Sent("a", "one", 10.0, 1), Sent("b", "one", 20.0, 2), Sent("c", "two", 30.0, 4)])
    traffic.sent("two", "d", 8)
    assert traffic.since(10.0) == {"one": 2, "two": 12}
    traffic.ended("c")
    assert traffic.since(20.0) == {"two": 8}


def test_a_database_of_before_is_brought_up_to_date(bare_engine):
    engine = bare_engine
    schema.create(engine, queue.metadata, 3)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX broker_requests_sent")
        for column in ("sent_at", "slots"):
            connection.exec_driver_sql(f"ALTER TABLE broker_requests DROP COLUMN {column}")
    schema.create(engine, queue.metadata, queue.SCHEMA_VERSION, queue.MIGRATIONS)
    schema.check(engine, queue.metadata, queue.SCHEMA_VERSION)
    found = {each["name"] for each in sa.inspect(engine).get_indexes("broker_requests")}
    assert "broker_requests_sent" in found
    with engine.connect() as connection:
        assert queue.on_their_way(connection, 0.0, 10) == []
