"""What can be wrong with a certificate chain.

::

    AuthenticationFailed             1206 (grid.errors)
    └── ChainError                   the chain of a peer is refused
        ├── NoCertificate            the peer sent none
        ├── Expired                  a certificate is past its end
        ├── NotYetValid              a certificate's time has not begun
        ├── Untrusted                no path to a CA of the trust directory, a bad signature, a malformed certificate
        ├── Revoked                  a certificate is on its CA's revocation list
        ├── CrlMissing               a CA has no usable revocation list here, so nobody can say
        ├── WeakKey                  a short key or an outdated hash
        ├── BadProxy                 the rules of proxies are broken (RFC 3820; legacy Globus)
        ├── PolicyViolation          the CA's signing policy forbids the name
        └── VomsError                an attribute certificate is malformed, forged or somebody else's
"""

from __future__ import annotations

from typing import Self

from cryptography import x509

from grid.errors import AuthenticationFailed
from gsi.dn import slash
from gsi.proxyinfo import EXTENSION_ERRORS, kind


class ChainError(AuthenticationFailed):
    """A certificate chain is refused.

    :ivar certificate: slash DN of the certificate at fault.
    :ivar reason: what is wrong with it, a clause: "has expired on …".
    :ivar subject: slash DN of the leaf of the chain that was judged.
    """

    def __init__(
        self, certificate: str, reason: str, *, role: str = "certificate", subject: str = ""
    ) -> None:
        self.certificate = certificate
        self.reason = reason
        self.subject = subject or certificate
        super().__init__(f"The {role} {certificate} {reason}")

    @classmethod
    def about(cls, certificate: x509.Certificate, reason: str) -> Self:
        """The error for one certificate: names its role and its DN."""
        return cls(described(certificate), reason, role=_role(certificate))


class NoCertificate(ChainError):
    """The peer sent no certificate at all."""

    def __init__(self) -> None:
        super().__init__("(none)", "is needed: the client sent none; make a proxy certificate and send it")
        self.description = (
            "No client certificate was sent; this service needs a certificate or a proxy certificate"
        )
        self.args = (self.description,)


class Expired(ChainError):
    """A certificate is past its end (leeway included)."""


class NotYetValid(ChainError):
    """A certificate's time has not begun (leeway included); most often a clock is wrong."""


class Untrusted(ChainError):
    """No path to a trusted CA, a signature that does not hold, or a certificate that cannot be read."""


class Revoked(ChainError):
    """A CA took a certificate back."""


class CrlMissing(ChainError):
    """A CA has no usable revocation list in the trust directory."""


class WeakKey(ChainError):
    """A key is too short or a signature uses a hash that is no longer safe."""


class BadProxy(ChainError):
    """The rules of proxy certificates are broken."""


class PolicyViolation(ChainError):
    """The signing policy of a CA does not cover the name."""


class VomsError(ChainError):
    """An attribute certificate is malformed, forged, or was issued to somebody else."""


def described(certificate: x509.Certificate) -> str:
    """The slash DN of a certificate; never fails, whatever its name is made of."""
    try:
        return slash(certificate.subject)
    except ValueError:
        return "(name unreadable)"


def _role(certificate: x509.Certificate) -> str:
    if kind(certificate):
        return "proxy certificate"
    try:
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return "CA certificate"
    except (x509.ExtensionNotFound, *EXTENSION_ERRORS):
        return "certificate"  # no or unreadable extensions: only the word is at stake
    return "certificate"
