"""The trust directory: what is in it, what is missing, and changes while it is used."""

from __future__ import annotations

import datetime
import logging
import shutil
import time
from pathlib import Path

import pytest
from cryptography import x509

from grid.errors import ConfigurationError
from gsi import proxy
from gsi.ca import TestCA
from gsi.credential import Credential
from gsi.errors import BadProxy, CrlMissing, PolicyViolation, Revoked, Untrusted
from gsi.trust import TrustPolicy, TrustStore

HOUR = datetime.timedelta(hours=1)


def remove(directory: Path, pattern: str) -> None:
    for path in directory.glob(pattern):
        path.unlink()


def until_changed(trust: TrustStore, before: int) -> float:
    start = time.monotonic()
    while trust.generation() == before:
        assert time.monotonic() - start < 10
        time.sleep(0.05)
    return time.monotonic() - start


def test_a_plain_certificate_and_its_proxies_have_one_identity(trust: TrustStore, grid, alice_proxy) -> None:
    plain, proxied = trust.verify(grid.alice.chain), trust.verify(alice_proxy.chain)
    assert plain.dn == proxied.dn == "/O=Grid/OU=test/CN=alice"
    assert plain.issuer == proxied.issuer == grid.ca.name
    assert plain.kinds == () and proxied.kinds == ("rfc",)
    assert plain.full_proxy and proxied.full_proxy and plain.vo is None and plain.fqans == ()


def test_a_running_store_sees_a_revocation_within_seconds(trust_copy: Path, grid, tmp_path: Path) -> None:
    shutil.copytree(grid.ca.directory, tmp_path / "ca")
    ca = TestCA.open(tmp_path / "ca")
    eve = ca.issue_user("eve")
    chain = proxy.create(proxy.create(eve, lifetime=HOUR), lifetime=HOUR).chain
    legacy = proxy.create(eve, lifetime=HOUR, legacy="gt2").chain
    trust = TrustStore(trust_copy)
    assert trust.verify(chain).dn.endswith("/CN=eve")
    before = trust.generation()
    ca.revoke(eve.certificate)
    ca.write_crl()
    ca.install_crl(trust_copy)
    assert until_changed(trust, before) < 4
    for presented in (eve.chain, chain, legacy):
        with pytest.raises(Revoked, match="revoked by") as caught:
            trust.verify(presented)
        assert caught.value.certificate == "/O=Grid/OU=test/CN=eve"
    assert trust.verify(grid.alice.chain)


def test_nothing_changed_means_the_same_generation(trust_copy: Path) -> None:
    trust = TrustStore(trust_copy)
    before = trust.generation()
    time.sleep(2.1)
    assert trust.generation() == before


def test_a_missing_revocation_list_refuses(trust_copy: Path, grid) -> None:
    remove(trust_copy, "*.r0")
    with pytest.raises(CrlMissing, match="no usable revocation list of /O=Grid/OU=test/CN=Test CA"):
        TrustStore(trust_copy).verify(grid.alice.chain)


def test_a_missing_revocation_list_can_be_excused_for_one_ca(trust_copy: Path, grid, alice_proxy) -> None:
    remove(trust_copy, "*.r0")
    excused = TrustPolicy(missing_crl_ok=frozenset({grid.ca.name}))
    assert TrustStore(trust_copy, None, excused).verify(alice_proxy.chain).dn.endswith("/CN=alice")
    other = TrustPolicy(missing_crl_ok=frozenset({"/O=Other/CN=CA"}))
    with pytest.raises(CrlMissing):
        TrustStore(trust_copy, None, other).verify(alice_proxy.chain)


def test_an_excuse_does_not_pardon_the_revoked(trust_copy: Path, grid, tmp_path: Path) -> None:
    shutil.copytree(grid.ca.directory, tmp_path / "ca")
    ca = TestCA.open(tmp_path / "ca")
    ca.revoke(grid.bob.certificate)
    ca.write_crl()
    ca.install_crl(trust_copy)
    excused = TrustPolicy(missing_crl_ok=frozenset({grid.ca.name}))
    with pytest.raises(Revoked):
        TrustStore(trust_copy, None, excused).verify(grid.bob.chain)


