"""URL paths that name files: decoded once, and refused rather than cleaned."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from grid.limits import MAX_FILE_NAME
from web.errors import PathRefused

_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ORIGIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_MAX_SEGMENTS: Final = 64


def requested(environ: Mapping[str, Any]) -> tuple[str, ...]:
    """The decoded segments of a request's path, without those that a dispatcher has taken (SCRIPT_NAME).

    The raw target is read, where ``%2F`` can still be told from ``/``.

    :raises PathRefused: as :func:`segments`.
    """
    raw = environ.get("RAW_URI")
    if raw is None:
        parts = tuple(check(name) for name in _text(environ.get("PATH_INFO", "").encode("latin-1"))[1:].split("/"))
        return parts
    target = _ORIGIN.sub("", raw, count=1) if not raw.startswith("/") else raw
    parts = segments(re.split(r"[?#]", target, maxsplit=1)[0])
    taken = [part for part in _text(environ.get("SCRIPT_NAME", "").encode("latin-1")).split("/") if part]
    if list(parts[: len(taken)]) != taken:
        raise PathRefused("the path is ambiguous; write it without needless escapes")
    return parts[len(taken) :]


def segments(path: str) -> tuple[str, ...]:
    """Split ``/a/b%20c`` into ``("a", "b c")``; each segment is percent-decoded exactly once.

    :raises PathRefused: for an empty segment (``//``, a slash at the end), ``.`` and ``..``, an escaped slash, a
        backslash, NUL and other control characters, bytes that are not UTF-8, and names over 255 bytes.
    """
    if not path.startswith("/"):
        raise PathRefused("the path must begin with a slash")
    if _BAD_ESCAPE.search(path):
        raise PathRefused("the path has a percent sign that begins no escape; write it as %25")
    parts = path[1:].split("/")
    if len(parts) > _MAX_SEGMENTS:
        raise PathRefused(f"the path has more than {_MAX_SEGMENTS} segments")
    return tuple(check(_text(unquote_to_bytes(part))) for part in parts)


def check(name: str) -> str:
    """Return ``name`` if it is one that a file may have.

    :raises PathRefused: otherwise.
    """
    if not name:
        raise PathRefused("the path has an empty segment; write single slashes and none at the end")
    if name in (".", ".."):
        raise PathRefused("the path has the segment '.' or '..'; write it out")
    if "/" in name or "\\" in name:
        raise PathRefused("a file name has a slash or backslash in it; choose another name")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise PathRefused("a file name has a control character in it; choose another name")
    if len(name.encode()) > MAX_FILE_NAME:
        raise PathRefused(f"a file name is longer than {MAX_FILE_NAME} bytes; choose a shorter one")
    return name


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PathRefused("the path is not UTF-8; encode it as UTF-8 and escape the bytes") from error
