"""Jobs on a node that is being broken, and the judge of what became of them.

``Grid`` is a running node with a payload that proves itself: it writes a few kilobytes that follow from its
argument, and notes each of its runs in a file outside the node.  Everything that this directory promises of a job
is in ``judge.py`` and in ``Grid.check``.
"""

import contextlib
import dataclasses
import hashlib
import importlib.util
import itertools
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from grid.doorbell import ring
from grid.errors import GridError
from grid.jobid import JobId
from grid.states import JobState
from gsi.tls import client_context
from lb.client import Bookkeeping
from web.client import FileClient
from wsdl.client import SoapClient
from wsdl.transport import ServiceUnreachable

_SPEC = importlib.util.spec_from_file_location("faults_judge", Path(__file__).with_name("judge.py"))
judgements = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(judgements)
judge, Verdict = judgements.judge, judgements.Verdict
_ATTACKED = importlib.util.spec_from_file_location("faults_attacked", Path(__file__).with_name("attacked.py"))
attacks = importlib.util.module_from_spec(_ATTACKED)
sys.modules["faults_attacked"] = attacks
_ATTACKED.loader.exec_module(attacks)

SHORT_PERIODS = "[broker]\nmatch_retry_period = 2.0\ninfrastructure_delay = 0.5\nrefresh = 5.0\n"
PAYLOAD = """#!/bin/sh
echo "begin $GLITE_WMS_JOBID $GLITE_CREAM_JOBID $$" >> {runs}
sleep "$2"
while [ -e {hold} ]; do sleep 0.1; done
i=0
while [ $i -lt 200 ]; do echo "line $i of $1"; i=$((i+1)); done | tee data.txt
echo "end $GLITE_WMS_JOBID $GLITE_CREAM_JOBID $$" >> {runs}
"""
JDL = """[
  Executable = "{executable}"; Arguments = "{word} {seconds}"; {sandbox} {more}
  StdOutput = "out.txt"; StdError = "err.txt"; OutputSandbox = {{ "out.txt", "err.txt", "data.txt" }};
]"""
ENDS = {"Done": JobState.Done, "Aborted": JobState.Aborted, "Cancelled": JobState.Cancelled}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def whole_output(word: str) -> dict[str, str]:
    """What a payload with the argument ``word`` must write: file name to sha256."""
    data = "".join(f"line {number} of {word}\n" for number in range(200))
    return {"out.txt": digest(data), "data.txt": digest(data), "err.txt": digest("")}


# -- jobs ----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Submitted:
    """A job that the client was told of.

    ``started`` is what the client knows: False for a job of which only the registration was confirmed.
    """

    job: str
    word: str
    started: bool = True


