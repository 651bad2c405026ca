"""Our records in a real slapd with the real GLUE schema (Debian: slapd, glue-schema).

WMS_TEST_SLAPD_ROOT may name a directory into which the packages were unpacked.
"""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import time
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infosys import messages, synthetic
from infosys.ce_ads import assemble
from infosys.client import LdapSource
from infosys.directory import Directory
from infosys.entry import Entry, to_ldif
from infosys.errors import SourceFailure
from infosys.filters import Present
from infosys.glue1 import CESEBind, bind_entries
from infosys.glue1_service import Service, ServiceData
from infosys.glue1_storage import AccessProtocol, ControlProtocol, StorageArea, StorageElement, VOInfo
from infosys.glue2_reader import KINDS, records_of
from infosys.schema import glue
from infosys.stream import by_class
from infosys.synthetic2 import entries2

ROOT = Path(os.environ.get("WMS_TEST_SLAPD_ROOT", "/"))
SLAPD = ROOT / "usr/sbin/slapd"
SCHEMA = ROOT / "etc/ldap/schema"
NEEDED = ("core", "cosine", "Glue-MDS", "Glue-CORE", "Glue-CE", "Glue-SE", "Glue-CESEBind", "GLUE20")

pytestmark = pytest.mark.skipif(
    not SLAPD.exists() or not all((SCHEMA / f"{name}.schema").exists() for name in NEEDED),
    reason="slapd and the GLUE schema (Debian: slapd, glue-schema) are not installed",
)


@pytest.fixture
def slapd(grid: list[Entry], tmp_path: Path) -> Iterator[LdapSource]:
    """A slapd that has checked and holds the small grid."""
    database = tmp_path / "db"
    database.mkdir()
    configuration = tmp_path / "slapd.conf"
    configuration.write_text(
        "".join(f"include {SCHEMA / name}.schema\n" for name in NEEDED)
        + f"modulepath {ROOT / 'usr/lib/ldap'}\nmoduleload back_mdb\npidfile {tmp_path / 'pid'}\n"
        + f'database mdb\nmaxsize 104857600\nsuffix "o=grid"\ndirectory {database}\n'
    )
    ce_id = next(entry for entry in grid if entry.is_a("GlueCE")).first("GlueCEUniqueID") or ""
    binds = bind_entries(ce_id, [CESEBind(ce_id=ce_id, se_id="se.example.org", access_point="/mnt")])
    added = slapadd(configuration, "o=grid", with_levels([*grid, *binds]), tmp_path)
    assert added.returncode == 0, added.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"ldap://127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen([SLAPD, "-f", configuration, "-h", url, "-d", "0"], stderr=subprocess.DEVNULL)
    try:
        yield _answering(LdapSource(url, timeout=10))
    finally:
        server.terminate()
        server.wait(10)


