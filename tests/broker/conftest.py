"""Computing elements as the information supermarket knows them, and a scripted double of what answers there."""

from __future__ import annotations

import dataclasses
import datetime
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import sqlalchemy

from broker import compounds, queue
from broker.ce_client import CeEvent, CeEvents
from broker.compounds import Compound, CompoundSubmission, Kind, NodeSubmission
from broker.engine import Engine
from broker.errors import CeJobUnknown, CeRefused, CeUnreachable
from broker.ledger import Ledger
from broker.monitor import CeMonitor, Reports, purge_ended
from broker.planner import Planner
from broker.queue import Phase, Request, Submission
from broker.settings import BrokerSettings
from broker.supermarket import Snapshot
from grid.jobid import JobId
from grid.states import CreamState, Source
from gsi import proxy
from gsi.ca import TestCA
from infosys.ce_ads import CeRecord, assemble
from infosys.ce_id import CeId
from infosys.glue1 import CEInfo, CEState, Cluster, ComputingElement, Site, SubCluster, VOView, entries_of
from jdl.parser import parse
from lb import ulm
from lb.events import Event
from lb.machine import fold
from lb.producer import JobLog
from storage import schema
from storage.engine import open_engine

Records = Callable[..., tuple[CeRecord, ...]]


@pytest.fixture(params=["sqlite", "postgresql"])
def bare_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sqlalchemy.Engine]:
    """A database without tables: SQLite always, PostgreSQL when it is installed."""
    url = f"sqlite:///{tmp_path}/broker.sqlite"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    made = open_engine(url)
    yield made
    if request.param == "postgresql":
        with made.begin() as connection:
            queue.metadata.drop_all(connection)
            connection.exec_driver_sql("DROP TABLE schema_version")
    made.dispose()


@pytest.fixture
def engine(bare_engine: sqlalchemy.Engine) -> sqlalchemy.Engine:
    """The same with the broker's tables."""
    schema.create(bare_engine, queue.metadata, queue.SCHEMA_VERSION)
    return bare_engine


@pytest.fixture
def element() -> Records:
    """Make the records of one queue: ``element("host", "queue", rules, ram=…, status=…, …)``."""

    def make(
        host: str,
        queue: str = "short",
        rules: tuple[str, ...] = ("VO:vo",),
        *,
        ram: int = 2048,
        software: tuple[str, ...] = (),
        views: tuple[VOView, ...] = (),
        **state: object,
    ) -> tuple[CeRecord, ...]:
        ce_id = str(CeId.cream(host, 8443, "fork", queue))
        records = (
            Site(unique_id="S"),
            Cluster(unique_id=ce_id, site_id="S", ce_ids=(ce_id,)),
            SubCluster(unique_id=ce_id, cluster_id=ce_id, ram_size=ram, software=software),
            ComputingElement(
                unique_id=ce_id,
                cluster_id=ce_id,
                info=CEInfo(host_name=host, lrms_type="fork"),
                access=rules,
                state=CEState(**({"estimated_response_time": 10} | state)),  # type: ignore[arg-type]
                views=views,
            ),
        )
        return assemble(entries_of(records)).records

    return make


@pytest.fixture
def three(element: Records) -> Snapshot:
    """One element that fits, one that refuses the VO ``vo``, one with little memory."""
    return Snapshot(
        (
            *element("good.example.org", ram=4096),
            *element("other.example.org", rules=("VO:other",), ram=4096),
            *element("small.example.org", ram=512),
        )
    )


# -- a scripted computing element ----------------------------------------------------------------------------

OWNER = "/O=Grid/CN=Alice"
FOR_EVER = 1e12
"""A time at which everything is due."""


@dataclasses.dataclass
class FakeJob:
    """A job on a scripted CE, with the log that its wrapper keeps."""

    name: str
    state: CreamState
    grid_job: JobId
    log: JobLog

    @property
    def begun(self) -> bool:
        return self.state not in (CreamState.REGISTERED, CreamState.CANCELLED) and not self.state.final


