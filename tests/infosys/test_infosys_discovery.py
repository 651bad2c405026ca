"""Finding services by type and VO."""

from __future__ import annotations

import pytest

from infosys.client import LdapSource
from infosys.discovery import discover
from infosys.entry import Entry
from infosys.errors import SourceFailure
from infosys.glue1_service import Service
from infosys.server import LdapServer
from infosys.services import LB_SERVER, WMPROXY, PublishedService

SUFFIX1 = "mds-vo-name=SITE,mds-vo-name=local,o=grid"
SUFFIX2 = "GLUE2GroupID=resource,GLUE2DomainID=SITE,GLUE2GroupID=grid,o=glue"


def service(name: str, *access: str, status: str = "OK", type: str = WMPROXY) -> list[Entry]:
    made = Service(
        unique_id=name, site_id="S", type=type, endpoint=f"https://{name}:7443/", access=access, status=status
    )
    return made.entries(SUFFIX1)


def found(server: LdapServer, entries: list[Entry], vo: str | None = "vo", type: str = WMPROXY) -> list[str]:
    server.publish(entries)
    return [each.url for each in discover(LdapSource(server.url, timeout=5), type, vo)]


def test_services_of_a_type_and_vo_are_found(server: LdapServer) -> None:
    entries = [
        *service("a", "VO:vo"),
        *service("b", "VOMS:/vo/Role=x", "VO:other"),
        *service("c", "VO:other"),
        *service("d", "ALL"),
        *service("e", "vo"),
        *service("f"),
        *service("g", "DENY:/vo"),
        *service("h", "VO:vo", type=LB_SERVER),
    ]
    assert found(server, entries) == [f"https://{name}:7443/" for name in "abdef"]
    assert len(found(server, entries, vo=None)) == 7
    assert found(server, entries, type="org.glite.lb.server") == ["https://h:7443/"]


def test_what_is_out_of_order_comes_last_and_an_address_once(server: LdapServer) -> None:
    entries = [*service("a", status="Critical"), *service("b", status="Warning"), *service("c", status="Unknown")]
    assert found(server, entries) == ["https://b:7443/", "https://c:7443/", "https://a:7443/"]
    twice = Service(unique_id="z", site_id="S", type=WMPROXY, endpoint="https://b:7443/").entries(SUFFIX1)
    assert found(server, [*service("b"), *twice]) == ["https://b:7443/"]


def test_where_only_glue_2_is_published_its_endpoints_are_found(server: LdapServer) -> None:
    from grid import clock

    entries: list[Entry] = []
    for name, access, answering in (("a", "VO:vo", False), ("b", "VO:vo", True), ("c", "VO:other", True)):
        made = PublishedService(type=LB_SERVER, url=f"https://{name}:9000/", access=(access,))
        entries += made.glue2("SITE", SUFFIX2, clock.now(), answering=answering, started="")
    for spelt in (LB_SERVER, "org.glite.lb.server"):
        assert found(server, entries, type=spelt) == ["https://b:9000/", "https://a:9000/"]


def test_a_type_cannot_change_the_question(server: LdapServer) -> None:
    assert found(server, service("a"), type="*") == []
    assert found(server, service("a"), type="x)(objectClass=*") == []


def test_an_empty_or_silent_source_is_told_apart(server: LdapServer) -> None:
    assert found(server, []) == []
    server.close()
    with pytest.raises(SourceFailure):
        discover(LdapSource(server.url, timeout=2), WMPROXY)
