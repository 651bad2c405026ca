"""The DataLocationInterface on the wire: literal messages, as the toolkits of catalogues and of the WMS write them."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from lxml import etree

from grid.errors import GridError, InvalidArgument
from web.guard import asked
from wsdl import encoded, library
from wsdl.client import RemoteFault
from wsdl.datalocation import DataLocation, DataLocationServer
from wsdl.transport import ServiceUnreachable

REQUEST = (
    b"<?xml version='1.0' encoding='UTF-8'?>\n"
    b'<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" '
    b'xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    b'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:datalocationinterface="urn:DataLocationInterface">'
    b"<SOAP-ENV:Body>"
    b'<datalocationinterface:listReplicas SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">'
    b'<inputDataType xsi:type="xsd:string">lfn</inputDataType>'
    b'<inputData xsi:type="xsd:string">lfn:/grid/vo/a&amp;b</inputData>'
    b"</datalocationinterface:listReplicas></SOAP-ENV:Body></SOAP-ENV:Envelope>"
)
DECLARED = (
    'xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:c="http://schemas.xmlsoap.org/soap/encoding/" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema" '
    'xmlns:n="urn:DataLocationInterface"'
)
BOTH = ("srm://se.example.org/a", "sfn://se2.example.org/b")

GSOAP = """<n:listReplicasResponse e:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">
  <urlList xsi:type="c:Array" c:arrayType="xsd:string[2]">
    <item xsi:type="xsd:string">srm://se.example.org/a</item><item xsi:type="xsd:string">sfn://se2.example.org/b</item>
  </urlList></n:listReplicasResponse>"""
OLD_GSOAP = """<n:listReplicasResponse><urlList c:arrayType="xsd:string[2]" href="#_1"/></n:listReplicasResponse>
  <id0 id="_1" c:root="0" xsi:type="c:Array" c:arrayType="xsd:string[2]"><item>srm://se.example.org/a</item>
  <item>sfn://se2.example.org/b</item></id0>"""
AXIS = """<n:listReplicasResponse><listReplicasReturn href="#id0"/></n:listReplicasResponse>
  <multiRef id="id0" c:root="0" xsi:type="c:Array" c:arrayType="xsd:anyType[2]">
    <listReplicasReturn href="#id1"/><listReplicasReturn href="#id2"/></multiRef>
  <multiRef id="id1" c:root="0" xsi:type="c:string">srm://se.example.org/a</multiRef>
  <multiRef id="id2" c:root="0" xsi:type="xsd:string">sfn://se2.example.org/b</multiRef>"""
ROOT_LAST = """<multiRef id="x" c:root="0" xsi:type="xsd:string">srm://se.example.org/a</multiRef>
  <n:listReplicasResponse><urlList xsi:type="n:ArrayOfstring"><item href="#x"/><item>
  sfn://se2.example.org/b </item><item xsi:nil="true"/><item>srm://se.example.org/a</item></urlList>
  </n:listReplicasResponse>"""


def message(body: str) -> bytes:
    return f"<e:Envelope {DECLARED}><e:Body>{body}</e:Body></e:Envelope>".encode()


