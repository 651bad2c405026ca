"""The builtin functions."""

from __future__ import annotations

import time

import pytest

from jdl.evaluate import evaluate
from jdl.fqan_member import fqan_member
from jdl.parser import parse, parse_expression
from jdl.values import ERROR, UNDEFINED


def value(text: str, my: str = "[]", other: str | None = None) -> object:
    return evaluate(parse_expression(text), parse(my), parse(other) if other else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('member("A", {"a","b"})', True),
        ('Member("c", {"a","b"})', False),
        ('isMember("A", {"a"})', True),
        ('member({"a"}, "a")', True),
        ("member(1, {1.0})", True),
        ("member(1, {undefined, error})", False),
        ("member(undefined, {1})", UNDEFINED),
        ('member("a", undefined)', UNDEFINED),
        ('member("a", "a")', ERROR),
        ('member("a", error)', ERROR),
        ('identicalMember("A", {"a"})', False),
        ('identicalMember("a", {"a"})', True),
        ("identicalMember(1, {1.0})", False),
        ('RegExp("b+", "abbc")', True),
        ('RegExp("B+", "abbc")', False),
        ('RegExp("B+", "abbc", "i")', True),
        ('RegExp("b+", "abbc", "f")', False),
        ('RegExp("a|x)(b", "a)(b", "f")', ERROR),
        ('RegExp("^b", strcat("a", "\\n", "b"), "m")', True),
        ('RegExp("(", "x")', ERROR),
        ('RegExp("(a)\\\\1", "aa")', ERROR),
        ('RegExp("a", "a", "q")', ERROR),
        ('RegExp("a", undefined)', UNDEFINED),
        ('RegExp("é", "caf" "é")', True),
        ('RegExp("a", 1)', ERROR),
        ('strcat("a", 1, 2.5, true)', "a12.5true"),
        ("strcat()", ""),
        ('strcat("a", undefined)', UNDEFINED),
        ('strcat("a", {1})', ERROR),
        ('substr("abcdef", 2)', "cdef"),
        ('substr("abcdef", -2)', "ef"),
        ('substr("abcdef", 1, 2)', "bc"),
        ('substr("abcdef", 1, -2)', "bcd"),
        ('substr("abc", 9)', ""),
        ('toUpper("aé")', "AÉ"),
        ('toLower("AB")', "ab"),
        ('size("abc")', 3),
        ("size({1,2})", 2),
        ("size([a=1])", 1),
        ("size(3)", ERROR),
        ("sum({1,2,3})", 6),
        ("sum({1,2.5})", 3.5),
        ("sum({})", 0),
        ("sum({1,undefined})", 1),
        ('sum({1,"a"})', ERROR),
        ("sum({9223372036854775807,1})", -(1 << 63)),
        ("avg({1,2})", 1.5),
        ("avg({})", 0),
        ("min({3,1,2})", 1),
        ("max({3,1.5})", 3.0),
        ("max({})", UNDEFINED),
        ("isUndefined(nothing)", True),
        ("isUndefined(1)", False),
        ("isError(1/0)", True),
        ("isError(undefined)", False),
        ('isString("a")', True),
        ("isInteger(1)", True),
        ("isInteger(true)", False),
        ("isReal(1.0)", True),
        ("isBoolean(false)", True),
        ("isList({})", True),
        ("isClassad([])", True),
        ("isString(error)", False),
        ("ifThenElse(true, 1, error)", 1),
        ("ifThenElse(false, error, 2)", 2),
        ("ifThenElse(undefined, 1, 2)", UNDEFINED),
        ("ifThenElse(1, 1, 2)", ERROR),
        ("ifThenElse(true, 1)", ERROR),
        ('int("42")', 42),
        ("int(-3.7)", -3),
        ("int(true)", 1),
        ("int(1e300)", ERROR),
        ('int("x")', ERROR),
        ('real("2.5")', 2.5),
        ("real(2)", 2.0),
        ('real("INF")', ERROR),
        ("string(12)", "12"),
        ('string("a")', "a"),
        ("floor(-2.5)", -3),
        ("ceiling(2.1)", 3),
        ("round(2.6)", 3),
        ('split("a, b c")', ("a", "b", "c")),
        ('split("a:b", ":")', ("a", "b")),
        ('join(",", {"a","b"})', "a,b"),
        ('join("-", 1, 2)', "1-2"),
        ('anyCompare("<", {1,5}, 2)', True),
        ('allCompare("<", {1,5}, 2)', False),
        ("random()", ERROR),
        ("time()", ERROR),
        ("size()", ERROR),
        ("size({}, {})", ERROR),
    ],
)
def test_a_function_answers(text: str, expected: object) -> None:
    result = value(text)
    assert result == expected
    assert type(result) is type(expected)


def test_the_success_of_an_element_comes_from_outside() -> None:
    seen = {"good": 1.0, "bad": 0.25}
    sources = {"other": parse('[id = "bad"]'), "success": lambda element: seen[element]}
    assert evaluate(parse_expression("successFraction(other.id) * 100"), None, **sources) == 25.0
    assert evaluate(parse_expression('successFraction("good", "lb.example.org:9000")'), None, **sources) == 1.0
    assert evaluate(parse_expression('successFraction("nobody asked")')) == 1.0
    assert evaluate(parse_expression("successFraction(other.none)"), None, **sources) is UNDEFINED
    assert evaluate(parse_expression("successFraction(1)"), None, **sources) is ERROR


