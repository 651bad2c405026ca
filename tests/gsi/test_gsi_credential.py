"""Credentials and their files."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from grid.errors import ProxyError
from gsi.credential import Credential, load_chain


def test_a_proxy_file_holds_certificate_key_and_chain_in_this_order(alice_proxy: Credential) -> None:
    kinds = [line for line in alice_proxy.to_pem().decode().splitlines() if line.startswith("-----BEGIN")]
    assert kinds == [
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----",
    ]


def test_save_and_load_are_inverse_and_the_file_is_private(alice_proxy: Credential, tmp_path: Path) -> None:
    path = tmp_path / "x509up"
    old = os.umask(0)
    try:
        alice_proxy.save(path)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = Credential.load(path)
    assert loaded.chain == alice_proxy.chain
    assert loaded.to_pem() == alice_proxy.to_pem()


def test_certificates_may_come_in_any_order(grid, alice_proxy: Credential) -> None:
    pem = (
        Credential.certificate_pem([grid.ca.certificate, *reversed(alice_proxy.chain)])
        + alice_proxy.key_pem()
    )
    assert Credential.from_pem(pem).chain == alice_proxy.chain


def test_identity_is_the_end_entitys_name_and_subject_the_leafs(alice_proxy: Credential) -> None:
    assert alice_proxy.identity == "/O=Grid/OU=test/CN=alice"
    assert alice_proxy.subject.startswith("/O=Grid/OU=test/CN=alice/CN=")
    assert alice_proxy.is_proxy and not alice_proxy.is_limited


def test_not_after_is_the_earliest_of_the_chain(grid, alice_proxy: Credential) -> None:
    assert alice_proxy.not_after == alice_proxy.certificate.not_valid_after_utc < grid.alice.not_after


def test_the_key_does_not_appear_in_repr(grid) -> None:
    assert "key" not in repr(grid.alice)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_key_that_others_can_read_is_refused(alice_proxy: Credential, tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x509up"
    alice_proxy.save(path)
    path.chmod(mode)
    with pytest.raises(ProxyError, match="chmod 600"):
        Credential.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProxyError, match="There is no file"):
        Credential.load(tmp_path / "nothing")


def test_a_directory_is_no_credential(tmp_path: Path) -> None:
    with pytest.raises(ProxyError):
        Credential.load(tmp_path)


def test_a_key_of_somebody_else_is_refused(grid) -> None:
    pem = Credential.certificate_pem(grid.alice.chain) + grid.bob.key_pem()
    with pytest.raises(ProxyError, match="belongs to the private key"):
        Credential.from_pem(pem)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n",
    ],
)
def test_text_that_is_no_credential_is_a_proxy_error(pem: bytes) -> None:
    with pytest.raises(ProxyError):
        Credential.from_pem(pem)


def test_an_encrypted_key_needs_its_pass_phrase(grid, tmp_path: Path) -> None:
    encrypted = grid.alice.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    cert.write_bytes(Credential.certificate_pem(grid.alice.chain))
    key.write_bytes(encrypted)
    key.chmod(0o400)
    assert Credential.load_pair(cert, key, b"secret").identity == grid.alice.identity
    with pytest.raises(ProxyError, match="encrypted"):
        Credential.load_pair(cert, key)
    with pytest.raises(ProxyError, match="cannot be read"):
        Credential.load_pair(cert, key, b"wrong")


def test_a_chain_that_is_too_long_is_refused(grid) -> None:
    with pytest.raises(ProxyError, match="too large"):
        load_chain(Credential.certificate_pem(grid.alice.chain) * 21)


def test_a_text_that_is_too_large_is_refused(grid) -> None:
    with pytest.raises(ProxyError, match="too large"):
        load_chain(Credential.certificate_pem(grid.alice.chain) + b"\n" * (300 << 10))


@pytest.mark.parametrize(
    ("found", "put"),
    [
        (bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")),  # kind of key
        (b"alice", b"\xff\xfeice"),  # name
    ],
    ids=["key", "name"],
)
def test_a_certificate_that_cannot_be_decoded_shows_when_it_is_loaded(grid, found: bytes, put: bytes) -> None:
    whole = grid.alice.certificate.public_bytes(serialization.Encoding.DER)
    broken = whole.replace(found, put)
    assert broken != whole
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(broken) + b"-----END CERTIFICATE-----\n"
    with pytest.raises(ProxyError, match="cannot be read"):
        load_chain(pem)
