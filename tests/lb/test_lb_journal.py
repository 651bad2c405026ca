"""Journals: durable lines, one writer, segments, repair of an unfinished line."""

from __future__ import annotations

import os
import threading

import pytest

from grid.errors import FileSystemFailure, InvalidArgument
from lb.errors import JournalBusy
from lb.journal import Journal


def lines_of(directory):
    return [line for path in sorted(directory.glob("*.log")) for line in path.read_text().splitlines()]


def test_lines_stand_in_the_file_in_order_with_a_private_mode(tmp_path):
    with Journal(tmp_path / "wmproxy.0.log") as journal:
        journal.append(["one", "two"])
        journal.append(["three"])
        journal.append([])
        assert lines_of(tmp_path) == ["one", "two", "three"]
    (segment,) = tmp_path.iterdir()
    assert segment.name == "wmproxy.0.00000001.log"
    assert segment.stat().st_mode & 0o777 == 0o600


def test_threads_share_an_fsync_and_lose_nothing(tmp_path, monkeypatch):
    count = 0
    real = os.fsync

    def counting(descriptor):
        nonlocal count
        count += 1
        real(descriptor)

    monkeypatch.setattr(os, "fsync", counting)
    with Journal(tmp_path / "s.0.log") as journal:
        threads = [
            threading.Thread(target=lambda n=n: [journal.append([f"{n}-{i}"]) for i in range(25)]) for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    found = lines_of(tmp_path)
    assert len(found) == 200
    for n in range(8):
        assert [x for x in found if x.startswith(f"{n}-")] == [f"{n}-{i}" for i in range(25)]
    assert count < 200


def test_a_second_writer_is_refused_until_the_first_gives_up(tmp_path):
    first, second = Journal(tmp_path / "s.0.log"), Journal(tmp_path / "s.0.log")
    first.append(["a"])
    with pytest.raises(JournalBusy):
        second.append(["b"])
    first.close()
    second.append(["c"])
    second.close()
    assert lines_of(tmp_path) == ["a", "c"]


def test_a_line_that_a_crash_left_unfinished_is_cut_off(tmp_path):
    segment = tmp_path / "s.0.00000001.log"
    segment.write_bytes(b"whole\n" + b"x" * 200_000)
    with Journal(tmp_path / "s.0.log") as journal:
        journal.append(["next"])
    assert segment.read_text() == "whole\nnext\n"


def test_a_full_segment_is_followed_by_the_next(tmp_path):
    with Journal(tmp_path / "s.0.log", segment_bytes=10) as journal:
        for number in range(5):
            journal.append([f"line-{number}"])
    assert [p.name for p in sorted(tmp_path.iterdir())] == [f"s.0.0000000{n}.log" for n in (1, 2, 3)]
    with Journal(tmp_path / "s.0.log", segment_bytes=10) as journal:
        journal.append(["line-5"])
    assert lines_of(tmp_path) == [f"line-{n}" for n in range(6)]


def test_a_segment_that_vanished_while_nobody_wrote_is_begun_anew(tmp_path):
    with Journal(tmp_path / "s.0.log") as journal:
        journal.append(["a"])
        journal.close()
        (tmp_path / "s.0.00000001.log").unlink()
        journal.append(["b"])
        assert lines_of(tmp_path) == ["b"]


def test_a_full_disk_fails_the_callers_and_leaves_no_part_of_a_line(tmp_path, monkeypatch):
    with Journal(tmp_path / "s.0.log") as journal:
        journal.append(["a"])
        real = os.write
        monkeypatch.setattr(os, "write", lambda d, data: real(d, bytes(data)[:3]) if len(data) > 3 else _full())
        with pytest.raises(FileSystemFailure):
            journal.append(["lost-line"])
        monkeypatch.undo()
        journal.append(["b"])
    assert lines_of(tmp_path) == ["a", "b"]


def _full():
    raise OSError(28, "No space left on device")


def test_a_newline_inside_a_line_is_refused(tmp_path):
    with pytest.raises(InvalidArgument):
        Journal(tmp_path / "s.0.log").append(["a\nb"])
