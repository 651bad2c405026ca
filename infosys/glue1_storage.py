"""GLUE 1.3: storage elements, their areas and protocols.

Units: sizes of elements and areas in GB (10^9 bytes), the state's spaces in KB, port numbers and counts as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from infosys import names
from infosys.entry import Entry
from infosys.glue1 import RESOURCE, VERSION
from infosys.record import attribute, entry_of, published

_SE: Final = ("GlueSE", "GlueSEState", "GlueInformationService", "GlueKey", "GlueSchemaVersion")
_SA: Final = ("GlueSA", "GlueSAPolicy", "GlueSAState", "GlueSAAccessControlBase", "GlueKey", "GlueSchemaVersion")


def _glue(name: str, **more: Any) -> Any:
    return attribute(f"Glue{name}", **more)


@dataclass(frozen=True, kw_only=True)
class VOInfo:
    """What a VO calls a part of a storage area."""

    local_id: str = _glue("VOInfoLocalID")
    name: str = _glue("VOInfoName", default="")
    path: str = _glue("VOInfoPath", default="")
    tag: str = _glue("VOInfoTag", default="")
    access: tuple[str, ...] = _glue("VOInfoAccessControlBaseRule", default=())


@dataclass(frozen=True, kw_only=True)
class StorageArea:
    """A part of a storage element that some VOs may use."""

    local_id: str = _glue("SALocalID")
    root: str = _glue("SARoot", default="")
    path: str = _glue("SAPath", default="")
    type: str = _glue("SAType", default="")
    name: str = _glue("SAName", default="")
    total_online: int | None = _glue("SATotalOnlineSize", default=None)
    """GB, as are the other sizes."""
    free_online: int | None = _glue("SAFreeOnlineSize", default=None)
    used_online: int | None = _glue("SAUsedOnlineSize", default=None)
    reserved_online: int | None = _glue("SAReservedOnlineSize", default=None)
    total_nearline: int | None = _glue("SATotalNearlineSize", default=None)
    free_nearline: int | None = _glue("SAFreeNearlineSize", default=None)
    used_nearline: int | None = _glue("SAUsedNearlineSize", default=None)
    retention: str = _glue("SARetentionPolicy", default="")
    """``custodial``, ``output`` or ``replica``."""
    latency: str = _glue("SAAccessLatency", default="")
    """``online``, ``nearline`` or ``offline``."""
    expiration: str = _glue("SAExpirationMode", default="")
    capability: tuple[str, ...] = _glue("SACapability", default=())
    available_space: int | None = _glue("SAStateAvailableSpace", default=None)
    """KB, as is :attr:`used_space`."""
    used_space: int | None = _glue("SAStateUsedSpace", default=None)
    access: tuple[str, ...] = _glue("SAAccessControlBaseRule", default=())
    """``VO:<vo>``, ``VOMS:<fqan>`` or a VO's bare name."""
    vo_info: tuple[VOInfo, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AccessProtocol:
    """How files are read and written."""

    local_id: str = _glue("SEAccessProtocolLocalID")
    type: str = _glue("SEAccessProtocolType")
    """``gsiftp``, ``https``, ``file``, ``rfio`` …"""
    version: str = _glue("SEAccessProtocolVersion", default="")
    endpoint: str = _glue("SEAccessProtocolEndpoint", default="")
    port: int | None = _glue("SEAccessProtocolPort", default=None)
    max_streams: int | None = _glue("SEAccessProtocolMaxStreams", default=None)
    security: tuple[str, ...] = _glue("SEAccessProtocolSupportedSecurity", default=())
    capability: tuple[str, ...] = _glue("SEAccessProtocolCapability", default=())


@dataclass(frozen=True, kw_only=True)
class ControlProtocol:
    """How the storage element is told what to do."""

    local_id: str = _glue("SEControlProtocolLocalID")
    type: str = _glue("SEControlProtocolType")
    version: str = _glue("SEControlProtocolVersion", default="")
    endpoint: str = _glue("SEControlProtocolEndpoint", default="")
    capability: tuple[str, ...] = _glue("SEControlProtocolCapability", default=())


@dataclass(frozen=True, kw_only=True)
class StorageElement:
    """A place that keeps files."""

    unique_id: str = _glue("SEUniqueID")
    site_id: str
    name: str = _glue("SEName", default="")
    architecture: str = _glue("SEArchitecture", default="")
    """``disk``, ``tape``, ``multidisk`` or ``other``."""
    type: str = _glue("SEType", default="")
    implementation_name: str = _glue("SEImplementationName", default="")
    implementation_version: str = _glue("SEImplementationVersion", default="")
    status: str = _glue("SEStatus", default="Production")
    """Production, Queueing, Draining or Closed."""
    size_total: int | None = _glue("SESizeTotal", default=None)
    """GB, as is :attr:`size_free`."""
    size_free: int | None = _glue("SESizeFree", default=None)
    port: int | None = _glue("SEPort", default=None)
    total_online: str = _glue("SETotalOnlineSize", default="")
    used_online: str = _glue("SEUsedOnlineSize", default="")
    total_nearline: str = _glue("SETotalNearlineSize", default="")
    used_nearline: str = _glue("SEUsedNearlineSize", default="")
    io_load: int | None = _glue("SEStateCurrentIOLoad", default=None)
    information_service_url: str = _glue("InformationServiceURL", default="")
    areas: tuple[StorageArea, ...] = ()
    access_protocols: tuple[AccessProtocol, ...] = ()
    control_protocols: tuple[ControlProtocol, ...] = ()

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The element, its areas with what VOs call them, and its protocols."""
        above = names.rdn("GlueSEUniqueID", self.unique_id)
        found = [
            entry_of(
                names.join(above, suffix),
                _SE,
                published(self),
                {"GlueForeignKey": names.rdn("GlueSiteUniqueID", self.site_id)},
                VERSION,
                top=("GlueTop",),
            )
        ]
        for area in self.areas:
            found.append(_part("GlueSALocalID", area.local_id, (above,), suffix, _SA, area))
            over = (names.rdn("GlueSALocalID", area.local_id), above)
            classes = ("GlueVOInfo", "GlueKey", "GlueSchemaVersion")
            found.extend(
                _part("GlueVOInfoLocalID", each.local_id, over, suffix, classes, each) for each in area.vo_info
            )
        for access in self.access_protocols:
            classes = ("GlueSEAccessProtocol", "GlueKey", "GlueSchemaVersion")
            found.append(_part("GlueSEAccessProtocolLocalID", access.local_id, (above,), suffix, classes, access))
        for control in self.control_protocols:
            classes = ("GlueSEControlProtocol", "GlueKey", "GlueSchemaVersion")
            found.append(_part("GlueSEControlProtocolLocalID", control.local_id, (above,), suffix, classes, control))
        return found


def _part(
    kind: str, local_id: str, above: tuple[str, ...], suffix: str, classes: tuple[str, ...], record: Any
) -> Entry:
    """An entry below others, which its GlueChunkKeys name."""
    return entry_of(
        names.join(names.rdn(kind, local_id), *above, suffix),
        classes,
        published(record),
        {"GlueChunkKey": above},
        VERSION,
        top=("GlueTop",),
    )
