"""From the certificates that a peer presented to its end-entity certificate, proxy by proxy.

Every link is judged here, for RFC 3820 proxies and for the kinds that OpenSSL does not know.  What lies above the
end-entity certificate is judged by :mod:`gsi.anchors`.

GridSite's delegation clients sign what is no proxy by RFC 3820: a certificate with the name of the caller's proxy and
one more CN, a number, but without ProxyCertInfo.  A site may accept one such link in a chain, directly below a proxy of
RFC 3820, and proxies of RFC 3820 below it (the services delegate further).  No CA's and no person's certificate makes a
name with a number a proxy: CAs give such names to people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from grid.limits import MAX_CERTIFICATE_CHAIN
from gsi.dn import ambiguity
from gsi.errors import BadProxy, NoCertificate, Untrusted
from gsi.proxyinfo import (
    EXTENSION_ERRORS,
    GT3_EXTENSION,
    INHERIT_ALL,
    LIMITED,
    RFC_EXTENSION,
    ProxyInfo,
    ProxyKind,
    gridsite_form,
    inspect,
    kind,
)
from gsi.signature import signed_by

_UNDERSTOOD: Final = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
_MARKS: Final = (RFC_EXTENSION, GT3_EXTENSION)
_TOGETHER: Final = frozenset({"rfc", "gridsite"})
"""Kinds that may stand in one chain."""


@dataclass(frozen=True, slots=True)
class ProxyPath:
    """The certificates from the leaf to the end-entity certificate, each signed by the next.

    :ivar proxies: the marks of the proxies, leaf first; one fewer than ``certificates``.
    :ivar others: what else was presented: CA certificates, duplicates.
    """

    certificates: tuple[x509.Certificate, ...]
    proxies: tuple[ProxyInfo, ...]
    others: tuple[x509.Certificate, ...]

    @property
    def end_entity(self) -> x509.Certificate:
        """The certificate that a CA gave to a person or a host."""
        return self.certificates[-1]

    @property
    def kinds(self) -> tuple[ProxyKind, ...]:
        """The kinds of the proxies, leaf first."""
        return tuple(proxy.kind for proxy in self.proxies)

    @property
    def gridsite(self) -> int | None:
        """Index of the proxy that GridSite's rule made one; ``None``: there is none."""
        return self.kinds.index("gridsite") if "gridsite" in self.kinds else None

    @property
    def limited(self) -> bool:
        """Whether any proxy on the path is limited."""
        return any(proxy.limited for proxy in self.proxies)


def proxy_path(chain: Sequence[x509.Certificate], *, gridsite: bool = False) -> ProxyPath:
    """Walk from the leaf, the first certificate, to the end-entity certificate.

    The rest of the chain may come in any order and with duplicates, as TLS 1.3 (RFC 8446 §4.4.2) asks receivers
    to tolerate; each step is decided by name and by signature.

    :param gridsite: accept one proxy as GridSite's clients make it.
    :raises NoCertificate: for an empty chain.
    :raises BadProxy: a link is missing or breaks a rule of RFC 3820 §3 and §4 (or their legacy forms).
    :raises Untrusted: the chain is too long, or the end-entity certificate cannot stand for a person or host.
    """
    if not chain:
        raise NoCertificate()
    if len(chain) > MAX_CERTIFICATE_CHAIN:
        raise Untrusted.about(
            chain[0],
            f"comes with a chain of {len(chain)} certificates; at most {MAX_CERTIFICATE_CHAIN} are accepted",
        )
    for certificate in chain:
        _check_readable(certificate)
    path = [chain[0]]
    proxies: list[ProxyInfo] = []
    while (info := _inspect(path[-1]) or (_by_gridsite(path[-1], chain) if gridsite else None)) is not None:
        issuer = _issuer(path[-1], chain, path)
        _check_proxy(path[-1], info)
        _check_link(path[-1], issuer)
        if info.kind == "gridsite" and kind(issuer) != "rfc":
            raise BadProxy.about(
                path[-1], "has no ProxyCertInfo, and what signed it is no proxy of RFC 3820 itself"
            )
        if info.path_length is not None and len(proxies) > info.path_length:
            raise BadProxy.about(
                path[-1], f"allows {info.path_length} proxies below itself and {len(proxies)} were presented"
            )
        path.append(issuer)
        proxies.append(info)
    _check_kinds(chain[0], proxies)
    _check_end_entity(path[-1])
    return ProxyPath(tuple(path), tuple(proxies), tuple(c for c in chain if c not in path))


def made_by_gridsite(chain: Sequence[x509.Certificate]) -> bool:
    """Whether a chain has a link of the form that GridSite's clients give it.  Nothing is verified; never raises."""
    try:
        return any(_by_gridsite(certificate, chain) is not None for certificate in chain[:MAX_CERTIFICATE_CHAIN])
    except ValueError:  # a name that cannot be read: not theirs
        return False


