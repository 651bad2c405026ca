"""The wrapper looks at files while the payload runs: only new bytes, by the interval, and never to the job's harm."""

from __future__ import annotations

import os
import re
import signal

import pytest

LIST = "/peek/files2peek"
CHUNK = re.compile(r"/peek/(?P<file>.+)\.(?P<stamp>\d{14}_\d{6})")


@pytest.fixture
def perusal(server):
    behaviour, base = server
    behaviour.files[LIST] = b"out\n"
    return {"list": f"{base}{LIST}", "to": f"{base}/peek", "seconds": 0.2}


def chunks(behaviour, file="out"):
    """The bytes of each chunk of a file, in the order of their names."""
    found = {path: CHUNK.fullmatch(path) for path in list(behaviour.files)}
    paths = sorted(path for path, match in found.items() if match and match["file"] == file)
    return [behaviour.files[path] for path in paths]


def test_new_bytes_come_while_the_payload_runs_and_the_rest_at_its_end(wrapped, server, perusal, until):
    behaviour, _ = server
    script = "echo one; while [ ! -e go1 ]; do sleep 0.05; done; echo two; while [ ! -e go2 ]; do sleep 0.05; done"
    child = wrapped.begin(arguments=["-c", script + "; echo three"], perusal=perusal)
    until(lambda: chunks(behaviour) == [b"one\n"])
    (wrapped.work / "go1").touch()
    until(lambda: chunks(behaviour) == [b"one\n", b"two\n"])
    perusal["seconds"] = 60
    (wrapped.work / "go2").touch()
    assert child.wait(10.0) == 0
    assert b"".join(chunks(behaviour)) == b"one\ntwo\nthree\n"
    assert wrapped.result()["class"] == "ok"


def test_the_last_look_sends_what_no_interval_came_to(wrapped, server, perusal):
    behaviour, _ = server
    result = wrapped.shell("head -c 3000000 /dev/urandom", perusal=perusal | {"seconds": 3600})
    assert result["class"] == "ok"
    assert b"".join(chunks(behaviour)) == (wrapped.work / "out").read_bytes()
    assert len(chunks(behaviour)) == 3


def test_the_list_may_begin_and_change_while_the_job_runs(wrapped, server, perusal, until):
    behaviour, _ = server
    del behaviour.files[LIST]
    child = wrapped.begin(
        arguments=["-c", "echo a; mkdir sub; echo b > sub/log; while [ ! -e go ]; do sleep 0.05; done"], perusal=perusal
    )
    until(lambda: sum(path == LIST for _, path, _ in behaviour.seen) >= 2)
    assert chunks(behaviour) == []
    behaviour.files[LIST] = b"sub/log\n"
    until(lambda: chunks(behaviour, "log") == [b"b\n"])
    behaviour.files[LIST] = b"out\nsub/log\n"
    until(lambda: chunks(behaviour) == [b"a\n"])
    (wrapped.work / "go").touch()
    assert child.wait(10.0) == 0
    assert chunks(behaviour, "log") == [b"b\n"]


def test_a_truncated_and_a_replaced_file_begin_anew(wrapped, server, perusal, until):
    behaviour, _ = server
    behaviour.files[LIST] = b"f\n"
    script = (
        "echo a long line > f; while [ ! -e go1 ]; do sleep 0.05; done; echo short > f;"
        "while [ ! -e go2 ]; do sleep 0.05; done; echo a whole new file > g; mv g f"
    )
    child = wrapped.begin(arguments=["-c", script], perusal=perusal)
    until(lambda: chunks(behaviour, "f") == [b"a long line\n"])
    (wrapped.work / "go1").touch()
    until(lambda: chunks(behaviour, "f")[1:] == [b"short\n"])
    (wrapped.work / "go2").touch()
    assert child.wait(10.0) == 0
    assert chunks(behaviour, "f")[2:] == [b"a whole new file\n"]


