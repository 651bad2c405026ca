"""The input sandbox as archives (``AllowZippedISB``): gzipped tars, whose members stand where the server unpacks them.

The archives are named in the description (``ZippedISB``) before the job is registered, and made afterwards, since
their members have the job's path on the server before their names.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from clients.errors import ClientError
from clients.sandbox import LocalFile

MAX_ARCHIVE: Final = 2_147_000_000
"""Bytes of the files in one archive; more of them make another one."""

OVERHEAD: Final = 500
"""Bytes that a file is reckoned to cost beyond its own."""

_LEVEL: Final = 9


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive: its name, and the files that go into it."""

    name: str
    files: tuple[LocalFile, ...]


def plan(files: Sequence[LocalFile], largest: int = MAX_ARCHIVE) -> tuple[Archive, ...]:
    """Divide the files among archives, in their order."""
    unique = secrets.token_urlsafe(12).replace("-", "x").replace("_", "y")
    groups: list[list[LocalFile]] = []
    size = 0
    for file in files:
        if not groups or size + file.size + OVERHEAD > largest:
            groups.append([])
            size = 0
        groups[-1].append(file)
        size += file.size + OVERHEAD
    return tuple(Archive(f"ISBfiles_{unique}_{n}.tar.gz", tuple(group)) for n, group in enumerate(groups))


@contextlib.contextmanager
def staging() -> Iterator[Path]:
    """A directory of the user's alone; removed when all went well, kept when the archives are still needed."""
    directory = Path(tempfile.mkdtemp(prefix="glite-wms-isb-"))
    yield directory
    shutil.rmtree(directory)


def make(archive: Archive, directory: Path, places: Mapping[str | None, str], limit: int) -> LocalFile:
    """Write an archive; it goes to the job's own place.

    :param places: the https URIs of the input directories: the job's own (None), each node's by name.  Their paths
        are those that the server unpacks below the root of its URLs.
    :param limit: bytes that the server takes, uncompressed; 0 for any number.
    :raises ClientError: it is larger, or a file cannot be read.
    """
    target = directory / archive.name
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, 0) as data:
            # PAX: names of any length, in UTF-8.
            with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for file in archive.files:
                    path = unquote(urlsplit(places[file.node]).path).strip("/")
                    _add(tar, file, f"{path}/{file.name}")
                    if 0 < limit < tar.offset:
                        raise ClientError(
                            f"The tar archive size is greater than the maximum allowed by WMS ({limit} bytes)",
                            title="InputSandboxSize Error",
                        )
    except (OSError, tarfile.TarError) as error:
        raise ClientError(f"the archive {target} cannot be made: {error}", title="Archiving Error") from error
    return LocalFile(target, target.stat().st_size)


def _add(tar: tarfile.TarFile, file: LocalFile, name: str) -> None:
    """Add what a file's name leads to; nothing of its owner is told."""
    with file.path.open("rb") as data:
        info = tarfile.TarInfo(name)
        status = os.fstat(data.fileno())
        info.size, info.mtime = status.st_size, int(status.st_mtime)
        info.mode = 0o755 if status.st_mode & 0o111 else 0o644
        tar.addfile(info, data)
