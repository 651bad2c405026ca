"""The supervisor, with small programs for services: restarts, back-off, stopping, and what a killed one leaves."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from node import lifecycle, supervisor
from node.process import is_same, start_time
from node.supervisor import AlreadyUp, claim, end_leftovers, keeps_jobs, leftovers, supervisor_pid

DRIVER = """
import json, logging, sys, time
from pathlib import Path
from node import supervisor
from node.supervisor import Supervisor

root = Path(sys.argv[1])
programs = json.loads((root / "programs.json").read_text())
for name, value in json.loads((root / "constants.json").read_text()).items():
    setattr(supervisor, name, value)
logging.basicConfig(level=logging.INFO, filename=root / "supervisor.log", format="%(message)s")


class Small(Supervisor):
    def arguments(self, name):
        return [sys.executable, "-S", "-c", programs[name], str(root)]


def note(name):
    with open(root / "notes", "a") as file:
        file.write(name + "\\n")


sys.exit(Small(
    root, root / "run", root / "log", list(programs),
    ready=lambda name: (root / f"{name}.ready").exists(),
    end_payloads=lambda: note("payloads ended"), prepare=lambda: note("prepared"),
).serve())
"""
SERVE = "import sys, time; open(f'{sys.argv[1]}/%s.ready', 'w'); time.sleep(100)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SERVE
DIE = "import sys; sys.exit(7)"


def wait_for(condition, seconds=15.0):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.03)
    return value


class Small:
    """A supervisor of small programs in a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.run = root / "run"
        for directory in (self.run, root / "log"):
            directory.mkdir(exist_ok=True)
        self.processes: list[subprocess.Popen] = []

    def up(self, *, constants=(), **programs: str) -> subprocess.Popen:
        (self.root / "programs.json").write_text(json.dumps(programs))
        (self.root / "constants.json").write_text(json.dumps(dict(constants)))
        (self.root / "driver.py").write_text(textwrap.dedent(DRIVER))
        process = subprocess.Popen([sys.executable, str(self.root / "driver.py"), str(self.root)])
        self.processes.append(process)
        return process

    @property
    def status(self) -> dict:
        try:
            return json.loads((self.run / "status.json").read_text())
        except FileNotFoundError:
            return {"ready": False, "services": {}}

    def service(self, name: str) -> dict:
        return self.status["services"].get(name, {})

    def log(self) -> str:
        return (self.root / "supervisor.log").read_text()

    def notes(self) -> list[str]:
        path = self.root / "notes"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(10)
        end_leftovers(self.run)


@pytest.fixture
def small(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(supervisor.__file__).parents[1])]))
    made = Small(tmp_path)
    yield made
    made.end()


def test_it_is_ready_when_every_service_answers_and_ends_cleanly(small):
    process = small.up(a=SERVE % "a", b="import time; time.sleep(100)")
    wait_for(lambda: small.service("a").get("ready"))
    assert not small.status["ready"]
    (small.root / "b.ready").touch()
    wait_for(lambda: small.status["ready"])
    assert small.status["supervisor"] == process.pid == supervisor_pid(small.run)
    pids = [small.service(name)["pid"] for name in "ab"]
    began = time.monotonic()
    process.terminate()
    assert process.wait(15) == 0
    assert time.monotonic() - began < 5
    assert not any(start_time(pid) for pid in pids)
    assert small.notes() == ["prepared", "payloads ended"]
    assert sorted(path.name for path in small.run.iterdir()) == ["supervisor.lock"]
    assert supervisor_pid(small.run) is None


def test_a_service_that_dies_is_restarted_and_the_restart_is_told(small):
    small.up(a=SERVE % "a")
    wait_for(lambda: small.status["ready"])
    first = small.service("a")["pid"]
    (small.root / "a.ready").unlink()
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: small.service("a").get("restarts") == 1)
    assert small.service("a")["last_exit"] == "signal SIGKILL"
    assert not small.status["ready"]
    wait_for(lambda: small.status["ready"])
    assert small.service("a")["pid"] != first
    assert "a died (signal SIGKILL); starting it again in 0.5 s, for the 1. time" in small.log()


def test_the_delay_doubles_up_to_the_longest_and_other_services_run_on(small):
    small.up(bad=DIE, good=SERVE % "good", constants={"LONGEST_DELAY": 1.5})
    wait_for(lambda: small.service("bad").get("restarts", 0) >= 4)
    delays = [line.split(" in ")[1].split(" s")[0] for line in small.log().splitlines() if line.startswith("bad died")]
    assert delays[:4] == ["0.5", "1.0", "1.5", "1.5"]
    assert small.service("bad")["last_exit"] == "exit code 7"
    assert small.service("good")["restarts"] == 0


def test_the_delay_falls_back_when_a_service_has_run_for_a_while(small):
    small.up(a=SERVE % "a", constants={"SETTLED": 0.3})
    for number in range(1, 4):
        pid = wait_for(lambda: small.service("a").get("pid"))
        time.sleep(0.4)
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda number=number: small.service("a").get("restarts") == number)
    assert small.log().count("starting it again in 0.5 s") == 3


def test_a_program_that_cannot_be_started_is_tried_again_and_ends_nobody(small):
    process = small.up(a=SERVE % "a")
    wait_for(lambda: small.status["ready"])
    (small.root / "log" / "a.log").unlink()
    (small.root / "log" / "a.log").mkdir()  # its output has no place now
    os.kill(small.service("a")["pid"], signal.SIGKILL)
    wait_for(lambda: small.service("a").get("restarts", 0) >= 2)
    assert "could not be started" in small.service("a")["last_exit"]
    (small.root / "log" / "a.log").rmdir()
    wait_for(lambda: small.service("a").get("pid"))
    assert process.poll() is None


