"""The fork batch system: real processes, slots, cancellation, adoption by another process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import pytest

import ce.wrapper
from ce.fork import Fork
from ce.lrms import BatchJob, LocalAccount
from ce.process import ProcessId
from grid.errors import InternalFailure, InvalidArgument


class Record:
    """A watcher that remembers and may refuse."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        self.gone: list[str] = []
        self.bad: list[tuple[str, str]] = []
        self.deny: set[str] = set()
        self.fail = 0
        self.lock = threading.Lock()

    def assigned(self, places: Sequence[tuple[str, str]]) -> Collection[str]:
        with self.lock:
            if self.fail:
                self.fail -= 1
                raise InternalFailure("the database is away")
            self.places.update(places)
            return {name for name, _ in places} - self.deny

    def ended(self, job: str) -> None:
        self.gone.append(job)

    def refused(self, job: str, reason: str) -> None:
        self.bad.append((job, reason))


@pytest.fixture
def account() -> LocalAccount:
    return LocalAccount(os.geteuid(), os.getegid(), False)


@pytest.fixture
def make(place: Path, account: LocalAccount) -> Callable[..., BatchJob]:
    def _make(name: str, *command: str, queue: str = "q", slots: int = 1) -> BatchJob:
        control = place / name / "control"
        for directory in (control, place / name / "work", place / name / "tmp"):
            directory.mkdir(parents=True)
        (control / "wrapper.py").write_bytes(Path(ce.wrapper.__file__).read_bytes())
        order = {
            "executable": command[0],
            "arguments": command[1:],
            "environment": [],
            "internals": {"GLITE_CREAM_JOBID": name},
            "input": [],
            "output": [],
            "work": str(place / name / "work"),
            "tmp": str(place / name / "tmp"),
            "proxy": "/nowhere",
            "certificates": "/nowhere",
            "kill_grace": 0.5,
        }
        (control / "job.json").write_text(json.dumps(order))
        return BatchJob(name, queue, control, account, slots)

    return _make


@pytest.fixture
def watcher() -> Record:
    return Record()


@pytest.fixture
def fork(watcher: Record, python: Path) -> Iterator[Fork]:
    lrms = Fork({"q": 1, "wide": 3}, python, watcher, grace=3.0)
    lrms.start()
    yield lrms
    lrms.close()


def result(job: BatchJob) -> dict[str, object]:
    return dict(json.loads((job.control / "result.json").read_text()))


def test_a_job_runs_in_its_own_session_and_its_end_is_told(fork, watcher, make, until, alive):
    job = make("one", "/bin/sh", "-c", "ps -o sid= -p $$ > sid; exit 3")
    fork.submit(job)
    until(lambda: watcher.gone == ["one"])
    assert result(job)["exit_code"] == 3
    process = ProcessId.parse(watcher.places["one"])
    assert int((job.control.parent / "work" / "sid").read_text()) == process.pid != os.getsid(0)


def test_no_more_jobs_run_than_a_queue_has_slots_and_the_next_starts_when_one_ends(fork, watcher, make, until, alive):
    first, second = make("one", "/bin/sleep", "60"), make("two", "/bin/true")
    fork.submit(first)
    fork.submit(second)
    until(lambda: "one" in watcher.places)
    assert (fork.load("q").running, fork.load("q").waiting) == (1, 1)
    assert "two" not in watcher.places
    fork.cancel("one")
    until(lambda: watcher.gone == ["one", "two"])
    assert result(second)["class"] == "ok"


def test_a_job_of_several_slots_begins_when_they_are_free_and_keeps_them(fork, watcher, make, until):
    fork.submit(make("one", "/bin/sleep", "60", queue="wide"))
    fork.submit(make("two", "/bin/sleep", "60", queue="wide", slots=3))
    fork.submit(make("three", "/bin/sleep", "60", queue="wide"))
    until(lambda: "one" in watcher.places)
    assert (fork.load("wide").running, fork.load("wide").waiting) == (1, 2)
    fork.cancel("one")
    until(lambda: "two" in watcher.places)
    assert (fork.load("wide").running, fork.load("wide").waiting) == (1, 1)
    fork.cancel("two")
    until(lambda: "three" in watcher.places)
    fork.cancel("three")
    until(lambda: len(watcher.gone) == 3)


def test_cancelling_a_waiting_job_means_it_never_starts(fork, watcher, make, until, alive):
    fork.submit(make("one", "/bin/sleep", "60"))
    fork.submit(make("two", "/bin/true"))
    until(lambda: "one" in watcher.places)
    assert fork.cancel("two") is True
    assert fork.cancel("one") is False
    until(lambda: watcher.gone == ["one"])
    assert "two" not in watcher.places


