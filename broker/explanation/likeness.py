"""Which of many words are like a given one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

SIFTED: Final = 40
"""Words that are compared closely; the others share fewer pairs of letters with the one that is looked for."""
MAX_WORD: Final = 200
"""Characters of a word that are compared."""


def similarity(one: str, other: str) -> float:
    """0 (nothing in common) to 1 (the same but for case)."""
    return difflib.SequenceMatcher(None, one.lower()[:MAX_WORD], other.lower()[:MAX_WORD], autojunk=False).ratio()


def nearest(word: str, words: Iterable[str], most: int = 3, least: float = 0.6) -> list[str]:
    """The words that are most like ``word``, at least ``least`` so, the most similar first, then by alphabet."""
    wanted = _pairs(word)
    if not wanted:
        return []
    scored = []
    for each in words:
        pairs = _pairs(each)
        score = 2 * len(wanted & pairs) / (len(wanted) + len(pairs)) if pairs else 0.0
        if score > 0.25:
            scored.append((-score, each))
    scored.sort()
    close = [(-similarity(word, each), each) for _, each in scored[:SIFTED]]
    return [each for score, each in sorted(close) if -score >= least][:most]


def _pairs(word: str) -> set[str]:
    folded = f"^{word.lower()[:MAX_WORD]}$"
    return {folded[place : place + 2] for place in range(len(folded) - 1)}
