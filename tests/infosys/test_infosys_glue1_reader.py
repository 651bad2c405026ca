"""GLUE 1.3: record → entries → record."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infosys.entry import Entry, from_ldif, to_ldif
from infosys.glue1 import CESEBind, Cluster, ComputingElement, Site, SubCluster, bind_entries
from infosys.glue1_reader import records_of
from infosys.glue1_service import Service
from infosys.glue1_storage import StorageElement
from infosys.schema import glue1

SUFFIX = "mds-vo-name=SITE,mds-vo-name=local,o=grid"
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NAME = TEXT.map(str.strip).filter(bool)


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Any record of that kind, its parts included; names of entries differ from one another."""
    hints = typing.get_type_hints(kind)
    fields = {}
    for each in dataclasses.fields(kind):
        key = "local_id" in each.name or each.name in ("key", "unique_id", "ce_id", "se_id", "cluster_id", "site_id")
        fields[each.name] = NAME if key else _values(hints[each.name], required=each.default is dataclasses.MISSING)
    return st.builds(kind, **fields)


def _values(hint: Any, required: bool) -> st.SearchStrategy[Any]:
    if typing.get_origin(hint) is tuple:
        (item, _) = typing.get_args(hint)
        if dataclasses.is_dataclass(item):
            return st.lists(of(item), max_size=2, unique_by=_name).map(tuple)
        return st.lists(NAME, min_size=1 if required else 0, max_size=3).map(tuple)
    if isinstance(hint, types.UnionType):
        return st.none() | _values(typing.get_args(hint)[0], required)
    if hint is bool:
        return st.booleans()
    if hint is int:
        return st.integers(-(2**40), 2**40)
    return of(hint) if dataclasses.is_dataclass(hint) else (NAME if required else st.just("") | NAME)


def _name(record: Any) -> str:
    text = record.key if hasattr(record, "key") else record.local_id
    return " ".join(text.lower().split())


@settings(max_examples=40, deadline=None)
@given(st.one_of(*(of(kind) for kind in (Site, Cluster, SubCluster, ComputingElement, Service, StorageElement))))
def test_what_a_record_publishes_is_read_as_the_same_record(record: Any) -> None:
    entries = record.entries(SUFFIX)
    reading = records_of(from_ldif(to_ldif(entries)))
    assert (reading.records, reading.problems) == ((record,), ())


@settings(max_examples=20, deadline=None)
@given(of(CESEBind))
def test_a_bind_is_read_as_the_same_bind(bind: CESEBind) -> None:
    assert records_of(bind_entries(bind.ce_id, [bind], SUFFIX)).records == (bind,)


@settings(max_examples=40, deadline=None)
@given(st.one_of(*(of(kind) for kind in (Site, Cluster, SubCluster, ComputingElement, Service, StorageElement))))
def test_every_attribute_belongs_to_a_class_of_its_entry_and_single_ones_have_one_value(record: Any) -> None:
    for entry in record.entries(SUFFIX):
        classes = [glue1().classes[each.lower()] for each in entry.values("objectClass")]
        allowed = {name.lower() for each in classes for name in (*each.must, *each.may)} | {"objectclass"}
        assert {name.lower() for name in entry.attributes} <= allowed
        for name, values in entry.attributes.items():
            known = glue1().attribute(name)
            assert known is not None
            assert len(values) == 1 or not known.single


def test_what_cannot_be_read_is_left_out_and_told(grid: list[Entry]) -> None:
    broken = [
        Entry(entry.dn, {**entry.attributes, "GlueHostMainMemoryRAMSize": ("much",)})
        if entry.is_a("GlueSubCluster")
        else entry
        for entry in grid
    ]
    reading = records_of([*broken, Entry("no name", {})])
    assert {type(record).__name__ for record in reading.records} == {"Site", "Cluster", "ComputingElement"}
    assert any("an integer, not 'much'" in problem for problem in reading.problems)
    assert any("'no name' is not a distinguished name" in problem for problem in reading.problems)
