"""The builtin functions of time: points in time and spans."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from jdl.classad import ClassAd
from jdl.function import Function, number_of, whole
from jdl.scope import Run, Scope
from jdl.values import ERROR, AbsTime, Record, RelTime, Value, finite

__all__ = ["TIMES"]

MAX_OFFSET: Final = 86_399
"""Seconds between a place's time and UTC."""

_ABSOLUTE: Final = re.compile(
    r"\s*(?P<date>[0-9]{4}-?[0-9]{2}-?[0-9]{2})"
    r"(?:[T ]\s*(?P<time>[0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?))?"
    r"\s*(?P<zone>Z|z|[+-][0-9]{2}:?[0-9]{2})?\s*\Z"
)
_RELATIVE: Final = re.compile(
    r"\s*(?P<sign>[+-]?)(?:(?P<days>[0-9]{1,9})\+)?"
    r"(?:(?:(?P<hours>[0-9]{1,9}):)?(?P<minutes>[0-9]{1,9}):)?(?P<seconds>[0-9]{1,12}(?:\.[0-9]{0,9})?)\s*\Z"
)
_NAMED: Final = re.compile(
    r"\s*(?P<sign>[+-]?)(?:(?P<days>[0-9]{1,9})[dD])?\s*(?:(?P<hours>[0-9]{1,9})[hH])?\s*"
    r"(?:(?P<minutes>[0-9]{1,9})[mM])?\s*(?:(?P<seconds>[0-9]{1,12}(?:\.[0-9]{0,9})?)[sS])?\s*\Z"
)
_UNITS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


def _absolute(run: Run, value: Any = None, offset: Any = 0) -> Value:
    """absTime() is now, absTime(seconds since 1970[, offset in seconds]), absTime("2026-03-01T12:00:00+01:00")."""
    if value is None:
        return ERROR if run.clock is None else AbsTime(int(run.clock()), 0)
    if type(value) is str:
        return _read_absolute(value)
    if type(offset) is not int or abs(offset) > MAX_OFFSET or type(value) not in (int, float, AbsTime, RelTime):
        return ERROR
    seconds = whole(number_of(value))
    return AbsTime(seconds, offset) if type(seconds) is int else ERROR


def _read_absolute(text: str) -> Value:
    match = _ABSOLUTE.match(text[:100])
    if match is None:
        return ERROR
    digits = (match["date"] + (match["time"] or "")).replace("-", "").replace(":", "").ljust(14, "0")
    zone = (match["zone"] or "Z").upper().replace(":", "")
    offset = 0
    if zone != "Z":
        offset = (int(zone[1:3]) * 3600 + int(zone[3:5]) * 60) * (-1 if zone[0] == "-" else 1)
    try:
        moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return ERROR
    if abs(offset) > MAX_OFFSET:
        return ERROR
    return AbsTime(int(moment.timestamp()) - offset, offset)


def _relative(run: Run, value: Any) -> Value:
    """relTime(seconds), relTime("1+02:03:04"), relTime("1d2h3m4s")."""
    if type(value) is str:
        match = _RELATIVE.match(value[:100]) or _NAMED.match(value[:100])
        if match is None:
            return ERROR
        total = sum(float(match[name] or 0) * unit for name, unit in _UNITS)
        return RelTime(-total if match["sign"] == "-" else total)
    if type(value) not in (int, float, AbsTime, RelTime):
        return ERROR
    seconds = finite(float(value if type(value) in (int, float) else value.seconds))
    return RelTime(seconds) if type(seconds) is float else ERROR


def _local(value: AbsTime) -> datetime | None:
    """The point in time as the clocks show it there; None before the year 1 and after 9999."""
    try:
        return datetime(1970, 1, 1, tzinfo=timezone(timedelta(seconds=value.offset))) + timedelta(
            seconds=value.seconds + value.offset
        )
    except OverflowError:
        return None


