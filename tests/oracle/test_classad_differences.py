"""The language against the ClassAd library of HTCondor: 100 000 expressions, and a table of what may differ."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import classad_expressions
import classad_oracle
import pytest
from classad_differences import DIFFERENCES, Outside, modelled
from classad_expressions import MY, TARGET, Expressions

from jdl.classad import ClassAd
from jdl.errors import JdlSyntaxError
from jdl.evaluate import evaluate
from jdl.functions import FUNCTIONS
from jdl.parser import parse, parse_expression
from jdl.special import SPECIAL
from jdl.values import ERROR, UNDEFINED, AbsTime, Record, RelTime

COUNT = 100_000
BATCH = 5_000
DEADLINE = 120
OURS_ALONE = {
    *("ismember", "fqanmember", "anymatch", "allmatch", "whichmatch", "listattrregex", "successfraction"),
    "retrieveclosesesinfo",  # these are gLite's
    *("time", "random", "currenttime", "daytime", "timezoneoffset"),  # depend on when they are asked
}

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("classad2") is None,
    reason="module classad2 (package htcondor) is not installed; its wheels are for Linux on x86_64",
)


def asked(batches: list[list[str]], my: str = MY, target: str = TARGET) -> list[list[list[object]]]:
    """What the library makes of the expressions, batch by batch, in a process of its own."""
    lines = [json.dumps({"my": my, "target": target, "expressions": batch}) for batch in batches]
    environment = {"PATH": os.environ["PATH"], "TZ": "UTC", "LC_ALL": "C.UTF-8", "CONDOR_CONFIG": "ONLY_ENV"}
    done = subprocess.run(
        [sys.executable, str(Path(classad_oracle.__file__))],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"the library ended with {done.returncode}: {done.stderr[-2000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def encoded(value: object) -> list[object]:
    """A value of ours as :func:`classad_oracle.encoded` writes one of theirs."""
    if value is UNDEFINED or value is ERROR:
        return ["undefined" if value is UNDEFINED else "error"]
    if isinstance(value, bool):
        return ["boolean", value]
    if isinstance(value, int):
        return ["integer", str(value)]
    if isinstance(value, (float, RelTime)):
        number = value if isinstance(value, float) else value.seconds
        return ["real", "nan" if number != number else number.hex()]
    if isinstance(value, str):
        return ["string", value]
    if isinstance(value, AbsTime):
        return ["time", str(value.seconds)]
    if isinstance(value, tuple):
        return ["list", [encoded(item) for item in value]]
    assert isinstance(value, Record)
    return ["ad"]


def answer(text: str, my: ClassAd, target: ClassAd) -> list[object]:
    """What an expression is here."""
    try:
        expression = parse_expression(text)
    except JdlSyntaxError:
        return ["syntax"]
    return encoded(evaluate(expression, my, target))


@cache
def expressions() -> list[list[str]]:
    """The batches; the same in each run."""
    return [[make.expression() for _ in range(BATCH)] for make in map(Expressions, range(COUNT // BATCH))]


@cache
def theirs() -> list[list[list[object]]]:
    """What the library makes of all."""
    return asked(expressions())


def test_100_000_random_expressions_mean_the_same_to_the_classad_library_but_for_the_table() -> None:
    different: list[str] = []
    outside: Counter[str] = Counter()
    kinds: Counter[object] = Counter()
    with modelled():
        my, target = parse(MY), parse(TARGET)
        for batch, answers in zip(expressions(), theirs(), strict=True):
            for text, wanted in zip(batch, answers, strict=True):
                kinds[wanted[0]] += 1
                try:
                    found = answer(text, my, target)
                except Outside as reason:
                    outside[str(reason)] += 1
                    continue
                if found != wanted:
                    different.append(f"{text}\n    here {found}, there {wanted}")
    different.sort(key=len)
    assert not different, f"{len(different)} of {COUNT} expressions:\n" + "\n".join(different[:20])
    assert outside.total() < COUNT * 0.1, f"too many are not compared: {outside}"
    rarest = min(kinds[kind] for kind in ("boolean", "integer", "real", "string", "list", "undefined"))
    assert rarest > COUNT / 50, kinds


def test_nothing_of_the_models_is_left_behind() -> None:
    assert evaluate(parse_expression("true + 1")) is ERROR
    assert evaluate(parse_expression('strcat(1.5, "")')) == "1.5"


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.name)
def test_each_difference_of_the_table_is_one(difference: object) -> None:
    texts = [text for text, _, _ in difference.examples]
    [answers] = asked([[*texts, *[there for _, _, there in difference.examples if there != "syntax"]]], "[]", "[]")
    values = iter(answers[len(texts) :])
    for (text, here, there), found in zip(difference.examples, answers, strict=False):
        wanted = ["syntax"] if there == "syntax" else next(values)
        assert found == wanted, f"{text} is {found} there, not {there}"
        mine = answer(text, ClassAd(), ClassAd())
        assert mine == answer(here, ClassAd(), ClassAd()), f"{text} is {mine} here, not {here}"
        assert mine != found, f"{text} is {mine} in both"


def bare(value: object) -> object:
    """A value whose texts have no parentheses: the text of a list is that of its expressions."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    return value.translate({ord(char): None for char in "() "}) if isinstance(value, str) else value


def test_what_is_printed_means_the_same_to_the_library() -> None:
    batch, answers = expressions()[0], theirs()[0]
    printed = [parse_expression(text).text() for text in batch]
    [again] = asked([printed])
    different = [
        f"{text}\n    printed {other}: {found} instead of {wanted}"
        for text, other, wanted, found in zip(batch, printed, answers, again, strict=True)
        if bare(wanted) != bare(found)
    ]
    assert not different, f"{len(different)} expressions:\n" + "\n".join(sorted(different, key=len)[:20])


def test_every_function_is_drawn() -> None:
    assert {*FUNCTIONS, *SPECIAL} - OURS_ALONE <= classad_expressions.FUNCTIONS
