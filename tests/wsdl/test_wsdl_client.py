"""The client against services on real sockets: zeep's edges, faults, deadlines, TLS."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from lxml import etree

from grid import errors
from grid.errors import ConfigurationError, InvalidArgument
from gsi.ca import TestCA
from gsi.tls import client_context
from wsdl import transport
from wsdl.client import RemoteFault, SoapClient, remote_fault
from wsdl.transport import HttpTransport, ServiceUnreachable
from wsdl.types import DestURIStruct, JobIdStruct, NewProxyReq, StringAndLong

Make = Callable[..., Any]
PORT = "WMProxy_PortType"


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: object) -> None: ...


@contextlib.contextmanager
def listening(application: Any, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """A WSGI server on a free port; gives the port."""
    server: WSGIServer = make_server("127.0.0.1", 0, application, handler_class=Quiet)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


@contextlib.contextmanager
def raw_answer(data: bytes, pause: float = 0.0) -> Iterator[str]:
    """A server that sends ``data`` in eight pieces, whatever it is asked; gives its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)

        def serve() -> None:
            with contextlib.suppress(OSError):
                peer, _ = server.accept()
                with peer:
                    asked = b""
                    while b"Envelope>" not in asked:
                        asked += peer.recv(65536)
                    step = max(1, len(data) // 8)
                    for start in range(0, len(data), step):
                        peer.sendall(data[start : start + step])
                        time.sleep(pause)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            server.close()
            thread.join(10)


@pytest.fixture
def caller(service: Make) -> Iterator[Callable[..., SoapClient]]:
    """Gives a client of a service: ``caller(getVersion="1")``."""
    with contextlib.ExitStack() as stack:

        def make(port: str = PORT, **answers: Any) -> SoapClient:
            made = service(**answers)
            number = stack.enter_context(listening(made.application))
            client = SoapClient("WMProxy.wsdl", port, f"http://127.0.0.1:{number}/", None, timeout=10)
            client.handler = made.handler  # type: ignore[attr-defined]
            return stack.enter_context(client)

        yield make


def test_values_come_out_plain(caller: Callable[..., SoapClient]) -> None:
    client = caller(
        getVersion="3.4.0",
        getTotalQuota=(1, 2),
        jobStart=None,
        getTransferProtocols=[],
        getSandboxDestURI=["https://a"],
        getSandboxBulkDestURI=[DestURIStruct("j", ["u"])],
        jobListMatch=[StringAndLong("ce", -1)],
        jobRegister=JobIdStruct("j", None, "/p", [JobIdStruct("k", "n")]),
        getJobTemplate="",
    )
    assert client.call("getVersion") == "3.4.0"
    assert client.call("getTotalQuota") == {"softLimit": 1, "hardLimit": 2}
    assert client.call("jobStart", jobId="j") is None
    assert client.call("getTransferProtocols") == []
    assert client.call("getSandboxDestURI", jobId="j", protocol="all") == ["https://a"]
    assert client.call("getSandboxBulkDestURI", jobId="j", protocol="all") == [{"id": "j", "Item": ["u"]}]
    assert client.call("jobListMatch", jdl="[]", delegationId="d") == [{"name": "ce", "size": -1}]
    assert client.call("jobRegister", jdl="[]", delegationId="d") == {
        "id": "j",
        "name": None,
        "path": "/p",
        "childrenJob": [{"id": "k", "name": "n", "path": None, "childrenJob": []}],
    }
    parts = {"jobType": [], "executable": "", "arguments": "", "requirements": "", "rank": ""}
    assert client.call("getJobTemplate", **parts) == ""


def test_arguments_go_in_plain(caller: Callable[..., SoapClient]) -> None:
    client = caller(enableFilePerusal=None, getDAGTemplate="", getPerusalFiles=[])
    client.call("enableFilePerusal", jobId="j", fileList=["a", "b"])
    client.call("enableFilePerusal", jobId="j", fileList=[])
    graph = {"name": "a", "childrenJob": [{"name": "b"}]}
    client.call("getDAGTemplate", dependencies=graph, requirements="true", rank="0")
    client.call("getPerusalFiles", jobId="j", file="f", allChunks=False, protocol="p")
    calls = [parts for _, parts in client.handler.calls]  # type: ignore[attr-defined]
    assert calls[0]["fileList"] == ["a", "b"] and calls[1]["fileList"] == []
    assert calls[2]["dependencies"]["childrenJob"][0]["name"] == "b"
    assert calls[3]["allChunks"] is False


def test_the_other_ports_work_the_same(caller: Callable[..., SoapClient]) -> None:
    moment = datetime.datetime(2026, 11, 21, 6, tzinfo=datetime.UTC)
    client = caller(
        "WMProxyDelegation2_PortType", getNewProxyReq=NewProxyReq("CSR", "id"), getTerminationTime=moment
    )
    assert client.call("getNewProxyReq") == {"proxyRequest": "CSR", "delegationID": "id"}
    assert client.call("getTerminationTime", delegationID="d") == moment


def test_document_literal_works_the_same(document_service: Make) -> None:
    moment = datetime.datetime(2026, 11, 21, 6, tzinfo=datetime.UTC)
    made = document_service(Query={"event": [{"began": moment}, {"ended": 0}], "total": 2}, Switch="was on")
    with listening(made.application) as number:
        with SoapClient("Own.wsdl", "Port", f"http://127.0.0.1:{number}/", None) as client:
            assert client.call("Query", flags=["A"], number=[1]) == {
                "event": [{"began": moment, "ended": None}, {"began": None, "ended": 0}],
                "total": 2,
            }
            made.handler.answers["Query"] = ([], 0)
            assert client.call("Query", flags=[]) == {"event": [], "total": 0}
            made.handler.answers["Query"] = errors.JobUnknown("none such")
            with pytest.raises(RemoteFault) as caught:
                client.call("Query", flags=[])
    assert (caught.value.kind, caught.value.code) == ("genericFault", 2)
    assert caught.value.description == "none such"
    assert made.handler.calls[0] == ("Query", {"name": None, "flags": ["A"], "number": [1], "until": None})


def test_an_empty_list_is_read_even_where_the_contract_wants_one_item() -> None:
    entry = "<n:getSandboxBulkDestURIResponse><DestURIsStructType/></n:getSandboxBulkDestURIResponse>"
    with raw_answer(soap(entry)) as url, SoapClient("WMProxy.wsdl", PORT, url, None, timeout=10) as client:
        assert client.call("getSandboxBulkDestURI", jobId="j", protocol="all") == []
    entry = '<e:UserJobsResponse xmlns:e="http://glite.org/wsdl/elements/lb"/>'
    with raw_answer(soap(entry)) as url, SoapClient("LB.wsdl", "LoggingAndBookkeeping", url, None) as client:
        assert client.call("UserJobs") == {"jobs": [], "states": []}


@pytest.mark.parametrize("chosen", [{"number": 0}, {"text": ""}, {"truth": False}, {"real": 0.0}, {"number": 1}])
def test_a_zero_inside_a_choice_is_sent(document_service: Make, chosen: dict[str, object]) -> None:
    made = document_service(Query=([], 0))
    with listening(made.application) as number:
        with SoapClient("Own.wsdl", "Port", f"http://127.0.0.1:{number}/", None) as client:
            client.call("Query", flags=[], number=[0], until=chosen)
    ((_, parts),) = made.handler.calls
    assert parts["until"] == {"number": None, "text": None, "truth": None, "real": None} | chosen
    assert parts["number"] == [0]


def test_faults_are_typed(caller: Callable[..., SoapClient]) -> None:
    client = caller(jobCancel=errors.JobUnknown("no job", causes=["inner", "outer"]))
    with pytest.raises(RemoteFault) as caught:
        client.call("jobCancel", jobId="j")
    fault = caught.value
    assert (fault.kind, fault.code, fault.description) == ("JobUnknownFault", 1218, "no job")
    assert (fault.causes, fault.method, fault.faultcode) == (("inner", "outer"), "jobCancel", "Client")
    assert fault.timestamp is not None
    assert abs(fault.timestamp - datetime.datetime.now(datetime.UTC)) < datetime.timedelta(minutes=1)


def test_a_delegation_exception_is_a_remote_fault(caller: Callable[..., SoapClient]) -> None:
    client = caller("WMProxyDelegation_PortType", putProxy=errors.DelegationError("refused"))
    with pytest.raises(RemoteFault, match="refused") as caught:
        client.call("putProxy", delegationID="d", proxy="p")
    assert (caught.value.kind, caught.value.code) == ("DelegationException", 1215)


def test_a_fault_without_detail_still_speaks() -> None:
    text = "<f><faultcode>SOAP-ENV:Client</faultcode><faultstring>it broke</faultstring></f>"
    fault = remote_fault(etree.fromstring(text))
    assert (fault.kind, fault.description, fault.faultcode, fault.code) == ("Fault", "it broke", "Client", 1202)


def test_the_fault_of_the_original_servers_is_understood() -> None:
    text = """<f><faultcode>SOAP-ENV:Server</faultcode><faultstring>s</faultstring><detail>
        <fault xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="ns1:AuthorizationFaultType">
        <methodName>m</methodName><Timestamp>yesterday</Timestamp><ErrorCode>1207</ErrorCode><Description>d</Description>
        </fault></detail></f>"""
    fault = remote_fault(etree.fromstring(text))
    assert (fault.kind, fault.code, fault.description) == ("AuthorizationFault", 1207, "d")
    assert (fault.timestamp, fault.causes) == (None, ())


@pytest.mark.parametrize(
    ("operation", "parts"),
    [
        ("noSuchOperation", {}),
        ("jobStart", {}),
        ("jobStart", {"jobId": None}),
        ("jobStart", {"jobid": "j"}),
        ("jobStart", {"jobId": 7}),
        ("getJDL", {"jobId": "j", "type": "OTHER"}),
        ("enableFilePerusal", {"jobId": "j", "fileList": "a"}),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_sent(operation: str, parts: dict[str, object]) -> None:
    with SoapClient("WMProxy.wsdl", PORT, "http://127.0.0.1:9/", None) as client:
        with pytest.raises(InvalidArgument):
            client.call(operation, **parts)


def test_a_client_of_an_unknown_port_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="NoPort"):
        SoapClient("WMProxy.wsdl", "NoPort", "http://127.0.0.1:9/", None)


# ---------------------------------------------------------------- answers that are none

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"


def soap(entry: str) -> bytes:
    body = (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="http://glite.org/wms/wmproxy">'
        f"<s:Body>{entry}</s:Body></s:Envelope>"
    ).encode()
    return HEAD % len(body) + body


@pytest.mark.parametrize(
    ("operation", "parts"),
    [
        ("getTotalQuota", "<hardLimit>1</hardLimit><softLimit>2</softLimit>"),
        ("getTotalQuota", "<softLimit>1</softLimit>"),
        ("getMaxInputSandboxSize", "<size>big</size>"),
        ("getMaxInputSandboxSize", "<size>1</size><size>1</size>"),
        ("getVersion", "<wrong>1</wrong>"),
        ("getVersion", ""),
        ("getTransferProtocols", "<items><Item>a</Item><item>b</item></items>"),
    ],
)
def test_an_answer_that_is_not_the_contract_s_is_refused(operation: str, parts: str) -> None:
    entry = f"<n:{operation}Response>{parts}</n:{operation}Response>"
    with raw_answer(soap(entry)) as url, SoapClient("WMProxy.wsdl", PORT, url, None, timeout=10) as client:
        with pytest.raises(ServiceUnreachable, match="not what the contract says"):
            client.call(operation)


def test_an_answer_with_a_doctype_is_refused() -> None:
    data = soap("<n:getVersionResponse><version>&a;</version></n:getVersionResponse>").partition(b"\r\n\r\n")[2]
    data = b'<!DOCTYPE x [<!ENTITY a "b">]>' + data
    with raw_answer(HEAD % len(data) + data) as url, SoapClient("WMProxy.wsdl", PORT, url, None) as client:
        with pytest.raises(ServiceUnreachable):
            client.call("getVersion")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Busy\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\ntry later", "try later"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n", "302"),
        (b"SSH-2.0-OpenSSH\r\n", "could not be asked"),
        (b"", "could not be asked"),
        (HEAD % 1000 + b"<a>", "could not be asked"),
    ],
)
def test_what_does_not_speak_soap_is_named(answer: bytes, said: str) -> None:
    with raw_answer(answer) as url, SoapClient("WMProxy.wsdl", PORT, url, None, timeout=10) as client:
        with pytest.raises(ServiceUnreachable, match=said) as caught:
            client.call("getVersion")
    assert url in str(caught.value) and not caught.value.timed_out


