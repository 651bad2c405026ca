"""What GLUE 2.0 says, in the words of GLUE 1.3 (gLite WMS).

Times of a share are seconds in GLUE 2.0 and become minutes; numbers that mean "unknown" stay what they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infosys.ad_writer import MAX_VALUE
from infosys.ce_ads import host_of
from infosys.ce_id import CeId
from infosys.se_ads import SeRecord
from infosys.unknown import is_unknown
from jdl.tree import ClassAd, Expr, ListExpr
from jdl.values import Value

if TYPE_CHECKING:
    from infosys.glue2_ads import Node, Shelf

MAX_TAGS: Final = 20_000
"""Software tags of one ad; further ones are left out."""

_STATE: Final = (
    ("WaitingJobs", "GlueCEStateWaitingJobs"),
    ("TotalJobs", "GlueCEStateTotalJobs"),
    ("RunningJobs", "GlueCEStateRunningJobs"),
    ("FreeSlots", "GlueCEStateFreeJobSlots"),
    ("FreeSlots", "GlueCEStateFreeCPUs"),
    ("EstimatedAverageWaitingTime", "GlueCEStateEstimatedResponseTime"),
    ("EstimatedWorstWaitingTime", "GlueCEStateWorstResponseTime"),
)
"""What of a share changes by the minute."""
_COPIED: Final = (
    *(("share", name, alias) for name, alias in _STATE),
    ("share", "MaxRunningJobs", "GlueCEPolicyMaxRunningJobs"),
    ("share", "MaxWaitingJobs", "GlueCEPolicyMaxWaitingJobs"),
    ("share", "MaxTotalJobs", "GlueCEPolicyMaxTotalJobs"),
    ("share", "MaxSlotsPerJob", "GlueCEPolicyMaxSlotsPerJob"),
    ("share", "DefaultStorageService", "GlueCEInfoDefaultSE"),
    ("endpoint", "ImplementationName", "GlueCEImplementationName"),
    ("endpoint", "ImplementationVersion", "GlueCEImplementationVersion"),
    ("manager", "ProductName", "GlueCEInfoLRMSType"),
    ("manager", "ProductVersion", "GlueCEInfoLRMSVersion"),
    ("manager", "TotalLogicalCPUs", "GlueCEInfoTotalCPUs"),
    ("manager", "ApplicationDir", "GlueCEInfoApplicationDir"),
    ("manager", "TmpDir", "GlueSubClusterTmpDir"),
    ("manager", "ScratchDir", "GlueSubClusterWNTmpDir"),
    ("environment", "ID", "GlueSubClusterUniqueID"),
    ("environment", "Platform", "GlueHostArchitecturePlatformType"),
    ("environment", "LogicalCPUs", "GlueHostArchitectureSMPSize"),
    ("environment", "CPUVendor", "GlueHostProcessorVendor"),
    ("environment", "CPUModel", "GlueHostProcessorModel"),
    ("environment", "CPUVersion", "GlueHostProcessorVersion"),
    ("environment", "CPUClockSpeed", "GlueHostProcessorClockSpeed"),
    ("environment", "MainMemorySize", "GlueHostMainMemoryRAMSize"),
    ("environment", "VirtualMemorySize", "GlueHostMainMemoryVirtualSize"),
    ("environment", "OSName", "GlueHostOperatingSystemName"),
    ("environment", "OSVersion", "GlueHostOperatingSystemRelease"),
    ("environment", "ConnectivityIn", "GlueHostNetworkAdapterInboundIP"),
    ("environment", "ConnectivityOut", "GlueHostNetworkAdapterOutboundIP"),
)
_MINUTES: Final = (
    ("MaxWallTime", "GlueCEPolicyMaxWallClockTime"),
    ("MaxWallTime", "GlueCEPolicyMaxObtainableWallClockTime"),
    ("MaxCPUTime", "GlueCEPolicyMaxCPUTime"),
    ("MaxCPUTime", "GlueCEPolicyMaxObtainableCPUTime"),
)
_BENCHMARKS: Final = {"specint2000": "GlueHostBenchmarkSI00", "specfp2000": "GlueHostBenchmarkSF00"}
_STATES: Final = ("closed", "draining", "queueing", "production")
"""Serving states, the one that takes fewest jobs first."""


@dataclass(frozen=True)
class Parts:
    """The ads of which one computing element's is made."""

    service: ClassAd
    endpoint: ClassAd
    share: ClassAd
    manager: ClassAd | None
    environment: ClassAd | None
    benchmarks: Sequence[ClassAd]
    tags: ListExpr
    close: Sequence[Node]


