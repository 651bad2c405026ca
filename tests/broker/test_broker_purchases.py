"""What the supermarket buys when, from whom, and what it shows while sources are slow, gone, refilling or hostile."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from broker import purchase
from broker.errand import Errand, PurchaseFailed
from broker.purchase import STATES, WHOLE, Order
from broker.settings import BrokerSettings
from broker.shelf import Shelf
from broker.source import InformationSource
from broker.supermarket import Snapshot, Supermarket
from grid.errors import ConfigurationError
from infosys import synthetic
from infosys.ce_ads import CeRecord, assemble
from infosys.entry import Entry
from infosys.glue2_ads import assemble2, merge
from infosys.server import LdapServer
from infosys.synthetic2 import entries2

SITE = 4
"""Sites of the grid that most tests buy: 20 computing elements."""


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def grid() -> list[Entry]:
    return list(synthetic.entries(SITE))


@pytest.fixture
def bdii(grid: list[Entry]) -> Iterator[LdapServer]:
    with LdapServer("127.0.0.1:0") as server:
        server.publish(grid)
        yield server


def market(*servers: LdapServer | str, clock: Clock | None = None, **more: object) -> Supermarket:
    """A supermarket that buys only when it is told."""
    urls = [each if isinstance(each, str) else each.url for each in servers]
    sources = [InformationSource(url, "mds-vo-name=local,o=grid", timeout=2.0) for url in urls]
    return Supermarket(sources, refresh=1e6, whole_refresh=1e6, monotonic=clock or time.monotonic, **more)  # type: ignore[arg-type]


def texts(records: tuple[CeRecord, ...]) -> dict[str, str]:
    return {record.key: record.ad.text() for record in records}


def looked(shop: Supermarket) -> Snapshot:
    """What is known after a look at what changes by the minute."""
    shop._buy_due()
    return shop.snapshot()


def bought(shop: Supermarket) -> list[str]:
    """Which kinds of purchase are made from now on."""
    made: list[str] = []
    real = shop._sent

    def sent(order: Order, shelf: Shelf) -> object:
        made.append(order.kind)
        return real(order, shelf)

    shop._sent = sent  # type: ignore[method-assign, assignment]
    return made


# -- everything


def test_what_is_bought_is_what_the_entries_say(bdii: LdapServer, grid: list[Entry]) -> None:
    with market(bdii) as shop:
        expected = assemble(grid)
        assert texts(shop.snapshot().records) == texts(expected.records)
        assert [record.access_rules for record in shop.snapshot().records] == [
            record.access_rules for record in expected.records
        ]
        assert set(shop.snapshot().storage) == {each.se_id for each in expected.storage}
        (bill,) = shop.bills()
        assert (bill.schema, bill.current, bill.records) == ("1.3", True, len(expected.records))
        assert bill.receipt.entries > 100
        assert bill.receipt.bytes > 50_000
        assert 10 << 20 < bill.receipt.peak_memory < 400 << 20


def test_equal_values_are_one_node_after_the_hand_over(bdii: LdapServer) -> None:
    with market(bdii) as shop:
        first, second, *_ = (
            record.ad.get("GlueHostApplicationSoftwareRunTimeEnvironment") for record in shop.snapshot().records
        )
        assert first is second


def test_what_did_not_change_is_the_same_node_after_the_next_purchase(bdii: LdapServer) -> None:
    with market(bdii) as shop:
        before = shop.snapshot().records
        bdii.publish(synthetic.entries(SITE, moment=40))
        after = shop.refresh_now().records
        changed = set()
        for old, new in zip(before, after, strict=True):
            for name in old.ad:
                same = old.ad.get(name) is new.ad.get(name)
                if name in ("storage", "CloseStorageElements"):
                    continue  # ads are not compared
                assert same == (old.ad.get(name) == new.ad.get(name)), name
                changed |= set() if same else {name}
        assert changed <= set(purchase.STATE)


# -- what changes by the minute


def test_a_look_at_states_makes_only_changed_records_anew(bdii: LdapServer) -> None:
    with market(bdii) as shop:
        before = shop.snapshot()
        later = list(synthetic.entries(SITE, moment=40))
        bdii.publish(later)
        kinds = bought(shop)
        after = looked(shop)
        assert kinds == [STATES]
        changed = [new.key for old, new in zip(before.records, after.records, strict=True) if old is not new]
        assert 0 < len(changed) < len(after.records)
        want = {record.key: record for record in assemble(later).records}
        for old, new in zip(before.records, after.records, strict=True):
            for name in purchase.STATE:
                assert new.ad.value(name) == want[new.key].ad.value(name)
            assert new.ad.get("GlueHostApplicationSoftwareRunTimeEnvironment") is old.ad.get(
                "GlueHostApplicationSoftwareRunTimeEnvironment"
            )
            assert list(new.ad) == list(old.ad)


def test_a_look_at_states_asks_for_them_alone(bdii: LdapServer) -> None:
    with market(bdii) as shop:
        looked(shop)
        (bill,) = shop.bills()
        assert bill.refresh is not None
        assert bill.refresh.bytes < bill.receipt.bytes / 5


def test_a_state_that_is_garbage_or_gone_is_no_state(bdii: LdapServer, grid: list[Entry]) -> None:
    with market(bdii) as shop:
        changed = []
        for entry in grid:
            values = dict(entry.attributes)
            if entry.is_a("GlueCE") or entry.is_a("GlueVOView"):
                values["GlueCEStateWaitingJobs"] = ("many",)
                values.pop("GlueCEStateFreeCPUs", None)
            changed.append(Entry(entry.dn, values))
        bdii.publish(changed)
        found = looked(shop)
        assert any("'many' and not an integer" in problem for problem in found.problems)
        assert texts(found.records) == texts(assemble(changed).records)


@pytest.mark.parametrize("change", ["gone", "new"])
def test_elements_that_come_or_go_are_noticed_by_a_look_at_states(
    bdii: LdapServer, grid: list[Entry], change: str
) -> None:
    fewer = [entry for entry in grid if "SYNTHETIC-004" not in entry.dn]
    first, second = (grid, fewer) if change == "gone" else (fewer, grid)
    bdii.publish(first)
    with market(bdii) as shop:
        bdii.publish(second)
        kinds = bought(shop)
        assert texts(looked(shop).records) == texts(assemble(second).records)
        assert kinds == [STATES, WHOLE]


def test_everything_is_bought_again_after_its_period(bdii: LdapServer) -> None:
    clock = Clock()
    with market(bdii, clock=clock) as shop:
        shop._whole_refresh = 300.0
        kinds = bought(shop)
        for clock.now in (1030.0, 1060.0, 1310.0):
            looked(shop)
        assert kinds == [STATES, STATES, WHOLE]


# -- several sources


def test_of_two_sources_the_first_one_that_answers_counts_for_the_whole_element(grid: list[Entry]) -> None:
    clock = Clock()
    with LdapServer("127.0.0.1:0") as one, LdapServer("127.0.0.1:0") as two:
        one.publish(grid)
        two.publish(synthetic.entries(SITE + 1, moment=40))
        with market(one, two, clock=clock) as shop:
            old, new = texts(assemble(grid).records), texts(assemble(synthetic.entries(SITE + 1, moment=40)).records)
            found = texts(shop.snapshot().records)
            assert found == {**new, **old}
            assert list(found)[: len(old)] == list(old)
            one.close()
            clock.now += 10
            assert texts(shop.refresh_now().records) == new
            assert shop.snapshot().problems


def test_close_storage_may_be_known_from_another_source(grid: list[Entry]) -> None:
    storage = [entry for entry in grid if "GlueSEUniqueID=" in entry.dn]
    elements = [entry for entry in grid if "GlueSEUniqueID=" not in entry.dn]
    with LdapServer("127.0.0.1:0") as one, LdapServer("127.0.0.1:0") as two:
        one.publish(elements)
        two.publish(storage)
        with market(one, two) as shop:
            assert texts(shop.snapshot().records) == texts(assemble(grid).records)


def test_sources_are_read_at_the_same_time() -> None:
    def slow(client: socket.socket) -> None:
        time.sleep(0.7)

    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(answering(slow)) for _ in range(4)]
        began = time.monotonic()
        with market(*urls):
            assert time.monotonic() - began < 2.4


# -- ageing


def test_a_source_that_seems_to_be_refilling_keeps_what_is_gone_until_it_expires(
    bdii: LdapServer, grid: list[Entry]
) -> None:
    clock = Clock()
    with market(bdii, clock=clock, lifetime=900.0) as shop:
        whole = texts(shop.snapshot().records)
        few = [entry for entry in grid if "SYNTHETIC-001" in entry.dn]
        bdii.publish(few)
        clock.now += 100
        found = looked(shop)
        assert texts(found.records) == whole
        assert "seems to be refilling" in found.problems[0]
        clock.now += 799
        assert texts(looked(shop).records) == whole
        clock.now += 1
        found = looked(shop)
        assert texts(found.records) == texts(assemble(few).records)
        assert found.problems == ()


def test_a_source_that_was_emptied_is_suspicious_however_small(bdii: LdapServer, grid: list[Entry]) -> None:
    few = [entry for entry in grid if "SYNTHETIC-001" in entry.dn]
    bdii.publish(few)
    with market(bdii) as shop:
        whole = texts(shop.snapshot().records)
        bdii.publish([])
        assert texts(shop.refresh_now().records) == whole
        bdii.publish(few)
        assert shop.refresh_now().problems == ()


def test_what_is_gone_of_a_source_that_is_not_suspicious_is_gone_at_once(bdii: LdapServer, grid: list[Entry]) -> None:
    most = [entry for entry in grid if "SYNTHETIC-001" not in entry.dn]
    with market(bdii) as shop:
        bdii.publish(most)
        assert texts(shop.refresh_now().records) == texts(assemble(most).records)


# -- across a restart


def test_a_restarted_broker_shows_the_last_good_picture_with_its_true_age(
    bdii: LdapServer, grid: list[Entry], tmp_path: Path
) -> None:
    with market(bdii, pictures=tmp_path) as shop:
        whole = texts(shop.snapshot().records)
    (picture,) = tmp_path.iterdir()
    assert picture.stat().st_mode & 0o777 == 0o600
    url = bdii.url
    bdii.close()
    clock = Clock()
    with market(url, pictures=tmp_path, clock=clock) as shop:
        found = shop.snapshot()
        assert texts(found.records) == whole
        assert any("refused" in problem for problem in found.problems)
        assert any("comes from the picture that was kept on disk" in problem for problem in found.problems)
        (bill,) = shop.bills()
        assert bill.stored
        assert not bill.current
        assert bill.age is not None and 0 < bill.age < 60
        clock.now += 900
        assert shop.snapshot().records == ()
        with LdapServer(url.removeprefix("ldap://")) as again:
            again.publish(grid)
            assert texts(shop.refresh_now().records) == whole
            assert shop.snapshot().problems == ()


def test_a_picture_that_is_too_old_is_not_shown(bdii: LdapServer, tmp_path: Path) -> None:
    with market(bdii, pictures=tmp_path):
        pass
    bdii.close()
    with market(bdii.url, pictures=tmp_path, lifetime=0.001) as shop:
        assert shop.snapshot().records == ()


@pytest.mark.parametrize("damage", ["cut", "noise", "bytes", "not a picture", "empty"])
def test_a_damaged_picture_is_told_and_harms_nobody(
    bdii: LdapServer, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    with market(bdii, pictures=tmp_path):
        pass
    (picture,) = tmp_path.iterdir()
    good = picture.read_bytes()
    picture.write_bytes(
        {
            "cut": good[: len(good) // 2],
            "noise": good[:200] + os.urandom(500) + good[700:],
            "bytes": good[:-8] + b"\0" * 8,
            "not a picture": b"hello",
            "empty": b"",
        }[damage]
    )
    bdii.close()
    with market(bdii.url, pictures=tmp_path) as shop:
        assert shop.snapshot().records == ()
        assert "cannot be used" in caplog.text


def test_what_dead_writers_left_and_pictures_of_former_sources_are_swept_away(
    bdii: LdapServer, tmp_path: Path
) -> None:
    (tmp_path / ".abc.123.ism.tmp").write_bytes(b"half")
    (tmp_path / "0123456789abcdef.ism").write_bytes(b"old")
    (tmp_path / "mine").write_bytes(b"the operator's")
    with market(bdii, pictures=tmp_path):
        assert sorted(path.suffix for path in tmp_path.iterdir()) == ["", ".ism"]
        assert not (tmp_path / "0123456789abcdef.ism").exists()


def test_a_purchaser_killed_in_the_midst_of_the_picture_leaves_the_one_before(
    bdii: LdapServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with market(bdii, pictures=tmp_path) as shop:
        (picture,) = tmp_path.iterdir()
        good = picture.read_bytes()
        whole = texts(shop.snapshot().records)
        monkeypatch.setenv("WMS_FAULT_POINT", "broker.picture.written")
        monkeypatch.setenv("WMS_FAULT_MARKER", str(tmp_path / "marker"))
        found = shop.refresh_now()
        assert (tmp_path / "marker").exists()
        assert "ended without a receipt" in found.problems[0]
        assert texts(found.records) == whole
        assert picture.read_bytes() == good
        assert [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]
        assert shop.refresh_now().problems == ()
    with market(bdii, pictures=tmp_path):
        assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


_LONG = """
import sys, threading
from broker.source import InformationSource
from broker.supermarket import Supermarket
from pathlib import Path
shop = Supermarket([InformationSource(sys.argv[1], timeout=30)], refresh=0.05, whole_refresh=0.05,
                   pictures=Path(sys.argv[2])).start()
