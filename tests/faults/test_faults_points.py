"""kill -9 at every named point between durable steps, in every service that passes it, with a job on its way.

The points are read from the source, so a new one cannot be forgotten: it belongs into the table, or among those
that cannot be met here, with the reason.  One node is led past all of them (WMS_FAULT_FILE); after each the service
must have come back by itself, and the job must have come to its one end with its output whole.
"""

import ast
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from grid.jobid import JobId

REPOSITORY = Path(__file__).parents[2]
ROOMS = ("gsi", "storage", "web", "wsdl", "lb", "infosys", "delegation", "ce", "broker", "wmproxy", "node", "clients")
ALL = int(os.environ.get("WMS_TEST_JOBS", "10")) >= 50
WORKERS = ("wmproxy", "ce", "lb")
"""Services whose worker processes are watched by a master of their own; the others by the supervisor."""

NOT_MET: dict[str, str] = {
    "broker.picture.written": "a child of the broker passes it; test_broker_purchases.py ends both there",
    "broker.engine.advanced": "test_faults_compounds.py leads compound jobs past it",
}
"""Points that no job on a node meets, with the reason."""


@dataclass(frozen=True)
class Case:
    """Die in ``service`` at the n-th passage of ``point`` while ``flow`` goes on; ``always`` also in ``make test``."""

    point: str
    service: str
    flow: str = "files"
    passage: int = 1
    always: bool = False

    def __str__(self) -> str:
        return f"{self.point}-{self.service}-{self.flow}-{self.passage}"


CASES = [
    Case("delegation.request.key", "wmproxy"),
    Case("delegation.put.stored", "wmproxy", always=True),
    Case("delegation.request.key", "ce"),
    Case("delegation.put.stored", "ce"),
    Case("wmproxy.register.directory", "wmproxy", always=True),
    Case("wmproxy.register.logged", "wmproxy", always=True),
    Case("wmproxy.register.committed", "wmproxy"),
    Case("web.upload.written", "wmproxy", always=True),
    Case("web.upload.named", "wmproxy"),
    Case("wmproxy.start.jdl-written", "wmproxy", always=True),
    Case("wmproxy.start.committed", "wmproxy", always=True),
    Case("wmproxy.submit.committed", "wmproxy", "plain", always=True),
    Case("wmproxy.register.directory", "wmproxy", "plain"),
    Case("wmproxy.register.logged", "wmproxy", "plain", always=True),
    Case("broker.plan.chosen", "broker"),
    Case("broker.register.delegated", "broker"),
    Case("broker.register.answered", "broker", always=True),
    Case("ce.register.committed", "ce"),
    Case("ce.start.committed", "ce", always=True),
    Case("broker.register.recorded", "broker"),
    Case("broker.start.answered", "broker", always=True),
    Case("broker.start.recorded", "broker"),
    Case("broker.monitor.heard", "broker"),
    Case("broker.monitor.heard", "broker", passage=2),
    Case("broker.monitor.recorded", "broker", passage=2),
    Case("ce.prepare.staged", "ce"),
    Case("ce.prepare.committed", "ce"),
    Case("ce.launch.spawned", "ce"),
    Case("ce.launch.recorded", "ce", always=True),
    Case("ce.report.committed", "ce"),
    Case("ce.report.committed", "ce", passage=2, always=True),
    Case("web.upload.written", "wmproxy", "output"),
    Case("web.upload.named", "wmproxy", "output", always=True),
    Case("wmproxy.cancel.committed", "wmproxy", "cancel", always=True),
    Case("ce.cancel.committed", "ce", "cancel", always=True),
    Case("wmproxy.purge.committed", "wmproxy", "purge", always=True),
    Case("wmproxy.acl.written", "wmproxy", "acl", always=True),
    Case("wmproxy.unpack.read", "wmproxy", "zipped", always=True),
    Case("wmproxy.unpack.moved", "wmproxy", "zipped"),
    Case("wmproxy.perusal.merged", "wmproxy", "perusal", always=True),
    Case("wmproxy.perusal.removed", "wmproxy", "perusal"),
    *(
        Case(point, service, flow)
        for point in ("lb.outbox.journalled", "lb.outbox.deleted", "lb.journal.written")
        for service, flow in (("wmproxy", "files"), ("broker", "files"), ("ce", "files"), ("broker", "cancel"))
    ),
    Case("lb.interlogger.confirmed", "interlogger", always=True),
    Case("lb.interlogger.confirmed", "interlogger", "cancel"),
    Case("lb.interlogger.control_removed", "interlogger", "restart", always=True),
    *(
        Case(point, service, passage=passage)
        for point in ("storage.writer.commit", "storage.writer.committed")
        for service in ("wmproxy", "broker", "ce", "lb")
        for passage in (2, 5)
    ),
]


def points_in_the_source() -> set[str]:
    found = set()
    for room in ROOMS:
        for path in sorted((REPOSITORY / room).rglob("*.py")):
            for call in ast.walk(ast.parse(path.read_text())):
                if not isinstance(call, ast.Call):
                    continue
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if name == "point" and "faultpoints" in path.read_text():
                    assert isinstance(call.args[0], ast.Constant), f"{path}: the name of a point is a literal"
                    found.add(call.args[0].value)
    return found


def test_every_point_of_the_source_is_in_the_table_or_excused():
    assert points_in_the_source() == {case.point for case in CASES} | set(NOT_MET)


