"""Files in and out over HTTPS, as a WSGI application.

GET and HEAD with strong entity tags, one range, If-Range and a digest; PUT with 100-continue, limits that hold
while the bytes arrive, and durability before the answer.  What may be moved by whom is the policy's to say.
Refusals are one sentence of plain text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from gsi.errors import ChainError
from gsi.identity import Identity
from web import digest, download, paths, upload
from web.errors import BodyMalformed, BodyTooLarge, ClientTooSlow, PathRefused
from web.places import Location, TransferPolicy, TransferRefused

__all__ = ["FileTransfer", "Location", "TransferPolicy", "TransferRefused"]

log = logging.getLogger("wms.web")

_ALLOW: Final = "GET, HEAD, PUT"
# POST is answered 501: gfal2 takes that, and only that, as "no macaroons here" and goes on to PUT.
_KNOWN_METHODS: Final = frozenset({"DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"})

StartResponse = Callable[..., Any]


class FileTransfer:
    """The application.

    :param policy: the authorization point: finds the place, or refuses.
    :param identify: who is calling, from the WSGI environment (:meth:`web.identity.Authenticator.identify`).
    """

    def __init__(self, policy: TransferPolicy, identify: Callable[[Mapping[str, Any]], Identity]) -> None:
        self._policy = policy
        self._identify = identify

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        try:
            if method in ("GET", "HEAD"):
                answer = download.answer(self._locate(environ, method), environ)
            elif method == "PUT":
                answer = self._put(environ)
            else:
                raise _no_such_method(method)
        except TransferRefused as refused:
            answer = _refusal(refused)
        except ChainError as error:
            answer = _refusal(TransferRefused(403, error.description))
        except (PathRefused, BodyMalformed) as error:
            answer = _refusal(TransferRefused(400, error.description))
        except BodyTooLarge as error:
            answer = _refusal(TransferRefused(413, error.description))
        except ClientTooSlow as error:
            answer = _refusal(TransferRefused(408, error.description))
        start_response(answer.status, answer.headers)
        return answer.body

    def _locate(self, environ: Mapping[str, Any], method: str) -> Location:
        identity = self._identify(environ)
        parts = paths.requested(environ)
        if method == "PUT" and upload.is_partial(parts[-1]):
            raise TransferRefused(403, f"{parts[-1]!r} is a name of the server's own; choose another")
        location = self._policy.locate(identity, method, "/" + "/".join(parts))
        paths.check(location.name)
        if method != "PUT" and upload.is_partial(location.name):
            raise TransferRefused(404, "there is no such file here; look at the name")
        if method == "PUT" and location.name.startswith(".") and not location.hidden:
            raise TransferRefused(403, f"{location.name!r} begins with a dot, and such names are not taken here")
        log.info("%s %s for %s", method, location.directory / location.name, identity.dn)
        return location

    def _put(self, environ: Mapping[str, Any]) -> download.Answer:
        stored = upload.store(self._locate(environ, "PUT"), environ)
        headers = [("ETag", stored.tag), ("Digest", digest.field(stored.digest))]
        if stored.created:
            return download.Answer("201 Created", [*headers, ("Content-Length", "0")])
        return download.Answer("204 No Content", headers)


def _no_such_method(method: str) -> TransferRefused:
    if method in _KNOWN_METHODS:
        return TransferRefused(405, f"{method} is not allowed on files; use {_ALLOW}", (("Allow", _ALLOW),))
    return TransferRefused(501, f"this server has no {method} for files; use {_ALLOW}", (("Allow", _ALLOW),))


def _refusal(refused: TransferRefused) -> download.Answer:
    text = (refused.sentence + "\n").encode()
    headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(text))),
        *refused.headers,
    ]
    return download.Answer(f"{refused.status} {HTTPStatus(refused.status).phrase}", headers, (text,))
