"""glite-wms-job-info: what scripts look for in its lines."""

from __future__ import annotations

import json
import re
import time

import pytest

from clients import job_info
from wsdl.types import ProxyInfoStruct, VOProxyInfoStruct


def proxy_info(seconds: int) -> ProxyInfoStruct:
    begin, end = str(int(time.time()) - 60), str(int(time.time()) + seconds)
    vo = VOProxyInfoStruct(
        User="/O=Grid/CN=Ada Lovelace", UserCA="/O=Grid/CN=CA", Server="/O=Grid/CN=voms", ServerCA="/O=Grid/CN=CA",
        VOName="test", URI="localhost:15000", StartTime=begin, EndTime=end,
        Attribute=["/test/Role=NULL/Capability=NULL", "/test/x/Role=NULL/Capability=NULL"],
    )  # fmt: skip
    return ProxyInfoStruct(
        Subject="/O=Grid/CN=Ada Lovelace/CN=1", Issuer="/O=Grid/CN=Ada Lovelace", Identity="", Type="proxy",
        Strength="2048", StartTime=begin, EndTime=end, VOsInfo=[vo],
    )  # fmt: skip


def test_a_delegated_proxy_is_shown_line_by_line(fake_grid, capsys):
    fake_grid.proxy_info = proxy_info(10 * 60)
    assert job_info.main(["-d", "mine"]) == 0
    assert fake_grid.parts("getDelegatedProxyInfo") == {"delegationID": "mine"}
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert f"Your proxy delegated to the endpoint {fake_grid.url}" in lines
    assert "with delegationID mine: " in lines
    assert "Subject     : /O=Grid/CN=Ada Lovelace/CN=1" in lines
    assert not any(line.startswith("Identity") for line in lines)  # empty values are left out
    assert "=== VO test extension information ===" in lines
    assert "Attribute   : /test/x/Role=NULL/Capability=NULL" in lines
    assert re.search(r"^Expiration  : \d\d \w+ \d{4} - \d\d:\d\d:\d\d$", out, re.MULTILINE)
    words = next(line for line in lines if line.startswith("Timeleft")).split()
    assert int(words[2]) <= 10
    assert words[3] == "min"


def test_the_proxy_of_a_job_has_the_same_lines(fake_grid, capsys):
    fake_grid.proxy_info = proxy_info(86_400 * 2 + 3600 * 3 + 50)
    job = fake_grid.job("RUNNING")
    assert job_info.main(["--proxy", job]) == 0
    assert fake_grid.parts("getJobProxyInfo") == {"jobId": job}
    out = capsys.readouterr().out
    assert f"for the job {job}: " in out
    assert re.search(r"^Timeleft    : 2 days 03 hours \d\d sec $", out, re.MULTILINE)


def test_of_an_expired_proxy_no_time_is_left(fake_grid, capsys):
    fake_grid.proxy_info = proxy_info(-5)
    assert job_info.main(["-d", "old"]) == 0
    out = capsys.readouterr().out
    assert "Timeleft" not in out
    assert "Expiration" in out


def test_a_reader_of_somebody_elses_job_names_its_server(fake_grid, capsys):
    fake_grid.jdl = "[ a = 1; ]"
    fake_grid.job("RUNNING")
    job = f"https://{fake_grid.address}/somebodyElsesJob000000"
    assert job_info.main(["--jdl", job]) == 1
    assert "Job Not Found" in capsys.readouterr().err
    assert "getJDL" not in fake_grid.operations
    assert job_info.main(["--jdl", "--endpoint", fake_grid.url, job]) == 0
    assert fake_grid.parts("getJDL") == {"jobId": job, "type": "REGISTERED"}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, ""), (-1, ""), (1, "01 sec "), (60, "01 min "), (3661, "01 hours 01 min 01 sec "), (86_400, "1 days ")],
)
def test_units_that_are_zero_are_left_out(seconds, text):
    assert job_info.time_left(seconds) == text


@pytest.mark.parametrize(
    ("option", "kind"), [("--jdl", "REGISTERED"), ("-j", "ORIGINAL"), ("--jdl-original", "ORIGINAL")]
)
def test_the_description_is_printed_attribute_by_attribute(fake_grid, option, kind, capsys):
    fake_grid.jdl = '[ Executable = "/bin/true"; Requirements = true; Environment = { "FOO=bar" }; ExpiryTime = 7 ]'
    job = fake_grid.job("RUNNING")
    assert job_info.main([option, job]) == 0
    assert fake_grid.parts("getJDL") == {"jobId": job, "type": kind}
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert 'Environment = { "FOO=bar" };' in lines
    assert "requirements = true;" in lines
    assert next(line for line in lines if "ExpiryTime" in line).split("=")[1].strip(" ;") == "7"


def test_the_text_is_saved_whole(fake_grid, tmp_path, capsys):
    fake_grid.jdl = '[ Executable = "/bin/true"; ]'
    job = fake_grid.job("RUNNING")
    assert job_info.main(["--jdl", "-o", "saved", job]) == 0
    assert 'Executable = "/bin/true";' in (tmp_path / "work" / "saved").read_text()
    assert str(tmp_path / "work" / "saved") in capsys.readouterr().out


def test_json_carries_the_structures_by_their_names(fake_grid, capsys):
    fake_grid.proxy_info = proxy_info(600)
    assert job_info.main(["-d", "mine", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["proxy"]["VOsInfo"][0]["Attribute"][0] == "/test/Role=NULL/Capability=NULL"
    assert err == ""
    fake_grid.jdl = "[ a = 1; ]"
    job = fake_grid.job("RUNNING")
    assert job_info.main(["--jdl", "--json", job]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "result": "success", "jobid": job, "endpoint": fake_grid.url, "type": "REGISTERED", "jdl": "[ a = 1; ]",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["J"], 255),
        (["--jdl"], 255),
        (["--jdl", "--proxy", "J"], 1),
        (["-j", "--jdl", "J"], 1),
        (["-d", "x", "J"], 1),
        (["-d", "x", "-i", "file"], 1),
        (["--jdl", "J", "J"], 1),
        (["--help"], 0),
    ],
)
def test_command_lines(fake_grid, arguments, code):
    job = fake_grid.job("RUNNING")
    assert job_info.main([job if word == "J" else word for word in arguments]) == code
    assert fake_grid.operations == []
