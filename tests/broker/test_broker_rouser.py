"""Waiting requests are looked at again when there is a reason to, and only then."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from broker import queue, rouser
from broker.job import Job
from broker.placement import Placements
from broker.queue import Phase
from broker.rouser import Rouser
from broker.supermarket import Snapshot
from broker.waiting import Kind, Waiting
from grid.fqan import Fqan
from grid.states import CreamState
from infosys.access import User
from jdl.parser import parse

ADA = User("/CN=Ada", (Fqan.parse("/vo"),))


class Bench:
    """A world with a rouser; its thread is not started."""

    def __init__(self, world) -> None:
        self.world = world
        self.woken = 0
        self.moments: list[float] = []
        self.rouser = Rouser(world.ledger, world.planner.waiting, self._wake, monotonic=self._now)
        world.ledger.standings.subscribe(self.rouser.lifted)

    def _now(self) -> float:
        return self.moments.pop(0) if self.moments else 0.0

    def _wake(self) -> None:
        self.woken += 1

    def show(self, snapshot: Snapshot) -> int:
        self.world.shelf.now = snapshot
        self.rouser(snapshot)
        return self.rouser.look()

    def due(self) -> set[str]:
        return {request.job.unique for request in self.world.due(time.time())}


@pytest.fixture
def bench(world):
    world.shelf.now = Snapshot()
    made = Bench(world)
    made.show(Snapshot())
    made.woken = 0
    return made


def test_a_new_element_rouses_the_jobs_that_it_fits_and_no_others(bench, element):
    world = bench.world
    needs = {"small": 1000, "large": 5000, "larger": 9000}
    for name, ram in needs.items():
        world.step(world.submit(name, extra=f"Requirements = other.GlueHostMainMemoryRAMSize > {ram};"))
    assert bench.due() == set()
    assert bench.show(Snapshot(element("one.example.org", ram=6000))) == 2
    assert bench.due() == {"small", "large"}
    assert bench.woken == 1


def test_a_picture_that_comes_while_a_job_is_matched_is_looked_at_too(bench, element, monkeypatch):
    world, place = bench.world, Placements.place

    def late(placements, request, known):
        placement = place(placements, request, known)
        assert bench.show(Snapshot(element("one.example.org"))) == 0
        return placement

    job = world.submit("job")
    with monkeypatch.context() as patch:
        patch.setattr(Placements, "place", late)
        world.step(job)
    assert bench.due() == {"job"}


def test_a_job_to_be_sent_again_later_is_not_roused(bench, two):
    world = bench.world
    failed = world.submit("failed")
    request = world.get(failed)
    later = time.time() + 30
    world.write(lambda db: queue.move(db, request, phase=Phase.WAITING, next_try=later))
    world.restart()
    fresh = Bench(world)
    fresh.show(two)
    assert fresh.due() == set()
    assert world.get(failed).next_try == later


def test_an_element_that_changes_is_compared_and_one_that_does_not_is_not(bench, element):
    world = bench.world
    world.step(world.submit("job", extra="Requirements = other.GlueCEStateFreeJobSlots > 5;"))
    few, many = element("one.example.org", free_job_slots=1), element("one.example.org", free_job_slots=9)
    assert bench.show(Snapshot(few)) == 0
    assert bench.show(Snapshot(few)) == 0
    assert bench.show(Snapshot(many)) == 1
    assert bench.due() == {"job"}


def test_after_a_restart_everything_that_waits_is_looked_at_once(bench, element):
    world = bench.world
    world.step(world.submit("job", extra="Requirements = false;"))
    world.restart()
    fresh = Bench(world)
    assert fresh.show(Snapshot(element("one.example.org"))) == 1
    world.step(world.due(time.time())[0].job)
    assert fresh.show(Snapshot(element("two.example.org"))) == 0
    assert fresh.due() == set()


def test_jobs_whose_own_fellows_filled_the_element_are_looked_at_with_each_picture(bench, element):
    world = bench.world
    snapshot = Snapshot(element("one.example.org", free_job_slots=1, estimated_response_time=0))
    bench.show(snapshot)
    free = "Requirements = other.GlueCEStateFreeJobSlots > 0;"
    world.step(world.submit("first", extra=free))
    waiting = world.step(world.submit("second", extra=free))
    assert (waiting.phase, bench.due()) == (Phase.WAITING, set())
    assert "meanwhile filled it" in waiting.reason
    assert bench.show(Snapshot(snapshot.records)) == 1
    assert bench.due() == {"second"}


def test_when_an_element_is_taken_again_those_that_wait_for_it_are_roused_at_once(make_world, element):
    world = make_world(snapshot=Snapshot(element("one.example.org", free_job_slots=9)), hold=0.3)
    bench = Bench(world)
    bench.show(world.shelf.now)
    (ce,) = world.ces
    for number in range(3):
        _, _, name = world.running(f"bad{number}")
        ce.go(name, CreamState.DONE_FAILED, infrastructure=True, failure_reason="no disk")
        world.take()
    world.write(lambda db: db.execute(queue.REQUESTS.update().values(next_try=None)))
    time.sleep(0.4)
    trial = world.submit("trial")
    world.step(trial)
    waiting = world.step(world.submit("waiting", extra="Requirements = true;"))
    assert waiting.phase is Phase.WAITING
    world.write(lambda db: queue.move(db, waiting, next_try=time.time() + 99))
    ce, name = world.place(trial)
    ce.go(name, CreamState.DONE_OK)
    world.take()
    assert bench.rouser.look() == 1
    assert bench.due() == {"waiting"}


def test_alike_jobs_are_compared_once(bench, element, monkeypatch):
    world = bench.world
    for number in range(20):
        world.step(world.submit(f"job{number}", extra="Requirements = other.GlueHostMainMemoryRAMSize > 5000;"))
    asked = Counter()
    real = rouser.match
    monkeypatch.setattr(rouser, "match", lambda *a, **k: asked.update(["match"]) or real(*a, **k))
    assert bench.show(Snapshot(element("one.example.org", ram=6000))) == 20
    assert asked == {"match": 1}


def test_what_one_picture_does_not_answer_in_time_the_next_is_asked_first(bench, element):
    world = bench.world
    for number in range(3):
        world.step(world.submit(f"job{number}", extra=f"Requirements = other.GlueHostMainMemoryRAMSize > {number};"))
    bench.moments = [0.0, 0.0, 9.0]
    assert bench.show(Snapshot(element("one.example.org", ram=6000))) == 1
    assert bench.due() == {"job0"}
    assert bench.show(Snapshot(element("two.example.org", ram=6000))) == 2


def test_the_thread_takes_pictures_and_ends(bench, two):
    world = bench.world
    world.step(world.submit("job"))
    bench.rouser.start()
    bench.rouser(two)
    deadline = time.monotonic() + 10
    while not bench.woken and time.monotonic() < deadline:
        time.sleep(0.01)
    bench.rouser.close()
    assert bench.due() == {"job"}


def test_the_kinds_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr("broker.waiting.MAX_KINDS", 3)
    waiting = Waiting()
    for number in range(9):
        waiting.add(f"job{number}", Kind(number, Job(parse("[]")), ADA))
    assert [kind.key for kind in waiting.kinds()] == [0, 1, 2]
    waiting.remove("job1")
    waiting.add("job2", Kind(0, Job(parse("[]")), ADA))
    assert [(kind.key, waiting.of(kind)) for kind in waiting.kinds()] == [(0, ["job0", "job2"])]


def test_large_descriptions_are_not_remembered_beyond_a_bound(monkeypatch):
    monkeypatch.setattr("broker.waiting.MAX_WEIGHT", 100)
    waiting = Waiting()
    small, large = Job(parse("[a = 1]")), Job(parse(f"[a = {' + '.join(['1'] * 200)}]"))
    waiting.add("large", Kind("large", large, ADA))
    waiting.add("small", Kind("small", small, ADA))
    assert [kind.key for kind in waiting.kinds()] == ["small"]
    assert len(waiting) == 1
    waiting.remove("small")
    waiting.remove("large")
    assert waiting._weight == 0


def test_an_element_that_refuses_the_user_who_named_it_is_not_asked_at_every_change_elsewhere(bench, element):
    world = bench.world
    closed = element("closed.example.org", rules=("VO:other",))
    bench.show(Snapshot(closed))
    world.step(world.submit("job", extra='SubmitTo = "closed.example.org:8443/cream-fork-short";'))
    assert bench.show(Snapshot((*closed, *element("new.example.org")))) == 0
    assert bench.show(Snapshot(element("closed.example.org"))) == 1


def test_kinds_for_which_there_was_no_time_come_first_the_next_time(bench, element):
    world = bench.world
    for name, ram in {"a": 1000, "b": 1001, "c": 1002}.items():
        world.step(world.submit(name, extra=f"Requirements = other.GlueHostMainMemoryRAMSize > {ram};"))
    roused: list[set[str]] = []
    for number in range(3):
        bench.moments = [0.0, 0.0, rouser.MOST_SECONDS + 1]  # the end is set, one kind is looked at, it is late
        bench.show(Snapshot(element(f"new{number}.example.org", ram=6000)))
        roused.append(bench.due())
    assert [len(each) for each in roused] == [1, 2, 3]
