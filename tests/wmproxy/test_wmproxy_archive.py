"""Zipped input sandboxes: what is unpacked, and that no archive reaches, costs or leaves more than it may."""

import contextlib
import gzip
import io
import os
import stat
import subprocess
import tarfile
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wmproxy.archive import HEADER_BYTES, Place, Unpacker
from wmproxy.errors import ArchiveRefused, QuotaExceeded

HERE = "SandboxDir/ab/https_3a_2f_2flocalhost_3a9000_2fabc/input"
NODE = "SandboxDir/cd/https_3a_2f_2flocalhost_3a9000_2fcde/input"


@pytest.fixture
def staging(tmp_path):
    path = tmp_path / "staging"
    path.mkdir()
    return path


def info(name, data=b"", **values):
    made = tarfile.TarInfo(name)
    made.size = len(data)
    for key, value in values.items():
        setattr(made, key, value)
    return made, data


def tarred(*members, form=tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for made, data in members:
            tar.addfile(made, io.BytesIO(data))
    return buffer.getvalue()


def unpack(staging, *archives, files=50, room=1_000_000, charge=lambda size: None, taken=()):
    """Unpack raw tars; returns what came of it, ``{place/name: bytes}``."""
    places = {key: Place(key, files, room, set(taken)) for key in (HERE, NODE)}
    unpacker = Unpacker(staging, places.get, 200, charge)
    for number, data in enumerate(archives):
        path = staging.parent / f"ISBfiles_{number}.tar.gz"
        path.write_bytes(gzip.compress(data, 1))
        unpacker.unpack(path)
    assert sorted(staging.iterdir()) == sorted(member.staged for member in unpacker.members.values())
    return {f"{m.place}/{m.name}": m.staged.read_bytes() for m in unpacker.members.values()}


def refused(staging, *archives, **limits) -> str:
    outside = {path for path in staging.parent.rglob("*") if path.is_file()}
    with pytest.raises(ArchiveRefused) as error:
        unpack(staging, *archives, **limits)
    assert error.value.code == 1225
    written = {path for path in staging.parent.rglob("*") if path.is_file()} - outside
    assert all(path.parent == staging or path.name.startswith("ISBfiles_") for path in written)
    assert not any(path.is_symlink() for path in staging.parent.rglob("*"))
    return error.value.reason


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_regular_files_go_to_their_places(staging, form):
    long = "x" * 90 if form == tarfile.USTAR_FORMAT else "ä" * 120
    tar = tarred(info(f"{HERE}/a", b"one"), info(f"./{NODE}/{long}", b"two" * 1000), info(f"{HERE}/.rc"), form=form)
    assert unpack(staging, tar) == {f"{HERE}/a": b"one", f"{NODE}/{long}": b"two" * 1000, f"{HERE}/.rc": b""}


def test_what_tar_itself_packs_is_taken(staging, tmp_path):
    root = tmp_path / "root"
    (root / HERE).mkdir(parents=True)
    (root / HERE / "data").write_bytes(os.urandom(100_000))
    (root / HERE / "empty").touch()
    os.link(root / HERE / "data", root / HERE / "same")
    tar = subprocess.run(["/bin/tar", "-C", str(root), "-cf", "-", "SandboxDir"], capture_output=True, check=True)
    data = (root / HERE / "data").read_bytes()
    assert unpack(staging, tar.stdout) == {f"{HERE}/data": data, f"{HERE}/same": data, f"{HERE}/empty": b""}


def test_nothing_of_a_member_counts_but_its_bytes(staging):
    tar = tarred(info(f"{HERE}/tool", b"#!", mode=0o6777, uid=12345, gid=54321, mtime=1))
    unpack(staging, tar)
    status = (staging / "0").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o600, os.getuid(), os.getgid())
    assert status.st_mtime > 1000
    assert status.st_nlink == 1


def test_a_link_to_an_earlier_member_is_a_copy(staging):
    link = info(f"{NODE}/shared", type=tarfile.LNKTYPE, linkname=f"{HERE}/data")
    found = unpack(staging, tarred(info(f"{HERE}/data", b"shared by nodes"), link))
    assert found == {f"{HERE}/data": b"shared by nodes", f"{NODE}/shared": b"shared by nodes"}
    assert all(path.stat().st_nlink == 1 for path in staging.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "leads out"),
        (f"/{HERE}/x", "leads out"),
        (f"{HERE}/../../../../x", "leads out"),
        (f"{HERE}/../user.proxy", "leads out"),
        (f"{HERE}/..", "has the segment"),
        (f"{HERE}/.", "has the segment"),
        (f"{HERE}/sub/x", "leads out"),
        (f"{HERE}//x", "leads out"),
        (f"./../{HERE}/x", "leads out"),
        ("x", "leads out"),
        (HERE.replace("ab/", "ef/") + "/x", "leads out"),
        (HERE.removesuffix("input") + "output/x", "leads out"),
        (HERE.removesuffix("/input") + "/user.proxy", "leads out"),
        (f"{HERE}/.upload-0123456789abcdef", "a name of the server's own"),
        (f"{HERE}/a\\b", "slash or backslash"),
        (f"{HERE}/a\nb", "control character"),
        (f"{HERE}/a\x7f", "control character"),
        (f"{HERE}/" + "x" * 256, "longer than 255 bytes"),
    ],
)
def test_a_name_that_leads_anywhere_else_is_refused(staging, name, reason):
    assert reason in refused(staging, tarred(info(f"{HERE}/good", b"x"), info(name, b"evil")))


