"""VOMS attributes: which groups and roles of a virtual organisation a proxy carries, and whether they are true.

An attribute certificate that is *forged* (malformed, somebody else's, with a signature that does not hold) makes
the whole chain unacceptable (:class:`gsi.errors.VomsError`).  One that is genuine but of no force here (expired,
for another host, from a server that this host does not know) grants nothing, and the reason is kept: its owner may
still do what needs no VO, such as fetching output.
"""

from __future__ import annotations

import datetime
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asn1crypto import cms, core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from grid.clock import now as clock_now
from grid.dn import normalise
from grid.fqan import Fqan
from gsi.anchors import Anchors
from gsi.attribute_certificate import (
    AUTHORITY_KEY,
    CHAIN_EXTENSION,
    FQAN_ATTRIBUTE,
    NO_REVOCATION,
    SEQUENCE_EXTENSION,
    TARGETS,
    AttributeCertificate,
    MalformedAttributes,
    decode_sequence,
    encode_sequence,
    name_key,
    sequence,
)
from gsi.credential import Credential
from gsi.dn import slash
from gsi.errors import ChainError, VomsError
from gsi.proxyinfo import proxies_in
from gsi.signature import hash_weakness, holds


@dataclass(frozen=True, slots=True)
class VomsAttributes:
    """What one attribute certificate says.

    :ivar vo: name of the virtual organisation.
    :ivar uri: ``vo://host:port`` of the server.
    :ivar fqans: in the server's order; the first is the primary one.
    :ivar holder: slash DN of the end-entity certificate it was issued to.
    :ivar server: slash DN of the VOMS server's certificate.
    """

    vo: str
    uri: str
    fqans: tuple[Fqan, ...]
    holder: str
    holder_issuer: str
    server: str
    server_issuer: str
    not_before: datetime.datetime
    not_after: datetime.datetime


class AttributesRefused(Exception):
    """A genuine attribute certificate that is of no force here; the message says why."""


def find_certificates(path: Sequence[x509.Certificate]) -> tuple[AttributeCertificate, ...]:
    """The attribute certificates of the proxy next to the leaf that has any; nothing of them is checked.

    :param path: leaf first, up to the end-entity certificate.
    :raises VomsError: when they cannot be decoded.
    """
    for certificate in path[: proxies_in(path)]:
        for extension in certificate.extensions:
            value = extension.value
            if extension.oid == SEQUENCE_EXTENSION and isinstance(value, x509.UnrecognizedExtension):
                try:
                    return tuple(decode_sequence(value.value))
                except MalformedAttributes as error:
                    raise _refusal(certificate, str(error)) from error
    return ()


def read_attributes(chain: Sequence[x509.Certificate]) -> tuple[VomsAttributes, ...]:
    """What a chain claims, unverified: for displaying one's own proxy, never for a decision.

    :raises VomsError: when it cannot be decoded.
    """
    end_entity = chain[min(proxies_in(chain), len(chain) - 1)]
    return tuple(_stated(ac, end_entity, ac.certificates[:1]) for ac in find_certificates(chain))


def verify(
    path: Sequence[x509.Certificate], anchors: Anchors, now: datetime.datetime
) -> tuple[tuple[VomsAttributes, ...], tuple[str, ...]]:
    """Judge all attribute certificates of a verified path.

    :returns: the attributes that are true, and one sentence for each certificate that grants nothing.
    :raises VomsError: when one is forged.
    """
    granted: list[VomsAttributes] = []
    refused: list[str] = []
    for ac in find_certificates(path):
        try:
            granted.append(_judge(ac, path, anchors, now))
        except AttributesRefused as error:
            refused.append(
                f"The attribute certificate of the VO {ac.vo} from {ac.host} grants nothing: {error}"
            )
    return tuple(granted), tuple(refused)


