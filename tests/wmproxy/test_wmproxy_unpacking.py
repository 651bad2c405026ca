"""Zipped input sandboxes at the start of jobs: in a process that dies at each step, and on a running node."""

import gzip
import io
import os
import re
import stat
import tarfile

import pytest

from grid.errors import FileSystemFailure
from grid.jobid import JobId
from storage import schema
from storage.engine import open_engine
from wmproxy import jobs, unpacking
from wmproxy.accounts import Accounts
from wmproxy.errors import ArchiveRefused, InputMissing, QuotaExceeded
from wmproxy.jobs import Job, Kind, Phase
from wmproxy.quota import Quota
from wmproxy.sandboxes import Sandboxes
from wmproxy.unpacking import RESERVE, Unpacking

OWNER = "/O=Grid/CN=Owner"
NAME = "ISBfiles_abc_0.tar.gz"


def archive(**files: bytes) -> bytes:
    """A gzipped tar; the names of members are given with their paths."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return gzip.compress(buffer.getvalue())


class Shop:
    """A compound job of two nodes with its directory, and what unpacks for it."""

    def __init__(self, root, hard=-1, nodes=2) -> None:
        self.engine = open_engine(f"sqlite:///{root}/db.sqlite")
        schema.create(self.engine, jobs.metadata, jobs.SCHEMA_VERSION)
        self.sandboxes = Sandboxes(root / "docroot", "SandboxDir", "https://localhost:7443")
        self.quota = Quota(Accounts(root / "accounts"), self.engine, self.sandboxes, -1, hard, 9)
        self.record = Job(
            JobId.new("localhost", 9000), OWNER, "vo", (), Phase.REGISTERED, "", kind=Kind.COLLECTION
        )
        self.nodes = [self.record.node(f"n{index}", index) for index in range(nodes)]
        with self.sandboxes.create(self.record.job, []), self.engine.begin() as connection:
            jobs.insert(connection, self.record, self.nodes)
        self.directory = self.sandboxes.of(self.record.job)
        self.node = self.sandboxes.of(self.nodes[0].job)
        self.unpacking = Unpacking(self.sandboxes, self.quota, 5, 10_000)

    def key(self, job, name) -> str:
        return f"{self.sandboxes.relative(job.job)}/input/{name}"

    def upload(self, data: bytes, name=NAME) -> None:
        (self.directory.input / name).write_bytes(data)
        self.quota.recount()

    def unpack(self, *names) -> None:
        self.unpacking.unpack(self.record, self.nodes, names or (NAME,))

    def used(self) -> int:
        return self.quota.accounts.used(OWNER)[0]

    def held(self) -> int:
        return sum(self.sandboxes.of(job).size() for job in self.sandboxes.jobs())

    def files(self) -> dict[str, bytes]:
        root = self.sandboxes.of(self.record.job).path.parents[1]
        return {
            str(path.relative_to(root.parent)): path.read_bytes()
            for path in root.glob("*/*/input/*")
            if not path.name.startswith("ISBfiles")
        }

    def two(self) -> dict[str, bytes]:
        return {self.key(self.record, "shared"): b"shared", self.key(self.nodes[0], "own"): b"own" * 100}


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


def test_files_go_to_the_job_and_its_nodes_and_the_archive_is_removed(make_shop):
    shop = make_shop()
    shop.upload(archive(**shop.two()))
    shop.unpack()
    assert shop.files() == shop.two()
    assert shop.used() == shop.held() == 306
    assert [path.name for path in shop.directory.path.iterdir() if ".unzip" in path.name] == [".unzipok"]
    assert not (shop.directory.input / NAME).exists()
    assert not self_or_empty(shop.sandboxes.of(shop.nodes[1].job).path)
    for path in (shop.directory.input / "shared", shop.node.input / "own", shop.directory.path / ".unzipok"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for path in (shop.node.path, shop.node.input, shop.node.output):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    shop.unpack()  # the start failed for another reason, and is tried again
    assert shop.files() == shop.two()


def self_or_empty(path):
    return path.exists() and any(path.rglob("*"))


class Killed(BaseException):
    """Ends what is going on, as kill -9 would: nothing is tidied up after it."""


STEPS = ["wmproxy.unpack.read", "wmproxy.unpack.moved", "rename 0", "rename 1", "done", "tidy"]


@pytest.mark.parametrize("step", STEPS)
def test_a_start_that_was_cut_off_goes_on_where_it_was(make_shop, monkeypatch, step):
    shop = make_shop()
    shop.upload(archive(**shop.two()))
    with monkeypatch.context() as patched:
        die_at(patched, step)
        with pytest.raises(Killed):
            shop.unpack()
    shop.unpack()
    assert shop.files() == shop.two()
    shop.quota.recount()
    assert shop.used() == shop.held() == 306
    assert (shop.directory.path / ".unzipok").read_text() == f"{NAME}\n"
    assert not (shop.directory.path / ".unzipped").exists()
    assert not (shop.directory.input / NAME).exists()


def die_at(patched, step: str) -> None:
    def point(name):
        if name == step:
            raise Killed

    def rename(source, target, renames=[], real=unpacking.os.rename):  # noqa: B006 - counts within one step
        if str(target).endswith(("shared", "own")):
            renames.append(target)
            if f"rename {len(renames) - 1}" == step:
                raise Killed
        real(source, target)

    def die(*arguments, **options):
        raise Killed

    patched.setattr(unpacking, "point", point)
    patched.setattr(unpacking.os, "rename", rename)
    if step == "done":
        patched.setattr(unpacking, "write_private", die)
    if step == "tidy":
        real = unpacking.shutil.rmtree
        patched.setattr(
            unpacking.shutil, "rmtree", lambda path, **o: die() if path.name == ".unzipped" else real(path, **o)
        )


def test_one_bad_archive_of_several_leaves_everything_as_it_was(make_shop):
    shop = make_shop()
    shop.upload(archive(**shop.two()))
    shop.upload(archive(**{"../../etc/passwd": b"x"}), "ISBfiles_abc_1.tar.gz")
    before = shop.used()
    with pytest.raises(ArchiveRefused, match="leads out"):
        shop.unpack(NAME, "ISBfiles_abc_1.tar.gz")
    assert shop.files() == {}
    assert shop.used() == shop.held() == before
    assert not [path for path in shop.directory.path.iterdir() if ".unzip" in path.name]
    shop.upload(archive(**{shop.key(shop.record, "more"): b"x"}), "ISBfiles_abc_1.tar.gz")  # mended
    shop.unpack(NAME, "ISBfiles_abc_1.tar.gz")
    assert shop.files() == shop.two() | {shop.key(shop.record, "more"): b"x"}


def test_an_archive_that_was_not_uploaded_is_named(make_shop):
    shop = make_shop()
    shop.upload(archive(**shop.two()))
    with pytest.raises(InputMissing, match=r"ISBfiles_abc_1\.tar\.gz has not been uploaded") as refused:
        shop.unpack(NAME, "ISBfiles_abc_1.tar.gz")
    assert refused.value.code == 1226
    assert shop.files() == {}


def test_quota_and_limits_hold_for_what_is_unpacked(make_shop):
    shop = make_shop(hard=1500)
    shop.upload(archive(**{shop.key(shop.record, "zeros"): bytes(5000)}))
    before = shop.used()
    with pytest.raises(QuotaExceeded, match="5000 more are asked for"):
        shop.unpack()
    assert (shop.files(), shop.used(), shop.held()) == ({}, before, before)
    shop = make_shop()
    (shop.directory.input / "there").write_bytes(bytes(6000))
    shop.upload(archive(**{shop.key(shop.record, "zeros"): bytes(5000)}))
    with pytest.raises(ArchiveRefused, match="has 5000 bytes, and the input sandbox takes 4000 more"):
        shop.unpack()
    shop.upload(archive(**{shop.key(shop.record, "there"): b"other"}))
    with pytest.raises(ArchiveRefused, match="is there already"):
        shop.unpack()
    assert (shop.directory.input / "there").stat().st_size == 6000


def test_a_disk_without_room_is_told_and_leaves_nothing(make_shop, monkeypatch):
    shop = make_shop()
    shop.upload(archive(**shop.two()))
    before = shop.used()

    def full(*arguments):
        raise OSError(28, "no space")

    monkeypatch.setattr("wmproxy.archive._write", full)
    with pytest.raises(FileSystemFailure, match="No space left on device") as refused:
        shop.unpack()
    assert refused.value.code == 1203
    assert (shop.files(), shop.used(), shop.held()) == ({}, before, before)


def test_unpacking_leaves_the_server_some_room(make_shop, monkeypatch):
    shop = make_shop()
    shop.upload(archive(**{shop.key(shop.record, "zeros"): bytes(5000)}))
    before = shop.used()
    monkeypatch.setattr("grid.filesystem.free", lambda path: RESERVE + 4999)
    with pytest.raises(FileSystemFailure, match="no room"):
        shop.unpack()
    assert (shop.files(), shop.used(), shop.held()) == ({}, before, before)
    monkeypatch.setattr("grid.filesystem.free", lambda path: RESERVE + 5000)
    shop.unpack()
    assert len(shop.files()) == 1


def test_thousands_of_files_are_not_waited_for_one_by_one(make_shop, monkeypatch):
    shop = make_shop(nodes=2000)
    shop.upload(archive(**{shop.key(node, "own"): b"own" for node in shop.nodes}))
    waited = []
    fsync = os.fsync
    monkeypatch.setattr("os.fsync", lambda descriptor: (waited.append(descriptor), fsync(descriptor)))
    shop.unpack()
    assert len(shop.files()) == 2000
    assert len(waited) < 20
    assert (shop.used(), shop.held()) == (6000, 6000)


def test_an_archive_that_is_sent_again_after_a_start_that_failed_later_replaces_its_files(make_shop):
    shop = make_shop()
    many = {shop.key(shop.record, f"f{number}"): b"old" for number in range(4)}
    shop.upload(archive(**shop.two(), **many))
    shop.unpack()
    again = archive(**{name: data + b" and new" for name, data in (shop.two() | many).items()})
    shop.upload(again)
    shop.unpack()
    assert sorted(shop.files().values()) == sorted(data + b" and new" for data in (shop.two() | many).values())
    assert shop.used() == shop.held()
    (shop.directory.input / "sent").write_bytes(b"by itself")
    shop.upload(archive(**{shop.key(shop.record, "sent"): b"in an archive"}), "other.tar.gz")
    with pytest.raises(ArchiveRefused, match="is there already"):
        shop.unpack("other.tar.gz")


def test_archives_of_a_request_hold_so_many_files(make_shop, monkeypatch):
    monkeypatch.setattr("wmproxy.unpacking.MAX_MEMBERS", 1)
    shop = make_shop()
    shop.upload(archive(**shop.two()))
    with pytest.raises(ArchiveRefused, match="too many members"):
        shop.unpack()


# -- on a node -----------------------------------------------------------------------------------------------

JDL = f"""[ Executable = "tool.sh"; StdOutput = "out"; OutputSandbox = {{ "out" }}; AllowZippedISB = true;
  InputSandbox = {{ "file:///home/me/tool.sh", "file:///home/me/data" }}; ZippedISB = {{ "{NAME}" }};
  Requirements = true; Rank = 1; ]"""
TOOL = b"#!/bin/sh\ncat data\n"


def start(door, job):
    return door.call(f"<w:jobStart><jobId>{job}</jobId></w:jobStart>")


@pytest.fixture
def job(alice):
    return alice.register(JDL)


def test_a_job_with_a_zipped_sandbox_runs(node, alice, job, sandbox_path):
    place = f"{sandbox_path(job)}/input"
    fault = start(alice, job).fault()
    assert (fault.kind, fault.code) == ("OperationNotAllowedFault", "1226")
    assert f"{NAME} has not been uploaded" in fault.description
    files = {f"{place[1:]}/tool.sh": TOOL, f"{place[1:]}/data": b"zipped\n"}
    assert alice.http("PUT", f"{place}/{NAME}", archive(**files)).status == 201
    start(alice, job).says("<glitens:jobStartResponse/>")
    assert node.wait(job) == "Done (Success)"
    assert alice.http("GET", f"{sandbox_path(job)}/output/out").body == b"zipped\n"
    assert alice.http("GET", f"{place}/{NAME}").status == 404
    assert alice.http("GET", f"{place}/data").headers["Digest"]


def test_a_bad_archive_is_refused_and_the_job_can_be_mended(node, alice, job, sandbox_path):
    place = f"{sandbox_path(job)}/input"
    evil = {f"{place[1:]}/tool.sh": TOOL, f"{sandbox_path(job)[1:]}/user.proxy": b"mine"}
    before = (node.root / "sandbox" / sandbox_path(job)[1:] / "user.proxy").read_bytes()
    assert alice.http("PUT", f"{place}/{NAME}", archive(**evil)).status == 201
    fault = start(alice, job).fault()
    assert (fault.kind, fault.method, fault.code) == ("InvalidArgumentFault", "jobStart", "1225")
    assert fault.description.startswith(f"Unable to untar ISB file '{NAME}': ")
    assert "leads out of the job's input directories" in fault.description
    assert (node.root / "sandbox" / sandbox_path(job)[1:] / "user.proxy").read_bytes() == before
    assert alice.http("GET", f"{place}/tool.sh").status == 404
    good = {f"{place[1:]}/tool.sh": TOOL, f"{place[1:]}/data": b"mended\n"}
    assert alice.http("PUT", f"{place}/{NAME}", archive(**good)).status == 204
    start(alice, job).says("<glitens:jobStartResponse/>")
    assert node.wait(job) == "Done (Success)"


def test_submitting_at_once_leaves_no_moment_for_an_archive(alice):
    text = JDL.replace("<", "&lt;")
    answer = alice.call(f"<w:jobSubmit><jdl>{text}</jdl><delegationId>wire</delegationId></w:jobSubmit>")
    assert answer.fault().code == "1226"


def test_the_nodes_of_a_collection_get_their_files(node, alice, sandbox_path):
    nodes = ",".join(
        f'[ NodeName = "n{index}"; Executable = "/bin/cat"; Arguments = "own"; InputSandbox = {{ "file:///x/own" }};'
        ' StdOutput = "out"; OutputSandbox = { "out" }; ]'
        for index in range(2)
    )
    text = (
        f'[ Type = "collection"; AllowZippedISB = true; ZippedISB = {{ "{NAME}" }}; Requirements = true; Rank = 1;'
        f" Nodes = {{ {nodes} }}; ]"
    )
    answer = alice.call(f"<w:jobRegister><jdl>{text}</jdl><delegationId>wire</delegationId></w:jobRegister>")
    parent, *ids = re.findall("<id>(.*?)</id>", answer.text)
    _, *own = re.findall("<path>(.*?)</path>", answer.text)
    files = {f"{path}/own": f"of {index}\n".encode() for index, path in enumerate(own)}
    assert alice.http("PUT", f"{sandbox_path(parent)}/input/{NAME}", archive(**files)).status == 201
    start(alice, parent).says("<glitens:jobStartResponse/>")
    assert node.wait(parent).startswith("Done")
    for index, one in enumerate(ids):
        assert alice.http("GET", f"{sandbox_path(one)}/output/out").body == f"of {index}\n".encode()
    assert not list((node.root / "sandbox").rglob(".unzipp*"))
