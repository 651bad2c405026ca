"""GLUE 1.3 as frozen records, and the LDAP entries that publish them.

Units (GLUE 1.3): wall-clock and CPU limits in minutes, response times in seconds, memory in MB, clock speed in MHz.
A record's defaults are what grids publish while nothing is known: limits of 999999999, 444444 jobs, a response time
of 2146660842 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from infosys import names, unknown
from infosys.entry import Entry
from infosys.record import attribute, entry_of, published

RESOURCE: Final = "mds-vo-name=resource,o=grid"
"""The suffix of entries at the service that they describe."""

UNKNOWN_LIMIT: Final = unknown.LIMIT
UNKNOWN_JOBS: Final = unknown.JOBS
UNKNOWN_TIME: Final = unknown.TIME

_CE_CLASSES: Final = (
    *("GlueCETop", "GlueCE", "GlueCEAccessControlBase", "GlueCEInfo", "GlueCEPolicy", "GlueCEState"),
    *("GlueInformationService", "GlueKey", "GlueSchemaVersion"),
)
_VIEW_CLASSES: Final = (
    *("GlueCETop", "GlueVOView", "GlueCEInfo", "GlueCEState", "GlueCEAccessControlBase", "GlueCEPolicy"),
    *("GlueKey", "GlueSchemaVersion"),
)
_CLUSTER_CLASSES: Final = ("GlueClusterTop", "GlueCluster", "GlueInformationService", "GlueKey", "GlueSchemaVersion")
_SUBCLUSTER_CLASSES: Final = (
    *("GlueClusterTop", "GlueSubCluster", "GlueHostApplicationSoftware", "GlueHostArchitecture"),
    *("GlueHostMainMemory", "GlueHostNetworkAdapter", "GlueHostOperatingSystem"),
    *("GlueHostProcessor", "GlueInformationService", "GlueKey", "GlueSchemaVersion"),
)
_BENCHMARK_CLASS: Final = "GlueHostBenchmark"
"""Of a sub-cluster whose benchmarks are known: who names the class is asked for both."""
VERSION: Final[Mapping[str, int]] = {"GlueSchemaVersionMajor": 1, "GlueSchemaVersionMinor": 3}
"""What every entry says of its schema."""


def _glue(name: str, **more: Any) -> Any:
    """A field that is published as the attribute ``Glue<name>``."""
    return attribute(f"Glue{name}", **more)


def _entry(dn: str, classes: Iterable[str], *parts: Mapping[str, Any]) -> Entry:
    """An entry of GLUE 1.3.

    :raises RecordError: when a mandatory attribute has no value.
    """
    return entry_of(dn, classes, *parts, top=("GlueTop",))


@dataclass(frozen=True, kw_only=True)
class CEInfo:
    """What does not change: where the element is and what runs it."""

    host_name: str = _glue("CEInfoHostName")
    lrms_type: str = _glue("CEInfoLRMSType")
    lrms_version: str = _glue("CEInfoLRMSVersion", default="not defined")
    gatekeeper_port: int = _glue("CEInfoGatekeeperPort", default=8443)
    job_manager: str = _glue("CEInfoJobManager", default="")
    contact: tuple[str, ...] = _glue("CEInfoContactString", default=())
    total_cpus: int = _glue("CEInfoTotalCPUs", default=0)
    gram_version: str = _glue("CEInfoGRAMVersion", default="not defined")
    application_dir: str = _glue("CEInfoApplicationDir", default="")
    data_dir: str = _glue("CEInfoDataDir", default="unset")
    default_se: str = _glue("CEInfoDefaultSE", default="")


@dataclass(frozen=True, kw_only=True)
class CEState:
    """What changes by the minute; times in seconds."""

    status: str = _glue("CEStateStatus", default="Production")
    """Production, Queueing, Draining or Closed."""
    running_jobs: int = _glue("CEStateRunningJobs", default=0)
    waiting_jobs: int = _glue("CEStateWaitingJobs", default=UNKNOWN_JOBS)
    total_jobs: int = _glue("CEStateTotalJobs", default=0)
    free_job_slots: int = _glue("CEStateFreeJobSlots", default=0)
    free_cpus: int = _glue("CEStateFreeCPUs", default=0)
    estimated_response_time: int = _glue("CEStateEstimatedResponseTime", default=UNKNOWN_TIME)
    worst_response_time: int = _glue("CEStateWorstResponseTime", default=UNKNOWN_TIME)


@dataclass(frozen=True, kw_only=True)
class CEPolicy:
    """What the element grants a job; times in minutes."""

    max_cpu_time: int = _glue("CEPolicyMaxCPUTime", default=UNKNOWN_LIMIT)
    max_obtainable_cpu_time: int = _glue("CEPolicyMaxObtainableCPUTime", default=UNKNOWN_LIMIT)
    max_wall_clock_time: int = _glue("CEPolicyMaxWallClockTime", default=UNKNOWN_LIMIT)
    max_obtainable_wall_clock_time: int = _glue("CEPolicyMaxObtainableWallClockTime", default=UNKNOWN_LIMIT)
    max_running_jobs: int = _glue("CEPolicyMaxRunningJobs", default=UNKNOWN_LIMIT)
    max_waiting_jobs: int = _glue("CEPolicyMaxWaitingJobs", default=UNKNOWN_LIMIT)
    max_total_jobs: int = _glue("CEPolicyMaxTotalJobs", default=UNKNOWN_LIMIT)
    max_slots_per_job: int = _glue("CEPolicyMaxSlotsPerJob", default=UNKNOWN_LIMIT)
    assigned_job_slots: int = _glue("CEPolicyAssignedJobSlots", default=0)
    priority: int = _glue("CEPolicyPriority", default=1)
    preemption: int = _glue("CEPolicyPreemption", default=0)


@dataclass(frozen=True, kw_only=True)
class VOView:
    """What one VO or group sees of a computing element: its own rules, state and limits."""

    local_id: str = _glue("VOViewLocalID")
    access: tuple[str, ...] = _glue("CEAccessControlBaseRule")
    """``VO:<vo>``, ``VOMS:<fqan>``, ``DENY:<fqan>`` or a DN."""
    state: CEState = field(default_factory=CEState)
    policy: CEPolicy = field(default_factory=CEPolicy)
    application_dir: str = _glue("CEInfoApplicationDir", default="")
    default_se: str = _glue("CEInfoDefaultSE", default="")

    def entry(self, ce_id: str, suffix: str = RESOURCE) -> Entry:
        """The entry below that of its computing element."""
        above = names.rdn("GlueCEUniqueID", ce_id)
        return _entry(
            names.join(names.rdn("GlueVOViewLocalID", self.local_id), above, suffix),
            _VIEW_CLASSES,
            published(self),
            published(self.state),
            published(self.policy),
            {"GlueChunkKey": above},
            VERSION,
        )


@dataclass(frozen=True, kw_only=True)
class ComputingElement:
    """A queue that takes jobs."""

    unique_id: str = _glue("CEUniqueID")
    cluster_id: str
    info: CEInfo
    access: tuple[str, ...] = _glue("CEAccessControlBaseRule")
    """``VO:<vo>``, ``VOMS:<fqan>``, ``DENY:<fqan>`` or a DN."""
    name: str = _glue("CEName", default="")
    state: CEState = field(default_factory=CEState)
    policy: CEPolicy = field(default_factory=CEPolicy)
    implementation_name: str = _glue("CEImplementationName", default="CREAM")
    implementation_version: str = _glue("CEImplementationVersion", default="1.16")
    capability: tuple[str, ...] = _glue("CECapability", default=())
    information_service_url: str = _glue("InformationServiceURL", default="")
    views: tuple[VOView, ...] = ()

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The element and its views.

        :raises RecordError: when the element has no access rule.
        """
        own = _entry(
            names.join(names.rdn("GlueCEUniqueID", self.unique_id), suffix),
            _CE_CLASSES,
            {"GlueCEHostingCluster": self.cluster_id},
            published(self),
            published(self.info),
            published(self.state),
            published(self.policy),
            {"GlueForeignKey": names.rdn("GlueClusterUniqueID", self.cluster_id)},
            VERSION,
        )
        return [own, *(view.entry(self.unique_id, suffix) for view in self.views)]


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The machines behind computing elements."""

    unique_id: str = _glue("ClusterUniqueID")
    site_id: str
    ce_ids: tuple[str, ...]
    name: str = _glue("ClusterName", default="")
    tmp_dir: str = _glue("ClusterTmpDir", default="/tmp")
    wn_tmp_dir: str = _glue("ClusterWNTmpDir", default="/tmp")
    information_service_url: str = _glue("InformationServiceURL", default="")

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The one entry."""
        keys = [names.rdn("GlueSiteUniqueID", self.site_id)]
        keys.extend(names.rdn("GlueCEUniqueID", ce_id) for ce_id in self.ce_ids)
        return [
            _entry(
                names.join(names.rdn("GlueClusterUniqueID", self.unique_id), suffix),
                _CLUSTER_CLASSES,
                published(self),
                {"GlueClusterService": self.ce_ids, "GlueForeignKey": keys},
                VERSION,
            )
        ]


