"""Compound jobs on a running node, from their registration to the output of each node."""

from __future__ import annotations

import time

import pytest

from grid.jobid import JobId
from gsi.credential import Credential
from gsi.tls import client_context
from web.client import FileClient
from wsdl.client import RemoteFault, SoapClient
from wsdl.delegation import delegate

ENDED = ("Done", "Aborted", "Cancelled", "Cleared")


class User:
    """Alice, by the web service and by HTTPS."""

    def __init__(self, node) -> None:
        proxy = node.root / "credentials" / "users" / "alice" / "proxy.pem"
        context = client_context(node.root / "trust" / "certificates", proxy)
        self._soap = SoapClient("WMProxy.wsdl", "WMProxy_PortType", node.configuration().wmproxy_endpoint, context)
        self._files = FileClient(context)
        delegate(self._soap, "compounds", Credential.load(proxy))

    def call(self, operation: str, **parts):
        return self._soap.call(operation, **parts)

    def register(self, jdl: str):
        """The tree: the parent's id, and its nodes' by name."""
        tree = self.call("jobRegister", jdl=jdl, delegationId="compounds")
        return tree["id"], {child["name"]: child["id"] for child in tree["childrenJob"]}

    def upload(self, job: str, path) -> None:
        (uri,) = self.call("getSandboxDestURI", jobId=job, protocol="https")
        self._files.put(f"{uri}/{path.name}", path)

    def states(self, job: str) -> dict[str, str]:
        told = self.call("getJobStatus", jobId=job)
        return {told["jobid"]: told["status"]} | {child["jobid"]: child["status"] for child in told["childrenJob"]}

    def wait(self, job: str, timeout: float = 90) -> dict[str, str]:
        """Wait until the job and all its nodes have ended."""
        deadline = time.monotonic() + timeout
        while not set((states := self.states(job)).values()) <= set(ENDED):
            assert time.monotonic() < deadline, states
            time.sleep(0.3)
        return states

    def output(self, job: str, directory) -> dict[str, str]:
        directory.mkdir()
        listed = self.call("getOutputFileList", jobId=job, protocol="https")
        for file in listed:
            self._files.get(file["name"], directory / file["name"].rpartition("/")[2])
        return {path.name: path.read_text() for path in directory.iterdir()}

    def close(self) -> None:
        self._soap.close()
        self._files.close()


@pytest.fixture(scope="module")
def alice(node):
    user = User(node)
    yield user
    user.close()


def test_a_collection_runs_with_shared_and_own_files_and_is_purged_node_by_node(node, alice, tmp_path):
    job, nodes = alice.register(
        """[ Type = "collection"; InputSandbox = { "shared.txt" }; Requirements = true; Rank = 1;
             DefaultNodeRetryCount = 1;
             nodes = {
               [ NodeName = "one"; Executable = "/bin/cat"; Arguments = "shared.txt"; StdOutput = "out";
                 OutputSandbox = "out" ],
               [ NodeName = "two"; Executable = "/bin/cat"; Arguments = "shared.txt own.txt"; StdOutput = "out";
                 OutputSandbox = "out"; InputSandbox = { root.InputSandbox[0], "own.txt" } ],
               [ NodeName = "three"; Executable = "/bin/sh"; Arguments = "-c 'exit 3'" ]
             }; ]"""
    )
    for owner, name in ((job, "shared.txt"), (nodes["two"], "own.txt")):
        (tmp_path / name).write_text(f"{name}\n")
        alice.upload(owner, tmp_path / name)
    alice.call("jobStart", jobId=job)
    states = alice.wait(job)
    assert states == dict.fromkeys((job, *nodes.values()), "Done")
    assert alice.output(nodes["one"], tmp_path / "one") == {"out": "shared.txt\n"}
    assert alice.output(nodes["two"], tmp_path / "two") == {"out": "shared.txt\nown.txt\n"}
    assert node.wait(nodes["three"]) == "Done(Exit Code !=0)"
    alice.call("jobPurge", jobId=nodes["two"])
    assert node.wait(nodes["two"], states=("Cleared",)) == "Cleared"
    assert alice.output(nodes["one"], tmp_path / "again") == {"out": "shared.txt\n"}
    alice.call("jobPurge", jobId=job)
    for one in (job, *nodes.values()):
        assert node.wait(one, states=("Cleared",)) == "Cleared"
    left = [path.name for path in (node.root / "sandbox").glob("*/*/*")]
    assert not {JobId.parse(one).file_name for one in (job, *nodes.values())} & set(left)


