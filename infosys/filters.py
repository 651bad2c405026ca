"""Search filters (RFC 4511 §4.5.1.7) and their text form (RFC 4515)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from infosys import ber
from infosys.errors import ProtocolError

MAX_DEPTH: Final = 40
"""Levels of one filter."""

MAX_TERMS: Final = 2_000
"""Terms of one filter; each piece of a substring counts as one."""


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
    """A comparison by a matching rule that is named, without a name by the attribute's own for equality.

    :ivar attribute: empty for all to which the rule applies.
    :ivar names: whether the components of the entry's name count too.
    """

    attribute: str
    rule: str
    value: str
    names: bool = False


Filter: TypeAlias = And | Or | Not | Present | Compare | Substrings | Extensible

_TOO_LARGE: Final = f"a search filter may have {MAX_DEPTH} levels and {MAX_TERMS} terms, not more"
_COMPARE: Final = {0xA3: "=", 0xA5: ">=", 0xA6: "<=", 0xA8: "~="}


def decode(reader: ber.Reader) -> Filter:
    """Read the filter that comes next.

    :raises ProtocolError: when it is none, or beyond :data:`MAX_DEPTH` or :data:`MAX_TERMS`.
    """
    budget = [MAX_TERMS]
    return _decode(reader, MAX_DEPTH, budget)


def _decode(reader: ber.Reader, depth: int, budget: list[int]) -> Filter:
    budget[0] -= 1
    if depth <= 0 or budget[0] < 0:
        raise ProtocolError(_TOO_LARGE)
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
        return _substrings(inner, budget)
    if tag == 0xA9:
        return _extensible(inner)
    raise ProtocolError(f"0x{tag:02x} is not a search filter")


def _substrings(reader: ber.Reader, budget: list[int]) -> Substrings:
    attribute = reader.text()
    pieces = reader.enter()
    reader.finish()
    initial, middle, final = "", [], ""
    count = 0
    while pieces.more:
        tag, content = pieces.take()
        budget[0] -= 1
        if budget[0] < 0:
            raise ProtocolError(_TOO_LARGE)
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
    found = {0x81: "", 0x82: "", 0x83: "", 0x84: ""}
    while reader.more:
        tag, content = reader.take()
        if tag not in found:
            raise ProtocolError("an extensible filter holds what does not belong there")
        found[tag] = bytes(content).decode("utf-8", "replace")
    return Extensible(found[0x82], found[0x81], found[0x83], found[0x84] not in ("", "\0"))


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
    flag = ber.boolean(True, 0x84) if wanted.names else b""
    return ber.sequence(*parts, ber.octets(wanted.value, 0x83), flag, tag=0xA9)


def base_name(attribute: str) -> str:
    """The attribute's name in lower case, without options (``;binary``)."""
    return attribute.partition(";")[0].strip().lower()


def as_integer(text: str) -> int | None:
    """The text as an integer of LDAP's syntax (RFC 4517 §3.3.16), or None; texts beyond 40 digits are none."""
    text = text.strip()
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 40:
        return None
    return int(text)


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
    return f"({wanted.attribute}{':dn' if wanted.names else ''}{rule}:={escape(wanted.value)})"