@pytest.fixture(scope="module")
def grid(make_grid):
    """One node for all points."""
    made = make_grid()
    made.up()
    yield made
    made.disarm()
    made.check()  # whatever came later, every earlier job is as it was


def deaths(grid, service: str) -> int:
    """How often a process of the service was seen dying by kill -9."""
    if service in WORKERS:
        return (grid.node.root / "log" / f"{service}.log").read_text(errors="replace").count("was sent SIGKILL!")
    state = grid.services()[service]
    return state["restarts"]


class Flows:
    """What happens while a point is armed."""

    def __init__(self, grid, case: Case) -> None:
        self.grid = grid
        self.case = case

    def arm(self) -> None:
        self.grid.arm(self.case.point, self.case.service, self.case.passage)

    def died(self) -> None:
        """The armed process is gone."""
        self.grid.until(self.grid.hit.exists, 30, f"{self.case} was not passed")

    def files(self) -> None:
        """Register, upload, start; run; send the output."""
        self.arm()
        self.grid.submit()
        self.died()

    def plain(self) -> None:
        """Without an input sandbox registration and start are one operation."""
        self.arm()
        self.grid.submit(sandbox=False)
        self.died()

    def output(self) -> None:
        """From when the payload runs."""
        job = self._running(1.5)
        self.arm()
        self.died()
        assert not job.started or self.grid.executions()[job.job]

    def cancel(self) -> None:
        """A running job is cancelled."""
        job = self._running(60)
        self.arm()
        confirmed = self.grid.cancel(job.job)
        self.died()
        self.grid.ready()
        if not confirmed:
            self.grid.cancel(job.job)  # refused when the first one was taken
        self.grid.settle(40)
        assert self.grid.state(job.job).value == "Cancelled"

    def purge(self) -> None:
        """The output is fetched and the job purged."""
        job = self.grid.submit(seconds=0)
        self.grid.settle(40)
        self.arm()
        self.grid.fetch(job.job)
        self.died()
        self.grid.until(lambda: self.grid.state(job.job).value == "Cleared", 20, f"{job.job} is not cleared")
        sandbox = self.grid.node.root / "sandbox"
        name = JobId.parse(job.job).file_name
        self.grid.until(lambda: not list(sandbox.rglob(name)), 20, f"the sandbox of {job.job} is left")

    def zipped(self) -> None:
        """The input sandbox is an archive; the start that was cut off is asked for again, and the job runs."""
        self.arm()
        job = self.grid.submit(more="AllowZippedISB = true;", tries=1)
        self.died()
        self.grid.ready()
        assert not job.started
        self.grid.start(job)

    def acl(self) -> None:
        """People are let in; whether or not the answer came, all are on the list or none, and the owner is."""
        job = self.grid.submit(seconds=0)
        people = ["/O=Grid/CN=one", "/O=Grid/CN=two"]
        self.arm()
        answered = self.grid.call("addACLItems", jobId=job.job, items=people)
        self.died()
        assert answered is None
        self.grid.ready()
        owner, *others = self.grid.call("getACLItems", jobId=job.job)
        assert others == people
        assert owner.endswith("/CN=Alice")

    def perusal(self) -> None:
        """A file is looked at, and the call that merges its chunks dies."""
        with self.grid.hold():  # only then the payload writes and ends
            job = self.grid.submit(more="PerusalFileEnable = true;", seconds=0)
            self.grid.call("enableFilePerusal", jobId=job.job, fileList=["out.txt"])
        self.grid.settle(40)
        self.arm()
        assert self.grid.look(job.job) is None
        self.died()
        self.grid.ready()
        every = b"".join(b"line %d of %s\n" % (number, job.word.encode()) for number in range(200))
        served = self.case.point.endswith("removed")  # then it was, although the answer did not arrive
        assert self.grid.look(job.job) == (b"" if served else every)
        assert self.grid.look(job.job) == b""
        assert self.grid.look(job.job, again=True) == every

    def restart(self) -> None:
        """A service that logs events restarts; while it is down its journal is found delivered and is removed."""
        self.grid.submit(seconds=0)
        self.grid.settle(40)
        self.arm()
        os.kill(self.grid.services()["wmproxy"]["pid"], 9)
        deadline = time.monotonic() + 30
        while not self.grid.hit.exists() and time.monotonic() < deadline:
            self.grid.ring("interlogger")
            time.sleep(0.02)
        self.died()
        self.grid.ready()
        self.grid.submit()

    def _running(self, seconds: float):
        job = self.grid.submit(seconds=seconds)
        self.grid.until(lambda: job.job in self.grid.executions(), 40, f"{job.job} does not run")
        return job


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kill_at_a_point_costs_time_and_nothing_else(grid, case):
    if not (ALL or case.always):
        pytest.skip("make test dies at a choice of points; WMS_TEST_JOBS=50 (as .ci/run sets it) at every one")
    if case.service not in WORKERS and grid.services()[case.service]["restarts"] >= 3:
        grid.down()  # else the supervisor's back-off would be what is measured
        grid.up()
    before = deaths(grid, case.service)
    getattr(Flows(grid, case), case.flow)()
    assert grid.hit.read_text() == f"{case.point}@{case.passage} {case.service}\n"
    grid.until(lambda: deaths(grid, case.service) > before, 10, f"nobody saw {case.service} die")
    grid.settle(60)
    grid.check(new=True)
