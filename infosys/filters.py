"""Search filters (RFC 4511 §4.5.1.7), their text form (RFC 4515) and what they match.

The logic has three values: True, False and None for *undefined* (an attribute that nobody knows, a value that the
attribute's syntax does not admit); only True selects an entry.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from infosys import ber
from infosys.errors import ProtocolError

MAX_DEPTH: Final = 40
"""Levels of one filter."""

MAX_TERMS: Final = 2_000
"""Terms of one filter."""


@dataclass(frozen=True, slots=True)
class And:
    """All of the terms; none is true (RFC 4526)."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One of the terms; none is false (RFC 4526)."""

    terms: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of a term; undefined stays undefined."""

    term: Filter


@dataclass(frozen=True, slots=True)
class Present:
    """The attribute has a value."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Compare:
    """``=``, ``>=``, ``<=`` or ``~=`` with one value."""

    operator: str
    attribute: str
    value: str


@dataclass(frozen=True, slots=True)
class Substrings:
    """Pieces in this order; ``initial`` and ``final`` may be empty, then they say nothing."""

    attribute: str
    initial: str
    middle: tuple[str, ...]
    final: str


@dataclass(frozen=True, slots=True)
class Extensible:
    """A matching rule by name, which this server does not know: undefined."""

    attribute: str
    rule: str
    value: str


Filter: TypeAlias = And | Or | Not | Present | Compare | Substrings | Extensible

_CLASS: Final = "objectclass"
"""The attribute of object identifiers, which have no substrings (RFC 4512 §3.3)."""
_COMPARE: Final = {0xA3: "=", 0xA5: ">=", 0xA6: "<=", 0xA8: "~="}


class Subject(Protocol):
    """What a filter is asked about."""

    def known(self, attribute: str) -> bool:
        """Whether anybody knows the attribute (lower case)."""

    def folded(self, attribute: str) -> tuple[str, ...]:
        """The values of the attribute (lower case), as :meth:`fold` leaves them."""

    def fold(self, attribute: str, text: str) -> str:
        """A text as it is compared with values of the attribute: by caseIgnoreMatch or caseExactMatch."""

    def numeric(self, attribute: str) -> bool:
        """Whether the attribute's values are integers."""


def decode(reader: ber.Reader) -> Filter:
    """Read the filter that comes next.

    :raises ProtocolError: when it is none, or beyond :data:`MAX_DEPTH` or :data:`MAX_TERMS`.
    """
    budget = [MAX_TERMS]
    return _decode(reader, MAX_DEPTH, budget)


def _decode(reader: ber.Reader, depth: int, budget: list[int]) -> Filter:
    budget[0] -= 1
    if depth <= 0 or budget[0] < 0:
        raise ProtocolError(f"a search filter may have {MAX_DEPTH} levels and {MAX_TERMS} terms, not more")
    tag, content = reader.take()
    inner = ber.Reader(content)
    if tag in (0xA0, 0xA1):
        terms = []
        while inner.more:
            terms.append(_decode(inner, depth - 1, budget))
        return And(tuple(terms)) if tag == 0xA0 else Or(tuple(terms))
    if tag == 0xA2:
        term = _decode(inner, depth - 1, budget)
        inner.finish()
        return Not(term)
    if tag == 0x87:
        return Present(ber.decoded(content))
    if tag in _COMPARE:
        attribute = inner.text()
        value = inner.octets().decode("utf-8", "replace")
        inner.finish()
        return Compare(_COMPARE[tag], attribute, value)
    if tag == 0xA4:
        return _substrings(inner)
    if tag == 0xA9:
        return _extensible(inner)
    raise ProtocolError(f"0x{tag:02x} is not a search filter")


def _substrings(reader: ber.Reader) -> Substrings:
    attribute = reader.text()
    pieces = reader.enter()
    reader.finish()
    initial, middle, final = "", [], ""
    count = 0
    while pieces.more:
        tag, content = pieces.take()
        piece = bytes(content).decode("utf-8", "replace")
        if final or (tag == 0x80 and count) or tag not in (0x80, 0x81, 0x82) or not piece:
            raise ProtocolError("the pieces of a substring filter are empty or out of order")
        if tag == 0x80:
            initial = piece
        elif tag == 0x81:
            middle.append(piece)
        else:
            final = piece
        count += 1
    if not count:
        raise ProtocolError("a substring filter needs a piece")
    return Substrings(attribute, initial, tuple(middle), final)


def _extensible(reader: ber.Reader) -> Extensible:
    found = {0x81: "", 0x82: "", 0x83: ""}
    while reader.more:
        tag, content = reader.take()
        if tag in found:
            found[tag] = bytes(content).decode("utf-8", "replace")
        elif tag != 0x84:
            raise ProtocolError("an extensible filter holds what does not belong there")
    return Extensible(found[0x82], found[0x81], found[0x83])


