"""What the end of an attempt means: who is to blame, and whether there is another attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.outcome import Attempts, Verdict, judge
from grid.states import CreamState

FINAL = [state for state in CreamState if state.final]
ATTEMPTS = st.builds(
    Attempts,
    failures=st.integers(0, 20),
    infrastructure=st.integers(0, 20),
    retry_count=st.integers(0, 20),
    max_retry_count=st.integers(0, 10),
    max_infrastructure=st.integers(0, 10),
)
NONE = Attempts(failures=0, infrastructure=0, retry_count=0, max_retry_count=10, max_infrastructure=10)


def verdict(state, *, reason="", infrastructure=False, cancelling=False, attempts=NONE):
    return judge(state, reason=reason, infrastructure=infrastructure, cancelling=cancelling, attempts=attempts)


def test_a_finished_wrapper_is_done_even_when_the_user_wanted_to_cancel():
    assert verdict(CreamState.DONE_OK, cancelling=True).verdict is Verdict.DONE


@pytest.mark.parametrize("state", [state for state in FINAL if state is not CreamState.DONE_OK])
def test_a_cancel_that_was_asked_for_ends_as_cancelled(state):
    assert verdict(state, cancelling=True).verdict is Verdict.CANCELLED


def test_a_failure_of_the_infrastructure_is_tried_again_without_any_retry_count():
    outcome = verdict(CreamState.DONE_FAILED, reason="the node vanished", infrastructure=True)
    assert outcome.verdict is Verdict.RESUBMIT
    assert outcome.infrastructure


@pytest.mark.parametrize("state", [CreamState.CANCELLED, CreamState.ABORTED, CreamState.PURGED])
def test_what_the_ce_took_away_unasked_is_the_infrastructures_failure(state):
    assert verdict(state).infrastructure


def test_a_job_without_retry_count_is_aborted_at_its_first_own_failure():
    outcome = verdict(CreamState.DONE_FAILED, reason="Cannot download a from b")
    assert outcome.verdict is Verdict.ABORT
    assert outcome.reason == "hit job retry count (0): Cannot download a from b"


def test_retry_count_is_bounded_by_the_node():
    attempts = Attempts(failures=2, infrastructure=0, retry_count=5, max_retry_count=2, max_infrastructure=9)
    outcome = verdict(CreamState.DONE_FAILED, reason="x", attempts=attempts)
    assert outcome.verdict is Verdict.ABORT
    assert outcome.reason.startswith("hit max retry count (2)")


@pytest.mark.parametrize(
    "reason",
    ["a.sh not found or unreadable", "Job killed by the jobwrapper because of user proxy expiration"],
)
def test_what_no_other_ce_would_mend_is_not_tried_again(reason):
    attempts = Attempts(failures=0, infrastructure=0, retry_count=3, max_retry_count=10, max_infrastructure=10)
    assert verdict(CreamState.DONE_FAILED, reason=reason, attempts=attempts).verdict is Verdict.ABORT


@given(st.sampled_from(FINAL), st.text(max_size=30), st.booleans(), st.booleans(), ATTEMPTS)
def test_there_is_always_an_end_within_the_bounds(state, reason, infrastructure, cancelling, attempts):
    outcome = judge(state, reason=reason, infrastructure=infrastructure, cancelling=cancelling, attempts=attempts)
    if outcome.verdict is Verdict.RESUBMIT:
        if outcome.infrastructure:
            assert attempts.infrastructure < attempts.max_infrastructure
        else:
            assert attempts.failures < min(attempts.retry_count, attempts.max_retry_count)
    assert outcome.reason


def test_a_state_on_the_way_is_no_end():
    with pytest.raises(ValueError, match="not a final state"):
        verdict(CreamState.RUNNING)
