"""What the CEs report, and what becomes of it: also twice, late, out of order, or never."""

from __future__ import annotations

import contextlib
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker import monitor, queue
from broker.ce_client import CeEvents
from broker.dispatcher import Dispatcher
from broker.errors import CeRefused, CeUnreachable
from broker.monitor import CeMonitor
from broker.queue import End, Phase
from broker.supermarket import Snapshot
from grid.doorbell import Doorbell, ring
from grid.states import CreamState, JobState, Source

ENDS = {End.DONE: JobState.Done, End.ABORTED: JobState.Aborted, End.CANCELLED: JobState.Cancelled}


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


# -- failures and resubmission -------------------------------------------------------------------------------


def test_a_failure_of_the_infrastructure_spends_no_retry_and_the_job_goes_elsewhere(world):
    job, ce, name = world.running(retry_count=0)
    ce.go(name, CreamState.DONE_FAILED, infrastructure=True, failure_reason="ended by the operator")
    world.take()
    request = world.get(job)
    assert (request.phase, request.failures, request.infrastructure) == (Phase.WAITING, 0, 1)
    assert 0 < request.next_try - time.time() < 5
    assert world.state(job) is JobState.Waiting
    world.step(job)
    assert world.place(job)[0] is not ce
    assert world.get(job).attempt == 2


def test_the_planner_is_rung_when_a_job_comes_back_and_for_nothing_else(world):
    with Doorbell.listen(world.settings.doorbell) as bell:
        job, ce, name = world.running()
        other, there, its_name = world.running("other")
        there.go(its_name, CreamState.DONE_OK)
        world.take()
        assert not bell.wait(0)
        ce.go(name, CreamState.DONE_FAILED, infrastructure=True)
        world.take()
        assert bell.wait(0)
        world.step(job)
        world.place(job)[0].new_database()
        world.take()
        assert bell.wait(0)
    assert world.get(other).end is End.DONE


@pytest.mark.parametrize("retries", [0, 2])
def test_the_jobs_own_failures_are_resubmitted_as_often_as_the_user_said(world, retries):
    job, ce, name = world.running(retry_count=retries)
    for _ in range(retries):
        ce.go(name, CreamState.DONE_FAILED, failure_reason="Cannot upload")
        world.take()
        world.step(job)
        ce, name = world.place(job)
    ce.go(name, CreamState.DONE_FAILED, failure_reason="Cannot upload")
    world.take()
    request = world.get(job)
    assert (request.end, request.failures, request.infrastructure) == (End.ABORTED, retries, 0)
    assert world.told(job).count("Resubmission WILLRESUB") == retries
    assert world.state(job) is JobState.Aborted


def test_a_lost_job_waits_anew_unless_the_user_has_set_the_end_of_its_waiting(world):
    soon = time.time() + 100
    job, ce, name = world.running(expiry=soon)
    other, there, its_name = world.running("other", extra=f"ExpiryTime = {int(soon)};", expiry=soon)
    ce.go(name, CreamState.DONE_FAILED, infrastructure=True)
    there.go(its_name, CreamState.DONE_FAILED, infrastructure=True)
    world.take()
    assert world.get(job).expiry > time.time() + world.settings.expiry_period - 10
    assert world.get(other).expiry == soon


def test_reports_of_an_older_attempt_change_nothing(world):
    job, ce, name = world.running()
    endpoint = world.get(job).ce_endpoint
    ce.go(name, CreamState.DONE_FAILED, infrastructure=True)
    world.take()
    world.step(job)
    before = world.get(job)
    world.write(lambda db: world.reports.apply(db, endpoint, ce.events))
    assert world.get(job) == before


# -- the stream ----------------------------------------------------------------------------------------------


