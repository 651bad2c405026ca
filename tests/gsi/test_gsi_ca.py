"""The test CA."""

from __future__ import annotations

import datetime
import json
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12 as pkcs12_format
from OpenSSL import crypto

from grid.errors import ConfigurationError, ProxyError
from gsi import ca as gsi_ca
from gsi.ca import TestCA
from gsi.trust import TrustStore

NAME = "/O=Grid/OU=test/CN=Test CA"


@pytest.fixture
def own(grid, tmp_path: Path) -> TestCA:
    """A CA that the test may change: a copy, since a new key takes time."""
    import shutil

    shutil.copytree(grid.ca.directory, tmp_path / "ca")
    return TestCA.open(tmp_path / "ca")


def crl_of(ca: TestCA) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl((ca.directory / "crl.pem").read_bytes())


def number_of(ca: TestCA) -> int:
    return crl_of(ca).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_creating_again_opens_the_same_ca(own: TestCA) -> None:
    assert TestCA.create(own.directory, NAME).certificate == own.certificate
    with pytest.raises(ConfigurationError, match="holds the CA"):
        TestCA.create(own.directory, "/O=Other/CN=CA")


def test_a_ca_whose_making_was_cut_short_is_made_anew(own: TestCA) -> None:
    (own.directory / "ca.pem").unlink()
    assert TestCA.create(own.directory, NAME).name == NAME


def test_opening_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProxyError):
        TestCA.open(tmp_path)


@pytest.mark.parametrize("name", ["Test CA", "/O=Gr'id/CN=x", '/O="/CN=x', "/O=*/CN=x"])
def test_a_name_that_policy_files_cannot_carry_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        TestCA.create(tmp_path / "x", name)


def test_keys_are_private_and_the_rest_is_readable(grid) -> None:
    assert {p.name: p.stat().st_mode & 0o777 for p in grid.ca.directory.iterdir()} == {
        "ca.key": 0o600,
        "ca.pem": 0o644,
        "crl.pem": 0o644,
        "lock": 0o600,
        "state.json": 0o644,
    }


def test_a_trust_directory_has_both_hash_names_and_is_readable_by_all(grid) -> None:
    newer = f"{crypto.X509.from_cryptography(grid.ca.certificate).subject_name_hash():08x}"
    names = {p.name for p in grid.cert_dir.iterdir()}
    stems = {name.split(".")[0] for name in names}
    assert len(stems) == 2 and newer in stems
    assert names == {f"{stem}.{end}" for stem in stems for end in ("0", "r0", "signing_policy", "namespaces")}
    assert {p.stat().st_mode & 0o777 for p in grid.cert_dir.iterdir()} == {0o644}
    assert grid.cert_dir.stat().st_mode & 0o777 == 0o755


def test_a_host_has_its_names_and_the_loopback(grid) -> None:
    names = grid.host.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["node.example.org", "localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert grid.host.subject == "/O=Grid/OU=test/CN=node.example.org"


@pytest.mark.parametrize("name", ["x/CN=alice", "proxy", "a\nb"])
def test_a_name_that_could_be_taken_for_another_is_not_certified(grid, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be certified"):
        grid.ca.issue_user(name)


def test_a_host_needs_a_name(grid) -> None:
    with pytest.raises(ValueError):
        grid.ca.issue_host([])


def test_revocation_is_durable_and_numbers_rise(own: TestCA, grid) -> None:
    before = number_of(own)
    own.revoke(grid.bob.certificate)
    own.revoke(grid.bob.certificate)
    own.write_crl()
    again = TestCA.open(own.directory)
    again.write_crl()
    assert number_of(own) == before + 2
    assert [r.serial_number for r in crl_of(own)] == [grid.bob.certificate.serial_number]
    assert list(json.loads((own.directory / "state.json").read_text())["revoked"]) == [
        str(grid.bob.certificate.serial_number)
    ]


def test_a_list_lives_as_long_as_configured(own: TestCA) -> None:
    ca = TestCA.open(own.directory, crl_lifetime=datetime.timedelta(hours=6))
    ca.write_crl()
    assert crl_of(ca).next_update_utc - crl_of(ca).last_update_utc == datetime.timedelta(hours=6)
    assert crl_of(ca).is_signature_valid(ca.certificate.public_key())


def test_writers_do_not_lose_each_others_revocations(own: TestCA, grid) -> None:
    victims = [grid.alice.certificate, grid.bob.certificate, grid.host.certificate, grid.voms.certificate]
    before = number_of(own)

    def revoke(victim: x509.Certificate) -> None:
        TestCA.open(own.directory).revoke(victim)
        TestCA.open(own.directory).write_crl()

    threads = [threading.Thread(target=revoke, args=(victim,)) for victim in victims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    own.write_crl()
    assert len(list(crl_of(own))) == 4 and number_of(own) == before + 5


def test_a_certificate_of_another_ca_is_not_revoked(own: TestCA, mint, spare_keys) -> None:
    stranger = mint("/O=X/CN=x", "/O=X/CN=CA", spare_keys[0], spare_keys[1])
    with pytest.raises(ValueError, match="was not issued by"):
        own.revoke(stranger)


def test_a_damaged_state_is_named(own: TestCA) -> None:
    (own.directory / "state.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"state\.json is damaged"):
        own.write_crl()


def test_a_name_with_regular_expression_characters_keeps_its_meaning(
    tmp_path: Path, mint, spare_keys
) -> None:
    ca = TestCA.create(tmp_path / "ca", "/O=Grid (test+x.y)/CN=Test CA")
    ca.install(tmp_path / "trust")
    trust = TrustStore(tmp_path / "trust")
    key = spare_keys[0]
    inside = mint("/O=Grid (test+x.y)/CN=a", ca.name, key, ca.credential.key)
    assert trust.verify([inside]).dn == "/O=Grid (test+x.y)/CN=a"
    outside = mint("/O=Grid (test+xzy)/CN=a", ca.name, key, ca.credential.key)
    with pytest.raises(Exception, match="may not give"):
        trust.verify([outside])


def test_pkcs12_holds_certificate_key_and_chain(grid, alice_proxy) -> None:
    data = gsi_ca.pkcs12(alice_proxy, b"secret", name="alice")
    key, certificate, more = pkcs12_format.load_key_and_certificates(data, b"secret")
    assert certificate == alice_proxy.certificate and more == list(alice_proxy.chain[1:])
    assert key.private_numbers() == alice_proxy.key.private_numbers()
    with pytest.raises(ValueError):
        pkcs12_format.load_key_and_certificates(data, b"wrong")


def test_an_lsc_file_names_server_and_ca(grid) -> None:
    text = (grid.voms_dir / "tvo" / "voms.example.org.lsc").read_text()
    assert text == "/O=Grid/OU=test/CN=voms.example.org\n/O=Grid/OU=test/CN=Test CA\n"
