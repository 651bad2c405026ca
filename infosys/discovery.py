"""Finding services in the information system: by type and VO, in GLUE 1.3 and, where that knows none, GLUE 2.0."""

from __future__ import annotations

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

_ADDRESSES: Final = ("GlueServiceEndpoint", "GlueServiceAccessPointURL", "GlueServiceURI")
_CANONICAL: Final = {"org.glite.lb.server": "org.glite.lb.Server", "org.glite.wms.wmproxy": "org.glite.wms.WMProxy"}
"""Types in the spelling in which they are published; GLUE 2.0 compares exactly."""


@dataclass(frozen=True)
class FoundService:
    """A service that somebody publishes.

    :ivar rules: who may use it; without any everybody.
    :ivar healthy: nobody publishes that it is out of order.
    """

    id: str
    url: str
    rules: tuple[str, ...] = ()
    healthy: bool = True

    def admits(self, vo: str | None) -> bool:
        """Whether members of a VO may use it; None asks for no VO in particular."""
        given = [rule.strip() for rule in self.rules if rule.strip()]
        return vo is None or not given or any(_names(rule, vo.lower()) for rule in given)


def discover(source: LdapSource, service_type: str, vo: str | None = None) -> tuple[FoundService, ...]:
    """The services of a type that a VO may use.

    :param vo: None for services of every VO.
    :raises SourceFailure: as :func:`services`.
    :raises SourceTimedOut: likewise.
    """
    return tuple(each for each in services(source, service_type) if each.admits(vo))


def services(source: LdapSource, service_type: str) -> tuple[FoundService, ...]:
    """The services of a type, each address once, those that are out of order last.

    :param service_type: GlueServiceType or the name of the interface in GLUE 2.0, in any case.
    :raises SourceFailure: as :meth:`infosys.client.LdapSource.fetch`.
    :raises SourceTimedOut: likewise.
    """
    wanted = f"(&(objectClass=GlueService)(GlueServiceType={escape(service_type)}))"
    found = [_glue1(each) for each in _fetched(source, wanted, "o=grid")] or _glue2(source, service_type)
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
    url = next((text for name in _ADDRESSES if (text := entry.first(name))), "")
    status = (entry.first("GlueServiceStatus") or "").lower()
    return FoundService(entry.first("GlueServiceUniqueID") or "", url, _rules1(entry), status != "critical")


def _rules1(entry: Entry) -> tuple[str, ...]:
    return (
        *entry.values("GlueServiceAccessControlBaseRule"),
        *entry.values("GlueServiceAccessControlRule"),
        *entry.values("GlueServiceOwner"),
    )


def _glue2(source: LdapSource, service_type: str) -> list[FoundService]:
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
        url = entry.first("GLUE2EndpointURL") or ""
        found.append(FoundService(named, url, tuple(rules.get(named, ())), healthy and serving))
    return found


def _names(rule: str, vo: str) -> bool:
    upper = rule[:5].upper()
    if upper == "DENY:":
        return False
    if upper == "VOMS:":
        return vo_of_pattern(rule[5:]).lower() in (vo, "")
    bare = rule[3:] if upper[:3] == "VO:" else rule
    return bare.upper() in ("ALL", "*") or bare.lower() == vo
