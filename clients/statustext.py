"""The status of a job as text and as JSON, in the classic layout (gLite WMS user interface)."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from clients.bookkeeping import LoggedEvent, Status, asctime, aware
from clients.jsontext import Json
from clients.messages import WIDTH, bar
from grid.states import JobState

BANNER: Final = "======================= glite-wms-job-status Success ====================="
_LABEL: Final = 20
_NAME: Final = 27
_REASONS_OF: Final = {JobState.Done: (("Done",), 2), JobState.Aborted: (("Done", "Abort"), 1)}
_REASONS_OF[JobState.Cancelled] = (("Done", "Cancel"), 1)
_LONG: Final = frozenset(
    ("jdl", "matchedJdl", "condorJdl", "rsl", "childrenHist", "stateEnterTimes", "jdlClassad", "history")
)
_ALWAYS_THERE: Final = ("state", "childrenStates", "subjobFailed", "removeFromProxy", "expectUpdate")
_UNSET: Final[tuple[Any, ...]] = (None, "", "(nil)", [], ())
_FOREIGN: Final = re.compile(r"(?:pbs|condor(?!Id|Jdl)|cream|ft|vm)[A-Z]")


def block(status: Status, events: Sequence[LoggedEvent], level: int, depth: int = 0) -> list[str]:
    """The lines about one job at a verbosity of 0 to 3; nodes follow their parent, indented.

    :param events: the job's events, for the logged reasons; may be empty.
    :param depth: how many parents are printed above.
    """
    pad = " " * (4 * depth)
    node = _node_name(status)
    lines = [f"{pad}Status info for the Job : {status.text('jobId')}"]
    lines += [f"{pad}{line}" for line in _short(status, events, level)]
    if node and depth:
        lines.insert(1, f"{pad}{_labelled('Node Name:', node)}")
    if level >= 2:
        lines += [f"{pad}{line}" for line in _long(status, level)]
    return lines


def tree(status: Status, events: Sequence[LoggedEvent], level: int, depth: int = 0) -> list[str]:
    """A job and its nodes."""
    lines = block(status, events, level, depth)
    for number, child in enumerate(status.children):
        if number == 0:
            of = f" {status.text('jobId')}" if level > 1 else ""
            lines += ["", f" - Nodes information for: {of}".rstrip() + (" " if level <= 1 else "")]
        lines += ["", *tree(child, (), level, depth + 1)]
    return lines


def document(blocks: Sequence[Sequence[str]], level: int) -> str:
    """All blocks in their frames: one for each job, at level 0 one for all."""
    if level == 0:
        lines = [line for one in blocks for line in (*one, "")]
        return "\n".join(["", BANNER, "BOOKKEEPING INFORMATION:", "", *lines[:-1], bar(WIDTH), ""])
    framed = [
        "\n".join(["", BANNER, "BOOKKEEPING INFORMATION:", "", *one, bar(WIDTH), ""]) for one in blocks
    ]
    return "\n".join(framed)


def _labelled(label: str, value: object) -> str:
    return f"{label:<{_LABEL}}{value}"


def _short(status: Status, events: Sequence[LoggedEvent], level: int) -> Iterator[str]:
    yield _labelled("Current Status:", status.shown)
    if level == 0:
        return
    reasons = logged_reasons(status, events)
    if reasons:
        yield "Logged Reason(s):"
        yield from (f"    - {reason}" for reason in reasons)
    if status.state is JobState.Done:
        yield _labelled("Exit code:", status.exit_code)
    for label, name in (("Status Reason:", "reason"), ("Destination:", "destination")):
        text = status.text(name)
        if text:
            yield _labelled(label, text)
    if status.submitted:
        yield _labelled("Submitted:", asctime(status.submitted))
    parent = status.text("parentJob")
    if parent:
        yield _labelled("Parent Job:", parent)


def logged_reasons(status: Status, events: Sequence[LoggedEvent]) -> list[str]:
    """What Done (Abort, Cancel) events say: from two Done events on, from one on for aborted and cancelled jobs."""
    if status.shown == "Done(Exit Code !=0)" or status.state not in _REASONS_OF:
        return []
    names, least = _REASONS_OF[status.state]
    texts = [str(event.fields["reason"]) for event in events if event.name in names and event.fields.get("reason")]
    distinct = list(dict.fromkeys(texts))
    return distinct if len(texts) >= least else []


def _node_name(status: Status) -> str | None:
    found = re.search(r'\bnodename\s*=\s*"([^"]*)"', status.text("jdl") or "", re.IGNORECASE)
    return found[1] if found else None


def _long(status: Status, level: int) -> Iterator[str]:
    yield ""
    yield "---"
    for name in sorted(status.fields, key=str.lower):
        value = status.fields[name]
        if name in _ALWAYS_THERE or value in _UNSET or _unset_elsewhere(name, value):
            continue
        if name in _LONG and level < 3:
            continue
        text = _value(value)
        if text in ("", "(nil)"):
            continue
        yield f"- {attribute_label(name):<{_NAME}}=    {text}"


def _unset_elsewhere(name: str, value: Any) -> bool:
    """True for numbers and flags of batch systems, transfers and machines that this job never saw."""
    return bool(_FOREIGN.match(name)) and (value is False or value in (0, -1))


def attribute_label(name: str) -> str:
    """``stateEnterTime`` → ``Stateentertime``, ``networkServer`` → ``Network server``: L&B's own names, capitalised."""
    if name in _JOINED:
        return name.lower().capitalize()
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower().capitalize()


