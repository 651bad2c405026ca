"""A door to the running node's WMProxy: literal bytes in over TLS with a proxy, literal text out."""

from __future__ import annotations

import contextlib
import http.client
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from lxml import etree

from gsi import proxy
from gsi.credential import Credential
from gsi.tls import client_context

WMP = "http://glite.org/wms/wmproxy"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
DELEGATION = {
    "wmproxy": (WMP, "request"),
    "delegation-1": ("http://www.gridsite.org/namespaces/delegation-1", "getProxyReqReturn"),
    "delegation-2": ("http://www.gridsite.org/namespaces/delegation-2", "getProxyReqReturn"),
}
JDL = """[
  Executable = "/bin/echo"; Arguments = "hello"; StdOutput = "out"; OutputSandbox = { "out" };
  Requirements = true; Rank = 1;
]"""

_MOMENT = re.compile(r"<Timestamp>(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)</Timestamp>")
_IDLE = 5.0
"""Seconds after which a connection is not used again: the server may be closing it at that very moment."""

_HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}


@dataclass(frozen=True)
class Fault:
    """A typed fault of WMProxy, after its literal form has been held against the contract's."""

    kind: str
    method: str
    code: str
    description: str
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def value(self, name: str) -> str:
        """The text of the first element ``name`` of the answer."""
        found = etree.fromstring(self.body).findtext(f".//{name}")
        assert found is not None, self.text
        return found

    def says(self, inner: str, space: str = WMP) -> None:
        """Assert the whole answer, byte by byte; ``inner`` is the content of soap:Body."""
        assert self.status == 200, self.text
        assert self.headers["Content-Type"] == "text/xml; charset=utf-8"
        assert self.text == _enveloped(inner, space)

    def fault(self, side: str = "") -> Fault:
        """Take a typed WMProxy fault apart, and assert that it was written literally as the contract wants."""
        assert (self.status, self.headers["Content-Type"]) == (500, "text/xml; charset=utf-8"), self.text
        entry = etree.fromstring(self.body).find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault/detail")[0]
        members = [(child.tag, child.text or "") for child in entry]
        values = dict(members)
        found = Fault(
            etree.QName(entry).localname,
            values["methodName"],
            values["ErrorCode"],
            values["Description"],
            tuple(text for tag, text in members if tag == "FaultCause"),
        )
        assert _MOMENT.search(self.text), self.text
        side = side or ("Server" if found.code == "1202" else "Client")
        assert found.causes
        expected = (
            f"<SOAP-ENV:Fault><faultcode>SOAP-ENV:{side}</faultcode><faultstring>{escape(found.description)}"
            f'</faultstring><detail><glitens:{found.kind} xsi:type="glitens:{found.kind}Type">'
            f"<methodName>{found.method}</methodName><Timestamp>{values['Timestamp']}</Timestamp>"
            f"<ErrorCode>{found.code}</ErrorCode><Description>{escape(found.description)}</Description>"
            f"{''.join(f'<FaultCause>{escape(cause)}</FaultCause>' for cause in found.causes)}"
            f"</glitens:{found.kind}></detail></SOAP-ENV:Fault>"
        )
        assert self.text == _enveloped(expected, WMP)
        return found

    def bare_fault(self, status: int = 500) -> tuple[str, str]:
        """``(faultcode, faultstring)`` of a fault that has no detail, since no operation was reached."""
        assert self.status == status, self.text
        code, text = self.value("faultcode"), self.value("faultstring")
        assert self.text == _enveloped(
            f"<SOAP-ENV:Fault><faultcode>{code}</faultcode><faultstring>{escape(text)}</faultstring></SOAP-ENV:Fault>",
            WMP,
        )
        return code, text

    def delegation_fault(self, space: str, member: str) -> str:
        """The message of a DelegationException, after its literal form has been held against the contract's."""
        assert self.status == 500, self.text
        text = escape(self.value("faultstring"))
        expected = (
            f"<SOAP-ENV:Fault><faultcode>SOAP-ENV:{{}}</faultcode><faultstring>{text}</faultstring><detail>"
            f'<fault:DelegationException xmlns:fault="{space}"><{member}>{text}</{member}></fault:DelegationException>'
            "</detail></SOAP-ENV:Fault>"
        )
        assert self.text in [_enveloped(expected.format(side), WMP) for side in ("Client", "Server")]
        return self.value("faultstring")


