"""Chains that somebody made up: each is refused, for the right reason, naming the certificate at fault."""

from __future__ import annotations

import datetime
import itertools
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from gsi import proxy
from gsi.credential import Credential
from gsi.errors import (
    BadProxy,
    ChainError,
    Expired,
    NoCertificate,
    NotYetValid,
    PolicyViolation,
    Untrusted,
    WeakKey,
)
from gsi.proxyinfo import INDEPENDENT, INHERIT_ALL, ProxyInfo, encode
from gsi.trust import TrustPolicy, TrustStore

DER = serialization.Encoding.DER
HOUR = datetime.timedelta(hours=1)
SECOND = datetime.timedelta(seconds=1)
ALICE = "/O=Grid/OU=test/CN=alice"
RFC = (encode(ProxyInfo("rfc", INHERIT_ALL)), True)


def usage(**asserted: bool) -> tuple[x509.KeyUsage, bool]:
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
    ]
    names += ["key_cert_sign", "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**(dict.fromkeys(names, False) | asserted)), True


@pytest.fixture(scope="module")
def key(spare_keys: list[rsa.RSAPrivateKey]) -> rsa.RSAPrivateKey:
    return spare_keys[0]


def refused(trust: TrustStore, chain: object, error: type[ChainError], reason: str) -> ChainError:
    with pytest.raises(error, match=reason) as caught:
        trust.verify(chain)
    assert type(caught.value) is error
    assert caught.value.code == 1206
    assert caught.value.certificate in caught.value.description
    return caught.value


def test_no_certificate_is_its_own_error(trust: TrustStore) -> None:
    with pytest.raises(NoCertificate, match="No client certificate"):
        trust.verify([])


def test_self_signed_with_the_victims_name(trust: TrustStore, mint, key) -> None:
    error = refused(trust, [mint(ALICE, ALICE, key, key)], Untrusted, "no path in the trust directory")
    assert error.certificate == ALICE


def test_self_signed_with_the_victims_name_and_the_real_chain_behind(trust, mint, key, alice_proxy) -> None:
    refused(trust, [mint(ALICE, ALICE, key, key), *alice_proxy.chain], Untrusted, "no path")


def test_a_certificate_of_an_unknown_ca(trust: TrustStore, mint, spare_keys, grid) -> None:
    rogue, user, _ = spare_keys
    ca = mint("/O=Rogue/CN=CA", "/O=Rogue/CN=CA", rogue, rogue, (x509.BasicConstraints(True, None), True))
    leaf = mint(ALICE, "/O=Rogue/CN=CA", user, rogue)
    refused(trust, [leaf], Untrusted, "/O=Rogue/CN=CA")
    refused(trust, [leaf, ca], Untrusted, "no path")


def test_a_ca_of_the_same_name_with_another_key(trust: TrustStore, mint, spare_keys, grid) -> None:
    rogue, user, _ = spare_keys
    ca = mint(grid.ca.name, grid.ca.name, rogue, rogue, (x509.BasicConstraints(True, None), True))
    leaf = mint(ALICE, grid.ca.name, user, rogue)
    with pytest.raises(Untrusted):
        trust.verify([leaf])
    with pytest.raises(Untrusted):
        trust.verify([leaf, ca])


def test_a_user_certificate_that_acts_as_a_ca(trust: TrustStore, mint, key, grid) -> None:
    victim = mint("/O=Grid/OU=test/CN=victim", grid.alice.certificate.subject, key, grid.alice.key)
    refused(trust, [victim, *grid.alice.chain], Untrusted, "refused")


def test_a_user_certificate_that_signs_a_non_proxy_named_like_one(trust: TrustStore, mint, key, grid) -> None:
    evil = mint(f"{ALICE}/CN=12345", grid.alice.certificate.subject, key, grid.alice.key)
    with pytest.raises(Untrusted):
        trust.verify([evil, *grid.alice.chain])


def test_a_proxy_of_alice_signed_by_bobs_proxy(trust: TrustStore, mint, key, grid) -> None:
    bob = proxy.create(grid.bob, lifetime=HOUR)
    forged = mint(f"{ALICE}/CN=1", ALICE, key, bob.key, RFC)
    refused(trust, [forged, *grid.alice.chain, *bob.chain], BadProxy, "not signed by the key")
    refused(trust, [forged, *bob.chain], BadProxy, "without the certificate that signed it")


def test_a_proxy_that_names_alice_but_is_issued_by_bob(trust: TrustStore, mint, key, grid) -> None:
    forged = mint(f"{ALICE}/CN=1", grid.bob.certificate.subject, key, grid.bob.key, RFC)
    refused(trust, [forged, *grid.bob.chain], BadProxy, "not named after its issuer")


@pytest.mark.parametrize("tail", ["", "/CN=1/CN=2", "/OU=1"])
def test_a_proxy_not_named_issuer_plus_one_cn(trust: TrustStore, mint, key, grid, tail: str) -> None:
    forged = mint(ALICE + tail, grid.alice.certificate.subject, key, grid.alice.key, RFC)
    refused(trust, [forged, *grid.alice.chain], BadProxy, "one more CN")


def test_a_proxy_signed_by_the_ca(trust: TrustStore, mint, key, grid) -> None:
    forged = mint(f"{grid.ca.name}/CN=1", grid.ca.name, key, grid.ca.credential.key, RFC)
    refused(trust, [forged, grid.ca.certificate], BadProxy, "signed by a CA")


@pytest.mark.parametrize("kinds", [("rfc", "gt2"), ("gt2", "rfc"), ("gt3", "rfc"), ("gt3", "gt2")])
def test_mixed_kinds_of_proxies(trust: TrustStore, mint, key, grid, kinds: tuple[str, str]) -> None:
    first = proxy.create(grid.alice, lifetime=HOUR, legacy=kinds[0])
    marks = () if kinds[1] == "gt2" else ((encode(ProxyInfo(kinds[1], INHERIT_ALL)), True),)
    forged = mint(f"{first.subject}/CN=proxy", first.certificate.subject, key, first.key, *marks)
    refused(trust, [forged, *first.chain], BadProxy, "mixed kinds")


def test_the_marks_of_two_kinds_in_one_certificate(trust: TrustStore, mint, key, grid) -> None:
    both = mint(
        f"{ALICE}/CN=1", ALICE, key, grid.alice.key, RFC, (encode(ProxyInfo("gt3", INHERIT_ALL)), True)
    )
    refused(trust, [both, *grid.alice.chain], BadProxy, "two kinds")


@pytest.mark.parametrize("kind", ["rfc", "gt3"])
def test_path_length_exceeded(trust: TrustStore, mint, key, grid, kind: str) -> None:
    first = proxy.create(grid.alice, lifetime=HOUR, path_length=0, legacy=kind)
    mark = (encode(ProxyInfo(kind, INHERIT_ALL)), True)
    forged = mint(f"{first.subject}/CN=2", first.certificate.subject, key, first.key, mark)
    refused(trust, [forged, *first.chain], BadProxy, "allows 0 proxies below")


def test_proxy_cert_info_must_be_critical(trust: TrustStore, mint, key, grid) -> None:
    forged = mint(f"{ALICE}/CN=1", ALICE, key, grid.alice.key, (RFC[0], False))
    refused(trust, [forged, *grid.alice.chain], BadProxy, "not marked critical")


@pytest.mark.parametrize("language", [INDEPENDENT, "1.2.3.4"])
def test_a_policy_language_that_grants_nothing_here(
    trust: TrustStore, mint, key, grid, language: str
) -> None:
    forged = mint(f"{ALICE}/CN=1", ALICE, key, grid.alice.key, (encode(ProxyInfo("rfc", language)), True))
    refused(trust, [forged, *grid.alice.chain], BadProxy, language)


@pytest.mark.parametrize(
    "der", [b"", b"\x05\x00", b"\x30\x00", b"\x30\x80", b"\x30\x0c\x30\x0a\x06\x08", b"\xff" * 50]
)
def test_a_malformed_proxy_cert_info(trust: TrustStore, mint, key, grid, der: bytes) -> None:
    broken = x509.UnrecognizedExtension(RFC[0].oid, der)
    forged = mint(f"{ALICE}/CN=1", ALICE, key, grid.alice.key, (broken, True))
    refused(trust, [forged, *grid.alice.chain], BadProxy, "malformed")


@pytest.mark.parametrize(
    ("extension", "reason"),
    [
        ((x509.BasicConstraints(True, None), True), "claims to be a CA"),
        ((x509.SubjectAlternativeName([x509.DNSName("x.org")]), False), "alternative name"),
        (usage(key_encipherment=True), "key usage"),
        (usage(digital_signature=True, key_cert_sign=True), "key usage"),
        ((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), True), "1.2.3"),
    ],
)
@pytest.mark.parametrize("kind", ["rfc", "gt2"])
def test_extensions_that_a_proxy_must_not_have(
    trust, mint, key, grid, extension, reason: str, kind: str
) -> None:
    marks = (RFC, extension) if kind == "rfc" else (extension,)
    forged = mint(f"{ALICE}/CN=proxy", ALICE, key, grid.alice.key, *marks)
    refused(trust, [forged, *grid.alice.chain], BadProxy, reason)


