"""Chains of proxy files are taken apart once, and never mistaken for one another."""

from __future__ import annotations

import datetime

import pytest

from delegation import chains
from delegation.chains import Chains
from grid.errors import ProxyError
from gsi import proxy
from gsi.ca import TestCA
from gsi.credential import Credential

HOUR = datetime.timedelta(hours=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    ca = TestCA.create(tmp_path_factory.mktemp("ca"), "/O=Grid/CN=Chains CA")
    return [proxy.create(ca.issue_user(name), lifetime=HOUR).to_pem() for name in ("a", "b", "c")]


def test_a_file_gives_its_own_chain_each_time(files):
    known = Chains()
    for _ in range(2):
        for content in files:
            assert known.chain(content) == Credential.from_pem(content).chain


def test_a_file_is_taken_apart_once_until_it_has_to_make_room(files, monkeypatch):
    taken = []
    real = Credential.from_pem
    monkeypatch.setattr(chains.Credential, "from_pem", lambda content: (taken.append(content), real(content))[1])
    known = Chains(most=2)
    for content in (files[0], files[1], files[0], files[2], files[0], files[1]):
        known.chain(content)
    assert taken == [files[0], files[1], files[2], files[1]]


def test_what_is_no_credential_is_refused_each_time():
    known = Chains()
    for _ in range(2):
        with pytest.raises(ProxyError):
            known.chain(b"no credential")
