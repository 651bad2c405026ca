"""Every requirement on messages is met by a good exchange and fails on one that breaks it."""

import pytest
import wsi_envelopes  # noqa: F401 - declares assertions
import wsi_http  # noqa: F401 - declares assertions
import wsi_literal  # noqa: F401 - declares assertions
from wsi_assertion import EXCHANGE
from wsi_description import Description
from wsi_exchange import Exchange

from wsdl import library

HEAD = 'POST /service HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml; charset=utf-8\r\nSOAPAction: ""\r\n\r\n'
OK = "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n"
FAILED = OK.replace("200 OK", "500 Internal Server Error")
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


def envelope(entry: str, header: str = "") -> str:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{SOAP}" xmlns:w="http://glite.org/wms/wmproxy" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:lb="http://glite.org/wsdl/elements/lb">'
        f"{header}<s:Body>{entry}</s:Body></s:Envelope>"
    )


REGISTER = "<w:jobRegister><jdl>[]</jdl><delegationId>d</delegationId></w:jobRegister>"
ID = '<jobIdStruct><id>i</id><name xsi:nil="true"/><path>p</path></jobIdStruct>'
FAULT = (
    "<s:Fault><faultcode>s:Client</faultcode><faultstring>why</faultstring><detail><w:InvalidArgumentFault "
    'xsi:type="w:InvalidArgumentFaultType"><methodName>jobRegister</methodName>'
    "<Timestamp>2024-01-01T00:00:00Z</Timestamp><ErrorCode>1225</ErrorCode><Description>why</Description>"
    "<FaultCause>why</FaultCause></w:InvalidArgumentFault></detail></s:Fault>"
)
BASES = {
    "answer": (HEAD + envelope(REGISTER), OK + envelope(f"<w:jobRegisterResponse>{ID}</w:jobRegisterResponse>")),
    "fault": (HEAD + envelope(REGISTER), FAILED + envelope(FAULT)),
    "unknown": (HEAD + envelope("<w:jobFly/>"), FAILED + envelope(FAULT)),
    "document": (
        HEAD + envelope("<lb:GetVersion/>"),
        OK + envelope("<lb:GetVersionResponse><version>1</version></lb:GetVersionResponse>"),
    ),
    "header": (
        HEAD + envelope(REGISTER, '<s:Header><x:y xmlns:x="urn:x" s:mustUnderstand="1"/></s:Header>'),
        FAILED + envelope("<s:Fault><faultcode>s:MustUnderstand</faultcode><faultstring/></s:Fault>"),
    ),
    "version": (
        HEAD + "<e:Envelope xmlns:e='http://www.w3.org/2003/05/soap-envelope'/>",
        FAILED + envelope("<s:Fault><faultcode>s:VersionMismatch</faultcode><faultstring/></s:Fault>"),
    ),
    "no envelope": (HEAD + "<html/>", FAILED + envelope(FAULT)),
    "type": (HEAD.replace("text/xml", "text/plain") + "x", "HTTP/1.1 415 Unsupported Media Type\r\n\r\n"),
    "method": (HEAD.replace("POST", "PUT"), "HTTP/1.1 405 Method Not Allowed\r\n\r\n"),
}
# number: base, side, what stands there, what stands there instead
BROKEN = {
    "R9980": ("answer", "response", "<s:Body>", "<s:Body/><s:Header/><s:Body>"),
    "R9981": ("answer", "response", "</s:Body>", "<w:x/></s:Body>"),
    "R1000": ("fault", "response", "<faultstring>why", "<reason/><faultstring>why"),
    "R1001": ("fault", "response", "<faultcode>s:Client</faultcode>", "<s:faultcode>s:Client</s:faultcode>"),
    "R1004": ("fault", "response", "s:Client", "w:Client"),
    "R1031": ("fault", "response", "s:Client", "s:Client.Input"),
    "R1005": ("answer", "response", "<s:Body>", '<s:Body s:encodingStyle="">'),
    "R1006": ("answer", "response", "<w:jobRegisterResponse>", '<w:jobRegisterResponse s:encodingStyle="">'),
    "R1007": ("answer", "response", "<jobIdStruct>", '<jobIdStruct s:encodingStyle="">'),
    "R1008": ("answer", "response", "<s:Envelope", "<!DOCTYPE x><s:Envelope"),
    "R1009": ("answer", "response", "<s:Body>", "<?x y?><s:Body>"),
    "R1011": ("answer", "response", "</s:Body>", "</s:Body><w:x/>"),
    "R1012": ("answer", "response", 'encoding="utf-8"', 'encoding="iso-8859-1"'),
    "R1018": ("answer", "response", "; charset=utf-8", "; charset=utf-16"),
    "R1013": ("header", "request", 'mustUnderstand="1"', 'mustUnderstand="true"'),
    "R1014": ("answer", "response", "w:jobRegisterResponse>", "jobRegisterResponse>"),
    "R1032": ("answer", "response", "<s:Body>", '<s:Body s:mustUnderstand="0">'),
    "R1033": ("answer", "response", "<s:Body>", '<s:Body xmlns:xml="http://www.w3.org/XML/1998/namespace">'),
    "R1015": ("no envelope", "response", "s:Fault>", "w:Fault>"),
    "R1027": ("header", "response", "s:MustUnderstand", "s:Client"),
    "R2724": ("unknown", "response", "s:Client", "s:Server"),
    "R2725": ("version", "response", "s:VersionMismatch", "s:Client"),
    "R1140": ("answer", "response", "HTTP/1.1", "HTTP/1.0"),
    "R1141": ("answer", "response", "HTTP/1.1", "HTTP/2"),
    "R1132": ("answer", "request", "POST", "PUT"),
    "R1108": ("answer", "request", "Host: h", 'Host: h\r\nMan: "urn:x"; ns=01'),
    "R1109": ("answer", "request", 'SOAPAction: ""', "SOAPAction: x"),
    "R1127": ("fault", "response", "<faultstring>why", "<faultstring>no handler for this SOAPAction"),
    "R2745": ("answer", "request", 'SOAPAction: ""', 'SOAPAction: "x"'),
    "R1124": ("answer", "response", "200 OK", "500 Internal Server Error"),
    "R1111": ("answer", "response", "200 OK", "202 Accepted"),
    "R1126": ("fault", "response", "500 Internal Server Error", "200 OK"),
    "R1125": ("type", "response", "415 Unsupported Media Type", "500 Internal Server Error"),
    "R1114": ("method", "response", "405 Method Not Allowed", "400 Bad Request"),
    "R1115": ("type", "response", "415 Unsupported Media Type", "400 Bad Request"),
    "R1130": ("answer", "response", "200 OK", "302 Found"),
    "R2113": ("answer", "response", "<id>", '<id x:arrayType="" xmlns:x="http://schemas.xmlsoap.org/soap/encoding/">'),
    "R2211": ("answer", "response", ID, '<jobIdStruct xsi:nil="1"/>'),
    "R2212": ("answer", "response", ID, ID + ID),
    "R2301": ("answer", "request", "<jdl>[]</jdl><delegationId>d</delegationId>", "<delegationId/><jdl/>"),
    "R2729": ("answer", "response", "w:jobRegisterResponse>", "w:jobRegisterResult>"),
    "R2735": ("answer", "response", "jobIdStruct>", "w:jobIdStruct>"),
    "R2737": ("answer", "response", "<id>i</id>", "<w:id>i</w:id>"),
    "R2712": ("document", "response", "<version>1</version>", "<number>1</number>"),
    "WSDL 1.1 §3.6": ("fault", "response", "InvalidArgumentFault", "NoSuitableResourcesFault"),
}
# What the descriptions here have no place for: an operation with a soapAction.
WITH_ACTION = ("R2744", 'soapAction=""', 'soapAction="urn:act"')


