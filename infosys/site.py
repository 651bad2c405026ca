"""What a site publishes of itself: GlueSite, and a GLUE 2.0 domain with its location and contacts."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime

from grid.errors import ConfigurationError
from infosys.entry import Entry
from infosys.glue1 import Site
from infosys.glue2 import AdminDomain, Contact, Entity, Location
from infosys.names import join

VALIDITY = 3600
"""Seconds for which what a BDII makes itself is thought to hold; it is made anew each minute."""


@dataclass(frozen=True, kw_only=True)
class SiteSettings:
    """A site, as its operator describes it.  Contacts are mail addresses or URIs.

    :param latitude: degrees, north positive; ``longitude`` likewise, east positive.
    """

    name: str
    description: str = "A site of a workload management system"
    web: str = ""
    contact: str = ""
    security_contact: str = ""
    support_contact: str = ""
    administrator_contact: str = ""
    place: str = ""
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigurationError("a site needs a name")
        for name, value, bound in (("latitude", self.latitude, 90), ("longitude", self.longitude, 180)):
            if value is not None and not -bound < value < bound:
                raise ConfigurationError(f"a site's {name} lies between {-bound} and {bound} degrees, not {value:g}")

    def glue1(self, suffix: str) -> list[Entry]:
        """The GLUE 1.3 entry."""
        return Site(
            unique_id=self.name,
            name=self.name,
            description=_ascii(self.description),
            web=self.web,
            email=_uri(self.contact),
            user_support=_uri(self.support_contact or self.contact),
            system_administrator=_uri(self.administrator_contact or self.contact),
            security=_uri(self.security_contact or self.contact),
            location=_ascii(", ".join(each for each in (self.place, self.country) if each)),
            latitude="" if self.latitude is None else f"{self.latitude:g}",
            longitude="" if self.longitude is None else f"{self.longitude:g}",
        ).entries(suffix)

    def glue2(self, suffix: str, moment: datetime) -> list[Entry]:
        """The GLUE 2.0 entries: the domain, and below it location and contacts.

        :param moment: when this is made; aware, UTC.
        """
        created = moment.strftime("%Y-%m-%dT%H:%M:00Z")
        profile = ("ProfileName=EGI", "ProfileVersion=1.0")
        domain = AdminDomain(
            id=self.name,
            name=self.name,
            description=self.description,
            www=(self.web,) if self.web else (),
            distributed=False,
            creation_time=created,
            validity=VALIDITY,
            other_info=profile,
        )
        below: list[Entity] = [
            Location(
                id=f"{self.name}_Location",
                name=self.place or self.name,
                place=self.place,
                country=self.country,
                latitude=self.latitude,
                longitude=self.longitude,
                domain_ids=(self.name,),
                creation_time=created,
                validity=VALIDITY,
            )
        ]
        contacts = {
            "general": self.contact,
            "security": self.security_contact or self.contact,
            "sysadmin": self.administrator_contact or self.contact,
            "usersupport": self.support_contact or self.contact,
        }
        below.extend(
            Contact(
                id=f"{self.name}_Contact_{kind}",
                name=f"{kind} contact of {self.name}",
                detail=_uri(detail),
                type=kind,
                domain_ids=(self.name,),
                creation_time=created,
                validity=VALIDITY,
            )
            for kind, detail in contacts.items()
            if detail
        )
        return [domain.entry(suffix), *(each.entry(join(domain.rdn, suffix)) for each in below)]


def _uri(contact: str) -> str:
    return f"mailto:{contact}" if "@" in contact and ":" not in contact else contact


def _ascii(text: str) -> str:
    """A text without accents: GLUE 1.3 has IA5 strings alone, and LDAP servers refuse others."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
