"""GLUE 1.3 as frozen records, and the LDAP entries that publish them.

Units (GLUE 1.3): wall-clock and CPU limits in minutes, response times in seconds, memory in MB, clock speed in MHz.
A record's defaults are what grids publish while nothing is known: limits of 999999999, 444444 jobs, a response time
of 2146660842 s.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from infosys import names
from infosys.entry import Entry
from infosys.errors import RecordError
from infosys.schema import glue1

RESOURCE: Final = "mds-vo-name=resource,o=grid"
"""The suffix of entries at the service that they describe."""

UNKNOWN_LIMIT: Final = 999_999_999
UNKNOWN_JOBS: Final = 444_444
UNKNOWN_TIME: Final = 2_146_660_842
UNKNOWN: Final = frozenset({UNKNOWN_LIMIT, UNKNOWN_JOBS, UNKNOWN_TIME})
"""Numbers that mean "unknown" or "unlimited"."""

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
    *("GlueHostBenchmark", "GlueHostMainMemory", "GlueHostNetworkAdapter", "GlueHostOperatingSystem"),
    *("GlueHostProcessor", "GlueInformationService", "GlueKey", "GlueSchemaVersion"),
)
_VERSION: Final[Mapping[str, int]] = {"GlueSchemaVersionMajor": 1, "GlueSchemaVersionMinor": 3}


def _glue(name: str, **more: Any) -> Any:
    """A field that is published as the attribute ``Glue<name>``."""
    return field(metadata={"glue": f"Glue{name}"}, **more)


def _published(record: Any) -> dict[str, Any]:
    """The attributes of a record's fields; None and empty texts are not published."""
    found: dict[str, Any] = {}
    for each in dataclasses.fields(record):
        value = getattr(record, each.name)
        if "glue" in each.metadata and value is not None and value != "":
            found[each.metadata["glue"]] = value
    return found


def _entry(dn: str, classes: Iterable[str], *parts: Mapping[str, Any]) -> Entry:
    """An entry with the classes' superiors, checked to hold what the schema demands of it.

    :raises RecordError: when a mandatory attribute has no value.
    """
    lineage = ("GlueTop", *(each for name in classes for each in reversed(glue1().lineage(name))))
    object_classes = tuple(dict.fromkeys(each for each in lineage if each != "top"))
    attributes: dict[str, Any] = {"objectClass": object_classes}
    for part in parts:
        attributes.update(part)
    entry = Entry.of(dn, attributes)
    for name in object_classes:
        for wanted in glue1().mandatory(name):
            if not entry.values(wanted):
                raise RecordError(dn, wanted)
    return entry


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
            _published(self),
            _published(self.state),
            _published(self.policy),
            {"GlueChunkKey": above},
            _VERSION,
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
            _published(self),
            _published(self.info),
            _published(self.state),
            _published(self.policy),
            {"GlueForeignKey": names.rdn("GlueClusterUniqueID", self.cluster_id)},
            _VERSION,
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
                _published(self),
                {"GlueClusterService": self.ce_ids, "GlueForeignKey": keys},
                _VERSION,
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
    si00: int = _glue("HostBenchmarkSI00", default=0)
    sf00: int = _glue("HostBenchmarkSF00", default=0)
    software: tuple[str, ...] = _glue("HostApplicationSoftwareRunTimeEnvironment", default=())
    information_service_url: str = _glue("InformationServiceURL", default="")

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The one entry, below that of its cluster."""
        above = names.rdn("GlueClusterUniqueID", self.cluster_id)
        return [
            _entry(
                names.join(names.rdn("GlueSubClusterUniqueID", self.unique_id), above, suffix),
                _SUBCLUSTER_CLASSES,
                _published(self),
                {"GlueChunkKey": above},
                _VERSION,
            )
        ]


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
        _VERSION,
    )
    return [group] + [
        _entry(
            names.join(names.rdn("GlueCESEBindSEUniqueID", each.se_id), above, suffix),
            ("GlueGeneralTop", "GlueCESEBind", "GlueSchemaVersion"),
            _published(each),
            _VERSION,
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
    security: str = _glue("SiteSecurityContact", default="")
    location: str = _glue("SiteLocation", default="")
    other_info: tuple[str, ...] = _glue("SiteOtherInfo", default=())

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The one entry."""
        return [
            _entry(
                names.join(names.rdn("GlueSiteUniqueID", self.unique_id), suffix),
                ("GlueGeneralTop", "GlueSite", "GlueSchemaVersion"),
                _published(self),
                _VERSION,
            )
        ]


Record: TypeAlias = Site | Cluster | SubCluster | ComputingElement


def entries_of(records: Iterable[Record], suffix: str = RESOURCE) -> list[Entry]:
    """The entries of all records, in their order."""
    return [entry for record in records for entry in record.entries(suffix)]
