"""Nodes of compound jobs: their classes, and the state that they make."""

from __future__ import annotations

import pytest

from grid.states import JobState, Source
from lb.children import Newborns, NodeClass, class_of, collection_state
from lb.machine import fold
from lb.status import from_json

R, D, A, C, X = NodeClass.RUNNING, NodeClass.DONE, NodeClass.ABORTED, NodeClass.CLEARED, NodeClass.REST


@pytest.mark.parametrize(
    ("histogram", "state"),
    [
        ({R: 1, D: 5, X: 3}, JobState.Running),
        ({C: 3}, JobState.Cleared),
        ({C: 1, D: 2}, JobState.Done),
        ({A: 1, C: 1, D: 1}, JobState.Aborted),
        ({A: 3}, JobState.Aborted),
        ({D: 2, X: 1}, JobState.Waiting),
    ],
)
def test_the_first_rule_that_holds_decides(histogram, state):
    assert collection_state(histogram) is state


def test_a_failed_node_is_not_done(trace):
    trace.register()
    for number, (code, wanted) in enumerate((("FAILED", X), ("OK", D), ("CANCELLED", C))):
        seq = trace.code(ns=3, wm=1, lm=number)
        trace.log("Done", Source.LogMonitor, seq, status_code=code, exit_code="0")
        assert class_of(fold(trace.events)) is wanted


def test_nodes_have_the_identifiers_that_the_seed_gives(trace):
    event = trace.register(jobtype="DAG", nsubjobs="2", seed="abc")
    assert list(Newborns.of(event).nodes()) == [trace.jobid.child("abc", 0), trace.jobid.child("abc", 1)]
    assert not list(Newborns.of(trace.register(jobtype="DAG", nsubjobs="2")).nodes())


def test_nodes_are_submitted_jobs_of_their_own_which_know_their_parent(trace):
    event = trace.register(jobtype="COLLECTION", nsubjobs="3", seed="abc")
    for index, (node, text) in enumerate(Newborns.of(event).texts()):
        status = from_json(text)
        assert status.job_id == node == trace.jobid.child("abc", index)
        assert (status.state, status.owner, status.parent_job) == (JobState.Submitted, trace.OWNER, str(trace.jobid))
        assert status.entered(JobState.Submitted) == event.timestamp
