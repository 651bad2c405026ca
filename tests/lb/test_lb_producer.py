"""The producer's sequence codes and fields."""

from __future__ import annotations

import pytest

from grid.jobid import JobId
from grid.seqcode import SequenceCode, SequenceCodeError
from grid.states import DoneCode, Source
from lb.errors import EventError
from lb.producer import JobLog


def test_taking_up_a_job_and_each_event_increment_the_own_counter():
    log = JobLog(JobId.new("lb.example.org"), "/CN=a", Source.NetworkServer, host="h")
    first = log.event("RegJob", ns="https://wms", jobtype="SIMPLE")
    second = log.event("EnQueued", queue="q", result="OK")
    assert [SequenceCode.parse(e.seqcode).ns for e in (first, second)] == [1, 2]
    assert SequenceCode.parse(log.seqcode).ns == 3
    taken = JobLog(log.jobid, "/CN=a", Source.WorkloadManager, log.seqcode)
    code = SequenceCode.parse(taken.event("DeQueued", queue="q").seqcode)
    assert (code.ns, code.wm) == (3, 1)


def test_the_counter_advances_also_when_the_event_was_wrong():
    log = JobLog(JobId.new("lb.example.org"), "/CN=a", Source.NetworkServer)
    with pytest.raises(EventError):
        log.event("RegJob")
    assert SequenceCode.parse(log.seqcode).ns == 2


def test_values_are_written_as_text_and_absent_ones_left_out():
    log = JobLog(JobId.new("lb.example.org"), "/CN=a/CN=proxy", Source.LogMonitor)
    event = log.event("Done", status_code=DoneCode.OK, exit_code=3, reason=None)
    assert dict(event.fields) == {"status_code": "OK", "exit_code": "3"}
    assert event.user == "/CN=a"
    event = log.event("Accepted", from_=Source.JobController, from_host="h")
    assert event.get("from") == "JobController"
    with pytest.raises(EventError):
        log.event("Done", status_code="OK", exit_code=True)


def test_a_source_without_a_counter_is_refused():
    with pytest.raises(SequenceCodeError):
        JobLog(JobId.new("lb.example.org"), "/CN=a", Source.PBSMom)
