"""Users' patterns, run by an engine whose time grows with the text only (RE2).

Back-references and look-around do not exist there; a pattern that has them, or is broken, is no pattern.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Protocol

import re2

__all__ = ["Match", "Pattern", "flaw", "pattern", "whole_pattern"]

_MAX_MEMORY: Final = 1 << 20
"""Bytes that a compiled pattern and its automaton may take."""

_MAX_LENGTH: Final = 10_000
"""Characters of a pattern."""


class Match(Protocol):
    """A place where a pattern was found."""

    def group(self, group: int) -> bytes:
        """What was found, for 0."""

    def groups(self) -> tuple[bytes | None, ...]:
        """What the groups of the pattern found."""

    def start(self) -> int:
        """Where it begins, in bytes."""

    def end(self) -> int:
        """Where it ends, in bytes."""


class Pattern(Protocol):
    """A compiled pattern over UTF-8."""

    def search(self, text: bytes) -> object | None:
        """Whether it is found somewhere."""

    def finditer(self, text: bytes) -> Iterator[Match]:
        """Where it is found, from the left, without overlap."""

    def fullmatch(self, text: bytes) -> object | None:
        """Whether it is the whole."""


@lru_cache(maxsize=2048)
def pattern(text: str, options: str = "") -> Pattern | None:
    """The compiled pattern, None when it is none.

    :param options: ``i`` ignores case, ``m`` lets ``^`` and ``$`` match at lines, ``s`` lets ``.`` match a line end,
        ``f`` wants the whole text to match; another letter makes it no pattern.
    """
    if len(text) > _MAX_LENGTH or not set(options.lower()) <= set("imsf"):
        return None
    settings = re2.Options()
    settings.log_errors = False
    settings.max_mem = _MAX_MEMORY
    flags = options.lower()
    settings.case_sensitive = "i" not in flags
    settings.dot_nl = "s" in flags
    source = f"(?m:{text})" if "m" in flags else text
    if "f" in flags:
        source = rf"\A(?:{source})\z"
    try:
        # the parts are compiled alone first, so that an unbalanced bracket cannot close the frame around it
        re2.compile(text.encode("utf-8", "surrogatepass"), settings)
        compiled: Pattern = re2.compile(source.encode("utf-8", "surrogatepass"), settings)
    except re2.error:
        return None
    return compiled


def flaw(text: str) -> str | None:
    """What is wrong with a pattern, None when nothing is."""
    if len(text) > _MAX_LENGTH:
        return f"it has more than {_MAX_LENGTH} characters"
    if pattern(text) is not None:
        return None
    try:
        settings = re2.Options()
        settings.log_errors = False
        settings.max_mem = _MAX_MEMORY
        re2.compile(text.encode("utf-8", "surrogatepass"), settings)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return "it cannot be compiled"


@lru_cache(maxsize=4096)
def whole_pattern(text: str) -> Pattern:
    """A pattern in which only ``*`` is special (any characters) and which wants the whole text."""
    source = ".*".join(re2.escape(part) for part in text.split("*"))
    settings = re2.Options()
    settings.log_errors = False
    settings.dot_nl = True
    compiled: Pattern = re2.compile(rf"\A(?:{source})\z".encode(), settings)
    return compiled
