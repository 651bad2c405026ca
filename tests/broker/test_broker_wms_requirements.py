"""What the WMS demands of an element: short-deadline queues, room, processors and hosts, close storage."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.candidates import NO_MATCH, UNRANKABLE
from broker.job import Job
from broker.matchmaker import match
from broker.supermarket import Snapshot
from broker.wms_requirements import TERMS, WMS_REQUIREMENTS, read_wms_requirements
from grid.errors import ConfigurationError
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.cpus import cpu_requirements
from jdl.parser import parse
from jdl.tree import conjunction

ADA = User("/DC=org/DC=example/CN=Ada", (Fqan.parse("/vo"),))


def record(name: str = "a", **attributes: object) -> CeRecord:
    ce_id = f"{name}:8443/cream-fork-{attributes.pop('queue', 'q')}"
    ad = parse("[]")
    ad.set("GlueCEUniqueID", ce_id)
    ad.set("GlueCEStateEstimatedResponseTime", 0)
    for key, value in attributes.items():
        ad.set(key, value)
    return CeRecord(ce_id, ce_id, ad, ("VO:vo",), name, f"https://{name}/ce")


def job(text: str) -> Job:
    """A job as it is registered: its numbers of processors and hosts have become requirements."""
    ad = parse(f"[{text}]")
    requirements = conjunction(ad.get("Requirements"), *(term for _, term in cpu_requirements(ad)))
    if requirements is not None:
        ad.set("Requirements", requirements)
    return Job(ad)


def matches(text: str, **attributes: object) -> bool:
    return bool(match(job(text), Snapshot((record(**attributes),)), ADA).candidates)


# -- short deadline, feedback, output --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "queue", "fits"),
    [
        ("", "q", True),
        ("", "grid_sdj", False),
        ("", "sdj_long", True),
        ("ShortDeadlineJob = true;", "grid_sdj", True),
        ("ShortDeadlineJob = true;", "q", False),
        ("ShortDeadlineJob = false;", "q", True),
    ],
)
def test_short_deadline_jobs_go_to_their_queues_and_no_others_do(text: str, queue: str, fits: bool) -> None:
    assert matches(text, queue=queue) is fits


def test_feedback_is_given_by_cream_only() -> None:
    assert matches("EnableWmsFeedback = true;", GlueCEImplementationName="CREAM")
    assert not matches("EnableWmsFeedback = true;", GlueCEImplementationName="LCG-CE")
    assert not matches("EnableWmsFeedback = true;")
    assert matches("EnableWmsFeedback = false;")


def test_an_output_element_is_close_to_the_computing_element() -> None:
    wanted = 'OutputSE = "se1.example.org";'
    assert matches(wanted, GlueCESEBindGroupSEUniqueID=["se0.example.org", "SE1.example.org"])
    assert not matches(wanted, GlueCESEBindGroupSEUniqueID=["se2.example.org"])
    assert not matches(wanted)


# -- room ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "most", "fits"),
    [(5, 5, False), (4, 5, True), (9, 0, True), (9, None, True), (None, 5, True), (444444, 5, True)],
)
def test_a_queue_is_full_when_it_says_so_and_unknown_numbers_say_nothing(total, most, fits) -> None:
    given_values = {"GlueCEStateTotalJobs": total, "GlueCEPolicyMaxTotalJobs": most}
    assert matches("", **{name: value for name, value in given_values.items() if value is not None}) is fits


# -- processors and hosts --------------------------------------------------------------------------------------

CPUS = {"GlueCEInfoTotalCPUs": 64, "GlueHostArchitectureSMPSize": 8}


@pytest.mark.parametrize(
    ("text", "attributes", "fits"),
    [
        ("CpuNumber = 64;", {}, True),
        ("CpuNumber = 65;", {}, False),
        ("NodeNumber = 65;", {}, False),
        ("NodeNumber = 65; CpuNumber = 2;", {}, True),
        ("CpuNumber = 9;", {"GlueCEPolicyMaxSlotsPerJob": 8}, False),
        ("NodeNumber = 9;", {"GlueCEPolicyMaxSlotsPerJob": 8}, False),
        ("CpuNumber = 8;", {"GlueCEPolicyMaxSlotsPerJob": 8}, True),
        ("CpuNumber = 9;", {"GlueCEPolicyMaxSlotsPerJob": 0}, True),
        ("CpuNumber = 9;", {"GlueCEPolicyMaxSlotsPerJob": 999999999}, True),
        ("CpuNumber = 9;", {"GlueCEPolicyMaxSlotsPerJob": 444444}, True),
        ("CpuNumber = 4; SMPGranularity = 8;", {}, True),
        ("CpuNumber = 4; SMPGranularity = 9;", {}, False),
        ("CpuNumber = 17; HostNumber = 2;", {}, False),  # nine on one host of eight
        ("CpuNumber = 16; HostNumber = 2;", {}, True),
        ("HostNumber = 8; WholeNodes = true;", {}, True),
        ("HostNumber = 9; WholeNodes = true;", {}, False),  # there are eight hosts
        ("HostNumber = 9; WholeNodes = true; SMPGranularity = 4;", {"GlueCEInfoTotalCPUs": 72}, True),
        ("HostNumber = 2; WholeNodes = true; SMPGranularity = 16;", {}, False),
        ("WholeNodes = true;", {}, True),
    ],
)
def test_parallel_jobs_go_where_their_processors_and_hosts_are(text, attributes, fits) -> None:
    assert matches(text, **(CPUS | attributes)) is fits


# -- gang matching on close storage elements ---------------------------------------------------------------------


def storage(*spaces: int) -> dict[str, object]:
    close = [
        {"name": f"se{number}", "GlueSEStatus": "Production", "GlueSAStateAvailableSpace": space, "mount": "/data"}
        for number, space in enumerate(spaces)
    ]
    return {"CloseSEs": close}


@pytest.mark.parametrize(
    ("requirements", "spaces", "fits"),
    [
        ("anyMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > 100)", (1, 200), True),
        ("anyMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > 100)", (1, 2), False),
        ("anyMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > Wanted)", (1, 60), True),
        ("allMatch(other.storage.CloseSEs, target.GlueSEStatus == \"Production\")", (1, 2), True),
        ("allMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > 100)", (1, 200), False),
        ("size(whichMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > 100)) == 2", (101, 1, 102), True),
        ("anyMatch(other.storage.CloseSEs, target.GlueSEStatus == \"Production\")", (), False),
    ],
)
def test_a_job_may_ask_for_what_is_close(requirements: str, spaces: tuple[int, ...], fits: bool) -> None:
    text = f"Wanted = 50; Requirements = {requirements};"
    assert matches(text, storage=storage(*spaces)) is fits


def test_an_element_without_close_storage_matches_no_question_about_it() -> None:
    assert not matches("Requirements = anyMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > 1);")


# -- the operator's own ------------------------------------------------------------------------------------------


def test_the_operators_expression_takes_the_place_of_the_default() -> None:
    own = read_wms_requirements('other.GlueCEUniqueID != "b:8443/cream-fork-q"')
    both = Snapshot((record("a"), record("b")))
    assert [each.host for each in match(job(""), both, ADA, wms_requirements=own).candidates] == ["a"]
    assert read_wms_requirements(" \n") is WMS_REQUIREMENTS


def test_the_document_shows_each_term_of_the_default() -> None:
    document = (Path(__file__).parents[2] / "docs/matchmaking.md").read_text(encoding="utf-8")
    assert [term for term in TERMS if term not in document] == []


def test_an_expression_that_cannot_be_read_is_told_with_its_place() -> None:
    with pytest.raises(ConfigurationError, match=r"line 1, column 21"):
        read_wms_requirements("other.GlueCEName == && true")


# -- the sentences that users know -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Requirements = false;", NO_MATCH),
        ("Rank = other.Nothing;", UNRANKABLE),
        (
            'SubmitTo = "nonsense";',
            r"BrokerHelper: invalid value nonsense for attribute SubmitTo (expecting match (.+/[^\-]+-([^\-]+))-(.+))",
        ),
        (
            "SubmitTo = 5;",
            "BrokerHelper: attribute SubmitTo does not exist or has the wrong type (expected string)",
        ),
    ],
)
def test_why_nothing_matches_begins_with_the_sentence_of_glite(text: str, sentence: str) -> None:
    found = match(job(text), Snapshot((record(),)), ADA)
    assert found.candidates == ()
    assert found.headline == sentence


def test_one_element_that_can_be_ranked_is_enough() -> None:
    found = match(job("Rank = other.mine;"), Snapshot((record("a"), record("b", mine=1))), ADA)
    assert [each.host for each in found.candidates] == ["b"]
    assert found.headline == NO_MATCH  # when b is set aside


@given(st.text(max_size=40))
def test_no_submit_to_breaks_the_match(text: str) -> None:
    ad = parse("[]")
    ad.set("SubmitTo", text.replace("\0", ""))
    found = match(Job(ad), Snapshot((record(),)), ADA)
    assert found.candidates or found.headline.startswith("BrokerHelper: ")
    assert "\n" not in found.headline
