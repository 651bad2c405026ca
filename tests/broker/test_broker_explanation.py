"""Why nothing matches."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from broker.explanation import explain
from broker.matchmaker import Job
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.parser import parse

ADA = User("/DC=org/DC=example/CN=Ada", (Fqan.parse("/vo"),))
Records = Callable[..., tuple[CeRecord, ...]]
GOOD = "good.example.org:8443/cream-fork-short"
OTHER = "other.example.org:8443/cream-fork-short"
SMALL = "small.example.org:8443/cream-fork-short"


def lines(snapshot: Snapshot, requirements: str, rank: str = "1", more: str = "", user: User = ADA) -> list[str]:
    return explain(Job(parse(f"[Requirements = {requirements}; Rank = {rank}; {more}]")), snapshot, user).lines()


def test_each_condition_says_where_it_fails_and_what_came_nearest(three: Snapshot) -> None:
    wanted = (
        'other.GlueHostMainMemoryRAMSize >= 64000 && other.GlueHostOperatingSystemName == "Plan9"'
        " && other.GlueHostMainMemoryRAMSize > 1000"
    )
    assert lines(three, wanted) == [
        f"3 computing elements are known; 1 refuses this user: {OTHER} (admits VO:other)",
        f"other.GlueHostMainMemoryRAMSize >= 64000: fails on 2 of 2 (best: 4096 on {GOOD})",
        'other.GlueHostOperatingSystemName == "Plan9": fails on 2 of 2 (found: "Linux")',
        f"other.GlueHostMainMemoryRAMSize > 1000: fails on 1 of 2 (best: 512 on {SMALL})",
    ]


def test_the_smallest_is_the_nearest_when_less_is_wanted(three: Snapshot) -> None:
    assert f"(best: 512 on {SMALL})" in lines(three, "other.GlueHostMainMemoryRAMSize < 100")[1]
    assert f"(best: 512 on {SMALL})" in lines(three, "100 > other.GlueHostMainMemoryRAMSize")[1]


def test_an_attribute_that_nobody_publishes_is_named_with_what_may_be_meant(three: Snapshot) -> None:
    found = lines(three, "other.GlueHostMainMemoryRAM >= 1 && other.Zebra =?= 1")
    assert (
        "no computing element publishes other.GlueHostMainMemoryRAM; did you mean GlueHostMainMemoryRAMSize?" in found
    )
    assert "no computing element publishes other.Zebra" in found


def test_software_that_is_missing_is_told_with_what_is_like_it(element: Records) -> None:
    snapshot = Snapshot(element("a", software=("VO-vo-tool-1.2", "GLITE-3_2_0")))
    wanted = 'Member("VO-vo-tool-1.3", other.GlueHostApplicationSoftwareRunTimeEnvironment)'
    assert lines(snapshot, wanted)[1].endswith("fails on 1 of 1 (nearest: VO-vo-tool-1.2)")


def test_conditions_behind_own_attributes_are_found(three: Snapshot) -> None:
    found = lines(three, "Memory && true", more="Memory = other.GlueHostMainMemoryRAMSize > 9999;")
    assert found[1].startswith("other.GlueHostMainMemoryRAMSize > 9999: fails on 2 of 2")
    assert len(found) == 2


def test_a_denial_names_its_rule(element: Records) -> None:
    snapshot = Snapshot(element("a", rules=("VO:vo", "DENY:/vo")))
    assert lines(snapshot, "true") == [
        "1 computing element is known; 1 refuses this user: a:8443/cream-fork-short (its rule DENY:/vo says so)"
    ]


def test_elements_that_take_no_jobs_are_told(element: Records) -> None:
    found = lines(Snapshot(element("a", status="Draining")), "true")
    assert found[1] == "1 takes no jobs at present: a:8443/cream-fork-short is Draining"


def test_conditions_of_the_wms_are_told_as_such(element: Records) -> None:
    found = lines(Snapshot(element("a", "x_sdj")), "true")
    assert found[1].startswith("a condition of this WMS, ")
    assert found[1].endswith("fails on 1 of 1")


def test_a_rank_that_is_no_number_is_told(three: Snapshot) -> None:
    assert lines(three, "true", rank="other.GlueCEName")[-1] == (
        "Rank, other.GlueCEName, is not a number on 2 that would match"
    )


def test_with_nothing_known_it_says_so() -> None:
    assert lines(Snapshot(), "other.X") == ["no computing element is known"]


@pytest.mark.parametrize(
    ("submit_to", "words"),
    [
        (OTHER, f"1 refuses this user: {OTHER} (admits VO:other)"),
        ("nonsense", "invalid value nonsense for attribute SubmitTo (expecting match"),
        ("h:2119/jobmanager-pbs-q", "is not known and is no CREAM service"),
    ],
)
def test_submit_to_is_explained(three: Snapshot, submit_to: str, words: str) -> None:
    assert words in " | ".join(lines(three, "true", more=f'SubmitTo = "{submit_to}";'))


def test_many_are_shortened_and_foreign_texts_made_harmless(element: Records) -> None:
    snapshot = Snapshot(
        tuple(each for number in range(12) for each in element(f"h{number}", rules=("VO:evil\x1b[31m\n" + "x" * 999,)))
    )
    (line,) = lines(snapshot, "true")
    assert line.startswith("12 computing elements are known; 12 refuse this user: ")
    assert line.endswith(" and 9 more")
    assert line.isprintable()
    assert len(line) < 1000


def test_a_long_list_of_conditions_does_not_cost_minutes(three: Snapshot) -> None:
    wanted = " && ".join(f'other.GlueCEUniqueID != "{number}"' for number in range(5000)) + " && false"
    assert len(lines(three, wanted)) < 30
