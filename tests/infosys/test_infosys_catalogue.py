"""The catalogue of files: names, aliases, replicas; and what its service answers over a real connection's identity."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import storage
from infosys import catalogue, catalogue_tables
from infosys.catalogue import Catalogue
from infosys.errors import FileUnknown, LogicalNameError, NameTaken, TooManyReplicas
from infosys.logical_name import check_guid, check_lfn, check_replica, storage_host

GUID = "0d8f1c1e-1111-4222-8333-444455556666"
HERE, THERE = "srm://se.example.org:8446/a", "sfn://se2.example.org/b"


@pytest.fixture
def files(tmp_path):
    engine = storage.open_engine(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    storage.create(engine, catalogue_tables.metadata, catalogue_tables.VERSION)
    writer = storage.GroupWriter(engine)
    yield Catalogue(engine, writer)
    writer.close()
    engine.dispose()


def test_a_file_has_names_and_replicas_in_the_order_of_their_coming(files):
    guid = files.register("lfn:/grid/vo/a", GUID, [THERE])
    assert files.add_replicas("lfn:/grid/vo/a", [HERE]) == guid == GUID
    files.add_alias(f"guid:{GUID}", "lfn:a")
    for name in ("lfn:/grid/vo/a", "/grid/vo/a", "lfn:a", f"guid:{GUID.upper()}", HERE):
        entry = files.entry(name)
        assert (entry.guid, entry.lfns, entry.replicas) == (GUID, ("/grid/vo/a", "a"), (THERE, HERE))


def test_repeating_a_change_changes_nothing(files):
    for _ in range(2):
        files.register("lfn:a", GUID, [HERE])
        files.add_replicas("lfn:a", [HERE])
        files.add_alias("lfn:a", "lfn:b")
    assert files.register("lfn:a") == GUID
    assert files.entry("lfn:b").replicas == (HERE,) and len(files.listing()) == 1


def test_a_name_belongs_to_one_file(files):
    files.register("lfn:a", GUID)
    other = files.register("lfn:b")
    with pytest.raises(NameTaken, match=GUID):
        files.register("lfn:a", other)
    with pytest.raises(NameTaken):
        files.add_alias("lfn:b", "lfn:a")


def test_a_file_goes_with_its_last_name(files):
    files.register("lfn:a", GUID, [HERE])
    files.add_alias("lfn:a", "lfn:b")
    files.remove("lfn:a")
    assert files.entry(f"guid:{GUID}").lfns == ("b",)
    files.remove("lfn:b")
    for name in (f"guid:{GUID}", "lfn:a", HERE):
        with pytest.raises(FileUnknown, match="No such file"):
            files.entry(name)
    files.register("lfn:c", GUID)
    assert files.entry("lfn:c").replicas == ()
    files.add_alias("lfn:c", "lfn:d")
    files.remove(f"guid:{GUID}")
    assert files.listing() == []


def test_what_is_not_there_cannot_be_changed(files):
    changes = (files.remove, lambda name: files.add_replicas(name, [HERE]), lambda name: files.add_alias(name, "x"))
    for change in changes:
        with pytest.raises(FileUnknown, match="lfn:none"):
            change("lfn:none")
    files.register("lfn:a", GUID, [HERE])
    with pytest.raises(FileUnknown, match="no replica"):
        files.remove_replicas("lfn:a", [THERE])
    files.remove_replicas("lfn:a", [HERE, HERE])
    assert files.entry("lfn:a").replicas == ()


def test_a_refused_change_leaves_nothing_behind(files, monkeypatch):
    monkeypatch.setattr(catalogue, "MAX_REPLICAS", 2)
    with pytest.raises(TooManyReplicas):
        files.register("lfn:a", GUID, [HERE, THERE, "se3"])
    assert files.listing() == []


def test_several_replicas_come_and_go_together_or_not_at_all(files, monkeypatch):
    files.register("lfn:a", GUID, [HERE])
    with pytest.raises(LogicalNameError):
        files.add_replicas("lfn:a", [THERE, "not a host"])
    monkeypatch.setattr(catalogue, "MAX_REPLICAS", 3)
    with pytest.raises(TooManyReplicas):
        files.add_replicas("lfn:a", [THERE, "se3", "se4"])
    with pytest.raises(FileUnknown, match="no replica sfn://se2"):
        files.remove_replicas("lfn:a", [HERE, THERE])
    assert files.entry("lfn:a").replicas == (HERE,)
    files.add_replicas("lfn:a", [HERE, THERE, "se3", THERE])
    assert files.entry("lfn:a").replicas == (HERE, THERE, "se3")
    files.remove_replicas("lfn:a", ["se3", HERE])
    assert files.entry("lfn:a").replicas == (THERE,)


def test_listing_takes_the_beginning_literally(files):
    for name in ("/grid/a_1", "/grid/ab1", "/grid/%", "/other"):
        files.register(name)
    assert [entry.lfns for entry in files.listing("lfn:/grid/a_")] == [("/grid/a_1",)]
    assert [entry.lfns for entry in files.listing("/grid/%")] == [("/grid/%",)]
    assert len(files.listing("/grid", limit=2)) == 2


def test_changes_are_there_for_another_process(files, tmp_path):
    files.register("lfn:a", GUID, [HERE])
    engine = storage.open_engine(f"sqlite:///{tmp_path / 'catalogue.sqlite'}")
    assert Catalogue(engine).entry("lfn:a").replicas == (HERE,)
    engine.dispose()


@pytest.mark.parametrize("wrong", ["", "lfn:", " a", "a ", "a\nb", "x" * 1025])
def test_what_is_no_logical_name_is_refused(files, wrong):
    with pytest.raises(LogicalNameError):
        files.register(wrong)


@pytest.mark.parametrize("wrong", ["", "srm://", "srm:///path", "a b", "srm://ho st/x", "-x", "srm://h/\0"])
def test_what_names_no_storage_element_is_no_replica(wrong):
    with pytest.raises(LogicalNameError):
        check_replica(wrong)


@pytest.mark.parametrize(
    ("replica", "host"),
    [
        ("srm://SE.example.org/a/b", "se.example.org"),
        ("srm://se.example.org:8446/srm/managerv2?SFN=/a", "se.example.org"),
        ("sfn://se/a", "se"),
        ("gsiftp://se.example.org", "se.example.org"),
        ("se.example.org", "se.example.org"),
        ("lfn:/a", None),
        ("srm://user@host/a", None),
    ],
)
def test_the_host_of_a_replica(replica, host):
    assert storage_host(replica) == host


@given(st.text(max_size=60))
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
def test_any_text_is_a_name_or_is_refused_with_a_sentence(text):
    for check in (check_lfn, check_guid, check_replica):
        try:
            assert check(text)
        except LogicalNameError as error:
            assert error.reason in error.description
