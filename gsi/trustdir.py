"""Reading a trust directory (``X509_CERT_DIR``) and a VOMS directory (``X509_VOMS_DIR``) from disk.

A file that cannot be used is skipped with a warning: one broken file must not shut every other CA out, and a
CA without its list or policy is refused later, by name.  Files that have not changed are not read again.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from OpenSSL import crypto

from grid.errors import ConfigurationError, GridError
from grid.files import read_bounded
from gsi.dn import slash
from gsi.revocation import RevocationList
from gsi.signing_policy import PolicyFileError, SigningPolicy, parse_namespaces, parse_signing_policy

_log = logging.getLogger("wms.gsi")
_CA_FILE: Final = re.compile(r"([0-9a-f]{8})\.[0-9]+")
_CRL_FILE: Final = re.compile(r"[0-9a-f]{8}\.r[0-9]+")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_CA: Final = 1 << 20
_MAX_CRL: Final = 64 << 20
_MAX_TEXT: Final = 1 << 20

Stamp = tuple[int, int, int, int]
Fingerprint = tuple[tuple[str, Stamp], ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CaFile:
    """A CA of the trust directory with its policy, if it has a readable one."""

    certificate: x509.Certificate
    policy: SigningPolicy | None


@dataclass(slots=True)
class FileCache:
    """Parsed files by path; an entry counts as long as the file's stamp is the same."""

    parsed: dict[Path, tuple[Stamp, object]] = field(default_factory=dict)

    def read(self, path: Path, limit: int, parse: Callable[[bytes, str], T]) -> T | None:
        """The parsed file, or ``None`` with a warning when it cannot be used."""
        try:
            target = path.resolve(strict=True)  # links between hash names are the custom
            stamp = _stamp(target.stat())
            known = self.parsed.get(path)
            if known and known[0] == stamp:
                return known[1]  # type: ignore[return-value]  # each path is read with one parser only
            value = parse(read_bounded(target, limit), str(path))
        except (
            OSError,
            ValueError,
            x509.InvalidVersion,
            UnsupportedAlgorithm,
            RuntimeError,
            GridError,
        ) as error:
            _log.warning("%s of the trust directory is not used: %s", path, error)
            self.parsed.pop(path, None)
            return None
        self.parsed[path] = (stamp, value)
        return value


def fingerprint(*directories: Path | None) -> Fingerprint:
    """What tells that a directory's content changed: names, sizes, times, i-nodes, one level of directories deep.

    :raises ConfigurationError: when a directory cannot be listed.
    """
    found: list[tuple[str, Stamp]] = []
    for directory in directories:
        if directory is not None:
            found += _listing(directory, deep=True)
    return tuple(sorted(found))


def load_authorities(directory: Path, cache: FileCache) -> list[CaFile]:
    """All CAs of a trust directory, each once, whatever the number of hash names it has.

    :raises ConfigurationError: when the directory cannot be listed.
    """
    stems: dict[x509.Certificate, list[str]] = {}
    for name in _names(directory):
        if found := _CA_FILE.fullmatch(name):
            certificate = cache.read(directory / name, _MAX_CA, _parse_certificate)
            if certificate is not None:
                stems.setdefault(certificate, []).append(found[1])
    return [CaFile(ca, _policy(directory, ca, names, cache)) for ca, names in stems.items()]


def load_revocation_lists(directory: Path, cache: FileCache) -> list[RevocationList]:
    """All CRLs of a trust directory; whose they are is for the caller to check.

    :raises ConfigurationError: when the directory cannot be listed.
    """
    lists: dict[bytes, RevocationList] = {}
    for name in _names(directory):
        if _CRL_FILE.fullmatch(name):
            found = cache.read(directory / name, _MAX_CRL, RevocationList.load)
            if found is not None:
                lists[found.crl.fingerprint(hashes.SHA256())] = found
    return list(lists.values())


@dataclass(frozen=True, slots=True)
class VomsServers:
    """The VOMS servers that one VO has, as the VOMS directory lists them.

    :ivar chains: host -> alternatives, each the DNs of the server's certificate, its CA, and so on.
    :ivar certificates: server certificates of the older style, kept as such.
    """

    chains: dict[str, tuple[tuple[str, ...], ...]]
    certificates: tuple[x509.Certificate, ...]


def load_voms_servers(directory: Path | None, cache: FileCache) -> dict[str, VomsServers]:
    """VO -> its VOMS servers; a directory that is missing lists none."""
    if directory is None or not directory.is_dir():
        return {}
    servers = {}
    for vo in _names(directory):
        home = directory / vo
        if _NAME.fullmatch(vo) and home.is_dir():
            chains = {}
            certificates = []
            for name in _names(home):
                if name.endswith(".lsc"):
                    chains[name.removesuffix(".lsc").lower()] = (
                        cache.read(home / name, _MAX_TEXT, _parse_lsc) or ()
                    )
                elif name.endswith(".pem"):
                    found = cache.read(home / name, _MAX_CA, _parse_certificate)
                    certificates += [found] if found is not None else []
            servers[vo] = VomsServers(chains, tuple(certificates))
    return servers


def _policy(
    directory: Path, ca: x509.Certificate, stems: list[str], cache: FileCache
) -> SigningPolicy | None:
    """The ``.namespaces`` beside the CA's file, else its ``.signing_policy``; the newer hash name first."""
    dn = slash(ca.subject)
    newer = f"{crypto.X509.from_cryptography(ca).subject_name_hash():08x}"
    ordered = sorted(set(stems), key=lambda stem: (stem != newer, stem))
    for suffix, parser in ((".namespaces", parse_namespaces), (".signing_policy", parse_signing_policy)):
        for stem in ordered:
            path = directory / (stem + suffix)
            if not path.exists():
                continue
            text = cache.read(path, _MAX_TEXT, lambda data, _: data.decode("utf-8"))
            try:
                return parser(text, dn, str(path)) if text is not None else None
            except PolicyFileError as error:
                _log.warning("%s", error)
                return None
    return None


def _parse_certificate(data: bytes, _source: str) -> x509.Certificate:
    certificate = x509.load_pem_x509_certificate(data)
    certificate.public_key()  # a key of an unknown kind shows here, not at the first caller
    return certificate


def _parse_lsc(data: bytes, source: str) -> tuple[tuple[str, ...], ...]:
    chains: list[list[str]] = [[]]
    for line in data.decode("utf-8").splitlines():
        text = line.strip()
        if not text or text.startswith("---"):
            chains.append([])
        elif not text.startswith("#"):
            chains[-1].append(text)
    found = tuple(tuple(chain) for chain in chains if chain)
    if not found or any(len(chain) < 2 for chain in found):
        raise ValueError(f"{source} must name the VOMS server and its CA, one DN on a line")
    return found


def _names(directory: Path) -> list[str]:
    return [Path(name).name for name, _ in _listing(directory, deep=False)]


def _listing(directory: Path, *, deep: bool) -> list[tuple[str, Stamp]]:
    found: list[tuple[str, Stamp]] = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    found.append((entry.path, _stamp(entry.stat())))
                    if deep and entry.is_dir():
                        found += _listing(Path(entry.path), deep=False)
                except FileNotFoundError:
                    continue  # removed, or a link to nothing: not there either way
    except OSError as error:
        raise ConfigurationError(f"The directory {directory} cannot be read: {error.strerror}") from error
    return sorted(found)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
