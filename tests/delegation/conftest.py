"""A CA with users, a trust store, and a store of delegations."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from delegation.settings import DelegationSettings
from delegation.store import DelegationStore
from gsi import proxy
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.identity import Identity
from gsi.trust import TrustStore

HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class World:
    """What stands for the whole test session."""

    ca: TestCA
    rogue: TestCA
    trust_dir: Path
    alice: Credential
    bob: Credential
    alice_proxy: Credential
    bob_proxy: Credential


class FreshKeys:
    """Keys made on the spot."""

    def take(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("delegation")
    ca = TestCA.create(root / "ca", "/O=Test/CN=Test CA")
    rogue = TestCA.create(root / "rogue", "/O=Rogue/CN=Rogue CA")
    ca.write_crl()
    ca.install(root / "trust")
    alice, bob = ca.issue_user("Alice"), ca.issue_user("Bob")
    return World(
        ca,
        rogue,
        root / "trust",
        alice,
        bob,
        proxy.create(alice, lifetime=12 * HOUR),
        proxy.create(bob, lifetime=12 * HOUR),
    )


@pytest.fixture
def trust(world: World) -> TrustStore:
    return TrustStore(world.trust_dir, None)


@pytest.fixture
def alice(world: World, trust: TrustStore) -> Identity:
    """Alice, as her TLS connection shows her."""
    return trust.verify(world.alice_proxy.chain)


@pytest.fixture
def bob(world: World, trust: TrustStore) -> Identity:
    return trust.verify(world.bob_proxy.chain)


@pytest.fixture
def store(tmp_path: Path, trust: TrustStore) -> Callable[..., DelegationStore]:
    """Makes a store over the test's directory; settings by keyword."""

    def make(**settings: object) -> DelegationStore:
        return DelegationStore(
            DelegationSettings(tmp_path / "delegations", **settings),  # type: ignore[arg-type]
            trust,
            FreshKeys(),
        )

    return make

