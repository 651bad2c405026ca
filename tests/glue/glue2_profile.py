"""The rules of EGI's profile of GLUE 2.0 (v1.0) and of GFD.147, as functions over the entries of a tree.

Each gives sentences on what breaks it.  The tables are written from the documents, not taken from the code under test.
"""

from __future__ import annotations

import datetime
import re
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from infosys.entry import Entry
from infosys.schema import glue2

PLACEHOLDERS = {"444444", "2146660842", "99999999", "9999999999", "UNDEFINEDVALUE", "undefined", "unknown", "unset"}
CAPABILITIES = re.findall(
    r"\S+",
    """
    data.access.flatfiles data.access.relational data.access.xml data.management.replica data.management.storage
    data.management.transfer data.naming.resolver data.naming.scheme data.transfer
    executionmanagement.candidatesetgenerator executionmanagement.dynamicvmdeploy
    executionmanagement.executionandplanning executionmanagement.jobdescription executionmanagement.jobexecution
    executionmanagement.jobmanager executionmanagement.jobcreation executionmanagement.jobmanagement
    executionmanagement.reservation information.discovery information.logging information.lookup.job
    information.model information.monitoring information.provenance information.publication information.query
    security.accounting security.attributeauthority security.authentication security.authorization
    security.credentialstorage security.delegation security.identitymapping
    """,
)
SERVICE_TYPES = re.findall(
    r"\S+",
    """
    org.glite.wms org.glite.lb org.glite.ce.CREAM MyProxy data-location-interface bdii_site bdii_top
    """,
)
INTERFACES = re.findall(
    r"\S+",
    """
    org.glite.wms.WMProxy org.glite.lb.Server org.glite.ce.CREAM MyProxy bdii_site bdii_top data-location-interface
    """,
)


def one_of(*values: str) -> Callable[[str], bool]:
    return lambda text: text in values


def number(low: int, high: int) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(r"[0-9]+", text) is not None and low <= int(text) <= high


def real(low: float, high: float) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) is not None and low < float(text) < high


def moment(text: str) -> bool:
    try:
        datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return False
    return True


def url(text: str) -> bool:
    parts = urllib.parse.urlsplit(text)
    return parts.scheme in ("https", "http", "ldap", "myproxy", "httpg", "gsiftp") and bool(parts.hostname)


def uri(text: str) -> bool:
    return re.fullmatch(r"(mailto:[^@\s]+@[^@\s]+\.[^@\s]+|[a-z]+://\S+)", text) is not None


def other_info(name: str, value: str) -> bool:
    """The keys whose values are prescribed."""
    known = {
        "ProfileName": one_of("EGI"),
        "MiddlewareName": one_of("EMI", "UMD"),
        "Share": lambda text: re.fullmatch(r"[^:]+:(\d\d?|100)", text) is not None,
        "BLOG": url,
        "ICON": url,
        "WLCG_TIER": one_of("0", "1", "2", "3"),
    }
    return name not in known or known[name](value)


SERVING = one_of("closed", "draining", "production", "queueing")
QUALITY = one_of("development", "testing", "pre-production", "production")
BOOLEAN = one_of("true", "false", "undefined", "TRUE", "FALSE", "UNDEFINED")
ANY32, ANY64 = number(0, 2**32 - 1), number(0, 2**64 - 1)