def _judge(
    ac: AttributeCertificate, path: Sequence[x509.Certificate], anchors: Anchors, now: datetime.datetime
) -> VomsAttributes:
    end_entity = path[-1]
    # RFC 3281 §4.2.2 puts the issuer of the holder's certificate here; VOMS servers in C put its subject, and their
    # library takes both.  With the serial number either one names this identity.
    holders = (name_key(end_entity.issuer), name_key(end_entity.subject))
    if ac.holder_serial != end_entity.serial_number or ac.holder_issuer not in holders:
        raise _refusal(path[0], f"was not issued to {slash(end_entity.subject)}")
    if ac.unknown_critical:
        raise _refusal(path[0], f"has the unknown critical extension {ac.unknown_critical[0]}")
    policy = anchors.policy
    weak = hash_weakness(ac.hash_algorithm, policy.allow_sha1)
    if weak:
        raise AttributesRefused(f"it {weak}")
    if now > ac.not_after + policy.leeway:
        raise AttributesRefused(f"it has expired on {ac.not_after:%Y-%m-%d %H:%M:%S} UTC; make a new proxy")
    if now < ac.not_before - policy.leeway:
        raise AttributesRefused(f"it is not valid before {ac.not_before:%Y-%m-%d %H:%M:%S} UTC")
    hosts = policy.hosts or {socket.gethostname()}
    if ac.targets is not None and not any(host.lower() in ac.targets for host in hosts):
        raise AttributesRefused(f"it is meant for {', '.join(ac.targets) or 'nobody'} only")
    chain = _server_chain(ac, anchors)
    server = chain[0]
    algorithm = server.public_key()
    if ac.issuer != name_key(server.subject) or not holds(
        algorithm, ac.signature, ac.signed, ac.hash_algorithm
    ):
        raise _refusal(path[0], f"is not signed by {slash(server.subject)}")
    try:
        verified = anchors.judge(chain[:1], chain[1:], now)
    except ChainError as error:
        raise AttributesRefused(f"its VOMS server is not trusted: {error.description}") from error
    _check_listed(ac, verified, anchors)
    return _stated(ac, end_entity, verified)


def _server_chain(ac: AttributeCertificate, anchors: Anchors) -> tuple[x509.Certificate, ...]:
    """The server's certificate, embedded or from the VOMS directory, with what comes with it."""
    servers = anchors.voms_servers.get(ac.vo)
    if servers is None:
        raise AttributesRefused(f"the VO {ac.vo} is not known here")
    if ac.certificates:
        return ac.certificates
    for certificate in servers.certificates:
        if name_key(certificate.subject) == ac.issuer and holds(
            certificate.public_key(), ac.signature, ac.signed, ac.hash_algorithm
        ):
            return (certificate,)
    raise AttributesRefused(
        "it does not hold the server's certificate, and the VOMS directory has none either"
    )


def _check_listed(ac: AttributeCertificate, verified: Sequence[x509.Certificate], anchors: Anchors) -> None:
    """The ``.lsc`` file of VO and host names exactly this chain, or the directory holds this very certificate."""
    servers = anchors.voms_servers[ac.vo]
    if verified[0] in servers.certificates:
        return
    names = [normalise(slash(certificate.subject)) for certificate in verified]
    for listed in servers.chains.get(ac.host, ()):
        if [normalise(dn) for dn in listed] == names[: len(listed)]:
            return
    raise AttributesRefused(
        f"the server {names[0]} is not listed for the VO {ac.vo} and host {ac.host} in the VOMS directory"
    )


def _stated(
    ac: AttributeCertificate, end_entity: x509.Certificate, server_chain: Sequence[x509.Certificate]
) -> VomsAttributes:
    server = server_chain[0] if server_chain else None
    return VomsAttributes(
        ac.vo,
        ac.uri,
        ac.fqans,
        normalise(slash(end_entity.subject)),
        slash(end_entity.issuer),
        slash(server.subject) if server else "",
        slash(server.issuer) if server else "",
        ac.not_before,
        ac.not_after,
    )


def _refusal(certificate: x509.Certificate, reason: str) -> VomsError:
    return VomsError.about(certificate, f"carries a VOMS attribute certificate that {reason}")


