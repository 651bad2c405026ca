"""Load limits and drain on a running server: what callers are told, and what is still served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

DRAINED = "Unavailable service (the server is temporarily drained)"
LIMITS = """
[[wmproxy.limit]]
operation = "getTransferProtocols"
memory_available = 1152921504606846976
retry_after = 7

[[wmproxy.limit]]
operation = "getProxyTerminationTime"
requests = 0
"""
NEW_WORK = {
    "jobRegister": "<jdl>{jdl}</jdl><delegationId>wire</delegationId>",
    "jobSubmit": "<jdl>{jdl}</jdl><delegationId>wire</delegationId>",
    "jobListMatch": "<jdl>{jdl}</jdl><delegationId>wire</delegationId>",
    "jobStart": "<jobId>{job}</jobId>",
}
OTHER_WORK = {
    "getVersion": "",
    "getMaxInputSandboxSize": "",
    "getJDL": "<jobId>{job}</jobId><type>ORIGINAL</type>",
    "getSandboxDestURI": "<jobId>{job}</jobId><protocol>https</protocol>",
    "getJobStatus": "<jobId>{job}</jobId>",
    "jobCancel": "<jobId>{job}</jobId>",
}


@pytest.fixture(scope="module")
def limited(make_node) -> Iterator:
    """A running node with load limits that cannot be met."""
    made = make_node()
    with (made.root / "wms.toml").open("a") as file:
        file.write(LIMITS)
    made.wms("up", "--detach")
    made.proxy("alice")
    yield made
    made.wms("down")


@pytest.fixture(scope="module")
def caller(limited, open_door):
    with open_door(limited, limited.root / "credentials" / "users" / "alice" / "proxy.pem") as door:
        assert door.delegate("wire").status == 200
        yield door


def drain(node, *words: str) -> str:
    return node.wms("drain", *words).stdout


# -- load ----------------------------------------------------------------------------------------------------


def test_an_overloaded_server_answers_its_typed_fault_with_the_limit_and_the_time(caller) -> None:
    fault = caller.call("<w:getTransferProtocols/>").fault("Server")
    assert (fault.kind, fault.code) == ("ServerOverloadedFault", "1228")
    assert fault.description.startswith("System load is too high: the available memory is ")
    assert fault.description.endswith(
        ", and the limit for getTransferProtocols is 1099511627776.0 MiB; try again in 7 s"
    )


def test_operations_without_a_limit_are_served_meanwhile(caller) -> None:
    assert caller.call("<w:getVersion/>").status == 200


def test_limits_of_the_delegation_ports_have_the_historical_keys(caller) -> None:
    space = "http://www.gridsite.org/namespaces/delegation-2"
    answer = caller.call("<w:getTerminationTime><delegationID>wire</delegationID></w:getTerminationTime>", space)
    assert "System load is too high" in answer.delegation_fault(space, "msg")


def test_a_stranger_is_not_told_of_the_load(limited, open_door) -> None:
    with open_door(limited, None) as door:
        assert door.call("<w:getTransferProtocols/>").fault().kind == "AuthenticationFault"


def test_limits_of_an_unknown_operation_are_named(make_node) -> None:
    made = make_node()
    with (made.root / "wms.toml").open("a") as file:
        file.write('\n[[wmproxy.limit]]\noperation = "jobRegistre"\nload1 = 3\n')
    report = made.wms("run", "wmproxy", check=False)
    assert report.returncode == 1
    assert "there are load limits for jobRegistre, and no operation has that key" in report.stderr


# -- drain ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["command", "file"])
def drained(request, limited, caller, jdl) -> Iterator[str]:
    """The server is drained, in one of the two ways; the id of a job from before."""
    job = caller.register()
    sign = limited.root / "sandbox" / ".drain"
    if request.param == "command":
        assert "is drained" in drain(limited, "on")
    else:
        sign.touch()
    yield job
    if request.param == "command":
        assert "takes new work" in drain(limited, "off")
    else:
        sign.unlink()


@pytest.mark.parametrize("operation", NEW_WORK)
def test_a_drained_server_refuses_new_work(drained, caller, jdl, operation) -> None:
    parts = NEW_WORK[operation].format(jdl=escape(jdl), job=drained)
    fault = caller.call(f"<w:{operation}>{parts}</w:{operation}>").fault()
    assert (fault.kind, fault.code) == ("AuthorizationFault", "1207")
    assert fault.description.startswith(f"{DRAINED}: ")
    assert "use another WMProxy server" in fault.description


def test_a_drained_server_serves_the_rest(drained, caller, limited) -> None:
    for operation, parts in OTHER_WORK.items():
        answer = caller.call(f"<w:{operation}>{parts.format(job=drained)}</w:{operation}>")
        assert answer.status == 200, answer.text
    assert caller.delegate("again").status == 200


def test_a_drained_server_takes_input_files(drained, caller, sandbox_path) -> None:
    assert caller.http("PUT", f"{sandbox_path(drained)}/input/f", b"data").status == 201


def test_the_end_of_a_drain_needs_no_restart(limited, caller) -> None:
    before = caller.register()
    drain(limited, "on")
    assert caller.call(f"<w:jobStart><jobId>{before}</jobId></w:jobStart>").status == 500
    drain(limited, "off")
    assert caller.call(f"<w:jobStart><jobId>{before}</jobId></w:jobStart>").status == 200


def test_callers_are_told_where_else_to_go_and_the_operator_sees_it(limited, caller, jdl) -> None:
    where = "use https://wms2.example.org:7443/glite_wms_wmproxy_server"
    drain(limited, "on", "--message", where)
    try:
        parts = NEW_WORK["jobSubmit"].format(jdl=escape(jdl))
        assert caller.call(f"<w:jobSubmit>{parts}</w:jobSubmit>").fault().description == f"{DRAINED}: {where}"
        assert f"callers are told: {where}" in drain(limited)
        report = limited.wms("status")
        assert f"note: drained: new work is refused, the rest is served; callers are told: {where}" in report.stdout
        assert json.loads(limited.wms("status", "--json").stdout)["drained"] is True
    finally:
        drain(limited, "off")
    assert "drained" not in limited.wms("status").stdout
    assert json.loads(limited.wms("status", "--json").stdout)["drained"] is False


def test_words_of_the_file_are_kept_harmless(limited, caller, jdl) -> None:
    sign: Path = limited.root / "sandbox" / ".drain"
    sign.write_bytes(b"go \x1b[31maway\xff\x00 " + b"x" * 5000 + b"\nsecond line")
    try:
        parts = NEW_WORK["jobSubmit"].format(jdl=escape(jdl))
        told = caller.call(f"<w:jobSubmit>{parts}</w:jobSubmit>").fault().description
    finally:
        sign.unlink()
    assert told.startswith(f"{DRAINED}: go [31maway")
    assert len(told) < 600
    assert "second" not in told
