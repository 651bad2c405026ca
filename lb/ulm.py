r"""Universal Logger Message lines: an event as one line of text, as L&B keeps and sends it.

``DATE=20080928052456.355641 HOST="ui.example.org" PROG=edg-wms LVL=SYSTEM DG.PRIORITY=0 DG.SOURCE="NetworkServer"
DG.EVNT="Match" DG.JOBID="https://…" DG.SEQCODE="UI=…" DG.USER="/DC=…" DG.MATCH.DEST_ID="…"``

Inside quotes ``\"``, ``\\`` and ``\n`` are escapes.  Written in this order, read in any order.
"""

from __future__ import annotations

import re
from typing import Final

from grid.clock import from_ulm_date, ulm_date
from grid.errors import InvalidArgument
from grid.jobid import JobId
from grid.limits import MAX_EVENT_LINE
from grid.states import Source
from lb.errors import EventError, UlmError
from lb.events import Event
from lb.eventtypes import BY_UPPER_NAME, EventType

_PROGRAM: Final = "edg-wms"
_PAIR = re.compile(r'([A-Za-z0-9._-]{1,128})=(?:"((?:[^"\\\n]|\\["\\n])*)"|([^\s"]*))(?:[ \t]+|$)')
_ESCAPE = re.compile(r'\\(["\\n])')
_IGNORED: Final = frozenset(("PROG", "DG.LLLID", "DG.EXPIRES", "DG.TYPE"))
"""Names that other L&B writers add and that say nothing about the event."""


def encode(event: Event) -> str:
    """Write ``event`` as one line without its newline.

    :raises EventError: when the line would be longer than a server takes.
    """
    prefix = f"DG.{event.type.upper()}."
    parts = [f"DG.ARRIVED={ulm_date(event.arrived)}"] if event.arrived else []
    parts += [
        f"DATE={ulm_date(event.timestamp)}",
        f"HOST={_quote(event.host)}",
        f"PROG={_PROGRAM}",
        f"LVL={event.level}",
        f"DG.PRIORITY={event.priority}",
        f"DG.SOURCE={_quote(event.source.value)}",
    ]
    if event.src_instance is not None:
        parts.append(f"DG.SRC_INSTANCE={_quote(event.src_instance)}")
    parts += [
        f"DG.EVNT={_quote(event.type)}",
        f"DG.JOBID={_quote(str(event.jobid))}",
        f"DG.SEQCODE={_quote(event.seqcode)}",
        f"DG.USER={_quote(event.user)}",
    ]
    own = event.definition.fields
    parts += [f"{prefix}{f.ulm}={_quote(event.fields[f.name])}" for f in own if f.name in event.fields]
    line = " ".join(parts)
    if len(line.encode()) > MAX_EVENT_LINE:
        raise EventError(event.type, f"its line is longer than {MAX_EVENT_LINE} bytes")
    return line


def decode(line: str) -> Event:
    """Read one line (with or without its newline).

    :raises UlmError: when it is not an event; ``ulm_code`` tells the kind of fault.
    """
    pairs = _pairs(line)
    definition = BY_UPPER_NAME.get(_take(pairs, "DG.EVNT").upper())
    if definition is None:
        raise UlmError(UlmError.UNKNOWN_EVENT, "DG.EVNT names no event type")
    arrived = pairs.pop("DG.ARRIVED", None)
    try:
        return Event(
            type=definition.name,
            timestamp=from_ulm_date(_take(pairs, "DATE")),
            host=_take(pairs, "HOST"),
            level=pairs.pop("LVL", "SYSTEM").upper(),
            priority=_integer(pairs.pop("DG.PRIORITY", "0")),
            source=_source(_take(pairs, "DG.SOURCE")),
            src_instance=pairs.pop("DG.SRC_INSTANCE", None),
            jobid=JobId.parse(_take(pairs, "DG.JOBID")),
            seqcode=_take(pairs, "DG.SEQCODE"),
            user=pairs.pop("DG.USER", ""),
            arrived=None if arrived is None else from_ulm_date(arrived),
            fields=_own_fields(definition, pairs),
        )
    except UlmError:
        raise
    except EventError as error:
        code = UlmError.MISSING_FIELD if error.description.endswith("is missing") else UlmError.BAD_VALUE
        raise UlmError(code, error.description) from error
    except InvalidArgument as error:
        raise UlmError(UlmError.BAD_VALUE, error.description) from error


def job_of(line: str) -> JobId:
    """The job that a line is about, without reading the rest: what a transport needs to know.

    :raises UlmError: when the line has no readable DG.JOBID.
    """
    found = re.search(r'(?:^|[ \t])DG\.JOBID=(?:"([^"\\\s]*)"|([^\s"]+))(?:[ \t]|$)', line)
    try:
        if found is None:
            raise UlmError(UlmError.MISSING_FIELD, "DG.JOBID is missing")
        return JobId.parse(found[1] or found[2] or "")
    except InvalidArgument as error:
        raise error if isinstance(error, UlmError) else UlmError(UlmError.BAD_VALUE, error.description) from error


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _unquote(text: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], text) if "\\" in text else text


def _pairs(line: str) -> dict[str, str]:
    if len(line) > MAX_EVENT_LINE:
        raise UlmError(UlmError.BROKEN, f"it is longer than {MAX_EVENT_LINE} bytes")
    line = line.rstrip("\n").strip(" \t")
    pairs: dict[str, str] = {}
    at = 0
    while at < len(line):
        found = _PAIR.match(line, at)
        if found is None:
            raise UlmError(UlmError.BROKEN, f"no NAME=value at character {at}")
        name = found[1].upper()
        if name in pairs:
            raise UlmError(UlmError.BROKEN, f"{name} is given twice")
        pairs[name] = found[3] if found[2] is None else _unquote(found[2])
        at = found.end()
    return pairs


def _take(pairs: dict[str, str], name: str) -> str:
    try:
        return pairs.pop(name)
    except KeyError:
        raise UlmError(UlmError.MISSING_FIELD, f"{name} is missing") from None


def _integer(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise UlmError(UlmError.BAD_VALUE, "DG.PRIORITY is not a number")
    return int(text)


def _source(name: str) -> Source:
    if name not in Source.__members__:
        raise UlmError(UlmError.BAD_VALUE, "DG.SOURCE names no component")
    return Source[name]


def _own_fields(definition: EventType, pairs: dict[str, str]) -> dict[str, str]:
    prefix = f"DG.{definition.name.upper()}."
    by_ulm = {f"{prefix}{field.ulm}": field.name for field in definition.fields}
    fields: dict[str, str] = {}
    for name, value in pairs.items():
        if name in by_ulm:
            fields[by_ulm[name]] = value
        elif name not in _IGNORED:
            raise UlmError(UlmError.EXTRA_FIELD, f"{name} is not a field of {definition.name}")
    return fields