def test_an_outdated_revocation_list_refuses(trust_copy: Path, grid, write_list) -> None:
    write_list(grid.ca, trust_copy, -2 * HOUR, -HOUR)
    with pytest.raises(CrlMissing, match="fetch the present one"):
        TrustStore(trust_copy).verify(grid.alice.chain)


def test_a_revocation_list_outdated_for_less_than_a_minute_serves(trust_copy: Path, grid, write_list) -> None:
    write_list(grid.ca, trust_copy, -2 * HOUR, -HOUR / 120)
    assert TrustStore(trust_copy).verify(grid.alice.chain)


def test_a_list_that_goes_out_of_date_refuses_without_a_change(trust_copy: Path, grid, write_list) -> None:
    write_list(grid.ca, trust_copy, -2 * HOUR, HOUR)
    trust = TrustStore(trust_copy)
    assert trust.verify(grid.alice.chain)
    with pytest.raises(CrlMissing):
        trust.verify(grid.alice.chain, now=datetime.datetime.now(datetime.UTC) + 2 * HOUR)


@pytest.mark.parametrize("flaw", ["delta", "partial", "unknown"])
def test_an_incomplete_revocation_list_does_not_count(trust_copy: Path, grid, flaw: str, write_list) -> None:
    partial = x509.IssuingDistributionPoint(None, None, True, False, None, False, False)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    extension = {"delta": x509.DeltaCRLIndicator(1), "partial": partial, "unknown": unknown}[flaw]
    write_list(grid.ca, trust_copy, -HOUR, HOUR, (extension, True))
    with pytest.raises(CrlMissing):
        TrustStore(trust_copy).verify(grid.alice.chain)


def test_a_revocation_list_of_a_namesake_does_not_count(
    trust_copy: Path, grid, spare_keys, write_list
) -> None:
    write_list(grid.ca, trust_copy, -HOUR, HOUR, key=spare_keys[0])
    with pytest.raises(CrlMissing):
        TrustStore(trust_copy).verify(grid.alice.chain)


def test_the_newest_of_several_lists_counts(trust_copy: Path, grid, write_list) -> None:
    current = next(trust_copy.glob("*.r0")).read_bytes()
    write_list(grid.ca, trust_copy, -3 * HOUR, -2 * HOUR)
    stem = next(trust_copy.glob("*.r0")).stem
    (trust_copy / f"{stem}.r1").write_bytes(current)
    assert TrustStore(trust_copy).verify(grid.alice.chain)


def test_a_missing_policy_refuses(trust_copy: Path, grid) -> None:
    remove(trust_copy, "*.namespaces")
    assert TrustStore(trust_copy).verify(grid.alice.chain)  # the other form is enough
    remove(trust_copy, "*.signing_policy")
    with pytest.raises(PolicyViolation, match="no signing policy"):
        TrustStore(trust_copy).verify(grid.alice.chain)


def test_namespaces_take_precedence(trust_copy: Path, grid) -> None:
    for path in trust_copy.glob("*.namespaces"):
        path.write_text(f'TO Issuer "{grid.ca.name}" PERMIT Subject "/O=Grid/OU=test/CN=bob"\n')
    trust = TrustStore(trust_copy)
    assert trust.verify(grid.bob.chain)
    with pytest.raises(PolicyViolation, match=r"\.namespaces"):
        trust.verify(grid.alice.chain)


def test_one_broken_file_does_not_shut_the_others_out(
    trust_copy: Path, grid, caplog: pytest.LogCaptureFixture
) -> None:
    (trust_copy / "00000000.0").write_text("nonsense")
    (trust_copy / "00000000.r0").write_bytes(b"\x30\x80nonsense")
    (trust_copy / "11111111.0").symlink_to("nowhere")
    with caplog.at_level(logging.WARNING, "wms.gsi"):
        assert TrustStore(trust_copy).verify(grid.alice.chain)
    assert "00000000.0" in caplog.text


