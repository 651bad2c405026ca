"""From GLUE 2.0 entries to the ads that jobs are matched with (gLite WMS, information supermarket).

One ad for each computing share behind each endpoint that it names; an endpoint without shares gives none.  The ad holds

* ``GLUE2 = [ Computing = [ Service, Endpoint, Manager, Share = [ …; Policy = {…}; OtherInfo = […] ] ];
  ExecutionEnvironment = […]; Benchmark = {…}; ApplicationEnvironment = [ AppName = {…} ] ]`` with the attributes of
  the entries, their names without the class (``GLUE2ComputingShareFreeSlots`` is ``GLUE2.Computing.Share.FreeSlots``);
* the attributes of GLUE 1.3 that mean the same (:mod:`infosys.glue2_alias`), so that every expression written for
  GLUE 1.3 works.

Entries are related by their foreign keys alone, within one domain: a site cannot hang its share onto another's service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from infosys import names
from infosys.ad_writer import AdWriter
from infosys.ce_ads import Assembly, CeRecord, endpoint_of, host_of, with_close_storage
from infosys.ce_id import CeId
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.glue2_alias import Parts, aliases, storage_record, tags_of
from infosys.schema import Schema, glue2
from infosys.se_ads import by_id
from jdl.tree import ClassAd, ListExpr, Literal

GLUE2_BASE: Final = "o=glue"
GLUE2_FILTER: Final = "(|(objectclass=GLUE2Service)(objectclass=GLUE2Entity))"
"""What the ads are assembled from."""
PURCHASED_BY: Final = "II_G2_purchaser"
MAX_SHARES: Final = 2000
"""Shares behind the endpoints of one service; further ones are left out."""
MAX_RELATED: Final = 5000
"""Entries of one kind that one entry may be related to; further ones are left out."""
SCHEMES: Final = ("org.glite.standard", "basic")
"""Schemes of policies whose rules are those of GLUE 1.3."""

_LINKS: Final[Mapping[str, tuple[str, ...]]] = {
    "GLUE2ComputingEndpoint": ("GLUE2EndpointServiceForeignKey", "GLUE2ComputingEndpointComputingServiceForeignKey"),
    "GLUE2ComputingShare": ("GLUE2ShareEndpointForeignKey", "GLUE2ComputingShareComputingEndpointForeignKey"),
    "GLUE2ComputingManager": ("GLUE2ManagerServiceForeignKey", "GLUE2ComputingManagerComputingServiceForeignKey"),
    "GLUE2ExecutionEnvironment": (
        *("GLUE2ResourceManagerForeignKey", "GLUE2ExecutionEnvironmentComputingManagerForeignKey"),
    ),
    "GLUE2Benchmark": (
        *("GLUE2BenchmarkExecutionEnvironmentForeignKey", "GLUE2BenchmarkComputingManagerForeignKey"),
    ),
    "GLUE2ApplicationEnvironment": (
        *("GLUE2ApplicationEnvironmentComputingManagerForeignKey",),
        *("GLUE2ApplicationEnvironmentExecutionEnvironmentForeignKey",),
    ),
    "GLUE2MappingPolicy": ("GLUE2MappingPolicyShareForeignKey",),
    "GLUE2AccessPolicy": ("GLUE2AccessPolicyEndpointForeignKey",),
    "GLUE2ToStorageService": ("GLUE2ToStorageServiceComputingServiceForeignKey",),
    "GLUE2StorageEndpoint": ("GLUE2EndpointServiceForeignKey", "GLUE2StorageEndpointStorageServiceForeignKey"),
    "GLUE2StorageShare": ("GLUE2ShareServiceForeignKey", "GLUE2StorageShareStorageServiceForeignKey"),
    "GLUE2StorageAccessProtocol": ("GLUE2StorageAccessProtocolStorageServiceForeignKey",),
    "GLUE2StorageShareCapacity": ("GLUE2StorageShareCapacityStorageShareForeignKey",),
    "GLUE2ComputingService": (),
    "GLUE2StorageService": (),
}
"""The kinds of entries that count, and the foreign keys by which they are found from what they belong to."""
_KINDS: Final = {kind.lower(): kind for kind in _LINKS}


@dataclass(frozen=True, eq=False)
class Node:
    """An entry that counts.

    :ivar id: the value of its ``…ID``, which foreign keys name.
    :ivar domain: the part of its name that says which site publishes it.
    """

    entry: Entry
    kind: str
    id: str
    domain: names.Key

    def first(self, name: str) -> str:
        """The first value of an attribute, or an empty text."""
        return self.entry.first(name) or ""


@dataclass
class Shelf:
    """The entries by what they belong to."""

    services: dict[tuple[names.Key, str], Node] = field(default_factory=dict)
    storage: dict[tuple[names.Key, str], Node] = field(default_factory=dict)
    resources: dict[tuple[names.Key, str], Node] = field(default_factory=dict)
    related: dict[tuple[str, names.Key, str], list[Node]] = field(default_factory=dict)

    def of(self, kind: str, owner: Node) -> list[Node]:
        """The entries of a kind that name the owner."""
        return self.related.get((kind, owner.domain, owner.id), [])


def assemble2(entries: Iterable[Entry], schema: Schema | None = None) -> Assembly:
    """Make the ads of a GLUE 2.0 tree.

    :param schema: as :func:`infosys.ce_ads.assemble` has it.
    """
    return _Assembler(schema or glue2()).assemble(entries)


def merge(first: Iterable[CeRecord], second: Iterable[CeRecord]) -> tuple[CeRecord, ...]:
    """Records of GLUE 1.3 completed by those of GLUE 2.0, then those that GLUE 2.0 alone knows.

    Two are the same when their keys are, or their computing elements and whom they admit, and the same site publishes
    both.  What GLUE 2.0 says of one counts more; access rules, host, contact and close storage stay those of GLUE 1.3.
    Where a computing element has records of GLUE 1.3, one of GLUE 2.0 that is the same as none of them is left out.
    """
    known = tuple(first)
    by_key: dict[str, CeRecord] = {}
    by_rules: dict[tuple[str, frozenset[str]], CeRecord] = {}
    more: list[CeRecord] = []
    elements = {names.fold(record.ce_id) for record in known}
    for record in second:
        by_key.setdefault(names.fold(record.key), record)
        by_rules.setdefault((names.fold(record.ce_id), frozenset(record.access_rules)), record)
        if names.fold(record.ce_id) not in elements:
            more.append(record)
    return (*(_completed(record, by_key, by_rules) for record in known), *more)


def _completed(
    record: CeRecord,
    by_key: Mapping[str, CeRecord],
    by_rules: Mapping[tuple[str, frozenset[str]], CeRecord],
) -> CeRecord:
    same = (names.fold(record.ce_id), frozenset(record.access_rules))
    found = by_rules.get(same) or by_key.get(names.fold(record.key))
    if found is None or not same_site(record.site, found.site):
        return record
    ad = record.ad.copy()
    for name, value in found.ad.items():
        if name.lower() not in _KEPT and not (name.lower() in _LISTS and name in ad):
            ad.set(name, value)
    return replace(record, ad=ad)


_KEPT: Final = frozenset(
    {
        *("glueceuniqueid", "glueceaccesscontrolbaserule", "glueceinfohostname", "glueceinfocontactstring"),
        *("gluesiteuniqueid", "globusresourcecontactstring", "lrmstype", "queuename", "ceid", "purchasedby", "storage"),
        *("closestorageelements", "gluecesebindgroupseuniqueid"),
    }
)
"""Attributes of a GLUE 1.3 ad that a GLUE 2.0 one does not replace."""
_LISTS: Final = frozenset({"gluehostapplicationsoftwareruntimeenvironment"})
"""Attributes that GLUE 1.3 publishes more completely."""


def same_site(first: str, second: str) -> bool:
    """Whether two names of sites may be one site's; an unknown one may be any."""
    return not first or not second or names.fold(first) == names.fold(second)


