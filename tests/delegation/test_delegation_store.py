"""Delegations: what is kept and how, who may put what, and what hostile callers get."""

from __future__ import annotations

import datetime
import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delegation.errors import BadDelegationId, DelegationRefused, UnknownDelegation
from delegation.places import Places, check_id
from delegation.store import DelegationStore, automatic_id
from grid.errors import ConfigurationError, DelegationError, ProxyError, ProxyExpired, ServerOverloaded
from gsi import proxy
from gsi.credential import Credential
from gsi.errors import ChainError, Expired
from gsi.identity import Identity

HOUR = datetime.timedelta(hours=1)
Make = Callable[..., DelegationStore]


def delegated(store: DelegationStore, owner: Identity, name: str, credential: Credential, **how: Any) -> Any:
    """The two steps of a delegation."""
    return store.put(owner, name, proxy.sign_request(store.request(owner, name), credential, **how))


def everything(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_a_delegation_can_be_used_until_its_chain_ends(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    put = delegated(made, alice, "id 1", world.alice_proxy, lifetime=HOUR)
    got = made.get(alice.dn, "id 1")
    assert got == put and made.get(alice, "id 1") == put
    assert got.identity.dn == alice.dn and not got.identity.limited
    assert len(got.identity.kinds) == 2
    assert got.path.read_bytes() == got.pem
    assert got.credential().identity == world.alice.subject
    assert made.termination_time(alice, "id 1") == got.identity.not_after
    assert got.identity.not_after <= datetime.datetime.now(datetime.UTC) + HOUR


def test_nothing_can_be_read_by_others_from_the_first_byte(
    store: Make, world: Any, alice: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[int] = []
    real = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        descriptor = real(path, flags, mode, **more)
        if flags & os.O_CREAT and str(tmp_path) in str(path):
            modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    old = os.umask(0)
    try:
        made = store()
        pem = made.request(alice, "d")
        pending = everything(tmp_path / "delegations")
        made.put(alice, "d", proxy.sign_request(pem, world.alice_proxy))
    finally:
        os.umask(old)
    assert modes and set(modes) == {0o600}
    kept = everything(tmp_path / "delegations")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (*kept,)] == [0o600]
    assert [path.suffix for path in pending] == [".key"] and [path.suffix for path in kept] == [".pem"]
    for directory in (tmp_path / "delegations", kept[0].parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_directory_that_others_can_look_into_is_refused(store: Make, tmp_path: Path) -> None:
    (tmp_path / "delegations").mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        store()


def test_a_delegation_is_replaced_whole_when_it_is_renewed(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    first = delegated(made, alice, "d", world.alice_proxy, lifetime=HOUR)
    held = first.path.open("rb")  # a job that reads the file meanwhile
    pem = made.renew_request(alice, "d")
    second = made.put(alice, "d", proxy.sign_request(pem, world.alice_proxy, lifetime=2 * HOUR))
    with held:
        assert held.read() == first.pem
    assert second.path == first.path and second.pem != first.pem
    assert made.get(alice, "d") == second


def test_only_what_exists_can_be_renewed(store: Make, alice: Identity) -> None:
    with pytest.raises(UnknownDelegation):
        store().renew_request(alice, "d")


def test_two_owners_may_use_one_id(store: Make, world: Any, alice: Identity, bob: Identity) -> None:
    made = store()
    hers = made.request(alice, "d")
    his = made.request(bob, "d")
    made.put(bob, "d", proxy.sign_request(his, world.bob_proxy))
    made.put(alice, "d", proxy.sign_request(hers, world.alice_proxy))
    assert made.get(alice, "d").identity.dn == alice.dn
    assert made.get(bob, "d").identity.dn == bob.dn


def test_requests_of_one_id_do_not_disturb_each_other(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    first, second = made.request(alice, "d"), made.request(alice, "d")
    made.put(alice, "d", proxy.sign_request(first, world.alice_proxy))
    last = made.put(alice, "d", proxy.sign_request(second, world.alice_proxy))
    assert made.get(alice, "d") == last


def test_an_empty_id_is_the_automatic_one(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    put = delegated(made, alice, "", world.alice_proxy)
    assert put.id == automatic_id(alice) and len(put.id) == 16
    assert made.get(alice, "") == made.get(alice.dn, put.id) == put


def test_what_was_destroyed_is_unknown(store: Make, world: Any, alice: Identity, tmp_path: Path) -> None:
    made = store()
    delegation = delegated(made, alice, "d", world.alice_proxy)
    made.request(alice, "d")
    held = delegation.path.open("rb")
    made.destroy(alice, "d")
    with held:
        assert held.read() == delegation.pem, "who has it open keeps it"
    assert everything(tmp_path / "delegations") == []
    for action in (made.get, made.destroy, made.renew_request):
        with pytest.raises(UnknownDelegation):
            action(alice, "d")


# ---------------------------------------------------------------- hostile callers


@pytest.mark.parametrize(
    "name", ["a/b", "../../x", "/", "a\x00b", "a\nb", "\x7f", "x" * 256, "é" * 256, "\u202e", "x" * 4096]
)
def test_ids_that_cannot_be_one_are_refused_everywhere(store: Make, alice: Identity, name: str) -> None:
    made = store()
    for action in (made.request, made.get, made.renew_request, made.destroy, made.termination_time):
        with pytest.raises(BadDelegationId) as caught:
            action(alice, name)
        assert caught.value.code == 1215
    with pytest.raises(BadDelegationId):
        made.put(alice, name, "")
    with pytest.raises(BadDelegationId):
        made.get(alice.dn, "")


@settings(max_examples=100)
@given(st.text(max_size=300), st.text(max_size=60))
def test_no_id_and_no_dn_leads_out_of_its_directory(name: str, dn: str) -> None:
    places = object.__new__(Places)
    places.directory = Path("/store")
    try:
        check_id(name)
    except BadDelegationId:
        return
    place = places.place("/O=a/CN=" + dn, name)
    assert place.proxy.parent.parent == Path("/store")
    assert place.proxy.name.isascii() and "/" not in place.proxy.name


def test_somebody_else_s_delegation_is_as_unknown_as_none(
    store: Make, world: Any, alice: Identity, bob: Identity
) -> None:
    made = store()
    delegated(made, alice, "d", world.alice_proxy)
    with pytest.raises(UnknownDelegation) as his:
        made.get(bob, "d")
    with pytest.raises(UnknownDelegation) as nobodys:
        made.get(bob, "e")
    assert str(his.value).replace("'d'", "'e'") == str(nobodys.value)


def test_a_proxy_for_another_s_request_is_refused(store: Make, world: Any, alice: Identity, bob: Identity) -> None:
    made = store()
    signed = proxy.sign_request(made.request(alice, "d"), world.bob_proxy)
    with pytest.raises(DelegationRefused, match="Alice"):
        made.put(alice, "d", signed)
    with pytest.raises(DelegationRefused, match="does not belong to a request"):
        made.put(bob, "d", signed)
    with pytest.raises(UnknownDelegation):
        made.get(alice, "d")


def test_a_proxy_that_nobody_asked_for_is_refused(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    foreign = proxy.request(rsa.generate_private_key(65537, 2048))
    signed = proxy.sign_request(foreign, world.alice_proxy)
    with pytest.raises(DelegationRefused, match="getProxyReq"):
        made.put(alice, "d", signed)
    made.request(alice, "d")
    with pytest.raises(DelegationRefused, match="getProxyReq"):
        made.put(alice, "d", signed)
    with pytest.raises(DelegationRefused, match="getProxyReq"):
        made.put(alice, "d", world.alice_proxy.to_pem().decode())


def test_a_request_of_one_id_cannot_end_another(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    signed = proxy.sign_request(made.request(alice, "d"), world.alice_proxy)
    with pytest.raises(DelegationRefused):
        made.put(alice, "e", signed)


def test_an_answer_that_got_lost_may_be_repeated_but_nothing_older_comes_back(
    store: Make, world: Any, alice: Identity
) -> None:
    made = store()
    old = proxy.sign_request(made.request(alice, "d"), world.alice_proxy, lifetime=2 * HOUR)
    first = made.put(alice, "d", old)
    assert made.put(alice, "d", old) == first
    second = delegated(made, alice, "d", world.alice_proxy, lifetime=HOUR)
    with pytest.raises(DelegationRefused, match="does not belong to a request"):
        made.put(alice, "d", old)
    assert made.get(alice, "d") == second


@pytest.mark.parametrize(
    "pem",
    ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "x" * 1_000_000, "é\ud800"],
)
def test_what_is_no_chain_is_refused(store: Make, alice: Identity, pem: str) -> None:
    made = store()
    made.request(alice, "d")
    with pytest.raises(DelegationRefused, match="cannot be read"):
        made.put(alice, "d", pem)


def test_a_chain_of_an_unknown_ca_is_refused_with_the_reason(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    signed = proxy.sign_request(made.request(alice, "d"), world.rogue.issue_user("Alice"))
    with pytest.raises(DelegationRefused, match="Rogue") as caught:
        made.put(alice, "d", signed)
    assert caught.value.causes


def test_a_chain_without_its_end_is_refused(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    signed = proxy.sign_request(made.request(alice, "d"), world.alice_proxy)
    alone = signed[: signed.index("-----END CERTIFICATE-----") + 26]
    with pytest.raises(DelegationRefused):
        made.put(alice, "d", alone)


def test_limited_proxies_are_for_computing_elements(store: Make, world: Any, alice: Identity) -> None:
    with pytest.raises(DelegationRefused, match="limited"):
        delegated(store(), alice, "d", world.alice_proxy, limited=True)
    assert delegated(store(accept_limited=True), alice, "d", world.alice_proxy, limited=True).identity.limited


def test_legacy_proxies_are_a_matter_of_policy(store: Make, world: Any, alice: Identity) -> None:
    old = proxy.create(world.alice, lifetime=HOUR, legacy="gt2")
    with pytest.raises(DelegationRefused, match="legacy"):
        delegated(store(), alice, "d", old)
    assert delegated(store(accept_legacy=True), alice, "d", old).identity.legacy


def test_a_proxy_that_lives_too_long_is_refused(store: Make, world: Any, alice: Identity) -> None:
    with pytest.raises(DelegationRefused, match="lives longer"):
        delegated(store(max_lifetime=HOUR), alice, "d", world.alice_proxy, lifetime=2 * HOUR)


def test_a_proxy_never_counts_for_longer_than_what_signed_it(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    short = proxy.create(world.alice, lifetime=HOUR)
    put = delegated(made, alice, "d", short, lifetime=100 * HOUR)
    assert put.identity.not_after <= short.not_after


# ---------------------------------------------------------------- limits and time


def test_too_many_waiting_requests_are_refused_and_others_do_not_suffer(
    store: Make, world: Any, alice: Identity, bob: Identity
) -> None:
    made = store(max_pending=2)
    made.request(alice, "a")
    made.request(alice, "b")
    with pytest.raises(ServerOverloaded, match="wait"):
        made.request(alice, "c")
    delegated(made, bob, "d", world.bob_proxy)


def test_waiting_requests_make_room_when_they_are_old(
    store: Make, world: Any, alice: Identity, tmp_path: Path
) -> None:
    made = store(max_pending=2)
    oldest = made.request(alice, "a")
    for path in everything(tmp_path):
        os.utime(path, (time.time() - 120, time.time() - 120))
    newer = made.request(alice, "b")
    made.request(alice, "c")
    with pytest.raises(DelegationRefused):
        made.put(alice, "a", proxy.sign_request(oldest, world.alice_proxy))
    made.put(alice, "b", proxy.sign_request(newer, world.alice_proxy))


def test_sweeping_removes_what_has_ended_and_nothing_else(
    store: Make, world: Any, alice: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store()
    delegated(made, alice, "short", world.alice_proxy, lifetime=HOUR)
    delegated(made, alice, "long", world.alice_proxy, lifetime=10 * HOUR)
    made.request(alice, "waiting")
    before = set(everything(tmp_path))
    made.request(alice, "forgotten")
    (forgotten,) = set(everything(tmp_path)) - before
    broken = forgotten.with_suffix(".pem")
    broken.write_bytes(b"broken")
    left_by_a_crash = forgotten.parent / ".x.tmp"
    left_by_a_crash.write_bytes(b"")
    for path in (forgotten, left_by_a_crash):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    assert made.sweep() == 2
    later = datetime.datetime.now(datetime.UTC) + 5 * HOUR
    monkeypatch.setattr("delegation.store.clock.now", lambda: later)
    assert made.sweep() == 1
    with pytest.raises(UnknownDelegation):
        made.get(alice, "short")
    assert made.get(alice, "long").id == "long"
    assert broken.exists(), "what cannot be read is left for the operator"


class Verdict:
    """A trust store that says what a test wants."""

    def __init__(self, error: ChainError) -> None:
        self.error = error

    def verify(self, chain: Any) -> Identity:
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Expired("/CN=a", "has expired"), ProxyExpired, 1213),
        (ChainError("/CN=a", "was revoked"), ProxyError, 1212),
    ],
)
def test_what_is_no_longer_good_is_not_given_out(
    store: Make, world: Any, alice: Identity, error: ChainError, kind: type[ProxyError], code: int
) -> None:
    made = store()
    delegated(made, alice, "d", world.alice_proxy)
    made._trust = Verdict(error)
    with pytest.raises(kind) as caught:
        made.get(alice, "d")
    assert caught.value.code == code and "/CN=a" in caught.value.causes[0]


def test_the_workers_of_a_service_share_a_store(store: Make, world: Any, alice: Identity) -> None:
    asked, answered = store(), store()
    pem = asked.request(alice, "d")
    answered.put(alice, "d", proxy.sign_request(pem, world.alice_proxy))
    assert asked.get(alice, "d") == answered.get(alice, "d")


def test_many_delegations_at_once_all_end_well(store: Make, world: Any, alice: Identity) -> None:
    made = store()
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            delegated(made, alice, f"d{number % 2}", world.alice_proxy)
            made.get(alice, f"d{number % 2}")
        except DelegationError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures


def test_a_planted_link_is_replaced_and_not_followed(
    store: Make, world: Any, alice: Identity, tmp_path: Path
) -> None:
    made = store()
    target = tmp_path / "target"
    target.write_text("untouched")
    place = Places(tmp_path / "delegations").place(alice.dn, "d")
    place.owner.mkdir(mode=0o700)
    place.proxy.symlink_to(target)
    delegated(made, alice, "d", world.alice_proxy)
    assert target.read_text() == "untouched" and not place.proxy.is_symlink()


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(min_size=1, max_size=30))
def test_any_id_that_is_accepted_can_be_looked_up(store: Make, alice: Identity, name: str) -> None:
    try:
        store().get(alice, name)
    except UnknownDelegation as unknown:
        assert unknown.delegation_id == name
    except BadDelegationId as bad:
        assert bad.reason
