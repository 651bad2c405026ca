"""The harvest."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from grid.doorbell import ring
from grid.errors import ConfigurationError
from infosys import bdii
from infosys.bdii import Bdii, rerooted
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.server import LdapServer
from infosys.settings import BdiiSettings

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


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("GlueCEUniqueID=x,mds-vo-name=resource,o=grid", "GlueCEUniqueID=x,mds-vo-name=S,mds-vo-name=local,o=grid"),
        ("GlueCEUniqueID=x,Mds-Vo-name=Other,o=Grid", "GlueCEUniqueID=x,mds-vo-name=Other,mds-vo-name=local,o=grid"),
        (
            "a=b,GlueCEUniqueID=x,mds-vo-name=T,mds-vo-name=local,o=grid",
            "a=b,GlueCEUniqueID=x,mds-vo-name=T,mds-vo-name=local,o=grid",
        ),
        (
            "a=x,mds-vo-name=resource,mds-vo-name=T,o=grid",
            "a=x,mds-vo-name=S,mds-vo-name=T,mds-vo-name=local,o=grid",
        ),
        ("GlueCEUniqueID=a\\,b,o=grid", "GlueCEUniqueID=a\\,b,mds-vo-name=S,mds-vo-name=local,o=grid"),
    ],
)
def test_where_an_entry_is_put(name: str, place: str) -> None:
    assert rerooted(name, "S") == place


def test_what_is_not_below_o_grid_has_no_place() -> None:
    with pytest.raises(NameSyntaxError):
        rerooted("cn=x,o=glue", "S")


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
