"""Text to tree and back: positions of errors, comments, limits, round trips, hostile text."""

from __future__ import annotations

import inspect
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import JdlError
from jdl.errors import JdlSyntaxError, Position
from jdl.evaluate import evaluate
from jdl.parser import SUBMITTED, Limits, parse, parse_expression
from jdl.tokens import PRECEDENCE
from jdl.tree import (
    Call,
    ClassAd,
    Conditional,
    Expr,
    ListExpr,
    Literal,
    Operation,
    Reference,
    Select,
    Subscript,
    from_python,
)
from jdl.values import ERROR, UNDEFINED

EXAMPLE = """\
# a comment line
[
  Executable = "/bin/ls"; // the rest is a comment
  arguments = "-l \\"x\\"" " -a";
  Environment = { "A=1", "B=2" };
  /* a comment
     of two lines */
  Requirements = other.GlueCEStateStatus == "Production" && !RegExp("x.*", other.GlueCEUniqueID);
  Rank = -other.GlueCEStateEstimatedResponseTime;
  nodes = [ a = [ n = 1 ]; 'b c' = { 1, 2.5, [ x = true ] } ];
]
"""


def test_a_description_is_read() -> None:
    ad = parse(EXAMPLE)
    assert list(ad) == ["Executable", "arguments", "Environment", "Requirements", "Rank", "nodes"]
    assert ad.string("ARGUMENTS") == '-l "x" -a'
    assert ad.strings("environment") == ("A=1", "B=2")
    assert ad.where("Executable") == Position(3, 3)
    assert ad.where("requirements") == Position(8, 3)


def test_the_outer_brackets_may_be_missing() -> None:
    assert parse("a = 1; b = 2") == parse("[a = 1; b = 2;]") == parse("\n;; b = 2;; a = 1;;\n")


@pytest.mark.parametrize(
    ("text", "line", "column", "what"),
    [
        ("a = 1\nb = 2", 2, 1, "';' is missing before 'b'"),
        ('a = 1;\nb = "x', 2, 5, "a string that is not closed"),
        ("a = 'x", 1, 5, "a quoted attribute name that is not closed"),
        ("a = 1; /* x", 1, 8, "a comment that is not closed"),
        ("a = “x”", 1, 5, 'typographic quote (“, LEFT DOUBLE QUOTATION MARK) where a plain " is needed'),
        ("a = ‘x’", 1, 5, "where a plain ' is needed"),
        ("[a = 1;]trailing", 1, 9, "text behind the end of the job description: 'trailing'"),
        ("[a = 1];", 1, 8, "text behind the end"),
        ("a = 99999999999999999999", 1, 5, "does not fit 64 bits"),
        ("a = 9223372036854775808", 1, 5, "does not fit 64 bits"),
        ("a = 1e400", 1, 5, "out of range"),
        ("a = 1K", 1, 5, "malformed number '1K'"),
        ("a = 1.2.3", 1, 5, "malformed number"),
        ("a = 08", 1, 5, "malformed octal number"),
        ("a = {1,}", 1, 8, "a value is missing"),
        ("a = f(1", 1, 7, "',' or ')' is missing, the text ends"),
        ("a = ", 1, 3, "a value is missing"),
        ("a = 1 + is", 1, 9, "a value is missing before 'is'"),
        ("a 1", 1, 3, "'=' behind 'a' is missing"),
        ("a = b ? c", 1, 9, "':' is missing"),
        ("= 1", 1, 1, "an attribute name is missing"),
        ("a = \u00a01", 1, 5, "NO-BREAK SPACE"),
        ('a = "x\0y"', 1, 6, "NUL"),
        ('a = "\\000"', 1, 6, "NUL"),
        ('a = "\\377"', 1, 6, "octal escapes that are not UTF-8"),
    ],
)
def test_an_error_says_what_and_where(text: str, line: int, column: int, what: str) -> None:
    with pytest.raises(JdlSyntaxError) as caught:
        parse(text)
    error = caught.value
    assert what in error.what
    assert (error.code, error.line) == (1507, line)
    if "NUL" not in what:
        assert error.column == column
    assert error.description.startswith("The following parsing error(s) have been found:\n")
    assert f"at line {line}, column {error.column}" in error.description
    assert error.excerpt.endswith("^")


def test_the_caret_stands_below_the_place() -> None:
    with pytest.raises(JdlSyntaxError) as caught:
        parse("good = 1;\n\tbad = " + "x + " * 100 + "? 1;\n")
    content, caret = caught.value.excerpt.split("\n")
    assert content[caret.index("^")] == "?"
    assert len(content) <= 100


