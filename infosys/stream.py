"""The answer to one search, entry by entry as it comes (RFC 4511 §4.5), for answers too large for a client library.

A grid of 5 000 computing elements is 44 000 entries: ldap3 makes ten objects of each value and needs 8 s and a
gigabyte, this reader a fraction of both.  It knows one thing, the anonymous subtree search; :mod:`infosys.client` is
the client for everything else.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from infosys import ber, filters
from infosys.entry import Entry
from infosys.errors import ProtocolError, SourceFailure, SourceTimedOut
from infosys.messages import SEARCH_DONE, SEARCH_ENTRY, SIZE_LIMIT_EXCEEDED, SUBTREE, SUCCESS

MAX_MESSAGE: Final = 16 << 20
"""Bytes of one entry; a larger one ends the reading."""
MAX_DISTINCT: Final = 200_000
"""Short texts that are kept to be shared between entries."""
_SHARED: Final = 80
"""Bytes up to which a text is likely to come again."""
_CHUNK: Final = 256 << 10
_REFERENCE: Final = 0x73
_NOTICE: Final = 0x78
_MESSAGE_ID: Final = 1
_CODES: Final = {
    1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 4: "sizeLimitExceeded", 8: "strongerAuthRequired",
    32: "noSuchObject", 34: "invalidDNSyntax", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
    53: "unwillingToPerform",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a directory.

    :ivar host: with :attr:`port` the server; :attr:`url` is how it is called in errors.
    :ivar attributes: names wanted; ``*`` for all.
    :ivar timeout: seconds for connection and whole answer.
    :ivar max_bytes: of the whole answer.  :ivar max_entries: likewise.
    """

    url: str
    host: str
    port: int
    base: str
    wanted: filters.Filter
    attributes: Sequence[str]
    timeout: float
    max_bytes: int
    max_entries: int
    scope: int = SUBTREE


class Bytes(Protocol):
    """Where an answer's bytes come from: a connection, or a file that holds them."""

    def settimeout(self, value: float, /) -> None: ...

    def recv(self, size: int, /) -> bytes: ...


def by_class(*object_classes: str) -> filters.Filter:
    """Entries of any of these object classes."""
    return filters.Or(tuple(filters.Compare("=", "objectClass", each) for each in object_classes))


def entries(question: Question, keep: Callable[[bytes], object] | None = None) -> Iterator[Entry]:
    """Ask, and give the entries as they come.

    :param keep: is given the bytes of the answer as they are, :class:`Answer` reads them again.
    :raises SourceFailure: when the server cannot be reached, answers with an error, with what is no LDAP, or with
        more than the question allows.
    :raises SourceTimedOut: when the answer is not complete within the timeout.
    """
    deadline = time.monotonic() + question.timeout
    try:
        with socket.create_connection((question.host, question.port), question.timeout) as connection:
            connection.sendall(_request(question))
            yield from Answer(question, connection, deadline, keep).entries()
            connection.sendall(ber.sequence(ber.integer(_MESSAGE_ID + 1), ber.tlv(0x42, b"")))  # unbind
    except TimeoutError:
        raise SourceTimedOut(question.url, question.timeout) from None
    except OSError as error:
        raise SourceFailure(question.url, f"{error.strerror or error}") from error
    except ProtocolError as error:
        raise SourceFailure(question.url, f"its answer is not LDAP: {error.description}") from error


def _request(question: Question) -> bytes:
    search = ber.sequence(
        ber.octets(question.base),
        ber.integer(question.scope, ber.ENUMERATED),
        ber.integer(0, ber.ENUMERATED),
        ber.integer(0),
        ber.integer(max(1, round(question.timeout))),
        ber.boolean(False),
        filters.encode(question.wanted),
        ber.sequence(*(ber.octets(each) for each in question.attributes)),
        tag=0x63,
    )
    return ber.sequence(ber.integer(_MESSAGE_ID), search)


