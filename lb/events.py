"""An event: what one component saw of one job at one moment (L&B)."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from grid.clock import from_ulm_date
from grid.errors import InvalidArgument
from grid.jobid import JobId
from grid.states import Source
from lb.errors import EventError
from lb.eventtypes import BY_UPPER_NAME, EVENT_TYPES, EventType, Field

__all__ = ["EVENT_TYPES", "LEVELS", "Event", "EventType", "Field", "type_named"]

LEVELS: Final = (
    "EMERGENCY",
    "ALERT",
    "ERROR",
    "WARNING",
    "AUTH",
    "SECURITY",
    "USAGE",
    "SYSTEM",
    "IMPORTANT",
    "DEBUG",
)

_MAX_NAME: Final = 1024
"""Characters of host, user, sequence code and instance."""

_INT = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def type_named(name: str) -> EventType:
    """The event type called ``name``, in any case.

    :raises EventError: when there is none.
    """
    kind = EVENT_TYPES.get(name) or BY_UPPER_NAME.get(name.upper())
    if kind is None:
        raise EventError(name, "there is no such event type")
    return kind


@dataclass(frozen=True, slots=True)
class Event:
    """One event.  Values are checked against the type's definition when it is made.

    :ivar type: name of the event type, e.g. ``RegJob``.
    :ivar timestamp: when it happened, aware, microseconds.
    :ivar seqcode: the job's sequence code at that moment, as text.
    :ivar user: distinguished name of whom the event is logged for, slash form.
    :ivar host: where it was logged.
    :ivar fields: the type's own fields by L&B's names (``dest_host``); all values are texts.
    :ivar arrived: when the bookkeeping server stored it; None before.
    :raises EventError: when a value breaks the definition.
    """

    type: str
    jobid: JobId
    source: Source
    timestamp: datetime.datetime
    seqcode: str
    user: str
    host: str
    level: str = "SYSTEM"
    priority: int = 0
    src_instance: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)
    arrived: datetime.datetime | None = None

    def __post_init__(self) -> None:
        definition = EVENT_TYPES.get(self.type)
        if definition is None:
            raise EventError(self.type, "there is no such event type")
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))
        _check_common(self)
        for name in self.fields:
            if definition.field(name) is None:
                raise EventError(self.type, "the type has no such field", field=name)
        for own in definition.fields:
            value = self.fields.get(own.name)
            if value is not None:
                _check_value(self.type, own, value)
            elif not own.optional:
                raise EventError(self.type, "is missing", field=own.name)

    @property
    def definition(self) -> EventType:
        """The table's entry for this type."""
        return EVENT_TYPES[self.type]

    def get(self, name: str) -> str:
        """The field ``name``, or the empty text when it is absent."""
        return self.fields.get(name, "")

    def number(self, name: str) -> int | None:
        """The field ``name`` as an integer, or None when it is absent."""
        value = self.fields.get(name)
        return None if value is None else int(value)


def _check_common(event: Event) -> None:
    if event.source is Source.Undefined:
        raise EventError(event.type, "the source is undefined", field="source")
    if event.timestamp.tzinfo is None:
        raise EventError(event.type, "the time has no zone", field="timestamp")
    if event.level not in LEVELS:
        raise EventError(event.type, f"{event.level[:40]!r} is not a level", field="level")
    if not 0 <= event.priority < 1 << 31:
        raise EventError(event.type, "the priority is not a small number", field="priority")
    for name in ("seqcode", "user", "host", "src_instance"):
        value = getattr(event, name)
        if value is None and name == "src_instance":
            continue
        if not isinstance(value, str) or len(value) > _MAX_NAME or _CONTROL.search(value):
            raise EventError(event.type, f"is longer than {_MAX_NAME} or has control characters", field=name)
        _check_text(event.type, name, value)


def _check_text(type_name: str, name: str, value: str) -> None:
    if "\0" in value:
        raise EventError(type_name, "holds a NUL character", field=name)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise EventError(type_name, "is not text (lone surrogate)", field=name) from error


def _check_value(type_name: str, own: Field, value: str) -> None:
    if not isinstance(value, str):
        raise EventError(type_name, f"must be given as text, not {type(value).__name__}", field=own.name)
    _check_text(type_name, own.name, value)
    wrong: str | None = None
    if own.kind == "word" and value not in own.words:
        wrong = f"must be one of {', '.join(own.words)}"
    elif own.kind == "int" and not (_INT.fullmatch(value) and -(1 << 31) <= int(value) < 1 << 31):
        wrong = "must be an integer of 32 bits"
    elif own.kind == "float" and not (_FLOAT.fullmatch(value) and math.isfinite(float(value))):
        wrong = "must be a number"
    elif own.kind == "source" and value not in Source.__members__:
        wrong = "must be the name of a component"
    elif own.kind in ("job", "time"):
        try:
            JobId.parse(value) if own.kind == "job" else from_ulm_date(value)
        except InvalidArgument as error:
            wrong = error.description
    if wrong:
        raise EventError(type_name, wrong, field=own.name)
