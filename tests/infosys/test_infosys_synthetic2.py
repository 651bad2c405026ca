"""The made-up grid in GLUE 2.0 is the one in GLUE 1.3."""

from __future__ import annotations

from infosys.ce_ads import assemble
from infosys.filters import as_integer
from infosys.glue2_ads import assemble2
from infosys.schema import glue2
from infosys.synthetic import entries
from infosys.synthetic2 import entries2

SITES = 6


def test_every_entry_meets_the_schema() -> None:
    schema = glue2()
    found = list(entries2(SITES))
    assert len({entry.key for entry in found}) == len(found)
    for entry in found:
        classes = entry.values("objectClass")
        for name in classes:
            assert all(entry.values(wanted) for wanted in schema.mandatory(name) if wanted != "objectClass"), entry.dn
        for attribute, values in entry.attributes.items():
            known = schema.attribute(attribute)
            assert known is not None, attribute
            assert not known.integer or all(as_integer(value) is not None for value in values)


def test_it_has_the_elements_states_and_rules_of_glue_1() -> None:
    one, two = assemble(entries(SITES, moment=9)), assemble2(entries2(SITES, moment=9))
    assert two.problems == ()
    assert {record.ce_id for record in two.records} == {record.ce_id for record in one.records}
    by_rules = {(record.ce_id, record.access_rules[0]): record for record in two.records}
    compared = 0
    for record in one.records:
        for rule in record.access_rules:
            twin = by_rules.get((record.ce_id, rule))
            if twin is None:
                assert rule.startswith("DENY:")
                continue
            compared += 1
            for name in (
                *("GlueCEStateFreeJobSlots", "GlueCEStateWaitingJobs", "GlueCEPolicyMaxWallClockTime"),
                *("GlueHostMainMemoryRAMSize", "GlueHostBenchmarkSI00", "GlueHostOperatingSystemName"),
            ):
                assert twin.ad.value(name) == record.ad.value(name), (record.key, name)
            tags = "GlueHostApplicationSoftwareRunTimeEnvironment"
            assert set(twin.ad.value(tags)) == set(record.ad.value(tags))
            assert (twin.site, twin.endpoint) == (record.site, record.endpoint)
    assert compared > 60