@pytest.mark.parametrize("text", ["", "  \n ", "# only a comment", "/* x */"])
def test_an_empty_text_is_no_ad(text: str) -> None:
    with pytest.raises(JdlSyntaxError, match="Not a valid ClassAd"):
        parse(text)


def test_constants_are_read() -> None:
    ad = parse(r"""a = 0x1F; b = 017; c = -9223372036854775808; d = .5; e = 5.; f = 1e-3; g = TRUE;
        h = Undefined; i = Error; j = "\303\251\n\t\\\""; k = "é"; l = -2.5""")
    expected = [31, 15, -(1 << 63), 0.5, 5.0, 0.001, True, UNDEFINED, ERROR, 'é\n\t\\"', "é", -2.5]
    assert [evaluate(expr) for _, expr in ad.items()] == expected


def test_the_last_of_two_values_counts_and_the_name_is_remembered() -> None:
    ad = parse("A = 1; b = 2; a = 3")
    assert ad.integer("a") == 3
    assert list(ad) == ["A", "b"]
    assert ad.duplicates == ("A",)


@pytest.mark.parametrize(
    "frame",
    ["(%s)", "{%s}", "[a=%s]", "f(%s)", "x[%s]", "1+(%s)", "1*(2+%s)", "-(%s)", "true ? (%s) : 2", "{1}[%s]"],
)
def test_deep_nesting_is_read_up_to_the_limit_and_refused_beyond(frame: str) -> None:
    text = "1"
    for _ in range(SUBMITTED.depth // 2 - 1):
        text = frame % text
    expr = parse_expression(text)
    assert parse_expression(expr.text()) == expr
    assert hash(expr) == hash(parse_expression(text))
    evaluate(expr)
    for count in (150, 5_000):
        opening, closing = frame.split("%s")
        with pytest.raises(JdlSyntaxError, match="nested deeper"):
            parse_expression(opening * count + "1" + closing * count)


@pytest.mark.parametrize("text", ["!" * 5000 + "true", "a" + ".b" * 5000, "a" + "[0]" * 5000, "a ? b : " * 5000 + "c"])
def test_long_chains_that_cannot_be_flat_are_refused(text: str) -> None:
    with pytest.raises(JdlSyntaxError, match="nested deeper"):
        parse_expression(text)


def test_one_term_of_each_precedence_in_each_level_is_within_the_stack() -> None:
    inner = "1"
    for _ in range(7):
        inner = f"a || b && c | d ^ e & f == g < h << i + j * ({inner})"
    expr = parse_expression(inner)
    assert parse_expression(expr.text()) == expr
    with pytest.raises(JdlSyntaxError, match="nested deeper"):
        parse_expression("a || b && c | d ^ e & f == g < h << i + j * (" * 50 + "1" + ")" * 50)


def test_a_submitted_text_of_many_short_words_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(JdlSyntaxError, match="more than 200000 words"):
        parse("x = {" + "1," * 120_000 + "1}", SUBMITTED)


def test_size_and_number_of_words_are_limited() -> None:
    with pytest.raises(JdlSyntaxError, match="more than 10"):
        parse("a = 1; b = 2", Limits(characters=10))
    with pytest.raises(JdlSyntaxError, match="more than 5 words"):
        parse("a = 1; b = 2", Limits(words=5))


def test_long_chains_are_flat() -> None:
    started = time.process_time()
    expr = parse_expression("||".join(["other.a == 1"] * 100_000))
    assert expr.depth == 3
    assert parse_expression(expr.text()) == expr
    assert time.process_time() - started < 30


# -- round trips

names = st.one_of(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True),
    st.sampled_from(["is", "True", "error", "other", "a b", "ä", "it's", "x\ny"]),
)
constants = st.one_of(
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12),
    st.sampled_from([UNDEFINED, ERROR]),
)
plain = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(
    lambda name: name.lower() not in ("true", "false", "is", "isnt", "undefined", "error")
)


