"""Calls that cannot come to anything are refused before a job waits in vain, with their place in the text."""

from __future__ import annotations

import pytest

from jdl.check import check
from jdl.classad import ClassAd
from jdl.compound import expand
from jdl.errors import AttributeFault, JdlSyntaxError, NodeFaults
from jdl.parser import parse


def job(requirements: str, rest: str = "") -> ClassAd:
    """A description with these requirements on a line of their own."""
    return parse(
        f'[\n  Executable = "/bin/true"; {rest}\n  Rank = 0;\n  Requirements = other.a > 1 &&\n    {requirements};\n]'
    )


@pytest.mark.parametrize(
    ("requirements", "code", "said"),
    [
        ('Membr("a", other.l)', 1506, "there is no function Membr(); did you mean member(value, list)?"),
        ("isUndefind(other.l)", 1506, "did you mean isUndefined(value)?"),
        ("nothingLikeIt(1)", 1506, "there is no function nothingLikeIt()"),
        ('eval("1")', 1506, "eval() is not offered: "),
        ("countMatches(other.l)", 1506, "anyMatch(), allMatch() and whichMatch() do"),
        ('Member("a")', 1504, "wrong usage of MultiAttribute method; syntax is: Member/IsMember(Value,List)"),
        ("IsMember()", 1504, "Member/IsMember(Value,List)"),
        ('substr("a")', 1506, "substr() has 1 argument; its usage is substr(text, offset[, length])"),
        ("ifThenElse(true, 1)", 1506, "ifThenElse() has 2 arguments"),
        (
            "anyMatch(other.storage.CloseSEs, true)",
            1506,
            "the second argument of anyMatch() is an expression about target",
        ),
        ('listAttrRegEx("a", 1 + 1)', 1506, "the second argument of listAttrRegEx() is the name of an attribute"),
        ('RegExp("(a", other.b)', 1506, "the pattern of RegExp() is broken: missing )"),
        ('RegExp("(a)\\\\1", other.b)', 1506, "invalid escape sequence: \\1"),
    ],
)
def test_a_call_that_comes_to_nothing_is_refused_where_it_stands(requirements: str, code: int, said: str) -> None:
    with pytest.raises(AttributeFault) as caught:
        check(job(requirements), vo="testvo")
    error = caught.value
    assert error.code == code
    assert said in error.description
    assert (error.line, error.column) == (5, 5)
    assert error.excerpt == f"    {requirements};\n    ^"
    assert error.description == f"{error.sentence}:\n{error.excerpt}"


@pytest.mark.parametrize(
    "requirements",
    [
        'member("a", other.l) && IsMember("a", other.l) && Member(other.l, "a")',
        'anyMatch(other.storage.CloseSEs, target.GlueSEStatus == "unset")',
        'regexp(other.pattern, other.b) && RegExp("^a", other.b, "i")',
        "successFraction(other.GlueCEUniqueID) > 0.5",
        'size(retrieveCloseSEsInfo("cms")) > 0',
    ],
)
def test_calls_that_may_come_to_something_are_taken(requirements: str) -> None:
    check(job(requirements), vo="testvo")


def test_in_an_attribute_without_a_meaning_it_is_a_warning() -> None:
    checked = check(job("true", "mine = nothingLikeIt(1);"), vo="testvo")
    assert [text for text in checked.warnings if "there is no function nothingLikeIt()" in text] == [
        "mine: wrong value caught for attribute (there is no function nothingLikeIt()) (line 2, column 36)"
    ]


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ('CpuNumber = "x"', '  Executable = "/bin/true"; CpuNumber = "x";'),
        ("RetryCount = -1", '  Executable = "/bin/true"; RetryCount = -1;'),
        ('OutputSandbox = { "a/x", "b/x" }', '  Executable = "/bin/true"; OutputSandbox = { "a/x", "b/x" };'),
        ('SubmitTo = "x"', '  Executable = "/bin/true"; SubmitTo = "x";'),
    ],
)
def test_an_error_of_an_attribute_shows_its_line(setting: str, line: str) -> None:
    with pytest.raises(AttributeFault) as caught:
        check(job("true", f"{setting};"), vo="testvo")
    assert caught.value.excerpt == f"{line}\n{' ' * 28}^"
    assert caught.value.description.endswith(f" (line 2, column 29):\n{caught.value.excerpt}")


def test_an_error_in_a_nested_ad_shows_its_line() -> None:
    with pytest.raises(AttributeFault) as caught:
        check(job("true", 'OutputData = {\n [ OutputFile = "o"; LogicalFileName = "x" ] };'), vo="testvo")
    assert caught.value.excerpt == ' [ OutputFile = "o"; LogicalFileName = "x" ] };\n                     ^'


def test_an_error_of_a_node_keeps_to_its_line_and_knows_its_own() -> None:
    text = '[ Type = "collection"; Requirements = true; Rank = 0;\n '
    text += 'Nodes = { [ Executable = "/bin/a"; RetryCount = -1 ] } ]'
    with pytest.raises(NodeFaults) as caught:
        expand(parse(text), vo="testvo")
    [(name, error)] = caught.value.errors
    assert caught.value.description.count("\n") == 1
    assert caught.value.description.endswith(f"{name} ->{error.sentence}")
    assert error.excerpt.endswith(f"\n{' ' * 36}^")


def test_a_step_of_zero_shows_its_line() -> None:
    with pytest.raises(JdlSyntaxError) as caught:
        expand(
            parse('[ JobType = "parametric"; Executable = "/bin/a"; Parameters = 2;\n ParameterStep = 0 ]'), vo="testvo"
        )
    assert caught.value.excerpt == " ParameterStep = 0 ]\n ^"


def test_a_long_line_is_cut_around_the_place() -> None:
    with pytest.raises(AttributeFault) as caught:
        check(
            parse(f'[ a = "{"x" * 5000}"; CpuNumber = 0; Executable = "/bin/a"; Rank = 0; Requirements = true ]'),
            vo="testvo",
        )
    line, caret = caught.value.excerpt.split("\n")
    assert len(line) <= 100
    assert line[len(caret) - 1 :].startswith("CpuNumber = 0")


def test_an_ad_that_was_not_read_has_places_without_lines() -> None:
    ad = ClassAd()
    ad.set("CpuNumber", 0)
    for name, value in (("Executable", "/bin/a"), ("Rank", 0), ("Requirements", True)):
        ad.set(name, value)
    with pytest.raises(AttributeFault) as caught:
        check(ad, vo="testvo")
    assert caught.value.excerpt == "" and caught.value.line == 0