def encode(wanted: Filter) -> bytes:
    """The filter as a search request carries it (RFC 4511 §4.5.1.7)."""
    if isinstance(wanted, (And, Or)):
        return ber.sequence(*map(encode, wanted.terms), tag=0xA0 if isinstance(wanted, And) else 0xA1)
    if isinstance(wanted, Not):
        return ber.sequence(encode(wanted.term), tag=0xA2)
    if isinstance(wanted, Present):
        return ber.octets(wanted.attribute, 0x87)
    if isinstance(wanted, Compare):
        tag = {"=": 0xA3, ">=": 0xA5, "<=": 0xA6}.get(wanted.operator, 0xA8)
        return ber.sequence(ber.octets(wanted.attribute), ber.octets(wanted.value), tag=tag)
    if isinstance(wanted, Substrings):
        pieces = [(0x80, wanted.initial), *((0x81, each) for each in wanted.middle), (0x82, wanted.final)]
        given = [ber.octets(piece, tag) for tag, piece in pieces if piece]
        return ber.sequence(ber.octets(wanted.attribute), ber.sequence(*given), tag=0xA4)
    parts = [ber.octets(text, tag) for tag, text in ((0x81, wanted.rule), (0x82, wanted.attribute)) if text]
    return ber.sequence(*parts, ber.octets(wanted.value, 0x83), tag=0xA9)


def matches(subject: Subject, wanted: Filter) -> bool | None:
    """Whether the subject is selected: True, False, or None for undefined."""
    if isinstance(wanted, And):
        return _all(matches(subject, term) for term in wanted.terms)
    if isinstance(wanted, Or):
        opposite = _all(_negated(matches(subject, term)) for term in wanted.terms)
        return _negated(opposite)
    if isinstance(wanted, Not):
        return _negated(matches(subject, wanted.term))
    if isinstance(wanted, Extensible):
        return None
    attribute = base_name(wanted.attribute)
    if not subject.known(attribute):
        return None
    values = subject.folded(attribute)
    if isinstance(wanted, Present):
        return bool(values)
    if isinstance(wanted, Substrings):
        if subject.numeric(attribute) or attribute == _CLASS:
            return None
        return any(_contains(value, wanted, functools.partial(subject.fold, attribute)) for value in values)
    if subject.numeric(attribute):
        return _compare_numbers(wanted, values)
    if wanted.operator in (">=", "<="):
        return None  # the schemas of GLUE give an order to numbers alone
    return subject.fold(attribute, wanted.value) in values


def base_name(attribute: str) -> str:
    """The attribute's name in lower case, without options (``;binary``)."""
    return attribute.partition(";")[0].strip().lower()


def _negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def _all(truths: Iterator[bool | None]) -> bool | None:
    answer: bool | None = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            answer = None
    return answer


def _compare_numbers(wanted: Compare, values: tuple[str, ...]) -> bool | None:
    number = as_integer(wanted.value)
    if number is None:
        return None
    numbers = [found for value in values if (found := as_integer(value)) is not None]
    if wanted.operator == ">=":
        return any(found >= number for found in numbers)
    if wanted.operator == "<=":
        return any(found <= number for found in numbers)
    return number in numbers


def as_integer(text: str) -> int | None:
    """The text as an integer of LDAP's syntax (RFC 4517 §3.3.16), or None; texts beyond 40 digits are none."""
    text = text.strip()
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 40:
        return None
    return int(text)


def _contains(value: str, wanted: Substrings, fold: Callable[[str], str]) -> bool:
    initial, final = _piece(wanted.initial, fold).lstrip(" "), _piece(wanted.final, fold).rstrip(" ")
    if not value.startswith(initial):
        return False
    place, end = len(initial), len(value) - len(final)
    if end < place or not value.endswith(final):
        return False
    for piece in (_piece(each, fold) for each in wanted.middle):
        found = value.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True


def _piece(text: str, fold: Callable[[str], str]) -> str:
    """A piece as values are folded, but its outer spaces count (one each)."""
    folded = fold(text)
    if not folded:
        return " " if text else ""
    return (" " if text[0].isspace() else "") + folded + (" " if text[-1].isspace() else "")


def escape(value: str) -> str:
    """A value as it must stand in a filter's text (RFC 4515 §3): nothing in it can change the filter.

    Outer and unprintable spaces are escaped too, because readers of filters strip them.
    """
    last = len(value) - 1
    return "".join(
        "".join(f"\\{octet:02x}" for octet in each.encode("utf-8", "surrogatepass"))
        if each in "*()\\" or not each.isprintable() or (each.isspace() and place in (0, last))
        else each
        for place, each in enumerate(value)
    )


def text(wanted: Filter) -> str:
    """The filter's text form (RFC 4515)."""
    if isinstance(wanted, And):
        return f"(&{''.join(map(text, wanted.terms))})"
    if isinstance(wanted, Or):
        return f"(|{''.join(map(text, wanted.terms))})"
    if isinstance(wanted, Not):
        return f"(!{text(wanted.term)})"
    if isinstance(wanted, Present):
        return f"({wanted.attribute}=*)"
    if isinstance(wanted, Compare):
        return f"({wanted.attribute}{wanted.operator}{escape(wanted.value)})"
    if isinstance(wanted, Substrings):
        pieces = (wanted.initial, *wanted.middle, wanted.final)
        return f"({wanted.attribute}={'*'.join(map(escape, pieces))})"
    rule = f":{wanted.rule}" if wanted.rule else ""
    return f"({wanted.attribute}{rule}:={escape(wanted.value)})"
