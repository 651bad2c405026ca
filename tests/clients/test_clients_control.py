"""glite-wms-job-cancel, -list-match and -delegate-proxy against real TLS and SOAP."""

from __future__ import annotations

import io
import json
import re

import pytest

from clients import cancel, delegate_proxy, list_match
from grid.errors import OperationNotAllowed
from wsdl.types import StringAndLong

CES = [StringAndLong("ce1.example.org:8443/cream-fork-long", 12), StringAndLong("ce2:8443/cream-fork-q", -3)]


# -- cancel


def test_a_running_job_is_cancelled_at_its_own_server(fake_grid, capsys, monkeypatch):
    monkeypatch.setenv("GLITE_WMS_WMPROXY_ENDPOINT", "https://localhost:1/x")
    job = fake_grid.job("RUNNING")
    assert cancel.main(["--noint", job]) == 0
    assert fake_grid.operations == ["JobStatus", "getVersion", "jobCancel"]
    assert capsys.readouterr().out.endswith(
        "\n============================= glite-wms-job-cancel Success =============================\n\n"
        "The cancellation request has been successfully submitted for the following job(s):\n\n"
        f"- {job}\n\n{'=' * 88}\n\n"
    )


def test_cancel_asks_first(fake_grid, capsys, monkeypatch):
    job = fake_grid.job("RUNNING")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert cancel.main([job]) == 1
    assert capsys.readouterr().out.endswith("Are you sure you want to remove specified job(s) [y/n]y : bye\n")
    assert "jobCancel" not in fake_grid.operations
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert cancel.main([job]) == 0


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({"state": "SUBMITTED"}, True),
        ({"state": "SCHEDULED"}, True),
        ({"state": "DONE", "doneCode": "FAILED"}, True),
        ({"state": "DONE", "doneCode": "OK"}, False),
        ({"state": "CANCELLED"}, False),
        ({"state": "ABORTED"}, False),
    ],
)
def test_only_jobs_that_have_not_ended_are_cancelled(fake_grid, fields, allowed, capsys):
    assert cancel.main(["--noint", fake_grid.job(**fields)]) == (0 if allowed else 1)
    assert ("jobCancel" in fake_grid.operations) == allowed
    if not allowed:
        assert "Error - Cancel not allowed\nCurrent Job Status is " in capsys.readouterr().err


def test_of_several_jobs_the_refused_ones_are_warnings(fake_grid, capsys):
    done, running = fake_grid.job("DONE", doneCode="OK"), fake_grid.job("RUNNING")
    assert cancel.main(["--noint", done, running]) == 0
    out, err = capsys.readouterr()
    assert f"Warning - Not allowed to cancel the job: {done}" in err
    assert f"- {running}\n" in out
    assert f"- {done}" not in out
    assert cancel.main(["--noint", done, fake_grid.job("CLEARED")]) == 1
    assert "Unable to cancel any job" in capsys.readouterr().err


def test_cancel_as_json_and_in_a_file(fake_grid, capsys, tmp_path):
    job = fake_grid.job("RUNNING")
    assert cancel.main(["--json", job]) == 0
    entry = {"endpoint": fake_grid.url, "status": "cancel requested"}
    assert json.loads(capsys.readouterr().out) == {"result": "success", "jobs": {job: entry}}
    assert cancel.main(["--noint", "-o", "out", job]) == 0
    assert "Cancellation results for the specified job(s) are stored in the file:" in capsys.readouterr().out
    assert f"- {job}\n" in (tmp_path / "work" / "out").read_text()


def test_the_refusal_of_the_server_is_told(fake_grid, capsys):
    fake_grid.faults["jobCancel"] = OperationNotAllowed("the job has ended", causes=["just now"])
    assert cancel.main(["--noint", fake_grid.job("RUNNING")]) == 1
    assert capsys.readouterr().err == (
        "\nError - WMProxy Server Error\nthe job has ended\njust now\n\nMethod: jobCancel\nError code: 1226\n\n"
    )


# -- list-match