@dataclass(frozen=True, kw_only=True)
class SubCluster:
    """One representative host of a homogeneous part of a cluster."""

    unique_id: str = _glue("SubClusterUniqueID")
    cluster_id: str
    name: str = _glue("SubClusterName", default="")
    physical_cpus: int = _glue("SubClusterPhysicalCPUs", default=1)
    logical_cpus: int = _glue("SubClusterLogicalCPUs", default=1)
    tmp_dir: str = _glue("SubClusterTmpDir", default="/tmp")
    wn_tmp_dir: str = _glue("SubClusterWNTmpDir", default="/tmp")
    platform: str = _glue("HostArchitecturePlatformType", default="x86_64")
    smp_size: int = _glue("HostArchitectureSMPSize", default=1)
    processor_vendor: str = _glue("HostProcessorVendor", default="")
    processor_model: str = _glue("HostProcessorModel", default="")
    processor_clock_speed: int = _glue("HostProcessorClockSpeed", default=0)
    ram_size: int = _glue("HostMainMemoryRAMSize", default=0)
    """MB, as :attr:`virtual_size`."""
    virtual_size: int = _glue("HostMainMemoryVirtualSize", default=0)
    os_name: str = _glue("HostOperatingSystemName", default="Linux")
    os_release: str = _glue("HostOperatingSystemRelease", default="")
    os_version: str = _glue("HostOperatingSystemVersion", default="")
    inbound_ip: bool = _glue("HostNetworkAdapterInboundIP", default=False)
    outbound_ip: bool = _glue("HostNetworkAdapterOutboundIP", default=True)
    si00: int | None = _glue("HostBenchmarkSI00", default=None)
    sf00: int | None = _glue("HostBenchmarkSF00", default=None)
    software: tuple[str, ...] = _glue("HostApplicationSoftwareRunTimeEnvironment", default=())
    information_service_url: str = _glue("InformationServiceURL", default="")
    locations: tuple[Location, ...] = ()
    packages: tuple[Software, ...] = ()

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The entry below that of its cluster, and those of its software."""
        cluster = names.rdn("GlueClusterUniqueID", self.cluster_id)
        own = names.rdn("GlueSubClusterUniqueID", self.unique_id)
        above = (own, cluster)
        keys = {"GlueChunkKey": cluster}
        measured = self.si00 is not None or self.sf00 is not None
        classes = (*_SUBCLUSTER_CLASSES, *((_BENCHMARK_CLASS,) if measured else ()))
        found = [_entry(names.join(*above, suffix), classes, published(self), keys, VERSION)]
        for location in self.locations:
            found.append(_part("GlueLocation", location.local_id, above, suffix, location))
        for package in self.packages:
            found.append(_part("GlueSoftware", package.local_id, above, suffix, package))
            over = (names.rdn("GlueSoftwareLocalID", package.local_id), *above)
            found.extend(_part("GlueSoftwareData", each.key, over, suffix, each) for each in package.data)
        return found


@dataclass(frozen=True, kw_only=True)
class Location:
    """Where a piece of software is installed on the worker nodes."""

    local_id: str = _glue("LocationLocalID")
    name: str = _glue("LocationName", default="")
    version: str = _glue("LocationVersion", default="")
    path: str = _glue("LocationPath", default="")


@dataclass(frozen=True, kw_only=True)
class SoftwareData:
    """One more thing that is known of a piece of software."""

    key: str = _glue("SoftwareDataKey")
    value: str = _glue("SoftwareDataValue", default="")


@dataclass(frozen=True, kw_only=True)
class Software:
    """A piece of software on the worker nodes."""

    local_id: str = _glue("SoftwareLocalID")
    name: str = _glue("SoftwareName", default="")
    version: str = _glue("SoftwareVersion", default="")
    installed_root: str = _glue("SoftwareInstalledRoot", default="")
    environment_setup: str = _glue("SoftwareEnvironmentSetup", default="")
    module_name: str = _glue("SoftwareModuleName", default="")
    data: tuple[SoftwareData, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CESEBind:
    """A storage element that is close to a computing element."""

    ce_id: str = _glue("CESEBindCEUniqueID")
    se_id: str = _glue("CESEBindSEUniqueID")
    access_point: str = _glue("CESEBindCEAccesspoint", default="")
    mount_info: str = _glue("CESEBindMountInfo", default="")
    weight: int = _glue("CESEBindWeight", default=0)


def bind_entries(ce_id: str, binds: Iterable[CESEBind], suffix: str = RESOURCE) -> list[Entry]:
    """The group of a computing element's binds, and each of them."""
    bound = tuple(binds)
    above = names.rdn("GlueCESEBindGroupCEUniqueID", ce_id)
    group = _entry(
        names.join(above, suffix),
        ("GlueGeneralTop", "GlueCESEBindGroup", "GlueSchemaVersion"),
        {"GlueCESEBindGroupCEUniqueID": ce_id, "GlueCESEBindGroupSEUniqueID": [each.se_id for each in bound]},
        VERSION,
    )
    return [group] + [
        _entry(
            names.join(names.rdn("GlueCESEBindSEUniqueID", each.se_id), above, suffix),
            ("GlueGeneralTop", "GlueCESEBind", "GlueSchemaVersion"),
            published(each),
            VERSION,
        )
        for each in bound
    ]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A place that offers resources."""

    unique_id: str = _glue("SiteUniqueID")
    name: str = _glue("SiteName", default="")
    description: str = _glue("SiteDescription", default="")
    web: str = _glue("SiteWeb", default="")
    email: str = _glue("SiteEmailContact", default="")
    user_support: str = _glue("SiteUserSupportContact", default="")
    system_administrator: str = _glue("SiteSysAdminContact", default="")
    security: str = _glue("SiteSecurityContact", default="")
    location: str = _glue("SiteLocation", default="")
    latitude: str = _glue("SiteLatitude", default="")
    """Degrees, north positive; :attr:`longitude` likewise, east positive."""
    longitude: str = _glue("SiteLongitude", default="")
    sponsor: tuple[str, ...] = _glue("SiteSponsor", default=())
    other_info: tuple[str, ...] = _glue("SiteOtherInfo", default=())

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The one entry."""
        return [
            _entry(
                names.join(names.rdn("GlueSiteUniqueID", self.unique_id), suffix),
                ("GlueGeneralTop", "GlueSite", "GlueSchemaVersion"),
                published(self),
                VERSION,
            )
        ]


def _part(kind: str, local_id: str, above: tuple[str, ...], suffix: str, record: Any) -> Entry:
    """An entry below others, which its GlueChunkKeys name."""
    naming = "GlueSoftwareDataKey" if kind == "GlueSoftwareData" else f"{kind}LocalID"
    return _entry(
        names.join(names.rdn(naming, local_id), *above, suffix),
        (kind, "GlueKey", "GlueSchemaVersion"),
        published(record),
        {"GlueChunkKey": above},
        VERSION,
    )


Record: TypeAlias = Site | Cluster | SubCluster | ComputingElement


def entries_of(records: Iterable[Record], suffix: str = RESOURCE) -> list[Entry]:
    """The entries of all records, in their order."""
    return [entry for record in records for entry in record.entries(suffix)]