def test_a_parametric_job_runs_once_for_each_value(alice, tmp_path):
    job, nodes = alice.register(
        """[ JobType = "parametric"; Executable = "/bin/echo"; Arguments = "value _PARAM_"; StdOutput = "out-_PARAM_";
             OutputSandbox = { "out-_PARAM_" }; Parameters = 5; ParameterStart = 1; ParameterStep = 2;
             Requirements = true; Rank = 1; ]"""
    )
    assert list(nodes) == ["Node_1", "Node_3"]
    alice.call("jobStart", jobId=job)
    assert set(alice.wait(job).values()) == {"Done"}
    for value in (1, 3):
        assert alice.output(nodes[f"Node_{value}"], tmp_path / str(value)) == {f"out-{value}": f"value {value}\n"}


def test_nodes_of_a_dag_run_after_their_parents_and_read_what_these_wrote(alice, tmp_path):
    job, nodes = alice.register(
        """[ Type = "dag"; Requirements = true; Rank = 1;
             nodes = [
               make = [ description = [ Executable = "/bin/echo"; Arguments = "made"; StdOutput = "made.txt";
                        OutputSandbox = { "made.txt" } ] ];
               read = [ description = [ Executable = "/bin/cat"; Arguments = "made.txt"; StdOutput = "read.txt";
                        OutputSandbox = { "read.txt" };
                        InputSandbox = { root.nodes.make.description.OutputSandbox[0] } ] ];
             ];
             dependencies = { { make, read } }; ]"""
    )
    alice.call("jobStart", jobId=job)
    assert set(alice.wait(job).values()) == {"Done"}
    assert alice.output(nodes["read"], tmp_path / "read") == {"read.txt": "made\n"}


def test_the_nodes_after_one_that_fails_never_run(node, alice):
    job, nodes = alice.register(
        """[ Type = "dag"; Requirements = true; Rank = 1;
             nodes = [
               a = [ description = [ Executable = "/bin/sh"; Arguments = "-c 'exit 1'" ] ];
               b = [ description = [ Executable = "/bin/true" ] ] ];
             dependencies = { { a, b } }; ]"""
    )
    alice.call("jobStart", jobId=job)
    states = alice.wait(job)
    assert states[nodes["b"]] == states[job] == "Aborted"


def test_the_output_of_a_node_stays_while_its_dag_runs(node, alice):
    job, nodes = alice.register(
        """[ Type = "dag"; Requirements = true; Rank = 1;
             nodes = [
               a = [ description = [ Executable = "/bin/true" ] ];
               b = [ description = [ Executable = "/bin/sleep"; Arguments = "60" ] ] ];
             dependencies = { { a, b } }; ]"""
    )
    alice.call("jobStart", jobId=job)
    node.wait(nodes["a"])
    with pytest.raises(RemoteFault, match="The DAG's current status doesn't allow purge operation"):
        alice.call("jobPurge", jobId=nodes["a"])
    alice.call("jobCancel", jobId=job)
    assert alice.wait(job)[job] == "Cancelled"
    alice.call("jobPurge", jobId=nodes["a"])


def test_a_node_that_was_cancelled_before_the_start_does_not_run(alice, tmp_path):
    job, nodes = alice.register(
        """[ Type = "collection"; Requirements = true; Rank = 1; nodes = {
               [ NodeName = "kept"; Executable = "/bin/echo"; Arguments = "x"; StdOutput = "out";
                 OutputSandbox = "out" ],
               [ NodeName = "dropped"; Executable = "/bin/echo"; Arguments = "x"; InputSandbox = "never-sent" ] }; ]"""
    )
    alice.call("jobCancel", jobId=nodes["dropped"])
    alice.call("jobStart", jobId=job)
    states = alice.wait(job)
    assert (states[nodes["kept"]], states[nodes["dropped"]]) == ("Done", "Cancelled")
    assert alice.output(nodes["kept"], tmp_path / "kept") == {"out": "x\n"}


def test_a_running_collection_is_cancelled_with_its_nodes(alice):
    job, nodes = alice.register(
        """[ Type = "collection"; Requirements = true; Rank = 1; nodes = {
               [ Executable = "/bin/sleep"; Arguments = "318" ], [ Executable = "/bin/sleep"; Arguments = "318" ],
               [ Executable = "/bin/sleep"; Arguments = "318" ] }; ]"""
    )
    alice.call("jobStart", jobId=job)
    deadline = time.monotonic() + 60
    while "Running" not in (states := alice.states(job)).values():
        assert time.monotonic() < deadline, states
        time.sleep(0.3)
    alice.call("jobCancel", jobId=job)
    states = alice.wait(job)
    assert {states[one] for one in nodes.values()} == {"Cancelled"}
    assert states[job] == "Cancelled"
