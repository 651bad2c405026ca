"""The head of a plain request: what nearly all requests look like, read at once and remembered.

A plain request is one of HTTP/1.1 to a path of this server, with a few fields of one line each, none of them doubled,
none that changes how the body is read or the connection goes on.  Whatever is not plain is for gunicorn's parser,
which refuses what is wrong: nothing is refused here.  What is plain here, gunicorn reads to the same environment
(tests/web/test_web_head.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

MAX_BYTES: Final = 2048
"""Of a plain head; so what is remembered of heads stays below a few megabytes."""

_REMEMBERED: Final = 512
_LINE: Final = re.compile(r"(GET|HEAD|POST) (/[!-\"$->@-~]*)(?:\?([!-\"$-~]*))? HTTP/1\.1")
_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]{0,60}):[ \t]*+((?:[!-~](?:[ \t!-~]*[!-~])?)?)[ \t]*")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")

_NOT_PLAIN: Final = frozenset({"EXPECT", "TRANSFER_ENCODING", "TRAILER", "TE", "UPGRADE", "HTTP2_SETTINGS"})
"""Fields that change what follows."""

_MOST_FIELDS: Final = 30


@dataclass(frozen=True, slots=True)
class Head:
    """What a plain head says; for gunicorn's response writer it is the request.

    :ivar environ: its part of the WSGI environment; to be copied.
    :ivar length: bytes of the body.
    """

    method: str
    environ: Mapping[str, str]
    length: int
    close: bool
    version: tuple[int, int] = (1, 1)

    def should_close(self) -> bool:
        """The client asks for the end of the connection after the answer."""
        return self.close


def plain(head: bytes) -> Head | None:
    """The head of a plain request, else None.

    :param head: to its end, the empty line included.
    """
    return _read(head) if len(head) <= MAX_BYTES else None


@lru_cache(_REMEMBERED)
def _read(head: bytes) -> Head | None:
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    request = _LINE.fullmatch(first)
    if request is None or len(lines) > _MOST_FIELDS or first.startswith("//", first.find("/")):
        return None
    method, path, query = request.groups(default="")
    environ = {
        "REQUEST_METHOD": method,
        "RAW_URI": f"{path}?{query}" if request[3] is not None else path,
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SCRIPT_NAME": "",
    }
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            return None
        name = field[1].upper().replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        if key in environ or name in _NOT_PLAIN:
            return None
        environ[key] = field[2]
    length, connection = environ.get("CONTENT_LENGTH", "0"), environ.get("HTTP_CONNECTION", "keep-alive").lower()
    if "HTTP_HOST" not in environ or not _LENGTH.fullmatch(length) or connection not in ("keep-alive", "close"):
        return None
    return Head(method, environ, int(length), connection == "close")
