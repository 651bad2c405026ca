"""Descriptions made to stop a server: each is answered in a second, with a value or an error that says where."""

from __future__ import annotations

import time

import pytest

from jdl.check import check
from jdl.errors import JdlSyntaxError
from jdl.evaluate import evaluate, evaluate_attribute
from jdl.parser import SUBMITTED, parse, parse_expression
from jdl.values import ERROR, UNDEFINED

MANY = 20_000
DEEP = 100_000
STEPS = 200_000
SECONDS = 10.0
"""What an attack may cost; each takes a fraction of it on an idle machine."""


def timed(attack: str) -> object:
    """The value of an expression, within the time."""
    began = time.process_time()
    value = evaluate(parse_expression(attack))
    assert time.process_time() - began < SECONDS
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true" + " && true" * MANY, True),
        ("false" + " || false" * MANY, False),
        ("1" + " + 1" * MANY, MANY + 1),
        ("0" + " - 1" * MANY, -MANY),
        ("1" + " * 1 / 1" * (MANY // 2), 1),
        ("1" + " == 1" * MANY, ERROR),
        ("{ " + "1, " * MANY + "1 }[3]", 1),
        ("size({ " + "1, " * MANY + "1 })", MANY + 1),
        ("strcat(" + '"a", ' * MANY + '"a") == 3', ERROR),
        ("member(5, { " + "1, " * MANY + "5 })", True),
        ('"' + "a" * 1_000_000 + '" == "' + "A" * 1_000_000 + '"', True),
        ("sum({ " + "1.5, " * MANY + "1 })", MANY * 1.5 + 1),
        ('size(split("' + "a," * MANY + '"))', MANY),
        ('stringListsIntersect("' + "a," * MANY + '", "b")', False),
        ('regexp("(a+)+$", "' + "a" * 5000 + '!")', False),
        ('regexp("(x+x+)+y", "' + "x" * 5000 + '")', False),
        ('regexp("' + "(a?){1000}" * 20 + '", "a")', None),
        ('replaceAll("a", "' + "a" * MANY + '", "' + "b" * 20 + '") == 1', ERROR),
        ('versioncmp("' + "1" * MANY + '", "' + "1" * MANY + '2")', -1),
        ('int("' + "9" * MANY + '")', ERROR),
        ("pow(10, 9223372036854775807)", ERROR),
        ("pow(1.0000001, 9223372036854775807)", ERROR),
        ("quantize(1e308, 1e-308)", ERROR),
        ("1 << 9223372036854775807", ERROR),
        ("absTime(9223372036854775807)", None),
        ('formatTime(0, "' + "%c" * 500 + '") == 1', ERROR),
        ("formatTime(-9223372036854775807)", ERROR),
        ("relTime(1e308) + relTime(1e308)", ERROR),
        ("{ 1, 2 }[9223372036854775807]", ERROR),
        ('substr("abc", -9223372036854775807, 9223372036854775807)', "abc"),
    ],
    ids=range(30),
)
def test_a_long_or_huge_expression_has_its_value(text: str, value: object) -> None:
    found = timed(text)
    if value is not None:
        assert found == value


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".c" * DEEP,
        "a" + "[0]" * DEEP,
        "(" * DEEP + "1" + ")" * DEEP,
        "{" * DEEP + "}" * DEEP,
        "[a=" * DEEP + "1" + "]" * DEEP,
        "-" * DEEP + "1",
        "!" * DEEP + "true",
        "f(" * DEEP + ")" * DEEP,
        "a ? 1 : " * DEEP + "1",
        "a ?: " * DEEP + "1",
        "1" + " + (1" * DEEP + ")" * DEEP,
        "anyMatch(l, " * DEEP + "true" + ")" * DEEP,
    ],
    ids=range(12),
)
def test_what_is_nested_too_deep_is_refused_where_it_becomes_so(text: str) -> None:
    began = time.process_time()
    with pytest.raises(JdlSyntaxError) as caught:
        parse_expression(text)
    assert time.process_time() - began < SECONDS
    assert "nested deeper" in caught.value.what
    assert 0 < caught.value.column < 2000 and caught.value.excerpt


