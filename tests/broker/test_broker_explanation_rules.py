"""What holds of every explanation: its counts are true, its changes work, and none that is smaller would."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.circumstances import Circumstances
from broker.explanation import explain, lines, reason
from broker.explanation.clause import clauses_of
from broker.explanation.examination import Examination
from broker.explanation.findings import conditions_of
from broker.matchmaker import Job, match
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.evaluate import evaluate
from jdl.parser import parse, parse_expression
from jdl.tree import ClassAd, Literal, conjunction, from_python
from wsdl.explanation import Change, Explanation
from wsdl.records import as_json, from_json

USER = User("/CN=Ada", (Fqan.parse("/vo"), Fqan.parse("/vo/prod")))

_ADS = st.fixed_dictionaries(
    {},
    optional={
        "Memory": st.one_of(st.integers(0, 4), st.sampled_from([2.5, "3", True])),
        "Cpus": st.integers(0, 4),
        "Os": st.sampled_from(["linux", "Linux", "plan9"]),
        "Tags": st.lists(st.sampled_from(["a-1.0", "a-1.1", "b-2"]), max_size=3),
        "GlueCEStateStatus": st.sampled_from(["Production", "Draining", "Closed"]),
        "GlueCEStateEstimatedResponseTime": st.sampled_from([0, 5, "soon"]),
        "GlueCEUniqueID": st.sampled_from(["x", "x_sdj"]),
    },
)
_RULES = st.lists(st.sampled_from(["VO:vo", "VO:other", "VOMS:/vo/prod", "DENY:/vo"]), min_size=1, max_size=3)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    records = []
    for place in range(draw(st.integers(0, 6))):
        ad = from_python(draw(_ADS))
        assert isinstance(ad, ClassAd)
        ce_id = f"h{draw(st.integers(0, 3))}:8443/cream-fork-q"
        rules = tuple(draw(_RULES)) if draw(st.booleans()) else ("VO:vo",)
        records.append(CeRecord(f"{ce_id}/{place}", ce_id, ad, rules, "h"))
    return Snapshot(tuple(records))


_TERMS = st.sampled_from(
    [
        "other.Memory >= 3", "other.Memory > 1", "2 < other.Memory", "!(other.Memory < 3)", "other.Memory == 2",
        'other.Memory >= "2"', "other.Memory + other.Cpus >= 5", "Memory >= 2", "other.Memry >= 2",
        "other.Cpus <= Most",
        "other.Cpus < 2", "other.Cpus >= 3", 'other.Os == "linux"', 'other.Os =?= "LINUX"', 'other.Os != "linux"',
        'other.Os == "linx"', 'Member("a-1.0", other.Tags)', 'Member("a-1.2", other.Tags)', 'RegExp("LIN", other.Os)',
        '!Member("b-2", other.Tags)', 'other.GlueCEStateStatus == "Production"', "other.Memory >= 3 || other.Cpus > 2",
        "(other.Memory >= 3 && other.Cpus > 2) || other.Cpus == 1", "isUndefined(other.Tags)", "Wanted", "self.Wanted",
        "true", "false", "Loop", '"3" == 3', "other.Memory", "(other.Cpus > 1 ? other.Memory > 1 : false)",
    ]
)  # fmt: skip
_RANKS = st.sampled_from(["", "Rank = other.Cpus;", "Rank = other.Os;", "Rank = -other.Memory;", "Rank = Cpus;"])
_MORE = 'Most = 2; Wanted = other.Cpus > 1 && other.Memory > 0; Loop = Loop2; Loop2 = Loop && true;'


@st.composite
def jobs(draw: st.DrawFn) -> Job:
    terms = draw(st.lists(_TERMS, min_size=1, max_size=5))
    extra = draw(st.sampled_from(["", "ShortDeadlineJob = true;", 'OutputSE = "se";']))
    return Job(parse(f"[Requirements = {' && '.join(f'({each})' for each in terms)}; {draw(_RANKS)} {_MORE} {extra}]"))


class Near:
    """A data plan as matching and explaining ask it: every second record is near, and of those that fit the first."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.mask = np.arange(len(snapshot.records)) % 2 == 0

    def nearest(self, rows: np.ndarray) -> np.ndarray:
        near = rows & self.mask
        return near & (np.cumsum(near) == 1)

    def explain(self) -> list[str]:
        return ["a file is far"]