def test_matches_are_listed_as_scripts_read_them(fake_grid, jdl, capsys):
    fake_grid.matches = CES
    assert list_match.main(["-a", jdl()]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert [line.split()[1] for line in lines if re.search(r":\d*/", line) and line.startswith(" - ")] == [
        match.name for match in CES
    ]
    assert f"\n{'=' * 74}\n\n\t\t     COMPUTING ELEMENT IDs LIST \n" in out
    assert " The following CE(s) matching your job requirements have been found:\n\n\t*CEId*\n" in out


def test_ranks_stand_behind_the_names(fake_grid, jdl, capsys):
    fake_grid.matches = CES
    assert list_match.main(["-a", "--rank", jdl()]) == 0
    out = capsys.readouterr().out
    assert "\t*CEId*" + " " * 51 + "*Rank*\n" in out
    assert " - ce1.example.org:8443/cream-fork-long" + " " * 29 + "12\n" in out
    assert "-3\n" in out


def test_no_match_is_a_success_with_the_classic_text_and_the_reasons(fake_grid, jdl, capsys, tmp_path):
    assert list_match.main(["-a", "-o", "out", jdl()]) == 0
    out, err = capsys.readouterr()
    classic = (
        "\n==================== glite-wms-job-list-match failure ====================\n"
        "No Computing Element matching your job requirements has been found!\n" + "=" * 74 + "\n"
    )
    assert classic in out
    assert err == "ce1:8443/q: requirements\nce2:8443/q: access\n"
    assert "No Computing Element" in (tmp_path / "work" / "out").read_text()


def test_list_match_as_json_is_json(fake_grid, jdl, capsys):
    assert list_match.main(["-a", "--json", jdl()]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "result": "success",
        "ceid": [],
        "reasons": ["ce1:8443/q: requirements", "ce2:8443/q: access"],
    }
    fake_grid.matches = CES
    assert list_match.main(["-a", "--json", "--rank", jdl()]) == 0
    answer = {"result": "success", "ceid": [match.name for match in CES], "rank": [12, -3]}
    assert json.loads(capsys.readouterr().out) == answer


def test_the_list_may_go_to_a_file(fake_grid, jdl, capsys, tmp_path):
    fake_grid.matches = CES
    assert list_match.main(["-a", "-o", "out", jdl()]) == 0
    out = capsys.readouterr().out
    assert CES[0].name not in out
    assert f"have been stored in the file:\n{tmp_path / 'work' / 'out'}\n" in out
    assert f" - {CES[0].name}\n" in (tmp_path / "work" / "out").read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('SubmitTo = "ce:1/q";', "Forcing CEId for job-list-match does not make sense"),
        ('Type = "collection";', "Collection type is not supported for list match"),
        ('Type = "dag";', "DAG type is not supported for list match"),
    ],
)
def test_descriptions_that_cannot_be_matched_are_refused(fake_grid, jdl, text, told, capsys):
    assert list_match.main(["-a", jdl(text)]) == 1
    assert told in capsys.readouterr().err
    assert fake_grid.calls == []


# -- delegate-proxy


def test_a_proxy_is_delegated_under_the_given_id(fake_grid, capsys):
    assert delegate_proxy.main(["-d", "mine"]) == 0
    assert fake_grid.operations == ["getVersion", "getProxyReq", "putProxy"]
    out = capsys.readouterr().out
    assert [line.split()[-1] for line in out.splitlines() if "delegation" in line] == ["mine"]
    assert out.endswith(
        "\n================== glite-wms-job-delegate-proxy Success ==================\n\n"
        f"Your proxy has been successfully delegated to the WMProxy(s):\n\n{fake_grid.url}\n"
        f"with the delegation identifier: mine\n\n{'=' * 74}\n\n"
    )


def test_a_generated_id_stands_in_the_same_place(fake_grid, capsys):
    assert delegate_proxy.main(["-a"]) == 0
    out = capsys.readouterr().out
    (found,) = [line.split()[-1] for line in out.splitlines() if "delegation" in line]
    assert found == fake_grid.parts("putProxy")["delegationID"]
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", found)


def test_the_file_holds_what_scripts_take_from_it(fake_grid, capsys, tmp_path):
    assert delegate_proxy.main(["-d", "mine", "-o", "out"]) == 0
    lines = (tmp_path / "work" / "out").read_text().splitlines()
    assert re.match(r"glite-wms-job-delegate-proxy \(\d\d \w+ \d{4}, \d\d:\d\d:\d\d \)", lines[0])
    assert lines[1] == "=" * 73
    assert [line.split()[-1] for line in lines if "WMProxy" in line] == [fake_grid.url]
    assert [line.split()[-1] for line in lines if "delegation" in line] == ["mine"]
    assert "The DelegateProxy result  has been saved in the following file:" in capsys.readouterr().out


def test_all_goes_to_every_server_and_names_those_that_took_it(fake_grid, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("GLITE_WMS_WMPROXY_ENDPOINT")
    dead = "https://localhost:1/x"
    (tmp_path / "work" / "ui.conf").write_text(f'[ WmProxyEndPoints = {{ "{dead}", "{fake_grid.url}" }} ]')
    assert delegate_proxy.main(["--json", "--all", "-c", "ui.conf", "-d", "mine"]) == 0
    answer = {"result": "success", "delegationid": "mine", "endpoints": [fake_grid.url]}
    assert json.loads(capsys.readouterr().out) == answer
