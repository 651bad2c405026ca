"""Jobs that are more than one program in one slot: parallel and interactive ones, with prologue and epilogue."""

from __future__ import annotations

import collections
import os
import time

import pytest

from grid.jobid import JobId
from gsi.credential import Credential
from gsi.tls import client_context
from lb.client import Bookkeeping
from wsdl.client import SoapClient
from wsdl.delegation import delegate


@pytest.fixture
def output(node, tmp_path):
    """Fetch a job's output: the text of each file by name."""

    def fetch(job: str) -> dict[str, str]:
        place = tmp_path / JobId.parse(job).unique
        place.mkdir()
        node.command("glite-wms-job-output", "--noint", "--nopurge", "--dir", str(place), job)
        return {path.name: path.read_text() for path in place.rglob("*") if path.is_file()}

    return fetch


@pytest.fixture
def events(node):
    """What L&B knows of a job: ``events(job)``."""
    proxy = node.root / "credentials" / "users" / "alice" / "proxy.pem"
    context = client_context(node.root / "trust" / "certificates", proxy)
    books = Bookkeeping(f"https://localhost:{node.configuration().lb_port}/", context, timeout=10)
    yield lambda job: list(books.events(JobId.parse(job)))
    books.close()


def test_a_parallel_job_has_as_many_slots_as_it_asks_for_and_finds_them_in_its_list_of_nodes(node, output):
    job = node.submit(
        """[ JobType = "mpich"; CpuNumber = 2; Executable = "/bin/sh"; StdOutput = "out"; OutputSandbox = { "out" };
             Arguments = "-c 'sort -u $PBS_NODEFILE | wc -l; wc -l < $PBS_NODEFILE; echo $PBS_NP'"; ]"""
    )
    assert node.wait(job) == "Done (Success)"
    assert output(job)["out"].split() == ["1", "2", "2"]


def test_a_parallel_job_that_is_wider_than_every_element_waits_and_is_told_why(node):
    job = node.submit('[ JobType = "mpich"; CpuNumber = 5000; Executable = "/bin/true"; ]')
    deadline = time.monotonic() + 20
    while "GlueCEInfoTotalCPUs" not in (reason := node.job_status(job)["Status Reason"]):
        assert time.monotonic() < deadline, reason
        time.sleep(0.3)
    node.command("glite-wms-job-cancel", "--noint", job)
    assert node.wait(job) == "Cancelled"


def test_two_jobs_that_need_all_slots_run_one_after_the_other(node, output):
    slots = sum(queue.slots for queue in node.configuration().ce.queue[:1])
    jdl = f"""[ CpuNumber = {slots}; Executable = "/bin/sh"; StdOutput = "out"; OutputSandbox = {{ "out" }};
                Arguments = "-c 'date +%s.%N; sleep 1; date +%s.%N'"; ]"""
    jobs = [node.submit(jdl), node.submit(jdl)]
    spans = []
    for job in jobs:
        assert node.wait(job) == "Done (Success)"
        spans.append([float(moment) for moment in output(job)["out"].split()])
    first, second = sorted(spans)
    assert first[1] <= second[0], "they ran at the same time"


def test_prologue_and_epilogue_run_on_the_worker_node(node, output):
    job = node.submit(
        """[ Executable = "/bin/cat"; Arguments = "begun"; StdOutput = "out";
             InputSandbox = { "before.sh", "after.sh" };
             Prologue = "before.sh"; PrologueArguments = "'a b' c"; Epilogue = "after.sh";
             OutputSandbox = { "out", "late" }; ]""",
        files={"before.sh": '#!/bin/sh\necho "$1:$2" > begun\n', "after.sh": "#!/bin/sh\ncat out out > late\n"},
    )
    assert node.wait(job) == "Done (Success)"
    files = output(job)
    assert (files["out"], files["late"]) == ("a b:c\n", "a b:c\na b:c\n")


def test_a_failed_prologue_aborts_a_job_without_retries_and_says_so(node):
    job = node.submit('[ Executable = "/bin/true"; Prologue = "/bin/false"; ]')
    assert node.wait(job) == "Aborted"
    assert "prologue failed with error 1" in node.job_status(job)["Status Reason"]


def test_an_interactive_job_knows_where_its_user_listens_and_so_does_bookkeeping(node, output, events):
    job = node.submit(
        """[ JobType = "interactive"; Executable = "/usr/bin/env"; StdOutput = "out"; OutputSandbox = { "out" };
             ListenerHost = "ui.example.org"; ListenerPort = 41234; ListenerPipeName = "/tmp/listener-1"; ]"""
    )
    assert node.wait(job) == "Done (Success)"
    variables = dict(line.split("=", 1) for line in output(job)["out"].splitlines() if "=" in line)
    assert variables["BYPASS_SHADOW_HOST"] == "ui.example.org"
    assert variables["BYPASS_SHADOW_PORT"] == "41234"
    assert variables["GRID_CONSOLE_STDIN"] == "/tmp/listener-1.in"
    assert variables["GRID_CONSOLE_STDOUT"] == "/tmp/listener-1.out"
    (told,) = [event for event in events(job) if event.type == "Listener"]
    assert {name: told.get(name) for name in ("svc_name", "svc_host", "svc_port")} == {
        "svc_name": "InteractiveListener",
        "svc_host": "ui.example.org",
        "svc_port": "41234",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="in single-user mode there is no second user")
def test_one_users_thousand_nodes_do_not_keep_another_users_job_waiting(node):
    proxy = node.root / "credentials" / "users" / "alice" / "proxy.pem"
    context = client_context(node.root / "trust" / "certificates", proxy)
    with SoapClient("WMProxy.wsdl", "WMProxy_PortType", node.configuration().wmproxy_endpoint, context) as alice:
        delegate(alice, "bulk", Credential.load(proxy))
        tree = alice.call(
            "jobSubmit",
            delegationId="bulk",
            jdl="""[ JobType = "parametric"; Executable = "/bin/sleep"; Arguments = "1"; Parameters = 1000;
                     Requirements = true; Rank = 1; ]""",
        )
        node.wait(tree["childrenJob"][0]["id"], states=("Running", "Done"))
        begun = time.monotonic()
        job = node.submit('[ Executable = "/bin/true"; ]', user="bob")
        assert node.wait(job, user="bob", timeout=30) == "Done (Success)"
        assert time.monotonic() - begun < 30
        nodes = alice.call("getJobStatus", jobId=tree["id"])["childrenJob"]
        states = collections.Counter(child["status"] for child in nodes)
        assert sum(states[state] for state in ("Ready", "Scheduled", "Running")) <= 20, states
        assert states["Submitted"] > 900, states
        alice.call("jobCancel", jobId=tree["id"])
        assert node.wait(tree["id"], timeout=60) == "Cancelled"
