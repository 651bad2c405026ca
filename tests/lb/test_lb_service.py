"""The whole service in a process of its own: pages, web service and event port through real sockets."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from grid.errors import JobUnknown, LoggingFailure
from grid.jobid import JobId
from grid.states import JobState, Source
from gsi.tls import client_context
from lb import ulm, wire
from lb.channel import Dialler
from lb.client import Bookkeeping, state_of
from lb.producer import JobLog
from lb.registration import Registrar
from wsdl.client import RemoteFault, SoapClient

SERVICE = """
import sys
from pathlib import Path
from lb.service import LbSettings, create_schema, make_app, server_settings
from web.server import serve
root, directory, dn = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
query, soap = int(sys.argv[4]), int(sys.argv[5])
settings = LbSettings(
    host="localhost", query_bind=f"localhost:{query}", soap_bind=f"localhost:{soap}",
    store_bind=f"localhost:{query + 1}", database_url=f"sqlite:///{directory}/lb.db",
    certificate=root / "hostcert.pem", key=root / "hostkey.pem", trust_dir=root / "trust", run_dir=directory,
    trusted=frozenset((dn,)),
)
create_schema(settings)
sys.exit(serve(lambda: make_app(settings), server_settings(settings)))
"""
EVIL = '<script>alert("1")</script>&"\''


class Service:
    """A bookkeeping server in a process."""

    def __init__(self, grid, directory, ports, **environment):
        self.grid, self.query, self.soap = grid, *ports
        command = [sys.executable, "-c", SERVICE, str(grid.root), str(directory), grid.host_dn, *map(str, ports)]
        here = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, cwd=here, env=os.environ | environment)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert self.get("/?version")[0] == 200
                return
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "the service did not start"
                time.sleep(0.1)

    def context(self, user=None):
        return client_context(self.grid.trust_dir, self.grid.users[user] if user else None)

    def get(self, path, user=None, method="GET", port=None):
        connection = http.client.HTTPSConnection(
            "localhost", port or self.query, context=self.context(user), timeout=20
        )
        with contextlib.closing(connection):
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()

    def log(self, owner=None, source=Source.NetworkServer, jobid=None, seqcode=None):
        return JobLog(jobid or JobId.new("localhost", self.query), owner or self.grid.alice, source, seqcode)

    def send(self, *events):
        deadline = wire.Deadline(20)
        with Dialler(self.grid.channel()).dial("localhost", self.query + 1, deadline) as connection:
            connection.sendall(b"".join(wire.request(ulm.encode(event)) for event in events))
            reader = wire.answer_reader(connection)
            for _ in events:
                reply = wire.read_answer(reader, deadline, "the service")
                assert reply.major is wire.Major.OK, reply


@pytest.fixture(scope="module")
def service(grid, tmp_path_factory, free_ports):
    running = Service(grid, tmp_path_factory.mktemp("lb"), free_ports(2))
    yield running
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(10) == 0


@pytest.fixture(scope="module")
def finished(service, new_trace_class):
    """A job of Alice's that went all the way, with hostile texts in it."""
    trace = new_trace_class(JobId.new("localhost", service.query), service.grid.alice)
    trace.successful()
    tag = trace.log("UserTag", Source.Application, trace.code(ns=3, wm=9), name="evil", value=EVIL)
    service.send(trace.events[0], *reversed(trace.events[1:-2]), tag)
    return trace


@pytest.fixture
def alice(service):
    with contextlib.closing(Bookkeeping(f"https://localhost:{service.query}/", service.context("Alice"))) as client:
        yield client


def test_a_jobs_own_identifier_shows_the_job(service, finished):
    status, headers, body = service.get(f"/{finished.jobid.unique}", "Alice")
    assert status == 200
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    for wanted in (
        str(finished.jobid),
        "Done (Success)",
        "ce1.example.org",
        "ReallyRunning",
        "UI=000000:NS=",
        "Submitted",
    ):
        assert wanted in body


