"""The traffic of all operations and all faults, recorded on a node, conforms to the WS-I Basic Profile 1.1."""

from __future__ import annotations

import contextlib
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import wsi_envelopes  # noqa: F401 - declares assertions
import wsi_http  # noqa: F401 - declares assertions
import wsi_literal  # noqa: F401 - declares assertions
import zeep
import zeep.exceptions
from lxml import etree
from requests.adapters import HTTPAdapter
from wsi_assertion import EXCHANGE
from wsi_description import Description, local
from wsi_exchange import Exchange, Message, recorded

from gsi import proxy
from gsi.credential import Credential
from wsdl import library

JDL = (
    '[ Executable = "/bin/echo"; Arguments = "x"; StdOutput = "o"; OutputSandbox = "o"; '
    "Requirements = true; Rank = 1; ]"
)
SLEEP = JDL.replace("/bin/echo", "/bin/sleep").replace('"x"', '"60"')
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
WMP = "http://glite.org/wms/wmproxy"
GSIDE = "http://www.gridsite.org/namespaces/delegation-1"
POSIX = etree.fromstring(
    '<p:POSIXApplication xmlns:p="http://schemas.ggf.org/jsdl/2005/11/jsdl-posix"><p:Executable>/bin/echo</p:Executable>'
    "<p:Argument>x</p:Argument><p:Output>o</p:Output></p:POSIXApplication>"
)
JSDL = {"JobDescription": {"JobIdentification": {"JobName": "profile"}, "Application": {"_value_1": [POSIX]}}}


class _Adapter(HTTPAdapter):
    def __init__(self, capath: str, credential: str | None) -> None:
        self.context = ssl.create_default_context(capath=capath)
        if credential is not None:
            self.context.load_cert_chain(credential)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        conn.cert_reqs = "CERT_REQUIRED"


@dataclass
class Traffic:
    """What was recorded: exchanges of well-behaved clients, and those of a client that is wrong on purpose."""

    proper: list[Exchange]
    improper: list[Exchange]
    faults: set[str]


class Recording:
    """``wms record`` of one service, running."""

    def __init__(self, node, folder: Path, service: str) -> None:
        self.folder = folder
        wms = str(Path(sys.executable).parent / "wms")
        command = [wms, "record", str(node.root), str(folder), "--service", service, "--wsi-log"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith(f"recording {service}")

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)  # an interrupt is not heard by what runs in the background
        out, _ = self.process.communicate(timeout=30)
        assert self.process.returncode == 0, out
        assert out.splitlines()[-2].endswith(f"exchanges in {self.folder}")


@pytest.fixture(scope="module")
def record(wire, tmp_path_factory):
    """Starts and ends recordings: ``with record("lb") as folder``."""

    @contextlib.contextmanager
    def made(service: str):
        recording = Recording(wire, tmp_path_factory.mktemp("recorded") / service, service)
        try:
            yield recording.folder
        finally:
            recording.end()

    return made


def session_of(user, credential: str | None) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", _Adapter(user.certificates, credential))
    return session


class Caller:
    """zeep, calling operations one after the other; a fault is as good an answer as any."""

    def __init__(self, user, credential: str | None, session: requests.Session) -> None:
        transport = zeep.Transport(session=session, timeout=60, operation_timeout=60)
        self.client = zeep.Client(f"{user.endpoint}?wsdl", transport=transport)
        self.ports = {
            "1": self.client.bind("WMProxy", "WMProxyDelegation_PortType"),
            "2": self.client.bind("WMProxy", "WMProxyDelegation2_PortType"),
            "": self.client.bind("WMProxy", "WMProxy_PortType"),
        }

    def __call__(self, operation: str, *values: object, port: str = "") -> Any:
        try:
            return self.ports[port][operation](*values)
        except zeep.exceptions.Fault:
            return None


