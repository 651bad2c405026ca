"""Literal texts that scripts read: frames, banners, JSON, states, blocks."""

from __future__ import annotations

import datetime
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients import logging_info, statustext
from clients.bookkeeping import LoggedEvent, Status
from clients.jsontext import compact, pretty
from clients.logfile import LogFile, default_path
from clients.messages import Messages, bar, stamp, title_bar

JOB = "https://lb.example.org:9000/9kA2bCdEfGhIjKlMnOpQrS"
SUBMITTED = datetime.datetime(2026, 11, 20, 9, 0, tzinfo=datetime.UTC)


def test_banners_have_the_width_of_the_original():
    assert title_bar("glite-wms-job-submit Success") == (
        "====================== glite-wms-job-submit Success ======================"
    )
    assert bar() == "=" * 74
    assert len(title_bar("glite-wms-job-cancel Success", 88)) == 88


def test_what_steers_a_terminal_is_shown_and_not_done():
    """Tags, descriptions and reasons are other people's words."""
    out, err = io.StringIO(), io.StringIO()
    messages = Messages(debugging=True, stdout=out, stderr=err)
    for say in (messages.result, messages.info, messages.warning, messages.debug, lambda text: messages.note([text])):
        say("one\ttwo\x1b[2J\x9b31m\u202edne\r")
    assert not set("\x1b\x9b\u202e\r") & set(out.getvalue() + err.getvalue())
    assert out.getvalue().startswith("one\ttwo?[2J?31m?dne?\n")
    tag = {"tag": "x\x9b31m\x7f\u202e"}
    assert compact(tag) == '{"tag": "x\\u009b31m\\u007f\\u202e"}'
    assert json.loads(compact(tag)) == tag


def test_frames():
    out, err = io.StringIO(), io.StringIO()
    messages = Messages(debugging=True, stdout=out, stderr=err)
    messages.info("https://x/y", "Connecting to the service")
    messages.warning("JobPurging not allowed", "why")
    messages.error("Operation failed", "text")
    messages.fatal("Operation failed", "text")
    messages.debug("Source:", "/etc/fstab")
    assert out.getvalue().startswith("\nConnecting to the service https://x/y\n\n" + "-" * 41 + "\n")
    assert " (Debug) - Source: /etc/fstab\n" + "-" * 41 + "\n" in out.getvalue()
    assert err.getvalue() == (
        "\nWarning - JobPurging not allowed\nwhy\n\n"
        "\nError - Operation failed\ntext\n\n\nFatal Error - Operation failed\ntext\n\n"
    )


def test_quiet_shows_errors_and_results_only():
    out, err = io.StringIO(), io.StringIO()
    messages = Messages(quiet=True, debugging=True, stdout=out, stderr=err)
    messages.info("x")
    messages.warning("x")
    messages.debug("x")
    messages.note(["x"])
    messages.result("the id")
    messages.error("t", "e")
    assert out.getvalue() == "the id\n"
    assert err.getvalue() == "\nError - t\ne\n\n"


def test_months_are_those_of_the_original():
    moment = datetime.datetime(2026, 9, 5, 12, 0, tzinfo=datetime.UTC).astimezone()
    assert stamp(moment) == f"05 Sept 2026, {moment:%H:%M:%S}"


def test_json_has_one_blank_behind_colons_and_commas():
    text = compact({"result": "success", "jobid": JOB, "endpoint": "https://x/y"})
    assert text == f'{{"result": "success", "jobid": "{JOB}", "endpoint": "https://x/y"}}'
    assert text.split()[3] == f'"{JOB}",'


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text()) | st.booleans(), max_size=5))
@settings(max_examples=60)
def test_json_is_json_on_one_line(value):
    text = compact(value)
    assert json.loads(text) == value
    assert "\n" not in text


def test_pretty_print_is_lines():
    value = {"result": "success", "jobid": JOB, "children": {"Node_0": "x", "Node_1": "y"}}
    assert pretty(value) == (
        f"{{\n  result: success\n  jobid: {JOB}\n  children: {{\n     Node_0: x\n     Node_1: y\n     }}\n}}"
    )


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"state": "RUNNING"}, "Running"),
        ({"state": "DONE", "doneCode": "OK", "exitCode": 0}, "Done (Success)"),
        ({"state": "DONE", "doneCode": "OK", "exitCode": 3}, "Done(Exit Code !=0)"),
        ({"state": "DONE", "doneCode": "FAILED", "exitCode": 0}, "Done (Failed)"),
        ({"state": "DONE", "doneCode": "CANCELLED"}, "Done (Cancelled)"),
        ({"state": "DONE"}, "Done (Unable to retrieve  a valid done_code)"),
        ({"state": "CLEARED"}, "Cleared"),
        ({"state": "SOMETHING"}, "Unknown"),
    ],
)
def test_states_print_with_the_spacing_that_scripts_expect(fields, shown):
    assert Status.of(fields).shown == shown


def done(**more) -> Status:
    fields = {
        "state": "DONE",
        "jobId": JOB,
        "doneCode": "OK",
        "exitCode": 0,
        "reason": "Job Terminated Successfully",
        "destination": "ce.example.org:8443/cream-pbs-q",
        "networkServer": "https://wms.example.org:7443/glite_wms_wmproxy_server",
        "childrenNum": 0,
        "pbsPid": 0,
        "cancelling": False,
        "owner": "/CN=Somebody",
        "jdl": "[ a = 1 ]",
        "stateEnterTime": {"tvSec": int(SUBMITTED.timestamp()), "tvUsec": 0},
        "stateEnterTimes": [
            {"state": "SUBMITTED", "time": SUBMITTED},
            {"state": "RUNNING", "time": datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)},
        ],
        "userTags": [{"tag": "color", "value": "red"}],
    }
    return Status.of(fields | more)