class _Assembler:
    def __init__(self, schema: Schema) -> None:
        self._writer = AdWriter(schema, glue2())
        self._ads: dict[Node, ClassAd] = {}
        self._tags: dict[tuple[Node, ...], ListExpr] = {}

    def assemble(self, entries: Iterable[Entry]) -> Assembly:
        shelf = self._sorted(entries)
        found: dict[str, CeRecord] = {}
        owners: dict[str, tuple[Node, Node]] = {}
        origins: dict[str, tuple[names.Key, names.Key]] = {}
        for service in shelf.services.values():
            pairs = (
                (endpoint, share)
                for endpoint in shelf.of("GLUE2ComputingEndpoint", service)
                for share in shelf.of("GLUE2ComputingShare", endpoint)
            )
            for count, (endpoint, share) in enumerate(pairs, 1):
                if count > MAX_SHARES:
                    self._writer.note(f"{service.id} has more than {MAX_SHARES} shares; further ones are left out")
                    break
                record = self._record(service, endpoint, share, shelf)
                chosen = self._choose(record, service, share, found, owners)
                if chosen:
                    origins[chosen] = (share.entry.key, endpoint.entry.key)
        storage = tuple(storage_record(node, shelf, self._ad) for node in shelf.storage.values())
        records = with_close_storage(found.values(), by_id(storage))
        return Assembly(records, storage, tuple(self._writer.problems), origins=origins)

    def _choose(
        self,
        record: CeRecord,
        service: Node,
        share: Node,
        found: dict[str, CeRecord],
        owners: dict[str, tuple[Node, Node]],
    ) -> str:
        """Take the record unless a better one has its key; of a share behind two endpoints the first counts.

        :returns: the key that the record was taken with; empty when it was not taken.
        """
        whole = record.access_rules[0].partition(":")[2] if record.access_rules else share.id
        for name in (record.key, f"{record.ce_id}/{whole}", f"{record.ce_id}/{share.id}"):
            key = names.fold(name)
            owner = owners.setdefault(key, (service, share))
            if owner == (service, share):
                taken = key not in found
                found.setdefault(key, replace(record, key=name))
                return name if taken else ""
            if owner[0] is not service:
                better = self._trust(record) > self._trust(found[key])
                if better:
                    found[key], owners[key] = replace(record, key=name), (service, share)
                self._writer.note(f"{record.key} is published twice, the other time by {share.entry.dn}")
                return name if better else ""
        return ""

    def _trust(self, record: CeRecord) -> bool:
        """Whether the endpoint of a record is on the host that its CE id names."""
        parts = CeId.find(record.ce_id)
        return parts is not None and bool(parts.host) and host_of(record.endpoint) == parts.host.lower()

    def _sorted(self, entries: Iterable[Entry]) -> Shelf:
        shelf = Shelf()
        for entry in entries:
            classes = {each.lower() for each in entry.values("objectClass")}
            kind = next((_KINDS[each] for each in _KINDS if each in classes), None)
            if kind is None:
                continue
            node = self._node(entry, kind)
            if node is not None:
                self._put(node, shelf)
        return shelf

    def _node(self, entry: Entry, kind: str) -> Node | None:
        try:
            key = entry.key
        except NameSyntaxError as error:
            self._writer.note(error.description)
            return None
        named = names.parse(entry.dn)[0][0][1] if key else ""
        start = next((place for place, part in enumerate(key) if part.startswith("glue2domainid=")), len(key))
        return Node(entry, kind, named, key[start:])

    def _put(self, node: Node, shelf: Shelf) -> None:
        tables = {
            "GLUE2ComputingService": shelf.services,
            "GLUE2StorageService": shelf.storage,
            "GLUE2ExecutionEnvironment": shelf.resources,
        }
        table = tables.get(node.kind)
        if table is not None and table.setdefault((node.domain, node.id), node) is not node:
            self._writer.note(f"{node.id} is published twice; what stands under {node.entry.dn} is left out")
            return
        owners = dict.fromkeys(value for name in _LINKS[node.kind] for value in node.entry.values(name))
        for owner in list(owners)[:MAX_RELATED]:
            related = shelf.related.setdefault((node.kind, node.domain, owner), [])
            if len(related) < MAX_RELATED:
                related.append(node)

    def _record(self, service: Node, endpoint: Node, share: Node, shelf: Shelf) -> CeRecord:
        managers = shelf.of("GLUE2ComputingManager", service)
        environment = self._environment(share, managers, shelf)
        owners = tuple(each for each in (environment, *managers) if each is not None)
        parts = Parts(
            service=self._ad(service),
            endpoint=self._ad(endpoint),
            share=self._ad(share).copy(),
            manager=self._ad(managers[0]) if managers else None,
            environment=self._ad(environment) if environment is not None else None,
            benchmarks=[self._ad(each) for owner in owners for each in shelf.of("GLUE2Benchmark", owner)][:100],
            tags=self._tags_of(owners, shelf),
            close=shelf.of("GLUE2ToStorageService", service),
        )
        policies = [each for each in shelf.of("GLUE2MappingPolicy", share) if _standard(each)]
        access = [each for each in shelf.of("GLUE2AccessPolicy", endpoint) if _standard(each)]
        rules = _rules(policies, access)
        parts.share.set("Policy", [self._ad(each) for each in policies])
        other = _other_info(share)
        parts.share.set("OtherInfo", other)
        ce_id = other.string("CREAMCEId") or share.id
        ad = aliases(parts, ce_id)
        ad.set("GlueCEAccessControlBaseRule", list(rules))
        ad.set("PurchasedBy", PURCHASED_BY)
        named = CeId.find(ce_id)
        host = ad.string("GlueCEInfoHostName") or ""
        view = rules[0].partition(":")[2].removeprefix("/") if rules else share.id
        site = _site(service)
        if site:
            ad.set("GlueSiteUniqueID", site)
        return CeRecord(f"{ce_id}/{view}", ce_id, ad, rules, host, endpoint_of(ad, named), site)

    def _tags_of(self, owners: tuple[Node, ...], shelf: Shelf) -> ListExpr:
        """The software tags that belong to an environment or its managers; made once."""
        found = self._tags.get(owners)
        if found is None:
            named = (each for owner in owners for each in shelf.of("GLUE2ApplicationEnvironment", owner))
            found = self._tags[owners] = ListExpr(map(Literal, tags_of(named)))
        return found

    def _environment(self, share: Node, managers: list[Node], shelf: Shelf) -> Node | None:
        """The execution environment that the share names, else the first of its service's managers."""
        for name in ("GLUE2ShareResourceForeignKey", "GLUE2ComputingShareExecutionEnvironmentForeignKey"):
            for value in share.entry.values(name)[:MAX_RELATED]:
                found = shelf.resources.get((share.domain, value))
                if found is not None:
                    return found
        environments = (each for manager in managers for each in shelf.of("GLUE2ExecutionEnvironment", manager))
        return next(environments, None)

    def _ad(self, node: Node) -> ClassAd:
        """The entry as an ad whose names do not repeat the class; made once."""
        found = self._ads.get(node)
        if found is None:
            found = self._ads[node] = ClassAd()
            prefixes = sorted(
                {*(each.lower() for each in node.entry.values("objectClass")), "glue2entity", "glue2resource"},
                key=len,
                reverse=True,
            )
            for name, value in self._writer.ad(node.entry).items():
                prefix = next((each for each in prefixes if name.lower().startswith(each)), "")
                found.set(name[len(prefix) :] or name, value)
        return found


