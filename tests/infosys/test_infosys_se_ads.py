"""Storage elements as ads, and what computing elements say of those close by."""

from __future__ import annotations

import pytest

from infosys.ce_ads import CeRecord, assemble, with_close_storage
from infosys.entry import Entry
from infosys.glue1 import CESEBind, bind_entries
from infosys.se_ads import by_id, storage_area
from jdl.evaluate import evaluate
from jdl.parser import parse, parse_expression
from jdl.values import UNDEFINED, Record, Value

SHORT = "ce.example.org:8443/cream-fork-short"
LONG = "ce.example.org:8443/cream-slurm-long-queue"
SITE = "mds-vo-name=resource,o=grid"


def element(se_id: str, areas: dict[str, int], site: str = "TEST-SITE", **more: object) -> list[Entry]:
    own = f"GlueSEUniqueID={se_id},{SITE}"
    found = [
        Entry.of(own, {"GlueForeignKey": f"GlueSiteUniqueID={site}", "GlueSEStatus": "Production"})
    ]
    for local_id, space in areas.items():
        found.append(
            Entry.of(
                f"GlueSALocalID={local_id},{own}",
                {"GlueSALocalID": local_id, "GlueSAStateAvailableSpace": space, **more},
            )
        )
    for kind in ("GsiFTP", "file"):
        found.append(
            Entry.of(
                f"GlueSEAccessProtocolLocalID={kind},{own}",
                {"GlueSEAccessProtocolType": kind, "GlueSEAccessProtocolPort": 2811},
            )
        )
    found.append(
        Entry.of(f"GlueSEControlProtocolLocalID=srm,{own}", {"GlueSEControlProtocolType": "SRM"})
    )
    return found


@pytest.fixture
def stored(grid: list[Entry]) -> list[Entry]:
    """The small grid with two storage elements; both are close to the second queue, the first to the first too."""
    near, far = "se.example.org", "dcache.example.org"
    return [
        *grid,
        *element(near, {"vo": 100, "other": 5}),
        *element(far, {"vo": 7}),
        *bind_entries(SHORT, [CESEBind(ce_id=SHORT, se_id=near, access_point="/mnt")]),
        *bind_entries(LONG, [CESEBind(ce_id=LONG, se_id=near), CESEBind(ce_id=LONG, se_id=far)]),
    ]


def by_key(entries: list[Entry]) -> dict[str, CeRecord]:
    return {record.key: record for record in assemble(entries).records}


def asked(record: CeRecord, expression: str, vo: str | None = "vo") -> Value:
    job = parse(f'[ VirtualOrganisation = "{vo}" ]' if vo else "[ ]")
    return evaluate(parse_expression(expression), job, record.ad)


def test_a_storage_element_has_its_areas_and_protocols_and_the_elements_it_is_close_to(stored: list[Entry]) -> None:
    storage = assemble(stored).storage
    assert [record.se_id for record in storage] == ["se.example.org", "dcache.example.org"]
    record = storage[0]
    assert record.protocols == {"gsiftp", "file"}
    assert (record.site, record.ad.value("GlueSEStatus")) == ("TEST-SITE", "Production")
    areas = record.ad.value("GlueSA")
    assert isinstance(areas, tuple)
    assert [area.ad.value("GlueSALocalID") for area in areas if isinstance(area, Record)] == ["vo", "other"]
    assert evaluate(parse_expression("GlueSEAccessProtocol[1].GlueSEAccessProtocolPort"), record.ad) == 2811
    assert evaluate(parse_expression("GlueSEControlProtocol[0].GlueSEControlProtocolType"), record.ad) == "SRM"
    close = record.ad.value("CloseComputingElements")
    assert isinstance(close, tuple)
    ads = [each.ad for each in close if isinstance(each, Record)]
    assert [ad.value("name") for ad in ads] == ["se.example.org", "se.example.org"]
    assert [ad.value("GlueCESEBindCEUniqueID") for ad in ads] == [SHORT, LONG]


