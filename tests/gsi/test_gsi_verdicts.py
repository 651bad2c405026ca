"""What is remembered of judgements, and for how long."""

import datetime

import pytest

from grid.clock import now
from gsi import proxy
from gsi.errors import Expired
from gsi.trust import TrustStore
from gsi.verdicts import Verdicts

SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def anchors(trust: TrustStore):
    return trust._current()


def test_a_chain_that_comes_again_at_once_is_not_judged_again(grid) -> None:
    trust = TrustStore(grid.cert_dir, grid.voms_dir)
    assert trust.verify(grid.alice.chain) is trust.verify(list(grid.alice.chain))


def test_a_judgement_for_a_named_moment_is_always_made(grid) -> None:
    trust = TrustStore(grid.cert_dir, grid.voms_dir)
    trust.verify(grid.alice.chain)
    with pytest.raises(Expired):
        trust.verify(grid.alice.chain, now=now() + datetime.timedelta(days=40_000))


def test_another_chain_of_the_same_person_is_judged_for_itself(grid, alice_proxy) -> None:
    trust = TrustStore(grid.cert_dir, grid.voms_dir)
    trust.verify(grid.alice.chain)
    assert trust.verify(alice_proxy.chain).kinds == ("rfc",)


def test_a_verdict_holds_under_the_anchors_that_gave_it_only(grid, trust: TrustStore, anchors) -> None:
    verdicts = Verdicts()
    verdicts.keep(grid.alice.chain, anchors, trust.verify(grid.alice.chain))
    other = TrustStore(grid.cert_dir, grid.voms_dir)._current()
    assert verdicts.find(grid.alice.chain, anchors, now()) is not None
    assert verdicts.find(grid.alice.chain, other, now()) is None


def test_a_verdict_ends_with_the_chain(grid, trust: TrustStore, anchors) -> None:
    chain = proxy.create(grid.alice, lifetime=60 * SECOND).chain
    identity = trust.verify(chain)
    verdicts = Verdicts()
    verdicts.keep(chain, anchors, identity)
    assert verdicts.find(chain, anchors, identity.not_after - SECOND) is identity
    assert verdicts.find(chain, anchors, identity.not_after) is None


def test_a_verdict_is_forgotten_after_its_time(grid, trust: TrustStore, anchors) -> None:
    verdicts = Verdicts(good_for=0)
    verdicts.keep(grid.alice.chain, anchors, trust.verify(grid.alice.chain))
    assert verdicts.find(grid.alice.chain, anchors, now()) is None


def test_the_oldest_verdict_makes_room(grid, trust: TrustStore, anchors) -> None:
    verdicts = Verdicts(most=1)
    for person in (grid.alice, grid.bob):
        verdicts.keep(person.chain, anchors, trust.verify(person.chain))
    assert verdicts.find(grid.alice.chain, anchors, now()) is None
    assert verdicts.find(grid.bob.chain, anchors, now()) is not None
