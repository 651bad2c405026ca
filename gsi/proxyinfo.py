"""What marks a certificate as a proxy: RFC 3820, the GT3 draft, the legacy form of GT2.

========  ==================================================================  =============================
kind      mark                                                                limited when
========  ==================================================================  =============================
rfc       extension proxyCertInfo 1.3.6.1.5.5.7.1.14 (RFC 3820 §3.8)          policy language …3536.1.1.1.9
gt3       extension 1.3.6.1.4.1.3536.1.222 (Globus Toolkit 3, draft form)     the same
gt2       subject is the issuer's plus ``CN=proxy`` or ``CN=limited proxy``   ``CN=limited proxy``
gridsite  none; the subject is the issuer's plus a number (GridSite)          what stands above it is
========  ==================================================================  =============================

A certificate of the last kind cannot be told from others by itself, so :func:`kind` and :func:`inspect` do not know
it; the certificate above it, a proxy of RFC 3820, makes it one (:mod:`gsi.chain`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from asn1crypto import core
from cryptography import x509
from cryptography.x509.oid import NameOID

ProxyKind = Literal["rfc", "gt3", "gt2", "gridsite"]
LEGACY: Final = frozenset({"gt2", "gt3"})
"""Kinds that are older than RFC 3820."""

RFC_EXTENSION: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
GT3_EXTENSION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.3536.1.222")
INHERIT_ALL: Final = "1.3.6.1.5.5.7.21.1"
INDEPENDENT: Final = "1.3.6.1.5.5.7.21.2"
LIMITED: Final = "1.3.6.1.4.1.3536.1.1.1.9"

EXTENSION_ERRORS: Final = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
"""What cryptography raises when the extensions of a certificate cannot be read."""


class ProxyPolicy(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """RFC 3820 §3.8: policyLanguage and an optional policy text."""

    _fields = [("language", core.ObjectIdentifier), ("policy", core.OctetString, {"optional": True})]


class ProxyCertInfo(core.Sequence):  # type: ignore[misc]
    """RFC 3820 §3.8."""

    _fields = [("path_length", core.Integer, {"optional": True}), ("policy", ProxyPolicy)]


class DraftProxyCertInfo(core.Sequence):  # type: ignore[misc]
    """The order of the draft that Globus Toolkit 3 wrote."""

    _fields = [("policy", ProxyPolicy), ("path_length", core.Integer, {"explicit": 1, "optional": True})]


@dataclass(frozen=True, slots=True)
class ProxyInfo:
    """The marks of one proxy certificate.

    :ivar path_length: how many proxies may follow below; ``None`` is no limit.
    :ivar critical: whether the extension is critical, as RFC 3820 §3.8 demands; true for gt2 and gridsite.
    :ivar language: dotted OID of the policy language.
    """

    kind: ProxyKind
    language: str
    path_length: int | None = None
    critical: bool = True

    @property
    def limited(self) -> bool:
        """A limited proxy: reads files, submits no jobs (Globus)."""
        return self.language == LIMITED


def kind(certificate: x509.Certificate) -> ProxyKind | None:
    """The kind of proxy that ``certificate`` claims to be, ``None`` when it is none.  Never raises."""
    try:
        for extension in certificate.extensions:
            if extension.oid == RFC_EXTENSION:
                return "rfc"
            if extension.oid == GT3_EXTENSION:
                return "gt3"
        return "gt2" if _legacy_name(certificate) else None
    except EXTENSION_ERRORS:
        return None


def proxies_in(chain: Sequence[x509.Certificate]) -> int:
    """How many certificates at the beginning of a chain in signing order are proxies; the next is the end entity.

    Whatever stands below a proxy is one.  Never raises; nothing is verified.
    """
    return max((index + 1 for index, certificate in enumerate(chain) if kind(certificate)), default=0)


def gridsite_form(certificate: x509.Certificate) -> bool:
    """Whether a certificate looks like what GridSite 3.0 signs for the caller with a proxy of RFC 3820.

    That is: the issuer's name and one CN of digits, and no extension but a key usage.
    """
    rdns = certificate.subject.rdns
    try:
        plain = all(isinstance(extension.value, x509.KeyUsage) for extension in certificate.extensions)
    except EXTENSION_ERRORS:
        return False
    if not plain or len(rdns) < 2 or x509.Name(rdns[:-1]) != certificate.issuer:
        return False
    last = list(rdns[-1])
    return (
        len(last) == 1
        and last[0].oid == NameOID.COMMON_NAME
        and re.fullmatch(r"[0-9]{1,20}", str(last[0].value)) is not None
    )


def inspect(certificate: x509.Certificate) -> ProxyInfo | None:
    """Read the marks of a proxy; ``None`` when the certificate is no proxy.

    :raises ValueError: extensions that cannot be read, or the marks of two kinds at once.
    """
    try:
        marks = [e for e in certificate.extensions if e.oid in (RFC_EXTENSION, GT3_EXTENSION)]
    except EXTENSION_ERRORS as error:
        raise ValueError(f"has extensions that cannot be read: {error}") from error
    legacy = _legacy_name(certificate)
    if not marks:
        if legacy is None:
            return None
        return ProxyInfo("gt2", LIMITED if legacy == "limited proxy" else INHERIT_ALL)
    if len(marks) > 1 or legacy == "limited proxy":
        raise ValueError("carries the marks of two kinds of proxies")
    value = marks[0].value
    if not isinstance(value, x509.UnrecognizedExtension):
        raise ValueError("has a ProxyCertInfo extension of an unexpected form")
    rfc = marks[0].oid == RFC_EXTENSION
    language, length = _decode(value.value, rfc)
    return ProxyInfo("rfc" if rfc else "gt3", language, length, marks[0].critical)


def encode(info: ProxyInfo) -> x509.UnrecognizedExtension:
    """The extension that marks a proxy of kind rfc or gt3.

    :raises ValueError: for kind gt2, which has no extension.
    """
    fields: dict[str, Any] = {"policy": ProxyPolicy({"language": info.language})}
    if info.path_length is not None:
        fields["path_length"] = info.path_length
    if info.kind == "rfc":
        return x509.UnrecognizedExtension(RFC_EXTENSION, bytes(ProxyCertInfo(fields).dump()))
    if info.kind == "gt3":
        return x509.UnrecognizedExtension(GT3_EXTENSION, bytes(DraftProxyCertInfo(fields).dump()))
    raise ValueError(f"a proxy of kind {info.kind} is marked by its name only")


def _decode(der: bytes, rfc: bool) -> tuple[str, int | None]:
    forms = (ProxyCertInfo,) if rfc else (DraftProxyCertInfo, ProxyCertInfo)
    for form in forms:
        try:
            decoded = form.load(der, strict=True)
            language = str(decoded["policy"]["language"].dotted)
            length = decoded["path_length"].native
        except (ValueError, TypeError, KeyError):
            continue
        if length is not None and length < 0:
            break
        return language, length
    raise ValueError("has a malformed ProxyCertInfo extension")


def _legacy_name(certificate: x509.Certificate) -> str | None:
    """``proxy`` or ``limited proxy`` when the subject is the issuer's name plus that CN."""
    rdns = certificate.subject.rdns
    if len(rdns) < 2:
        return None
    last = list(rdns[-1])
    value = last[0].value
    if len(last) != 1 or last[0].oid != NameOID.COMMON_NAME or value not in ("proxy", "limited proxy"):
        return None
    return str(value) if x509.Name(rdns[:-1]) == certificate.issuer else None
