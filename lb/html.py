"""Pages as HTML.  Every text goes through :func:`html.escape`; there is no other way into a page."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import quote

from grid.clock import iso_z
from grid.states import DoneCode, JobState
from lb.events import Event
from lb.status import JobStatus
from lb.stylesheet import STYLE

_COLOURS: Final = {
    JobState.Running: "busy",
    JobState.Aborted: "bad",
    JobState.Cancelled: "bad",
    JobState.Done: "good",
    JobState.Cleared: "good",
}
_WHOLE_TEXT: Final = 4000
_SHORT_TEXT: Final = 300
_ORDER: Final = tuple(JobState)
_NODE_NAME: Final = re.compile(r'\bnodename\s*=\s*"([^"\\]*)"', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of a compound job, as far as a page shows them.

    :ivar counts: how many of all are in which state.
    :ivar shown: the first ones' statuses, in their order.
    :ivar whole: these are all.
    """

    counts: Sequence[tuple[JobState, int]]
    shown: Sequence[JobStatus]
    whole: bool


def page(title: str, body: str, host: str) -> bytes:
    """A whole page around ``body``, which is HTML already."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f'<header><p class="where"><a href="/">Logging and Bookkeeping, {escape(host)}</a></p>'
        f"<h1>{escape(title)}</h1></header>\n<main>\n{body}\n</main>\n"
        "<footer>Times are UTC.</footer>\n</body>\n</html>\n"
    ).encode("utf-8", "replace")


def message(*sentences: str) -> str:
    """Paragraphs."""
    return "\n".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)


def state_words(status: JobStatus) -> str:
    """A state as users know it: ``Done (Success)``, ``Done (Failed)``, ``Done (Exit Code !=0)``."""
    if status.state is not JobState.Done:
        return status.state.value
    if status.done_code is DoneCode.OK:
        return "Done (Success)" if status.exit_code == 0 else "Done (Exit Code !=0)"
    return "Done (Failed)" if status.done_code is DoneCode.FAILED else "Done"


def job(status: JobStatus, events: Sequence[Event], nodes: Nodes | None = None) -> str:
    """The page of one job: state, attributes, nodes, times, events, description."""
    parts = [f"<p>{_badge(status)}</p>", _attributes(status)]
    if nodes is not None and nodes.shown:
        parts.append(f"<h2>Nodes</h2>\n{_nodes(status, nodes)}")
    parts.append(f"<h2>Times</h2>\n{_times(status)}")
    parts.append(f"<h2>Events</h2>\n{_events(events)}")
    for title, text in (("Description", status.jdl), ("Description as matched", status.matched_jdl)):
        if text:
            parts.append(f"<h2>{title}</h2>\n<pre>{escape(text)}</pre>")
    parts.append('<p><a href="?text">The same as text</a></p>')
    return "\n".join(parts)


def job_list(jobs: Sequence[JobStatus], *, whole: bool) -> str:
    """The page of somebody's jobs; ``whole`` says that these are all."""
    if not jobs:
        return message("You have no jobs here.")
    rows = (
        [
            _link(str(status.job_id)),
            _kind(status),
            _badge(status),
            escape(status.destination or ""),
            _moment(status.entered(JobState.Submitted)),
            _moment(status.last_update_time),
        ]
        for status in jobs
    )
    note = "" if whole else message(f"There are more; the newest {len(jobs)} are shown.")
    return _table(("Job", "Kind", "State", "Destination", "Submitted", "Last update"), rows) + note


def _kind(status: JobStatus) -> str:
    """What a list says a job is: a node names its parent, a compound job its nodes' number."""
    if status.parent_job:
        name = f"node {_node_name(status)}".strip()
        return f"{escape(name)} of {_link(status.parent_job, short=True)}"
    return escape(f"{status.jobtype}, {status.children_num} nodes" if status.compound else status.jobtype)


def _node_name(status: JobStatus) -> str:
    """The name that a node has in its request, as its registered description says it; empty before that is known."""
    found = _NODE_NAME.search(status.jdl or "")
    return found[1] if found else ""


