"""Terms that registration makes of CpuNumber and its like: the change is told of the attribute that the user wrote."""

from __future__ import annotations

import pytest

from broker.explanation import explain, lines
from broker.explanation.clause import clauses_of
from broker.job import Job
from broker.matchmaker import match
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.complete import complete_for_match
from jdl.cpus import check_cpus
from jdl.parser import parse, parse_expression
from jdl.tree import ClassAd
from wsdl.explanation import Change, Edit, Explanation

MEMORY = "other.GlueHostMainMemoryRAMSize"
ADA = User("/CN=Ada", (Fqan.parse("/vo"),))


def element(name: str, slots: int, size: int, memory: int = 2048, most: int = 0) -> CeRecord:
    ce_id = f"{name}:8443/cream-fork-q"
    text = (
        f'[GlueCEUniqueID = "{ce_id}"; GlueCEInfoTotalCPUs = {slots}; GlueHostArchitectureSMPSize = {size};'
        f" GlueHostMainMemoryRAMSize = {memory}; GlueCEPolicyMaxSlotsPerJob = {most};"
        " GlueCEStateEstimatedResponseTime = 0]"
    )
    return CeRecord(ce_id, ce_id, parse(text), ("VO:vo",), name)


GRID = Snapshot((element("a", 100, 4), element("b", 400, 16, memory=512), element("c", 50, 8)))


def registered(ad: ClassAd) -> Job:
    check_cpus(ad)
    return Job(complete_for_match(ad))


def explained(text: str) -> Explanation:
    return explain(registered(parse(f"[{text}]")), GRID, ADA)


def followed(text: str, change: Change) -> int:
    """How many match when the user does as he is told, and the job is registered again."""
    ad = parse(f"[{text}]")
    if change.requirements:
        ad.set("Requirements", parse_expression(change.requirements))
    for edit in change.edits:
        if edit.attribute != "Requirements" and edit.instead:
            ad.set(edit.attribute, parse_expression(edit.instead))
        elif edit.attribute != "Requirements":
            ad.remove(edit.attribute)
    return len(match(registered(ad), GRID, ADA).candidates)


@pytest.mark.parametrize(
    ("text", "edits", "matches"),
    [
        ("CpuNumber = 1000;", [Edit("CpuNumber", "1000", "400")], 1),
        ("NodeNumber = 1000;", [Edit("NodeNumber", "1000", "400")], 1),
        ("SMPGranularity = 64;", [Edit("SMPGranularity", "64", "16")], 1),
        ("CpuNumber = 64; HostNumber = 2;", [Edit("HostNumber", "2", "4")], 1),
        ("WholeNodes = true; HostNumber = 1000;", [Edit("HostNumber", "1000")], 3),
        ("WholeNodes = true; HostNumber = 1000; SMPGranularity = 8;", [Edit("HostNumber", "1000")], 2),
        (
            "CpuNumber = 1000; Requirements = other.GlueHostMainMemoryRAMSize >= 1024;",
            [Edit("CpuNumber", "1000", "100")],
            1,
        ),
        (
            "CpuNumber = 1000; Requirements = other.GlueHostMainMemoryRAMSize >= 4096;",
            [
                Edit("Requirements", f"{MEMORY} >= 4096", f"{MEMORY} >= 2048"),
                Edit("CpuNumber", "1000", "100"),
            ],
            1,
        ),
    ],
)
def test_a_change_of_the_attribute_gives_a_match_when_the_user_makes_it(
    text: str, edits: list[Edit], matches: int
) -> None:
    found = explained(text)
    assert found.matches == 0
    assert list(found.changes[0].edits) == edits
    assert found.changes[0].matches == matches == followed(text, found.changes[0])
    assert "GlueCEInfoTotalCPUs" not in found.changes[0].requirements


def test_the_condition_says_which_attribute_it_comes_from() -> None:
    (condition,) = [each for each in explained("CpuNumber = 1000; Requirements = true;").conditions if each.via]
    assert (condition.text, condition.via) == ("other.GlueCEInfoTotalCPUs >= 1000", ("CpuNumber",))


def test_the_sentence_names_the_attribute() -> None:
    assert "smallest change: CpuNumber = 400 instead of 1000: then 1 matches (b:8443/cream-fork-q)" in lines(
        explained("CpuNumber = 1000;")
    )


def test_what_an_interactive_job_needs_is_no_change_for_its_user_to_make() -> None:
    assert explained('JobType = "interactive";').changes == ()


def test_a_slot_limit_and_the_slots_that_are_there_are_one_change() -> None:
    grid = Snapshot((element("a", 100, 4, most=8),))
    (change,) = explain(registered(parse("[CpuNumber = 1000]")), grid, ADA).changes
    assert change.edits == (Edit("CpuNumber", "1000"),)


def test_an_attribute_that_is_named_twice_stands_for_its_terms_once() -> None:
    wanted = "Wanted = other.GlueHostMainMemoryRAMSize > 4096;"
    text = f"Requirements = Wanted && other.GlueCEInfoTotalCPUs > 1 && Wanted; {wanted}"
    job = Job(parse(f"[{text}]"))
    assert [each.expr.text() for each in clauses_of(job)] == [
        "other.GlueHostMainMemoryRAMSize > 4096",
        "other.GlueCEInfoTotalCPUs > 1",
    ]
    assert len(explain(job, GRID, ADA).changes[0].edits) == 1
