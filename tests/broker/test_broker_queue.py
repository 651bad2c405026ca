"""The durable queue: guarded moves, cancelling, positions in the CEs' streams."""

import time

import pytest

from broker import queue
from broker.queue import End, Phase, Submission
from grid.jobid import JobId
from grid.seqcode import SequenceCode
from storage import schema
from storage.engine import open_engine

JOB = JobId("lb.example.org", 9000, "abc")
CODE = str(SequenceCode())


@pytest.fixture
def engine(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'q.sqlite'}")
    schema.create(engine, queue.metadata, queue.SCHEMA_VERSION)
    yield engine
    engine.dispose()


@pytest.fixture
def queued(engine):
    with engine.begin() as connection:
        queue.enqueue(
            connection,
            Submission(JOB, "/CN=alice", ("/vo",), "[ Executable = \"x\" ]", "/p", CODE, retry_count=-1),
            expiry_period=100,
        )
    return engine


def test_a_queued_request_is_due_at_once_and_knows_its_owner(queued):
    with queued.begin() as connection:
        (request,) = queue.due(connection, time.time(), 10)
    assert (request.job, request.owner, request.fqans, request.retry_count) == (JOB, "/CN=alice", ("/vo",), 0)
    assert request.phase is Phase.QUEUED
    assert 90 < request.expiry - time.time() <= 100


def test_a_move_needs_the_phase_attempt_and_code_it_was_made_from(queued):
    with queued.begin() as connection:
        request = queue.get(connection, JOB)
        assert queue.move(connection, request, phase=Phase.CHOSEN, attempt=1, sequence_code="x" * 10)
        assert not queue.move(connection, request, phase=Phase.ENDED, end=End.DONE)
        assert queue.get(connection, JOB).phase is Phase.CHOSEN


def test_cancelling_is_asked_once_and_makes_a_running_request_due(queued):
    with queued.begin() as connection:
        request = queue.get(connection, JOB)
        queue.move(connection, request, phase=Phase.RUNNING)
        assert queue.due(connection, time.time() + 9, 10) == []
        assert queue.request_cancel(connection, JOB)
        assert not queue.request_cancel(connection, JOB)
        assert len(queue.due(connection, time.time() + 9, 10)) == 1


def test_an_ended_request_cannot_be_cancelled_and_can_be_forgotten(queued):
    with queued.begin() as connection:
        queue.forget(connection, JOB)
        assert queue.progress(connection, JOB) is not None
        queue.move(connection, queue.get(connection, JOB), phase=Phase.ENDED, end=End.DONE, exit_code=3)
        assert not queue.request_cancel(connection, JOB)
        progress = queue.progress(connection, JOB)
        assert (progress.end, progress.exit_code) == (End.DONE, 3)
        assert queue.waiting_count(connection) == 0
        queue.forget(connection, JOB)
        assert queue.progress(connection, JOB) is None


def test_the_position_in_a_stream_is_kept_for_each_ce(engine):
    with engine.begin() as connection:
        assert queue.stream(connection, "https://a") == ("", 0)
        queue.set_stream(connection, "https://a", "db1", 5)
        queue.set_stream(connection, "https://a", "db1", 7)
        queue.set_stream(connection, "https://b", "db2", 1)
        assert queue.stream(connection, "https://a") == ("db1", 7)
        assert queue.stream(connection, "https://b") == ("db2", 1)


def test_a_registration_that_fails_after_queueing_leaves_no_request(engine):
    submission = Submission(JOB, "/CN=alice", (), "[]", "/p", CODE)
    with pytest.raises(RuntimeError), engine.begin() as connection:
        queue.enqueue(connection, submission, expiry_period=1)
        raise RuntimeError
    with engine.begin() as connection:
        assert queue.get(connection, JOB) is None


def test_a_cancellation_that_came_meanwhile_is_not_put_off_with_the_next_try(queued):
    with queued.begin() as connection:
        stale = queue.get(connection, JOB)
        assert queue.request_cancel(connection, JOB)
        assert queue.move(connection, stale, phase=Phase.WAITING, next_try=time.time() + 300)
        (due,) = queue.due(connection, time.time(), 10)
        assert due.cancelling
        assert queue.move(connection, due, next_try=time.time() + 300)
        assert queue.due(connection, time.time(), 10) == []


def test_the_next_due_time_is_not_hidden_by_a_request_that_is_due_already(queued):
    with queued.begin() as connection:
        later = JobId("lb.example.org", 9000, "later")
        queue.enqueue(connection, Submission(later, "/CN=alice", (), "[]", "/p", CODE), expiry_period=100)
        now = time.time()
        queue.move(connection, queue.get(connection, later), next_try=now + 7)
        assert queue.next_due(connection, now) == pytest.approx(now + 7)
        assert queue.next_due(connection, now + 8) is None


def test_owners_take_turns_and_what_is_theirs_already_counts(engine):
    with engine.begin() as connection:
        for number in range(30):
            owner = "/CN=bulk" if number < 25 else f"/CN=single{number}"
            job = JobId("lb.example.org", 9000, f"job{number:03d}")
            queue.enqueue(connection, Submission(job, owner, (), "[]", "/p", CODE), expiry_period=100)
        found = [request.owner for request in queue.due(connection, time.time(), 8)]
        assert sorted(found[:6]) == ["/CN=bulk", *(f"/CN=single{number}" for number in range(25, 30))]
        assert found[6:] == ["/CN=bulk", "/CN=bulk"]
        assert len({request.owner for request in queue.due(connection, time.time(), 4)}) == 4
        assert len(queue.due(connection, time.time(), 100)) == 30


def test_what_the_ces_have_is_in_nobodys_way(engine):
    with engine.begin() as connection:
        for number in range(4):
            job = JobId("lb.example.org", 9000, f"job{number}")
            queue.enqueue(connection, Submission(job, "/CN=a", (), "[]", "/p", CODE), expiry_period=100)
            if number:
                phase = (Phase.RUNNING, Phase.ENDED, Phase.REGISTERED)[number - 1]
                queue.move(connection, queue.get(connection, job), phase=phase)
        pending = connection.exec_driver_sql("select phase from broker_requests where next_try is not null")
        assert sorted(row[0] for row in pending) == ["queued", "registered"]
