"""Jobs that wait for their data are looked at when a picture can matter to them; catalogues are asked by period."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from broker.catalogues import Catalogues
from broker.data import Replicas, Resolution
from broker.inputdata import DataRequest, InputFile
from broker.job import Job
from broker.queue import Phase
from broker.rouser import Rouser
from broker.supermarket import Snapshot
from broker.waiting import Kind, Waiting
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from infosys.se_ads import SeRecord, by_id
from jdl.parser import parse
from jdl.tree import ClassAd

ADA = User("/CN=Ada", (Fqan.parse("/vo"),))
READS = 'InputData = "lfn:a"; DataAccessProtocol = "gsiftp"; VirtualOrganisation = "vo";'


class Scripted(Catalogues):
    """Catalogues that know what a test says, and how often they were asked."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), monotonic=lambda: self.now)
        self.now = 1000.0
        self.asked = 0
        self.urls: tuple[str, ...] = ("srm://se.example.org/a",)

    def replicas(self, request: DataRequest, owner: str, proxy: Path | None = None) -> list[Replicas]:
        self.asked += 1
        return [Replicas(file, self.urls, "" if self.urls else "nobody knows it") for file in request.files]


class Bench:
    """A world whose pictures a test shows; the rouser's thread is not started."""

    def __init__(self, world) -> None:
        self.world = world
        self.catalogues = Scripted()
        world.planner._placements._catalogues = self.catalogues
        self.rouser = Rouser(world.ledger, world.planner.waiting, lambda: None)
        self.show(Snapshot())

    def show(self, snapshot: Snapshot) -> int:
        self.world.shelf.now = snapshot
        self.rouser(snapshot)
        return self.rouser.look()

    def due(self) -> set[str]:
        return {request.job.unique for request in self.world.due(time.time())}


@pytest.fixture
def bench(world):
    world.shelf.now = Snapshot()
    return Bench(world)


@pytest.fixture
def near(element):
    """Make a computing element that is close to a storage element."""

    def make(host: str, storage: str = "se.example.org", **state: object) -> CeRecord:
        (record,) = element(host, **state)
        ad = record.ad.copy()
        ad.set("CloseStorageElements", [{"name": storage, "mount": ""}])
        return replace(record, ad=ad)

    return make


def grid(*records: CeRecord, storage: str = "se.example.org") -> Snapshot:
    """A picture with one storage element."""
    published = SeRecord(storage, ClassAd(), frozenset({"gsiftp"}))
    return Snapshot(records, storage=by_id([published] if storage else []))


def test_a_new_element_near_the_data_rouses_the_job_and_the_catalogue_is_not_asked_again(bench, near):
    world = bench.world
    assert world.step(world.submit("job", extra=READS)).phase is Phase.WAITING
    assert bench.show(grid(near("far.example.org", "other.example.org"))) == 0
    assert bench.show(grid(near("one.example.org"))) == 1
    assert bench.due() == {"job"} and bench.catalogues.asked == 1
    (request,) = world.due(time.time())
    placed = world.step(request.job)
    assert (placed.phase, placed.ce_id.partition(":")[0]) == (Phase.RUNNING, "one.example.org")
    assert bench.catalogues.asked == 1 and len(world.planner.waiting) == 0


def test_a_new_storage_element_rouses_the_job_though_no_computing_element_has_changed(bench, near):
    world, record = bench.world, near("one.example.org")
    bench.show(grid(record, storage=""))
    waiting = world.step(world.submit("job", extra=READS))
    assert "is not published in the information system" in waiting.reason
    assert bench.show(grid(record, storage="")) == 0
    assert bench.show(grid(record)) == 1
    assert bench.due() == {"job"}


def test_an_element_that_the_job_cannot_use_does_not_rouse_it(bench, near):
    world = bench.world
    world.step(world.submit("job", extra=f"{READS} Requirements = other.GlueHostMainMemoryRAMSize > 5000;"))
    assert bench.show(grid(near("one.example.org", ram=1000))) == 0
    assert bench.show(grid(near("one.example.org", ram=1000), near("two.example.org", ram=6000))) == 1


