"""Where entries stand at each level of the information system, in both trees.

A service publishes its entries at the *resource* level, a *site* gathers those of its services, and the *top* level
those of all sites (BDII).  The same entry has another name at each of them:

======== ===================================================== ========================================================
level    GLUE 1.3                                              GLUE 2.0
======== ===================================================== ========================================================
resource ``…,mds-vo-name=resource,o=grid``                     ``…,GLUE2GroupID=resource,o=glue``
site     ``…,mds-vo-name=<site>,o=grid``                       ``…,GLUE2DomainID=<site>,o=glue``
top      ``…,mds-vo-name=<site>,mds-vo-name=local,o=grid``     ``…,GLUE2DomainID=<site>,GLUE2GroupID=grid,o=glue``
======== ===================================================== ========================================================
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from infosys import names
from infosys.errors import NameSyntaxError

GLUE1: Final = "o=grid"
BASE: Final = "o=glue"
_MDS: Final = "mds-vo-name"
_GROUP: Final = "glue2groupid"
_DOMAIN: Final = "glue2domainid"


class Level(Enum):
    """A level of the information system."""

    RESOURCE = "resource"
    SITE = "site"
    TOP = "top"

    def suffix(self, site: str) -> str:
        """The name below which the entries of a site (GLUE 1.3) stand."""
        if self is Level.RESOURCE:
            return f"{_MDS}=resource,{GLUE1}"
        above = [f"{_MDS}=local"] if self is Level.TOP else []
        return names.join(names.rdn(_MDS, site), *above, GLUE1)

    def suffix2(self, site: str) -> str:
        """The same in GLUE 2.0."""
        if self is Level.RESOURCE:
            return f"GLUE2GroupID=resource,{BASE}"
        above = ["GLUE2GroupID=grid"] if self is Level.TOP else []
        return names.join(names.rdn("GLUE2DomainID", site), *above, BASE)


def placed(dn: str, site: str, level: Level = Level.TOP) -> str:
    """An entry's name at a level; empty for what has no place there.

    That is an entry which only names a level of the tree (every server makes those itself), and at the resource
    level what belongs to the site as a whole.

    :param site: the site of an entry whose name tells none, as at the resource level.
    :raises NameSyntaxError: when the name is of neither tree.
    """
    key = names.key(dn)
    if key[-1:] == (BASE,):
        return _placed2(dn, key, site, level)
    if key[-1:] != (GLUE1,):
        raise NameSyntaxError(dn)
    body, sites = _split(dn)
    if not body:
        return ""
    if level is Level.RESOURCE:
        return names.join(body, level.suffix(site))
    above = [names.rdn(_MDS, (sites or [site])[-1])]  # a site has no say over names of sites below it
    return names.join(body, *above, *([f"{_MDS}=local"] if level is Level.TOP else []), GLUE1)


def _split(dn: str) -> tuple[str, list[str]]:
    """What stands below the levels of a GLUE 1.3 name, and the sites that it names."""
    body = list(names.parse(dn)[:-1])
    levels: list[str] = []
    while body and len(body[-1]) == 1 and body[-1][0][0].lower() == _MDS:
        levels.insert(0, body.pop()[0][1])
    return names.render(tuple(body)), [each for each in levels if each.lower() not in ("resource", "local")]


def _placed2(dn: str, key: names.Key, site: str, level: Level) -> str:
    if all(part.partition("=")[0] in (_GROUP, "o") for part in key):
        return ""
    body, kinds = names.parse(dn)[:-1], [part.partition("=")[0] for part in key]
    if key[-2] == f"{_GROUP}=grid":
        body = body[:-1]
    domains = [place for place, kind in enumerate(kinds) if kind == _DOMAIN]
    if len(domains) > 1:  # a site has no say over names of sites below it, in this tree either
        if domains[0] == 0:
            return ""
        body = tuple(part for place, part in enumerate(body) if place not in domains[:-1])
    domain = domains[0] if domains else None
    if level is not Level.RESOURCE:
        own = [] if domain is not None else [names.rdn("GLUE2DomainID", site)]
        above = ["GLUE2GroupID=grid"] if level is Level.TOP else []
        return names.join(names.render(body), *own, *above, BASE)
    if f"{_GROUP}=resource" not in key:
        return ""  # the domain, its location and contacts
    return names.join(names.render(body if domain is None else body[:domain]), BASE)


def site_of(dn: str) -> str | None:
    """The site that a name tells, None for one of the resource level or a level of the tree.

    :raises NameSyntaxError: when the text is no name.
    """
    components, key = names.parse(dn), names.key(dn)
    if key[-1:] == (BASE,):
        return next((part[0][1] for part in reversed(components) if part[0][0].lower() == _DOMAIN), None)
    sites = _split(dn)[1] if key[-1:] == (GLUE1,) else []
    return sites[-1] if sites else None