_JOINED: Final = frozenset(
    ("jobId", "condorId", "globusId", "localId", "stateEnterTime", "stateEnterTimes", "lastUpdateTime", "jobtype")
)
"""Names that L&B itself writes without an underscore."""


def _value(value: Any) -> str:
    moment = aware(value)
    if moment is not None:
        return asctime(moment)
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, dict):
        return "" if {"tvSec", "tvUsec"} <= set(value) else _pair(value)
    if isinstance(value, (list, tuple)):
        return "\n    ".join(["", *(_value(item) for item in value)])
    return str(value)


def _pair(item: dict[str, Any]) -> str:
    """One entry of a histogram, of tags or of times."""
    first, second = (str(item.get("tag") or item.get("state") or ""), item.get("value", item.get("count")))
    if "time" in item:
        moment = aware(item["time"])
        second = asctime(moment) if moment and moment.timestamp() > 0 else "-"
    if "state" in item:
        first = first.capitalize()
    return f"{first} : {'' if second is None else second}"


def as_json(status: Status, events: Sequence[LoggedEvent], level: int) -> dict[str, Json]:
    """One job as the value of its id in the JSON answer; more attributes from level 2 on."""
    entry: dict[str, Json] = {"Current Status": status.shown}
    if level == 0:
        return entry
    if status.state is JobState.Done:
        entry["Exit code"] = status.exit_code
    for label, name in (
        ("Status Reason", "reason"),
        ("Destination", "destination"),
        ("Parent Job", "parentJob"),
    ):
        text = status.text(name)
        if text:
            entry[label] = text
    reasons = logged_reasons(status, events)
    if reasons:
        entry["Logged Reasons"] = reasons
    if status.submitted:
        entry["Submitted"] = asctime(status.submitted)
    for state, moment in status.entered.items():
        if state is JobState.Submitted:
            continue  # the date above
        entry[str(state)] = str(int(moment.timestamp()))
    if level >= 2:
        entry["Attributes"] = {
            attribute_label(name): plain(value)
            for name, value in status.fields.items()
            if name not in _ALWAYS_THERE and value not in _UNSET and not _unset_elsewhere(name, value)
            if name not in _LONG or level >= 3
        }
    if status.children:
        entry["Nodes"] = {child.text("jobId") or "": as_json(child, (), level) for child in status.children}
    return entry


def plain(value: Any) -> Json:
    """A value of the wire as JSON knows it; times as ISO 8601."""
    moment = aware(value)
    if moment is not None:
        return moment.isoformat()
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
