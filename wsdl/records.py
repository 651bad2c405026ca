"""Frozen dataclasses as JSON objects, for documents that travel beside SOAP."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from grid.errors import GridError

__all__ = ["RecordMalformed", "as_json", "from_json"]

R = TypeVar("R")


class RecordMalformed(GridError):
    """A JSON document is not the record that it should be.

    :ivar where: the path of the member that is wrong.
    """

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        super().__init__(f"the answer cannot be read: {where or 'it'} {what}", code=1202)


def as_json(record: object) -> Any:
    """The record as what :mod:`json` writes; members that are empty or None are left out."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        members = ((each, getattr(record, each.name)) for each in dataclasses.fields(record))
        return {
            each.name: as_json(value)
            for each, value in members
            if each.default is dataclasses.MISSING or (value is not None and value != each.default)
        }
    if isinstance(record, tuple):
        return [as_json(each) for each in record]
    return record


def from_json(kind: type[R], value: object, where: str = "") -> R:
    """Read a record.

    Members that the record does not have are overlooked.  Characters that could steer a terminal become ``?``.

    :raises RecordMalformed: a member is missing or has another type.
    """
    return typing.cast(R, _read(kind, value, where))


def _read(kind: Any, value: object, where: str) -> object:
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, value, where)
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise RecordMalformed(where, "is no list")
        item = typing.get_args(kind)[0]
        return tuple(_read(item, each, f"{where}[{number}]") for number, each in enumerate(value))
    if typing.get_origin(kind) is types.UnionType:
        return None if value is None else _read(typing.get_args(kind)[0], value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return value  # what was an integer is shown as one
    if type(value) is not kind:
        raise RecordMalformed(where, f"is no {kind.__name__}")
    if isinstance(value, str):
        return value if value.isprintable() else "".join(each if each.isprintable() else "?" for each in value)
    return value


def _record(kind: type, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise RecordMalformed(where, "is no object")
    read: dict[str, object] = {}
    for name, wanted, needed in _members(kind):
        place = f"{where}.{name}" if where else name
        if name in value:
            read[name] = _read(wanted, value[name], place)
        elif needed:
            raise RecordMalformed(place, "is missing")
    return kind(**read)


@cache
def _members(kind: type) -> tuple[tuple[str, Any, bool], ...]:
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return tuple((each.name, hints[each.name], each.default is dataclasses.MISSING) for each in fields)
