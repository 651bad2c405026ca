"""The encoding of VOMS attribute certificates (RFC 3281 with the extensions of VOMS).

Everything is decoded at once into plain values, so that a malformed certificate shows here and nowhere else.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import Any, Final

from asn1crypto import cms, parser
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from grid.fqan import Fqan, FqanError

ARC: Final = "1.3.6.1.4.1.8005.100.100"
FQAN_ATTRIBUTE: Final = f"{ARC}.4"
SEQUENCE_EXTENSION: Final = x509.ObjectIdentifier(f"{ARC}.5")
CHAIN_EXTENSION: Final = f"{ARC}.10"
GENERIC_EXTENSION: Final = f"{ARC}.11"
NO_REVOCATION: Final = "2.5.29.56"
AUTHORITY_KEY: Final = "2.5.29.35"
TARGETS: Final = "2.5.29.55"
MAX_BYTES: Final = 256 << 10
"""Of the whole extension; a TLS handshake carries no more than some 100 KiB anyhow."""
MAX_CERTIFICATES: Final = 8
"""Attribute certificates in one proxy."""
MAX_FQANS: Final = 500

_UNDERSTOOD: Final = frozenset({NO_REVOCATION, AUTHORITY_KEY, TARGETS, CHAIN_EXTENSION, GENERIC_EXTENSION})
_URI: Final = re.compile(
    r"(?P<vo>[A-Za-z0-9][A-Za-z0-9._-]*)://(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):[0-9]{1,5}/?"
)
_HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
_SIGNATURES: Final = frozenset({"rsassa_pkcs1v15", "ecdsa"})
_DECODING_ERRORS: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    AttributeError,
    RecursionError,
)
"""What asn1crypto raises, according to where in its lazy parsing something is wrong."""


NameKey = tuple[frozenset[tuple[str, str]], ...]


class MalformedAttributes(ValueError):
    """Bytes that are no VOMS attribute certificate."""


@dataclass(frozen=True, slots=True)
class AttributeCertificate:
    """One decoded attribute certificate, nothing of it believed yet.

    :ivar holder_issuer: issuer name of the holder's certificate.
    :ivar issuer: name of the VOMS server.
    :ivar signed: the bytes that the signature covers.
    :ivar unknown_critical: dotted OIDs of critical extensions that are not understood.
    :ivar targets: hosts the certificate is meant for; ``None``: for all.
    :ivar certificates: the server's chain, if it is embedded.
    """

    vo: str
    host: str
    uri: str
    fqans: tuple[Fqan, ...]
    holder_issuer: NameKey
    holder_serial: int
    issuer: NameKey
    not_before: datetime.datetime
    not_after: datetime.datetime
    signed: bytes
    signature: bytes
    hash_algorithm: hashes.HashAlgorithm
    unknown_critical: tuple[str, ...]
    targets: tuple[str, ...] | None
    certificates: tuple[x509.Certificate, ...]


def decode_sequence(der: bytes) -> list[AttributeCertificate]:
    """Decode the proxy extension ``.5``: SEQUENCE OF (SEQUENCE OF AC), or one level of them.

    :raises MalformedAttributes: for anything else.
    """
    if len(der) > MAX_BYTES:
        raise MalformedAttributes(f"is {len(der)} bytes long; at most {MAX_BYTES} are read")
    try:
        encoded = [ac for outer in _children(der) for ac in _unwrapped(outer)]
        if not 1 <= len(encoded) <= MAX_CERTIFICATES:
            raise MalformedAttributes(
                f"holds {len(encoded)} attribute certificates; 1 to {MAX_CERTIFICATES} are read"
            )
        return [_decode(ac) for ac in encoded]
    except MalformedAttributes:
        raise
    except _DECODING_ERRORS as error:
        raise MalformedAttributes(f"cannot be decoded ({type(error).__name__})") from error


def encode_sequence(acs: list[bytes]) -> bytes:
    """The value of the proxy extension ``.5`` for these encoded attribute certificates."""
    return sequence([sequence(acs)])


def sequence(values: list[bytes]) -> bytes:
    """SEQUENCE of encoded values."""
    return bytes(parser.emit(0, 1, 16, b"".join(values)))


def _elements(encoded: bytes) -> list[tuple[bytes, bool, bytes]]:
    """The values that stand one after the other in ``encoded``: each whole, whether constructed, its contents."""
    found = []
    position = 0
    while position < len(encoded):
        _class, method, _tag, header, contents, trailer = parser.parse(encoded[position:])
        whole = header + contents + trailer
        found.append((bytes(whole), bool(method), bytes(contents)))
        position += len(whole)
    return found


def _children(der: bytes) -> list[bytes]:
    """The encoded values inside one constructed value."""
    elements = _elements(der)
    if len(elements) != 1 or not elements[0][1]:
        raise MalformedAttributes("holds something that is no SEQUENCE")
    return [whole for whole, _, _ in _elements(elements[0][2])]


def _unwrapped(der: bytes) -> list[bytes]:
    """An attribute certificate itself, or those that one more SEQUENCE wraps.

    An attribute certificate begins SEQUENCE { SEQUENCE { INTEGER version …, a wrapper SEQUENCE { SEQUENCE { SEQUENCE.
    """
    first = _children(_children(der)[0])[0]
    return [der] if first[0] == 0x02 else _children(der)


def _decode(der: bytes) -> AttributeCertificate:
    ac = cms.AttributeCertificateV2.load(der, strict=True)
    info = ac["ac_info"]
    if info["version"].native != "v2":
        raise MalformedAttributes("has another version than 2")
    algorithm = ac["signature_algorithm"]
    if algorithm.dump() != info["signature"].dump():
        raise MalformedAttributes("names two different signature algorithms")
    if algorithm.signature_algo not in _SIGNATURES or algorithm.hash_algo not in _HASHES:
        raise MalformedAttributes(f"is signed with the unsupported algorithm {algorithm['algorithm'].native}")
    holder = info["holder"]["base_certificate_id"]
    if holder.native is None:
        raise MalformedAttributes("does not say by issuer and serial number whose it is")
    issuer = info["issuer"].chosen
    uri, vo, host, fqans = _attributes(info["attributes"])
    unknown, targets, certificates = _extensions(info["extensions"])
    validity = info["att_cert_validity_period"]
    return AttributeCertificate(
        vo,
        host,
        uri,
        fqans,
        _directory_name(holder["issuer"]),
        int(holder["serial"].native),
        _directory_name(issuer["issuer_name"] if info["issuer"].name == "v2_form" else issuer),
        validity["not_before_time"].native,
        validity["not_after_time"].native,
        bytes(info.dump()),
        bytes(ac["signature"].native),
        _HASHES[algorithm.hash_algo](),
        unknown,
        targets,
        certificates,
    )


def _attributes(attributes: Any) -> tuple[str, str, str, tuple[Fqan, ...]]:
    for attribute in attributes:
        if attribute["type"].dotted != FQAN_ATTRIBUTE:
            continue
        syntax = cms.IetfAttrSyntax.load(attribute["values"][0].dump(), strict=True)
        uri = _text(syntax["policy_authority"][0].chosen.contents)
        found = _URI.fullmatch(uri)
        if not found:
            raise MalformedAttributes(
                f"has the policy authority {uri[:100]!r}, not one of the form vo://host:port"
            )
        if not 1 <= len(syntax["values"]) <= MAX_FQANS:
            raise MalformedAttributes(f"holds {len(syntax['values'])} FQANs; 1 to {MAX_FQANS} are read")
        try:
            fqans = tuple(Fqan.parse(_text(value.chosen.contents)) for value in syntax["values"])
        except FqanError as error:
            raise MalformedAttributes(f"holds an FQAN that is none: {error.description}") from error
        strange = next((fqan for fqan in fqans if fqan.vo != found["vo"]), None)
        if strange is not None:
            raise MalformedAttributes(f"of the VO {found['vo']} holds {strange}, which belongs to another VO")
        return uri, found["vo"], found["host"].lower(), fqans
    raise MalformedAttributes("holds no FQANs")


def _extensions(
    extensions: Any,
) -> tuple[tuple[str, ...], tuple[str, ...] | None, tuple[x509.Certificate, ...]]:
    unknown: list[str] = []
    targets: tuple[str, ...] | None = None
    certificates: tuple[x509.Certificate, ...] = ()
    for extension in extensions if extensions.native is not None else ():
        oid = extension["extn_id"].dotted
        value = bytes(extension["extn_value"].contents)
        if oid == CHAIN_EXTENSION:
            certificates = _certificates(value)
        elif oid == TARGETS:
            targets = (*(targets or ()), *_targets(value))
        elif extension["critical"].native and oid not in _UNDERSTOOD:
            unknown.append(oid)
    return tuple(unknown), targets, certificates


def _certificates(der: bytes) -> tuple[x509.Certificate, ...]:
    """VOMS wraps the SEQUENCE OF Certificate into one more SEQUENCE; both forms are read."""
    outer = _children(der)
    first = _children(_children(outer[0])[0])[0]
    # a certificate begins SEQUENCE { SEQUENCE { [0] version or INTEGER serial
    encoded = outer if first[0] in (0xA0, 0x02) else _children(outer[0])
    if len(encoded) > MAX_CERTIFICATES:
        raise MalformedAttributes(f"embeds {len(encoded)} certificates; at most {MAX_CERTIFICATES} are read")
    return tuple(_readable(certificate) for certificate in encoded)


def _readable(der: bytes) -> x509.Certificate:
    """cryptography decodes names and keys at their first use, which must not be in the middle of a judgement."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.subject, certificate.issuer, certificate.public_key()
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise MalformedAttributes("embeds a certificate that cannot be read") from error
    return certificate


def _targets(der: bytes) -> list[str]:
    """RFC 3281 §4.3.2: Targets, each targetName [0] holding a URI or a DNS name; VOMS writes the host name there."""
    found = []
    for name in re.finditer(rb"[A-Za-z0-9][A-Za-z0-9.-]*(?::[0-9]+)?", b"\0".join(_leaves(der, 8))):
        found.append(_text(name[0]).rsplit(":", 1)[0].lower())
    return found


def _leaves(der: bytes, depth: int) -> list[bytes]:
    """The contents of all primitive values inside ``der``."""
    if depth == 0:
        raise MalformedAttributes("has targets that are nested too deeply")
    leaves: list[bytes] = []
    for _, constructed, contents in _elements(der):
        leaves += _leaves(contents, depth - 1) if constructed else [contents]
    return leaves


def name_key(name: x509.Name) -> NameKey:
    """A name for comparison: types and values, without regard to how the strings are encoded."""
    return tuple(frozenset((a.oid.dotted_string, str(a.value)) for a in rdn) for rdn in name.rdns)


def _directory_name(names: Any) -> NameKey:
    for name in names:
        if name.name == "directory_name":
            return tuple(
                frozenset((str(pair["type"].dotted), str(pair["value"].native)) for pair in rdn)
                for rdn in name.chosen.chosen
            )
    raise MalformedAttributes("names a party otherwise than by a directory name")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedAttributes("holds text that is not UTF-8") from error
