"""``wms ism``: what the information supermarket knows, from where, how old, and what is wrong with it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from broker import control
from broker.stocktaking import CLASSAD, JSON, TABLE
from grid.errors import InternalFailure
from infosys.unknown import is_unknown
from node.layout import Layout

DEADLINE: Final = 120.0
"""Seconds that the broker may take to write a dump."""
_HEAD: Final = ("computing or storage element", "site", "status", "free", "running", "waiting", "response", "seen")


def printed(directory: Path, pattern: str, form: str) -> Iterator[str]:
    """The dump as lines.

    :param form: of :mod:`broker.stocktaking`; ``jdl`` is the form of gLite's dump.
    :raises NodeMissing: there is no node in the directory.
    :raises GridError: the broker does not answer.
    """
    layout = Layout(directory)
    layout.check()
    request = {"op": "ism", "format": form, "pattern": pattern}
    summary = control.ask(layout.run / "broker.sock", request, DEADLINE)
    path = Path(str(summary.pop("file")))
    if path.parent != layout.run:
        raise InternalFailure(f"the broker wrote its dump to {path}, which is not in this node")
    try:
        with path.open(encoding="utf-8") as file:
            yield from FORMS[form](summary, (line.rstrip("\n") for line in file))
    finally:
        path.unlink(missing_ok=True)


def _classads(_: dict[str, Any], dump: Iterator[str]) -> Iterator[str]:
    return dump


def _json(summary: dict[str, Any], dump: Iterator[str]) -> Iterator[str]:
    """One object, a line for each record, so that a large grid needs no memory here."""
    head = json.dumps(summary, ensure_ascii=False)
    yield f'{head[:-1]}, "stock": ['
    before = ""
    for line in dump:
        if before:
            yield f"{before},"
        before = line
    if before:
        yield before
    yield "]}"


def _table(summary: dict[str, Any], dump: Iterator[str]) -> Iterator[str]:
    """What sites publish reaches the terminal without its control characters, and each element is one line."""
    for line in _told(summary, dump):
        yield "".join(each if each.isprintable() else "?" for each in line)


def _told(summary: dict[str, Any], dump: Iterator[str]) -> Iterator[str]:
    for source in summary["sources"]:
        yield from source_lines(source)
    memory = summary["memory"]
    yield f"broker: {_mib(memory['resident'])} in use, {_mib(memory['peak'])} at most"
    yield from (f"problem: {problem}" for problem in summary["problems"])
    rows = [_row(json.loads(line)) for line in dump]
    if rows:
        yield ""
        yield from _aligned([_HEAD, *rows])
    yield ""
    yield (
        f"{summary['records']} shown of {summary['records_known'] + summary['storage_elements']}: "
        f"{summary['records_known']} records of {summary['computing_elements']} computing elements, "
        f"{summary['storage_elements']} storage elements"
    )


def source_lines(source: dict[str, Any]) -> Iterator[str]:
    """What there is to say of one source."""
    schema = f"GLUE {source['schema'].replace('both', '1.3 and 2.0')}" if source["schema"] else "nothing yet"
    state = "current" if source["current"] else "from disk" if source["from_disk"] else "does not answer"
    yield f"source: {source['url']}/{source['base']} ({schema}, {state})"
    if source["age"] is not None:
        yield (
            f"    {source['records']} records, {source['storage_elements']} storage elements; "
            f"last good answer {_age(source['age'])} ago, everything {_age(source['whole_age'])} ago"
        )
        yield (
            f"    everything: {source['entries']} entries, {_mib(source['bytes'])}, {source['seconds']:.1f} s "
            f"({source['read_seconds']:.1f} s to read, {source['made_seconds']:.1f} s to make ads), "
            f"{_mib(source['peak_memory'])} at most"
        )
    if source["refresh_seconds"] is not None:
        yield f"    states: {_mib(source['refresh_bytes'])}, {source['refresh_seconds']:.1f} s"


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    numbers = [record.get(name) for name in ("free", "running", "waiting", "response")]
    return (
        record["id"],
        record["site"] or "-",
        str(record.get("status") or "-"),
        *("-" if each is None else "unknown" if is_unknown(each) else str(each) for each in numbers),
        f"{_age(time.time() - record['update_time'])} ago",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        cells = [
            text.rjust(width) if 3 <= column <= 6 else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def _age(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.0f} min"


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f} MiB"


FORMS: Final = {TABLE: _table, JSON: _json, CLASSAD: _classads}
