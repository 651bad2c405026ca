"""The state machine: states, any order of arrival, resubmission, cancel, late news from the worker node."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.states import DoneCode, JobState, Source
from lb.machine import Verdict, advance, fold, in_order, initial
from lb.status import from_json, to_json


def incrementally(events):
    """The status as the server makes it: step by step while in order, anew from all events otherwise."""
    status, seen = initial(events[0].jobid), []
    for event in events:
        seen.append(event)
        status = advance(status, event)[0] if in_order(status, event) else fold(seen)
    return status


def test_the_successful_trace_goes_through_every_state(trace):
    trace.successful()
    assert len(trace.events) == 20
    status, states = initial(trace.jobid), []
    for event in trace.events:
        status, _ = advance(status, event)
        if not states or states[-1] is not status.state:
            states.append(status.state)
    assert states == [
        JobState.Submitted, JobState.Waiting, JobState.Ready, JobState.Running, JobState.Done, JobState.Cleared,
    ]  # fmt: skip
    assert status.entered(JobState.Scheduled) is not None  # the monitor said so, after the worker node


def test_the_successful_trace_sets_the_attributes_that_clients_show(trace):
    trace.successful()
    status = fold(trace.events[:-1])
    assert (status.state, status.done_code, status.exit_code) == (JobState.Done, DoneCode.OK, 0)
    assert status.destination == "ce1.example.org:8443/cream-fork-q"
    assert status.ce_node == "wn1.example.org"
    assert status.matched_jdl == "[ce=ce1.example.org:8443/cream-fork-q]"
    assert (status.condor_id, status.globus_id) == ("CREAM123", "globus1")
    assert status.network_server == "https://wms.example.org:7443/"
    assert status.owner == trace.OWNER
    assert status.jw_status == "DONE"
    assert status.reason == "Job Terminated Successfully"
    assert not status.payload_running
    assert status.entered(JobState.Submitted) == trace.events[0].timestamp
    assert status.last_update_time == trace.events[-2].timestamp


def test_any_order_of_arrival_gives_the_same_status(trace):
    trace.successful()
    wanted = fold(trace.events)
    shuffled = list(trace.events)
    dice = random.Random(20)
    for _ in range(200):
        dice.shuffle(shuffled)
        assert fold(shuffled) == wanted
        assert incrementally([trace.events[0], *(e for e in shuffled if e.type != "RegJob")]) == wanted


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_resubmitted_job_has_the_same_status_in_any_order(new_trace, data):
    trace = new_trace()
    _resubmitted(trace)
    order = data.draw(st.permutations(trace.events[1:]))
    assert incrementally([trace.events[0], *order]) == fold(trace.events)


def test_an_event_before_registration_changes_nothing(trace):
    event = trace.log("Match", Source.WorkloadManager, trace.code(wm=1), dest_id="ce")
    assert advance(initial(trace.jobid), event) == (initial(trace.jobid), Verdict.UNREG)


def test_a_malformed_sequence_code_is_suspect_and_changes_nothing(trace):
    status = fold([trace.register()])
    event = trace.log("Abort", Source.WorkloadManager, "UI=x", reason="forged")
    assert advance(status, event) == (status, Verdict.SUSPECT)


def test_a_component_that_cannot_log_an_event_is_suspect(trace):
    status = fold([trace.register()])
    event = trace.log("Match", Source.Application, trace.code(ns=2), dest_id="ce")
    after, verdict = advance(status, event)
    assert verdict is Verdict.SUSPECT
    assert after.state is JobState.Submitted


def test_scheduled_after_the_monitor_says_transferred(trace):
    trace.register()
    wm = trace.until_matched()
    trace.sent(wm)
    assert fold(trace.events).state is JobState.Ready
    seq = trace.code(ns=3, wm=wm, jss=4, lm=1)
    trace.log("Transfer", Source.LogMonitor, seq, destination="LRMS", dest_host="ce", job="x", result="OK")
    assert fold(trace.events).state is JobState.Scheduled


def test_a_late_worker_node_event_fills_data_and_does_not_move_a_done_job_back(trace):
    trace.register()
    wm = trace.until_matched()
    trace.sent(wm)
    trace.log("Done", Source.LogMonitor, trace.code(ns=3, wm=wm, jss=4, lm=5), status_code="OK", exit_code="3")
    status = fold(trace.events)
    event = trace.log("Running", Source.LRMS, trace.code(ns=3, wm=wm, jss=4, lrms=1), node="wn7")
    after, verdict = advance(status, event)
    assert verdict is Verdict.LATE
    assert (after.state, after.ce_node, after.exit_code) == (JobState.Done, "wn7", 3)


def test_pending_shows_its_reason(trace):
    trace.register()
    trace.log("Pending", Source.WorkloadManager, trace.code(ns=3, wm=1), reason="no compatible resources")
    status = fold(trace.events)
    assert (status.state, status.reason) == (JobState.Waiting, "no compatible resources")


def test_done_failed_keeps_the_reason_with_its_destination(trace):
    trace.register()
    wm = trace.until_matched()
    trace.sent(wm)
    seq = trace.code(ns=3, wm=wm, jss=4, lm=3)
    trace.log("Done", Source.LogMonitor, seq, status_code="FAILED", exit_code="1", reason="proxy expired")
    status = fold(trace.events)
    assert (status.state, status.done_code, status.exit_code) == (JobState.Done, DoneCode.FAILED, 0)
    assert status.failure_reasons == "proxy expired [ce1.example.org:8443/cream-fork-q]"


def test_done_cancelled_by_the_monitor_ends_cancelled_whatever_the_request_carried(trace):
    trace.register()
    wm = trace.until_matched()
    trace.sent(wm)
    trace.on_node(wm)
    trace.log("Cancel", Source.NetworkServer, trace.code(ns=4), status_code="REQ", reason="user asked")
    status = fold(trace.events)
    assert (status.state, status.cancelling, status.cancel_reason) == (JobState.Running, True, "user asked")
    seq = trace.code(ns=3, wm=wm, jss=4, lm=3)
    trace.log("Done", Source.LogMonitor, seq, status_code="CANCELLED", exit_code="0")
    for events in (trace.events, trace.events[:-2] + trace.events[:-3:-1]):
        status = fold(events)
        assert (status.state, status.done_code) == (JobState.Cancelled, DoneCode.CANCELLED)
        assert not status.cancelling


def test_cancel_done_ends_a_registered_job_and_nothing_revives_it(trace):
    trace.register()
    trace.log("Cancel", Source.NetworkServer, trace.code(ns=2), status_code="REQ", reason="r")
    trace.log("Cancel", Source.NetworkServer, trace.code(ns=3), status_code="DONE", reason="cancelled")
    trace.log("Running", Source.LRMS, trace.code(ns=4, wm=9, lrms=1), node="wn")
    status = fold(trace.events)
    assert (status.state, status.cancelling, status.remove_from_proxy) == (JobState.Cancelled, False, True)


def test_a_refused_cancel_is_remembered_only_as_a_reason(trace):
    trace.register()
    trace.log("Cancel", Source.NetworkServer, trace.code(ns=2), status_code="REFUSE", reason="too late")
    status = fold(trace.events)
    assert (status.state, status.cancelling, status.cancel_reason) == (JobState.Submitted, False, "too late")


def test_abort_of_the_workload_manager_counts_even_from_another_branch(trace):
    trace.register()
    wm = trace.until_matched()
    trace.on_node(wm)
    trace.log("Abort", Source.WorkloadManager, trace.code(ns=3, wm=wm + 5), reason="hit job retry count (0)")
    status = fold(trace.events)
    assert (status.state, status.reason) == (JobState.Aborted, "hit job retry count (0)")


def _resubmitted(trace):
    """First attempt fails after the payload began, a deep resubmission follows and succeeds elsewhere."""
    trace.register()
    first = trace.until_matched()
    trace.sent(first)
    trace.on_node(first)
    seq = trace.code(ns=3, wm=first, jss=4, lm=3)
    trace.log("Done", Source.LogMonitor, seq, status_code="FAILED", exit_code="1", reason="node crashed")
    seq = trace.code(ns=3, wm=first + 1)
    trace.log("Resubmission", Source.WorkloadManager, seq, result="WILLRESUB", reason="infrastructure", tag="1")
    trace.log("EnQueued", Source.WorkloadManager, trace.code(ns=3, wm=first + 2), queue="wm", result="START")
    second = trace.matched(first + 3, "ce2.example.org:8443/cream-fork-q")
    trace.sent(second)
    trace.on_node(second, "wn2.example.org")
    trace.seen_by_monitor(second, "wn2.example.org")
    trace.log("Done", Source.LogMonitor, trace.code(ns=3, wm=second, jss=4, lm=9), status_code="OK", exit_code="0")


def test_a_deep_resubmission_forgets_the_first_attempt(trace):
    _resubmitted(trace)
    status = fold(trace.events)
    assert (status.state, status.done_code, status.exit_code) == (JobState.Done, DoneCode.OK, 0)
    assert status.resubmitted
    assert status.destination == "ce2.example.org:8443/cream-fork-q"
    assert status.ce_node == "wn2.example.org"
    assert status.possible_destinations == ("ce2.example.org:8443/cream-fork-q",)
    assert status.failure_reasons == "node crashed [ce1.example.org:8443/cream-fork-q]"


def test_news_of_the_first_attempt_after_a_deep_resubmission_is_too_old(trace):
    _resubmitted(trace)
    status = fold(trace.events)
    first = trace.events[4]
    late = replace(first, type="Running", source=Source.LRMS, fields={"node": "old"}, seqcode=trace.code(ns=3, wm=2))
    after, verdict = advance(status, late)
    assert verdict is Verdict.LATE
    assert (after.ce_node, after.possible_ce_nodes) == (status.ce_node, status.possible_ce_nodes)


def test_of_three_shallow_branches_the_one_that_really_runs_wins(trace):
    trace.register()
    wm = trace.until_matched(ce="ce1")
    handed = [wm]
    for number in (2, 3):
        trace.sent(wm)
        trace.log("Running", Source.LRMS, trace.code(ns=3, wm=wm, jss=4, lrms=1), node=f"wn{number - 1}")
        seq = trace.code(ns=3, wm=wm, jss=4, lm=3)
        trace.log("Done", Source.LogMonitor, seq, status_code="FAILED", exit_code="1", reason=f"failed {number - 1}")
        trace.log("Resubmission", Source.LogMonitor, seq, result="SHALLOW")
        seq = trace.code(ns=3, wm=wm, jss=4, lm=5)
        trace.log("EnQueued", Source.LogMonitor, seq, queue="wm", job="x", result="OK")
        wm = trace.matched(wm + 1, f"ce{number}")
        handed.append(wm)
    trace.sent(wm)
    trace.on_node(wm, "wn3")
    before = fold(trace.events)
    trace.log("Running", Source.LRMS, trace.code(ns=3, wm=handed[0], jss=4, lrms=9), node="wn1")
    for events in (trace.events, trace.events[:1] + trace.events[:0:-1]):
        status = fold(events)
        assert (status.state, status.destination, status.ce_node) == (JobState.Running, "ce3", "wn3")
        assert status.matched_jdl == "[ce=ce3]"
        assert status.possible_destinations == ("ce1", "ce2", "ce3")
        assert set(status.possible_ce_nodes) == {"wn1", "wn2", "wn3"}
        assert status.resubmitted and status.payload_running
    assert before.state is JobState.Running


def test_only_the_workload_manager_can_mark_a_deep_resubmission(trace):
    trace.register()
    trace.log("Resubmission", Source.LogMonitor, trace.code(ns=3, wm=4, lm=1), result="WILLRESUB")
    assert fold(trace.events).marks.deep is None


def test_suspend_and_resume_count_only_while_running(trace):
    trace.register()
    trace.log("Suspend", Source.LRMS, trace.code(ns=3, wm=1, lrms=1), reason="r")
    assert not fold(trace.events).suspended
    trace.log("Running", Source.LRMS, trace.code(ns=3, wm=1, lrms=2), node="wn")
    trace.log("Suspend", Source.LRMS, trace.code(ns=3, wm=1, lrms=3), reason="r")
    assert fold(trace.events).suspended
    trace.log("Done", Source.LogMonitor, trace.code(ns=3, wm=1, lm=3), status_code="OK", exit_code="0")
    assert not fold(trace.events).suspended


def test_a_user_tag_is_replaced_by_strictly_newer_ones_only(trace):
    trace.register()
    trace.log("UserTag", Source.Application, trace.code(ns=3, wm=2), name="Colour", value="green")
    trace.log("UserTag", Source.Application, trace.code(ns=3, wm=1), name="colour", value="red")
    assert fold(trace.events).user_tags == (("colour", "green"),)
    assert incrementally(trace.events).user_tags == (("colour", "green"),)


def test_a_future_sequence_code_of_a_tag_does_not_stop_the_job(trace):
    trace.register()
    trace.log("UserTag", Source.UserInterface, trace.code(ui=999999), name="x", value="y")
    trace.log("Match", Source.WorkloadManager, trace.code(ns=3, wm=1), dest_id="ce")
    assert fold(trace.events).state is JobState.Waiting


def test_a_repeated_registration_completes_the_description_and_moves_nothing(trace):
    trace.register()
    trace.until_matched()
    trace.register(jdl="[ new = 1; ]")
    for events in (trace.events, trace.events[::-1]):
        status = fold(events)
        assert (status.state, status.jdl) == (JobState.Ready, "[ new = 1; ]")


def test_payload_ownership_needs_both_halves(trace):
    trace.register()
    trace.log("TakePayloadOwnership", Source.Application, trace.code(ns=4))
    assert fold(trace.events).payload_owner is None
    trace.log("GrantPayloadOwnership", Source.UserInterface, trace.code(ns=5), payload_owner=trace.OWNER)
    assert fold(trace.events).payload_owner == trace.OWNER


@pytest.mark.parametrize(
    ("reached", "state"),
    [
        ("PENDING", JobState.Waiting),
        ("IDLE", JobState.Scheduled),
        ("REALLY-RUNNING", JobState.Running),
        ("DONE-OK", JobState.Done),
        ("ABORTED", JobState.Aborted),
        ("CANCELLED", JobState.Cancelled),
        ("PURGED", JobState.Cleared),
        ("HELD", JobState.Submitted),
    ],
)
def test_the_states_of_cream_lead_to_states_of_the_job(trace, reached, state):
    trace.register()
    trace.log("CREAMStatus", Source.CREAMExecutor, trace.code(ns=3), new_state=reached, result="DONE")
    assert fold(trace.events).state is state


def test_a_kept_status_reads_back_whole(trace):
    trace.successful()
    trace.log("UserTag", Source.Application, trace.code(ns=3, wm=2), name="a", value="b")
    for count in range(1, len(trace.events) + 1):
        status = fold(trace.events[:count])
        assert from_json(to_json(status)) == status


def test_grants_and_takes_of_ownership_count_in_their_order_whatever_that_of_arrival(trace):
    registration = trace.register()
    for number, who in enumerate(("/CN=Bob", "/CN=Carol")):
        grant = trace.code(ui=2 * number + 1)
        trace.log("GrantPayloadOwnership", Source.UserInterface, grant, payload_owner=who)
        trace.owner = who
        trace.log("TakePayloadOwnership", Source.Application, trace.code(ui=2 * number + 2))
        trace.owner = trace.OWNER
    for number in range(1, 5):
        for order in permutations(trace.events[1:], number):
            assert incrementally([registration, *order]) == fold([registration, *order])
    status = fold(trace.events)
    assert (status.marks.granted_to, status.payload_owner) == ("/CN=Carol", "/CN=Carol")
