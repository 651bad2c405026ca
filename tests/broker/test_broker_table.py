"""Expressions asked of all computing elements at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from broker import table as table_module
from broker.circumstances import Circumstances
from broker.job import Job
from broker.masks import question
from broker.masks.cache import Cache
from broker.masks.column import Column
from broker.masks.key import Keys
from broker.matchmaker import WMS_REQUIREMENTS, match
from broker.proof import objection
from broker.queue import Phase
from broker.ranking import Ranking
from broker.supermarket import Snapshot
from broker.table import Table, Truth
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.nodes import Literal
from jdl.parser import parse, parse_expression
from jdl.scope import Run
from jdl.tree import ClassAd

Records = Callable[..., tuple[CeRecord, ...]]


def test_an_expression_is_told_for_each_row_in_the_order_of_the_records(element: Records) -> None:
    snapshot = Snapshot((*element("a", free_job_slots=1), *element("b"), *element("c", free_job_slots=9)))
    ad = parse("[Wanted = 5]")
    slots = "other.GlueCEStateFreeJobSlots"

    def truth(text: str) -> list[int]:
        return snapshot.table.truth(ad, parse_expression(text)).tolist()

    assert truth(f"{slots} > Wanted") == [Truth.FALSE, Truth.FALSE, Truth.TRUE]
    assert truth(f"other.Nothing > {slots}") == [Truth.UNDEFINED] * 3
    assert truth(f'{slots} > "x"') == [Truth.ERROR] * 3
    assert truth(slots) == [Truth.OTHER] * 3
    assert snapshot.table.where(ad, parse_expression(f"{slots} > Wanted")).tolist() == [False, False, True]
    numbers, ok = snapshot.table.numbers(ad, parse_expression(f"{slots} == 0 ? undefined : {slots} * 1.5"))
    assert ok.tolist() == [True, False, True]
    assert numbers[ok].tolist() == [1.5, 13.5]


def test_the_table_knows_whom_the_rows_admit_and_which_take_jobs(element: Records) -> None:
    snapshot = Snapshot((*element("a"), *element("b", rules=("VO:other",)), *element("c", status="Draining")))
    assert snapshot.table.admitted(User("/CN=Ada", (Fqan.parse("/vo"),))).tolist() == [True, False, True]
    assert snapshot.table.takes_jobs().tolist() == [True, True, False]


# -- what is kept ------------------------------------------------------------------------------------------------------


def table_of(*values: int) -> Table:
    return Table(
        [
            CeRecord(f"ce{row}", f"ce{row}", ClassAd((("Slots", Literal(value)), ("Id", Literal(f"ce{row}")))), (), "h")
            for row, value in enumerate(values)
        ]
    )


def asked(table: Table, text: str, own: str = "[]", **sources: Any) -> list[int]:
    return table.truth(parse(own), parse_expression(text), Circumstances(**sources)).tolist()


def test_who_asks_the_same_in_other_words_gets_what_is_kept() -> None:
    table = table_of(1, 5, 9)
    assert asked(table, "other.Slots > 3") == [0, 1, 1]
    assert table.cache.hits == 0
    assert asked(table, "Target.slots > Wanted", "[Wanted = 3]") == [0, 1, 1]
    assert asked(table, "self.A", "[A = other.SLOTS > B; B = C; C = 3]") == [0, 1, 1]
    assert table.cache.hits == 2


def test_jobs_with_other_constants_of_their_own_get_their_own_answer() -> None:
    table = table_of(1, 5, 9)
    assert asked(table, "other.Slots > Wanted", "[Wanted = 3]") == [0, 1, 1]
    assert asked(table, "other.Slots > Wanted", "[Wanted = 6]") == [0, 0, 1]
    assert asked(table, "other.Slots > Wanted", "[Wanted = 6.0]") == [0, 0, 1]
    assert asked(table, "other.Slots > Wanted", '[Wanted = "6"]') == [Truth.ERROR] * 3
    assert asked(table, "other.Slots > Wanted") == [Truth.UNDEFINED] * 3
    assert asked(table, "other.Slots =?= Wanted", "[Wanted = 1]") == [1, 0, 0]
    assert asked(table, "other.Slots =?= Wanted", "[Wanted = true]") == [0, 0, 0]
    assert table.cache.hits == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('other.Id == "a" || other.Id == "ce1"', 'other.Id == "a\\" || other.Id == \\"ce1"'),
        ("other.Slots == 5", 'other.Slots == "5"'),
        ("{1, 2}[other.Slots]", "{1, 2.0}[other.Slots]"),
        ("other.Slots > (1 - -1)", "other.Slots > (1 + -1)"),
        ("'o.slots' == other.Slots", "other.Slots == other.Slots"),
        ("other.'Slots > 1' =?= undefined", "other.Slots > 1 =?= undefined"),
        ("-other.Slots < 0", "other.Slots < 0"),
        ("(other.Slots > 1) ? true : 2", "(other.Slots > 1) ?: 2"),
    ],
)
def test_no_expression_gets_the_answer_of_another(one: str, other: str) -> None:
    ad = ClassAd()
    assert Keys(ad).of(parse_expression(one)) != Keys(ad).of(parse_expression(other))


def test_a_condition_that_anymatch_does_not_take_is_not_the_one_that_it_takes() -> None:
    own = "[Ads = {[x = 1]}; Wanted = target.x == 1]"
    table = table_of(1)
    assert asked(table, "anyMatch(Ads, target.x == 1)", own) == [Truth.TRUE]
    assert asked(table, "anyMatch(Ads, Wanted)", own) == [Truth.ERROR]


def test_time_chance_and_experience_are_asked_anew_each_time() -> None:
    table = table_of(1, 5)
    assert asked(table, "time() > 100", clock=lambda: 50.0) == [0, 0]
    assert asked(table, "time() > 100", clock=lambda: 150.0) == [1, 1]
    fractions = {"ce0": 0.5, "ce1": 1.0}
    assert asked(table, "successFraction(other.Id) > 0.7", success=fractions.__getitem__) == [0, 1]
    fractions["ce0"] = 0.9
    assert asked(table, "successFraction(other.Id) > 0.7", success=fractions.__getitem__) == [1, 1]
    draws = iter((0.1, 0.9, 0.9, 0.1))
    assert asked(table, "random() < 0.5", rng=lambda: next(draws)) == [1, 0]
    assert asked(table, "Lucky", "[Lucky = random() < 0.5]", rng=lambda: next(draws)) == [0, 1]
    assert len(table.cache) == 0


def test_every_row_draws_its_own_number() -> None:
    table = table_of(*[1] * 50)
    numbers, ok = table.numbers(ClassAd(), parse_expression("other.Slots + random()"))
    assert ok.all()
    assert len(set(numbers.tolist())) == 50


def test_a_standing_demand_is_known_again_by_what_it_reads_of_the_job() -> None:
    table, demand = table_of(1, 5, 9), parse_expression("other.Slots > Wanted || Free =?= true")

    def met(own: str) -> list[bool]:
        return table.where(parse(own), demand, standing=True).tolist()

    for _ in range(2):
        assert met("[Wanted = 3]") == [False, True, True]
        assert met("[Wanted = 6; Other = 1]") == [False, False, True]
        assert met("[Wanted = 6; Free = true]") == [True, True, True]
        assert met("[Wanted = Most; Most = 8]") == [False, False, True]
        assert met("[Wanted = Most; Most = 4]") == [False, True, True]


def test_a_standing_demand_that_asks_for_time_is_asked_anew() -> None:
    table, demand = table_of(1, 5), parse_expression("time() > 100 && other.Slots > 0 && other.Slots < 9")
    assert not table.where(ClassAd(), demand, Circumstances(lambda: 50.0), standing=True).any()
    assert table.where(ClassAd(), demand, Circumstances(lambda: 150.0), standing=True).all()


def test_an_element_that_answers_by_the_jobs_attributes_answers_each_job() -> None:
    (record,) = table_of(1).records
    ad = record.ad.copy()
    ad.set("Wants", parse_expression('other.Owner == "ada"'))
    table, demand = Table([replace(record, ad=ad)]), parse_expression("other.Wants")
    for standing in (False, True):
        for owner, wanted in (("ada", [True]), ("bob", [False]), ("ada", [True])):
            found = table.where(parse(f'[Owner = "{owner}"]'), demand, standing=standing)
            assert found.tolist() == wanted


def test_a_table_keeps_no_more_than_it_may_and_forgets_what_was_not_asked_for_longest() -> None:
    cache = Cache(limit=10_000)
    for number in range(100):
        cache.put(number, "x", 600)
        assert cache.get(0) == "x"
        assert cache.bytes <= 10_000
    assert 5 < len(cache) < 12
    assert cache.get(1) is None
    assert cache.get(99) == "x"
    cache.put("large", "x", 20_000)
    assert cache.get("large") is None
    assert cache.get(99) == "x"
    for number in range(100):
        cache.put("same", str(number), 600)
    assert cache.get("same") == "99"
    assert cache.bytes <= 10_000


def test_names_that_no_element_has_cost_no_column() -> None:
    table = table_of(1, 2)
    for number in range(1000):
        assert asked(table, f"other.Nothing{number} == 1") == [Truth.UNDEFINED] * 2
    assert len(table._columns) == 0


def test_a_site_that_publishes_thousands_of_attributes_makes_no_thousands_of_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(table_module, "MAX_COLUMNS", 5)
    records = list(table_of(*range(10)).records)
    ad = records[3].ad.copy()
    for number in range(50):
        ad.set(f"Own{number}", number)
    records[3] = replace(records[3], ad=ad)
    table = Table(records).prepare()
    assert {"slots", "id"} < set(table._columns)
    for number in range(50):
        text = f"other.Own{number} + other.Own{number} == {2 * number} && other.Slots == 3"
        assert table.where(ClassAd(), parse_expression(text)).tolist() == [row == 3 for row in range(10)]
    assert len(table._columns) == 5


def test_what_has_not_changed_is_taken_over_from_the_table_before() -> None:
    table = table_of(1, 5, 9).prepare()
    assert asked(table, 'RegExp("1", other.Id)') == [0, 1, 0]
    changed = table.records[1].ad.copy()
    changed.set("Slots", 7)
    after = Table([table.records[0], replace(table.records[1], ad=changed), table.records[2]], table)
    assert after.column("id") is table.column("id")
    assert after.column("slots") is not table.column("slots")
    assert asked(after, "other.Slots >= 7") == [0, 1, 1]
    assert asked(table, "other.Slots >= 7") == [0, 0, 1]
    assert asked(after, 'RegExp("1", other.Id)') == [0, 1, 0]


def test_a_column_does_not_collect_what_no_element_says_any_more() -> None:
    table = table_of(*range(10)).prepare()
    for turn in range(1, 200):
        records = []
        for row, record in enumerate(table.records):
            ad = record.ad.copy()
            ad.set("Slots", turn * 10 + row)
            records.append(replace(record, ad=ad))
        table = Table(records, table).prepare()
    assert asked(table, "other.Slots == 1993").count(1) == 1
    assert len(table.column("slots").exprs) < 400


def test_what_costs_too_much_is_an_error_as_the_evaluator_says_and_costs_no_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(question, "MAX_TOTAL_STEPS", 3_000_000)
    chain = "; ".join(f"A{number} = A{number + 1} + A{number + 1}" for number in range(30))
    own = f"[{chain}; A30 = other.Slots; Round = Trip; Trip = Round + 1]"
    table = table_of(*range(40))
    asked_before = Run.charge
    charged = [0]

    def charge(run: Run, steps: int) -> None:
        charged[0] += steps
        asked_before(run, steps)

    monkeypatch.setattr(Run, "charge", charge)
    assert asked(table, "A0 > 0 || true", own) == [Truth.ERROR] * 40
    assert charged[0] < 2 * 3_000_000
    assert asked(table, "isError(Round)", own) == [Truth.TRUE] * 40
    assert asked(table, "A25 >= 32", own) == [0, *[1] * 39]


def test_what_is_listed_is_cut_towards_zero() -> None:
    table = table_of(-3, 5, 4)
    numbers = table.exact_numbers(ClassAd(), parse_expression("other.Slots / 2.0"))
    ranking = Ranking(table, np.flatnonzero(numbers.ok), numbers)
    assert ranking.listed() == [("ce1", 2), ("ce2", 2), ("ce0", -1)]
    assert ranking.listed() == [(each.ce_id, each.listed_rank) for each in ranking]


def test_ranks_of_large_integers_are_compared_exactly() -> None:
    large = 1 << 60
    table = table_of(large, large + 1, large - 1)
    numbers = table.exact_numbers(ClassAd(), parse_expression("other.Slots"))
    ranking = Ranking(table, np.flatnonzero(numbers.ok), numbers)
    assert [each.rank for each in ranking] == [large + 1, large, large - 1]
    assert [each.rank for each in ranking.best()] == [large + 1]
    assert ranking.listed() == [(each.ce_id, each.listed_rank) for each in ranking]
    assert ranking[0].ce_id == "ce1"
    assert [each.ce_id for each in ranking[1:]] == ["ce0", "ce2"]


# -- the proof ---------------------------------------------------------------------------------------------------------


def test_the_evaluator_has_nothing_against_what_matches_and_something_against_the_rest(element: Records) -> None:
    snapshot = Snapshot((*element("a", free_job_slots=5), *element("b", free_job_slots=1)))
    user = User("/CN=Ada", (Fqan.parse("/vo"),))
    job = Job(parse("[Requirements = other.GlueCEStateFreeJobSlots > 2; Rank = other.GlueCEStateFreeJobSlots]"))
    (good,) = match(job, snapshot, user).candidates
    assert objection(job, good, user, WMS_REQUIREMENTS) == ""
    other = replace(good, record=snapshot.records[1])
    assert "does not meet other.GlueCEStateFreeJobSlots > 2" in objection(job, other, user, WMS_REQUIREMENTS)
    assert "does not meet" in objection(job, good, user, parse_expression("false"))
    assert "is 5 on" in objection(job, replace(good, rank=6), user, WMS_REQUIREMENTS)
    assert "does not admit" in objection(job, good, User("/CN=Bob"), WMS_REQUIREMENTS)
    moody = Job(parse("[Requirements = time() < 5; Rank = random()]"))
    assert objection(moody, good, user, WMS_REQUIREMENTS) == ""


def test_a_table_that_is_wrong_sends_no_job_astray(make_world: Callable[..., Any], element: Records, caplog) -> None:
    snapshot = Snapshot((*element("one.example.org", free_job_slots=1), *element("two.example.org", free_job_slots=9)))
    column = snapshot.table.column("gluecestatefreejobslots")
    column.codes[:] = column.codes[::-1].copy()  # each has the other's number
    world = make_world(snapshot=snapshot)
    job = world.submit("job", extra="Requirements = other.GlueCEStateFreeJobSlots > 5;")
    while world.get(job).phase is not Phase.RUNNING:
        world.step(job)
    assert world.get(job).ce_id.startswith("two.example.org")
    assert "the table and the evaluator disagree" in caplog.text


# -- what takes too long


TERMS = 400
LONG = {
    "terms": " && ".join(f"other.Slots > {-number}" for number in range(TERMS)),
    "sides": " || ".join(f"other.Slots < {-number}" for number in range(TERMS)),
    "a sum": " + ".join(["other.Slots"] * TERMS) + " > 0",
    "patterns": " || ".join(f'RegExp("x{number}", other.Id)' for number in range(TERMS)),
    "functions of two": " && ".join(f'strcat(other.Id, other.Slots) != "{number}"' for number in range(TERMS)),
    "levels": "(" * 50 + "other.Slots" + "".join(f" + other.Slots * {number})" for number in range(50)) + " > 0",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_an_expression_that_takes_longer_than_it_may_is_an_error_everywhere(text: str) -> None:
    table, job, expr = table_of(1, 5), ClassAd(), parse_expression(text)
    assert not table.gave_up(job, expr)
    table.seconds = -1.0
    assert table.truth(job, expr).tolist() == [Truth.ERROR] * 2
    assert table.gave_up(job, expr)
    assert not table.gave_up(job, parse_expression(text))
    assert not table.where(job, expr).any()
    assert not table.numbers(job, expr)[1].any()
    assert table.where(job, parse_expression("other.Slots > 1")).tolist() == [False, True]


def test_what_was_given_up_is_asked_again_of_another_table() -> None:
    table, job, expr = table_of(1, 5), ClassAd(), parse_expression(LONG["terms"])
    table.seconds = -1.0
    assert not table.where(job, expr).any()
    again = table.unasked()
    again.seconds = 60.0
    assert again.where(job, expr).all()


def test_nothing_more_is_evaluated_after_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    table, job = table_of(1, 5), ClassAd()
    expr = parse_expression(" || ".join(f'RegExp("x{number}.*[yz]", other.Id)' for number in range(2000)))
    looked_up: list[str] = []
    having = Column.having

    def counted(self: Column, expression: str, options: str = "") -> Any:
        looked_up.append(expression)
        return having(self, expression, options)

    monkeypatch.setattr(Column, "having", counted)
    table.seconds = -1.0
    assert not table.where(job, expr).any()
    assert len(looked_up) < 100
    assert not table.where(job, expr).any()
    assert len(looked_up) < 100