def test_pages_escape_every_text_and_run_no_script(service, finished):
    _, headers, body = service.get(f"/{finished.jobid.unique}", "Alice")
    assert "<script" not in body
    assert "&lt;script&gt;" in body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "script-src" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    ElementTree.fromstring(re.sub(r"<!DOCTYPE html>|<(meta|link)[^>]*>|<br>", "", body))


def test_the_style_is_the_one_that_the_policy_admits(service, finished):
    import base64
    import hashlib

    _, headers, body = service.get(f"/{finished.jobid.unique}", "Alice")
    style = body.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in headers["Content-Security-Policy"]


def test_without_a_certificate_a_page_says_so_and_shows_nothing(service, finished):
    for path in (f"/{finished.jobid.unique}", "/", "/nonsense"):
        status, _, body = service.get(path)
        assert status == 401
        assert "certificate" in body
        assert "ce1.example.org" not in body and service.grid.alice not in body
    assert service.get(f"/{finished.jobid.unique}?text")[2].startswith("Error=certificate needed\nCode=1\n")


def test_an_unknown_job_and_anothers_job_are_the_same_page(service, finished):
    pages = {service.get(f"/{unique}", "Bob")[::2] for unique in (finished.jobid.unique, "A" * 22)}
    texts = {service.get(f"/{unique}?text", "Bob")[::2] for unique in (finished.jobid.unique, "A" * 22, "a/../b")}
    assert len(pages) == len(texts) == 1
    assert next(iter(pages))[0] == next(iter(texts))[0] == 404


def test_text_has_a_line_for_each_attribute(service, finished):
    status, headers, body = service.get(f"/{finished.jobid.unique}?text", "Alice")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    values = dict(line.split("=", 1) for line in body.splitlines())
    assert values["state"] == "DONE"
    assert values["jobId"] == str(finished.jobid)
    assert values["doneCode"] == "OK"
    assert values["userTags"] == f"evil {EVIL}"


def test_the_root_lists_the_callers_jobs_only(service, finished):
    assert str(finished.jobid) in service.get("/", "Alice")[2]
    assert f"{finished.jobid}=Done" in service.get("/?text", "Alice")[2].splitlines()
    assert str(finished.jobid) not in service.get("/", "Bob")[2]


def test_head_has_the_headers_and_no_body_and_other_methods_are_refused(service, finished):
    path = f"/{finished.jobid.unique}"
    assert service.get(path, "Alice", "HEAD")[2] == ""
    assert service.get(path, "Alice", "DELETE")[0] == 405


def test_the_contract_is_served_to_anybody_at_both_ports_and_loads_in_zeep(service):
    import zeep

    for port in (service.query, service.soap):
        status, _, body = service.get("/?wsdl", port=port)
        assert status == 200
        assert f'location="https://localhost:{service.soap}/"' in body
        assert f"https://localhost:{service.soap}/?wsdl=LBTypes.wsdl" in body
    assert service.get("/?wsdl=LBTypes.wsdl")[0] == 200
    assert service.get("/?wsdl=../setup.cfg")[0] == 404

    class Transport(zeep.transports.Transport):
        def load(self, url):
            return service.get(url.partition(f":{service.soap}")[2])[2].encode()

    client = zeep.Client(f"https://localhost:{service.soap}/?wsdl", transport=Transport())
    assert "JobStatus" in client.service._operations


def test_status_events_and_jobs_over_the_web_service(service, finished, alice):
    status = alice.status(finished.jobid)
    assert state_of(status) is JobState.Done
    assert (status["doneCode"], status["exitCode"], status["ceNode"]) == ("OK", 0, "wn1.example.org")
    assert status["stateEnterTimes"][0]["state"] == "SUBMITTED"
    assert status["userTags"] == [{"tag": "evil", "value": EVIL}]
    events = alice.events(finished.jobid)
    sent = [*finished.events[:-2], finished.events[-1]]
    assert [(e.type, e.seqcode, dict(e.fields)) for e in events] == [(e.type, e.seqcode, dict(e.fields)) for e in sent]
    assert all(event.arrived for event in events)
    assert (finished.jobid, JobState.Done) in alice.user_jobs()
    assert alice.version().count(".") == 2