def test_a_service_that_drips_is_given_up_at_the_deadline() -> None:
    with raw_answer(soap("<n:x/>"), pause=0.2) as url, SoapClient("WMProxy.wsdl", PORT, url, None, 0.5) as client:
        began = time.monotonic()
        with pytest.raises(ServiceUnreachable) as caught:
            client.call("getVersion")
    assert caught.value.timed_out and caught.value.code == 1229
    assert time.monotonic() - began < 3


def test_a_service_that_is_silent_is_given_up_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        with SoapClient("WMProxy.wsdl", PORT, url, None, timeout=0.3) as client:
            with pytest.raises(ServiceUnreachable) as caught:
                client.call("getVersion")
    assert caught.value.timed_out


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_XML_BYTES", 1000)
    with raw_answer(HEAD % 5000 + b" " * 5000) as url, SoapClient("WMProxy.wsdl", PORT, url, None) as client:
        with pytest.raises(ServiceUnreachable, match="more than 1000 bytes"):
            client.call("getVersion")


def test_a_closed_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
    with SoapClient("WMProxy.wsdl", PORT, f"http://127.0.0.1:{number}/", None) as client:
        with pytest.raises(ServiceUnreachable, match=str(number)):
            client.call("getVersion")


# ---------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a trust directory, a host's credential and another CA's trust directory."""
    root = tmp_path_factory.mktemp("tls")
    for name in ("ours", "theirs"):
        made = TestCA.create(root / f"ca-{name}", f"/O=Test/CN={name}")
        made.write_crl()
        made.install(root / name)
        if name == "ours":
            made.issue_host(["localhost"]).save_pair(root / "host.pem", root / "host.key")
    return root


