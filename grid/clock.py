"""Times as texts: xsd:dateTime in UTC and the dates of ULM lines."""

from __future__ import annotations

import datetime
import re

from grid.errors import InvalidArgument

_ULM = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d{1,6}))?")


def now() -> datetime.datetime:
    """The current time, aware, UTC, microseconds."""
    return datetime.datetime.now(datetime.UTC)


def iso_z(moment: datetime.datetime) -> str:
    """``2026-11-21T06:00:00Z``: xsd:dateTime, whole seconds, the form that gSOAP clients read."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ulm_date(moment: datetime.datetime) -> str:
    """``20080928052456.355641``: UTC with microseconds."""
    return moment.astimezone(datetime.UTC).strftime("%Y%m%d%H%M%S.%f")


def from_ulm_date(text: str) -> datetime.datetime:
    """Invert :func:`ulm_date`; the fraction may be shorter or absent.

    :raises InvalidArgument: when the text has another form or names no real moment.
    """
    found = _ULM.fullmatch(text)
    try:
        if found is None:
            raise ValueError("form")
        parts = [int(group) for group in found.groups()[:6]]
        micro = int((found[7] or "0").ljust(6, "0"))
        return datetime.datetime(*parts, micro, tzinfo=datetime.UTC)  # type: ignore[misc,arg-type]
    except ValueError as error:
        raise InvalidArgument(f"{text[:40]!r} is not a ULM date of the form YYYYMMDDhhmmss.uuuuuu") from error
