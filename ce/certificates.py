"""The copy of the trust directory that wrappers use: CA certificates and revocation lists, readable by everybody."""

from __future__ import annotations

import os
import re
from pathlib import Path

from grid.files import make_directory, read_bounded

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,200}\.(?:[0-9]{1,2}|r[0-9]{1,2}|pem|crl_url|signing_policy|namespaces|info)")
_LIMIT = 32 << 20


class CertificateCopy:
    """Keeps ``target`` equal to the part of ``source`` that wrappers need."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source = source
        self._target = target
        self._seen: dict[str, tuple[int, int, int]] | None = None

    def refresh(self) -> bool:
        """Copy what changed, remove what is gone.  Returns whether there was anything to do.

        :raises OSError: a directory cannot be read or written.
        """
        found: dict[str, tuple[int, int, int]] = {}
        with os.scandir(self._source) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and entry.is_file():
                    status = entry.stat()
                    found[entry.name] = (status.st_mtime_ns, status.st_size, status.st_ino)
        if found == self._seen:
            return False
        make_directory(self._target, 0o755)
        old = self._seen or {}
        for name in found:
            if found[name] != old.get(name):
                _replace(self._target / name, read_bounded((self._source / name).resolve(), _LIMIT))
        for name in set(os.listdir(self._target)) - set(found):
            (self._target / name).unlink()
        self._seen = found
        return True


def _replace(path: Path, data: bytes) -> None:
    """Exchange a file at once for readers; it can be made again, so it need not be durable."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o644)
        file.write(data)
    temporary.rename(path)
