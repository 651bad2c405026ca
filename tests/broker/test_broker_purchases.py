"""What the supermarket buys when, from whom, and what it shows while sources are silent or refilling."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
from marketplace import SITE, Clock, answering, bought, looked, market, texts

from broker import states
from broker.purchase import STATES, WHOLE
from infosys import synthetic
from infosys.ce_ads import assemble
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
        assert changed <= set(states.STATE)


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
            for name in states.STATE:
                assert new.ad.value(name) == want[new.key].ad.value(name)
            assert new.ad.get("GlueHostApplicationSoftwareRunTimeEnvironment") is old.ad.get(
                "GlueHostApplicationSoftwareRunTimeEnvironment"
            )
            assert list(new.ad) == list(old.ad)


@pytest.mark.parametrize("order", [("vo", "/vo"), ("/vo", "vo")])
def test_a_vo_and_its_group_keep_each_their_own_state(
    bdii: LdapServer, grid: list[Entry], order: tuple[str, ...]
) -> None:
    """Their views' names differ by a slash alone; and a view may spell its element's name in its own way."""
    above = next(entry for entry in grid if entry.is_a("GlueCE"))
    ce_id, rest = above.dn.partition("=")[2].split(",", 1)

    def published(free: dict[str, int]) -> list[Entry]:
        views = [
            Entry.of(
                f"GlueVOViewLocalID={name},GlueCEUniqueID={ce_id.upper()},{rest}",
                {
                    "objectClass": ["GlueCETop", "GlueVOView", "GlueCEAccessControlBase", "GlueCEState"],
                    "GlueVOViewLocalID": [name],
                    "GlueCEAccessControlBaseRule": ["VO:vo" if name == "vo" else "VOMS:/vo"],
                    "GlueCEStateFreeJobSlots": [str(free[name])],
                },
            )
            for name in order
        ]
        return [*grid, *views]

    bdii.publish(published({"vo": 1, "/vo": 2}))
    with market(bdii) as shop:
        bdii.publish(published({"vo": 11, "/vo": 22}))
        kinds = bought(shop)
        known = {record.key: record.ad for record in looked(shop).records}
        assert kinds == [STATES]
        assert known[f"{ce_id}/vo"].value("GlueCEStateFreeJobSlots") == 11
        assert known[f"{ce_id}//vo"].value("GlueCEStateFreeJobSlots") == 22


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
    together = threading.Barrier(4)

    def waits_for_the_others(client: socket.socket) -> None:
        together.wait(20)

    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(answering(waits_for_the_others)) for _ in range(4)]
        with market(*urls, seconds=20.0):
            assert not together.broken


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
