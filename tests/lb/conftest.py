"""What the tests of this room share: jobs, traces, and a test CA with a bookkeeping server behind real sockets."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from grid.jobid import JobId
from grid.states import Source
from gsi import proxy
from gsi.ca import TestCA
from gsi.credential import Credential
from lb.channel import ChannelSettings
from lb.events import Event
from lb.producer import JobLog
from lb.service import BookkeepingServer, create_schema, make_app
from lb.settings import LbSettings
from node.ports import choose

OWNER = "/DC=org/DC=example/CN=Alice"
START = datetime.datetime(2026, 11, 21, 6, 0, 0, tzinfo=datetime.UTC)


class Trace:
    """Makes the events of one job, one second apart."""

    OWNER = OWNER
    SOURCES = Source

    @staticmethod
    def code(ui: int = 0, ns: int = 0, wm: int = 0, bh: int = 0, jss: int = 0, lm: int = 0, lrms: int = 0) -> str:
        """A sequence code from its counters."""
        return (
            f"UI={ui:06d}:NS={ns:010d}:WM={wm:06d}:BH={bh:010d}:JSS={jss:06d}:LM={lm:06d}:LRMS={lrms:06d}"
            ":APP=000000:LBS=000000"
        )

    def __init__(self, jobid: JobId | None = None, owner: str = OWNER) -> None:
        self.jobid = jobid or JobId.new("lb.example.org")
        self.owner = owner
        self.events: list[Event] = []

    def log(self, event_type: str, source: Source, seqcode: str, /, **fields: str) -> Event:
        """Append an event; a trailing underscore of a field's name is dropped."""
        event = Event(
            type=event_type,
            jobid=self.jobid,
            source=source,
            timestamp=START + datetime.timedelta(seconds=len(self.events)),
            seqcode=seqcode,
            user=self.owner,
            host="wms.example.org",
            fields={name.rstrip("_"): value for name, value in fields.items()},
        )
        self.events.append(event)
        return event

    def register(self, **fields: str) -> Event:
        """Log the RegJob."""
        values = {"jdl": '[ Executable = "/bin/true"; ]', "ns": "https://wms.example.org:7443/", "jobtype": "SIMPLE"}
        return self.log("RegJob", Source.NetworkServer, self.code(ns=1), **(values | fields))

    def until_matched(self, wm: int = 1, ce: str = "ce1.example.org:8443/cream-fork-q") -> int:
        """Log what leads to a match, from WM counter ``wm``; returns the counter that is handed on."""
        src, code = Source, self.code
        self.log("EnQueued", src.NetworkServer, code(ns=2), queue="jobdir", result="OK")
        self.log("DeQueued", src.WorkloadManager, code(ns=3, wm=wm), queue="jobdir")
        return self.matched(wm + 1, ce)

    def matched(self, wm: int, ce: str) -> int:
        """Log Match and the hand-over to the CE's client; returns the WM counter of the branch."""
        src, code = Source, self.code
        self.log("Match", src.WorkloadManager, code(ns=3, wm=wm), dest_id=ce)
        self.log("EnQueued", src.WorkloadManager, code(ns=3, wm=wm + 1), queue="jc", job=f"[ce={ce}]", result="OK")
        return wm + 2

    def sent(self, wm: int) -> None:
        """Log the hand-over to the CE and its confirmation."""
        src, code = Source, self.code
        self.log("DeQueued", src.JobController, code(ns=3, wm=wm, jss=1), queue="jc", local_jobid="x")
        for number, result in ((2, "START"), (3, "OK")):
            self.log(
                "Transfer",
                src.JobController,
                code(ns=3, wm=wm, jss=number),
                destination="LogMonitor",
                dest_host="wms.example.org",
                job="[condor]",
                result=result,
                dest_jobid="CREAM123",
            )

    def on_node(self, wm: int, node: str = "wn1.example.org") -> None:
        """Log what the wrapper says while it runs the payload."""
        src, code = Source, self.code
        self.log("Running", src.LRMS, code(ns=3, wm=wm, jss=4, lrms=1), node=node)
        self.log("ReallyRunning", src.LRMS, code(ns=3, wm=wm, jss=4, lrms=2))

    def finished_on_node(self, wm: int) -> None:
        """Log the end of the wrapper, with resource usage."""
        src, code = Source, self.code
        for number, name in enumerate(("real", "user", "sys"), start=3):
            seq = code(ns=3, wm=wm, jss=4, lrms=number)
            self.log("ResourceUsage", src.LRMS, seq, resource=name, quantity="1.5", unit="s")
        self.log("Done", src.LRMS, code(ns=3, wm=wm, jss=4, lrms=6), status_code="OK", exit_code="0")

    def seen_by_monitor(self, wm: int, node: str = "wn1.example.org") -> None:
        """Log what the CE's monitor reports of a running job."""
        src, code = Source, self.code
        self.log("Accepted", src.LogMonitor, code(ns=3, wm=wm, jss=4, lm=1), from_="JobController", from_host="h",
                 local_jobid="CREAM123")  # fmt: skip
        self.log("Transfer", src.LogMonitor, code(ns=3, wm=wm, jss=4, lm=2), destination="LRMS", dest_host="ce",
                 job="(rsl)", result="OK", dest_jobid="globus1")  # fmt: skip
        self.log("Running", src.LogMonitor, code(ns=3, wm=wm, jss=4, lm=3), node=node)
        wn = code(ns=3, wm=wm, jss=4, lrms=2)
        self.log("ReallyRunning", src.LogMonitor, code(ns=3, wm=wm, jss=4, lm=4), wn_seq=wn)

    def successful(self) -> None:
        """Log the 20 events of a successful job."""
        src, code = Source, self.code
        self.register()
        wm = self.until_matched()
        self.sent(wm)
        self.on_node(wm)
        self.finished_on_node(wm)
        self.seen_by_monitor(wm)
        self.log("Done", src.LogMonitor, code(ns=3, wm=wm, jss=4, lm=5), status_code="OK", exit_code="0")
        self.log("Clear", src.NetworkServer, code(ui=9, ns=96669), reason="TIMEOUT")


