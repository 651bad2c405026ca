"""What is not a call of this service: refused in the right form, before any operation is reached."""

import pytest

WMP = "http://glite.org/wms/wmproxy"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
CALL = f'<s:Envelope xmlns:s="{SOAP}"><s:Body><w:getVersion xmlns:w="{WMP}"/></s:Body></s:Envelope>'


def body(inner):
    return CALL.replace(f'<w:getVersion xmlns:w="{WMP}"/>', inner).encode()


def test_an_unknown_operation_is_named(alice):
    assert alice.call("<w:dance/>").bare_fault() == (
        "SOAP-ENV:Client",
        "this service has no operation {http://glite.org/wms/wmproxy}dance; its WSDL names those it has",
    )


@pytest.mark.parametrize(
    "space", ["http://glite.org/wms/wmproxy/", "urn:x", "http://www.gridsite.org/namespaces/delegation-3"]
)
def test_an_operation_of_another_namespace_is_unknown(alice, space):
    code, text = alice.call("<w:jobRegister/>", space).bare_fault()
    assert code == "SOAP-ENV:Client"
    assert f"{{{space}}}jobRegister" in text


def test_jobStart_is_no_operation_of_the_delegation_ports(alice):
    for version in (1, 2):
        alice.call("<w:jobStart/>", f"http://www.gridsite.org/namespaces/delegation-{version}").bare_fault()


def test_an_unqualified_operation_is_unknown(alice):
    assert "no operation getVersion" in alice.post(body("<getVersion/>")).bare_fault()[1]


def test_soap_1_2_is_a_VersionMismatch(alice):
    code, text = alice.post(CALL.replace(SOAP, "http://www.w3.org/2003/05/soap-envelope").encode()).bare_fault()
    assert code == "SOAP-ENV:VersionMismatch"
    assert SOAP in text


def test_a_header_that_must_be_understood_is_refused(alice):
    header = f'<s:Header><x:y xmlns:x="urn:x" xmlns:s="{SOAP}" s:mustUnderstand="1"/></s:Header><s:Body>'
    code, text = alice.post(CALL.replace("<s:Body>", header).encode()).bare_fault()
    assert code == "SOAP-ENV:MustUnderstand"
    assert "{urn:x}y" in text


@pytest.mark.parametrize(
    ("document", "what"),
    [
        (b"", "it is empty"),
        (b"getVersion", "line 1"),
        (b"<html/>", "not a SOAP envelope"),
        (b"\0\0\0", "refused"),
        (f'<s:Envelope xmlns:s="{SOAP}"/>'.encode(), "one soap:Body"),
        (body(""), "it has 0"),
        (body(f'<w:getVersion xmlns:w="{WMP}"/>' * 2), "it has 2"),
        (body("<w:getVersion/>"), "line 1"),
        (f'<!DOCTYPE x SYSTEM "file:///etc/passwd">{CALL}'.encode(), "DOCTYPE"),
        (f'<!DOCTYPE x [<!ENTITY a "b">]>{CALL}'.encode(), "DOCTYPE"),
        (body("<a>" * 200 + "</a>" * 200), "deep"),
        (CALL.encode()[:-3], "line 1"),
        (CALL.encode("utf-16")[:-7], "refused"),
        (b'<?xml version="1.0" encoding="nonsense"?>' + CALL.encode(), "refused"),
        (body("<a>\xff</a>").replace("\xff".encode(), b"\xff"), "refused"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:20].decode("latin-1"),
)
def test_a_document_that_is_no_request_is_refused_with_the_reason(alice, document, what):
    code, text = alice.post(document).bare_fault()
    assert code == "SOAP-ENV:Client"
    assert what in text


def test_a_dtd_is_not_even_looked_up(alice):
    bomb = "".join(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};">' for n in range(1, 40))
    call = CALL.replace("/></s:Body>", ">&a39;</w:getVersion></s:Body>")
    text = f'<!DOCTYPE x [<!ENTITY a0 "ha">{bomb}]>{call}'
    assert "DOCTYPE" in alice.post(text.encode()).bare_fault()[1]


def test_ten_megabytes_are_refused_and_the_service_goes_on(alice):
    big = CALL.replace("<s:Body>", f"<s:Header><x>{'x' * (10 << 20)}</x></s:Header><s:Body>").encode()
    answer = alice.post(big)
    assert (answer.status, answer.headers["Content-Type"]) == (413, "text/plain; charset=utf-8")
    assert f"the request has more than {8 << 20} bytes" in answer.text
    assert alice.call("<w:getVersion/>").status == 200


def test_a_body_without_length_that_does_not_end_is_cut_off(alice):
    blocks = (b"x" * (1 << 20) for _ in range(12))
    answer = alice.http("POST", alice.path, blocks, {"Content-Type": "text/xml"})
    assert answer.status == 413
    alice.close()
    assert alice.call("<w:getVersion/>").status == 200


def test_a_chunked_request_is_a_request(alice):
    text = CALL.encode()
    answer = alice.http("POST", alice.path, iter([text[:50], text[50:]]), {"Content-Type": "text/xml"})
    assert answer.value("version") == "3.9.0"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_foreign_web_page_could_post_is_refused(alice, kind):
    answer = alice.post(CALL.encode(), {"Content-Type": kind})
    assert (answer.status, answer.headers["Content-Type"]) == (415, "text/plain; charset=utf-8")
    assert "a SOAP request has the Content-Type text/xml" in answer.text


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "DANCE"])
def test_other_methods_are_not_allowed(alice, method):
    answer = alice.http(method, alice.path)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert b"passwd" not in answer.body
    if method != "HEAD":
        assert f"{alice.path}?wsdl" in answer.text