class Answer:
    """Messages out of a stream of bytes, and entries out of messages.

    :param source: may hold several answers, one after the other.
    :param deadline: on the monotonic clock.
    :param keep: is given all bytes that are read.
    """

    def __init__(
        self, question: Question, source: Bytes, deadline: float, keep: Callable[[bytes], object] | None = None
    ) -> None:
        self._question = question
        self._connection = source
        self._keep = keep
        self._deadline = deadline
        self._data = b""
        self._place = 0
        self._taken = 0
        self._names: dict[bytes, tuple[str, str]] = {}
        self._texts: dict[bytes, str] = {}

    def entries(self) -> Iterator[Entry]:
        """The entries of the next answer.

        :raises SourceFailure: when it is no complete good one.  :raises ProtocolError: when it is no LDAP.
        :raises TimeoutError: at the deadline.
        """
        found = 0
        while True:
            start, end = self._message()
            try:
                tag, place, stop = self._operation(start, end)
                if tag == SEARCH_ENTRY:
                    found += 1
                    if found > self._question.max_entries:
                        raise SourceFailure(
                            self._question.url, f"it has more than {self._question.max_entries} entries"
                        )
                    yield self._entry(place, stop)
                elif tag == SEARCH_DONE:
                    self._finished(place, stop, found)
                    return
                elif tag == _NOTICE:
                    raise SourceFailure(self._question.url, "it ended the connection")
                elif tag != _REFERENCE:  # other servers are asked only when they are configured
                    raise ProtocolError(f"tag 0x{tag:02x} is no part of the answer to a search")
            except IndexError:
                raise ProtocolError("an LDAP message ends inside an element") from None

    def _message(self) -> tuple[int, int]:
        """Where the content of the next whole message begins and ends in the buffer."""
        while True:
            found = ber.header(self._data, self._place)
            if found is not None:
                tag, start, size = found
                if tag != ber.SEQUENCE:
                    raise ProtocolError(f"a message begins with tag 0x{tag:02x}")
                if size > MAX_MESSAGE:
                    raise SourceFailure(self._question.url, f"one of its entries has {size} bytes")
                if start + size <= len(self._data):
                    self._place = start + size
                    return start, start + size
                self._more(start + size - len(self._data))
            else:
                self._more(1)

    def _more(self, missing: int) -> None:
        """Read until so many bytes more are there."""
        parts = [self._data[self._place :]]
        self._place = 0
        while missing > 0:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            data = self._connection.recv(max(_CHUNK, min(missing, 4 << 20)))
            if not data:
                raise SourceFailure(self._question.url, "it closed the connection before its answer was complete")
            if self._keep is not None:
                self._keep(data)
            self._taken += len(data)
            if self._taken > self._question.max_bytes:
                raise SourceFailure(
                    self._question.url, f"its answer is larger than {self._question.max_bytes} bytes"
                )
            missing -= len(data)
            parts.append(data)
        self._data = b"".join(parts)

    def _operation(self, start: int, end: int) -> tuple[int, int, int]:
        """Tag, begin and end of the operation in a message, which must be an answer to our question."""
        data = self._data
        if data[start] != ber.INTEGER:
            raise ProtocolError("a message without an id")
        size = data[start + 1]
        number = int.from_bytes(data[start + 2 : start + 2 + size], "big")
        place = start + 2 + size
        tag = data[place]
        if number != _MESSAGE_ID and not (number == 0 and tag == _NOTICE):
            raise ProtocolError(f"a message answers request {number}, which was never sent")
        stop, place = _span(data, place, end)
        return tag, place, stop

    def _entry(self, place: int, end: int) -> Entry:
        """The entry between two places of the buffer; every length is checked against what holds it."""
        data = self._data
        stop, place = _span(data, place, end, ber.OCTET_STRING)
        dn = data[place:stop].decode("utf-8", "replace")
        last, place = _span(data, stop, end, ber.SEQUENCE)
        attributes: dict[str, tuple[str, ...]] = {}
        index: dict[str, tuple[str, ...]] = {}
        repeated = False
        while place < last:
            after, place = _span(data, place, last, ber.SEQUENCE)
            stop, place = _span(data, place, after, ber.OCTET_STRING)
            name, folded = self._name(data[place:stop])
            inside, place = _span(data, stop, after, ber.SET)
            values = []
            while place < inside:
                # the same as _span, written out: this is met once for each value
                size = data[place + 1]
                if size < 0x80 and data[place] == 0x04:
                    place += 2
                    stop = place + size
                    if stop > inside:
                        raise ProtocolError("a BER length reaches beyond its message")
                else:
                    stop, place = _span(data, place, inside, ber.OCTET_STRING)
                values.append(self._text(data[place:stop]))
                place = stop
            if place != after:
                raise ProtocolError("an attribute holds more than its name and values")
            if values:
                repeated = repeated or folded in index
                found = tuple(values)
                attributes[name] = index[folded] = attributes[name] + found if name in attributes else found
        if repeated:
            return Entry(dn, attributes)
        return Entry.indexed(dn, attributes, index)

    def _name(self, raw: bytes) -> tuple[str, str]:
        """An attribute's name, and that in lower case."""
        found = self._names.get(raw)
        if found is None:
            text = raw.decode("utf-8", "replace")
            found = (text, text.lower())
            if len(self._names) < MAX_DISTINCT:
                self._names[raw] = found
        return found

    def _text(self, raw: bytes) -> str:
        found = self._texts.get(raw)
        if found is None:
            found = raw.decode("utf-8", "replace")
            if len(raw) <= _SHARED and len(self._texts) < MAX_DISTINCT:
                self._texts[raw] = found
        return found

    def _finished(self, place: int, end: int, found: int) -> None:
        """:raises SourceFailure: when the result is another one than success."""
        reader = ber.Reader(self._data[place:end])
        code = reader.integer(ber.ENUMERATED)
        reader.octets()
        text = reader.octets().decode("utf-8", "replace")
        if code == SUCCESS:
            return
        reason = f"{_CODES.get(code, f'result code {code}')} {' '.join(text.split())[:300]}".strip()
        if code == SIZE_LIMIT_EXCEEDED:
            reason += f"; it gives {found} entries to a reader without a name: its size limit must be raised"
        raise SourceFailure(self._question.url, reason)


def _span(data: bytes, place: int, end: int, tag: int | None = None) -> tuple[int, int]:
    """End and begin of the content of the element at ``place``, which must end before ``end``.

    :raises ProtocolError: for another tag, or a length beyond what holds it.
    """
    if place >= end:
        raise ProtocolError("an LDAP message ends where an element should begin")
    if tag is not None and data[place] != tag:
        raise ProtocolError(f"an LDAP message holds tag 0x{data[place]:02x} where 0x{tag:02x} belongs")
    size = data[place + 1]
    place += 2
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= ber.MAX_LENGTH_OCTETS:
            raise ProtocolError("a BER length must be definite and of at most four octets")
        size = int.from_bytes(data[place : place + count], "big")
        place += count
    if place + size > end:
        raise ProtocolError("a BER length reaches beyond its message")
    return place + size, place