def test_an_issuer_that_may_not_sign(trust: TrustStore, mint, spare_keys, grid) -> None:
    user, key, _ = spare_keys
    eec = mint(
        "/O=Grid/OU=test/CN=eve", grid.ca.name, user, grid.ca.credential.key, usage(key_encipherment=True)
    )
    forged = mint("/O=Grid/OU=test/CN=eve/CN=1", "/O=Grid/OU=test/CN=eve", key, user, RFC)
    refused(trust, [forged, eec], BadProxy, "digitalSignature")


@pytest.mark.parametrize("kind", ["rfc", "gt2", "gt3"])
def test_an_expired_middle_link(trust: TrustStore, mint, key, spare_keys, grid, kind: str) -> None:
    marks = () if kind == "gt2" else ((encode(ProxyInfo(kind, INHERIT_ALL)), True),)
    middle = mint(f"{ALICE}/CN=proxy", ALICE, key, grid.alice.key, *marks, end=-120 * SECOND)
    leaf = mint(f"{ALICE}/CN=proxy/CN=proxy", f"{ALICE}/CN=proxy", spare_keys[1], key, *marks)
    error = refused(trust, [leaf, middle, *grid.alice.chain], Expired, "has expired on")
    assert error.certificate == f"{ALICE}/CN=proxy" and error.subject == f"{ALICE}/CN=proxy/CN=proxy"


