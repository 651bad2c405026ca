"""The simple types of XML Schema part 2: text of the wire to Python values and back, with their checks."""

from __future__ import annotations

import base64
import binascii
import datetime
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Final

from grid.clock import iso_z
from wsdl.schema import SchemaError, SimpleType

FromText = Callable[[str], object]
ToText = Callable[[object], str]

_INTEGERS: Final[dict[str, tuple[int | None, int | None]]] = {
    "integer": (None, None),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-(2**7), 2**7 - 1),
    "nonNegativeInteger": (0, None),
    "positiveInteger": (1, None),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 2**8 - 1),
}
_COLLAPSED: Final = frozenset({"token", "anyURI", "NCName", "Name", "ID", "IDREF", "NMTOKEN", "QName", "language"})
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}")
_DATE_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


def from_text(kind: SimpleType) -> FromText:
    """The function that reads a value of ``kind``; it raises ValueError with a reason for anything else.

    :raises SchemaError: for a type that no contract here uses.
    """
    read = _from_text(kind.base)
    if not kind.enumeration:
        return read
    allowed = frozenset(kind.enumeration)

    def enumerated(text: str) -> object:
        value = text.strip()
        if value not in allowed:
            raise ValueError(f"{value[:60]!r} is not one of {', '.join(kind.enumeration[:12])}")
        return value

    return enumerated


def to_text(kind: SimpleType) -> ToText:
    """The function that writes a value of ``kind``; it raises TypeError or ValueError for what is none."""
    write = _to_text(kind.base)
    if not kind.enumeration:
        return write
    allowed = frozenset(kind.enumeration)

    def enumerated(value: object) -> str:
        text = write(value)
        if text not in allowed:
            raise ValueError(f"{text[:60]!r} is not one of {', '.join(kind.enumeration[:12])}")
        return text

    return enumerated


def _from_text(base: str) -> FromText:
    if base == "string":
        return str
    if base == "normalizedString":
        return lambda text: re.sub(r"[\t\n\r]", " ", text)
    if base in _COLLAPSED:
        return lambda text: " ".join(text.split())
    if base in _INTEGERS:
        return _integer(base, *_INTEGERS[base])
    found = {
        "boolean": _boolean,
        "dateTime": _date_time,
        "double": _float,
        "float": _float,
        "decimal": _decimal,
        "base64Binary": _base64,
    }.get(base)
    if found is None:
        raise SchemaError(f"the type xsd:{base} is not understood")
    return found


def _to_text(base: str) -> ToText:
    if base == "string" or base == "normalizedString" or base in _COLLAPSED:
        return _string
    if base in _INTEGERS:
        return _digits(base, *_INTEGERS[base])
    found: ToText | None = {
        "boolean": _truth,
        "dateTime": _moment,
        "double": _real,
        "float": _real,
        "decimal": _real,
        "base64Binary": _encoded,
    }.get(base)
    if found is None:
        raise SchemaError(f"the type xsd:{base} is not understood")
    return found


def _boolean(text: str) -> bool:
    value = _BOOLEANS.get(text.strip())
    if value is None:
        raise ValueError(f"{text.strip()[:60]!r} is not a boolean (true, false, 1 or 0)")
    return value


def _integer(base: str, least: int | None, most: int | None) -> FromText:
    def read(text: str) -> int:
        digits = text.strip(" \t\r\n")
        if not _NUMBER.fullmatch(digits):
            raise ValueError(f"{digits[:60]!r} is not a number of type {base}")
        return _within(int(digits), base, least, most)

    return read


def _within(value: int, base: str, least: int | None, most: int | None) -> int:
    if (least is not None and value < least) or (most is not None and value > most):
        raise ValueError(f"{str(value)[:60]} is out of the range of {base}")
    return value


def _float(text: str) -> float:
    value = text.strip()
    if value in ("INF", "-INF", "NaN"):
        return float(value.replace("INF", "inf"))
    if not re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value, re.ASCII):
        raise ValueError(f"{value[:60]!r} is not a number")
    return float(value)


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text.strip()[:60]!r} is not a decimal number") from None
    if not value.is_finite():
        raise ValueError(f"{text.strip()[:60]!r} is not a decimal number")
    return value


def _date_time(text: str) -> datetime.datetime:
    """xsd:dateTime; a moment without a time zone is taken as UTC."""
    found = _DATE_TIME.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError("form")
        micro = int((found[7] or "")[:6].ljust(6, "0"))
        zone = datetime.UTC
        if found[8] not in (None, "Z"):
            away = datetime.timedelta(hours=int(found[8][1:3]), minutes=int(found[8][4:6]))
            zone = datetime.timezone(-away if found[8][0] == "-" else away)
        moment = datetime.datetime(*(int(found[n]) for n in range(1, 7)), micro, tzinfo=zone)  # type: ignore[arg-type,misc]
        return moment.astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text.strip()[:60]!r} is not a date and time (xsd:dateTime)") from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        raise ValueError("it is not base64") from None


def _string(value: object) -> str:
    if isinstance(value, str):
        return str(value.value) if hasattr(value, "value") else value  # a text enumeration is sent as its value
    raise TypeError(f"a {type(value).__name__} stands where a text belongs")


def _digits(base: str, least: int | None, most: int | None) -> ToText:
    def write(value: object) -> str:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"a {type(value).__name__} stands where a number of type {base} belongs")
        return str(_within(int(value), base, least, most))

    return write


def _truth(value: object) -> str:
    if not isinstance(value, bool):
        raise TypeError(f"a {type(value).__name__} stands where a boolean belongs")
    return "true" if value else "false"


def _moment(value: object) -> str:
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        raise TypeError(f"a {type(value).__name__} stands where a moment with a time zone belongs")
    return iso_z(value)


def _real(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise TypeError(f"a {type(value).__name__} stands where a number belongs")
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("INF" if value > 0 else "-INF")
    return str(value)


def _encoded(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"a {type(value).__name__} stands where bytes belong")
    return base64.b64encode(value).decode("ascii")
