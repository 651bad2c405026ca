"""A real node: what it publishes through LDAP keeps the profiles and the real schema, and clients find it there."""

import datetime
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
from glue1_profile import violations as violations1
from glue2_profile import violations as violations2

from infosys.ce_ads import assemble
from infosys.client import LdapSource
from infosys.entry import Entry, to_ldif
from infosys.glue2_ads import assemble2, merge

SLAPADD = Path("/usr/sbin/slapd")
SCHEMA = Path("/etc/ldap/schema")
NEEDED = ("core", "cosine", "Glue-MDS", "Glue-CORE", "Glue-CE", "Glue-SE", "Glue-CESEBind", "GLUE20")

SITE = """\
[site]
web = "https://www.example.org/"
contact = "grid@example.org"
place = "Köln"
country = "Germany"
latitude = 52.5
longitude = 13.4

[[bdii.service]]
type = "MyProxy"
url = "myproxy://127.0.0.1:1/"
version = "1.0"

#"""
QUEUE = """\
access = ["VO:testvo", "VOMS:/testvo/Role=production", "VOMS:/testvo", "DENY:/testvo/Role=bad"]
software = ["GLITE-3_2_0"]
close_storage = ["se.example.org=/mnt", "other.example.org"]
si00 = 2500
hep_spec06 = 10.5
memory_mb"""


LISTS = {
    "GlueHostApplicationSoftwareRunTimeEnvironment",
    "GlueCEAccessControlBaseRule",
    "GlueCESEBindGroupSEUniqueID",
}
"""Attributes whose values have no order."""
DIFFERENT = {"PurchasedBy", "storage", "CloseStorageElements", "GlueSubClusterUniqueID", "GlueSubClusterTmpDir"}
"""Attributes that the two schemas do not say alike."""


@pytest.fixture(scope="module")
def site(make_node):
    """A node with a described site, a queue for a VO and a role, close storage, benchmarks and a VO's tags."""
    made = make_node()
    tags = made.root.parent / "tags" / "testvo"
    tags.mkdir(parents=True)
    (tags / "testvo.list").write_text("VO-testvo-tool\n# a remark\nno tag\nVO-testvo-other\n")
    file = made.root / "wms.toml"
    text = file.read_text().replace("[site]", SITE, 1).replace("memory_mb", QUEUE)
    file.write_text(text.replace("[ce]\n", f'[ce]\nsoftware_tags = "{tags.parent}"\n'))
    made.wms("up", "--detach")
    made.proxy("alice")
    return made


def bdii(site) -> LdapSource:
    return LdapSource(site.configuration().information_system, timeout=10)


@pytest.fixture(scope="module")
def entries(site) -> tuple[list[Entry], list[Entry]]:
    """The trees of GLUE 1.3 and 2.0 when every service of the node answers."""
    deadline = time.monotonic() + 40
    while True:
        found = bdii(site).fetch(base="o=grid"), bdii(site).fetch(base="o=glue")
        states = {e.first("GLUE2EndpointInterfaceName"): e.first("GLUE2EndpointHealthState") for e in found[1]}
        wanted = ("org.glite.wms.WMProxy", "org.glite.lb.Server", "org.glite.ce.CREAM", "bdii_top")
        if all(states.get(name) == "ok" for name in wanted):
            return found
        assert time.monotonic() < deadline, states
        time.sleep(0.5)


def test_what_a_node_publishes_keeps_the_profiles(entries):
    first, second = entries
    assert violations1(first) == []
    assert violations2(second, datetime.datetime.now(datetime.UTC)) == []


def test_both_schemas_tell_of_the_same_queue(entries):
    first, second = entries
    one, two = assemble(first), assemble2(second)
    assert (one.problems, two.problems) == ((), ())
    assert {record.key for record in one.records} == {record.key for record in two.records}
    assert len(one.records) == 3
    own = {record.key: record for record in two.records}
    for record in one.records:
        other = own[record.key]
        assert set(other.access_rules) == set(record.access_rules)
        assert (other.host, other.endpoint, other.site) == (record.host, record.endpoint, record.site)
        both = {name for name in other.ad if name in record.ad} - DIFFERENT - LISTS
        assert {name: record.ad.value(name) for name in both} == {name: other.ad.value(name) for name in both}
        for name in LISTS:
            assert set(other.ad.value(name)) == set(record.ad.value(name)), name
    merged = merge(one.records, two.records)
    assert [record.key for record in merged] == [record.key for record in one.records]


