"""The planner's steps, one at a time, with scripted computing elements: what each answer and each silence means."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from broker import queue
from broker.candidates import NO_MATCH
from broker.planner import INTERNAL_FAILURE
from broker.queue import End, Phase
from broker.supermarket import Snapshot
from grid.states import CreamState, JobState, Source


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def kill_at(monkeypatch):
    """Let the broker die at a named point, once."""

    def arm(name: str) -> None:
        armed = [name]

        def point(passed: str) -> None:
            if passed in armed:
                armed.clear()
                raise Killed(passed)

        for module in ("planner", "monitor", "engine"):
            monkeypatch.setattr(f"broker.{module}.point", point)

    return arm


# -- the straight way ----------------------------------------------------------------------------------------


def test_a_job_goes_from_the_queue_to_its_end_and_lb_sees_it_done(world):
    job, ce, name = world.running()
    ce.go(name, CreamState.DONE_OK, exit_code=3)
    world.take()
    request = world.get(job)
    assert (request.phase, request.end, request.exit_code) == (Phase.ENDED, End.DONE, 3)
    assert world.told(job)[-1] == "Done OK"
    assert world.state(job) is JobState.Done
    assert ce.starts == {name: 1}


def test_the_events_of_one_attempt_share_the_workload_managers_counter(world):
    job, ce, name = world.running()
    ce.go(name, CreamState.DONE_OK)
    world.take()
    branch = {e.seqcode.split(":")[2] for e in world.events(job) if e.source is not Source.WorkloadManager}
    assert branch == {e.seqcode.split(":")[2] for e in ce.logged}
    assert len(branch) == 1


def test_two_attempts_differ_in_the_workload_managers_counter(world):
    job, ce, name = world.running()
    ce.go(name, CreamState.DONE_FAILED, infrastructure=True)
    world.take()
    world.step(job)
    codes = [e.seqcode.split(":")[2] for e in world.events(job) if e.type == "Transfer" and e.get("result") == "OK"]
    hand_overs = sorted(set(codes))
    assert len(hand_overs) == 2


def test_what_ended_is_purged_at_its_ce_and_a_dead_ce_keeps_no_other_waiting(world):
    first, second = world.ces
    dead = [world.running(f"a{number}") for number in range(3)]
    for _, ce, name in dead:
        ce.go(name, CreamState.DONE_OK)
    world.take()
    first.refusing.add("register")
    _, ce, name = world.running("b")
    assert ce is second
    ce.go(name, CreamState.DONE_OK)
    world.take()
    first.down = True
    assert world.purge() == 1
    assert world.purge() == 0
    first.down = False
    assert world.purge() == 3


# -- waiting -------------------------------------------------------------------------------------------------


def test_a_job_that_nothing_fits_waits_and_says_why_once(make_world):
    world = make_world(snapshot=Snapshot())
    job = world.submit()
    for _ in range(3):
        request = world.step(job)
    assert request.phase is Phase.WAITING
    assert request.reason.startswith(NO_MATCH)
    assert 50 < request.next_try - time.time() <= 60
    assert world.told(job).count("Pending") == 1
    assert world.state(job) is JobState.Waiting


def test_a_waiting_job_is_looked_at_when_its_time_ends_and_aborted(make_world):
    world = make_world(snapshot=Snapshot())
    job = world.submit(expiry=time.time() + 0.3)
    assert world.step(job).next_try < time.time() + 0.5
    time.sleep(0.4)
    request = world.step(job)
    assert (request.end, request.reason) == (End.ABORTED, "request expired")
    assert world.state(job) is JobState.Aborted


@pytest.mark.parametrize("phase", ["queued", "waiting"])
def test_a_job_whose_proxy_has_ended_is_aborted(make_world, proxies, phase):
    world = make_world(proxy=proxies[1])
    job = world.submit()
    if phase == "waiting":
        waiting = world.get(job)
        world.write(lambda db: queue.move(db, waiting, phase=Phase.WAITING))
    request = world.step(job)
    assert (request.end, request.reason) == (End.ABORTED, "proxy expired")


def test_a_job_whose_proxy_is_gone_is_aborted_also_when_a_ce_was_chosen(world, tmp_path, proxies, kill_at):
    copy = Path(shutil.copy(proxies[0], tmp_path / "copy.pem"))
    job = world.submit(proxy=str(copy))
    kill_at("broker.plan.chosen")
    with pytest.raises(Killed):
        world.step(job)
    assert world.get(job).phase is Phase.CHOSEN
    copy.unlink()
    request = world.step(job)
    assert request.end is End.ABORTED
    assert "proxy not found" in request.reason


# -- a CE that does not answer, or refuses -------------------------------------------------------------------


def test_registration_is_repeated_and_gives_one_ce_job(world):
    job = world.submit()
    first = world.ces[0]
    first.mute = 2  # the answers to delegate, then to register, are lost
    world.step(job)
    world.step(job)
    request = world.step(job)
    assert request.phase is Phase.RUNNING
    assert len(first.jobs) == 1
    assert request.attempt == 1


def test_a_ce_that_stays_silent_is_left_and_no_retry_of_the_user_is_spent(world):
    first, second = world.ces
    first.down = True
    job = world.submit(retry_count=1)
    for _ in range(4):
        request = world.step(job)
    assert (request.phase, request.failures, request.infrastructure) == (Phase.WAITING, 0, 1)
    assert request.tried_hosts == ("one.example.org",)
    assert request.next_try > time.time()
    assert world.state(job) is JobState.Waiting
    world.step(job)
    assert world.place(job)[0] is second
    assert "Resubmission WILLRESUB" in world.told(job)


def test_refusals_without_end_end_in_abort_by_the_nodes_bound(make_world):
    world = make_world(max_infrastructure_failures=3)
    for ce in world.ces:
        ce.refusing.add("register")
    job = world.submit()
    for _ in range(4):
        request = world.step(job)
    assert (request.end, request.infrastructure, request.failures) == (End.ABORTED, 3, 0)
    assert "no register today" in request.reason


def test_a_start_without_an_answer_is_repeated_and_starts_once(world):
    job = world.submit()
    first = world.ces[0]
    world.elements.before = lambda operation: setattr(first, "mute", int(operation == "start"))
    assert world.step(job).phase is Phase.REGISTERED
    world.elements.before = lambda operation: None
    assert world.step(job).phase is Phase.RUNNING
    assert first.starts == {world.get(job).ce_job: 1}
    assert world.told(job).count("Transfer OK") == 1


def test_a_refused_start_is_never_sent_elsewhere_before_the_ce_has_cancelled_it(world):
    """The first call may have been heard: refusing the second says nothing about it."""
    job = world.submit()
    first, second = world.ces
    world.elements.before = lambda operation: setattr(first, "mute", int(operation == "start"))
    world.step(job)
    world.elements.before = lambda operation: None
    _, name = world.place(job)
    assert first.jobs[name].state is CreamState.PENDING
    first.refusing.add("start")
    assert world.step(job).phase is Phase.REGISTERED
    assert first.jobs[name].state is CreamState.CANCELLED
    world.take()
    request = world.get(job)
    assert (request.phase, request.failures, request.infrastructure) == (Phase.WAITING, 0, 1)
    assert world.step(job).phase is Phase.RUNNING
    assert world.place(job)[0] is second
    reasons = [e.get("reason") for e in world.events(job) if e.type == "Resubmission"]
    assert reasons == [reasons[0]]
    assert "no start today" in reasons[0]


def test_a_registered_job_whose_proxy_ends_does_not_ask_for_its_start_for_ever(world, tmp_path, proxies):
    copy = Path(shutil.copy(proxies[0], tmp_path / "copy.pem"))
    job = world.submit(proxy=str(copy))
    first = world.ces[0]
    world.elements.before = lambda operation: setattr(first, "down", operation == "start")
    assert world.step(job).phase is Phase.REGISTERED
    world.elements.before = lambda operation: None
    copy.write_bytes(proxies[1].read_bytes())
    first.down = True
    assert world.step(job).phase is Phase.REGISTERED  # not even the cancellation is heard now
    first.down = False
    world.step(job)
    world.take()
    request = world.step(job)
    assert (request.end, request.reason) == (End.ABORTED, "proxy expired")
    assert first.starts == {}
    assert world.state(job) is JobState.Aborted


def test_a_ce_that_forgot_a_registered_job_gets_no_second_start(world):
    job = world.submit()
    first, second = world.ces
    world.elements.before = lambda operation: setattr(first, "down", operation == "start")
    world.step(job)
    world.elements.before = lambda operation: None
    first.down = False
    first.new_database()
    request = world.step(job)
    assert (request.phase, request.infrastructure) == (Phase.WAITING, 1)
    world.step(job)
    assert world.place(job)[0] is second


# -- cancelling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["queued", "waiting", "broker.plan.chosen", "broker.register.recorded", "running"])
def test_a_job_is_cancelled_wherever_it_stands_and_has_one_end(make_world, where, kill_at, two):
    world = make_world(snapshot=Snapshot() if where == "waiting" else two)
    job = world.submit()
    if where in ("waiting", "running"):
        world.step(job)
    elif where != "queued":
        kill_at(where)
        with pytest.raises(Killed):
            world.step(job)
    assert world.cancel(job)
    assert len(world.due(time.time())) == 1
    world.step(job)
    world.take()
    request = world.get(job)
    assert (request.phase, request.end) == (Phase.ENDED, End.CANCELLED)
    assert world.told(job).count("Cancel DONE") == 1
    assert world.state(job) is JobState.Cancelled


def test_a_job_that_is_done_while_it_is_cancelled_is_done(world):
    job, ce, name = world.running()
    ce.go(name, CreamState.DONE_OK)
    world.cancel(job)
    world.step(job)
    world.take()
    assert world.get(job).end is End.DONE
    assert world.state(job) is JobState.Done


def test_a_job_that_fails_while_it_is_cancelled_is_cancelled_and_not_sent_again(world):
    job, ce, name = world.running(retry_count=3)
    world.cancel(job)
    ce.go(name, CreamState.DONE_FAILED, infrastructure=True)
    world.take()
    assert world.get(job).end is End.CANCELLED
    assert "Resubmission WILLRESUB" not in world.told(job)


def test_cancelling_is_asked_again_until_a_ce_that_was_away_has_heard_it(world):
    job, ce, _ = world.running()
    ce.down = True
    world.cancel(job)
    request = world.step(job)
    assert request.phase is Phase.RUNNING
    assert 20 < request.next_try - time.time() <= 30
    ce.down = False
    world.step(job)
    world.take()
    assert world.get(job).end is End.CANCELLED


def test_cancelling_what_the_ce_has_forgotten_ends_the_job(world):
    job, ce, _ = world.running()
    ce.new_database()
    world.cancel(job)
    world.step(job)
    assert world.get(job).end is End.CANCELLED
    world.take()
    assert world.told(job).count("Cancel DONE") == 1


def test_a_cancellation_during_the_hand_over_is_heard_at_once(world):
    job = world.submit()
    world.elements.before = lambda operation: operation == "register" and world.cancel(job)
    world.step(job)
    world.take()
    assert world.get(job).end is End.CANCELLED
    assert sum(world.ces[0].starts.values()) == 0


# -- kills ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "broker.plan.chosen",
        "broker.register.delegated",
        "broker.register.answered",
        "broker.register.recorded",
        "broker.start.answered",
        "broker.start.recorded",
        "broker.monitor.heard",
        "broker.monitor.recorded",
    ],
)
def test_a_broker_killed_anywhere_starts_the_job_once(world, where, kill_at):
    job = world.submit()
    kill_at(where)
    with pytest.raises(Killed):
        world.step(job)
        world.take()
    world.restart()
    for request in world.due():
        world.planner.step(request)
    ce, name = world.place(job)
    ce.go(name, CreamState.RUNNING, CreamState.DONE_OK)
    world.take()
    assert world.get(job).end is End.DONE
    assert sum(sum(each.starts.values()) for each in world.ces) == 1
    assert world.told(job).count("Transfer OK") == 1
    assert world.state(job) is JobState.Done


# -- failures that nobody foresaw ----------------------------------------------------------------------------


def test_a_step_that_fails_unexpectedly_is_tried_a_bounded_number_of_times(world):
    job = world.submit()
    tries = 0
    while world.get(job).phase is not Phase.ENDED:
        tries += 1
        world.planner.put_back(world.get(job), 1.0)
    assert (world.get(job).end, world.get(job).reason) == (End.ABORTED, INTERNAL_FAILURE)
    assert 5 < tries < 20
    assert world.state(job) is JobState.Aborted


def test_an_attempt_that_the_ce_may_run_is_not_aborted_behind_its_back(world):
    job, ce, name = world.running()
    for _ in range(30):
        world.planner.put_back(world.get(job), 1.0)
    assert world.get(job).phase is Phase.RUNNING
    ce.go(name, CreamState.DONE_OK)
    world.take()
    assert world.get(job).end is End.DONE
