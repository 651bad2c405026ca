"""Conditions of QueryEvents: which jobs, and which of their events.

A list of conditions is ANDed, the records of one condition are ORed (L&B).  Served are the job's identifier for
jobs, and what an event carries itself for events; the comparison operators are strict, as L&B's were.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from grid.errors import InvalidArgument
from grid.jobid import JobId
from lb.events import LEVELS, Event
from lb.eventtypes import BY_UPPER_NAME
from lb.values import from_timeval, source_name

Condition = Mapping[str, Any]
Test = Callable[[Event], bool]

MAX_JOBS: Final = 1000
_SUPPORTED: Final = (
    "supported are jobConditions with JOBID EQUAL and eventConditions with JOBID, EVENTTYPE, SOURCE, HOST, INSTANCE "
    "or LEVEL (EQUAL, UNEQUAL) and TIME (EQUAL, UNEQUAL, LESS, GREATER, WITHIN)"
)


class QueryRefused(InvalidArgument):
    """A condition that this server does not serve; the sentence names those that it does."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; {_SUPPORTED}")


def jobs_of(conditions: Sequence[Condition]) -> list[JobId]:
    """The jobs that the job conditions name, each once, in their order.

    :raises QueryRefused: for anything but JOBID EQUAL.
    :raises JobIdError: when a value is not a job identifier.
    """
    sets: list[list[JobId]] = []
    for condition in conditions:
        if condition["attr"] != "JOBID":
            raise QueryRefused(f"jobs cannot be looked for by {condition['attr']} yet")
        if any(record["op"] != "EQUAL" for record in condition["record"]):
            raise QueryRefused("JOBID is compared by EQUAL only")
        sets.append([JobId.parse(_text(record, "JOBID")) for record in condition["record"]])
    if not sets:
        raise QueryRefused("no job is named")
    wanted = [job for job in dict.fromkeys(sets[0]) if all(job in other for other in sets[1:])]
    if len(wanted) > MAX_JOBS:
        raise QueryRefused(f"more than {MAX_JOBS} jobs are named")
    return wanted


def event_test(conditions: Sequence[Condition]) -> Test:
    """What an event must fulfil.

    :raises QueryRefused: for attributes and operators that are not served, and values of a wrong kind.
    """
    tests = [_condition(condition) for condition in conditions]
    return lambda event: all(test(event) for test in tests)


def _condition(condition: Condition) -> Test:
    attribute = condition["attr"]
    make = _time if attribute == "TIME" else _equality(attribute)
    alternatives = [make(record) for record in condition["record"]]
    return lambda event: any(test(event) for test in alternatives)


def _equality(attribute: str) -> Callable[[Mapping[str, Any]], Test]:
    getters: dict[str, Callable[[Event], str]] = {
        "JOBID": lambda event: str(event.jobid),
        "EVENTTYPE": lambda event: event.type.upper(),
        "SOURCE": lambda event: source_name(event.source).upper(),
        "HOST": lambda event: event.host,
        "INSTANCE": lambda event: event.src_instance or "",
        "LEVEL": lambda event: event.level,
    }
    get = getters.get(attribute)
    if get is None:
        raise QueryRefused(f"events cannot be looked for by {attribute} yet")

    def make(record: Mapping[str, Any]) -> Test:
        wanted, equal = _wanted(attribute, record), record["op"] == "EQUAL"
        if record["op"] not in ("EQUAL", "UNEQUAL"):
            raise QueryRefused(f"{attribute} cannot be compared by {record['op']}")
        return lambda event: (get(event) == wanted) is equal

    return make


def _wanted(attribute: str, record: Mapping[str, Any]) -> str:
    value = record.get("value1") or {}
    number = value.get("i")
    if attribute == "EVENTTYPE":
        if number is not None:
            named = next((kind.name for kind in BY_UPPER_NAME.values() if kind.code == number), "")
        else:
            named = _text(record, attribute)
        if named.upper() not in BY_UPPER_NAME:
            raise QueryRefused(f"there is no event type {named or number!r}")
        return named.upper()
    if attribute == "SOURCE":
        named = _text(record, attribute).upper()
        return "JOBSUBMISSION" if named == "JOBCONTROLLER" else named
    if attribute == "LEVEL" and _text(record, attribute).upper() in LEVELS:
        return _text(record, attribute).upper()
    if attribute == "JOBID":
        return str(JobId.parse(_text(record, attribute)))
    return _text(record, attribute)


def _time(record: Mapping[str, Any]) -> Test:
    first = _moment(record, "value1")
    operator = record["op"]
    if operator == "EQUAL":
        return lambda event: event.timestamp == first
    if operator == "UNEQUAL":
        return lambda event: event.timestamp != first
    if operator == "LESS":
        return lambda event: event.timestamp < first
    if operator == "GREATER":
        return lambda event: event.timestamp > first
    if operator == "WITHIN":
        last = _moment(record, "value2")
        return lambda event: first <= event.timestamp <= last
    raise QueryRefused(f"TIME cannot be compared by {operator}")


def _text(record: Mapping[str, Any], attribute: str) -> str:
    value = (record.get("value1") or {}).get("c")
    if value is None:
        raise QueryRefused(f"{attribute} is compared with a text (value1/c)")
    return str(value)


def _moment(record: Mapping[str, Any], which: str) -> datetime.datetime:
    value = (record.get(which) or {}).get("t")
    if value is None:
        raise QueryRefused(f"TIME is compared with a time ({which}/t)")
    try:
        return from_timeval(value)
    except (ValueError, OverflowError):
        raise QueryRefused(f"{which} is not a time") from None
