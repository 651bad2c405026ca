"""Where a JSDL document can run: jsdl:Resources (GFD.56, section 6.4) as requirements over GLUE 1.3."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil
from typing import Final

from jdl.classad import ClassAd
from jdl.jsdl_values import Part, Range
from jdl.nodes import Call, Expr, ListExpr, Literal, Operation, Reference

__all__ = ["filesystems", "resources"]

MAX_HOSTS: Final = 1000

_LINUX: Final = (
    "linux|scientific|centos|red ?hat|rhel|alma|rocky|fedora|debian|ubuntu|s[lu]se|suse|gentoo|mandr|oracle"
)
_SYSTEMS: Final = {
    "LINUX": _LINUX,
    "MACOS": "mac ?os|darwin",
    "SunOS": "sunos|solaris",
    "Solaris": "sunos|solaris",
    "HPUX": "hp-?ux",
}
"""Names of operating systems, and what computing elements publish for them (patterns, case ignored)."""

_ARCHITECTURES: Final = {
    "x86": "^(i[3-6]86|x86|x86_32|ia32|x86_64|amd64|em64t)$",
    "x86_32": "^(i[3-6]86|x86|x86_32|ia32)$",
    "x86_64": "^(x86_64|amd64|em64t)$",
    "powerpc": "^(powerpc|ppc)",
    "sparc": "^(sparc|sun4)",
    "parisc": "^(parisc|hppa)",
    "mips": "^mips",
    "ia64": "^(ia64|itanium)",
    "arm": "^(arm|aarch64)",
}
"""The same for architectures."""

_ANY: Final = frozenset({"other", "Unknown", "Not_Applicable"})

_PROPERTIES: Final = {
    "IndividualCPUSpeed": ("GlueHostProcessorClockSpeed", 1_000_000),
    "IndividualPhysicalMemory": ("GlueHostMainMemoryRAMSize", 1 << 20),
    "IndividualVirtualMemory": ("GlueHostMainMemoryVirtualSize", 1 << 20),
}
"""Properties of a host, what computing elements publish for them, and the unit of that in JSDL's."""

_TOTALS: Final = {
    "TotalPhysicalMemory": ("GlueHostMainMemoryRAMSize", 1 << 20),
    "TotalVirtualMemory": ("GlueHostMainMemoryVirtualSize", 1 << 20),
}
"""Sums over the hosts of a job."""

_TIMES: Final = ("IndividualCPUTime", "TotalCPUTime")
_UNPUBLISHED: Final = ("IndividualNetworkBandwidth", "IndividualDiskSpace", "TotalDiskSpace")


def resources(part: Part | None) -> tuple[ClassAd, list[Expr]]:
    """The attributes that say how many processors, and what a computing element must be.

    :raises NotExpressible: 1225, naming the element.
    """
    ad = ClassAd()
    if part is None:
        return ad, []
    part.refuse_foreign()
    for name in _UNPUBLISHED:
        if part.has(name):
            raise part.refused(name, "computing elements do not publish it; leave it out")
    hosts = _set_processors(ad, part)
    if part.flag("ExclusiveExecution"):
        ad.set("WholeNodes", True)
    terms = [*_candidates(part), *_system(part), *_architecture(part)]
    for name, (published, unit) in _PROPERTIES.items():
        found = part.range(name)
        if found is not None:
            terms.append(found.requirement(published, Fraction(unit)))
    for name, (published, unit) in _TOTALS.items():
        found = part.range(name)
        if found is not None:
            terms.append(found.requirement(published, Fraction(unit * hosts)))
    for name in _TIMES:
        found = part.range(name)
        if found is not None:
            # an amount of time that is needed: a queue that gives more will do
            least = Literal(ceil(found.needed() / 60))
            terms.append(Operation((">=",), (Reference("GlueCEPolicyMaxCPUTime", "other"), least)))
    return ad, terms