def aliases(parts: Parts, ce_id: str) -> ClassAd:
    """The ad with its ``GLUE2`` part and the attributes of GLUE 1.3 that can be told from it."""
    ad = ClassAd()
    ad.set("GLUE2", _nested(parts))
    ad.set("GlueCEUniqueID", ce_id)
    for part, name, alias in _COPIED:
        found: ClassAd | None = getattr(parts, part)
        _copy(found, name, ad, alias)
    for name, alias in _MINUTES:
        seconds = parts.share.value(name)
        if isinstance(seconds, int) and not isinstance(seconds, bool):
            ad.set(alias, seconds if is_unknown(seconds) else seconds // 60)
    state = _state(parts.share.value("ServingState"), parts.endpoint.value("ServingState"))
    if state:
        ad.set("GlueCEStateStatus", state)
    ad.set("GlueHostApplicationSoftwareRunTimeEnvironment", parts.tags)
    for benchmark in parts.benchmarks:
        kind = benchmark.value("Type")
        score = _real(benchmark.value("Value"))
        if isinstance(kind, str) and kind.lower() in _BENCHMARKS and score is not None:
            ad.set(_BENCHMARKS[kind.lower()], round(score))
    _cpus(parts.environment, ad)
    _address(parts, ce_id, ad)
    _close(parts.close, ad)
    return ad


def state_aliases(share: ClassAd, endpoint: ClassAd) -> ClassAd:
    """The attributes of GLUE 1.3 that change by the minute, of a share behind an endpoint."""
    ad = ClassAd()
    for name, alias in _STATE:
        _copy(share, name, ad, alias)
    state = _state(share.value("ServingState"), endpoint.value("ServingState"))
    if state:
        ad.set("GlueCEStateStatus", state)
    return ad


def _nested(parts: Parts) -> ClassAd:
    computing = ClassAd()
    computing.set("Service", parts.service)
    computing.set("Endpoint", parts.endpoint)
    if parts.manager is not None:
        computing.set("Manager", parts.manager)
    computing.set("Share", parts.share)
    nested = ClassAd()
    nested.set("Computing", computing)
    if parts.environment is not None:
        nested.set("ExecutionEnvironment", parts.environment)
    nested.set("Benchmark", list(parts.benchmarks))
    software = ClassAd()
    software.set("AppName", parts.tags)
    nested.set("ApplicationEnvironment", software)
    return nested


def _copy(part: ClassAd | None, name: str, ad: ClassAd, alias: str) -> None:
    value: Expr | None = part.get(name) if part is not None else None
    if value is not None:
        ad.set(alias, value)


def tags_of(applications: Iterable[Node]) -> list[str]:
    """The names of application environments, each once."""
    named = (each.first("GLUE2ApplicationEnvironmentAppName") for each in itertools.islice(applications, MAX_TAGS))
    return list(dict.fromkeys(each for each in named if each and len(each) <= MAX_VALUE))


def _state(*states: Value) -> str:
    """The state of a share behind an endpoint in the spelling of GLUE 1.3: the more restrictive of the two."""
    known = [each.lower() for each in states if isinstance(each, str)]
    return next((state.capitalize() for state in _STATES if state in known), "")


def _real(value: Value) -> float | None:
    try:
        return float(value) if isinstance(value, (str, int, float)) else None
    except (ValueError, OverflowError):
        return None


def _cpus(environment: ClassAd | None, ad: ClassAd) -> None:
    """The sub-cluster's CPUs: those of one instance times the instances."""
    if environment is None:
        return
    instances = environment.value("TotalInstances")
    count = instances if isinstance(instances, int) and 0 < instances < 10**9 else 1
    for name in ("PhysicalCPUs", "LogicalCPUs"):
        each = environment.value(name)
        if isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 10**9:
            ad.set(f"GlueSubCluster{name}", each if is_unknown(each) else each * count)


def _address(parts: Parts, ce_id: str, ad: ClassAd) -> None:
    """Host, contact, LRMS and queue: from the CE id, else from the endpoint's URL and the share."""
    url = parts.endpoint.value("URL")
    if isinstance(url, str):
        ad.set("GlueCEInfoContactString", [url])
    named = CeId.find(ce_id)
    host = named.host if named is not None else ""
    if not host and isinstance(url, str):
        host = host_of(url)
    if host:
        ad.set("GlueCEInfoHostName", host)
    product = parts.manager.value("ProductName") if parts.manager is not None else None
    queue = parts.share.value("MappingQueue")
    if named is not None:
        ad.set("GlobusResourceContactString", named.contact)
        ad.set("LRMSType", product if isinstance(product, str) and product else named.lrms)
        ad.set("QueueName", named.queue)
        ad.set("CEid", ce_id)
    elif isinstance(queue, str):
        ad.set("QueueName", queue)
        ad.set("GlueCEName", queue)


def _close(links: Sequence[Node], ad: ClassAd) -> None:
    close = []
    for link in links[:1000]:
        bind = ClassAd()
        bind.set("name", link.first("GLUE2ToStorageServiceStorageServiceForeignKey"))
        bind.set("mount", link.first("GLUE2ToStorageServiceLocalPath"))
        bind.set("GlueCESEBindSEUniqueID", link.first("GLUE2ToStorageServiceStorageServiceForeignKey"))
        bind.set("GlueCESEBindCEAccesspoint", link.first("GLUE2ToStorageServiceLocalPath"))
        close.append(bind)
    if close:
        ad.set("CloseStorageElements", close)
        ad.set("GlueCESEBindGroupSEUniqueID", [each.value("name") for each in close])


def storage_record(service: Node, shelf: Shelf, ad_of: Callable[[Node], ClassAd]) -> SeRecord:
    """A storage service as a storage element; a storage endpoint without shares has those of its service."""
    ad = ClassAd()
    endpoints = shelf.of("GLUE2StorageEndpoint", service)
    nested = ClassAd()
    nested.set("Service", ad_of(service))
    nested.set("Endpoint", [ad_of(each) for each in endpoints])
    shares = shelf.of("GLUE2StorageShare", service)
    nested.set("Share", [ad_of(each) for each in shares])
    ad.set("GLUE2", {"Storage": nested})
    ad.set("GlueSEUniqueID", service.id)
    hosts = dict.fromkeys(host for each in endpoints if (host := host_of(each.first("GLUE2EndpointURL"))))
    if hosts:
        ad.set("Hosts", list(hosts))
    states = [each.first("GLUE2EndpointServingState") for each in endpoints]
    ad.set("GlueSEStatus", _state(*states) or "Production")
    protocols = shelf.of("GLUE2StorageAccessProtocol", service)
    types = [each.first("GLUE2StorageAccessProtocolType") for each in protocols]
    ad.set("GlueSEAccessProtocol", [{"GlueSEAccessProtocolType": each} for each in types])
    ad.set("GlueSEControlProtocol", [_control(each) for each in endpoints])
    ad.set("GlueSA", [_area(each, shelf, ad_of) for each in shares])
    ad.set("CloseComputingElements", [])
    site = service.first("GLUE2ServiceAdminDomainForeignKey")
    if site:
        ad.set("GlueSiteUniqueID", site)
    return SeRecord(service.id, ad, frozenset(each.lower() for each in types if each), site)


def _control(endpoint: Node) -> ClassAd:
    made = ClassAd()
    made.set("GlueSEControlProtocolType", endpoint.first("GLUE2EndpointInterfaceName"))
    made.set("GlueSEControlProtocolVersion", endpoint.first("GLUE2EndpointInterfaceVersion"))
    made.set("GlueSEControlProtocolEndpoint", endpoint.first("GLUE2EndpointURL"))
    return made


def _area(share: Node, shelf: Shelf, ad_of: Callable[[Node], ClassAd]) -> ClassAd:
    made = ClassAd()
    made.set("GlueSALocalID", share.id)
    made.set("GlueSAPath", share.first("GLUE2StorageSharePath"))
    made.set("GlueSAAccessLatency", share.first("GLUE2StorageShareAccessLatency"))
    rules = [rule for each in shelf.of("GLUE2MappingPolicy", share) for rule in each.entry.values("GLUE2PolicyRule")]
    made.set("GlueSAAccessControlBaseRule", rules[:1000])
    for capacity in shelf.of("GLUE2StorageShareCapacity", share):
        if capacity.first("GLUE2StorageShareCapacityType").lower() != "online":
            continue
        _copy(ad_of(capacity), "TotalSize", made, "GlueSATotalOnlineSize")
        _copy(ad_of(capacity), "FreeSize", made, "GlueSAFreeOnlineSize")
        _copy(ad_of(capacity), "UsedSize", made, "GlueSAUsedOnlineSize")
        free = ad_of(capacity).value("FreeSize")
        if isinstance(free, int) and 0 <= free < 10**12:
            made.set("GlueSAStateAvailableSpace", free * 1_000_000)  # GB are KB here
    return made