def test_no_link_device_or_fifo_leads_out_of_the_working_directory(wrapped, server, perusal, place):
    behaviour, _ = server
    (place / "secret").write_text("secret")
    behaviour.files[LIST] = b"link\ndir/secret\nfifo\ndir\n../secret\n" + str(place / "secret").encode() + b"\ninner\n"
    wrapped.shell(
        f"ln -s {place}/secret link; ln -s {place} dir; mkfifo fifo; echo mine > real; ln -s real inner; sleep 1",
        perusal=perusal,
    )
    assert {CHUNK.fullmatch(path)["file"] for path in behaviour.files if CHUNK.fullmatch(path)} == {"inner"}
    assert not any(b"secret" in data for path, data in behaviour.files.items() if path != LIST)


def test_a_chunk_whose_answer_was_lost_comes_again_under_its_own_name(wrapped, server, perusal, until):
    behaviour, _ = server
    script = "while [ ! -e go ]; do sleep 0.05; done; echo bytes; sleep 1.2"
    child = wrapped.begin(arguments=["-c", script], perusal=perusal)
    until(lambda: behaviour.seen)
    behaviour.put_faults = ["lost", 503]
    (wrapped.work / "go").touch()
    assert child.wait(10.0) == 0
    assert chunks(behaviour) == [b"bytes\n"]
    puts = [path for method, path, _ in behaviour.seen if method == "PUT"]
    assert len(puts) == 3
    assert len(set(puts)) == 1


def test_a_chunk_that_was_taken_although_its_answer_was_lost_is_not_sent_under_another_name(
    wrapped, server, perusal, until
):
    behaviour, _ = server
    child = wrapped.begin(arguments=["-c", "echo bytes; sleep 1; echo more"], perusal=perusal)
    behaviour.put_faults = ["lost", 409]
    assert child.wait(10.0) == 0
    assert chunks(behaviour) == [b"bytes\n", b"more\n"]


@pytest.mark.parametrize("status", [403, 413, 500, 507])
def test_a_server_that_refuses_chunks_does_not_harm_the_job(wrapped, server, perusal, status):
    behaviour, _ = server
    behaviour.put_faults = [status] * 1000
    result = wrapped.shell("echo bytes; sleep 1", perusal=perusal)
    assert (result["class"], result["exit_code"]) == ("ok", 0)
    assert chunks(behaviour) == []
    assert sum(method == "PUT" for method, _, _ in behaviour.seen) <= 3


def test_a_server_that_is_not_there_does_not_harm_the_job(wrapped, server, perusal):
    nowhere = perusal | {"list": "https://localhost:1/files2peek", "to": "https://localhost:1/peek"}
    result = wrapped.shell("echo bytes; exit 7", perusal=nowhere)
    assert (result["class"], result["exit_code"]) == ("ok", 7)


def test_a_signal_ends_the_job_at_once_while_files_are_looked_at(wrapped, server, perusal, until, alive):
    behaviour, _ = server
    child = wrapped.begin(arguments=["-c", "echo $$; sleep 60"], perusal=perusal)
    until(lambda: chunks(behaviour))
    child.send_signal(signal.SIGTERM)
    assert child.wait(5.0) == 0
    assert wrapped.result()["reason"] == "Job has been terminated (got SIGTERM)"
    assert not alive(int(wrapped.output()))


def test_one_look_sends_no_more_than_its_share(wrapped, server, perusal, until):
    behaviour, _ = server
    child = wrapped.begin(
        arguments=["-c", "head -c 40000000 /dev/zero; touch made; while [ ! -e go ]; do sleep 0.05; done"],
        perusal=perusal | {"seconds": 2},
    )
    until((wrapped.work / "made").exists)
    until(lambda: sum(map(len, chunks(behaviour))) >= 16 << 20)
    (wrapped.work / "go").touch()
    most = max(len(data) for data in chunks(behaviour))
    assert child.wait(30.0) == 0
    assert most == 1 << 20
    assert sum(map(len, chunks(behaviour))) == 40_000_000 == os.path.getsize(wrapped.work / "out")
