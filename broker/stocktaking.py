"""What is on the shelves of the supermarket, for operators: the sources, and a dump of the records into a file.

The dump is written record by record, and other threads get their turn in between: a large grid is a hundred megabytes.
"""

from __future__ import annotations

import fnmatch
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from broker.reach import is_made_up
from broker.shelf import Bill
from broker.supermarket import Stock, Supermarket
from grid import clock
from grid import memory as process_memory
from grid.errors import InvalidArgument
from infosys.ce_ads import CeRecord
from jdl.tree import ClassAd, Literal
from jdl.values import Undefined

TABLE: Final = "table"
JSON: Final = "json"
CLASSAD: Final = "jdl"
FORMATS: Final = (TABLE, JSON, CLASSAD)
MAX_PATTERN: Final = 1000
_PAUSE: Final = 50
"""Records between two pauses for others."""

_COLUMNS: Final[Mapping[str, str]] = {
    "status": "GlueCEStateStatus",
    "free": "GlueCEStateFreeJobSlots",
    "running": "GlueCEStateRunningJobs",
    "waiting": "GlueCEStateWaitingJobs",
    "response": "GlueCEStateEstimatedResponseTime",
}


class Stocktaking:
    """Handles the operations ``ism`` (the sources, and a dump) and the supermarket's part of ``health``.

    :param directory: private; dumps are written there and removed by who asked for them.
    """

    def __init__(self, supermarket: Supermarket, directory: Path) -> None:
        self._supermarket = supermarket
        self._directory = directory
        self._counted = (-1, 0, 0)
        for left in directory.glob("ism-*.dump"):
            left.unlink(missing_ok=True)

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """``format`` is one of :data:`FORMATS`; ``pattern`` chooses by identifier, see :func:`chosen`.

        :raises InvalidArgument: for another format.
        """
        form = str(request.get("format", TABLE))
        if form not in FORMATS:
            raise InvalidArgument(f"a dump has one of the formats {', '.join(FORMATS)}, not {form[:40]!r}")
        pattern = str(request.get("pattern", ""))[:MAX_PATTERN]
        stock = [each for each in self._supermarket.stock() if chosen(identifier(each), pattern)]
        path = self._directory / f"ism-{secrets.token_hex(8)}.dump"
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            for place, line in enumerate(lines(stock, form)):
                file.write(line + "\n")
                if place % _PAUSE == 0:
                    time.sleep(0)  # who matches goes first
        return {**self.summary(), "file": str(path), "records": len(stock)}

    def summary(self) -> dict[str, Any]:
        """The picture as a whole."""
        snapshot = self._supermarket.snapshot()
        generation, elements, made_up = self._counted
        if generation != snapshot.generation:
            elements = len({record.ce_id for record in snapshot.records})
            made_up = len({record.ce_id for record in snapshot.records if is_made_up(record.host)})
            self._counted = (snapshot.generation, elements, made_up)
        return {
            "taken_at": clock.iso_z(snapshot.taken_at),
            "generation": snapshot.generation,
            "computing_elements": elements,
            "made_up": made_up,
            "records_known": len(snapshot.records),
            "storage_elements": len(snapshot.storage),
            "problems": list(snapshot.problems),
            "sources": [told(bill) for bill in self._supermarket.bills()],
            "memory": memory(),
        }


def identifier(stock: Stock) -> str:
    """The id under which a record is listed: of a view the CE's and the view's."""
    return stock.record.key if isinstance(stock.record, CeRecord) else stock.record.se_id


def chosen(text: str, pattern: str) -> bool:
    """Whether an identifier is meant: by a part of it or, with ``*``, ``?`` or ``[``, by the whole; case is ignored."""
    text, pattern = text.lower(), pattern.lower()
    if any(each in pattern for each in "*?["):
        return fnmatch.fnmatchcase(text, pattern)
    return pattern in text


def lines(stock: Iterable[Stock], form: str) -> Iterator[str]:
    """One line for each record."""
    now = time.time()
    for each in stock:
        seen, ends = round(now - each.age), round(now + each.left)
        if form == CLASSAD:
            info = each.record.ad.text()
            name = Literal(identifier(each)).text()
            yield f"[ id = {name}; update_time = {seen}; expiry_time = {ends}; info = {info} ]"
        else:
            yield json.dumps(_described(each, seen, ends, whole=form == JSON), ensure_ascii=False)


def _described(stock: Stock, seen: int, ends: int, *, whole: bool) -> dict[str, Any]:
    record = stock.record
    found: dict[str, Any] = {
        "id": identifier(stock),
        "kind": "computing element" if isinstance(record, CeRecord) else "storage element",
        "site": record.site,
        "source": stock.source,
        "update_time": seen,
        "expiry_time": ends,
    }
    if isinstance(record, CeRecord):
        found["ce_id"] = record.ce_id
        found["access_rules"] = list(record.access_rules)
        found.update((name, _plain(record.ad, attribute)) for name, attribute in _COLUMNS.items())
    if whole:
        found["attributes"] = {name: _plain(record.ad, name) for name in record.ad}
    return found


def _plain(ad: ClassAd, name: str) -> Any:
    """An attribute as JSON has it; what is no constant as the text of its expression."""
    value = ad.value(name)
    if isinstance(value, Undefined):
        return None
    if isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, tuple) and all(isinstance(item, (str, int, float, bool)) for item in value):
        return list(value)
    expr = ad.get(name)
    return None if expr is None else expr.text()


def told(bill: Bill) -> dict[str, Any]:
    """A bill as JSON has it; ages and durations in seconds, sizes in bytes."""
    receipt = bill.receipt
    return {
        "url": bill.url,
        "base": bill.base,
        "schema": bill.schema,
        "records": bill.records,
        "storage_elements": bill.storage,
        "current": bill.current,
        "from_disk": bill.stored,
        "failure": bill.failure,
        "age": _rounded(bill.age),
        "whole_age": _rounded(bill.whole_age),
        "entries": receipt.entries,
        "bytes": receipt.bytes,
        "read_seconds": _rounded(receipt.read_seconds),
        "made_seconds": _rounded(receipt.made_seconds),
        "seconds": _rounded(bill.seconds),
        "peak_memory": receipt.peak_memory,
        "refresh_seconds": _rounded(bill.refresh_seconds) if bill.refresh else None,
        "refresh_bytes": bill.refresh.bytes if bill.refresh else None,
    }


def memory() -> dict[str, int]:
    """Bytes of this process: in use now, and at most so far."""
    return {"resident": process_memory.resident(), "peak": process_memory.peak()}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