def _enveloped(inner: str, space: str) -> str:
    prefix = "glitens" if space == WMP else "ns"
    return (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{SOAP}" xmlns:xsi="{XSI}" xmlns:{prefix}="{space}">'
        f"<SOAP-ENV:Body>{inner}</SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )


class Door:
    """One caller.

    :param credential: proxy file, or None for a caller without certificate.
    """

    def __init__(self, node: object, credential: Path | None) -> None:
        configuration = node.configuration()
        self.credential = credential
        self.port = configuration.wmproxy.port
        self.path = "/" + configuration.wmproxy_endpoint.split("/", 3)[3]
        self._context = client_context(node.root / "trust" / "certificates", credential)
        self._connection: http.client.HTTPSConnection | None = None
        self._used = 0.0

    def http(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """One request on the kept connection; the path goes out as it is."""
        if time.monotonic() - self._used > _IDLE:
            self.close()
        self._used = time.monotonic()
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                "localhost", self.port, context=self._context, timeout=60
            )
        try:
            self._connection.request(method, path, body, headers or {})
            response = self._connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except BaseException:
            self.close()
            raise

    def post(self, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        """POST a body to the service."""
        return self.http("POST", self.path, body, _HEADERS if headers is None else headers)

    def call(self, inner: str, space: str = WMP) -> Answer:
        """POST an envelope around ``inner``, in which the prefix ``w`` is the port's namespace."""
        return self.post(
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:w="{space}"><s:Body>{inner}</s:Body></s:Envelope>'.encode()
        )

    def delegate(self, name: str, port: str = "delegation-2") -> Answer:
        """Delegate under the id ``name``; returns the answer to putProxy."""
        space, part = DELEGATION[port]
        answer = self.call(f"<w:getProxyReq><delegationID>{name}</delegationID></w:getProxyReq>", space)
        signed = proxy.sign_request(answer.value(part), Credential.load(self.credential))
        return self.call(f"<w:putProxy><delegationID>{name}</delegationID><proxy>{signed}</proxy></w:putProxy>", space)

    def register(self, jdl: str = JDL, delegation: str = "wire") -> str:
        """Register a job; returns its id."""
        request = f"<jdl>{escape(jdl)}</jdl><delegationId>{delegation}</delegationId>"
        return self.call(f"<w:jobRegister>{request}</w:jobRegister>").value("id")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@pytest.fixture(scope="session")
def open_door() -> Callable[..., contextlib.AbstractContextManager[Door]]:
    """A door to any node, as a context."""

    @contextlib.contextmanager
    def opened(node: object, credential: Path | None) -> Iterator[Door]:
        door = Door(node, credential)
        try:
            yield door
        finally:
            door.close()

    return opened


@pytest.fixture(scope="session")
def make_door(node) -> Iterator[Callable[[Path | None], Door]]:
    """Doors for any credential."""
    doors: list[Door] = []

    def make(credential: Path | None) -> Door:
        doors.append(Door(node, credential))
        return doors[-1]

    yield make
    for made in doors:
        made.close()


@pytest.fixture(scope="session")
def alice(node, make_door) -> Door:
    """Alice, who has delegated under the id ``wire``."""
    door = make_door(node.root / "credentials" / "users" / "alice" / "proxy.pem")
    assert door.delegate("wire").status == 200
    return door


@pytest.fixture(scope="session")
def bob(node, make_door) -> Door:
    door = make_door(node.root / "credentials" / "users" / "bob" / "proxy.pem")
    assert door.delegate("wire").status == 200
    return door


@pytest.fixture(scope="session")
def jdl() -> str:
    return JDL


@pytest.fixture(scope="session")
def sandbox_path(node) -> Callable[[str], str]:
    """The URL path of a job's directory (gLite WMS): ``/SandboxDir/<xx>/<encoded id>``."""

    def path(job: str) -> str:
        encoded = re.sub(r"[^A-Za-z0-9.-]", lambda m: f"_{ord(m[0]):02x}", job)
        return f"/SandboxDir/{job.rpartition('/')[2][:2]}/{encoded}"

    return path
