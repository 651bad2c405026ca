"""Times on the command line: ``hh:mm`` from now and ``[MM:DD:]hh:mm[:[CC]YY]`` on the calendar, local time."""

from __future__ import annotations

import datetime
import re

from clients.errors import OptionError

_FIELD = re.compile(r"\d{1,4}")


def _fields(text: str) -> list[int]:
    parts = text.split(":")
    if not all(_FIELD.fullmatch(part) for part in parts):
        raise OptionError(f"wrong time value: {text}", title="Wrong Time Value")
    return [int(part) for part in parts]


def valid_until(text: str, now: datetime.datetime) -> datetime.datetime:
    """``hh:mm`` from ``now``, seconds dropped.

    :raises OptionError: another form, or no time at all.
    """
    fields = _fields(text)
    if len(fields) != 2 or fields[1] > 59 or fields == [0, 0]:
        raise OptionError(
            f"wrong time value: {text} (the form is hh:mm, more than 00:00)", title="Wrong Time Value"
        )
    local = now.astimezone().replace(second=0, microsecond=0)
    return local + datetime.timedelta(hours=fields[0], minutes=fields[1])


def moment(text: str, now: datetime.datetime) -> datetime.datetime:
    """A moment of the local calendar: ``hh:mm`` today, ``MM:DD:hh:mm`` this year, ``MM:DD:hh:mm:[CC]YY``.

    :raises OptionError: another form, or no such moment.
    """
    fields = _fields(text)
    local = now.astimezone()
    if len(fields) == 2:
        month, day, hour, minute, year = local.month, local.day, fields[0], fields[1], local.year
    elif len(fields) == 4:
        month, day, hour, minute, year = fields[0], fields[1], fields[2], fields[3], local.year
    elif len(fields) == 5:
        month, day, hour, minute, year = fields
        year += 2000 if year < 100 else 0
    else:
        raise OptionError(
            f"wrong time value: {text} (the form is [MM:DD:]hh:mm[:[CC]YY])", title="Wrong Time Value"
        )
    try:
        naive = datetime.datetime(year, month, day, hour, minute)
        return naive.astimezone()
    except (ValueError, OverflowError) as error:
        raise OptionError(f"wrong time value: {text} ({error})", title="Wrong Time Value") from error


def expiry(text: str, now: datetime.datetime) -> datetime.datetime:
    """``--to``: a moment that must lie ahead.

    :raises OptionError: it does not.
    """
    end = moment(text, now)
    if end <= now:
        raise OptionError(f"the time value is out of limit: {text}", title="Wrong Time Value")
    return end
