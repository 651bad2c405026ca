"""Ranges and entity tags, RFC 9110 §8.8, §13 and §14."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import ranges
from web.ranges import Span, Unsatisfiable


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-499", Span(0, 500)),
        ("bytes=500-", Span(500, 500)),
        ("bytes=999-5000", Span(999, 1)),
        ("bytes=-1", Span(999, 1)),
        ("bytes=-5000", Span(0, 1000)),
        ("BYTES = 1-2 ", Span(1, 2)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("bytes=a-b", None),
        ("bytes=--1", None),
        ("items=0-1", None),
        ("bytes=0-" + "9" * 100, None),
        ("bytes=1.5-2", None),
    ],
)
def test_of_a_thousand_bytes(header: str | None, expected: Span | None) -> None:
    assert ranges.span(header, 1000) == expected


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_behind_the_end_is_unsatisfiable(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        ranges.span(header, 1000)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_an_empty_file_has_no_range(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        ranges.span(header, 0)


@given(st.integers(0, 50), st.integers(0, 60) | st.none(), st.integers(0, 60) | st.none())
def test_a_span_is_what_slicing_gives(size: int, first: int | None, last: int | None) -> None:
    data = bytes(range(size))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    try:
        span = ranges.span(header, size)
    except Unsatisfiable:
        assert (first is None and (last == 0 or size == 0)) or (first is not None and first >= size)
        return
    if span is None:
        assert (first is None and last is None) or (first is not None and last is not None and last < first)
    elif first is None:
        assert data[span.start : span.start + span.length] == data[-(last or 0) :]
    else:
        end = size if last is None else last + 1
        assert data[span.start : span.start + span.length] == data[first:end]


@pytest.mark.parametrize(
    ("header", "weak", "expected"),
    [
        ('"a"', False, True),
        ('"b", "a"', False, True),
        ('W/"a"', False, False),
        ('W/"a"', True, True),
        ("*", False, True),
        ('"ab"', True, False),
        ("a", True, False),
        (None, True, False),
    ],
)
def test_lists_of_tags(header: str | None, weak: bool, expected: bool) -> None:
    assert ranges.names(header, '"a"', weak=weak) is expected
    assert not ranges.names(header, None, weak=weak)