def test_cancelling_ends_a_payload_that_ignores_signals_and_its_daemons(fork, watcher, make, until, alive):
    script = "trap '' TERM; setsid sleep 300 & echo $! > daemon; sleep 300 & echo $! > child; wait; sleep 300"
    job = make("one", "/bin/sh", "-c", script)
    fork.submit(job)
    work = job.control.parent / "work"
    until(lambda: (work / "child").exists() and (work / "child").read_text())
    pids = [int((work / name).read_text()) for name in ("daemon", "child")]
    fork.cancel("one")
    until(lambda: watcher.gone == ["one"])
    until(lambda: not any(alive(pid) for pid in pids))
    assert result(job)["reason"] == "Job has been terminated (got SIGTERM)"


def test_a_wrapper_killed_with_9_leaves_no_payload(fork, watcher, make, until, alive):
    job = make("one", "/bin/sh", "-c", "echo $$ > pid; sleep 300")
    fork.submit(job)
    pid = job.control.parent / "work" / "pid"
    until(lambda: pid.exists() and pid.read_text())
    os.kill(ProcessId.parse(watcher.places["one"]).pid, signal.SIGKILL)
    until(lambda: watcher.gone == ["one"])
    until(lambda: not alive(int(pid.read_text())))
    assert not (job.control / "result.json").exists()


def test_a_job_that_is_not_admitted_does_nothing(fork, watcher, make, until, alive):
    watcher.deny = {"one"}
    job = make("one", "/bin/sh", "-c", "echo ran > ran")
    fork.submit(job)
    until(lambda: watcher.gone == ["one"])
    assert not (job.control / "status").exists()
    assert not (job.control.parent / "work" / "ran").exists()


def test_jobs_whose_start_cannot_be_recorded_are_kept_and_started_later_once(fork, watcher, make, until, alive):
    watcher.fail = 1
    job = make("one", "/bin/sh", "-c", "echo ran >> ran")
    fork.submit(job)
    until(lambda: watcher.gone == ["one"])
    assert (job.control.parent / "work" / "ran").read_text() == "ran\n"


def test_an_interpreter_that_is_not_there_is_reported(watcher, make, until):
    lrms = Fork({"q": 1}, Path("/nowhere/python3"), watcher)
    lrms.start()
    try:
        lrms.submit(make("one", "/bin/true"))
        until(lambda: watcher.bad)
        assert watcher.bad[0] == ("one", "the job wrapper cannot be started: No such file or directory")
    finally:
        lrms.close()


def test_jobs_outlive_the_service_and_another_one_adopts_them(watcher, make, place, python, until):
    job = make("one", "/bin/sh", "-c", "while [ ! -e end ]; do sleep 0.05; done; exit 5")
    source = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path\n"
        "import os, time\n"
        "from ce.fork import Fork; from ce.lrms import BatchJob, LocalAccount\n"
        "class W:\n"
        "    def assigned(self, places): Path(sys.argv[3]).write_text(places[0][1]); return {'one'}\n"
        "    def ended(self, job): pass\n"
        "    def refused(self, job, reason): pass\n"
        "lrms = Fork({'q': 1}, Path(sys.argv[4]), W()); lrms.start()\n"
        "lrms.submit(BatchJob('one', 'q', Path(sys.argv[2]), LocalAccount(os.geteuid(), os.getegid(), False)))\n"
        "time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[2])
    note = place / "batch_id"
    with subprocess.Popen([sys.executable, "-c", source, root, str(job.control), str(note), str(python)]) as first:
        until(lambda: (job.control / "status").exists() and note.exists())
        first.kill()
    lrms = Fork({"q": 1}, python, watcher)
    assert lrms.adopt(job, note.read_text()) is True
    lrms.start()
    try:
        assert lrms.load("q").running == 1
        (job.control.parent / "work" / "end").touch()
        until(lambda: watcher.gone == ["one"])
        assert result(job)["exit_code"] == 5
        assert lrms.adopt(job, note.read_text()) is False
    finally:
        lrms.close()


def test_a_process_number_that_was_used_again_is_not_adopted(watcher, make, python):
    lrms = Fork({"q": 1}, python, watcher)
    mine = ProcessId.of(os.getpid())
    try:
        stranger = ProcessId(mine.pid, mine.start - 1, mine.boot)
        assert lrms.adopt(make("one", "/bin/true"), str(stranger)) is False
        assert lrms.adopt(make("two", "/bin/true"), str(ProcessId(mine.pid, mine.start, "0" * 36))) is False
    finally:
        lrms.close()


@pytest.mark.parametrize("text", ["fork/1", "fork/../../1.2.x", "fork/1.2.\n", "pbs/1", "", "fork/-1.2." + "a" * 36])
def test_batch_ids_of_another_form_are_refused(text):
    with pytest.raises(InvalidArgument):
        ProcessId.parse(text)