def _site(service: Node) -> str:
    """The domain under which the service stands, as the information system placed it; else the one that it names."""
    for component in names.parse(service.entry.dn):
        if component[0][0].lower() == "glue2domainid":
            return component[0][1]
    return service.first("GLUE2ServiceAdminDomainForeignKey")


def _standard(policy: Node) -> bool:
    return policy.first("GLUE2PolicyScheme").lower() in SCHEMES


def _rules(policies: list[Node], access: list[Node]) -> tuple[str, ...]:
    """Whom the share admits: its mapping policies' rules, else the endpoint's; what the endpoint denies is denied."""
    mapped = [rule.strip() for each in policies for rule in each.entry.values("GLUE2PolicyRule")]
    allowed = [rule.strip() for each in access for rule in each.entry.values("GLUE2PolicyRule")]
    denied = [rule for rule in allowed if rule[:5].upper() == "DENY:"]
    return tuple(dict.fromkeys([*(mapped or allowed), *denied]))


def _other_info(share: Node) -> ClassAd:
    """The ``key=value`` texts of GLUE2EntityOtherInfo as an ad."""
    found = ClassAd()
    for text in share.entry.values("GLUE2EntityOtherInfo")[:MAX_RELATED]:
        name, equals, value = text.partition("=")
        if equals and name.isidentifier() and len(value) <= names.MAX_NAME and name not in found:
            found.set("CREAMCEId" if name.lower() == "creamceid" else name, value)
    return found
