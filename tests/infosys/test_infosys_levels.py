"""Where entries stand at each level."""

from __future__ import annotations

import pytest

from infosys import names
from infosys.errors import NameSyntaxError
from infosys.levels import Level, placed, site_of


@pytest.mark.parametrize(
    ("name", "resource", "site", "top"),
    [
        (
            "GlueCEUniqueID=x,mds-vo-name=resource,o=grid",
            "GlueCEUniqueID=x,mds-vo-name=resource,o=grid",
            "GlueCEUniqueID=x,mds-vo-name=S,o=grid",
            "GlueCEUniqueID=x,mds-vo-name=S,mds-vo-name=local,o=grid",
        ),
        (
            "a=b,GlueCEUniqueID=x,Mds-Vo-name=Other,o=Grid",
            "a=b,GlueCEUniqueID=x,mds-vo-name=resource,o=grid",
            "a=b,GlueCEUniqueID=x,mds-vo-name=Other,o=grid",
            "a=b,GlueCEUniqueID=x,mds-vo-name=Other,mds-vo-name=local,o=grid",
        ),
        (
            "GlueCEUniqueID=a\\,b,mds-vo-name=T,mds-vo-name=local,o=grid",
            "GlueCEUniqueID=a\\,b,mds-vo-name=resource,o=grid",
            "GlueCEUniqueID=a\\,b,mds-vo-name=T,o=grid",
            "GlueCEUniqueID=a\\,b,mds-vo-name=T,mds-vo-name=local,o=grid",
        ),
        (
            "GlueCEUniqueID=x,mds-vo-name=other,mds-vo-name=T,o=grid",
            "GlueCEUniqueID=x,mds-vo-name=resource,o=grid",
            "GlueCEUniqueID=x,mds-vo-name=T,o=grid",
            "GlueCEUniqueID=x,mds-vo-name=T,mds-vo-name=local,o=grid",
        ),
        ("GlueCEUniqueID=x,o=grid", *(f"GlueCEUniqueID=x,{each.suffix('S')}" for each in Level)),
        (
            "GLUE2ShareID=s,GLUE2ServiceID=x,GLUE2GroupID=resource,o=glue",
            "GLUE2ShareID=s,GLUE2ServiceID=x,GLUE2GroupID=resource,o=glue",
            "GLUE2ShareID=s,GLUE2ServiceID=x,GLUE2GroupID=resource,GLUE2DomainID=S,o=glue",
            "GLUE2ShareID=s,GLUE2ServiceID=x,GLUE2GroupID=resource,GLUE2DomainID=S,GLUE2GroupID=grid,o=glue",
        ),
        (
            "GLUE2LocationID=l,GLUE2DomainID=T,GLUE2GroupID=grid,o=glue",
            "",
            "GLUE2LocationID=l,GLUE2DomainID=T,o=glue",
            "GLUE2LocationID=l,GLUE2DomainID=T,GLUE2GroupID=grid,o=glue",
        ),
        ("mds-vo-name=T,mds-vo-name=local,o=grid", "", "", ""),
        (
            "GLUE2ShareID=s,GLUE2DomainID=other,GLUE2DomainID=T,o=glue",
            "",
            "GLUE2ShareID=s,GLUE2DomainID=T,o=glue",
            "GLUE2ShareID=s,GLUE2DomainID=T,GLUE2GroupID=grid,o=glue",
        ),
        (
            "GLUE2ServiceID=x,GLUE2GroupID=resource,GLUE2DomainID=other,GLUE2DomainID=T,GLUE2GroupID=grid,o=glue",
            "GLUE2ServiceID=x,GLUE2GroupID=resource,o=glue",
            "GLUE2ServiceID=x,GLUE2GroupID=resource,GLUE2DomainID=T,o=glue",
            "GLUE2ServiceID=x,GLUE2GroupID=resource,GLUE2DomainID=T,GLUE2GroupID=grid,o=glue",
        ),
        ("GLUE2DomainID=other,GLUE2DomainID=T,o=glue", "", "", ""),
        ("GLUE2GroupID=grid,o=glue", "", "", ""),
        ("o=grid", "", "", ""),
        ("o=glue", "", "", ""),
    ],
)
def test_an_entry_has_a_name_at_each_level(name: str, resource: str, site: str, top: str) -> None:
    assert [placed(name, "S", level) for level in Level] == [resource, site, top]
    for place in (resource, site, top):
        if place:  # from wherever it is taken, it comes to the same place
            assert placed(place, site_of(name) or "S", Level.TOP) == top


def test_a_site_with_signs_in_its_name_stays_one_component() -> None:
    place = placed("GlueCEUniqueID=x,mds-vo-name=resource,o=grid", "A, B+C", Level.TOP)
    assert names.key(place)[1] == "mds-vo-name=a, b+c"
    assert site_of(place) == "A, B+C"


@pytest.mark.parametrize("name", ["cn=x", "o=infosys", "", "no name"])
def test_what_is_of_neither_tree_has_no_place(name: str) -> None:
    with pytest.raises(NameSyntaxError):
        placed(name, "S")


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("GlueCEUniqueID=x,mds-vo-name=resource,o=grid", None),
        ("GlueCEUniqueID=x,mds-vo-name=T,mds-vo-name=local,o=grid", "T"),
        ("mds-vo-name=T,o=grid", "T"),
        ("mds-vo-name=local,o=grid", None),
        ("GLUE2ServiceID=x,GLUE2GroupID=resource,o=glue", None),
        ("GLUE2ServiceID=x,GLUE2GroupID=resource,GLUE2DomainID=T,GLUE2GroupID=grid,o=glue", "T"),
        ("o=glue", None),
    ],
)
def test_a_name_tells_its_site(name: str, site: str | None) -> None:
    assert site_of(name) == site
