"""Pages as HTML.  Every text goes through :func:`html.escape`; there is no other way into a page."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from grid.clock import iso_z
from grid.states import DoneCode, JobState
from lb.database import JobRecord
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


def job(record: JobRecord, events: Sequence[Event]) -> str:
    """The page of one job: state, attributes, times, events, description."""
    status = record.status
    parts = [f"<p>{_badge(status)}</p>", _attributes(status)]
    parts.append(f"<h2>Times</h2>\n{_times(status)}")
    if record.children:
        parts.append(f"<h2>Nodes</h2>\n{_nodes(record)}")
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
            f'<a href="/{escape(status.job_id.unique)}"><code>{escape(str(status.job_id))}</code></a>',
            _badge(status),
            escape(status.destination or ""),
            _moment(status.entered(JobState.Submitted)),
            _moment(status.last_update_time),
        ]
        for status in jobs
    )
    note = "" if whole else message(f"There are more; the newest {len(jobs)} are shown.")
    return _table(("Job", "State", "Destination", "Submitted", "Last update"), rows) + note


def _badge(status: JobStatus) -> str:
    colour = _COLOURS.get(status.state, "")
    if status.state is JobState.Done and (status.done_code is not DoneCode.OK or status.exit_code):
        colour = "bad"
    return f'<span class="state {colour}">{escape(state_words(status))}</span>'


def _attributes(status: JobStatus) -> str:
    named = (
        ("Job", str(status.job_id)),
        ("Owner", status.owner),
        ("Type", status.jobtype),
        ("Parent", status.parent_job),
        ("Reason", status.reason),
        ("Exit code", str(status.exit_code) if status.done_code else None),
        ("Destination", status.destination),
        ("Worker node", status.ce_node),
        ("Location", status.location),
        ("Wrapper", status.jw_status if status.jw_status != "UNKNOWN" else None),
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
    rows = (f"<tr><th>{escape(n)}</th><td>{_text(v, _WHOLE_TEXT)}</td></tr>" for n, v in named if v)
    return f"<table><tbody>\n{_lines(rows)}\n</tbody></table>"


def _times(status: JobStatus) -> str:
    rows = ([escape(state.value), _moment(when)] for state, when in status.state_enter_times)
    return _table(("State", "Entered"), rows)


def _nodes(record: JobRecord) -> str:
    counts = ", ".join(f"{state.value}: {count}" for state, count in record.histogram if count)
    items = (
        f'<li><a href="/{escape(n.rpartition("/")[2])}"><code>{escape(n)}</code></a></li>' for n in record.children
    )
    return f"<p>{escape(counts)}</p>\n<ol>\n{_lines(items)}\n</ol>"


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
