"""Matching."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.circumstances import Circumstances
from broker.matchmaker import Candidate, Job, MatchResult, match
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from infosys.glue1 import CEState, VOView
from jdl.parser import parse

ADA = User("/DC=org/DC=example/CN=Ada", (Fqan.parse("/vo"),))
Records = Callable[..., tuple[CeRecord, ...]]


def job(requirements: str = "true", rank: str = "-other.GlueCEStateEstimatedResponseTime", more: str = "") -> Job:
    return Job(parse(f"[Requirements = {requirements}; Rank = {rank}; {more}]"))


def hosts(result: MatchResult) -> list[str]:
    return [each.host for each in result.candidates]


def test_who_refuses_the_user_and_who_misses_the_requirements_is_no_candidate(three: Snapshot) -> None:
    found = match(job("other.GlueHostMainMemoryRAMSize >= 1024"), three, ADA)
    (one,) = found.candidates
    assert one.ce_id == "good.example.org:8443/cream-fork-short"
    assert one.host == "good.example.org"
    assert one.endpoint == "https://good.example.org:8443/ce-cream/services"
    assert one.rank == -10


@pytest.mark.parametrize(
    "requirements",
    ["false", "undefined", "error", "1", '"true"', "other.NoSuchAttribute", "other.NoSuchAttribute > 1", "{true}"],
)
def test_what_is_not_boolean_true_is_no_match(three: Snapshot, requirements: str) -> None:
    assert not match(job(requirements), three, ADA).candidates


def test_the_best_rank_comes_first_and_what_has_none_is_dropped(element: Records) -> None:
    snapshot = Snapshot((*element("a", free_job_slots=1), *element("b", free_job_slots=9), *element("c")))
    found = match(job(rank="other.GlueCEStateFreeJobSlots / other.GlueCEStateFreeJobSlots * 1.5"), snapshot, ADA)
    assert hosts(found) == ["a", "b"]  # c divides by zero
    assert hosts(match(job(rank="other.GlueCEStateFreeJobSlots"), snapshot, ADA)) == ["b", "a", "c"]
    for rank in ("undefined", '"high"', "true", "other.Nothing", "{1}"):
        assert not match(job(rank=rank), snapshot, ADA).candidates


def test_a_listed_rank_is_cut_to_a_whole_number() -> None:
    assert Candidate("x", -2.9, "h", "e").listed_rank == -2
    assert Candidate("x", 2.9, "h", "e").listed_rank == 2


def test_a_job_without_requirements_and_rank_is_ranked_by_response_time(element: Records) -> None:
    snapshot = Snapshot((*element("slow", estimated_response_time=99), *element("fast", estimated_response_time=1)))
    assert hosts(match(Job(parse('[Executable = "x"]')), snapshot, ADA)) == ["fast", "slow"]


@pytest.mark.parametrize("status", ["Closed", "Draining", "closed"])
def test_who_takes_no_jobs_gets_none_unless_the_user_decides(element: Records, status: str) -> None:
    snapshot = Snapshot(element("a", status=status))
    assert not match(job(), snapshot, ADA).candidates
    mine = f'other.GlueCEStateStatus == "{status}"'
    assert match(job(mine), snapshot, ADA).candidates
    assert match(job("Mine", more=f"Mine = {mine};"), snapshot, ADA).candidates


def test_a_queueing_element_takes_jobs(element: Records) -> None:
    assert match(job(), Snapshot(element("a", status="Queueing")), ADA).candidates


def test_the_conditions_of_the_wms_hold(element: Records) -> None:
    sdj, plain = element("a", "grid_sdj"), element("b")
    both = Snapshot((*sdj, *plain))
    assert hosts(match(job(), both, ADA)) == ["b"]
    assert hosts(match(job(more="ShortDeadlineJob = true;"), both, ADA)) == ["a"]
    assert hosts(match(job(), both, ADA, wms_requirements=None)) == ["a", "b"]
    assert not match(job(more='OutputSE = "se.example.org";'), both, ADA).candidates


def test_a_full_queue_gets_no_job(element: Records) -> None:
    (record,) = element("a", total_jobs=5)
    assert match(job(), Snapshot((record,)), ADA).candidates
    record.ad.set("GlueCEPolicyMaxTotalJobs", 5)
    assert not match(job(), Snapshot((record,)), ADA).candidates
    record.ad.remove("GlueCEPolicyMaxTotalJobs")
    assert match(job(), Snapshot((record,)), ADA).candidates


def test_a_view_is_matched_with_its_own_rules_and_values(element: Records) -> None:
    view = VOView(local_id="prod", access=("VOMS:/vo/Role=production",), state=CEState(estimated_response_time=1))
    snapshot = Snapshot(element("a", rules=("VO:vo",), views=(view,), estimated_response_time=50))
    producer = User(ADA.dn, (Fqan.parse("/vo/Role=production"),))
    assert [each.rank for each in match(job(), snapshot, ADA).candidates] == [-50]
    found = match(job(), snapshot, producer)
    assert [each.rank for each in found.candidates] == [-1, -50]
    assert {each.ce_id for each in found.candidates} == {"a:8443/cream-fork-short"}


def test_tried_hosts_are_left_out_unless_nothing_else_remains(element: Records) -> None:
    snapshot = Snapshot((*element("a"), *element("b"), *element("a", "long")))
    assert hosts(match(job(), snapshot, ADA, tried_hosts=("a",))) == ["b"]
    found = match(job(), snapshot, ADA, tried_hosts=("a", "b"))
    assert sorted(hosts(found)) == ["a", "a", "b"]
    assert found.restored
    with_data = job(more='InputData = {"lfn:x"};')
    assert len(match(with_data, snapshot, ADA, tried_hosts=("a",)).candidates) == 3


def test_submit_to_takes_the_named_element_without_matching(three: Snapshot) -> None:
    named = "small.example.org:8443/cream-fork-short"
    (one,) = match(job("false", more=f'SubmitTo = "{named}";'), three, ADA).candidates
    assert (one.ce_id, one.host) == (named, "small.example.org")


def test_submit_to_does_not_open_an_element_that_refuses_the_user(three: Snapshot) -> None:
    refused = job(more='SubmitTo = "other.example.org:8443/cream-fork-short";')
    assert not match(refused, three, ADA).candidates


def test_submit_to_may_name_an_element_that_nobody_publishes(three: Snapshot) -> None:
    (one,) = match(job(more='SubmitTo = "new.example.org:8443/cream-slurm-q";'), three, ADA).candidates
    assert one.endpoint == "https://new.example.org:8443/ce-cream/services"
    assert one.record is None
    for wrong in ("new.example.org", "new.example.org:2119/jobmanager-pbs-q", ""):
        assert not match(job(more=f'SubmitTo = "{wrong}";'), three, ADA).candidates


def test_ties_are_broken_uniformly(element: Records) -> None:
    snapshot = Snapshot((*element("a"), *element("b"), *element("c"), *element("d", estimated_response_time=99)))
    found = match(job(), snapshot, ADA)
    rng = random.Random(7)
    counts = Counter(found.choose(rng).host for _ in range(3000))
    assert set(counts) == {"a", "b", "c"}
    assert all(850 < count < 1150 for count in counts.values())


def test_a_fuzzy_rank_also_chooses_others_but_the_best_most_often(element: Records) -> None:
    snapshot = Snapshot(tuple(each for slots in (1, 5, 9) for each in element(f"h{slots}", free_job_slots=slots)))
    found = match(job(rank="other.GlueCEStateFreeJobSlots", more="FuzzyRank = true;"), snapshot, ADA)
    rng = random.Random(7)
    counts = Counter(found.choose(rng).host for _ in range(3000))
    assert counts["h9"] > counts["h5"] > counts["h1"] > 0


def test_nothing_is_chosen_from_nothing() -> None:
    with pytest.raises(IndexError):
        MatchResult().choose(random.Random(1))


def test_time_and_random_are_passed_in(three: Snapshot) -> None:
    circumstances = Circumstances(lambda: 5.0, lambda: 0.25)
    found = match(job("time() == 5", "random() * 8"), three, ADA, circumstances=circumstances)
    assert {each.rank for each in found.candidates} == {2.0}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8), st.integers(0, 9))
def test_the_candidates_are_those_that_meet_the_rules_best_first(queues: list[tuple[int, bool]], least: int) -> None:
    def record(number: int, ram: int, open_to_us: bool) -> CeRecord:
        rules = ("VO:vo",) if open_to_us else ("VO:other",)
        ce_id = f"h{number}:8443/cream-fork-q"
        return CeRecord(ce_id, ce_id, parse(f"[ram = {ram}; id = {number}]"), rules, f"h{number}", "https://x")

    snapshot = Snapshot(tuple(record(number, *each) for number, each in enumerate(queues)))
    found = match(job(f"other.ram >= {least}", "other.ram"), snapshot, ADA, wms_requirements=None)
    assert [each.rank for each in found.candidates] == sorted(
        (ram for ram, open_to_us in queues if open_to_us and ram >= least), reverse=True
    )