def every_operation(call: Caller, user, wire) -> None:
    """All 33 operations of WMProxy, 2 and 9 of the delegation ports."""
    for name in ("getVersion", "getMaxInputSandboxSize", "getTotalQuota", "getFreeQuota", "getTransferProtocols"):
        call(name)
    signer = Credential.load(Path(user.proxy))
    for port in ("", "1", "2"):
        request = call("getProxyReq", f"profile{port}", port=port)
        call("putProxy", f"profile{port}", proxy.sign_request(request, signer), port=port)
    for name in ("getVersion", "getInterfaceVersion", "getNewProxyReq"):
        call(name, port="2")
    call("getServiceMetadata", "key", port="2")
    call("renewProxyReq", "profile2", port="2")
    call("getTerminationTime", "profile2", port="2")
    call("getDelegatedProxyInfo", "profile")
    job = call("jobRegister", JDL.replace("[", "[ PerusalFileEnable = true;", 1), "profile").id
    for name in ("getSandboxDestURI", "getSandboxBulkDestURI", "getOutputFileList"):
        call(name, job, "https")
    call("getJDL", job, "ORIGINAL")
    call("enableFilePerusal", job, {"Item": ["o"]})
    call("addACLItems", job, {"Item": ["/DC=org/DC=wms-test/CN=Bob"]})
    call("getACLItems", job)
    call("removeACLItem", job, "/DC=org/DC=wms-test/CN=Bob")
    call("getJobProxyInfo", job)
    call("jobStart", job)
    call("getPerusalFiles", job, "o", True, "https")
    call("jobListMatch", JDL, "profile")
    wire.wait(job)
    call("getJobStatus", job)
    call("getOutputFileList", job, "https")
    call("jobPurge", job)
    call("jobCancel", call("jobSubmit", SLEEP, "profile").id)
    call("jobRegisterJSDL", JSDL, "profile")
    call("jobSubmitJSDL", "profile", JSDL)
    call("jobListMatchJSDL", JSDL, "profile")
    call("getJobTemplate", {"jobType": ["NORMAL"]}, "/bin/true", "", "true", "1")
    call("getDAGTemplate", {"name": "a", "childrenJob": [{"name": "b"}]}, "true", "1")
    call("getCollectionTemplate", 2, "true", "1")
    call("getIntParametricJobTemplate", {"Item": ["Arguments"]}, 3, 0, 1, "true", "1")
    call("getStringParametricJobTemplate", {"Item": ["Arguments"]}, {"Item": ["a", "b"]}, "true", "1")
    call("destroy", "profile2", port="2")


def envelope(entry: str, space: str = SOAP, header: str = "") -> bytes:
    return (
        f'<s:Envelope xmlns:s="{space}" xmlns:w="{WMP}" xmlns:d="{GSIDE}">{header}<s:Body>{entry}</s:Body></s:Envelope>'
    ).encode()


VERSION = "<w:getVersion/>"
XML = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
MANDATORY = '<s:Header><x:y xmlns:x="urn:x" s:mustUnderstand="1"/></s:Header>'
WRONG: dict[str, tuple[bytes, dict[str, str]]] = {
    "no XML": (b"not XML", XML),
    "empty": (b"", XML),
    "half": (envelope(VERSION)[:-9], XML),
    "no envelope": (b"<html/>", XML),
    "SOAP 1.2": (envelope(VERSION, "http://www.w3.org/2003/05/soap-envelope"), XML),
    "SOAP 1.2 and mandatory": (envelope(VERSION, "http://www.w3.org/2003/05/soap-envelope", MANDATORY), XML),
    "SOAP 1.2's type": (envelope(VERSION), {**XML, "Content-Type": "application/soap+xml"}),
    "mandatory": (envelope(VERSION, header=MANDATORY), XML),
    "mandatory and unknown": (envelope("<w:jobFly/>", header=MANDATORY), XML),
    "no child": (envelope(""), XML),
    "two children": (envelope(VERSION * 2), XML),
    "unqualified": (envelope("<getVersion/>"), XML),
    "unknown operation": (envelope("<w:jobFly/>"), XML),
    "unknown namespace": (envelope('<x:getVersion xmlns:x="urn:x"/>'), XML),
    "a fault": (envelope("<s:Fault/>"), XML),
    "no parts": (envelope("<w:jobRegister/>"), XML),
    "a wrong type": (
        envelope("<w:getCollectionTemplate><jobNumber>x</jobNumber><requirements/><rank/></w:getCollectionTemplate>"),
        XML,
    ),
    "an element for a text": (envelope("<w:jobStart><jobId><x/></jobId></w:jobStart>"), XML),
    "a DOCTYPE": (b"<!DOCTYPE x>" + envelope(VERSION), XML),
    "GridSite's operation": (envelope("<d:destroy><delegationID>none</delegationID></d:destroy>"), XML),
    "text": (envelope(VERSION), {"Content-Type": "text/plain"}),
    "a form": (envelope(VERSION), {"Content-Type": "application/x-www-form-urlencoded"}),
    "no type": (envelope(VERSION), {}),
    "compressed": (envelope(VERSION), {**XML, "Content-Encoding": "gzip"}),
    "an action without quotes": (envelope(VERSION), {**XML, "SOAPAction": "getVersion"}),
    "a wrong action": (envelope(VERSION), {**XML, "SOAPAction": '"urn:other"'}),
}


