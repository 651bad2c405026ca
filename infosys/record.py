"""How a frozen record becomes an LDAP entry and comes back: its fields name the attributes that hold them.

A field's type says what its values are: ``str``, ``int``, ``float``, ``bool``, ``tuple[str, ...]``, or one of them
``| None``.  None and empty texts are not published.  An entry that lacks a text gives an empty one; one that lacks a
number gives the field's default.
"""

from __future__ import annotations

import dataclasses
import functools
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
    for field_name, names in _published(type(record)):
        value = getattr(record, field_name)
        if value is not None and value != "":
            told = _number(value) if isinstance(value, float) else value
            for name in names:
                found[name] = told
    return found


_PUBLISHED: dict[type[Any], tuple[tuple[str, tuple[str, ...]], ...]] = {}


def _published(kind: type[Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The fields of a kind of record that are published, with their attributes."""
    found = _PUBLISHED.get(kind)
    if found is None:
        fields = dataclasses.fields(kind)
        found = tuple((each.name, each.metadata[_KEY]) for each in fields if _KEY in each.metadata)
        _PUBLISHED[kind] = found
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
    object_classes, mandatory = _demanded(tuple(classes), top)
    attributes: dict[str, Any] = {"objectClass": object_classes}
    for part in parts:
        attributes.update(part)
    entry = Entry.of(dn, attributes)
    for wanted in mandatory:
        if not entry.values(wanted):
            raise RecordError(dn, wanted)
    return entry


@functools.lru_cache(maxsize=256)
def _demanded(classes: tuple[str, ...], top: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All object classes of an entry of these, and the attributes that they demand."""
    lineage = (*top, *(each for name in classes for each in reversed(glue().lineage(name))))
    found = tuple(dict.fromkeys(each for each in lineage if each != "top"))
    return found, tuple(dict.fromkeys(each for name in found for each in glue().mandatory(name)))


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
