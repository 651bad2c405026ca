"""Whatever the table answers is what the evaluator says, row by row."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.circumstances import Circumstances
from broker.masks.search import Texts
from broker.table import Table, Truth
from infosys.ce_ads import CeRecord
from jdl.evaluate import evaluate
from jdl.functions import FUNCTIONS
from jdl.nodes import Call, Conditional, Expr, ListExpr, Literal, Operation, Reference, Select, Subscript
from jdl.patterns import pattern
from jdl.special import SPECIAL
from jdl.tree import MAX_INT, MIN_INT, ClassAd, from_python
from jdl.values import ERROR, UNDEFINED, Value

MANY: Final = int(os.environ.get("WMS_TEST_EXPRESSIONS", "1600"))
"""Expressions of the long run."""

STRINGS: Final = (
    "",
    "a",
    "A",
    "b",
    "ab",
    "SL6",
    "sl6",
    "é",
    "É",
    "K",
    "\u212a",
    "x\ny",
    "12",
    "3.5",
    "a,b c",
    "\U0001f600",
)
NUMBERS: Final = (0, 1, -1, 2, 3, 7, 63, 64, 100, MAX_INT, MIN_INT, MIN_INT + 1, (1 << 53) + 1, -(1 << 53) - 1)
REALS: Final = (
    0.0,
    -0.0,
    1.5,
    -2.5,
    3.0,
    1e308,
    -1e308,
    5e-324,
    9007199254740992.0,
    9.3e18,
    float("nan"),
    float("inf"),
)
PATTERNS: Final = (
    "a",
    "^a",
    "b$",
    ".*a.*",
    "^$",
    "a|b",
    "[ab]+",
    "(",
    r"\.",
    "(.*)6",
    "x.y",
    "^a.*b$",
    r"\w",
    "[^a]",
    "é",
    "k",
    "a*",
)
OTHERS: Final = ("int", "real", "text", "few", "mixed", "words", "list", "ad", "ads", "odd", "absent")
OWN: Final = ("W0", "W1", "W2", "W3")
SCOPES: Final = ("other", "target", "self", "my", "root", ".", "parent", None)
BINARY: Final = (
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "=?=",
    "=!=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    ">>>",
)
CALLS: Final = tuple(sorted({*FUNCTIONS, *SPECIAL, "nosuchfunction"}))


class Maker:
    """Makes expressions, jobs and records by chance."""

    def __init__(self, seed: int, referring: bool = False) -> None:
        self.rng = random.Random(seed)
        self.referring = referring

    def constant(self) -> Any:
        kind = self.rng.randrange(9)
        if kind < 2:
            return self.rng.choice(NUMBERS) if self.rng.random() < 0.5 else self.rng.randrange(-5, 12)
        if kind == 2:
            return self.rng.choice(REALS)
        if kind < 5:
            return self.rng.choice(STRINGS)
        if kind == 5:
            return self.rng.random() < 0.5
        if kind == 6:
            return self.rng.choice((UNDEFINED, UNDEFINED, ERROR))
        if kind == 7:
            return [self.constant() for _ in range(self.rng.randrange(3))]
        return {"x": self.rng.choice(NUMBERS), "Name": self.rng.choice(STRINGS)}

    def typed(self, want: str, depth: int) -> Expr:
        """An expression that makes sense, mostly: a truth value, a number or a string."""
        rng = self.rng
        if rng.random() < 0.06:
            return self.expr(depth)
        if want == "truth":
            return self.truth(depth)
        if want == "number":
            return self.number(depth)
        if depth <= 0 or rng.random() < 0.6:
            known = Reference(rng.choice(("text", "few")), "other")
            return known if rng.random() < 0.7 else Literal(rng.choice(STRINGS))
        if rng.random() < 0.3:
            return Conditional(self.typed("truth", depth - 1), self.typed("string", 0), self.typed("string", 0))
        name = rng.choice(("strcat", "toUpper", "substr", "string"))
        more = {"strcat": (self.typed("string", depth - 1),), "substr": (Literal(rng.randrange(3)),)}.get(name, ())
        return Call(name, (self.typed("string", depth - 1), *more))

    def truth(self, depth: int) -> Expr:
        rng = self.rng
        kind = rng.randrange(9) if depth > 0 else rng.randrange(3)
        if kind == 0:
            return Operation(
                (rng.choice(BINARY[:8]),), (self.typed("number", depth - 1), self.typed("number", depth - 1))
            )
        if kind == 1:
            return Operation((rng.choice(BINARY[:8]),), (self.typed("string", depth - 1), self.typed("string", 0)))
        if kind == 2:
            return self.call(0) if rng.random() < 0.6 else Literal(rng.random() < 0.5)
        if kind < 6:
            count = rng.randrange(2, 5)
            terms = [self.typed("truth", depth - 1) for _ in range(count)]
            return Operation((rng.choice(("&&", "||")),) * (count - 1), terms)
        if kind == 6:
            return Operation("!", (self.typed("truth", depth - 1),))
        if kind == 7:
            return Conditional(*[self.typed("truth", depth - 1) for _ in range(3)])
        same = rng.choice(("=?=", "=!="))
        return Operation((same,), (self.typed(rng.choice(("truth", "number")), depth - 1), self.expr(0)))

    def number(self, depth: int) -> Expr:
        rng = self.rng
        kind = rng.randrange(10) if depth > 0 else rng.randrange(4)
        if kind < 2:
            return Reference(rng.choice(("int", "real")), "other")
        if kind == 2:
            return from_python(rng.choice(NUMBERS) if rng.random() < 0.3 else rng.choice((-2, 0, 1, 3, 0.5, -1.5)))
        if kind == 3:
            return Reference(rng.choice(OWN), None)
        if kind < 8:
            count = rng.randrange(2, 4)
            operators = [rng.choice(BINARY[8:13]) for _ in range(count - 1)]
            return Operation(operators, [self.typed("number", depth - 1) for _ in range(count)])
        if kind == 8:
            return Conditional(*[self.typed(each, depth - 1) for each in ("truth", "number", "number")])
        name = rng.choice(("int", "real", "floor", "round", "size", "time", "absTime", "relTime"))
        return Call(name, () if name == "time" else (self.typed("string" if name == "size" else "number", depth - 1),))

    def expr(self, depth: int) -> Expr:
        rng = self.rng
        if depth <= 0 or rng.random() < 0.1:
            return self.leaf()
        kind = rng.randrange(14)
        if kind < 4:
            return Operation((rng.choice(BINARY),), (self.expr(depth - 1), self.expr(depth - 1)))
        if kind == 4:
            operators = rng.choice((("+", "-"), ("*", "/", "%"), ("==", "!="), ("+", "+")))
            return Operation(operators, [self.expr(depth - 1) for _ in range(len(operators) + 1)])
        if kind < 8:
            count = rng.randrange(2, 5)
            return Operation((rng.choice(("&&", "||")),) * (count - 1), [self.expr(depth - 1) for _ in range(count)])
        if kind == 8:
            return Operation((rng.choice("-+!~"),), (self.expr(depth - 1),))
        if kind == 9:
            then = None if rng.random() < 0.3 else self.expr(depth - 1)
            return Conditional(self.expr(depth - 1), then, self.expr(depth - 1))
        if kind < 12:
            return self.call(depth)
        if kind == 12:
            return Select(self.expr(depth - 1), rng.choice(("x", "Name", "int")))
        return Subscript(self.expr(depth - 1), self.expr(depth - 1))

    def call(self, depth: int) -> Expr:
        rng = self.rng
        if rng.random() < 0.4:
            held = Reference(rng.choice(OTHERS), "other")
            item: Expr = Literal(rng.choice(STRINGS)) if rng.random() < 0.8 else self.expr(depth - 1)
            if rng.random() < 0.5:
                return Call("Member", (item, held) if rng.random() < 0.8 else (held, item))
            found = Literal(rng.choice(PATTERNS)) if rng.random() < 0.8 else self.expr(depth - 1)
            options = (Literal(rng.choice(("", "i", "I", "m", "z"))),) if rng.random() < 0.4 else ()
            return Call("RegExp", (found, held, *options))
        name = rng.choice(CALLS)
        if name in SPECIAL and rng.random() < 0.8 and "match" in name:
            inside = Operation((rng.choice(BINARY),), (Reference("x", "target"), self.expr(1)))
            return Call(name, (Reference("ads", "other"), inside))
        function = FUNCTIONS.get(name)
        least, most = (function.least, min(function.most, function.least + 2)) if function else (2, 3)
        count = rng.randint(least, most) if rng.random() < 0.95 else rng.randrange(4)
        return Call(name, [self.expr(depth - 1) for _ in range(count)])

    def leaf(self) -> Expr:
        rng = self.rng
        kind = rng.randrange(12)
        if kind < 6:
            return Reference(rng.choice(OTHERS), rng.choice(("other", "target", "OTHER")))
        if kind < 8:
            return Reference(rng.choice((*OWN, "none")), rng.choice((None, "self", "my", "root", ".", "parent")))
        if kind == 8 and rng.random() < 0.2:
            return Reference(rng.choice(("other", "self", "target", "root", "parent")), None)
        if kind == 9 and rng.random() < 0.2:
            return ClassAd([("x", self.expr(1)), ("int", self.expr(0))])
        if kind == 10 and rng.random() < 0.5:
            return ListExpr([self.expr(0) for _ in range(rng.randrange(3))])
        return from_python(self.constant())

    def job(self) -> ClassAd:
        kinds = ("number", "truth", "number", "")
        found = [(name, kind) for name, kind in zip(OWN, kinds, strict=True) if self.rng.random() < 0.8]
        depth = self.rng.randrange(3)
        return ClassAd([(name, self.typed(kind, depth) if kind else self.expr(depth)) for name, kind in found])

    def record(self, number: int) -> CeRecord:
        rng = self.rng
        values: dict[str, Any] = {
            "int": rng.choice(NUMBERS) if rng.random() < 0.2 else rng.randrange(8),
            "real": rng.choice(REALS) if rng.random() < 0.5 else rng.randrange(8) / 2,
            "text": rng.choice(STRINGS) + str(number),
            "few": rng.choice(STRINGS),
            "mixed": self.constant(),
            "words": [rng.choice(STRINGS) for _ in range(rng.randrange(4))],
            "list": [self.constant() for _ in range(rng.randrange(4))],
            "ad": {"x": rng.randrange(4), "Name": rng.choice(STRINGS)},
            "ads": [{"x": rng.choice((1, 2, "a", UNDEFINED))} for _ in range(rng.randrange(3))],
            "odd": self.constant(),
        }
        ad = ClassAd((name, from_python(value)) for name, value in values.items() if rng.random() < 0.9)
        if self.referring and rng.random() < 0.5:
            ad.set("odd", self.expr(2))
        return CeRecord(f"ce{number:03d}", f"ce{number:03d}", ad, (), "h")

    def table(self, rows: int) -> Table:
        return Table([self.record(number) for number in range(rows)])


CIRCUMSTANCES = Circumstances(lambda: 1_700_000_000.5, lambda: 0.25, lambda name: len(name) / 16)


def truth_of(value: Value) -> int:
    if isinstance(value, bool):
        return int(value)
    return (
        {UNDEFINED: Truth.UNDEFINED, ERROR: Truth.ERROR}.get(value, Truth.OTHER)
        if isinstance(value, (type(UNDEFINED), type(ERROR)))
        else Truth.OTHER
    )


def check(table: Table, ad: ClassAd, expr: Expr) -> None:
    """The table's three answers against the evaluator."""
    values = [evaluate(expr, ad, record.ad, **vars(CIRCUMSTANCES)) for record in table.records]
    wanted = [truth_of(value) for value in values]
    told = f"{expr.text()} in {ad.text()}"
    assert table.truth(ad, expr, CIRCUMSTANCES).tolist() == wanted, told
    assert table.where(ad, expr, CIRCUMSTANCES).tolist() == [each == Truth.TRUE for each in wanted], told
    numbers = table.exact_numbers(ad, expr, CIRCUMSTANCES)
    found = [repr(numbers.at(row)) if ok else "" for row, ok in enumerate(numbers.ok.tolist())]
    assert found == [repr(value) if type(value) in (int, float) else "" for value in values], told
    reals = [float(value) for value in values if type(value) in (int, float)]  # type: ignore[arg-type]
    assert repr(numbers.reals[numbers.ok].tolist()) == repr(reals), told