def _parts(seconds: float) -> tuple[int, int, int, float]:
    """Days, hours, minutes and seconds of a span; all have its sign."""
    sign = -1 if seconds < 0 else 1
    rest = abs(seconds)
    days, rest = divmod(rest, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    return sign * int(days), sign * int(hours), sign * int(minutes), sign * rest


def _of_date(part: Callable[[datetime], int]) -> Function:
    """A part of a point in time in UTC."""

    def body(run: Run, value: Any) -> Value:
        local = _local(AbsTime(value.seconds, 0)) if type(value) is AbsTime else None
        return ERROR if local is None else part(local)

    return Function(body, 1, 1, strict=False)


def _of_either(part: Callable[[datetime], int], index: int) -> Function:
    """A part of a point in time or of a span."""
    of_date = _of_date(part).body

    def body(run: Run, value: Any) -> Value:
        return int(_parts(value.seconds)[index]) if type(value) is RelTime else of_date(run, value)

    return Function(body, 1, 1, strict=False)


def _days(run: Run, value: Any) -> Value:
    return _parts(value.seconds)[0] if type(value) is RelTime else ERROR


def _format_time(run: Run, value: Any = None, form: Any = "%c") -> Value:
    """A point in time, or seconds since 1970 in UTC, as strftime() of the C locale writes it."""
    if value is None:
        if run.clock is None:
            return ERROR
        value = int(run.clock())
    if type(form) is not str or len(form) > 1000 or type(value) not in (int, float, AbsTime):
        return ERROR
    if type(value) is not AbsTime:
        seconds = whole(number_of(value))
        if type(seconds) is not int:
            return ERROR
        value = AbsTime(seconds, 0)
    local = _local(value)
    return ERROR if local is None else _DIRECTIVE.sub(lambda match: _directive(match, local), form)


_DIRECTIVE: Final = re.compile(r"%(.)", re.DOTALL)
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def _directive(match: re.Match[str], moment: datetime) -> str:
    """What one directive stands for; its names are English whatever the locale of the process."""
    letter = match[1]
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    clock = f"{moment.hour:02}:{moment.minute:02}:{moment.second:02}"
    known = {
        "a": day[:3],
        "A": day,
        "b": month[:3],
        "B": month,
        "c": f"{day[:3]} {month[:3]} {moment.day:2} {clock} {moment.year}",
        "d": f"{moment.day:02}",
        "D": f"{moment.month:02}/{moment.day:02}/{moment.year % 100:02}",
        "e": f"{moment.day:2}",
        "F": f"{moment.year}-{moment.month:02}-{moment.day:02}",
        "H": f"{moment.hour:02}",
        "I": f"{(moment.hour + 11) % 12 + 1:02}",
        "j": f"{moment.timetuple().tm_yday:03}",
        "m": f"{moment.month:02}",
        "M": f"{moment.minute:02}",
        "n": "\n",
        "p": "AM" if moment.hour < 12 else "PM",
        "R": f"{moment.hour:02}:{moment.minute:02}",
        "S": f"{moment.second:02}",
        "t": "\t",
        "T": clock,
        "u": str(moment.isoweekday()),
        "w": str(moment.isoweekday() % 7),
        "y": f"{moment.year % 100:02}",
        "Y": str(moment.year),
        "Z": "UTC" if not moment.utcoffset() else f"{moment:%z}",
        "z": f"{moment:%z}",
        "%": "%",
    }
    return known.get(letter, match[0])


def _interval(run: Run, value: Any) -> Value:
    """Seconds as ``days+hours:minutes:seconds``, without what is zero in front."""
    seconds = whole(number_of(value))
    if type(seconds) is not int:
        return ERROR
    days, hours, minutes, rest = _parts(abs(seconds))
    sign = "-" if seconds < 0 else ""
    if days:
        return f"{sign}{days}+{hours:02}:{minutes:02}:{int(rest):02}"
    if hours:
        return f"{sign}{hours}:{minutes:02}:{int(rest):02}"
    return f"{sign}{minutes}:{int(rest):02}" if minutes else f"{sign}{int(rest)}"


def _split_time(run: Run, value: Any) -> Value:
    """An ad of the parts of a point in time, or of a span."""
    if type(value) is RelTime:
        days, hours, minutes, seconds = _parts(value.seconds)
        return _record(run, Type="RelativeTime", Days=days, Hours=hours, Minutes=minutes, Seconds=seconds)
    if type(value) in (int, float):
        value = _absolute(run, value)
    local = _local(value) if type(value) is AbsTime else None
    if local is None:
        return ERROR
    return _record(
        run,
        Type="AbsoluteTime",
        Year=local.year,
        Month=local.month,
        Day=local.day,
        Hours=local.hour,
        Minutes=local.minute,
        Seconds=local.second,
        Offset=value.offset,
    )


def _record(run: Run, **attributes: object) -> Value:
    ad = ClassAd()
    for name, value in attributes.items():
        ad.set(name, value)
    return Record(ad, Scope(ad, None, None, run))


def _now(make: Callable[[int], Value]) -> Function:
    return Function(lambda run: ERROR if run.clock is None else make(int(run.clock())), 0, 0, pure=False)


TIMES: Final[dict[str, Function]] = {
    "time": _now(lambda seconds: seconds),
    "currenttime": _now(lambda seconds: AbsTime(seconds, 0)),
    "daytime": _now(lambda seconds: RelTime(float(seconds % 86_400))),
    "timezoneoffset": Function(lambda run: RelTime(0.0), 0, 0),
    "abstime": Function(_absolute, 0, 2, pure=False),
    "reltime": Function(_relative, 1, 1),
    "getyear": _of_date(lambda moment: moment.year),
    "getmonth": _of_date(lambda moment: moment.month),
    "getdayofyear": _of_date(lambda moment: moment.timetuple().tm_yday - 1),
    "getdayofmonth": _of_date(lambda moment: moment.day),
    "getdayofweek": _of_date(lambda moment: moment.isoweekday() % 7),
    "getdays": Function(_days, 1, 1, strict=False),
    "gethours": _of_either(lambda moment: moment.hour, 1),
    "getminutes": _of_either(lambda moment: moment.minute, 2),
    "getseconds": _of_either(lambda moment: moment.second, 3),
    "formattime": Function(_format_time, 0, 2, strict=False, pure=False),
    "interval": Function(_interval, 1, 1, strict=False),
    "splittime": Function(_split_time, 1, 1),
}
