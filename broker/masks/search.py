"""Whether a pattern is found in each of many texts, as RegExp() of one pattern and a whole column asks.

What is answered equals asking :func:`jdl.patterns.pattern` text by text.  Patterns of plain characters, ``.`` and
``.*`` are looked up as strings; the others run over all texts at once, a line for each, in the same engine.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import re2
from numpy.typing import NDArray

from broker.masks.vector import Mask
from jdl.patterns import pattern

__all__ = ["Texts"]

_MAX_MEMORY: Final = 1 << 20
"""Bytes that a compiled pattern and its automaton may take."""

_MOST_COMMON: Final = 200
"""Common words of a column that are remembered."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_/:@,;=~#%&\"'<>!\- ]|\\[.\-/:_+*?()\[\]{}|^$\\]")
"""One character that stands for itself."""
_ANYTHING: Final = re.compile(r"\(\.\*\)|\.\*")
_BY_LINES: Final = re.compile(r"(?:[^\\(]|\\[.\-/:_+*?()\[\]{}|^$bBdw]|\((?!\?))*\Z")
"""Patterns that mean the same in a line as in a text: nothing in them names line ends, flags or the text's ends."""


class Texts:
    """Texts that patterns are looked for in.

    :param texts: in the order of the answers.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = list(texts)
        self._common: dict[tuple[str, bool], int] = {}
        self._odd = [place for place, text in enumerate(texts) if "\n" in text or not text.isascii()]

    def having(self, expression: str, options: str = "") -> Mask | None:
        """The texts in which the pattern is found; None when it is none."""
        compiled = pattern(expression, options)
        if compiled is None:
            return None
        flags = frozenset(options.lower())
        found: list[bool] | Mask | None = None
        if flags <= {"i"}:
            words = _words(expression)
            if words is not None:
                found = self._by_words(words, compiled, bool(flags))
            if found is None and _BY_LINES.match(expression):
                found = self._by_lines(expression, bool(flags))
        if found is None:
            found = [compiled.search(text) is not None for text in self._encoded]
        else:
            for place in self._odd:
                found[place] = compiled.search(self._encoded[place]) is not None
        return np.asarray(found, np.bool_)

    @cached_property
    def _encoded(self) -> list[bytes]:
        return [text.encode("utf-8", "surrogatepass") for text in self._texts]

    @cached_property
    def _lines(self) -> bytes:
        """All texts, a line for each."""
        return b"".join([text.replace(b"\n", b" ") + b"\n" for text in self._encoded])

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Where each line ends."""
        return np.cumsum([len(text) + 1 for text in self._encoded])

    @cached_property
    def _ends_listed(self) -> list[int]:
        ends: list[int] = self._ends.tolist()
        return ends

    @cached_property
    def _in_lower_case(self) -> list[str]:
        return [text.lower() for text in self._texts]

    @cached_property
    def _lines_in_lower_case(self) -> bytes:
        """The same, each at its place: of bytes the letters of ASCII alone have another case."""
        return self._lines.lower()

    def _by_words(self, words: _Words, compiled: re2._Regexp, ignore_case: bool) -> list[bool] | Mask | None:
        """Look for the rarest word; where it stands, the rest.  None when it stands in many and the rest is asked."""
        parts = [part.lower() for part in words.parts] if ignore_case else words.parts
        rows = self._holding(parts, ignore_case)
        texts = self._in_lower_case if ignore_case else self._texts
        if not words.holes:
            test = _test(parts, words)
            if rows is None:
                return [test(text) for text in texts]
            rows = [row for row in rows if test(texts[row])]
        elif rows is None:
            return None
        else:
            rows = [row for row in rows if compiled.search(self._encoded[row]) is not None]
        found = np.zeros(len(texts), np.bool_)
        found[rows] = True
        return found

    def _holding(self, words: Sequence[str], ignore_case: bool) -> list[int] | None:
        """The texts that hold the rarest of the words; None when they are many."""
        lines = self._lines_in_lower_case if ignore_case else self._lines
        ends = self._ends_listed
        most = len(ends) // 8 + 8
        counted = {word: self._count(word, ignore_case) for word in words}
        rarest = min(words, key=counted.__getitem__)
        if not rarest or counted[rarest] > most:
            return None
        sought = rarest.encode("ascii")
        rows: list[int] = []
        at = lines.find(sought)
        while at >= 0:
            rows.append(bisect_right(ends, at))
            at = lines.find(sought, ends[rows[-1]])
        return rows

    def _count(self, word: str, ignore_case: bool) -> int:
        """How often a word stands in all texts; the common ones are remembered."""
        count = self._common.get((word, ignore_case))
        if count is None:
            lines = self._lines_in_lower_case if ignore_case else self._lines
            count = lines.count(word.encode("ascii"))
            if count > len(self._texts) // 8 and len(self._common) < _MOST_COMMON:
                self._common[word, ignore_case] = count
        return count

    def _by_lines(self, expression: str, ignore_case: bool) -> Mask | None:
        """Ask all texts at once; None when so many match that each for itself is faster."""
        settings = re2.Options()
        settings.log_errors = False
        settings.max_mem = _MAX_MEMORY
        settings.never_nl = True
        settings.case_sensitive = not ignore_case
        compiled = re2.compile(f"(?m:^.*(?:{expression}).*$)".encode("utf-8", "surrogatepass"), settings)
        most = len(self._texts) // 4 + 8
        starts: list[int] = []
        for match in compiled.finditer(self._lines):
            if match.start() == len(self._lines):
                break  # what follows the last line is no text
            starts.append(match.start())
            if len(starts) > most:
                return None
        found = np.zeros(len(self._texts), np.bool_)
        found[np.searchsorted(self._ends, np.array(starts, np.int64), side="right")] = True
        return found