def test_a_name_that_is_no_text_is_refused(staging):
    assert "leads out" in refused(staging, tarred(info("\udcff/x", b"x")))
    assert "control character" in refused(staging, tarred(info(f"{HERE}/\udcff", b"x")))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "a symbolic link"), (tarfile.CHRTYPE, "a device"), (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"), (b"Z", "no regular file"), (tarfile.GNUTYPE_SPARSE, "no regular file"),
    ],
)  # fmt: skip
def test_what_is_no_regular_file_is_refused(staging, kind, word):
    evil = info(f"{HERE}/evil", type=kind, linkname="/etc/passwd")
    reason = refused(staging, tarred(evil, info(f"{HERE}/evil/through", b"x")))
    assert word in reason or "cannot be read" in reason


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd", f"{HERE}/later", f"{HERE}/../user.proxy", ""])
def test_a_hard_link_that_leads_out_or_ahead_is_refused(staging, target):
    link = info(f"{HERE}/link", type=tarfile.LNKTYPE, linkname=target)
    assert "is no earlier member" in refused(staging, tarred(link, info(f"{HERE}/later", b"x")))


def test_a_name_that_comes_twice_is_refused(staging):
    assert "each file may come once" in refused(staging, tarred(info(f"{HERE}/a", b"1"), info(f"./{HERE}/a", b"2")))
    for path in staging.iterdir():
        path.unlink()
    assert "each file may come once" in refused(staging, tarred(info(f"{HERE}/a")), tarred(info(f"{HERE}/a")))
    for path in staging.iterdir():
        path.unlink()
    assert "is there already" in refused(staging, tarred(info(f"{HERE}/a")), taken={"a"})


def test_size_and_number_of_files_are_limited(staging):
    reason = refused(staging, tarred(info(f"{HERE}/a", bytes(600)), info(f"{HERE}/b", bytes(500))), room=1000)
    assert reason.endswith("/b' has 500 bytes, and the input sandbox takes 400 more")
    for path in staging.iterdir():
        path.unlink()
    members = [info(f"{HERE}/{number}") for number in range(6)]
    assert "has too many files" in refused(staging, tarred(*members), files=5)


def test_links_count_as_what_they_become(staging):
    links = [info(f"{HERE}/{n}", type=tarfile.LNKTYPE, linkname=f"{HERE}/a") for n in range(9)]
    assert "takes 200 more" in refused(staging, tarred(info(f"{HERE}/a", bytes(400)), *links), room=1000)


def test_quota_is_asked_before_a_byte_is_written(staging):
    asked = []

    def charge(size):
        asked.append(size)
        if sum(asked) > 10:
            raise QuotaExceeded(10, size, 10)

    with pytest.raises(QuotaExceeded):
        unpack(staging, tarred(info(f"{HERE}/a", bytes(10)), info(f"{HERE}/b", bytes(7))), charge=charge)
    assert asked == [10, 7]
    assert [path.stat().st_size for path in staging.iterdir()] == [10]


def raw(name: bytes, size: int, kind: bytes = b"0") -> bytes:
    """A header with a size of its own choosing, in base 256 when it is large."""
    made = tarfile.TarInfo(name.decode())
    made.size, made.type = size, kind
    return made.tobuf(tarfile.GNU_FORMAT)


def test_a_petabyte_that_is_only_announced_is_refused_at_once(staging):
    begin = time.monotonic()
    assert f"has {10**15} bytes" in refused(staging, raw(HERE.encode() + b"/a", 10**15) + bytes(2048))
    assert "cannot be read" in refused(staging, raw(HERE.encode() + b"/a", 10**5) + bytes(2048))  # and is not there
    assert time.monotonic() - begin < 1


