"""The cheap look at what changes by the minute in GLUE 2.0: of our server, of slapd, and of sources that lie."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ldap3
import pytest
from marketplace import SITE, answering, bought, looked, texts

from broker.job import Job
from broker.matchmaker import match
from broker.purchase import STATES, WHOLE, Order
from broker.source import InformationSource
from broker.states import STATE, state_of
from broker.stocktaking import told
from broker.supermarket import Snapshot, Supermarket
from grid.fqan import Fqan
from infosys import messages
from infosys.access import User
from infosys.directory import Directory
from infosys.entry import Entry, to_ldif
from infosys.glue2_ads import assemble2
from infosys.server import LdapServer
from infosys.synthetic2 import entries2
from jdl.parser import parse
from node import ports
from node.ism import source_lines

USER = User("/DC=org/CN=Test", (Fqan.parse("/testvo"),))
SLAPD = Path("/usr/sbin/slapd")
SCHEMA = Path("/etc/ldap/schema")
NEEDED = ("core", "cosine", "GLUE20")


@pytest.fixture(scope="module")
def grid() -> list[Entry]:
    return list(entries2(SITE))


@pytest.fixture
def bdii(grid: list[Entry]) -> Iterator[LdapServer]:
    with LdapServer("127.0.0.1:0") as server:
        server.publish(grid)
        yield server


def market(url: str) -> Supermarket:
    source = InformationSource(url, "mds-vo-name=local,o=grid", schema="2.0", timeout=10.0)
    return Supermarket([source], refresh=1e6, whole_refresh=1e6)


def changed(entries: list[Entry], where: Callable[[Entry], bool], **values: tuple[str, ...]) -> list[Entry]:
    return [Entry(e.dn, {**e.attributes, **values}) if where(e) else e for e in entries]


def is_share(entry: Entry) -> bool:
    return entry.is_a("GLUE2ComputingShare")


def is_endpoint(entry: Entry) -> bool:
    return entry.is_a("GLUE2ComputingEndpoint")


def matched(snapshot: Snapshot, requirements: str) -> set[str]:
    job = Job(parse(f'[ Executable = "/bin/true"; Requirements = {requirements}; Rank = 0; ]'))
    return {each.ce_id for each in match(job, snapshot, USER).candidates}


def test_only_changed_records_are_made_anew_and_all_are_as_a_whole_purchase_would_make_them(bdii: LdapServer) -> None:
    with market(bdii.url) as shop:
        before = shop.snapshot()
        later = list(entries2(SITE, moment=40))
        bdii.publish(later)
        kinds = bought(shop)
        after = looked(shop)
        assert kinds == [STATES]
        anew = [new for old, new in zip(before.records, after.records, strict=True) if old is not new]
        assert 0 < len(anew) < len(after.records)
        assert texts(after.records) == texts(assemble2(later).records)
        for old, new in zip(before.records, after.records, strict=True):
            for name in set(old.ad) - {"GLUE2", *STATE}:
                assert new.ad.get(name) is old.ad.get(name)
        (bill,) = shop.bills()
        assert bill.refresh is not None
        assert bill.refresh.schema == "2.0"
        assert bill.refresh.bytes < bill.receipt.bytes / 2
        assert bill.receipt.origins == {}  # not for every operator's look
        shown = "\n".join(source_lines(told(bill)))
        assert "(GLUE 2.0, current)" in shown
        assert re.search(r"states: [\d.]+ [KM]iB, [\d.]+ s", shown)


def test_an_endpoint_that_closes_or_falls_ill_is_seen_and_matched(bdii: LdapServer, grid: list[Entry]) -> None:
    with market(bdii.url) as shop:
        healthy = 'other.GLUE2.Computing.Endpoint.HealthState == "ok"'
        first = matched(shop.snapshot(), healthy)
        names = [entry.first("GLUE2EndpointID") for entry in grid if is_endpoint(entry)]
        ill, closed = names[0], names[-1]
        later = changed(grid, lambda e: e.first("GLUE2EndpointID") == ill, GLUE2EndpointHealthState=("critical",))
        later = changed(later, lambda e: e.first("GLUE2EndpointID") == closed, GLUE2EndpointServingState=("closed",))
        bdii.publish(later)
        kinds = bought(shop)
        after = looked(shop)
        assert kinds == [STATES]
        assert texts(after.records) == texts(assemble2(later).records)
        assert {r.ad.value("GlueCEStateStatus") for r in after.records} >= {"Closed"}
        assert matched(after, healthy) < first


def test_the_nested_figures_can_be_matched(bdii: LdapServer, grid: list[Entry]) -> None:
    with market(bdii.url) as shop:
        many = "other.GLUE2.Computing.Share.FreeSlots == 77777 && other.GlueCEStateFreeJobSlots == 77777"
        assert not matched(shop.snapshot(), many)
        bdii.publish(changed(grid, is_share, GLUE2ComputingShareFreeSlots=("77777",)))
        assert matched(looked(shop), many)


def test_a_state_that_is_garbage_or_gone_is_no_state(bdii: LdapServer, grid: list[Entry]) -> None:
    with market(bdii.url) as shop:
        later = []
        for entry in changed(grid, is_share, GLUE2ComputingShareWaitingJobs=("many",)):
            values = dict(entry.attributes)
            values.pop("GLUE2ComputingShareFreeSlots", None)
            values.pop("GLUE2EndpointHealthState", None)
            later.append(Entry(entry.dn, values))
        bdii.publish(later)
        kinds = bought(shop)
        found = looked(shop)
        assert kinds == [STATES]
        assert any("'many' and not an integer" in problem for problem in found.problems)
        assert texts(found.records) == texts(assemble2(later).records)


@pytest.mark.parametrize("kind", [is_share, is_endpoint], ids=["share", "endpoint"])
@pytest.mark.parametrize("change", ["gone", "new"])
def test_what_came_or_went_leads_to_a_whole_purchase(
    bdii: LdapServer, grid: list[Entry], kind: Callable[[Entry], bool], change: str
) -> None:
    one = next(entry for entry in grid if kind(entry))
    fewer = [entry for entry in grid if entry is not one]
    first, second = (grid, fewer) if change == "gone" else (fewer, grid)
    bdii.publish(first)
    with market(bdii.url) as shop:
        bdii.publish(second)
        kinds = bought(shop)
        assert texts(looked(shop).records) == texts(assemble2(second).records)
        assert kinds == [STATES, WHOLE]
        looked(shop)
        assert kinds == [STATES, WHOLE, STATES]


def test_other_services_and_storage_do_not_make_a_whole_purchase(bdii: LdapServer, grid: list[Entry]) -> None:
    with market(bdii.url) as shop:
        service = "GLUE2ServiceID=x,GLUE2DomainID=SYNTHETIC-001,GLUE2GroupID=grid,o=glue"
        more = [
            Entry.of(
                f"GLUE2EndpointID=x,{service}",
                {"objectClass": ["GLUE2Entity", "GLUE2Endpoint"], "GLUE2EndpointID": "x"},
            ),
            Entry.of(
                f"GLUE2ShareID=x,{service}",
                {"objectClass": ["GLUE2Entity", "GLUE2Share", "GLUE2StorageShare"], "GLUE2ShareID": "x"},
            ),
        ]
        bdii.publish([*grid, *more])
        kinds = bought(shop)
        looked(shop)
        assert kinds == [STATES]


def test_a_site_cannot_tell_of_another_ones_share(bdii: LdapServer, grid: list[Entry]) -> None:
    """The same identifiers under another site are other entries."""
    with market(bdii.url) as shop:
        before = texts(shop.snapshot().records)
        lies = [
            Entry(each.dn.replace("SYNTHETIC-001", "LIAR"), {**each.attributes, "GLUE2ComputingShareFreeSlots": ("9",)})
            for each in grid
            if is_share(each) and "SYNTHETIC-001" in each.dn
        ]
        bdii.publish([*lies, *grid])
        kinds = bought(shop)
        assert texts(looked(shop).records) == before
        assert kinds == [STATES, WHOLE]


@pytest.mark.parametrize(
    "answer", [b"", b"\x30\x84\xff\xff\xff\xff", b"HTTP/1.1 200 OK\r\n\r\n", b"\x30\x03\x02\x01\x02" * 1000]
)
def test_what_is_no_answer_changes_nothing_and_is_told(bdii: LdapServer, answer: bytes) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(answer)

    with market(bdii.url) as shop, answering(talk) as url:
        before = shop.snapshot().records
        honest = shop._shelves[0].source
        shop._shelves[0].source = dataclasses.replace(honest, url=url, timeout=5.0)
        after = looked(shop)
        assert texts(after.records) == texts(before)
        assert any(url in problem for problem in after.problems)
        shop._shelves[0].source = honest
        kinds = bought(shop)
        looked(shop)
        assert kinds == [WHOLE]


def test_an_order_is_the_same_on_the_other_side() -> None:
    order = Order(InformationSource("ldap://x"), STATES, schema="2.0", origins={"ce/vo": ("a", "b")})
    assert Order.of(order.plain()) == order


def test_the_state_of_a_record_is_what_its_entries_say(grid: list[Entry]) -> None:
    for record in assemble2(grid).records:
        values = state_of(record.ad)
        assert values[: len(STATE)] == tuple(record.ad.value(name) for name in STATE)
        assert values[-2] == "ok"


# -- slapd


@pytest.fixture
def slapd(grid: list[Entry], tmp_path: Path) -> Iterator[str]:
    """OpenLDAP's server with the grid; who binds as ``o=glue`` may change it."""
    if not SLAPD.exists() or not all((SCHEMA / f"{name}.schema").exists() for name in NEEDED):
        pytest.skip("slapd and the GLUE schema (Debian: slapd, glue-schema) are not installed")
    (tmp_path / "db").mkdir()
    configuration = tmp_path / "slapd.conf"
    configuration.write_text(
        "".join(f"include {SCHEMA / name}.schema\n" for name in NEEDED)
        + f"modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {tmp_path / 'pid'}\nsizelimit unlimited\n"
        + f'database mdb\nmaxsize 104857600\nsuffix "o=glue"\nrootdn "o=glue"\nrootpw secret\n'
        f"directory {tmp_path / 'db'}\n"
    )
    top = Directory(grid).find("o=glue")
    assert top is not None
    ldif = tmp_path / "grid.ldif"
    ldif.write_text(to_ldif([node.entry for node in Directory(grid).below(top, messages.SUBTREE)]))
    added = subprocess.run(
        ["slapadd", "-q", "-f", configuration, "-b", "o=glue", "-l", ldif],
        executable=SLAPD, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert added.returncode == 0, added.stderr
    port = ports.choose(1)[0]
    url = f"ldap://127.0.0.1:{port}"
    server = subprocess.Popen([SLAPD, "-f", configuration, "-h", url, "-d", "0"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "slapd does not answer"
                time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def test_a_real_slapd_is_refreshed_too(slapd: str, grid: list[Entry]) -> None:
    share = next(entry for entry in grid if is_share(entry))
    endpoint = next(entry for entry in grid if is_endpoint(entry))
    with market(slapd) as shop, contextlib.ExitStack() as stack:
        connection = ldap3.Connection(slapd, "o=glue", "secret", auto_bind=True)
        stack.callback(connection.unbind)
        kinds = bought(shop)
        values = {"GLUE2ComputingShareFreeSlots": ("4711",), "GLUE2ComputingShareServingState": ("draining",)}
        assert connection.modify(share.dn, {k: [(ldap3.MODIFY_REPLACE, list(v))] for k, v in values.items()})
        later = changed(grid, lambda entry: entry is share, **values)
        found = looked(shop)
        assert kinds == [STATES]
        assert states(found) == {record.key: state_of(record.ad) for record in assemble2(later).records}
        assert matched(found, "other.GLUE2.Computing.Share.FreeSlots == 4711") == set()  # it is draining
        assert {"4711"} < {str(record.ad.value("GlueCEStateFreeJobSlots")) for record in found.records}
        dead = [entry.dn for entry in reversed(grid) if entry.dn.endswith(endpoint.dn)]
        assert all(connection.delete(dn) for dn in dead)
        found = looked(shop)
        assert kinds == [STATES, STATES, WHOLE]
        fewer = [entry for entry in later if entry.dn not in dead]
        assert states(found) == {record.key: state_of(record.ad) for record in assemble2(fewer).records}


def states(snapshot: Snapshot) -> dict[str, tuple[object, ...]]:
    return {record.key: state_of(record.ad) for record in snapshot.records}
