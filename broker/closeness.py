"""Which computing elements each storage element is close to (GLUE 1.3, CESEBind).  Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from infosys import names
from infosys.ce_ads import CeRecord
from jdl.values import Record


class Close(NamedTuple):
    """A row of a snapshot's records, and the storage element's access point there; empty when there is none."""

    row: int
    mount: str


def close_rows(records: Sequence[CeRecord]) -> Mapping[str, tuple[Close, ...]]:
    """The records by the storage elements that they are close to, whose ids are folded (:func:`infosys.names.fold`)."""
    found: dict[str, list[Close]] = {}
    for row, record in enumerate(records):
        for name, mount in binds(record):
            found.setdefault(names.fold(name), []).append(Close(row, mount))
    return {name: tuple(rows) for name, rows in found.items()}


def binds(record: CeRecord) -> Iterator[tuple[str, str]]:
    """Name and access point of the storage elements that a computing element is close to, each once."""
    seen: set[str] = set()
    close = record.ad.value("CloseStorageElements")
    for bind in close if isinstance(close, tuple) else ():
        if isinstance(bind, Record):
            name, mount = bind.ad.value("name"), bind.ad.value("mount")
            if isinstance(name, str) and name and names.fold(name) not in seen:
                seen.add(names.fold(name))
                yield name, mount if isinstance(mount, str) else ""