def test_a_trust_directory_that_is_missing_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TrustStore(tmp_path / "nothing")


def test_while_the_directory_is_away_nobody_is_trusted_and_then_all_again(trust_copy: Path, grid) -> None:
    trust = TrustStore(trust_copy)
    before = trust.generation()
    trust_copy.rename(trust_copy.with_name("away"))
    until_changed(trust, before)
    with pytest.raises(Untrusted):
        trust.verify(grid.alice.chain)
    before = trust.generation()
    trust_copy.with_name("away").rename(trust_copy)
    until_changed(trust, before)
    assert trust.verify(grid.alice.chain)


@pytest.fixture
def middle(grid, tmp_path: Path, mint, spare_keys) -> TestCA:
    """A CA below the first one, not installed anywhere yet."""
    certificate = mint(
        "/O=Grid/OU=test/CN=Middle CA",
        grid.ca.name,
        spare_keys[0],
        grid.ca.credential.key,
        (x509.BasicConstraints(True, None), True),
    )
    (tmp_path / "middle").mkdir()
    ca = TestCA(tmp_path / "middle", Credential(spare_keys[0], (certificate,)))
    ca.write_crl()
    return ca


def test_a_ca_that_was_only_presented_is_not_trusted(
    trust_copy: Path, grid, middle, mint, spare_keys
) -> None:
    leaf = mint("/O=Grid/OU=test/CN=carol", middle.name, spare_keys[1], spare_keys[0])
    with pytest.raises((Untrusted, CrlMissing)):
        TrustStore(trust_copy).verify([leaf, middle.certificate])
    excused = TrustPolicy(missing_crl_ok=frozenset({middle.name, grid.ca.name}))
    with pytest.raises(Untrusted, match="not in the trust directory itself"):
        TrustStore(trust_copy, None, excused).verify([leaf, middle.certificate])


def test_a_ca_below_another_is_judged_like_it(trust_copy: Path, grid, middle, mint, spare_keys) -> None:
    leaf = mint("/O=Grid/OU=test/CN=carol", middle.name, spare_keys[1], spare_keys[0])
    middle.install(trust_copy)
    assert TrustStore(trust_copy).verify([leaf]).issuer == middle.name
    for path in trust_copy.glob("*.r0"):
        if middle.name.encode() in path.with_suffix(".signing_policy").read_bytes():
            path.unlink()
    with pytest.raises(CrlMissing, match="Middle CA"):
        TrustStore(trust_copy).verify([leaf])


@pytest.mark.parametrize("excused", [False, True])
def test_a_revoked_ca_takes_its_people_along(
    trust_copy: Path, grid, middle, mint, spare_keys, tmp_path: Path, excused: bool
) -> None:
    leaf = mint("/O=Grid/OU=test/CN=carol", middle.name, spare_keys[1], spare_keys[0])
    middle.install(trust_copy)
    shutil.copytree(grid.ca.directory, tmp_path / "ca")
    root = TestCA.open(tmp_path / "ca")
    root.revoke(middle.certificate)
    root.write_crl()
    root.install_crl(trust_copy)
    policy = TrustPolicy(missing_crl_ok=frozenset({"/O=Other/CN=CA"} if excused else ()))
    with pytest.raises(Revoked) as caught:
        TrustStore(trust_copy, None, policy).verify([leaf, middle.certificate])
    assert caught.value.certificate == middle.name and caught.value.subject == "/O=Grid/OU=test/CN=carol"


def test_servers_are_judged_without_proxies(trust: TrustStore, grid, alice_proxy) -> None:
    assert trust.verify_plain(grid.host.chain) == (grid.host.certificate, grid.ca.certificate)
    with pytest.raises(BadProxy):
        trust.verify_plain(alice_proxy.chain)
