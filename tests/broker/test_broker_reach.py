"""Elements that match and cannot be given a job: listed and explained, never chosen."""

from __future__ import annotations

from math import inf

import pytest

from broker.candidates import NO_MATCH, Candidate
from broker.choice import Aside, Choice
from broker.queue import Phase
from broker.reach import MADE_UP, NO_INTERFACE, out_of_reach
from broker.supermarket import Snapshot
from infosys.ce_ads import CeRecord


def candidate(host: str, endpoint: str = "https://x:8443/ce-cream/services") -> Candidate:
    return Candidate(f"{host}:8443/cream-pbs-a", 0, host, endpoint)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (candidate("ce.example.org"), None),
        (candidate("ce.invalid.example.org"), None),
        (candidate("ce1.site001.synthetic.invalid"), MADE_UP),
        (candidate("CE.SYNTHETIC.INVALID."), MADE_UP),
        (candidate("arc.example.org", ""), NO_INTERFACE),
    ],
)
def test_an_element_is_out_of_reach_for_a_reason(one: Candidate, why: str | None) -> None:
    found = out_of_reach(one)
    assert found == why


def test_each_reason_is_told_with_the_number_of_elements() -> None:
    aside = [Aside(str(place), why, inf) for place, why in enumerate((MADE_UP, NO_INTERFACE, MADE_UP))]
    sentence = Choice(None, tuple(aside)).sentence()
    assert sentence == f"of the computing elements that match none can be given a job: 2 {MADE_UP}; 1 {NO_INTERFACE}"
    mixed = Choice(None, (*aside, Aside("ce", "until 9:00", 5.0)))
    assert mixed.sentence().startswith("all 4 that match are set aside: ce until 9:00; 2 are made up")
    assert mixed.until == 5.0
    assert Choice(None, tuple(aside)).until is None


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


def test_an_element_out_of_reach_that_the_user_names_is_told_too(make_world, element):
    world = make_world(snapshot=Snapshot(elements(element, "ce.synthetic.invalid", "one.example.org")))
    job = world.submit(extra='SubmitTo = "ce.synthetic.invalid:8443/cream-fork-short";')
    request = world.step(job)
    assert request.phase is Phase.WAITING
    assert "none can be given a job: 1 are made up" in request.reason
