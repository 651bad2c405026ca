"""Entries that somebody made to do harm, or that are merely broken: nothing crashes, hangs or grows without bound."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infosys import ber
from infosys.ad_writer import MAX_VALUES
from infosys.ce_ads import MAX_VIEWS, CeRecord, assemble, site_level
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.glue1 import CEInfo, Cluster, ComputingElement, SubCluster, entries_of
from infosys.glue1_reader import records_of as records1
from infosys.glue2_ads import MAX_SHARES, assemble2, merge
from infosys.glue2_reader import KINDS
from infosys.glue2_reader import records_of as records2
from jdl.parser import parse
from jdl.values import UNDEFINED

HOST = "ce.example.org"
CE = f"{HOST}:8443/cream-slurm-long"


def site(name: str, ce_id: str = CE, host: str = HOST, contact: str = f"https://{HOST}:8443/") -> list[Entry]:
    """A site's computing element with its cluster."""
    suffix = f"mds-vo-name={name},mds-vo-name=local,o=grid"
    info = CEInfo(host_name=host, lrms_type="slurm", contact=(contact,))
    return entries_of(
        [
            Cluster(unique_id=host, site_id=name, ce_ids=(ce_id,)),
            SubCluster(unique_id=host, cluster_id=host),
            ComputingElement(unique_id=ce_id, cluster_id=host, info=info, access=("VO:vo",)),
        ],
        suffix,
    )


def changed(entries: list[Entry], start: str, **attributes: tuple[str, ...]) -> list[Entry]:
    return [
        Entry(entry.dn, {**entry.attributes, **attributes}) if entry.dn.startswith(start) else entry
        for entry in entries
    ]


LIES = [
    site("EVIL", host="evil.example.org", contact=f"https://{HOST}:8443/"),
    site("EVIL", contact="https://evil.example.org:8443/ce-cream/services"),
    site("EVIL", contact="https://evil.example.org\\@ce.example.org:8443/"),
    site("EVIL", ce_id=CE.upper(), host="evil.example.org"),
]


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("lie_first", [True, False])
def test_a_site_cannot_take_over_anothers_computing_element(lie: list[Entry], lie_first: bool) -> None:
    true = site("TRUE")
    found = assemble([*lie, *true] if lie_first else [*true, *lie])
    assert [(record.site, record.host) for record in found.records] == [("TRUE", HOST)]
    assert found.records[0].endpoint.startswith(f"https://{HOST}:8443")
    assert any("is published twice" in problem for problem in found.problems)


def test_a_lie_as_good_as_the_truth_does_not_move_an_element_from_the_site_that_has_it() -> None:
    true, lie = site("TRUE"), site("EVIL")
    holders = assemble(true).holders
    assert holders == {CE: site_level(true[0].key)}
    assert [record.site for record in assemble([*lie, *true], holders=holders).records] == ["TRUE"]
    assert [record.site for record in assemble([*lie, *true]).records] == ["EVIL"]  # nobody knew better


def test_an_element_does_not_get_the_cluster_of_another_site() -> None:
    rich = site("RICH")
    poor = [entry for entry in site("POOR", ce_id="x:1/cream-fork-y") if entry.is_a("GlueCE")]
    found = assemble([*rich, *poor])
    assert [record.site for record in found.records] == ["RICH"]
    assert any("no cluster that its site publishes" in problem for problem in found.problems)


def test_an_attribute_with_a_hundred_thousand_values_is_cut_and_told() -> None:
    many = tuple(f"tag{number}" for number in range(100_000))
    entries = changed(site("S"), "GlueSubCluster", GlueHostApplicationSoftwareRunTimeEnvironment=many)
    began = time.monotonic()
    found = assemble(entries)
    assert time.monotonic() - began < 5
    tags = found.records[0].ad.value("GlueHostApplicationSoftwareRunTimeEnvironment")
    assert isinstance(tags, tuple)
    assert len(tags) == MAX_VALUES
    assert any("100000 values" in problem for problem in found.problems)


@pytest.mark.parametrize("value", ["9e99", "1" * 5000, "-", "", "0x10", "١٢", "1 2", "NaN", "99999999999999999999"])
def test_numbers_that_are_none_are_left_out(value: str) -> None:
    entries = changed(site("S"), "GlueCEUniqueID", GlueCEStateFreeJobSlots=(value,))
    (record,) = assemble(entries).records
    assert record.ad.value("GlueCEStateFreeJobSlots") is UNDEFINED