def misbehave(user, session: requests.Session) -> None:
    """Everything that is wrong, once."""
    for data, headers in WRONG.values():
        prepared = requests.Request("POST", user.endpoint, data=data, headers=headers).prepare()
        session.send(prepared, timeout=30)
    for method in ("PUT", "DELETE", "GET", "OPTIONS"):
        session.request(method, user.endpoint, timeout=30)
    for lines in ("NOT HTTP", "POST / HTTP/1.1", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x"):
        _raw(user, f"{lines}\r\n\r\n".encode())


def _raw(user, data: bytes) -> bytes:
    context = ssl.create_default_context(capath=user.certificates)
    context.load_cert_chain(user.proxy)
    place = urlsplit(user.endpoint)
    with socket.create_connection((place.hostname, place.port), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname=place.hostname) as tls:
            tls.sendall(data)
            answer = b""
            with contextlib.suppress(ssl.SSLEOFError, ConnectionResetError):
                while block := tls.recv(65536):
                    answer += block
            return answer


@pytest.fixture(scope="module")
def traffic(record, user, wire, cases) -> Traffic:
    faults = set()
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(session_of(user, user.proxy))
        with record("wmproxy") as proper:
            every_operation(Caller(user, user.proxy, session), user, wire)
            for case in cases:
                own = stack.enter_context(session_of(user, case.credential))
                caller = Caller(user, case.credential, own)
                caller(case.operation, *case.parts.values())
        with record("wmproxy") as improper:
            misbehave(user, session)
    told = _soap(recorded(proper)), _soap(recorded(improper, "response"))
    for exchange in told[0]:
        detail = None if exchange.response.fault is None else exchange.response.fault.find("detail")
        faults |= {local(entry.tag) for entry in detail if detail is not None} if detail is not None else set()
    return Traffic(*told, faults)


def _soap(exchanges: list[Exchange]) -> list[Exchange]:
    """Without the transfers of sandbox files, which share the port."""
    return [exchange for exchange in exchanges if "/SandboxDir/" not in exchange.request.start]


@pytest.fixture(scope="module")
def description() -> Description:
    return Description.load("WMProxy.wsdl", library.read)


def calls(exchanges: list[Exchange]) -> dict[str, list[Message]]:
    """The answers by what was called."""
    found: dict[str, list[Message]] = {}
    for exchange in exchanges:
        if exchange.request.entry is not None:
            found.setdefault(exchange.request.entry.tag, []).append(exchange.response)
    return found


def test_all_operations_and_all_faults_are_in_the_traffic(traffic: Traffic, description: Description) -> None:
    wanted = {f"{{{operation.namespace}}}{operation.name}" for operation in description.operations}
    assert len(wanted) == 44
    assert set(calls(traffic.proper)) == wanted
    assert len({fault for fault in traffic.faults if fault != "DelegationException"}) == 9


def test_all_operations_that_are_served_succeeded_at_least_once(traffic: Traffic) -> None:
    answered = calls(traffic.proper)
    never = {name: found for name, found in answered.items() if all(one.fault is not None for one in found)}
    served = {local(name) for name, found in never.items() if b"not implemented yet" not in found[0].body}
    texts = {local(n): [o.fault.findtext("faultstring") for o in f] for n, f in never.items()}
    assert served <= {"getServiceMetadata", "getACLItems", "getPerusalFiles"}, texts


def test_the_traffic_of_proper_clients_conforms(traffic: Traffic, description: Description) -> None:
    applied: set[str] = set()
    for exchange in traffic.proper:
        if exchange.request.start.startswith("GET"):
            continue  # of the contract
        violations, judged = EXCHANGE.judge(exchange, description)
        assert not violations, f"{exchange.request.body!r}\n{exchange.response.body!r}"
        applied |= judged
    assert {"R1126", "R2735", "R2737", "R2301", "R2212", "R2729", "R1109", "R2745", "WSDL 1.1 §3.6"} <= applied


def test_the_answers_to_improper_clients_conform(traffic: Traffic, description: Description) -> None:
    applied: set[str] = set()
    for exchange in traffic.improper:
        violations, judged = EXCHANGE.judge(exchange, description)
        assert not violations, f"{exchange.request.start} {exchange.request.body!r}\n{exchange.response}"
        applied |= judged
    assert {"R1015", "R1027", "R2724", "R2725", "R1125", "R1114", "R1115", "R1126"} <= applied


def test_no_answer_tells_where_the_server_keeps_its_files(traffic: Traffic, wire) -> None:
    for exchange in (*traffic.proper, *traffic.improper):
        assert str(wire.root).encode() not in exchange.response.body
        assert b"Traceback" not in exchange.response.body and b".py" not in exchange.response.body


def test_nothing_is_answered_by_a_bare_page(traffic: Traffic) -> None:
    assert len(traffic.improper) >= len(WRONG) + 6
    for exchange in traffic.improper:
        response = exchange.response
        if response.status == 500:
            assert response.fault is not None and response.fault.findtext("faultstring", "").strip()
        elif response.status != 200:
            assert 400 <= response.status < 500
            assert response.kind == "text/plain" and len(response.body.strip()) > 20 and b"<" not in response.body


@pytest.mark.parametrize(("service", "contract"), [("lb", "LB.wsdl"), ("ce", "CREAM2.wsdl")])
def test_the_traffic_of_the_other_services_conforms(record, wire, service: str, contract: str) -> None:
    with record(service) as folder:
        assert wire.wait(wire.submit(JDL)) == "Done (Success)"
        wire.command("glite-wms-job-status", "--all", "--noint", check=False)
    description = Description.load(contract, library.read)
    judged = 0
    for exchange in recorded(folder):
        if exchange.request.entry is None or description.called(exchange.request.entry.tag) is None:
            continue  # delegation, files, pages
        assert not EXCHANGE.judge(exchange, description)[0], exchange.request.body
        judged += 1
    assert judged >= 1


def test_the_log_for_the_wsi_analyzer_has_every_message(record, user) -> None:
    with record("wmproxy") as folder, session_of(user, user.proxy) as session:
        for data, headers in ((envelope(VERSION), XML), (envelope(VERSION).decode().encode("utf-16"), XML)):
            session.send(requests.Request("POST", user.endpoint, data=data, headers=headers).prepare(), timeout=30)
    log = etree.parse(str(folder / "log.xml")).getroot()
    space = "{http://www.ws-i.org/testing/2003/03/log/}"
    entries = log.findall(f"{space}messageEntry")
    assert [entry.get("type") for entry in entries] == ["request", "response"] * 2
    assert [entry.get("conversationID") for entry in entries] == ["1", "1", "2", "2"]
    assert all("getVersion" in entry.findtext(f"{space}messageContent", "") for entry in entries)
    assert entries[0].findtext(f"{space}httpHeaders", "").startswith("POST /glite_wms_wmproxy_server HTTP/1.1")
    assert entries[1].findtext(f"{space}senderHostAndPort") == entries[0].findtext(f"{space}receiverHostAndPort")
