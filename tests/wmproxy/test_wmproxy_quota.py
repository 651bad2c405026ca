"""Quota: the accounts are the files, no limit is passed while bytes arrive, and asking costs next to nothing."""

import contextlib
import io
import os
import statistics
import threading
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.errors import TimedOut
from grid.jobid import JobId
from storage import schema
from storage.engine import open_engine
from web import upload
from web.places import Location, TransferRefused
from wmproxy import jobs
from wmproxy.accounts import Accounts
from wmproxy.allotment import Allotment
from wmproxy.errors import QuotaExceeded, TooManyWaiting
from wmproxy.jobs import Job, Phase
from wmproxy.quota import Quota
from wmproxy.sandboxes import Sandboxes

OWNER = "/O=Grid/CN=Owner"
MIB = 1 << 20


class Shop:
    """A sandbox tree, a table of jobs and the quota over them."""

    def __init__(self, root, soft=-1, hard=-1, waiting=5) -> None:
        self.engine = open_engine(f"sqlite:///{root}/db.sqlite")
        schema.create(self.engine, jobs.metadata, jobs.SCHEMA_VERSION)
        self.sandboxes = Sandboxes(root / "docroot", "SandboxDir", "https://localhost:7443")
        accounts = Accounts(root / "docroot" / ".accounts")
        self.quota = Quota(accounts, self.engine, self.sandboxes, soft, hard, waiting)
        self.sandboxes.freed = self.quota.freed

    def register(self, owner=OWNER) -> JobId:
        job = JobId.new("localhost", 9000)
        with self.sandboxes.create(job, []), self.engine.begin() as connection:
            jobs.insert(connection, Job(job, owner, "vo", (), Phase.REGISTERED, ""))
        return job

    def put(self, job, name, data, *, declared=True, whole=-1, area="input", commit=None, read=None) -> None:
        room = Allotment(self.quota, OWNER, whole, "the input sandbox of the job")
        directory = self.sandboxes.of(job).path / area
        body = io.BytesIO(data) if read is None else read
        environ = {"wsgi.input": body}
        environ |= {"CONTENT_LENGTH": str(len(data))} if declared else {"HTTP_TRANSFER_ENCODING": "chunked"}
        upload.store(Location(directory, name, commit=commit, hidden=True, room=room), environ)

    def files(self) -> int:
        return sum(self.sandboxes.of(job).size() for job in self.sandboxes.jobs())

    def used(self) -> int:
        return self.quota.accounts.used(OWNER)[0]


@pytest.fixture
def make_shop(tmp_path):
    shops = []

    def make(**limits) -> Shop:
        root = tmp_path / str(len(shops))
        root.mkdir()
        shops.append(Shop(root, **limits))
        return shops[-1]

    yield make
    for shop in shops:
        shop.engine.dispose()


class Cut(io.BytesIO):
    """A body whose sender goes away."""

    def read(self, size=-1):
        block = super().read(size)
        if not block:
            raise ConnectionResetError
        return block


@contextlib.contextmanager
def refusing():
    raise TransferRefused(409, "too late")
    yield


