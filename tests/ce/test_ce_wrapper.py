"""The wrapper alone, as the batch system runs it: a real interpreter, a real HTTPS server, hostile descriptions."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

import ce.wrapper
from grid.doorbell import Doorbell
from gsi.ca import TestCA
from node.ports import choose


def test_the_exit_code_is_the_payloads_and_the_verdict_is_ok(wrapped):
    result = wrapped.shell("exit 42")
    assert (result["class"], result["exit_code"], result["signal"], result["reason"]) == ("ok", 42, None, "")
    assert [event["event"] for event in result["events"]] == [
        "Running",
        "ReallyRunning",
        "ResourceUsage",
        "ResourceUsage",
        "ResourceUsage",
        "Done",
    ]
    codes = [event["sequence_code"] for event in result["events"]]
    assert codes == sorted(set(codes))
    assert result["sequence_code"] > codes[-1]


def test_a_payload_that_a_signal_ended_shows_it(wrapped):
    result = wrapped.shell("kill -9 $$")
    assert (result["class"], result["exit_code"], result["signal"]) == ("ok", 137, 9)


@pytest.mark.parametrize(("text", "code"), [("#!/nowhere/interpreter\n", 126), ("exit 5\n", 5), ("", 0)])
def test_scripts_of_every_kind_end_as_they_would_from_a_shell(wrapped, text, code):
    (wrapped.work / "script").write_text(text)
    assert wrapped.run(executable="./script")["exit_code"] == code


def test_a_command_that_is_not_found_inside_the_payload_is_127_and_no_system_error(wrapped):
    result = wrapped.shell("no-such-command-here")
    assert (result["class"], result["exit_code"], result["reason"]) == ("ok", 127, "")


def test_a_missing_executable_and_a_missing_input_file_abort(wrapped):
    assert wrapped.run(executable="./nothing")["reason"] == "./nothing not found or unreadable"
    result = wrapped.shell("true", stdin="nothing")
    assert (result["class"], result["reason"]) == ("abort", "nothing not found or unreadable")


def test_prologue_and_epilogue_run_around_the_payload_with_their_arguments_and_its_environment(wrapped):
    for role in ("prologue", "epilogue"):
        (wrapped.work / f"{role}.sh").write_text(f'echo {role} "$@" $COLOUR >> order; echo lost\n')
    result = wrapped.shell(
        "echo payload >> order",
        environment=[["COLOUR", "green"]],
        prologue=["./prologue.sh", "a b", "c"],
        epilogue=["./epilogue.sh", "last"],
    )
    assert (result["class"], result["exit_code"]) == ("ok", 0)
    assert (wrapped.work / "order").read_text() == "prologue a b c green\npayload\nepilogue last green\n"
    assert wrapped.output() == "", "what they print is lost"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["./nothing"], "failed: ./nothing not found"),
        (["/bin/sh", "-c", "exit 7"], "failed with error 7"),
        (["/bin/sh", "-c", "kill -9 $$"], "failed with error 137"),
        (["./broken"], "failed with error 126"),
    ],
)
@pytest.mark.parametrize("role", ["prologue", "epilogue"])
def test_a_failed_prologue_or_epilogue_makes_the_job_fail_and_another_attempt_may_help(wrapped, role, command, reason):
    (wrapped.work / "broken").write_text("#!/nowhere/interpreter\n")
    result = wrapped.shell("echo ran > ran; exit 3", **{role: command})
    assert (result["class"], result["reason"]) == ("resubmit", f"{role} {reason}")
    assert (wrapped.work / "ran").exists() == (role == "epilogue")
    assert ("ReallyRunning" in [event["event"] for event in result["events"]]) == (role == "epilogue")


def test_a_job_that_is_ended_during_its_prologue_leaves_nothing_of_it(wrapped, until, alive):
    child = wrapped.begin(arguments=["-c", "true"], prologue=["/bin/sh", "-c", "echo $$ > pid; sleep 60; true"])
    until(lambda: (wrapped.work / "pid").exists() and (wrapped.work / "pid").read_text())
    child.terminate()
    assert child.wait(10.0) == 0
    assert wrapped.result()["reason"] == "Job has been terminated (got SIGTERM)"
    assert not alive(int((wrapped.work / "pid").read_text()))


def test_an_epilogue_may_run_no_longer_than_the_job(wrapped):
    result = wrapped.shell("true", epilogue=["/bin/sleep", "60"], wall_seconds=1)
    assert result["class"] == "abort"
    assert "wall clock limit" in result["reason"]


def test_a_job_of_several_slots_finds_them_in_the_list_of_nodes(wrapped):
    result = wrapped.shell("cat $PBS_NODEFILE; echo $PBS_NP", slots=3)
    assert wrapped.output() == f"{result['node']}\n" * 3 + "3\n"
    assert wrapped.shell("echo ${PBS_NODEFILE-none}", slots=1)["class"] == "ok"
    assert wrapped.output() == "none\n"


def test_without_its_masters_word_it_does_nothing(wrapped):
    wrapped.go = b""
    assert wrapped.begin(arguments=["-c", "touch ran"]).wait(10.0) == 3
    assert list(wrapped.work.iterdir()) == []
    assert not (wrapped.control / "status").exists()


def test_hostile_environments_reach_the_payload_as_data_and_never_the_wrapper(wrapped, place):
    trap = place / "trap.sh"
    trap.write_text(f"touch {place}/trapped\n")
    hostile = [
        ["LD_PRELOAD", "/nowhere/evil.so"],
        ["BASH_ENV", str(trap)],
        ["ENV", str(trap)],
        ["IFS", "x"],
        ["PYTHONPATH", str(place)],
        ["PYTHONSTARTUP", str(trap)],
        ["X", "() { :;}; touch " + str(place / "shellshock")],
        ["BASH_FUNC_true%%", "() { touch " + str(place / "function") + "; }"],
        ["SPACES", " two  words 'and' \"quotes\" $(touch subshell) `touch tick` \\ \n line"],
        ["GLITE_WMS_JOBID", "https://forged:9000/y"],
        ["X509_USER_PROXY", "/tmp/forged"],
        ["X509_CERT_DIR", "/tmp/forged"],
    ]
    (place / "json.py").write_text("raise SystemExit('taken over')\n")
    result = wrapped.run(executable="/usr/bin/env", arguments=["-0"], environment=hostile)
    assert result["exit_code"] == 0
    seen = dict(item.split("=", 1) for item in wrapped.output().split("\0") if "=" in item)
    expected = dict(map(tuple, hostile[:9]))
    assert {name: seen[name] for name in expected} == expected
    assert seen["GLITE_WMS_JOBID"] == "https://lb:9000/x"
    assert seen["X509_USER_PROXY"] == str(place / "proxy.pem")
    assert seen["X509_CERT_DIR"] == str(place / "trust")
    left = {path.name for path in (*place.iterdir(), *wrapped.work.iterdir())}
    assert not left & {"trapped", "shellshock", "function", "subshell", "tick"}


@pytest.mark.parametrize(
    "words",
    [
        ["a b", "c'd", 'e"f', "$HOME", "`id`", "$(id)", "*", "~", ">out2", "|cat", "&", ";id", "\\", "", "-n", "%s%n"],
        ["line\nbreak", "\t", "ü€", "\x1b[31m"],
    ],
)
def test_arguments_arrive_as_they_are(wrapped, words):
    script = 'import sys; sys.stdout.write("\\0".join(sys.argv[1:]))'
    wrapped.run(executable=str(wrapped.python), arguments=["-X", "utf8", "-c", script, *words])
    assert wrapped.output().split("\0") == words
    assert shlex.split(shlex.join(words)) == words


def test_nothing_of_the_payload_is_left_daemons_included(wrapped, alive):
    daemon = "setsid sleep 300 > /dev/null & echo $!; (sleep 300 & echo $!)"
    wrapped.shell(daemon)
    assert not any(alive(int(pid)) for pid in wrapped.output().split())


def test_terminated_it_ends_the_payload_and_reports(wrapped, until, alive):
    child = wrapped.begin(arguments=["-c", "echo $$; trap '' TERM; while :; do sleep 1; done"])
    until(lambda: (wrapped.work / "out").exists() and wrapped.output().strip())
    child.send_signal(signal.SIGTERM)
    assert child.wait(10.0) == 0
    assert wrapped.result()["reason"] == "Job has been terminated (got SIGTERM)"
    assert wrapped.result()["class"] == "resubmit"
    assert not alive(int(wrapped.output()))


def test_the_wall_clock_limit_ends_the_payload_and_the_output_is_kept(wrapped):
    result = wrapped.shell("echo so far; sleep 60", wall_seconds=0.5)
    assert result["class"] == "abort"
    assert "wall clock limit" in result["reason"]
    assert wrapped.output() == "so far\n"


def test_each_step_rings_the_doorbell(wrapped, place):
    with Doorbell.listen(place / "bell", 0o666) as bell:
        child = wrapped.begin(arguments=["-c", "true"], doorbell=str(place / "bell"))
        assert bell.wait(10.0)
        assert child.wait(10.0) == 0
    lines = (wrapped.control / "status").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["RUNNING", "REALLY-RUNNING"]


def test_files_come_and_go_with_their_bytes(wrapped, server):
    behaviour, base = server
    behaviour.files["/in"] = os.urandom(1_000_000)
    result = wrapped.shell(
        "cat in > copy; touch 'a b.log' c.log",
        input=[{"name": "in", "uri": f"{base}/in"}],
        output=[{"name": "copy", "uri": f"{base}/copy"}],
        output_patterns=["*.log"],
        output_base=f"{base}/logs/",
    )
    assert result["class"] == "ok", result
    assert behaviour.files["/copy"] == behaviour.files["/in"]
    assert {"/logs/a%20b.log", "/logs/c.log"} <= set(behaviour.files)


def test_a_transfer_that_was_cut_is_continued_where_it_stopped(wrapped, server):
    behaviour, base = server
    behaviour.files["/in"] = os.urandom(400_000)
    behaviour.faults = ["cut", 503]
    wrapped.shell("true", input=[{"name": "in", "uri": f"{base}/in"}])
    assert (wrapped.work / "in").read_bytes() == behaviour.files["/in"]
    assert [range_ for _, _, range_ in behaviour.seen] == ["", "bytes=200000-", "bytes=200000-"]


def test_a_file_that_is_refused_is_not_tried_again_and_the_servers_sentence_is_kept(wrapped, server):
    behaviour, base = server
    result = wrapped.shell("true", input=[{"name": "in", "uri": f"{base}/nowhere"}])
    assert result["class"] == "resubmit"
    assert result["reason"].startswith(f"Cannot download in from {base}/nowhere (404")
    assert "there is no such file here" in result["reason"]
    assert len(behaviour.seen) == 1
    assert result["exit_code"] is None


def test_an_output_that_cannot_be_sent_is_tried_again_then_told(wrapped, server):
    behaviour, base = server
    behaviour.faults = [503, 503, 503]
    result = wrapped.shell("exit 4", output=[{"name": "out", "uri": f"{base}/out"}])
    assert result["class"] == "resubmit"
    assert result["reason"].startswith(f"Cannot upload file://{wrapped.work}/out into {base}/out (503")
    assert len(behaviour.seen) == 3


def test_a_fifo_or_a_directory_as_output_blocks_nothing(wrapped, server):
    _, base = server
    output = [{"name": name, "uri": f"{base}/{name}"} for name in ("fifo", "directory", "gone")]
    result = wrapped.shell("mkfifo fifo; mkdir directory", output=output)
    assert result["class"] == "ok"
    assert result["notes"] == [f"Cannot read or missing file {item['name']}" for item in output]


def test_a_server_of_an_unknown_ca_gets_nothing(wrapped, server, place):
    behaviour, base = server
    for path in (place / "trust").iterdir():
        path.unlink()
    result = wrapped.shell("true", input=[{"name": "in", "uri": f"{base}/in"}])
    assert "certificate verify failed" in result["reason"]
    assert behaviour.seen == []


def test_a_revoked_server_gets_nothing(wrapped, server, place):
    behaviour, base = server
    from gsi.credential import Credential

    ca = TestCA.open(place / "ca")
    ca.revoke(Credential.load(place / "host.pem").certificate)
    ca.write_crl()
    ca.install_crl(place / "trust")
    result = wrapped.shell("true", input=[{"name": "in", "uri": f"{base}/in"}])
    assert "revoked" in result["reason"]
    assert behaviour.seen == []


def test_a_dead_server_is_given_up_within_bounds(wrapped, place, server):
    (port,) = choose(1)
    result = wrapped.shell("true", input=[{"name": "in", "uri": f"https://localhost:{port}/in"}])
    assert result["class"] == "resubmit"
    assert "refused" in result["reason"]


def test_the_file_stands_alone(python: Path, place: Path):
    source = Path(ce.wrapper.__file__).read_text()
    check = (
        "import ast, sys; tree = ast.parse(sys.stdin.read(), feature_version=(3, 9)); print('\\n'.join("
        "alias.name if isinstance(node, ast.Import) else node.module for node in ast.walk(tree) "
        "if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names))"
    )
    found = subprocess.run([python, "-c", check], input=source, capture_output=True, text=True, check=True)
    import sys

    assert {name.partition(".")[0] for name in found.stdout.split()} <= set(sys.stdlib_module_names)