def test_events_are_taken_once_though_two_monitors_ask(world, monkeypatch):
    job, ce, name = world.running()
    ce.go(name, CreamState.HELD, CreamState.RUNNING)
    endpoint = world.get(job).ce_endpoint
    original = world.elements.events
    taken = []

    def events(*arguments):
        answer = original(*arguments)
        if not taken:
            taken.append(answer)
            CeMonitor(endpoint, world.reports, world.elements).take()  # the other one is faster
        return answer

    monkeypatch.setattr(world.elements, "events", events)
    CeMonitor(endpoint, world.reports, world.elements).take()
    assert world.told(job).count("Running") == 2  # the two that the CE reported


def test_an_event_that_cannot_be_read_does_not_stop_those_behind_it(world, monkeypatch):
    job, ce, name = world.running()
    ce.go(name, CreamState.DONE_OK)
    original = world.elements.events
    first = CeEvents(ce.db_id, (), ce.events[-1].number - 1)
    answers = [first]
    monkeypatch.setattr(world.elements, "events", lambda *a: answers.pop() if answers else original(*a))
    world.take()
    world.take()
    assert world.get(job).end is End.DONE


def test_jobs_of_a_ce_that_lost_its_database_go_elsewhere_and_those_it_took_since_stay(world):
    job, ce, _ = world.running()
    old_database = ce.db_id
    ce.new_database()
    late = world.submit("late")
    world.step(late)
    assert world.place(late)[0] is ce
    world.take()
    request = world.get(job)
    assert (request.phase, request.infrastructure, request.failures) == (Phase.WAITING, 1, 0)
    assert world.get(late).phase is Phase.RUNNING
    with world.ledger.engine.connect() as db:
        assert queue.stream(db, world.get(late).ce_endpoint)[0] == ce.db_id != old_database
    _, name = world.place(late)
    ce.go(name, CreamState.DONE_OK)
    world.take()
    assert world.get(late).end is End.DONE
    assert sum(ce.starts.values()) == 2


def test_a_cancelled_job_of_a_ce_that_lost_its_database_is_cancelled(world):
    job, ce, _ = world.running()
    world.cancel(job)
    ce.new_database()
    world.take()
    assert world.get(job).end is End.CANCELLED
    assert world.state(job) is JobState.Cancelled


# -- the thread ----------------------------------------------------------------------------------------------


@pytest.fixture
def follow(world):
    threads = []

    def start(endpoint):
        threads.append(CeMonitor(endpoint, world.reports, world.elements))
        threads[-1].start()
        return threads[-1]

    yield start
    for thread in threads:
        thread.stop()
        thread.join(10)


def test_a_ce_that_holds_no_answer_back_is_not_asked_without_a_pause(world, follow, monkeypatch):
    monkeypatch.setattr(monitor, "_UNHELD", 0.2)
    job, ce, _ = world.running()
    ce.asked.clear()
    follow(world.get(job).ce_endpoint)
    time.sleep(1.0)
    assert 2 <= ce.asked["events"] <= 7


def test_a_ce_that_is_silent_for_too_long_gives_its_jobs_up(make_world):
    world = make_world(ce_lost_after=0.2)
    job, ce, _ = world.running()
    ce.down = True
    thread = CeMonitor(world.get(job).ce_endpoint, world.reports, world.elements)
    thread.start()
    try:
        wait_for(lambda: world.get(job).phase is Phase.WAITING)
    finally:
        thread.stop()
        thread.join(10)
    request = world.get(job)
    assert (request.failures, request.infrastructure) == (0, 1)