def issue(
    server: Credential,
    holder: x509.Certificate,
    vo: str,
    fqans: Sequence[str],
    *,
    uri: str,
    lifetime: datetime.timedelta,
    not_before: datetime.datetime | None = None,
    targets: Sequence[str] = (),
) -> bytes:
    """Issue an attribute certificate, as a VOMS server does.

    :param holder: the end-entity certificate, never a proxy.
    :param uri: ``host:port`` of the server.
    :param not_before: beginning; ``None`` is now.
    :param targets: hosts it is meant for; none is all.
    :returns: DER.
    :raises grid.fqan.FqanError: when an FQAN is none.
    :raises ValueError: for no FQANs or a key that is neither RSA nor elliptic curve.
    """
    if not fqans:
        raise ValueError("an attribute certificate holds at least one FQAN")
    begin = (not_before or clock_now()).replace(microsecond=0)
    rsa_key = isinstance(server.key, rsa.RSAPrivateKey)
    algorithm = {"algorithm": "sha256_rsa" if rsa_key else "sha256_ecdsa"}
    authority = cms.IetfAttrSyntax(
        {
            "policy_authority": [_uri_name(f"{vo}://{uri}")],
            "values": [cms.IetfAttrValue("octets", Fqan.parse(text).full.encode("ascii")) for text in fqans],
        }
    )
    info = cms.AttributeCertificateInfoV2(
        {
            "version": "v2",
            "holder": {
                "base_certificate_id": {"issuer": [_asn1_name(holder.issuer)], "serial": holder.serial_number}
            },
            "issuer": cms.AttCertIssuer("v2_form", {"issuer_name": [_asn1_name(server.certificate.subject)]}),
            "signature": algorithm,
            "serial_number": secrets.randbits(120) | 1,
            "att_cert_validity_period": {"not_before_time": begin, "not_after_time": begin + lifetime},
            "attributes": [{"type": FQAN_ATTRIBUTE, "values": [authority]}],
            "extensions": _issued_extensions(server, targets),
        }
    )
    signed = bytes(info.dump())
    if isinstance(server.key, rsa.RSAPrivateKey):
        signature = server.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        signature = server.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    ac = cms.AttributeCertificateV2(
        {"ac_info": info, "signature_algorithm": algorithm, "signature": signature}
    )
    return bytes(ac.dump())


def proxy_extension(acs: Sequence[bytes]) -> x509.UnrecognizedExtension:
    """The proxy extension that carries encoded attribute certificates (for :func:`gsi.proxy.create`)."""
    return x509.UnrecognizedExtension(SEQUENCE_EXTENSION, encode_sequence(list(acs)))


def _issued_extensions(server: Credential, targets: Sequence[str]) -> list[dict[str, Any]]:
    try:
        found = server.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        found = x509.SubjectKeyIdentifier.from_public_key(server.key.public_key())
    key_id = asn1_x509.AuthorityKeyIdentifier({"key_identifier": found.digest})
    chain = sequence([sequence([c.public_bytes(serialization.Encoding.DER) for c in server.chain])])
    values = [
        (NO_REVOCATION, False, core.Null().dump()),
        (AUTHORITY_KEY, False, key_id.dump()),
        (CHAIN_EXTENSION, False, chain),
    ]
    if targets:
        names = [
            asn1_x509.GeneralName("uniform_resource_identifier", host, explicit=0).dump() for host in targets
        ]
        values.append((TARGETS, True, sequence([sequence(names)])))
    return [
        {"extn_id": oid, "critical": critical, "extn_value": core.ParsableOctetString(bytes(value))}
        for oid, critical, value in values
    ]


def _asn1_name(name: x509.Name) -> asn1_x509.GeneralName:
    return asn1_x509.GeneralName("directory_name", asn1_x509.Name.load(name.public_bytes()))


def _uri_name(uri: str) -> asn1_x509.GeneralName:
    return asn1_x509.GeneralName("uniform_resource_identifier", uri)
