"""Jobs from registration to their end, with real wrappers, a real database and restarts in between."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from ce import database, executor
from ce.accounts import AccountMap
from ce.board import EventBoard
from ce.database import SCHEMA_VERSION, accounts, ensure_identity, metadata, outbox
from ce.errors import NoSuchJob, QueueFull, WrongState
from ce.executor import Executor
from ce.fork import Fork
from ce.jobs import Caller, Jobs
from ce.operator import end_payloads
from ce.process import ProcessId
from ce.settings import CeSettings, Queue
from ce.staging import Staging
from grid.errors import InvalidArgument
from lb.journal import Journal
from lb.outbox import Outbox
from storage.engine import open_engine
from storage.schema import create
from storage.writer import GroupWriter

ALICE = Caller("/DC=org/CN=Alice", "/test", "test")
BOB = Caller("/DC=org/CN=Bob", "/test", "test")
ADMIN = Caller("/DC=org/CN=wms.example.org", administrator=True)
CODE = "UI=000000:NS=0000000006:WM=000004:BH=0000000000:JSS=000002:LM=000000:LRMS=000000:APP=000000:LBS=000000"
GRID = "https://lb.example.org:9000/abcdefghijklmnopqrstuv"


def jdl(*, executable: str = "/bin/sh", arguments: str = "", queue: str = "short", more: str = "") -> str:
    quoted = arguments.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'[ Executable = "{executable}"; Arguments = "{quoted}"; QueueName = "{queue}"; BatchSystem = "fork"; '
        f'edg_jobid = "{GRID}"; LB_sequence_code = "{CODE}"; StdOutput = "out"; {more} ]'
    )


@dataclass
class Element:
    """The parts of a running element."""

    jobs: Jobs
    executor: Executor
    board: EventBoard
    engine: object
    settings: CeSettings

    def submit(self, text: str, who: Caller = ALICE, name: str | None = None) -> str:
        return self.jobs.register(who, text, "d", description_id=name, start=True, admit=lambda queue: None).id

    def states(self, job: str) -> list[str]:
        return [event.change.state.value for event in self.jobs.view(ADMIN, job).events]

    def last(self, job: str):
        return self.jobs.view(ADMIN, job).events[-1].change


@pytest.fixture
def element(settings: CeSettings, static_proxy) -> Iterator[Callable[..., object]]:
    @contextmanager
    def start(changed: CeSettings = settings, proxies: object = None) -> Iterator[Element]:
        engine = open_engine(changed.database_url)
        create(engine, metadata, SCHEMA_VERSION)
        writer = GroupWriter(engine)
        writer.run(ensure_identity)
        people = AccountMap(accounts, changed.accounts)
        journal = Journal(changed.journal)
        box = Outbox(outbox, writer, journal, changed.spool_directory / "il").start()
        board = EventBoard(4)
        staging = Staging(changed, pool=people.pool)
        source = proxies or static_proxy()
        executor = Executor(changed, engine, writer, people, staging, source, box, board.publish)
        slots = {queue.name: queue.slots for queue in changed.queues}
        lrms = Fork(slots, changed.interpreter, executor, grace=changed.kill_grace)
        executor.start(lrms)
        lrms.start()
        try:
            yield Element(Jobs(changed, engine, writer, people, board, executor), executor, board, engine, changed)
        finally:
            board.close()
            executor.close()
            lrms.close()
            box.close()
            writer.close()
            engine.dispose()

    yield start


def events_logged(settings: CeSettings) -> list[str]:
    lines = []
    for path in sorted(settings.journal.parent.glob("ce.0.*.log")):
        lines += path.read_text().splitlines()
    return lines


def test_a_job_passes_every_state_and_is_logged_as_lrms(element, settings, until):
    with element() as ce:
        job = ce.submit(jdl(arguments="-c 'exit 7'"))
        until(lambda: ce.last(job).state.final)
        assert ce.states(job) == ["REGISTERED", "PENDING", "IDLE", "RUNNING", "REALLY-RUNNING", "DONE-OK"]
        assert ce.last(job).exit_code == 7
        assert ce.last(job).infrastructure is False
        assert "LRMS=000007" in ce.last(job).seqcode
        until(lambda: len(events_logged(settings)) == 6)
    kinds = [line.split("DG.EVNT=")[1].split()[0] for line in events_logged(settings)]
    assert [kind.strip('"').lower() for kind in kinds] == [
        "running",
        "reallyrunning",
        "resourceusage",
        "resourceusage",
        "resourceusage",
        "done",
    ]
    assert all('DG.SOURCE="LRMS"' in line for line in events_logged(settings))


def test_registering_again_under_the_same_name_is_the_same_job_and_runs_once(element, settings, until):
    with element() as ce:
        text = jdl(arguments="-c 'echo ran >> /proc/self/cwd/../../ran-$$; exit 0'")
        job = ce.submit(text, name="node-1")
        assert ce.submit(text, name="node-1") == job
        until(lambda: ce.last(job).state.final)
        assert ce.submit(text, name="node-1") == job
        if os.geteuid() == 0:  # an ordinary account serves one user
            assert ce.submit(text, BOB, "node-1") != job
        assert ce.states(job).count("RUNNING") == 1


def test_without_autostart_a_job_waits_for_its_start(element, until):
    with element() as ce:
        job = ce.jobs.register(ALICE, jdl(executable="/bin/true"), "d", admit=lambda queue: None).id
        assert ce.states(job) == ["REGISTERED"]
        ce.jobs.start(ALICE, job)
        ce.jobs.start(ALICE, job)
        until(lambda: ce.last(job).state.final)
        assert ce.states(job).count("PENDING") == 1


def test_an_unknown_job_and_another_ones_job_get_the_same_answer(element):
    with element() as ce:
        job = ce.jobs.register(ALICE, jdl(), "d", admit=lambda queue: None).id
        answers = []
        for operation in (ce.jobs.start, ce.jobs.cancel, ce.jobs.purge, ce.jobs.view):
            for name in (job, "CREAM000000000"):
                with pytest.raises(NoSuchJob) as found:
                    operation(BOB, name)
                answers.append(str(found.value).replace(name, "X"))
        assert len(set(answers)) == 1
        assert ce.states(job) == ["REGISTERED"]
        assert ce.jobs.listing(BOB) == []
        assert ce.jobs.events(BOB, 0) == []
        assert [item.id for item in ce.jobs.listing(ADMIN)] == [job]


def test_cancelling_a_running_job_ends_it_as_cancelled(element, until):
    with element() as ce:
        job = ce.submit(jdl(executable="/bin/sleep", arguments="300"))
        until(lambda: "REALLY-RUNNING" in ce.states(job))
        ce.jobs.cancel(ALICE, job)
        until(lambda: ce.last(job).state.final)
        assert ce.states(job)[-1] == "CANCELLED"
        ce.jobs.cancel(ALICE, job)
        assert ce.states(job).count("CANCELLED") == 1


def test_cancelling_a_waiting_job_is_done_at_once_and_it_never_runs(element, until):
    with element() as ce:
        first = ce.submit(jdl(executable="/bin/sleep", arguments="300", queue="long"))
        until(lambda: "RUNNING" in ce.states(first))
        second = ce.submit(jdl(executable="/bin/true", queue="long"))
        until(lambda: ce.states(second)[-1] == "IDLE")
        ce.jobs.cancel(ALICE, second)
        assert ce.states(second)[-1] == "CANCELLED"
        ce.jobs.cancel(ALICE, first)
        until(lambda: ce.last(first).state.final)
        assert "RUNNING" not in ce.states(second)
        with pytest.raises(WrongState):
            ce.jobs.start(ALICE, second)


def test_an_ended_job_cannot_be_cancelled_and_can_be_purged(element, settings, until):
    with element() as ce:
        job = ce.submit(jdl(executable="/bin/false"))
        until(lambda: ce.last(job).state.final)
        with pytest.raises(WrongState):
            ce.jobs.cancel(ALICE, job)
        ce.jobs.purge(ALICE, job)
        with pytest.raises(NoSuchJob):
            ce.jobs.view(ALICE, job)
        until(lambda: not (settings.jobs_directory / job).exists())


def test_a_missing_executable_is_the_users_matter(element, until):
    with element() as ce:
        job = ce.submit(jdl(executable="/nowhere/at/all"))
        until(lambda: ce.last(job).state.final)
        last = ce.last(job)
        assert (last.state.value, last.reason, last.verdict, last.infrastructure) == (
            "DONE-FAILED",
            "/nowhere/at/all not found or unreadable",
            "abort",
            False,
        )


def test_a_proxy_that_ends_stops_the_job(element, static_proxy, until):
    with element(proxies=static_proxy(lifetime=1.0)) as ce:
        job = ce.submit(jdl(executable="/bin/sleep", arguments="300"))
        until(lambda: ce.last(job).state.final)
        assert ce.last(job).reason == "Job killed by the jobwrapper because of user proxy expiration"
        assert ce.last(job).verdict == "abort"


def test_a_wrapper_that_vanishes_is_the_sites_fault(element, until):
    with element() as ce:
        job = ce.submit(jdl(executable="/bin/sleep", arguments="300"))
        until(lambda: "REALLY-RUNNING" in ce.states(job))
        os.kill(ProcessId.parse(ce.jobs.view(ADMIN, job).job.batch_id).pid, signal.SIGKILL)
        until(lambda: ce.last(job).state.final)
        assert ce.last(job).infrastructure is True
        assert ce.last(job).reason == "the job wrapper vanished without a result"


def test_jobs_run_on_while_the_element_is_away_and_end_once(element, settings, until):
    with element() as ce:
        job = ce.submit(jdl(arguments="-c 'sleep 1; exit 4'"))
        waiting = [ce.submit(jdl(arguments="-c 'exit 0'", queue="long")) for _ in range(3)]
        until(lambda: "REALLY-RUNNING" in ce.states(job))
    with element() as ce:
        until(lambda: all(ce.last(name).state.final for name in (job, *waiting)))
        for name in (job, *waiting):
            assert sum(state.startswith("DONE") for state in ce.states(name)) == 1
            assert ce.states(name).count("RUNNING") == 1
        assert ce.last(job).exit_code == 4


def test_a_job_that_ended_while_the_element_was_away_is_found_ended(element, until, alive):
    with element() as ce:
        job = ce.submit(jdl(arguments="-c 'sleep 0.5; exit 9'"))
        until(lambda: "REALLY-RUNNING" in ce.states(job))
        pid = ProcessId.parse(ce.jobs.view(ADMIN, job).job.batch_id).pid
    until(lambda: not alive(pid))
    with element() as ce:
        until(lambda: ce.last(job).state.final)
        assert ce.last(job).exit_code == 9


def test_payloads_ended_by_the_operator_are_reported_so_at_the_next_start(element, settings, until, alive):
    with element() as ce:
        job = ce.submit(jdl(arguments="-c 'echo $$ > pid; trap \"\" TERM; sleep 300'"))
        until(lambda: "REALLY-RUNNING" in ce.states(job))
        pid = ProcessId.parse(ce.jobs.view(ADMIN, job).job.batch_id).pid
    assert end_payloads(settings, grace=3.0) == 1
    assert not alive(pid)
    with element() as ce:
        until(lambda: ce.last(job).state.final)
        last = ce.last(job)
        assert (last.state.value, last.reason, last.infrastructure) == ("DONE-FAILED", "ended by the operator", True)
    assert end_payloads(settings, grace=0.1) == 0


def test_followers_are_woken_by_an_event_and_go_home_when_nothing_happens(element, until):
    with element() as ce:
        job = ce.submit(jdl(executable="/bin/true"))
        until(lambda: ce.last(job).state.final)
        everything = ce.jobs.events(ADMIN, 0)
        assert [event.id for event in everything] == sorted({event.id for event in everything})
        assert ce.jobs.events(ADMIN, everything[-1].id, wait=0.05) == []
        ce.submit(jdl(executable="/bin/true"))
        assert ce.jobs.events(ALICE, everything[-1].id, wait=10.0)[0].id > everything[-1].id
        assert [e.change.state.value for e in ce.jobs.events(ADMIN, 0, states=["DONE-OK"], limit=1)] == ["DONE-OK"]


def test_a_full_queue_says_so(element, settings):
    from dataclasses import replace

    small = replace(settings, queues=(Queue("short", slots=1, max_waiting=0),))
    with element(small) as ce:
        ce.submit(jdl(executable="/bin/sleep", arguments="300"))
        with pytest.raises(QueueFull):
            ce.submit(jdl())


@pytest.mark.parametrize(
    ("more", "queue", "names"),
    [
        ("", "nowhere", "QueueName"),
        ('InputSandbox = {"file:///etc/shadow"};', "short", "InputSandbox"),
        ('InputSandbox = {"https://h/a/%2e%2e"};', "short", "InputSandbox"),
        ('InputSandbox = {"https://h/a%00b"};', "short", "InputSandbox"),
        ('OutputSandbox = {"a"}; OutputSandboxDestURI = {"gsiftp://h/a"};', "short", "OutputSandboxDestURI"),
        ('OutputSandbox = {"a", "b"}; OutputSandboxDestURI = {"https://h/a"};', "short", "OutputSandboxDestURI"),
        ('Environment = {"novalue"};', "short", "Environment"),
    ],
)
def test_descriptions_that_cannot_run_are_refused_at_registration(element, more, queue, names):
    with element() as ce:
        with pytest.raises(InvalidArgument, match=names):
            ce.submit(jdl(queue=queue, more=more))
        with pytest.raises(InvalidArgument, match="Arguments"):
            ce.submit(jdl(arguments="it's"))
        assert ce.jobs.listing(ADMIN) == []


def test_job_files_belong_to_an_account_of_their_own_and_are_private(element, settings, until):
    if os.geteuid() != 0:
        pytest.skip("only root can run jobs under other accounts")
    with element() as ce:
        text = jdl(arguments="-c 'id -u > id; id -G >> id; cat ../control/proxy.pem > /dev/null; sleep 300'")
        jobs = [ce.submit(text, ALICE), ce.submit(text, BOB)]
        until(lambda: all("REALLY-RUNNING" in ce.states(job) for job in jobs))
        until(lambda: all((settings.jobs_directory / job / "work" / "id").exists() for job in jobs))
        owners = set()
        for job in jobs:
            top = settings.jobs_directory / job
            until(lambda top=top: len((top / "work" / "id").read_text().split()) == 2)
            uid = os.stat(top).st_uid
            owners.add(uid)
            assert (top / "work" / "id").read_text().split() == [str(uid), str(uid)]
            assert os.stat(top).st_mode & 0o777 == 0o700
            assert os.stat(top / "control" / "proxy.pem").st_mode & 0o777 == 0o600
            assert os.stat(top / "control" / "proxy.pem").st_uid == uid
        assert len(owners) == 2
        assert 0 not in owners
        for job in jobs:
            ce.jobs.cancel(ADMIN, job)
        until(lambda: all(ce.last(job).state.final for job in jobs))


def test_a_payload_cannot_read_keys_database_or_other_jobs(element, settings, place, until):
    if os.geteuid() != 0:
        pytest.skip("only root can run jobs under other accounts")
    settings.host_key.touch(mode=0o600)
    with element() as ce:
        other = ce.submit(jdl(executable="/bin/sleep", arguments="300", queue="long"), BOB)
        until(lambda: "REALLY-RUNNING" in ce.states(other))
        secret = settings.jobs_directory / other / "control" / "proxy.pem"
        tries = " || ".join(f"cat {path}" for path in (settings.host_key, place / "ce.db", secret))
        job = ce.submit(jdl(arguments=f"-c '{tries} || ls {settings.jobs_directory}'"))
        until(lambda: ce.last(job).state.final)
        assert ce.last(job).exit_code not in (0, None)
        ce.jobs.cancel(ADMIN, other)
        until(lambda: ce.last(other).state.final)


def test_a_directory_that_was_tidied_away_harms_nobody_but_its_job(element, settings, until):
    with element() as ce:
        job = ce.submit(jdl(arguments='-c "sleep 2"'), name="a")
        until(lambda: "REALLY-RUNNING" in ce.states(job))
        shutil.rmtree(settings.jobs_directory / job)
        other = ce.submit(jdl(executable="/bin/true"), name="b")
        until(lambda: ce.last(other).state == "DONE-OK")
        until(lambda: ce.last(job).state == "DONE-FAILED")
        assert ce.last(job).infrastructure


def test_a_job_cancelled_while_it_is_put_back_to_the_beginning_ends_cancelled(element, settings):
    with element() as ce:
        job = ce.jobs.register(ALICE, jdl(), "d", admit=lambda queue: None).id
        with ce.engine.begin() as db:
            database.set_fields(db, job, state="IDLE", batch_id="x", cancel=True)
            executor._to_pending(job)(db)
        assert ce.last(job).state == "CANCELLED"


def test_a_forged_result_harms_nobody_but_its_job(element, until):
    with element() as ce:
        forged = "ln -s /etc/passwd ../control/result.json; kill -9 $PPID; sleep 300"
        job = ce.submit(jdl(arguments=f"-c '{forged}'"))
        until(lambda: ce.last(job).state.final)
        assert ce.states(job)[-1] == "DONE-FAILED"
