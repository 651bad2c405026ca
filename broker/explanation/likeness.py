"""Which of many words are like a given one."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

SIFTED: Final = 40
"""Words that are compared closely; the others share fewer pairs of letters with the one that is looked for."""
MAX_WORD: Final = 200
"""Characters of a word that are compared."""
_LEAST: Final = 0.6
_LETTER: Final = 21
"""Bits of a letter."""
_SHARED: Final = 0.25
"""The part of two words' pairs of letters that they must share to be compared closely."""


def similarity(one: str, other: str) -> float:
    """0 (nothing in common) to 1 (the same but for case)."""
    return difflib.SequenceMatcher(None, one.lower()[:MAX_WORD], other.lower()[:MAX_WORD], autojunk=False).ratio()


def nearest(word: str, words: Iterable[str], most: int = 3, least: float = _LEAST) -> list[str]:
    """The words that are most like ``word``, at least ``least`` so, the most similar first, then by alphabet."""
    return Index(words).nearest(word, most, least)


class Index:
    """Words by the pairs of letters that they have, for who looks among them often.

    :param words: each once.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self._words = list(words)
        framed = [_framed(word) for word in self._words]
        letters = np.frombuffer("".join(framed).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)
        owners = np.repeat(np.arange(len(framed)), [len(each) for each in framed])
        within = owners[1:] == owners[:-1]
        pairs = (letters[:-1] << _LETTER | letters[1:])[within]
        self._pairs, numbers = np.unique(pairs, return_inverse=True)
        held = np.sort(numbers.astype(np.int64) * max(1, len(framed)) + owners[1:][within])
        held = held[np.diff(held, prepend=-1) > 0]  # a pair that a word has twice counts once
        pair_of, word_of = np.divmod(held, max(1, len(framed)))
        self._holders: npt.NDArray[np.int32] = word_of.astype(np.int32)
        self._starts = np.searchsorted(pair_of, np.arange(len(self._pairs) + 1))
        self._sizes = np.bincount(word_of, minlength=len(framed))

    def nearest(self, word: str, most: int = 3, least: float = _LEAST) -> list[str]:
        """As :func:`nearest` among these words."""
        wanted = sorted({ord(one) << _LETTER | ord(other) for one, other in itertools.pairwise(_framed(word))})
        places = np.searchsorted(self._pairs, wanted)
        shared = np.zeros(len(self._words))
        for pair, place in zip(wanted, places.tolist(), strict=True):
            if place < len(self._pairs) and self._pairs[place] == pair:
                shared[self._holders[self._starts[place] : self._starts[place + 1]]] += 1
        scores = 2 * shared / (len(wanted) + self._sizes)
        likely = [(-float(scores[place]), self._words[place]) for place in np.flatnonzero(scores > _SHARED).tolist()]
        close = [(-similarity(word, each), each) for _, each in sorted(likely)[:SIFTED]]
        return [each for score, each in sorted(close) if -score >= least][:most]


def _framed(word: str) -> str:
    """The word as it is compared; its first and its last letter make pairs as well."""
    return f"^{word.lower()[:MAX_WORD]}$"
