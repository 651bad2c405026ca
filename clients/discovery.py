"""Finding servers in the information system, for a site whose configuration sets EnableServiceDiscovery.

The BDIIs are those of LCG_GFAL_INFOSYS (``host:port[,host:port…]``), else of InformationSystem in the configuration;
the first that answers is believed.  Looked for are services of the user's VO (GLITE_SD_VO, else the command's).
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from clients.errors import ClientError
from grid.errors import GridError

if TYPE_CHECKING:
    from clients.session import Session

VARIABLE: Final = "LCG_GFAL_INFOSYS"
VO_VARIABLE: Final = "GLITE_SD_VO"
SECONDS: Final = 10.0
"""What one BDII may take to answer."""


def discovered(session: Session, service_type: str) -> list[str]:
    """Addresses of services of a type: in random order, those that are published as out of order last.

    :raises ClientError: no BDII is known, or none can be asked.
    """
    from infosys.client import LdapSource
    from infosys.discovery import discover

    vo = session.environ.get(VO_VARIABLE) or session.vo
    failures = []
    for url in sources(session):
        try:
            found = list(discover(LdapSource(url, timeout=SECONDS), service_type, vo))
        except GridError as error:
            session.messages.warning("Unable to query the information system", error.description)
            failures.append(error.description)
            continue
        random.shuffle(found)
        found.sort(key=lambda each: not each.healthy)
        session.messages.debug(
            f"Service Discovery: {len(found)} services of type {service_type} for {vo or 'any VO'}",
            "\n".join([url, *(each.url for each in found)]),
        )
        return [each.url for each in found]
    raise ClientError(
        "Unable to discover services\n" + "\n".join(failures),
        title="Service Discovery Error",
    )


def sources(session: Session) -> list[str]:
    """LDAP URLs of the BDIIs that are asked, in their order.

    :raises ClientError: none is named.
    """
    named = session.environ.get(VARIABLE) or ",".join(session.configuration.information_systems)
    urls = [text if "://" in text else f"ldap://{text}" for each in named.split(",") if (text := each.strip())]
    if not urls:
        raise ClientError(
            f"EnableServiceDiscovery is set, and no information system is known: name one in {VARIABLE} "
            "(host:port) or in InformationSystem of the configuration",
            title="Service Discovery Error",
        )
    return urls