def _link(jobid: str, *, short: bool = False) -> str:
    """A job's identifier, or its end, as a link to its page."""
    unique = jobid.rpartition("/")[2]
    return f'<a href="/{escape(unique)}"><code>{escape(unique if short else jobid)}</code></a>'


def _badge(status: JobStatus) -> str:
    colour = _COLOURS.get(status.state, "")
    if status.state is JobState.Done and (status.done_code is not DoneCode.OK or status.exit_code):
        colour = "bad"
    return f'<span class="state {colour}">{escape(state_words(status))}</span>'


def _attributes(status: JobStatus) -> str:
    named = (
        ("Job", str(status.job_id)),
        ("Name", _node_name(status) if status.parent_job else None),
        ("Owner", status.owner),
        ("Type", status.jobtype),
        ("Reason", status.reason),
        ("Exit code", str(status.exit_code) if status.done_code else None),
        ("Destination", status.destination),
        ("Worker node", None if status.compound else status.ce_node),
        ("Location", status.location if status.location != "none" else None),
        ("Wrapper", status.jw_status if status.jw_status != "UNKNOWN" and not status.compound else None),
        ("Network server", status.network_server),
        ("Submitted from", status.ui_host),
        ("Local identifier", status.condor_id),
        ("Identifier at the CE", status.globus_id),
        ("Resubmitted", "yes" if status.resubmitted else None),
        ("Cancel requested", "yes" if status.cancelling else None),
        ("Reason of cancel", status.cancel_reason),
        ("Failures", status.failure_reasons),
        *((f"Tag {name}", value) for name, value in status.user_tags),
    )
    rows = [f"<tr><th>{escape(n)}</th><td>{_text(v, _WHOLE_TEXT)}</td></tr>" for n, v in named if v]
    if status.parent_job:
        rows.insert(1, f"<tr><th>Node of</th><td>{_link(status.parent_job)}</td></tr>")
    return f"<table><tbody>\n{_lines(rows)}\n</tbody></table>"


def _times(status: JobStatus) -> str:
    rows = ([escape(state.value), _moment(when)] for state, when in status.state_enter_times)
    return _table(("State", "Entered"), rows)


def _nodes(parent: JobStatus, nodes: Nodes) -> str:
    counts = sorted(nodes.counts, key=lambda item: _ORDER.index(item[0]))
    total = sum(count for _, count in counts)
    said = ", ".join(f"{count} {state.value}" for state, count in counts)
    rows = (
        [
            str(number),
            escape(_node_name(status)),
            _link(str(status.job_id)),
            _badge(status),
            _text(status.reason or "", _SHORT_TEXT),
        ]
        for number, status in enumerate(nodes.shown, 1)
    )
    query = f"parent={quote(str(parent.job_id), safe='')}"
    text = f'<a href="/?query={query}&amp;text">All nodes with their states as text</a>'
    note = "" if nodes.whole else message(f"There are more; the first {len(nodes.shown)} are shown.")
    table = _table(("", "Name", "Node", "State", "Reason"), rows)
    return f'<p>{total} nodes: {escape(said)}</p>\n<div class="nodes">{table}</div>\n{note}<p>{text}</p>'


def _events(events: Sequence[Event]) -> str:
    rows = (
        [
            _moment(event.timestamp),
            escape(event.type),
            escape(event.source.value),
            escape(event.host),
            "<br>".join(f"{escape(name)}: {_text(value, _SHORT_TEXT)}" for name, value in event.fields.items()),
            f"<code>{escape(event.seqcode)}</code>",
            _moment(event.arrived),
        ]
        for event in events
    )
    head = ("Time", "Event", "Source", "Host", "What it says", "Sequence code", "Arrived")
    return f'<div class="scroll">{_table(head, rows)}</div>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """``head`` is text, the cells are HTML."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = _lines("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)


def _text(value: str, limit: int) -> str:
    shown = value if len(value) <= limit else value[:limit] + " …"
    return escape(shown).replace("\n", "<br>")


def _moment(moment: datetime.datetime | None) -> str:
    if moment is None:
        return ""
    return f'<time datetime="{iso_z(moment)}">{moment:%Y-%m-%d %H:%M:%S}</time>'