def test_a_record_of_one_vo_has_a_plain_list_with_the_area_of_that_vo(stored: list[Entry]) -> None:
    record = by_key(stored)[SHORT]
    listed = evaluate(parse_expression("storage.CloseSEs"), record.ad)  # no job on the other side
    assert isinstance(listed, tuple)
    (close,) = listed
    assert isinstance(close, Record)
    wanted = {"name": "se.example.org", "mount": "/mnt", "freespace": 100, "GlueSALocalID": "vo"}
    assert {name: close.ad.value(name) for name in wanted} == wanted
    assert close.ad.value("GlueSA") is UNDEFINED


def test_a_record_of_several_vos_shows_each_job_the_area_of_its_own_vo(grid: list[Entry], stored: list[Entry]) -> None:
    rules = ("VO:vo", "VOMS:/other/Role=pilot", "VO:none")
    both = [
        Entry(entry.dn, {**entry.attributes, "GlueCEAccessControlBaseRule": rules})
        if entry.dn.startswith(f"GlueCEUniqueID={SHORT}")
        else entry
        for entry in stored
    ]
    record = by_key(both)[SHORT]
    assert asked(record, "anyMatch(other.storage.CloseSEs, target.freespace == 100)", "vo") is True
    assert asked(record, "anyMatch(other.storage.CloseSEs, target.freespace == 100)", "other") is False
    assert asked(record, "anyMatch(other.storage.CloseSEs, target.freespace == 5)", "other") is True
    assert asked(record, "other.storage.CloseSEs", "none") == ()
    assert asked(record, 'anyMatch(other.storage.CloseSEs, target.name == "se.example.org")', None) is True
    assert asked(record, "anyMatch(other.storage.CloseSEs, isUndefined(target.freespace))", None) is True


def test_the_gang_matching_of_the_manual_works(stored: list[Entry]) -> None:
    found = by_key(stored)
    demand = "anyMatch(other.storage.CloseSEs, target.GlueSAStateAvailableSpace > {})"
    assert [asked(found[key], demand.format(50)) for key in found] == [True, False, True]  # the second is for VO other
    assert [asked(found[key], demand.format(200)) for key in found] == [False, False, False]
    assert asked(found[SHORT], 'allMatch(other.storage.CloseSEs, target.GlueSEStatus == "Production")') is True


def test_without_storage_nearby_the_list_is_empty(grid: list[Entry]) -> None:
    record = by_key(grid)[SHORT]
    assert evaluate(parse_expression("storage.CloseSEs"), record.ad) == ()
    assert asked(record, "anyMatch(other.storage.CloseSEs, true || target.x)") is False


def test_a_bind_to_an_element_that_nobody_publishes_is_kept_but_is_not_among_the_close_ones(grid: list[Entry]) -> None:
    record = by_key([*grid, *bind_entries(SHORT, [CESEBind(ce_id=SHORT, se_id="gone.example.org")])])[SHORT]
    assert record.ad.value("GlueCESEBindGroupSEUniqueID") == ("gone.example.org",)
    assert evaluate(parse_expression("storage.CloseSEs"), record.ad) == ()


def test_storage_of_another_source_is_found_when_it_is_known(grid: list[Entry], stored: list[Entry]) -> None:
    records = assemble([entry for entry in stored if "GlueSEUniqueID" not in entry.dn]).records
    known = by_id(assemble([entry for entry in stored if "GlueSEUniqueID" in entry.dn]).storage)
    found = {record.key: record for record in with_close_storage(records, known)}
    assert asked(found[SHORT], "anyMatch(other.storage.CloseSEs, target.freespace == 100)") is True
    assert evaluate(parse_expression("storage.CloseSEs"), records[0].ad) == ()


def test_areas_named_after_space_tokens_are_found_by_whom_they_admit() -> None:
    areas = element("se", {"a": 5, "b": 9, "c": 1}, GlueSAAccessControlBaseRule=["VO:vo"])
    (record,) = assemble(areas).storage
    area = storage_area(record, "VO")
    assert area is not None
    assert area.value("GlueSALocalID") == "b"
    assert storage_area(record, "other") is None


def test_a_storage_element_published_twice_counts_once_and_is_told(stored: list[Entry]) -> None:
    again = [
        entry.moved(entry.dn.replace("resource", "evil")) for entry in element("SE.example.org", {"vo": 10**9})
    ]
    found = assemble([*stored, *again])
    assert [record.se_id for record in found.storage] == ["se.example.org", "dcache.example.org"]
    assert any("SE.example.org is published twice" in problem for problem in found.problems)