def exchange(base: str, side: str = "", old: str = "", new: str = "") -> Exchange:
    request, response = BASES[base]
    if side == "request":
        assert old in request
        request = request.replace(old, new)
    if side == "response":
        assert old in response
        response = response.replace(old, new)
    return Exchange.parse(request.encode(), response.encode())


def description(base: str) -> Description:
    return Description.load("LB.wsdl" if base == "document" else "WMProxy.wsdl", library.read)


@pytest.mark.parametrize("base", sorted(BASES))
def test_a_good_exchange_violates_nothing(base: str) -> None:
    violations, _ = EXCHANGE.judge(exchange(base), description(base))
    assert not violations


@pytest.mark.parametrize("number", sorted(BROKEN))
def test_the_counterexample_is_caught(number: str) -> None:
    check = EXCHANGE.by_number[number].check
    base, side, old, new = BROKEN[number]
    assert check(exchange(base, side, old, new), description(base))


def test_the_described_action_is_demanded() -> None:
    number, old, new = WITH_ACTION
    described = Description.load("WMProxy.wsdl", lambda n: library.read(n).replace(old.encode(), new.encode()))
    check = EXCHANGE.by_number[number].check
    assert check(exchange("answer"), described)
    assert not check(exchange("answer", "request", '""', '"urn:act"'), described)


def test_there_is_one_for_every_requirement() -> None:
    assert {*BROKEN, WITH_ACTION[0]} == set(EXCHANGE.by_number)


def test_only_messages_under_test_are_judged() -> None:
    request, response = BASES["answer"]
    wrong = request.replace('SOAPAction: ""', "SOAPAction: x").replace("<s:Body>", '<s:Body s:encodingStyle="">')
    both = Exchange.parse(wrong.encode(), response.encode())
    answers = Exchange.parse(wrong.encode(), response.encode(), "response")
    assert {v.number for v in EXCHANGE.judge(both, description("answer"))[0]} == {
        "R1005", "R1032", "R1109", "R2745",
    }  # fmt: skip
    assert not EXCHANGE.judge(answers, description("answer"))[0]
