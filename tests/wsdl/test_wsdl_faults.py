"""Faults on the wire: the WSDL's element, all its members, only what the operation declares, nothing of ours inside."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from grid import codes, errors
from grid.errors import GridError
from wsdl.contract import Contract
from wsdl.faults import FaultWriter
from wsdl.types import JobIdStruct

Make = Callable[..., Any]
WMPROXY = "http://glite.org/wms/wmproxy"
D1 = "http://www.gridsite.org/namespaces/delegation-1"
D2 = "http://www.gridsite.org/namespaces/delegation-2"
XSI = "{http://www.w3.org/2001/XMLSchema-instance}type"


def members(detail: etree._Element) -> list[tuple[str, str]]:
    return [(child.tag, child.text or "") for child in detail]


def test_a_typed_fault_byte_by_byte(service: Make) -> None:
    error = errors.JobUnknown("no such job", causes=["looked in the sandbox", "looked in the database"])
    found = service(jobCancel=error).post("<n:jobCancel><jobId>j</jobId></n:jobCancel>")
    assert found.status == "500 Internal Server Error"
    assert found.headers["Content-Type"] == "text/xml; charset=utf-8"
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", found.text)
    assert text == (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:glitens="http://glite.org/wms/wmproxy">'
        "<SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>no such job</faultstring>"
        '<detail><glitens:JobUnknownFault xsi:type="glitens:JobUnknownFaultType"><methodName>jobCancel</methodName>'
        "<Timestamp>TIME</Timestamp><ErrorCode>1218</ErrorCode><Description>no such job</Description>"
        "<FaultCause>looked in the sandbox</FaultCause><FaultCause>looked in the database</FaultCause>"
        "</glitens:JobUnknownFault></detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )


def test_causes_are_told_innermost_first_and_the_words_of_libraries_are_not(service: Make) -> None:
    def fail() -> None:
        try:
            try:
                raise OSError(13, "Permission denied", "/a/secret/place")
            except OSError as error:
                raise errors.FileSystemFailure("the list cannot be read") from error
        except GridError as error:
            raise errors.LoggingFailure("the event was not taken", causes=["asked twice"]) from error

    try:
        fail()
    except GridError as error:
        found = service(jobCancel=error).post("<n:jobCancel><jobId>j</jobId></n:jobCancel>")
    causes = re.findall(r"<FaultCause>(.*?)</FaultCause>", found.text)
    assert causes == ["the list cannot be read", "asked twice"]
    assert "secret" not in found.text
    alone = service(jobCancel=errors.LoggingFailure("not taken")).post("<n:jobCancel><jobId>j</jobId></n:jobCancel>")
    assert re.findall(r"<FaultCause>(.*?)</FaultCause>", alone.text) == ["not taken"]


@pytest.mark.parametrize(
    ("agent", "tags"),
    [
        ("gSOAP/2.7", [f"{{{WMPROXY}}}JobUnknownFault", "fault"]),
        ("gSOAP/2.8", [f"{{{WMPROXY}}}JobUnknownFault", "fault"]),
        ("Axis/1.4", [f"{{{WMPROXY}}}JobUnknownFault"]),
        ("", [f"{{{WMPROXY}}}JobUnknownFault"]),
    ],
)
def test_gsoap_gets_the_historical_form_behind_the_contracts_and_nobody_else(
    service: Make, agent: str, tags: list[str]
) -> None:
    made = service(jobCancel=errors.JobUnknown("no such job", causes=["one", "two"]))
    found = made.http("POST", made.envelope("<n:jobCancel><jobId>j</jobId></n:jobCancel>"), HTTP_USER_AGENT=agent)
    entries = list(found.fault.find("detail"))
    assert [entry.tag for entry in entries] == tags
    for entry in entries:
        assert entry.get(XSI) == "glitens:JobUnknownFaultType" and entry.nsmap["glitens"] == WMPROXY
        assert members(entry) == members(entries[0]) and len(members(entry)) == 6


def test_the_historical_form_is_of_wmproxy_alone(service: Make) -> None:
    made = service(putProxy=errors.DelegationError("refused"))
    entry = "<n:putProxy><delegationID/><proxy/></n:putProxy>"
    found = made.http("POST", made.envelope(entry, D2), HTTP_USER_AGENT="gSOAP/2.7")
    assert found.detail.tag == f"{{{D2}}}DelegationException"


@pytest.mark.parametrize("code", sorted(codes.TABLE))
def test_every_code_is_answered_with_a_fault_that_the_operation_declares(code: int) -> None:
    contract = Contract.load("WMProxy.wsdl")
    writer = FaultWriter(contract)
    for port in contract.answering_gridsite().ports.values():
        for operation in port.operations.values():
            fault = writer.write(operation, GridError("sentence", code=code))
            declared = {declaration.element for declaration in operation.faults}
            assert fault.detail is not None and fault.detail.tag in declared
            expected = f"{{{WMPROXY}}}{codes.fault_of(code)}Fault"
            if expected in declared:
                assert fault.detail.tag == expected
            elif port.namespace == WMPROXY:
                assert fault.detail.tag == f"{{{WMPROXY}}}GenericFault"
            if port.namespace == WMPROXY:
                found = dict(members(fault.detail))
                assert list(found) == ["methodName", "Timestamp", "ErrorCode", "Description", "FaultCause"]
                assert (found["methodName"], found["ErrorCode"]) == (operation.name, str(code))
                assert fault.detail.get(XSI) == f"glitens:{etree.QName(fault.detail).localname}Type"


def test_the_general_fault_keeps_the_code_of_an_undeclared_one(service: Make) -> None:
    found = service(getJobStatus=errors.JobUnknown("none")).post("<n:getJobStatus><jobId>j</jobId></n:getJobStatus>")
    assert found.detail.tag == f"{{{WMPROXY}}}GenericFault"
    assert dict(members(found.detail))["ErrorCode"] == "1218"


@pytest.mark.parametrize(("space", "member"), [(D1, "message"), (D2, "msg")])
def test_the_delegation_ports_have_their_own_exception(service: Make, space: str, member: str) -> None:
    made = service(putProxy=errors.DelegationError("refused"))
    found = made.post("<n:putProxy><delegationID/><proxy/></n:putProxy>", space)
    assert found.detail.tag == f"{{{space}}}DelegationException"
    assert members(found.detail) == [(member, "refused")]
    assert found.faultstring == "refused"


def test_a_borrowed_operation_answers_with_the_exception_of_its_namespace(service: Make) -> None:
    found = service(destroy=errors.DelegationError("none")).post("<n:destroy><delegationID/></n:destroy>", D1)
    assert found.detail.tag == f"{{{D1}}}DelegationException"
    assert members(found.detail) == [("message", "none")]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidArgument("x"), "SOAP-ENV:Client"),
        (errors.AuthorizationDenied("x"), "SOAP-ENV:Client"),
        (errors.AuthenticationFailed("x"), "SOAP-ENV:Client"),
        (errors.ServerOverloaded("x"), "SOAP-ENV:Server"),
        (errors.InternalFailure("x"), "SOAP-ENV:Server"),
    ],
)
def test_faultcode_says_whose_fault_it_is(service: Make, error: GridError, code: str) -> None:
    assert service(jobStart=error).post("<n:jobStart><jobId>j</jobId></n:jobStart>").faultcode == code


def test_the_description_stands_in_when_there_are_no_causes(service: Make) -> None:
    found = service(getVersion=errors.ServerOverloaded("full")).post("<n:getVersion/>")
    assert ("FaultCause", "full") in members(found.detail)


def test_a_defect_shows_nothing_of_the_program_and_is_logged_under_a_reference(
    service: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "wms.wsdl"):
        found = service(getVersion=KeyError("/secret/path")).post("<n:getVersion/>")
    assert found.detail.tag == f"{{{WMPROXY}}}GenericFault"
    assert dict(members(found.detail))["ErrorCode"] == "1202"
    assert b"secret" not in found.body and b"KeyError" not in found.body and b"Traceback" not in found.body
    reference = re.search(r"reference ([0-9a-f]{8})", found.faultstring)
    assert reference is not None and reference[1] in caplog.text and "secret" in caplog.text


def test_an_answer_that_does_not_fit_the_contract_is_a_defect_not_a_wrong_answer(service: Make) -> None:
    for wrong in (JobIdStruct(None), {"id": "j", "nmae": "n"}, 7, {"id": 7}, None, ["j"]):  # type: ignore[arg-type]
        found = service(jobSubmit=wrong).post("<n:jobSubmit><jdl/><delegationId/></n:jobSubmit>")
        assert found.code == 500 and dict(members(found.detail))["ErrorCode"] == "1202", wrong
    assert service(getTotalQuota=(1,)).post("<n:getTotalQuota/>").code == 500
    assert service(getTotalQuota={"softLimit": 1}).post("<n:getTotalQuota/>").code == 500
    assert service(getTransferProtocols="https").post("<n:getTransferProtocols/>").code == 500


def test_a_fault_does_not_tell_where_the_service_keeps_its_files() -> None:
    contract = Contract.load("WMProxy.wsdl")
    operation = contract.ports["WMProxy_PortType"].operations["jobStart"]
    writer = FaultWriter(contract, hidden=[Path("/srv/wms"), Path("/srv/wms/sandbox")])
    error = errors.FileSystemFailure(
        "/srv/wms/sandbox/SandboxDir/ab/job/input is gone; look into /srv/wms",
        causes=["cannot open /srv/wms/run/x: no such file", "/bin/echo is not meant"],
    )
    fault = writer.write(operation, error)
    assert fault.text == "SandboxDir/ab/job/input is gone; look into wms"
    assert fault.detail is not None
    found = members(fault.detail)
    assert ("Description", fault.text) in found and ("ErrorCode", "1203") in found
    assert [text for name, text in found if name == "FaultCause"] == [
        "cannot open run/x: no such file",
        "/bin/echo is not meant",
    ]


def test_markup_and_control_characters_in_a_description_are_harmless(service: Make) -> None:
    error = errors.InvalidArgument("<b>&\x00 ]]>", causes=["\x07"])
    found = service(jobStart=error).post("<n:jobStart><jobId>j</jobId></n:jobStart>")
    assert dict(members(found.detail))["Description"] == "<b>&\ufffd ]]>"
    assert dict(members(found.detail))["FaultCause"] == "\ufffd"


@pytest.mark.parametrize(
    ("code", "expected"), [(1218, "2"), (1225, "22"), (1229, "110"), (1227, "1227"), (1202, "5")]
)
def test_bookkeeping_faults_carry_the_numbers_its_clients_know(
    document_service: Make, code: int, expected: str
) -> None:
    made = document_service(Query=GridError("the sentence", code=code))
    found = made.post("<n:Query><n:flags/></n:Query>", "urn:t")
    assert found.detail.tag == "{urn:t}genericFault"
    assert [tag for tag, _ in members(found.detail)] == ["{urn:t}code", "{urn:t}text", "{urn:t}description"]
    assert found.detail[0].text == expected and found.detail[2].text == "the sentence"


def test_kinds_that_a_contract_lacks_can_be_carried_by_another() -> None:
    contract = Contract.load("WMProxy.wsdl")
    operation = contract.ports["WMProxy_PortType"].operations["getVersion"]
    writer = FaultWriter(contract, aliases={"JobUnknown": "ServerOverloaded"})
    fault = writer.write(operation, errors.JobUnknown("x"))
    assert fault.detail is not None and fault.detail.tag == f"{{{WMPROXY}}}ServerOverloadedFault"


def test_an_answer_that_does_not_fit_the_contract_is_logged(
    service: Make, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "wms.wsdl"):
        found = service(getVersion=7).post("<n:getVersion/>")
    assert found.code == 500
    assert "getVersion does not fit the contract: the value for version" in caplog.text