class FakeCe:
    """What a CE promises (ce/jobs.py), and the ways in which it fails.

    :ivar down: no call arrives.  :ivar mute: so many calls act, and their answers are lost.
    :ivar refusing: names of operations that are refused; ``picky``: for the job's sake.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.down = False
        self.mute = 0
        self.refusing: set[str] = set()
        self.picky = False
        self.logged: list[Event] = []
        self.starts: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.new_database()

    def new_database(self) -> None:
        """Everything is forgotten, and what ran is ended."""
        self.number += 100
        self.db_id = f"db{self.number}"
        self.jobs: dict[str, FakeJob] = {}
        self.known: dict[str, str] = {}
        self.events: list[CeEvent] = []

    def register(self, description_id: str, jdl: str) -> str:
        if description_id not in self.known:
            ad = parse(jdl)
            name = self.known[description_id] = f"CREAM{self.number}{len(self.jobs):04d}"
            grid_job = JobId.parse(ad.string("edg_jobid"))
            log = JobLog(grid_job, OWNER, Source.LRMS, ad.string("LB_sequence_code"), "wn")
            self.jobs[name] = FakeJob(name, CreamState.REGISTERED, grid_job, log)
            self._tell(name, CreamState.REGISTERED)
        return self.known[description_id]

    def start(self, name: str) -> None:
        if self.jobs[name].state is CreamState.REGISTERED:
            self.starts[name] += 1
            self._tell(name, CreamState.PENDING)

    def cancel(self, name: str) -> None:
        if not self.jobs[name].state.final:
            self._tell(name, CreamState.CANCELLED, failure_reason="Cancelled by user")

    def go(self, name: str, *states: CreamState, **facts: object) -> None:
        """Let a job reach ``states`` one after the other."""
        for state in states:
            job = self.jobs[name]
            if state is CreamState.RUNNING:
                self.logged.append(job.log.event("Running", node="wn"))
            if state is CreamState.REALLY_RUNNING:
                self.logged.append(job.log.event("ReallyRunning"))
            self._tell(name, state, **(facts if state.final else {}))

    def live(self, grid_job: JobId) -> list[str]:
        return [job.name for job in self.jobs.values() if job.grid_job == grid_job and job.begun]

    def _tell(self, name: str, state: CreamState, **facts: object) -> None:
        self.jobs[name].state = state
        values = {"exit_code": 0, "failure_reason": "", "infrastructure": False, **facts}
        code = self.jobs[name].log.seqcode
        number = self.events[-1].number + 1 if self.events else 1
        self.events.append(CeEvent(number, name, state, worker_node="wn", wrapper_code=code, **values))


class FakeElements:
    """Stands where :class:`broker.ce_client.ComputingElements` stands."""

    def __init__(self) -> None:
        self.ces: dict[str, FakeCe] = {}
        self.before: Callable[[str], None] = lambda operation: None

    def delegate(self, endpoint: str, proxy: Path) -> str:
        self._call(endpoint, "delegate", lambda ce: None)
        return "d"

    def register(self, endpoint: str, proxy: Path, delegation: str, *, description_id: str, jdl: str) -> str:
        return self._call(endpoint, "register", lambda ce: ce.register(description_id, jdl))

    def start(self, endpoint: str, proxy: Path, ce_job: str) -> None:
        self._call(endpoint, "start", lambda ce: ce.start(ce_job), ce_job)

    def cancel(self, endpoint: str, ce_job: str) -> None:
        self._call(endpoint, "cancel", lambda ce: ce.cancel(ce_job), ce_job)

    def purge(self, endpoint: str, ce_jobs: list[str]) -> None:
        self._call(endpoint, "purge", lambda ce: [ce.jobs.pop(name, None) for name in ce_jobs])

    def events(self, endpoint: str, after: int, wait: float) -> CeEvents:
        def look(ce: FakeCe) -> CeEvents:
            found = tuple(event for event in ce.events if event.number > after)[:3]
            return CeEvents(ce.db_id, found, max((event.number for event in found), default=0))

        return self._call(endpoint, "events", look)

    def _call(self, endpoint, operation, act, ce_job=None):
        ce = self.ces[endpoint]
        ce.asked[operation] += 1
        self.before(operation)
        if ce.down:
            raise CeUnreachable(endpoint, "connection refused")
        if operation in ce.refusing:
            raise CeRefused(endpoint, f"no {operation} today", about_job=ce.picky)
        if ce_job is not None and ce_job not in ce.jobs:
            raise CeJobUnknown(endpoint, f"there is no job {ce_job}")
        answer = act(ce)
        if ce.mute:
            ce.mute -= 1
            raise CeUnreachable(endpoint, "the answer was lost")
        return answer


@dataclasses.dataclass
class Shelf:
    """Stands where the supermarket stands."""

    now: Snapshot

    def snapshot(self) -> Snapshot:
        return self.now


class World:
    """A broker without its threads: real queue, ledger, outbox and matchmaker; scripted CEs.  Killed at will."""

    def __init__(self, directory: Path, snapshot: Snapshot, proxy_file: Path, **settings: object) -> None:
        self.settings = BrokerSettings(
            database_url=f"sqlite:///{directory / 'broker.sqlite'}",
            control_socket=directory / "control",
            doorbell=directory / "bell",
            information_sources=(),
            host_credential=directory / "none",
            certificate_directory=directory,
            journal_directory=directory / "spool",
            interlogger_doorbell=directory / "il",
            **({"infrastructure_delay": 0.5, "match_retry_period": 60.0} | settings),
        )
        engine = open_engine(self.settings.database_url)
        schema.create(engine, queue.metadata, queue.SCHEMA_VERSION)
        engine.dispose()
        self.shelf = Shelf(snapshot)
        self.elements = FakeElements()
        for number, record in enumerate(snapshot.records):
            self.elements.ces.setdefault(record.endpoint, FakeCe(number + 1))
        self.proxy = proxy_file
        self.logged: list[Event] = []
        self._open()

    def _open(self) -> None:
        journal = self.settings.journal_directory / "broker.0.log"
        bell, rules = self.settings.interlogger_doorbell, self.settings.standing_rules
        self.ledger = Ledger(self.settings.database_url, journal, bell, rules)
        self.ledger.recall(self.shelf.now.taken_at.timestamp() - self.settings.information_delay)
        self.planner = Planner(self.settings, self.ledger, self.shelf, self.elements)
        self.engine = Engine(self.settings, self.ledger, self.shelf)
        self.reports = Reports(self.settings, self.ledger, self.planner.attempts)

    def restart(self) -> None:
        """A new broker on the same database."""
        self.ledger.close()
        self._open()

    def close(self) -> None:
        self.ledger.close()

    @property
    def ces(self) -> list[FakeCe]:
        return list(self.elements.ces.values())

    # what others do

    def submit(self, unique: str = "job", *, extra: str = "", retry_count: int = 0, **values: object) -> JobId:
        job = JobId("lb.example.org", 9000, unique)
        ui = JobLog(job, OWNER, Source.UserInterface)
        registration = ui.event("RegJob", jdl="[]", ns="ns", nsubjobs=0, jobtype="SIMPLE")
        ns = JobLog(job, OWNER, Source.NetworkServer, ui.seqcode)
        self.logged += [registration, ns.event("EnQueued", queue="broker", job="[]", result="OK")]
        ad = f'[ edg_jobid = "{job}"; Executable = "/bin/true"; {extra} ]'
        fqans = ("/vo",)
        given = {"job": job, "owner": OWNER, "fqans": fqans, "ad": ad, "proxy": str(self.proxy)}
        submission = Submission(**(given | {"sequence_code": ns.seqcode, "retry_count": retry_count} | values))
        self.write(lambda db: queue.enqueue(db, submission, expiry_period=self.settings.expiry_period))
        return job

    def compound(
        self,
        parents: Mapping[str, Sequence[str]],
        kind: Kind = Kind.DAG,
        unique: str = "Compound00000000000000",
        owner: str = OWNER,
    ) -> dict[str, JobId]:
        """Hand over a compound job; its nodes' identifiers by name, its own under ``""``."""
        job = JobId("lb.example.org", 9000, unique)
        names = list(parents)
        ids = {name: job.child("WMPROXY", place) for place, name in enumerate(names)}
        nodes = [
            NodeSubmission(
                Submission(
                    job=ids[name],
                    owner=owner,
                    fqans=("/vo",),
                    ad=f'[ edg_jobid = "{ids[name]}"; Executable = "/bin/true" ]',
                    proxy=str(self.proxy),
                    sequence_code=self._registered(ids[name], "SIMPLE", parent=str(job)),
                ),
                place,
                name,
                tuple(map(names.index, parents[name])),
            )
            for place, name in enumerate(names)
        ]
        parent = CompoundSubmission(job, owner, kind, self._registered(job, kind.value.upper(), len(names)))
        self.write(
            lambda db: compounds.enqueue(db, parent, nodes, expiry_period=self.settings.expiry_period)
        )
        return {"": job, **ids}

    def _registered(self, job: JobId, jobtype: str, nodes: int = 0, **more: str) -> str:
        ui = JobLog(job, OWNER, Source.UserInterface)
        self.logged.append(ui.event("RegJob", jdl="[]", ns="ns", nsubjobs=nodes, jobtype=jobtype, **more))
        ns = JobLog(job, OWNER, Source.NetworkServer, ui.seqcode)
        self.logged.append(ns.event("EnQueued", queue="broker", job="[]", result="OK"))
        return ns.seqcode

    def cancel(self, job: JobId) -> bool:
        return self.write(lambda db: queue.request_cancel(db, job))

    def write(self, unit):
        return self.ledger.writer.run(unit)

    # what the broker does

    def get(self, job: JobId) -> Request | None:
        with self.ledger.engine.connect() as db:
            return queue.get(db, job)

    def due(self, now: float = FOR_EVER) -> list[Request]:
        with self.ledger.engine.connect() as db:
            return queue.due(db, now, 100)

    def advance(self, job: JobId) -> Compound:
        """Let the engine look at a compound job; where it stands then."""
        self.engine.advance(job)
        with self.ledger.engine.connect() as db:
            return compounds.get(db, job)

    def waiting_compounds(self, now: float = FOR_EVER) -> list[JobId]:
        with self.ledger.engine.connect() as db:
            return compounds.due(db, now, 100)

    def step(self, job: JobId) -> Request:
        """Let a due request go on as far as it can, whatever its next try."""
        request = self.get(job)
        assert str(job) in [str(each.job) for each in self.due()], f"{request} is not due"
        self.planner.step(request)
        return self.get(job)

    def take(self) -> None:
        """Let the monitors of all CEs ask until there is nothing new."""
        for endpoint, ce in self.elements.ces.items():
            while not ce.down and CeMonitor(endpoint, self.reports, self.elements).take():
                pass

    def running(self, unique: str = "job", **values: object) -> tuple[JobId, FakeCe, str]:
        """A job that runs: its id, its CE and its name there."""
        job = self.submit(unique, **values)
        while self.get(job).phase is not Phase.RUNNING:
            self.step(job)
        ce, name = self.place(job)
        ce.go(name, CreamState.IDLE, CreamState.RUNNING, CreamState.REALLY_RUNNING)
        self.take()
        assert self.get(job).phase is Phase.RUNNING
        return job, ce, name

    def place(self, job: JobId) -> tuple[FakeCe, str]:
        request = self.get(job)
        return self.elements.ces[request.ce_endpoint], request.ce_job

    def purge(self) -> int:
        return purge_ended(self.ledger, self.elements)

    # what is to be seen

    def events(self, job: JobId) -> list[Event]:
        """What the broker told L&B of a job, in its order."""
        self.restart()  # the old outbox has emptied itself into the journal
        files = sorted(self.settings.journal_directory.glob("broker.*.log"))
        events = [ulm.decode(line) for path in files for line in path.read_text().splitlines()]
        return [event for event in events if event.jobid == job]

    def told(self, job: JobId) -> list[str]:
        """The same in short: ``Done OK`` for a Done event with that code."""
        keys = ("status_code", "result")
        return [" ".join([e.type, *(e.fields[k] for k in keys if k in e.fields)]) for e in self.events(job)]

    def state(self, job: JobId) -> object:
        """The state that L&B makes of all that was told, also by the wrappers and by WMProxy."""
        logged = [*self.logged, *(event for ce in self.ces for event in ce.logged), *self.events(job)]
        return fold([event for event in logged if event.jobid == job]).state