@pytest.mark.parametrize("kind", ["rfc", "gt2"])
@pytest.mark.parametrize(("begin", "end"), [(-3600, -30), (30, 3600)])
def test_clocks_may_differ_by_a_minute(
    trust: TrustStore, mint, key, grid, kind: str, begin: int, end: int
) -> None:
    marks = (RFC,) if kind == "rfc" else ()
    made = mint(
        f"{ALICE}/CN=proxy", ALICE, key, grid.alice.key, *marks, begin=begin * SECOND, end=end * SECOND
    )
    assert trust.verify([made, *grid.alice.chain]).dn == ALICE


def test_beyond_a_minute_a_certificate_of_the_future_is_refused(trust: TrustStore, mint, key, grid) -> None:
    made = mint(f"{ALICE}/CN=1", ALICE, key, grid.alice.key, RFC, begin=600 * SECOND)
    refused(trust, [made, *grid.alice.chain], NotYetValid, "clocks")


def test_an_expired_end_entity(trust: TrustStore, mint, spare_keys, grid) -> None:
    user, key, _ = spare_keys
    eec = mint("/O=Grid/OU=test/CN=eve", grid.ca.name, user, grid.ca.credential.key, end=-120 * SECOND)
    leaf = mint("/O=Grid/OU=test/CN=eve/CN=1", "/O=Grid/OU=test/CN=eve", key, user, RFC)
    assert refused(trust, [leaf, eec], Expired, "expired").certificate == "/O=Grid/OU=test/CN=eve"


def test_the_present_can_be_given(trust: TrustStore, alice_proxy: Credential) -> None:
    with pytest.raises(Expired):
        trust.verify(alice_proxy.chain, now=datetime.datetime.now(datetime.UTC) + 24 * HOUR)


@pytest.mark.parametrize("kind", ["rfc", "gt2"])
def test_a_short_proxy_key(trust: TrustStore, mint, grid, kind: str) -> None:
    marks = (RFC,) if kind == "rfc" else ()
    weak = mint(f"{ALICE}/CN=proxy", ALICE, rsa.generate_private_key(65537, 1024), grid.alice.key, *marks)
    refused(trust, [weak, *grid.alice.chain], WeakKey, "1024 bits")


def test_a_site_may_allow_short_keys(grid, mint) -> None:
    lenient = TrustStore(grid.cert_dir, None, TrustPolicy(min_rsa=1024))
    weak = mint(f"{ALICE}/CN=1", ALICE, rsa.generate_private_key(65537, 1024), grid.alice.key, RFC)
    assert lenient.verify([weak, *grid.alice.chain]).dn == ALICE


@pytest.mark.parametrize(
    "make", [lambda: ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate]
)
def test_modern_keys_are_accepted(trust: TrustStore, mint, grid, make) -> None:
    made = mint(f"{ALICE}/CN=1", ALICE, make(), grid.alice.key, RFC)
    assert trust.verify([made, *grid.alice.chain]).dn == ALICE


