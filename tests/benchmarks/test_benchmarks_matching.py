"""The benchmark of matching: a few jobs on a few elements, where the ClassAd library must find the same."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def matching(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    module = importlib.import_module("benchmarks.matching")
    monkeypatch.setattr(module, "SIZES", (40, 80, 80))
    monkeypatch.setattr(module, "COUNTS", (30, 60, 60))
    return module


def test_every_series_has_its_figure_beside_the_same_pairs_of_the_classad_library(matching):
    figures = matching.measure_matching(quick=True)
    names = [figure.name for figure in figures]
    for expected in ("one job", "30 distinct jobs", "30 jobs, all numbers unique", "30 jobs of 20 templates"):
        assert f"40 CEs: {expected}" in names
        assert f"80 CEs: {expected}" in names
    judged = [figure for figure in figures if figure.limits]
    assert all(figure.value > 0 for figure in judged)
    assert {limit.name for figure in judged for limit in figure.limits} == {"classad2, pair by pair"}


def test_another_number_of_matches_stops_the_measurement(matching, monkeypatch):
    pairs = matching.classad2_pairs
    monkeypatch.setattr(pairs, "measure", lambda jobs, elements: pairs.Pairs(1.0, [-1] * len(jobs), 0.0))
    with pytest.raises(RuntimeError, match="classad2 finds -1 matches"):
        matching.measure_matching(quick=True)


def test_distinct_jobs_ask_for_different_things(matching):
    records = matching._records(60)
    for unique in (False, True):
        texts = matching._distinct(matching.JobMaker(records, seed=3, unique=unique), 200)
        assert len({text[text.index("Requirements") :] for text in texts}) == 200
        assert all(3 <= text.count("\n    && ") + 1 <= 7 for text in texts)
