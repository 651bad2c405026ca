"""Entries of a directory, and their text form LDIF (RFC 2849)."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from infosys import names
from infosys.errors import LdifError

_SAFE = re.compile(
    r"[\x01-\x09\x0b\x0c\x0e-\x1f\x21-\x39\x3b\x3d-\x7f]"  # not a space, ':' or '<' at the begin
    r"(?:[\x01-\x09\x0b\x0c\x0e-\x7f]*[\x01-\x09\x0b\x0c\x0e-\x1f\x21-\x7f])?"  # no space at the end
)
_ATTRIBUTE = re.compile(r"[A-Za-z0-9.-]+(?:;[A-Za-z0-9-]+)*")
LINE_WIDTH = 76
"""Characters of one LDIF line before it is folded."""


@dataclass(frozen=True)
class Entry:
    """One entry: a name and multi-valued attributes.

    Attribute names keep the spelling they came with and are found in any spelling; the order of attributes and of
    their values is kept, so that the same information always prints the same text.
    """

    dn: str
    attributes: Mapping[str, tuple[str, ...]]
    _index: Mapping[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        merged: dict[str, tuple[str, ...]] = {}
        spelling: dict[str, str] = {}
        for name, values in self.attributes.items():
            first = spelling.setdefault(name.lower(), name)
            merged[first] = merged.get(first, ()) + tuple(values)
        object.__setattr__(self, "attributes", MappingProxyType(merged))
        object.__setattr__(self, "_index", {name.lower(): values for name, values in merged.items()})

    @classmethod
    def indexed(cls, dn: str, attributes: dict[str, tuple[str, ...]], index: dict[str, tuple[str, ...]]) -> Entry:
        """Make an entry whose attributes are already told apart.

        :param index: the same values by the names in lower case, each name once.
        """
        made = object.__new__(cls)
        object.__setattr__(made, "dn", dn)
        object.__setattr__(made, "attributes", MappingProxyType(attributes))
        object.__setattr__(made, "_index", index)
        return made

    @classmethod
    def of(cls, dn: str, attributes: Mapping[str, Any]) -> Entry:
        """Make an entry from plain values: str, int and bool alone or in a list; None and empty lists are left out.

        Booleans become ``TRUE`` and ``FALSE`` (RFC 4517 §3.3.3).
        """
        texts = {name: found for name, value in attributes.items() if (found := _texts(value))}
        index = {name.lower(): values for name, values in texts.items()}
        return cls.indexed(dn, texts, index) if len(index) == len(texts) else cls(dn, texts)

    def values(self, name: str) -> tuple[str, ...]:
        """All values of an attribute in any spelling; empty when it is not there."""
        return self._index.get(name.lower(), ())

    def first(self, name: str) -> str | None:
        """The first value of an attribute, or None."""
        found = self._index.get(name.lower())
        return found[0] if found else None

    def is_a(self, object_class: str) -> bool:
        """Whether the entry names this object class, in any spelling."""
        wanted = object_class.lower()
        return any(value.lower() == wanted for value in self.values("objectClass"))

    @functools.cached_property
    def key(self) -> names.Key:
        """The name in the form that is compared.

        :raises NameSyntaxError: when :attr:`dn` is no name.
        """
        return names.key(self.dn)

    def moved(self, dn: str) -> Entry:
        """The same entry under another name."""
        return Entry(dn, self.attributes)

    def __hash__(self) -> int:
        return hash((self.dn, tuple(self.attributes.items())))


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if value is None:
        return ()
    if isinstance(value, bool):
        return ("TRUE" if value else "FALSE",)
    if isinstance(value, int):
        return (str(value),)
    items = tuple(value)
    if all(type(item) is str for item in items):
        return items
    return tuple([text for item in items for text in _texts(item)])


def to_ldif(entries: Iterable[Entry]) -> str:
    """LDIF content records, one blank line after each; values that are not safe ASCII go as base64."""
    lines: list[str] = []
    for entry in entries:
        lines.extend(_folded("dn", entry.dn))
        for name, values in entry.attributes.items():
            for value in values:
                lines.extend(_folded(name, value))
        lines.append("")
    return "\n".join(lines) + ("\n" if lines else "")


def _folded(name: str, value: str) -> Iterator[str]:
    if not value:
        line = f"{name}:"
    elif _SAFE.fullmatch(value):
        line = f"{name}: {value}"
    else:
        line = f"{name}:: {base64.b64encode(value.encode('utf-8')).decode('ascii')}"
    yield line[:LINE_WIDTH]
    for start in range(LINE_WIDTH, len(line), LINE_WIDTH - 1):
        yield " " + line[start : start + LINE_WIDTH - 1]


def from_ldif(text: str) -> list[Entry]:
    """Read LDIF content records.  Comments and ``version:`` are skipped.

    :raises LdifError: for change records, values by URL, base64 that is none, and text that is no LDIF.
    """
    entries: list[Entry] = []
    dn: str | None = None
    attributes: dict[str, list[str]] = {}

    def finish() -> None:
        nonlocal dn, attributes
        if dn is not None:
            entries.append(Entry(dn, {name: tuple(values) for name, values in attributes.items()}))
        dn, attributes = None, {}

    for number, line in _unfolded(text):
        if not line:
            finish()
            continue
        name, value = _pair(number, line)
        if dn is None:
            if name.lower() == "version" and not entries:
                continue
            if name.lower() != "dn":
                raise LdifError(number, f"a record begins with dn, not with {name[:40]!r}")
            dn = value
        elif name.lower() in ("changetype", "control"):
            raise LdifError(number, "change records are not read, only content")
        else:
            attributes.setdefault(name, []).append(value)
    finish()
    return entries


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines with the number of their first physical line; comments are left out."""
    begun: list[str] | None = None
    first = 0
    number = 0
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r")
        if line.startswith(" "):
            if begun is None:
                raise LdifError(number, "a continuation line continues nothing")
            begun.append(line[1:])
            continue
        if begun is not None and not begun[0].startswith("#"):
            yield first, "".join(begun)
        begun, first = ([line] if line else None), number
        if not line:
            yield number, ""
    if begun is not None and not begun[0].startswith("#"):
        yield first, "".join(begun)


def _pair(number: int, line: str) -> tuple[str, str]:
    name, colon, rest = line.partition(":")
    if not colon or not _ATTRIBUTE.fullmatch(name):
        raise LdifError(number, "expected <attribute>: <value>")
    if rest.startswith("<"):
        raise LdifError(number, "values given by URL are not read")
    if not rest.startswith(":"):
        return name, rest.lstrip(" ")
    try:
        return name, base64.b64decode(rest[1:].strip(" "), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise LdifError(number, f"the value of {name} is not base64 of UTF-8 text") from error
