"""Private files, and the points where a test may end a process."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from grid.errors import FileSystemFailure
from grid.files import make_directory, read_bounded, write_new, write_private


def test_a_private_file_has_its_mode_whatever_the_umask(tmp_path):
    old = os.umask(0)
    try:
        write_private(tmp_path / "key", b"secret")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "key").mkdir()
    with pytest.raises(OSError):
        write_private(tmp_path / "key", b"secret")
    assert [p.name for p in tmp_path.iterdir()] == ["key"]


def test_a_planted_link_is_replaced_and_not_followed(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    (tmp_path / "key").symlink_to(target)
    write_private(tmp_path / "key", b"new")
    assert target.read_text() == "old"
    assert not (tmp_path / "key").is_symlink()


def test_reading_refuses_links_pipes_and_more_than_the_limit(tmp_path):
    (tmp_path / "big").write_bytes(b"x" * 11)
    with pytest.raises(FileSystemFailure, match="larger than 10"):
        read_bounded(tmp_path / "big", 10)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileSystemFailure, match="regular"):
        read_bounded(tmp_path / "pipe", 10)
    (tmp_path / "link").symlink_to(tmp_path / "big")
    with pytest.raises(OSError):
        read_bounded(tmp_path / "link", 100)


def test_a_file_in_the_way_of_a_directory_is_named(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(FileSystemFailure, match="not a directory"):
        make_directory(tmp_path / "x")


def run_point(tmp_path, armed):
    code = "from grid.faultpoints import point\nfor n in range(3): point('a.b')\nprint('alive')"
    environment = {**os.environ, "WMS_FAULT_POINT": armed, "WMS_FAULT_MARKER": str(tmp_path / "marker")}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30
    )


def test_an_armed_point_kills_once_and_then_lets_pass(tmp_path):
    assert run_point(tmp_path, "a.b@2").returncode == -signal.SIGKILL
    assert (tmp_path / "marker").exists()
    assert run_point(tmp_path, "a.b@2").stdout == "alive\n"


def test_points_do_nothing_when_another_or_none_is_armed(tmp_path):
    assert run_point(tmp_path, "x.y").stdout == "alive\n"
    assert run_point(tmp_path, "").stdout == "alive\n"


def run_file(tmp_path, *arguments):
    code = "from grid.faultpoints import point\nfor n in range(3): point('a.b')\nprint('alive')"
    environment = {**os.environ, "WMS_FAULT_FILE": str(tmp_path / "armed")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, timeout=30
    )


def test_a_file_arms_a_point_for_the_named_programs_only_and_only_once(tmp_path):
    (tmp_path / "armed").write_text("a.b@3 broker\n")
    assert run_file(tmp_path, "lb").stdout == "alive\n"
    assert run_file(tmp_path, "broker").returncode == -signal.SIGKILL
    assert (tmp_path / "armed.hit").read_text() == "a.b@3 broker\n"
    assert run_file(tmp_path, "broker").stdout == "alive\n"


def test_a_file_that_names_another_point_or_none_harms_nobody(tmp_path):
    for text in ("x.y\n", "a.b@4\n", ""):
        (tmp_path / "armed").write_text(text)
        assert run_file(tmp_path, "broker").stdout == "alive\n"


def test_a_new_file_is_private_and_never_replaces_anything(tmp_path):
    previous = os.umask(0)
    try:
        write_new(tmp_path / "key", b"secret")
    finally:
        os.umask(previous)
    assert (tmp_path / "key").read_bytes() == b"secret"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "key", b"other")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "link", b"other")
    assert (tmp_path / "key").read_bytes() == b"secret" and not (tmp_path / "elsewhere").exists()
