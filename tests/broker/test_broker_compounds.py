"""The books of compound jobs: what is queued whole, released in order, counted, and found without looking at all."""

import time

import pytest
from sqlalchemy.event import listen

from broker import compounds, queue
from broker.compounds import CompoundSubmission, Fate, Kind, NodeSubmission
from broker.errors import BadCompound
from broker.queue import End, Phase, Submission
from grid.jobid import JobId

PARENT = JobId("lb.example.org", 9000, "Parent0000000000000000")
CODE = "UI=000000:NS=0000000004:WM=000000:BH=0000000000:JSS=000000:LM=000000:LRMS=000000:APP=000000:LBS=000000"
DIAMOND = {"top": (), "left": (0,), "right": (0,), "bottom": (1, 2)}


def node(place, name="", parents=(), **more):
    job = PARENT.child("WMPROXY", place)
    submission = Submission(job, "/CN=alice", ("/vo",), "[]", "/p", CODE, **more)
    return NodeSubmission(submission, place, name or f"n{place}", parents)


def enqueue(engine, nodes, kind=Kind.DAG):
    with engine.begin() as connection:
        compounds.enqueue(
            connection, CompoundSubmission(PARENT, "/CN=alice", kind, CODE), nodes, expiry_period=100
        )


def diamond():
    return [node(place, name, parents) for place, (name, parents) in enumerate(DIAMOND.items())]


def test_nodes_are_held_until_they_are_released_and_only_those_without_parents_are(engine):
    enqueue(engine, diamond())
    with engine.begin() as connection:
        assert queue.due(connection, time.time() + 9, 10) == []
        assert compounds.due(connection, time.time() + 9, 10) == [PARENT]
        assert queue.progress(connection, PARENT).phase is Phase.QUEUED
        assert queue.progress(connection, PARENT.child("WMPROXY", 3)).phase is Phase.HELD
        compound = compounds.get(connection, PARENT)
        assert (compound.nodes, compound.held, compound.released, compound.complete) == (4, 4, 0, False)
        assert compounds.release(connection, compound, 10, time.time()) == 1
        (top,) = queue.due(connection, time.time() + 9, 10)
        assert (top.node_name, top.compound, top.phase) == ("top", PARENT, Phase.QUEUED)
        assert 90 < top.expiry - time.time() <= 100, "the wait for a match begins with the release"


def test_a_release_takes_the_first_places_and_no_more_than_it_may(engine):
    enqueue(engine, (node(place) for place in range(7)), Kind.COLLECTION)
    with engine.begin() as connection:
        assert compounds.release(connection, compounds.get(connection, PARENT), 3, time.time()) == 3
        assert {request.node_index for request in queue.due(connection, time.time() + 9, 10)} == {0, 1, 2}
        assert compounds.get(connection, PARENT).released == 3


def test_the_end_that_a_node_names_for_its_wait_is_kept(engine):
    enqueue(engine, [node(0, expiry=5e9)])
    with engine.begin() as connection:
        compounds.release(connection, compounds.get(connection, PARENT), 1, time.time())
        (request,) = queue.due(connection, time.time() + 9, 10)
        assert request.expiry == 5e9


def test_a_node_is_ready_when_the_last_of_its_parents_has_succeeded(engine):
    enqueue(engine, diamond())
    with engine.begin() as connection:
        for place, ready in ((0, 3), (1, 3), (2, 4)):
            compounds.met(connection, PARENT, place)
            compounds.release(connection, compounds.get(connection, PARENT), 10, time.time())
            assert compounds.get(connection, PARENT).released == ready


def test_children_of_a_node_that_failed_are_doomed_whatever_their_other_parents_do(engine):
    enqueue(engine, diamond())
    with engine.begin() as connection:
        compounds.release(connection, compounds.get(connection, PARENT), 10, time.time())
        compounds.met(connection, PARENT, 0)
        compounds.doom(connection, PARENT, {1: "because of left"})
        compounds.met(connection, PARENT, 2)
        (bottom,) = compounds.held(connection, PARENT, 10, doomed=True)
        assert (bottom.node_name, bottom.reason) == ("bottom", "because of left")