def test_time_and_random_come_from_outside() -> None:
    def ask(text: str) -> object:
        return evaluate(parse_expression(text), clock=lambda: 1234.9, rng=lambda: 0.999)

    assert ask("time()") == 1234
    assert ask("random(10)") == 9
    assert ask("random()") == 0.999
    assert ask("random(0)") is ERROR


def test_a_pattern_that_explodes_elsewhere_is_answered_at_once() -> None:
    started = time.process_time()
    for pattern in ("(a+)+$", "^(a|a)*$", "(.*.*.*.*)*x$", "(a?){50}a{50}$"):
        assert value(f'RegExp("{pattern}", "{"a" * 5000}b")') is False
    assert time.process_time() - started < 1


def test_a_pattern_that_would_take_much_memory_is_an_error() -> None:
    assert value(r'RegExp("((((a{100}){10}){10}){10})", "a")') is ERROR


CE = """[ storage = [ CloseSEs = {
    [ name = "se1"; GlueSEStatus = "Production"; free = 10 ], [ name = "se2"; GlueSEStatus = "Closed"; free = 99 ] } ];
    empty = {}; mixed = { [ a = 1 ], 2 } ]"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('anyMatch(other.storage.CloseSEs, target.GlueSEStatus == "Production")', True),
        ('allMatch(other.storage.CloseSEs, target.GlueSEStatus == "Production")', False),
        ("anyMatch(other.storage.CloseSEs, other.free > needed)", True),
        ("anyMatch(other.storage.CloseSEs, other.free > 2 * needed)", False),
        ("size(whichMatch(other.storage.CloseSEs, target.free > 50))", 1),
        ("whichMatch(other.storage.CloseSEs, target.free > 50).name", ("se2",)),
        ("whichMatch(other.storage.CloseSEs, target.free > 500)", UNDEFINED),
        ("anyMatch(other.storage.CloseSEs, target.missing > 1)", ERROR),
        ("anyMatch(other.storage.CloseSEs, true)", ERROR),
        ("anyMatch(other.mixed, target.a == 1)", ERROR),
        ("anyMatch(other.nothing, target.a == 1)", UNDEFINED),
        ("anyMatch(other.empty, target.a == 1)", False),
        ("allMatch(other.empty, target.a == 1)", True),
        ("anyMatch(other.storage, target.a == 1)", ERROR),
    ],
)
def test_lists_of_ads_are_matched_against_the_ad_that_asks(text: str, expected: object) -> None:
    assert value(text, "needed = 50", CE) == expected


def test_the_attributes_an_expression_refers_to_are_listed_recursively() -> None:
    my = "[ requirements = other.GlueCEFree > need && base; base = member(other.GlueTags, x) || base; need = 1 ]"
    assert value('listAttrRegEx("^Glue", requirements)', my) == ("GlueCEFree", "GlueTags")
    assert value('listAttrRegEx(".*", requirements)', my) == ("GlueCEFree", "need", "base", "GlueTags", "x")
    assert value('listAttrRegEx("^Nothing", requirements)', my) is UNDEFINED
    assert value('listAttrRegEx("(", requirements)', my) is ERROR


@pytest.mark.parametrize(
    ("fqan", "rule", "admitted"),
    [
        ("VOMS:/cms", "VOMS:/cms", True),
        ("VOMS:/cms", "voms:/cms", True),
        ("VOMS:/cms", "DENY:/cms", False),
        ("VOMS:/cms", "VOMS:/CMS", False),
        ("VOMS:/cms/production", "VOMS:/cms", False),
        ("VOMS:/cms/production", "VOMS:/cms/*", True),
        ("VOMS:/cms", "VOMS:/cms/*", False),
        ("VOMS:/cms/Role=NULL/Capability=NULL", "VOMS:/cms", True),
        ("VOMS:/cms", "VOMS:/cms/Role=NULL", True),
        ("VOMS:/cms/Role=production", "VOMS:/cms", False),
        ("VOMS:/cms", "VOMS:/cms/Role=production", False),
        ("VOMS:/cms/Role=production/Capability=NULL", "VOMS:/cms/role=production", True),
        ("VOMS:/cms/Role=production", "VOMS:/cms/Role=Production", False),
        ("VOMS:/cms/Role=production", "VOMS:/cms/Role=*", True),
        ("VOMS:/cms", "VOMS:/cms/Role=*", False),
        ("VOMS:/cms", "VOMS:/VO=cms/GROUP=/cms", True),
        ("VOMS:/VO=cms/GROUP=/cms/higgs", "VOMS:/cms/higgs", True),
        ("VOMS:/cmsx", "VOMS:/cms.", False),
        ("VOMS:/c(ms", "VOMS:/c(ms", False),
        ("VOMS:/cms", "VOMS:/cms|/atlas", False),
        ("VOMS:/cms/*", "VOMS:/cms/x", False),
        ("VOMS:", "VOMS:", False),
        ("", "", False),
    ],
)
def test_an_fqan_is_admitted_by_a_rule(fqan: str, rule: str, admitted: bool) -> None:
    assert fqan_member(fqan, rule) is admitted


def test_fqan_member_is_never_undefined() -> None:
    assert value('FQANmember("VOMS:/cms", {"VO:cms", 3, "VOMS:/cms"})') is True
    assert value('FQANMember("VOMS:/cms", {})') is False
    assert value('fqanMember(undefined, {"VOMS:/cms"})') is False
    assert value('fqanMember("VOMS:/cms", undefined)') is False
    assert value('fqanMember("VOMS:/cms", 3)') is ERROR
