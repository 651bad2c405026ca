"""What a browser (or curl) gets: a job at its own identifier, the caller's jobs at ``/`` (L&B's HTTPS interface).

``?text`` gives the same as ``name=value`` lines, ``?version`` the version, ``/?query=parent=<job id>&text`` the nodes
of a compound job with their states.  Without a certificate a page says so
and shows nothing; an unknown job and somebody else's give the same page.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from grid.clock import iso_z
from grid.errors import AuthenticationFailed, GridError, JobUnknown
from grid.jobid import JobId, JobIdError
from lb import html
from lb.access import Access
from lb.database import JobRecord, LbDatabase
from lb.stylesheet import POLICY
from lb.values import job_status
from lb.version import VERSION
from web.guard import guarded

_UNIQUE = re.compile(r"/(?P<unique>[A-Za-z0-9_-]{1,128})")
_LISTED: Final = 500
_HTML: Final = "text/html; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_STATUS: Final = {
    200: "200 OK",
    401: "401 Unauthorized",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    500: "500 Internal Server Error",
}


@dataclass(frozen=True, slots=True)
class Page:
    """An answer.

    :ivar headers: all that must be sent.
    """

    status: str
    headers: list[tuple[str, str]]
    body: bytes


class Pages:
    """The pages of one server.

    :param host: name and
    :param port: query port of this server, which its job ids carry.
    """

    def __init__(self, database: LbDatabase, access: Access, host: str, port: int) -> None:
        self._database = database
        self._access = access
        self._host = host
        self._port = port

    def answer(self, environ: Mapping[str, Any]) -> Page:
        """The page for a GET or HEAD request; never raises for what a client can do."""
        text = "text" in _query_words(environ)
        try:
            with guarded("page"):
                return self._page(environ, text)
        except AuthenticationFailed as error:
            if text:
                return self._failure(401, 1, "certificate needed", error.description)
            body = html.message(
                "To see anything here, your browser must present a certificate that this server accepts.",
                error.description,
            )
            return self._html(401, "A certificate is needed", body)
        except JobUnknown:
            if text:
                return self._failure(404, 2, "No such file or directory", "no such job, or it is not yours")
            body = html.message("There is no such job here, or it belongs to somebody else.")
            return self._html(404, "Not found", body)
        except GridError as error:
            return self._failure(500, 5, "Input/output error", error.description)

    def _page(self, environ: Mapping[str, Any], text: bool) -> Page:
        if "version" in _query_words(environ):
            self._access.anybody("version")
            return _answer(200, _TEXT, f"{VERSION}\n".encode())
        reader = self._access.reader(environ, "page")
        path = str(environ.get("PATH_INFO") or "/")
        parent = _queried_parent(environ)
        if path == "/" and parent is not None:
            if not text:
                raise JobUnknown("nodes are listed as text only")
            nodes = self._database.node_states(parent, reader)
            return _answer(200, _TEXT, "".join(f"{node}={state.value}\n" for node, state in nodes).encode())
        if path == "/":
            jobs, whole = self._database.jobs_of(reader.dn, _LISTED)
            if text:
                lines = [f"{status.job_id}={status.state.value}" for status in jobs]
                return _answer(200, _TEXT, "".join(f"{line}\n" for line in lines).encode())
            return self._html(200, f"Jobs of {reader.dn}", html.job_list(jobs, whole=whole))
        found = _UNIQUE.fullmatch(path)
        if not found:
            raise JobUnknown("no such page")
        jobid = JobId(self._host, self._port, found["unique"])
        record = self._database.job(jobid, reader)
        if text:
            return _answer(200, _TEXT, status_text(record).encode())
        shown = self._nodes(record) if record.status.compound else None
        return self._html(200, str(jobid), html.job(record.status, self._database.events(jobid, reader), shown))

    def _nodes(self, record: JobRecord) -> html.Nodes:
        jobid = record.status.job_id
        shown, whole = self._database.first_nodes(jobid, _LISTED)
        return html.Nodes(self._database.node_counts(jobid), shown, whole)

    def _html(self, code: int, title: str, body: str) -> Page:
        return _answer(code, _HTML, html.page(title, body, self._host))

    def _failure(self, code: int, number: int, name: str, description: str) -> Page:
        lines = f"Error={name}\nCode={number}\nDescription={_one_line(description)}\n"
        return _answer(code, _TEXT, lines.encode())


def status_text(record: JobRecord) -> str:
    """A status as ``name=value`` lines, by the names of the web service; newlines in values are written ``\\n``."""
    lines: list[str] = []
    for name, value in job_status(record, children=True, histogram=record.histogram).items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None and item != "":
                lines.append(f"{name}={_one_line(_plain(item))}")
    return "".join(f"{line}\n" for line in lines)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        if "tvSec" in value:
            return f"{value['tvSec']}.{value['tvUsec']:06d}"
        return " ".join(_plain(item) for item in value.values())
    if isinstance(value, bool):
        return "true" if value else "false"
    return iso_z(value) if isinstance(value, datetime.datetime) else str(value)


def _one_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")


def _query_words(environ: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(item.partition("=")[0] for item in _query(environ))


def _queried_parent(environ: Mapping[str, Any]) -> JobId | None:
    """The job in ``query=parent=<job id>``, or None; no job has an identifier that is none.

    :raises JobUnknown: when the query has another form.
    """
    for item in _query(environ):
        name, _, value = item.partition("=")
        if name == "query":
            attribute, _, wanted = unquote(value).partition("=")
            if attribute != "parent":
                raise JobUnknown("jobs are looked for by parent only")
            try:
                return JobId.parse(wanted)
            except JobIdError:
                raise JobUnknown("no such job") from None
    return None


def _query(environ: Mapping[str, Any]) -> list[str]:
    return str(environ.get("QUERY_STRING", ""))[:2000].split("&")


def _answer(code: int, kind: str, body: bytes) -> Page:
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("Content-Security-Policy", POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    ]
    return Page(_STATUS[code], headers, body)
