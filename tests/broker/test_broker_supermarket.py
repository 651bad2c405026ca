"""The information supermarket, over real LDAP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from broker.source import InformationSource
from broker.supermarket import Snapshot, Supermarket
from grid.errors import ConfigurationError
from infosys.ce_id import CeId
from infosys.entry import Entry
from infosys.glue1 import CEInfo, Cluster, ComputingElement, SubCluster, entries_of
from infosys.server import LdapServer


def grid(*queues: str) -> list[Entry]:
    host = "ce.example.org"
    ids = {queue: str(CeId.cream(host, 8443, "fork", queue)) for queue in queues}
    info = CEInfo(host_name=host, lrms_type="fork")
    return entries_of(
        [
            Cluster(unique_id=host, site_id="S", ce_ids=tuple(ids.values())),
            SubCluster(unique_id=host, cluster_id=host),
            *(ComputingElement(unique_id=each, cluster_id=host, info=info, access=("VO:vo",)) for each in ids.values()),
        ]
    )


@pytest.fixture
def bdii() -> Iterator[LdapServer]:
    with LdapServer("127.0.0.1:0") as server:
        server.publish(grid("a", "b"))
        yield server


def queues(snapshot: Snapshot) -> list[object]:
    return [record.ad.value("QueueName") for record in snapshot.records]


def until(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_the_first_purchase_is_done_when_it_has_started(bdii: LdapServer) -> None:
    with Supermarket([InformationSource(bdii.url)]) as market:
        assert queues(market.snapshot()) == ["a", "b"]
        assert market.snapshot().problems == ()


def test_a_snapshot_does_not_change_and_the_next_one_has_a_higher_generation(bdii: LdapServer) -> None:
    with Supermarket([InformationSource(bdii.url)]) as market:
        first = market.snapshot()
        bdii.publish(grid("c"))
        second = market.refresh_now()
        assert queues(first) == ["a", "b"]
        assert queues(second) == ["c"]
        assert market.snapshot() is second
        assert second.generation > first.generation


def test_it_buys_by_itself_and_tells_who_wants_to_know(bdii: LdapServer) -> None:
    told: list[Snapshot] = []
    with Supermarket([InformationSource(bdii.url)], refresh=0.2) as market:
        market.subscribe(told.append)
        bdii.publish(grid("c"))
        assert until(lambda: queues(market.snapshot()) == ["c"])
        assert until(lambda: bool(told))


def test_a_dead_source_keeps_its_records_until_they_expire(bdii: LdapServer) -> None:
    now = [0.0]
    with Supermarket([InformationSource(bdii.url, timeout=2)], lifetime=100, monotonic=lambda: now[0]) as market:
        bdii.close()
        now[0] = 99
        assert queues(market.refresh_now()) == ["a", "b"]
        assert "could not be read" in market.snapshot().problems[0]
        now[0] = 100
        assert queues(market.snapshot()) == []  # without any purchase
        assert any("have expired" in problem for problem in market.snapshot().problems)
        with LdapServer(f"127.0.0.1:{bdii.port}") as again:
            again.publish(grid("a"))
            assert queues(market.refresh_now()) == ["a"]
            assert market.snapshot().problems == ()


def test_it_starts_without_any_source_that_answers() -> None:
    with Supermarket([InformationSource("ldap://127.0.0.1:1", timeout=1)]) as market:
        assert market.snapshot().records == ()
        assert market.snapshot().health == (
            "The information source ldap://127.0.0.1:1 could not be read: Connection refused",
            "Nothing has come from ldap://127.0.0.1:1 since the broker began",
        )
        assert market.snapshot().problems == market.snapshot().health


def test_of_two_sources_the_first_counts_and_the_dead_one_harms_nobody(bdii: LdapServer) -> None:
    with LdapServer("127.0.0.1:0") as other:
        other.publish(grid("b", "c"))
        sources = [InformationSource(url, timeout=1) for url in ("ldap://127.0.0.1:1", bdii.url, other.url)]
        with Supermarket(sources) as market:
            assert queues(market.snapshot()) == ["a", "b", "c"]
            assert len(market.snapshot().health) == 2


def test_a_second_source_does_not_add_an_element_again_by_other_letters(bdii: LdapServer) -> None:
    loud = [
        Entry(each.dn.replace("ce.example.org:", "CE.EXAMPLE.ORG:"), each.attributes) for each in grid("b", "c")
    ]
    with LdapServer("127.0.0.1:0") as other:
        other.publish(loud)
        with Supermarket([InformationSource(bdii.url), InformationSource(other.url)]) as market:
            assert queues(market.snapshot()) == ["a", "b", "c"]


def test_a_view_that_a_second_source_alone_has_changes_nothing(bdii: LdapServer) -> None:
    entries = grid("b", "c")
    above = next(each.dn for each in entries if each.dn.startswith("GlueCEUniqueID") and "-b," in each.dn)
    view = {"objectClass": ["GlueVOView"], "GlueVOViewLocalID": ["x"], "GlueCEAccessControlBaseRule": ["VO:x"]}
    with LdapServer("127.0.0.1:0") as other:
        other.publish([*entries, Entry.of(f"GlueVOViewLocalID=x,{above}", view)])
        with Supermarket([InformationSource(bdii.url), InformationSource(other.url)]) as market:
            assert queues(market.snapshot()) == ["a", "b", "c"]


def test_the_blacklist_keeps_elements_out(bdii: LdapServer) -> None:
    with Supermarket([InformationSource(bdii.url)], blacklist=[r".*-a"]) as market:
        assert queues(market.snapshot()) == ["b"]
        assert [each.pattern for each in market.snapshot().barred] == [".*-a"]
    with pytest.raises(ConfigurationError, match="blacklist"):
        Supermarket([], blacklist=["("])


def test_a_given_scheduler_is_used_and_left_running(bdii: LdapServer) -> None:
    scheduler = BackgroundScheduler()
    scheduler.start()
    try:
        with Supermarket([InformationSource(bdii.url)], scheduler=scheduler):
            assert scheduler.get_jobs()
        assert scheduler.get_jobs() == []
        assert scheduler.running
    finally:
        scheduler.shutdown()


def test_nothing_is_left_of_a_closed_supermarket(bdii: LdapServer) -> None:
    before = threading.active_count()
    with Supermarket([InformationSource(bdii.url)], refresh=0.1):
        time.sleep(0.3)
    assert until(lambda: threading.active_count() == before)
