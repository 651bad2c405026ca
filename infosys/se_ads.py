"""Storage elements as ads, and what a computing element's ad says of those close to it (gLite WMS).

The ad of a storage element holds its attributes and, as lists of ads, ``GlueSA``, ``GlueSEAccessProtocol``,
``GlueSEControlProtocol`` and ``CloseComputingElements``.

A computing element's ad gets ``storage = [ VO = other.VirtualOrganisation; CloseSEs = … ]`` for gang matching:
``anyMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > 1000)``.  Each close storage element that is
published is one ad with ``name``, ``mount``, ``freespace``, the element's attributes and those of the storage area
of the job's VO; one whose areas are all for other VOs is left out, because an attribute that it lacks would make the
whole anyMatch ERROR.  Where a record is for one VO alone, CloseSEs is a plain list; otherwise it chooses among lists
by VO.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from infosys import names
from infosys.access import vos_of
from infosys.ad_writer import AdWriter, foreign_keys
from infosys.entry import Entry
from jdl.nodes import Call, Conditional, Expr, ListExpr, Literal, Operation, Reference
from jdl.tree import ClassAd
from jdl.values import Record

SE_FILTER: Final = (
    "(|(objectclass=gluecesebind)(objectclass=gluese)(objectclass=gluesa)"
    "(objectclass=glueseaccessprotocol)(objectclass=gluesecontrolprotocol))"
)
"""What the ads of storage elements are assembled from."""

MAX_PARTS: Final = 1000
"""Storage areas, protocols and binds of one storage element each; further ones are left out."""
MAX_VOS: Final = 64
"""VOs whose storage areas one computing element's ad tells apart."""

_PARTS: Final = {
    "gluesalocalid": "GlueSA",
    "glueseaccessprotocollocalid": "GlueSEAccessProtocol",
    "gluesecontrolprotocollocalid": "GlueSEControlProtocol",
}
_NOT_CLOSE: Final = frozenset({"gluesa", "closecomputingelements"})
"""Lists of a storage element's ad that its ad among the CloseSEs does not repeat."""


@dataclass(frozen=True)
class SeRecord:
    """A storage element.

    :ivar se_id: its GlueSEUniqueID.
    :ivar ad: its attributes and the ads below it; not to be changed.
    :ivar protocols: the types of its access protocols in lower case (``gsiftp``, ``file`` …).
    :ivar site: GlueSiteUniqueID of its foreign key.
    """

    se_id: str
    ad: ClassAd = field(repr=False)
    protocols: frozenset[str] = frozenset()
    site: str = ""


class SeShelf:
    """The entries of storage elements by kind, and the binds by the storage element that they name."""

    def __init__(self) -> None:
        self._elements: dict[names.Key, Entry] = {}
        self._parts: dict[tuple[str, names.Key], list[Entry]] = {}
        self._binds: dict[str, list[Entry]] = {}

    def put(self, entry: Entry, key: names.Key) -> None:
        """Keep the entry if it is one of a storage element, by the first components of its name."""
        kinds = [part.partition("=")[0] for part in key[:3]] + ["", "", ""]
        if kinds[0] == "glueseuniqueid" and kinds[1] == "mds-vo-name":
            self._elements.setdefault(key, entry)
        elif kinds[0] in _PARTS and kinds[1:3] == ["glueseuniqueid", "mds-vo-name"]:
            self._parts.setdefault((_PARTS[kinds[0]], key[1:]), []).append(entry)
        elif kinds[:3] == ["gluecesebindseuniqueid", "gluecesebindgroupceuniqueid", "mds-vo-name"]:
            self._binds.setdefault(key[0].partition("=")[2], []).append(entry)

    def records(self, writer: AdWriter) -> tuple[SeRecord, ...]:
        """The storage elements in the order of the directory; of two with one id the first counts."""
        found: dict[str, SeRecord] = {}
        for key, entry in self._elements.items():
            se_id = names.parse(entry.dn)[0][0][1]
            folded = names.fold(se_id)
            if folded in found:
                writer.note(f"{se_id} is published twice; what stands under {entry.dn} is left out")
                continue
            found[folded] = self._record(se_id, key, entry, writer)
        return tuple(found.values())

    def _record(self, se_id: str, key: names.Key, entry: Entry, writer: AdWriter) -> SeRecord:
        ad = writer.ad(entry)
        ad.set("GlueSEUniqueID", se_id)
        for kind in _PARTS.values():
            ad.set(kind, [writer.ad(part) for part in self._parts.get((kind, key), ())[:MAX_PARTS]])
        binds = self._binds.get(names.fold(se_id), ())[:MAX_PARTS]
        ad.set("CloseComputingElements", [bind_ad(each, writer) for each in binds])
        types = (each.first("GlueSEAccessProtocolType") for each in self._parts.get(("GlueSEAccessProtocol", key), ()))
        sites = foreign_keys(entry, "GlueSiteUniqueID")
        if sites:
            ad.set("GlueSiteUniqueID", sites[0])
        return SeRecord(se_id, ad, frozenset(each.lower() for each in types if each), sites[0] if sites else "")


