"""The CAs of a trust directory at one moment, and the judgement of a path up to them.

OpenSSL builds the path and checks signatures, CA flags, path lengths, critical extensions and revocation; time
(with leeway), strength, revocation once more and signing policies are checked here, certificate by certificate,
so that the error can name the one at fault.
"""

from __future__ import annotations

import datetime
import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from OpenSSL import crypto

from gsi.dn import slash
from gsi.errors import (
    BadProxy,
    ChainError,
    CrlMissing,
    Expired,
    NotYetValid,
    PolicyViolation,
    Revoked,
    Untrusted,
    WeakKey,
)
from gsi.revocation import RevocationList
from gsi.signature import weakness
from gsi.signing_policy import SigningPolicy
from gsi.trustdir import FileCache, VomsServers, load_authorities, load_revocation_lists, load_voms_servers

_log = logging.getLogger("wms.gsi")
_NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: OpenSSL knows no leeway, so the times are judged here."""
_FLAGS: Final = crypto.X509StoreFlags.ALLOW_PROXY_CERTS | _NO_CHECK_TIME
_CRL_FLAGS: Final = crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL
_OPENSSL_ERRORS: Final[dict[int, type[ChainError]]] = {
    3: CrlMissing,
    11: CrlMissing,
    12: CrlMissing,
    23: Revoked,
    38: BadProxy,
    40: BadProxy,
    66: WeakKey,
    67: WeakKey,
    68: WeakKey,
}


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What a site accepts.

    :ivar min_rsa: bits.
    :ivar allow_sha1: accept SHA-1 signatures.
    :ivar allow_legacy: accept proxies older than RFC 3820 at all.
    :ivar gridsite_proxies: accept in a chain one proxy as GridSite's clients make it, without ProxyCertInfo and signed
        with SHA-1 (:mod:`gsi.chain`); everything else still needs a better hash.
    :ivar leeway: for clocks that differ, both ways.
    :ivar missing_crl_ok: slash DNs of CAs that may be without a usable revocation list.
    :ivar hosts: names of this host that a targeted attribute certificate may give; empty is the host name.
    """

    min_rsa: int = 2048
    allow_sha1: bool = False
    allow_legacy: bool = True
    gridsite_proxies: bool = False
    leeway: datetime.timedelta = datetime.timedelta(seconds=60)
    missing_crl_ok: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Authority:
    """One CA: its certificate, the names it may give, its newest usable revocation list."""

    certificate: x509.Certificate
    dn: str
    policy: SigningPolicy | None
    crl: RevocationList | None


