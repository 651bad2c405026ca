"""Calls of functions that cannot come to anything, found before a job waits for a match in vain."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from jdl.classad import ClassAd
from jdl.errors import MemberMisused, WrongValue
from jdl.functions import FUNCTIONS
from jdl.nodes import Call, Conditional, Expr, ListExpr, Literal, Operation, Reference
from jdl.patterns import flaw
from jdl.special import SPECIAL
from jdl.vocabulary import NOT_OFFERED, WORDS

__all__ = ["check_calls", "misuse"]

_MEMBER: Final = frozenset({"member", "ismember"})
_MATCHES: Final = frozenset({"anymatch", "allmatch", "whichmatch"})
_PATTERN_FIRST: Final = frozenset(
    {"regexp", "regexpmember", "regexps", "replace", "replaceall", "stringlist_regexpmember", "listattrregex"}
)
_REASONS: Final = {name.strip().lower(): reason for names, reason in NOT_OFFERED for name in names.split(",")}
_NEARNESS: Final = 0.7
_SHOWN: Final = 60


def check_calls(ad: ClassAd, name: str) -> None:
    """Every function that the attribute's expression calls exists and can take its arguments.

    :raises MemberMisused: 1504.  :raises WrongValue: 1506.  Both know the place of the call.
    """
    expr = ad.get(name)
    if expr is None or isinstance(expr, Literal) or (isinstance(expr, ListExpr) and expr.constant):
        return
    for call in _calls(expr):
        wrong = misuse(call)
        if wrong is None:
            continue
        place = ad.place(call.position) or ad.where(name)
        if call.key in _MEMBER and len(call.arguments) != 2:
            raise MemberMisused(ad.spelling(name), place)
        raise WrongValue.because(ad.spelling(name), wrong, place)


def misuse(call: Call) -> str | None:
    """What is wrong with a call whatever its arguments' values are; None when nothing is."""
    word = WORDS.get(call.key)
    if word is None:
        return _unknown(call)
    count = len(call.arguments)
    most = FUNCTIONS[call.key].most if call.key in FUNCTIONS else word.least
    least = FUNCTIONS[call.key].least if call.key in FUNCTIONS else word.least
    if not least <= count <= most:
        return f"{call.name}() has {count} {'argument' if count == 1 else 'arguments'}; its usage is {word.usage}"
    if call.key in _MATCHES and not isinstance(call.arguments[1], (Operation, Call, Conditional)):
        return f"the second argument of {call.name}() is an expression about target, as in {word.example}"
    if call.key == "listattrregex" and not isinstance(call.arguments[1], Reference):
        return f"the second argument of {call.name}() is the name of an attribute, as in {word.example}"
    if call.key in _PATTERN_FIRST and isinstance(call.arguments[0], Literal):
        return _pattern(call, call.arguments[0].value)
    return None


def _unknown(call: Call) -> str:
    shown = call.name[:_SHOWN]
    reason = _REASONS.get(call.key)
    if reason is not None:
        return f"the function {shown}() is not offered: {reason}"
    near = get_close_matches(call.key, [*FUNCTIONS, *SPECIAL], 1, _NEARNESS)
    hint = f"; did you mean {WORDS[near[0]].usage}?" if near else ""
    return f"there is no function {shown}(){hint}"


def _pattern(call: Call, text: object) -> str | None:
    wrong = flaw(text) if isinstance(text, str) else None
    return None if wrong is None else f"the pattern of {call.name}() is broken: {wrong}"


def _calls(expr: Expr) -> Iterator[Call]:
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Call):
            yield node
        waiting.extend(reversed(list(node.children())))
