"""A user with a proxy, and a small grid of one process: WMProxy, its files and L&B behind real TLS."""

from __future__ import annotations

import datetime
import io
import socketserver
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer

import pytest

from grid.errors import GridError, JobUnknown, NoSuitableResource
from gsi import proxy, voms
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.tls import ServerContext
from jdl.compound import expand
from jdl.jsdl import to_jdl
from jdl.parser import parse
from web.guard import asked
from wsdl.types import DestURIStruct, JobIdStruct, ProxyInfoStruct, StringAndLong

PATH = "/glite_wms_wmproxy_server"


@dataclass(frozen=True)
class Pki:
    """A CA that the user trusts, one that nobody does, and credentials."""

    directory: Path
    trust: Path
    host: Credential
    user: Credential
    server: Credential

    def proxy(self, path: Path, *, hours: float = 12, vo: str | None = "test", ac_hours: float = 12) -> Path:
        """A proxy file of the user."""
        extensions = []
        if vo:
            ac = voms.issue(
                self.server,
                self.user.certificate,
                vo,
                [f"/{vo}"],
                uri="localhost:15000",
                lifetime=datetime.timedelta(hours=ac_hours),
            )
            extensions = [voms.proxy_extension([ac])]
        lifetime = datetime.timedelta(hours=hours)
        made = proxy.create(self.user, lifetime=lifetime, key_bits=2048, extensions=extensions)
        made.save(path)
        return path


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    directory = tmp_path_factory.mktemp("pki")
    ca = TestCA.create(directory / "ca", "/O=Grid/CN=Test CA")
    trust = directory / "trust"
    trust.mkdir()
    ca.install(trust)
    host = ca.issue_host(["localhost"])
    host.save_pair(directory / "host.pem", directory / "host.key")
    return Pki(directory, trust, host, ca.issue_user("Ada Lovelace"), ca.issue_host(["voms.example.org"]))


@pytest.fixture(scope="session")
def proxy_file(pki: Pki) -> Path:
    return pki.proxy(pki.directory / "proxy.pem")


class _Handler(ServerHandler):
    http_version = "1.0"  # each connection ends with its answer


