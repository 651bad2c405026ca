"""Entries and LDIF."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infosys.entry import Entry, from_ldif, to_ldif
from infosys.errors import LdifError

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,15}", fullmatch=True).filter(
    lambda name: name.lower() not in ("dn", "changetype", "control", "version")
)
VALUES = st.text(st.characters(exclude_categories=("Cs",)), max_size=120)
ENTRIES = st.builds(
    Entry,
    VALUES,
    st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4).map(tuple), max_size=5),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ENTRIES, max_size=4))
def test_ldif_reads_back_what_was_written(entries: list[Entry]) -> None:
    assert from_ldif(to_ldif(entries)) == entries


def test_ldif_is_folded_at_76_columns_and_unsafe_values_go_as_base64() -> None:
    entry = Entry.of("o=grid", {"a": "x" * 100, "b": " leading", "c": "é", "d": "", "e": True, "f": None})
    text = to_ldif([entry])
    assert text == (
        "dn: o=grid\n" + f"a: {'x' * 73}\n {'x' * 27}\n" + "b:: IGxlYWRpbmc=\n" + "c:: w6k=\n" + "d:\n" + "e: TRUE\n\n"
    )


def test_ldif_of_other_tools_is_read() -> None:
    text = (
        "version: 1\r\n# a comment\r\n  that goes on\r\ndn: o=grid\r\nobjectClass: top\r\nobjectclass: organization\r\n"
    )
    (entry,) = from_ldif(text)
    assert entry.dn == "o=grid"
    assert entry.values("OBJECTCLASS") == ("top", "organization")
    assert entry.is_a("Organization")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("objectClass: top\n", 1),
        ("dn: o=grid\nno colon here\n", 2),
        ("dn: o=grid\na:: not base64!\n", 2),
        ("dn: o=grid\na:< file:///etc/passwd\n", 2),
        ("dn: o=grid\nchangetype: delete\n", 2),
        (" continues nothing\n", 1),
    ],
)
def test_a_wrong_ldif_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(LdifError) as caught:
        from_ldif(text)
    assert caught.value.line == line


def test_attributes_are_found_in_any_spelling_and_one_spelling_is_kept() -> None:
    entry = Entry("o=grid", {"GlueKey": ("a",), "gluekey": ("b",)})
    assert dict(entry.attributes) == {"GlueKey": ("a", "b")}
    assert entry.first("GLUEKEY") == "a"
    assert entry.first("other") is None
