"""What getDelegatedProxyInfo and getJobProxyInfo tell about a proxy: the certificate as it is, not whether it is good.

An expired proxy, or one that would not be accepted any more, is described like any other: its owner asks because
something went wrong.

===========  =======================================================================================
Subject      slash DN of the proxy, and ``Issuer`` of what signed it
Identity     slash DN of the end-entity certificate (gLite sent the issuer's once more)
Type         ``proxy`` for a proxy certificate, ``x509`` for any other (gLite looked for a CN in the name)
Strength     bits of the key, a decimal number
times        seconds since the epoch, decimal numbers
VOsInfo      one for each attribute certificate, the primary one first; as they stand there, unverified
===========  =======================================================================================
"""

from __future__ import annotations

import contextlib
import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from grid.files import read_bounded, write_private
from grid.limits import MAX_PEM_BYTES
from gsi.credential import Credential
from gsi.dn import slash
from gsi.voms import VomsAttributes, read_attributes
from wmproxy.errors import ProxyFileMissing
from wmproxy.sandboxes import JobDirectory
from wsdl.types import ProxyInfoStruct, VOProxyInfoStruct

_SCHEME: Final = "://"


def describe(pem: bytes) -> ProxyInfoStruct:
    """Describe a proxy file.

    :raises ProxyError: 1212, when it holds no credential.
    :raises VomsError: when its attribute certificates cannot be decoded.
    """
    credential = Credential.from_pem(pem, source="the proxy")
    leaf = credential.certificate
    key = leaf.public_key()
    bits = key.key_size if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0
    return ProxyInfoStruct(
        Subject=slash(leaf.subject),
        Issuer=slash(leaf.issuer),
        Identity=credential.identity,
        Type="proxy" if credential.is_proxy else "x509",
        Strength=str(bits),
        StartTime=_epoch(leaf.not_valid_before_utc),
        EndTime=_epoch(leaf.not_valid_after_utc),
        VOsInfo=[_attributes(attributes) for attributes in read_attributes(credential.chain)],
    )


def _attributes(attributes: VomsAttributes) -> VOProxyInfoStruct:
    return VOProxyInfoStruct(
        User=attributes.holder,
        UserCA=attributes.holder_issuer,
        Server=attributes.server,
        ServerCA=attributes.server_issuer,
        VOName=attributes.vo,
        URI=attributes.uri.rpartition(_SCHEME)[2],
        StartTime=_epoch(attributes.not_before),
        EndTime=_epoch(attributes.not_after),
        Attribute=[fqan.full for fqan in attributes.fqans],
    )


def _epoch(moment: datetime.datetime) -> str:
    return str(int(moment.timestamp()))


def of_job(directory: JobDirectory) -> bytes:
    """The proxy file of a job; one that is missing is made again from its backup.

    :raises ProxyFileMissing: 1226, when there is neither.
    """
    with contextlib.suppress(FileNotFoundError):
        return read_bounded(directory.proxy, MAX_PEM_BYTES)
    try:
        kept = read_bounded(directory.proxy_backup, MAX_PEM_BYTES)
    except FileNotFoundError:
        raise ProxyFileMissing(directory.path.name) from None
    write_private(directory.proxy, kept)
    return kept
