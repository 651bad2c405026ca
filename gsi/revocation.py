"""Certificate revocation lists (RFC 5280 §5)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gsi.proxyinfo import EXTENSION_ERRORS
from gsi.signature import hash_weakness, holds


@dataclass(frozen=True, slots=True)
class RevocationList:
    """One CRL, read once: what is needed to judge certificates.

    :ivar flaw: why it cannot be used at all; ``None`` for a complete, ordinary list.
    """

    crl: x509.CertificateRevocationList
    source: str
    issuer: x509.Name
    this_update: datetime.datetime
    next_update: datetime.datetime | None
    serials: frozenset[int]
    flaw: str | None

    @classmethod
    def load(cls, data: bytes, source: str) -> RevocationList:
        """Read a CRL, PEM or DER.

        :raises ValueError: when it is no CRL.
        """
        if b"-----BEGIN X509 CRL-----" in data:
            crl = x509.load_pem_x509_crl(data)
        else:
            crl = x509.load_der_x509_crl(data)
        return cls(
            crl,
            source,
            crl.issuer,
            crl.last_update_utc,
            crl.next_update_utc,
            frozenset(entry.serial_number for entry in crl),
            _flaw(crl),
        )

    def signed_by(self, ca: x509.Certificate, *, allow_sha1: bool) -> bool:
        """Whether ``ca`` signed the list, with a hash that is accepted."""
        try:
            algorithm = self.crl.signature_hash_algorithm
            parameters = self.crl.signature_algorithm_parameters
            key = ca.public_key()
        except (UnsupportedAlgorithm, ValueError):
            return False
        if hash_weakness(algorithm, allow_sha1):
            return False
        return holds(key, self.crl.signature, self.crl.tbs_certlist_bytes, algorithm, parameters)

    def timely(self, now: datetime.datetime, leeway: datetime.timedelta) -> bool:
        """Whether the list speaks for the moment ``now``; one without nextUpdate never goes out of date."""
        begun = self.this_update <= now + leeway
        return begun and (self.next_update is None or now <= self.next_update + leeway)

    def lists(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate, issued by this list's CA, is revoked."""
        return certificate.serial_number in self.serials


def _flaw(crl: x509.CertificateRevocationList) -> str | None:
    """A partial list must not pass as a complete one (RFC 5280 §5.2.4, §5.2.5)."""
    try:
        for extension in crl.extensions:
            value = extension.value
            if isinstance(value, x509.DeltaCRLIndicator):
                return "is a delta list"
            if isinstance(value, x509.IssuingDistributionPoint):
                partial = value.only_contains_user_certs or value.only_contains_ca_certs
                if (
                    partial
                    or value.indirect_crl
                    or value.only_some_reasons
                    or value.only_contains_attribute_certs
                ):
                    return "covers only a part of the CA's certificates"
            elif extension.critical and isinstance(value, x509.UnrecognizedExtension):
                return f"has the unknown critical extension {extension.oid.dotted_string}"
    except EXTENSION_ERRORS as error:
        return f"has extensions that cannot be read: {error}"
    return None
