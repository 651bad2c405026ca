"""Our records in a real slapd with the real GLUE schema (Debian: slapd, glue-schema).

WMS_TEST_SLAPD_ROOT may name a directory into which the packages were unpacked.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infosys import messages
from infosys.ce_ads import assemble
from infosys.client import LdapSource
from infosys.directory import Directory
from infosys.entry import Entry, to_ldif
from infosys.filters import Present
from infosys.glue1 import CESEBind, bind_entries
from infosys.schema import glue1

ROOT = Path(os.environ.get("WMS_TEST_SLAPD_ROOT", "/"))
SLAPD = ROOT / "usr/sbin/slapd"
SCHEMA = ROOT / "etc/ldap/schema"
NEEDED = ("core", "cosine", "Glue-MDS", "Glue-CORE", "Glue-CE", "Glue-SE", "Glue-CESEBind")

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
    ldif = tmp_path / "grid.ldif"
    ldif.write_text(to_ldif(with_levels([*grid, *binds])))
    added = subprocess.run(
        ["slapadd", "-f", configuration, "-b", "o=grid", "-l", ldif],
        executable=SLAPD, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"ldap://127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen([SLAPD, "-f", configuration, "-h", url, "-d", "0"], stderr=subprocess.DEVNULL)
    try:
        yield _answering(LdapSource(url, timeout=10))
    finally:
        server.terminate()
        server.wait(10)


def with_levels(entries: list[Entry]) -> list[Entry]:
    """The entries below those that are only names of levels, as every LDAP server needs them."""
    tree = Directory(entries)
    top = tree.find("o=grid")
    assert top is not None
    return [node.entry for node in tree.candidates(top, messages.SUBTREE, Present("objectClass"))]


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
    for name, ours in glue1().attributes.items():
        if name.startswith("glue"):
            theirs = real.attribute(name)
            assert theirs is not None, name
            assert (theirs.single, theirs.integer, theirs.oid) == (ours.single, ours.integer, ours.oid), name


def test_the_ads_are_the_same_with_the_learnt_schema(slapd: LdapSource) -> None:
    entries = slapd.fetch()
    learnt, own = assemble(entries, slapd.schema()), assemble(entries)
    assert len(learnt.records) == 3
    assert [record.ad for record in learnt.records] == [record.ad for record in own.records]