def slapadd(
    configuration: Path, suffix: str, entries: list[Entry], directory: Path
) -> subprocess.CompletedProcess[str]:
    """Let slapd's own tool check the entries and put them into the database."""
    ldif = directory / "entries.ldif"
    ldif.write_text(to_ldif(entries))
    return subprocess.run(
        ["slapadd", "-f", configuration, "-b", suffix, "-l", ldif],
        executable=SLAPD, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def with_levels(entries: list[Entry]) -> list[Entry]:
    """The entries below those that are only names of levels, as every LDAP server needs them."""
    tree = Directory(entries)
    top = tree.find(entries[0].dn.rpartition(",")[2])
    assert top is not None
    return [node.entry for node in tree.below(top, messages.SUBTREE)]


def _answering(source: LdapSource) -> LdapSource:
    deadline = time.monotonic() + 10
    while True:
        try:
            with socket.create_connection((source.host, source.port), timeout=1):
                return source
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_the_real_schema_admits_our_entries_and_they_come_back_the_same(slapd: LdapSource, grid: list[Entry]) -> None:
    found = {entry.key: entry for entry in slapd.fetch()}
    for entry in grid:
        for name, values in entry.attributes.items():
            assert sorted(found[entry.key].values(name)) == sorted(values)


def test_our_idea_of_the_attributes_is_that_of_the_real_schema(slapd: LdapSource) -> None:
    real = slapd.schema()
    for name, ours in glue().attributes.items():
        if name.startswith("glue"):
            theirs = real.attribute(name)
            assert theirs is not None, name
            assert (theirs.single, theirs.integer, theirs.oid) == (ours.single, ours.integer, ours.oid), name


def test_the_ads_are_the_same_with_the_learnt_schema(slapd: LdapSource) -> None:
    entries = slapd.fetch()
    learnt, own = assemble(entries, slapd.schema()), assemble(entries)
    assert len(learnt.records) == 3
    assert [record.ad for record in learnt.records] == [record.ad for record in own.records]


@pytest.fixture
def empty(tmp_path: Path) -> Callable[[str], Path]:
    """Give a suffix; get the configuration of an empty slapd for it."""

    def make(suffix: str) -> Path:
        (tmp_path / suffix).mkdir()
        configuration = tmp_path / f"{suffix}.conf"
        configuration.write_text(
            "".join(f"include {SCHEMA / name}.schema\n" for name in NEEDED)
            + f"modulepath {ROOT / 'usr/lib/ldap'}\nmoduleload back_mdb\n"
            + f'database mdb\nmaxsize 104857600\nsuffix "{suffix}"\ndirectory {tmp_path / suffix}\n'
        )
        return configuration

    return make


def test_the_real_schema_admits_every_kind_of_glue_2_record(empty: Callable[[str], Path], tmp_path: Path) -> None:
    records = []
    for kind in KINDS.values():
        values: dict[str, object] = {}
        for each in dataclasses.fields(kind):
            hint = str(typing.get_type_hints(kind)[each.name])
            sample = ("x", "y") if "tuple" in hint else 1.5 if "float" in hint else True if "bool" in hint else "x"
            values[each.name] = 7 if "int" in hint else sample
        named = next(name for name in values if name == "id")
        records.append(kind(**{**values, named: kind.OBJECT_CLASS}))
    entries = [record.entry("GLUE2GroupID=resource,o=glue") for record in records]
    added = slapadd(empty("o=glue"), "o=glue", with_levels(entries), tmp_path)
    assert added.returncode == 0, added.stderr
    assert records_of(entries).records == tuple(records)


def test_the_real_schema_admits_storage_and_services_of_glue_1(empty: Callable[[str], Path], tmp_path: Path) -> None:
    area = StorageArea(local_id="vo", available_space=5, access=("VO:vo",), vo_info=(VOInfo(local_id="v", path="/vo"),))
    storage = StorageElement(
        unique_id="se.example.org",
        site_id="S",
        size_total=10,
        io_load=1,
        areas=(area,),
        access_protocols=(AccessProtocol(local_id="g", type="gsiftp", port=2811, security=("GSI",)),),
        control_protocols=(ControlProtocol(local_id="s", type="SRM", capability=("x",)),),
    )
    data = (ServiceData(key="k", value="v"),)
    service = Service(unique_id="s", site_id="S", type="t", endpoint="https://x/", access=("ALL",), data=data)
    added = slapadd(empty("o=grid"), "o=grid", with_levels([*storage.entries(), *service.entries()]), tmp_path)
    assert added.returncode == 0, added.stderr


@pytest.mark.parametrize("tree", ["o=grid", "o=glue"])
def test_the_made_up_grid_passes_the_check_of_the_real_schema(tree: str, tmp_path: Path) -> None:
    database = tmp_path / "db"
    database.mkdir()
    configuration = tmp_path / "slapd.conf"
    configuration.write_text(
        "".join(f"include {SCHEMA / name}.schema\n" for name in NEEDED)
        + f"modulepath {ROOT / 'usr/lib/ldap'}\nmoduleload back_mdb\npidfile {tmp_path / 'pid'}\n"
        + f'database mdb\nmaxsize 104857600\nsuffix "{tree}"\ndirectory {database}\n'
    )
    made = list(synthetic.entries(4) if tree == "o=grid" else entries2(4))
    added = slapadd(configuration, tree, with_levels(made), tmp_path)
    assert added.returncode == 0, added.stderr[-2000:]


def test_the_reader_of_large_answers_reads_what_ldap3_reads(slapd: LdapSource) -> None:
    found = list(slapd.stream(by_class("GlueCE", "GlueVOView", "GlueCluster")))
    assert found == slapd.fetch("(|(objectClass=GlueCE)(objectClass=GlueVOView)(objectClass=GlueCluster))")
    assert found
    with pytest.raises(SourceFailure, match="noSuchObject"):
        list(slapd.stream(Present("objectClass"), base="o=elsewhere"))