VALUES: dict[str, Callable[[str], bool]] = {
    "GLUE2EntityCreationTime": moment,
    "GLUE2EntityValidity": ANY64,
    "GLUE2LocationLatitude": real(-90, 90),
    "GLUE2LocationLongitude": real(-180, 180),
    "GLUE2ContactDetail": uri,
    "GLUE2ContactType": one_of("general", "security", "sysadmin", "usersupport"),
    "GLUE2DomainWWW": url,
    "GLUE2AdminDomainDistributed": BOOLEAN,
    "GLUE2ServiceCapability": one_of(*CAPABILITIES),
    "GLUE2ServiceType": one_of(*SERVICE_TYPES),
    "GLUE2ServiceQualityLevel": QUALITY,
    "GLUE2ServiceComplexity": lambda text: re.fullmatch(r"endpointType=\d+, share=\d+, resource=\d+", text) is not None,
    "GLUE2EndpointURL": url,
    "GLUE2EndpointWSDL": url,
    "GLUE2EndpointSemantics": url,
    "GLUE2EndpointCapability": one_of(*CAPABILITIES),
    "GLUE2EndpointTechnology": one_of("corba", "jndi", "webservice"),
    "GLUE2EndpointInterfaceName": one_of(*INTERFACES),
    "GLUE2EndpointQualityLevel": QUALITY,
    "GLUE2EndpointHealthState": one_of("critical", "ok", "other", "unknown", "warning"),
    "GLUE2EndpointServingState": SERVING,
    "GLUE2EndpointStartTime": moment,
    "GLUE2EndpointIssuerCA": lambda text: text.startswith("/"),
    "GLUE2PolicyScheme": one_of("basic", "gacl", "org.glite.standard"),
    "GLUE2PolicyRule": lambda text: re.fullmatch(r"(VO:|VOMS:/|DENY:/|/)\S.*|ALL", text) is not None,
    "GLUE2ComputingEndpointStaging": one_of("none", "stagingin", "staginginout", "stagingout"),
    "GLUE2ComputingEndpointJobDescription": one_of("glite:jdl", "egee:jdl", "ogf:jsdl:1.0", "condor"),
    "GLUE2ComputingShareServingState": SERVING,
    "GLUE2ComputingShareSchedulingPolicy": one_of("fairshare", "fifo", "random"),
    "GLUE2ComputingSharePreemption": BOOLEAN,
    "GLUE2ComputingShareReservationPolicy": one_of("mandatory", "none", "optional"),
    "GLUE2ComputingShareMaxSlotsPerJob": number(1, 2**32 - 1),
    "GLUE2ComputingShareMaxTotalJobs": number(1, 2**32 - 1),
    "GLUE2ComputingShareMaxUserRunningJobs": number(1, 2**32 - 1),
    "GLUE2ComputingShareMaxMainMemory": number(100, 99_999),
    "GLUE2ComputingShareGuaranteedMainMemory": number(100, 99_999),
    "GLUE2ComputingShareMaxVirtualMemory": number(100, 99_999),
    "GLUE2ComputingShareGuaranteedVirtualMemory": number(100, 99_999),
    **{
        f"GLUE2Computing{kind}{name}Jobs": number(0, 999_999)
        for kind in ("Service", "Endpoint", "Share")
        for name in ("Running", "Waiting", "Staging", "Suspended", "PreLRMSWaiting", "LocalRunning", "LocalWaiting")
    },
    **{
        f"GLUE2ComputingShare{name}": number(0, 999_999)
        for name in (
            *("EstimatedAverageWaitingTime", "EstimatedWorstWaitingTime", "FreeSlots", "UsedSlots", "RequestedSlots"),
        )
    },
    "GLUE2ExecutionEnvironmentPhysicalCPUs": number(1, 10),
    "GLUE2ExecutionEnvironmentLogicalCPUs": number(1, 999),
    "GLUE2EntityOtherInfo": lambda text: (
        text.partition("=")[1] == "=" and text.partition("=")[2] != "" and other_info(*text.split("=", 1))
    ),
    "GLUE2ComputingManagerReservation": BOOLEAN,
    "GLUE2ComputingManagerBulkSubmission": BOOLEAN,
    "GLUE2ComputingManagerHomogeneous": BOOLEAN,
    "GLUE2ComputingManagerWorkingAreaShared": BOOLEAN,
    "GLUE2BenchmarkType": one_of(
        "bogomips", "cfp2006", "cint2006", "linpack", "specfp2000", "specint2000", "hep-spec06"
    ),
    "GLUE2BenchmarkValue": real(0, 1e9),
    "GLUE2ExecutionEnvironmentPlatform": one_of("amd64", "i386", "i686", "itanium", "powerpc", "sparc", "x86_64"),
    "GLUE2ExecutionEnvironmentVirtualMachine": BOOLEAN,
    "GLUE2ExecutionEnvironmentOSFamily": one_of("linux", "macosx", "solaris", "windows"),
    "GLUE2ExecutionEnvironmentOSName": one_of(
        *("CentOS", "Debian", "Fedoracore", "Gentoo", "RedhatEnterpriseAS", "ScientificSL", "SUSE LINUX", "Ubuntu")
    ),
    "GLUE2ExecutionEnvironmentConnectivityIn": BOOLEAN,
    "GLUE2ExecutionEnvironmentConnectivityOut": BOOLEAN,
    "GLUE2ExecutionEnvironmentCPUMultiplicity": one_of(
        *("multicpu-multicore", "multicpu-singlecore", "singlecpu-multicore", "singlecpu-singlecore")
    ),
    "GLUE2ExecutionEnvironmentCPUClockSpeed": number(100, 10_000),
    # the validator reads the factors as whole numbers
    "GLUE2ExecutionEnvironmentCPUTimeScalingFactor": one_of("1"),
    "GLUE2ExecutionEnvironmentWallTimeScalingFactor": one_of("1"),
    "GLUE2ExecutionEnvironmentMainMemorySize": number(100, 10**6),
    "GLUE2ExecutionEnvironmentVirtualMemorySize": number(100, 10**6),
}
"""What values an attribute may have; closed and open enumerations, formats and ranges."""

