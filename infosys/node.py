"""One entry of a directory, as filters see it and as the bytes that a search sends."""

from __future__ import annotations

import functools
from array import array
from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Final

from infosys import ber, names
from infosys.entry import Entry
from infosys.filters import as_integer
from infosys.schema import Schema

SUBSCHEMA: Final = "cn=Subschema"
CLASS: Final = "objectclass"
_SHORT: Final = 200
"""Characters of values whose encoding is kept."""
_LAYOUTS: Final = 4096
"""Lists of attributes that are kept to be shared between entries."""
MADE: Final = frozenset({"entrydn", "subschemasubentry", "structuralobjectclass"})
"""Operational attributes that every entry has."""
_NOTHING: Final[Mapping[str, bytes]] = {}


class Layout:
    """Which attributes an entry has, in which order; shared by all entries that have the same.

    :ivar places: by the name in lower case, where it stands.
    """

    __slots__ = ("places",)

    def __init__(self, attributes: Iterable[str]) -> None:
        self.places: Mapping[str, int] = {name.lower(): place for place, name in enumerate(attributes)}


@functools.lru_cache(maxsize=_LAYOUTS)
def _layout(attributes: tuple[str, ...]) -> Layout:
    return Layout(attributes)


class Node:
    """One entry of the tree.

    :ivar name: the entry's name, encoded.
    :ivar whole: all user attributes, encoded one after the other.
    :ivar operational: others by their names in lower case, encoded.
    """

    __slots__ = ("_offsets", "entry", "key", "layout", "name", "operational", "schema", "whole")

    def __init__(self, entry: Entry, schema: Schema, operational: Entry | None = None) -> None:
        self.entry = entry
        self.key = entry.key
        self.schema = schema
        self.name = ber.octets(entry.dn)
        encoded = [attribute(name, values) for name, values in entry.attributes.items()]
        self.whole = b"".join(encoded)
        self.layout = _layout(tuple(entry.attributes))
        self._offsets = array("H" if len(self.whole) < 1 << 16 else "L", accumulate(map(len, encoded), initial=0))
        self.operational: Mapping[str, bytes] = _NOTHING
        if operational is not None:
            self.operational = {
                name.lower(): attribute(name, values) for name, values in operational.attributes.items()
            }

    @property
    def depth(self) -> int:
        """Components of the name."""
        return len(self.key)

    def part(self, place: int) -> bytes:
        """The encoded attribute that stands at a place of the :attr:`layout`."""
        return self.whole[self._offsets[place] : self._offsets[place + 1]]

    def compared(self, attribute: str) -> Iterable[str | int]:
        """The values of an attribute (lower case) as they are compared: numbers where the schema says so.

        Object classes are joined by those that they are kinds of; what should be a number and is none is left out.
        """
        values = self.entry.values(attribute)
        known = self.schema.attributes.get(attribute)
        if known is not None and known.integer:
            return [number for value in values if (number := as_integer(value)) is not None]
        found = tuple([fold(known is not None and known.exact, value) for value in values])
        return found + self.schema.superiors(found) if attribute == CLASS else found

    def made(self) -> dict[str, bytes]:
        """The operational attributes by their names in lower case, encoded."""
        structural = [
            each
            for each in self.entry.values("objectClass")
            if (known := self.schema.classes.get(each.lower())) and known.kind == "STRUCTURAL"
        ]
        found = {
            "entrydn": attribute("entryDN", (self.entry.dn,)),
            "subschemasubentry": attribute("subschemaSubentry", (SUBSCHEMA,)),
        }
        if structural:
            found["structuralobjectclass"] = attribute("structuralObjectClass", (structural[-1],))
        return found | dict(self.operational)


def fold(exact: bool, text: str) -> str:
    """A text as values are compared: by caseExactMatch or by caseIgnoreMatch."""
    folded = names.spaced(text) if exact else names.fold(text)
    return text if folded == text else folded  # what is the same text need not be kept twice


def attribute(name: str, values: Iterable[str]) -> bytes:
    """A PartialAttribute (RFC 4511 §4.1.7)."""
    encoded = b"".join([_short(value) if len(value) < _SHORT else ber.octets(value) for value in values])
    spelt, inner = _short(name), ber.head(ber.SET, len(encoded))
    return b"".join((ber.head(ber.SEQUENCE, len(spelt) + len(inner) + len(encoded)), spelt, inner, encoded))


@functools.lru_cache(maxsize=1 << 16)
def _short(text: str) -> bytes:
    """A name or value of which a grid has thousands that are the same."""
    return ber.octets(text)
