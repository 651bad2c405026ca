"""A SOAP service in this process, asked with literal XML, and small contracts of our own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from web.guard import asked
from wsdl import client, contract, library
from wsdl.contract import Contract
from wsdl.documents import Documents
from wsdl.service import Call, soap_application

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WMPROXY = "http://glite.org/wms/wmproxy"
ADDRESS = "https://wms.example.org:7443/glite_wms_wmproxy_server"


@dataclass(frozen=True)
class Answer:
    status: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> int:
        return int(self.status.split()[0])

    @property
    def text(self) -> str:
        """The body without the XML declaration."""
        return self.body.decode().removeprefix("<?xml version='1.0' encoding='UTF-8'?>\n")

    @property
    def fault(self) -> etree._Element:
        found = etree.fromstring(self.body).find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")
        assert found is not None
        return found

    @property
    def faultcode(self) -> str:
        return self.fault.findtext("faultcode", "")

    @property
    def faultstring(self) -> str:
        return self.fault.findtext("faultstring", "")

    @property
    def detail(self) -> etree._Element:
        """The one child of the fault's detail."""
        (entry,) = self.fault.find("detail")
        return entry


class Handler:
    """Answers every operation with what a test gave it: a value, an exception, or a function of the parts."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, dict[str, object]]] = []
        self.asks = True

    def __getattr__(self, name: str) -> Callable[..., object]:
        if name.startswith("_") or name not in self.__dict__.get("answers", {}):
            raise AttributeError(name)

        def method(call: Call, **parts: object) -> object:
            if self.asks:
                asked(name, "permit")
            self.calls.append((name, parts))
            answer = self.answers[name]
            if isinstance(answer, BaseException):
                raise answer
            return answer(**parts) if callable(answer) else answer

        return method


class Service:
    """A service of one contract with one handler for all its ports."""

    def __init__(self, name: str, answers: Mapping[str, Any], **options: Any) -> None:
        self.handler = Handler()
        self.handler.answers.update(answers)
        loaded = Contract.load(name)
        documents = Documents([name], {next(iter(loaded.ports)): ADDRESS})
        handlers = dict.fromkeys(loaded.ports, self.handler)
        self.application = soap_application(loaded, handlers, documents, **options)

    def http(self, method: str, data: bytes = b"", **environ: Any) -> Answer:
        """One HTTP request."""
        request = {
            "REQUEST_METHOD": method,
            "PATH_INFO": "/glite_wms_wmproxy_server",
            "QUERY_STRING": "",
            "CONTENT_TYPE": "text/xml; charset=utf-8",
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.input": io.BytesIO(data),
            **environ,
        }
        seen: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(self.application(request, lambda status, headers: seen.append((status, headers))))
        status, headers = seen[0]
        assert dict(headers)["Content-Length"] == str(len(body)) or method == "HEAD"
        return Answer(status, dict(headers), body)

    @staticmethod
    def envelope(entry: str, namespace: str = WMPROXY) -> bytes:
        return envelope(entry, namespace)

    def post(self, entry: str, namespace: str = WMPROXY, header: str = "") -> Answer:
        """The envelope around ``entry``; the prefix ``n`` is ``namespace``."""
        return self.http("POST", envelope(entry, namespace, header))


def envelope(entry: str, namespace: str = WMPROXY, header: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:n="{namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"{header}<s:Body>{entry}</s:Body></s:Envelope>"
    ).encode()


@pytest.fixture
def service() -> Callable[..., Service]:
    """Makes a service: ``service(getVersion="1.0")``."""

    def make(contract: str = "WMProxy.wsdl", options: Mapping[str, Any] | None = None, **answers: Any) -> Service:
        return Service(contract, answers, **(options or {}))

    return make


@pytest.fixture
def own_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """Puts a document of a test's own into the (replaced) library of contracts."""
    caches = (library.names, library.read, contract._load, client._zeep_document)
    for path in library.DIRECTORY.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(library, "DIRECTORY", tmp_path)

    def put(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        for cached in caches:
            cached.cache_clear()
        return name

    yield put
    for cached in caches:
        cached.cache_clear()


DOCUMENT_CONTRACT = """<?xml version="1.0"?>
<wsdl:definitions targetNamespace="urn:s" xmlns:s="urn:s" xmlns:t="urn:t" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/">
  <wsdl:types>
    <xsd:schema targetNamespace="urn:t" elementFormDefault="qualified">
      <xsd:complexType name="Event">
        <xsd:choice>
          <xsd:element name="began" type="xsd:dateTime" nillable="true"/>
          <xsd:element name="ended" type="xsd:int" nillable="true"/>
        </xsd:choice>
      </xsd:complexType>
      <xsd:complexType name="Until">
        <xsd:choice>
          <xsd:element name="number" type="xsd:int"/>
          <xsd:element name="text" type="xsd:string"/>
          <xsd:element name="truth" type="xsd:boolean"/>
          <xsd:element name="real" type="xsd:double"/>
        </xsd:choice>
      </xsd:complexType>
      <xsd:complexType name="Flags">
        <xsd:sequence><xsd:element name="flag" type="t:Flag" minOccurs="0" maxOccurs="unbounded"/></xsd:sequence>
      </xsd:complexType>
      <xsd:simpleType name="Flag">
        <xsd:restriction base="xsd:string"><xsd:enumeration value="A"/><xsd:enumeration value="B"/></xsd:restriction>
      </xsd:simpleType>
      <xsd:element name="Query">
        <xsd:complexType>
          <xsd:sequence>
            <xsd:element name="name" type="xsd:string" minOccurs="0"/>
            <xsd:element name="flags" type="t:Flags"/>
            <xsd:element name="number" type="xsd:long" minOccurs="0" maxOccurs="unbounded"/>
            <xsd:element name="until" type="t:Until" minOccurs="0"/>
          </xsd:sequence>
        </xsd:complexType>
      </xsd:element>
      <xsd:element name="QueryResponse">
        <xsd:complexType>
          <xsd:sequence>
            <xsd:element name="event" type="t:Event" minOccurs="0" maxOccurs="unbounded"/>
            <xsd:element name="total" type="xsd:long"/>
          </xsd:sequence>
        </xsd:complexType>
      </xsd:element>
      <xsd:element name="Switch" type="xsd:boolean"/>
      <xsd:element name="SwitchResponse" type="xsd:string"/>
      <xsd:element name="genericFault">
        <xsd:complexType>
          <xsd:sequence>
            <xsd:element name="source" type="xsd:string" minOccurs="0"/>
            <xsd:element name="code" type="xsd:int"/>
            <xsd:element name="text" type="xsd:string"/>
            <xsd:element name="description" type="xsd:string" minOccurs="0"/>
          </xsd:sequence>
        </xsd:complexType>
      </xsd:element>
    </xsd:schema>
  </wsdl:types>
  <wsdl:message name="Query"><wsdl:part name="input" element="t:Query"/></wsdl:message>
  <wsdl:message name="QueryResponse"><wsdl:part name="output" element="t:QueryResponse"/></wsdl:message>
  <wsdl:message name="Switch"><wsdl:part name="on" element="t:Switch"/></wsdl:message>
  <wsdl:message name="SwitchResponse"><wsdl:part name="was" element="t:SwitchResponse"/></wsdl:message>
  <wsdl:message name="genericFault"><wsdl:part name="genericFault" element="t:genericFault"/></wsdl:message>
  <wsdl:portType name="P">
    <wsdl:operation name="Query">
      <wsdl:input message="s:Query"/><wsdl:output message="s:QueryResponse"/>
      <wsdl:fault name="f" message="s:genericFault"/>
    </wsdl:operation>
    <wsdl:operation name="Switch">
      <wsdl:input message="s:Switch"/><wsdl:output message="s:SwitchResponse"/>
      <wsdl:fault name="f" message="s:genericFault"/>
    </wsdl:operation>
  </wsdl:portType>
  <wsdl:binding name="B" type="s:P">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="Query">
      <soap:operation soapAction=""/>
      <wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>
      <wsdl:fault name="f"><soap:fault name="f" use="literal"/></wsdl:fault>
    </wsdl:operation>
    <wsdl:operation name="Switch">
      <soap:operation soapAction=""/>
      <wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>
      <wsdl:fault name="f"><soap:fault name="f" use="literal"/></wsdl:fault>
    </wsdl:operation>
  </wsdl:binding>
  <wsdl:service name="S">
    <wsdl:port name="Port" binding="s:B"><soap:address location="http://localhost/"/></wsdl:port>
  </wsdl:service>
</wsdl:definitions>
"""


@pytest.fixture
def document_service(own_contract: Callable[[str, str], str]) -> Callable[..., Service]:
    """Makes a service of a small document/literal contract."""
    name = own_contract("Own.wsdl", DOCUMENT_CONTRACT)
    return lambda **answers: Service(name, answers)
