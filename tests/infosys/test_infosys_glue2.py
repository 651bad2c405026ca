"""GLUE 2.0: record → entry → record."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infosys.entry import Entry, from_ldif, to_ldif
from infosys.errors import RecordError
from infosys.glue2 import AccessPolicy, AdminDomain, Endpoint, Entity, Location, MappingPolicy
from infosys.glue2_computing import ComputingEndpoint, ComputingShare, ExecutionEnvironment
from infosys.glue2_reader import KINDS, records_of
from infosys.schema import glue2

SUFFIX = "GLUE2GroupID=resource,GLUE2DomainID=SITE,GLUE2GroupID=grid,o=glue"
NAME = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12).map(str.strip).filter(bool)


def of(kind: type[Entity]) -> st.SearchStrategy[Entity]:
    """Any record of that kind."""
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    return st.builds(
        kind, **{each.name: values(hints[each.name], each.default is dataclasses.MISSING) for each in fields}
    )


def values(hint: Any, required: bool) -> st.SearchStrategy[Any]:
    if typing.get_origin(hint) is tuple:
        return st.lists(NAME, min_size=1 if required else 0, max_size=3).map(tuple)
    if isinstance(hint, types.UnionType):
        return st.none() | values(typing.get_args(hint)[0], required)
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(0, 2**40)
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    return NAME


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_what_a_record_publishes_is_read_as_the_same_record_and_fits_the_schema(
    kind: type[Entity], data: st.DataObject
) -> None:
    record = data.draw(of(kind))
    entry = record.entry(SUFFIX)
    assert records_of(from_ldif(to_ldif([entry]))).records == (record,)
    schema = glue2()
    classes = [schema.classes[each.lower()] for each in entry.values("objectClass")]
    allowed = {name.lower() for each in classes for name in (*each.must, *each.may)} | {"objectclass"}
    assert {name.lower() for name in entry.attributes} <= allowed
    for name, found in entry.attributes.items():
        known = schema.attribute(name)
        assert known is not None
        assert len(found) == 1 or not known.single, name


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.__name__)
def test_every_field_is_an_attribute_of_the_type_that_the_schema_says(kind: type[Entity]) -> None:
    hints = typing.get_type_hints(kind)
    for each in dataclasses.fields(kind):
        for name in each.metadata["glue"]:
            known = glue2().attribute(name)
            assert known is not None, name
            hint = hints[each.name]
            assert (typing.get_origin(hint) is tuple) == (not known.single), name
            if known.integer:
                assert hint in (int, int | None), name


def test_a_share_names_its_service_endpoint_and_environment_in_both_spellings() -> None:
    share = ComputingShare(
        id="q_vo", service_id="s", endpoint_ids=("e",), resource_ids=("r",), free_slots=3, max_wall_time=3600
    )
    assert dict(share.entry("GLUE2ServiceID=s,GLUE2GroupID=resource,o=glue").attributes) == {
        "objectClass": ("GLUE2Entity", "GLUE2Share", "GLUE2ComputingShare"),
        "GLUE2ShareID": ("q_vo",),
        "GLUE2ShareServiceForeignKey": ("s",),
        "GLUE2ComputingShareComputingServiceForeignKey": ("s",),
        "GLUE2ShareEndpointForeignKey": ("e",),
        "GLUE2ComputingShareComputingEndpointForeignKey": ("e",),
        "GLUE2ShareResourceForeignKey": ("r",),
        "GLUE2ComputingShareExecutionEnvironmentForeignKey": ("r",),
        "GLUE2ComputingShareServingState": ("production",),
        "GLUE2ComputingShareFreeSlots": ("3",),
        "GLUE2ComputingShareMaxWallTime": ("3600",),
    }


def test_an_entry_is_named_by_its_id_below_its_parent() -> None:
    endpoint = Endpoint(id='a,"b"', service_id="s", url="https://x/", interface_name="i")
    assert endpoint.entry("GLUE2ServiceID=s,o=glue").dn == 'GLUE2EndpointID=a\\,\\"b\\",GLUE2ServiceID=s,o=glue'


def test_a_record_without_what_the_schema_demands_is_no_entry() -> None:
    with pytest.raises(RecordError, match="GLUE2PolicyRule"):
        MappingPolicy(id="p", rules=(), share_ids=("s",)).entry()
    with pytest.raises(RecordError, match="GLUE2AccessPolicyEndpointForeignKey"):
        AccessPolicy(id="p", rules=("VO:vo",), endpoint_ids=()).entry()


def test_special_kinds_are_read_as_such_and_broken_entries_are_told() -> None:
    endpoint = ComputingEndpoint(id="e", service_id="s", url="https://x/", interface_name="i")
    broken = {**endpoint.entry().attributes, "GLUE2ComputingEndpointTotalJobs": ("9e99",)}
    whole = AdminDomain(id="SITE").entry("o=glue")
    reading = records_of([endpoint.entry(), Entry("GLUE2EndpointID=x,o=glue", broken), whole, Entry("o=glue", {})])
    assert reading.records == (endpoint, AdminDomain(id="SITE"))
    assert "an integer, not '9e99' for GLUE2ComputingEndpointTotalJobs" in reading.problems[0]


def test_real_numbers_are_whole_where_they_are() -> None:
    entry = ExecutionEnvironment(
        id="r", manager_id="m", platform="x86_64", main_memory=2048, cpu_time_scaling=1.0, wall_time_scaling=0.5
    ).entry()
    assert entry.first("GLUE2ExecutionEnvironmentCPUTimeScalingFactor") == "1"
    assert entry.first("GLUE2ExecutionEnvironmentWallTimeScalingFactor") == "0.5"
    assert Location(id="l", latitude=52.25).entry().first("GLUE2LocationLatitude") == "52.25"