def test_the_dispatcher_brings_jobs_to_their_ends_and_stops_watching_then(make_world, monkeypatch):
    monkeypatch.setattr(monitor, "_UNHELD", 0.05)
    world = make_world(hold=0.2)
    stop = threading.Event()
    for ce in world.ces:
        ce.refusing.add("delegate")
    with Doorbell.listen(world.settings.doorbell) as bell:
        dispatcher = Dispatcher(world.settings, world.ledger, world.planner, world.engine, world.elements, bell)
        thread = threading.Thread(target=dispatcher.run, args=(stop,))
        thread.start()
        try:
            jobs = [world.submit(f"job{number}") for number in range(30)]
            ring(world.settings.doorbell)
            wait_for(lambda: all(world.get(job).phase is Phase.WAITING for job in jobs))
            for ce in world.ces:
                ce.refusing.clear()
            wait_for(lambda: all(world.get(job).phase is Phase.RUNNING for job in jobs))
            for ce in world.ces:
                for name in list(ce.jobs):
                    ce.go(name, CreamState.DONE_OK)
            wait_for(lambda: all(world.get(job).end is End.DONE for job in jobs))
            ring(world.settings.doorbell)
            wait_for(lambda: not any(t.name.startswith("monitor-") for t in threading.enumerate()))
        finally:
            stop.set()
            ring(world.settings.doorbell)
            thread.join(10)
    assert not thread.is_alive()
    assert sum(sum(ce.starts.values()) for ce in world.ces) == 30


def test_the_dispatcher_does_not_spin_when_a_step_fails_and_cannot_be_put_back(make_world, monkeypatch):
    world = make_world()
    calls = []

    def step(request):
        calls.append(request)
        raise RuntimeError("a step that fails")

    def put_back(request, delay):
        raise RuntimeError("a database that is full")

    planner = SimpleNamespace(step=step, put_back=put_back, attempts=world.planner.attempts)
    stop = threading.Event()
    with Doorbell.listen(world.settings.doorbell) as bell:
        dispatcher = Dispatcher(world.settings, world.ledger, planner, world.engine, world.elements, bell)
        world.submit()
        thread = threading.Thread(target=dispatcher.run, args=(stop,))
        thread.start()
        time.sleep(1.0)
        stop.set()
        ring(world.settings.doorbell)
        thread.join(10)
    assert not thread.is_alive()
    assert len(calls) == 1


def test_a_slow_step_does_not_keep_others_that_become_due_waiting(make_world, monkeypatch):
    world = make_world(worker_threads=2)
    hold = threading.Event()
    done = []

    def step(request):
        if request.job.unique == "slow":
            hold.wait(20)
        else:
            done.append(time.monotonic())
        world.planner.postpone(request, 100)

    planner = SimpleNamespace(step=step, attempts=world.planner.attempts)
    stop = threading.Event()
    world.submit("slow")
    later = world.submit("later")
    request = world.get(later)
    world.write(lambda db: queue.move(db, request, next_try=time.time() + 0.5))
    began = time.monotonic()
    with Doorbell.listen(world.settings.doorbell) as bell:
        dispatcher = Dispatcher(world.settings, world.ledger, planner, world.engine, world.elements, bell)
        thread = threading.Thread(target=dispatcher.run, args=(stop,))
        thread.start()
        try:
            wait_for(lambda: done, 5)
        finally:
            hold.set()
            stop.set()
            ring(world.settings.doorbell)
            thread.join(10)
    assert done[0] - began < 3


# -- anything in any order -----------------------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


