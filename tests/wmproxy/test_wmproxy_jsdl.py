"""JSDL on the wire: typed job definitions, with the children's names qualified (zeep) or not (gSOAP)."""

from __future__ import annotations

import pytest

JSDL = "http://schemas.ggf.org/jsdl/2005/11/jsdl"
POSIX = "http://schemas.ggf.org/jsdl/2005/11/jsdl-posix"
QUALIFIED = (
    f'<jsdl xmlns:j="{JSDL}" xmlns:p="{POSIX}"><j:JobDescription><j:Application><p:POSIXApplication>'
    "<p:Executable>/bin/echo</p:Executable><p:Argument>hello</p:Argument><p:Output>out</p:Output>"
    "</p:POSIXApplication></j:Application>{more}</j:JobDescription></jsdl>"
)
UNQUALIFIED = (
    "<jsdl><JobDescription><Application><POSIXApplication><Executable>/bin/echo</Executable>"
    "<Argument>hello</Argument><Output>out</Output></POSIXApplication></Application>{more}</JobDescription></jsdl>"
)
UNKNOWN = "<Resources><TotalDiskSpace><LowerBoundedRange>5</LowerBoundedRange></TotalDiskSpace></Resources>"


def call(door, operation: str, definition: str, more: str = ""):
    parts = [definition.replace("{more}", more), "<delegationId>wire</delegationId>"]
    if operation == "jobSubmitJSDL":  # its message has them the other way round
        parts.reverse()
    return door.call(f"<w:{operation}>{''.join(parts)}</w:{operation}>")


@pytest.mark.parametrize("definition", [QUALIFIED, UNQUALIFIED], ids=["zeep", "gsoap"])
@pytest.mark.parametrize("operation", ["jobRegisterJSDL", "jobSubmitJSDL"])
def test_a_job_definition_becomes_a_job(alice, sandbox_path, definition, operation):
    answer = call(alice, operation, definition)
    job = answer.value("id")
    answer.says(
        f"<glitens:{operation}Response><jobIdStruct><id>{job}</id><name></name>"
        f"<path>{sandbox_path(job)[1:]}/input</path></jobIdStruct></glitens:{operation}Response>"
    )
    jdl = alice.call(f"<w:getJDL><jobId>{job}</jobId><type>ORIGINAL</type></w:getJDL>").value("jdl")
    for line in ('Executable = "/bin/echo";', 'StdOutput = "out";'):
        assert f"\n {line}\n" in jdl
    assert "hello" in jdl


@pytest.mark.parametrize("definition", [QUALIFIED, UNQUALIFIED], ids=["zeep", "gsoap"])
def test_a_job_definition_is_matched(node, alice, definition):
    call(alice, "jobListMatchJSDL", definition).says(
        "<glitens:jobListMatchJSDLResponse><CEIdAndRankList>"
        f"<file><name>localhost:{node.configuration().ce.port}/cream-fork-default</name><size>{_rank(alice)}</size></file>"
        "</CEIdAndRankList></glitens:jobListMatchJSDLResponse>"
    )


def _rank(alice) -> str:
    return call(alice, "jobListMatchJSDL", QUALIFIED).value("size")


@pytest.mark.parametrize("operation", ["jobRegisterJSDL", "jobSubmitJSDL", "jobListMatchJSDL"])
def test_what_cannot_be_expressed_is_refused_by_name_under_the_operation_that_was_called(node, alice, operation):
    before = set((node.root / "sandbox" / "SandboxDir").glob("*/*"))
    fault = call(alice, operation, UNQUALIFIED, UNKNOWN).fault()
    assert (fault.method, fault.code) == (operation, "1225")
    assert "TotalDiskSpace" in fault.description
    assert set((node.root / "sandbox" / "SandboxDir").glob("*/*")) <= before


def test_a_definition_without_a_description_is_refused(alice):
    fault = alice.call(
        "<w:jobRegisterJSDL><jsdl/><delegationId>wire</delegationId></w:jobRegisterJSDL>"
    ).fault()
    assert (fault.method, fault.kind, fault.code) == ("jobRegisterJSDL", "InvalidArgumentFault", "1225")
