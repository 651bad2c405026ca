"""From the entries of a directory to the ads that jobs are matched with (gLite WMS, information supermarket).

An ad is a computing element with its cluster's first sub-cluster; each VO view is an ad of its own.  Whatever comes
from the directory is somebody else's text: a value that does not fit its type is left out, an entry that fits nowhere
is left out, and both are told in :attr:`Assembly.problems`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from infosys import names
from infosys.ce_id import CeId
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.filters import as_integer
from infosys.schema import Schema, glue1
from jdl.tree import MAX_INT, MIN_INT, ClassAd
from jdl.values import UNDEFINED

CE_FILTER: Final = (
    "(|(objectclass=gluecesebind)(objectclass=gluecluster)(objectclass=gluesubcluster)"
    "(objectclass=gluevoview)(objectclass=gluece))"
)
"""What the ads are assembled from."""

PURCHASED_BY: Final = "II_G13_purchaser"
MAX_PROBLEMS: Final = 100
MAX_VALUE: Final = 4096
"""Characters of one value; longer ones are left out."""
MAX_VALUES: Final = 20_000
"""Values of one attribute; further ones are left out."""

_LITERALS: Final[Mapping[str, Any]] = {"true": True, "false": False, "undefined": UNDEFINED}
_RULES: Final = "GlueCEAccessControlBaseRule"


@dataclass(frozen=True)
class CeRecord:
    """A computing element, or one VO view of it, as jobs see it.

    :ivar key: the CE id, followed by ``/<view>`` for a view.
    :ivar ce_id: its GlueCEUniqueID; several records may share it.
    :ivar ad: what ``other`` means in a job's requirements and rank; not to be changed.
    :ivar access_rules: who may use it (:mod:`infosys.access`).
    :ivar host: GlueCEInfoHostName.
    :ivar endpoint: base URL of the CREAM service, ``https://host:port/ce-cream/services``; empty for another kind.
    :ivar site: GlueSiteUniqueID.
    """

    key: str
    ce_id: str
    ad: ClassAd = field(repr=False)
    access_rules: tuple[str, ...]
    host: str
    endpoint: str = ""
    site: str = ""


@dataclass(frozen=True)
class Assembly:
    """The records, in the order of their CEs in the directory, and sentences on what was left out."""

    records: tuple[CeRecord, ...]
    problems: tuple[str, ...] = ()


@dataclass
class _Shelf:
    """The entries by kind; where entries stand one below another, by the name above too."""

    ces: dict[names.Key, Entry] = field(default_factory=dict)
    clusters: dict[names.Key, Entry] = field(default_factory=dict)
    subclusters: dict[names.Key, list[Entry]] = field(default_factory=dict)
    views: dict[names.Key, list[Entry]] = field(default_factory=dict)
    binds: dict[names.Key, list[Entry]] = field(default_factory=dict)
    cluster_of_id: dict[str, Entry] = field(default_factory=dict)


def assemble(entries: Iterable[Entry], schema: Schema | None = None) -> Assembly:
    """Make the ads.

    :param schema: which attributes are lists and numbers, as learnt from the source; GLUE 1.3 when not given.  What
        the source's schema does not know is looked up in GLUE 1.3.
    """
    return _Assembler(schema or glue1()).assemble(entries)


class _Assembler:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._fallback = glue1()
        self._problems: list[str] = []

    def assemble(self, entries: Iterable[Entry]) -> Assembly:
        shelf = self._sorted(entries)
        records: list[CeRecord] = []
        seen: dict[str, names.Key] = {}
        for key, entry in shelf.ces.items():
            ce_id = names.parse(entry.dn)[0][0][1]
            folded = names.fold(ce_id)
            if folded in seen:
                self._note(f"{ce_id} is published twice; what stands under {entry.dn} is left out")
                continue
            seen[folded] = key
            records.extend(self._records(ce_id, key, entry, shelf))
        return Assembly(tuple(records), tuple(self._problems))

    def _note(self, problem: str) -> None:
        if len(self._problems) < MAX_PROBLEMS:
            self._problems.append(problem[:500])

    def _sorted(self, entries: Iterable[Entry]) -> _Shelf:
        """Put each entry to its kind by the first components of its name."""
        shelf = _Shelf()
        for entry in entries:
            try:
                key = entry.key
            except NameSyntaxError as error:
                self._note(error.description)
                continue
            kinds = [part.partition("=")[0] for part in key[:3]] + ["", "", ""]
            if kinds[0] == "glueceuniqueid" and kinds[1] == "mds-vo-name":
                shelf.ces.setdefault(key, entry)
            elif kinds[0] == "glueclusteruniqueid" and kinds[1] == "mds-vo-name":
                shelf.clusters.setdefault(key, entry)
                shelf.cluster_of_id.setdefault(key[0].partition("=")[2], entry)
            elif kinds[:3] == ["gluesubclusteruniqueid", "glueclusteruniqueid", "mds-vo-name"]:
                shelf.subclusters.setdefault(key[1:], []).append(entry)
            elif kinds[:3] == ["gluevoviewlocalid", "glueceuniqueid", "mds-vo-name"]:
                shelf.views.setdefault(key[1:], []).append(entry)
            elif kinds[:3] == ["gluecesebindseuniqueid", "gluecesebindgroupceuniqueid", "mds-vo-name"]:
                shelf.binds.setdefault(key[1:], []).append(entry)
        return shelf

    def _records(self, ce_id: str, key: names.Key, entry: Entry, shelf: _Shelf) -> list[CeRecord]:
        cluster = self._cluster(key, entry, shelf)
        if cluster is None:
            self._note(f"{ce_id} names no cluster that is published; it is left out")
            return []
        subclusters = shelf.subclusters.get(cluster.key)
        if not subclusters:
            self._note(f"the cluster of {ce_id} has no sub-cluster; the computing element is left out")
            return []
        binds = shelf.binds.get((f"gluecesebindgroupceuniqueid={key[0].partition('=')[2]}", *key[1:]), [])
        ad, site = self._ad(ce_id, entry, cluster, subclusters[0], binds)
        rules = entry.values(_RULES)
        views = [view for view in shelf.views.get(key, ()) if view.values(_RULES)]
        covered = {rule for view in views for rule in view.values(_RULES)}
        left = tuple(rule for rule in rules if rule not in covered)
        denied = tuple(rule for rule in left if rule[:5].upper() == "DENY:")
        records = []
        if not views or len(left) > len(denied):
            records.append(self._record(ce_id, ce_id, ad, left, site))
        for view in views:
            local = names.parse(view.dn)[0][0][1]
            own = ad.copy()
            self._fill(own, view, skip=("GlueChunkKey", "GlueForeignKey"))
            # what the element denies and no view takes over is denied by all of it
            granted = tuple(dict.fromkeys((*view.values(_RULES), *denied)))
            records.append(self._record(f"{ce_id}/{local.removeprefix('/')}", ce_id, own, granted, site))
        return records

    def _cluster(self, key: names.Key, entry: Entry, shelf: _Shelf) -> Entry | None:
        """The cluster that the CE's foreign key names, else that of its host; one beside the CE comes first."""
        wanted = _foreign(entry, "GlueClusterUniqueID")
        host = entry.first("GlueCEInfoHostName")
        for name in [*wanted, *([host] if host else [])]:
            folded = names.fold(name)
            beside = shelf.clusters.get((f"glueclusteruniqueid={folded}", *key[1:]))
            found = beside or shelf.cluster_of_id.get(folded)
            if found is not None:
                return found
        return None

    def _ad(
        self, ce_id: str, entry: Entry, cluster: Entry, subcluster: Entry, binds: list[Entry]
    ) -> tuple[ClassAd, str]:
        ad = ClassAd()
        self._fill(ad, subcluster, skip=("GlueForeignKey",))
        self._fill(ad, entry)
        ad.set("GlueCEUniqueID", ce_id)
        sites = _foreign(cluster, "GlueSiteUniqueID")
        site = sites[0] if sites else ""
        if site:
            ad.set("GlueSiteUniqueID", site)
        close = [self._bind(each) for each in binds]
        if close:
            ad.set("CloseStorageElements", close)
            ad.set("GlueCESEBindGroupSEUniqueID", [each.first("GlueCESEBindSEUniqueID") or "" for each in binds])
            ad.set("storage", {"CloseSEs": close})
        parts = CeId.find(ce_id)
        if parts is not None:
            ad.set("GlobusResourceContactString", parts.contact)
            ad.set("LRMSType", entry.first("GlueCEInfoLRMSType") or parts.lrms)
            ad.set("QueueName", parts.queue)
            ad.set("CEid", ce_id)
        ad.set("PurchasedBy", PURCHASED_BY)
        return ad, site

    def _bind(self, entry: Entry) -> ClassAd:
        ad = ClassAd()
        ad.set("name", entry.first("GlueCESEBindSEUniqueID") or "")
        ad.set("mount", entry.first("GlueCESEBindCEAccesspoint") or "")
        self._fill(ad, entry)
        return ad

    def _record(self, key: str, ce_id: str, ad: ClassAd, rules: tuple[str, ...], site: str) -> CeRecord:
        ad.set(_RULES, list(rules))
        parts = CeId.find(ce_id)
        named = ad.value("GlueCEInfoHostName")
        host = named if isinstance(named, str) else (parts.host if parts else "")
        return CeRecord(key, ce_id, ad, rules, host, _endpoint(ad, parts), site)

    def _fill(self, ad: ClassAd, entry: Entry, skip: tuple[str, ...] = ()) -> None:
        """Give the ad the entry's attributes, typed by the schema; what does not fit is left out."""
        for name, values in entry.attributes.items():
            if name.lower() == "objectclass" or name in skip:
                continue
            known = self._schema.attribute(name) or self._fallback.attribute(name)
            spelt = (self._fallback.attribute(name) or known).name if known else name
            typed = []
            for value in values[:MAX_VALUES]:
                try:
                    typed.append(_typed(value, known.integer if known else False))
                except ValueError as error:
                    self._note(f"{entry.dn}: {spelt} {error}")
            if known.single if known else len(values) == 1:
                if typed:
                    ad.set(spelt, typed[0])
                else:
                    ad.remove(spelt)  # a view's garbage does not leave the element's value in its place
            else:
                ad.set(spelt, typed)


