"""Elements that match and cannot be given a job: listed and explained, never chosen."""

from __future__ import annotations

import pytest

from broker.candidates import NO_MATCH, Candidate, MatchResult
from broker.queue import Phase
from broker.reach import out_of_reach, sentence, within_reach
from broker.supermarket import Snapshot
from infosys.ce_ads import CeRecord

MADE_UP = "are made up for demonstration"


def candidate(host: str, endpoint: str = "https://x:8443/ce-cream/services") -> Candidate:
    return Candidate(f"{host}:8443/cream-pbs-a", 0, host, endpoint)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (candidate("ce.example.org"), None),
        (candidate("ce.invalid.example.org"), None),
        (candidate("ce1.site001.synthetic.invalid"), MADE_UP),
        (candidate("CE.SYNTHETIC.INVALID."), MADE_UP),
        (candidate("arc.example.org", ""), "offer no CREAM interface"),
    ],
)
def test_an_element_is_out_of_reach_for_a_reason(one: Candidate, why: str | None) -> None:
    found = out_of_reach(one)
    assert found is None if why is None else why in str(found)


def test_what_is_within_reach_stays_in_its_order() -> None:
    real, made_up = candidate("a.example.org"), candidate("b.synthetic.invalid")
    everything = MatchResult((made_up, real), tried=(made_up,), unranked=3)
    found = within_reach(everything)
    assert (list(found.candidates), list(found.tried), found.unranked) == ([real], [], 3)
    untouched = MatchResult((real,))
    assert within_reach(untouched) is untouched


def test_each_reason_is_told_with_the_number_of_elements() -> None:
    result = MatchResult((candidate("a.invalid"), candidate("b.invalid"), candidate("c.org", "")))
    assert sentence(result).startswith("of the computing elements that match none can be given a job: 2 are made up")
    assert "; 1 offer no CREAM interface" in sentence(result)


def elements(element, *hosts: str) -> tuple[CeRecord, ...]:
    return tuple(record for place, host in enumerate(hosts) for record in element(host, free_job_slots=99 - place))


def test_a_job_goes_to_the_best_element_that_takes_jobs(make_world, element):
    world = make_world(snapshot=Snapshot(elements(element, "ce.synthetic.invalid", "one.example.org")))
    job = world.submit(extra="Rank = other.GlueCEStateFreeJobSlots;")
    for _ in range(20):
        if world.get(job).phase is Phase.RUNNING:
            break
        world.step(job)
    assert world.get(job).ce_id == "one.example.org:8443/cream-fork-short"


def test_a_job_that_only_made_up_elements_match_waits_and_is_told_why(make_world, element):
    world = make_world(snapshot=Snapshot(elements(element, "ce.synthetic.invalid")))
    job = world.submit()
    request = world.step(job)
    assert request.phase is Phase.WAITING
    assert request.reason.startswith(f"{NO_MATCH}; of the computing elements that match none can be given a job: 1 are")
