"""Making proxies and signing delegation requests."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from grid.errors import ProxyError, ProxyExpired
from gsi import proxy
from gsi.credential import Credential
from gsi.proxyinfo import GT3_EXTENSION, LIMITED, RFC_EXTENSION, inspect
from gsi.trust import TrustStore

HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)


def test_a_proxy_has_the_marks_of_rfc_3820(alice_proxy: Credential, grid) -> None:
    leaf = alice_proxy.certificate
    info = leaf.extensions.get_extension_for_oid(RFC_EXTENSION)
    assert info.critical
    assert info.value.value == bytes.fromhex(
        "300c300a06082b06010505071501"
    )  # no path length, id-ppl-inheritAll
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and usage.value.key_encipherment
    assert not usage.value.content_commitment and not usage.value.key_cert_sign
    assert leaf.issuer == grid.alice.certificate.subject
    assert list(leaf.subject.rdns)[:-1] == list(grid.alice.certificate.subject.rdns)
    assert list(leaf.subject)[-1].value.isdigit()
    assert len(leaf.extensions) == 2
    assert proxy.kind(leaf) == "rfc" and proxy.kind(grid.alice.certificate) is None


def test_serials_and_names_are_never_repeated(grid, spare_keys) -> None:
    csr = proxy.request(spare_keys[0])
    made = [proxy.assemble(spare_keys[0], proxy.sign_request(csr, grid.alice)).certificate for _ in range(20)]
    assert len({c.serial_number for c in made}) == 20
    assert len({c.subject for c in made}) == 20


def test_a_proxy_begins_a_little_in_the_past_but_never_before_its_signer(
    alice_proxy: Credential, grid
) -> None:
    begin = alice_proxy.certificate.not_valid_before_utc
    now = datetime.datetime.now(datetime.UTC)
    assert now - 10 * MINUTE < begin < now
    assert begin >= grid.alice.certificate.not_valid_before_utc


def test_a_proxy_never_outlives_its_signer(grid, trust: TrustStore) -> None:
    short = proxy.create(grid.alice, lifetime=HOUR)
    long = proxy.create(short, lifetime=100 * HOUR)
    assert long.certificate.not_valid_after_utc == short.certificate.not_valid_after_utc
    assert trust.verify(long.chain).not_after == short.not_after


def test_a_limited_proxy_stays_limited_below(grid, spare_keys) -> None:
    limited = proxy.create(grid.alice, lifetime=HOUR, limited=True)
    info = inspect(limited.certificate)
    assert info is not None and info.language == LIMITED
    below = proxy.assemble(spare_keys[0], proxy.sign_request(proxy.request(spare_keys[0]), limited))
    assert inspect(below.certificate).limited


def test_delegation_gives_the_new_certificate_first_then_the_signers_chain(
    alice_proxy, spare_keys, trust
) -> None:
    key = spare_keys[0]
    pem = proxy.sign_request(proxy.request(key), alice_proxy, lifetime=HOUR, limited=True)
    delegated = proxy.assemble(key, pem)
    assert delegated.chain[1:] == alice_proxy.chain
    identity = trust.verify(delegated.chain)
    assert identity.dn == "/O=Grid/OU=test/CN=alice" and identity.kinds == ("rfc", "rfc")
    assert identity.limited and not identity.full_proxy


def test_the_name_in_a_request_is_ignored(grid, spare_keys) -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(spare_keys[0], hashes.SHA256())
    pem = proxy.sign_request(csr.public_bytes(serialization.Encoding.PEM).decode(), grid.alice)
    assert "root" not in proxy.assemble(spare_keys[0], pem).subject


def test_a_chain_made_for_another_key_is_not_assembled(grid, spare_keys) -> None:
    pem = proxy.sign_request(proxy.request(spare_keys[0]), grid.alice)
    with pytest.raises(ProxyError, match="belongs to the private key"):
        proxy.assemble(spare_keys[1], pem)


@pytest.mark.parametrize(
    "text", ["", "nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"]
)
def test_what_is_no_request_is_a_proxy_error(grid, text: str) -> None:
    with pytest.raises(ProxyError, match="cannot be read"):
        proxy.sign_request(text, grid.alice)


def test_a_request_that_is_not_signed_by_its_own_key_is_refused(grid, spare_keys) -> None:
    csr = x509.load_pem_x509_csr(proxy.request(spare_keys[0]).encode())
    der = bytearray(csr.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    pem = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(ProxyError, match="its own key"):
        proxy.sign_request(pem, grid.alice)


def test_a_request_with_a_short_key_is_refused(grid) -> None:
    with pytest.raises(ProxyError, match="1024 bits"):
        proxy.sign_request(proxy.request(rsa.generate_private_key(65537, 1024)), grid.alice)


def test_path_length_is_written_and_kept(grid, trust: TrustStore) -> None:
    first = proxy.create(grid.alice, lifetime=HOUR, path_length=1)
    second = proxy.create(first, lifetime=HOUR)
    assert trust.verify(second.chain).kinds == ("rfc", "rfc")
    with pytest.raises(ProxyError, match="path length"):
        proxy.create(second, lifetime=HOUR)


def test_an_ended_credential_signs_nothing(grid, mint, spare_keys) -> None:
    ended = mint("/O=Grid/OU=test/CN=eve", grid.ca.name, spare_keys[0], grid.ca.credential.key, end=-MINUTE)
    with pytest.raises(ProxyExpired, match="ended on"):
        proxy.sign_request(proxy.request(spare_keys[1]), Credential(spare_keys[0], (ended,)))


def test_a_lifetime_must_be_positive(grid, spare_keys) -> None:
    with pytest.raises(ProxyError, match="positive"):
        proxy.sign_request(proxy.request(spare_keys[0]), grid.alice, lifetime=datetime.timedelta(0))


@pytest.mark.parametrize("kind", ["gt2", "gt3"])
def test_a_proxy_of_a_legacy_proxy_is_of_the_same_kind(
    grid, trust: TrustStore, spare_keys, kind: str
) -> None:
    first = proxy.create(grid.alice, lifetime=HOUR, legacy=kind)
    second = proxy.assemble(
        spare_keys[0], proxy.sign_request(proxy.request(spare_keys[0]), first, limited=True)
    )
    identity = trust.verify(second.chain)
    assert identity.kinds == (kind, kind) and identity.limited and identity.legacy
    assert identity.dn == "/O=Grid/OU=test/CN=alice"
    if kind == "gt2":
        assert second.subject == "/O=Grid/OU=test/CN=alice/CN=proxy/CN=limited proxy"
    else:
        assert second.certificate.extensions.get_extension_for_oid(GT3_EXTENSION).critical


def test_kinds_are_not_mixed_when_signing(grid, alice_proxy) -> None:
    with pytest.raises(ProxyError, match="kind rfc"):
        proxy.create(alice_proxy, lifetime=HOUR, legacy="gt2")


def test_further_extensions_are_carried_uncritically(grid) -> None:
    extra = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    made = proxy.create(grid.alice, lifetime=HOUR, extensions=[extra]).certificate
    found = made.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.2.3.4"))
    assert found.value == extra and not found.critical
