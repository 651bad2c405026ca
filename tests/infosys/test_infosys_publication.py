"""The texts for bdii-update, read as bdii-update reads them."""

from __future__ import annotations

import re

import pytest

from infosys import publication, synthetic, unknown
from infosys.entry import Entry, from_ldif
from infosys.levels import Level


def as_bdii_reads(text: str) -> dict[str, list[str]]:
    """Entries by name, found as bdii-update finds them: by ``dn:`` anywhere in the unfolded text, from the end."""
    text = text.replace("\n ", "")
    found: dict[str, list[str]] = {}
    end = len(text)
    while (start := text.rfind("dn:", 0, end)) >= 0:
        block = text[start:end].strip().split("\n")
        name = re.sub(r"\s*([,=])\s*", r"\1", block[0][4:].lower())
        assert name not in found
        found[name] = block[1:]
        end = start
    return found


@pytest.mark.parametrize("level", list(Level))
def test_what_is_printed_is_what_bdii_update_reads(grid: list[Entry], level: Level) -> None:
    said: list[str] = []
    text = publication.provider(grid, "S", level, said.append)
    read = as_bdii_reads(text)
    assert said == []
    assert set(read) == {entry.dn.lower() for entry in from_ldif(text)}
    elements = [name for name in read if name.startswith("glueceuniqueid=")]
    assert elements
    assert all(name.endswith(level.suffix("s").lower()) for name in elements)


def test_parents_come_before_what_is_below_them_and_the_order_never_changes() -> None:
    entries = list(synthetic.entries(3))
    text = publication.provider(entries, "S", Level.TOP, print)
    assert text == publication.provider(reversed(entries), "S", Level.TOP, print)
    seen = {"o=grid", "mds-vo-name=local,o=grid", "o=glue", "glue2groupid=grid,o=glue"}
    for entry in from_ldif(text):
        assert entry.dn.lower().partition(",")[2] in seen, entry.dn
        seen.add(entry.dn.lower())


def test_a_file_knows_no_live_numbers_and_the_plugin_brings_them(grid: list[Entry]) -> None:
    name = next(entry.dn for entry in grid if entry.is_a("GlueCE"))
    standing = {entry.dn: entry for entry in from_ldif(publication.static(grid, "S", Level.RESOURCE, print))}
    moving = {entry.dn: entry for entry in from_ldif(publication.plugin(grid, "S", Level.RESOURCE, print))}
    assert standing[name].values("GlueCEStateEstimatedResponseTime") == (str(unknown.TIME),)
    assert standing[name].values("GlueCEStateFreeJobSlots") == ("0",)
    assert standing[name].values("GlueCEInfoLRMSType") == ("fork",)
    assert moving[name].values("GlueCEStateEstimatedResponseTime") == ("60",)
    assert moving[name].values("GlueCEStateFreeJobSlots") == ("3",)
    assert not moving[name].values("objectClass")
    # bdii-update replaces only what the whole entry has
    for dn, entry in moving.items():
        assert set(entry.attributes) <= set(standing[dn].attributes)


def test_what_would_confuse_bdii_update_is_left_out_and_told() -> None:
    said: list[str] = []
    entries = [
        Entry.of("GlueSiteUniqueID=a,mds-vo-name=resource,o=grid", {"objectClass": "GlueSite", "GlueSiteWeb": "dn: y"}),
        Entry.of("GlueSiteUniqueID=cdn:8443,mds-vo-name=resource,o=grid", {"objectClass": "GlueSite"}),
        Entry.of("GlueSiteUniqueID=é,mds-vo-name=resource,o=grid", {"objectClass": "GlueSite"}),
        Entry.of("GlueSiteUniqueID=b,mds-vo-name=resource,o=grid", {"objectClass": "GlueSite", "GlueSiteWeb": "a\nb"}),
    ]
    read = as_bdii_reads(publication.provider(entries, "S", Level.RESOURCE, said.append))
    assert read == {
        "gluesiteuniqueid=a,mds-vo-name=resource,o=grid": ["objectClass: GlueSite"],
        "gluesiteuniqueid=b,mds-vo-name=resource,o=grid": ["objectClass: GlueSite"],
    }
    assert len(said) == 4
    assert any("GlueSiteWeb" in each for each in said)


def test_the_figures_of_the_server_that_is_asked_are_not_passed_on(grid: list[Entry]) -> None:
    entries = [*grid, Entry.of("Hostname=h,o=infosys", {"objectClass": "UpdateStats"})]
    assert "infosys" not in publication.provider(entries, "S", Level.SITE, print)
