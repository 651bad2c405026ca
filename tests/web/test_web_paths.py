"""Paths that name files: decoded once, refused rather than cleaned."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import paths
from web.errors import PathRefused


@pytest.mark.parametrize(
    "path",
    [
        "", "a", "/", "//a", "/a/", "/a//b", "/.", "/..", "/../etc/passwd", "/a/../b", "/%2e%2e/b", "/a/%2E%2E",
        "/.%2e", "/a%2fb", "/a%2F..%2Fb", "/a\\b", "/a%5cb", "/%00", "/a%00.txt", "/a%0ab", "/a%0d%0ab", "/a%1b[0m",
        "/a%7f", "/a%c2%85b", "/%zz", "/a%2", "/a%", "/%ff%fe", "/%c0%af", "/%ed%a0%80",
        "/" + "a" * 256, "/" + "%c3%a4" * 128, "/a" * 100,
    ],
)  # fmt: skip
def test_a_path_that_could_escape_or_confuse_is_refused(path: str) -> None:
    with pytest.raises(PathRefused):
        paths.segments(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/b", ("a", "b")),
        ("/a%20b/c+d", ("a b", "c+d")),
        ("/%252e%252e", ("%2e%2e",)),
        ("/...", ("...",)),
        ("/.hidden", (".hidden",)),
        ("/%c3%a4", ("ä",)),
        ("/a;b=c", ("a;b=c",)),
        ("/-rf", ("-rf",)),
        ("/" + "a" * 255, ("a" * 255,)),
    ],
)
def test_a_path_is_decoded_exactly_once(path: str, expected: tuple[str, ...]) -> None:
    assert paths.segments(path) == expected


@given(st.lists(st.text(min_size=1, max_size=60), min_size=1, max_size=5))
def test_what_is_accepted_is_what_was_escaped(names: list[str]) -> None:
    try:
        path = "/" + "/".join(quote(name, safe="") for name in names)
        found = paths.segments(path)
    except (PathRefused, UnicodeEncodeError):
        return
    assert found == tuple(names)
    assert all(name not in (".", "..") and "/" not in name and "\0" not in name for name in found)


@given(st.text(alphabet="/%.\\2efF5cC0\0aä", max_size=30))
def test_no_accepted_segment_ever_climbs(text: str) -> None:
    try:
        found = paths.segments("/" + text)
    except PathRefused:
        return
    assert all(name and name not in (".", "..") and not set(name) & set("/\\\0") for name in found)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RAW_URI": "/x/a%20b?q=/../", "SCRIPT_NAME": "/x"}, ("a b",)),
        ({"RAW_URI": "https://host:1/x/a#f", "SCRIPT_NAME": "/x"}, ("a",)),
        ({"RAW_URI": "/a/b", "SCRIPT_NAME": ""}, ("a", "b")),
        ({"PATH_INFO": "/a/\xc3\xa4"}, ("a", "ä")),
    ],
)
def test_the_raw_target_counts(environ: dict[str, str], expected: tuple[str, ...]) -> None:
    assert paths.requested(environ) == expected


def test_a_prefix_that_does_not_match_the_raw_target_is_refused() -> None:
    with pytest.raises(PathRefused):
        paths.requested({"RAW_URI": "/y/a", "SCRIPT_NAME": "/x"})
