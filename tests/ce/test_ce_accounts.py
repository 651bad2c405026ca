"""Local accounts, and the certificates that jobs may read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection

from ce.accounts import AccountMap
from ce.certificates import CertificateCopy
from ce.database import SCHEMA_VERSION, accounts, metadata
from ce.errors import AccountRefused, BadSettings
from ce.interpreter import choose
from ce.lrms import LocalAccount
from ce.settings import Accounts, CeSettings, Queue
from ce.staging import Staging
from storage.engine import open_engine
from storage.schema import create

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give jobs accounts of their own")
user_only = pytest.mark.skipif(os.geteuid() == 0, reason="single-user mode is for ordinary users")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    engine = open_engine(f"sqlite:///{tmp_path}/ce.db")
    create(engine, metadata, SCHEMA_VERSION)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


@root_only
def test_each_name_keeps_one_account_and_the_range_ends(db):
    people = AccountMap(accounts, Accounts(first_id=234_000, count=2))
    alice = people.slot_of(db, "/DC=org/CN=Alice")
    assert people.slot_of(db, "/DC=org/CN=Alice/CN=proxy") == alice
    bob = people.slot_of(db, "/DC=org/CN=Bob")
    assert people.local(alice) == LocalAccount(234_000, 234_000, True)
    assert people.local(bob) == LocalAccount(234_001, 234_001, True)
    with pytest.raises(AccountRefused, match="all 2 accounts"):
        people.slot_of(db, "/DC=org/CN=Carol")


@user_only
def test_an_ordinary_user_serves_one_name_and_says_so_to_a_second(db):
    people = AccountMap(accounts, Accounts())
    assert people.local(people.slot_of(db, "/CN=Alice")).uid == os.geteuid()
    with pytest.raises(AccountRefused, match="serves one user"):
        people.slot_of(db, "/CN=Bob")


@root_only
@pytest.mark.parametrize("chosen", [Accounts(mode="single"), Accounts(first_id=0), Accounts(mode="many")])
def test_settings_that_would_run_payloads_as_root_are_refused(chosen):
    with pytest.raises(BadSettings):
        AccountMap(accounts, chosen)


@root_only
def test_a_work_directory_that_accounts_cannot_reach_is_refused_with_the_remedy(place, settings):
    place.chmod(0o700)
    with pytest.raises(BadSettings, match=f"chmod o\\+x {place}"):
        Staging(settings, pool=True)
    place.chmod(0o755)


def test_an_interpreter_that_accounts_cannot_run_is_replaced(place, python):
    private = place / "private"
    private.mkdir(mode=0o700)
    (private / "python3").symlink_to("/nowhere/python3")
    account = LocalAccount(234_000, 234_000, True) if os.geteuid() == 0 else LocalAccount(os.geteuid(), 0, False)
    assert choose(private / "python3", account) == python


def test_the_copy_of_the_certificates_follows_the_original_and_keeps_keys_out(tmp_path):
    source, target = tmp_path / "trust", tmp_path / "copy"
    source.mkdir()
    (source / "ca.pem").write_text("certificate")
    (source / "0a1b2c3d.0").symlink_to("ca.pem")
    (source / "0a1b2c3d.r0").write_text("list 1")
    (source / "ca.key").write_text("secret")
    copy = CertificateCopy(source, target)
    assert copy.refresh() is True
    assert copy.refresh() is False
    assert sorted(os.listdir(target)) == ["0a1b2c3d.0", "0a1b2c3d.r0", "ca.pem"]
    assert (target / "0a1b2c3d.0").read_text() == "certificate"
    assert (target / "0a1b2c3d.r0").stat().st_mode & 0o777 == 0o644
    (source / "0a1b2c3d.r0").write_text("list 22")
    (source / "0a1b2c3d.0").unlink()
    assert copy.refresh() is True
    assert (target / "0a1b2c3d.r0").read_text() == "list 22"
    assert sorted(os.listdir(target)) == ["0a1b2c3d.r0", "ca.pem"]


@pytest.mark.parametrize("queues", [(), (Queue("a"), Queue("a"))])
def test_an_element_needs_queues_with_names_of_their_own(settings, queues):
    from dataclasses import replace

    with pytest.raises(BadSettings):
        replace(settings, queues=queues)
    with pytest.raises(BadSettings):
        Queue("with-dash")
    assert isinstance(settings, CeSettings)