@pytest.mark.parametrize(
    "parents, word",
    [
        ({0: (1,), 1: (0,)}, "circle"),
        ({0: (0,)}, "circle"),
        ({0: (), 1: (2,), 2: (3,), 3: (1,)}, "circle"),
        ({0: (5,)}, "where there is none"),
        ({0: (-1,)}, "where there is none"),
        ({}, "no nodes"),
    ],
)
def test_what_could_never_end_is_not_queued(engine, parents, word):
    with pytest.raises(BadCompound, match=word):
        enqueue(engine, [node(place, parents=above) for place, above in parents.items()])
    with engine.connect() as connection:
        assert queue.progress(connection, PARENT) is None
        assert queue.waiting_count(connection) == 0


def test_the_wish_to_cancel_a_compound_job_is_taken_once_and_makes_it_due(engine):
    enqueue(engine, diamond())
    with engine.begin() as connection:
        compounds.change(connection, PARENT, next_try=None)
        assert queue.request_cancel(connection, PARENT)
        assert not queue.request_cancel(connection, PARENT)
        assert queue.progress(connection, PARENT).cancelling
        assert compounds.due(connection, time.time(), 10) == [PARENT]


def test_a_held_node_can_be_cancelled_alone_and_is_due_then(engine):
    enqueue(engine, diamond())
    with engine.begin() as connection:
        assert queue.request_cancel(connection, PARENT.child("WMPROXY", 3))
        (request,) = queue.due(connection, time.time(), 10)
        assert (request.node_name, request.phase) == ("bottom", Phase.HELD)


def test_forgetting_a_compound_job_that_has_ended_leaves_nothing_and_before_that_does_nothing(engine):
    enqueue(engine, diamond())
    with engine.begin() as connection:
        queue.forget(connection, PARENT)
        assert len(compounds.nodes_progress(connection, PARENT)) == 4
        compounds.change(connection, PARENT, phase=Phase.ENDED, end=End.ABORTED)
        queue.forget(connection, PARENT)
        assert queue.progress(connection, PARENT) is None
        assert compounds.nodes_progress(connection, PARENT) == []
        assert connection.exec_driver_sql("select count(*) from broker_edges").scalar() == 0


def test_counts_add_up_and_the_first_culprit_stays(engine):
    enqueue(engine, diamond())
    with engine.begin() as connection:
        compounds.release(connection, compounds.get(connection, PARENT), 1, time.time())
        compounds.count(connection, PARENT, {Fate.FAILED: 1}, released=1, culprit="top")
        compound = compounds.count(connection, PARENT, {Fate.ABORTED: 3}, released=0, culprit="left")
    assert (compound.failed, compound.aborted, compound.released, compound.culprit) == (1, 3, 0, "top")
    assert compound.complete


def test_no_question_about_nodes_leads_through_all_of_them(engine):
    if engine.dialect.name != "sqlite":
        pytest.skip("the plans of PostgreSQL follow from what it has counted")
    enqueue(engine, diamond())
    asked = []
    listen(engine, "before_cursor_execute", lambda *event: asked.append(event[2:4]))
    with engine.begin() as connection:
        compounds.release(connection, compounds.get(connection, PARENT), 1, time.time())
        compounds.met(connection, PARENT, 0)
        compounds.doom(connection, PARENT, {1: "why"})
        compounds.cancel_released(connection, PARENT, time.time())
        nodes = compounds.held(connection, PARENT, 9, doomed=True) + compounds.held(connection, PARENT, 9, doomed=False)
        compounds.end_held(connection, [(nodes[0], CODE)], End.ABORTED, ["why"])
        compounds.due(connection, time.time(), 9)
        queue.due(connection, time.time(), 9)
        for statement, values in asked[:]:
            values = values if isinstance(values, tuple) else values[0]
            steps = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            over_tables = [step for step in steps if step.startswith("SCAN broker_")]
            assert not over_tables, (statement, steps)
            if "broker_edges" in statement:
                assert any("node_index=?" in step for step in steps), (statement, steps)
    assert len(asked) > 10