def pax(records: bytes) -> bytes:
    return raw(b"pax", len(records), b"x") + records.ljust(-(-len(records) // 512) * 512, b"\0")


def record(key: str, value: str) -> bytes:
    body = f" {key}={value}\n".encode()
    length = len(body) + len(str(len(body)))
    length += len(str(length)) - len(str(len(body)))
    return str(length).encode() + body


@pytest.mark.parametrize(
    "bomb",
    [
        raw(b"pax", 10**9, b"x") + bytes(10**6),
        raw(b"pax", 10**9, b"g") + bytes(10**6),
        raw(b"long", 10**9, b"L") + bytes(10**6),
        pax(record("path", "x" * HEADER_BYTES)) + raw(b"a", 0),
        pax(record("comment", "x" * 200)) * 10_000 + raw(b"a", 0),
        raw(b"long", 0, b"L") * 10_000 + raw(b"a", 0),
        raw(b"pax", 0, b"x") * 10_000 + raw(b"a", 0),
        pax(record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") + record("GNU.sparse.name", "x"))
        + raw(b"a", 10**8) + b"50000000\n".ljust(512, b"\0") + b"0\n" * 10**6,
        pax(record("GNU.sparse.map", "0,1," * 10_000 + "0,1")) + raw(b"a", 1),
        pax(record("size", "-1")) + raw(HERE.encode() + b"/a", 0),
        pax(record("size", "9" * 4000)) + raw(HERE.encode() + b"/a", 0),
        b"\0" * 10**8,
    ],
    ids=["pax", "global pax", "long name", "long path", "many pax", "many long names", "empty pax", "sparse 1.0",
         "sparse 0.1", "negative size", "long size", "zeros behind the end"],
)  # fmt: skip
def test_a_bomb_costs_neither_memory_nor_time(staging, bomb):
    path = staging.parent / "bomb.tar.gz"
    path.write_bytes(gzip.compress(bomb + bytes(1024), 1))
    unpacker = Unpacker(staging, {HERE: Place(HERE, 50, 10**6)}.get, 200, lambda size: None)
    begin = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveRefused):
            unpacker.unpack(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begin < 5
    assert list(staging.iterdir()) == []


def test_a_gzip_bomb_is_refused_by_what_it_announces(staging):
    begin = time.monotonic()
    assert "takes 1000000 more" in refused(staging, raw(HERE.encode() + b"/a", 10**8) + bytes(10**8))
    assert list(staging.iterdir()) == []
    assert time.monotonic() - begin < 3


def test_millions_of_members_are_refused(staging):
    member = raw(HERE.encode(), 0, tarfile.DIRTYPE)
    begin = time.monotonic()
    assert "too many members" in refused(staging, member * 20_000)
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("spoil", ["cut", "checksum", "header", "plain", "empty", "nested"])
def test_a_damaged_archive_is_refused(staging, spoil):
    tar = tarred(info(f"{HERE}/a", b"1" * 3000), info(f"{HERE}/b", b"2"))
    if spoil == "header":
        damaged = bytearray(tar)
        damaged[4 * 512 + 3 * 512 : 4 * 512 + 3 * 512 + 8] = b"garbage!"
        assert refused(staging, bytes(damaged)).startswith("it cannot be read")
        return
    data = gzip.compress(tar)
    spoilt = {
        "cut": data[:-30], "checksum": data[:-8] + b"12345678", "plain": tar, "empty": b"",
        "nested": gzip.compress(data),
    }[spoil]  # fmt: skip
    path = staging.parent / "ISBfiles_x.tar.gz"
    path.write_bytes(spoilt)
    with pytest.raises(ArchiveRefused, match=r"untar ISB file 'ISBfiles_x\.tar\.gz': it cannot be read"):
        Unpacker(staging, {HERE: Place(HERE, 50, 10**6)}.get, 200, lambda size: None).unpack(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(data=st.data())
def test_no_bytes_whatever_raise_anything_else_or_leave_the_staging_directory(tmp_path_factory, data):
    root = tmp_path_factory.mktemp("any")
    staging = root / "staging"
    staging.mkdir()
    tar = bytearray(tarred(info(f"{HERE}/a", b"1" * 700), info(f"{NODE}/b", b"2"), form=data.draw(st.integers(0, 2))))
    for _ in range(data.draw(st.integers(1, 8))):
        tar[data.draw(st.integers(0, 2047))] = data.draw(st.integers(0, 255))
    path = root / "archive.tar.gz"
    path.write_bytes(gzip.compress(bytes(tar), 1))
    places = {key: Place(key, 9, 9999) for key in (HERE, NODE)}
    unpacker = Unpacker(staging, places.get, 200, lambda size: None)
    with contextlib.suppress(ArchiveRefused):
        unpacker.unpack(path)
    assert {found for found in root.rglob("*") if found.parent != staging} == {staging, path}
    for member in unpacker.members.values():
        assert member.place in (HERE, NODE)
        assert "/" not in member.name
        assert Path(member.staged).parent == staging
