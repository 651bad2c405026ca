"""The element as a process of its own: TLS with proxies, SOAP by zeep, real files over HTTPS, kill -9."""

from __future__ import annotations

import datetime
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ce.service import CREAM_PATH, DELEGATION_PATH, create_schema
from ce.settings import CeSettings
from grid.errors import GridError
from gsi import proxy, voms
from gsi.ca import TestCA, write_lsc
from gsi.credential import Credential
from gsi.tls import client_context
from infosys.client import LdapSource
from node.ports import choose
from wsdl.client import RemoteFault, SoapClient
from wsdl.delegation import delegate

ROOT = str(Path(__file__).parents[2])
CODE = "UI=000000:NS=0000000006:WM=000004:BH=0000000000:JSS=000002:LM=000000:LRMS=000000:APP=000000:LBS=000000"
GRID = "https://lb.example.org:9000/abcdefghijklmnopqrstuv"

_CE = """
import pickle, sys
sys.path.insert(0, sys.argv[1])
from ce.service import make_app, server_settings
from web.server import serve
settings = pickle.load(open(sys.argv[2], "rb"))
sys.exit(serve(lambda: make_app(settings), server_settings(settings)))
"""

_FILES = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from gsi.trust import TrustStore
from web.identity import Authenticator
from web.server import ServerSettings, serve
from web.transfer import FileTransfer, Location
place = Path(sys.argv[2])
class Policy:
    def locate(self, identity, method, path):
        return Location(place / "sandbox", path.rpartition("/")[2])
class App:
    def __init__(self):
        self.wsgi = FileTransfer(Policy(), Authenticator(TrustStore(place / "trust", place / "voms")).identify)
    def close(self):
        pass
settings = ServerSettings("files", (sys.argv[3],), place / "hostcert.pem", place / "hostkey.pem", place / "run")
sys.exit(serve(App, settings))
"""


def answers(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(1.0)
        return sock.connect_ex(("127.0.0.1", port)) == 0


@dataclass
class Site:
    """A CA, users, a file server and an element."""

    place: Path
    ca: TestCA
    settings: CeSettings
    file_port: int
    until: Callable[..., None]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _CE, ROOT, str(self.place / "settings.pickle")],
            env={**os.environ, **environment},
        )
        port = self.settings.port
        self.until(lambda: answers(port) or self.process.poll() is not None)
        assert self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(15.0)
            self.until(lambda: not answers(self.settings.port))
            self.process = None

    def user(self, name: str, *, vo: str | None = "test", limited: bool = False) -> Path:
        path = self.place / f"{name}-{vo}-{limited}.pem"
        if not path.exists():
            user = self.ca.issue_user(name)
            extensions = []
            if vo:
                server = Credential.load_pair(self.place / "hostcert.pem", self.place / "hostkey.pem")
                hours = datetime.timedelta(hours=12)
                fqans = [f"/{vo}"]
                attribute = voms.issue(
                    server, user.certificate, vo, fqans, uri="voms.example.org:15000", lifetime=hours
                )
                extensions = [voms.proxy_extension([attribute])]
            made = proxy.create(user, lifetime=datetime.timedelta(hours=12), limited=limited, extensions=extensions)
            made.save(path)
        return path

    def cream(self, who: Path) -> SoapClient:
        context = client_context(self.place / "trust", who)
        url = f"https://localhost:{self.settings.port}{CREAM_PATH}"
        return SoapClient("CREAM2.wsdl", "CREAM2", url, context, timeout=40.0)

    def delegate(self, who: Path, name: str, *, limited: bool = True) -> None:
        context = client_context(self.place / "trust", who)
        url = f"https://localhost:{self.settings.port}{DELEGATION_PATH}"
        with SoapClient("WMProxy-gridsite-delegation-2.0.0.wsdl", "gridsite-delegation", url, context) as client:
            delegate(client, name, Credential.load(who), limited=limited)

    def jdl(
        self, script: str, *, inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = (), queue: str = "short"
    ) -> str:
        base = f"https://localhost:{self.file_port}/"
        uris = ", ".join(f'"{base}{name}"' for name in inputs)
        names = ", ".join(f'"{name}"' for name in outputs)
        dests = ", ".join(f'"{base}{name}"' for name in outputs)
        text = script.replace("\\", "\\\\").replace('"', '\\"')
        return (
            f'[ Executable = "/bin/sh"; Arguments = "-c \'{text}\'"; QueueName = "{queue}"; BatchSystem = "fork"; '
            f'edg_jobid = "{GRID}"; LB_sequence_code = "{CODE}"; StdOutput = "std.out"; StdError = "std.err"; '
            f"InputSandbox = {{ {uris} }}; OutputSandbox = {{ {names} }}; OutputSandboxDestURI = {{ {dests} }}; ]"
        )

    def register(self, client: SoapClient, jdl: str, name: str, *, start: bool = True) -> dict:
        item = {"JDL": jdl, "autoStart": start, "delegationId": "d", "jobDescriptionId": name}
        return client.call("JobRegister", jobDescriptionList=[item])[0]

    def follow(self, client: SoapClient, job: str, seconds: float = 30.0) -> list[dict[str, str]]:
        """The properties of the job's events until its end, by long polls."""
        after, found = 0, []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            answer = client.call(
                "QueryEvent",
                fromEventId=str(after),
                eventType="JOB_STATUS",
                maxQueryEventResultSize=100,
                verbosityLevel=0,
                property=[{"name": "waitSeconds", "value": "5"}],
            )
            for event in answer["event"]:
                after = int(event["id"])
                facts = {item["name"]: item["value"] for item in event["property"]}
                if facts["jobId"] == job:
                    found.append(facts)
            if found and found[-1]["status"].startswith(("DONE", "CANCEL", "ABORT")):
                return found
        raise AssertionError(f"the job did not end: {found}")