@contextlib.contextmanager
def catalogue(body: bytes, status: str = "200 OK", kind: str = "text/xml", pause: float = 0.0) -> Iterator[Any]:
    """A catalogue that gives one answer; its URL, and the requests that it got."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection, connection.makefile("rb") as file:
                    lines = list(iter(file.readline, b"\r\n"))
                    length = next(int(each.partition(b":")[2]) for each in lines if each.startswith(b"Content-Length"))
                    got.append(b"".join(lines) + b"\r\n" + file.read(length))
                    connection.sendall(head.encode())
                    for part in range(0, len(body), 200):
                        time.sleep(pause)
                        connection.sendall(body[part : part + 200])

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/", got
        thread.join(10)


def listed(body: bytes, **how: Any) -> tuple[str, ...]:
    with catalogue(body, **how) as (url, _):
        return DataLocation(url, None, timeout=5).list_replicas("lfn", "lfn:/grid/vo/a")


def test_the_request_is_rpc_encoded_with_an_empty_action() -> None:
    with catalogue(message(GSOAP)) as (url, got):
        assert DataLocation(url, None, timeout=5).list_replicas("lfn", "lfn:/grid/vo/a&b") == BOTH
    head, _, body = got[0].partition(b"\r\n\r\n")
    assert body == REQUEST
    assert b'SOAPAction: ""' in head and b"Content-Type: text/xml; charset=utf-8" in head


@pytest.mark.parametrize("body", [GSOAP, OLD_GSOAP, AXIS, ROOT_LAST], ids=["gsoap", "old gsoap", "axis", "root last"])
def test_answers_of_all_toolkits_are_read(body: str) -> None:
    assert listed(message(body)) == BOTH


def test_bare_names_of_hosts_are_replicas_too() -> None:
    body = '<n:listReplicasResponse><urlList c:arrayType="xsd:string[1]"><i>se.example.org</i></urlList>'
    assert listed(message(body + "</n:listReplicasResponse>")) == ("se.example.org",)


@pytest.mark.parametrize(
    "body",
    [
        "<n:listReplicasResponse/>",
        '<n:listReplicasResponse><urlList xsi:nil="true"/></n:listReplicasResponse>',
        '<n:listReplicasResponse><urlList c:arrayType="xsd:string[0]"> </urlList></n:listReplicasResponse>',
    ],
)
def test_no_replica_is_an_answer(body: str) -> None:
    assert listed(message(body)) == ()


@pytest.mark.parametrize("status", ["500 Internal Server Error", "200 OK"])
def test_a_fault_is_raised_with_its_sentence(status: str) -> None:
    fault = "<e:Fault><faultcode>e:Server</faultcode><faultstring>No such file</faultstring></e:Fault>"
    with pytest.raises(RemoteFault, match="No such file"):
        listed(message(fault), status=status)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ('<n:listReplicasResponse><urlList href="#no"/></n:listReplicasResponse>', "not in the message"),
        ('<n:listReplicasResponse><urlList href="http://other/"/></n:listReplicasResponse>', "not in the message"),
        ('<n:listReplicasResponse><urlList href="#a"/></n:listReplicasResponse><a id="a" href="#a"/>', "circle"),
        ("<n:listReplicasResponse><urlList><i><b/></i></urlList></n:listReplicasResponse>", "text belongs"),
        ("<n:listReplicasResponse><urlList>srm://x</urlList></n:listReplicasResponse>", "is a text"),
        ("<n:other/>", "belongs there"),
        ("", "empty"),
    ],
)
def test_what_is_no_answer_is_refused(body: str, why: str) -> None:
    with pytest.raises(ServiceUnreachable, match=why):
        listed(message(body))


def test_a_document_with_a_doctype_is_refused() -> None:
    with pytest.raises(ServiceUnreachable, match="DOCTYPE"):
        listed(b'<!DOCTYPE x [<!ENTITY a "b">]>' + message("<n:listReplicasResponse>&a;</n:listReplicasResponse>"))


def test_the_number_of_replicas_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "MAX_ITEMS", 1)
    with pytest.raises(ServiceUnreachable, match="more than 1"):
        listed(message(GSOAP))


def test_many_items_that_refer_to_one_long_text_are_bounded() -> None:
    """70 KB on the wire would be 80 MB as strings, and 8 MiB on the wire 70 GB."""
    body = f"""<n:listReplicasResponse><urlList>{'<i href="#a"/>' * 2000}</urlList></n:listReplicasResponse>
      <a id="a">{"s" * 40_000}</a>"""
    with pytest.raises(ServiceUnreachable, match="more than 8388608 characters"):
        listed(message(body))


def test_a_catalogue_that_drips_is_given_up_at_the_deadline() -> None:
    began = time.monotonic()
    with catalogue(message(GSOAP) + b" " * 4000, pause=0.1) as (url, _):
        with pytest.raises(ServiceUnreachable) as caught:
            DataLocation(url, None, timeout=0.5).list_replicas("guid", "guid:1")
    assert caught.value.timed_out and time.monotonic() - began < 5


class Answered:
    """The server without a socket."""

    def __init__(self, lookup: Callable[..., Any]) -> None:
        self.calls: list[tuple[str, str]] = []

        def asking(environ: Mapping[str, Any], kind: str, name: str) -> Any:
            asked("listReplicas", "allowed")
            self.calls.append((kind, name))
            return lookup(kind, name)

        self.server = DataLocationServer(asking, "https://catalogue.example.org:8085/")

    def send(self, data: bytes, method: str = "POST", query: str = "", kind: str = "text/xml") -> tuple[str, bytes]:
        seen: list[str] = []
        environ = {"REQUEST_METHOD": method, "QUERY_STRING": query, "CONTENT_TYPE": kind, "PATH_INFO": "/",
                   "CONTENT_LENGTH": str(len(data)), "wsgi.input": io.BytesIO(data)}  # fmt: skip
        body = b"".join(self.server(environ, lambda status, headers: seen.append(status)))
        return seen[0], body

    def fault(self, data: bytes) -> str:
        status, body = self.send(data)
        assert status == "500 Internal Server Error"
        return str(etree.fromstring(body).findtext(".//faultstring"))


def test_the_answer_is_an_array_of_strings() -> None:
    made = Answered(lambda kind, name: BOTH)
    status, body = made.send(REQUEST)
    assert status == "200 OK"
    assert body.endswith(
        b"<SOAP-ENV:Body><datalocationinterface:listReplicasResponse "
        b'SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/">'
        b'<urlList xsi:type="SOAP-ENC:Array" SOAP-ENC:arrayType="xsd:string[2]">'
        b'<item xsi:type="xsd:string">srm://se.example.org/a</item>'
        b'<item xsi:type="xsd:string">sfn://se2.example.org/b</item>'
        b"</urlList></datalocationinterface:listReplicasResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    assert made.calls == [("lfn", "/grid/vo/a&b")]


@pytest.mark.parametrize(
    ("parts", "call"),
    [
        ("<inputDataType>guid</inputDataType><inputData>guid:12</inputData>", ("guid", "12")),
        ("<inputData>12</inputData><inputDataType>guid</inputDataType>", ("guid", "12")),
        ('<inputDataType href="#t"/><inputData>lds:set</inputData>', ("lds", "set")),
    ],
)
def test_names_come_with_and_without_prefix_in_any_form(parts: str, call: tuple[str, str]) -> None:
    made = Answered(lambda kind, name: [])
    status, _ = made.send(message(f'<n:listReplicas>{parts}</n:listReplicas><x id="t" c:root="0">lds</x>'))
    assert (status, made.calls) == ("200 OK", [call])


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("<n:listReplicas><inputDataType>lfn</inputDataType></n:listReplicas>", "inputData is refused: it is missing"),
        ("<n:listReplicas><inputDataType>x</inputDataType><inputData>y</inputData></n:listReplicas>", "none of lfn"),
        ("<n:listAll/>", "has the operation"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(body: str, why: str) -> None:
    assert why in Answered(lambda kind, name: []).fault(message(body))


def test_an_error_is_a_fault_with_its_sentence_and_a_defect_says_nothing_of_itself() -> None:
    def missing(kind: str, name: str) -> Any:
        raise InvalidArgument(f"No such file: {kind}:{name}")

    def defect(kind: str, name: str) -> Any:
        raise RuntimeError("secret")

    assert Answered(missing).fault(REQUEST) == "No such file: lfn:/grid/vo/a&b"
    said = Answered(defect).fault(REQUEST)
    assert "secret" not in said and "reference" in said


def test_a_lookup_that_asks_nobody_cannot_answer() -> None:
    made = Answered(lambda kind, name: BOTH)
    made.server = DataLocationServer(lambda *_: BOTH, "https://h/")
    assert "urlList" not in made.send(REQUEST)[1].decode()


def test_the_contract_is_given_with_the_service_s_address() -> None:
    made = Answered(lambda kind, name: BOTH)
    status, body = made.send(b"", "GET", "wsdl")
    root = etree.fromstring(body)
    places = [node.get("location") for node in root.iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")]
    assert (status, places) == ("200 OK", ["https://catalogue.example.org:8085/"])
    assert made.send(b"", "GET")[0].startswith("405") and made.send(b"a=b", kind="text/plain")[0].startswith("415")


def test_the_contract_says_what_the_interface_says() -> None:
    wsdl, soap = "{http://schemas.xmlsoap.org/wsdl/}", "{http://schemas.xmlsoap.org/wsdl/soap/}"
    root = library.root("data-location-interface.wsdl")
    assert root.get("targetNamespace") == "urn:DataLocationInterface"
    parts = {m.get("name"): [(p.get("name"), p.get("type")) for p in m] for m in root.iter(f"{wsdl}message")}
    assert parts == {
        "listReplicas": [("inputDataType", "xsd:string"), ("inputData", "xsd:string")],
        "listReplicasResponse": [("urlList", "datalocationinterface:ArrayOfstring")],
    }
    assert [n.get("name") for n in root.iter(f"{wsdl}portType")] == ["DataLocationInterfacePortType"]
    assert [n.get("style") for n in root.iter(f"{soap}binding", f"{soap}operation")] == ["document", "rpc"]
    assert {tuple(sorted(n.items())) for n in root.iter(f"{soap}body")} == {
        (
            ("encodingStyle", "http://schemas.xmlsoap.org/soap/encoding/"),
            ("namespace", "urn:DataLocationInterface"),
            ("use", "encoded"),
        )
    }
    assert [n.get("location") for n in root.iter(f"{soap}address")] == ["http://localhost:8085"]


def test_errors_of_the_client_are_the_house_s() -> None:
    assert issubclass(RemoteFault, GridError) and issubclass(ServiceUnreachable, GridError)
