"""From entries back to the records of GLUE 2.0 (:mod:`infosys.glue2` and its neighbours)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from infosys import glue2, glue2_computing, glue2_storage
from infosys.entry import Entry
from infosys.errors import RecordError
from infosys.glue2 import Entity
from infosys.record import read

KINDS: Final[dict[str, type[Entity]]] = {
    kind.OBJECT_CLASS.lower(): kind
    for kind in (
        *(glue2.Location, glue2.Contact, glue2.AdminDomain, glue2.UserDomain, glue2.AccessPolicy),
        *(glue2.MappingPolicy, glue2_computing.ComputingService, glue2_computing.ComputingEndpoint),
        *(glue2_computing.ComputingShare, glue2_computing.ComputingManager, glue2_computing.ExecutionEnvironment),
        *(glue2_computing.Benchmark, glue2_computing.ApplicationEnvironment, glue2_computing.ToStorageService),
        *(glue2_storage.StorageService, glue2_storage.StorageEndpoint, glue2_storage.StorageManager),
        *(glue2_storage.StorageShare, glue2_storage.StorageShareCapacity, glue2_storage.StorageServiceCapacity),
        *(glue2_storage.StorageAccessProtocol, glue2_storage.DataStore),
        *(glue2.Service, glue2.Endpoint),  # last: an entry of a special kind has these object classes too
    )
}
"""The kinds of records by object class in lower case, special ones first."""


@dataclass(frozen=True)
class Reading:
    """What was read, in the order of the entries, and sentences on what was left out."""

    records: tuple[Entity, ...]
    problems: tuple[str, ...] = ()


def kind_of(entry: Entry) -> type[Entity] | None:
    """The most special kind of record that the entry publishes."""
    classes = {each.lower() for each in entry.values("objectClass")}
    return next((kind for name, kind in KINDS.items() if name in classes), None)


def records_of(entries: Iterable[Entry]) -> Reading:
    """Read the records of whatever tree the entries come from; entries of other kinds are passed over."""
    found: list[Entity] = []
    problems: list[str] = []
    for entry in entries:
        kind = kind_of(entry)
        if kind is None:
            continue
        try:
            found.append(read(kind, entry))
        except RecordError as error:
            problems.append(error.description)
    return Reading(tuple(found), tuple(problems))
