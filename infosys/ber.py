"""The Basic Encoding Rules as LDAP restricts them (RFC 4511 §5.1): definite lengths, low tag numbers.

The reader trusts nothing: every length is checked against the bytes that are there before anything is taken.
"""

from __future__ import annotations

import functools
from typing import Final

from infosys.errors import ProtocolError

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31

MAX_LENGTH_OCTETS: Final = 4
MAX_INTEGER_OCTETS: Final = 8


@functools.lru_cache(maxsize=8192)
def head(tag: int, size: int) -> bytes:
    """What stands before a content of that size: tag octet, definite length in the shortest form."""
    if size < 0x80:
        return bytes((tag, size))
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets


def tlv(tag: int, content: bytes) -> bytes:
    """One element: tag octet, length, content."""
    return head(tag, len(content)) + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A signed integer (or, with that tag, an enumerated) in the shortest two's complement."""
    size = (value.bit_length() // 8) + 1 if value >= 0 else ((value + 1).bit_length() // 8) + 1
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def octets(value: bytes | str, tag: int = OCTET_STRING) -> bytes:
    """An octet string; text goes as UTF-8."""
    return tlv(tag, value.encode("utf-8", "replace") if isinstance(value, str) else value)


def boolean(value: bool, tag: int = BOOLEAN) -> bytes:
    """TRUE is 0xFF (RFC 4511 §5.1)."""
    return tlv(tag, b"\xff" if value else b"\x00")


def sequence(*parts: bytes, tag: int = SEQUENCE) -> bytes:
    """Elements one after the other inside one."""
    return tlv(tag, b"".join(parts))


def header(data: bytes | memoryview, start: int = 0) -> tuple[int, int, int] | None:
    """Read tag and length at ``start``: (tag, offset of the content, its size); None when more bytes are needed.

    :raises ProtocolError: for a high tag number, an indefinite length or one of more than four octets.
    """
    if len(data) < start + 2:
        return None
    tag = data[start]
    if tag & 0x1F == 0x1F:
        raise ProtocolError("a BER tag number above 30 does not occur in LDAP")
    first = data[start + 1]
    if first < 0x80:
        return tag, start + 2, first
    count = first & 0x7F
    if not 1 <= count <= MAX_LENGTH_OCTETS:
        raise ProtocolError("a BER length must be definite and of at most four octets")
    if len(data) < start + 2 + count:
        return None
    return tag, start + 2 + count, int.from_bytes(data[start + 2 : start + 2 + count], "big")


class Reader:
    """Takes elements one after the other from a piece of bytes."""

    __slots__ = ("_data", "_end", "_place")

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._place = 0
        self._end = len(data)

    @property
    def more(self) -> bool:
        """Whether anything is left."""
        return self._place < self._end

    def peek(self) -> int:
        """The tag of the next element.

        :raises ProtocolError: when nothing is left.
        """
        if not self.more:
            raise ProtocolError("an LDAP message ends where an element should begin")
        return self._data[self._place]

    def take(self, tag: int | None = None) -> tuple[int, memoryview]:
        """The next element as (tag, content).

        :param tag: the tag it must have.
        :raises ProtocolError: for another tag, or a length beyond the bytes that are there.
        """
        found = header(self._data, self._place)
        if found is None:
            raise ProtocolError("an LDAP message ends inside an element")
        got, start, size = found
        if tag is not None and got != tag:
            raise ProtocolError(f"an LDAP message holds tag 0x{got:02x} where 0x{tag:02x} belongs")
        if size > self._end - start:
            raise ProtocolError("a BER length reaches beyond its message")
        self._place = start + size
        return got, self._data[start : start + size]

    def enter(self, tag: int = SEQUENCE) -> Reader:
        """A reader for the content of the next element, which must have ``tag``."""
        return Reader(self.take(tag)[1])

    def integer(self, tag: int = INTEGER) -> int:
        """The next element as a signed integer of at most eight octets."""
        content = self.take(tag)[1]
        if not 1 <= len(content) <= MAX_INTEGER_OCTETS:
            raise ProtocolError("an integer must have one to eight octets")
        return int.from_bytes(content, "big", signed=True)

    def octets(self, tag: int = OCTET_STRING) -> bytes:
        """The next element's bytes."""
        return bytes(self.take(tag)[1])

    def text(self, tag: int = OCTET_STRING) -> str:
        """The next element as UTF-8 text."""
        return decoded(self.take(tag)[1])

    def boolean(self, tag: int = BOOLEAN) -> bool:
        """The next element as a truth value."""
        content = self.take(tag)[1]
        if len(content) != 1:
            raise ProtocolError("a boolean must have one octet")
        return content[0] != 0

    def finish(self) -> None:
        """:raises ProtocolError: when something is left."""
        if self.more:
            raise ProtocolError("an LDAP message goes on where it should end")


def decoded(content: bytes | memoryview) -> str:
    """Bytes as UTF-8 text.

    :raises ProtocolError: when they are none.
    """
    try:
        return bytes(content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("a string of an LDAP message is not UTF-8") from error