def operations(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    by_level: dict[int, list[str]] = {}
    for operator, level in PRECEDENCE.items():
        by_level.setdefault(level, []).append(operator)
    chain = st.sampled_from(sorted(by_level.values())).flatmap(
        lambda row: st.lists(st.tuples(st.sampled_from(row), inner), min_size=1, max_size=3)
    )
    binary = st.builds(
        lambda first, rest: Operation([op for op, _ in rest], [first, *(item for _, item in rest)]), inner, chain
    )
    unary = st.builds(lambda op, item: Operation((op,), (item,)), st.sampled_from("-+!~"), inner)
    return st.one_of(binary, unary)


def compound(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    return st.one_of(
        operations(inner),
        st.builds(Conditional, inner, st.one_of(st.none(), inner), inner),
        st.builds(Call, plain, st.lists(inner, max_size=3)),
        st.builds(ListExpr, st.lists(inner, max_size=3)),
        st.builds(Select, inner, names),
        st.builds(Subscript, inner, inner),
        st.builds(ClassAd, st.lists(st.tuples(names, inner), max_size=3)),
    )


scoped = st.builds(Reference, names, st.sampled_from(["other", "TARGET", "my", "self", "."]))
expressions = st.recursive(
    st.one_of(st.builds(Literal, constants), st.builds(Reference, names), scoped), compound, max_leaves=12
)


@given(expressions)
@settings(max_examples=100, deadline=None)
def test_what_is_printed_is_read_back_as_the_same_tree(expr: Expr) -> None:
    again = parse_expression(expr.text())
    assert again == expr
    assert again.text() == expr.text()
    assert hash(again) == hash(expr)


extremes = st.one_of(
    st.floats(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",))),
    st.sampled_from([5e-324, 1.7976931348623157e308, -0.0, 2.0**63, "\x01\x7f\x9f\u2028", "\\", '"', "a\\'b"]),
    st.sampled_from([UNDEFINED, ERROR]),
)
odd_names = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1)


@given(st.dictionaries(odd_names, st.recursive(extremes, lambda inner: st.lists(inner, max_size=3), max_leaves=5)))
@settings(max_examples=100, deadline=None)
def test_values_and_names_of_any_kind_are_read_back_as_the_same_tree(values: dict[str, object]) -> None:
    ad = from_python(values)
    assert isinstance(ad, ClassAd)
    assert parse_expression(ad.text()) == ad
    if values:
        again = parse(ad.pretty())
        assert again == ad
        assert list(again) == list(ad)


@given(st.lists(st.tuples(names, expressions), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_an_ad_is_the_same_after_printing_it_in_either_form(attributes: list[tuple[str, Expr]]) -> None:
    ad = ClassAd(attributes)
    assert parse(ad.text()) == ad
    assert parse(ad.pretty()) == ad
    assert list(parse(ad.pretty())) == list(ad)


@given(expressions)
@settings(max_examples=100, deadline=None)
def test_every_tree_evaluates_to_a_value(expr: Expr) -> None:
    ad = ClassAd([("a", expr), ("b", Reference("a"))])
    evaluate(expr, ad, ad)


words = st.sampled_from(
    [
        *[*PRECEDENCE, "(", ")", "{", "}", "[", "]", ",", ";", "=", ".", "?", ":", "?:", "!", "~", "#", "//", "/*"],
        *["a", "other", "1", "2.5", '"x"', "'q'", "is", "true", '"', "'", "\\", "é", "member(", "\n", "\t", "*/"],
    ]
)


@given(
    st.one_of(
        st.text(max_size=60), st.lists(words, max_size=25).map(" ".join), st.lists(words, max_size=25).map("".join)
    )
)
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for reader in (parse, parse_expression):
        try:
            tree = reader(text)
        except JdlError as error:
            assert error.code == 1507
        else:
            assert reader(tree.text()) == tree


@given(st.text(st.sampled_from("ab\"'\\/#*\n01;=[]{} "), max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_of_quotes_and_comments_is_read_or_refused(text: str) -> None:
    try:
        ad = parse(text)
    except JdlError:
        return
    assert parse(ad.text()) == ad


def test_the_deepest_text_needs_less_than_the_stack_of_a_server_thread() -> None:
    depth = SUBMITTED.depth - 1
    text = "f(" * depth + "a1" + ")" * depth
    ad = parse("; ".join(f"a{n} = {text.replace('a1', f'a{n + 1}')}" for n in range(20)))
    before, used = sys.getrecursionlimit(), len(inspect.stack(0))
    sys.setrecursionlimit(used + 700)
    try:
        assert parse(ad.text()) == ad
        evaluate(Reference("a0"), ad)
    finally:
        sys.setrecursionlimit(before)


@pytest.mark.parametrize(
    "text",
    [
        " " * 900_000 + "\x01",
        ("a" + " " * 1000) * 900 + "\x01",
        "/*" + "*" * 900_000,
        '"' + "\\a" * 450_000,
        "'" + "x" * 900_000,
        "x = " + "0" * 900_000 + "9",
        "/" * 900_000,
        "# " * 450_000,
    ],
    ids=["blanks", "words", "comment", "string", "quoted", "number", "slashes", "hashes"],
)
def test_a_text_that_is_no_ad_is_refused_in_the_time_it_takes_to_read_it(text: str) -> None:
    started = time.process_time()
    with pytest.raises(JdlSyntaxError):
        parse(text, SUBMITTED)
    assert time.process_time() - started < 2