ODD = ['a"b', "a\\b", "a\nb", "a;b]", 'x" ] [ "', "\u202e", "\ufffd", "a,b=c", "a+b", "#a", " a ", "\x7f", "ä/ö"]


@pytest.mark.parametrize("odd", ODD)
def test_identifiers_and_values_with_odd_characters_stay_values(odd: str) -> None:
    ce_id = f"{HOST}:8443/cream-fork-{odd}"
    entries = changed(site("S", ce_id=ce_id), "GlueCEUniqueID", GlueCEName=(odd,), GlueCEAccessControlBaseRule=(odd,))
    (record,) = assemble(entries).records
    again = parse(record.ad.text())
    assert again == record.ad
    assert again.value("GlueCEName") == odd
    assert again.value("GlueCEAccessControlBaseRule") == (odd.strip(),)


def test_a_name_with_several_attributes_is_no_element() -> None:
    suffix = "mds-vo-name=S,mds-vo-name=local,o=grid"
    tricks = [
        Entry(f"GlueCEUniqueID={CE}+cn=x,{suffix}", {"objectClass": ("GlueCE",)}),
        Entry(f"GlueCEUniqueID={CE}\\,mds-vo-name\\=T,{suffix}", {"objectClass": ("GlueCE",)}),
        Entry("GlueCEUniqueID=,mds-vo-name=S", {"objectClass": ("GlueCE",)}),
        Entry("\\", {}),
        Entry("", {}),
    ]
    assert assemble([*tricks, *site("TRUE")]).records[0].site == "TRUE"


def test_thousands_of_views_of_one_element_are_cut_and_told() -> None:
    entries = site("S")
    element = entries[-1]
    views = [
        Entry(f"GlueVOViewLocalID=v{n},{element.dn}", {"GlueCEAccessControlBaseRule": (f"VO:v{n}",)})
        for n in range(MAX_VIEWS + 500)
    ]
    found = assemble([*entries, *views])
    assert len(found.records) == MAX_VIEWS + 1
    assert any("VO views" in problem for problem in found.problems)


def test_shares_times_endpoints_do_not_explode() -> None:
    base = "GLUE2ServiceID=s,GLUE2GroupID=resource,GLUE2DomainID=S,GLUE2GroupID=grid,o=glue"
    many = 300
    ends = tuple(f"e{n}" for n in range(many))
    entries = [Entry(base, {"objectClass": ("GLUE2ComputingService",)})]
    endpoint = {"objectClass": ("GLUE2ComputingEndpoint",), "GLUE2EndpointServiceForeignKey": ("s",)}
    share = {"objectClass": ("GLUE2ComputingShare",), "GLUE2ShareEndpointForeignKey": ends}
    entries += [Entry(f"GLUE2EndpointID={each},{base}", endpoint) for each in ends]
    entries += [Entry(f"GLUE2ShareID=h{n},{base}", share) for n in range(many)]
    began = time.monotonic()
    found = assemble2(entries)
    assert time.monotonic() - began < 10
    assert len(found.records) <= MAX_SHARES
    assert any("further ones are left out" in problem for problem in found.problems)


def test_foreign_keys_in_a_circle_lead_nowhere() -> None:
    base = "GLUE2DomainID=S,GLUE2GroupID=grid,o=glue"
    circle = [
        Entry(
            f"GLUE2ServiceID=a,{base}",
            {"objectClass": ("GLUE2ComputingService",), "GLUE2ServiceServiceForeignKey": ("a",)},
        ),
        Entry(
            f"GLUE2ManagerID=a,{base}",
            {"objectClass": ("GLUE2ComputingManager",), "GLUE2ManagerServiceForeignKey": ("a",)},
        ),
        Entry(
            f"GLUE2ResourceID=a,{base}",
            {"objectClass": ("GLUE2ExecutionEnvironment",), "GLUE2ResourceManagerForeignKey": ("a",)},
        ),
        Entry(
            f"GLUE2EndpointID=a,{base}",
            {"objectClass": ("GLUE2ComputingEndpoint",), "GLUE2EndpointServiceForeignKey": ("a",)},
        ),
        Entry(
            f"GLUE2ShareID=a,{base}",
            {
                "objectClass": ("GLUE2ComputingShare",),
                "GLUE2ShareEndpointForeignKey": ("a", "a"),
                "GLUE2ShareResourceForeignKey": ("a",),
            },
        ),
    ]
    (record,) = assemble2(circle).records
    assert record.access_rules == ()
    assert parse(record.ad.text()) == record.ad


