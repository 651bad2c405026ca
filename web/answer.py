"""The answer to a plain request: gunicorn's response writer, quicker where every answer goes by."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, Final

from gunicorn import util
from gunicorn.http.wsgi import Response

_PASSED: Final = 256


class Answer(Response):  # type: ignore[misc]
    """Writes what gunicorn's own would (tests/web/test_web_head.py)."""

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Check the application's fields; those that have passed before pass again."""
        known, length = _processed(tuple(headers))
        self.headers.extend(known)
        self.response_length = length

    def default_headers(self) -> list[str]:
        """Status line and the server's own fields."""
        connection = "close" if self.should_close() else "keep-alive"
        lines = [f"HTTP/1.1 {self.status}\r\nServer: {self.version}\r\n{_date(int(time.time()))}"]
        lines.append(f"Connection: {connection}\r\n")
        if self.chunked:
            lines.append("Transfer-Encoding: chunked\r\n")
        return lines


@lru_cache(_PASSED)
def _processed(headers: tuple[tuple[str, str], ...]) -> tuple[list[tuple[str, str]], Any]:
    plain = Response(None, None, None)
    plain.process_headers(headers)
    return plain.headers, plain.response_length


@lru_cache(2)
def _date(_second: int) -> str:
    return f"Date: {util.http_date()}\r\n"