@pytest.mark.parametrize("referring", [False, True], ids=["plain elements", "elements that hold expressions"])
def test_random_expressions_on_heterogeneous_elements(referring: bool) -> None:
    for seed in range(MANY // 40):
        maker = Maker(seed, referring)
        table = maker.table(25)
        for _ in range(4):
            ad = maker.job()
            for number in range(5 if referring else 10):
                depth = maker.rng.randrange(1, 5)
                kind = ("truth", "number", "string", "")[number % 4]
                check(table, ad, maker.typed(kind, depth) if kind else maker.expr(depth))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 1 << 48), st.integers(0, 12), st.booleans())
def test_any_expression_on_any_number_of_elements(seed: int, rows: int, referring: bool) -> None:
    maker = Maker(seed, referring)
    table = maker.table(rows)
    for _ in range(3):
        check(table, maker.job(), maker.expr(3))


@pytest.mark.parametrize("changing", ["values", "rows"])
def test_a_table_made_from_the_one_before_answers_like_a_new_one(changing: str) -> None:
    for seed in range(8):
        maker = Maker(seed, referring=seed % 5 == 4)
        table = maker.table(20)
        questions = [(maker.job(), maker.typed("truth", 3)) for _ in range(12)]
        for _ in range(4):
            for ad, expr in questions:
                check(table, ad, expr)
            records = list(table.records)
            for place in maker.rng.sample(range(len(records)), 5):
                ad = records[place].ad.copy()
                ad.set(maker.rng.choice(OTHERS), from_python(maker.constant()))
                ad.remove(maker.rng.choice(OTHERS))
                records[place] = CeRecord(records[place].key, records[place].ce_id, ad, (), "h")
            if changing == "rows":
                maker.rng.shuffle(records)
                records = [*records[: maker.rng.randrange(10, 20)], maker.record(100 + maker.rng.randrange(100))]
            table = Table(records, table)


