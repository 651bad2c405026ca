"""The event port: registration, admission, once only, and what strangers get."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import replace

import pytest
import sqlalchemy
from sqlalchemy.engine import Engine

from grid.errors import JobUnknown, LoggingFailure
from grid.jobid import JobId
from grid.states import JobState, Source
from lb import ulm, wire
from lb.admission import Sender
from lb.channel import Dialler
from lb.errors import EventError, RegistrationRefused
from lb.producer import JobLog
from lb.registration import Registrar
from lb.wire import Major


@pytest.fixture
def registrar(grid):
    with contextlib.closing(Registrar(grid.channel())) as registrar:
        yield registrar


@pytest.fixture
def say(grid, server):
    """Sends lines on one connection and returns the answers."""

    def say(*lines, user=None):
        deadline = wire.Deadline(10)
        with Dialler(grid.channel(user)).dial("localhost", server.store_port, deadline) as connection:
            connection.sendall(b"".join(map(wire.request, lines)))
            reader = wire.answer_reader(connection)
            return [wire.read_answer(reader, deadline, "the server") for _ in lines]

    return say


@pytest.fixture
def owner(grid):
    return Sender(grid.alice, False)


@contextlib.contextmanager
def counted():
    """The statements that are executed meanwhile."""
    seen = []

    def note(connection, cursor, statement, parameters, context, executemany):
        seen.append(statement)

    sqlalchemy.event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sqlalchemy.event.remove(Engine, "before_cursor_execute", note)


def registration(log, **more):
    return log.event("RegJob", ns="https://localhost:7443/", jobtype="SIMPLE", jdl="[a=1]", **more)


def test_a_registration_is_on_record_when_register_returns(server, registrar, job_log, owner):
    log = job_log()
    registrar.register(registration(log))
    record = server.database.job(log.jobid, owner)
    assert (record.status.state, record.status.owner) == (JobState.Submitted, owner.dn)


def test_registering_again_for_the_same_owner_changes_nothing(server, registrar, job_log, owner):
    log = job_log()
    first = registration(log)
    registrar.register(first)
    registrar.register(first)
    assert len(server.database.events(log.jobid, owner)) == 1
    registrar.register(registration(log))
    assert server.database.job(log.jobid, owner).status.state is JobState.Submitted


def test_registering_somebody_elses_job_is_refused(server, registrar, job_log, grid, owner):
    log = job_log()
    registrar.register(registration(log))
    thief = job_log(grid.bob, jobid=log.jobid)
    with pytest.raises(RegistrationRefused, match="belongs to"):
        registrar.register(registration(thief))
    assert server.database.job(log.jobid, owner).status.owner == grid.alice


def test_a_registration_for_another_server_is_refused(registrar, job_log, server):
    log = job_log(jobid=JobId.new("lb.elsewhere.org"))
    with pytest.raises(RegistrationRefused, match="another bookkeeping server"):
        registrar.register(registration(log), ("localhost", server.store_port))


def test_only_registrations_are_registered(registrar, job_log):
    with pytest.raises(EventError):
        registrar.register(job_log().event("Purge"))


def test_a_kept_connection_that_the_server_closed_is_replaced(make_server, grid, registrar):
    first = make_server()
    log = JobLog(JobId.new("localhost", first.store_port - 1), grid.alice, Source.NetworkServer)
    registrar.register(registration(log))
    first.close()
    make_server()
    again = JobLog(JobId.new("localhost", first.store_port - 1), grid.alice, Source.NetworkServer)
    registrar.register(registration(again))


def test_no_server_is_one_sentence_within_the_deadline(grid, job_log, server):
    log = job_log()
    server.close()
    with contextlib.closing(Registrar(grid.channel(deadline=2.0))) as registrar:
        with pytest.raises(LoggingFailure, match="Nothing listens on localhost"):
            registrar.register(registration(log))


def test_a_server_that_never_answers_is_a_failure_at_the_deadline(grid):
    with socket.create_server(("localhost", 0)) as silent:
        log = JobLog(JobId.new("localhost", silent.getsockname()[1] - 1), grid.alice, Source.NetworkServer)
        with contextlib.closing(Registrar(grid.channel(deadline=0.5))) as registrar:
            with pytest.raises(LoggingFailure):
                registrar.register(registration(log))


def test_threads_share_a_registrar(server, registrar, job_log, owner):
    logs = [job_log() for _ in range(24)]
    threads = [
        threading.Thread(target=lambda part=part: [registrar.register(registration(log)) for log in part])
        for part in (logs[n::6] for n in range(6))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    jobs, whole = server.database.jobs_of(owner.dn, 100)
    assert (len(jobs), whole) == (24, True)
    jobs, whole = server.database.jobs_of(owner.dn, 23)
    assert (len(jobs), whole) == (23, False)


def test_events_on_one_connection_are_answered_in_order(server, say, job_log, owner):
    log = job_log()
    lines = [ulm.encode(registration(log))]
    lines += [ulm.encode(log.event("UserTag", name="n", value=str(n))) for n in range(100)]
    assert {reply.major for reply in say(*lines)} == {Major.OK}
    assert len(server.database.events(log.jobid, owner)) == 101


def test_the_same_line_twice_is_stored_once_and_confirmed_twice(server, say, job_log, owner):
    log = job_log()
    lines = [ulm.encode(registration(log)), ulm.encode(log.event("Match", dest_id="ce"))]
    assert [reply.major for reply in say(*lines, *lines)] == [Major.OK] * 4
    assert len(server.database.events(log.jobid, owner)) == 2


def test_events_in_any_order_make_the_status_of_their_causal_order(server, say, new_trace, grid):
    trace = new_trace(JobId.new("localhost", server.store_port - 1), grid.alice)
    trace.successful()
    first, *rest = map(ulm.encode, trace.events)
    assert {reply.major for reply in say(first, *reversed(rest), *rest)} == {Major.OK}
    record = server.database.job(trace.jobid, Sender(grid.alice, False))
    assert record.status.state is JobState.Cleared
    assert record.status.ce_node == "wn1.example.org"
    assert len(server.database.events(trace.jobid, Sender(grid.host_dn, True))) == 20


def test_an_event_of_an_unknown_job_is_refused_for_good(say, job_log):
    (reply,) = say(ulm.encode(job_log().event("Match", dest_id="ce")))
    assert (reply.major, reply.minor) == (Major.DBERR, 2)


def test_garbage_is_a_protocol_error_and_the_next_event_is_served(say, job_log):
    log = job_log()
    replies = say("DATE=yesterday", ulm.encode(registration(log)))
    assert [reply.major for reply in replies] == [Major.PROTO, Major.OK]


def test_a_user_logs_for_their_own_job_only(server, say, registrar, job_log, grid, owner):
    log = job_log()
    registrar.register(registration(log))
    mine = JobLog(log.jobid, grid.alice, Source.Application, log.seqcode)
    theirs = JobLog(log.jobid, grid.bob, Source.Application, log.seqcode)
    unknown = JobLog(JobId.new("localhost", server.store_port - 1), grid.bob, Source.Application)
    (good,) = say(ulm.encode(mine.event("UserTag", name="Colour", value="green")), user="Alice")
    bad, nothing = say(
        ulm.encode(theirs.event("UserTag", name="Colour", value="red")),
        ulm.encode(unknown.event("UserTag", name="Colour", value="red")),
        user="Bob",
    )
    assert good.major is Major.OK
    assert (bad.major, bad.minor) == (nothing.major, nothing.minor) == (Major.PERM, 1)
    assert bad.text.replace(str(log.jobid), "") == nothing.text.replace(str(unknown.jobid), "")
    assert server.database.job(log.jobid, owner).status.user_tags == (("colour", "green"),)


def test_a_forged_owner_is_refused(say, registrar, job_log, grid):
    log = job_log()
    registrar.register(registration(log))
    forged = JobLog(log.jobid, grid.alice, Source.Application, log.seqcode)
    (reply,) = say(ulm.encode(forged.event("UserTag", name="n", value="v")), user="Bob")
    assert reply.major is Major.PERM
    assert "DG.USER" in reply.text


def test_a_user_may_register_a_job_of_their_own_and_write_the_subject_of_their_proxy(server, say, job_log, grid, owner):
    log = job_log(source=Source.UserInterface)
    event = replace(registration(log), user=f"{grid.alice}/CN=12345/CN=limited proxy")
    (reply,) = say(ulm.encode(event), user="Alice")
    assert reply.major is Major.OK
    assert server.database.job(log.jobid, owner).status.owner == grid.alice


@pytest.mark.parametrize(
    ("source", "event_type", "fields"),
    [
        (Source.LogMonitor, "Done", {"status_code": "OK", "exit_code": 0}),
        (Source.UserInterface, "Abort", {"reason": "r"}),
        (Source.UserInterface, "Cancel", {"status_code": "DONE"}),
        (Source.Application, "Purge", {}),
        (Source.UserInterface, "UserTag", {"name": "a\x07b", "value": "v"}),
        (Source.UserInterface, "UserTag", {"name": "x" * 300, "value": "v"}),
        (Source.UserInterface, "UserTag", {"name": "x", "value": "v" * 200_000}),
    ],
)
def test_users_cannot_log_what_is_not_theirs_to_say(say, registrar, job_log, grid, source, event_type, fields):
    log = job_log()
    registrar.register(registration(log))
    (reply,) = say(ulm.encode(JobLog(log.jobid, grid.alice, source).event(event_type, **fields)), user="Alice")
    assert reply.major is Major.PERM


def test_nobody_logs_in_the_name_of_the_server(say, registrar, job_log, grid):
    log = job_log()
    registrar.register(registration(log))
    forged = JobLog(log.jobid, grid.alice, Source.LBServer)
    fields = {"state": "Done", "histogram": "", "child": log.jobid, "child_event": "x"}
    (reply,) = say(ulm.encode(forged.event("CollectionState", **fields)))
    assert reply.major is Major.PERM


def test_users_cannot_fill_the_database_with_events_of_one_job(make_server, grid):
    server = make_server(max_events=3)
    log = JobLog(JobId.new("localhost", server.store_port - 1), grid.alice, Source.UserInterface)
    deadline = wire.Deadline(10)
    events = [registration(log), *(log.event("UserTag", name="n", value=str(n)) for n in range(3))]
    with Dialler(grid.channel("Alice")).dial("localhost", server.store_port, deadline) as connection:
        connection.sendall(b"".join(wire.request(ulm.encode(event)) for event in events))
        reader = wire.answer_reader(connection)
        replies = [wire.read_answer(reader, deadline, "it") for _ in events]
    assert [reply.major for reply in replies] == [Major.OK, Major.OK, Major.OK, Major.PERM]


def test_users_cannot_make_a_jobs_status_heavy(say, registrar, job_log, grid):
    log = job_log()
    registrar.register(registration(log))
    mine = JobLog(log.jobid, grid.alice, Source.Application, log.seqcode)
    lines = [ulm.encode(mine.event("UserTag", name=f"n{n}", value="v" * 100_000)) for n in range(12)]
    majors = [reply.major for reply in say(*lines, user="Alice")]
    assert majors == [Major.OK] * 10 + [Major.PERM] * 2


def test_a_certificate_that_is_not_trusted_is_told_so_and_loses_nothing(grid, server, tmp_path, job_log):
    from gsi.ca import TestCA

    stranger = TestCA.create(tmp_path / "ca2", "/DC=org/DC=evil/CN=Evil CA").issue_host(["localhost"])
    stranger.save_pair(tmp_path / "c.pem", tmp_path / "k.pem")
    channel = replace(grid.channel(), certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
    with contextlib.closing(Registrar(channel)) as registrar:
        with pytest.raises(LoggingFailure, match="localhost") as caught:
            registrar.register(registration(job_log()))
    assert not isinstance(caught.value, RegistrationRefused)


def test_an_unknown_job_and_anothers_job_read_the_same(server, registrar, job_log, grid):
    log = job_log()
    registrar.register(registration(log))
    stranger, other = Sender(grid.bob, False), JobId.new("localhost", server.store_port - 1)
    texts = []
    for job in (log.jobid, other):
        for read in (server.database.job, server.database.events):
            with pytest.raises(JobUnknown) as caught:
                read(job, stranger)
            texts.append(caught.value.description.replace(job.unique, ""))
    assert len(set(texts)) == 1


def test_a_collection_follows_its_nodes(server, say, job_log, grid, owner):
    log = job_log()
    event = log.event("RegJob", ns="https://localhost:7443/", jobtype="COLLECTION", nsubjobs=3, seed="s33d")
    assert say(ulm.encode(event))[0].major is Major.OK
    record = server.database.job(log.jobid, owner)
    children = [log.jobid.child("s33d", n) for n in range(3)]
    assert record.children == tuple(map(str, children))
    logs = [job_log(jobid=child, source=Source.LogMonitor) for child in children]
    for child in children:
        parts = {"ns": "https://x", "jobtype": "SIMPLE", "jdl": "[n=1]", "parent": log.jobid}
        assert say(ulm.encode(job_log(jobid=child).event("RegJob", **parts)))[0].major is Major.OK

    def state():
        return server.database.job(log.jobid, owner).status.state

    assert state() is JobState.Submitted
    say(ulm.encode(logs[0].event("Running", node="wn")))
    assert state() is JobState.Running
    for child in logs:
        say(ulm.encode(child.event("Done", status_code="OK", exit_code=0)))
    assert state() is JobState.Done
    record = server.database.job(log.jobid, owner)
    assert {s: n for s, n in record.histogram if n} == {JobState.Done: 3}
    assert server.database.node_counts(log.jobid) == ((JobState.Done, 3),)
    assert server.database.job(children[0], owner).status.jdl == "[n=1]"


def test_a_cancelled_collection_stays_cancelled_whatever_becomes_of_its_nodes(server, say, job_log, owner):
    log = job_log()
    say(ulm.encode(log.event("RegJob", ns="https://x", jobtype="COLLECTION", nsubjobs=2, seed="s")))
    say(ulm.encode(log.event("Cancel", status_code="DONE", reason="Cancelled by user")))
    for index in range(2):
        node = job_log(jobid=log.jobid.child("s", index))
        say(ulm.encode(node.event("Cancel", status_code="DONE", reason="Cancelled by user")))
    record = server.database.job(log.jobid, owner)
    assert record.status.state is JobState.Cancelled
    assert dict(record.histogram) == {JobState.Cleared: 2}


def test_ten_thousand_nodes_are_registered_at_once_and_listed_in_their_order(server, registrar, job_log, owner):
    log = job_log()
    event = log.event("RegJob", ns="https://x", jobtype="COLLECTION", nsubjobs=10_000, seed="WMPROXY")
    began = time.monotonic()
    registrar.register(event)
    taken = time.monotonic() - began
    states = server.database.node_states(log.jobid, owner)
    assert states == [(str(log.jobid.child("WMPROXY", n)), JobState.Submitted) for n in range(10_000)]
    assert taken < 3, f"{taken:.2f} s"


def test_what_a_nodes_event_costs_does_not_follow_the_number_of_nodes(server, registrar, job_log, owner):
    """Rows that are read and written, not seconds: the same for a hundred nodes and for five thousand."""
    statements = {}
    for count in (100, 5_000):
        log = job_log()
        registrar.register(log.event("RegJob", ns="https://x", jobtype="COLLECTION", nsubjobs=count, seed="s"))
        nodes = [job_log(jobid=log.jobid.child("s", n), source=Source.LogMonitor) for n in range(20)]
        began = time.process_time()
        with counted() as seen:
            for node in nodes:
                server.database.store(node.event("Running", node="wn"), Sender(node.user, True))
                server.database.store(node.event("Done", status_code="OK", exit_code=0), Sender(node.user, True))
        statements[count] = (len(seen), time.process_time() - began)
    (few, short), (many, long) = statements[100], statements[5_000]
    assert few == many
    assert long < 5 * short + 0.1, statements


def test_a_node_needs_a_parent_of_the_same_owner(say, registrar, job_log, grid):
    log = job_log()
    registrar.register(registration(log))
    (reply,) = say(ulm.encode(registration(job_log(grid.bob), parent=log.jobid)))
    assert reply.major is Major.PERM


def test_more_connections_than_allowed_are_closed_at_once(make_server, grid):
    server = make_server(max_connections=1)
    dialler = Dialler(grid.channel())
    with dialler.dial("localhost", server.store_port, wire.Deadline(5)) as kept:
        kept.sendall(wire.request("x"))
        assert kept.recv(1)  # a trusted service's, from now on
        with pytest.raises((LoggingFailure, OSError)):
            with dialler.dial("localhost", server.store_port, wire.Deadline(5)) as second:
                second.sendall(wire.request("x"))
                assert second.recv(1) == b"", "served although the limit is one"
                raise ConnectionError
        kept.sendall(wire.request("x"))
        assert kept.recv(1)


def test_strangers_cannot_keep_the_services_out(make_server, grid, registrar):
    server = make_server(max_connections=4)
    logs = [JobLog(JobId.new("localhost", server.store_port - 1), grid.alice, Source.NetworkServer) for _ in range(2)]
    silent = [socket.create_connection(("localhost", server.store_port)) for _ in range(6)]
    user = Dialler(grid.channel("Bob")).dial("localhost", server.store_port, wire.Deadline(5))
    user.sendall(wire.request("x"))
    assert user.recv(1)
    registrar.register(registration(logs[0]))  # its connection is kept
    silent += [socket.create_connection(("localhost", server.store_port)) for _ in range(6)]
    registrar.register(registration(logs[1]))
    for sock in silent[:6]:
        sock.settimeout(5)
        assert sock.recv(1) == b"", "the oldest strangers make room"
    for sock in [*silent, user]:
        sock.close()
