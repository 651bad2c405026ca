"""The HTTP side of a SOAP request: what is read, what is refused before it is parsed, how an answer leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

StartResponse = Callable[..., object]

XML: Final = "text/xml; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"

_BLOCK: Final = 64 << 10
_XML_TYPES: Final = frozenset({"text/xml", "application/xml", "application/soap+xml"})


class RequestRefused(Exception):
    """A request is refused before its XML is looked at.

    :ivar status: the HTTP status line.
    :ivar text: one sentence that says why.
    """

    def __init__(self, status: str, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(text)


def read_body(
    environ: Mapping[str, Any],
    limit: int,
    kinds: frozenset[str] = _XML_TYPES,
    wanted: str = "a SOAP request has the Content-Type text/xml",
) -> bytes:
    """The body of a POST, at most ``limit`` bytes.

    :param kinds: the content types that are taken, by default those of XML.  They are never those of forms and plain
        text, which a browser that another site sends here with the user's certificate posts unasked (CORS).
    :param wanted: what is said about other content types.
    :raises RequestRefused: for other content types and encodings, an absent length, too many bytes, a short body.
    """
    kind = str(environ.get("CONTENT_TYPE", "")).partition(";")[0].strip().lower()
    if kind not in kinds:
        raise RequestRefused("415 Unsupported Media Type", wanted)
    if str(environ.get("HTTP_CONTENT_ENCODING", "identity")).strip().lower() not in ("", "identity"):
        raise RequestRefused("415 Unsupported Media Type", "compressed requests are not taken")
    declared = str(environ.get("CONTENT_LENGTH") or "").strip()
    if declared and not (declared.isascii() and declared.isdigit() and len(declared) < 19):
        raise RequestRefused("400 Bad Request", "the Content-Length is not a number")
    if not declared and not environ.get("wsgi.input_terminated"):
        raise RequestRefused("411 Length Required", "the request has no Content-Length")
    length = int(declared) if declared else limit + 1
    if declared and length > limit:
        raise _too_large(limit)
    data = _read(environ["wsgi.input"], length)
    if declared and len(data) < length:
        raise RequestRefused("400 Bad Request", f"the request ended after {len(data)} of {length} bytes")
    if len(data) > limit:
        raise _too_large(limit)
    return data


def _too_large(limit: int) -> RequestRefused:
    return RequestRefused("413 Content Too Large", f"the request has more than {limit} bytes")


def _read(stream: Any, length: int) -> bytes:
    data: bytes = stream.read(min(length, _BLOCK))
    if len(data) == length or not data:
        return data
    blocks, have = [data], len(data)
    while have < length:
        block = stream.read(min(length - have, _BLOCK))
        if not block:
            break
        blocks.append(block)
        have += len(block)
    return b"".join(blocks)


def reply(start_response: StartResponse, status: str, kind: str, body: bytes, *more: tuple[str, str]) -> list[bytes]:
    """Send a whole answer."""
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body))), *more])
    return [body]
