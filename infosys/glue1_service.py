"""GLUE 1.3: services and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from infosys import names
from infosys.entry import Entry
from infosys.glue1 import RESOURCE, VERSION
from infosys.record import attribute, entry_of, published

STATUS: Final = ("OK", "Warning", "Critical", "Unknown", "Other")
"""Values of GlueServiceStatus (GLUE 1.3, serviceStatus_t)."""


def _glue(name: str, **more: Any) -> Any:
    return attribute(f"Glue{name}", **more)


@dataclass(frozen=True, kw_only=True)
class ServiceData:
    """One more thing that is known of a service."""

    key: str = _glue("ServiceDataKey")
    value: str = _glue("ServiceDataValue", default="")


@dataclass(frozen=True, kw_only=True)
class Service:
    """Something that answers at an address.

    :ivar start_time: since when, ISO 8601 with the distance from UTC in figures (``+00:00``, see :func:`with_offset`).
    """

    unique_id: str = _glue("ServiceUniqueID")
    site_id: str
    type: str = _glue("ServiceType")
    """``org.glite.wms.WMProxy``, ``org.glite.lb.Server``, ``MyProxy``, ``data-location-interface`` …"""
    endpoint: str = _glue("ServiceEndpoint")
    name: str = _glue("ServiceName", default="")
    version: str = _glue("ServiceVersion", default="")
    status: str = _glue("ServiceStatus", default="Unknown")
    """One of :data:`STATUS`."""
    status_info: str = _glue("ServiceStatusInfo", default="")
    wsdl: str = _glue("ServiceWSDL", default="")
    semantics: str = _glue("ServiceSemantics", default="")
    start_time: str = _glue("ServiceStartTime", default="")
    access_point_url: str = _glue("ServiceAccessPointURL", default="")
    uri: str = _glue("ServiceURI", default="")
    owner: tuple[str, ...] = _glue("ServiceOwner", default=())
    """The VOs it serves."""
    access: tuple[str, ...] = _glue("ServiceAccessControlBaseRule", default=())
    """``VO:<vo>``, ``VOMS:<fqan>``, ``DN:<dn>`` or ``ALL``."""
    access_rule: tuple[str, ...] = _glue("ServiceAccessControlRule", default=())
    """The same in the older spelling: a VO's bare name."""
    data: tuple[ServiceData, ...] = ()

    def entries(self, suffix: str = RESOURCE) -> list[Entry]:
        """The service and what is known of it."""
        above = names.rdn("GlueServiceUniqueID", self.unique_id)
        own = entry_of(
            names.join(above, suffix),
            ("GlueService", "GlueKey", "GlueSchemaVersion"),
            published(self),
            {"GlueForeignKey": names.rdn("GlueSiteUniqueID", self.site_id)},
            VERSION,
            top=("GlueTop",),
        )
        return [own] + [
            entry_of(
                names.join(names.rdn("GlueServiceDataKey", each.key), above, suffix),
                ("GlueServiceData", "GlueKey", "GlueSchemaVersion"),
                published(each),
                {"GlueChunkKey": above},
                VERSION,
                top=("GlueTop",),
            )
            for each in self.data
        ]


def with_offset(utc: str) -> str:
    """A time of GLUE 2.0 (``…Z``) as GLUE 1.3 has it: its validator and gLite's providers know no ``Z``."""
    return f"{utc[:-1]}+00:00" if utc.endswith("Z") else utc
