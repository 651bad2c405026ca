"""The SOAP door as a target: requests to the WSGI application, and what holds of every answer.

An input is a body, or a whole HTTP request whose head begins with its method.
"""

from __future__ import annotations

import io
import logging
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fuzz_descriptions import DESCRIPTIONS
from fuzz_engine import Failure
from fuzz_mutation import SOAP, mutate_bytes, mutate_tree
from fuzz_port import COMPOUND, CONTRACT, OTHERS, OWN, SOMEBODY, Handler, handlers
from lxml import etree

import grid
import web
import wmproxy.port
import wsdl
from grid import codes
from web import head
from wmproxy.operations import HANDLERS
from wsdl.contract import Contract, Operation
from wsdl.documents import Documents
from wsdl.schema import ComplexType, Member
from wsdl.service import soap_application

FILES = [
    Path(wmproxy.port.__file__),
    *(file for room in (grid, web, wsdl) for file in sorted(Path(str(room.__file__)).parent.glob("*.py"))),
]
BODY = f"{{{SOAP}}}Body"
TEXTS = [
    "1", "2", "text", "a/b", "true", OWN, COMPOUND, OTHERS, SOMEBODY, "/testvo/Role=a", "default", "all", "gsiftp",
    "ORIGINAL", "REGISTERED", "NORMAL", "MPI", "PARAMETRIC", "-----BEGIN CERTIFICATE-----", "2026-01-01T00:00:00Z",
    *DESCRIPTIONS,
]  # fmt: skip
HEAD = (
    b"POST /glite_wms_wmproxy_server HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: text/xml\r\nContent-Length: %d\r\n\r\n"
)
_HEADS = [
    b"GET /glite_wms_wmproxy_server?wsdl HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HEAD /glite_wms_wmproxy_server?xsd=a.xsd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
]
_HEAD_PIECES = [
    b"GET ", b"POST ", b"HEAD ", b"?wsdl", b"?xsd=", b"=WMProxy.wsdl", b"%00", b"\r\n", b"Content-Length: 0\r\n",
    b"Content-Type: application/xml; charset=x\r\n", b"Content-Encoding: gzip\r\n", b"Connection: close\r\n",
    b"User-Agent: gSOAP/2.7\r\n", b"Transfer-Encoding: chunked\r\n", b"text/xml", b"99999999999",
]  # fmt: skip
_KNOWN = {
    "jobId": [OWN, COMPOUND], "jdl": DESCRIPTIONS, "delegationId": ["one"], "type": ["ORIGINAL", "REGISTERED"],
    "protocol": ["", "all", "default", "https"], "requirements": ["true"], "rank": ["0"], "executable": ["/bin/ls"],
}  # fmt: skip
_INTEGERS, _REALS = ["1", "2", "10"], ["0", "2.5", "1e9"]
_TYPED = {
    "int": _INTEGERS, "long": _INTEGERS, "integer": _INTEGERS, "nonNegativeInteger": _INTEGERS,
    "double": _REALS, "float": _REALS, "boolean": ["true", "false"],
}  # fmt: skip
JSDL = f"""<s:Envelope xmlns:s="{SOAP}" xmlns:w="http://glite.org/wms/wmproxy"><s:Body><w:jobRegisterJSDL><jsdl
xmlns:j="http://schemas.ggf.org/jsdl/2005/11/jsdl" xmlns:p="http://schemas.ggf.org/jsdl/2005/11/jsdl-posix">
<j:JobDescription><j:JobIdentification><j:JobName>n</j:JobName><j:JobAnnotation>one</j:JobAnnotation>
<j:JobProject>p</j:JobProject></j:JobIdentification><j:Application><j:ApplicationName>a</j:ApplicationName>
<p:POSIXApplication><p:Executable>/bin/ls</p:Executable><p:Argument>two words</p:Argument><p:Input>i</p:Input>
<p:Output>o</p:Output><p:Error>e</p:Error><p:WorkingDirectory>.</p:WorkingDirectory>
<p:Environment name="A">1</p:Environment><p:CPUTimeLimit>60</p:CPUTimeLimit><p:MemoryLimit>1000000</p:MemoryLimit>
</p:POSIXApplication></j:Application><j:Resources><j:CandidateHosts><j:HostName>h.example.org</j:HostName>
</j:CandidateHosts><j:OperatingSystem><j:OperatingSystemType><j:OperatingSystemName>LINUX</j:OperatingSystemName>
</j:OperatingSystemType></j:OperatingSystem><j:CPUArchitecture><j:CPUArchitectureName>x86_64</j:CPUArchitectureName>
</j:CPUArchitecture><j:IndividualCPUTime><j:UpperBoundedRange>3600</j:UpperBoundedRange></j:IndividualCPUTime>
<j:TotalCPUCount><j:Exact>2</j:Exact></j:TotalCPUCount><j:TotalPhysicalMemory><j:LowerBoundedRange>1e9
</j:LowerBoundedRange></j:TotalPhysicalMemory></j:Resources><j:DataStaging><j:FileName>i</j:FileName>
<j:CreationFlag>overwrite</j:CreationFlag><j:Source><j:URI>gsiftp://h/i</j:URI></j:Source></j:DataStaging>
<j:DataStaging><j:FileName>o</j:FileName><j:CreationFlag>overwrite</j:CreationFlag><j:Target><j:URI>https://h/o</j:URI>
</j:Target></j:DataStaging></j:JobDescription></jsdl><delegationId>one</delegationId></w:jobRegisterJSDL></s:Body>
</s:Envelope>""".encode()
_MAY = ("400", "404", "405", "411", "413", "415")
"""Refusals in plain text."""