class _Words:
    """A pattern that is strings with anything between them, or with any one character: then it has ``holes``."""

    __slots__ = ("at_end", "at_start", "holes", "parts")

    def __init__(self, parts: list[str], holes: bool, at_start: bool, at_end: bool) -> None:
        self.parts = parts
        self.holes = holes
        self.at_start = at_start
        self.at_end = at_end


@lru_cache(maxsize=2048)
def _words(expression: str) -> _Words | None:
    """The pattern as strings, None when it is more than that."""
    at = 1 if expression.startswith("^") else 0
    at_start = at == 1
    parts = [""]
    end = len(expression)
    at_end = holes = False
    while at < end:
        if at == end - 1 and expression[at] == "$":
            at_end = True
            break
        anything = _ANYTHING.match(expression, at)
        if anything:
            parts.append("")
            at = anything.end()
            continue
        plain = _PLAIN.match(expression, at)
        after = at + 1 if plain is None else plain.end()
        if (plain is None and expression[at] != ".") or expression[after : after + 1] in ("*", "+", "?", "{"):
            return None
        if plain is None:
            holes = True
            parts.append("")
        else:
            parts[-1] += plain.group()[-1]
        at = after
    if len(parts) > 1:
        at_start, at_end = at_start and bool(parts[0]), at_end and bool(parts[-1])
        parts = [part for part in parts if part]
    return _Words(parts or [""], holes, at_start, at_end)


def _test(parts: Sequence[str], words: _Words) -> Callable[[str], bool]:
    """Whether a text without line ends holds the parts in this order."""
    first, last = parts[0], parts[-1]
    at_start, at_end = words.at_start, words.at_end
    if len(parts) == 1:
        if at_start and at_end:
            return lambda text: text == first
        if at_start:
            return lambda text: text.startswith(first)
        if at_end:
            return lambda text: text.endswith(first)
        return lambda text: first in text

    def in_order(text: str) -> bool:
        if at_start and not text.startswith(first):
            return False
        if at_end and not text.endswith(last):
            return False
        at = 0
        limit = len(text) - len(last) if at_end else len(text)
        for part in parts[:-1] if at_end else parts:
            at = text.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return at <= limit

    return in_order
