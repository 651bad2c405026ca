"""Compound jobs and JSDL documents by the commands: one description, files for the request and its nodes, output."""

from __future__ import annotations

import json

import pytest

from clients import output, submit
from grid.errors import OperationNotAllowed
from grid.jobid import JobId
from jdl.compound import expand
from jdl.parser import parse
from wsdl.types import StringAndLong

NODE = 'Executable = "/bin/cat"; Arguments = "{name}"; InputSandbox = {{ "{name}" }};'
JSDL = """<?xml version="1.0"?>
<jsdl:JobDefinition xmlns:jsdl="http://schemas.ggf.org/jsdl/2005/11/jsdl"
    xmlns:posix="http://schemas.ggf.org/jsdl/2005/11/jsdl-posix">
  <jsdl:JobDescription>
    <jsdl:Application><posix:POSIXApplication>
      <posix:Executable>/bin/echo</posix:Executable><posix:Argument>hello</posix:Argument>
      <posix:Output>out</posix:Output>
    </posix:POSIXApplication></jsdl:Application>{more}
  </jsdl:JobDescription>
</jsdl:JobDefinition>
"""
STAGING = """
    <jsdl:DataStaging><jsdl:FileName>data</jsdl:FileName><jsdl:CreationFlag>overwrite</jsdl:CreationFlag>
      <jsdl:Source><jsdl:URI>file://{path}</jsdl:URI></jsdl:Source></jsdl:DataStaging>"""


@pytest.fixture
def work(tmp_path):
    return tmp_path / "work"


@pytest.fixture
def write(work, fake_grid):
    """Writes files into the working directory."""

    def put(**files: str) -> None:
        for name, text in files.items():
            path = work / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    return put


def received(grid, place):
    return {file.name: file.read_text() for file in (grid.directory / place).iterdir()}


def sent(grid, operation="jobRegister"):
    return expand(parse(grid.parts(operation)["jdl"]), vo="test")