def bind_ad(entry: Entry, writer: AdWriter) -> ClassAd:
    """A CESEBind as an ad with ``name`` (the storage element's id) and ``mount`` (its access point)."""
    ad = ClassAd()
    ad.set("name", entry.first("GlueCESEBindSEUniqueID") or names.parse(entry.dn)[0][0][1])
    ad.set("mount", entry.first("GlueCESEBindCEAccesspoint") or "")
    writer.fill(ad, entry)
    return ad


def by_id(storage: Iterable[SeRecord]) -> dict[str, SeRecord]:
    """The records by their ids as :func:`infosys.names.fold` makes them; of two with one id the first."""
    found: dict[str, SeRecord] = {}
    for record in storage:
        found.setdefault(names.fold(record.se_id), record)
    return found


class CloseStorage:
    """Makes the ``storage`` attribute of computing elements; equal parts are made once and shared.

    :param storage: the storage elements by folded id.
    """

    def __init__(self, storage: Mapping[str, SeRecord]) -> None:
        self._storage = storage
        self._close: dict[tuple[str, str, str], ClassAd] = {}
        self._lists: dict[tuple[object, ...], ListExpr] = {}

    def attribute(self, ad: ClassAd, rules: Sequence[str]) -> ClassAd:
        """What ``storage`` is for an ad with these CloseStorageElements and access rules."""
        binds = [
            (str(bind.ad.value("name")), str(bind.ad.value("mount")))
            for bind in _items(ad.value("CloseStorageElements"))
            if names.fold(str(bind.ad.value("name"))) in self._storage
        ]
        vos, alone = _vos(rules)
        has_areas = any(_items(self._storage[names.fold(name)].ad.value("GlueSA")) for name, _ in binds)
        made = ClassAd()
        made.set("VO", Reference("VirtualOrganisation", "other"))
        if alone and len(vos) == 1:
            made.set("CloseSEs", self._list(binds, vos[0]))
            return made
        plain: Expr = self._list(binds, "")
        chosen = plain
        for vo in reversed(vos[:MAX_VOS] if has_areas else ()):
            same = Operation(("==",), (Reference("VO"), Literal(vo)))
            chosen = Conditional(same, self._list(binds, vo), chosen)
        if chosen is not plain:
            chosen = Conditional(Call("isString", (Reference("VO"),)), chosen, plain)
        made.set("CloseSEs", chosen)
        return made

    def _list(self, binds: Sequence[tuple[str, str]], vo: str) -> ListExpr:
        key = (*binds, vo)
        found = self._lists.get(key)
        if found is None:
            found = self._lists[key] = ListExpr(
                [self._one(name, mount, vo) for name, mount in binds if not vo or self._serves(name, vo)]
            )
        return found

    def _one(self, name: str, mount: str, vo: str) -> ClassAd:
        found = self._close.get((name, mount, vo))
        if found is None:
            found = self._close[name, mount, vo] = self._made(name, mount, vo)
        return found

    def _made(self, name: str, mount: str, vo: str) -> ClassAd:
        made = ClassAd()
        for attribute, value in self._storage[names.fold(name)].ad.items():
            if attribute.lower() not in _NOT_CLOSE:
                made.set(attribute, value)
        area = self._area(name, vo) if vo else None
        if area is not None:
            for attribute, value in area.items():
                made.set(attribute, value)
        made.set("name", name)
        made.set("mount", mount)
        space = made.get("GlueSAStateAvailableSpace")
        if space is not None:
            made.set("freespace", space)
        return made

    def _serves(self, name: str, vo: str) -> bool:
        return self._area(name, vo) is not None or not _items(self._storage[names.fold(name)].ad.value("GlueSA"))

    def _area(self, name: str, vo: str) -> ClassAd | None:
        record = self._storage.get(names.fold(name))
        return storage_area(record, vo) if record is not None else None


def storage_area(record: SeRecord, vo: str) -> ClassAd | None:
    """The storage area of a VO: the GlueSA whose local id is the VO's name, else the one that admits the VO.

    Newer storage elements name their areas after space tokens; of several that admit the VO it is the one with the
    most space available.
    """
    areas = [each.ad for each in _items(record.ad.value("GlueSA"))]
    for area in areas:
        if names.fold(str(area.value("GlueSALocalID"))) == names.fold(vo):
            return area
    open_to_vo = [area for area in areas if _admits(area, vo)]
    return max(open_to_vo, key=_space, default=None)


def _admits(area: ClassAd, vo: str) -> bool:
    rules = area.value("GlueSAAccessControlBaseRule")
    given = rules if isinstance(rules, tuple) else (rules,)
    return any(isinstance(rule, str) and names.fold(rule.removeprefix("VO:")) == names.fold(vo) for rule in given)


def _space(area: ClassAd) -> int:
    space = area.value("GlueSAStateAvailableSpace")
    return space if isinstance(space, int) else -1


def _items(value: object) -> list[Record]:
    return [each for each in value if isinstance(each, Record)] if isinstance(value, tuple) else []


def _vos(rules: Sequence[str]) -> tuple[tuple[str, ...], bool]:
    """The VOs that access rules name, and whether they admit nobody else."""
    granted = [rule for rule in rules if rule[:5].upper() != "DENY:"]
    return vos_of(granted), all(vos_of([rule]) for rule in granted)
