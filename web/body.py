"""The body of a request: bounded while it arrives, asked for only when somebody reads it.

A client that waits for ``100 Continue`` before it sends a large file gets it when the application begins to
read.  An upload that is refused by then (who, where, how large) is never sent.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, Final

from gunicorn.http.body import Body, ChunkedReader, LengthReader
from gunicorn.http.errors import NoMoreData, ParseException

from web.errors import BodyMalformed, BodyTooLarge, ClientGone

DRAIN_BYTES: Final = 64 << 10
"""An unread rest of at most this many bytes is read and thrown away, so that the connection can be kept."""

_LINE: Final = 64 << 10
_CUT: Final = "the client closed the connection before the end of its request"


class GatheredBody(io.BytesIO):
    """``wsgi.input`` of a request whose whole body has arrived."""

    too_large: Final = False

    def can_finish(self) -> bool:
        """Always: nothing of it is on the way."""
        return True

    finish = can_finish


class RequestBody:
    """``wsgi.input``.

    :param source: gunicorn's reader of the body.
    :param limit: bytes that the server takes.
    :param proceed: sends ``100 Continue``; None when the client does not wait for it.
    """

    def __init__(self, source: Body, limit: int, proceed: Callable[[], object] | None = None) -> None:
        reader = source.reader
        self._source = source
        self._declared: int | None = reader.length if isinstance(reader, LengthReader) else None
        self._limit = limit
        self._proceed = proceed
        self._received = 0
        self.too_large = self._declared is not None and self._declared > limit

    def read(self, size: int | None = None) -> bytes:
        """At most ``size`` bytes, or all; fewer only at the end.

        :raises BodyTooLarge: when the limit is passed.
        :raises BodyMalformed: when the chunks make no sense.
        :raises ClientGone: when the connection ends before the body.
        """
        return self._take(self._source.read, size, whole=True)

    def readline(self, size: int | None = None) -> bytes:
        """One line, with its end."""
        return self._take(self._source.readline, size, whole=False)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """All lines, or as many as make ``hint`` bytes."""
        lines, total = [], 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint and total >= hint:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline(_LINE):
            yield line

    def can_finish(self) -> bool:
        """Whether the rest of the body is small enough, and certain to come, to keep the connection."""
        if self._source.failed or self.too_large:
            return False
        if self._declared is not None:
            left = self._declared - self._received
            return left == 0 or (self._proceed is None and left <= DRAIN_BYTES)
        reader = self._source.reader
        # A chunked body that nobody read may be of any length.
        return isinstance(reader, ChunkedReader) and reader.parser is None

    def finish(self) -> bool:
        """Throw the rest away; False when the connection cannot be used again."""
        if not self.can_finish():
            return False
        while self.read(DRAIN_BYTES):
            pass
        return True

    def _take(self, read: Callable[[int], Any], size: int | None, *, whole: bool) -> bytes:
        if self.too_large:
            raise BodyTooLarge(self._limit)
        room = (self._limit + 1 if self._declared is None else self._declared) - self._received
        wanted = room if size is None or size < 0 else min(size, room)
        if wanted == 0:
            return b""
        if self._proceed is not None:
            proceed, self._proceed = self._proceed, None
            proceed()
        try:
            data: bytes = read(wanted)
        except NoMoreData as error:
            raise ClientGone(_CUT) from error
        except ParseException as error:
            raise BodyMalformed from error
        self._received += len(data)
        if self._received > self._limit:
            self.too_large = True
            raise BodyTooLarge(self._limit)
        if self._declared is not None and (not data or (whole and len(data) < wanted)):
            raise ClientGone(_CUT)  # gunicorn hands out a short body without a word
        return data