def test_threads_that_ask_one_table_get_the_evaluators_answers() -> None:
    maker = Maker(7)
    table = maker.table(30)
    questions = [(maker.job(), maker.typed("truth", 4)) for _ in range(60)]

    def ask(seed: int) -> None:
        for ad, expr in random.Random(seed).sample(questions, len(questions)):
            check(table, ad, expr)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, range(6)))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.sampled_from(PATTERNS), st.text("ab.*^$|[](){}+?\\dwé\n-", max_size=8)),
    st.lists(st.one_of(st.sampled_from(STRINGS), st.text("abAB.\n\\ é\u212a-^$", max_size=8)), max_size=12),
    st.sampled_from(("", "i", "m", "s", "f", "im")),
)
@example("a*", ["", ""], "")
@example("^a.*b$", ["a\nb", "ab", "a"], "")
@example(".*$", ["\n", ""], "")
@example("k", ["\u212a"], "i")
def test_a_pattern_is_found_in_many_texts_as_in_each(expression: str, texts: list[str], options: str) -> None:
    compiled = pattern(expression, options)
    found = Texts(texts).having(expression, options)
    if compiled is None:
        assert found is None
        return
    assert found is not None
    assert found.tolist() == [compiled.search(text.encode("utf-8", "surrogatepass")) is not None for text in texts]


