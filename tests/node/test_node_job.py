"""A job on a running node: the way a user goes, and what a user who may not is told."""

import json
import time

import pytest

HELLO = """[
  Executable = "hello.sh"; Arguments = "a 'b c'"; StdOutput = "out"; StdError = "err";
  InputSandbox = "hello.sh"; OutputSandbox = { "out", "err" };
  Environment = { "WORD=two words", "LD_PRELOAD=" };
]"""
SCRIPT = '#!/bin/sh\necho "$#:$2:$WORD"\nexit ${1#a}\n'


@pytest.fixture(scope="module")
def finished(node):
    job = node.submit(HELLO, files={"hello.sh": SCRIPT})
    assert node.wait(job) == "Done (Success)"
    return job


def test_arguments_and_environment_arrive_unharmed_and_the_output_comes_back(node, finished, tmp_path):
    node.command("glite-wms-job-output", "--noint", "--nopurge", "--dir", str(tmp_path), finished)
    (out,) = tmp_path.rglob("out")
    assert out.read_text() == "2:b c:two words\n"


def test_an_exit_code_is_reported_as_it_is(node):
    job = node.submit('[ Executable = "/bin/sh"; Arguments = "-c \'exit 7\'"; ]')
    assert node.wait(job) == "Done(Exit Code !=0)"
    assert "Exit code:          7" in node.command("glite-wms-job-status", "--noint", job).stdout


def test_a_job_that_waits_is_cancelled_for_good(node):
    job = node.submit('[ Executable = "/bin/true"; Requirements = other.GlueCEInfoTotalCPUs > 100000; ]')
    assert node.wait(job, states=("Waiting",)) == "Waiting"
    deadline = time.monotonic() + 20
    while "no compatible resources" not in (reason := node.job_status(job)["Status Reason"]):
        assert time.monotonic() < deadline, reason
        time.sleep(0.3)
    assert "GlueCEInfoTotalCPUs > 100000" in reason
    node.command("glite-wms-job-cancel", "--noint", job)
    assert node.wait(job) == "Cancelled"
    assert node.command("glite-wms-job-cancel", "--noint", job, check=False).returncode == 1


def test_a_running_job_is_cancelled_and_its_processes_are_gone(node):
    job = node.submit('[ Executable = "/bin/sleep"; Arguments = "317"; ]')
    node.wait(job, states=("Running",))
    node.command("glite-wms-job-cancel", "--noint", job)
    assert node.wait(job) == "Cancelled"
    assert "317" not in _processes()


def _processes():
    import pathlib

    text = ""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if line.startswith(b"/bin/sleep"):
            text += line.replace(b"\0", b" ").decode()
    return text


def test_a_registered_job_that_is_cancelled_ends_cancelled(node):
    (node.work / "register.jdl").write_text('[ Executable = "/bin/true"; ]')
    report = json.loads(
        node.command("glite-wms-job-submit", "-a", "--register-only", "--json", "register.jdl").stdout
    )
    node.command("glite-wms-job-cancel", "--noint", report["jobid"])
    assert node.wait(report["jobid"]) == "Cancelled"
    refused = node.command("glite-wms-job-submit", "--start", report["jobid"], check=False)
    assert refused.returncode == 1
    assert "CANCELLED" in refused.stderr


def test_somebody_elses_job_and_no_job_get_the_same_answer(node, finished):
    unknown = finished[:-4] + "AAAA"
    answers = []
    for job in (finished, unknown):
        for command in ("glite-wms-job-output", "glite-wms-job-status", "glite-wms-job-cancel"):
            result = node.command(command, "--noint", job, user="bob", check=False)
            assert result.returncode != 0
            answers.append((result.stdout + result.stderr).replace(job, "JOB"))
    assert answers[:3] == answers[3:]


def test_a_jdl_error_tells_code_line_and_column_and_leaves_no_job(node):
    before = _jobs(node)
    (node.work / "bad.jdl").write_text('[\n  Executable = "/bin/true";\n  Arguments = = 3;\n]')
    result = node.command("glite-wms-job-submit", "-a", "bad.jdl", check=False)
    assert result.returncode == 1
    assert "line 3, column 15" in result.stderr
    assert _jobs(node) == before


def _jobs(node):
    return sorted(path.name for path in (node.root / "sandbox").glob("*/*/*"))


def test_a_proxy_without_an_admitted_vo_is_told_the_admitted_ones(node, tmp_path):
    for arguments in (["--no-voms"], ["--fqan", "/othervo"]):
        proxy = tmp_path / "proxy"
        node.wms("proxy", "--out", str(proxy), *arguments)
        (node.work / "true.jdl").write_text('[ Executable = "/bin/true"; ]')
        result = _with_proxy(node, proxy, "glite-wms-job-submit", "-a", "true.jdl")
        assert result.returncode == 1
        assert "testvo" in result.stderr, result.stderr


def test_a_limited_proxy_may_not_submit(node, tmp_path):
    node.wms("proxy", "--out", str(tmp_path / "proxy"), "--limited")
    result = _with_proxy(node, tmp_path / "proxy", "glite-wms-job-delegate-proxy", "-d", "x")
    assert result.returncode == 1
    assert "full proxy" in result.stderr


def _with_proxy(node, proxy, *command):
    import subprocess
    import sys
    from pathlib import Path

    environment = node.environment() | {"X509_USER_PROXY": str(proxy)}
    program = str(Path(sys.executable).parent / command[0])
    return subprocess.run(
        [program, *command[1:]], cwd=node.work, env=environment, capture_output=True, text=True, timeout=60
    )


def test_a_revoked_user_is_refused_by_the_running_node_within_a_minute(node):
    node.wms("init", "--user", "mallory")
    node.proxy("mallory")
    (node.work / "true.jdl").write_text('[ Executable = "/bin/true"; ]')
    # A job that only waits: under an ordinary account the computing element would not take a second user's.
    job = node.submit('[ Executable = "/bin/true"; Requirements = false; ]', user="mallory")
    revoked = node.wms("revoke", "mallory")
    assert "CN=Mallory" in revoked.stdout
    deadline = time.monotonic() + 60
    while True:
        result = node.command("glite-wms-job-submit", "-a", "true.jdl", user="mallory", check=False)
        if result.returncode != 0 or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert result.returncode == 1
    assert "revoked" in result.stderr
    assert "CN=Mallory" in result.stderr
    # The bookkeeping server looks at the trust directory by itself, so it may notice some seconds later.
    while time.monotonic() < deadline:
        status = node.command("glite-wms-job-status", "--noint", job, user="mallory", check=False)
        if status.returncode != 0:
            break
        time.sleep(1)
    assert status.returncode != 0
    assert job not in status.stdout
