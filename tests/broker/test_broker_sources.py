"""Sources of each schema, settings that cannot work, and the collector while a large grid comes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from marketplace import SITE, bought, looked, market, texts

from broker.purchase import STATES
from broker.settings import BrokerSettings
from broker.source import InformationSource
from broker.supermarket import Supermarket
from grid.collector import Collector
from grid.errors import ConfigurationError
from infosys import synthetic
from infosys.ce_ads import assemble
from infosys.entry import Entry
from infosys.glue2_ads import assemble2, merge
from infosys.server import LdapServer
from infosys.synthetic2 import entries2


@pytest.fixture(scope="module")
def grid() -> list[Entry]:
    return list(synthetic.entries(SITE))


@pytest.fixture
def bdii(grid: list[Entry]) -> Iterator[LdapServer]:
    with LdapServer("127.0.0.1:0") as server:
        server.publish(grid)
        yield server


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
            # what both schemas tell has no small question; everything is bought in its period
            assert kinds == ([] if schema == "both" else [STATES])


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


# -- the collector


def test_the_collector_rests_while_many_records_come_and_looks_at_them_no_more(
    grid: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Collector, "MANY", 20)
    frozen = gc.get_freeze_count()
    with LdapServer("127.0.0.1:0") as server:
        server.publish(grid)
        try:
            with market(server) as shop:
                assert len(shop.snapshot().records) > 20
                assert gc.isenabled()
                assert gc.get_freeze_count() > frozen + 1000
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
