"""The made-up grid: valid by the schema, the same for the same seed, and heterogeneous in all that matching reads."""

from __future__ import annotations

import collections

import pytest

from grid.errors import ConfigurationError
from infosys import synthetic
from infosys.ce_ads import CeRecord, assemble
from infosys.filters import as_integer
from infosys.schema import glue1
from infosys.server import LdapServer


@pytest.fixture(scope="module")
def entries():
    return list(synthetic.entries(40))


@pytest.fixture(scope="module")
def records(entries) -> tuple[CeRecord, ...]:
    assembly = assemble(entries)
    assert assembly.problems == ()
    return assembly.records


def test_every_entry_meets_the_schema(entries):
    schema = glue1()
    for entry in entries:
        classes = entry.values("objectClass")
        allowed = {"objectclass"}
        for name in classes:
            for each in schema.lineage(name):
                known = schema.classes[each.lower()]
                allowed |= {attribute.lower() for attribute in (*known.must, *known.may)}
            for wanted in schema.mandatory(name):
                assert wanted == "objectClass" or entry.values(wanted), (entry.dn, wanted)
        for attribute, values in entry.attributes.items():
            assert attribute.lower() in allowed, (entry.dn, attribute)
            known = schema.attribute(attribute)
            assert known is not None
            assert len(values) == 1 or not known.single, (entry.dn, attribute)
            assert not known.integer or all(as_integer(value) is not None for value in values)


def test_names_are_unique_and_say_that_they_are_made_up(entries, records):
    assert len({entry.key for entry in entries}) == len(entries)
    assert all(record.site.startswith("SYNTHETIC-") for record in records)
    assert all(record.host.endswith(".synthetic.invalid") for record in records)
    assert all("synthetic" in record.ad.value("GlueCECapability") for record in records)


def test_there_are_as_many_as_asked_for(records):
    assert len({record.ce_id for record in records}) == 200
    assert len({record.ce_id for record in assemble(synthetic.entries(2, ces_per_site=13)).records}) == 26


def test_the_size_is_that_of_a_real_grid(entries, records):
    assert 8.5 < len(entries) / 200 < 9.5
    assert 55 < sum(len(record.ad) for record in records) / len(records) < 80
    tags = [len(record.ad.value("GlueHostApplicationSoftwareRunTimeEnvironment")) for record in records]
    assert 90 < sum(tags) / len(tags) < 150


def test_the_same_seed_gives_the_same_grid_and_another_another(entries):
    assert list(synthetic.entries(40)) == entries
    assert list(synthetic.entries(40, seed=1)) != entries
    assert list(synthetic.entries(3)) == entries[: len(list(synthetic.entries(3)))]


def test_at_another_moment_only_states_and_spaces_are_others(entries):
    changed = set()
    later = list(synthetic.entries(40, moment=25))
    for old, new in zip(entries, later, strict=True):
        assert old.dn == new.dn
        changed |= {name for name, values in new.attributes.items() if old.attributes.get(name) != values}
    assert {"GlueCEStateFreeJobSlots", "GlueCEStateWaitingJobs", "GlueCEStateEstimatedResponseTime"} <= changed
    assert all(name.startswith(("GlueCEState", "GlueSA", "GlueSE")) for name in changed)
    assert "GlueCEStateStatus" not in changed


@pytest.mark.parametrize(
    ("attribute", "least"),
    [
        ("GlueHostMainMemoryRAMSize", 5),
        ("GlueHostOperatingSystemName", 5),
        ("GlueHostArchitecturePlatformType", 2),
        ("LRMSType", 5),
        ("GlueCEStateStatus", 4),
        ("GlueCEPolicyMaxWallClockTime", 6),
        ("GlueHostBenchmarkSI00", 20),
        ("GlueCEImplementationName", 2),
    ],
)
def test_elements_differ(records, attribute, least):
    assert len({str(record.ad.value(attribute)) for record in records}) >= least


def test_what_real_grids_have_of_oddities_is_there(records):
    waiting = collections.Counter(record.ad.value("GlueCEStateWaitingJobs") for record in records)
    assert waiting[444_444] > 5
    assert any(record.ad.value("GlueCEStateEstimatedResponseTime") == 2_146_660_842 for record in records)
    assert any(record.ce_id.endswith("sdj") for record in records)
    assert any("CloseStorageElements" not in record.ad for record in records)
    assert any("GlueHostBenchmarkSI00" not in record.ad for record in records)
    rules = {rule for record in records for rule in record.access_rules}
    assert any(rule.startswith("DENY:/testvo/") for rule in rules)
    assert any(rule.startswith("VOMS:/testvo/Role=") for rule in rules)
    views = collections.defaultdict(set)
    for record in records:
        views[record.ce_id].add(record.ad.value("GlueCEPolicyMaxRunningJobs"))
    assert any(len(policies) > 1 for policies in views.values())


def test_nearly_all_elements_support_the_first_vo():
    records = assemble(synthetic.entries(20, vos=("mine", "other"))).records
    mine = {record.ce_id for record in records if "VO:mine" in record.access_rules}
    assert len(mine) > 80
    rules = {rule for record in records for rule in record.access_rules}
    assert {rule for rule in rules if rule.startswith("VO:")} == {"VO:mine", "VO:other"}


def test_our_server_serves_it(entries):
    with LdapServer("127.0.0.1:0") as server:
        server.publish(entries)
        from infosys.client import LdapSource

        found = LdapSource(server.url, "mds-vo-name=local,o=grid").fetch("(objectclass=gluece)")
    assert len(found) == 200


@pytest.mark.parametrize(("sites", "ces"), [(0, 5), (-1, 5), (synthetic.MAX_SITES + 1, 5), (1, 0)])
def test_an_impossible_size_is_refused(sites, ces):
    with pytest.raises(ConfigurationError, match="a synthetic grid has 1 to 2000 sites"):
        next(synthetic.entries(sites, ces_per_site=ces))
