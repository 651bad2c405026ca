"""What a user is told, and what is left, when a service behind WMProxy does not answer."""

import os
import signal
import time

import pytest


@pytest.fixture(scope="module")
def node_alone(make_node):
    node = make_node()
    path = node.root / "wms.toml"
    short = "[wmproxy]\nregistration_deadline = 3.0\nmatch_deadline = 3.0\n"
    path.write_text(path.read_text().replace("[wmproxy]\n", short))
    node.wms("up", "--detach")
    node.proxy("alice")
    (node.work / "true.jdl").write_text('[ Executable = "/bin/true"; ]')
    yield node
    node.wms("down")


def stopped(node, service):
    """The process group of a service, stopped."""
    pid = node.status()["services"][service]["pid"]
    os.killpg(pid, signal.SIGSTOP)
    return pid


def test_without_bookkeeping_no_job_is_made_and_the_answer_comes_in_time(node_alone):
    node = node_alone
    before = sorted((node.root / "sandbox").glob("*/*/*"))
    group = stopped(node, "lb")
    try:
        began = time.monotonic()
        result = node.command("glite-wms-job-submit", "-a", "true.jdl", check=False)
        took = time.monotonic() - began
    finally:
        os.killpg(group, signal.SIGCONT)
    assert result.returncode == 1
    assert "did not answer in time" in result.stderr or "did not confirm the registration" in result.stderr
    assert "Error code: 1227" in result.stderr
    assert took < 15
    assert sorted((node.root / "sandbox").glob("*/*/*")) == before
    job = node.submit('[ Executable = "/bin/true"; ]')
    assert node.wait(job) == "Done (Success)"


def test_a_broker_that_does_not_answer_is_told_as_a_time_out(node_alone):
    node = node_alone
    group = stopped(node, "broker")
    try:
        result = node.command("glite-wms-job-list-match", "-a", "true.jdl", check=False)
        job = node.submit('[ Executable = "/bin/true"; ]')
        time.sleep(1)
        assert node.job_status(job)["Current Status"] in ("Submitted", "Waiting")
    finally:
        os.killpg(group, signal.SIGCONT)
    assert result.returncode == 1
    assert "Error code: 1229" in result.stderr
    assert node.wait(job) == "Done (Success)"


def test_a_job_whose_ce_is_away_waits_and_runs_when_it_is_back(node_alone):
    node = node_alone
    group = stopped(node, "ce")
    try:
        job = node.submit('[ Executable = "/bin/true"; ]')
        node.wait(job, states=("Ready", "Waiting"))
        time.sleep(2)
    finally:
        os.killpg(group, signal.SIGCONT)
    assert node.wait(job, timeout=90) == "Done (Success)"
