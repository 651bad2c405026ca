"""The peek directory: bytes of a file are served once, in their order, whatever dies on the way."""

import multiprocessing
import os
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wmproxy import peek as module
from wmproxy.peek import PeekDirectory, chunk_file, is_merged


@pytest.fixture
def peek(tmp_path):
    return PeekDirectory(tmp_path)


def chunk(peek, number, data, file="out"):
    name = f"{file}.20261127230000_{number:06d}"
    (peek.path / name).write_bytes(data)
    return name


def content(peek, names):
    return b"".join((peek.path / name).read_bytes() for name in names)


def test_chunks_are_merged_in_order_under_the_first_and_the_last_stamp_and_are_gone(peek):
    for number in (2, 1, 3):
        chunk(peek, number, b"%d" % number)
    chunk(peek, 9, b"x", file="out.txt")
    chunk(peek, 9, b"x", file="other")
    names = peek.merge("out")
    assert names == ["out-20261127230000_000001-20261127230000_000003"]
    assert content(peek, names) == b"123"
    assert peek.merge("out") == []
    chunk(peek, 10, b"10")
    assert content(peek, peek.merge("out")) == b"10"
    assert [merged.name[-6:] for merged in peek.merged("out")] == ["000003", "000010"]
    assert sorted(os.listdir(peek.path))[:2] == ["other.20261127230000_000009", names[0]]


def test_a_merged_file_that_would_be_too_large_is_followed_by_another(peek):
    for number in range(1, 6):
        chunk(peek, number, b"%d" % number * 4)
    names = peek.merge("out", most=10)
    assert [content(peek, [name]) for name in names] == [b"11112222", b"33334444", b"5555"]


def test_stamps_order_by_number_where_names_do_not(peek):
    for number, data in ((9, b"a"), (10, b"b")):
        (peek.path / f"out.20261127230000_{number}").write_bytes(data)
    names = peek.merge("out")
    assert names == ["out-20261127230000_9-20261127230000_10"]
    assert content(peek, names) == b"ab"


def test_what_is_no_regular_file_is_neither_read_nor_removed(peek, tmp_path_factory):
    secret = tmp_path_factory.mktemp("secret") / "file"
    secret.write_bytes(b"secret")
    (peek.path / "out.20261127230000_000001").symlink_to(secret)
    os.mkfifo(peek.path / "out.20261127230000_000002")
    (peek.path / "out.20261127230000_000003").mkdir()
    chunk(peek, 4, b"mine")
    assert content(peek, peek.merge("out")) == b"mine"
    assert secret.read_bytes() == b"secret"


def test_a_chunk_that_was_merged_is_known_again(peek):
    name = chunk(peek, 3, b"x")
    assert not peek.holds(name)
    peek.merge("out")
    assert peek.holds(name)
    assert not peek.holds("out.20261127230000_000004")
    assert not peek.holds(name.replace("out", "other"))


def _merge_and_die(path, step):
    def dying(name):
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)

    module.point = dying
    removed = 0
    unlink = os.unlink

    def one(*arguments, **options):
        nonlocal removed
        unlink(*arguments, **options)
        removed += 1
        if step == "first removal" and removed == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    module.os.unlink = one
    PeekDirectory(path).merge("out")


@pytest.mark.parametrize("step", ["wmproxy.perusal.merged", "first removal"])
def test_what_a_killed_call_did_not_answer_the_next_one_answers_once(peek, step):
    for number in (1, 2, 3):
        chunk(peek, number, b"%d" % number)
    child = multiprocessing.get_context("fork").Process(target=_merge_and_die, args=(peek.path, step))
    child.start()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    chunk(peek, 4, b"4")
    names = peek.merge("out")
    assert content(peek, names) == b"1234"
    assert len(names) == 2
    assert peek.merge("out") == []


def test_what_a_killed_merge_left_half_written_is_removed(peek):
    (peek.path / ".merge-0123").write_bytes(b"half")
    chunk(peek, 1, b"x")
    assert content(peek, peek.merge("out")) == b"x"
    assert not (peek.path / ".merge-0123").exists()


@settings(deadline=None)
@given(
    calls=st.lists(st.lists(st.binary(min_size=1, max_size=8), max_size=5), max_size=6),
    most=st.integers(1, 20),
)
def test_every_byte_is_served_once_and_in_order(tmp_path_factory, calls, most):
    peek = PeekDirectory(tmp_path_factory.mktemp("peek"))
    number, served, every = 0, [], b""
    for arrivals in calls:
        for data in arrivals:
            number += 1
            chunk(peek, number, data)
            every += data
        served += peek.merge("out", most)
    assert content(peek, served) == every
    assert [merged.name for merged in peek.merged("out")] == served


@pytest.mark.parametrize("name", ["out", "out.1_1", "files2peek", ".20261127230000_1", "out.20261127230000_", "../x"])
def test_other_names_are_neither_chunks_nor_merged_files(name):
    assert chunk_file(name) is None
    assert not is_merged(name)


def test_the_list_is_replaced_and_removed(peek):
    peek.enlist(["a", "dir/b c"])
    assert (peek.path / "files2peek").read_text() == "a\ndir/b c\n"
    assert peek.listed() == ("a", "dir/b c")
    peek.enlist(["c"])
    assert peek.listed() == ("c",)
    peek.enlist([])
    assert peek.listed() == ()
    assert os.listdir(peek.path) == []
