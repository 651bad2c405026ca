"""Compound jobs from their arrival to their one end, with scripted computing elements and a broker that is killed."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker import compounds, queue
from broker.compounds import Kind
from broker.queue import End, Phase
from broker.supermarket import Snapshot
from broker.tally import CANCELLED, COMPLETED, FAILED, PARENTS_ABORTED
from grid.states import CreamState, JobState, Source
from lb import ulm
from lb.machine import fold

DIAMOND = {"top": (), "left": ("top",), "right": ("top",), "bottom": ("left", "right")}
GOOD, BAD_CODE, BROKEN = "good", "bad code", "broken"


def run_node(world, job, outcome=GOOD):
    """Let a released node come to its end on the CE."""
    while world.get(job).phase is not Phase.RUNNING:
        world.step(job)
    ce, name = world.place(job)
    ce.go(name, CreamState.IDLE, CreamState.RUNNING, CreamState.REALLY_RUNNING)
    if outcome == BROKEN:
        ce.go(name, CreamState.DONE_FAILED, failure_reason="the payload's fault", exit_code=1)
    else:
        ce.go(name, CreamState.DONE_OK, exit_code=3 if outcome == BAD_CODE else 0)
    world.take()


def released(world, ids):
    return {name for name, job in ids.items() if name and world.get(job).phase not in (Phase.HELD, Phase.ENDED)}


# -- DAGs ----------------------------------------------------------------------------------------------------


def test_nodes_of_a_dag_start_after_their_parents_and_the_dag_is_done_with_the_last(world):
    ids = world.compound(DIAMOND)
    world.advance(ids[""])
    assert released(world, ids) == {"top"}
    assert world.waiting_compounds() == [], "nothing to do until a node ends"
    run_node(world, ids["top"])
    assert released(world, ids) == set()
    world.advance(ids[""])
    assert released(world, ids) == {"left", "right"}
    run_node(world, ids["left"])
    world.advance(ids[""])
    assert released(world, ids) == {"right"}
    run_node(world, ids["right"])
    world.advance(ids[""])
    run_node(world, ids["bottom"])
    compound = world.advance(ids[""])
    assert (compound.phase, compound.end, compound.reason) == (Phase.ENDED, End.DONE, COMPLETED)
    assert world.state(ids[""]) is JobState.Done


def test_lb_sees_a_dag_running_from_the_moment_its_nodes_are_looked_at(world):
    ids = world.compound(DIAMOND)
    assert world.state(ids[""]) is JobState.Waiting
    world.advance(ids[""])
    assert world.state(ids[""]) is JobState.Running


@pytest.mark.parametrize(
    "outcome, said", [(BROKEN, "node left was aborted"), (BAD_CODE, "node left ended with exit code 3")]
)
def test_descendants_of_a_failed_node_end_aborted_and_their_reason_names_it(world, outcome, said):
    ids = world.compound({**DIAMOND, "last": ("bottom",)})
    world.advance(ids[""])
    run_node(world, ids["top"])
    world.advance(ids[""])
    run_node(world, ids["left"], outcome)
    world.advance(ids[""])
    for name in ("bottom", "last"):
        request = world.get(ids[name])
        assert (request.phase, request.end) == (Phase.ENDED, End.ABORTED)
        assert request.reason.startswith(f"{PARENTS_ABORTED}: {said}"), request.reason
        assert world.state(ids[name]) is JobState.Aborted
    run_node(world, ids["right"])
    compound = world.advance(ids[""])
    assert (compound.end, compound.succeeded, compound.aborted + compound.failed) == (End.ABORTED, 2, 3)
    assert compound.reason.startswith(f"{FAILED}: {said}")
    assert world.state(ids[""]) is JobState.Aborted


def test_a_long_chain_below_a_failure_ends_in_a_few_turns(world, monkeypatch):
    monkeypatch.setattr("broker.engine._BATCH", 7)
    chain = {"n0": ()} | {f"n{place}": (f"n{place - 1}",) for place in range(1, 60)}
    ids = world.compound(chain)
    world.advance(ids[""])
    run_node(world, ids["n0"], BROKEN)
    compound = world.advance(ids[""])
    assert (compound.end, compound.aborted) == (End.ABORTED, 60)
    assert "node n0" in world.get(ids["n59"]).reason


def test_cancelling_one_node_that_was_not_released_ends_it_at_once_and_its_children_cannot_start(world):
    ids = world.compound(DIAMOND)
    world.advance(ids[""])
    assert world.cancel(ids["right"])
    assert world.step(ids["right"]).end is End.CANCELLED
    world.advance(ids[""])
    assert world.get(ids["bottom"]).end is End.ABORTED
    assert "node right was cancelled" in world.get(ids["bottom"]).reason
    run_node(world, ids["top"])
    world.advance(ids[""])
    run_node(world, ids["left"])
    assert world.advance(ids[""]).end is End.ABORTED


# -- cancelling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
def test_cancelling_ends_what_waits_at_once_and_what_runs_by_the_computing_element(world, kind):
    names = DIAMOND if kind is Kind.DAG else dict.fromkeys(DIAMOND, ())
    ids = world.compound(names, kind)
    world.advance(ids[""])
    while world.get(ids["top"]).phase is not Phase.RUNNING:
        world.step(ids["top"])
    assert world.cancel(ids[""])
    assert not world.cancel(ids[""])
    compound = world.advance(ids[""])
    assert compound.phase is not Phase.ENDED, "top is with its CE"
    for name in released(world, ids):
        world.step(ids[name])
    world.take()
    compound = world.advance(ids[""])
    assert (compound.end, compound.reason, compound.cancelled) == (End.CANCELLED, CANCELLED, 4)
    assert {world.state(job) for job in ids.values()} == {JobState.Cancelled}


def test_cancelling_before_the_first_look_starts_nothing(world):
    ids = world.compound(DIAMOND)
    assert world.cancel(ids[""])
    assert world.advance(ids[""]).end is End.CANCELLED
    assert all(ce.asked == Counter() for ce in world.ces)
    assert {world.state(job) for job in ids.values()} == {JobState.Cancelled}


def test_a_job_whose_nodes_had_all_succeeded_is_done_although_cancelling_was_asked(world):
    ids = world.compound({"only": ()})
    world.advance(ids[""])
    while world.get(ids["only"]).phase is not Phase.RUNNING:
        world.step(ids["only"])
    assert world.cancel(ids[""])
    ce, name = world.place(ids["only"])
    ce.go(name, CreamState.DONE_OK)
    world.take()
    world.advance(ids[""])
    assert queue_progress(world, ids[""]).end is End.DONE
    assert world.state(ids[""]) is JobState.Done


def queue_progress(world, job):
    with world.ledger.engine.connect() as db:
        return queue.progress(db, job)


# -- collections ---------------------------------------------------------------------------------------------


def test_a_collection_ends_done_whatever_the_exit_codes_as_bookkeeping_says(world):
    ids = world.compound({"a": (), "b": ()}, Kind.COLLECTION)
    world.advance(ids[""])
    run_node(world, ids["a"], BAD_CODE)
    run_node(world, ids["b"])
    assert world.advance(ids[""]).end is End.DONE
    assert [line for line in world.told(ids[""]) if line.startswith(("Done", "Abort"))] == []


def test_a_collection_with_an_aborted_node_ends_aborted_and_says_which(world):
    ids = world.compound({"a": (), "b": ()}, Kind.COLLECTION)
    world.advance(ids[""])
    run_node(world, ids["a"], BROKEN)
    run_node(world, ids["b"])
    compound = world.advance(ids[""])
    assert compound.end is End.ABORTED
    assert "node a was aborted" in compound.reason


def test_the_last_cancelled_node_is_told_after_its_collection_which_would_be_over_otherwise(world):
    ids = world.compound({"a": (), "b": ()}, Kind.COLLECTION)
    for name in ("a", "b"):
        world.cancel(ids[name])
        world.step(ids[name])
    world.restart()  # the old outbox has emptied itself into the journal
    assert lines_of(world) == [str(ids[name]) for name in ("a", "", "b")]


def lines_of(world):
    """Whose Cancel is told, in the order of the journal."""
    files = sorted(world.settings.journal_directory.glob("broker.*.log"))
    lines = [line for path in files for line in path.read_text().splitlines() if 'DG.EVNT="Cancel"' in line]
    return [line.split('DG.JOBID="', 1)[1].split('"', 1)[0] for line in lines]


def test_no_more_nodes_are_released_than_the_slots_can_use(make_world):
    world = make_world(fewest_released_nodes=3, most_released_nodes=5)
    ids = world.compound({f"n{place}": () for place in range(9)}, Kind.COLLECTION)
    assert world.advance(ids[""]).released == 3
    run_node(world, ids["n0"])
    assert released(world, ids) == {"n1", "n2"}
    world.advance(ids[""])
    assert released(world, ids) == {"n1", "n2", "n3"}
    world.shelf.now = Snapshot(())
    assert world.engine.most_released() == 3


def test_one_users_thousands_of_nodes_do_not_delay_another_users_job(make_world):
    world = make_world(fewest_released_nodes=20)
    world.compound({f"n{place}": () for place in range(2000)}, Kind.COLLECTION, owner="/O=Grid/CN=Bob")
    (bulk,) = world.waiting_compounds()
    world.advance(bulk)
    job = world.submit("single")
    with world.ledger.engine.connect() as db:
        first_two = queue.due(db, time.time() + 1, 2)
        everything = queue.due(db, time.time() + 1, 10_000)
    assert job in [request.job for request in first_two], "owners take turns"
    assert len(everything) == 21, "the rest of the collection is not in anybody's way"


# -- killed at any moment, in any order ----------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


@st.composite
def dags(draw):
    size = draw(st.integers(1, 6))
    return {
        f"n{place}": tuple(f"n{above}" for above in range(place) if draw(st.booleans()))
        for place in range(size)
    }


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    parents=dags(),
    outcomes=st.lists(st.sampled_from([GOOD, GOOD, GOOD, BAD_CODE, BROKEN]), min_size=7, max_size=7),
    kind=st.sampled_from([Kind.DAG, Kind.DAG, Kind.DAG, Kind.COLLECTION]),
    data=st.data(),
)
def test_each_node_ends_once_and_only_after_its_parents_began_and_the_end_of_all_is_right(
    make_world, monkeypatch, parents, outcomes, kind, data
):
    if kind is Kind.COLLECTION:
        parents = dict.fromkeys(parents, ())
    world = make_world(fewest_released_nodes=data.draw(st.integers(1, 4), "window"))
    ids = world.compound(parents, kind)
    outcome = dict(zip(parents, outcomes, strict=False))
    wish = data.draw(st.sampled_from([None, None, "", *parents]), "cancelled")
    killed = data.draw(st.integers(0, 12), "kill at the n-th point")
    dice = data.draw(st.randoms(use_true_random=False), "order of what happens")
    passages = iter(range(1, 10_000))

    def point(name):
        if next(passages) == killed:
            raise Killed(name)

    for module in ("planner", "monitor", "engine"):
        monkeypatch.setattr(f"broker.{module}.point", point)
    for _ in range(400):
        moves = _moves(world, ids, outcome)
        if wish is not None:
            moves.append(lambda name=wish: world.cancel(ids[name]))
        if not moves:
            break
        chosen = dice.randrange(len(moves))
        if chosen == len(moves) - 1 and wish is not None:
            wish = None
        try:
            moves[chosen]()
        except Killed:
            world.restart()
        _nobody_is_early(world, ids, parents)
    _judge(world, ids, parents, kind, outcome)
    world.close()


def _moves(world, ids, outcome):
    """What can happen next."""
    moves = [lambda job=job: world.engine.advance(job) for job in world.waiting_compounds()]
    moves += [lambda request=request: world.planner.step(request) for request in world.due(time.time() + 3600)]
    for name, job in ids.items():
        request = world.get(job) if name else None
        if request is not None and request.phase in (Phase.REGISTERED, Phase.RUNNING):
            ce, ce_job = world.place(job)
            if ce.jobs[ce_job].state is CreamState.PENDING:
                moves.append(lambda ce=ce, ce_job=ce_job, name=name: _finish(ce, ce_job, outcome[name]))
    if any(ce.events and _news(world, endpoint, ce) for endpoint, ce in world.elements.ces.items()):
        moves.append(world.take)
    return moves


def _nobody_is_early(world, ids, parents):
    """What was released has parents that have all succeeded."""
    nodes = {name: world.get(ids[name]) for name in parents}
    good = {name for name, node in nodes.items() if node.end is End.DONE and not node.exit_code}
    early = {name for name, node in nodes.items() if node.phase not in (Phase.HELD, Phase.ENDED)}
    assert not {name for name in early if set(parents[name]) - good}


def _news(world, endpoint, ce):
    with world.ledger.engine.connect() as db:
        return queue.stream(db, endpoint)[1] < ce.events[-1].number


def _finish(ce, ce_job, outcome):
    ce.go(ce_job, CreamState.IDLE, CreamState.RUNNING, CreamState.REALLY_RUNNING)
    if outcome == BROKEN:
        ce.go(ce_job, CreamState.DONE_FAILED, failure_reason="the payload's fault", exit_code=1)
    else:
        ce.go(ce_job, CreamState.DONE_OK, exit_code=3 if outcome == BAD_CODE else 0)


def _judge(world, ids, parents, kind, outcome):
    nodes = {name: world.get(ids[name]) for name in parents}
    assert {node.phase for node in nodes.values()} == {Phase.ENDED}
    with world.ledger.engine.connect() as db:
        compound = compounds.get(db, ids[""])
    assert compound.phase is Phase.ENDED
    assert (compound.released, compound.held, compound.ended) == (0, 0, len(parents))
    good = {name for name, node in nodes.items() if node.end is End.DONE and not node.exit_code}
    runs = Counter(job.grid_job for ce in world.ces for job in ce.jobs.values() if ce.starts[job.name])
    told = _told(world)
    for name, node in nodes.items():
        _agrees_with_lb(told[ids[name]], node.end)
        assert runs[ids[name]] <= 1
        bad_parents = set(parents[name]) - good
        if bad_parents:
            assert runs[ids[name]] == 0, f"{name} ran although {bad_parents} failed"
            assert node.end is not End.DONE
        if node.end is End.DONE:
            assert node.exit_code == (3 if outcome[name] == BAD_CODE else 0)
        if node.end is End.ABORTED and runs[ids[name]] == 0:
            assert any(f"node {other} " in node.reason for other in set(parents) - good - {name}), node.reason
    ends = Counter(node.end for node in nodes.values())
    if compound.end is End.DONE:
        assert len(good) == len(parents) if kind is Kind.DAG else not ends[End.ABORTED]
    elif compound.end is End.CANCELLED:
        assert ends[End.CANCELLED] and (compound.cancelling or ends[End.CANCELLED] == len(parents))
    else:
        assert ends[End.ABORTED] or kind is Kind.DAG
    if kind is Kind.DAG:
        _agrees_with_lb(told[ids[""]], compound.end)


def _told(world):
    """All events by job, those of the wrappers and of WMProxy too."""
    world.restart()
    files = sorted(world.settings.journal_directory.glob("broker.*.log"))
    by_job = defaultdict(list)
    for event in [*world.logged, *(event for ce in world.ces for event in ce.logged)]:
        by_job[event.jobid].append(event)
    for event in (ulm.decode(line) for path in files for line in path.read_text().splitlines()):
        by_job[event.jobid].append(event)
    return by_job


def _agrees_with_lb(events, end):
    ends = [e for e in events if (e.type, e.get("status_code")) in (("Done", "OK"), ("Abort", ""), ("Cancel", "DONE"))]
    assert len({event.seqcode for event in ends if event.source is not Source.LRMS}) == 1, ends
    state = {End.DONE: JobState.Done, End.ABORTED: JobState.Aborted, End.CANCELLED: JobState.Cancelled}[end]
    assert fold(events).state is state
