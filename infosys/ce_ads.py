"""From the entries of a directory to the ads that jobs are matched with (gLite WMS, information supermarket).

An ad is a computing element with its cluster's first sub-cluster; each VO view is an ad of its own.  Whatever comes
from the directory is somebody else's text: a value that does not fit its type is left out, an entry that fits nowhere
is left out, and both are told in :attr:`Assembly.problems`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from infosys import names
from infosys.ad_writer import AdWriter, foreign_keys
from infosys.ce_id import CeId
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.schema import Schema, glue1
from infosys.se_ads import MAX_PARTS, SE_FILTER, CloseStorage, SeRecord, SeShelf, bind_ad, by_id
from jdl.tree import ClassAd

CE_FILTER: Final = (
    "(|(objectclass=gluecesebind)(objectclass=gluecluster)(objectclass=gluesubcluster)"
    "(objectclass=gluevoview)(objectclass=gluece))"
)
"""What the ads of computing elements are assembled from."""

ADS_FILTER: Final = f"(|{CE_FILTER}{SE_FILTER})"
"""What the ads of computing and storage elements are assembled from."""

PURCHASED_BY: Final = "II_G13_purchaser"
MAX_VIEWS: Final = 1000
"""VO views of one computing element; further ones are left out."""
_AUTHORITY: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(?:[/?#]|$)"
)
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
    """What was made of a directory.

    :ivar records: in the order of their CEs in the directory.
    :ivar storage: the storage elements.
    :ivar problems: sentences on what was left out.
    :ivar holders: by folded CE id the level of the tree (:func:`site_level`) that it was taken from.
    :ivar origins: by key of a record of GLUE 2.0 the names of its share and its endpoint.
    """

    records: tuple[CeRecord, ...]
    storage: tuple[SeRecord, ...] = ()
    problems: tuple[str, ...] = ()
    holders: Mapping[str, names.Key] = field(default_factory=dict, repr=False)
    origins: Mapping[str, tuple[names.Key, names.Key]] = field(default_factory=dict, repr=False)


@dataclass
class _Shelf:
    """The entries by kind; where entries stand one below another, by the name above too."""

    ces: dict[names.Key, Entry] = field(default_factory=dict)
    clusters: dict[names.Key, Entry] = field(default_factory=dict)
    subclusters: dict[names.Key, list[Entry]] = field(default_factory=dict)
    views: dict[names.Key, list[Entry]] = field(default_factory=dict)
    binds: dict[names.Key, list[Entry]] = field(default_factory=dict)
    storage: SeShelf = field(default_factory=SeShelf)


def assemble(
    entries: Iterable[Entry], schema: Schema | None = None, holders: Mapping[str, names.Key] | None = None
) -> Assembly:
    """Make the ads.

    :param holders: :attr:`Assembly.holders` of the time before, so that a CE id stays with the site that has it when
        another one claims it as credibly.
    :param schema: which attributes are lists and numbers, as learnt from the source; GLUE 1.3 when not given.  What
        the source's schema does not know is looked up in GLUE 1.3.
    """
    return _Assembler(schema or glue1(), holders or {}).assemble(entries)


def with_close_storage(records: Iterable[CeRecord], storage: Mapping[str, SeRecord]) -> tuple[CeRecord, ...]:
    """The records with their ``storage`` attribute (:mod:`infosys.se_ads`) made of these storage elements.

    :param storage: by folded id (:func:`infosys.se_ads.by_id`).
    """
    close = CloseStorage(storage)
    found = []
    for record in records:
        ad = record.ad.copy()
        ad.set("storage", close.attribute(ad, record.access_rules))
        found.append(replace(record, ad=ad))
    return tuple(found)


class _Assembler:
    def __init__(self, schema: Schema, holders: Mapping[str, names.Key]) -> None:
        self._writer = AdWriter(schema, glue1())
        self._holders = holders
        self._hosts: dict[str, ClassAd] = {}

    def assemble(self, entries: Iterable[Entry]) -> Assembly:
        shelf = self._sorted(entries)
        records: list[CeRecord] = []
        believed = self._believed(shelf)
        for key in believed:
            entry = shelf.ces[key]
            records.extend(self._records(names.parse(entry.dn)[0][0][1], key, entry, shelf))
        storage = shelf.storage.records(self._writer)
        holders = {key[0].partition("=")[2]: site_level(key) for key in believed}
        return Assembly(with_close_storage(records, by_id(storage)), storage, tuple(self._writer.problems), holders)

    def _sorted(self, entries: Iterable[Entry]) -> _Shelf:
        """Put each entry to its kind by the first components of its name."""
        shelf = _Shelf()
        for entry in entries:
            try:
                key = entry.key
            except NameSyntaxError as error:
                self._writer.note(error.description)
                continue
            shelf.storage.put(entry, key)
            kinds = [part.partition("=")[0] for part in key[:3]] + ["", "", ""]
            if kinds[0] == "glueceuniqueid" and kinds[1] == "mds-vo-name":
                shelf.ces.setdefault(key, entry)
            elif kinds[0] == "glueclusteruniqueid" and kinds[1] == "mds-vo-name":
                shelf.clusters.setdefault(key, entry)
            elif kinds[:3] == ["gluesubclusteruniqueid", "glueclusteruniqueid", "mds-vo-name"]:
                shelf.subclusters.setdefault(key[1:], []).append(entry)
            elif kinds[:3] == ["gluevoviewlocalid", "glueceuniqueid", "mds-vo-name"]:
                shelf.views.setdefault(key[1:], []).append(entry)
            elif kinds[:3] == ["gluecesebindseuniqueid", "gluecesebindgroupceuniqueid", "mds-vo-name"]:
                shelf.binds.setdefault(key[1:], []).append(entry)
        return shelf

    def _believed(self, shelf: _Shelf) -> list[names.Key]:
        """One entry for each CE id: of several that claim it the one whose host and contact are those of the id.

        Among equals the one under the site that had it before counts, then the first.
        """
        chosen: dict[str, names.Key] = {}
        for key, entry in shelf.ces.items():
            ce_id = key[0].partition("=")[2]
            rival = chosen.setdefault(ce_id, key)
            if rival == key:
                continue
            if self._trust(ce_id, key, entry) > self._trust(ce_id, rival, shelf.ces[rival]):
                chosen[ce_id] = key
                entry = shelf.ces[rival]
            self._writer.note(f"{ce_id} is published twice; what stands under {entry.dn} is left out")
        return list(chosen.values())

    def _trust(self, ce_id: str, key: names.Key, entry: Entry) -> tuple[bool, bool]:
        """How far an entry is believed that claims a CE id which another one claims too."""
        parts = CeId.find(ce_id)
        host = parts.host if parts is not None else ""
        contacts = [text for text in entry.values("GlueCEInfoContactString") if "://" in text]
        own = (
            bool(host)
            and names.fold(entry.first("GlueCEInfoHostName") or "") == host
            and all(host_of(text) == host for text in contacts)
        )
        return own, self._holders.get(ce_id) == site_level(key)

    def _records(self, ce_id: str, key: names.Key, entry: Entry, shelf: _Shelf) -> list[CeRecord]:
        cluster = self._cluster(key, entry, shelf)
        if cluster is None:
            self._writer.note(f"{ce_id} names no cluster that its site publishes; it is left out")
            return []
        subclusters = shelf.subclusters.get(cluster.key)
        if not subclusters:
            self._writer.note(f"the cluster of {ce_id} has no sub-cluster; the computing element is left out")
            return []
        binds = shelf.binds.get((f"gluecesebindgroupceuniqueid={key[0].partition('=')[2]}", *key[1:]), [])
        ad, site = self._ad(ce_id, entry, cluster, subclusters[0], binds)
        rules = _rules_of(entry)
        views = [view for view in shelf.views.get(key, ()) if _rules_of(view)]
        if len(views) > MAX_VIEWS:
            self._writer.note(f"{ce_id} has {len(views)} VO views; those after {MAX_VIEWS} are left out")
            views = views[:MAX_VIEWS]
        covered = {rule for view in views for rule in _rules_of(view)}
        denials = tuple(rule for rule in rules if _denies(rule))
        granted = tuple(rule for rule in rules if rule not in covered and not _denies(rule))
        records = []
        if not views or granted:
            # a denial that a view repeats for its own users holds for those without a view all the same
            records.append(self._record(ce_id, ce_id, ad, (*granted, *denials), site))
        denied = tuple(rule for rule in denials if rule not in covered)
        named = view_keys(ce_id, [local_id(view) for view in shelf.views.get(key, ())])
        for view in views:
            own = ad.copy()
            self._writer.fill(own, view, skip=("GlueChunkKey", "GlueForeignKey"))
            # what the element denies and no view takes over is denied by all of it
            admitted = tuple(dict.fromkeys((*_rules_of(view), *denied)))
            records.append(self._record(named[local_id(view)], ce_id, own, admitted, site))
        return records

    def _cluster(self, key: names.Key, entry: Entry, shelf: _Shelf) -> Entry | None:
        """The cluster that the CE's foreign key names, else that of its host, under the same site.

        Another site's cluster would lend the element machines and a name that are not its own.
        """
        wanted = foreign_keys(entry, "GlueClusterUniqueID")
        host = entry.first("GlueCEInfoHostName")
        for name in [*wanted, *([host] if host else [])]:
            found = shelf.clusters.get((f"glueclusteruniqueid={names.fold(name)}", *key[1:]))
            if found is not None:
                return found
        return None

    def _ad(
        self, ce_id: str, entry: Entry, cluster: Entry, subcluster: Entry, binds: list[Entry]
    ) -> tuple[ClassAd, str]:
        hosts = self._hosts.get(subcluster.dn)
        if hosts is None:
            hosts = self._hosts[subcluster.dn] = ClassAd()
            self._writer.fill(hosts, subcluster, skip=("GlueForeignKey",))
        ad = hosts.copy()
        self._writer.fill(ad, entry)
        ad.set("GlueCEUniqueID", ce_id)
        sites = foreign_keys(cluster, "GlueSiteUniqueID")
        site = sites[0] if sites else ""
        if site:
            ad.set("GlueSiteUniqueID", site)
        close = [bind_ad(each, self._writer) for each in binds[:MAX_PARTS]]
        if close:
            ad.set("CloseStorageElements", close)
            ad.set("GlueCESEBindGroupSEUniqueID", [each.value("name") for each in close])
        parts = CeId.find(ce_id)
        if parts is not None:
            ad.set("GlobusResourceContactString", parts.contact)
            ad.set("LRMSType", entry.first("GlueCEInfoLRMSType") or parts.lrms)
            ad.set("QueueName", parts.queue)
            ad.set("CEid", ce_id)
        ad.set("PurchasedBy", PURCHASED_BY)
        return ad, site

    def _record(self, key: str, ce_id: str, ad: ClassAd, rules: tuple[str, ...], site: str) -> CeRecord:
        ad.set(_RULES, list(rules))
        parts = CeId.find(ce_id)
        named = ad.value("GlueCEInfoHostName")
        host = named if isinstance(named, str) else (parts.host if parts else "")
        return CeRecord(key, ce_id, ad, rules, host, endpoint_of(ad, parts), site)


def _rules_of(entry: Entry) -> tuple[str, ...]:
    """The access rules without blanks around them, which no reader of rules minds."""
    return tuple(rule for text in entry.values(_RULES) if (rule := text.strip()))


def _denies(rule: str) -> bool:
    return rule[:5].upper() == "DENY:"


def local_id(view: Entry) -> str:
    """The name of a VO view below its element."""
    return names.parse(view.dn)[0][0][1]


def view_keys(ce_id: str, local_ids: Iterable[str]) -> dict[str, str]:
    """The keys of an element's views by their local ids.

    A leading ``/`` is left out, unless another view has the same name without it: a VO and the VO's group are two
    views.  So a key depends on which views there are and not on their order.
    """
    known = set(local_ids)
    return {each: f"{ce_id}/{_plain(each) if _plain(each) not in known - {each} else each}" for each in known}


def _plain(local_id: str) -> str:
    return local_id.removeprefix("/")


def site_level(key: names.Key) -> names.Key:
    """The part of a name that says which site publishes it: from its first ``mds-vo-name`` on."""
    return next((key[place:] for place, part in enumerate(key) if part.startswith("mds-vo-name=")), ())


def host_of(url: str) -> str:
    """The host of a URL in lower case; empty when there is none that every reader of URLs would agree on."""
    found = _AUTHORITY.match(url)
    return found["host"].lower() if found else ""


def endpoint_of(ad: ClassAd, parts: CeId | None) -> str:
    """Where the CREAM service answers: the published contact, else the usual place on the host of the CE id."""
    published = ad.value("GlueCEInfoContactString")
    for text in published if isinstance(published, tuple) else (published,):
        if isinstance(text, str) and text.startswith("https://") and host_of(text):
            return text.rstrip("/").removesuffix("/CREAM2").rstrip("/")
    if parts is not None and parts.kind == "cream" and parts.host:
        return f"https://{parts.host}:{parts.port}/ce-cream/services"
    return ""
