"""What a service does with requests that are wrong, hostile or not for it."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest

from grid.errors import AuthenticationFailed
from wsdl.types import JobIdStruct

Make = Callable[..., Any]
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WMPROXY = "http://glite.org/wms/wmproxy"
GOOD = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><n:getVersion xmlns:n="{WMPROXY}"/></s:Body></s:Envelope>'.encode()


@pytest.fixture
def version(service: Make) -> Any:
    """A service that answers getVersion."""
    return service(getVersion="1")


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("entry", "argument", "reason"),
    [
        ("<n:jobRegister><jdl>x</jdl></n:jobRegister>", "delegationId", "missing"),
        ("<n:jobRegister/>", "jdl", "missing"),
        ("<n:jobRegister><v1>x</v1></n:jobRegister>", "delegationId", "missing"),
        (
            '<n:jobRegister><jdl xsi:nil="true"/><delegationId>d</delegationId></n:jobRegister>',
            "jdl",
            "nil",
        ),
        ("<n:jobRegister><jdl>x</jdl><jdl>y</jdl><delegationId/></n:jobRegister>", "jdl", "more than once"),
        ("<n:jobRegister><jdl><b/></jdl><delegationId/></n:jobRegister>", "jdl", "<b>"),
        ('<n:jobRegister><jdl href="#1"/><delegationId/></n:jobRegister>', "jdl", "href"),
        ("<n:getJDL><jobId/><type>original</type></n:getJDL>", "type", "ORIGINAL, REGISTERED"),
        (
            "<n:getCollectionTemplate><jobNumber>two</jobNumber><requirements/><rank/></n:getCollectionTemplate>",
            "jobNumber",
            "not a number",
        ),
        (
            "<n:getCollectionTemplate><jobNumber>2147483648</jobNumber><requirements/><rank/>"
            "</n:getCollectionTemplate>",
            "jobNumber",
            "out of the range",
        ),
        (
            "<n:getPerusalFiles><jobId/><file/><allChunks>yes</allChunks><protocol/></n:getPerusalFiles>",
            "allChunks",
            "not a boolean",
        ),
        (
            "<n:enableFilePerusal><jobId/><fileList><item>a</item></fileList></n:enableFilePerusal>",
            "fileList",
            "<Item> belongs",
        ),
        (
            "<n:getJobTemplate><jobType><jobType>ODD</jobType></jobType><executable/><arguments/><requirements/><rank/>"
            "</n:getJobTemplate>",
            "jobType/jobType",
            "ODD",
        ),
    ],
)
def test_a_wrong_argument_is_an_invalid_argument_fault_that_names_it(
    service: Make, entry: str, argument: str, reason: str
) -> None:
    found = service().post(entry)
    assert found.code == 500
    assert found.detail.tag == f"{{{WMPROXY}}}InvalidArgumentFault"
    assert found.detail.findtext("ErrorCode") == "1225"
    said = found.detail.findtext("Description")
    assert f"the argument {argument} " in said and reason in said


def test_where_invalid_argument_is_not_declared_the_general_fault_has_its_code(service: Make) -> None:
    found = service(getProxyReq="x").post("<n:getProxyReq/>")
    assert found.detail.tag == f"{{{WMPROXY}}}GenericFault"
    assert found.detail.findtext("ErrorCode") == "1225"
    space = "http://www.gridsite.org/namespaces/delegation-2"
    assert service(getProxyReq="x").post("<n:getProxyReq/>", space).detail.tag == f"{{{space}}}DelegationException"


def test_an_operation_without_a_handler_says_so(service: Make) -> None:
    found = service().post("<n:getTotalQuota/>")
    assert found.detail.tag == f"{{{WMPROXY}}}GenericFault"
    assert found.faultstring == "getTotalQuota is not implemented yet by this server"
    assert found.detail.findtext("ErrorCode") == "1202"


def test_an_operation_that_did_not_ask_for_authorization_answers_with_a_fault(service: Make) -> None:
    made = service(getVersion="1")
    made.handler.asks = False
    found = made.post("<n:getVersion/>")
    assert found.code == 500 and b"<version>" not in found.body


# ---------------------------------------------------------------- envelopes


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"", "Client", "empty"),
        (b"not xml", "Client", "refused"),
        (GOOD[:-3], "Client", "refused"),
        (b"<a/>", "Client", "not a SOAP envelope"),
        (f'<s:Envelope xmlns:s="{SOAP}"/>'.encode(), "Client", "one soap:Body"),
        (f'<s:Envelope xmlns:s="{SOAP}"><s:Body/></s:Envelope>'.encode(), "Client", "it has 0"),
        (f'<s:Envelope xmlns:s="{SOAP}"><s:Body/><s:Body/></s:Envelope>'.encode(), "Client", "one soap:Body"),
        (f'<s:Envelope xmlns:s="{SOAP}"><s:Body><a/><b/></s:Body></s:Envelope>'.encode(), "Client", "it has 2"),
        (f'<s:Envelope xmlns:s="{SOAP}"><s:Body><getVersion/></s:Body></s:Envelope>'.encode(), "Client", "operation"),
        (
            f'<s:Envelope xmlns:s="{SOAP}"><s:Body><getVersion xmlns="urn:x"/></s:Body></s:Envelope>'.encode(),
            "Client",
            "{urn:x}getVersion",
        ),
        (f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault/></s:Body></s:Envelope>'.encode(), "Client", "Fault"),
        (GOOD.replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope"), "VersionMismatch", "SOAP 1.1"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]>' + GOOD, "Client", "DOCTYPE"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + GOOD, "Client", "DOCTYPE"),
        (b"<a>" * 100_000, "Client", "nested"),
        (b'<?xml version="1.0" encoding="no-such"?>' + GOOD, "Client", "refused"),
        (b'<?xml version="1.1"?>' + GOOD.replace(b"<n:", b"<\x00n:"), "Client", "refused"),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else value,
)
def test_what_is_no_request_gets_a_fault_without_detail(version: Any, data: bytes, code: str, text: str) -> None:
    found = version.http("POST", data)
    assert found.status == "500 Internal Server Error"
    assert found.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert found.faultcode == f"SOAP-ENV:{code}"
    assert text in found.faultstring
    assert found.fault.find("detail") is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_the_document_says_its_encoding_and_not_the_header(service: Make, encoding: str) -> None:
    made = service(jobStart=None)
    declaration = "" if encoding == "utf-8-sig" else f'<?xml version="1.0" encoding="{encoding}"?>'
    entry = f'<n:jobStart xmlns:n="{WMPROXY}"><jobId>é</jobId></n:jobStart>'
    text = f'{declaration}<s:Envelope xmlns:s="{SOAP}"><s:Body>{entry}</s:Body></s:Envelope>'
    found = made.http("POST", text.encode(encoding), CONTENT_TYPE="text/xml; charset=unheard-of")
    assert found.code == 200
    assert made.handler.calls == [("jobStart", {"jobId": "é"})]


def test_a_header_that_must_be_understood_is_refused_and_any_other_is_passed_over(service: Make) -> None:
    made = service(getVersion="1", options={"understood": frozenset({"{urn:x}known"})})

    def post(name: str, attributes: str) -> Any:
        return made.post("<n:getVersion/>", header=f'<s:Header><x:{name} xmlns:x="urn:x" {attributes}/></s:Header>')

    refused = post("other", 's:mustUnderstand="1"')
    assert refused.faultcode == "SOAP-ENV:MustUnderstand" and "{urn:x}other" in refused.faultstring
    assert post("other", 's:mustUnderstand="1" s:actor="http://schemas.xmlsoap.org/soap/actor/next"').code == 500
    assert post("other", 's:mustUnderstand="1" s:actor="urn:somebody-else"').code == 200
    assert post("other", 's:mustUnderstand="0"').code == 200
    assert post("other", "").code == 200
    assert post("known", 's:mustUnderstand="1"').code == 200


@pytest.mark.parametrize("action", [None, '""', "", '"jobCancel"', "getVersion", "http://anything"])
def test_the_soapaction_does_not_matter(version: Any, action: str | None) -> None:
    given = {} if action is None else {"HTTP_SOAPACTION": action}
    assert version.http("POST", GOOD, **given).code == 200


# ---------------------------------------------------------------- HTTP


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
def test_content_types_that_a_foreign_page_can_post_are_refused(version: Any, kind: str) -> None:
    found = version.http("POST", GOOD, CONTENT_TYPE=kind)
    assert found.status == "415 Unsupported Media Type" and "text/xml" in found.text
    assert found.headers["Content-Type"].startswith("text/plain")  # a fault would have to be 500 (BP 1.1 R1126)
    assert version.handler.calls == []


@pytest.mark.parametrize("kind", ["text/xml", "TEXT/XML; charset=UTF-8", "application/xml", "text/xml;charset=x; y=z"])
def test_xml_content_types_are_taken(version: Any, kind: str) -> None:
    assert version.http("POST", GOOD, CONTENT_TYPE=kind).code == 200


def test_too_many_bytes_are_refused_before_they_are_read(service: Make) -> None:
    made = service(getVersion="1", options={"max_bytes": 1000})

    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("the body was read")

    found = made.http("POST", GOOD, CONTENT_LENGTH="1001", **{"wsgi.input": Unread()})
    assert found.status == "413 Content Too Large" and "1000" in found.text


def test_a_chunked_body_is_taken_up_to_the_limit(service: Make) -> None:
    made = service(getVersion="1", options={"max_bytes": 1000})

    def chunked(data: bytes) -> Any:
        stream = {"wsgi.input": io.BytesIO(data), "wsgi.input_terminated": True}
        return made.http("POST", data, CONTENT_LENGTH="", **stream)

    assert chunked(GOOD).code == 200
    assert chunked(GOOD + b" " * (1000 - len(GOOD))).code == 200
    assert chunked(GOOD + b" " * (1001 - len(GOOD))).code == 413


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": "ten"}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "²"}, 400),
        ({"CONTENT_LENGTH": "9" * 40}, 400),
        ({"CONTENT_LENGTH": ""}, 411),
        ({"CONTENT_LENGTH": str(len(GOOD) + 1)}, 400),
        ({"HTTP_CONTENT_ENCODING": "gzip"}, 415),
    ],
)
def test_odd_lengths_and_encodings_get_a_proper_answer(version: Any, environ: dict[str, str], status: int) -> None:
    found = version.http("POST", GOOD, **environ)
    assert found.code == status and "?wsdl" in found.text and b"Envelope" not in found.body


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"])
def test_other_methods_are_refused_with_where_the_contract_is(version: Any, method: str) -> None:
    found = version.http(method)
    assert found.status == "405 Method Not Allowed"
    assert found.headers["Allow"] == "GET, HEAD, POST"
    assert found.body == b"" if method == "HEAD" else b"?wsdl" in found.body


def test_no_payload_reaches_a_log(service: Make, caplog: pytest.LogCaptureFixture) -> None:
    made = service(jobSubmit=JobIdStruct("j"), jobStart=KeyError("boom"))
    with caplog.at_level(logging.DEBUG):
        made.post("<n:jobSubmit><jdl>SECRET</jdl><delegationId>d</delegationId></n:jobSubmit>")
        made.post("<n:jobSubmit><jdl>SECRET</jdl></n:jobSubmit>")
        made.post("<n:jobStart><jobId>SECRET</jobId></n:jobStart>")
        made.http("POST", b"SECRET")
    assert "SECRET" not in caplog.text


def test_a_body_that_has_not_arrived_is_read_for_known_callers_only(service: Make) -> None:
    def nobody(_environ: object) -> None:
        raise AuthenticationFailed("the certificate of the caller is worth nothing")

    class Unread(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("the body was read")

    stranger = service(options={"identify": nobody}, getVersion="1")
    waiting = {"wms.body_arrived": False, "CONTENT_LENGTH": str(len(GOOD)), "wsgi.input": Unread()}
    answer = stranger.http("POST", **waiting)
    assert answer.status.startswith("500")
    assert b"<faultstring>the certificate of the caller is worth nothing</faultstring>" in answer.body
    assert stranger.http("POST", GOOD, **{"wms.body_arrived": True}).status.startswith("200")
    friend = service(options={"identify": lambda _environ: None}, getVersion="1")
    assert friend.http("POST", GOOD, **{"wms.body_arrived": False}).status.startswith("200")
