"""The harvest."""

from __future__ import annotations

import operator
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grid.doorbell import ring
from grid.errors import ConfigurationError
from infosys import bdii
from infosys.bdii import Bdii
from infosys.ce_ads import assemble
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.harvest import Harvest, Territory
from infosys.indexes import INDEX_BYTES
from infosys.levels import Level, placed
from infosys.server import LdapServer
from infosys.settings import BdiiSettings

RESOURCE = "mds-vo-name=resource,o=grid"
TOP = "mds-vo-name=local,o=grid"


def settings(*sources: str, **more: object) -> BdiiSettings:
    values: dict[str, object] = {"refresh": 3600.0, "grace": 100.0, "timeout": 2.0} | more
    return BdiiSettings(bind="127.0.0.1:0", site_name="TEST-SITE", sources=sources, **values)  # type: ignore[arg-type]


def names(service: Bdii) -> set[str]:
    return {entry.dn for entry in LdapSource(service.server.url, TOP).fetch("(objectClass=GlueTop)")}


def until(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_a_harvest_is_served_below_the_site(server: LdapServer, grid: list[Entry]) -> None:
    with Bdii(settings(server.url)) as service:
        assert names(service) == {
            entry.dn.replace("mds-vo-name=resource,o=grid", f"mds-vo-name=TEST-SITE,{TOP}") for entry in grid
        }
        assert service.problems == ()


def test_the_site_itself_is_published_when_no_source_does() -> None:
    with Bdii(settings()) as service:
        assert names(service) == {f"GlueSiteUniqueID=TEST-SITE,mds-vo-name=TEST-SITE,{TOP}"}


def test_a_source_named_first_cannot_be_replaced_by_a_later_one(server: LdapServer, grid: list[Entry]) -> None:
    with LdapServer("127.0.0.1:0") as thief:
        thief.publish([Entry(entry.dn, dict(entry.attributes) | {"GlueCEInfoHostName": ("evil",)}) for entry in grid])
        with Bdii(settings(server.url, thief.url)) as service:
            assert not LdapSource(service.server.url).fetch("(GlueCEInfoHostName=evil)")


def test_a_dead_source_keeps_its_entries_for_the_grace_time_only(grid: list[Entry]) -> None:
    now = [1000.0]
    source = LdapServer("127.0.0.1:0").start()
    source.publish(grid)
    with Bdii(settings(source.url, grace=60.0), clock=lambda: now[0]) as service:
        everything = names(service)
        source.close()
        now[0] += 59
        service.refresh_now()
        assert names(service) == everything
        assert len(service.problems) == 1
        now[0] += 2
        service.refresh_now()
        assert len(names(service)) == 1
        with LdapServer(f"127.0.0.1:{source.port}") as again:
            again.publish(grid)
            service.refresh_now()
            assert names(service) == everything
            assert service.problems == ()


def test_entries_that_a_living_source_withdraws_disappear_at_once(server: LdapServer, grid: list[Entry]) -> None:
    with Bdii(settings(server.url)) as service:
        server.publish(grid[:1])
        service.refresh_now()
        assert len(names(service)) == 1


def test_a_silent_source_does_not_keep_the_others_waiting(server: LdapServer, grid: list[Entry]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        with Bdii(settings(url, server.url, timeout=1.0)) as service:
            assert time.monotonic() - begun < 4
            assert len(names(service)) == len(grid)


def test_it_looks_again_by_itself_and_when_told(server: LdapServer, grid: list[Entry], tmp_path: Path) -> None:
    server.publish(grid[:1])
    with Bdii(settings(server.url, refresh=1.0)) as service:
        server.publish(grid)
        assert until(lambda: len(names(service)) == len(grid))
    bell = tmp_path / "bell"
    server.publish(grid[:1])
    with Bdii(settings(server.url, doorbell=bell)) as service:
        server.publish(grid)
        assert ring(bell)
        assert until(lambda: len(names(service)) == len(grid))
        server.publish(grid[:1])
        service.trigger()
        assert until(lambda: len(names(service)) == 1)


def test_run_ends_with_its_event_and_leaves_nothing(server: LdapServer) -> None:
    before = threading.active_count()
    stop = threading.Event()
    runner = threading.Thread(target=bdii.run, args=(settings(server.url), stop))
    runner.start()
    stop.set()
    runner.join(10)
    assert not runner.is_alive()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "wrong", [{"refresh": 0.5}, {"grace": -1.0}, {"timeout": 0.0}, {"site_name": " "}, {"bind": "nowhere"}]
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    values: dict[str, object] = {"bind": "127.0.0.1:0", "site_name": "S", "sources": ()}
    with pytest.raises(ConfigurationError):
        BdiiSettings(**(values | wrong))  # type: ignore[arg-type]


def test_a_site_level_serves_both_trees_under_the_sites_names(server: LdapServer, grid: list[Entry]) -> None:
    with Bdii(settings(server.url, level=Level.SITE)) as service:
        source = LdapSource(service.server.url)
        found = source.fetch("(objectClass=GlueCE)", base="mds-vo-name=TEST-SITE,o=grid")
        assert len(found) == len([entry for entry in grid if entry.is_a("GlueCE")])
        assert source.fetch("(objectClass=GLUE2AdminDomain)", base="o=glue")[0].dn == "GLUE2DomainID=TEST-SITE,o=glue"


def test_a_top_level_gathers_site_levels_in_both_trees(server: LdapServer, grid: list[Entry]) -> None:
    with Bdii(settings(server.url, level=Level.SITE)) as site:
        url = f"{site.server.url}/mds-vo-name=TEST-SITE,o=grid"
        above = BdiiSettings(bind="127.0.0.1:0", site_name="TOP", sources=(url,), refresh=3600.0, timeout=5.0)
        with Bdii(above) as top:
            assert top.problems == ()
            names_there = names(top)
            for entry in grid:
                assert entry.dn.replace("mds-vo-name=resource,o=grid", f"mds-vo-name=TEST-SITE,{TOP}") in names_there
            served = LdapSource(top.server.url)
            domains = served.fetch("(objectClass=GLUE2AdminDomain)", base="GLUE2GroupID=grid,o=glue")
            assert {entry.first("GLUE2DomainID") for entry in domains} == {"TOP", "TEST-SITE"}


def test_what_has_come_is_served_while_a_slow_source_is_still_being_waited_for(
    server: LdapServer, grid: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bdii, "_SHOW_AFTER", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
        service = Bdii(settings(url, server.url, timeout=4.0))
        starting = threading.Thread(target=service.start)
        starting.start()
        try:
            assert until(lambda: bool(service.server.port) and len(service.server.directory) > len(grid), 3.0)
            assert starting.is_alive()
        finally:
            starting.join(10)
            service.close()


def test_it_tells_how_its_sources_fare(server: LdapServer, grid: list[Entry]) -> None:
    now = [1000.0]
    with Bdii(settings(server.url, "ldap://127.0.0.1:1", grace=10.0), clock=lambda: now[0]) as service:
        source = LdapSource(service.server.url)

        def told() -> dict[str | None, str]:
            found = source.fetch("(&(objectClass=applicationProcess)(cn=ldap:*))", base="o=infosys")
            return {entry.first("cn"): entry.values("description")[0] for entry in found}

        assert told() == {server.url: "state: answers", "ldap://127.0.0.1:1": "state: never answered"}
        (figures,) = source.fetch("(objectClass=UpdateStats)", base="o=infosys")
        everything = source.fetch(base="o=grid") + source.fetch(base="o=glue")
        made = [entry for entry in everything if entry.is_a("Mds") or entry.is_a("organization")]
        groups = [entry for entry in everything if entry.is_a("GLUE2Group")]
        assert int(figures.first("TotalEntries") or 0) == len(everything) - len(made) - len(groups)
        server.close()
        now[0] += 5
        service.refresh_now()
        assert told()[server.url] == "state: answered 5 s ago"
        now[0] += 10
        service.refresh_now()
        assert told()[server.url] == "state: let go: silent for 15 s"


def test_it_tells_what_its_indexes_take(server: LdapServer) -> None:
    with Bdii(settings(server.url)) as service:
        source = LdapSource(service.server.url)
        source.fetch("(GlueCEStateFreeJobSlots>=1)", base="o=grid")
        service.refresh_now()
        (told,) = source.fetch("(cn=indexes)", base="o=infosys")
        attributes, memory = told.values("description")
        assert attributes == "attributes: gluecestatefreejobslots, objectclass"
        size, most = (int(word) for word in memory.split() if word.isdigit())
        assert 0 < size < most == INDEX_BYTES


def test_the_made_up_grid_waits_for_the_real_sources_but_not_for_ever() -> None:
    now = [1000.0]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"ldap://127.0.0.1:{taken.getsockname()[1]}"
    with Bdii(settings(url, synthetic_sites=1), clock=lambda: now[0]) as service:
        source = LdapSource(service.server.url)
        assert not source.fetch("(objectClass=GlueCE)", base="o=grid")
        now[0] += 31
        service.refresh_now()
        assert len(source.fetch("(objectClass=GlueCE)", base="o=grid")) == 5


def test_a_picture_that_stays_the_same_is_not_made_again(
    server: LdapServer, grid: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Bdii(settings(server.url)) as service:
        source = LdapSource(service.server.url)

        def figures() -> list[str | None]:
            (found,) = source.fetch("(objectClass=UpdateStats)", base="o=infosys")
            return [found.first(f"{kind}Entries") for kind in ("New", "Modified", "Deleted")]

        before = service.server.directory.find("o=grid"), *service._served.values()
        assert figures() == [str(len(service._served)), "0", "0"]
        own = service._own.entries()
        monkeypatch.setattr(service._own, "entries", lambda: own)  # they tell the minute
        with monkeypatch.context() as unwanted:
            unwanted.setattr(service.server, "publish", lambda _: pytest.fail("the whole tree is made again"))
            service.refresh_now()
        assert figures() == ["0", "0", "0"]
        assert all(map(operator.is_, before, (service.server.directory.find("o=grid"), *service._served.values())))
        changed = Entry(grid[3].dn, dict(grid[3].attributes) | {"GlueCEInfoHostName": ("other",)})
        server.publish([*grid[:3], changed, Entry.of(f"GlueCEUniqueID=new,{RESOURCE}", {"objectClass": "GlueCE"})])
        gone = len(grid) - 4
        service.refresh_now()
        assert figures() == ["1", "1", str(gone)]
        service.refresh_now()
        assert figures() == ["0", "0", "0"]


def test_what_is_new_is_counted_from_the_begin_of_a_harvest_not_from_its_last_part(
    server: LdapServer, grid: list[Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bdii, "_SHOW_AFTER", -1.0)
    with Bdii(settings(server.url)) as service:
        (found,) = LdapSource(service.server.url).fetch("(objectClass=UpdateStats)", base="o=infosys")
        assert found.first("NewEntries") == found.first("TotalEntries")


def test_entries_that_are_refused_are_counted_not_kept() -> None:
    alien = [f"GlueCEUniqueID={each},mds-vo-name=B,o=grid" for each in range(50)]
    with LdapServer("127.0.0.1:0") as server:
        server.publish([Entry.of(dn, {"objectClass": "GlueCE"}) for dn in alien])
        with Bdii(settings(f"{server.url}/o=grid", level=Level.SITE)) as service:
            (harvest,) = service._harvests
            harvest.territory = Territory(("o=grid",), "A")
            service.refresh_now()
            assert harvest.refused.endswith("(and 50 more)")  # with the level above them
            assert harvest.refused.count("GlueCEUniqueID") <= 1


@pytest.mark.parametrize(("base", "megabytes"), [("", 16), ("/mds-vo-name=A,o=grid", 16), ("/o=grid", 128)])
def test_a_source_for_one_site_may_say_less_than_one_for_all(base: str, megabytes: int) -> None:
    harvest = Harvest.of(f"ldap://127.0.0.1:1{base}", "S", Level.TOP, 1.0, time.monotonic)
    assert harvest.source.max_bytes == megabytes << 20


@pytest.mark.parametrize("turned", [False, True])
def test_a_site_that_claims_another_ones_computing_element_does_not_get_it(
    grid: list[Entry], turned: bool
) -> None:
    """In both orders of the sources the element stays with the site on whose host it is."""
    own = [entry.moved(placed(entry.dn, "SITE-B", Level.SITE)) for entry in grid]
    elsewhere = {"GlueCEInfoHostName": ("evil.example.com",)}
    stolen = [
        Entry(placed(entry.dn, "SITE-A", Level.SITE), {**entry.attributes, **(elsewhere if ce else {})})
        for entry in grid
        for ce in (entry.is_a("GlueCE"),)
    ]
    with LdapServer("127.0.0.1:0") as a, LdapServer("127.0.0.1:0") as b:
        a.publish(stolen)
        b.publish(own)
        urls = [f"{a.url}/mds-vo-name=SITE-A,o=grid", f"{b.url}/mds-vo-name=SITE-B,o=grid"]
        with Bdii(settings(*(reversed(urls) if turned else urls))) as service:
            assert service.problems == ()
            made = assemble(LdapSource(service.server.url, "o=grid").fetch())
            assert {record.host for record in made.records} == {"ce.example.org"}
            assert {level[0] for level in made.holders.values()} == {"mds-vo-name=site-b"}
            assert len(made.problems) == len({record.ce_id for record in made.records})