_ENTITY = ("GLUE2EntityCreationTime", "GLUE2EntityValidity")
WANTED: dict[str, str] = {
    "GLUE2Location": "GLUE2LocationCountry GLUE2LocationLatitude GLUE2LocationLongitude",
    "GLUE2AdminDomain": "GLUE2DomainDescription GLUE2DomainWWW GLUE2AdminDomainDistributed",
    "GLUE2Service": "GLUE2ServiceCapability GLUE2ServiceComplexity",
    "GLUE2Endpoint": """GLUE2EndpointCapability GLUE2EndpointInterfaceVersion GLUE2EndpointImplementor
        GLUE2EndpointImplementationName GLUE2EndpointImplementationVersion GLUE2EndpointStartTime
        GLUE2EndpointIssuerCA""",
    "GLUE2ComputingService": """GLUE2ComputingServiceTotalJobs GLUE2ComputingServiceRunningJobs
        GLUE2ComputingServiceWaitingJobs""",
    "GLUE2Policy": "GLUE2PolicyUserDomainForeignKey",
    "GLUE2Share": "GLUE2ShareDescription GLUE2ShareEndpointForeignKey GLUE2ShareResourceForeignKey",
    "GLUE2Manager": "GLUE2ManagerProductVersion",
    "GLUE2ComputingShare": """GLUE2ComputingShareMappingQueue GLUE2ComputingShareDefaultWallTime
        GLUE2ComputingShareDefaultCPUTime GLUE2ComputingShareMaxWallTime GLUE2ComputingShareMaxCPUTime
        GLUE2ComputingShareMinWallTime GLUE2ComputingShareMinCPUTime GLUE2ComputingShareMaxTotalCPUTime
        GLUE2ComputingShareMaxMultiSlotWallTime
        GLUE2ComputingShareMaxTotalJobs GLUE2ComputingShareMaxRunningJobs GLUE2ComputingShareMaxWaitingJobs
        GLUE2ComputingShareMaxUserRunningJobs GLUE2ComputingShareMaxSlotsPerJob GLUE2ComputingShareMaxMainMemory
        GLUE2ComputingShareGuaranteedMainMemory GLUE2ComputingShareMaxVirtualMemory
        GLUE2ComputingShareGuaranteedVirtualMemory GLUE2ComputingShareTotalJobs GLUE2ComputingShareRunningJobs
        GLUE2ComputingShareWaitingJobs GLUE2ComputingShareEstimatedAverageWaitingTime
        GLUE2ComputingShareEstimatedWorstWaitingTime GLUE2ComputingShareFreeSlots GLUE2ComputingShareUsedSlots
        GLUE2ComputingShareRequestedSlots""",
    "GLUE2ComputingManager": """GLUE2ComputingManagerTotalPhysicalCPUs GLUE2ComputingManagerTotalLogicalCPUs
        GLUE2ComputingManagerTotalSlots GLUE2ComputingManagerSlotsUsedByGridJobs
        GLUE2ComputingManagerComputingServiceForeignKey""",
    "GLUE2ExecutionEnvironment": """GLUE2ExecutionEnvironmentVirtualMemorySize GLUE2ExecutionEnvironmentOSName
        GLUE2ExecutionEnvironmentOSVersion GLUE2ExecutionEnvironmentCPUTimeScalingFactor
        GLUE2ExecutionEnvironmentWallTimeScalingFactor GLUE2ExecutionEnvironmentTotalInstances
        GLUE2ExecutionEnvironmentPhysicalCPUs GLUE2ExecutionEnvironmentLogicalCPUs
        GLUE2ExecutionEnvironmentCPUMultiplicity GLUE2ExecutionEnvironmentCPUVendor
        GLUE2ExecutionEnvironmentCPUModel GLUE2ExecutionEnvironmentComputingManagerForeignKey""",
    "GLUE2ToStorageService": "GLUE2ToStorageServiceLocalPath GLUE2ToStorageServiceRemotePath",
}
"""Mandatory and recommended by the profile, beside what the schema demands."""

