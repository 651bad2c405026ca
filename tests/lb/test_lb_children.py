"""Nodes of compound jobs: their classes, and the state that they make."""

from __future__ import annotations

import pytest

from grid.states import JobState, Source
from lb.children import NodeClass, class_of, collection_state, moved, newborn
from lb.machine import fold

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


def test_a_node_is_counted_in_one_class_only():
    assert moved({X: 2}, X, R) == {X: 1, R: 1, D: 0, A: 0, C: 0}


def test_a_failed_node_is_not_done(trace):
    trace.register()
    for number, (code, wanted) in enumerate((("FAILED", X), ("OK", D), ("CANCELLED", C))):
        seq = trace.code(ns=3, wm=1, lm=number)
        trace.log("Done", Source.LogMonitor, seq, status_code=code, exit_code="0")
        assert class_of(fold(trace.events)) is wanted


def test_nodes_have_the_identifiers_that_the_seed_gives(trace):
    event = trace.register(jobtype="DAG", nsubjobs="2", seed="abc")
    assert [node.job_id for node in newborn(event)] == [trace.jobid.child("abc", 0), trace.jobid.child("abc", 1)]
    assert not list(newborn(trace.register(jobtype="DAG", nsubjobs="2")))