@pytest.fixture
def site(place: Path, settings: CeSettings, until: Callable[..., None]) -> Iterator[Site]:
    ca = TestCA.create(place / "ca", "/DC=org/DC=example/CN=Test CA")
    ca.install(place / "trust")
    host = ca.issue_host(["localhost"])
    host.save_pair(place / "hostcert.pem", place / "hostkey.pem")
    host.save(place / "host.pem")
    write_lsc(place / "voms", "test", "voms.example.org", host.certificate, ca.certificate)
    for name in ("sandbox", "run", "spool"):
        (place / name).mkdir(mode=0o700)
    port, file_port, resource_port = choose(3)
    mine = replace(
        settings,
        host="localhost",
        port=port,
        bind=f"127.0.0.1:{port}",
        resource_bind=f"127.0.0.1:{resource_port}",
        run_directory=place / "run",
        voms_directory=place / "voms",
        administrators=(host.subject,),
    )
    create_schema(mine)
    (place / "settings.pickle").write_bytes(pickle.dumps(mine))
    files = subprocess.Popen([sys.executable, "-c", _FILES, ROOT, str(place), f"127.0.0.1:{file_port}"])
    made = Site(place, ca, mine, file_port, until, {})
    try:
        until(lambda: answers(file_port))
        yield made
    finally:
        made.stop()
        files.terminate()
        files.wait(10.0)


def test_a_job_reads_its_input_and_its_output_arrives(site):
    site.start()
    (site.place / "sandbox" / "data in").write_bytes(os.urandom(3_000_000))
    (site.place / "sandbox" / "script.sh").write_text("cp 'data in' copy; echo done; exit 3\n")
    alice = site.user("alice")
    site.delegate(alice, "d")
    with site.cream(alice) as client:
        jdl = site.jdl("exec ./script.sh", inputs=("data%20in", "script.sh"), outputs=("copy", "std.out", "missing"))
        jdl = jdl.replace('Executable = "/bin/sh"', 'Executable = "script.sh"')
        result = site.register(client, jdl, "one")
        job = result["jobId"]["id"]
        assert result["GenericFault"] is None
        events = site.follow(client, job)
    assert [event["status"] for event in events] == [
        "REGISTERED",
        "PENDING",
        "IDLE",
        "RUNNING",
        "REALLY-RUNNING",
        "DONE-OK",
    ]
    assert events[-1]["exitCode"] == "3"
    assert events[-1]["gridJobId"] == GRID
    assert "Cannot read or missing file missing" in events[-1]["failureReason"]
    sandbox = site.place / "sandbox"
    assert (sandbox / "copy").read_bytes() == (sandbox / "data in").read_bytes()
    assert (sandbox / "std.out").read_text() == "done\n"


