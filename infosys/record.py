"""How a frozen record becomes an LDAP entry and comes back: its fields name the attributes that hold them.

A field's type says what its values are: ``str``, ``int``, ``float``, ``bool``, ``tuple[str, ...]``, or one of them
``| None``.  None and empty texts are not published.  An entry that lacks a text gives an empty one; one that lacks a
number gives the field's default.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from dataclasses import field
from types import UnionType
from typing import Any, Final, TypeVar

from infosys.entry import Entry
from infosys.errors import RecordError
from infosys.filters import as_integer
from infosys.schema import glue

R = TypeVar("R")

_KEY: Final = "glue"


def attribute(*names: str, **more: Any) -> Any:
    """A field that is published as the attribute of that name; with several names as each of them, the first read."""
    return field(metadata={_KEY: names}, **more)


def published(record: Any) -> dict[str, Any]:
    """The attributes of a record's fields; None and empty texts are not published."""
    found: dict[str, Any] = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        if _KEY in each.metadata and value is not None and value != "":
            found.update(dict.fromkeys(each.metadata[_KEY], _number(value) if isinstance(value, float) else value))
    return found


def _number(value: float) -> str:
    """A real number; a whole one without fraction, as readers that expect integers like it."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def values_of(kind: type[Any], entry: Entry) -> dict[str, Any]:
    """The arguments of a record's fields that an entry has values for.

    :raises RecordError: a number or boolean that is none, or a text that the record cannot be without.
    """
    found: dict[str, Any] = {}
    types = _types(kind)
    for each in dataclasses.fields(kind):
        if _KEY not in each.metadata:
            continue
        name = each.metadata[_KEY][0]
        values = next((values for one in each.metadata[_KEY] if (values := entry.values(one))), ())
        value = _value(types[each.name], values, entry.dn, name)
        if value is not dataclasses.MISSING:
            found[each.name] = value
        elif each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING:
            raise RecordError(entry.dn, name)
    return found


def read(kind: type[R], entry: Entry, **more: Any) -> R:
    """The record of that kind that an entry publishes.

    :param more: fields that stand elsewhere than in an attribute of the entry.
    :raises RecordError: what :func:`values_of` raises, and a value that the record does not admit.
    """
    return kind(**values_of(kind, entry), **more)


def entry_of(dn: str, classes: Iterable[str], *parts: Mapping[str, Any], top: tuple[str, ...] = ()) -> Entry:
    """An entry with the classes' superiors, checked to hold what the schema demands of it.

    :param top: object classes that come first.
    :raises RecordError: when a mandatory attribute has no value.
    """
    lineage = (*top, *(each for name in classes for each in reversed(glue().lineage(name))))
    object_classes = tuple(dict.fromkeys(each for each in lineage if each != "top"))
    attributes: dict[str, Any] = {"objectClass": object_classes}
    for part in parts:
        attributes.update(part)
    entry = Entry.of(dn, attributes)
    for name in object_classes:
        for wanted in glue().mandatory(name):
            if not entry.values(wanted):
                raise RecordError(dn, wanted)
    return entry


_HINTS: dict[type[Any], dict[str, Any]] = {}


def _types(kind: type[Any]) -> dict[str, Any]:
    found = _HINTS.get(kind)
    if found is None:
        found = _HINTS[kind] = typing.get_type_hints(kind)
    return found


def _value(wanted: Any, values: tuple[str, ...], dn: str, name: str) -> Any:
    if typing.get_origin(wanted) is tuple:
        return values
    if isinstance(wanted, UnionType):
        wanted = next(each for each in typing.get_args(wanted) if each is not type(None))
    if not values:
        return "" if wanted is str and name else dataclasses.MISSING
    text = values[0]
    if wanted is str:
        return text
    if wanted is bool:
        if text.upper() not in ("TRUE", "FALSE"):
            raise RecordError(dn, name, f"TRUE or FALSE, not {text[:40]!r}")
        return text.upper() == "TRUE"
    if wanted is float:
        try:
            return float(text)
        except ValueError:
            raise RecordError(dn, name, f"a number, not {text[:40]!r}") from None
    number = as_integer(text)
    if number is None:
        raise RecordError(dn, name, f"an integer, not {text[:40]!r}")
    return number
