"""Which words are like a given one: found by an index, and the same as by comparing each."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.explanation.likeness import MAX_WORD, SIFTED, Index, nearest, similarity

_WORDS = st.text(st.sampled_from("abAB-._ 1İΣßé\ud800𝔸"), max_size=12)


def one_by_one(word: str, words: list[str], most: int, least: float) -> list[str]:
    def pairs(text: str) -> set[str]:
        framed = f"^{text.lower()[:MAX_WORD]}$"
        return {framed[place : place + 2] for place in range(len(framed) - 1)}

    wanted = pairs(word)
    scored = [(-2 * len(wanted & pairs(each)) / (len(wanted) + len(pairs(each))), each) for each in words]
    likely = sorted(each for each in scored if each[0] < -0.25)[:SIFTED]
    close = sorted((-similarity(word, each), each) for _, each in likely)
    return [each for score, each in close if -score >= least][:most]


@settings(max_examples=100, deadline=None)
@given(_WORDS, st.lists(_WORDS, unique=True, max_size=60), st.integers(1, 50), st.sampled_from([0.0, 0.6, 0.9]))
def test_an_index_finds_what_comparing_each_word_finds(word: str, words: list[str], most: int, least: float) -> None:
    assert nearest(word, words, most, least) == one_by_one(word, words, most, least)


def test_an_index_is_asked_again_and_again() -> None:
    index = Index(["slurm", "lsf", "pbs", "sge"])
    assert index.nearest("slrum") == ["slurm"]
    assert index.nearest("PBS") == ["pbs"]
    assert index.nearest("condor") == []
    assert Index([]).nearest("pbs") == []
