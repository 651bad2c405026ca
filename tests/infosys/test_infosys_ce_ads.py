"""From entries to the ads that jobs are matched with."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from infosys.ce_ads import CeRecord, assemble
from infosys.entry import Entry
from infosys.glue1 import CESEBind, bind_entries
from jdl.values import UNDEFINED

HOST = "ce.example.org"
SHORT = f"{HOST}:8443/cream-fork-short"
LONG = f"{HOST}:8443/cream-slurm-long-queue"


def by_key(entries: list[Entry]) -> dict[str, CeRecord]:
    return {record.key: record for record in assemble(entries).records}


def changed(entries: list[Entry], of: str, **attributes: object) -> list[Entry]:
    made = Entry.of("x=y", attributes).attributes
    return [Entry(entry.dn, {**entry.attributes, **made}) if entry.dn.startswith(of) else entry for entry in entries]


def test_an_ad_holds_the_element_its_cluster_and_what_is_made_of_its_id(grid: list[Entry]) -> None:
    ad = by_key(grid)[SHORT].ad
    assert ad.value("GlueCEUniqueID") == SHORT
    assert ad.value("GlueHostMainMemoryRAMSize") == 2048
    assert ad.value("GlueHostNetworkAdapterOutboundIP") is True
    assert ad.value("GlueHostApplicationSoftwareRunTimeEnvironment") == ("GLITE-3_2_0", "VO-vo-tool")
    assert ad.value("GlueCEAccessControlBaseRule") == ("VO:vo",)
    assert ad.value("GlueSiteUniqueID") == "TEST-SITE"
    assert ad.value("GlobusResourceContactString") == f"{HOST}:8443/cream-fork"
    assert (ad.value("LRMSType"), ad.value("QueueName"), ad.value("CEid")) == ("fork", "short", SHORT)
    assert ad.value("PurchasedBy") == "II_G13_purchaser"
    assert ad.value("objectClass") is UNDEFINED


def test_a_record_knows_host_site_and_endpoint(grid: list[Entry]) -> None:
    record = by_key(grid)[SHORT]
    assert (record.ce_id, record.host, record.site) == (SHORT, HOST, "TEST-SITE")
    assert record.endpoint == f"https://{HOST}:8443/ce-cream/services"
    without = changed(grid, f"GlueCEUniqueID={SHORT}", GlueCEInfoContactString=["gsiftp://x"])
    assert by_key(without)[SHORT].endpoint == f"https://{HOST}:8443/ce-cream/services"
    service = changed(
        grid, f"GlueCEUniqueID={SHORT}", GlueCEInfoContactString=["https://o:1/ce-cream/services/CREAM2/"]
    )
    assert by_key(service)[SHORT].endpoint == "https://o:1/ce-cream/services"


def test_a_view_is_an_ad_of_its_own_and_takes_its_rules_with_it(grid: list[Entry]) -> None:
    records = by_key(grid)
    assert set(records) == {SHORT, LONG, f"{LONG}/vo/Role=production"}
    view = records[f"{LONG}/vo/Role=production"]
    assert view.ce_id == LONG
    assert view.access_rules == ("VOMS:/vo/Role=production",)
    assert view.ad.value("GlueCEStateFreeJobSlots") == 7
    assert view.ad.value("GlueCEUniqueID") == LONG
    assert records[LONG].access_rules == ("VO:other",)
    assert records[LONG].ad.value("GlueCEStateFreeJobSlots") == 0


def test_an_element_whose_rules_are_all_covered_by_views_has_no_ad_of_its_own(grid: list[Entry]) -> None:
    entries = changed(grid, f"GlueCEUniqueID={LONG}", GlueCEAccessControlBaseRule=["VOMS:/vo/Role=production"])
    assert set(by_key(entries)) == {SHORT, f"{LONG}/vo/Role=production"}


def test_what_an_element_denies_its_views_deny_too(grid: list[Entry]) -> None:
    rules = ["VOMS:/vo/Role=production", "DENY:/vo/Role=bad"]
    view = by_key(changed(grid, f"GlueCEUniqueID={LONG}", GlueCEAccessControlBaseRule=rules))
    assert set(view) == {SHORT, f"{LONG}/vo/Role=production"}
    assert view[f"{LONG}/vo/Role=production"].access_rules == ("VOMS:/vo/Role=production", "DENY:/vo/Role=bad")


def test_numbers_that_are_none_are_left_out_and_told(grid: list[Entry]) -> None:
    entries = changed(
        grid,
        f"GlueCEUniqueID={SHORT}",
        GlueCEStateFreeJobSlots="9e99",
        GlueCEStateRunningJobs="",
        GlueCEStateWaitingJobs=str(1 << 63),
        GlueCEPolicyPriority="-7",
        GlueCEStateTotalJobs="444444",
        GlueCEInfoDataDir="UNDEFINED",
    )
    found = assemble(entries)
    ad = next(record.ad for record in found.records if record.key == SHORT)
    for name in ("GlueCEStateFreeJobSlots", "GlueCEStateRunningJobs", "GlueCEStateWaitingJobs", "GlueCEInfoDataDir"):
        assert ad.value(name) is UNDEFINED
    assert ad.value("GlueCEPolicyPriority") == -7
    assert ad.value("GlueCEStateTotalJobs") == 444444
    assert sum("not an integer" in problem for problem in found.problems) == 3


def test_a_views_garbage_does_not_leave_the_elements_value_in_its_place(grid: list[Entry]) -> None:
    entries = changed(grid, "GlueVOViewLocalID=", GlueCEStateFreeJobSlots="many")
    assert by_key(entries)[f"{LONG}/vo/Role=production"].ad.value("GlueCEStateFreeJobSlots") is UNDEFINED


def test_a_list_attribute_with_one_value_is_a_list_and_an_unknown_name_is_kept(grid: list[Entry]) -> None:
    entries = changed(grid, f"GlueCEUniqueID={SHORT}", GlueCECapability="one", siteOwn="a", siteOwnList=["a", "b"])
    ad = by_key(entries)[SHORT].ad
    assert ad.value("GlueCECapability") == ("one",)
    assert ad.value("siteOwn") == "a"
    assert ad.value("siteOwnList") == ("a", "b")


def test_close_storage_is_a_list_of_ads(grid: list[Entry]) -> None:
    binds = bind_entries(SHORT, [CESEBind(ce_id=SHORT, se_id="se.example.org", access_point="/mnt")])
    ad = by_key([*grid, *binds])[SHORT].ad
    assert ad.value("GlueCESEBindGroupSEUniqueID") == ("se.example.org",)
    close = ad.value("CloseStorageElements")
    assert isinstance(close, tuple)
    (bind,) = close
    assert bind.ad.value("name") == "se.example.org"  # type: ignore[union-attr]
    assert bind.ad.value("mount") == "/mnt"  # type: ignore[union-attr]


def test_an_element_without_cluster_or_subcluster_is_left_out_and_told(grid: list[Entry]) -> None:
    without_sub = [entry for entry in grid if not entry.is_a("GlueSubCluster")]
    found = assemble(without_sub)
    assert found.records == ()
    assert "no sub-cluster" in found.problems[0]
    without = [entry for entry in grid if not entry.is_a("GlueCluster")]
    assert "no cluster" in assemble(without).problems[0]


def test_the_cluster_may_be_found_by_the_host(grid: list[Entry]) -> None:
    entries = changed(grid, f"GlueCEUniqueID={SHORT}", GlueForeignKey="no name at all")
    assert SHORT in by_key(entries)


def test_another_site_cannot_claim_an_element(grid: list[Entry]) -> None:
    claimed = [
        entry.moved(entry.dn.replace("resource", "evil"))
        for entry in changed(grid, "GlueCEUniqueID=", GlueCEInfoHostName="evil.example.org")
    ]
    found = assemble([*grid, *claimed])
    assert {record.host for record in found.records} == {HOST}
    assert any("published twice" in problem for problem in found.problems)


def test_an_identifier_of_another_form_gives_an_ad_without_its_parts(grid: list[Entry]) -> None:
    entries = [
        entry.moved(entry.dn.replace(SHORT, "odd")) if entry.dn.startswith(f"GlueCEUniqueID={SHORT}") else entry
        for entry in grid
    ]
    record = by_key(entries)["odd"]
    assert record.ad.value("QueueName") is UNDEFINED
    assert record.ce_id == "odd"


TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    f"GlueCEUniqueID={SHORT},mds-vo-name=resource,o=grid",
                    f"GlueClusterUniqueID={HOST},mds-vo-name=resource,o=grid",
                    f"GlueSubClusterUniqueID={HOST},GlueClusterUniqueID={HOST},mds-vo-name=resource,o=grid",
                    f"GlueVOViewLocalID=vo,GlueCEUniqueID={SHORT},mds-vo-name=resource,o=grid",
                    f"GlueCESEBindSEUniqueID=s,GlueCESEBindGroupCEUniqueID={SHORT},mds-vo-name=resource,o=grid",
                    "no name",
                    "",
                ]
            ),
            st.dictionaries(
                st.sampled_from(
                    [
                        *("GlueForeignKey", "GlueCEStateFreeJobSlots", "GlueCEAccessControlBaseRule"),
                        *("GlueCEInfoHostName", "GlueCEInfoContactString", "GlueHostMainMemoryRAMSize", "Other"),
                    ]
                ),
                st.lists(
                    st.one_of(TEXTS, st.just(f"GlueClusterUniqueID={HOST}"), st.just("true"), st.just("undefined")),
                    min_size=1,
                    max_size=3,
                ).map(tuple),
                max_size=5,
            ),
        ),
        max_size=8,
    )
)
def test_no_directory_breaks_the_assembly(pairs: list[tuple[str, dict[str, tuple[str, ...]]]]) -> None:
    for record in assemble(Entry(dn, attributes) for dn, attributes in pairs).records:
        assert record.ad.text()


def test_a_vo_and_its_group_are_two_views(grid: list[Entry]) -> None:
    above = next(entry.dn for entry in grid if entry.dn.startswith(f"GlueCEUniqueID={SHORT}"))
    views = [
        Entry(f"GlueVOViewLocalID={name},{above}", {"GlueCEAccessControlBaseRule": (rule,)})
        for name, rule in (("vo", "VO:vo"), ("/vo", "VOMS:/vo"))
    ]
    found = by_key([*grid, *views])
    assert found[f"{SHORT}/vo"].access_rules == ("VO:vo",)
    assert found[f"{SHORT}//vo"].access_rules == ("VOMS:/vo",)