def test_the_payload_holds_a_limited_proxy_even_when_a_full_one_was_delegated(site):
    site.start()
    alice = site.user("alice")
    site.delegate(alice, "d", limited=False)
    with site.cream(alice) as client:
        job = site.register(client, site.jdl('cat "$X509_USER_PROXY"', outputs=("std.out",)), "one")["jobId"]["id"]
        assert site.follow(client, job)[-1]["status"] == "DONE-OK"
    taken = site.place / "taken.pem"
    taken.write_bytes((site.place / "sandbox" / "std.out").read_bytes())
    taken.chmod(0o600)
    assert Credential.load(taken).is_limited
    with site.cream(taken) as client, pytest.raises(RemoteFault) as refused:
        site.register(client, site.jdl("true"), "two")
    assert (refused.value.code, refused.value.kind) == (1207, "AuthorizationFault")


def test_who_is_not_admitted_is_told_who_is_and_nothing_is_registered(site):
    site.start()
    stranger = site.user("mallory", vo=None)
    with pytest.raises(RemoteFault, match="VO:test"):
        site.delegate(stranger, "d")
    with site.cream(stranger) as client:
        assert client.call("JobInfo", jobId=[], status=[]) == []


def test_another_users_job_looks_unknown_and_the_administrator_sees_it(site):
    site.start()
    alice, bob = site.user("alice"), site.user("bob")
    site.delegate(alice, "d")
    with site.cream(alice) as client:
        job = site.register(client, site.jdl("sleep 60"), "one")["jobId"]["id"]
        again = site.register(client, site.jdl("sleep 60"), "one")["jobId"]["id"]
    assert again == job
    with site.cream(bob) as client:
        mine = client.call("JobCancel", jobId=[{"id": job}])[0]
        none = client.call("JobCancel", jobId=[{"id": "CREAM000000000"}])[0]
        assert mine["JobUnknownFault"]["ErrorCode"] == none["JobUnknownFault"]["ErrorCode"] == "1218"
        info = client.call("JobInfo", jobId=[{"id": job}])[0]
        assert info["jobInfo"] is None
    with site.cream(site.place / "host.pem") as client:
        info = client.call("JobInfo", jobId=[{"id": job}])[0]["jobInfo"]
        assert info["GridJobId"] == GRID
        assert client.call("JobCancel", jobId=[{"id": job}])[0]["GenericFault"] is None
        assert site.follow(client, job)[-1]["status"] == "CANCELLED"
        assert client.call("JobPurge", jobId=[{"id": job}])[0]["GenericFault"] is None
        assert client.call("JobInfo", jobId=[{"id": job}])[0]["JobUnknownFault"] is not None


def test_a_bad_description_is_told_in_the_result_with_its_code(site):
    site.start()
    alice = site.user("alice")
    with site.cream(alice) as client:
        result = site.register(client, site.jdl("true"), "one")
        assert result["DelegationProxyFault"]["ErrorCode"] == "1215"
        site.delegate(alice, "d")
        result = site.register(client, "[ Executable = ", "two")
        assert result["GenericFault"]["ErrorCode"].startswith("15")
        result = site.register(client, site.jdl("true", queue="nowhere"), "three")
        assert "QueueName" in result["GenericFault"]["Description"]


