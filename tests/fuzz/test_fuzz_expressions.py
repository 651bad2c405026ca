"""What the fuzzer holds against the evaluator of expressions."""

from __future__ import annotations

import random

import fuzz_expressions
import pytest
from fuzz_engine import Failure
from fuzz_expressions import EXAMPLES, Expressions

from jdl.nodes import Literal


def test_every_example_is_read_and_has_a_value() -> None:
    target = Expressions()
    assert all(target.run(text.encode()) for text in EXAMPLES)


def test_a_thousand_mutations_find_nothing() -> None:
    target, dice = Expressions(), random.Random(7)
    seeds = list(target.seeds(dice))
    read = sum(target.run(target.mutate(dice.choice(seeds), dice.choice(seeds), dice)) for _ in range(1000))
    assert read > 100


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), 1 << 63, None, {}, (1, (float("inf"),))])
def test_a_value_that_is_none_is_a_failure(monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    monkeypatch.setattr(fuzz_expressions, "evaluate", lambda *args, **sources: value)
    with pytest.raises(Failure):
        Expressions().run(b"1 + 1")


def test_printing_that_reads_differently_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Literal, "text", lambda self: "2")
    with pytest.raises(Failure, match="reads differently"):
        Expressions().run(b"1")