@dataclass(frozen=True, slots=True)
class Anchors:
    """Everything trusted at one moment; never changed after it was read."""

    policy: TrustPolicy
    authorities: dict[x509.Certificate, Authority]
    voms_servers: dict[str, VomsServers]
    store: crypto.X509Store = field(repr=False)

    @classmethod
    def load(
        cls,
        cert_dir: Path,
        voms_dir: Path | None,
        policy: TrustPolicy,
        cache: FileCache,
        now: datetime.datetime,
    ) -> Anchors:
        """Read both directories.

        :raises grid.errors.ConfigurationError: when ``cert_dir`` cannot be listed.
        """
        lists = load_revocation_lists(cert_dir, cache)
        authorities = {}
        store = crypto.X509Store()
        store.set_flags(_FLAGS if policy.missing_crl_ok else _FLAGS | _CRL_FLAGS)
        for file in load_authorities(cert_dir, cache):
            ca = file.certificate
            if ca.not_valid_after_utc + policy.leeway < now:
                _log.info("the CA certificate %s has expired and is left out", slash(ca.subject))
                continue  # OpenSSL, not looking at times, might prefer it to its renewal
            crl = _newest(lists, ca, policy)
            authorities[ca] = Authority(ca, slash(ca.subject), file.policy, crl)
            store.add_cert(crypto.X509.from_cryptography(ca))
            if crl is not None:
                store.add_crl(crl.crl)
        return cls(policy, authorities, load_voms_servers(voms_dir, cache), store)

    @classmethod
    def empty(cls, policy: TrustPolicy) -> Anchors:
        """Nobody is trusted: what holds while the trust directory is away."""
        return cls(policy, {}, {}, crypto.X509Store())

    def judge(
        self,
        path: Sequence[x509.Certificate],
        others: Sequence[x509.Certificate],
        now: datetime.datetime,
        *,
        end_entity: int = 0,
        openssl_from: int = 0,
        sha1: int | None = None,
    ) -> tuple[x509.Certificate, ...]:
        """Judge a path and everything above it.

        :param path: leaf first, each certificate signed by the next, ending with the end-entity certificate.
        :param others: more certificates that may lie on the way to a CA.
        :param end_entity: index of the end-entity certificate in ``path``.
        :param openssl_from: index of the first certificate that OpenSSL understands (legacy proxies: the end entity).
        :param sha1: index of the one certificate that may be signed with SHA-1 whatever the policy says.
        :returns: the complete chain, ending with a root of the trust directory.
        :raises ChainError: the subclass says what is wrong, the error which certificate.
        """
        for index, certificate in enumerate(path):
            self._check_alone(certificate, now, sha1=index == sha1)
        above = self._build(path[openssl_from:], others)[len(path) - openssl_from :]
        for certificate in above:
            self._check_alone(certificate, now)
        chain = (path[end_entity], *above)
        for issued, issuer in itertools.pairwise(chain):
            self._check_issued(issued, issuer, now)
        return (*path, *above)

    def _build(
        self, path: Sequence[x509.Certificate], others: Sequence[x509.Certificate]
    ) -> tuple[x509.Certificate, ...]:
        leaf, *rest = (crypto.X509.from_cryptography(c) for c in (*path, *others))
        try:
            verified = crypto.X509StoreContext(self.store, leaf, rest).get_verified_chain()
        except crypto.X509StoreContextError as error:
            raise _translated(error) from error
        full = tuple(c.to_cryptography() for c in verified)
        if full[: len(path)] != tuple(path):
            raise Untrusted.about(
                path[0], "can be verified on a path only that differs from the one presented"
            )
        return full

    def _check_alone(
        self, certificate: x509.Certificate, now: datetime.datetime, *, sha1: bool = False
    ) -> None:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now > end + self.policy.leeway:
            raise Expired.about(certificate, f"has expired on {end:%Y-%m-%d %H:%M:%S} UTC")
        if now < begin - self.policy.leeway:
            raise NotYetValid.about(
                certificate, f"is not valid before {begin:%Y-%m-%d %H:%M:%S} UTC; are the clocks right?"
            )
        anchor = certificate in self.authorities
        weak = weakness(
            certificate,
            min_rsa=self.policy.min_rsa,
            allow_sha1=sha1 or self.policy.allow_sha1,
            judge_hash=not anchor,
        )
        if weak:
            raise WeakKey.about(certificate, weak)

    def _check_issued(
        self, certificate: x509.Certificate, issuer: x509.Certificate, now: datetime.datetime
    ) -> None:
        subject = slash(certificate.subject)
        authority = self.authorities.get(issuer)
        if authority is None:
            raise Untrusted.about(
                certificate,
                f"is issued by {slash(issuer.subject)}, which is not in the trust directory itself",
            )
        crl = authority.crl
        if crl is not None and crl.lists(certificate):
            raise Revoked.about(certificate, f"has been revoked by {authority.dn}")
        if authority.dn not in self.policy.missing_crl_ok:
            if crl is None:
                raise CrlMissing.about(
                    certificate, f"cannot be checked: there is no usable revocation list of {authority.dn}"
                )
            if not crl.timely(now, self.policy.leeway):
                raise CrlMissing.about(certificate, f"cannot be checked: {_untimely(crl, authority.dn)}")
        if authority.policy is None:
            raise PolicyViolation.about(
                certificate, f"is refused: there is no signing policy for its CA {authority.dn}"
            )
        if not authority.policy.permits(subject):
            raise PolicyViolation.about(
                certificate, f"has a name that {authority.dn} may not give ({authority.policy.source})"
            )


def _newest(lists: list[RevocationList], ca: x509.Certificate, policy: TrustPolicy) -> RevocationList | None:
    """The newest complete list that this very CA signed; one of a namesake is not taken."""
    usable = []
    for crl in lists:
        if crl.issuer != ca.subject:
            continue
        if crl.flaw:
            _log.warning("the revocation list %s is not used: it %s", crl.source, crl.flaw)
        elif not crl.signed_by(ca, allow_sha1=policy.allow_sha1):
            _log.warning(
                "the revocation list %s is not used: %s did not sign it", crl.source, slash(ca.subject)
            )
        else:
            usable.append(crl)
    return max(usable, key=lambda crl: crl.this_update, default=None)


def _untimely(crl: RevocationList, ca: str) -> str:
    if crl.next_update is not None and crl.this_update < crl.next_update:
        return (
            f"the revocation list of {ca} is for {crl.this_update:%Y-%m-%d %H:%M} to"
            f" {crl.next_update:%Y-%m-%d %H:%M} UTC; fetch the present one"
        )
    return f"the revocation list of {ca} begins on {crl.this_update:%Y-%m-%d %H:%M} UTC"


def _translated(error: crypto.X509StoreContextError) -> ChainError:
    code, _depth, text = error.errors
    certificate = error.certificate.to_cryptography()
    if code in (2, 18, 19, 20, 21):
        return Untrusted.about(
            certificate,
            f"is issued by {slash(certificate.issuer)}, to which there is no path in the trust directory",
        )
    if code == 23:
        return Revoked.about(certificate, f"has been revoked by {slash(certificate.issuer)}")
    if code == 3:
        return CrlMissing.about(
            certificate,
            f"cannot be checked: there is no usable revocation list of {slash(certificate.issuer)}",
        )
    return _OPENSSL_ERRORS.get(code, Untrusted).about(certificate, f"is refused: {text} ({code})")