def matching(job: Job, snapshot: Snapshot, data: Near | None = None) -> set[str]:
    return {each.ce_id for each in match(job, snapshot, USER, data=data).candidates}


def changed(job: Job, change: Change) -> Job:
    """The job as the explanation tells the user to write it."""
    ad = job.ad.copy()
    if change.requirements:
        ad.set("Requirements", parse_expression(change.requirements))
    for edit in change.edits:
        if edit.attribute != "Requirements":
            if edit.instead:
                ad.set(edit.attribute, parse_expression(edit.instead))
            else:
                ad.remove(edit.attribute)
    return Job(ad)


@settings(max_examples=250, deadline=None)
@given(jobs(), snapshots(), st.booleans())
def test_every_change_gives_as_many_matches_as_it_says(job: Job, snapshot: Snapshot, reads: bool) -> None:
    data = Near(snapshot) if reads else None
    found = explain(job, snapshot, USER, data=data)
    assert found.matches == len(matching(job, snapshot, data))
    for change in found.changes:
        assert change.matches == len(matching(changed(job, change), snapshot, data)) > 0
        assert {each.ce_id for each in change.best} <= matching(changed(job, change), snapshot, data)
        assert change.without >= change.matches or job.decides_status or "Rank" in job.ad


@settings(max_examples=200, deadline=None)
@given(jobs(), snapshots())
def test_no_smaller_set_of_terms_could_be_left_out(job: Job, snapshot: Snapshot) -> None:
    found = explain(job, snapshot, USER)
    if found.matches:
        assert found.changes == ()
        return
    removable = [name for name in ("Rank", "ShortDeadlineJob", "OutputSE") if name in job.ad]
    terms = [each.expr for each in clauses_of(job)]
    smallest = None
    for size in range(1, len(terms) + len(removable) + 1):
        if any(_matches_without(job, snapshot, terms, chosen) for chosen in _chosen(terms, removable, size)):
            smallest = size
            break
    if job.decides_status or "Rank" in job.ad:
        # leaving a term out may close elements, the default Rank may be no number: then only a relaxed term helps
        assert smallest is None or len(found.changes[0].edits) <= smallest
    else:
        assert (len(found.changes[0].edits) if found.changes else None) == smallest


def _chosen(terms: list, removable: list[str], size: int):
    return itertools.combinations([*range(len(terms)), *removable], size)


def _matches_without(job: Job, snapshot: Snapshot, terms: list, chosen: tuple) -> bool:
    ad = job.ad.copy()
    kept = [term for place, term in enumerate(terms) if place not in chosen]
    ad.set("Requirements", conjunction(*kept) or Literal(True))
    for name in chosen:
        if isinstance(name, str):
            ad.remove(name)
    return bool(matching(Job(ad), snapshot))


@settings(max_examples=200, deadline=None)
@given(jobs(), snapshots())
def test_counts_are_those_of_the_evaluator(job: Job, snapshot: Snapshot) -> None:
    found = explain(job, snapshot, USER)
    passed = [each.passed for each in found.stages]
    assert passed == sorted(passed, reverse=True)
    assert passed[-1] == found.matches
    assert passed[0] == len({each.ce_id for each in snapshot.records})
    by_text = {each.text: each for each in found.conditions}
    from broker.matchmaker import admits, refuses_jobs

    asked = [each for each in snapshot.records if admits(each, USER).allowed]
    asked = [each for each in asked if job.decides_status or not refuses_jobs(each)]
    for clause in clauses_of(job):
        true = {each.ce_id for each in asked if evaluate(clause.expr, job.ad, each.ad) is True}
        condition = by_text[clause.expr.text()]
        assert condition.asked == len({each.ce_id for each in asked})
        assert condition.failed == condition.asked - len(true)
        assert condition.only <= condition.failed
        assert not {each.ce_id for each in condition.near} & matching(job, snapshot)


