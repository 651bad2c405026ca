"""The dump of the information supermarket: what gLite's was, and two forms for people and programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.source import InformationSource
from broker.stocktaking import Stocktaking, chosen
from broker.supermarket import Supermarket
from grid.errors import InvalidArgument
from infosys import synthetic
from infosys.server import LdapServer
from jdl.parser import parse


@pytest.fixture(scope="module")
def shop() -> Iterator[Supermarket]:
    with LdapServer("127.0.0.1:0") as server:
        server.publish(synthetic.entries(2))
        source = InformationSource(server.url, "mds-vo-name=local,o=grid")
        with Supermarket([source], refresh=1e6, whole_refresh=1e6, lifetime=900.0) as market:
            yield market


def dump(shop: Supermarket, directory: Path, **request: str) -> list[str]:
    answer = Stocktaking(shop, directory)(request)
    path = Path(str(answer["file"]))
    assert path.parent == directory
    assert path.stat().st_mode & 0o777 == 0o600
    lines = path.read_text().splitlines()
    assert len(lines) == answer["records"]
    return lines


def test_a_classad_dump_has_the_form_of_glite_and_reads_back(shop: Supermarket, tmp_path: Path) -> None:
    lines = dump(shop, tmp_path, format="jdl")
    snapshot = shop.snapshot()
    expected = [(each.key, each.ad) for each in snapshot.records]
    expected += [(each.se_id, each.ad) for each in snapshot.storage.values()]
    assert len(lines) == len(expected)
    for line, (name, ad) in zip(lines, expected, strict=True):
        read = parse(line)
        assert list(read) == ["id", "update_time", "expiry_time", "info"]
        assert read.string("id") == name
        seen, ends = read.integer("update_time"), read.integer("expiry_time")
        assert seen is not None and ends is not None
        assert -1 < time.time() - seen < 60
        assert ends - seen == pytest.approx(900, abs=1)
        assert read.get("info") == ad


def test_a_json_dump_holds_every_attribute(shop: Supermarket, tmp_path: Path) -> None:
    found = [json.loads(line) for line in dump(shop, tmp_path, format="json")]
    first = shop.snapshot().records[0]
    assert found[0]["id"] == first.key
    assert found[0]["access_rules"] == list(first.access_rules)
    assert set(found[0]["attributes"]) == set(first.ad)
    assert found[0]["attributes"]["GlueCECapability"][0] == "synthetic"
    assert found[-1]["kind"] == "storage element"
    assert found[0]["free"] == found[0]["attributes"]["GlueCEStateFreeJobSlots"]


def test_a_pattern_chooses_by_identifier(shop: Supermarket, tmp_path: Path) -> None:
    some = [json.loads(line)["id"] for line in dump(shop, tmp_path, pattern="SITE002")]
    assert some
    assert all("site002" in each for each in some)
    assert dump(shop, tmp_path, pattern="no such") == []


@pytest.mark.parametrize(
    ("text", "pattern", "expected"),
    [
        ("ce.example.org:8443/cream-pbs-long", "", True),
        ("ce.example.org:8443/cream-pbs-long", "EXAMPLE", True),
        ("ce.example.org:8443/cream-pbs-long", "pbs*", False),
        ("ce.example.org:8443/cream-pbs-long", "*pbs-l?ng", True),
        ("ce.example.org:8443/cream-pbs-long", "sge", False),
    ],
)
def test_patterns(text: str, pattern: str, expected: bool) -> None:
    assert chosen(text, pattern) is expected


def test_another_format_is_refused(shop: Supermarket, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="one of the formats table, json, jdl"):
        dump(shop, tmp_path, format="xml")


def test_the_summary_says_sources_sizes_and_memory(shop: Supermarket, tmp_path: Path) -> None:
    (tmp_path / "ism-left.dump").write_text("by who was killed")
    summary = Stocktaking(shop, tmp_path).summary()
    assert not list(tmp_path.iterdir())
    assert (summary["computing_elements"], summary["made_up"], summary["problems"]) == (10, 10, [])
    (source,) = summary["sources"]
    assert source["current"]
    assert source["entries"] > 50
    assert source["peak_memory"] > 1 << 20
    assert summary["memory"]["peak"] >= summary["memory"]["resident"] > 1 << 20
    json.dumps(summary)
