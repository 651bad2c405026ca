"""``Digest: sha-256=...`` of files (RFC 3230, RFC 5843).

The digest of an upload is computed while it arrives and kept beside the file's data as an extended attribute,
together with the size and time that it holds for, so that a large download can be checked without reading the
file twice.  Where the file system keeps no attributes only small files have a digest.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import re
from typing import Final

CHEAP_BYTES: Final = 4 << 20
"""A file without a kept digest is read for one when it has at most this many bytes."""

_ATTRIBUTE: Final = "user.wms.sha256"
_FIELD: Final = re.compile(r"(?:^|,)[ \t]*sha-256=([A-Za-z0-9+/]{43}=)[ \t]*(?=,|$)", re.IGNORECASE)


def field(digest: bytes) -> str:
    """The header's value."""
    return f"sha-256={base64.b64encode(digest).decode()}"


def named(header: str | None) -> bytes | None:
    """The SHA-256 that a Digest header names, if it names one."""
    found = _FIELD.search(header or "")
    if found is None:
        return None
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error:
        return None


def keep(descriptor: int, digest: bytes) -> None:
    """Keep the digest of an open file whose data are complete."""
    with contextlib.suppress(OSError):  # a file system without attributes: the digest is a convenience
        os.setxattr(descriptor, _ATTRIBUTE, f"{_state(os.fstat(descriptor))} {digest.hex()}".encode())


def of_file(descriptor: int, status: os.stat_result) -> bytes | None:
    """The digest of an open file, if it was kept and still holds, or is cheap to compute."""
    try:
        state, _, digest = os.getxattr(descriptor, _ATTRIBUTE).decode().rpartition(" ")
        if state == _state(status) and len(digest) == 64:
            return bytes.fromhex(digest)
    except (OSError, ValueError):
        pass  # none was kept
    if status.st_size > CHEAP_BYTES:
        return None
    data = os.pread(descriptor, CHEAP_BYTES + 1, 0)
    return hashlib.sha256(data).digest() if len(data) == status.st_size else None


def _state(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"
