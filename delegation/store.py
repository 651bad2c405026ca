"""The store of delegated proxies.

A delegation has two steps.  :meth:`DelegationStore.request` makes a key that never leaves the server and gives a
request for it; :meth:`DelegationStore.put` takes the chain that the owner signed.  State lives in files alone, so
that the workers of a service share it and a crash between the steps loses at most an unanswered request.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import Certificate

from delegation.chains import Chains
from delegation.errors import DelegationRefused, UnknownDelegation
from delegation.places import Place, Places, pending
from delegation.settings import DelegationSettings
from grid import clock, faultpoints
from grid.errors import GridError, ProxyError, ProxyExpired, ServerOverloaded
from grid.files import fsync_directory, read_bounded, write_private
from grid.limits import MAX_PEM_BYTES
from gsi import proxy
from gsi.credential import Credential, load_chain
from gsi.errors import ChainError, Expired
from gsi.identity import Identity
from gsi.privatekey import read_private_key

_log: Final = logging.getLogger("wms.delegation")

_PATIENCE: Final = 60.0
"""Seconds for which a waiting request is never given up to make room for another."""


class Judge(Protocol):
    """What a store needs of :class:`gsi.trust.TrustStore`."""

    def verify(self, chain: Sequence[Certificate]) -> Identity:
        """The identity behind a chain, leaf first; raises ChainError."""


class Keys(Protocol):
    """What a store needs of :class:`gsi.keypool.KeyPool`."""

    def take(self) -> rsa.RSAPrivateKey:
        """A key that nobody else has."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A delegated proxy, judged when it was read.

    :ivar path: its file, mode 0600.  A renewal replaces the file; what must stay the same is copied from ``pem``.
    :ivar identity: what the delegated chain says and grants.
    :ivar pem: the file's content: certificate, key, chain.
    """

    id: str
    path: Path
    identity: Identity
    pem: bytes = field(repr=False)

    def credential(self) -> Credential:
        """The proxy with its key."""
        return Credential.from_pem(self.pem, source=f"the delegated proxy {self.id!r}")


def automatic_id(owner: Identity) -> str:
    """The id that stands for an empty one: 16 hexadecimal digits of the DN and the FQANs (GridSite's rule)."""
    text = owner.dn + "".join(fqan.full for fqan in owner.fqans)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


class DelegationStore:
    """Delegated proxies by owner and id.  Safe for threads and for several processes on one directory.

    :raises ConfigurationError: when others may look into the directory.
    """

    def __init__(self, settings: DelegationSettings, trust: Judge, keypool: Keys) -> None:
        self._settings = settings
        self._trust = trust
        self._keys = keypool
        self._places = Places(settings.directory)
        self._read = Chains()

    def request(self, owner: Identity, delegation_id: str) -> str:
        """Begin a delegation: a certificate request (PEM) for a new key.  An empty id means the automatic one.

        :raises BadDelegationId: when the id cannot be one.
        :raises ServerOverloaded: when too many requests of the owner wait.
        """
        place = self._places.place(owner.dn, delegation_id or automatic_id(owner))
        self._places.make(place)
        self._make_room(place.owner)
        key = self._keys.take()
        self._keep_key(place, key)
        faultpoints.point("delegation.request.key")
        return proxy.request(key)

    def put(self, owner: Identity, delegation_id: str, pem: str) -> Delegation:
        """End a delegation: keep the chain that ``owner`` signed for one of the waiting requests of this id.

        The same chain may be put again, for a client that did not hear the answer.

        :raises DelegationRefused: the chain is not acceptable; the sentence says why.
        :raises BadDelegationId: when the id cannot be one.
        """
        name = delegation_id or automatic_id(owner)
        place = self._places.place(owner.dn, name)
        try:
            certificates = load_chain(pem.encode("utf-8"), source="the delegated chain")
        except (ProxyError, UnicodeEncodeError) as error:
            raise DelegationRefused(name, "it cannot be read", causes=[str(error)]) from error
        waiting = self._waiting_key(place, certificates)
        if waiting is None:
            again = self._stored_again(owner, place, name, certificates)
            if again is None:
                reason = "it does not belong to a request that waits; call getProxyReq, sign what it gives, put that"
                raise DelegationRefused(name, reason)
            return again
        path, key = waiting
        credential = Credential.assemble(key, certificates)
        identity = self._judge(owner, name, credential)
        content = credential.to_pem()
        write_private(place.proxy, content)
        faultpoints.point("delegation.put.stored")
        path.unlink(missing_ok=True)
        fsync_directory(place.owner)
        _log.info("%s delegated a proxy until %s", owner.dn, clock.iso_z(identity.not_after))
        return Delegation(name, place.proxy, identity, content)

    def get(self, owner: Identity | str, delegation_id: str) -> Delegation:
        """The proxy that ``owner`` (an identity or a DN) delegated under this id, judged anew.

        :raises UnknownDelegation: there is none.
        :raises ProxyExpired: it has ended (1213).
        :raises ProxyError: it is no longer acceptable, because a certificate was revoked, for example (1212).
        :raises BadDelegationId: when the id cannot be one.
        """
        dn = owner if isinstance(owner, str) else owner.dn
        name = delegation_id if isinstance(owner, str) else delegation_id or automatic_id(owner)
        place = self._places.place(dn, name)
        try:
            content = read_bounded(place.proxy, MAX_PEM_BYTES)
        except FileNotFoundError:
            raise UnknownDelegation(name) from None
        try:
            identity = self._trust.verify(self._read.chain(content))
        except Expired as error:
            raise ProxyExpired(f"the proxy delegated as {name!r} has expired", causes=[error.description]) from error
        except ChainError as error:
            reason = f"the proxy delegated as {name!r} is no longer accepted"
            raise ProxyError(f"{reason}: {error.description}", causes=[error.description]) from error
        return Delegation(name, place.proxy, identity, content)

    def stored(self, owner: Identity, delegation_id: str) -> bytes:
        """The file of a delegated proxy (certificate, key, chain) as it lies there, expired or not; nothing is judged.

        :raises UnknownDelegation: there is none.
        :raises BadDelegationId: when the id cannot be one.
        """
        try:
            return read_bounded(self._places.place(owner.dn, delegation_id).proxy, MAX_PEM_BYTES)
        except FileNotFoundError:
            raise UnknownDelegation(delegation_id) from None

    def termination_time(self, owner: Identity | str, delegation_id: str) -> datetime:
        """When the delegated proxy ends (UTC).

        :raises GridError: as :meth:`get`.
        """
        return self.get(owner, delegation_id).identity.not_after

    def renew_request(self, owner: Identity, delegation_id: str) -> str:
        """Begin the renewal of a delegation that exists; an expired one may be renewed.

        :raises UnknownDelegation: there is none.
        :raises GridError: as :meth:`request`.
        """
        name = delegation_id or automatic_id(owner)
        if not self._places.place(owner.dn, name).proxy.exists():
            raise UnknownDelegation(name)
        return self.request(owner, name)

    def destroy(self, owner: Identity, delegation_id: str) -> None:
        """Forget a delegation and the requests for it.

        :raises UnknownDelegation: there is none.
        """
        name = delegation_id or automatic_id(owner)
        place = self._places.place(owner.dn, name)
        keys = place.keys()
        for path in keys:
            path.unlink(missing_ok=True)
        try:
            place.proxy.unlink()
        except FileNotFoundError:
            if not keys:
                raise UnknownDelegation(name) from None
        fsync_directory(place.owner)

    def sweep(self) -> int:
        """Remove proxies that have ended, requests that waited too long and what a crash left; returns how many.

        For the service's scheduler.
        """
        removed = 0
        for owner in self._places.owners():
            removed += sum(_remove(path) for path in self._ended(owner))
            with contextlib.suppress(OSError):  # not empty, or just being filled
                owner.rmdir()
        return removed

    # ------------------------------------------------------------------ inside

    def _judge(self, owner: Identity, name: str, credential: Credential) -> Identity:
        try:
            identity = self._trust.verify(credential.chain)
        except ChainError as error:
            raise DelegationRefused(name, error.description, causes=[error.description]) from error
        if identity.dn != owner.dn:
            raise DelegationRefused(name, f"it is a proxy of {identity.dn}, and you are {owner.dn}")
        if not identity.kinds:
            raise DelegationRefused(name, "it is not a proxy certificate")
        if identity.legacy and not self._settings.accept_legacy:
            raise DelegationRefused(name, "it is a legacy proxy, and this service needs one of RFC 3820")
        if identity.limited and not self._settings.accept_limited:
            raise DelegationRefused(name, "it is a limited proxy, and this service needs a full one")
        if identity.not_after - clock.now() > self._settings.max_lifetime:
            most = self._settings.max_lifetime
            raise DelegationRefused(name, f"it lives longer than {most.days} days and {most.seconds // 3600} hours")
        return identity

    def _keep_key(self, place: Place, key: rsa.RSAPrivateKey) -> None:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        try:
            write_private(place.key(key.public_key()), pem)
        except FileNotFoundError:  # the empty directory was swept away under us
            self._places.make(place)
            write_private(place.key(key.public_key()), pem)

    def _waiting_key(
        self, place: Place, certificates: Sequence[Certificate]
    ) -> tuple[Path, rsa.RSAPrivateKey] | None:
        """The waiting key that one of the certificates was made for, with its file."""
        for certificate in certificates:
            public = certificate.public_key()
            if not isinstance(public, rsa.RSAPublicKey):
                continue
            path = place.key(public)
            with contextlib.suppress(FileNotFoundError):
                key = read_private_key(read_bounded(path, MAX_PEM_BYTES), source="a request that waits")
                if isinstance(key, rsa.RSAPrivateKey):
                    return path, key
        return None

    def _stored_again(
        self, owner: Identity, place: Place, name: str, certificates: Sequence[Certificate]
    ) -> Delegation | None:
        """The stored delegation when it is of the very certificate that is put again."""
        try:
            content = read_bounded(place.proxy, MAX_PEM_BYTES)
        except FileNotFoundError:
            return None
        stored = Credential.from_pem(content)
        if stored.certificate not in certificates:
            return None
        return Delegation(name, place.proxy, self._judge(owner, name, stored), content)

    def _make_room(self, owner: Path) -> None:
        """Forget requests that waited too long; refuse one more when the rest are too many."""
        limit = self._settings.pending_lifetime.total_seconds()
        waiting = []
        for age, path in pending(owner):
            if age > limit:
                _remove(path)
            else:
                waiting.append((age, path))
        if len(waiting) < self._settings.max_pending:
            return
        age, oldest = waiting[0]
        if age < _PATIENCE:
            raise ServerOverloaded(
                f"{len(waiting)} of your delegation requests wait for their proxies; put these or wait a minute"
            )
        _remove(oldest)

    def _ended(self, owner: Path) -> list[Path]:
        limit = self._settings.pending_lifetime.total_seconds()
        ended = [path for age, path in pending(owner) if age > limit]
        ended += [path for path in owner.glob(".*.tmp") if clock.now().timestamp() - _modified(path) > limit]
        for path in owner.glob("*.pem"):
            try:
                over = Credential.from_pem(read_bounded(path, MAX_PEM_BYTES)).not_after < clock.now()
            except FileNotFoundError:
                continue
            except GridError as error:
                _log.error("%s cannot be read and is left alone: %s", path, error.description)
                continue
            if over:
                ended.append(path)
        return ended


def _modified(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return float("inf")


def _remove(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True
