"""Compound requests on the wire: collections, parametric jobs and DAGs, whole or not at all, in node order."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from xml.sax.saxutils import escape

import pytest

from grid.jobid import JobId

COLLECTION = """[
  Type = "collection"; InputSandbox = { "shared.txt" }; Requirements = true; Rank = 1;
  nodes = {
    [ NodeName = "first"; Executable = "/bin/cat"; Arguments = "shared.txt"; StdOutput = "out"; OutputSandbox = "out" ],
    [ Executable = "/bin/cat"; Arguments = "own.txt"; StdOutput = "out"; OutputSandbox = "out";
      InputSandbox = { root.InputSandbox[0], "own.txt" } ]
  };
]"""
PARAMETRIC = """[
  JobType = "parametric"; Executable = "/bin/echo"; Arguments = "_PARAM_"; StdOutput = "out"; OutputSandbox = "out";
  Parameters = { alpha, beta, gamma }; Requirements = true; Rank = 1;
]"""
DAG = """[
  Type = "dag"; Requirements = true; Rank = 1;
  nodes = [
    a = [ description = [ Executable = "/bin/echo"; Arguments = "a"; StdOutput = "out"; OutputSandbox = { "out" } ] ];
    b = [ description = [ Executable = "/bin/cat"; Arguments = "out"; StdOutput = "seen"; OutputSandbox = { "seen" };
          InputSandbox = { root.nodes.a.description.OutputSandbox[0] } ] ]
  ];
  dependencies = { { a, b } };
]"""


def nodes_of(job: str, count: int) -> list[str]:
    return [str(JobId.parse(job).child("WMPROXY", index)) for index in range(count)]


def register(door, jdl: str, operation: str = "jobRegister"):
    request = f"<jdl>{escape(jdl)}</jdl><delegationId>wire</delegationId>"
    return door.call(f"<w:{operation}>{request}</w:{operation}>")


def ask(door, operation: str, job: str, more: str = ""):
    return door.call(f"<w:{operation}><jobId>{job}</jobId>{more}</w:{operation}>")


def fill(door, job: str, sandbox_path) -> None:
    """Bring the collection's files: the shared one to the parent, the other to its node."""
    second = nodes_of(job, 2)[1]
    for owner, name in ((job, "shared.txt"), (second, "own.txt")):
        answer = door.http("PUT", f"{sandbox_path(owner)}/input/{name}", f"{name}\n".encode())
        assert answer.status == 201, answer.text


@pytest.fixture
def collection(alice) -> str:
    return register(alice, COLLECTION).value("id")


# -- registration ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["jobRegister", "jobSubmit"])
@pytest.mark.parametrize(
    ("jdl", "names"),
    [
        (PARAMETRIC, ["Node_alpha", "Node_beta", "Node_gamma"]),
        (DAG, ["a", "b"]),
        (COLLECTION.replace('"shared.txt" }', '"https://example.org/shared.txt" }').replace(', "own.txt" }', " }")
         .replace("own.txt", "shared.txt"), ["first", "Node_1"]),
    ],
)  # fmt: skip
def test_a_compound_request_answers_the_tree_of_its_nodes_in_their_order(alice, sandbox_path, operation, jdl, names):
    answer = register(alice, jdl, operation)
    job = answer.value("id")
    children = "".join(
        f"<childrenJob><id>{node}</id><name>{name}</name><path>{sandbox_path(node)[1:]}/input</path></childrenJob>"
        for node, name in zip(nodes_of(job, len(names)), names, strict=True)
    )
    answer.says(
        f'<glitens:{operation}Response><jobIdStruct><id>{job}</id><name xsi:nil="true"/>'
        f"<path>{sandbox_path(job)[1:]}/input</path>{children}</jobIdStruct></glitens:{operation}Response>"
    )


