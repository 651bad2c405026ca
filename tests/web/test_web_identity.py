"""Who is at the other end: judged once per connection, and again when its grounds change."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from grid import clock
from gsi import proxy
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.errors import Expired, NoCertificate, Revoked, Untrusted
from gsi.trust import TrustStore
from web.identity import Authenticator


class Socket:
    def __init__(self, chain: tuple[Any, ...]) -> None:
        self.chain = chain


class Counting:
    """A trust store that counts its verdicts."""

    def __init__(self, store: TrustStore) -> None:
        self.store, self.verdicts, self.shift = store, 0, 0

    def verify(self, chain: Any) -> Any:
        self.verdicts += 1
        return self.store.verify(chain)

    def generation(self) -> int:
        return self.store.generation() + self.shift


def environ(chain: tuple[Any, ...]) -> dict[str, Any]:
    return {"gunicorn.socket": Socket(chain)}


@pytest.fixture
def trust(grid: Any) -> Counting:
    return Counting(TrustStore(grid.trust))


def test_a_connection_is_judged_once(grid: Any, trust: Counting) -> None:
    authenticator = Authenticator(trust)  # type: ignore[arg-type]
    request = environ(Credential.load(grid.alice).chain)
    assert {authenticator.identify(request).dn for _ in range(5)} == {"/O=Grid/CN=alice"}
    assert trust.verdicts == 1
    trust.shift += 1
    authenticator.identify(request)
    assert trust.verdicts == 2, "the trust directory changed"


def test_two_connections_are_never_mixed_up(grid: Any, trust: Counting) -> None:
    authenticator = Authenticator(trust)  # type: ignore[arg-type]
    requests = {name: environ(Credential.load(getattr(grid, name)).chain) for name in ("alice", "bob")}
    for _ in range(3):
        for name, request in requests.items():
            assert authenticator.identify(request).dn == f"/O=Grid/CN={name}"


def test_a_header_is_no_certificate(grid: Any, trust: Counting) -> None:
    request = environ(()) | {"HTTP_SSL_CLIENT_S_DN": "/O=Grid/CN=alice", "SSL_CLIENT_S_DN": "/O=Grid/CN=alice"}
    with pytest.raises(NoCertificate):
        Authenticator(trust).identify(request)  # type: ignore[arg-type]


def test_a_refusal_is_remembered_and_raised_anew(grid: Any, trust: Counting, tmp_path: Any) -> None:
    stranger = TestCA.create(tmp_path / "ca", "/O=Elsewhere/CN=CA").issue_user("alice")
    authenticator, request = Authenticator(trust), environ(stranger.chain)  # type: ignore[arg-type]
    errors = []
    for _ in range(2):
        with pytest.raises(Untrusted) as caught:
            authenticator.identify(request)
        errors.append(caught.value)
    assert trust.verdicts == 1
    assert errors[0] is not errors[1]
    assert errors[0].description == errors[1].description
    assert errors[0].certificate == errors[1].certificate


def test_a_chain_that_ends_during_the_connection_is_refused(
    grid: Any, trust: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = proxy.create(Credential.load(grid.alice), lifetime=datetime.timedelta(minutes=5))
    authenticator, request = Authenticator(trust), environ(short.chain)  # type: ignore[arg-type]
    authenticator.identify(request)
    later = clock.now() + datetime.timedelta(minutes=10)
    monkeypatch.setattr(clock, "now", lambda: later)
    monkeypatch.setattr(trust, "verify", lambda chain: trust.store.verify(chain, now=later))
    with pytest.raises(Expired):
        authenticator.identify(request)


def test_a_revocation_takes_effect_on_a_kept_connection(tmp_path: Any) -> None:
    ca = TestCA.create(tmp_path / "ca", "/O=Grid/CN=CA")
    ca.install(tmp_path / "trust")
    mallory = ca.issue_user("mallory")
    trust = Counting(TrustStore(tmp_path / "trust"))
    authenticator, request = Authenticator(trust), environ(mallory.chain)  # type: ignore[arg-type]
    assert authenticator.identify(request).dn == "/O=Grid/CN=mallory"
    ca.revoke(mallory.certificate)
    ca.write_crl()
    ca.install_crl(tmp_path / "trust")
    trust.store = TrustStore(tmp_path / "trust")  # the store looks every few seconds; a new one looks now
    trust.shift = 1
    with pytest.raises(Revoked):
        authenticator.identify(request)
