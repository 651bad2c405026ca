"""What a search filter means (RFC 4511 §4.5.1.7), term by term on one entry: slow, and told apart from the indexes."""

from __future__ import annotations

from collections.abc import Iterator

from infosys.entry import Entry
from infosys.filters import And, Compare, Extensible, Filter, Not, Or, Present, Substrings, as_integer, base_name
from infosys.schema import DIRECTORY_STRING, IA5_STRING, AttributeType, Schema


def truth(entry: Entry, wanted: Filter, schema: Schema) -> bool | None:
    """Whether the entry is selected: True, False, or None for undefined."""
    if isinstance(wanted, And):
        return every(truth(entry, term, schema) for term in wanted.terms)
    if isinstance(wanted, Or):
        return opposite(every(opposite(truth(entry, term, schema)) for term in wanted.terms))
    if isinstance(wanted, Not):
        return opposite(truth(entry, wanted.term, schema))
    attribute = base_name(wanted.attribute)
    if isinstance(wanted, Extensible):
        return _by_rule(wanted, schema.attributes.get(attribute), entry.values(attribute))
    kind = schema.attributes.get(attribute)
    values = entry.values(attribute)
    if kind is None and not values:
        return None
    if isinstance(wanted, Present):
        return bool(values)
    if kind is not None and kind.integer:
        return _number(wanted, values) if isinstance(wanted, Compare) else None
    exact = kind is not None and kind.exact
    folded = [_folded(exact, value) for value in values]
    if attribute == "objectclass":
        folded += schema.superiors(tuple(folded))
    if isinstance(wanted, Substrings):
        return None if attribute == "objectclass" else any(_within(value, wanted, exact) for value in folded)
    return None if wanted.operator in (">=", "<=") else _folded(exact, wanted.value) in folded


def _by_rule(wanted: Extensible, kind: AttributeType | None, values: tuple[str, ...]) -> bool | None:
    """By one of two rules, those for the text of GLUE 2.0 and GLUE 1.3."""
    syntax = {"caseExactMatch": DIRECTORY_STRING, "caseIgnoreMatch": DIRECTORY_STRING}.get(wanted.rule, IA5_STRING)
    if kind is None or kind.syntax != syntax:
        return None
    exact = wanted.rule.startswith("caseExact")
    return _folded(exact, wanted.value) in [_folded(exact, value) for value in values]


def every(truths: Iterator[bool | None]) -> bool | None:
    found = list(truths)
    return False if False in found else None if None in found else True


def opposite(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _folded(exact: bool, text: str) -> str:
    return " ".join((text if exact else text.lower()).split())


def _number(wanted: Compare, values: tuple[str, ...]) -> bool | None:
    number = as_integer(wanted.value)
    if number is None:
        return None
    numbers = [found for value in values if (found := as_integer(value)) is not None]
    if wanted.operator == ">=":
        return any(found >= number for found in numbers)
    return any(found <= number for found in numbers) if wanted.operator == "<=" else number in numbers


def _within(value: str, wanted: Substrings, exact: bool) -> bool:
    def piece(text: str) -> str:
        folded = _folded(exact, text)
        if not folded:
            return " " if text else ""
        return (" " if text[0].isspace() else "") + folded + (" " if text[-1].isspace() else "")

    initial, final = piece(wanted.initial).lstrip(" "), piece(wanted.final).rstrip(" ")
    rest = value.removeprefix(initial).removesuffix(final)
    if initial + rest + final != value:
        return False
    for each in map(piece, wanted.middle):
        before, found, rest = rest.partition(each)
        if not found:
            return before is None
    return True