def test_the_soap_port_serves_the_same(service, finished):
    with contextlib.closing(Bookkeeping(f"https://localhost:{service.soap}/", service.context("Alice"))) as client:
        assert state_of(client.status(finished.jobid)) is JobState.Done


def test_a_trusted_service_reads_every_job_and_a_stranger_none(service, finished):
    host = service.context()
    host.load_cert_chain(service.grid.root / "hostcert.pem", service.grid.root / "hostkey.pem")
    with contextlib.closing(Bookkeeping.of(finished.jobid, host)) as client:
        assert state_of(client.status(finished.jobid)) is JobState.Done
    sentences = set()
    with contextlib.closing(Bookkeeping.of(finished.jobid, service.context("Bob"))) as client:
        for job in (finished.jobid, JobId.new("localhost", service.query)):
            for ask in (client.status, client.events):
                with pytest.raises(JobUnknown) as caught:
                    ask(job)
                sentences.add(caught.value.description.replace(job.unique, ""))
    assert len(sentences) == 1


@pytest.fixture
def soap(service):
    url = f"https://localhost:{service.soap}/"
    with SoapClient("LB.wsdl", "LoggingAndBookkeeping", url, service.context("Alice")) as client:
        yield client


def ask_events(soap, job, *conditions):
    jobs = [{"attr": "JOBID", "record": [{"op": "EQUAL", "value1": {"c": str(job)}}]}]
    found = soap.call("QueryEvents", jobConditions=jobs, eventConditions=list(conditions))
    return [name for choice in found for name, value in choice.items() if value is not None]


def condition(attr, *records):
    return {"attr": attr, "record": [{"op": op, "value1": {kind: value}} for op, kind, value in records]}


def test_events_are_chosen_by_type_source_and_time(soap, finished):
    types = condition("EVENTTYPE", ("EQUAL", "c", "DONE"), ("EQUAL", "c", "Match"))
    assert ask_events(soap, finished.jobid, types) == ["Match", "Done", "Done"]
    monitor = condition("SOURCE", ("EQUAL", "c", "LogMonitor"))
    assert ask_events(soap, finished.jobid, types, monitor) == ["Done"]
    submission = condition("SOURCE", ("EQUAL", "c", "JobSubmission"))
    assert ask_events(soap, finished.jobid, submission) == ["DeQueued", "Transfer", "Transfer"]
    second = {"tvSec": int(finished.events[1].timestamp.timestamp()), "tvUsec": 0}
    assert ask_events(soap, finished.jobid, condition("TIME", ("LESS", "t", second))) == ["RegJob"]
    assert ask_events(soap, finished.jobid, condition("EVENTTYPE", ("EQUAL", "i", 17))) == ["RegJob"]


def test_conditions_that_are_not_served_are_named(soap, finished):
    with pytest.raises(RemoteFault, match="supported are") as caught:
        ask_events(soap, finished.jobid, condition("EXITCODE", ("EQUAL", "i", 3)))
    assert (caught.value.kind, caught.value.code) == ("genericFault", 22)
    with pytest.raises(RemoteFault, match="STATUS"):
        jobs = [condition("STATUS", ("EQUAL", "i", 3))]
        soap.call("QueryEvents", jobConditions=jobs, eventConditions=[condition("HOST", ("EQUAL", "c", "x"))])


def test_operations_that_come_later_say_so(soap):
    with pytest.raises(RemoteFault, match="NotifDrop is not implemented yet"):
        soap.call("NotifDrop", notifId="https://localhost:9000/NOTIF:x")