@pytest.fixture(scope="session")
def proxies(tmp_path_factory) -> tuple[Path, Path]:
    """A proxy that is good for hours, and one that has ended."""
    directory = tmp_path_factory.mktemp("proxies")
    user = TestCA.create(directory / "ca", "/O=Grid/CN=CA").issue_user("Alice")
    good, ended = directory / "good.pem", directory / "ended.pem"
    proxy.create(user, lifetime=datetime.timedelta(seconds=1)).save(ended)
    proxy.create(user, lifetime=datetime.timedelta(hours=2)).save(good)
    time.sleep(1.1)
    return good, ended


@pytest.fixture
def two(element: Records) -> Snapshot:
    """Two elements that fit; the first one is preferred."""
    return Snapshot(
        (
            *element("one.example.org", estimated_response_time=1, free_job_slots=10),
            *element("two.example.org", estimated_response_time=50, free_job_slots=10),
        )
    )


@pytest.fixture
def make_world(tmp_path, two, proxies):
    """Make a world of two CEs: ``make_world(**settings)``; ``snapshot=`` and ``proxy=`` replace what is given."""
    worlds: list[World] = []

    def make(*, snapshot: Snapshot = two, proxy: Path = proxies[0], **settings: object) -> World:
        directory = tmp_path / f"world{len(worlds)}"
        directory.mkdir()
        worlds.append(World(directory, snapshot, proxy, **settings))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world) -> World:
    return make_world()
