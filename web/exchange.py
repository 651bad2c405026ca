"""One request and its answer."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.http.message import Request

from web.answer import Answer
from web.body import GatheredBody, RequestBody
from web.connection import Connection
from web.errors import BodyMalformed, BodyTooLarge, ClientGone, ClientTooSlow
from web.head import Head
from web.tape import Recorder

log = logging.getLogger("wms.web")

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS: tuple[tuple[type[ParseException], int, str], ...] = (
    (LimitRequestLine, 414, "the address of the request is too long"),
    (LimitRequestHeaders, 431, "the request has too many or too long header fields"),
    (ExpectationFailed, 417, "the server knows no expectation but 100-continue"),
    (UnsupportedTransferCoding, 501, "the server knows no transfer coding but chunked"),
)


class Exchange:
    """Serves the requests of a worker.

    :param worker: gives the application, the settings, and whether it still runs.
    :param max_body: bytes of a request body.
    :param recorder: writes down what is on the wire, while that is wanted.
    """

    def __init__(self, worker: Any, max_body: int, recorder: Recorder) -> None:
        self._worker = worker
        self._recorder = recorder
        self._max_body = max_body
        self._base = {
            **wsgi.base_environ(worker.cfg),
            "wsgi.url_scheme": "https",
            "wsgi.multithread": True,
            "wms.body_arrived": True,
        }

    def serve(self, connection: Connection) -> bool:
        """Answer the request whose head has arrived.  Returns whether the connection can be used again."""
        connection.record(self._recorder)
        if not connection.whole:
            self._refuse(connection, 431, "the head of the request is too long")
            return False
        if connection.late:
            self._refuse(connection, 408, "the client was silent for too long; the request is given up")
            return False
        if connection.plain is not None and connection.plain.length <= self._max_body:
            return self._plainly(connection, connection.plain)
        connection.plain = None
        connection.begin()
        try:
            request = next(connection.parser)
            if request.version >= (1, 1) and not any(name == "HOST" for name, _ in request.headers):
                self._refuse(connection, 400, "the request has no Host field")
                return False
            return self._answer(connection, request)
        except (StopIteration, NoMoreData, ClientGone, ClientTooSlow) as error:
            log.debug("request from %s ended: %s", connection.peer, error)
        except ParseException as error:
            status, sentence = next(
                ((status, text) for kind, status, text in _STATUS if isinstance(error, kind)),
                (400, "the request is not valid HTTP"),
            )
            log.warning("refused a request from %s: %s", connection.peer[0], type(error).__name__)
            self._refuse(connection, status, sentence)
        return False

    def _answer(self, connection: Connection, request: Request) -> bool:
        # gunicorn would tell the client to go on before the application has seen who it is.
        expects, request._expected_100_continue = request._expected_100_continue, False
        proceed = partial(connection.send, _CONTINUE) if expects else None
        body = RequestBody(request.body, self._max_body, proceed)
        if body.too_large:
            self._refuse(connection, 413, BodyTooLarge(self._max_body).description)
            return False
        request.body = body
        response, environ = wsgi.create(request, connection, connection.peer, connection.server, self._worker.cfg)
        environ["gunicorn.socket"] = connection.tls
        environ["wms.body_arrived"] = connection.arrived
        environ["wsgi.multithread"] = True
        return self._respond(connection, environ, response, body)

    def _plainly(self, connection: Connection, head: Head) -> bool:
        """Answer a plain request; its environment is what gunicorn would make of it."""
        body = GatheredBody(connection.take())
        environ = {
            **self._base,
            **head.environ,
            **connection.ends,
            "wsgi.input": body,
            "gunicorn.socket": connection.tls,
        }
        response = Answer(head, connection, self._worker.cfg)
        try:
            return self._respond(connection, environ, response, body)
        except (ClientGone, ClientTooSlow) as error:
            log.debug("request from %s ended: %s", connection.peer, error)
            return False

    def _respond(
        self,
        connection: Connection,
        environ: dict[str, Any],
        response: wsgi.Response,
        body: RequestBody | GatheredBody,
    ) -> bool:
        if not self._worker.alive:
            response.force_close()
        try:
            self._run(connection, environ, response, body)
        except ClientGone:
            raise
        except (ClientTooSlow, BodyTooLarge, BodyMalformed) as error:
            if not response.headers_sent:
                self._refuse(connection, _status_of(error), error.description)
            return False
        except Exception:
            log.exception("%s %r failed", environ["REQUEST_METHOD"], environ.get("PATH_INFO"))
            if not response.headers_sent:
                self._refuse(connection, 500, "the server failed; its log says why")
            return False
        return not response.should_close() and body.finish()

    def _run(
        self,
        connection: Connection,
        environ: dict[str, Any],
        response: wsgi.Response,
        body: RequestBody | GatheredBody,
    ) -> None:
        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if body.too_large:
                raise BodyTooLarge(self._max_body)  # whatever the application made of it
            if not body.can_finish():
                response.force_close()
            return response.start_response(status, headers, exc_info)

        answer: Iterable[bytes] = self._worker.wsgi(environ, start_response)
        try:
            for block in answer:
                response.write(block)
                connection.flush()
            response.close()
            connection.flush()
        finally:
            close = getattr(answer, "close", None)
            if close is not None:
                close()

    def _refuse(self, connection: Connection, status: int, sentence: str) -> None:
        text = sentence.encode() + b"\n"
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nConnection: close\r\n"
            f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n\r\n"
        )
        try:
            connection.tell(head.encode() + text)
        except (ClientGone, ClientTooSlow) as error:
            log.debug("could not tell %s: %s", connection.peer, error)


def _status_of(error: BodyTooLarge | BodyMalformed | ClientTooSlow) -> int:
    if isinstance(error, BodyTooLarge):
        return 413
    return 408 if isinstance(error, ClientTooSlow) else 400
