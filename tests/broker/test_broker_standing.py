"""How elements are judged by the jobs that they were sent: pure rules, and what is kept of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.standing import SLOTS, Sign, Standing, StandingRules
from broker.standings import Standings

RULES = StandingRules(window=3600.0, failures=3, hold=30.0, longest_hold=1800.0)
NOW = 1_800_000_000.0
SIGNS = {"+": Sign.GOOD, "-": Sign.FAILED, "x": Sign.REFUSED, "s": Sign.STARTED}


def fared(verdicts: str, now: float = NOW, start: Standing | None = None, gap: float = 1.0) -> Standing:
    """The standing after ``+`` (good) and ``-`` (failed) attempts, ``gap`` seconds apart from ``now`` on."""
    standing = start or Standing("ce")
    for number, verdict in enumerate(verdicts):
        standing = standing.after(SIGNS[verdict], "it broke", now + number * gap, RULES)
    return standing


def test_an_element_that_nobody_knows_is_trusted() -> None:
    unknown = Standing("ce")
    assert unknown.success(NOW, RULES) == 1.0
    assert unknown.trust(NOW, RULES) == 1.0
    assert not unknown.held(NOW)
    assert not unknown.on_trial(NOW)


def test_the_success_fraction_is_good_by_all_within_the_window() -> None:
    standing = fared("+++-")
    assert standing.success(NOW, RULES) == 0.75
    assert standing.success(NOW + 3300, RULES) == 0.75
    assert standing.success(NOW + 3700, RULES) == 1.0
    assert fared("----").success(NOW, RULES) == 0.0


def test_one_failure_alone_is_no_verdict_and_many_are() -> None:
    assert 0.6 < fared("-").trust(NOW, RULES) < 1.0
    assert fared("-" * 20).trust(NOW, RULES) < 0.1
    assert fared("-" + "+" * 50).trust(NOW, RULES) > 0.95


def test_failures_in_succession_set_an_element_aside_and_others_do_not() -> None:
    assert not fared("--").held(NOW + 2)
    assert not fared("--+--").held(NOW + 5)
    held = fared("---")
    assert held.held(NOW + 3)
    assert held.held_until == NOW + 2 + 30
    assert held.reason == "it broke"


def test_what_was_on_its_way_when_an_element_was_set_aside_makes_it_no_longer() -> None:
    assert fared("-" * 20, gap=0.5).held_until == fared("---", gap=0.5).held_until


def test_each_further_failure_doubles_the_time_up_to_a_bound() -> None:
    standing = fared("---")
    spans = []
    for _ in range(12):
        moment = standing.held_until + 1
        assert standing.on_trial(moment)
        standing = standing.after(Sign.FAILED, "still broken", moment, RULES)
        spans.append(standing.held_until - moment)
    assert spans[:4] == [60, 120, 240, 480]
    assert spans[-1] == 1800


def test_one_job_that_goes_well_on_trial_ends_the_matter() -> None:
    held = fared("---")
    good = held.after(Sign.GOOD, "", held.held_until + 1, RULES)
    assert (good.failures, good.holds) == (0, 0)
    assert not good.on_trial(held.held_until + 2)
    again = fared("---", held.held_until + 5, good)
    assert again.held_until - (held.held_until + 7) == 30  # from the beginning


def test_a_job_of_before_that_goes_well_does_not_end_the_time_aside() -> None:
    held = fared("---")
    during = held.after(Sign.GOOD, "", NOW + 10, RULES)
    assert during.held_until == held.held_until
    assert during.on_trial(held.held_until + 1)


def test_the_words_of_an_element_stay_on_one_line() -> None:
    standing = Standing("ce").after(Sign.FAILED, "no\n disk\x1b[31m\x00 left" + "\n" * 9, NOW, RULES)
    assert standing.reason == "no disk [31m left"


def test_a_job_that_is_taken_ends_what_refusals_began_but_no_black_hole() -> None:
    refusing = fared("xxx")
    assert refusing.held(NOW + 3)
    taken = refusing.after(Sign.STARTED, "", NOW + 40, RULES)
    assert (taken.failures, taken.holds, taken.on_trial(NOW + 40)) == (0, 0, False)
    for hole in (fared("---"), fared("x--"), fared("-xx")):
        assert hole.after(Sign.STARTED, "", NOW + 40, RULES) == hole
    assert fared("sss") == Standing("ce")


@given(st.lists(st.tuples(st.sampled_from(Sign), st.floats(0, 5000)), max_size=120))
def test_whatever_happens_no_element_is_lost_for_ever_and_nothing_grows(history: list[tuple[Sign, float]]) -> None:
    standing, now = Standing("ce"), NOW
    for sign, gap in history:
        now += gap
        standing = standing.after(sign, "x" * 5000, now, RULES)
        assert standing.held_until <= now + RULES.longest_hold
        assert 0.0 <= standing.success(now, RULES) <= 1.0
        assert 0.0 < standing.trust(now, RULES) <= 1.0
        assert len(standing.slots) <= SLOTS
        assert len(standing.reason) <= 300
    assert not standing.held(now + RULES.longest_hold)
    assert standing.trust(now + RULES.window + 600, RULES) == 1.0
    assert standing.outcomes == sum(sign is not Sign.STARTED for sign, _ in history)


@given(st.integers(-100_000, 100_000))
def test_a_clock_that_is_set_back_breaks_nothing(jump: int) -> None:
    standing = fared("+-", NOW + jump, fared("+-"))
    assert 0.0 < standing.trust(NOW + jump, RULES) <= 1.0
    assert len(standing.slots) <= SLOTS


# -- kept ------------------------------------------------------------------------------------------------------


def test_standings_survive_a_restart(engine, caplog) -> None:
    clock = [NOW]
    before = Standings(engine, RULES, lambda: clock[0])
    for number in range(3):
        with engine.begin() as connection:
            before.record(connection, "black.example.org:8443/cream-fork-q", Sign.FAILED, f"no {number}")
    with engine.begin() as connection:
        before.record(connection, "good.example.org:8443/cream-fork-q", Sign.GOOD, "")
    after = Standings(engine, RULES, lambda: clock[0])
    assert after.of("black.example.org:8443/cream-fork-q") == before.of("black.example.org:8443/cream-fork-q")
    assert after.success("good.example.org:8443/cream-fork-q") == 1.0
    assert after.success("black.example.org:8443/cream-fork-q") == 0.0
    (held,) = after.set_aside()
    assert "set aside until" in after.sentence(held)
    assert "3 jobs in succession failed there, the last one: no 2" in after.sentence(held)
    assert "set aside until" in caplog.text
    clock[0] += 60
    assert "on trial" in after.sentence(after.set_aside()[0])


def test_elements_of_which_nothing_is_heard_any_more_are_forgotten(engine) -> None:
    clock = [NOW]
    standings = Standings(engine, RULES, lambda: clock[0])
    with engine.begin() as connection:
        standings.record(connection, "gone", Sign.FAILED, "x")
    clock[0] += 3 * 3600
    with engine.begin() as connection:
        standings.record(connection, "here", Sign.FAILED, "x")
        standings.purge(connection)
    assert standings.of("gone") == Standing("gone")
    assert Standings(engine, RULES).of("gone") == Standing("gone")
    assert standings.of("here").outcomes == 1


def test_a_transaction_that_fails_leaves_no_durable_trace_and_the_repetition_counts_once(engine) -> None:
    standings = Standings(engine, RULES, lambda: NOW)
    with pytest.raises(RuntimeError), engine.begin() as connection:
        standings.record(connection, "ce", Sign.FAILED, "x")
        raise RuntimeError
    with engine.begin() as connection:
        standings.record(connection, "ce", Sign.FAILED, "x")
    assert standings.of("ce").outcomes == 1
    assert Standings(engine, RULES).of("ce").outcomes == 1