def test_a_job_whose_files_nobody_knows_is_left_alone(bench, near):
    bench.catalogues.urls = ()
    bench.world.step(bench.world.submit("job", extra=READS))
    assert bench.show(grid(near("one.example.org"))) == 0
    assert bench.show(grid(near("two.example.org"))) == 0


def test_what_matches_and_cannot_be_sent_to_rouses_the_job_when_it_changes_alone(bench, near):
    world, made_up = bench.world, near("ce.invalid", free_job_slots=1)
    bench.show(grid(made_up))
    waiting = world.step(world.submit("job", extra=READS))
    assert "made up" in waiting.reason
    assert bench.show(grid(made_up)) == 0
    assert bench.show(grid(made_up, near("far.example.org", "other.example.org"))) == 0
    assert bench.show(grid(near("ce.invalid", free_job_slots=2))) == 1


def test_a_job_that_is_filled_by_its_fellows_is_roused_by_each_picture_and_asks_no_more(bench, near):
    world = bench.world
    bench.show(grid(near("one.example.org", free_job_slots=1, estimated_response_time=0)))
    free = f"{READS} Requirements = other.GlueCEStateFreeJobSlots > 0;"
    assert world.step(world.submit("first", extra=free)).phase is Phase.RUNNING
    second = world.submit("second", extra=free)
    for asked in (2, 2, 2):
        waiting = world.step(second)
        assert "meanwhile filled it" in waiting.reason and bench.catalogues.asked == asked
        assert bench.show(grid(near("one.example.org", free_job_slots=1, estimated_response_time=0))) == 1


def test_the_catalogue_is_asked_once_in_each_period_however_often_the_job_is_looked_at(bench, near):
    world, period = bench.world, bench.world.settings.match_retry_period
    job = world.submit("job", extra=READS)
    begun = bench.catalogues.now
    for age, asked, left in ((0, 1, period), (20, 1, period - 20), (59, 1, 1), (60, 2, period), (100, 2, period - 40)):
        bench.catalogues.now = begun + age
        now = time.time()
        request = world.step(job)
        assert bench.catalogues.asked == asked
        assert now + left - 0.5 <= request.next_try <= time.time() + left + 0.5
    bench.catalogues.urls = ("srm://moved.example.org/a",)
    bench.catalogues.now = begun + 120
    bench.show(grid(near("one.example.org", "moved.example.org"), storage="moved.example.org"))
    assert world.step(job).phase is Phase.RUNNING and bench.catalogues.asked == 3


def test_after_a_restart_the_catalogue_is_asked_once_for_each_waiting_job(bench, near):
    world = bench.world
    job = world.submit("job", extra=READS)
    world.step(job)
    world.restart()
    again = Bench(world)
    for _ in range(3):
        world.step(job)
    assert again.catalogues.asked == 1
    assert again.show(grid(near("one.example.org"))) == 1


def test_what_is_remembered_of_files_is_bounded(monkeypatch):
    monkeypatch.setattr("broker.waiting.MAX_LENGTH", 1000)
    monkeypatch.setattr("broker.waiting.MAX_LENGTH_OF_ONE", 600)
    waiting = Waiting()

    def kind(number: int, length: int) -> Kind:
        file = InputFile("lfn:a", "lfn", "lfn:a")
        data = Resolution(DataRequest((file,), frozenset()), (Replicas(file, ("x" * (length - len(file.name)),)),), 0.0)
        return Kind(number, Job(parse("[]")), ADA, data=data)

    for number, length in enumerate((500, 601, 400, 200, 100)):
        waiting.add(f"job{number}", kind(number, length))
    assert [each.key for each in waiting.kinds()] == [0, 2, 4]
    known = waiting.remove("job0")
    assert known is not None and known.data is not None and waiting.remove("job1") is None
    waiting.add("job1", kind(1, 500))
    assert [each.key for each in waiting.kinds()] == [2, 4, 1]
    for number in range(5):
        waiting.remove(f"job{number}")
    assert waiting._length == 0
