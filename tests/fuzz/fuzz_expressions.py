"""Expressions as a target: read, looked at, evaluated against a computing element, printed."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from fuzz_engine import Failure
from fuzz_mutation import mutate_bytes, mutate_words

from jdl.calls import misuse
from jdl.document import ELEMENT, JOB
from jdl.errors import JdlSyntaxError
from jdl.evaluate import evaluate
from jdl.nodes import Call
from jdl.parser import SUBMITTED, parse_expression
from jdl.tokens import PRECEDENCE
from jdl.values import ERROR, UNDEFINED, AbsTime, Record, RelTime
from jdl.vocabulary import WORDS

EXAMPLES = [
    *(word.example for word in WORDS.values()),
    "other.GlueCEStateFreeCPUs >= cpus && !(other.x =?= undefined) || -1.5e3 < ~7 % 2",
    "{ 1, [ a = 'b c'; b = parent.a ].b, .cpus }[0] ?: self.cpus ? 0x10 : 017",
    "absTime(5) - relTime(3) + relTime(\"1d2h\") == absTime(\"2026-03-01\")",
]
PIECES = [
    *(f" {operator} ".encode() for operator in PRECEDENCE),
    *(example.encode() for example in EXAMPLES),
    *(f"{word.name}(".encode() for word in WORDS.values()),
    b"undefined", b"error", b"true", b"9223372036854775807", b"1e308", b'"(a|b)*"', b'"\\\\1"', b"{ }", b"[ ]", b"cpus",
    b"other.tags", b"Requirements", b"? 1 : ", b"?: ", b"(", b")", b", ", b"-", b"!", b".x", b"[0]",
]  # fmt: skip


class Expressions:
    """The target."""

    name = "expression"
    share = 2

    def seeds(self, dice: random.Random) -> Sequence[bytes]:
        """An example of each function, and of what else there is."""
        return [text.encode() for text in EXAMPLES]

    def mutate(self, data: bytes, other: bytes, dice: random.Random) -> bytes:
        """By words mostly."""
        if dice.random() < 0.8:
            return mutate_words(data, other, dice, PIECES)
        return mutate_bytes(data, other, dice, PIECES)

    def run(self, data: bytes) -> bool:
        """An expression is refused with its place, or has a value that is one; what is printed means the same.

        Returns whether it was read.

        :raises Failure: when it is not so.
        """
        text = data.decode("utf-8", "replace")
        try:
            expression = parse_expression(text, SUBMITTED)
        except JdlSyntaxError as error:
            if error.code != 1507:
                raise Failure(f"an expression is refused with {error.code}: {error}") from error
            return False
        waiting = [expression]
        while waiting:
            node = waiting.pop()
            waiting.extend(node.children())
            if isinstance(node, Call):
                misuse(node)
        value = self.value(text)
        judged(value, text)
        printed = expression.text()
        again = parse_expression(printed)
        if again != expression or again.text() != printed:
            raise Failure(f"what was printed reads differently: {text[:1000]!r}")
        return True

    def value(self, text: str) -> object:
        """What the expression is, with time and chance held."""
        return evaluate(parse_expression(text), JOB, ELEMENT, clock=lambda: 1e9, rng=lambda: 0.25)


def judged(value: object, text: str) -> None:
    """What holds of a value.

    :raises Failure: when it does not.
    """
    if isinstance(value, tuple):
        for item in value:
            judged(item, text)
        return
    number = value.seconds if isinstance(value, (AbsTime, RelTime)) else value
    known = number is UNDEFINED or number is ERROR or isinstance(number, (bool, int, float, str, Record))
    if not known:
        raise Failure(f"{text[:1000]!r} is {value!r}, which is no value")
    if isinstance(number, float) and not math.isfinite(number):
        raise Failure(f"{text[:1000]!r} is {value!r}")
    if isinstance(number, int) and not -(1 << 63) <= number < 1 << 63:
        raise Failure(f"{text[:1000]!r} is {value!r}, more than 64 bits")
