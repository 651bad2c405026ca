"""How grids use GLUE 1.3 (EGEE's document on its use), as functions over the entries of a tree.

Each gives sentences on what breaks it.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator

from infosys import names
from infosys.entry import Entry
from infosys.schema import glue1

VALUES: dict[str, Callable[[str], bool]] = {
    "GlueCEUniqueID": lambda text: re.fullmatch(r"[^:/\s]+:\d+/cream-[^-]+-\S+", text) is not None,
    "GlueCEStateStatus": lambda text: text in ("Production", "Queueing", "Draining", "Closed"),
    "GlueCEAccessControlBaseRule": lambda text: re.match(r"(VO:|VOMS:/|DENY:/|/)\S", text) is not None,
    "GlueCEInfoContactString": lambda text: urllib.parse.urlsplit(text).hostname is not None,
    "GlueServiceEndpoint": lambda text: urllib.parse.urlsplit(text).hostname is not None,
    "GlueServiceStatus": lambda text: text in ("OK", "Warning", "Critical", "Unknown", "Other"),
    "GlueServiceStartTime": lambda text: re.fullmatch(r"20\d\d-\d\d-\d\dT[\d:]{8}[+-]\d\d:\d\d", text) is not None,
    "GlueSiteLatitude": lambda text: -90 < float(text) < 90,
    "GlueSiteLongitude": lambda text: -180 < float(text) < 180,
    "GlueHostArchitecturePlatformType": lambda text: text in ("x86_64", "i686", "i386", "ia64", "aarch64"),
    "GlueSchemaVersionMajor": lambda text: text == "1",
    "GlueSchemaVersionMinor": lambda text: text == "3",
    **{
        f"GlueSite{kind}Contact": lambda text: re.fullmatch(r"mailto:[^@\s]+@[^@\s]+", text) is not None
        for kind in ("SysAdmin", "UserSupport", "Security", "Email")
    },
}
WANTED = {
    "GlueSite": "Name Description UserSupportContact SysAdminContact SecurityContact Location Latitude Longitude Web",
    "GlueCE": """Name HostingCluster ImplementationName ImplementationVersion InfoHostName InfoGatekeeperPort
        InfoJobManager InfoLRMSType InfoLRMSVersion InfoContactString InfoTotalCPUs InfoDataDir StateStatus
        StateRunningJobs StateWaitingJobs StateTotalJobs StateFreeJobSlots StateFreeCPUs StateEstimatedResponseTime
        StateWorstResponseTime PolicyMaxRunningJobs PolicyMaxWaitingJobs PolicyMaxTotalJobs PolicyMaxCPUTime
        PolicyMaxWallClockTime PolicyMaxObtainableCPUTime PolicyMaxObtainableWallClockTime PolicyMaxSlotsPerJob
        PolicyAssignedJobSlots PolicyPriority PolicyPreemption""",
    "GlueCluster": "Name Service TmpDir WNTmpDir",
    "GlueSubCluster": "Name PhysicalCPUs LogicalCPUs TmpDir WNTmpDir",
    "GlueService": "Name Type Version Endpoint Status StatusInfo AccessControlBaseRule",
    "GlueHostOperatingSystem": "Name Release Version",
    "GlueHostMainMemory": "RAMSize VirtualSize",
    "GlueHostNetworkAdapter": "InboundIP OutboundIP",
    "GlueHostProcessor": "Vendor Model ClockSpeed",
    "GlueHostArchitecture": "PlatformType SMPSize",
}


def schema(entries: Iterable[Entry]) -> Iterator[str]:
    known = glue1()
    for entry in entries:
        classes = [known.classes.get(each.lower()) for each in entry.values("objectClass")]
        if not classes or None in classes:
            yield f"{entry.dn}: its object classes are {entry.values('objectClass')}"
            continue
        allowed = {name.lower() for each in classes if each for name in (*each.must, *each.may)} | {"objectclass"}
        for name, values_ in entry.attributes.items():
            kind = known.attribute(name)
            if name.lower() not in allowed or kind is None:
                yield f"{entry.dn}: {name} belongs to none of its object classes"
            elif kind.single and len(values_) > 1:
                yield f"{entry.dn}: {name} has {len(values_)} values"
            elif kind.integer and not all(re.fullmatch(r"-?[0-9]+", value) for value in values_):
                yield f"{entry.dn}: {name} is no integer"
            elif not all(value.strip() and value.isascii() for value in values_):
                yield f"{entry.dn}: {name} is empty or no IA5 string"


def wanted(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        for kind, text in WANTED.items():
            for name in text.split() if entry.is_a(kind) else ():
                if not entry.values(f"{kind}{name}"):
                    yield f"{entry.dn}: {kind}{name} is wanted"


def values(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        for name, check in VALUES.items():
            yield from (f"{entry.dn}: {name} may not be {each!r}" for each in entry.values(name) if not check(each))


def keys(entries: Iterable[Entry]) -> Iterator[str]:
    """Keys that lead nowhere, and elements without cluster, cluster without sub-cluster, element without view."""
    found = list(entries)
    places = {entry.key for entry in found}
    for entry in found:
        suffix = next(entry.dn[at:] for at in range(len(entry.dn)) if entry.dn[at:].lower().startswith("mds-vo-name="))
        for text in entry.values("GlueForeignKey"):
            if names.key(f"{text},{suffix}") not in places:
                yield f"{entry.dn}: GlueForeignKey leads to no {text}"
        for text in entry.values("GlueChunkKey"):
            if names.key(text)[0] not in entry.key[1:]:
                yield f"{entry.dn}: GlueChunkKey is not above: {text}"
        below = [each for each in found if each.key[1:] == entry.key]
        for kind, part in (("GlueCE", "GlueVOView"), ("GlueCluster", "GlueSubCluster")):
            if entry.is_a(kind) and not any(each.is_a(part) for each in below):
                yield f"{entry.dn}: has no {part}"
        if entry.is_a("GlueHostBenchmark") and not any("HostBenchmark" in name for name in entry.attributes):
            yield f"{entry.dn}: names the class of benchmarks without any"
        if entry.is_a("GlueCE") and _measured(entry, found) and not entry.values("GlueCECapability"):
            yield f"{entry.dn}: GlueCECapability is wanted, its hosts' SI00 is known"
        total = int(entry.first("GlueCEStateTotalJobs") or 0)
        if total != int(entry.first("GlueCEStateRunningJobs") or 0) + int(entry.first("GlueCEStateWaitingJobs") or 0):
            yield f"{entry.dn}: GlueCEStateTotalJobs is not the sum of its parts"


def _measured(element: Entry, entries: Iterable[Entry]) -> bool:
    cluster = f"GlueClusterUniqueID={element.first('GlueCEHostingCluster')}"
    return any(
        cluster in entry.values("GlueChunkKey") and entry.values("GlueHostBenchmarkSI00") for entry in entries
    )


def violations(entries: Iterable[Entry]) -> list[str]:
    """What breaks any rule."""
    kept = [entry for entry in entries if not entry.is_a("organization") and not entry.is_a("Mds")]
    return [problem for check in (schema, wanted, values, keys) for problem in check(kept)]