class Grid:
    """A node to be broken."""

    def __init__(self, node, seed: int | None = None) -> None:
        self.node = node
        self.seed = random.SystemRandom().randrange(10**6) if seed is None else seed
        self.random = random.Random(self.seed)
        self.shared = node.root.parent / "shared"
        self.shared.mkdir(mode=0o755)
        self.runs = self.shared / "runs"
        self.runs.touch()
        self.runs.chmod(0o666)  # each job has an account of its own
        self.held = self.shared / "hold"
        self.payload = self.shared / "payload.sh"
        self.payload.write_text(PAYLOAD.format(runs=self.runs, hold=self.held))
        self.payload.chmod(0o755)
        self.armed = node.root.parent / "armed"
        self.hit = node.root.parent / "armed.hit"
        self.jobs: list[Submitted] = []
        self.incidents: list[str] = []
        self._numbers = itertools.count(1)
        self._passed: set[str] = set()

    # the node's life

    def up(self) -> None:
        self.node.wms("up", "--detach")
        self.node.proxy("alice")

    def down(self, *options: str) -> None:
        self.node.wms("down", *options)

    def services(self) -> dict:
        return self.node.status()["services"]

    def ready(self, timeout: float = 40) -> None:
        """Wait until every service answers (again)."""
        self.until(lambda: self.node.status()["ready"], timeout, "the node is not wholly up")

    def until(self, condition, timeout: float, complaint: str):
        """Wait for a true value and return it."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"{complaint} after {timeout} s\n{self.node.logs()}"
            time.sleep(0.15)
        return value

    def processes(self) -> list[str]:
        """Every process that belongs to the node, by what it was started with."""
        marks = (os.fsencode(str(self.node.root.parent)), os.fsencode(self.node.configuration().ce.work_directory))
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
                line = (entry / "cmdline").read_bytes()
                told = line + (entry / "environ").read_bytes() + os.fsencode(os.readlink(entry / "cwd"))
            except OSError:
                continue
            if state not in "ZX" and any(mark and mark in told for mark in marks):
                found.append(f"{entry.name}: {line.replace(bytes(1), b' ').decode(errors='replace').strip()}")
        return found

    # fault points

    def arm(self, point: str, service: str, passage: int = 1) -> None:
        self.hit.unlink(missing_ok=True)
        self.armed.with_suffix(".new").write_text(f"{point}@{passage} {service}\n")
        self.armed.with_suffix(".new").rename(self.armed)

    def disarm(self) -> None:
        self.armed.unlink(missing_ok=True)

    @contextlib.contextmanager
    def hold(self):
        """Payloads that have begun do not end before this is left."""
        self.held.touch()
        try:
            yield
        finally:
            self.held.unlink()

    def ring(self, service: str) -> None:
        ring(self.node.root / "run" / f"{service}.bell")

    # jobs

    def submit(
        self, *, sandbox: bool = True, seconds: float | None = None, tries: int = 8, more: str = ""
    ) -> Submitted:
        """Submit until a submission is confirmed, as a user would while services come and go.

        With a single try a job that was only registered is answered too.
        """
        word = f"job-{next(self._numbers)}"
        pause = self.random.random() if seconds is None else seconds
        directory = Path(tempfile.mkdtemp(dir=self.node.work))
        (directory / "payload.sh").write_text(self.payload.read_text())
        jdl = JDL.format(
            executable="payload.sh" if sandbox else self.payload,
            word=word,
            seconds=f"{pause:.2f}",
            sandbox='InputSandbox = "payload.sh";' if sandbox else "",
            more=more,
        )
        (directory / "job.jdl").write_text(jdl)
        for number in range(tries):
            result = self._client("glite-wms-job-submit", "-a", "--nomsg", "job.jdl", cwd=directory)
            if result.returncode == 0:
                job = Submitted(result.stdout.strip(), word)
                JobId.parse(job.job)
                self.jobs.append(job)
                return job
            registered = self._half_submitted(result, word)
            if registered and tries == 1:
                return registered
            time.sleep(min(3.0, 0.3 + 0.4 * number))
        raise AssertionError(f"no submission in {tries}\n{result.stdout}\n{result.stderr}\n{self.node.logs()}")

    def start(self, job: Submitted) -> None:
        """Start a job that was registered."""
        result = self._client("glite-wms-job-submit", "--start", job.job)
        assert result.returncode == 0, result.stdout + result.stderr
        job.started = True

    def _half_submitted(self, result, word: str) -> Submitted | None:
        told = result.stdout + result.stderr
        assert result.returncode == 1, told
        assert "Traceback" not in told, told
        registered = re.search(r"the JobId is: (https://[^)\s]+)", told)
        self.incidents.append(f"submission of {word} failed: {' '.join(told.split())[-300:]}")
        if not registered:
            return None
        self.jobs.append(Submitted(registered[1], word, started=False))
        return self.jobs[-1]

    def _client(self, name: str, *arguments: str, cwd: Path | None = None, timeout: float = 90):
        from node.environment import commands_directory

        return subprocess.run(
            [str(commands_directory() / name), *arguments],
            cwd=cwd or self.node.work, env=self.node.environment("alice"), capture_output=True, text=True,
            timeout=timeout, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def cancel(self, job: str) -> bool:
        """Ask once; True when the cancellation was confirmed."""
        result = self._client("glite-wms-job-cancel", "--noint", job)
        if result.returncode:
            self.incidents.append(f"cancel of {job} failed: {' '.join((result.stdout + result.stderr).split())[-200:]}")
        return result.returncode == 0

    def fetch(self, *arguments: str) -> dict[str, dict[str, str]] | None:
        """Fetch the output of jobs once: for each job's unique part, file names with their sha256.

        :param arguments: options and job identifiers.
        :returns: None when the command failed.
        """
        directory = Path(tempfile.mkdtemp(dir=self.node.work))
        result = self._client("glite-wms-job-output", "--noint", "--dir", str(directory), *arguments, timeout=120)
        if result.returncode:
            told = " ".join((result.stdout + result.stderr).split())[-300:]
            self.incidents.append(f"output of {arguments} failed: {told}")
            return None
        return {
            path.name.partition("_")[2]: {
                file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in path.iterdir()
            }
            for path in directory.iterdir()
        }

    def call(self, operation: str, **parts):
        """An operation of WMProxy, once, as alice; None when there was no answer."""
        endpoint = self.node.configuration().wmproxy_endpoint
        with SoapClient("WMProxy.wsdl", "WMProxy_PortType", endpoint, self._context()) as client:
            try:
                return client.call(operation, **parts)
            except ServiceUnreachable as error:
                self.incidents.append(f"{operation} was not answered: {error.description}")
                return None

    def look(self, job: str, *, again: bool = False) -> bytes | None:
        """What has come of ``out.txt`` since the last look (``again``: all of it); None when there was no answer."""
        uris = self.call("getPerusalFiles", jobId=job, file="out.txt", allChunks=again, protocol="https")
        if uris is None:
            return None
        directory = Path(tempfile.mkdtemp(dir=self.node.work))
        files = FileClient(self._context())
        try:
            for number, uri in enumerate(uris):
                files.get(uri, directory / f"{number:04d}")
        finally:
            files.close()
        return b"".join(path.read_bytes() for path in sorted(directory.iterdir()))

    def _context(self):
        root = self.node.root
        proxy = root / "credentials" / "users" / "alice" / "proxy.pem"
        return client_context(root / "trust" / "certificates", proxy)

    # the books

    @property
    def books(self) -> Bookkeeping:
        """L&B, asked as alice; a new connection for each question, since the server comes and goes."""
        root = self.node.root
        proxy = root / "credentials" / "users" / "alice" / "proxy.pem"
        context = client_context(root / "trust" / "certificates", proxy)
        configuration = self.node.configuration()
        return Bookkeeping(f"https://localhost:{configuration.lb_port}/", context, timeout=10)

    def states(self) -> dict[str, JobState] | None:
        """Alice's jobs by L&B, or None when it does not answer now."""
        books = self.books
        try:
            return {str(job): state for job, state in books.user_jobs()}
        except GridError:
            return None
        finally:
            books.close()

    def events(self, job: str) -> list:
        books = self.books
        try:
            return sorted(books.events(JobId.parse(job)), key=lambda event: (event.timestamp, event.seqcode))
        finally:
            books.close()

    def state(self, job: str) -> JobState | None:
        return (self.states() or {}).get(job)

    def settle(self, timeout: float) -> None:
        """Wait until every job that L&B knows has ended.

        Those that are registered and of whose start nobody was told are cancelled, as their owner would.
        """
        deadline = time.monotonic() + timeout
        started = {job.job for job in self.jobs if job.started}
        cancelled = set()
        states = None
        while time.monotonic() < deadline:
            states = self.states()
            if states is not None:
                for job in [job for job in sorted(states) if job not in started | cancelled]:
                    if states[job].final or self.cancel(job):
                        cancelled.add(job)
                unknown = [job.job for job in self.jobs if job.job not in states]
                if not unknown and all(state.final for state in states.values()):
                    return
            time.sleep(0.25)
        open_jobs = {job: str(state) for job, state in (states or {}).items() if not state.final}
        raise AssertionError(f"not ended after {timeout} s: {open_jobs}; {self.report()}\n{self.node.logs()}")

    def executions(self) -> dict[str, list[tuple[str, str]]]:
        """What payloads noted: grid job to (begin or end, CE job), in order."""
        found: dict[str, list[tuple[str, str]]] = {}
        for line in self.runs.read_text().splitlines():
            what, job, ce_job, _ = line.split()
            found.setdefault(job, []).append((what, ce_job))
        return found

    def request(self, job: str) -> tuple | None:
        """Phase and end of the broker's row."""
        database = self.node.root / "db" / "wms.sqlite"
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute('SELECT phase, "end" FROM broker_requests WHERE job_id = ?', (job,)).fetchone()
        finally:
            connection.close()

    # everything that is promised

    def check(self, *, new: bool = False, lost_runs: bool = False) -> dict[str, Verdict]:
        """Check every job of alice's, acknowledged or not; returns the verdicts.

        :param new: only those that no check has passed yet.
        :param lost_runs: payloads were ended by ``wms down``, so attempts may have begun and not ended.
        """
        self.ready()
        states = self.until(self.states, 20, "L&B does not answer")
        expected = {job.job: job for job in self.jobs}
        assert set(expected) <= set(states), f"L&B does not know {set(expected) - set(states)}"
        looked_at = {job: state for job, state in states.items() if not (new and job in self._passed)}
        executions = self.executions()
        verdicts = {job: judge(self.events(job)) for job in looked_at}
        problems = self._wrong_outputs(
            [expected[job] for job, state in looked_at.items()
             if state is JobState.Done and job in expected and job not in self._passed]
        )  # fmt: skip
        for job, state in looked_at.items():
            verdict = verdicts[job]
            wrong = [*verdict.wrong, *self._wrong_end(job, state, verdict)]
            wrong += judgements.wrong_runs(verdict, executions.get(job, []), lost_runs=lost_runs)
            if job in expected and expected[job].started and verdict.end == "Aborted":
                wrong.append("an accepted job was aborted")
            problems += [f"{job} ({state}): {sentence}" for sentence in wrong]
        left = [process for process in self.processes() if "wrapper.py" in process or self.payload.name in process]
        problems += [f"left running: {process}" for process in left]
        assert not problems, "\n".join([*problems, self.report(), self.node.logs()])
        self._passed |= set(verdicts)
        return verdicts

    def _wrong_end(self, job: str, state: JobState, verdict: Verdict) -> list[str]:
        wrong = []
        if verdict.end and state is not ENDS[verdict.end] and not (verdict.end == "Done" and state is JobState.Cleared):
            wrong.append(f"its history ends {verdict.end}, its state is {state}")
        row = self.request(job)
        if row is not None and row != ("ended", verdict.end.lower() if verdict.end else None):
            wrong.append(f"the broker's queue says {row}")
        if row is None and verdict.attempts and state is not JobState.Cleared:
            wrong.append("the broker has forgotten it")
        return wrong

    def _wrong_outputs(self, done: list[Submitted]) -> list[str]:
        if not done:
            return []
        found = self.fetch("--nopurge", *(job.job for job in done))
        if found is None:
            return [f"the output could not be fetched: {self.incidents[-1]}"]
        wrong = []
        for job in done:
            files = found.get(JobId.parse(job.job).unique)
            if files != whole_output(job.word):
                wrong.append(f"{job.job}: its output is not whole: {files}")
        return wrong

    def report(self) -> str:
        """What is needed to go through it again."""
        return "\n".join([f"seed {self.seed}", *self.incidents[-20:], json.dumps(self.node.status().get("services"))])


# -- fixtures ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def judgement():
    """The judge, for tests of the judge."""
    return judgements


@pytest.fixture(scope="module")
def make_grid(make_node):
    """Make nodes to be broken; nothing of theirs is left running."""
    grids = []

    def make(seed: int | None = None) -> Grid:
        node = make_node()
        configuration = node.root / "wms.toml"
        text, found = re.subn(r"(?m)^\[broker\]\n", SHORT_PERIODS, configuration.read_text())
        assert found == 1
        configuration.write_text(text.replace("slots = 2", "slots = 4"))
        grid = Grid(node, seed)
        node.extra["WMS_FAULT_FILE"] = str(grid.armed)
        grids.append(grid)
        return grid

    yield make
    left = []
    for grid in grids:
        grid.disarm()
        grid.node.wms("down", check=False)
        left += grid.processes()
    assert not left, left


@pytest.fixture(scope="session")
def attacked(node):
    """WMProxy of the shared node, to be attacked; each attack must leave it healthy."""
    found = attacks.Attacked(node)
    found.warm()
    return found
