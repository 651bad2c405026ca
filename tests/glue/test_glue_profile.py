"""What a site publishes, against the rules of the profiles; and that the rules find what breaks them."""

from __future__ import annotations

import dataclasses
import datetime
import socket
from collections.abc import Iterator

import pytest
from glue1_profile import violations as violations1
from glue2_profile import violations as violations2

from infosys.entry import Entry
from infosys.own_entries import OwnEntries
from infosys.services import LB_SERVER, MYPROXY, WMPROXY, PublishedService
from infosys.site import SiteSettings

SITE = SiteSettings(
    name="SITE",
    web="https://www.example.org/",
    contact="grid@example.org",
    place="Köln",
    country="Germany",
    latitude=52.5,
    longitude=13.4,
)


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def address(listening: socket.socket) -> str:
    return f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def published(listening: socket.socket) -> list[Entry]:
    """A site with three services, one of which answers."""
    own = {"version": "1.0", "implementation_version": "1.0", "issuer": "/CN=ca", "access": ("VO:vo",)}
    services = [
        PublishedService(type=WMPROXY, url=f"https://{address(listening)}/glite_wms_wmproxy_server", **own),  # type: ignore[arg-type]
        PublishedService(type=LB_SERVER, url="https://127.0.0.1:1/", **own),  # type: ignore[arg-type]
        PublishedService(type=MYPROXY, url="myproxy://127.0.0.1:1/", version="1", implementation_version="1"),
    ]
    return OwnEntries(SITE, services).entries()


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def split(entries: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    return [e for e in entries if e.dn.endswith("o=grid")], [e for e in entries if e.dn.endswith("o=glue")]


def test_a_site_and_its_services_keep_the_profiles(published: list[Entry]) -> None:
    first, second = split(published)
    assert violations1(first) == []
    assert violations2(second, now()) == []


def test_a_service_that_answers_is_told_from_one_that_does_not(published: list[Entry]) -> None:
    first, second = split(published)
    status = {entry.first("GlueServiceType"): entry.first("GlueServiceStatus") for entry in first}
    assert status == {None: None, WMPROXY: "OK", LB_SERVER: "Critical", MYPROXY: "Critical"}
    health = {e.first("GLUE2EndpointInterfaceName"): e.first("GLUE2EndpointHealthState") for e in second}
    assert (health[WMPROXY], health[LB_SERVER]) == ("ok", "critical")
    started = {e.first("GlueServiceType"): e.first("GlueServiceStartTime") is not None for e in first}
    assert (started[WMPROXY], started[LB_SERVER]) == (True, False)


def test_a_service_that_answers_is_tried_again_after_a_minute(listening: socket.socket) -> None:
    clock = [0.0]
    own = OwnEntries(SITE, [PublishedService(type=WMPROXY, url=f"https://{address(listening)}")], lambda: clock[0])

    def status() -> str | None:
        return next(e.first("GlueServiceStatus") for e in own.entries() if e.is_a("GlueService"))

    assert status() == "OK"
    listening.close()
    clock[0] = 59.0
    assert status() == "OK"
    clock[0] = 61.0
    assert status() == "Critical"


@pytest.mark.parametrize(
    "kind, attribute, value, told",
    [
        ("GLUE2Endpoint", "GLUE2EndpointHealthState", "fine", "may not be 'fine'"),
        ("GLUE2Endpoint", "GLUE2EndpointServingState", "open", "may not be"),
        ("GLUE2Endpoint", "GLUE2EndpointURL", "localhost", "may not be"),
        ("GLUE2Endpoint", "GLUE2EndpointImplementationVersion", None, "is wanted"),
        ("GLUE2Endpoint", "GLUE2EndpointServiceForeignKey", "nowhere", "leads to no GLUE2Service"),
        ("GLUE2Service", "GLUE2ServiceQualityLevel", None, "is missing"),
        ("GLUE2Service", "GLUE2ServiceAdminDomainForeignKey", "OTHER", "is not the domain"),
        ("GLUE2Service", "GLUE2EntityCreationTime", "2020-01-01T00:00:00Z", "no longer valid"),
        ("GLUE2Service", "GLUE2EntityCreationTime", "yesterday", "may not be"),
        ("GLUE2Service", "GLUE2ServiceID", "same", "is published 3 times"),
        ("GLUE2Service", "GLUE2ServiceStatusInfo", "UNDEFINEDVALUE", "says nothing"),
        ("GLUE2Service", "GLUE2ServiceComplexity", "999999999", "says nothing"),
        ("GLUE2AccessPolicy", "GLUE2AccessPolicyEndpointForeignKey", "x", "has no access policy"),
        ("GLUE2Location", "GLUE2LocationLatitude", "91", "may not be"),
        ("GLUE2Location", "GLUE2LocationNowhere", "x", "belongs to none"),
        ("GLUE2Contact", "GLUE2ContactDomainForeignKey", None, "has no contact"),
    ],
)
def test_the_rules_of_glue_2_find_what_breaks_them(
    published: list[Entry], kind: str, attribute: str, value: str | None, told: str
) -> None:
    second = [with_value(entry, attribute, value) if entry.is_a(kind) else entry for entry in split(published)[1]]
    assert any(told in problem for problem in violations2(second, now()))


@pytest.mark.parametrize(
    "kind, attribute, value, told",
    [
        ("GlueService", "GlueServiceStatus", "fine", "may not be"),
        ("GlueService", "GlueForeignKey", "GlueSiteUniqueID=x", "leads to no"),
        ("GlueSite", "GlueSiteSecurityContact", "somebody", "may not be"),
        ("GlueSite", "GlueSiteWeb", None, "is wanted"),
        ("GlueSite", "GlueSiteName", "Köln", "no IA5 string"),
        ("GlueSite", "GlueCEName", "x", "belongs to none"),
    ],
)
def test_the_rules_of_glue_1_find_what_breaks_them(
    published: list[Entry], kind: str, attribute: str, value: str | None, told: str
) -> None:
    first = [with_value(entry, attribute, value) if entry.is_a(kind) else entry for entry in split(published)[0]]
    assert any(told in problem for problem in violations1(first))


def with_value(entry: Entry, attribute: str, value: str | None) -> Entry:
    kept = {name: values for name, values in entry.attributes.items() if name != attribute}
    return dataclasses.replace(entry, attributes={**kept, attribute: (value,)} if value is not None else kept)