def _typed(value: str, integer: bool) -> Any:
    """A value as a ClassAd literal.

    :raises ValueError: when it does not fit; the text completes a sentence that begins with the attribute's name.
    """
    if len(value) > MAX_VALUE:
        raise ValueError(f"has a value of {len(value)} characters")
    if "\0" in value:
        raise ValueError("has a value with a NUL character")
    if value.lower() in _LITERALS:
        return _LITERALS[value.lower()]
    if not integer:
        return value
    number = as_integer(value)
    if number is None or not MIN_INT <= number <= MAX_INT:
        raise ValueError(f"is {value[:40]!r} and not an integer")
    return number


def _foreign(entry: Entry, attribute: str) -> list[str]:
    """The values that the entry's foreign keys give to an attribute."""
    found = []
    for text in entry.values("GlueForeignKey"):
        try:
            components = names.parse(text)
        except NameSyntaxError:
            continue  # a key that is no name points nowhere
        if components and components[0][0][0].lower() == attribute.lower():
            found.append(components[0][0][1])
    return found


def _endpoint(ad: ClassAd, parts: CeId | None) -> str:
    """Where the CREAM service answers: the published contact, else the usual place on the host of the CE id."""
    published = ad.value("GlueCEInfoContactString")
    for text in published if isinstance(published, tuple) else (published,):
        if isinstance(text, str) and text.startswith("https://"):
            return text.rstrip("/").removesuffix("/CREAM2").rstrip("/")
    if parts is not None and parts.kind == "cream" and parts.host:
        return f"https://{parts.host}:{parts.port}/ce-cream/services"
    return ""
