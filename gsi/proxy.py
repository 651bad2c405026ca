"""Making proxy certificates: for oneself (``voms-proxy-init``) and for another's request (delegation).

The rules are RFC 3820 §3; a proxy of a legacy proxy is of the same legacy kind, since chains of mixed kinds
are refused everywhere.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from grid import limits
from grid.clock import now
from grid.errors import ProxyError, ProxyExpired
from gsi.credential import Credential, load_chain
from gsi.privatekey import PrivateKey
from gsi.proxyinfo import INHERIT_ALL, LIMITED, ProxyInfo, ProxyKind, encode, inspect, kind
from gsi.signature import key_weakness

__all__ = ["assemble", "create", "kind", "request", "sign_request"]

BACKDATED: Final = datetime.timedelta(minutes=5)
"""A new proxy begins that long ago, so that a peer whose clock is late accepts it at once (Globus does the same)."""

_KEY_USAGE: Final = x509.KeyUsage(
    digital_signature=True,
    key_encipherment=True,
    content_commitment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def create(
    credential: Credential,
    *,
    lifetime: datetime.timedelta,
    limited: bool = False,
    key_bits: int = 2048,
    path_length: int | None = None,
    extensions: Sequence[x509.ExtensionType] = (),
    legacy: ProxyKind | None = None,
) -> Credential:
    """Make a proxy of ``credential`` with a new RSA key.

    :param lifetime: wished; the proxy never outlives the certificate that signs it.
    :param limited: a limited proxy; a proxy of a limited one always is.
    :param path_length: how many proxies may follow below; ``None`` is no limit.
    :param extensions: further, non-critical extensions (see :func:`gsi.voms.proxy_extension`).
    :param legacy: the kind for a proxy of an end-entity certificate when it is not ``rfc``.
    :raises ProxyExpired: the credential has ended.
    :raises ProxyError: the credential may not sign proxies, or the lifetime is not positive.
    """
    key = rsa.generate_private_key(65537, key_bits)
    info = _next_info(credential, limited, path_length, legacy)
    certificate = _sign(key.public_key(), credential, info, lifetime, extensions)
    return Credential(key, (certificate, *credential.chain))


def request(key: PrivateKey) -> str:
    """A certificate request for ``key`` as PEM text; its subject carries no meaning (the signer chooses the name)."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode("ascii")


def sign_request(
    csr_pem: str, credential: Credential, *, lifetime: datetime.timedelta | None = None, limited: bool = False
) -> str:
    """Delegate: sign another party's request with ``credential``.

    :param lifetime: wished; ``None`` is as long as the credential lives, which is the most in any case.
    :returns: PEM text: the new certificate, then the chain of ``credential``.
    :raises ProxyError: the request is no request, is not signed by its own key, or its key is too weak.
    :raises ProxyExpired: the credential has ended.
    """
    key = _requested_key(csr_pem)
    certificate = _sign(key, credential, _next_info(credential, limited, None, None), lifetime, ())
    return Credential.certificate_pem([certificate, *credential.chain]).decode("ascii")


def assemble(key: PrivateKey, pem_chain: str | bytes) -> Credential:
    """Put the key of a request together with the signed chain that came back.

    :raises ProxyError: the chain cannot be read, or it was not made for this key.
    """
    data = pem_chain.encode("utf-8") if isinstance(pem_chain, str) else pem_chain
    return Credential.assemble(
        key, load_chain(data, source="the delegated chain"), source="the delegated chain"
    )


def _requested_key(csr_pem: str) -> PublicKey:
    data = csr_pem.encode("utf-8")
    if len(data) > limits.MAX_PEM_BYTES:
        raise ProxyError(f"The certificate request is larger than {limits.MAX_PEM_BYTES} bytes")
    try:
        csr = x509.load_pem_x509_csr(data)
        key = csr.public_key()
        genuine = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ProxyError(f"The certificate request cannot be read: {error}") from error
    if not genuine:
        raise ProxyError("The certificate request is not signed by its own key")
    weak = key_weakness(key, 2048)
    if weak or not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ProxyError(
            f"The certificate request {weak or 'has a key that is neither RSA nor elliptic curve'}"
        )
    return key


def _next_info(
    credential: Credential, limited: bool, path_length: int | None, legacy: ProxyKind | None
) -> ProxyInfo:
    """The marks of a proxy of ``credential``: kind and limitation are inherited, path lengths are kept."""
    allowed: int | None = None
    try:
        parents = [(depth, info) for depth, info in enumerate(map(inspect, credential.chain)) if info is not None]
    except ValueError as error:
        raise ProxyError(f"A proxy certificate of {credential.subject} {error}") from error
    for depth, info in parents:
        if info.path_length is not None:
            left = info.path_length - depth
            allowed = left if allowed is None else min(allowed, left)
    if allowed is not None and allowed <= 0:
        raise ProxyError(
            f"The proxy {credential.subject} may not sign further proxies: its path length is used up"
        )
    if parents and legacy is not None and legacy != parents[0][1].kind:
        raise ProxyError(
            f"The proxy {credential.subject} is of kind {parents[0][1].kind} and cannot sign one of kind {legacy}"
        )
    if any(info.limited for _, info in parents):
        limited = True
    new_kind: ProxyKind = parents[0][1].kind if parents else (legacy or "rfc")
    return ProxyInfo(
        new_kind, LIMITED if limited else INHERIT_ALL, None if new_kind == "gt2" else path_length
    )


def _sign(
    key: PublicKey,
    credential: Credential,
    info: ProxyInfo,
    lifetime: datetime.timedelta | None,
    extensions: Sequence[x509.ExtensionType],
) -> x509.Certificate:
    moment = now().replace(microsecond=0)
    end = credential.not_after
    if end <= moment:
        raise ProxyExpired(
            f"The credential {credential.subject} ended on {end:%Y-%m-%d %H:%M:%S} UTC; make a new one"
        )
    if lifetime is not None:
        if lifetime <= datetime.timedelta(0):
            raise ProxyError("The lifetime of a proxy must be positive")
        end = min(end, moment + lifetime)
    signer = credential.certificate
    common_name = (
        ("limited proxy" if info.limited else "proxy") if info.kind == "gt2" else str(secrets.randbits(62))
    )
    builder = (
        x509.CertificateBuilder()
        .issuer_name(signer.subject)
        .subject_name(_extended(signer.subject, common_name))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(moment - BACKDATED, credential.not_before))
        .not_valid_after(end)
        .add_extension(_KEY_USAGE, critical=True)
    )
    if info.kind != "gt2":
        builder = builder.add_extension(encode(info), critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(credential.key, hashes.SHA256())


def _extended(name: x509.Name, common_name: str) -> x509.Name:
    """RFC 3820 §3.4: the issuer's subject and one more CN.  Attribute types of the issuer's name are kept."""
    added = x509.NameAttribute(NameOID.COMMON_NAME, common_name)
    return x509.Name([*name.rdns, x509.RelativeDistinguishedName([added])])