def test_a_service_that_does_not_end_is_killed_in_time(small):
    process = small.up(a=STUBBORN % "a", b=SERVE % "b")
    wait_for(lambda: small.status["ready"])
    pids = [small.service(name)["pid"] for name in "ab"]
    began = time.monotonic()
    process.terminate()
    assert process.wait(15) == 0
    assert time.monotonic() - began < 8
    assert not any(start_time(pid) for pid in pids)
    assert "a did not end in time and is killed" in small.log()


def test_a_stop_that_keeps_jobs_ends_no_payload_and_the_wish_does_not_outlive_it(small):
    process = small.up(a=SERVE % "a")
    wait_for(lambda: small.status["ready"])
    (small.run / "stop.json").write_text('{"keep_jobs": true}')
    process.terminate()
    process.wait(15)
    assert small.notes() == ["prepared"]
    (small.run / "stop.json").write_text('{"keep_jobs": true}')  # as a stop that was never heard leaves it
    process = small.up(a=SERVE % "a")
    wait_for(lambda: small.status.get("supervisor") == process.pid)
    assert not keeps_jobs(small.run)
    process.terminate()
    process.wait(15)
    assert small.notes() == ["prepared", "prepared", "payloads ended"]


def test_what_a_killed_supervisor_left_is_ended_before_anything_is_started(small):
    first = small.up(a=STUBBORN % "a")
    wait_for(lambda: small.status["ready"])
    left = small.service("a")["pid"]
    first.kill()
    first.wait(10)
    assert start_time(left)
    assert supervisor_pid(small.run) is None
    assert [pid for pid, _ in leftovers(small.run)] == [left]
    (small.root / "a.ready").unlink()
    second = small.up(a=SERVE % "a")
    wait_for(lambda: small.status["ready"] and small.status["supervisor"] == second.pid)
    assert not is_same(left, str(start_time(left)))
    assert small.service("a")["pid"] != left


def test_whom_it_starts_is_on_record_at_once_also_while_another_is_slow_to_answer(small):
    """A supervisor that is killed right after a restart must not leave a service that the next one cannot find."""
    slow = "import time; time.sleep(100)"
    first = small.up(a=SERVE % "a", b=slow)
    wait_for(lambda: small.service("a").get("ready"))
    os.kill(small.service("a")["pid"], signal.SIGKILL)
    wait_for(lambda: small.service("a").get("restarts") == 1 and small.service("a").get("pid"))
    pids = {small.service(name)["pid"] for name in "ab"}
    first.kill()
    first.wait(10)
    assert {pid for pid, _ in leftovers(small.run)} == pids
    assert end_leftovers(small.run) == 2
    assert leftovers(small.run) == []


def test_a_number_that_another_process_has_now_is_left_in_peace(small):
    mine = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"], start_new_session=True)
    try:
        services = {"a": {"pid": mine.pid, "started": "1"}}
        (small.run / "status.json").write_text(json.dumps({"services": services}))
        (small.run / "supervisor.json").write_text(json.dumps({"pid": mine.pid, "started": "1"}))
        assert end_leftovers(small.run) == 0
        assert supervisor_pid(small.run) is None
        assert mine.poll() is None
    finally:
        mine.kill()
        mine.wait(10)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"services": 3}', '{"services": {"a": {}}}'])
def test_a_status_file_that_cannot_be_read_means_that_nothing_is_left(small, text):
    (small.run / "status.json").write_text(text)
    assert leftovers(small.run) == []


def test_a_second_supervisor_is_refused_and_the_kernel_frees_the_node(small):
    first = small.up(a=SERVE % "a")
    wait_for(lambda: small.status["ready"])
    with pytest.raises(AlreadyUp) as refused:
        claim(small.root, small.run)
    assert refused.value.pid == first.pid
    assert small.up(a=SERVE % "a").wait(15) == 1
    first.kill()
    first.wait(10)
    os.close(claim(small.root, small.run))


# -- the commands, on what a killed supervisor leaves ------------------------------------------------------------


@pytest.fixture
def abandoned(make_node):
    """A node whose supervisor was killed while all services go on."""
    node = make_node()
    node.wms("up", "--detach")
    status = node.status()
    os.kill(status["supervisor"], signal.SIGKILL)
    pids = [service["pid"] for service in status["services"].values()]
    wait_for(lambda: supervisor_pid(node.root / "run") is None)
    yield node, pids
    end_leftovers(node.root / "run")


def test_down_ends_what_a_killed_supervisor_left_and_status_tells_it(abandoned):
    node, pids = abandoned
    told = node.wms("status", check=False)
    assert told.returncode == 3
    assert f"{len(pids)} services of a supervisor that was killed still run" in told.stdout
    result = node.wms("down")
    assert f"{len(pids)} services ended" in result.stdout
    assert not any(start_time(pid) for pid in pids if is_same(pid, str(start_time(pid))))
    assert "is down already" in node.wms("down").stdout


def test_what_an_earlier_supervisor_wrote_does_not_count_as_ready(abandoned):
    node, _ = abandoned
    coming = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])  # it has claimed the node only
    claimed = node.root / "run" / "supervisor.json"
    try:
        claimed.write_text(json.dumps({"pid": coming.pid, "started": start_time(coming.pid)}))
        report = lifecycle.status(node.root)
    finally:
        claimed.unlink()
        coming.kill()
        coming.wait(10)
    assert report.supervisor == coming.pid
    assert not report.ready
