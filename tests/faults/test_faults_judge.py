"""The judge of histories sees what it is there to see."""

from dataclasses import replace

import pytest

from grid.jobid import JobId
from grid.states import Source
from lb.producer import JobLog

JOB = JobId.parse("https://localhost:9000/abcdefghijklmnopqrstuv")
NS, WM, JC, LM = Source.NetworkServer, Source.WorkloadManager, Source.JobController, Source.LogMonitor
WN = Source.LRMS


def history(*steps):
    """Events from ``(source, type, fields)``, on one sequence code as the services make them."""
    code, log, events = None, None, []
    for source, kind, fields in steps:
        if log is None or log.source is not source:
            log = JobLog(JOB, "/CN=Alice", source, code, "localhost")
        events.append(log.event(kind, **fields))
        code = log.seqcode
    return events


def attempt(ce_job):
    """Matched, handed over, and running."""
    transfer = {"destination": LM, "dest_host": "ce", "job": str(JOB), "result": "OK", "dest_jobid": ce_job}
    usage = {"quantity": "1.0", "unit": "s"}
    return [
        MATCH,
        (JC, "DeQueued", {"queue": "ICE", "local_jobid": ce_job}),
        (JC, "Transfer", transfer),
        (LM, "Accepted", {"from_": JC, "from_host": "localhost", "local_jobid": ce_job}),
        (LM, "Running", {"node": "n"}),
        (LM, "ReallyRunning", {}),
        (WN, "Running", {"node": "n"}),
        (WN, "ReallyRunning", {}),
        *((WN, "ResourceUsage", {"resource": name, **usage}) for name in ("real", "user", "sys")),
        (WN, "Done", {"status_code": "OK", "exit_code": 0}),
    ]


def done(code="OK"):
    return (LM, "Done", {"status_code": code, "exit_code": 0, "reason": "r"})


REGISTERED = [(NS, "RegJob", {"jdl": "[]", "ns": "https://localhost/", "jobtype": "SIMPLE"})]
MATCH = (WM, "Match", {"dest_id": "ce"})
BEGINNING = [
    *REGISTERED,
    (NS, "Accepted", {"from_": Source.UserInterface, "from_host": "localhost"}),
    (NS, "EnQueued", {"queue": "q", "job": "j", "result": "START"}),
    (NS, "EnQueued", {"queue": "q", "job": "j", "result": "OK"}),
    (WM, "DeQueued", {"queue": "q", "local_jobid": "u"}),
    *attempt("CREAM1"),
]
RESUBMISSION = (WM, "Resubmission", {"result": "WILLRESUB", "reason": "r", "tag": "1"})
CANCEL_ASKED = (NS, "Cancel", {"status_code": "REQ", "reason": "r"})
CANCEL_DONE = (WM, "Cancel", {"status_code": "DONE", "reason": "r"})
ABORT = (WM, "Abort", {"reason": "r"})
CLEAR = (NS, "Clear", {"reason": "USER"})


@pytest.mark.parametrize(
    ("steps", "end", "attempts", "resubmissions"),
    [
        ([*BEGINNING, done()], "Done", 1, 0),
        ([*BEGINNING, done(), CLEAR], "Done", 1, 0),
        ([*BEGINNING, done("FAILED"), RESUBMISSION, *attempt("CREAM2"), done()], "Done", 2, 1),
        ([*BEGINNING, done("FAILED"), ABORT], "Aborted", 1, 0),
        ([*BEGINNING, CANCEL_ASKED, done("CANCELLED"), CANCEL_DONE], "Cancelled", 1, 0),
        ([*REGISTERED, CANCEL_ASKED, CANCEL_DONE], "Cancelled", 0, 0),
    ],
)
def test_a_right_history_passes(judgement, steps, end, attempts, resubmissions):
    verdict = judgement.judge(history(*steps))
    assert verdict.wrong == ()
    assert (verdict.end, len(verdict.attempts), verdict.resubmissions) == (end, attempts, resubmissions)


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        (BEGINNING, "0 ends"),
        ([*BEGINNING, done(), done()], "2 ends"),
        ([*BEGINNING, done(), CANCEL_DONE], "2 ends: Done, Cancelled"),
        ([*BEGINNING, done("FAILED"), ABORT, done()], "2 ends: Aborted, Done"),
        ([*BEGINNING, done(), (LM, "Running", {"node": "n"})], "Running of LogMonitor after the end"),
        ([*BEGINNING, done(), RESUBMISSION], "Resubmission of WorkloadManager after the end"),
        ([*BEGINNING, done("FAILED"), MATCH, done()], "is followed by Match"),
        ([*BEGINNING, done("FAILED")], "is followed by None"),
        ([*BEGINNING, *attempt("CREAM1"), done()], "handed over twice"),
    ],
)
def test_a_wrong_history_is_told(judgement, steps, complaint):
    assert any(complaint in sentence for sentence in judgement.judge(history(*steps)).wrong)


def test_an_event_that_was_logged_again_is_told_though_its_time_differs(judgement):
    events = history(*BEGINNING, done())
    running = next(event for event in events if (event.source, event.type) == (LM, "Running"))
    again = replace(running, timestamp=events[-1].timestamp)
    assert any("Running of LogMonitor was logged twice" in s for s in judgement.judge([*events, again]).wrong)


@pytest.mark.parametrize("place", range(len(BEGINNING)))
def test_an_event_that_was_lost_is_told(judgement, place):
    events = history(*BEGINNING, done())
    assert judgement.judge(events).wrong == ()
    assert judgement.judge(events[:place] + events[place + 1 :]).wrong


@pytest.mark.parametrize(
    ("runs", "complaint"),
    [
        ([("begin", "CREAM1"), ("begin", "CREAM1"), ("end", "CREAM1")], "ran its payload twice"),
        ([("begin", "CREAM1"), ("end", "CREAM1"), ("begin", "CREAM9"), ("end", "CREAM9")], "was never handed over"),
        ([("begin", "CREAM1")], "did not run to its end"),
        ([], "did not run to its end"),
    ],
)
def test_runs_of_the_payload_that_no_attempt_explains_are_told(judgement, runs, complaint):
    verdict = judgement.judge(history(*BEGINNING, done()))
    assert any(complaint in sentence for sentence in judgement.wrong_runs(verdict, runs))
    assert judgement.wrong_runs(verdict, [("begin", "CREAM1"), ("end", "CREAM1")]) == []


def test_a_lost_run_is_excused_only_where_it_was_to_be_lost(judgement):
    steps = [*BEGINNING, done("FAILED"), RESUBMISSION, *attempt("CREAM2"), done()]
    verdict = judgement.judge(history(*steps))
    runs = [("begin", "CREAM1"), ("begin", "CREAM2"), ("end", "CREAM2")]
    assert judgement.wrong_runs(verdict, runs, lost_runs=True) == []
    assert judgement.wrong_runs(verdict, runs)
