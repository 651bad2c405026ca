"""GLUE 1.3 records as entries."""

from __future__ import annotations

import pytest

from infosys.ce_id import CeId, CeIdError
from infosys.entry import Entry
from infosys.errors import RecordError
from infosys.glue1 import CEInfo, CESEBind, ComputingElement, VOView, bind_entries
from infosys.schema import glue1


def element(**more: object) -> ComputingElement:
    values: dict[str, object] = {
        "unique_id": "h.example.org:8443/cream-fork-q",
        "cluster_id": "h.example.org",
        "info": CEInfo(host_name="h.example.org", lrms_type="fork"),
        "access": ("VO:vo",),
    }
    return ComputingElement(**(values | more))  # type: ignore[arg-type]


def test_a_computing_element_is_published_as_grids_do() -> None:
    (entry,) = element().entries()
    assert entry.dn == "GlueCEUniqueID=h.example.org:8443/cream-fork-q,mds-vo-name=resource,o=grid"
    for name in [
        "CETop",
        "CE",
        "CEAccessControlBase",
        "CEInfo",
        "CEPolicy",
        "CEState",
        "InformationService",
        "Key",
        "SchemaVersion",
    ]:
        assert entry.is_a(f"Glue{name}")
    assert entry.values("GlueForeignKey") == ("GlueClusterUniqueID=h.example.org",)
    assert entry.first("GlueCEStateEstimatedResponseTime") == "2146660842"
    assert entry.first("GlueCEPolicyMaxWallClockTime") == "999999999"
    assert (entry.first("GlueSchemaVersionMajor"), entry.first("GlueSchemaVersionMinor")) == ("1", "3")


def test_every_published_attribute_belongs_to_a_class_of_its_entry(grid: list[Entry]) -> None:
    schema = glue1()
    for entry in grid:
        allowed = {
            name.lower()
            for each in entry.values("objectClass")
            for name in (*schema.classes[each.lower()].must, *schema.classes[each.lower()].may)
        }
        foreign = [name for name in entry.attributes if name.lower() not in allowed | {"objectclass"}]
        assert not foreign, entry.dn
        single = [
            name
            for name, values in entry.attributes.items()
            if len(values) > 1 and (known := schema.attribute(name)) and known.single
        ]
        assert not single, entry.dn


def test_a_view_stands_below_its_element() -> None:
    view = VOView(local_id="/vo/Role=x", access=("VOMS:/vo/Role=x",))
    entry = element(views=(view,)).entries("mds-vo-name=S,o=grid")[1]
    assert (
        entry.dn == "GlueVOViewLocalID=/vo/Role=x,GlueCEUniqueID=h.example.org:8443/cream-fork-q,mds-vo-name=S,o=grid"
    )
    assert entry.first("GlueChunkKey") == "GlueCEUniqueID=h.example.org:8443/cream-fork-q"


def test_an_element_without_access_rules_is_refused() -> None:
    with pytest.raises(RecordError, match="GlueCEAccessControlBaseRule"):
        element(access=()).entries()


def test_close_storage_is_published_in_a_group() -> None:
    group, bind = bind_entries("ce", [CESEBind(ce_id="ce", se_id="se.example.org", access_point="/mnt")])
    assert group.values("GlueCESEBindGroupSEUniqueID") == ("se.example.org",)
    assert bind.dn.startswith("GlueCESEBindSEUniqueID=se.example.org,GlueCESEBindGroupCEUniqueID=ce,")
    assert bind.first("GlueCESEBindCEAccesspoint") == "/mnt"


def test_the_parts_of_an_identifier() -> None:
    parts = CeId.parse("host.example.org:8443/cream-pbs-long-queue")
    assert (parts.contact, parts.lrms, parts.queue) == ("host.example.org:8443/cream-pbs", "pbs", "long-queue")
    assert (parts.host, parts.port, parts.kind) == ("host.example.org", 8443, "cream")
    assert str(CeId.cream("h", 8443, "fork", "q")) == "h:8443/cream-fork-q"
    assert CeId.find("host/jobmanager-lsf-q").lrms == "lsf"  # type: ignore[union-attr]
    assert CeId.find("no queue here") is None


@pytest.mark.parametrize(
    "text", ["", "host/cream-pbs-q", "h:0/cream-pbs-q", "h:8443/cream-pbs", "h:8443/cream-pbs-q x", "h:70000/cream-a-b"]
)
def test_what_names_no_queue_is_refused(text: str) -> None:
    with pytest.raises(CeIdError):
        CeId.parse(text)