@pytest.mark.parametrize(
    ("jdl", "code", "said"),
    [
        (COLLECTION.replace('"/bin/cat"; Arguments = "own', '7; Arguments = "own'), "1513", "Node_1"),
        (DAG.replace("{ a, b }", "{ a, b }, { b, a }"), "1507", "cycle"),
        (DAG.replace("{ a, b }", "{ a, c }"), "1507", "dependencies"),
        (COLLECTION.replace('NodeName = "first"', 'NodeName = "Node_1"'), "1501", "Node_1"),
    ],
)
def test_one_wrong_node_and_nothing_is_registered(node, alice, jdl, code, said):
    before = known_jobs(node)
    fault = register(alice, jdl).fault()
    assert (fault.kind, fault.code) == ("InvalidArgumentFault", code)
    assert said in fault.description
    after = known_jobs(node)
    assert after == before
    # Nodes of earlier tests may get their directories at this very moment.
    made = (node.root / "sandbox" / "SandboxDir").glob("??/https_3a*")
    assert {str(JobId.from_file_name(path.name)) for path in made} <= after


def known_jobs(node) -> set[str]:
    """The identifiers in WMProxy's books."""
    books = node.root / "db" / "wms.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{books}?mode=ro", uri=True)) as connection:
        return {row[0] for row in connection.execute("SELECT job_id FROM wmproxy_jobs")}


def test_compound_jobs_are_not_matched(alice):
    for jdl in (COLLECTION, PARAMETRIC, DAG):
        fault = register(alice, jdl, "jobListMatch").fault()
        assert (fault.kind, fault.code, fault.description) == (
            "GenericFault", "1226", "The Operation is not allowed: Operation permitted only for normal job",
        )  # fmt: skip


# -- sandboxes ------------------------------------------------------------------------------------------------


def test_bulk_uris_are_the_parents_first_then_its_nodes_in_their_order(alice, collection, sandbox_path):
    def item(job: str) -> str:
        uri = f"https://localhost:{alice.port}{sandbox_path(job)}/input"
        return f"<Item><id>{job}</id><Item>{uri}</Item></Item>"

    answer = ask(alice, "getSandboxBulkDestURI", collection, "<protocol>https</protocol>")
    every = "".join(map(item, [collection, *nodes_of(collection, 2)]))
    answer.says(
        f"<glitens:getSandboxBulkDestURIResponse><DestURIsStructType>{every}</DestURIsStructType>"
        "</glitens:getSandboxBulkDestURIResponse>"
    )


def test_a_node_has_uris_of_its_own(alice, collection, sandbox_path):
    second = nodes_of(collection, 2)[1]
    answer = ask(alice, "getSandboxDestURI", second, "<protocol>https</protocol>")
    answer.says(
        "<glitens:getSandboxDestURIResponse><path>"
        f"<Item>https://localhost:{alice.port}{sandbox_path(second)}/input</Item>"
        "</path></glitens:getSandboxDestURIResponse>"
    )


def test_a_nodes_directory_is_made_with_its_first_file(node, alice, collection, sandbox_path):
    first, second = nodes_of(collection, 2)
    places = [node.root / "sandbox" / sandbox_path(one)[1:] for one in (first, second)]
    assert not any(place.exists() for place in places)
    fill(alice, collection, sandbox_path)
    assert [place.exists() for place in places] == [False, True]
    assert oct(places[1].stat().st_mode)[-3:] == "700"
    assert alice.http("GET", f"{sandbox_path(second)}/input/own.txt").body == b"own.txt\n"
    assert alice.http("GET", f"{sandbox_path(first)}/output/out").status == 404


def test_nobody_else_sees_a_nodes_files(alice, bob, collection, sandbox_path):
    fill(alice, collection, sandbox_path)
    path = f"{sandbox_path(nodes_of(collection, 2)[1])}/input/own.txt"
    assert [bob.http(method, path, b"x").status for method in ("GET", "PUT")] == [404, 404]
    assert ask(bob, "getJobStatus", nodes_of(collection, 2)[1]).fault().code == "1218"


# -- start ----------------------------------------------------------------------------------------------------


def test_a_start_names_the_files_that_are_missing_and_begins_nothing(alice, collection, sandbox_path):
    fault = ask(alice, "jobStart", collection).fault()
    assert (fault.code, "shared.txt has not been uploaded" in fault.description) == ("1226", True)
    second = nodes_of(collection, 2)[1]
    assert alice.http("PUT", f"{sandbox_path(collection)}/input/shared.txt", b"x").status == 201
    fault = ask(alice, "jobStart", collection).fault()
    place = f"https://localhost:{alice.port}{sandbox_path(second)}/input"
    assert f"own.txt has not been uploaded to {place}" in fault.description
    assert ask(alice, "getJobStatus", collection).text.count("<status>Submitted</status>") == 3