def test_a_sha1_signed_end_entity(trust: TrustStore, grid, tmp_path: Path, openssl: str, spare_keys) -> None:
    key, csr, out = tmp_path / "k.pem", tmp_path / "csr.pem", tmp_path / "out.pem"
    key.write_bytes(Credential(spare_keys[0], grid.alice.chain).key_pem())
    ca = grid.ca.directory
    make = [openssl, "req", "-new", "-key", key, "-subj", "/O=Grid/OU=test/CN=sha1", "-out", csr]
    sign = [openssl, "x509", "-req", "-sha1", "-in", csr, "-CA", ca / "ca.pem", "-CAkey", ca / "ca.key"]
    subprocess.run(make, check=True, capture_output=True, timeout=30)
    command = [*sign, "-set_serial", "78", "-days", "2", "-out", out]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip(f"this openssl does not sign with SHA-1: {done.stderr[:200]}")
    leaf = x509.load_pem_x509_certificate(out.read_bytes())
    refused(trust, [leaf], WeakKey, "SHA1")
    lenient = TrustStore(grid.cert_dir, None, TrustPolicy(allow_sha1=True))
    assert lenient.verify([leaf]).dn == "/O=Grid/OU=test/CN=sha1"


@pytest.mark.parametrize(
    "subject", ["/O=Elsewhere/CN=alice", "/O=Grid/CN=alice", "/O=Grid/OU=testing/CN=alice"]
)
def test_a_name_that_the_ca_may_not_give(trust: TrustStore, mint, key, grid, subject: str) -> None:
    made = mint(subject, grid.ca.name, key, grid.ca.credential.key)
    refused(trust, [made], PolicyViolation, "may not give")


@pytest.mark.parametrize("common", ["x/CN=alice", "proxy", "a\nb"])
def test_a_name_that_could_be_taken_for_another(trust: TrustStore, mint, key, grid, common: str) -> None:
    rdns = [*grid.ca.certificate.subject.rdns[:-1]]
    rdns.append(x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)]))
    made = mint(x509.Name(rdns), grid.ca.name, key, grid.ca.credential.key)
    with pytest.raises(Untrusted, match="identity"):
        trust.verify([made])


def test_a_legacy_proxy_name_given_by_the_ca_is_not_alice(trust: TrustStore, mint, key, grid) -> None:
    made = mint(f"{ALICE}/CN=proxy", grid.ca.name, key, grid.ca.credential.key)
    refused(trust, [made], Untrusted, "legacy proxy")


def test_a_name_that_cannot_be_decoded(trust: TrustStore, mint, key, grid) -> None:
    der = mint("/O=Grid/OU=test/CN=mallory", grid.ca.name, key, grid.ca.credential.key).public_bytes(DER)
    broken = x509.load_der_x509_certificate(der.replace(b"mallory", b"mall\xff\xfey"))
    for chain in ([broken], [broken, *grid.alice.chain], [*grid.alice.chain, broken]):
        with pytest.raises(Untrusted, match="cannot be read"):
            trust.verify(chain)


def test_a_ca_identifies_no_caller(trust: TrustStore, grid) -> None:
    refused(trust, [grid.ca.certificate], Untrusted, "identifies no caller")


def test_a_chain_of_fifty(trust: TrustStore, grid) -> None:
    refused(trust, list(grid.alice.chain) * 50, Untrusted, "at most 20")


def test_the_rest_of_a_chain_may_come_in_any_order_with_root_and_duplicates(trust: TrustStore, grid) -> None:
    deep = proxy.create(proxy.create(grid.alice, lifetime=HOUR), lifetime=HOUR)
    leaf, *rest = deep.chain
    for order in itertools.permutations([*rest, grid.ca.certificate, rest[0], grid.bob.certificate]):
        identity = trust.verify([leaf, *order])
        assert identity.dn == ALICE and identity.chain == deep.chain


def test_the_leaf_is_the_first_certificate_and_no_other(
    trust: TrustStore, grid, alice_proxy: Credential
) -> None:
    assert trust.verify(list(reversed(alice_proxy.chain))).kinds == ()
    assert trust.verify([grid.bob.certificate, *alice_proxy.chain]).dn == "/O=Grid/OU=test/CN=bob"


@pytest.mark.parametrize("kind", ["rfc", "gt3", "gt2"])
def test_limited_is_seen_anywhere_in_the_chain(trust: TrustStore, mint, key, grid, kind: str) -> None:
    limited = proxy.create(grid.alice, lifetime=HOUR, limited=True, legacy=kind)
    marks = () if kind == "gt2" else ((encode(ProxyInfo(kind, INHERIT_ALL)), True),)
    below = mint(f"{limited.subject}/CN=proxy", limited.certificate.subject, key, limited.key, *marks)
    identity = trust.verify([below, *limited.chain])
    assert identity.limited and not identity.full_proxy and identity.kinds == (kind, kind)


def test_a_site_may_refuse_legacy_proxies(grid) -> None:
    strict = TrustStore(grid.cert_dir, None, TrustPolicy(allow_legacy=False))
    made = proxy.create(grid.alice, lifetime=HOUR, legacy="gt2")
    refused(strict, made.chain, BadProxy, "legacy")
