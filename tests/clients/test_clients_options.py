"""The command line: the strict rules of the original, and what a user reads when one is broken."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys

import pytest

from clients import (
    cancel,
    delegate_proxy,
    job_info,
    list_match,
    logging_info,
    options,
    output,
    perusal,
    status,
    submit,
)
from clients.errors import NotServed, OptionError, UsageError

COMMANDS = [submit, status, logging_info, output, cancel, list_match, delegate_proxy, perusal, job_info]
JOB = "https://lb.example.org:9000/9kA2bCdEfGhIjKlMnOpQrS"


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.COMMAND)
def test_explicit_help_exits_0_with_the_usage_on_stderr(command, capsys):
    assert command.main(["--help"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("\n")
    assert f"Usage: {command.COMMAND} " in err
    assert "User Interface version" in err
    assert "Please report any bug at:" in err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.COMMAND)
def test_every_option_says_once_what_it_does(command, capsys):
    command.main(["--help"])
    shown = re.sub(r"\n\t +", " ", capsys.readouterr().err).splitlines()
    for option in command.SYNTAX.options:
        if option.refused:
            continue
        assert sum(line.startswith(f"\t--{option.long}") and line.endswith(option.text) for line in shown) == 1
        assert len(option.text) > 10


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.COMMAND)
def test_the_usage_text_fits_a_terminal_of_80_columns(command, capsys):
    command.main(["--help"])
    assert [line for line in capsys.readouterr().err.splitlines() if len(line.expandtabs()) > 80] == []


def test_list_match_help_does_not_know_default_jdl(capsys):
    list_match.main(["--help"])
    assert "--default-jdl" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (submit, 255),
        (output, 255),
        (cancel, 255),
        (list_match, 255),
        (delegate_proxy, 255),
        (status, 1),
        (logging_info, 1),
    ],
    ids=lambda c: getattr(c, "COMMAND", c),
)
@pytest.mark.parametrize("argv", [[], ["--bogus"], ["-Z"]], ids=["nothing", "long", "short"])
def test_wrong_command_lines_print_the_usage_and_exit(command, code, argv, capsys):
    assert command.main(argv) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert f"Usage: {command.COMMAND}" in err
    if argv:
        assert f"unknown option: {argv[0]}" in err


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--autm", "a.jdl"], "not abbreviated: --autm-delegation"),
        (["--delegationid=x", "a.jdl"], "write `--delegationid <value>', with a blank"),
        (["-ao", "ids", "a.jdl"], "unknown option: -ao"),
        (["-a", "-d"], "--delegationid needs an argument"),
        (["a.jdl", "-a"], "-a stands behind 'a.jdl'"),
        (["-autm-delegation", "a.jdl"], "unknown option"),
    ],
)
def test_abbreviations_equals_signs_bundles_and_late_options_are_refused(argv, told):
    with pytest.raises(UsageError) as caught:
        submit.SYNTAX.parse(argv)
    assert told in str(caught.value)


def test_an_argument_that_begins_with_a_dash_is_refused_with_the_line_of_the_option(capsys):
    assert submit.main(["-d", "-id", "a.jdl"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("\nError - Wrong Argument Option\nInvalid argument value for the option:\n")
    assert "--delegationid, -d <id>" in err


def test_a_repeated_option_is_named(capsys):
    assert submit.main(["-a", "--autm-delegation", "a.jdl"]) == 1
    err = capsys.readouterr().err
    assert err == "\nError - Input Option Error\noption already specified: autm-delegation\n\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["-a", "-d", "x", "a.jdl"],
        ["--json", "--nomsg", "a.jdl"],
        ["--json", "--debug", "a.jdl"],
        ["--json", "-o", "f", "a.jdl"],
        ["--start", JOB, "--register-only"],
        ["--start", JOB, "-a"],
        ["--start", JOB, "--valid", "01:00"],
        ["--collection", "d", "--dag", "e"],
        ["--dag", "d", "--jsdl", "e"],
        ["-r", "ce:1/q", "-i", "f", "a.jdl"],
        ["--valid", "1:00", "--to", "1:00", "a.jdl"],
        ["-c", "f", "--vo", "v", "a.jdl"],
    ],
)
def test_options_that_exclude_one_another_are_listed(argv):
    with pytest.raises(OptionError, match="the following options cannot be specified together:\n\t--"):
        submit.SYNTAX.parse(argv)


def test_an_option_that_is_not_served_is_refused_by_name():
    refused = options.switch("later", "something", refused="it is not here yet")
    syntax = options.Syntax("command", "Does it.", ("",), (("Group", (refused,)),))
    with pytest.raises(NotServed, match="--later: it is not here yet"):
        syntax.parse(["--later"])
    assert "Known and refused with a reason: --later" in syntax.usage("1")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--transfer-files", "a.jdl"], "--transfer-files is to be used with --register-only"),
        (["--lrms", "pbs", "a.jdl"], "--lrms is to be used with"),
    ],
)
def test_options_that_need_others_say_so(argv, told, capsys):
    assert submit.main(argv) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["-a"], ["-a", "a.jdl", "b.jdl"]])
def test_submit_takes_exactly_one_job_description(argv, capsys):
    assert submit.main(argv) == 255
    assert "JDL file" in capsys.readouterr().err


def test_status_takes_long_options_with_one_dash():
    assert status.SYNTAX.parse(["-all"]).has("all")
    assert status.SYNTAX.parse(["-verbosity", "2", JOB]).text("verbosity") == "2"


def test_status_options_may_be_repeated():
    line = status.SYNTAX.parse(["-s", "Done", "--status", "Running"])
    assert line.texts("status") == ("Done", "Running")


@pytest.mark.parametrize(
    "argv",
    [
        ["-v", "4", JOB],
        ["--all", JOB],
        ["-s", "Nowhere"],
        ["-s", "12"],
        ["--user-tag", "x"],
        ["-s", "Done", "-e", "Running"],
    ],
)
def test_status_refuses_wrong_values_before_anything_is_asked(argv, capsys):
    assert status.main(argv) == 1
    assert "Error - " in capsys.readouterr().err


def test_delegate_proxy_needs_a_delegation_option(capsys):
    assert delegate_proxy.main(["--noint"]) == 1
    err = capsys.readouterr().err
    assert "Missing Information" in err
    assert "No delegationId found, please use one of the following methods:" in err


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.COMMAND)
def test_version_is_printed_without_a_proxy(command, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "none"))
    monkeypatch.delenv("GLITE_WMS_WMPROXY_ENDPOINT", raising=False)
    assert command.main(["--version"]) == 0
    assert "User Interface version" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.COMMAND)
def test_the_usage_text_costs_no_heavy_import(command):
    code = (
        f"import sys, resource; from {command.__name__} import main; main(['--help'])\n"
        "heavy = {'zeep', 'lxml', 'cryptography', 'requests', 'spyne', 'OpenSSL', 'ssl'} & set(sys.modules)\n"
        "usage = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(','.join(sorted(heavy)), usage.ru_utime + usage.ru_stime)"
    )
    root = os.path.dirname(os.path.dirname(importlib.import_module("clients").__file__))
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=root, timeout=60, check=True)
    heavy, seconds = done.stdout.split(" ")
    assert heavy == ""
    assert float(seconds) < 0.4