@settings(max_examples=60, deadline=None)
@given(jobs(), snapshots())
def test_near_misses_match_when_their_one_condition_is_left_out(job: Job, snapshot: Snapshot) -> None:
    if job.decides_status:
        return  # then leaving a term out may close elements
    terms = [each.expr for each in clauses_of(job)]
    for condition in explain(job, snapshot, USER).conditions:
        if condition.whose != "job":
            continue
        ad = job.ad.copy()
        ad.set("Requirements", conjunction(*(each for each in terms if each.text() != condition.text)) or Literal(True))
        gained = matching(Job(ad), snapshot) - matching(job, snapshot)
        assert len(gained) == condition.only
        assert {each.ce_id for each in condition.near} <= gained


@settings(max_examples=60, deadline=None)
@given(jobs(), snapshots())
def test_an_explanation_survives_its_wire_and_is_always_sayable(job: Job, snapshot: Snapshot) -> None:
    found = explain(job, snapshot, USER)
    assert from_json(Explanation, as_json(found)) == found
    assert 1 <= len(lines(found)) <= 16
    assert len(reason(found)) <= 1000


def test_requirements_whose_terms_there_was_no_time_to_ask_are_not_said_to_be_too_costly() -> None:
    record = CeRecord("h:8443/cream-fork-q", "h:8443/cream-fork-q", parse("[Memory = 1; Cpus = 4]"), ("VO:vo",), "h")
    job = Job(parse("[Requirements = other.Memory >= 3 && other.Cpus >= 2; Rank = 0]"))
    ex = Examination(job, Snapshot((record,)), USER, wms_requirements=None, patience=-1.0)
    (condition,) = conditions_of(ex, {})
    assert (condition.text, condition.whose, condition.failed) == (job.requirements.text(), "job", 1)
    assert condition.remarks == ("there was no time to look at the terms of the Requirements one by one",)


def test_a_change_counts_those_that_are_nearest_to_the_data_alone() -> None:
    ids = [f"h{n}:1/cream-fork-q" for n in range(4)]
    records = [CeRecord(each, each, parse("[Memory = 2]"), ("VO:vo",), "h") for each in ids]
    snapshot = Snapshot(tuple(records))
    job = Job(parse("[Requirements = other.Memory >= 3; Rank = 0]"))
    (change,) = explain(job, snapshot, USER, wms_requirements=None, data=Near(snapshot)).changes
    assert (change.matches, [each.ce_id for each in change.best]) == (1, ["h0:1/cream-fork-q"])


def test_a_near_miss_by_a_number_that_means_nobody_knows_says_so() -> None:
    record = CeRecord("h:1/cream-fork-q", "h:1/cream-fork-q", parse("[Waiting = 444444]"), ("VO:vo",), "h")
    job = Job(parse("[Requirements = other.Waiting < 10; Rank = 0]"))
    (condition,) = explain(job, Snapshot((record,)), USER, wms_requirements=None).conditions
    assert [each.found for each in condition.near] == ["444444 (unknown)"]


def test_time_and_chance_are_asked_once_so_that_all_numbers_are_of_one_moment() -> None:
    asked: list[float] = []

    def rising() -> float:
        asked.append(len(asked) / 10)
        return asked[-1]

    record = CeRecord("h:1/cream-fork-q", "h:1/cream-fork-q", parse("[Cpus = 1]"), ("VO:vo",), "h")
    terms = "other.Cpus >= 0 && random() < 0.05 && random() + other.Cpus < 1.05 && real(time()) < 0.05"
    job = Job(parse(f"[Requirements = {terms}; Rank = random()]"))
    circumstances = Circumstances(rising, lambda: 0.0)
    found = explain(job, Snapshot((record,)), USER, wms_requirements=None, circumstances=circumstances)
    assert (found.matches, len(asked)) == (1, 1)
    asked.clear()
    circumstances = Circumstances(lambda: 0.0, rising)
    found = explain(job, Snapshot((record,)), USER, wms_requirements=None, circumstances=circumstances)
    assert (found.matches, len(asked)) == (1, 1)


