"""Terms that cannot be met as they are written, beside names and values that are misspelt."""

from __future__ import annotations

import pytest

from broker.explanation import explain
from broker.job import Job
from broker.matchmaker import match
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.parser import parse, parse_expression
from wsdl.explanation import Explanation

ADA = User("/CN=Ada", (Fqan.parse("/vo"),))
A = "a:8443/cream-fork-q"
AD = '[Memory = 2048; Os = "linux"; Up = true; Tags = { "a-1.0", "b" }]'
GRID = Snapshot((CeRecord(A, A, parse(AD), ("VO:vo",), "a"),))


def explained(requirements: str) -> Explanation:
    job = Job(parse(f"[Requirements = {requirements}; Rank = 1]"))
    return explain(job, GRID, ADA, wms_requirements=None)


@pytest.mark.parametrize(
    ("requirements", "sentence"),
    [
        ("1", "1 is a number and not true whatever the computing element"),
        ('"yes"', '"yes" is a string and not true whatever the computing element'),
        ("false", "false is false whatever the computing element"),
        ("Nothing", "Nothing is undefined whatever the computing element"),
        ("1 / 0", "1 / 0 is an error whatever the computing element"),
        ("other.Memory", "other.Memory is a number (such as 2048), and a condition must be true or false"),
        ("other.Os", 'other.Os is a string (such as "linux"), and a condition must be true or false'),
    ],
)
def test_a_term_that_is_no_condition_is_told_as_such(requirements: str, sentence: str) -> None:
    assert [each.sentence for each in explained(requirements).mistakes] == [sentence]


def test_an_error_to_the_left_of_a_true_side_is_told_and_mended() -> None:
    found = explained('other.Os == 2 || other.Memory >= "1" || other.Up')
    assert [each.meant for each in found.mistakes] == ['"2"', "1"]
    (change,) = found.changes
    assert change.requirements == 'other.Os == "2" || other.Memory >= 1 || other.Up'
    job = Job(parse("[Rank = 1]"))
    job.ad.set("Requirements", parse_expression(change.requirements))
    assert len(match(job, GRID, ADA, wms_requirements=None).candidates) == 1


def test_a_side_that_is_only_false_is_no_mistake() -> None:
    assert explained('other.Os == "plan9" || other.Memory > 4096').mistakes == ()


def test_a_number_in_quotes_that_no_job_can_hold_is_told_without_a_proposal() -> None:
    found = explained('other.Memory >= "99999999999999999999"')
    assert [each.meant for each in found.mistakes] == [""]
    assert found.changes[0].requirements == "true"


def test_a_member_in_other_letters_is_told_with_the_function_that_overlooks_them() -> None:
    found = explained('IdenticalMember("A-1.0", other.Tags)')
    assert [each.sentence for each in found.mistakes] == [
        'no computing element has "A-1.0" in other.Tags, but "a-1.0"; Member does not look at the case'
    ]
    assert found.changes[0].requirements == 'Member("A-1.0",other.Tags)'