class _Request(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # answers Expect: 100-continue

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""

    def handle(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            return
        body = io.BytesIO(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        handler = _Handler(body, self.wfile, self.get_stderr(), self.get_environ(), multithread=True)
        handler.request_handler = self
        handler.run(self.server.get_app())


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self, tls: ServerContext) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self._tls = tls

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]
        self.setup_environ()

    def get_request(self) -> Any:
        sock, address = super().get_request()
        sock.settimeout(20)
        return self._tls.wrap_socket(sock, server_side=True), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up or refuses the certificate is no failure of the test."""


@dataclass
class FakeGrid:
    """What the servers answer, and what they were asked."""

    directory: Path
    url: str = ""
    address: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: dict[str, GridError] = field(default_factory=dict)
    protocols: list[str] = field(default_factory=lambda: ["gsiftp", "https"])
    version: str = "3.3.1"
    largest: int = 1000
    matches: list[StringAndLong] = field(default_factory=list)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    outputs: list[StringAndLong] = field(default_factory=list)
    on_status: Callable[[str], None] | None = None
    places: list[tuple[str, str]] = field(default_factory=list)
    outputs_of: dict[str, list[StringAndLong]] = field(default_factory=dict)
    chunks: dict[str, list[str]] = field(default_factory=dict)
    jdl: str = ""
    describe: Callable[[str], str] | None = None  # getJDL, when ``jdl`` does not do
    proxy_info: ProxyInfoStruct | None = None
    explanation: tuple[str, bytes] | None = None  # HTTP status and JSON; None: a server that serves none

    def note(self, operation: str, **parts: Any) -> None:
        asked(operation, "permit")
        self.calls.append((operation, parts))
        fault = self.faults.get(operation)
        if fault is not None:
            raise fault

    @property
    def operations(self) -> list[str]:
        return [name for name, _ in self.calls]

    def parts(self, operation: str) -> dict[str, Any]:
        return next(parts for name, parts in self.calls if name == operation)

    def job(self, state: str = "DONE", **more: Any) -> str:
        """A job that L&B knows."""
        jobid = f"https://{self.address}/job{len(self.jobs):019d}"
        self.jobs[jobid] = {
            "state": state,
            "jobId": jobid,
            "owner": "/O=Grid/CN=Ada Lovelace",
            "networkServer": self.url,
            "childrenNum": 0,
            "stateEnterTime": {"tvSec": 1790000000, "tvUsec": 0},
            "stateEnterTimes": [
                {"state": "SUBMITTED", "time": datetime.datetime(2026, 9, 21, 14, 0, tzinfo=datetime.UTC)}
            ],
        } | more
        return jobid

    def registered(self, jdl: str) -> JobIdStruct:
        """The tree of ids of a description; the files of each node go to a directory of its name."""
        job = self.job("SUBMITTED")
        compound = expand(parse(jdl), vo="test")
        nodes = [(node.name, self.job("SUBMITTED")) for node in compound.nodes] if compound else []
        self.places = [(job, "input"), *((child, name) for name, child in nodes)]
        for name, _ in nodes:
            (self.directory / name).mkdir()
        return JobIdStruct(job, None, "x/input", [JobIdStruct(child, name, "x") for name, child in nodes])

    def output(self, name: str, data: bytes) -> None:
        """An output file."""
        (self.directory / "output" / name).write_bytes(data)
        uri = f"https://{self.address}/files/output/{urllib.parse.quote(name)}"
        self.outputs.append(StringAndLong(uri, len(data)))


class WmProxyHandler:
    """WMProxy as far as the commands call it."""

    def __init__(self, grid: FakeGrid) -> None:
        self.grid = grid

    def getVersion(self, call: Any) -> str:
        self.grid.note("getVersion")
        return self.grid.version

    def getTransferProtocols(self, call: Any) -> list[str]:
        self.grid.note("getTransferProtocols")
        return self.grid.protocols

    def getMaxInputSandboxSize(self, call: Any) -> int:
        self.grid.note("getMaxInputSandboxSize")
        return self.grid.largest

    def jobSubmit(self, call: Any, jdl: str, delegationId: str) -> JobIdStruct:
        self.grid.note("jobSubmit", jdl=jdl, delegationId=delegationId)
        return self.grid.registered(jdl)

    def jobRegister(self, call: Any, jdl: str, delegationId: str) -> JobIdStruct:
        self.grid.note("jobRegister", jdl=jdl, delegationId=delegationId)
        return self.grid.registered(jdl)

    def jobSubmitJSDL(self, call: Any, jsdl: Any, delegationId: str) -> JobIdStruct:
        self.grid.note("jobSubmitJSDL", jsdl=jsdl, delegationId=delegationId)
        return self.grid.registered(to_jdl(jsdl))

    def jobRegisterJSDL(self, call: Any, jsdl: Any, delegationId: str) -> JobIdStruct:
        self.grid.note("jobRegisterJSDL", jsdl=jsdl, delegationId=delegationId)
        return self.grid.registered(to_jdl(jsdl))

    def getSandboxBulkDestURI(self, call: Any, jobId: str, protocol: str) -> list[DestURIStruct]:
        self.grid.note("getSandboxBulkDestURI", jobId=jobId, protocol=protocol)
        return [DestURIStruct(job, [f"https://{self.grid.address}/files/{place}"]) for job, place in self.grid.places]

    def getSandboxDestURI(self, call: Any, jobId: str, protocol: str) -> list[str]:
        self.grid.note("getSandboxDestURI", jobId=jobId, protocol=protocol)
        return [f"gsiftp://{self.grid.address}/x", f"https://{self.grid.address}/files/input"]

    def jobStart(self, call: Any, jobId: str) -> None:
        self.grid.note("jobStart", jobId=jobId)

    def jobCancel(self, call: Any, jobId: str) -> None:
        self.grid.note("jobCancel", jobId=jobId)

    def jobPurge(self, call: Any, jobId: str) -> None:
        self.grid.note("jobPurge", jobId=jobId)

    def getOutputFileList(self, call: Any, jobId: str, protocol: str) -> list[StringAndLong]:
        self.grid.note("getOutputFileList", jobId=jobId, protocol=protocol)
        return self.grid.outputs_of.get(jobId, self.grid.outputs)

    def enableFilePerusal(self, call: Any, jobId: str, fileList: list[str]) -> None:
        self.grid.note("enableFilePerusal", jobId=jobId, fileList=fileList)

    def getPerusalFiles(self, call: Any, jobId: str, file: str, allChunks: bool, protocol: str) -> list[str]:
        self.grid.note("getPerusalFiles", jobId=jobId, file=file, allChunks=allChunks, protocol=protocol)
        return self.grid.chunks.get(file, [])

    def getJDL(self, call: Any, jobId: str, type: str) -> str:
        self.grid.note("getJDL", jobId=jobId, type=type)
        return self.grid.describe(type) if self.grid.describe else self.grid.jdl

    def getDelegatedProxyInfo(self, call: Any, delegationID: str) -> ProxyInfoStruct | None:
        self.grid.note("getDelegatedProxyInfo", delegationID=delegationID)
        return self.grid.proxy_info

    def getJobProxyInfo(self, call: Any, jobId: str) -> ProxyInfoStruct | None:
        self.grid.note("getJobProxyInfo", jobId=jobId)
        return self.grid.proxy_info

    def jobListMatch(self, call: Any, jdl: str, delegationId: str) -> list[StringAndLong]:
        self.grid.note("jobListMatch", jdl=jdl, delegationId=delegationId)
        if not self.grid.matches:
            raise NoSuitableResource("no match", causes=["ce1:8443/q: requirements", "ce2:8443/q: access"])
        return self.grid.matches


class DelegationHandler:
    """A delegation port that makes requests and keeps what is put."""

    def __init__(self, grid: FakeGrid, key: Any) -> None:
        self.grid = grid
        self._request = proxy.request(key)

    def getProxyReq(self, call: Any, delegationID: str) -> str:
        self.grid.note("getProxyReq", delegationID=delegationID, port=call.port)
        return self._request

    def putProxy(self, call: Any, delegationID: str, proxy: str) -> None:
        self.grid.note("putProxy", delegationID=delegationID, proxy=proxy)


class BookkeepingHandler:
    """L&B as far as the commands call it."""

    def __init__(self, grid: FakeGrid) -> None:
        self.grid = grid

    def JobStatus(self, call: Any, jobid: str, flags: list[str]) -> dict[str, Any]:
        self.grid.note("JobStatus", jobid=jobid, flags=flags)
        if self.grid.on_status:
            self.grid.on_status(jobid)
        return _complete(self._known(jobid))

    def QueryEvents(self, call: Any, jobConditions: list[Any], eventConditions: list[Any]) -> list[dict[str, Any]]:
        self.grid.note("QueryEvents", jobConditions=jobConditions, eventConditions=eventConditions)
        jobid = jobConditions[0]["record"][0]["value1"]["c"]
        self._known(jobid)
        common = {"host": "h", "level": "SYSTEM", "priority": 0, "seqcode": "UI=0", "user": "/CN=x"}
        registered = {"jobId": jobid, "source": "NetworkServer", "ns": "x", "jobtype": "SIMPLE"}
        registered["timestamp"] = {"tvSec": 1, "tvUsec": 0}
        return self.grid.events.get(jobid, [{"RegJob": common | registered}])

    def UserJobs(self, call: Any) -> tuple[list[str], list[dict[str, Any]]]:
        self.grid.note("UserJobs")
        if not self.grid.jobs:
            raise JobUnknown("no jobs")
        return list(self.grid.jobs), [_complete(job) for job in self.grid.jobs.values()]

    def _known(self, jobid: str) -> dict[str, Any]:
        if jobid not in self.grid.jobs:
            raise JobUnknown("no matching jobs found")
        return self.grid.jobs[jobid]


def _complete(job: dict[str, Any]) -> dict[str, Any]:
    """With the members that the contract demands."""
    from wsdl.contract import Contract

    kind = Contract.load("LB.wsdl").schemas.type("{http://glite.org/wsdl/types/lb}jobStatus")
    filled: dict[str, Any] = {}
    for member in kind.members:
        if member.name in job:
            nested = member.name == "childrenStates"
            filled[member.name] = [_complete(child) for child in job[member.name]] if nested else job[member.name]
        elif member.min_occurs:
            simple = {"boolean": False, "int": 0}
            words = {"sandboxRetrieved": "NOTYET", "jwStatus": "UNKNOWN"}
            base = getattr(Contract.load("LB.wsdl").schemas.type(member.type), "base", "")
            filled[member.name] = words.get(member.name, simple.get(base))
    return filled


class _Files:
    """Locates everything below /files in the scratch folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def locate(self, identity: Any, method: str, path: str) -> Any:
        from web.places import Location, TransferRefused

        _, _, folder, name = path.split("/", 3)
        if (self.directory / folder / "refuse").exists():
            raise TransferRefused(403, "the disk of the server is full")
        return Location(self.directory / folder, name)


@pytest.fixture(scope="session")
def delegation_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


def _application(grid: FakeGrid, key: Any) -> Any:
    from web.transfer import FileTransfer
    from wsdl.contract import Contract
    from wsdl.documents import Documents
    from wsdl.service import soap_application

    delegation = DelegationHandler(grid, key)
    wms = soap_application(
        Contract.load("WMProxy.wsdl"),
        {
            "WMProxy_PortType": WmProxyHandler(grid),
            "WMProxyDelegation_PortType": delegation,
            "WMProxyDelegation2_PortType": delegation,
        },
        Documents(["WMProxy.wsdl"], {"WMProxy_PortType": grid.url}),
    )
    lb = soap_application(
        Contract.load("LB.wsdl"),
        {"LoggingAndBookkeeping": BookkeepingHandler(grid)},
        Documents(["LB.wsdl"], {"LoggingAndBookkeeping": f"https://{grid.address}/"}),
    )
    files = FileTransfer(_Files(grid.directory), lambda environ: SimpleNamespace(dn="the user"))

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == f"{PATH}/explain":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
            grid.calls.append(("explain", {"jdl": body, "kind": environ["CONTENT_TYPE"]}))
            status, answer = grid.explanation or ("404 Not Found", b"<html>no such page</html>")
            kind = "application/json" if grid.explanation else "text/html"
            start_response(status, [("Content-Type", kind), ("Content-Length", str(len(answer)))])
            return [answer]
        chosen = wms if path == PATH else files if path.startswith("/files/") else lb
        return chosen(environ, start_response)

    return application


@pytest.fixture
def fake_grid(
    pki: Pki, proxy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delegation_key: Any
) -> Iterator[FakeGrid]:
    """The servers, and the user's environment that points to them."""
    grid = FakeGrid(tmp_path / "server")
    for name in ("input", "output"):
        (grid.directory / name).mkdir(parents=True)
    server = _Server(ServerContext(pki.directory / "host.pem", pki.directory / "host.key"))
    grid.address = f"localhost:{server.server_port}"
    grid.url = f"https://{grid.address}{PATH}"
    server.set_app(_application(grid, delegation_key))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    user_environment(monkeypatch, pki, proxy_file, tmp_path)
    monkeypatch.setenv("GLITE_WMS_WMPROXY_ENDPOINT", grid.url)
    try:
        yield grid
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def user_environment(monkeypatch: pytest.MonkeyPatch, pki: Pki, proxy_file: Path, tmp_path: Path) -> None:
    """A user who works in the scratch folder and has no configuration but what the test writes."""
    for name in ("GLITE_WMS_CLIENT_CONFIG", "GLITE_WMSUI_COMMANDS_CONFIG", "GLITE_WMS_COMMANDS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("EMI_UI_CONF", str(tmp_path / "site"))
    monkeypatch.setenv("LOGNAME", "ada")
    monkeypatch.setenv("X509_USER_PROXY", str(proxy_file))
    monkeypatch.setenv("X509_CERT_DIR", str(pki.trust))


@pytest.fixture
def user(pki: Pki, proxy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user without any server; the value is the working directory."""
    user_environment(monkeypatch, pki, proxy_file, tmp_path)
    monkeypatch.delenv("GLITE_WMS_WMPROXY_ENDPOINT", raising=False)
    return tmp_path / "work"


@pytest.fixture
def jdl(tmp_path: Path) -> Callable[..., str]:
    """Writes a job description into the working directory."""

    def write(text: str = "", name: str = "job.jdl") -> str:
        base = 'Executable = "/bin/hostname"; StdOutput = "std.out"; OutputSandbox = { "std.out" };\n'
        path = tmp_path / "work" / name
        path.write_text(base + text)
        return str(path)

    return write
