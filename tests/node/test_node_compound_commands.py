"""Compound jobs on a running node, by the users' commands alone."""

from __future__ import annotations

import json
import time

import pytest


@pytest.fixture
def place(node, tmp_path):
    """A working directory of one test; the commands run in the node's."""
    made = node.work / tmp_path.name
    made.mkdir()
    return made


def submitted(node, *arguments):
    return json.loads(node.command("glite-wms-job-submit", "-a", "--json", *arguments).stdout)


def test_a_directory_of_descriptions_runs_as_a_collection_and_its_output_comes_node_by_node(node, place):
    (place / "common.sh").write_text('#!/bin/sh\ncat "$1"\n')
    (place / "jobs").mkdir()
    for name in ("one", "two"):
        (place / f"{name}.txt").write_text(f"this is {name}\n")
        (place / "jobs" / f"{name}.jdl").write_text(
            f"""Executable = "common.sh"; Arguments = "{name}.txt"; StdOutput = "out"; OutputSandbox = {{ "out" }};
            InputSandbox = {{ "{place}/common.sh", "{place}/{name}.txt" }}; PerusalFileEnable = true;"""
        )
    answer = submitted(node, "--collection", str(place / "jobs"))
    parent, children = answer["parent"], answer["children"]
    assert list(children) == ["one_jdl", "two_jdl"]
    assert node.wait(parent) == "Done (Success)"
    status = node.command("glite-wms-job-status", "--noint", parent).stdout
    assert status.count("Done (Success)") == 3
    assert "- Nodes information for:" in status
    assert "one_jdl" in status
    assert all(child in status for child in children.values())
    node.command("glite-wms-job-output", "--noint", "--dir", str(place / "out"), parent)
    (directory,) = (place / "out").iterdir()
    assert {path.name for path in directory.iterdir()} == {"one_jdl", "two_jdl", "ids_nodes.map"}
    for name in ("one", "two"):
        assert (directory / f"{name}_jdl" / "out").read_text() == f"this is {name}\n"
    assert f"Node Name: two_jdl\nJobId: {children['two_jdl']}\n" in (directory / "ids_nodes.map").read_text()
    deadline = time.monotonic() + 30
    while node.job_status(parent)["Current Status"] != "Cleared":
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_parametric_job_and_a_dag_bring_the_files_of_their_nodes(node, place):
    for value in ("a", "b"):
        (place / f"in-{value}").write_text(f"value {value}\n")
    (place / "p.jdl").write_text(
        f"""JobType = "parametric"; Parameters = {{ a, b }}; Executable = "/bin/cat"; StdOutput = "out-_PARAM_";
        Arguments = "in-_PARAM_"; InputSandbox = {{ "{place}/in-_PARAM_" }}; OutputSandbox = {{ "out-_PARAM_" }};"""
    )
    parametric = submitted(node, str(place / "p.jdl"))
    (place / "first.jdl").write_text(
        f"""Executable = "/bin/cat"; Arguments = "in-a"; InputSandbox = "{place}/in-a"; StdOutput = "made";
        OutputSandbox = "made";"""
    )
    (place / "d.jdl").write_text(
        f"""Type = "dag"; nodes = [
          first = [ file = "{place}/first.jdl" ];
          second = [ description = [ Executable = "/bin/cat"; Arguments = "made in-b"; StdOutput = "out";
            InputSandbox = {{ root.nodes.first.description.OutputSandbox[0], "{place}/in-b" }};
            OutputSandbox = "out"; ]; ]; ];
        dependencies = {{ {{ first, second }} }};"""
    )
    dag = submitted(node, str(place / "d.jdl"))
    assert node.wait(parametric["parent"]) == "Done (Success)"
    assert node.wait(dag["parent"]) == "Done (Success)"
    node.command("glite-wms-job-output", "--noint", "--dir", str(place / "out"), parametric["parent"], dag["parent"])
    found = {path.parent.name: path.read_text() for path in (place / "out").glob("*/*/*")}
    assert found == {
        "Node_a": "value a\n", "Node_b": "value b\n", "first": "value a\n", "second": "value a\nvalue b\n",
    }  # fmt: skip


def test_a_node_is_looked_at_and_cancelled_by_its_own_identifier(node, place):
    (place / "jobs").mkdir()
    for name in ("one", "two"):
        (place / "jobs" / name).write_text(
            f"""Executable = "/bin/sh"; Arguments = "-c 'echo {name}; sleep 300'"; StdOutput = "out";
            PerusalFileEnable = true; OutputSandbox = "out";"""
        )
    answer = submitted(node, "--collection", str(place / "jobs"))
    parent, children = answer["parent"], answer["children"]
    refused = node.command("glite-wms-job-perusal", "--set", "-f", "out", parent, check=False)
    assert refused.returncode == 1
    node.command("glite-wms-job-perusal", "--set", "-f", "out", children["two"])
    deadline = time.monotonic() + 40
    seen = ""
    while seen != "two\n":
        assert time.monotonic() < deadline, seen
        time.sleep(0.3)
        node.command(
            "glite-wms-job-perusal", "--get", "-f", "out", "--nodisplay", "--dir", str(place / "seen"), children["two"]
        )
        seen = "".join(path.read_text() for path in sorted((place / "seen").glob("out-*")))
    node.command("glite-wms-job-cancel", "--noint", children["one"])
    assert node.wait(children["one"]) == "Cancelled"
    assert node.job_status(children["two"])["Current Status"] == "Running"
    description = node.command("glite-wms-job-info", "--jdl", children["two"]).stdout
    assert f'edg_jobid = "{children["two"]}";' in description
    node.command("glite-wms-job-cancel", "--noint", parent)
    node.wait(parent)


JSDL = """<?xml version="1.0"?>
<d:JobDefinition xmlns:d="http://schemas.ggf.org/jsdl/2005/11/jsdl" xmlns:p="http://schemas.ggf.org/jsdl/2005/11/jsdl-posix">
  <d:JobDescription>
    <d:Application><p:POSIXApplication>
      <p:Executable>/bin/cat</p:Executable><p:Argument>in.txt</p:Argument><p:Output>out</p:Output>
    </p:POSIXApplication></d:Application>
    <d:DataStaging><d:FileName>in.txt</d:FileName><d:CreationFlag>overwrite</d:CreationFlag>
      <d:Source><d:URI>file://{place}/in.txt</d:URI></d:Source></d:DataStaging>
  </d:JobDescription>
</d:JobDefinition>
"""


def test_a_jsdl_document_runs_with_its_local_file(node, place):
    (place / "in.txt").write_text("staged in\n")
    (place / "job.xml").write_text(JSDL.format(place=place))
    job = submitted(node, "--jsdl", str(place / "job.xml"))["jobid"]
    assert node.wait(job) == "Done (Success)"
    node.command("glite-wms-job-output", "--noint", "--dir", str(place / "out"), job)
    assert [path.read_text() for path in (place / "out").glob("*/out")] == ["staged in\n"]
