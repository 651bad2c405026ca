"""Where a store keeps its files: one directory per owner, names that say nothing and can be nothing else.

::

    <directory>/                             0700
        <sha256 of the owner's DN>/          0700
            <sha256 of the id>.pem           0600  the delegated proxy: certificate, key, chain
            <sha256 of the id>.<key>.key     0600  the key of a request whose proxy has not come yet

Ids and names of owners come from outside; hashed, neither can leave the directory or meet another's.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from delegation.errors import BadDelegationId
from grid import dn as names
from grid.errors import ConfigurationError
from grid.files import make_directory
from grid.limits import MAX_DELEGATION_ID


def check_id(delegation_id: str) -> str:
    """Return the id when it can be one.

    :raises BadDelegationId: empty, too long, with a slash or a control character.
    """
    if not delegation_id:
        raise BadDelegationId("it is empty")
    if len(delegation_id) > MAX_DELEGATION_ID:
        raise BadDelegationId(f"it has more than {MAX_DELEGATION_ID} characters")
    if "/" in delegation_id:
        raise BadDelegationId("it has a slash")
    if not delegation_id.isprintable():
        raise BadDelegationId("it has a control character")
    return delegation_id


@dataclass(frozen=True, slots=True)
class Place:
    """The files of one owner's one id."""

    owner: Path
    stem: str

    @property
    def proxy(self) -> Path:
        """The delegated proxy."""
        return self.owner / f"{self.stem}.pem"

    def key(self, public: rsa.RSAPublicKey) -> Path:
        """The private key of the request with this public key."""
        return self.owner / f"{self.stem}.{fingerprint(public)}.key"

    def keys(self) -> list[Path]:
        """The keys of all its requests that wait."""
        return sorted(self.owner.glob(f"{self.stem}.*.key"))


def fingerprint(public: rsa.RSAPublicKey) -> str:
    """32 hexadecimal digits that stand for a public key."""
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).hexdigest()[:32]


class Places:
    """The directory of a store.

    :raises ConfigurationError: when it exists and others may look into it.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = make_directory(directory, 0o700)
        mode = stat.S_IMODE(os.stat(directory).st_mode)
        if mode & 0o077:
            raise ConfigurationError(
                f"{directory} holds private keys and has mode {mode:04o}; run: chmod 700 {directory}"
            )

    def place(self, dn: str, delegation_id: str) -> Place:
        """Where the proxy of ``dn`` under ``delegation_id`` is or would be.

        :raises BadDelegationId: see :func:`check_id`.
        """
        stem = hashlib.sha256(check_id(delegation_id).encode("utf-8", "surrogatepass")).hexdigest()
        return Place(self.directory / names.file_name(dn), stem)

    def make(self, place: Place) -> None:
        """Make the owner's directory."""
        make_directory(place.owner, 0o700)

    def owners(self) -> Iterator[Path]:
        """All owners' directories."""
        for path in self.directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                yield path


def pending(owner: Path) -> list[tuple[float, Path]]:
    """An owner's waiting keys with their ages in seconds, the oldest first."""
    found: list[tuple[float, Path]] = []
    now = time.time()
    for path in owner.glob("*.key"):
        with contextlib.suppress(FileNotFoundError):  # taken by a put meanwhile
            found.append((now - path.stat().st_mtime, path))
    return sorted(found, reverse=True)