def test_a_directory_becomes_a_collection_whose_nodes_have_the_names_of_the_files(fake_grid, write, work, capsys):
    fake_grid.version = "3.9.0"
    write(jobs__one_DOT_jdl=NODE.format(name="a"), jobs__two_DOT_jdl=NODE.format(name="b"), a="A", b="B")
    assert submit.main(["-a", "--collection", "jobs", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    parent, first, second = fake_grid.jobs
    assert answer == {
        "result": "success", "parent": parent, "endpoint": fake_grid.url,
        "children": {"one_jdl": first, "two_jdl": second},
    }  # fmt: skip
    compound = sent(fake_grid)
    assert (compound.kind.value, [node.name for node in compound.nodes]) == ("collection", ["one_jdl", "two_jdl"])
    assert received(fake_grid, "one_jdl") == {"a": "A"}
    assert received(fake_grid, "two_jdl") == {"b": "B"}
    assert received(fake_grid, "input") == {}
    assert fake_grid.parts("getSandboxBulkDestURI") == {"jobId": parent, "protocol": "https"}
    assert fake_grid.parts("jobStart") == {"jobId": parent}
    assert "getSandboxDestURI" not in fake_grid.operations


def test_a_directory_becomes_a_dag_without_dependencies(fake_grid, write):
    write(jobs__one_DOT_jdl='Executable = "/bin/true";', jobs__two='Executable = "/bin/false";')
    assert submit.main(["-a", "--dag", "jobs"]) == 0
    ad = parse(fake_grid.parts("jobSubmit")["jdl"])
    assert ad.string("Type") == "dag"
    compound = expand(ad, vo="test")
    assert [node.name for node in compound.nodes] == ["one_jdl", "two"]
    assert not any(node.parents for node in compound.nodes)


def test_a_file_that_several_nodes_name_is_sent_once(fake_grid, write, jdl, work):
    write(common="C", mine="M")
    nodes = ", ".join(
        f'[ Executable = "/bin/cat"; InputSandbox = {{ {names} }}; ]' for names in ('"common"', '"mine", "common"', "")
    )
    (work / "c.jdl").write_text(f'Type = "collection"; nodes = {{ {nodes} }};')
    assert submit.main(["-a", "c.jdl"]) == 0
    assert received(fake_grid, "input") == {"common": "C"}
    assert received(fake_grid, "Node_1") == {"mine": "M"}
    assert received(fake_grid, "Node_0") == received(fake_grid, "Node_2") == {}
    by_node = [node.ad.get("InputSandbox").text() for node in sent(fake_grid).nodes]
    assert by_node == [
        "{ root.InputSandbox[0] }", f'{{ "file://{work}/mine",root.InputSandbox[0] }}', "{  }",
    ] or by_node[0].count("root.InputSandbox[0]") == by_node[1].count("root.InputSandbox[0]") == 1  # fmt: skip


def test_a_dag_takes_node_descriptions_from_files_and_keeps_references(fake_grid, write, work):
    write(
        first_DOT_jdl='Executable = "/bin/cat"; InputSandbox = "a"; OutputSandbox = { "made" };',
        a="A",
        shared="S",
    )
    (work / "d.jdl").write_text(
        """
        Type = "dag"; InputSandbox = { "shared" };
        nodes = [
          one = [ file = "first.jdl"; ];
          two = [ description = [ Executable = "/bin/cat"; InputSandbox = {
            root.InputSandbox[0], root.nodes.one.description.OutputSandbox[0] }; ]; ];
        ];
        dependencies = { { one, two } };
        """
    )
    assert submit.main(["-a", "d.jdl"]) == 0
    assert received(fake_grid, "input") == {"shared": "S"}
    assert received(fake_grid, "one") == {"a": "A"}
    compound = sent(fake_grid)
    assert [node.parents for node in compound.nodes] == [(), (0,)]
    assert "root.nodes.one" in compound.nodes[1].ad.get("InputSandbox").text()


def test_a_parametric_job_is_sent_as_it_is_with_the_files_of_all_values(fake_grid, write, work):
    write(static="S", in0="0", in1="1")
    (work / "p.jdl").write_text(
        'JobType = "parametric"; Executable = "/bin/cat"; Parameters = 2; InputSandbox = { "static", "in_PARAM_" };'
    )
    assert submit.main(["-a", "p.jdl"]) == 0
    assert "_PARAM_" in fake_grid.parts("jobRegister")["jdl"]
    assert received(fake_grid, "input") == {"static": "S", "in0": "0", "in1": "1"}


def test_a_missing_file_of_a_node_or_a_value_is_told_before_anything_is_asked(fake_grid, write, work, capsys):
    write(jobs__one=NODE.format(name="nowhere"))
    assert submit.main(["-a", "--collection", "jobs"]) == 1
    (work / "p.jdl").write_text(
        'JobType = "parametric"; Executable = "/bin/cat"; Parameters = 2; InputSandbox = { "in_PARAM_" };'
    )
    write(in0="0")
    assert submit.main(["-a", "p.jdl"]) == 1
    err = capsys.readouterr().err
    assert "nowhere" in err
    assert "in1" in err
    assert fake_grid.calls == []


def test_a_node_that_is_wrong_is_named_before_anything_is_asked(fake_grid, write, capsys):
    write(jobs__good='Executable = "/bin/true";', jobs__bad="Arguments = 3;")
    assert submit.main(["-a", "--collection", "jobs"]) == 1
    assert "bad" in capsys.readouterr().err
    assert fake_grid.calls == []


def test_a_node_that_is_written_twice_is_refused(fake_grid, work, capsys):
    node = '[ description = [ Executable = "/bin/true"; ]; ]'
    (work / "d.jdl").write_text(f'Type = "dag"; nodes = [ a = {node}; A = {node}; ]; dependencies = {{ }};')
    assert submit.main(["-a", "d.jdl"]) == 1
    assert "Duplicated NodeName" in capsys.readouterr().err
    assert fake_grid.calls == []


@pytest.mark.parametrize("kind", ["dag", "collection"])
def test_two_files_that_make_one_node_name_are_refused(fake_grid, work, kind, capsys):
    (work / "jobs").mkdir()
    for name in ("a.b", "a_b"):
        (work / "jobs" / name).write_text('Executable = "/bin/true";')
    assert submit.main(["-a", f"--{kind}", "jobs"]) == 1
    assert "a_b" in capsys.readouterr().err
    assert fake_grid.calls == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-r", "ce:1/x-y-z", "c.jdl"], "does not go with a DAG, a collection"),
        (["--nodes-resource", "ce:1/x-y-z", "s.jdl"], "does not go with a simple job"),
        (["--jsdl", "j.xml", "--valid", "1:00"], "--valid does not go with --jsdl"),
        (["--collection", "nowhere"], "Unable to read the directory"),
        (["--collection", "empty"], "there is no JDL file"),
        (["--jsdl", "s.jdl"], ""),
        (["--collection", "empty", "--dag", "empty"], "cannot be specified together"),
    ],
)
def test_what_does_not_go_together_is_refused(fake_grid, work, arguments, said, capsys):
    (work / "empty").mkdir()
    (work / "c.jdl").write_text('Type = "collection"; nodes = { [ Executable = "/bin/true"; ] };')
    (work / "s.jdl").write_text('Executable = "/bin/true";')
    (work / "j.xml").write_text(JSDL.format(more=""))
    assert submit.main(["-a", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert not {"jobSubmit", "jobRegister", "jobSubmitJSDL"} & set(fake_grid.operations)


def test_the_nodes_resource_goes_to_all_nodes(fake_grid, work):
    (work / "c.jdl").write_text('Type = "collection"; nodes = { [ Executable = "/bin/true"; ] };')
    assert submit.main(["-a", "--nodes-resource", "ce:8443/cream-fork-q", "c.jdl"]) == 0
    assert sent(fake_grid, "jobSubmit").nodes[0].ad.string("SubmitTo") == "ce:8443/cream-fork-q"


def test_a_jsdl_document_is_submitted_as_it_is(fake_grid, work, capsys):
    (work / "j.xml").write_text(JSDL.format(more=""))
    assert submit.main(["-a", "--nomsg", "--jsdl", "j.xml"]) == 0
    job = capsys.readouterr().out.strip()
    assert job in fake_grid.jobs
    posix = fake_grid.parts("jobSubmitJSDL")["jsdl"]["JobDescription"]["Application"]
    assert "/bin/echo" in repr(posix)
    assert "hello" in repr(posix)


def test_the_local_files_of_a_jsdl_document_are_sent(fake_grid, work):
    (work / "data").write_text("D")
    (work / "j.xml").write_text(JSDL.format(more=STAGING.format(path=work / "data")))
    assert submit.main(["-a", "--jsdl", "j.xml"]) == 0
    assert received(fake_grid, "input") == {"data": "D"}
    assert [name for name in fake_grid.operations if name.startswith("job")] == ["jobRegisterJSDL", "jobStart"]


@pytest.mark.parametrize(
    "text", ["<a/>", "no XML", JSDL.format(more="<jsdl:Unknown/>"), "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"]
)
def test_what_is_no_jsdl_is_refused_before_anything_is_asked(fake_grid, work, text):
    (work / "j.xml").write_text(text)
    assert submit.main(["-a", "--jsdl", "j.xml"]) == 1
    assert fake_grid.calls == []


# -- output


@pytest.fixture
def collection(fake_grid):
    """A collection of two nodes that are done and one that was cancelled."""
    nodes = [fake_grid.job("DONE", doneCode="OK"), fake_grid.job("DONE", doneCode="OK"), fake_grid.job("CANCELLED")]
    parent = fake_grid.job("DONE", doneCode="OK", childrenNum=3, childrenStates=[fake_grid.jobs[n] for n in nodes])
    for name, node in zip("ab", nodes, strict=False):
        data = f"output of {name}".encode()
        (fake_grid.directory / "output" / f"{name}.out").write_bytes(data)
        uri = f"https://{fake_grid.address}/files/output/{name}.out"
        fake_grid.outputs_of[node] = [StringAndLong(uri, len(data))]
    named = "".join(
        f'{name} = [ description = [ edg_jobid = "{node}"; ]; ];' for name, node in zip("abc", nodes, strict=True)
    )
    fake_grid.jdl = f'[ Type = "dag"; nodes = [ {named} ]; dependencies = {{ }}; ]'
    return parent, nodes


def test_the_output_of_nodes_goes_to_directories_of_their_names(fake_grid, collection, work, capsys):
    parent, nodes = collection
    assert output.main(["--noint", "--dir", "out", parent]) == 0
    place = work / "out" / f"ada_{parent.rpartition('/')[2]}"
    assert (place / "a" / "a.out").read_text() == "output of a"
    assert (place / "b" / "b.out").read_text() == "output of b"
    assert not (place / "c").exists()
    assert (place / "ids_nodes.map").read_text() == (
        f"Dag JobId: {parent}\n\nNode Name: a\nJobId: {nodes[0]}\nDir: {place}/a\n"
        f"\nNode Name: b\nJobId: {nodes[1]}\nDir: {place}/b\n"
    )
    assert fake_grid.parts("jobPurge") == {"jobId": parent}
    said = capsys.readouterr()
    assert f"Output sandbox files for the DAG/Collection :\n{parent}\nhave been successfully retrieved" in said.out
    assert "No output of the node c" in said.err


def test_the_output_of_nodes_is_listed_below_them(fake_grid, collection, capsys):
    parent, nodes = collection
    assert output.main(["--noint", "--list-only", parent]) == 0
    out = capsys.readouterr().out
    assert f">> child: {nodes[0]}\n - file: https://{fake_grid.address}/files/output/a.out\n" in out
    assert "jobPurge" not in fake_grid.operations


def test_the_output_of_nodes_in_json(fake_grid, collection, work, capsys):
    parent, nodes = collection
    assert output.main(["--json", "--dir", "out", parent]) == 0
    answer = json.loads(capsys.readouterr().out)["jobs"][parent]
    assert answer["output_available"] == 1
    assert list(answer["children"]) == nodes[:2]


def test_a_transfer_that_fails_keeps_the_whole_job(fake_grid, collection, work):
    parent, _ = collection
    (fake_grid.directory / "output" / "refuse").touch()
    assert output.main(["--noint", "--dir", "out", parent]) == 1
    assert "jobPurge" not in fake_grid.operations


def test_a_node_whose_name_is_no_directory_stays_inside(fake_grid, collection, work):
    parent, _ = collection
    fake_grid.jdl = fake_grid.jdl.replace("a = [", "'../x' = [", 1).replace("b = [", "'.._x' = [", 1)
    assert output.main(["--noint", "--dir", "out", parent]) == 0
    place = work / "out" / f"ada_{parent.rpartition('/')[2]}"
    assert (place / ".._x" / "a.out").exists()
    assert (place / ".._x_2" / "b.out").exists()


def test_when_the_description_of_all_nodes_is_too_long_their_names_come_from_the_one_that_was_sent(fake_grid, work):
    parent = fake_grid.job("DONE", doneCode="OK")
    nodes = [str(JobId.parse(parent).child("WMPROXY", index)) for index in range(2)]
    for index, node in enumerate(nodes):
        fake_grid.jobs[node] = fake_grid.jobs.pop(fake_grid.job("DONE", doneCode="OK")) | {"jobId": node}
        (fake_grid.directory / "output" / f"{index}.out").write_text(f"output of {index}")
        uri = f"https://{fake_grid.address}/files/output/{index}.out"
        fake_grid.outputs_of[node] = [StringAndLong(uri, len("output of 0"))]
    fake_grid.jobs[parent] |= {"childrenNum": 2, "childrenStates": [fake_grid.jobs[node] for node in nodes]}
    sent = """[ JobType = "parametric"; Executable = "/bin/true"; Requirements = true; Rank = 1;
                Parameters = 3; ParameterStart = 1; ParameterStep = 1; ]"""

    def describe(kind):
        if kind == "REGISTERED":
            raise OperationNotAllowed("the description of the nodes is too long")
        return sent

    fake_grid.describe = describe
    assert output.main(["--noint", "--dir", "out", parent]) == 0
    place = work / "out" / f"ada_{parent.rpartition('/')[2]}"
    assert (place / "Node_1" / "0.out").exists()
    assert (place / "Node_2" / "1.out").exists()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("</jsdl:JobDescription>", ""), "Opening and ending tag mismatch"),
        (("posix:Executable", "posix:Program"), "POSIXApplication"),
    ],
)
def test_a_wrong_jsdl_document_is_named_with_what_is_wrong_before_anything_is_asked(
    fake_grid, work, capsys, change, told
):
    (work / "job.jsdl").write_text(JSDL.format(more="").replace(*change))
    assert submit.main(["-a", "--jsdl", "job.jsdl"]) == 1
    err = capsys.readouterr().err
    assert "Error - JSDL Error\nThe following error has been found in job.jsdl:\n" in err
    assert told in err
    assert fake_grid.calls == []


def test_a_mistake_in_one_of_several_files_says_in_which(fake_grid, write, work, capsys):
    write(jobs__good_DOT_jdl='Executable = "/bin/true";', jobs__wrong_DOT_jdl="Executable = ;")
    (work / "d.jdl").write_text('Type = "dag"; nodes = [ a = [ file = "jobs/wrong.jdl" ]; ]; dependencies = { };')
    (work / "good.jdl").write_text('Executable = "/bin/true";')
    for arguments in (["--collection", "jobs"], ["d.jdl"], ["--default-jdl", "jobs/wrong.jdl", "good.jdl"]):
        assert submit.main(["-a", *arguments]) == 1
        err = capsys.readouterr().err
        assert "Error - JDL Error\nIn the file jobs/wrong.jdl:\n" in err
        assert "line 1, column 14" in err
    assert fake_grid.calls == []