print("ready", flush=True)
threading.Event().wait()
"""


def test_a_broker_killed_while_it_buys_leaves_a_good_picture_and_no_purchaser(
    bdii: LdapServer, tmp_path: Path
) -> None:
    for _ in range(3):
        broker = subprocess.Popen(
            [sys.executable, "-c", _LONG, bdii.url, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert broker.stdout is not None
        broker.stdout.readline()
        time.sleep(0.4)
        broker.send_signal(signal.SIGKILL)
        broker.wait()
        broker.stdout.close()
    assert _until(lambda: not _purchasers(tmp_path))
    with market(bdii, pictures=tmp_path) as shop:
        assert len(shop.snapshot().records) > 20


def _purchasers(directory: Path) -> list[int]:
    """Processes that have a file of the directory open."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            for link in (process / "fd").iterdir():
                if os.readlink(link).startswith(str(directory)):
                    found.append(int(process.name))
    return found


def _until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


# -- hostile and broken sources


@contextlib.contextmanager
def answering(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does to each client as ``talk`` says."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threads = []

        def one(client: socket.socket) -> None:
            with client, contextlib.suppress(OSError):
                client.recv(65_536)
                talk(client)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listening.accept()
                    threads.append(threading.Thread(target=one, args=(client,), daemon=True))
                    threads[-1].start()

        server = threading.Thread(target=serve, daemon=True)
        server.start()
        yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    for thread in (server, *threads):
        thread.join(5)


def trickling(client: socket.socket) -> None:
    while True:
        client.sendall(b"\x30\x84\x00\x00\xff\xff"[:1])
        time.sleep(0.2)


def noise(client: socket.socket) -> None:
    client.sendall(os.urandom(100_000))


def giant(client: socket.socket) -> None:
    client.sendall(b"\x30\x84\x0f\xff\xff\xff" + b"\0" * 1_000_000)


@pytest.mark.parametrize("talk", [trickling, noise, giant])
def test_a_bad_source_is_told_and_the_good_one_shown(
    bdii: LdapServer, talk: Callable[[socket.socket], None]
) -> None:
    with answering(talk) as url:
        began = time.monotonic()
        with market(url, bdii) as shop:
            assert len(shop.snapshot().records) > 20
            assert url in shop.snapshot().problems[0]
        assert time.monotonic() - began < 10


def test_an_answer_that_does_not_fit_into_the_purchasers_memory_is_told() -> None:
    from infosys import ber, messages

    def endless(client: socket.socket) -> None:
        number = 0
        while True:
            number += 1
            name = ber.octets(f"GlueCEUniqueID=ce{number},mds-vo-name=s,mds-vo-name=local,o=grid")
            value = ber.sequence(ber.octets("cn"), ber.sequence(ber.octets(os.urandom(8000).hex()), tag=ber.SET))
            client.sendall(messages.search_entry(1, name, value))

    with answering(endless) as url:
        order = Order(InformationSource(url, timeout=20.0), memory=256 << 20)
        with pytest.raises(PurchaseFailed, match="needs more than 256 MiB; raise"):
            Errand(order).run()


def test_a_supermarket_that_closes_ends_its_purchases_and_leaves_no_process() -> None:
    def silent(client: socket.socket) -> None:
        while client.recv(4096):
            pass

    with answering(silent) as url:
        shop = Supermarket([InformationSource(url, timeout=60.0)])
        thread = threading.Thread(target=shop.start)
        thread.start()
        assert _until(lambda: any(errand._process for errand in tuple(shop._errands)))
        (errand,) = shop._errands
        began = time.monotonic()
        shop.close()
        thread.join(10)
        assert not thread.is_alive()
        assert time.monotonic() - began < 5
        assert errand._process is not None
        assert errand._process.returncode == -signal.SIGKILL
    shop.close()


def test_a_purchaser_that_talks_nonsense_is_ended(monkeypatch: pytest.MonkeyPatch, bdii: LdapServer) -> None:
    import pickle

    evil = "import sys, pickle, os; sys.stdin.readline(); sys.stdout.buffer.write(pickle.dumps(os.system)); " \
        "sys.stdout.flush(); import time; time.sleep(60)"  # fmt: skip
    real = subprocess.Popen

    def popen(arguments: list[str], **more: object) -> subprocess.Popen[bytes]:
        return real([sys.executable, "-c", evil], **more)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr("broker.errand.subprocess.Popen", popen)
    with pytest.raises(PurchaseFailed, match="makes no sense"):
        Errand(Order(InformationSource(bdii.url))).run()
    assert pickle.dumps(os.system)


# -- the collector


def test_the_collector_rests_while_many_records_come_and_looks_at_them_no_more() -> None:
    frozen = gc.get_freeze_count()
    with LdapServer("127.0.0.1:0") as server:
        server.publish(synthetic.entries(100))
        try:
            with market(server) as shop:
                assert len(shop.snapshot().records) > 1000
                assert gc.isenabled()
                assert gc.get_freeze_count() > frozen + 5000
        finally:
            gc.unfreeze()


# -- settings


def test_settings_that_cannot_work_are_refused(tmp_path: Path) -> None:
    good = BrokerSettings(
        database_url="sqlite://",
        control_socket=tmp_path / "a",
        doorbell=tmp_path / "b",
        information_sources=(InformationSource("ldap://a"), InformationSource("ldap://b", schema="both")),
        host_credential=tmp_path / "c",
        certificate_directory=tmp_path,
        journal_directory=tmp_path,
        interlogger_doorbell=tmp_path / "d",
    )
    for wrong in (
        {"refresh_period": 0.0},
        {"refresh_period": 500.0},
        {"entry_lifetime": 60.0},
        {"purchase_memory": 1 << 20},
        {"information_sources": (InformationSource("ldap://a"), InformationSource("ldap://a", timeout=3.0))},
    ):
        with pytest.raises(ConfigurationError):
            replace(good, **wrong)  # type: ignore[arg-type]
    for url, schema, timeout in (("http://a", "auto", 3.0), ("ldap://a", "1.4", 3.0), ("ldap://a", "auto", 0.0)):
        with pytest.raises(ConfigurationError):
            InformationSource(url, schema=schema, timeout=timeout)


# -- GLUE 2.0


@pytest.fixture(scope="module")
def glue2_grid() -> list[Entry]:
    return list(entries2(SITE))


def of_schema(server: LdapServer, schema: str) -> Supermarket:
    source = InformationSource(server.url, "mds-vo-name=local,o=grid", schema=schema, timeout=5.0)
    return Supermarket([source], refresh=1e6, whole_refresh=1e6)


@pytest.mark.parametrize("schema", ["auto", "2.0", "both"])
def test_a_source_that_publishes_glue_2_alone_is_read(glue2_grid: list[Entry], schema: str) -> None:
    with LdapServer("127.0.0.1:0") as server:
        server.publish(glue2_grid)
        with of_schema(server, schema) as shop:
            assert texts(shop.snapshot().records) == texts(assemble2(glue2_grid).records)
            (bill,) = shop.bills()
            assert bill.schema == ("both" if schema == "both" else "2.0")
            kinds = bought(shop)
            looked(shop)
            assert kinds == []  # there is no small question for GLUE 2.0; everything is bought in its period


@pytest.mark.parametrize(("schema", "asked"), [("auto", "1.3"), ("1.3", "1.3"), ("2.0", "2.0"), ("both", "both")])
def test_of_both_schemas_what_is_asked_for_counts(
    grid: list[Entry], glue2_grid: list[Entry], schema: str, asked: str
) -> None:
    with LdapServer("127.0.0.1:0") as server:
        server.publish([*grid, *glue2_grid])
        with of_schema(server, schema) as shop:
            one, two = assemble(grid).records, assemble2(glue2_grid).records
            expected = {"1.3": one, "2.0": two, "both": merge(one, two)}[asked]
            assert texts(shop.snapshot().records) == texts(expected)
            assert any("GLUE2" in record.ad for record in shop.snapshot().records) == (asked != "1.3")


def test_a_stored_picture_holds_glue_2_too(grid: list[Entry], glue2_grid: list[Entry], tmp_path: Path) -> None:
    with LdapServer("127.0.0.1:0") as server:
        server.publish([*grid, *glue2_grid])
        source = InformationSource(server.url, "mds-vo-name=local,o=grid", schema="both", timeout=2.0)
        with Supermarket([source], refresh=1e6, whole_refresh=1e6, pictures=tmp_path) as shop:
            whole = texts(shop.snapshot().records)
    with Supermarket([source], refresh=1e6, whole_refresh=1e6, pictures=tmp_path) as shop:
        assert texts(shop.snapshot().records) == whole