def test_a_node_is_not_started_alone(alice, collection):
    fault = ask(alice, "jobStart", nodes_of(collection, 2)[0]).fault()
    reason = f"the job is a DAG subjob. The parent is: {collection}"
    assert (fault.code, fault.description) == ("1226", f"The Operation is not allowed: {reason}")


def test_once_started_no_sandbox_of_the_request_takes_input(alice, collection, sandbox_path):
    fill(alice, collection, sandbox_path)
    ask(alice, "jobStart", collection).says("<glitens:jobStartResponse/>")
    for job in (collection, nodes_of(collection, 2)[1]):
        assert alice.http("PUT", f"{sandbox_path(job)}/input/late", b"x").status == 409
    fault = ask(alice, "jobStart", collection).fault()
    assert fault.description == "The Operation is not allowed: job started or start operation already in progress"


# -- what is known of nodes -----------------------------------------------------------------------------------


def test_the_status_has_every_node(alice, collection):
    answer = ask(alice, "getJobStatus", collection)
    first, second = (
        f"<childrenJob><jobid>{node}</jobid><status>Submitted</status></childrenJob>"
        for node in nodes_of(collection, 2)
    )
    answer.says(
        f"<glitens:getJobStatusResponse><JobStatusStruct><jobid>{collection}</jobid><status>Submitted</status>"
        f"{first}{second}</JobStatusStruct></glitens:getJobStatusResponse>"
    )
    node = nodes_of(collection, 2)[0]
    ask(alice, "getJobStatus", node).says(
        f"<glitens:getJobStatusResponse><JobStatusStruct><jobid>{node}</jobid><status>Submitted</status>"
        "</JobStatusStruct></glitens:getJobStatusResponse>"
    )


def test_the_description_of_a_node_is_the_requests(alice, collection, sandbox_path):
    first, second = nodes_of(collection, 2)
    original = ask(alice, "getJDL", first, "<type>ORIGINAL</type>").value("jdl")
    assert '\n Arguments = "shared.txt";\n' in original
    assert "edg_jobid" not in original
    registered = ask(alice, "getJDL", second, "<type>REGISTERED</type>").value("jdl")
    base = f"https://localhost:{alice.port}{{}}/input"
    for line in (
        f'edg_jobid = "{second}";',
        'NodeName = "Node_1";',
        f'InputSandbox = {{ "{base.format(sandbox_path(collection))}/shared.txt",'
        f'"{base.format(sandbox_path(second))}/own.txt" }};',
    ):
        assert f"\n {line}\n" in registered, registered
    fill(alice, collection, sandbox_path)
    ask(alice, "jobStart", collection)
    started = ask(alice, "getJDL", second, "<type>REGISTERED</type>").value("jdl")
    assert f'OutputSandboxDestURI = {{ "https://localhost:{alice.port}{sandbox_path(second)}/output/out" }};' in started
    assert f'edg_jobid = "{second}";' in started


def test_the_description_of_the_whole_is_a_dag_of_its_nodes(alice, collection):
    assert 'Type = "collection";' in ask(alice, "getJDL", collection, "<type>ORIGINAL</type>").value("jdl")
    whole = ask(alice, "getJDL", collection, "<type>REGISTERED</type>").value("jdl")
    assert re.search(r'^ Type = "dag";$', whole, re.M)
    assert re.findall(r'edg_jobid = "([^"]+)"', whole) == [collection, *nodes_of(collection, 2)]
    assert [name in whole for name in (" first = [", " Node_1 = [", 'node_type = "edg-jdl"')] == [True] * 3


def test_output_is_the_nodes(alice, collection):
    fault = ask(alice, "getOutputFileList", collection, "<protocol>https</protocol>").fault()
    said = "getOutputFileList operation not allowed for dag or collection type"
    assert (fault.code, fault.description) == ("1226", f"The Operation is not allowed: {said}")


