"""Which of the candidates is chosen: best rank, chance, standings, and the jobs that were sent meanwhile."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker import queue
from broker.candidates import MatchResult, fuzzy_weights
from broker.choice import Choice, Chooser, _sampled
from broker.circumstances import Circumstances
from broker.job import Job
from broker.matchmaker import match
from broker.standing import Sign, Standing, StandingRules
from broker.standings import Standings
from broker.supermarket import Snapshot
from broker.traffic import Traffic, with_jobs
from broker.wms_requirements import WMS_REQUIREMENTS
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.parser import parse
from storage import schema
from storage.engine import open_engine

ADA = User("/DC=org/DC=example/CN=Ada", (Fqan.parse("/vo"),))
RULES = StandingRules()


def record(name: str, **attributes: object) -> CeRecord:
    ce_id = f"{name}:8443/cream-fork-q"
    ad = parse("[]")
    values = {"GlueCEUniqueID": ce_id, "GlueCEStateEstimatedResponseTime": 0, "GlueCEInfoTotalCPUs": 10}
    for key, value in (values | attributes).items():
        ad.set(key, value)
    return CeRecord(ce_id, ce_id, ad, ("VO:vo",), name, f"https://{name}/ce")


def free(name: str, slots: int, **more: object) -> CeRecord:
    return record(name, GlueCEStateFreeJobSlots=slots, GlueCEInfoTotalCPUs=slots or 10, **more)


@pytest.fixture
def engine(tmp_path):
    engine = open_engine(f"sqlite:///{tmp_path / 'b.sqlite'}")
    schema.create(engine, queue.metadata, queue.SCHEMA_VERSION)
    yield engine
    engine.dispose()


class Desk:
    """A chooser with its books and a clock that stands."""

    def __init__(self, engine, seed: int = 7) -> None:
        self.now = 1_800_000_000.0
        self.engine = engine
        self.standings = Standings(engine, RULES, lambda: self.now)
        self.traffic = Traffic(lambda: self.now)
        self.chooser = Chooser(
            self.standings, self.traffic, WMS_REQUIREMENTS, random.Random(seed), lambda: self.now
        )

    def fared(self, name: str, verdicts: str) -> None:
        with self.engine.begin() as connection:
            for verdict in verdicts:
                sign = Sign.GOOD if verdict == "+" else Sign.FAILED
                self.standings.record(connection, f"{name}:8443/cream-fork-q", sign, "it broke")

    def choose(self, text: str, *records: CeRecord, tried: tuple[str, ...] = ()) -> Choice:
        job = Job(parse(f"[{text}]"))
        circumstances = Circumstances(success=self.standings.success)
        result = match(job, Snapshot(records), ADA, tried_hosts=tried, circumstances=circumstances)
        return self.chooser.choose(job, result, self.now - 60)

    def send(self, count: int, text: str, *records: CeRecord) -> Counter[str]:
        """Send so many jobs one after the other; how many went where, ``-`` for those that wait."""
        places: Counter[str] = Counter()
        job = Job(parse(f"[{text}]"))
        result = match(job, Snapshot(records), ADA)
        for number in range(count):
            chosen = self.chooser.choose(job, result, self.now - 60).candidate
            if chosen is not None:
                self.traffic.sent(chosen.ce_id, f"job{number}", job.slots)
            places[chosen.host if chosen else "-"] += 1
        return places


@pytest.fixture
def desk(engine) -> Desk:
    return Desk(engine)


# -- chance ----------------------------------------------------------------------------------------------------


def _chi2(counts: Counter[str], expected: dict[str, float]) -> float:
    total = sum(counts.values())
    return sum((counts[name] - total * part) ** 2 / (total * part) for name, part in expected.items())


def test_equals_are_chosen_uniformly(desk) -> None:
    records = [record(name) for name in "abcdef"] + [record("worse", GlueCEStateEstimatedResponseTime=9)]
    counts = Counter(desk.choose("", *records).candidate.host for _ in range(1200))
    assert set(counts) == set("abcdef")
    assert _chi2(counts, dict.fromkeys("abcdef", 1 / 6)) < 20.5  # 5 degrees of freedom, one in a thousand


@pytest.mark.parametrize("factor", [0.1, 1, 10])
def test_a_fuzzy_choice_has_the_weights_of_glite(desk, factor) -> None:
    records = [record(f"h{value}", value=value) for value in (0, 1, 5)]
    text = f"Rank = other.value; FuzzyRank = true; fuzzy_factor = {factor};"
    counts = Counter(desk.choose(text, *records).candidate.host for _ in range(1500))
    weights = {f"h{value}": math.atan((value - 2) * factor) + math.pi / 2 for value in (0, 1, 5)}
    expected = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    assert _chi2(counts, expected) < 13.8  # 2 degrees of freedom, one in a thousand


def test_the_factor_of_one_job_is_no_other_jobs(desk) -> None:
    records = [record(f"h{value}", value=value) for value in (0, 9)]
    steep = "Rank = other.value; FuzzyRank = true; fuzzy_factor = 1000;"
    flat = "Rank = other.value; FuzzyRank = true; fuzzy_factor = 0;"
    counts = Counter()
    for _ in range(400):
        counts["steep", desk.choose(steep, *records).candidate.host] += 1
        counts["flat", desk.choose(flat, *records).candidate.host] += 1
    assert counts["steep", "h0"] < 10
    assert 150 < counts["flat", "h0"] < 250


@given(
    st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)), min_size=1, max_size=9),
    st.floats(allow_nan=False),
)
def test_no_ranks_and_no_factor_leave_nothing_to_choose(ranks, factor) -> None:
    weights = fuzzy_weights(ranks, factor)
    assert len(weights) == len(ranks)
    assert all(weight >= 0 for weight in weights)
    assert 0 < sum(weights) < math.inf


# -- standings -------------------------------------------------------------------------------------------------


def test_an_element_that_fails_often_gets_fewer_jobs_though_it_is_the_best(desk) -> None:
    best, other = record("best"), record("other", GlueCEStateEstimatedResponseTime=100)
    assert desk.choose("", best, other).candidate.host == "best"
    desk.fared("best", "--+--+--+--+--+")
    counts = Counter(desk.choose("", best, other).candidate.host for _ in range(1000))
    assert 300 < counts["best"] < 500  # (5 + 2) of (15 + 2)
    assert Counter(desk.choose("", best).candidate.host for _ in range(20)) == {"best": 20}


def test_success_is_also_what_the_user_may_ask_for(desk) -> None:
    desk.fared("a", "-+-+-")
    records = (record("a"), record("b", GlueCEStateEstimatedResponseTime=100))
    picky = "Requirements = successFraction(other.GlueCEUniqueID) > 0.5;"
    assert {desk.choose(picky, *records).candidate.host for _ in range(20)} == {"b"}
    ranked = "Rank = successFraction(other.GlueCEUniqueID);"
    assert {desk.choose(ranked, *records).candidate.host for _ in range(20)} == {"b"}


def test_a_black_hole_is_set_aside_and_tried_again_with_one_job_at_a_time(desk) -> None:
    hole, other = record("hole"), record("other", GlueCEStateEstimatedResponseTime=100)
    desk.fared("hole", "---")
    assert {desk.choose("", hole, other).candidate.host for _ in range(50)} == {"other"}
    alone = desk.choose("", hole)
    assert alone.candidate is None
    assert alone.until == desk.standings.of("hole:8443/cream-fork-q").held_until
    sentence = alone.sentence()
    assert sentence.startswith("the only computing element that matches is set aside: hole:8443/cream-fork-q until ")
    assert sentence.endswith("UTC after 3 failed jobs in succession (it broke)")
    desk.now = alone.until + 1
    assert desk.choose("", hole).candidate.host == "hole"
    desk.traffic.sent("hole:8443/cream-fork-q", "probe", 1)
    second = desk.choose("", hole)
    assert (second.candidate, second.until) == (None, desk.now + 30)
    desk.fared("hole", "+")
    assert desk.choose("", hole).candidate.host == "hole"


def test_only_a_black_hole_that_the_user_named_gets_the_job_at_once(desk) -> None:
    desk.fared("hole", "---")
    named = 'SubmitTo = "hole:8443/cream-fork-q";'
    assert desk.choose(named, record("hole"), record("other")).candidate.host == "hole"


def test_an_element_where_the_job_was_before_is_better_than_one_that_is_set_aside(desk) -> None:
    desk.fared("hole", "---")
    choice = desk.choose("", record("hole"), record("before"), tried=("before",))
    assert choice.candidate.host == "before"
    desk.fared("before", "---")
    waiting = desk.choose("", record("hole"), record("before"), tried=("before",))
    assert waiting.candidate is None
    assert waiting.sentence().startswith("all 2 that match are set aside: hole:")


# -- the jobs that were sent meanwhile ---------------------------------------------------------------------------


def test_a_thousand_jobs_within_one_refresh_spread_over_the_elements_as_their_slots(desk) -> None:
    places = desk.send(100, "", free("big", 60), free("mid", 30), free("small", 10))
    assert places == {"big": 60, "mid": 30, "small": 10}
    more = Desk(desk.engine).send(1000, "", *(free(f"h{number}", 10) for number in range(20)))
    assert len(more) == 20
    assert max(more.values()) - min(more.values()) <= 2


def test_full_queues_are_filled_evenly_too(desk) -> None:
    records = [free(f"h{n}", 0, GlueCEStateWaitingJobs=10, GlueCEStateEstimatedResponseTime=1000) for n in range(4)]
    places = desk.send(200, "", *records)
    assert max(places.values()) - min(places.values()) <= 2


def test_who_wants_free_slots_waits_when_our_own_jobs_have_taken_them(desk) -> None:
    places = desk.send(12, "Requirements = other.GlueCEStateFreeJobSlots > 0;", free("a", 5), free("b", 5))
    assert places == {"a": 5, "b": 5, "-": 2}
    job = Job(parse("[Requirements = other.GlueCEStateFreeJobSlots > 0;]"))
    waiting = desk.chooser.choose(job, match(job, Snapshot((free("a", 5),)), ADA), desk.now - 60)
    assert "the jobs sent meanwhile filled it" in waiting.sentence()
    assert waiting.until is None
    desk.traffic.ended("job0")
    desk.traffic.ended("job1")
    assert desk.chooser.choose(job, match(job, Snapshot((free("a", 5), free("b", 5))), ADA), desk.now - 60).candidate


def test_a_queue_that_our_jobs_have_filled_gets_no_more(desk) -> None:
    places = desk.send(7, "", free("a", 9, GlueCEStateTotalJobs=1, GlueCEPolicyMaxTotalJobs=4))
    assert places == {"a": 3, "-": 4}


def test_parallel_jobs_take_all_their_slots(desk) -> None:
    places = desk.send(6, "CpuNumber = 4;", free("a", 12), free("b", 12))
    assert places == {"a": 3, "b": 3}


def test_what_the_picture_shows_already_counts_once(desk) -> None:
    desk.traffic.sent("a:8443/cream-fork-q", "old", 100)
    desk.now += 120
    assert desk.traffic.since(desk.now - 60) == {}
    assert desk.choose("", free("a", 1), free("b", 0, GlueCEStateEstimatedResponseTime=5)).candidate.host == "a"


def test_a_roulette_also_sees_the_jobs_that_were_sent(desk) -> None:
    text = "Rank = other.GlueCEStateFreeJobSlots; FuzzyRank = true;"
    places = desk.send(300, text, free("a", 100), free("b", 100), free("c", 100))
    assert max(places.values()) - min(places.values()) < 25


def test_unknown_numbers_stay_unknown_with_jobs_on_top() -> None:
    ad = record("a", GlueCEStateFreeJobSlots=444444, GlueCEStateEstimatedResponseTime=2146660842).ad
    corrected = with_jobs(ad, 5)
    assert corrected.value("GlueCEStateFreeJobSlots") == 444444
    assert corrected.value("GlueCEStateEstimatedResponseTime") == 2146660842
    assert corrected.value("GlueCEStateTotalJobs") == parse("[]").value("x")


NUMBERS = [
    *(f"GlueCEState{name}" for name in ("FreeJobSlots", "FreeCPUs", "RunningJobs", "WaitingJobs", "TotalJobs")),
    "GlueCEStateEstimatedResponseTime",
    "GlueCEInfoTotalCPUs",
]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(NUMBERS),
        st.one_of(st.integers(-5, 2**62), st.just("many"), st.floats(allow_nan=False, allow_infinity=False)),
    ),
    st.integers(1, 10_000),
)
def test_more_jobs_never_make_an_element_look_better(numbers, jobs) -> None:
    ad = parse("[]")
    for name, value in numbers.items():
        ad.set(name, value)
    few, many = with_jobs(ad, jobs), with_jobs(ad, jobs + 1)
    for name in ("GlueCEStateFreeJobSlots", "GlueCEStateFreeCPUs"):
        if isinstance(few.value(name), int) and numbers.get(name, 0) >= 0:
            assert many.value(name) <= few.value(name) <= max(0, ad.value(name))
    for name in ("GlueCEStateTotalJobs", "GlueCEStateWaitingJobs", "GlueCEStateEstimatedResponseTime"):
        if isinstance(few.value(name), int) and isinstance(ad.value(name), int):
            assert many.value(name) >= few.value(name)


def test_a_rank_that_likes_crowds_draws_no_crowd(desk) -> None:
    """Jobs on top make no element better than the picture has it, in a roulette neither."""
    crowd = "FuzzyRank = true; fuzzy_factor = 1000; Rank = other.GlueCEStateRunningJobs;"
    both = [free(name, 100, GlueCEStateRunningJobs=0) for name in ("a", "b")]
    for number in range(5):
        desk.traffic.sent(both[0].ce_id, f"early{number}", 1)
    places = desk.send(60, crowd, *both)
    assert places["a"] > 10 and places["b"] > 10


def test_two_views_of_an_element_have_each_their_own_rank_with_our_jobs_on_top(desk) -> None:
    first, second = (
        replace(free("a", slots, Base=base), key=f"a:8443/cream-fork-q/{base}") for base, slots in ((2, 1), (1, 5))
    )
    job = Job(parse("[Rank = other.Base - (other.GlueCEStateFreeJobSlots == 0 ? 100 : 0);]"))
    desk.traffic.sent(first.ce_id, "early", 1)
    result, memo = match(job, Snapshot((first, second)), ADA), {}
    for _ in range(10):
        chosen = desk.chooser.choose(job, result, desk.now - 60, memo).candidate
        assert (chosen.record, chosen.rank) == (second, 1)


def test_a_job_that_ends_gives_its_slot_back_to_those_that_are_alike(desk) -> None:
    job, only = Job(parse("[Rank = other.GlueCEStateFreeJobSlots;]")), free("a", 10)
    result, memo = match(job, Snapshot((only,)), ADA), {}

    def rank() -> float:
        chosen = desk.chooser.choose(job, result, desk.now - 60, memo).candidate
        return chosen.rank

    for number in (1, 2, 3):
        desk.traffic.sent(only.ce_id, f"job{number}", 1)
    assert rank() == 7
    desk.traffic.ended("job2")
    assert rank() == 8
    desk.traffic.ended("job1")
    assert rank() == 9


def test_a_rank_that_our_jobs_make_no_number_is_none(desk) -> None:
    """As it is none in the picture: an element is filled by it, and not the best."""
    for nothing in ('real("NaN")', 'real("INF")'):
        rank = f"Rank = other.GlueCEStateFreeJobSlots > 0 ? 5 : {nothing};"
        assert desk.send(4, rank, free("a", 1), free("b", 2)) == {"a": 1, "b": 2, "-": 1}
        desk.traffic = desk.chooser._traffic = Traffic(lambda: desk.now)


def test_nothing_is_chosen_from_nothing(desk) -> None:
    with pytest.raises(ValueError, match="nothing to choose from"):
        desk.chooser.choose(Job(parse("[]")), MatchResult(), 0)


def test_what_is_remembered_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr("broker.traffic.MAX_KEPT", 10)
    traffic = Traffic(lambda: 100.0)
    for number in range(50):
        traffic.sent("ce", f"job{number}", 1)
    assert traffic.since(0) == {"ce": 10}
    for number in range(50):
        traffic.ended(f"job{number}")
    assert traffic.since(0) == {}


def test_elements_that_users_make_up_are_forgotten_those_of_longest_ago_first(monkeypatch) -> None:
    monkeypatch.setattr("broker.traffic.MAX_ELEMENTS", 3)
    traffic = Traffic(lambda: 100.0)
    for name in ("a", "b", "c", "a", "d"):
        traffic.sent(name, f"job on {name}", 1)
    assert [traffic.last_sent(name) for name in "abcd"] == [100.0, 0.0, 100.0, 100.0]


class NoStandings:
    """Nothing is known of any element."""

    rules = RULES

    def doubtful(self) -> dict[str, Standing]:
        return {}

    def trust(self, ce_id: str, now: float) -> float:
        return 1.0

    def success(self, ce_id: str) -> float:
        return 1.0


QUEUES = st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5), st.booleans())


@settings(max_examples=150, deadline=None)
@given(st.lists(QUEUES, min_size=1, max_size=8), st.integers(0, 2**32), st.booleans())
def test_what_is_chosen_has_the_best_rank_that_there_is_with_all_jobs_on_top(queues, seed, lazily) -> None:
    """However little the choice looks at: response time, free slots, jobs sent, full."""
    records = tuple(
        free(f"h{number}", slots, GlueCEStateEstimatedResponseTime=time, GlueCEPolicyMaxTotalJobs=4 if full else 0,
             GlueCEStateTotalJobs=1)
        for number, (time, slots, _, full) in enumerate(queues)
    )  # fmt: skip
    traffic = Traffic(lambda: 100.0)
    for number, (_, _, sent, _) in enumerate(queues):
        for turn in range(sent):
            traffic.sent(records[number].ce_id, f"{number}.{turn}", 1)
    job = Job(parse("[]"))
    result = match(job, Snapshot(records), ADA)
    if not lazily:
        result = replace(result, candidates=tuple(result.candidates))
    sent = traffic.since(0)
    now = {each.ce_id: with_jobs(each.ad, sent[each.ce_id]) if each.ce_id in sent else each.ad for each in records}
    meets = {ce_id: match(job, Snapshot((CeRecord(ce_id, ce_id, ad, ("VO:vo",), "h", "e"),)), ADA).candidates
             for ce_id, ad in now.items()}  # fmt: skip
    ranks = {ce_id: found[0].rank for ce_id, found in meets.items() if found}
    chooser = Chooser(NoStandings(), traffic, WMS_REQUIREMENTS, random.Random(seed), lambda: 100.0)
    chosen = chooser.choose(job, result, 0.0).candidate
    if ranks:
        assert ranks[chosen.ce_id] == max(ranks.values())
    else:
        assert chosen is None


@given(st.integers(0, 300), st.integers(0, 2**32))
def test_a_random_order_made_as_it_is_asked_for_leaves_nobody_out(number, seed) -> None:
    assert sorted(_sampled(number, random.Random(seed))) == list(range(number))


def test_a_random_order_is_uniform() -> None:
    rng = random.Random(3)
    counts = Counter("".join(map(str, _sampled(3, rng))) for _ in range(3000))
    assert _chi2(counts, dict.fromkeys(("012", "021", "102", "120", "201", "210"), 1 / 6)) < 20.5


def test_a_choice_among_thousands_looks_at_few(monkeypatch, desk) -> None:
    records = [free(f"h{number}", 10) for number in range(3000)]
    job = Job(parse("[]"))
    result = match(job, Snapshot(tuple(records)), ADA)
    looked = Counter()
    real = type(result.candidates).__getitem__
    monkeypatch.setattr(
        type(result.candidates), "__getitem__", lambda each, at: looked.update(["at"]) or real(each, at)
    )
    assert desk.chooser.choose(job, result, desk.now - 60).candidate is not None
    assert looked["at"] < 40
