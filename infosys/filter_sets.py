"""Which entries a search filter selects, worked out on the sets of an attribute's values (RFC 4511 §4.5.1.7).

The logic has three values: a term is true, false or *undefined* (an attribute that nobody knows, a value that the
attribute's syntax does not admit); only true selects an entry.  So each term gives two sets of entries: where it is
true, and where it is false.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

from infosys.attribute_index import STEP, AttributeIndex, Steps, Value, flags, members
from infosys.filters import And, Compare, Extensible, Filter, Not, Or, Present, Substrings, as_integer, base_name
from infosys.matching_rules import MatchingRule, rule_for
from infosys.node import CLASS, Node, fold
from infosys.schema import INTEGER, Schema

Sets: TypeAlias = tuple[int, int]
_UNDEFINED: Final[Sets] = (0, 0)


class Indexed(Protocol):
    """Entries that a filter is asked about."""

    @property
    def schema(self) -> Schema: ...

    @property
    def nodes(self) -> Sequence[Node]: ...

    @property
    def everything(self) -> int:
        """All of the entries."""

    def index(self, attribute: str) -> Steps[AttributeIndex]:
        """The index of an attribute (lower case), made when it is not there yet."""


def sets(wanted: Filter, entries: Indexed) -> Steps[Sets]:
    """The entries for which the filter is true, and those for which it is false."""
    if isinstance(wanted, Not):
        true, false = yield from sets(wanted.term, entries)
        return false, true
    if isinstance(wanted, And):
        true, false = entries.everything, 0
        for term in wanted.terms:
            also, not_also = yield from sets(term, entries)
            true, false = true & also, false | not_also
            if false == entries.everything:
                break
        return true, false
    if isinstance(wanted, Or):
        true, false = 0, entries.everything
        for term in wanted.terms:
            either, neither = yield from sets(term, entries)
            true, false = true | either, false & neither
            if true == entries.everything:
                break
        return true, false
    yield
    if isinstance(wanted, Extensible):
        return (yield from _by_rule(wanted, entries))
    return (yield from _term(wanted, entries))


def _term(wanted: Present | Compare | Substrings, entries: Indexed) -> Steps[Sets]:
    attribute = base_name(wanted.attribute)
    index = yield from entries.index(attribute)
    kind = entries.schema.attributes.get(attribute)
    known = entries.everything if kind is not None else index.present
    if isinstance(wanted, Present):
        true = index.present
    elif kind is not None and kind.integer:
        if isinstance(wanted, Substrings) or (number := as_integer(wanted.value)) is None:
            return _UNDEFINED
        true = yield from _numbers(index, wanted.operator, number)
    elif isinstance(wanted, Substrings):
        if attribute == CLASS:
            return _UNDEFINED  # object identifiers have no substrings (RFC 4512 §3.3)
        pieces = _Pieces(wanted, functools.partial(fold, kind is not None and kind.exact))
        true = yield from index.where(pieces.within)
    elif wanted.operator in (">=", "<="):
        return _UNDEFINED  # the schemas of GLUE give an order to numbers alone
    else:
        true = index.equal(fold(kind is not None and kind.exact, wanted.value))
    return true, known & ~true


def _numbers(index: AttributeIndex, operator: str, number: int) -> Steps[int]:
    if operator == ">=":
        return (yield from index.where(lambda value: isinstance(value, int) and value >= number))
    if operator == "<=":
        return (yield from index.where(lambda value: isinstance(value, int) and value <= number))
    return index.equal(number)


def _by_rule(wanted: Extensible, entries: Indexed) -> Steps[Sets]:
    """An extensible match: of one attribute that the schema knows, by a rule that applies to it."""
    attribute = base_name(wanted.attribute)
    kind = entries.schema.attributes.get(attribute)
    if kind is None or wanted.names:
        return _UNDEFINED
    if not wanted.rule:
        return (yield from _term(Compare("=", attribute, wanted.value), entries))
    rule = rule_for(wanted.rule, kind)
    asserted = _compared(rule, wanted.value) if rule is not None else None
    if rule is None or asserted is None:
        return _UNDEFINED
    index = yield from entries.index(attribute)
    if not rule.ordering and (kind.integer or rule.exact == kind.exact):
        true = index.equal(asserted)
    else:
        true = yield from _looked_at(entries, index.present, attribute, rule, asserted)
    return true, entries.everything & ~true


def _looked_at(entries: Indexed, among: int, attribute: str, rule: MatchingRule, asserted: Value) -> Steps[int]:
    """The entries with a value for which the rule holds; the attribute's index was made by another rule."""
    found = []
    for count, place in enumerate(itertools.compress(range(len(entries.nodes)), flags(among, len(entries.nodes)))):
        if count % STEP == 0:
            yield
        values = [_compared(rule, value) for value in entries.nodes[place].entry.values(attribute)]
        if any(rule.holds(value, asserted) for value in values if value is not None):
            found.append(place)
    return members(found, len(entries.nodes))


def _compared(rule: MatchingRule, text: str) -> Value | None:
    """A value as the rule compares it; None when it is none for it."""
    return as_integer(text) if rule.applies == INTEGER else fold(rule.exact, text)


class _Pieces:
    """The pieces of a substring filter, folded as the values are."""

    def __init__(self, wanted: Substrings, folded: Callable[[str], str]) -> None:
        self._initial = _piece(wanted.initial, folded).lstrip(" ")
        self._final = _piece(wanted.final, folded).rstrip(" ")
        self._middle = [_piece(each, folded) for each in wanted.middle]

    def within(self, value: Value) -> bool:
        """Whether a folded value has them all, in this order."""
        if not isinstance(value, str) or not value.startswith(self._initial):
            return False
        place, end = len(self._initial), len(value) - len(self._final)
        if end < place or not value.endswith(self._final):
            return False
        for piece in self._middle:
            found = value.find(piece, place, end)
            if found < 0:
                return False
            place = found + len(piece)
        return True


def _piece(text: str, folded: Callable[[str], str]) -> str:
    """A piece as values are folded, but its outer spaces count (one each)."""
    inner = folded(text)
    if not inner:
        return " " if text else ""
    return (" " if text[0].isspace() else "") + inner + (" " if text[-1].isspace() else "")