def test_elements_with_a_deny_rule_and_closed_ones_are_told_apart_from_those_that_would_match() -> None:
    rules = {
        "denies": ("DENY:/vo", "VO:vo"), "denies-too": ("DENY:/vo", "DENY:/CN=Ada", "VO:vo"),
        "closed": ("VO:x",), "open": ("VO:x",), "ours": ("VO:vo",),
    }  # fmt: skip
    states = {"closed": "Closed"}
    records = [
        CeRecord(name, name, parse(f'[GlueCEStateStatus = "{states.get(name, "Production")}"]'), own, "h")
        for name, own in rules.items()
    ]
    job = Job(parse("[Requirements = true; Rank = 0]"))
    user = User("/CN=Ada", (Fqan.parse("/vo"),))
    access = explain(job, Snapshot(tuple(records)), user, wms_requirements=None).access
    assert (access.refused, access.denied, access.would_match) == (4, 2, 3)
    assert [(each.rule, each.elements, each.would_match) for each in access.openings] == [("VO:x", 2, 1)]


def test_the_requirements_are_asked_once_more_than_the_match_asks_them_at_the_most() -> None:
    record = CeRecord("h:1/cream-fork-q", "h:1/cream-fork-q", parse("[Cpus = 1]"), ("VO:vo",), "h")
    job = Job(parse("[Requirements = other.Cpus > 1 && other.Cpus > 2; Rank = other.Cpus]"))
    ex = Examination(job, Snapshot((record,)), USER, wms_requirements=None, patience=-1.0)
    asked: list[object] = []
    ex.table.where = lambda ad, expr, **_: asked.append(expr)  # type: ignore[method-assign]
    ex.table.numbers = lambda ad, expr, **_: asked.append(expr)  # type: ignore[method-assign]
    assert [each.whose for each in ex.conditions] == ["late", "rank"]
    ex.best(ex.matching, 3)
    assert asked == []


def test_what_is_undefined_wherever_it_fails_is_not_counted_a_second_time() -> None:
    records = [CeRecord(name, name, parse(text), ("VO:vo",), "h") for name, text in (("a", "[]"), ("b", "[Cpus = 1]"))]
    job = Job(parse("[Requirements = other.Cpus > 1 && other.Memory > 1; Rank = 0]"))
    found = lines(explain(job, Snapshot(tuple(records)), USER, wms_requirements=None))
    assert "other.Cpus > 1: fails on 2 of 2 (best: 1 on b; undefined on 1)" in found
    assert "other.Memory > 1: fails on 2 of 2 (other.Memory is not published by any of them)" in found


def test_lists_and_texts_of_an_explanation_are_bounded() -> None:
    health = tuple(f"source {number} does not answer" for number in range(30))
    record = CeRecord("h:1/cream-fork-q", "h:1/cream-fork-q", parse("[Cpus = 1]"), ("VO:vo",), "h")
    terms = " && ".join(f'(other.Cpus != {number} || other.Os == "{"x" * 100}")' for number in range(5, 55))
    job = Job(parse(f"[Requirements = {terms} && other.Cpus > 1; Rank = 0]"))
    found = explain(job, Snapshot((record,), health=health), USER, wms_requirements=None)
    assert (len(found.picture.problems), found.picture.problem_count) == (10, 30)
    assert len(found.conditions) == 40
    assert [each.requirements for each in found.changes] == [""], "longer ones than 4000 characters are not shown"


def test_what_matches_is_what_is_nearest_to_the_data() -> None:
    ids = [f"h{n}:1/cream-fork-q" for n in range(4)]
    snapshot = Snapshot(tuple(CeRecord(each, each, parse("[Memory = 2]"), ("VO:vo",), "h") for each in ids))
    job = Job(parse("[Requirements = other.Memory >= 1; Rank = 0]"))
    found = explain(job, snapshot, USER, wms_requirements=None, data=Near(snapshot))
    assert (found.matches, [each.ce_id for each in found.best]) == (1, ids[:1])
