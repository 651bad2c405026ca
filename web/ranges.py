"""Range requests and entity tags (RFC 9110 §8.8, §13, §14).  Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes[ \t]*=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)
_TAG: Final = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` bytes from ``start``."""

    start: int
    length: int


class Unsatisfiable(Exception):
    """The range lies wholly behind the end (416)."""


def span(header: str | None, size: int) -> Span | None:
    """What a Range header asks of a representation of ``size`` bytes; None: send it whole.

    A header that is malformed, of another unit, or asks for several ranges is ignored, as RFC 9110 §14.2 allows.

    :raises Unsatisfiable: when no byte of it exists (§14.1.1).
    """
    found = _RANGE.fullmatch(header) if header is not None else None
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        length = min(int(found[2]), size)
        if length == 0:
            raise Unsatisfiable
        return Span(size - length, length)
    first = int(found[1])
    last = size - 1 if found[2] == "" else int(found[2])
    if found[2] != "" and last < first:
        return None
    if first >= size:
        raise Unsatisfiable
    return Span(first, min(last, size - 1) - first + 1)


def entity_tag(inode: int, modified_ns: int, size: int) -> str:
    """A strong tag: another file, another time or another size makes another tag."""
    return f'"{inode:x}-{modified_ns:x}-{size:x}"'


def names(header: str | None, tag: str | None, *, weak: bool) -> bool:
    """Whether a list of tags (If-Match, If-None-Match) names ``tag``; ``*`` names anything that exists.

    :param tag: of the current representation; None when there is none.
    :param weak: compare weakly (If-None-Match) or strongly (If-Match), RFC 9110 §8.8.3.2.
    """
    if header is None or tag is None:
        return False
    if header.strip() == "*":
        return True
    return any(found[2] == tag and (weak or not found[1]) for found in _TAG.finditer(header))


def still_current(if_range: str | None, tag: str, modified: str) -> bool:
    """Whether If-Range lets the Range header count (strong comparison, §13.1.5)."""
    return if_range is None or if_range.strip() in (tag, modified)