@pytest.fixture
def trace() -> Trace:
    """An empty trace of a new job."""
    return Trace()


@pytest.fixture
def new_trace() -> Callable[[], Trace]:
    """Makes traces of further jobs."""
    return Trace


class Grid:
    """A CA, a host, two users and an empty spool, in one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trust_dir = root / "trust"
        self.ca = TestCA.create(root / "ca", "/DC=org/DC=example/CN=Test CA")
        self.ca.install(self.trust_dir)
        self.host = self.ca.issue_host(["localhost"])
        self.host.save_pair(root / "hostcert.pem", root / "hostkey.pem")
        self.host_dn = self.host.identity
        self.users: dict[str, Path] = {}
        for name in ("Alice", "Bob"):
            self.users[name] = root / f"{name}.pem"
            credential = self.ca.issue_user(name)
            proxy.create(credential, lifetime=datetime.timedelta(hours=1)).save(self.users[name])
        self.alice = Credential.load(self.users["Alice"]).identity
        self.bob = Credential.load(self.users["Bob"]).identity

    def channel(self, user: str | None = None, **more: object) -> ChannelSettings:
        """How the host, or a user, reaches event ports."""
        if user:
            return ChannelSettings(self.users[user], self.trust_dir, **more)
        return ChannelSettings(self.root / "hostcert.pem", self.trust_dir, self.root / "hostkey.pem", **more)

    def settings(self, directory: Path, query_port: int, soap_port: int, **more: object) -> LbSettings:
        """Settings of a server with its database in ``directory``, on three free ports."""
        return LbSettings(
            host="localhost",
            query_bind=f"localhost:{query_port}",
            soap_bind=f"localhost:{soap_port}",
            store_bind=f"localhost:{query_port + 1}",
            database_url=f"sqlite:///{directory}/lb.db",
            certificate=self.root / "hostcert.pem",
            key=self.root / "hostkey.pem",
            trust_dir=self.trust_dir,
            run_dir=directory,
            trusted=frozenset((self.host_dn,)),
            **more,
        )


@pytest.fixture(scope="session")
def free_ports() -> Callable[[int], list[int]]:
    """Finds free ports."""
    return choose


@pytest.fixture(scope="session")
def new_trace_class() -> type[Trace]:
    """The class of traces, for fixtures that outlive a test."""
    return Trace


@pytest.fixture(scope="session")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    """The CA and its people, made once."""
    return Grid(tmp_path_factory.mktemp("grid"))


@pytest.fixture
def make_server(grid: Grid, tmp_path: Path) -> Iterator[Callable[..., BookkeepingServer]]:
    """Makes bookkeeping servers in this process: a real event port, no HTTP.  They share a database."""
    made: list[BookkeepingServer] = []
    ports = choose(2)

    def make(**more: object) -> BookkeepingServer:
        settings = grid.settings(tmp_path, *ports, **more)
        create_schema(settings)
        made.append(make_app(settings))
        return made[-1]

    yield make
    for server in made:
        server.close()


@pytest.fixture
def server(make_server: Callable[..., BookkeepingServer]) -> BookkeepingServer:
    """One such server."""
    return make_server()


@pytest.fixture
def job_log(grid: Grid, server: BookkeepingServer) -> Callable[..., JobLog]:
    """Makes logs of new jobs of the server, by default the host's for Alice."""

    def make(owner: str | None = None, source: Source = Source.NetworkServer, jobid: JobId | None = None) -> JobLog:
        return JobLog(jobid or JobId.new("localhost", server.store_port - 1), owner or grid.alice, source)

    return make
