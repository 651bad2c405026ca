"""Across restarts and deaths, and against sources that are hostile or broken."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from marketplace import SITE, Clock, answering, market, texts, until

from broker.errand import Errand, PurchaseFailed
from broker.purchase import Order
from broker.source import InformationSource
from broker.supermarket import Supermarket
from infosys import synthetic
from infosys.entry import Entry
from infosys.server import LdapServer


@pytest.fixture(scope="module")
def grid() -> list[Entry]:
    return list(synthetic.entries(SITE))


@pytest.fixture
def bdii(grid: list[Entry]) -> Iterator[LdapServer]:
    with LdapServer("127.0.0.1:0") as server:
        server.publish(grid)
        yield server


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
    for _ in range(2):
        broker = subprocess.Popen(
            [sys.executable, "-c", _LONG, bdii.url, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert broker.stdout is not None
        broker.stdout.readline()
        time.sleep(0.4)
        broker.send_signal(signal.SIGKILL)
        broker.wait()
        broker.stdout.close()
    assert until(lambda: not _purchasers(tmp_path))
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


# -- hostile and broken sources


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
        assert until(lambda: any(errand._process for errand in tuple(shop._errands)))
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