class Undeclared(logging.Handler):
    """Keeps what the SOAP layer logs as its own error; the rest is not for a fuzzer's screen."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            self.said.append(f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen to all rooms.

        :raises Failure: when one logged an error.
        """
        logger = logging.getLogger("wms")
        self.said.clear()
        propagate, logger.propagate = logger.propagate, False
        logger.addHandler(self)
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.propagate = propagate
        if self.said:
            raise Failure(f"an error was logged: {'; '.join(self.said)[:3000]}")


class Door:
    """The SOAP application with some handlers.

    :param served: the handlers by port; without any, such as answer at random what their contract allows.
    """

    def __init__(self, name: str, share: int, served: Mapping[str, object] | None = None) -> None:
        self.name, self.share = name, share
        self._dice = random.Random()
        chosen = served or {port: Handler(kind, port, self._dice) for port, kind in HANDLERS.items()}
        documents = Documents(["WMProxy.wsdl"], dict.fromkeys(HANDLERS, "https://localhost/"))
        self._application = soap_application(Contract.load("WMProxy.wsdl"), chosen, documents, declared=True)
        self._errors = Undeclared()

    def seeds(self, dice: random.Random) -> Sequence[bytes]:
        """A valid envelope of each operation, and questions for documents."""
        operations = [op for port in HANDLERS for op in CONTRACT.ports[port].operations.values()]
        bodies = [JSDL, *(valid(op, dice) for op in operations for _ in range(2))]
        return [*bodies, HEAD % len(bodies[0]) + bodies[0], *_HEADS]

    def mutate(self, data: bytes, other: bytes, dice: random.Random) -> bytes:
        """The head, or the body as a tree or as bytes."""
        first, body = divided(data)
        _, more = divided(other)
        if dice.random() < (0.3 if first else 0.02):
            first = mutate_bytes(first or HEAD % len(body), dice.choice(_HEADS), dice, _HEAD_PIECES)
            return first + body
        body = mutate_tree(body, more, dice, TEXTS) if dice.random() < 0.7 else mutate_bytes(body, more, dice)
        return HEAD % len(body) + body if first else body

    def run(self, data: bytes) -> None:
        """Post one input and check the answer.

        :raises Failure: for an answer that no request may get, and for an error in the log.
        """
        environ = environment(data)
        if environ is None:
            return  # not a plain request: gunicorn parses or refuses it
        with self._errors.listening():
            status, headers, body = self._answer(environ, zlib.crc32(data))
        if headers.get("Content-Length") != str(len(body)) and environ["REQUEST_METHOD"] != "HEAD":
            raise Failure(f"the Content-Length is {headers.get('Content-Length')} and the body has {len(body)} bytes")
        if headers.get("Content-Type", "").startswith("text/plain") and status[:3] in _MAY:
            return
        if environ["REQUEST_METHOD"] == "POST":
            check(status, body)
        elif status != "200 OK" or (body and etree.fromstring(body) is None):
            raise Failure(f"a document with the status {status}")

    def _answer(self, environ: dict[str, Any], seed: int) -> tuple[str, dict[str, str], bytes]:
        self._dice.seed(seed)
        seen: list[tuple[str, dict[str, str]]] = []
        body = b"".join(self._application(environ, lambda status, headers: seen.append((status, dict(headers)))))
        return *seen[0], body


