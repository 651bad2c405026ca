"""Checking one signature, and which keys and hashes are strong enough."""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

STRONG_HASHES: Final = frozenset(
    {"sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"}
)
MIN_CURVE_BITS: Final = 224
MAX_RSA_BITS: Final = 16384
"""A longer key costs the verifier more time than it gives safety (OpenSSL has the same limit)."""


def holds(
    key: CertificatePublicKeyTypes,
    signature: bytes,
    data: bytes,
    algorithm: hashes.HashAlgorithm | None,
    parameters: object = None,
) -> bool:
    """Whether ``signature`` over ``data`` was made with the private half of ``key``.

    cryptography's own ``verify_directly_issued_by`` is not used because it refuses SHA-1, which a site may allow.

    :param parameters: what ``signature_algorithm_parameters`` says; an RSA-PSS padding is honoured.
    """
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm is not None and key.key_size <= MAX_RSA_BITS:
            scheme = parameters if isinstance(parameters, padding.PSS) else padding.PKCS1v15()
            key.verify(signature, data, scheme, algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) and algorithm is None:
            key.verify(signature, data)
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the key of ``issuer`` signed ``certificate``; names are not looked at."""
    try:
        key = issuer.public_key()
        algorithm = certificate.signature_hash_algorithm
        parameters = certificate.signature_algorithm_parameters
    except (UnsupportedAlgorithm, ValueError):
        return False
    return holds(key, certificate.signature, certificate.tbs_certificate_bytes, algorithm, parameters)


def uses_sha1(certificate: x509.Certificate) -> bool:
    """Whether a certificate is signed with SHA-1."""
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    return algorithm is not None and algorithm.name == "sha1"


def key_weakness(key: object, min_rsa: int) -> str | None:
    """Say why a public key is refused; ``None``: it is strong enough."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < min_rsa:
            return f"has an RSA key of {key.key_size} bits; at least {min_rsa} are needed"
        if key.key_size > MAX_RSA_BITS:
            return f"has an RSA key of {key.key_size} bits; more than {MAX_RSA_BITS} are not accepted"
        return None
    if isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.key_size < MIN_CURVE_BITS:
            return f"has a key on a curve of {key.curve.key_size} bits; at least {MIN_CURVE_BITS} are needed"
        return None
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return None
    return f"has a key of an unsupported type ({type(key).__name__})"


def hash_weakness(algorithm: hashes.HashAlgorithm | None, allow_sha1: bool) -> str | None:
    """Say why a signature's hash is refused; ``None`` (also for Ed25519, which has none): it is good."""
    if algorithm is None or algorithm.name in STRONG_HASHES or (allow_sha1 and algorithm.name == "sha1"):
        return None
    return f"is signed with {algorithm.name.upper()}, which is no longer safe; SHA-256 or better is needed"


def weakness(
    certificate: x509.Certificate, *, min_rsa: int, allow_sha1: bool, judge_hash: bool = True
) -> str | None:
    """Say why the key or the signature of a certificate is too weak; ``None``: it is not.

    :param judge_hash: false for a trust anchor, whose own signature proves nothing.
    """
    try:
        found = key_weakness(certificate.public_key(), min_rsa)
        if found is None and judge_hash:
            found = hash_weakness(certificate.signature_hash_algorithm, allow_sha1)
    except (UnsupportedAlgorithm, ValueError):
        return "uses an algorithm that is not supported"
    return found


def name_hash(name: x509.Name) -> str:
    """The old form of a trust directory's file name: MD5 of the encoded name (OpenSSL before 1.0)."""
    digest = hashlib.md5(name.public_bytes(), usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"