def _by_gridsite(certificate: x509.Certificate, chain: Sequence[x509.Certificate]) -> ProxyInfo | None:
    """A proxy by GridSite's rule: of that form, and named after a proxy of RFC 3820 that was presented with it."""
    above = any(c.subject == certificate.issuer and kind(c) == "rfc" for c in chain)
    return ProxyInfo("gridsite", INHERIT_ALL) if above and gridsite_form(certificate) else None


def _check_kinds(leaf: x509.Certificate, proxies: Sequence[ProxyInfo]) -> None:
    kinds = [proxy.kind for proxy in proxies]
    if len(set(kinds)) > 1 and not _TOGETHER.issuperset(kinds):
        raise BadProxy.about(
            leaf, f"stands in a chain of mixed kinds of proxies ({', '.join(sorted(set(kinds)))})"
        )
    if kinds.count("gridsite") > 1:
        raise BadProxy.about(leaf, "stands in a chain with more than one proxy without ProxyCertInfo")


def _check_readable(certificate: x509.Certificate) -> None:
    """Names are decoded lazily; what cannot be decoded must not turn up in the middle of a judgement."""
    try:
        decoded = certificate.subject, certificate.issuer, certificate.version
        lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    except (ValueError, x509.InvalidVersion) as error:
        raise Untrusted.about(certificate, f"cannot be read: {error}") from error
    if not decoded or lifetime.total_seconds() < 0:
        raise Untrusted.about(certificate, "ends before it begins")


def _inspect(certificate: x509.Certificate) -> ProxyInfo | None:
    try:
        return inspect(certificate)
    except ValueError as error:
        raise BadProxy.about(certificate, str(error)) from error


def _issuer(
    proxy: x509.Certificate, chain: Sequence[x509.Certificate], path: Sequence[x509.Certificate]
) -> x509.Certificate:
    named = [c for c in chain if c not in path and c.subject == proxy.issuer]
    if not named:
        raise BadProxy.about(
            proxy, "was presented without the certificate that signed it; send the whole chain"
        )
    for candidate in named:
        if signed_by(proxy, candidate):
            return candidate
    raise BadProxy.about(proxy, "is not signed by the key of the certificate that it names as its issuer")


def _check_proxy(proxy: x509.Certificate, info: ProxyInfo) -> None:
    """What RFC 3820 §3 asks of the proxy alone.  The extensions were read before, so they can be read."""
    if not info.critical:
        raise BadProxy.about(proxy, "has a ProxyCertInfo extension that is not marked critical")
    if info.language not in (INHERIT_ALL, LIMITED):
        raise BadProxy.about(
            proxy, f"is restricted by the policy language {info.language}, which grants nothing here"
        )
    for extension in proxy.extensions:
        value = extension.value
        if isinstance(value, x509.BasicConstraints) and value.ca:
            raise BadProxy.about(proxy, "claims to be a CA")
        if isinstance(value, x509.SubjectAlternativeName | x509.IssuerAlternativeName):
            raise BadProxy.about(proxy, "has an alternative name, which a proxy must not have")
        if isinstance(value, x509.KeyUsage) and (value.key_cert_sign or not value.digital_signature):
            raise BadProxy.about(proxy, "has a key usage that a proxy must not have")
        if extension.critical and extension.oid not in _MARKS and not isinstance(value, _UNDERSTOOD):
            raise BadProxy.about(proxy, f"has the unknown critical extension {extension.oid.dotted_string}")


def _check_link(proxy: x509.Certificate, issuer: x509.Certificate) -> None:
    """What RFC 3820 §3.4 and §4.1.3 ask of a proxy and its issuer."""
    subject = proxy.subject.rdns
    last = list(subject[-1]) if subject else []
    if (
        len(last) != 1
        or last[0].oid != NameOID.COMMON_NAME
        or list(subject[:-1]) != list(issuer.subject.rdns)
    ):
        raise BadProxy.about(proxy, "is not named after its issuer with one more CN")
    try:
        for extension in issuer.extensions:
            value = extension.value
            if isinstance(value, x509.BasicConstraints) and value.ca:
                raise BadProxy.about(
                    proxy, "is signed by a CA; only a person, a host or a proxy signs proxies"
                )
            if isinstance(value, x509.KeyUsage) and not value.digital_signature:
                raise BadProxy.about(issuer, "may not sign proxies: its key usage lacks digitalSignature")
    except EXTENSION_ERRORS as error:
        raise Untrusted.about(issuer, f"has extensions that cannot be read: {error}") from error


def _check_end_entity(certificate: x509.Certificate) -> None:
    unclear = ambiguity(certificate.subject)
    if unclear:
        raise Untrusted.about(certificate, f"cannot be used as an identity: {unclear}")
    try:
        for extension in certificate.extensions:
            if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
                raise Untrusted.about(certificate, "is a CA's, and a CA's certificate identifies no caller")
    except EXTENSION_ERRORS as error:
        raise Untrusted.about(certificate, f"has extensions that cannot be read: {error}") from error