def test_a_caller_without_a_certificate_gets_a_fault_that_says_so(service, finished):
    url = f"https://localhost:{service.soap}/"
    with SoapClient("LB.wsdl", "LoggingAndBookkeeping", url, service.context()) as client:
        with pytest.raises(RemoteFault, match="certificate"):
            client.call("JobStatus", jobid=str(finished.jobid), flags=[])


def test_nodes_of_a_compound_job_are_expanded_on_request(service, soap):
    log = service.log()
    service.send(log.event("RegJob", ns="https://x", jobtype="COLLECTION", nsubjobs=2, seed="seed", jdl="[]"))
    plain = soap.call("JobStatus", jobid=str(log.jobid), flags=[])
    assert (plain["childrenNum"], plain["children"], plain["childrenStates"]) == (2, [], [])
    flags = ["CHILDREN", "CHILDSTAT", "CHILDHIST_FAST", "CLASSADS"]
    full = soap.call("JobStatus", jobid=str(log.jobid), flags=flags)
    assert full["children"] == [str(log.jobid.child("seed", n)) for n in range(2)]
    assert [node["state"] for node in full["childrenStates"]] == ["SUBMITTED", "SUBMITTED"]
    assert full["jdlClassad"] == "[]"
    assert {item["state"]: item["count"] for item in full["childrenHist"]} == {"UNKNOWN": 2}
    thorough = soap.call("JobStatus", jobid=str(log.jobid), flags=["CHILDHIST_THOROUGH"])
    assert thorough["childrenHist"] == [{"state": "SUBMITTED", "count": 2}]


def test_the_states_of_many_nodes_are_one_page(service, finished, alice):
    log = service.log()
    service.send(log.event("RegJob", ns="https://x", jobtype="COLLECTION", nsubjobs=1001, seed="seed", jdl="[]"))
    children = [log.jobid.child("seed", n) for n in range(1001)]
    service.send(service.log(jobid=children[1]).event("Abort", reason="no"))
    assert list(alice.node_states(log.jobid).items()) == [
        (child, JobState.Aborted if number == 1 else JobState.Submitted) for number, child in enumerate(children)
    ]
    with pytest.raises(RemoteFault, match="1001 nodes, and one answer holds the full status of 1000"):
        alice.status(log.jobid, "CHILDSTAT")
    with pytest.raises(JobUnknown):
        alice.node_states(JobId.new("localhost", log.jobid.port))


def test_the_page_of_a_compound_job_links_its_nodes_and_theirs_links_back(service, finished):
    log = service.log()
    service.send(log.event("RegJob", ns="https://x", jobtype="DAG", nsubjobs=2, seed="seed", jdl="[]"))
    first, second = (log.jobid.child("seed", n) for n in range(2))
    node = service.log(jobid=first)
    described = '[ NodeName = "first"; Executable = "/bin/false" ]'
    service.send(node.event("RegJob", ns="https://x", jobtype="SIMPLE", parent=str(log.jobid), jdl=described))
    service.send(node.event("Abort", reason="no <place> for it"))
    body = service.get(f"/{log.jobid.unique}", "Alice")[2]
    assert "2 nodes: 1 Submitted, 1 Aborted" in body
    cells = r'<tr><td>(.*?)</td><td>(.*?)</td><td><a href="/(.*?)">.*?<span[^>]*>(.*?)<.*?<td>(.*?)</td>'
    assert re.findall(cells, body) == [
        ("1", "first", first.unique, "Aborted", "no &lt;place&gt; for it"),
        ("2", "", second.unique, "Submitted", ""),
    ]
    whole = re.search(r'href="(/\?query=parent=[^"]*)"', body)
    assert whole is not None
    text = service.get(whole[1].replace("&amp;", "&"), "Alice")[2]
    assert text.splitlines() == [f"{first}=Aborted", f"{second}=Submitted"]
    page = service.get(f"/{first.unique}", "Alice")[2]
    assert f'<th>Node of</th><td><a href="/{log.jobid.unique}">' in page
    assert "<th>Name</th><td>first</td>" in page
    ElementTree.fromstring(re.sub(r"<!DOCTYPE html>|<(meta|link)[^>]*>|<br>", "", body))
    listed = service.get("/", "Alice")[2]
    assert f'node first of <a href="/{log.jobid.unique}">' in listed and "DAG, 2 nodes" in listed


