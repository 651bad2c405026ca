"""The values of expressions: logic, arithmetic, scopes, limits."""

from __future__ import annotations

import time

import pytest

from jdl.evaluate import compile, evaluate, evaluate_attribute, is_true, scope_of
from jdl.parser import parse, parse_expression
from jdl.tree import from_python
from jdl.values import ERROR, UNDEFINED, Record


def value(text: str, my: str = "[]", other: str | None = None) -> object:
    return evaluate(parse_expression(text), parse(my), parse(other) if other else None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("undefined && false", False),
        ("undefined && true", UNDEFINED),
        ("undefined || true", True),
        ("undefined || false", UNDEFINED),
        ("undefined && error", ERROR),
        ("undefined || error", ERROR),
        ("true || error", True),
        ("error || true", ERROR),
        ("false && error", False),
        ("error && false", ERROR),
        ("true && 3", ERROR),
        ("3 && true", ERROR),
        ("true && true && undefined && false", False),
        ("!undefined", UNDEFINED),
        ("!1", ERROR),
        ("!true", False),
        ('3 == "3"', ERROR),
        ('"a" == "A"', True),
        ('"a" =?= "A"', False),
        ('"a" is "a"', True),
        ('"a" isnt "A"', True),
        ("true == 1", ERROR),
        ("true == true", True),
        ("true + 1", ERROR),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7 % -3", 1),
        ("-(true)", ERROR),
        ('"s" * undefined', UNDEFINED),
        ("1 * undefined", UNDEFINED),
        ("undefined == error", ERROR),
        ("undefined == 1", UNDEFINED),
        ("undefined =?= undefined", True),
        ("error =?= error", True),
        ("undefined is error", False),
        ("1 =?= 1.0", False),
        ("1 == 1.0", True),
        ("{1} == {1}", ERROR),
        ('{1,"a"} =?= {1,"a"}', True),
        ("1 / 0", ERROR),
        ("1.0 / 0", ERROR),
        ("1e308 * 10", ERROR),
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("7 / 2.0", 3.5),
        ("1 < 2 == true", True),
        ("6 & 3", 2),
        ("true ^ true", False),
        ("~0", -1),
        ("-8 >> 1", -4),
        ("-1 >>> 63", 1),
        ("1 << 64", ERROR),
        ("true ? 1 : error", 1),
        ("undefined ? 1 : 2", UNDEFINED),
        ("3 ? 1 : 2", ERROR),
        ("undefined ?: 2", 2),
        ("1 ?: 2", 1),
        ("{1,2}[1]", 2),
        ("{1,2}[2]", ERROR),
        ("{1,2}[-1]", ERROR),
        ("[a = 1; b = a + 1].b", 2),
        ("[a = 1].c", UNDEFINED),
        ("(5).x", ERROR),
        ("{[a = 1],[a = 2]}.a", (1, 2)),
        ("9223372036854775807 + 1", -(1 << 63)),
        ("-9223372036854775808 - 1", (1 << 63) - 1),
        ("9223372036854775807 * 2", -2),
        ("-(-9223372036854775808)", -(1 << 63)),
        ("-9223372036854775808 / -1", -(1 << 63)),
        ('"a" + "b"', ERROR),
        ("nosuchfunction(1)", ERROR),
    ],
)
def test_an_expression_has_the_value_of_the_classad_language(text: str, expected: object) -> None:
    result = value(text)
    assert result == expected
    assert type(result) is type(expected)


def test_only_true_is_true() -> None:
    assert is_true(True)
    for other in (1, "true", UNDEFINED, ERROR, 1.0, (True,)):
        assert not is_true(other)


def test_names_are_looked_up_in_the_ad_they_belong_to() -> None:
    my = "[a = 1; b = other.b; inner = [a = 5; up = parent.a; own = self.a; far = my.a; other_b = other.b]]"
    other = "[b = 10; c = other.a + 1; d = a; A2 = target.A]"
    assert value("a", my, other) == 1
    assert value("A", my, other) == 1
    assert value("c", my, other) is UNDEFINED
    assert value("other.c", my, other) == 2
    assert value("other.d", my, other) is UNDEFINED
    assert value("target.a2", my, other) == 1
    assert value("b", my, other) == 10
    assert value("{inner.up, inner.own, inner.far, inner.other_b}", my, other) == (1, 5, 1, 10)
    assert value("other.b", my) is UNDEFINED
    assert value(".a", my) == 1


def test_an_attribute_cannot_take_the_place_of_a_scope() -> None:
    assert value("other.state", '[other = [state = "good"]; self = 1]') is UNDEFINED
    assert value("other.state", '[other = [state = "good"]]', '[state = "bad"]') == "bad"


def test_a_mapping_can_be_the_other_ad() -> None:
    expr = parse_expression('other.free > 3 && member("x", other.Tags) && other.nested.n == 1')
    assert evaluate(expr, None, {"Free": 4, "tags": ["X", "y"], "nested": {"N": 1}}) is True


def test_a_compiled_expression_serves_many_scopes() -> None:
    code = compile(parse_expression("other.n * 2"))
    ads = [from_python({"n": n}) for n in range(5)]
    assert [code(scope_of(None, ad)) for ad in ads] == [0, 2, 4, 6, 8]  # type: ignore[arg-type]


def test_a_record_value_keeps_its_ad() -> None:
    result = value("[a = 1]")
    assert isinstance(result, Record)
    assert result.ad == parse("a = 1")


@pytest.mark.parametrize(
    "ad",
    [
        "a = a",
        "a = b; b = a",
        "a = b + c; b = c + a; c = a + b",
        "a = other.x",
        "a = { a }[0]",
        "a = [x = a.x].x",
    ],
)
def test_a_cycle_is_an_error(ad: str) -> None:
    other = parse("x = other.a")
    assert evaluate_attribute(parse(ad), "a", other) is ERROR


def test_an_explosion_of_references_is_an_error_in_bounded_time() -> None:
    text = ";".join(f"a{n} = a{n + 1} + a{n + 1}" for n in range(100)) + "; a100 = 1"
    started = time.process_time()
    assert evaluate_attribute(parse(text), "a0") is ERROR
    assert time.process_time() - started < 10


def test_doubling_strings_is_an_error_in_bounded_time() -> None:
    text = ";".join(f"a{n} = strcat(a{n + 1}, a{n + 1})" for n in range(40)) + '; a40 = "0123456789"'
    started = time.process_time()
    assert evaluate_attribute(parse(text), "a0") is ERROR
    assert time.process_time() - started < 10


def test_a_long_chain_of_references_ends_in_an_error_not_a_crash() -> None:
    text = ";".join(f"a{n} = a{n + 1}" for n in range(5000)) + "; a5000 = 1"
    assert evaluate_attribute(parse(text), "a0") is ERROR
    assert evaluate_attribute(parse(text), "a4950") == 1


@pytest.mark.parametrize(("operator", "term", "expected"), [("&&", "true", True), ("||", "false", False)])
def test_a_hundred_thousand_terms_evaluate(operator: str, term: str, expected: bool) -> None:
    expr = parse_expression(operator.join([term] * 100_000))
    assert evaluate(expr) is expected
    assert parse_expression(expr.text()) == expr


def test_a_hundred_thousand_sums_evaluate() -> None:
    assert value("+1-1" * 50_000 + "+1") == 1