@pytest.fixture
def https(service: Make, authority: Path) -> Iterator[int]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority / "host.pem", authority / "host.key")
    with listening(service(getVersion="1").application, tls) as number:
        yield number


def test_the_given_context_alone_says_who_is_trusted(
    https: int, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, "/nonexistent")
    context = client_context(authority / "ours")
    before = context.cert_store_stats()["x509_ca"]
    with SoapClient("WMProxy.wsdl", PORT, f"https://localhost:{https}/", context) as client:
        assert client.call("getVersion") == "1"
        assert client.call("getVersion") == "1"
    assert context.cert_store_stats()["x509_ca"] - before <= 1, "only the CA of the directory was loaded"


def test_a_server_of_another_ca_is_refused_in_words(https: int, authority: Path) -> None:
    context = client_context(authority / "theirs")
    with SoapClient("WMProxy.wsdl", PORT, f"https://localhost:{https}/", context) as client:
        with pytest.raises(ServiceUnreachable) as caught:
            client.call("getVersion")
    assert "localhost" in str(caught.value) and "certificate" in str(caught.value).lower()
    assert "HTTPSConnectionPool" not in str(caught.value)


def test_a_pinned_transport_goes_where_it_is_told_and_verifies_by_the_name(
    https: int, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **more: object) -> None:
        raise AssertionError("a name was resolved, or a further connection made")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    pinned = HttpTransport(client_context(authority / "ours"), 10.0, [(socket.AF_INET, ("127.0.0.1", https))])
    with contextlib.closing(pinned):
        status, kind, _ = pinned.send("https://localhost:1/", b"<x/>", "text/xml")
        assert (status, kind) == (500, "text/xml")
        with pytest.raises(ServiceUnreachable, match="is for another host name"):
            pinned.send("https://catalogue.example.org:1/", b"<x/>", "text/xml")