def test_the_page_of_a_very_large_compound_job_shows_the_first_nodes(service, finished):
    log = service.log()
    service.send(log.event("RegJob", ns="https://x", jobtype="COLLECTION", nsubjobs=501, seed="seed", jdl="[]"))
    body = service.get(f"/{log.jobid.unique}", "Alice")[2]
    assert "501 nodes: 501 Submitted" in body and "the first 500 are shown" in body
    assert log.jobid.child("seed", 499).unique in body and log.jobid.child("seed", 500).unique not in body


def test_the_literal_request_of_an_old_client_is_answered(service, finished):
    request = (
        '<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope '
        'xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:lbe="http://glite.org/wsdl/elements/lb">'
        f"<SOAP-ENV:Body><lbe:JobStatus><jobid>{finished.jobid}</jobid><flags><flag>CLASSADS</flag></flags>"
        "</lbe:JobStatus></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    connection = http.client.HTTPSConnection("localhost", service.soap, context=service.context("Alice"), timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", "/", request, {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'})
        answer = connection.getresponse()
        body = ElementTree.fromstring(answer.read())
    assert answer.status == 200
    found = body.find(".//{http://glite.org/wsdl/elements/lb}JobStatusResponse/stat")
    assert found is not None
    assert [found.findtext(name) for name in ("state", "jobId", "doneCode")] == ["DONE", str(finished.jobid), "OK"]
    assert found.findtext("lastUpdateTime/tvSec", "").isdigit()


def test_killed_between_events_the_service_keeps_every_confirmed_one(grid, tmp_path, free_ports):
    ports = free_ports(2)
    first = Service(grid, tmp_path, ports)
    log = first.log()
    with contextlib.closing(Registrar(grid.channel())) as registrar:
        registrar.register(log.event("RegJob", ns="https://x", jobtype="SIMPLE"))
    first.send(*(log.event("UserTag", name=f"t{n}", value="v") for n in range(20)))
    first.process.kill()
    first.process.wait(10)
    time.sleep(0.5)
    second = Service(grid, tmp_path, ports)
    try:
        with contextlib.closing(Bookkeeping.of(log.jobid, second.context("Alice"))) as client:
            assert len(client.events(log.jobid)) == 21
    finally:
        second.process.terminate()
        second.process.wait(10)


@pytest.mark.parametrize("where", ["storage.writer.commit", "storage.writer.committed"])
def test_a_registration_that_a_crash_left_unanswered_is_repeated_without_harm(grid, tmp_path, free_ports, where):
    ports = free_ports(2)
    marker = tmp_path / "marker"
    service = Service(grid, tmp_path, ports, WMS_FAULT_POINT=where, WMS_FAULT_MARKER=str(marker))
    try:
        log = service.log()
        event = log.event("RegJob", ns="https://x", jobtype="SIMPLE")
        with contextlib.closing(Registrar(grid.channel(deadline=5.0))) as registrar:
            with pytest.raises(LoggingFailure):
                registrar.register(event)
            assert marker.exists()
            deadline = time.monotonic() + 30  # gunicorn replaces the worker that died
            while True:
                try:
                    registrar.register(event)
                    break
                except LoggingFailure:
                    assert time.monotonic() < deadline
                    time.sleep(0.2)
        with contextlib.closing(Bookkeeping.of(log.jobid, service.context("Alice"))) as client:
            assert [found.type for found in client.events(log.jobid)] == ["RegJob"]
    finally:
        service.process.terminate()
        service.process.wait(10)
