"""Services that a site publishes, so that clients find them: in GLUE 1.3 and in GLUE 2.0, with whether they answer."""

from __future__ import annotations

import socket
import urllib.parse
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from grid.errors import ConfigurationError
from infosys.access import vos_of
from infosys.entry import Entry
from infosys.glue1_service import Service as Glue1Service
from infosys.glue1_service import ServiceData, with_offset
from infosys.glue2 import AccessPolicy, Endpoint, Service
from infosys.names import join
from infosys.site import VALIDITY

WMPROXY: Final = "org.glite.wms.WMProxy"
LB_SERVER: Final = "org.glite.lb.Server"
MYPROXY: Final = "MyProxy"
CATALOGUE: Final = "data-location-interface"
SITE_BDII: Final = "bdii_site"
TOP_BDII: Final = "bdii_top"
PROBE_SECONDS: Final = 2.0

_DEFAULT_PORTS: Final = {"https": 443, "http": 80, "myproxy": 7512, "ldap": 2170}
_KINDS: Final = {
    WMPROXY: ("org.glite.wms", ("executionmanagement.executionandplanning", "executionmanagement.jobmanagement")),
    LB_SERVER: ("org.glite.lb", ("information.logging", "information.lookup.job")),
    MYPROXY: (MYPROXY, ("security.credentialstorage",)),
    CATALOGUE: (CATALOGUE, ("data.naming.resolver",)),
    SITE_BDII: (SITE_BDII, ("information.model", "information.discovery", "information.monitoring")),
    TOP_BDII: (TOP_BDII, ("information.model", "information.discovery", "information.monitoring")),
}
"""Types of GLUE 1.3 (the interface's name in GLUE 2.0), their service's type in GLUE 2.0 and its capabilities."""


@dataclass(frozen=True, kw_only=True)
class PublishedService:
    """A service at one address.

    :param type: GlueServiceType, for example :data:`WMPROXY`.
    :param url: where it answers.
    :param access: who may use it: ``VO:<vo>``, ``VOMS:<fqan>``; empty for everybody of any VO.
    :param version: of its interface.
    :param wsdl: where its WSDL is.
    :param data: more that is to be known, as pairs of key and value.
    :param probe: ``host:port`` that is tried to learn whether it answers; the URL's when empty.
    """

    type: str
    url: str
    access: tuple[str, ...] = ()
    version: str = ""
    implementation: str = "wmproxy"
    implementation_version: str = ""
    wsdl: str = ""
    semantics: str = ""
    data: tuple[tuple[str, str], ...] = ()
    issuer: str = ""
    probe: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.type.strip() or not _address(self.url)[0]:
            raise ConfigurationError(
                f"a published service needs a type and a URL with a host, not {self.type!r} at {self.url!r}"
            )

    @property
    def id(self) -> str:
        """``<host>:<port>_<type>``."""
        host, port = _address(self.url)
        return f"{host}:{port}_{self.type}" if port else f"{host}_{self.type}"

    def answers(self) -> bool:
        """Whether something listens at the address; takes :data:`PROBE_SECONDS` at most."""
        host, port = _address(f"//{self.probe}" if self.probe else self.url)
        try:
            with socket.create_connection((host, port), PROBE_SECONDS):
                return True
        except (OSError, UnicodeError):  # a name that is none cannot be resolved
            return False

    def glue1(self, site: str, suffix: str, *, answering: bool, started: str) -> list[Entry]:
        """The GLUE 1.3 entries.

        :param started: since when it has answered, ISO 8601; empty when it does not.
        """
        return Glue1Service(
            unique_id=self.id,
            site_id=site,
            name=self.id,
            type=self.type,
            version=self.version,
            endpoint=self.url,
            status="OK" if answering else "Critical",
            status_info=f"{self.url} {'answers' if answering else 'does not answer'}",
            wsdl=self.wsdl,
            semantics=self.semantics,
            start_time=with_offset(started),
            access_point_url=self.url,
            uri=self.url,
            owner=vos_of(self.access),
            access=self.access or ("ALL",),
            access_rule=vos_of(self.access) or ("ALL",),
            data=tuple(ServiceData(key=key, value=value) for key, value in self.data),
        ).entries(suffix)

    def glue2(self, site: str, suffix: str, moment: datetime, *, answering: bool, started: str) -> list[Entry]:
        """The GLUE 2.0 entries: service, endpoint and access policy."""
        kind, capability = _KINDS.get(self.type, (self.type, ()))
        created = moment.strftime("%Y-%m-%dT%H:%M:00Z")
        service = Service(
            id=self.id,
            name=self.id,
            type=kind,
            capability=capability,
            complexity="endpointType=1, share=0, resource=0",
            domain_ids=(site,),
            creation_time=created,
            validity=VALIDITY,
            other_info=("ProfileName=EGI", "ProfileVersion=1.0"),
        )
        endpoint = Endpoint(
            id=f"{self.id}_Endpoint",
            name=f"{self.id}_Endpoint",
            service_id=self.id,
            url=self.url,
            interface_name=self.type,
            interface_version=self.version,
            capability=capability,
            technology="webservice" if urllib.parse.urlsplit(self.url).scheme in ("http", "https") else "",
            wsdl=(self.wsdl,) if self.wsdl else (),
            semantics=(self.semantics,) if self.semantics else (),
            implementor="wmproxy",
            implementation_name=self.implementation,
            implementation_version=self.implementation_version,
            health_state="ok" if answering else "critical",
            health_state_info=f"{self.url} {'answers' if answering else 'does not answer'}",
            serving_state="production",
            start_time=started,
            issuer_ca=self.issuer,
            creation_time=created,
            validity=VALIDITY,
        )
        policy = AccessPolicy(
            id=f"{self.id}_Policy",
            rules=self.access or ("ALL",),
            endpoint_ids=(endpoint.id,),
            user_domain_ids=vos_of(self.access),
            creation_time=created,
            validity=VALIDITY,
        )
        base = join(service.rdn, suffix)
        return [service.entry(suffix), endpoint.entry(base), policy.entry(join(endpoint.rdn, base))]


def _address(url: str) -> tuple[str, int]:
    """Host and port of a URL; an empty host when there is none."""
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", 0