def test_bytes_that_are_no_utf8_are_read_as_replacement_characters(badly: Callable[..., str]) -> None:
    def talk(client: socket.socket) -> None:
        request = client.recv(4096)
        asked = request[4 : 4 + request[3]]  # the message's number
        value = ber.sequence(ber.tlv(0x04, b"caf\xe9\xff"), tag=ber.SET)
        attributes = ber.sequence(ber.sequence(ber.octets("GlueSiteName"), value))
        entry = ber.sequence(ber.octets("GlueSiteUniqueID=x,o=grid"), attributes, tag=0x64)
        done = ber.sequence(ber.tlv(0x0A, b"\0"), ber.octets(""), ber.octets(""), tag=0x65)
        for message in (entry, done):
            client.sendall(ber.sequence(ber.tlv(0x02, asked), message))

    (found,) = LdapSource(badly(talk), timeout=5).fetch()
    assert found.first("GlueSiteName") == "caf\ufffd\ufffd"


NAMES = st.sampled_from(
    [
        *("GlueCEUniqueID", "GlueForeignKey", "GlueCEAccessControlBaseRule", "GlueCEStateFreeJobSlots", "objectClass"),
        *("GlueCESEBindSEUniqueID", "GlueSALocalID", "GLUE2ShareEndpointForeignKey", "GLUE2EntityOtherInfo", "x"),
        *("GLUE2EndpointURL", "GLUE2EndpointServiceForeignKey", "GLUE2PolicyRule", "GLUE2BenchmarkValue"),
        *("GlueCEInfoContactString", "GLUE2StorageShareCapacityFreeSize"),
        *("GLUE2ExecutionEnvironmentTotalInstances", "GLUE2ComputingShareMaxWallTime", "GLUE2ManagerServiceForeignKey"),
    ]
)
TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "TRUE", "undefined", "1e999", "-1", "444444", "inf", "nan", "https://[", "CREAMCEId=x", "a", str(2**63)]
)
DN = st.lists(
    st.sampled_from(
        [
            *("GlueCEUniqueID=a", "GlueVOViewLocalID=a", "GlueClusterUniqueID=a", "GlueSubClusterUniqueID=a", "o=grid"),
            *("GlueCESEBindGroupCEUniqueID=a", "GlueCESEBindSEUniqueID=a", "GlueSEUniqueID=a", "GlueSALocalID=a"),
            *("mds-vo-name=a", "mds-vo-name=local", "GLUE2ServiceID=a", "GLUE2EndpointID=a", "o=glue"),
            *("GLUE2ShareID=a",),
            *("GLUE2DomainID=a", "GLUE2PolicyID=a", "GLUE2ResourceID=a", "GLUE2ManagerID=a", "\\"),
        ]
    ),
    max_size=5,
).map(",".join)
CLASSES = st.sampled_from([*KINDS, "GlueCE", "GlueSE", "GlueSA", "GlueSite", "GlueVOView", "GlueService"])
ENTRY = st.builds(
    lambda dn, classes, attributes: Entry(dn, {**attributes, "objectClass": tuple(classes)}),
    DN,
    st.lists(CLASSES, min_size=1, max_size=2),
    st.dictionaries(NAMES, st.lists(TEXT, max_size=3).map(tuple), max_size=6),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ENTRY, max_size=12))
def test_no_heap_of_entries_breaks_the_readers_and_what_they_make_can_be_read(entries: list[Entry]) -> None:
    first, second = assemble([*entries, *site("S")]), assemble2(entries)
    records: list[CeRecord] = [*merge(first.records, second.records)]
    assert any(record.ce_id == CE for record in records)
    for ad in [record.ad for record in records] + [each.ad for each in (*first.storage, *second.storage)]:
        assert parse(ad.text()) == ad
    records1(entries)
    records2(entries)