def test_software_tags_come_from_the_queue_and_from_the_vos_lists(entries):
    first, _ = entries
    (sub_cluster,) = [each for each in first if each.is_a("GlueSubCluster")]
    tags = ("GLITE-3_2_0", "VO-testvo-tool", "VO-testvo-other")
    assert sub_cluster.values("GlueHostApplicationSoftwareRunTimeEnvironment") == tags


@pytest.mark.skipif(
    not SLAPADD.exists() or not all((SCHEMA / f"{name}.schema").exists() for name in NEEDED),
    reason="slapd and the GLUE schema (Debian: slapd, glue-schema) are not installed",
)
def test_the_real_schema_admits_what_a_node_publishes(entries, tmp_path):
    for suffix, tree in zip(("o=grid", "o=glue"), entries, strict=True):
        (tmp_path / suffix).mkdir()
        configuration = tmp_path / f"{suffix}.conf"
        configuration.write_text(
            "".join(f"include {SCHEMA / name}.schema\n" for name in NEEDED)
            + f"modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {tmp_path / 'pid'}\n"
            + f'database mdb\nmaxsize 104857600\nsuffix "{suffix}"\ndirectory {tmp_path / suffix}\n'
        )
        ldif = tmp_path / f"{suffix}.ldif"
        ldif.write_text(to_ldif(sorted(tree, key=lambda entry: len(entry.key))))
        added = subprocess.run(
            ["slapadd", "-f", configuration, "-b", suffix, "-l", ldif],
            executable=SLAPADD, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert added.returncode == 0, added.stderr


def client(site, configuration: str, command: str = "glite-wms-job-list-match", *more: str, **environ: str):
    """Run a command that knows of no server but by its configuration."""
    directory = site.root.parent / "client"
    directory.mkdir(exist_ok=True)
    (directory / "ui.conf").write_text(f'[ VirtualOrganisation = "testvo"; {configuration} ]')
    (directory / "job.jdl").write_text('[ Executable = "/bin/true"; Requirements = true; Rank = 1; ]')
    kept = {key: value for key, value in site.environment("alice").items() if "CONFIG" not in key}
    for name in ("GLITE_WMS_WMPROXY_ENDPOINT", "LCG_GFAL_INFOSYS"):
        kept.pop(name)
    environment = {**kept, "GLITE_WMS_CLIENT_CONFIG": str(directory / "ui.conf"), **environ}
    program = Path(site.environment("alice")["PATH"].partition(os.pathsep)[0]) / command
    arguments = more or ("-a", "job.jdl")
    return subprocess.run(
        [program, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def test_a_client_that_knows_the_information_system_alone_finds_the_server(site, entries):
    where = site.environment()["LCG_GFAL_INFOSYS"]
    found = client(site, "EnableServiceDiscovery = true;", LCG_GFAL_INFOSYS=where)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"Connecting to the service {site.configuration().wmproxy_endpoint}" in found.stdout
    assert "cream-fork-default" in found.stdout


def test_the_second_bdii_is_asked_when_the_first_is_gone_and_configured_servers_come_first(site, entries):
    where = site.configuration().information_system
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = f"127.0.0.1:{gone.getsockname()[1]}"
    dead = f"https://{nobody}/glite_wms_wmproxy_server"
    found = client(
        site,
        f'EnableServiceDiscovery = true; InformationSystem = {{ "ldap://{nobody}", "{where}" }};'
        f'WmProxyEndPoints = {{ "{dead}" }};',
    )
    assert found.returncode == 0, found.stdout + found.stderr
    order = [found.stdout.index(f"service {url}") for url in (dead, site.configuration().wmproxy_endpoint)]
    assert order == sorted(order)
    assert f"ldap://{nobody}" in found.stdout + found.stderr


def test_without_discovery_or_for_another_vo_nothing_is_found(site, entries):
    where = site.configuration().information_system
    found = client(site, f'InformationSystem = "{where}";')
    assert found.returncode == 1
    assert "Unable to find any endpoint" in found.stderr
    found = client(site, f'EnableServiceDiscovery = true; InformationSystem = "{where}";', GLITE_SD_VO="cms")
    assert found.returncode == 1
    assert "no service of type org.glite.wms.WMProxy" in found.stderr
    found = client(site, "EnableServiceDiscovery = true;")
    assert "name one in LCG_GFAL_INFOSYS" in found.stderr


def test_status_finds_the_bookkeeping_server(site, entries):
    where = site.configuration().information_system
    job = site.submit('[ Executable = "/bin/true"; ]')
    found = client(
        site, f'EnableServiceDiscovery = true; InformationSystem = "{where}";', "glite-wms-job-status", "--all"
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert job in found.stdout
    site.wait(job)
