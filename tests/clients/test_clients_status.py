"""glite-wms-job-status and glite-wms-job-logging-info against real TLS and SOAP."""

from __future__ import annotations

import datetime
import json

import pytest

from clients import following, logging_info, status
from grid.errors import InternalFailure

UNKNOWN = "https://localhost:{port}/nosuchjob0000000000000"
COMMON = {
    "timestamp": {"tvSec": 1790000000, "tvUsec": 7},
    "host": "wms.example.org",
    "level": "SYSTEM",
    "priority": 0,
    "seqcode": "UI=000000",
    "user": "/O=Grid/CN=Ada Lovelace",
}


def unknown(grid) -> str:
    return UNKNOWN.format(port=grid.address.rpartition(":")[2])


def event(kind: str, jobid: str, **fields) -> dict:
    return {kind: COMMON | {"jobId": jobid, "source": "NetworkServer"} | fields}


def done_event(jobid: str, reason: str, later: int = 0) -> dict:
    moment = {"tvSec": 1790000000 + later, "tvUsec": 0}
    return event("Done", jobid, statusCode="OK", reason=reason, exitCode=0, timestamp=moment)


def test_a_finished_job_with_its_logged_reasons(fake_grid, capsys):
    job = fake_grid.job("DONE", doneCode="OK", exitCode=0, reason="fine", destination="ce:8443/cream-fork-q")
    fake_grid.events[job] = [done_event(job, "second", 5), done_event(job, "first")]
    assert status.main(["--noint", job]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert (
        f"Status info for the Job : {job}\nCurrent Status:     Done (Success)\n"
        "Logged Reason(s):\n    - first\n    - second\n"
        "Exit code:          0\nStatus Reason:      fine\nDestination:        ce:8443/cream-fork-q\n"
        "Submitted:  "
    ) in out


def test_a_blank_line_comes_first_unless_nothing_may_be_asked(fake_grid, capsys):
    job = fake_grid.job("RUNNING")
    assert status.main([job]) == 0
    assert capsys.readouterr().out.startswith("\n\n=====")


def test_json_of_one_job_is_one_document(fake_grid, capsys):
    job = fake_grid.job("RUNNING", reason="going", destination="ce")
    assert status.main(["--json", job]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["result"] == "success"
    assert answer[job]["Current Status"] == "Running"
    assert answer[job]["Submitted"]


@pytest.mark.parametrize("level", "0123")
def test_json_is_valid_at_every_level(fake_grid, level, capsys):
    job = fake_grid.job("DONE", doneCode="OK", jdl="[ a = \"x\" ]", userTags=[{"tag": "t", "value": '"'}])
    assert status.main(["--json", "-v", level, job]) == 0
    assert json.loads(capsys.readouterr().out)[job]["Current Status"] == "Done (Success)"


def test_an_unknown_job_is_a_warning_and_the_others_are_shown(fake_grid, capsys):
    job, other = fake_grid.job("RUNNING"), unknown(fake_grid)
    assert status.main(["--noint", job, other]) == 255
    out, err = capsys.readouterr()
    assert f"*** Warning: Unable to retrieve the status for: {other}\nNo such file or directory - " in err
    assert job in out
    assert other not in out


def test_nothing_retrieved_exits_1(fake_grid, capsys):
    assert status.main(["--noint", unknown(fake_grid)]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_json_names_each_job_that_could_not_be_shown(fake_grid, capsys):
    job, other, dead = fake_grid.job("RUNNING"), unknown(fake_grid), "https://localhost:1/abcdefghijklmnopqrstuv"
    assert status.main(["--json", job, other, dead, "nonsense"]) == 255
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert err == ""
    assert answer[other] == "JOB NOT FOUND"
    assert answer["nonsense"] == "JOBID CONTAINS WRONG FORMAT: SHOULD BE https://<host>:<tcpport>/<ID>"
    assert answer[dead].startswith(
        "JOBID CONTAINS WRONG ENDPOINT OR ENDPOINT CANNOT BE CONTACTED (CONNECTION REFUSED): "
    )


def test_the_text_may_go_to_a_file_only(fake_grid, capsys, tmp_path):
    job = fake_grid.job("RUNNING")
    assert status.main(["--noint", "-o", "out", job]) == 0
    assert capsys.readouterr().out == ""
    assert "Current Status:     Running" in (tmp_path / "work" / "out").read_text()


@pytest.fixture
def queried(fake_grid, tmp_path):
    """A configuration that names the bookkeeping server."""
    path = tmp_path / "work" / "ui.conf"
    path.write_text(f'[ LBAddresses = {{ "{fake_grid.address}" }} ]')
    return str(path)


def test_a_query_filters_by_state_tag_and_time(fake_grid, queried, capsys):
    running = fake_grid.job("RUNNING", userTags=[{"tag": "Color", "value": "red"}])
    done = fake_grid.job("DONE", doneCode="OK")
    early = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    old = fake_grid.job("DONE", doneCode="OK", stateEnterTimes=[{"state": "SUBMITTED", "time": early}])

    def shown(*argv: str) -> set[str]:
        code = status.main(["-c", queried, "--json", *argv])
        answer = json.loads(capsys.readouterr().out)
        assert code == (0 if len(answer) > 1 else 1)
        return set(answer) - {"result"}

    assert shown("-all") == {running, done, old}
    assert shown("-s", "done") == {done, old}
    assert shown("-s", "5") == {running}
    assert shown("-e", "Done") == {running}
    assert shown("--user-tag", "color=red") == {running}
    assert shown("--user-tag", "color=blue") == set()
    assert shown("--from", "01:01:00:00:2025") == {running, done}
    assert shown("--to", "01:01:00:00:2025") == {old}


def test_a_query_says_whom_it_asks_and_fails_when_nothing_is_found(fake_grid, queried, capsys):
    assert status.main(["-c", queried, "--noint", "--all"]) == 1
    out, err = capsys.readouterr()
    assert f"*** LB APPROACH\nRetrieving Information from LB server {fake_grid.address}\n" in out
    assert "UI_NO_JOB_FOUND" in err


def test_follow_prints_each_state_once_until_the_end(fake_grid, capsys, monkeypatch):
    monkeypatch.setattr(following, "SHORTEST", 0.01)
    job = fake_grid.job("SUBMITTED")
    states = iter(["SUBMITTED", "WAITING", "WAITING", "RUNNING", "DONE"])
    times = fake_grid.jobs[job]["stateEnterTimes"]

    def step(_jobid: str) -> None:
        state = next(states, "DONE")
        fake_grid.jobs[job]["state"] = state
        if state not in [item["state"] for item in times]:
            minute = len(times)
            moment = datetime.datetime(2026, 9, 21, 14, minute, tzinfo=datetime.UTC)
            times.append({"state": state, "time": moment})
            if state == "RUNNING":  # passed through between two questions
                times.insert(-1, {"state": "SCHEDULED", "time": moment - datetime.timedelta(seconds=1)})
        if state == "DONE":
            fake_grid.jobs[job] |= {"doneCode": "OK", "reason": "Job terminated successfully"}

    fake_grid.on_status = step
    assert status.main(["--noint", "--follow", job]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == ["Submitted", "Waiting", "Scheduled", "Running", "Done"]
    assert lines[-1].endswith("Done (Success)        (Job terminated successfully)")


def test_follow_prints_json_lines(fake_grid, capsys):
    job = fake_grid.job("ABORTED", reason="no way")
    assert status.main(["--json", "--follow", job]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows] == ["Submitted", "Aborted"]
    assert rows[-1]["reason"] == "no way"


def test_follow_survives_a_short_failure_and_ends_after_a_long_one(fake_grid, capsys, monkeypatch):
    monkeypatch.setattr(following, "LONGEST", 0.01)
    monkeypatch.setattr(following, "SHORTEST", 0.01)
    job = fake_grid.job("RUNNING")
    count = iter(range(1000))

    def fail(_jobid: str) -> None:
        if next(count) > 2:
            raise InternalFailure("the disk is full")

    fake_grid.on_status = fail
    assert status.main(["--noint", "--follow", job]) == 1
    assert next(count) == 3 + following.PATIENCE
    assert "the disk is full" in capsys.readouterr().err


@pytest.fixture
def logged(fake_grid):
    job = fake_grid.job("DONE", doneCode="OK")
    fake_grid.events[job] = [
        done_event(job, "finished", 9),
        event("RegJob", job, ns=fake_grid.url, jobtype="SIMPLE", jdl="[ LB_sequence_code = 1 ]"),
        event("Match", job, destId="ce:8443/cream-fork-q", source="BigHelper"),
        event("UserTag", job, name="color", value="red"),
    ]
    return job


def test_events_come_oldest_first(logged, capsys):
    assert logging_info.main(["--noint", "-v", "0", logged]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(" - ")]
    assert lines == [" - RegJob", " - Match", " - UserTag", " - Done"]


def test_level_1_shows_the_main_fields_and_level_3_all(logged, capsys):
    assert logging_info.main(["--noint", logged]) == 0
    out = capsys.readouterr().out
    head = "\t---\nEvent: Match\n- Source                     =    BigHelper\n"
    assert head + "- Dest id                    =    ce:8443/cream-fork-q\n" in out
    assert "LB_sequence_code" not in out
    assert logging_info.main(["--noint", "-v", "3", logged]) == 0
    assert "- Jdl            =   [ LB_sequence_code = 1 ]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (["--event", "MATCH", "--event", "done"], ["Match", "Done"]),
        (["--exclude", "regjob"], ["Match", "UserTag", "Done"]),
        (["--event", "17"], ["RegJob"]),
        (["--user-tag", "COLOR=red"], ["RegJob", "Match", "UserTag", "Done"]),
        (["--to", "01:01:00:00:2025"], []),
    ],
)
def test_events_are_filtered(logged, argv, names, capsys):
    assert logging_info.main(["--json", *argv, logged]) == 0
    assert [row["event"] for row in json.loads(capsys.readouterr().out)[logged]] == names


def test_a_job_without_the_tag_is_nothing_retrieved(logged, capsys):
    assert logging_info.main(["--json", "--user-tag", "color=blue", logged]) == 1
    assert json.loads(capsys.readouterr().out) == {"result": "failed"}


def test_the_events_of_an_unknown_job_are_a_warning(fake_grid, capsys):
    assert logging_info.main(["--noint", unknown(fake_grid)]) == 1
    assert "*** Warning: Unable to retrieve the logging info for: " in capsys.readouterr().err