def test_the_queues_are_published_with_their_live_state(site):
    site.start()
    alice = site.user("alice")
    site.delegate(alice, "d")
    source = LdapSource(f"ldap://{site.settings.resource_bind}", "o=grid", timeout=5.0)
    entries = {entry.first("GlueCEName"): entry for entry in source.fetch("(objectClass=GlueCE)")}
    assert set(entries) == {"short", "long"}
    assert entries["long"].values("GlueCEAccessControlBaseRule") == ("VO:test", "DENY:/test/banned")
    assert entries["short"].first("GlueCEUniqueID") == f"localhost:{site.settings.port}/cream-fork-short"
    assert entries["short"].first("GlueCEStateFreeJobSlots") == "2"
    memory = {
        e.first("GlueSubClusterName"): e.first("GlueHostMainMemoryRAMSize")
        for e in source.fetch("(objectClass=GlueSubCluster)")
    }
    assert sorted(memory.values()) == ["2048", "512"]
    with site.cream(alice) as client:
        job = site.register(client, site.jdl("sleep 60", queue="long"), "one")["jobId"]["id"]

        def running() -> str | None:
            return source.fetch("(GlueCEName=long)")[0].first("GlueCEStateRunningJobs")

        site.until(lambda: running() == "1")
        client.call("JobCancel", jobId=[{"id": job}])
        site.until(lambda: running() == "0")


@pytest.mark.parametrize("moment", ["before the payload", "during the payload", "after the payload"])
def test_killed_with_9_the_element_comes_back_and_each_job_ends_once(site, moment):
    site.start()
    alice = site.user("alice")
    site.delegate(alice, "d")
    with site.cream(alice) as client:
        jobs = []
        for index in range(3):
            jdl = site.jdl("sleep 1; echo ran; exit 6", outputs=(f"out-{index}",)).replace("std.out", f"out-{index}")
            jobs.append(site.register(client, jdl, f"job-{index}")["jobId"]["id"])
    time.sleep({"before the payload": 0.0, "during the payload": 0.6, "after the payload": 0.6}[moment])
    site.stop(signal.SIGKILL)
    if moment == "after the payload":
        time.sleep(2.0)
    site.start()
    with site.cream(alice) as client:
        for index, job in enumerate(jobs):
            events = [event["status"] for event in site.follow(client, job)]
            assert events.count("DONE-OK") == 1
            assert events.count("RUNNING") == 1
            assert (site.place / "sandbox" / f"out-{index}").read_text() == "ran\n"


@pytest.mark.parametrize(
    "point",
    [
        "ce.register.committed",
        "ce.prepare.staged",
        "ce.prepare.committed",
        "ce.launch.spawned",
        "ce.launch.recorded",
        "ce.report.committed",
        "storage.writer.commit",
    ],
)
def test_killed_at_a_durable_step_a_job_still_runs_exactly_once(site, point):
    site.start()
    alice = site.user("alice")
    site.delegate(alice, "d")
    site.stop()
    site.start(WMS_FAULT_POINT=point, WMS_FAULT_MARKER=str(site.place / "marker"))
    jdl = site.jdl("echo ran; exit 5", outputs=("out",)).replace("std.out", "out")
    deadline = time.monotonic() + 30.0
    while True:
        try:
            with site.cream(alice) as client:
                job = site.register(client, jdl, "one")["jobId"]["id"]
                events = [event["status"] for event in site.follow(client, job)]
                break
        except GridError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert (site.place / "marker").exists()
    assert events.count("RUNNING") == events.count("DONE-OK") == 1
    assert sum(event.startswith("DONE") for event in events) == 1
    assert (site.place / "sandbox" / "out").read_text() == "ran\n"


def test_a_revoked_user_is_refused_by_the_running_element(site):
    site.start()
    alice = site.user("alice")
    site.delegate(alice, "d")
    site.ca.revoke(Credential.load(alice).chain[-1])
    site.ca.write_crl()
    site.ca.install_crl(site.place / "trust")

    def refused() -> bool:
        with site.cream(alice) as client:
            try:
                client.call("JobInfo", jobId=[])
            except RemoteFault as fault:
                return "revoked" in fault.description
        return False

    site.until(refused)
