"""Asking a running node why: ``list-match --explain``, the reason of a waiting job, ``wms explain``."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

DONE = {"state": "done", "count": 1}
WMS = str(Path(sys.executable).parent / "wms")
NOWHERE = """[ Executable = "/bin/true"; Rank = 1; RetryCount = 0;
  Requirements = other.GlueCEInfoTotalCPUs >= 100000 && other.GlueCEInfoLRMSTyp == "fork"; ]"""
TWO = """[ Type = "collection"; Nodes = {
  [ NodeName = "a"; Executable = "/bin/true"; Rank = 1; Requirements = true; ],
  [ NodeName = "b"; Executable = "/bin/true"; Rank = 1; Requirements = other.GlueCEInfoTotalCPUs > 100000; ] }; ]"""


def told(node, job: str) -> dict:
    return json.loads(node.wms("explain", job, "--json").stdout)


def until(node, job: str, phase: str) -> dict:
    deadline = time.monotonic() + 60
    while (found := told(node, job))["phase"] != phase:
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


@pytest.fixture(scope="module")
def waiting(node) -> str:
    job = node.submit(NOWHERE)
    yield job
    node.command("glite-wms-job-cancel", "--noint", job)


def explained(node, jdl: str, *options: str) -> subprocess.CompletedProcess:
    (node.work / "why.jdl").write_text(jdl)
    return node.command("glite-wms-job-list-match", "-a", "--explain", *options, "why.jdl")


def test_the_smallest_change_that_list_match_tells_gives_a_match(node) -> None:
    text = explained(node, NOWHERE).stdout
    assert "no computing element matches: none of 1 that admit this user" in text
    assert "did you mean\n    other.GlueCEInfoLRMSType?" in text
    assert "     write        other.GlueCEInfoLRMSType == \"fork\"\n" in text
    assert max(map(len, text.splitlines())) <= 80
    document = json.loads(explained(node, NOWHERE, "--json").stdout)["explanation"]
    (change,) = document["changes"]
    matched = explained(
        node, f'[ Executable = "/bin/true"; Rank = 1; Requirements = {change["requirements"]}; ]'
    ).stdout
    assert "1 of 1 computing element matches." in matched
    assert document["changes"][0]["best"][0]["ce_id"] in matched


def test_a_waiting_job_is_explained_to_its_user_and_to_the_operator(node, waiting) -> None:
    found = until(node, waiting, "waiting")
    assert found["reason"].startswith("BrokerHelper: no compatible resources; no computing element matches: ")
    assert "did you mean other.GlueCEInfoLRMSType?" in found["reason"]
    assert found["explanation"]["mistakes"][0]["meant"] == "other.GlueCEInfoLRMSType"
    log = node.command("glite-wms-job-logging-info", "-v", "2", waiting).stdout
    assert found["reason"] in log, "the PENDING event has the same words"
    text = node.wms("explain", waiting).stdout
    assert "phase     waiting: no computing element matches it" in text
    assert "Smallest changes that give a match" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_job_that_has_ended_tells_where_it_went(node) -> None:
    job = node.submit('[ Executable = "/bin/true"; Requirements = true; Rank = 7; ]')
    found = until(node, job, "ended")
    assert (found["sentence"], found["attempt"]) == ("it is done with exit code 0", 1)
    choice = found["choice"]
    assert (choice["rank"], choice["candidates"]) == (7, 1)
    assert "/cream-fork-" in choice["ce_id"]
    assert "explanation" not in found
    assert f"  {choice['ce_id']}\n  rank 7, {choice['at']}, of 1 that matched\n" in node.wms("explain", job).stdout


def test_a_compound_job_tells_of_its_nodes_and_a_node_of_its_parent(node) -> None:
    job = node.submit(TWO)
    try:
        deadline = time.monotonic() + 60
        while not (found := told(node, job)).get("waiting") or DONE not in found["nodes"]:
            assert time.monotonic() < deadline, found
            time.sleep(0.3)
        assert found["sentence"] == "it is a collection of 2 nodes"
        child, _, reason = found["waiting"][0].partition(": ")
        assert reason.startswith("BrokerHelper: no compatible resources; ")
        of_child = told(node, child)
        assert (of_child["parent"], of_child["node"], of_child["phase"]) == (job, "b", "waiting")
    finally:
        node.command("glite-wms-job-cancel", "--noint", job)


def test_an_unknown_job_and_what_is_no_job_are_told_apart(node) -> None:
    configuration = node.configuration()
    missing = node.wms("explain", f"https://localhost:{configuration.lb.port}/nobodyknowsthisjob0000", check=False)
    assert missing.returncode == 1
    assert "the broker knows no job https://localhost:" in missing.stderr
    wrong = node.wms("explain", "x", check=False)
    assert (wrong.returncode, "is not a job identifier" in wrong.stderr) == (1, True)


def test_without_a_node_or_a_job_it_says_so(tmp_path, node) -> None:
    assert node.wms("explain", check=False).returncode == 2
    help_text = node._run([WMS, "explain", "--help"], node.environment(), True, 30).stdout
    assert "JOBID" in help_text and "--json" in help_text
    nowhere = node._run([WMS, "explain", str(tmp_path), "https://h:9000/x"], node.environment(), False, 30)
    assert (nowhere.returncode, str(tmp_path) in nowhere.stderr) == (1, True)