@pytest.mark.parametrize("options", ["", "i"])
def test_many_texts_are_searched_together(options: str) -> None:
    texts = [f"ce{number}.site{number % 40}.org:8443/cream-{('pbs', 'lsf')[number % 2]}-q" for number in range(400)]
    texts += ["ce1.site7.org\nce1.site8.org", "ce1.site7\norg", "ce1.\u017fite7.org", "ce1.siteé7.org", "site7"]
    texts.append("7.org:8443")
    many = Texts(texts)
    for expression in (
        "ce[0-9]+\\.site7\\.", "(pbs|none)", "site3[0-9]?\\.", "^ce1.*-q$", "\\bsite9\\b", "x{2}",
        "site7.org:8443", ".*\\.site17\\.org.*", "SITE7.ORG", "^ce1.site7.org", "site.9", "site8.org.*lsf-q$", "pbs-q$",
        "^ce4.site4", "site7$", "e.7", "ce17.site17.org:8443.cream-lsf-q$", "cream", "site40", ".ite.", "site7.*site8",
    ):  # fmt: skip
        compiled = pattern(expression, options)
        found = many.having(expression, options)
        assert compiled is not None and found is not None
        assert found.tolist() == [compiled.search(text.encode()) is not None for text in texts], expression


def test_what_is_handed_out_cannot_be_changed() -> None:
    maker = Maker(1)
    table, ad, expr = maker.table(5), ClassAd(), Operation((">",), (Reference("int", "other"), Literal(1)))
    for array in (table.truth(ad, expr), table.where(ad, expr), *table.numbers(ad, Reference("int", "other"))):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert isinstance(table.where(ad, expr), np.ndarray)