steps = st.lists(
    st.tuples(
        st.sampled_from(["put", "chunked", "cut", "late", "purge", "recount"]),
        st.integers(0, 2), st.sampled_from("abc"), st.integers(0, 3000),
    ),
    max_size=12,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(steps, st.integers(-1, 6000), st.integers(-1, 4000))
def test_the_account_is_what_the_files_are_and_no_limit_is_passed(make_shop, steps, hard, whole):
    shop = make_shop(hard=hard)
    made = [shop.register() for _ in range(3)]
    for what, which, name, size in steps:
        job, data = made[which], os.urandom(size)
        with contextlib.suppress(TransferRefused, ConnectionResetError):
            if what == "purge":
                shop.sandboxes.remove(job)
            elif what == "recount":
                shop.quota.recount()
            elif what == "cut":
                shop.put(job, name, data, declared=False, whole=whole, read=Cut(data))
            else:
                commit = refusing if what == "late" else None
                shop.put(job, name, data, declared=what != "chunked", whole=whole, commit=commit)
        assert shop.used() == shop.files()
        assert hard < 0 or shop.used() <= hard
        assert whole < 0 or all(shop.sandboxes.of(one).size() <= whole for one in made)


@pytest.mark.parametrize("declared", [True, False])
def test_uploads_at_once_do_not_pass_the_limit_of_a_job_together(make_shop, declared):
    shop = make_shop()
    job = shop.register()
    begin, refused = threading.Barrier(8), []

    def put(number):
        begin.wait()
        try:
            shop.put(job, f"file{number}", bytes(3 * MIB), declared=declared, whole=10 * MIB)
        except TransferRefused as error:
            refused.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {error.status for error in refused} == {413}
    assert len(refused) >= 5
    assert shop.used() == shop.files() <= 10 * MIB
    if declared:  # nobody was refused because of what was itself refused
        assert len(refused) == 5
    assert "may have 10485760 bytes" in refused[0].sentence
    assert f"and {3 * MIB} more do not fit" in refused[0].sentence or not declared


def test_what_does_not_fit_is_refused_before_its_first_byte(make_shop):
    shop = make_shop(hard=1000)
    job = shop.register()
    shop.put(job, "one", bytes(600))

    class Unread:
        def read(self, size):
            raise AssertionError("the body was read")

    with pytest.raises(TransferRefused) as refused:
        shop.put(job, "two", bytes(401), read=Unread())
    assert refused.value.status == 507
    assert refused.value.sentence.startswith(
        "not enough quota: your sandboxes hold 600 of the 1000 bytes that they may have, and 401 more are asked for"
    )
    shop.put(job, "two", bytes(400))
    assert shop.quota.accounts.used(OWNER)[0] == 1000


def test_a_body_of_unknown_length_is_refused_while_it_arrives(make_shop):
    shop = make_shop(hard=10 * MIB)
    job = shop.register()
    sent = 0

    class Endless:
        def read(self, size):
            nonlocal sent
            sent += size
            return bytes(size)

    with pytest.raises(TransferRefused) as refused:
        shop.put(job, "endless", b"", declared=False, read=Endless())
    assert (refused.value.status, sent <= 10 * MIB + upload.BLOCK) == (507, True)
    assert shop.used() == shop.files() == 0


def test_replacing_a_file_counts_it_once(make_shop):
    shop = make_shop(hard=2000)
    job = shop.register()
    for _ in range(5):
        shop.put(job, "same", bytes(1000), whole=1000)
    assert shop.used() == shop.files() == 1000


def test_a_purge_under_an_upload_gives_its_bytes_back_once(make_shop):
    shop = make_shop()
    kept, purged = shop.register(), shop.register()
    shop.put(kept, "a", bytes(1000))
    announced = iter([b"x"])

    def read(size):
        for block in announced:
            return block
        shop.sandboxes.remove(purged)
        raise ConnectionResetError

    body = io.BytesIO()
    body.read = read
    with pytest.raises(TransferRefused):
        shop.put(purged, "b", bytes(700), read=body)
    assert (shop.files(), shop.used()) == (1000, 1000)


@pytest.mark.parametrize("begun", [1, 2, 3])
def test_an_account_that_somebody_holds_for_too_long_is_told_as_such(make_shop, monkeypatch, begun):
    shop = make_shop()
    job = shop.register()
    opened, count = shop.quota.accounts.opened, iter(range(1, 9))

    def held(owner):
        if next(count) >= begun:
            raise TimedOut("somebody holds it")
        return opened(owner)

    monkeypatch.setattr(shop.quota.accounts, "opened", held)
    if begun == 3:  # the upload has its name by then
        shop.put(job, "a", bytes(10))
        return
    with pytest.raises(TransferRefused, match="somebody holds it") as refused:
        shop.put(job, "a", bytes(10))
    assert refused.value.status == 503
    assert shop.files() == 0


def test_the_soft_limit_stops_registrations_and_no_bytes(make_shop):
    shop = make_shop(soft=1000, hard=2000)
    job = shop.register()
    assert (shop.quota.total(), shop.quota.free(OWNER)) == ((1000, 2000), (1000, 2000))
    shop.put(job, "one", bytes(1200))
    assert shop.quota.free(OWNER) == (0, 800)
    with pytest.raises(QuotaExceeded, match="hold 1200 of the 1000 bytes") as refused:
        shop.quota.admit(OWNER, waits=False)
    assert refused.value.code == 1224
    shop.put(job, "two", bytes(800))
    with pytest.raises(QuotaExceeded, match="hold 2000 of the 2000 bytes"):
        shop.quota.free(OWNER)
    shop.quota.admit("/O=Grid/CN=Other", waits=True)
    shop.sandboxes.remove(job)
    shop.quota.admit(OWNER, waits=False)
    assert shop.quota.free(OWNER) == (1000, 2000)


def test_without_limits_everything_fits(make_shop):
    shop = make_shop()
    job = shop.register()
    shop.put(job, "one", bytes(5000))
    assert (shop.quota.total(), shop.quota.free(OWNER), shop.used()) == ((-1, -1), (-1, -1), 5000)


def test_jobs_that_wait_for_their_start_are_limited(make_shop):
    shop = make_shop(waiting=5)
    for _ in range(5):
        shop.quota.admit(OWNER, waits=True)
        job = shop.register()
    for _ in range(3):
        with pytest.raises(TooManyWaiting, match="5 of your jobs are registered"):
            shop.quota.admit(OWNER, waits=True)
    shop.quota.admit(OWNER, waits=False)
    shop.quota.admit("/O=Grid/CN=Other", waits=True)
    with shop.engine.begin() as connection:
        assert jobs.move(connection, job, [Phase.REGISTERED], Phase.STARTED, "")
    shop.quota.admit(OWNER, waits=True)


@pytest.mark.parametrize("alone", [True, False])
def test_a_recount_finds_what_came_another_way(make_shop, alone):
    shop = make_shop()
    job = shop.register()
    shop.put(job, "one", bytes(700))
    (shop.sandboxes.of(job).input / "by-gsiftp").write_bytes(bytes(300))
    (shop.sandboxes.of(job).path / "peek" / "chunk").write_bytes(bytes(50))
    unpacked = shop.sandboxes.of(job).path / ".unzip" / "0"
    unpacked.mkdir(parents=True)
    (unpacked / "file").write_bytes(bytes(5))
    shop.quota.recount(alone=alone)
    assert shop.used() == 1055


def test_a_recount_leaves_an_account_that_is_used_meanwhile(make_shop, monkeypatch):
    shop = make_shop()
    job = shop.register()
    listed = shop.sandboxes.jobs

    def jobs_and_an_upload():
        found = list(listed())
        shop.put(job, "meanwhile", bytes(10))
        return iter(found)

    monkeypatch.setattr(shop.sandboxes, "jobs", jobs_and_an_upload)
    with shop.quota.accounts.opened(OWNER) as account:
        account.used = 77  # wrong before
    shop.quota.recount()
    assert shop.used() == 87
    monkeypatch.setattr(shop.sandboxes, "jobs", listed)
    shop.quota.recount()
    assert shop.used() == 10


def test_asking_costs_a_submission_less_than_a_tenth_of_a_millisecond(make_shop):
    shop = make_shop(soft=10**9, hard=10**10)
    shop.put(shop.register(), "one", bytes(1000))
    times = []
    for _ in range(300):
        begin = time.perf_counter()
        shop.quota.admit(OWNER, waits=False)
        times.append(time.perf_counter() - begin)
    assert statistics.median(times) < 100e-6