def test_a_pinned_transport_tells_what_keeps_it_from_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()
    pinned = HttpTransport(None, 10.0, [(socket.AF_INET, closed)])
    with contextlib.closing(pinned), pytest.raises(ServiceUnreachable, match=r"Nothing listens on c\.example\.org"):
        pinned.send("http://c.example.org/", b"<x/>", "text/xml")
    with contextlib.closing(HttpTransport(None, 10.0, [])) as nowhere:
        with pytest.raises(ServiceUnreachable, match="has no address"):
            nowhere.send("http://c.example.org/", b"<x/>", "text/xml")


def test_an_https_address_needs_a_context() -> None:
    with SoapClient("WMProxy.wsdl", PORT, "https://localhost:1/", None) as client:
        with pytest.raises(ConfigurationError):
            client.call("getVersion")


def test_zeep_loads_the_served_contract_strictly_and_finds_all_operations(service: Make) -> None:
    zeep = pytest.importorskip("zeep")
    holder: dict[str, Any] = {}
    with listening(lambda environ, start: holder["application"](environ, start)) as number:
        from wsdl.contract import Contract
        from wsdl.documents import Documents
        from wsdl.service import soap_application

        url = f"http://127.0.0.1:{number}/wmp"
        holder["application"] = soap_application(
            Contract.load("WMProxy.wsdl"), {PORT: object()}, Documents(["WMProxy.wsdl"], {PORT: url})
        )
        client = zeep.Client(f"{url}?wsdl", settings=zeep.Settings(strict=True, forbid_dtd=True))
    ports = next(iter(client.wsdl.services.values())).ports
    assert [len(port.binding._operations) for port in ports.values()] == [33, 2, 9]
    assert {port.binding_options["address"] for port in ports.values()} == {url}
    client.transport.session.close()