@pytest.mark.parametrize(
    "attributes",
    [
        "".join(f"a{i} = a{i + 1} + a{i + 1}; " for i in range(60)) + "a60 = 1;",
        "".join(f"a{i} = {{ a{i + 1}, a{i + 1} }}; " for i in range(60)) + "a60 = 1;",
        "".join(f"a{i} = strcat(a{i + 1}, a{i + 1}); " for i in range(60)) + 'a60 = "xxxxxxxxxxxxxxxx";',
        "".join(f"a{i} = join(a{i + 1}, a{i + 1}, a{i + 1}); " for i in range(60)) + 'a60 = "xxxxxxxx";',
        "".join(f'a{i} = replaceAll(".", a{i + 1}, "\\\\0\\\\0"); ' for i in range(60)) + 'a60 = "xxxxxxxx";',
        "".join(f"a{i} = [ x = a{i + 1} + a{i + 1} ].x; " for i in range(60)) + "a60 = 1;",
        "".join(f"a{i} = a{i + 1}; " for i in range(5000)) + "a5000 = 1;",
        "a0 = a1; a1 = a0;",
        "a0 = self.a0;",
        "a0 = [ x = a0.x ].x;",
        "a0 = { a0 }[0];",
        "a0 = ifThenElse(true, a0, 1);",
        "l = { [ x = 1 ], [ x = 2 ] }; a0 = anyMatch(l, a0 && target.x > 0);",
        "l = { "
        + ", ".join(["[ x = 1 ]"] * 200)
        + " }; a0 = allMatch(l, allMatch(root.l, allMatch(root.l, allMatch(root.l, target.x == 1))));",
    ],
    ids=range(14),
)
def test_references_that_explode_or_lead_back_are_an_error(attributes: str) -> None:
    ad = parse(attributes)
    began = time.process_time()
    assert evaluate_attribute(ad, "a0", steps=STEPS) is ERROR
    assert time.process_time() - began < SECONDS


def test_an_ad_that_the_other_ad_leads_back_to_is_an_error() -> None:
    mine, other = parse("a = other.b; c = other.d"), parse("b = other.a; d = other.nothing")
    assert evaluate_attribute(mine, "a", other) is ERROR
    assert evaluate_attribute(mine, "c", other) is UNDEFINED


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ a = " + "x" * (SUBMITTED.characters) + " ]", "characters"),
        ("[ a = {" + "1," * SUBMITTED.words + "1} ]", "words"),
        ("[" + ";" * (SUBMITTED.words + 1) + "]", "words"),
    ],
    ids=["characters", "words", "semicolons"],
)
def test_what_a_user_may_submit_is_limited(text: str, said: str) -> None:
    began = time.process_time()
    with pytest.raises(JdlSyntaxError, match=said):
        parse(text, SUBMITTED)
    assert time.process_time() - began < SECONDS


def test_a_checked_description_of_a_hundred_thousand_terms_is_taken() -> None:
    terms = " && ".join(f'other.GlueCEUniqueID != "ce{index}"' for index in range(20_000))
    text = f'[ Executable = "/bin/true"; Rank = 0; Requirements = {terms}; ]'
    began = time.process_time()
    checked = check(parse(text, SUBMITTED), vo="testvo")
    assert evaluate_attribute(checked.ad, "Requirements", {"GlueCEUniqueID": "other"}) is True
    assert time.process_time() - began < SECONDS


def test_many_separators_of_a_long_string_cost_no_product_of_both() -> None:
    separators = "," + "".join(chr(0x4E00 + index % 20_000) for index in range(300_000))
    long = "a," * 100_000 + "\u4e01\uac00"
    assert quickly(f'size(split("{long}", "{separators}"))') == 100_001
    assert quickly(f'stringListSize("{long}", "{separators}")') == 100_001


def test_joining_a_hundred_thousand_empty_strings_is_not_quadratic() -> None:
    assert quickly("join(\",\", {" + '"",' * 300_000 + '"a"})') == "a"


def quickly(attack: str) -> object:
    """The value, within a time that only grows with the length: 1 µs and less for a character."""
    parsed = parse_expression(attack)
    began = time.process_time()
    value = evaluate(parsed)
    assert time.process_time() - began < 1.0
    return value
