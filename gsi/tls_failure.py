"""What a failed connection means, in one sentence: whose certificate, what is wrong with it, what to do."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

from cryptography import x509

from gsi.dn import slash

_VERIFY: Final = {
    2: "is of a CA that is not in the trust directory",
    3: "cannot be checked: the trust directory has no revocation list of its CA",
    9: "is not valid yet; are the clocks right?",
    10: "has expired",
    11: "cannot be checked: the revocation list of its CA is not valid yet; are the clocks right?",
    12: "cannot be checked: the revocation list of its CA is out of date; fetch the present one",
    18: "is self-signed",
    19: "is of a CA that is not in the trust directory",
    20: "is of a CA that is not in the trust directory",
    21: "is of a CA that is not in the trust directory",
    23: "has been revoked by its CA",
    62: "is for another host name",
    64: "is for another address",
    66: "has a key that is too short",
    67: "is of a CA whose key is too short",
    68: "is signed with a hash that is no longer safe",
}
_ALERTS: Final = (
    ("CERTIFICATE_EXPIRED", "it has expired; make a new proxy"),
    ("CERTIFICATE_REVOKED", "it has been revoked by its CA"),
    ("UNKNOWN_CA", "its CA is not known there, or the server does not take this kind of proxy"),
    ("CERTIFICATE_REQUIRED", "none was sent and one is needed; make a proxy and try again"),
    ("CERTIFICATE_UNKNOWN", "it is not accepted there"),
    ("UNSUPPORTED_CERTIFICATE", "its kind is not supported there"),
    ("BAD_CERTIFICATE", "it is not accepted there, or it is missing"),
    ("DECRYPT_ERROR", "its key does not fit"),
    ("ACCESS_DENIED", "access is denied to it"),
)
_LOOK: Final = 3.0
"""Seconds to fetch the certificate that was refused, for the sake of a better sentence."""


def explain(exc: BaseException, host: str, port: int, *, look: bool = True) -> str:
    """Say what a failure to talk to ``host:port`` means.

    Looks through wrappers (``__cause__``, ``__context__``, urllib3's ``reason``) for the failure underneath.  When the
    server's certificate was refused, it is fetched once more, without trust and within a few seconds, to name it.

    :param look: false where no further connection may be made.
    :returns: one sentence without a final full stop.
    """
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    failures = list(_underlying(exc))
    for failure in failures:
        if isinstance(failure, ssl.SSLCertVerificationError):
            return _refused_server(failure, _fetch(host, port) if look else None, place)
    for failure in failures:
        if isinstance(failure, ssl.SSLError):
            return _tls_failure(failure, place)
    for failure in failures:
        sentence = _network_failure(failure, host, place)
        if sentence:
            return sentence
    return f"{place} could not be reached: {exc or type(exc).__name__}"


def _refused_server(failure: ssl.SSLCertVerificationError, certificate: x509.Certificate | None, place: str) -> str:
    reason = _VERIFY.get(failure.verify_code, f"is refused: {failure.verify_message}")
    if certificate is None:
        return f"The certificate of the server {place} {reason}"
    detail = ""
    if failure.verify_code in (9, 10):
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        detail = f" (valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC)"
    elif failure.verify_code in (62, 64):
        detail = f" (it names {', '.join(_names(certificate)) or 'none'})"
    elif failure.verify_code in (2, 3, 11, 12, 19, 20, 21, 23):
        detail = f" (CA {slash(certificate.issuer)})"
    return f"The certificate of the server {place}, {slash(certificate.subject)}, {reason}{detail}"


def _tls_failure(failure: ssl.SSLError, place: str) -> str:
    text = f"{failure.reason or ''} {failure}".upper().replace(" ", "_")
    if "ALERT" in text:
        for alert, meaning in _ALERTS:
            if alert in text:
                return f"The server {place} refused your certificate: {meaning}"
    if "WRONG_VERSION_NUMBER" in text or "HTTP_REQUEST" in text or "RECORD_LAYER_FAILURE" in text:
        return f"The server {place} does not speak TLS; is the port right?"
    if "UNSUPPORTED_PROTOCOL" in text or "PROTOCOL_VERSION" in text:
        return f"The server {place} speaks only versions of TLS that are no longer safe"
    if isinstance(failure, ssl.SSLEOFError) or "EOF" in text:
        return f"The server {place} broke the TLS handshake off"
    reason = re.sub(r"\s*\(_ssl\.c:\d+\)", "", failure.reason or str(failure)).replace("_", " ").lower()
    return f"TLS with the server {place} failed: {reason}"


def _network_failure(failure: BaseException, host: str, place: str) -> str | None:
    if isinstance(failure, socket.gaierror):
        return f"The host name {host} cannot be resolved"
    if isinstance(failure, TimeoutError):
        return f"The server {place} did not answer in time"
    if isinstance(failure, ConnectionRefusedError):
        return f"Nothing listens on {place}; is the service running?"
    if isinstance(failure, ConnectionError):
        return f"The server {place} closed the connection"
    if isinstance(failure, OSError) and failure.strerror and type(failure) is OSError:
        return f"{place} could not be reached: {failure.strerror}"
    return None


def _underlying(exc: BaseException) -> Iterator[BaseException]:
    """The exception and what it wraps, each once."""
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting and len(seen) < 50:
        failure = waiting.pop(0)
        if isinstance(failure, BaseException) and id(failure) not in seen:
            seen.add(id(failure))
            yield failure
            waiting += [
                failure.__cause__,
                failure.__context__,
                getattr(failure, "reason", None),
                *failure.args,
            ]


def _fetch(host: str, port: int) -> x509.Certificate | None:
    """The server's certificate as it is; ``None`` when it cannot be had quickly."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=_LOOK) as plain:
            with context.wrap_socket(plain, server_hostname=host) as wrapped:
                der = wrapped.getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der) if der else None
    except (OSError, ValueError):
        return None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]