POINTS = (
    "broker.plan.chosen",
    "broker.register.delegated",
    "broker.register.answered",
    "broker.register.recorded",
    "broker.start.answered",
    "broker.start.recorded",
    "broker.monitor.heard",
    "broker.monitor.recorded",
)
PROGRESS = {
    CreamState.PENDING: CreamState.IDLE,
    CreamState.IDLE: CreamState.RUNNING,
    CreamState.RUNNING: CreamState.REALLY_RUNNING,
}
OPERATIONS = ("delegate", "register", "start", "cancel", "events")
ACTIONS = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 3)),
    st.tuples(st.just("step"), st.integers(0, 3)),
    st.tuples(st.just("stale"), st.integers(0, 9)),
    st.tuples(st.just("kill"), st.sampled_from(POINTS)),
    st.tuples(st.just("cancel"), st.integers(0, 1)),
    st.tuples(st.just("cancel during"), st.sampled_from(OPERATIONS)),
    st.tuples(st.just("take"), st.integers(0, 1)),
    st.tuples(st.just("take"), st.integers(0, 1)),
    st.tuples(st.just("again"), st.integers(0, 1)),
    st.tuples(st.just("progress"), st.integers(0, 5)),
    st.tuples(st.just("progress"), st.integers(0, 5)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("infrastructure"), st.integers(0, 5)),
    st.tuples(st.just("fail"), st.integers(0, 5)),
    st.tuples(st.just("taken away"), st.integers(0, 5)),
    st.tuples(st.just("down"), st.integers(0, 1)),
    st.tuples(st.just("mute"), st.integers(0, 1)),
    st.tuples(st.just("refuse"), st.sampled_from(OPERATIONS)),
    st.tuples(st.just("heal"), st.integers(0, 1)),
    st.tuples(st.just("new database"), st.integers(0, 1)),
    st.tuples(st.just("restart"), st.integers(0, 0)),
)


class Chaos:
    """Does what the actions say and looks after each whether the promises hold."""

    def __init__(self, world, monkeypatch) -> None:
        self.world = world
        self.jobs = [world.submit("a", retry_count=1), world.submit("b")]
        self.seen = [world.get(job) for job in self.jobs]
        self.armed: list[str] = []
        self.failures = dict.fromkeys(self.jobs, 0)
        self.own_failures = dict.fromkeys(self.jobs, 0)
        for module in ("planner", "monitor"):
            monkeypatch.setattr(f"broker.{module}.point", self.point)

    def point(self, name: str) -> None:
        if name in self.armed:
            self.armed.clear()
            raise Killed(name)

    def do(self, action: str, what) -> None:
        try:
            getattr(self, "_" + action.replace(" ", "_"))(what)
        except Killed:
            self.world.restart()
        except CeUnreachable:
            pass  # a monitor hears nothing
        self.check()

    def check(self) -> None:
        due = {str(request.job) for request in self.world.due()}
        with self.world.ledger.engine.connect() as db:
            watched = queue.active_endpoints(db)
        for job in self.jobs:
            request = self.world.get(job)
            if request not in self.seen:
                self.seen.append(request)
            live = [name for ce in self.world.ces for name in ce.live(job)]
            assert len(live) <= 1, f"{job} runs twice: {live}"
            assert request.failures <= self.own_failures[job], "the infrastructure's failure was counted as the job's"
            if request.phase is Phase.ENDED:
                assert not live, f"{job} has ended ({request.reason}) and runs"
            else:
                moved = str(job) in due or (request.phase is Phase.RUNNING and request.ce_endpoint in watched)
                assert moved, f"nobody moves {request}"
        for ce in self.world.ces:
            assert all(count == 1 for count in ce.starts.values()), ce.starts

    def _step(self, number: int) -> None:
        due = self.world.due()
        if due:
            self.world.planner.step(due[number % len(due)])

    def _stale(self, number: int) -> None:
        """Another thread goes on with what it has read before."""
        request = self.seen[-1 - number % len(self.seen)]
        if request.phase is not Phase.ENDED:
            self.world.planner.postpone(request, 5)

    def _kill(self, name: str) -> None:
        self.armed = [name]

    def _cancel(self, number: int) -> None:
        self.world.cancel(self.jobs[number])

    def _cancel_during(self, wanted: str) -> None:
        def before(operation: str) -> None:
            if operation == wanted:
                self.world.elements.before = lambda _: None
                self.world.cancel(self.jobs[0])

        self.world.elements.before = before

    def _take(self, number: int) -> None:
        ends = list(self.world.elements.ces)
        with contextlib.suppress(CeRefused):
            CeMonitor(ends[number], self.world.reports, self.world.elements).take()

    def _again(self, number: int) -> None:
        """A crash took back how far the stream was read: old events come again."""
        endpoint, ce = list(self.world.elements.ces.items())[number]
        with self.world.ledger.engine.connect() as db:
            db_id, last = queue.stream(db, endpoint)
        if db_id == ce.db_id:
            old = [event for event in ce.events if event.number <= last]
            self.world.write(lambda db: self.world.reports.apply(db, endpoint, old))

    def _ce_jobs(self):
        return [(ce, job) for ce in self.world.ces for job in ce.jobs.values() if job.begun]

    def _one_of_the_ces_jobs(self, number, *states, **facts):
        running = self._ce_jobs()
        if running:
            ce, job = running[number % len(running)]
            ce.go(job.name, *states, **facts)
            return job

    def _progress(self, number: int) -> None:
        running = [(ce, job) for ce, job in self._ce_jobs() if job.state in PROGRESS]
        if running:
            ce, job = running[number % len(running)]
            ce.go(job.name, PROGRESS[job.state])

    def _end(self, number: int) -> None:
        self._one_of_the_ces_jobs(number, CreamState.DONE_OK)

    def _infrastructure(self, number: int) -> None:
        self._one_of_the_ces_jobs(number, CreamState.DONE_FAILED, infrastructure=True)

    def _fail(self, number: int) -> None:
        job = self._one_of_the_ces_jobs(number, CreamState.DONE_FAILED, failure_reason="its own fault")
        if job:
            self.own_failures[job.grid_job] += 1

    def _taken_away(self, number: int) -> None:
        self._one_of_the_ces_jobs(number, CreamState.CANCELLED)

    def _down(self, number: int) -> None:
        self.world.ces[number].down = True

    def _mute(self, number: int) -> None:
        self.world.ces[number].mute = 1

    def _refuse(self, operation: str) -> None:
        self.world.ces[0].refusing.add(operation)

    def _heal(self, number: int) -> None:
        ce = self.world.ces[number]
        ce.down, ce.mute = False, 0
        ce.refusing.clear()

    def _new_database(self, number: int) -> None:
        self.world.ces[number].new_database()

    def _restart(self, _number: int) -> None:
        self.world.restart()

    def settle(self) -> None:
        """All is well again: every job must come to an end."""
        self.armed.clear()
        self.world.elements.before = lambda _: None
        for number in (0, 1):
            self._heal(number)
        for _ in range(60):
            for request in self.world.due():
                self.world.planner.step(request)
            for ce, job in self._ce_jobs():
                ce.go(job.name, CreamState.DONE_OK)
            self.world.take()
            self.check()
            if all(self.world.get(job).phase is Phase.ENDED for job in self.jobs):
                return
        raise AssertionError([self.world.get(job) for job in self.jobs])


