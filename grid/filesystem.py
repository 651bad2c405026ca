"""Whole file systems: room, and durability of many files at once."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def free(path: Path) -> int:
    """Bytes that can still be written where ``path`` is."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def sync(path: Path) -> None:
    """Make durable what was written where ``path`` is (syncfs(2)): cheap for many files, dear for a few.

    One fsync costs milliseconds, however small the file.

    :raises OSError: when something of it could not be written.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _LIBC.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