EVENTS = [
    LoggedEvent("Done", {"reason": "Job Terminated Successfully"}),
    LoggedEvent("Done", {"reason": "job completed"}),
]


def test_the_status_block_of_level_1_is_the_classic_one():
    local = SUBMITTED.astimezone()
    when = f"{local:%a %b} {local.day:2d} {local:%H:%M:%S %Y %Z}"
    text = statustext.document([statustext.tree(done(), EVENTS, 1)], 1)
    assert text == (
        "\n"
        "======================= glite-wms-job-status Success =====================\n"
        "BOOKKEEPING INFORMATION:\n"
        "\n"
        f"Status info for the Job : {JOB}\n"
        "Current Status:     Done (Success)\n"
        "Logged Reason(s):\n"
        "    - Job Terminated Successfully\n"
        "    - job completed\n"
        "Exit code:          0\n"
        "Status Reason:      Job Terminated Successfully\n"
        "Destination:        ce.example.org:8443/cream-pbs-q\n"
        f"Submitted:          {when}\n"
        "==========================================================================\n"
    )


def test_level_0_has_the_label_in_the_first_column_and_one_closing_bar():
    blocks = [statustext.tree(done(), EVENTS, 0), statustext.tree(done(), EVENTS, 0)]
    text = statustext.document(blocks, 0)
    assert text.count("\nCurrent Status:     Done (Success)\n") == 2
    assert text.count("=" * 74) == 1
    assert "Exit code" not in text


def test_one_done_event_is_no_logged_reason_and_neither_is_any_of_a_failed_payload():
    assert statustext.logged_reasons(done(), EVENTS[:1]) == []
    assert statustext.logged_reasons(done(exitCode=1), EVENTS) == []
    aborted = Status.of({"state": "ABORTED"})
    assert statustext.logged_reasons(aborted, [LoggedEvent("Abort", {"reason": "no"})]) == ["no"]


def test_level_2_shows_attributes_and_level_3_the_long_ones():
    two = "\n".join(statustext.tree(done(), (), 2))
    assert "---\n" in two
    assert "- Network server             =    https://wms.example.org" in two
    assert "- Cancelling                 =    0" in two
    assert "color : red" in two
    assert "Pbs pid" not in two
    assert "- Jdl " not in two
    three = "\n".join(statustext.tree(done(), (), 3))
    assert "- Jdl                        =    [ a = 1 ]" in three
    assert "- Stateentertimes " in three
    assert "Submitted : " in three
    assert "Running : -" in three


def test_nodes_follow_their_parent_indented():
    parent = done(childrenStates=[{"state": "RUNNING", "jobId": "https://h:9000/child", "parentJob": JOB}])
    lines = statustext.tree(parent, (), 1)
    assert " - Nodes information for: " in lines
    assert "    Status info for the Job : https://h:9000/child" in lines
    assert "    Current Status:     Running" in lines


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_the_status_as_json_is_json_at_every_level(level):
    entry = json.loads(compact({"result": "success", JOB: statustext.as_json(done(), EVENTS, level)}))[JOB]
    assert entry["Current Status"] == "Done (Success)"
    if level:
        assert entry["Submitted"].endswith(SUBMITTED.astimezone().strftime("%Y %Z"))


LOGGED = LoggedEvent(
    "RegJob",
    {
        "source": "NetworkServer",
        "jobId": JOB,
        "timestamp": {"tvSec": int(SUBMITTED.timestamp()), "tvUsec": 5},
        "seqcode": "UI=000000:NS=0000000001",
        "host": "wms.example.org",
        "jdl": "[ LB_sequence_code = 1 ]",
    },
)


def test_events_by_verbosity():
    assert " - RegJob" in logging_info.document(JOB, [LOGGED], 0).splitlines()
    one = logging_info.document(JOB, [LOGGED], 1)
    assert one.startswith(
        "\n===================== glite-wms-job-logging-info Success =====================\n\n"
        f"LOGGING INFORMATION:\n\nPrinting info for the Job : {JOB}\n\n\t---\nEvent: RegJob\n"
        "- Source                     =    NetworkServer\n"
    )
    assert "- Timestamp                  =    " in one
    assert "- Host" not in one
    assert "- Host                       =    wms.example.org" in logging_info.document(JOB, [LOGGED], 2)
    three = logging_info.document(JOB, [LOGGED], 3)
    assert "- Seqcode                    =    UI=" in three
    assert "- Jdl            =   [ LB_sequence_code = 1 ]" in three
    assert "Jobid" not in three


def test_a_log_file_is_private_and_keeps_every_message(tmp_path):
    path = tmp_path / "a.log"
    log = LogFile(path)
    log.header("1.0", "glite-wms-job-submit", ["-a", "x.jdl"], [])
    messages = Messages(quiet=True, stdout=io.StringIO(), stderr=io.StringIO())
    messages.log = log
    messages.info("hello")
    log.close()
    text = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert text.startswith("*" * 80 + "\nWMS User Interface - version  1.0 - Log File\n")
    assert "Function: glite-wms-job-submit\nOptions: -a x.jdl\n" in text
    assert "(Info) - hello" in text
    assert default_path("/var/tmp", "cmd").name.startswith("cmd_")
