"""A credential: a certificate, its private key and the certificates between it and the CA."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from grid import limits
from grid.errors import GridError, ProxyError
from grid.files import read_bounded, write_private
from gsi.dn import slash
from gsi.privatekey import PrivateKey, read_private_key
from gsi.proxyinfo import inspect, proxies_in

_CERTIFICATE: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_KEY: Final = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----.+?-----END (?:[A-Z]+ )*PRIVATE KEY-----", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Credential:
    """A key with its chain, leaf first, the CA's own certificate left out.

    A proxy file holds, in this order, the certificate, its key and the rest of the chain (Globus).
    """

    key: PrivateKey = field(repr=False)
    chain: tuple[x509.Certificate, ...]

    @classmethod
    def load(cls, path: Path) -> Credential:
        """Read a proxy file.

        :raises ProxyError: missing, too large, readable by others, or not a certificate with its key.
        """
        return cls.from_pem(_read_key_file(path), source=str(path))

    @classmethod
    def load_pair(cls, cert_path: Path, key_path: Path, password: bytes | None = None) -> Credential:
        """Read ``usercert.pem`` with ``userkey.pem``, or a host's pair.

        :raises ProxyError: as :meth:`load`; also an encrypted key without the right ``password``.
        """
        data = _read(cert_path) + b"\n" + _read_key_file(key_path)
        return cls.from_pem(data, source=f"{cert_path} with {key_path}", password=password)

    @classmethod
    def from_pem(
        cls, data: bytes, *, source: str = "the credential", password: bytes | None = None
    ) -> Credential:
        """Read a credential from PEM text; the certificates may be in any order.

        :param source: what to call it in an error.
        :raises ProxyError: no certificate, no key, or a key that belongs to none of the certificates.
        """
        found = _KEY.search(data)
        if not found:
            raise ProxyError(f"{source} holds no private key")
        key = read_private_key(found[0], source=source, password=password)
        return cls.assemble(key, load_chain(data, source=source), source=source)

    @classmethod
    def assemble(
        cls, key: PrivateKey, certificates: Sequence[x509.Certificate], *, source: str = "the chain"
    ) -> Credential:
        """Put ``key`` together with the certificates of its chain, which may be in any order.

        :raises ProxyError: when no certificate has this key.
        """
        mine = _public(key)
        leaf = next((c for c in certificates if _certified(c) == mine), None)
        if leaf is None:
            raise ProxyError(f"No certificate of {source} belongs to the private key")
        return cls(key, (leaf, *_ordered(leaf, certificates)))

    def to_pem(self) -> bytes:
        """The proxy file: certificate, key (unencrypted, traditional form), rest of the chain."""
        return self.certificate_pem(self.chain[:1]) + self.key_pem() + self.certificate_pem(self.chain[1:])

    def key_pem(self) -> bytes:
        """The key alone, unencrypted, in the traditional form that every grid tool reads."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )

    @staticmethod
    def certificate_pem(certificates: Iterable[x509.Certificate]) -> bytes:
        """Certificates as PEM text, in the order given."""
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in certificates)

    def save(self, path: Path) -> None:
        """Write the proxy file, mode 0600 from the first byte, atomically and durably.

        :raises OSError: when the file system refuses.
        """
        write_private(path, self.to_pem(), 0o600)

    def save_pair(self, cert_path: Path, key_path: Path) -> None:
        """Write the chain (0644) and the key (0600), the key first.

        :raises OSError: when the file system refuses.
        """
        write_private(key_path, self.key_pem(), 0o600)
        write_private(cert_path, self.certificate_pem(self.chain), 0o644)

    @property
    def certificate(self) -> x509.Certificate:
        """The leaf: the certificate that has the key."""
        return self.chain[0]

    @property
    def end_entity(self) -> x509.Certificate:
        """The first certificate of the chain that is no proxy.

        :raises ProxyError: when the chain ends with a proxy, so that its owner is not known.
        """
        proxies = proxies_in(self.chain)
        if proxies < len(self.chain):
            return self.chain[proxies]
        raise ProxyError(
            f"The chain of {self.subject} is not complete: its end-entity certificate is missing"
        )

    @property
    def subject(self) -> str:
        """Slash DN of the leaf."""
        return slash(self.chain[0].subject)

    @property
    def identity(self) -> str:
        """Slash DN of the end-entity certificate.

        :raises ProxyError: see :attr:`end_entity`.
        """
        return slash(self.end_entity.subject)

    @property
    def not_after(self) -> datetime.datetime:
        """When the first certificate of the chain ends (aware, UTC)."""
        return min(c.not_valid_after_utc for c in self.chain)

    @property
    def not_before(self) -> datetime.datetime:
        """When the last certificate of the chain begins (aware, UTC)."""
        return max(c.not_valid_before_utc for c in self.chain)

    @property
    def is_proxy(self) -> bool:
        """Whether the leaf is a proxy certificate of any kind."""
        return proxies_in(self.chain) > 0

    @property
    def is_limited(self) -> bool:
        """Whether any proxy of the chain is limited; what is limited once stays limited below.

        :raises ProxyError: when the marks of a proxy cannot be read.
        """
        try:
            return any(info is not None and info.limited for info in map(inspect, self.chain))
        except ValueError as error:
            raise ProxyError(f"A proxy certificate of {self.subject} {error}") from error


def load_chain(data: bytes, *, source: str = "the chain") -> list[x509.Certificate]:
    """Read the certificates of a PEM text, whatever stands between them.

    :raises ProxyError: none there, too many, or one that cannot be read.
    """
    blocks = _CERTIFICATE.findall(data[: limits.MAX_PEM_BYTES + 1])
    if len(data) > limits.MAX_PEM_BYTES or len(blocks) > limits.MAX_CERTIFICATE_CHAIN:
        raise ProxyError(
            f"{source} is too large: at most {limits.MAX_PEM_BYTES} bytes"
            f" and {limits.MAX_CERTIFICATE_CHAIN} certificates are read"
        )
    if not blocks:
        raise ProxyError(f"{source} holds no certificate")
    try:
        certificates = [x509.load_pem_x509_certificate(block) for block in blocks]
        for certificate in certificates:  # names and keys are decoded at their first use: that is to be here
            _ = certificate.subject, certificate.issuer, certificate.public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ProxyError(f"A certificate of {source} cannot be read: {error}") from error
    return certificates


def _ordered(leaf: x509.Certificate, certificates: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The rest of the chain in signing order; certificates that do not continue it are left out."""
    ordered = [leaf]
    while True:
        issuer = ordered[-1].issuer
        following = next((c for c in certificates if c.subject == issuer and c not in ordered), None)
        if following is None or following.subject == following.issuer:
            return ordered[1:]
        ordered.append(following)


def _public(key: PrivateKey) -> bytes:
    return _encoded(key.public_key())


def _certified(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    return _encoded(key) if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else b""


def _encoded(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path.resolve(), limits.MAX_PEM_BYTES)
    except FileNotFoundError as error:
        raise ProxyError(f"There is no file {path}") from error
    except OSError as error:
        raise ProxyError(f"{path} cannot be read: {error.strerror}") from error
    except GridError as error:
        raise ProxyError(error.description) from error


def _read_key_file(path: Path) -> bytes:
    data = _read(path)
    mode = os.stat(path).st_mode & 0o777
    if mode & 0o077:
        raise ProxyError(
            f"{path} has mode {mode:04o}, so others can take the private key; run: chmod 600 {path}"
        )
    return data
