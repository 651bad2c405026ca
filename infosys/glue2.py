"""GLUE 2.0 (GFD.147) as frozen records, and the LDAP entries that publish them (GFD.218): what every grid site has.

Units: times in seconds, memory in MB, clock speed in MHz, sizes in GB.  What is None or empty is not known and not
published: GLUE 2.0 has no numbers that mean "unknown", but readers meet those of GLUE 1.3 (:mod:`infosys.unknown`).

A record's :meth:`Entity.entry` stands below the name of the entry above, its ``parent``; relations are the foreign
keys alone.  The records of computing are in :mod:`infosys.glue2_computing`, those of storage in
:mod:`infosys.glue2_storage`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from infosys import names
from infosys.entry import Entry
from infosys.record import attribute, entry_of, published

RESOURCE: Final = "GLUE2GroupID=resource,o=glue"
"""The suffix of entries at the service that they describe."""

QUALITY_LEVELS: Final = ("development", "testing", "pre-production", "production")
HEALTH_STATES: Final = ("ok", "warning", "critical", "unknown", "other")
SERVING_STATES: Final = ("production", "draining", "queueing", "closed")
CONTACT_TYPES: Final = ("general", "security", "sysadmin", "usersupport")


def glue2(*names_after: str, **more: Any) -> Any:
    """A field that is published as the attributes ``GLUE2<name>``."""
    return attribute(*(f"GLUE2{name}" for name in names_after), **more)


@dataclass(frozen=True, kw_only=True)
class Entity:
    """What every entity may say of itself.

    :ivar creation_time: when this was found out, ISO 8601 in UTC with a ``Z``.
    :ivar validity: seconds for which it is thought to hold.
    :ivar other_info: ``key=value`` and free texts.
    """

    OBJECT_CLASS: ClassVar[str] = "GLUE2Entity"
    NAMING: ClassVar[str] = ""
    """The attribute that names the entry."""

    creation_time: str = glue2("EntityCreationTime", default="")
    validity: int | None = glue2("EntityValidity", default=None)
    name: str = glue2("EntityName", default="")
    other_info: tuple[str, ...] = glue2("EntityOtherInfo", default=())

    @property
    def rdn(self) -> str:
        """The entry's own name, below its parent's."""
        return names.rdn(self.NAMING, str(published(self)[self.NAMING]))

    def entry(self, parent: str = RESOURCE) -> Entry:
        """The entry below that of ``parent``.

        :raises RecordError: when the schema demands a value that there is not.
        """
        return entry_of(names.join(self.rdn, parent), (self.OBJECT_CLASS,), published(self))


@dataclass(frozen=True, kw_only=True)
class Location(Entity):
    """Where something is; degrees, north and east positive."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2Location"
    NAMING: ClassVar[str] = "GLUE2LocationID"

    id: str = glue2("LocationID")
    address: str = glue2("LocationAddress", default="")
    place: str = glue2("LocationPlace", default="")
    country: str = glue2("LocationCountry", default="")
    post_code: str = glue2("LocationPostCode", default="")
    latitude: float | None = glue2("LocationLatitude", default=None)
    longitude: float | None = glue2("LocationLongitude", default=None)
    service_ids: tuple[str, ...] = glue2("LocationServiceForeignKey", default=())
    domain_ids: tuple[str, ...] = glue2("LocationDomainForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class Contact(Entity):
    """Whom to ask."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2Contact"
    NAMING: ClassVar[str] = "GLUE2ContactID"

    id: str = glue2("ContactID")
    detail: str = glue2("ContactDetail")
    """A URI, usually ``mailto:``."""
    type: str = glue2("ContactType")
    """One of :data:`CONTACT_TYPES`."""
    service_ids: tuple[str, ...] = glue2("ContactServiceForeignKey", default=())
    domain_ids: tuple[str, ...] = glue2("ContactDomainForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class AdminDomain(Entity):
    """A site."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2AdminDomain"
    NAMING: ClassVar[str] = "GLUE2DomainID"

    id: str = glue2("DomainID")
    description: str = glue2("DomainDescription", default="")
    www: tuple[str, ...] = glue2("DomainWWW", default=())
    distributed: bool | None = glue2("AdminDomainDistributed", default=None)
    owner: tuple[str, ...] = glue2("AdminDomainOwner", default=())
    part_of: tuple[str, ...] = glue2("AdminDomainAdminDomainForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class UserDomain(Entity):
    """A VO or one of its groups."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2UserDomain"
    NAMING: ClassVar[str] = "GLUE2DomainID"

    id: str = glue2("DomainID")
    description: str = glue2("DomainDescription", default="")
    www: tuple[str, ...] = glue2("DomainWWW", default=())
    level: int | None = glue2("UserDomainLevel", default=None)
    managers: tuple[str, ...] = glue2("UserDomainUserManager", default=())
    part_of: tuple[str, ...] = glue2("UserDomainUserDomainForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class Service(Entity):
    """Something with endpoints."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2Service"
    NAMING: ClassVar[str] = "GLUE2ServiceID"

    id: str = glue2("ServiceID")
    type: str = glue2("ServiceType")
    quality_level: str = glue2("ServiceQualityLevel", default="production")
    """One of :data:`QUALITY_LEVELS`."""
    domain_ids: tuple[str, ...] = glue2("ServiceAdminDomainForeignKey")
    capability: tuple[str, ...] = glue2("ServiceCapability", default=())
    status_info: tuple[str, ...] = glue2("ServiceStatusInfo", default=())
    complexity: str = glue2("ServiceComplexity", default="")
    related_ids: tuple[str, ...] = glue2("ServiceServiceForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class Endpoint(Entity):
    """An address at which a service answers.

    :ivar start_time: since when it answers; ISO 8601 in UTC, as are the downtime's times.
    """

    OBJECT_CLASS: ClassVar[str] = "GLUE2Endpoint"
    NAMING: ClassVar[str] = "GLUE2EndpointID"

    id: str = glue2("EndpointID")
    service_id: str = glue2("EndpointServiceForeignKey")
    url: str = glue2("EndpointURL")
    interface_name: str = glue2("EndpointInterfaceName")
    interface_version: str = glue2("EndpointInterfaceVersion", default="")
    interface_extension: tuple[str, ...] = glue2("EndpointInterfaceExtension", default=())
    quality_level: str = glue2("EndpointQualityLevel", default="production")
    health_state: str = glue2("EndpointHealthState", default="unknown")
    """One of :data:`HEALTH_STATES`."""
    health_state_info: str = glue2("EndpointHealthStateInfo", default="")
    serving_state: str = glue2("EndpointServingState", default="production")
    """One of :data:`SERVING_STATES`."""
    capability: tuple[str, ...] = glue2("EndpointCapability", default=())
    technology: str = glue2("EndpointTechnology", default="webservice")
    wsdl: tuple[str, ...] = glue2("EndpointWSDL", default=())
    semantics: tuple[str, ...] = glue2("EndpointSemantics", default=())
    supported_profile: tuple[str, ...] = glue2("EndpointSupportedProfile", default=())
    implementor: str = glue2("EndpointImplementor", default="")
    implementation_name: str = glue2("EndpointImplementationName", default="")
    implementation_version: str = glue2("EndpointImplementationVersion", default="")
    start_time: str = glue2("EndpointStartTime", default="")
    issuer_ca: str = glue2("EndpointIssuerCA", default="")
    trusted_ca: tuple[str, ...] = glue2("EndpointTrustedCA", default=())
    downtime_announce: str = glue2("EndpointDowntimeAnnounce", default="")
    downtime_start: str = glue2("EndpointDowntimeStart", default="")
    downtime_end: str = glue2("EndpointDowntimeEnd", default="")
    downtime_info: str = glue2("EndpointDowntimeInfo", default="")


@dataclass(frozen=True, kw_only=True)
class Policy(Entity):
    """Who may: rules of a scheme, with org.glite.standard those of GLUE 1.3 (``VO:<vo>``, ``VOMS:<fqan>``)."""

    NAMING: ClassVar[str] = "GLUE2PolicyID"

    id: str = glue2("PolicyID")
    scheme: str = glue2("PolicyScheme", default="org.glite.standard")
    rules: tuple[str, ...] = glue2("PolicyRule")
    user_domain_ids: tuple[str, ...] = glue2("PolicyUserDomainForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class AccessPolicy(Policy):
    """Who may use endpoints."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2AccessPolicy"

    endpoint_ids: tuple[str, ...] = glue2("AccessPolicyEndpointForeignKey")


@dataclass(frozen=True, kw_only=True)
class MappingPolicy(Policy):
    """Whose jobs or files go to shares."""

    OBJECT_CLASS: ClassVar[str] = "GLUE2MappingPolicy"

    share_ids: tuple[str, ...] = glue2("MappingPolicyShareForeignKey")


@dataclass(frozen=True, kw_only=True)
class Share(Entity):
    """What some users have of a service's resources."""

    NAMING: ClassVar[str] = "GLUE2ShareID"

    id: str = glue2("ShareID")
    description: str = glue2("ShareDescription", default="")
    endpoint_ids: tuple[str, ...] = glue2("ShareEndpointForeignKey", default=())
    resource_ids: tuple[str, ...] = glue2("ShareResourceForeignKey", default=())


@dataclass(frozen=True, kw_only=True)
class Manager(Entity):
    """The software that manages resources: a batch system, a storage system."""

    NAMING: ClassVar[str] = "GLUE2ManagerID"

    id: str = glue2("ManagerID")
    product_name: str = glue2("ManagerProductName")
    product_version: str = glue2("ManagerProductVersion", default="")
