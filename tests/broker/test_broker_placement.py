"""Jobs and elements that refuse, fail and recover: the real queue, books and matchmaker, scripted elements."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from broker.bulk import match_key, own_names
from broker.candidates import NO_MATCH, UNRANKABLE
from broker.job import Job
from broker.planner import may_tell
from broker.queue import End, Phase
from broker.supermarket import Snapshot
from broker.wms_requirements import WMS_REQUIREMENTS
from ce.outcome import OPERATOR
from grid.states import CreamState, JobState
from jdl.parser import parse, parse_expression

ONE, TWO = "one.example.org:8443/cream-fork-short", "two.example.org:8443/cream-fork-short"


def until(world, job, phase: Phase) -> None:
    for _ in range(20):
        if world.get(job).phase is phase:
            return
        world.step(job)
    raise AssertionError(world.get(job))


# -- elements that fail ----------------------------------------------------------------------------------------


def test_a_black_hole_costs_a_few_jobs_and_the_rest_go_elsewhere(make_world):
    world = make_world()
    hole, other = world.ces
    world.planner._placements._rng.seed(1)
    for number in range(12):
        job = world.submit(f"job{number}")
        until(world, job, Phase.RUNNING)
        ce, name = world.place(job)
        if ce is hole:
            ce.go(name, CreamState.RUNNING, CreamState.DONE_FAILED, infrastructure=True, failure_reason="disk is gone")
            world.take()
            assert world.get(job).phase is Phase.WAITING
    assert len(hole.jobs) <= 4  # the standing may have led one elsewhere before
    assert len(other.jobs) >= 8
    (standing,) = world.ledger.standings.set_aside()
    assert (standing.ce_id, standing.failures) == (ONE, 3)
    world.restart()
    assert world.ledger.standings.of(ONE) == standing
    job = world.submit("after")
    until(world, job, Phase.RUNNING)
    assert world.place(job)[0] is other


def test_a_job_waits_for_the_only_element_that_fits_and_says_until_when_and_why(make_world, element):
    world = make_world(snapshot=Snapshot(element("one.example.org", free_job_slots=10)), hold=0.4)
    (ce,) = world.ces
    ce.refusing.add("register")
    first = world.submit("first")
    for _ in range(3):
        world.step(first)
    ce.refusing.clear()
    request = world.step(first)
    assert request.phase is Phase.WAITING
    assert request.reason.startswith(f"{NO_MATCH}; the only computing element that matches is set aside: {ONE} until ")
    assert "after 3 failed jobs in succession (the computing element" in request.reason
    assert request.next_try - time.time() < 2
    assert world.state(first) is JobState.Waiting
    time.sleep(0.5)
    assert world.step(first).phase is Phase.RUNNING  # on trial; that it is taken ends what refusals began
    assert world.ledger.standings.of(ONE).failures == 0
    second = world.submit("second")
    assert world.step(second).phase is Phase.RUNNING


def test_threads_that_choose_at_once_send_an_element_on_trial_one_job(make_world, element):
    world = make_world(snapshot=Snapshot(element("one.example.org", free_job_slots=10)), hold=0.3)
    for number in range(3):
        _, ce, name = world.running(f"bad{number}")
        ce.go(name, CreamState.DONE_FAILED, infrastructure=True, failure_reason="no disk")
        world.take()
    time.sleep(0.35)
    requests = [world.get(world.submit(f"job{number}")) for number in range(16)]
    world.ledger.standings.rules = replace(world.ledger.standings.rules, hold=30.0)
    with ThreadPoolExecutor(8) as pool:
        placed = list(pool.map(world.planner._placements.place, requests))
    assert sum(each.candidate is not None for each in placed) == 1


@pytest.mark.parametrize(
    ("facts", "counts"),
    [
        ({"infrastructure": True, "failure_reason": "lost"}, 1),
        ({"infrastructure": False, "failure_reason": "Cannot upload file:///x into https://y"}, 0),  # the job's fault
        ({"infrastructure": True, "failure_reason": OPERATOR}, 0),
    ],
)
def test_only_what_the_element_is_to_blame_for_counts_against_it(world, facts, counts):
    _, ce, name = world.running()
    ce.go(name, CreamState.DONE_FAILED, **facts)
    world.take()
    assert world.ledger.standings.of(ONE).failures == counts


def test_jobs_that_are_cancelled_say_nothing_and_those_that_end_well_do(world):
    job, ce, name = world.running("cancelled")
    world.cancel(job)
    world.step(job)
    world.take()
    assert world.get(job).end is End.CANCELLED
    assert world.ledger.standings.of(ONE).outcomes == 0
    job, ce, name = world.running("good")
    ce.go(name, CreamState.DONE_OK)
    world.take()
    assert world.ledger.standings.of(ONE).slots[0][1:] == (1, 0)
    assert world.ledger.standings.success(ONE) == 1.0


@pytest.mark.parametrize("operation", ["delegate", "register", "start"])
def test_jobs_that_an_element_refuses_for_their_own_sake_do_not_close_it_to_others(world, operation):
    first = world.ces[0]
    first.refusing.add(operation)
    first.picky = True
    for number in range(4):
        world.step(world.submit(f"bad{number}"))
    assert world.ledger.standings.of(ONE).outcomes == 0
    first.refusing.clear()
    good = world.submit("good")
    until(world, good, Phase.RUNNING)
    assert world.place(good)[0] is first


def test_many_jobs_that_are_lost_together_are_one_failure(world):
    for number in range(5):
        world.running(f"job{number}")
    world.ces[0].new_database()
    world.take()
    standing = world.ledger.standings.of(ONE)
    assert (standing.failures, standing.outcomes) == (1, 1)


def test_jobs_sent_at_once_spread_and_the_end_of_one_makes_room(make_world, element):
    elements = [element(f"h{n}.example.org", free_job_slots=2, estimated_response_time=n) for n in range(3)]
    world = make_world(snapshot=Snapshot(tuple(record for records in elements for record in records)))
    jobs = [world.submit(f"job{number}") for number in range(6)]
    for job in jobs:
        until(world, job, Phase.RUNNING)
    assert [len(ce.jobs) for ce in world.ces] == [2, 2, 2]
    ce, name = world.place(jobs[0])
    ce.go(name, CreamState.RUNNING, CreamState.DONE_OK)
    world.take()
    more = world.submit("more")
    until(world, more, Phase.RUNNING)
    assert world.place(more)[0] is ce


# -- what a job is told ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ("Requirements = false;", NO_MATCH),
        ("Rank = other.NoSuchThing;", UNRANKABLE),
        ('SubmitTo = "x";', r"BrokerHelper: invalid value x for attribute SubmitTo (expecting match "),
    ],
)
def test_a_waiting_job_says_it_in_the_words_of_glite(world, extra, sentence):
    job = world.submit(extra=extra)
    request = world.step(job)
    assert request.reason.startswith(sentence)
    assert [e.get("reason") for e in world.events(job) if e.type == "Pending"] == [request.reason]


def test_bookkeeping_is_told_of_changed_reasons_ever_more_seldom(world):
    request = world.get(world.submit())
    moment, told = 1_800_000_000.0, []
    for minute in range(600):
        now = moment + 60.0 * minute
        if may_tell(request, now):
            told.append(now)
            request = replace(request, told=request.told + 1, told_at=now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert gaps[:6] == [60, 120, 240, 480, 960, 1920]
    assert set(gaps[6:]) == {3600}
    assert len(told) < 20  # of 600 reasons in ten hours


def test_a_reason_that_changes_within_a_minute_is_told_once_and_a_new_attempt_begins_anew(world, element, two):
    world.shelf.now = Snapshot()
    job = world.submit(extra="Requirements = other.GlueHostMainMemoryRAMSize > 5000;")
    world.step(job)
    world.shelf.now = two
    request = world.step(job)
    assert world.told(job).count("Pending") == 1
    assert request.told == 1
    world.shelf.now = Snapshot(element("one.example.org", ram=9999))
    world.step(job)
    assert (world.get(job).told, world.get(job).told_at) == (0, None)


def test_the_match_is_told_with_its_element(world):
    job = world.submit()
    world.step(job)
    (event,) = [e for e in world.events(job) if e.type == "Match"]
    assert event.get("dest_id") == ONE


def test_the_element_gets_what_is_left_of_the_requirements(make_world):
    world = make_world(
        ce_forward_parameters=("GlueHostMainMemoryRAMSize",),
        propagate_to_lrms=('[ name = "vo"; value = jdl.VirtualOrganisation ]',),
    )
    sent = []
    for ce in world.ces:
        register = ce.register
        ce.register = lambda description, jdl, register=register: sent.append(parse(jdl)) or register(description, jdl)
    needs = 'other.GlueHostMainMemoryRAMSize >= 1000 && other.GlueCEStateStatus == "Production"'
    job = world.submit(extra=f'Requirements = {needs}; VirtualOrganisation = "vo";')
    world.step(job)
    expected = 'other.GlueHostMainMemoryRAMSize >= 1000 && vo=="vo"'
    assert sent[0].value("CeRequirements") == expected
    enqueued = [e for e in world.events(job) if e.type == "EnQueued" and e.get("source") != "NetworkServer"]
    assert parse(enqueued[-1].get("job")).value("CeRequirements") == expected


def test_the_operators_requirements_hold_for_every_job(make_world):
    world = make_world(wms_requirements='other.GlueCEInfoHostName != "one.example.org"')
    job = world.submit()
    world.step(job)
    assert world.get(job).ce_id == TWO


# -- alike jobs --------------------------------------------------------------------------------------------------


def key(text: str):
    return match_key(Job(parse(f"[{text}]")), own_names(WMS_REQUIREMENTS))


def test_jobs_are_alike_when_all_that_decides_is_equal():
    one = 'Executable = "/bin/a"; Requirements = other.x > Least; Least = 5; Rank = other.y;'
    assert key(one) == key(one.replace("/bin/a", "/bin/b"))
    assert key(one) != key(one.replace("Least = 5", "Least = 6"))
    assert key(one) != key(one + "ShortDeadlineJob = true;")
    assert key(one) != key(one + "CpuNumber = 2;")
    assert key(one) != key(one + "FuzzyRank = true;")
    assert key(one + "FuzzyRank = true;") != key(one + "FuzzyRank = true; fuzzy_factor = 5;")
    assert key(one) != key(one + 'SubmitTo = "x";')
    indirect = "Requirements = A; A = B && other.x; B = C > 1; C = "
    assert key(indirect + "1;") != key(indirect + "2;")


@pytest.mark.parametrize(
    "text",
    ["Rank = random();", "Requirements = time() > 5;", "Rank = successFraction(other.GlueCEUniqueID);",
     "Requirements = unheardOf(1);", "Requirements = isUndefined(self);", 'InputData = {"lfn:x"};',
     'Requirements = size(listAttrRegEx("a", Rank)) > 1;', f'Requirements = other.x == "{"x" * 70_000}";'],
)  # fmt: skip
def test_what_may_be_different_the_next_moment_is_matched_alone(text):
    assert key(text) is None


def test_requirements_of_the_wms_that_change_by_themselves_leave_no_jobs_alike():
    assert own_names(parse_expression("time() > 5")) is None
    assert match_key(Job(parse("[]")), None) is None
    assert own_names(None) == frozenset()
    assert own_names(parse_expression("other.x > Wanted && self.y")) == {"wanted", "y"}


def test_nodes_of_a_collection_are_matched_once_and_spread(make_world, element):
    elements = [element(f"h{n}.example.org", free_job_slots=5) for n in range(4)]
    world = make_world(snapshot=Snapshot(tuple(record for records in elements for record in records)))
    jobs = [world.submit(f"job{n}", extra='SignificantAttributes = {"Rank"};') for n in range(20)]
    for job in jobs:
        until(world, job, Phase.RUNNING)
    assert [len(ce.jobs) for ce in world.ces] == [5, 5, 5, 5]
    assert world.planner._placements._matches.hits == 19


def test_who_is_refused_gets_nothing_of_what_was_found_for_another_user(world):
    """Though their jobs are alike to the letter; nor does the other one hear his reason."""
    one = world.submit("a")
    stranger = world.submit("b", owner="/O=Grid/CN=Eve", fqans=("/other",))
    groups = world.submit("c", fqans=("/else/group",))
    assert world.step(one).phase is Phase.RUNNING
    assert world.step(stranger).phase is Phase.WAITING
    assert world.step(groups).phase is Phase.WAITING
    assert "(/other)" in world.get(stranger).reason and "(/else/group)" in world.get(groups).reason


def test_a_second_attempt_is_not_alike_to_a_first_one(world):
    request = world.get(world.submit("a"))
    place = world.planner._placements.place
    assert place(request).candidate.ce_id == ONE
    again = replace(request, tried_hosts=("one.example.org",))
    for _ in range(3):
        assert place(again).candidate.ce_id == TWO
    assert place(request).candidate.ce_id == ONE


def test_nodes_that_differ_in_what_matters_are_not_taken_for_alike_whatever_they_call_significant(world):
    one = world.submit("a", extra='SignificantAttributes = {"Rank"}; Requirements = true;')
    other = world.submit("b", extra='SignificantAttributes = {"Rank"}; Requirements = false;')
    assert world.step(one).phase is Phase.RUNNING
    assert world.step(other).phase is Phase.WAITING