KEYS = {
    "GLUE2ServiceAdminDomainForeignKey": "GLUE2AdminDomain",
    "GLUE2LocationDomainForeignKey": "GLUE2AdminDomain",
    "GLUE2ContactDomainForeignKey": "GLUE2AdminDomain",
    "GLUE2EndpointServiceForeignKey": "GLUE2Service",
    "GLUE2ComputingEndpointComputingServiceForeignKey": "GLUE2ComputingService",
    "GLUE2AccessPolicyEndpointForeignKey": "GLUE2Endpoint",
    "GLUE2MappingPolicyShareForeignKey": "GLUE2Share",
    "GLUE2ShareServiceForeignKey": "GLUE2Service",
    "GLUE2ShareEndpointForeignKey": "GLUE2Endpoint",
    "GLUE2ShareResourceForeignKey": "GLUE2Resource",
    "GLUE2ComputingShareComputingServiceForeignKey": "GLUE2ComputingService",
    "GLUE2ComputingShareComputingEndpointForeignKey": "GLUE2ComputingEndpoint",
    "GLUE2ComputingShareExecutionEnvironmentForeignKey": "GLUE2ExecutionEnvironment",
    "GLUE2ManagerServiceForeignKey": "GLUE2Service",
    "GLUE2ComputingManagerComputingServiceForeignKey": "GLUE2ComputingService",
    "GLUE2ResourceManagerForeignKey": "GLUE2Manager",
    "GLUE2ExecutionEnvironmentComputingManagerForeignKey": "GLUE2ComputingManager",
    "GLUE2BenchmarkExecutionEnvironmentForeignKey": "GLUE2ExecutionEnvironment",
    "GLUE2ApplicationEnvironmentComputingManagerForeignKey": "GLUE2ComputingManager",
    "GLUE2ApplicationEnvironmentExecutionEnvironmentForeignKey": "GLUE2ExecutionEnvironment",
    "GLUE2ToStorageServiceComputingServiceForeignKey": "GLUE2ComputingService",
}
"""What foreign keys must lead to within the tree; storage and VOs may be published elsewhere."""

NAMING = {
    "GLUE2AdminDomain": "GLUE2DomainID",
    "GLUE2Service": "GLUE2ServiceID",
    "GLUE2Endpoint": "GLUE2EndpointID",
    "GLUE2Share": "GLUE2ShareID",
    "GLUE2Manager": "GLUE2ManagerID",
    "GLUE2Resource": "GLUE2ResourceID",
    "GLUE2Policy": "GLUE2PolicyID",
    "GLUE2Location": "GLUE2LocationID",
    "GLUE2Contact": "GLUE2ContactID",
    "GLUE2Benchmark": "GLUE2BenchmarkID",
    "GLUE2ApplicationEnvironment": "GLUE2ApplicationEnvironmentID",
    "GLUE2ToStorageService": "GLUE2ToStorageServiceID",
}


def schema(entries: Iterable[Entry]) -> Iterator[str]:
    known = glue2()
    for entry in entries:
        classes = [known.classes.get(each.lower()) for each in entry.values("objectClass")]
        if not classes or None in classes:
            yield f"{entry.dn}: its object classes are {entry.values('objectClass')}"
            continue
        allowed = {name.lower() for each in classes if each for name in (*each.must, *each.may)} | {"objectclass"}
        for name, values in entry.attributes.items():
            kind = known.attribute(name)
            if name.lower() not in allowed or kind is None:
                yield f"{entry.dn}: {name} belongs to none of its object classes"
            elif kind.single and len(values) > 1:
                yield f"{entry.dn}: {name} has {len(values)} values"
            elif kind.integer and not all(re.fullmatch(r"-?[0-9]+", value) for value in values):
                yield f"{entry.dn}: {name} is no integer"
            if not all(value.strip() for value in values):
                yield f"{entry.dn}: {name} is empty"
        for each in classes:
            for name in known.mandatory(each.name) if each else ():
                if not entry.values(name):
                    yield f"{entry.dn}: {name} is missing"