def doors(scratch: Path) -> list[Door]:
    """The door before handlers that answer at random, and before the real port."""
    return [Door("soap", 3), Door("port", 4, handlers(scratch))]


def divided(data: bytes) -> tuple[bytes, bytes]:
    """The head of a request, empty without one, and its body."""
    if not data.startswith((b"POST ", b"GET ", b"HEAD ")):
        return b"", data
    first, end, body = data.partition(b"\r\n\r\n")
    return first + end, body


def environment(data: bytes) -> dict[str, Any] | None:
    """The WSGI environment of an input; None when its head is one that this server does not parse itself."""
    first, body = divided(data)
    if not first:
        first = HEAD % len(body)
    plain = head.plain(first) if first.endswith(b"\r\n\r\n") else None
    return None if plain is None else {**plain.environ, "wsgi.input": io.BytesIO(body)}


def valid(operation: Operation, dice: random.Random) -> bytes:
    """A valid envelope of an operation."""
    envelope = etree.Element(f"{{{SOAP}}}Envelope", nsmap={"s": SOAP, "w": operation.namespace})
    wrapper = etree.SubElement(etree.SubElement(envelope, BODY), operation.request.wrapper)
    for part in operation.request.parts:
        _fill(etree.SubElement(wrapper, part.name), part, dice, 4)
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=dice.random() < 0.5)


def _fill(element: Any, member: Member, dice: random.Random, depth: int) -> None:
    kind = CONTRACT.schemas.type(member.type)
    if not isinstance(kind, ComplexType):
        element.text = _text(member, kind, dice)
        return
    for inner in kind.members:
        if inner.min_occurs == 0 and (depth <= 0 or dice.random() < 0.5):
            continue
        for _ in range(dice.choice((1, 2)) if inner.repeated else 1):
            name = f"{{{inner.namespace}}}{inner.name}" if inner.namespace else inner.name
            _fill(etree.SubElement(element, name), inner, dice, depth - 1)


def _text(member: Member, kind: Any, dice: random.Random) -> str:
    allowed = list(getattr(kind, "enumeration", ())) or _TYPED.get(member.type.rpartition("}")[2])
    return dice.choice(_KNOWN.get(member.name) or allowed or TEXTS)


def check(status: str, body: bytes) -> str:
    """The kind of an answer.

    :raises Failure: for an answer that no request may get.
    """
    try:
        entry = etree.fromstring(body).find(BODY)[0]
    except (etree.XMLSyntaxError, TypeError, IndexError) as error:
        raise Failure(f"the answer is no envelope: {error}: {body[:300]!r}") from error
    if entry.tag != f"{{{SOAP}}}Fault":
        if status != "200 OK":
            raise Failure(f"an answer with the status {status}")
        return str(entry.tag)
    if status[:1] not in "45" or (status[:3] != "500" and entry.find("detail") is not None):
        raise Failure(f"a fault with the status {status}")
    text = entry.findtext("faultstring") or ""
    if "its log tells why" in text:
        raise Failure(f"an unforeseen error: {text}")
    detail = entry.find("detail")
    if detail is None:
        return f"{entry.findtext('faultcode')} {text.partition(':')[0][:40]}"
    return _declared(detail[0])


def _declared(fault: Any) -> str:
    method, code = fault.findtext("methodName"), fault.findtext("ErrorCode")
    if method is None:
        return str(fault.tag)
    if int(code) not in codes.TABLE:
        raise Failure(f"{method} answered the unknown code {code}")
    operations = [port.operations[method] for port in CONTRACT.ports.values() if method in port.operations]
    if fault.tag not in {declared.element for operation in operations for declared in operation.faults}:
        raise Failure(f"{method} answered {fault.tag}, which it does not declare")
    return f"{method} {fault.tag} {code}"
