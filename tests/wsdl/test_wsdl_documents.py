"""``?wsdl``: what is given out, at which addresses, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from lxml import etree

from grid.errors import ConfigurationError
from wsdl import library
from wsdl.documents import Documents

Make = Callable[..., Any]
ADDRESS = "https://wms.example.org:7443/glite_wms_wmproxy_server"
LOCATION = "{http://schemas.xmlsoap.org/wsdl/soap/}address"


def addresses(document: bytes) -> list[str]:
    return [node.get("location") for node in etree.fromstring(document).iter(LOCATION)]


@pytest.mark.parametrize("query", ["wsdl", "WSDL", "wsdl=", "wsdl=WMProxy.wsdl", "WSDL=WMProxy.wsdl"])
def test_the_contract_is_answered_with_live_addresses(service: Make, query: str) -> None:
    found = service().http("GET", QUERY_STRING=query, HTTP_HOST="evil.example.com")
    assert found.status == "200 OK"
    assert found.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert addresses(found.body) == [ADDRESS] * 3
    assert b"evil" not in found.body


def test_every_import_leads_to_a_document_that_is_served(service: Make) -> None:
    made = service()
    seen: set[str] = set()
    wanted = ["wsdl"]
    while wanted:
        query = wanted.pop()
        found = made.http("GET", QUERY_STRING=query)
        assert found.code == 200, query
        seen.add(query.rpartition("=")[2])
        for node in etree.fromstring(found.body).iter():
            if not isinstance(node.tag, str) or etree.QName(node).localname not in ("import", "include"):
                continue
            location = node.get("location") or node.get("schemaLocation")
            assert location.startswith(ADDRESS + "?")
            following = location.partition("?")[2]
            if following.rpartition("=")[2] not in seen:
                wanted.append(following)
    assert seen == {
        "wsdl",
        "WMProxy-gridsite-delegation-1.0.0.wsdl",
        "WMProxy-gridsite-delegation-2.0.0.wsdl",
        "jsdl.xsd-18.xsd",
        "jsdl-posix.xsd-6.xsd",
    }


def test_the_port_alone_is_described_for_tools_that_mix_namespaces_up(service: Make) -> None:
    found = service().http("GET", QUERY_STRING="wsdl=WMProxy-alone.wsdl")
    assert found.status == "200 OK" and addresses(found.body) == [ADDRESS]
    whole, alone = (etree.fromstring(service().http("GET", QUERY_STRING=f"wsdl={n}").body) for n in (
        "WMProxy.wsdl", "WMProxy-alone.wsdl"))  # fmt: skip
    wsdl = "{http://schemas.xmlsoap.org/wsdl/}"
    assert not alone.findall(f"{wsdl}import")
    for part in ("message", "portType", "binding", "types"):
        kept = [etree.tostring(node, method="c14n") for node in alone.findall(f"{wsdl}{part}")]
        assert kept == [etree.tostring(node, method="c14n") for node in whole.findall(f"{wsdl}{part}")]


@pytest.mark.parametrize(
    "query",
    [
        "wsdl=../../setup.cfg",
        "wsdl=/etc/passwd",
        "wsdl=%2e%2e%2fservice.py",
        "wsdl=WMProxy.wsdl%00",
        "wsdl=CREAM2.wsdl",
        "xsd=nothing.xsd",
    ],
)
def test_nothing_but_the_contract_is_served(service: Make, query: str) -> None:
    found = service().http("GET", QUERY_STRING=query)
    assert found.status == "404 Not Found" and found.body.decode().endswith(f"{ADDRESS}?wsdl\n")


@pytest.mark.parametrize("query", ["", "a=b", "wsdl&xsd", "wsdl=a&wsdl=b", "singleWsdl"])
def test_other_questions_are_not_answered_with_a_document(service: Make, query: str) -> None:
    assert service().http("GET", QUERY_STRING=query).code == 405


def test_head_has_the_length_and_no_body(service: Make) -> None:
    made = service()
    assert made.http("HEAD", QUERY_STRING="wsdl").body == b""
    length = made.http("HEAD", QUERY_STRING="wsdl").headers["Content-Length"]
    assert int(length) == len(made.http("GET", QUERY_STRING="wsdl").body)


def test_each_port_can_have_its_own_address() -> None:
    urls = {"WMProxy_PortType": "https://a/1", "WMProxyDelegation2_PortType": "https://a/2?x=<&>"}
    found = Documents(["WMProxy.wsdl"], urls).answer({"QUERY_STRING": "wsdl"})
    assert found is not None
    assert addresses(found[2]) == ["https://a/1", "https://a/1", "https://a/2?x=<&>"]


def test_a_service_without_an_address_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        Documents(["WMProxy.wsdl"], {})


def test_the_library_gives_out_its_own_documents_only() -> None:
    for name in ("../service.py", "/etc/passwd", "nothing.wsdl", ""):
        with pytest.raises(library.DocumentUnknown):
            library.read(name)