def one_end(events) -> list[int]:
    """The places of what ends a job."""
    return [
        place
        for place, event in enumerate(events)
        if event.type == "Abort"
        or (event.type == "Cancel" and event.get("status_code") == "DONE")
        or (event.type == "Done" and event.get("status_code") == "OK")
    ]


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(ACTIONS, max_size=40))
def test_whatever_happens_in_whatever_order_each_job_has_one_end(make_world, element, actions):
    chosen = Snapshot(
        (
            *element("one.example.org", estimated_response_time=1),
            *element("two.example.org", estimated_response_time=50),
        )
    )
    with pytest.MonkeyPatch.context() as patch:
        world = make_world(snapshot=chosen)
        chaos = Chaos(world, patch)
        try:
            for action, what in actions:
                chaos.do(action, what)
            chaos.settle()
            for job in chaos.jobs:
                events = world.events(job)
                assert one_end(events) == [len(events) - 1], [str(e.type) for e in events]
                end = world.get(job).end
                assert world.state(job) is ENDS[end], (world.state(job), end)
                hand_overs = [e.get("dest_jobid") for e in events if e.source is Source.JobController]
                hand_overs = [name for name in hand_overs if name]
                assert len(hand_overs) == len(set(hand_overs)), hand_overs
        finally:
            world.close()
