"""Whether a pattern is found in each of many texts, as RegExp() of one pattern and a whole column asks.

What is answered equals asking :func:`jdl.patterns.pattern` text by text.  Patterns of plain characters and ``.*`` are
looked up as strings; the others run over all texts at once, a line for each, in the same engine.
"""

from __future__ import annotations

import re
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
                lowered = bool(flags)
                test = _test([each.lower() for each in words.parts] if lowered else words.parts, words)
                found = [test(text) for text in (self._in_lower_case if lowered else self._texts)]
            elif _BY_LINES.match(expression):
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
    def _in_lower_case(self) -> list[str]:
        return [text.lower() for text in self._texts]

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
    """A pattern that is strings with anything between them."""

    __slots__ = ("at_end", "at_start", "parts")

    def __init__(self, parts: list[str], at_start: bool, at_end: bool) -> None:
        self.parts = parts
        self.at_start = at_start
        self.at_end = at_end


@lru_cache(maxsize=2048)
def _words(expression: str) -> _Words | None:
    """The pattern as strings, None when it is more than that."""
    at = 1 if expression.startswith("^") else 0
    at_start = at == 1
    parts = [""]
    end = len(expression)
    at_end = False
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
        if plain is None or expression[plain.end() : plain.end() + 1] in ("*", "+", "?", "{"):
            return None
        parts[-1] += plain.group()[-1]
        at = plain.end()
    if len(parts) > 1:
        at_start, at_end = at_start and bool(parts[0]), at_end and bool(parts[-1])
        parts = [part for part in parts if part]
    return _Words(parts or [""], at_start, at_end)


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