def values(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        for name, check in VALUES.items():
            for value in entry.values(name):
                if not check(value):
                    yield f"{entry.dn}: {name} may not be {value!r}"


def wanted(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        if entry.is_a("GLUE2Group") or entry.dn == "o=glue":
            continue
        excused = {
            "GLUE2PolicyUserDomainForeignKey": "ALL" in entry.values("GLUE2PolicyRule"),
            "GLUE2EndpointStartTime": entry.first("GLUE2EndpointHealthState") != "ok",
            "GLUE2EndpointIssuerCA": not (entry.first("GLUE2EndpointURL") or "").startswith("https:"),
        }
        names = [*_ENTITY, *(name for kind, text in WANTED.items() if entry.is_a(kind) for name in text.split())]
        for name in names:
            if not entry.values(name) and not excused.get(name):
                yield f"{entry.dn}: {name} is wanted"


def placeholders(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        for name, values_ in entry.attributes.items():
            bad = PLACEHOLDERS | (set() if re.search("Default(Wall|CPU)Time$", name) else {"999999999"})
            for value in values_:
                if value in bad and name not in ("GLUE2EndpointHealthState",):
                    yield f"{entry.dn}: {name} says nothing with {value}"


def times(entries: Iterable[Entry], now: datetime.datetime) -> Iterator[str]:
    for entry in entries:
        created = entry.first("GLUE2EntityCreationTime")
        if created and moment(created):
            at = datetime.datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
            if at > now + datetime.timedelta(minutes=2):
                yield f"{entry.dn}: made in the future, {created}"
            if at + datetime.timedelta(seconds=int(entry.first("GLUE2EntityValidity") or 0)) < now:
                yield f"{entry.dn}: no longer valid, made {created}"
        started = entry.first("GLUE2EndpointStartTime")
        if started and started > now.strftime("%Y-%m-%dT%H:%M:%SZ"):
            yield f"{entry.dn}: started in the future, {started}"


def identifiers(entries: Iterable[Entry]) -> Iterator[str]:
    for kind, name in NAMING.items():
        found = Counter(entry.first(name) for entry in entries if entry.is_a(kind))
        yield from (f"{name} {value} is published {count} times" for value, count in found.items() if count > 1)
    for entry in entries:
        for kind, name in NAMING.items():
            if entry.is_a(kind) and not entry.dn.lower().startswith(f"{name}={entry.first(name)},".lower()):
                yield f"{entry.dn}: is not named by its {name}"
        if (entry.first("GLUE2ServiceID") or entry.first("GLUE2EndpointID") or "x").startswith("_"):
            yield f"{entry.dn}: its identifier begins with _"


def foreign_keys(entries: Iterable[Entry]) -> Iterator[str]:
    ids = {kind: {each.first(_naming(kind)) for each in entries if each.is_a(kind)} for kind in set(KEYS.values())}
    for entry in entries:
        for name, kind in KEYS.items():
            for value in entry.values(name):
                if value not in ids[kind]:
                    yield f"{entry.dn}: {name} leads to no {kind} {value}"
        domain = re.search("GLUE2DomainID=([^,]*),", entry.dn)
        for name in ("GLUE2ServiceAdminDomainForeignKey", "GLUE2LocationDomainForeignKey"):
            if entry.values(name) and (domain is None or entry.first(name) != domain[1]):
                yield f"{entry.dn}: {name} is not the domain that it stands under"
        service = re.search("GLUE2ServiceID=([^,]*),", entry.dn)
        for name in ("GLUE2EndpointServiceForeignKey", "GLUE2ShareServiceForeignKey", "GLUE2ManagerServiceForeignKey"):
            if entry.values(name) and (service is None or entry.first(name) != service[1]):
                yield f"{entry.dn}: {name} is not the service that it stands under"


def _naming(kind: str) -> str:
    return next(name for each, name in NAMING.items() if each.lower() in {x.lower() for x in glue2().lineage(kind)})


def company(entries: Iterable[Entry]) -> Iterator[str]:
    """What must not stand alone."""
    found = list(entries)
    mapped = {value for each in found for value in each.values("GLUE2MappingPolicyShareForeignKey")}
    opened = {value for each in found for value in each.values("GLUE2AccessPolicyEndpointForeignKey")}
    managed = {value for each in found for value in each.values("GLUE2ManagerServiceForeignKey")}
    resourced = {value for each in found for value in each.values("GLUE2ResourceManagerForeignKey")}
    served = {value for each in found for value in each.values("GLUE2EndpointServiceForeignKey")}
    located = {value for each in found for value in each.values("GLUE2LocationDomainForeignKey")}
    asked = {value for each in found for value in each.values("GLUE2ContactDomainForeignKey")}
    for entry in found:
        for kind, name, known, what in (
            ("GLUE2Share", "GLUE2ShareID", mapped, "mapping policy"),
            ("GLUE2Endpoint", "GLUE2EndpointID", opened, "access policy"),
            ("GLUE2ComputingService", "GLUE2ServiceID", managed, "manager"),
            ("GLUE2ComputingManager", "GLUE2ManagerID", resourced, "resource"),
            ("GLUE2Service", "GLUE2ServiceID", served, "endpoint"),
            ("GLUE2AdminDomain", "GLUE2DomainID", located, "location"),
            ("GLUE2AdminDomain", "GLUE2DomainID", asked, "contact"),
        ):
            if entry.is_a(kind) and entry.first(name) not in known:
                yield f"{entry.dn}: has no {what}"


def _counts(entry: Entry, kind: str) -> dict[str, int]:
    prefix = f"GLUE2{kind}"
    return {
        name[len(prefix) :]: int(values_[0])
        for name, values_ in entry.attributes.items()
        if name.startswith(prefix) and re.fullmatch("[0-9]+", values_[0])
    }


def sums(entries: Iterable[Entry]) -> Iterator[str]:
    """Numbers that must fit one another."""
    for entry in entries:
        for kind in ("ComputingService", "ComputingEndpoint", "ComputingShare"):
            has = _counts(entry, kind) if entry.is_a(f"GLUE2{kind}") else {}
            parts = ("RunningJobs", "WaitingJobs", "StagingJobs", "SuspendedJobs", "PreLRMSWaitingJobs")
            if has and has.get("TotalJobs", 0) != sum(has.get(name, 0) for name in parts):
                yield f"{entry.dn}: TotalJobs is not the sum of its parts"
        if entry.is_a("GLUE2ComputingShare"):
            has = _counts(entry, "ComputingShare")
            for low, high in (
                ("MaxRunningJobs", "MaxTotalJobs"),
                ("MaxWaitingJobs", "MaxTotalJobs"),
                ("MaxUserRunningJobs", "MaxRunningJobs"),
                ("MinWallTime", "MaxWallTime"),
                ("DefaultWallTime", "MaxWallTime"),
                ("MinCPUTime", "MaxCPUTime"),
                ("DefaultCPUTime", "MaxCPUTime"),
                ("GuaranteedMainMemory", "MaxMainMemory"),
                ("GuaranteedVirtualMemory", "MaxVirtualMemory"),
                ("MaxMainMemory", "MaxVirtualMemory"),
                ("EstimatedAverageWaitingTime", "EstimatedWorstWaitingTime"),
            ):
                if low in has and high in has and has[low] > has[high]:
                    yield f"{entry.dn}: {low} is greater than {high}"
        if entry.is_a("GLUE2ComputingManager"):
            has = _counts(entry, "ComputingManager")
            if has["TotalPhysicalCPUs"] > has["TotalLogicalCPUs"] or has["TotalSlots"] > 2 * has["TotalLogicalCPUs"]:
                yield f"{entry.dn}: CPUs and slots do not fit"
            if has["SlotsUsedByGridJobs"] > has["TotalSlots"]:
                yield f"{entry.dn}: more slots are used than there are"


def violations(entries: Iterable[Entry], now: datetime.datetime) -> list[str]:
    """What breaks any rule."""
    found = [entry for entry in entries if entry.dn != "o=glue"]
    checks = (schema, values, wanted, placeholders, identifiers, foreign_keys, company, sums)
    return [problem for check in checks for problem in check(found)] + list(times(found, now))