def filesystems(part: Part | None) -> dict[str, str]:
    """The directories of the file systems that the document declares, by name; ``ROOT`` is always there.

    :raises NotExpressible: 1225, one that is more than a name for a directory.
    """
    known = {"ROOT": "/"}
    for item in part.parts("FileSystem") if part is not None else ():
        item.refuse_foreign()
        if item.has("DiskSpace"):
            raise item.refused("DiskSpace", "computing elements do not publish it; leave it out")
        kind = item.text("FileSystemType")
        if kind in ("swap", "spool"):
            raise item.refused("FileSystemType", f"no file system of the type {kind} can be asked for; leave it out")
        name, mount = item.text("name") or "", item.text("MountPoint")
        if mount is None and name not in known:
            raise item.refused("MountPoint", f"it is missing, so nothing says where {name} is")
        if mount is not None and not mount.startswith("/"):
            raise item.refused("MountPoint", f"'{mount[:100]}' is no absolute path")
        known[name] = f"{(mount or '/').rstrip('/')}/"
    return known


# -- processors


def _set_processors(ad: ClassAd, part: Part) -> int:
    """CpuNumber, SMPGranularity and HostNumber; gives the number of hosts."""
    each, total, hosts = (part.range(name) for name in ("IndividualCPUCount", "TotalCPUCount", "TotalResourceCount"))
    per_host = None if each is None else each.least()
    count = 1 if hosts is None else hosts.least()
    if per_host is not None:
        ad.set("SMPGranularity", per_host)
    if total is not None:
        ad.set("CpuNumber", _total(total, per_host, None if hosts is None else count))
    elif each is not None or hosts is not None:
        ad.set("CpuNumber", (per_host or 1) * count)
    if hosts is not None and per_host is None:
        ad.set("HostNumber", count)
    return count


def _total(total: Range, per_host: int | None, hosts: int | None) -> int:
    if per_host is None or hosts is None:
        return total.least()
    if not total.holds(per_host * hosts):
        raise total.part.refused("", f"{hosts} hosts with {per_host} processors each have {per_host * hosts} of them")
    return per_host * hosts


# -- what a computing element must be


def _candidates(part: Part) -> list[Expr]:
    names = part.texts("CandidateHosts")
    if not names:
        if part.has("CandidateHosts"):
            raise part.refused("CandidateHosts", "it names no host")
        return []
    if len(names) > MAX_HOSTS:
        raise part.refused("CandidateHosts", f"it names more than {MAX_HOSTS} hosts")
    wanted = Literal(names[0]) if len(names) == 1 else None
    terms: list[Expr] = []
    for published in ("GlueCEInfoHostName", "GlueCEUniqueID"):
        value = Reference(published, "other")
        if wanted is not None:
            terms.append(Operation(("==",), (value, wanted)))
        else:
            terms.append(Call("member", (value, ListExpr(map(Literal, names)))))
    return [Operation(("||",), terms)]


def _system(part: Part) -> list[Expr]:
    system = part.part("OperatingSystem")
    if system is None:
        return []
    system.refuse_foreign()
    terms: list[Expr] = []
    kind = system.part("OperatingSystemType")
    if kind is not None:
        kind.refuse_foreign()
        name = kind.text("OperatingSystemName")
        if name is not None and name not in _ANY:
            pattern = _SYSTEMS.get(name) or "^" + re.escape(name).replace("_", "[ _/-]?") + "$"
            terms.append(_matches("GlueHostOperatingSystemName", pattern))
    version = system.text("OperatingSystemVersion")
    if version:
        either = [
            Operation(("==",), (Reference(published, "other"), Literal(version)))
            for published in ("GlueHostOperatingSystemRelease", "GlueHostOperatingSystemVersion")
        ]
        terms.append(Operation(("||",), either))
    return terms


def _architecture(part: Part) -> list[Expr]:
    architecture = part.part("CPUArchitecture")
    if architecture is None:
        return []
    architecture.refuse_foreign()
    name = architecture.text("CPUArchitectureName")
    if name is None or name in _ANY:
        return []
    return [_matches("GlueHostArchitecturePlatformType", _ARCHITECTURES[name])]


def _matches(published: str, pattern: str) -> Expr:
    return Call("RegExp", (Literal(pattern), Reference(published, "other"), Literal("i")))

