"""Whole file systems: room and durability."""

import ctypes
import errno
import os

import pytest

from grid import filesystem


def test_what_was_written_is_synced_and_a_failure_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    filesystem.sync(tmp_path)

    class Failing:
        @staticmethod
        def syncfs(descriptor):
            ctypes.set_errno(errno.EIO)
            return -1

    monkeypatch.setattr(filesystem, "_LIBC", Failing)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)) as failed:
        filesystem.sync(tmp_path)
    assert failed.value.errno == errno.EIO


def test_the_room_is_what_the_system_says(tmp_path):
    status = os.statvfs(tmp_path)
    assert filesystem.free(tmp_path) == pytest.approx(status.f_bavail * status.f_frsize, rel=0.1)
