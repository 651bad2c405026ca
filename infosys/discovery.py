"""Finding services in the information system: by type and VO, in GLUE 1.3 and, where that knows none, GLUE 2.0."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from infosys.access import vo_of_pattern
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.errors import SourceFailure
from infosys.filters import escape

MAX_FOUND: Final = 1000
"""Services of one answer; further ones are left out."""
MAX_URL: Final = 2048
"""Characters of an address; entries with longer ones are left out."""

_CANONICAL: Final = {"org.glite.lb.server": "org.glite.lb.Server", "org.glite.wms.wmproxy": "org.glite.wms.WMProxy"}
"""Types in the spelling in which they are published; GLUE 2.0 compares exactly."""


@dataclass(frozen=True)
class FoundService:
    """A service that somebody publishes.

    :ivar healthy: nobody publishes that it is out of order.
    """

    id: str
    url: str
    healthy: bool = True


def discover(source: LdapSource, service_type: str, vo: str | None = None) -> tuple[FoundService, ...]:
    """The services of a type that a VO may use, each address once, those that are out of order last.

    :param service_type: GlueServiceType or the name of the interface in GLUE 2.0, in any case.
    :param vo: None for services of every VO.
    :raises SourceFailure: as :meth:`infosys.client.LdapSource.fetch`.
    :raises SourceTimedOut: likewise.
    """
    wanted = f"(&(objectClass=GlueService)(GlueServiceType={escape(service_type)}))"
    found = [_glue1(each) for each in _fetched(source, wanted, "o=grid") if _open(_rules1(each), vo)]
    if not found:
        found = _glue2(source, service_type, vo)
    once: dict[str, FoundService] = {}
    for each in sorted(found[:MAX_FOUND], key=lambda each: not each.healthy):
        if each.url and len(each.url) <= MAX_URL:
            once.setdefault(each.url, each)
    return tuple(once.values())


def _fetched(source: LdapSource, wanted: str, base: str) -> list[Entry]:
    """The entries; none when the source has no such tree."""
    try:
        return source.fetch(wanted, base=base)
    except SourceFailure as error:
        if error.reason.startswith("noSuchObject"):
            return []
        raise


def _glue1(entry: Entry) -> FoundService:
    url = entry.first("GlueServiceEndpoint") or entry.first("GlueServiceURI") or ""
    status = (entry.first("GlueServiceStatus") or "").lower()
    return FoundService(entry.first("GlueServiceUniqueID") or "", url, status != "critical")


def _rules1(entry: Entry) -> tuple[str, ...]:
    return (
        *entry.values("GlueServiceAccessControlBaseRule"),
        *entry.values("GlueServiceAccessControlRule"),
        *entry.values("GlueServiceOwner"),
    )


def _glue2(source: LdapSource, service_type: str, vo: str | None) -> list[FoundService]:
    spelt = {service_type, _CANONICAL.get(service_type.lower(), service_type)}
    names = "".join(f"(GLUE2EndpointInterfaceName={escape(each)})" for each in sorted(spelt))
    endpoints = _fetched(source, f"(&(objectClass=GLUE2Endpoint)(|{names}))", "o=glue")
    if not endpoints:
        return []
    rules: dict[str, list[str]] = {}
    for policy in _fetched(source, "(objectClass=GLUE2AccessPolicy)", "o=glue"):
        for endpoint in policy.values("GLUE2AccessPolicyEndpointForeignKey"):
            rules.setdefault(endpoint, []).extend(policy.values("GLUE2PolicyRule"))
    found = []
    for entry in endpoints:
        named = entry.first("GLUE2EndpointID") or ""
        healthy = (entry.first("GLUE2EndpointHealthState") or "").lower() != "critical"
        serving = (entry.first("GLUE2EndpointServingState") or "production").lower() == "production"
        if _open(rules.get(named, ()), vo):
            found.append(FoundService(named, entry.first("GLUE2EndpointURL") or "", healthy and serving))
    return found


def _open(rules: Iterable[str], vo: str | None) -> bool:
    """Whether the rules admit somebody of the VO; without rules a service is open to all."""
    given = [rule.strip() for rule in rules if rule.strip()]
    return vo is None or not given or any(_names(rule, vo.lower()) for rule in given)


def _names(rule: str, vo: str) -> bool:
    upper = rule[:5].upper()
    if upper == "DENY:":
        return False
    if upper == "VOMS:":
        return vo_of_pattern(rule[5:]).lower() in (vo, "")
    bare = rule[3:] if upper[:3] == "VO:" else rule
    return bare.upper() == "ALL" or bare.lower() == vo
