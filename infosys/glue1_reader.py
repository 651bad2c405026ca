"""From entries back to the records of GLUE 1.3 (:mod:`infosys.glue1` and its neighbours)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from infosys import glue1, glue1_service, glue1_storage, names
from infosys.ad_writer import foreign_keys
from infosys.entry import Entry
from infosys.errors import NameSyntaxError, RecordError
from infosys.record import read, values_of

Record: TypeAlias = glue1.Record | glue1.CESEBind | glue1_service.Service | glue1_storage.StorageElement
T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """What was read, in the order of the entries, and sentences on what was left out."""

    records: tuple[Record, ...]
    problems: tuple[str, ...] = ()


class _Tree:
    """Entries by the entry above; what cannot be read is noted."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.problems: list[str] = []
        self.entries: list[Entry] = []
        self._below: dict[names.Key, list[Entry]] = {}
        for entry in entries:
            try:
                self._below.setdefault(entry.key[1:], []).append(entry)
            except NameSyntaxError as error:
                self.problems.append(error.description)
                continue
            self.entries.append(entry)

    def below(self, entry: Entry, object_class: str, make: Callable[[Entry], T]) -> tuple[T, ...]:
        """The records of a class directly below an entry."""
        found = []
        for each in self._below.get(entry.key, ()):
            if each.is_a(object_class) and (made := self.tried(make, each)) is not None:
                found.append(made)
        return tuple(found)

    def tried(self, make: Callable[[Entry], T], entry: Entry) -> T | None:
        """The record, or None after noting why there is none."""
        try:
            return make(entry)
        except RecordError as error:
            self.problems.append(error.description)
            return None


def records_of(entries: Iterable[Entry]) -> Reading:
    """Read the records of whatever tree the entries come from; entries of other kinds are passed over."""
    tree = _Tree(entries)
    makers: dict[str, Callable[[Entry], Record]] = {
        "gluesite": lambda entry: read(glue1.Site, entry),
        "gluecluster": _cluster,
        "gluesubcluster": lambda entry: _sub_cluster(entry, tree),
        "gluece": lambda entry: _element(entry, tree),
        "gluecesebind": lambda entry: read(glue1.CESEBind, entry),
        "glueservice": lambda entry: _service(entry, tree),
        "gluese": lambda entry: _storage(entry, tree),
    }
    found: list[Record] = []
    for entry in tree.entries:
        kinds = {each.lower() for each in entry.values("objectClass")}
        maker = next((maker for kind, maker in makers.items() if kind in kinds), None)
        record = tree.tried(maker, entry) if maker is not None else None
        if record is not None:
            found.append(record)
    return Reading(tuple(found), tuple(tree.problems))


def _cluster(entry: Entry) -> glue1.Cluster:
    sites = foreign_keys(entry, "GlueSiteUniqueID")
    elements = entry.values("GlueClusterService") or tuple(foreign_keys(entry, "GlueCEUniqueID"))
    return read(glue1.Cluster, entry, site_id=sites[0] if sites else "", ce_ids=elements)


def _sub_cluster(entry: Entry, tree: _Tree) -> glue1.SubCluster:
    return read(
        glue1.SubCluster,
        entry,
        cluster_id=_above(entry),
        locations=tree.below(entry, "GlueLocation", lambda each: read(glue1.Location, each)),
        packages=tree.below(entry, "GlueSoftware", lambda each: _software(each, tree)),
    )


def _software(entry: Entry, tree: _Tree) -> glue1.Software:
    data = tree.below(entry, "GlueSoftwareData", lambda each: read(glue1.SoftwareData, each))
    return read(glue1.Software, entry, data=data)


def _element(entry: Entry, tree: _Tree) -> glue1.ComputingElement:
    clusters = foreign_keys(entry, "GlueClusterUniqueID")
    return read(
        glue1.ComputingElement,
        entry,
        cluster_id=clusters[0] if clusters else entry.first("GlueCEHostingCluster") or "",
        info=read(glue1.CEInfo, entry),
        views=tree.below(entry, "GlueVOView", _view),
        **_state(entry),
    )


def _view(entry: Entry) -> glue1.VOView:
    return read(glue1.VOView, entry, **_state(entry))


def _state(entry: Entry) -> dict[str, Any]:
    return {
        "state": glue1.CEState(**values_of(glue1.CEState, entry)),
        "policy": glue1.CEPolicy(**values_of(glue1.CEPolicy, entry)),
    }


def _service(entry: Entry, tree: _Tree) -> glue1_service.Service:
    sites = foreign_keys(entry, "GlueSiteUniqueID")
    data = tree.below(entry, "GlueServiceData", lambda each: read(glue1_service.ServiceData, each))
    return read(glue1_service.Service, entry, site_id=sites[0] if sites else "", data=data)


def _storage(entry: Entry, tree: _Tree) -> glue1_storage.StorageElement:
    sites = foreign_keys(entry, "GlueSiteUniqueID")
    return read(
        glue1_storage.StorageElement,
        entry,
        site_id=sites[0] if sites else "",
        areas=tree.below(entry, "GlueSA", lambda each: _area(each, tree)),
        access_protocols=tree.below(
            entry, "GlueSEAccessProtocol", lambda each: read(glue1_storage.AccessProtocol, each)
        ),
        control_protocols=tree.below(
            entry, "GlueSEControlProtocol", lambda each: read(glue1_storage.ControlProtocol, each)
        ),
    )


def _area(entry: Entry, tree: _Tree) -> glue1_storage.StorageArea:
    named = tree.below(entry, "GlueVOInfo", lambda each: read(glue1_storage.VOInfo, each))
    return read(glue1_storage.StorageArea, entry, vo_info=named)


def _above(entry: Entry) -> str:
    """What names the entry above."""
    components = names.parse(entry.dn)
    return components[1][0][1] if len(components) > 1 else ""