# -- cancel and purge -----------------------------------------------------------------------------------------


def test_a_cancelled_request_takes_all_its_nodes_with_it(node, alice, collection):
    ask(alice, "jobCancel", collection).says("<glitens:jobCancelResponse/>")
    for job in (collection, *nodes_of(collection, 2)):
        assert node.wait(job) == "Cancelled"
    fault = ask(alice, "jobCancel", nodes_of(collection, 2)[0]).fault()
    assert fault.description == "The Operation is not allowed: Cancel has already been requested"
    ask(alice, "jobPurge", collection).says("<glitens:jobPurgeResponse/>")
    for job in (collection, *nodes_of(collection, 2)):
        assert ask(alice, "getJobStatus", job).fault().code == "1218"


def test_a_request_is_not_purged_before_it_has_ended(alice, collection):
    for job in (collection, nodes_of(collection, 2)[0]):
        fault = ask(alice, "jobPurge", job).fault()
        assert fault.description == "The Operation is not allowed: Job current status doesn't allow purge operation"


@pytest.mark.parametrize("which", [0, 1])
def test_a_node_that_was_cancelled_and_purged_before_the_start_does_not_run(
    node, alice, collection, sandbox_path, which
):
    gone, left = nodes_of(collection, 2)[which], nodes_of(collection, 2)[1 - which]
    fill(alice, collection, sandbox_path)
    ask(alice, "jobCancel", gone).says("<glitens:jobCancelResponse/>")
    ask(alice, "jobPurge", gone).says("<glitens:jobPurgeResponse/>")
    ask(alice, "jobStart", collection).says("<glitens:jobStartResponse/>")
    assert node.wait(collection, timeout=150) == node.wait(left) == "Done (Success)"
    assert node.wait(gone).startswith(("Cancelled", "Cleared"))
    assert ask(alice, "getJobStatus", gone).fault().code == "1218"


@pytest.mark.parametrize("named", ["{}", "Names; Names = {}"])
@pytest.mark.parametrize(("attribute", "which"), [("InputSandbox", "input"), ("OutputSandbox", "output")])
def test_a_node_names_no_more_files_than_a_job(alice, attribute, which, named):
    names = ", ".join(f'"https://example.org/{n}"' if which == "input" else f'"{n}"' for n in range(51))
    node = f'[ Executable = "/bin/true"; {attribute} = {named.format("{ " + names + " }")} ]'
    fault = register(alice, f'[ Type = "collection"; Requirements = true; Rank = 1; nodes = {{ {node} }} ]').fault()
    simple = register(alice, node.replace("[ ", "[ Requirements = true; Rank = 1; ", 1)).fault()
    assert (fault.code, fault.description) == (simple.code, simple.description)
    assert f"The maximum number of {which} sandbox files is reached: the job names 51" in fault.description


# -- large ----------------------------------------------------------------------------------------------------


def test_ten_thousand_nodes_are_registered_listed_and_cancelled_in_bounded_time(node, alice):
    jdl = PARAMETRIC.replace("{ alpha, beta, gamma }", "10000")
    began = time.monotonic()
    answer = register(alice, jdl)
    registered = time.monotonic() - began
    job = answer.value("id")
    assert re.findall(r"<childrenJob><id>([^<]+)</id>", answer.text) == nodes_of(job, 10_000)
    assert registered < 30, f"{registered:.1f} s"
    assert len(list((node.root / "sandbox" / "SandboxDir").glob(f"*/*{JobId.parse(job).file_name}"))) == 1
    began = time.monotonic()
    states = ask(alice, "getJobStatus", job)
    assert states.text.count("<status>Submitted</status>") == 10_001
    assert ask(alice, "getSandboxBulkDestURI", job, "<protocol>https</protocol>").text.count("<id>") == 10_001
    assert time.monotonic() - began < 20
    fault = ask(alice, "getJDL", job, "<type>REGISTERED</type>").fault()
    assert "10000 nodes" in fault.description
    ask(alice, "jobCancel", job).says("<glitens:jobCancelResponse/>")
    ask(alice, "jobPurge", job).says("<glitens:jobPurgeResponse/>")
