"""document/literal on the wire: L&B's and CREAM's style, and every contract of the package in it."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from grid.errors import ConfigurationError
from wsdl import library
from wsdl.contract import Contract
from wsdl.documents import Documents
from wsdl.faults import FaultWriter
from wsdl.service import soap_application

Make = Callable[..., Any]
MOMENT = datetime.datetime(2026, 11, 21, 6, 0, 0, 123456, tzinfo=datetime.UTC)


def test_a_choice_and_lists_byte_by_byte(document_service: Make) -> None:
    made = document_service(Query={"event": [{"began": MOMENT}, {"ended": 3}], "total": 2})
    found = made.post(
        "<n:Query><n:name>a</n:name><n:flags><n:flag>B</n:flag></n:flags><n:number>1</n:number><n:number>2</n:number>"
        "</n:Query>",
        "urn:t",
    )
    assert found.text == (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ns="urn:t"><SOAP-ENV:Body><ns:QueryResponse>'
        "<ns:event><ns:began>2026-11-21T06:00:00Z</ns:began></ns:event><ns:event><ns:ended>3</ns:ended></ns:event>"
        "<ns:total>2</ns:total></ns:QueryResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    assert made.handler.calls == [("Query", {"name": "a", "flags": ["B"], "number": [1, 2], "until": None})]


def test_optional_children_are_none_and_empty_lists(document_service: Make) -> None:
    made = document_service(Query=([], 0))
    assert made.post("<n:Query><flags/></n:Query>", "urn:t").code == 200
    assert made.handler.calls == [("Query", {"name": None, "flags": [], "number": [], "until": None})]


def test_a_simple_element_is_the_only_value(document_service: Make) -> None:
    made = document_service(Switch="off")
    assert "<ns:SwitchResponse>off</ns:SwitchResponse>" in made.post("<n:Switch>true</n:Switch>", "urn:t").text
    assert made.handler.calls == [("Switch", {"on": True})]
    refused = made.post("<n:Switch>maybe</n:Switch>", "urn:t")
    assert refused.detail.findtext("{urn:t}code") == "22" and "on" in refused.faultstring


OTHERS = ("LBTypes.wsdl", "data-location-interface.wsdl")
"""Types alone; and rpc/encoded, which has a server of its own."""


@pytest.mark.parametrize("name", sorted(n for n in library.names() if n.endswith(".wsdl") and n not in OTHERS))
def test_every_contract_of_the_package_can_be_served_and_has_writable_faults(name: str) -> None:
    contract = Contract.load(name)
    FaultWriter(contract)
    for port in contract.ports.values():
        application = soap_application(contract, {port.name: object()}, Documents([name], {port.name: "https://h/"}))
        assert callable(application)


def test_services_are_checked_when_they_are_made() -> None:
    contract = Contract.load("WMProxy.wsdl")
    documents = Documents(["WMProxy.wsdl"], {"x": "https://h/"})

    class Wrong:
        def jobStart(self, call: object, job_id: str) -> None: ...

    with pytest.raises(ConfigurationError, match="jobStart"):
        soap_application(contract, {"WMProxy_PortType": Wrong()}, documents)
    with pytest.raises(ConfigurationError, match="NoPort"):
        soap_application(contract, {"NoPort": object()}, documents)
    with pytest.raises(ConfigurationError, match="none was given"):
        soap_application(contract, {}, documents)


def test_a_service_can_wrap_every_call(service: Make) -> None:
    seen: list[tuple[str, str]] = []

    def wrap(call: Any, invoke: Callable[[], object]) -> object:
        seen.append((call.port, call.operation))
        return invoke()

    made = service(getVersion="1", options={"wrap": wrap})
    assert made.post("<n:getVersion/>").code == 200
    assert seen == [("WMProxy_PortType", "getVersion")]
