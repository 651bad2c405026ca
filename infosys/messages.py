"""The LDAP messages that a read-only server meets (RFC 4511 §4), decoded to frozen values and encoded to bytes."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from infosys import ber, filters
from infosys.errors import ProtocolError

PAGED_RESULTS: Final = "1.2.840.113556.1.4.319"
NOTICE_OF_DISCONNECTION: Final = "1.3.6.1.4.1.1466.20036"
MAX_ATTRIBUTES: Final = 1_000
"""Attributes of one selection list."""
MAX_CONTROLS: Final = 20
CANCEL: Final = "1.3.6.1.1.8"
"""The extended operation of RFC 3909."""

# resultCode, RFC 4511 §4.1.9
SUCCESS: Final = 0
OPERATIONS_ERROR: Final = 1
PROTOCOL_ERROR: Final = 2
TIME_LIMIT_EXCEEDED: Final = 3
SIZE_LIMIT_EXCEEDED: Final = 4
AUTH_METHOD_NOT_SUPPORTED: Final = 7
UNAVAILABLE_CRITICAL_EXTENSION: Final = 12
NO_SUCH_OBJECT: Final = 32
INVALID_DN_SYNTAX: Final = 34
BUSY: Final = 51
UNAVAILABLE: Final = 52
UNWILLING_TO_PERFORM: Final = 53
# RFC 3909 §2.2
CANCELED: Final = 118
NO_SUCH_OPERATION: Final = 119
CANNOT_CANCEL: Final = 121

UNBIND_REQUEST: Final = 0x42
ABANDON_REQUEST: Final = 0x50
SEARCH_REQUEST: Final = 0x63
EXTENDED_REQUEST: Final = 0x77
BIND_RESPONSE: Final = 0x61
SEARCH_ENTRY: Final = 0x64
SEARCH_DONE: Final = 0x65
EXTENDED_RESPONSE: Final = 0x78

_RESPONSES: Final = {0x66: 0x67, 0x68: 0x69, 0x4A: 0x6B, 0x6C: 0x6D, 0x6E: 0x6F}

BASE: Final = 0
ONE_LEVEL: Final = 1
SUBTREE: Final = 2
SUBORDINATE: Final = 3
"""The subtree without its base; ``children`` of OpenLDAP (draft-sermersheim-ldap-subordinate-scope)."""


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a request (RFC 4511 §4.1.11)."""

    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class Bind:
    """A bind; ``anonymous`` when it is simple and without password."""

    version: int
    anonymous: bool


@dataclass(frozen=True, slots=True)
class Unbind:
    """The client goes."""


@dataclass(frozen=True, slots=True)
class Abandon:
    """The client no longer wants the answer to request ``target``."""

    target: int


@dataclass(frozen=True, slots=True)
class Search:
    """A search; limits are 0 when the client sets none, the time limit is in seconds."""

    base: str
    scope: int
    size_limit: int
    time_limit: int
    types_only: bool
    filter: filters.Filter
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Extended:
    """An extended operation (RFC 4511 §4.12), None when it has no value."""

    oid: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Another operation of RFC 4511; ``response`` is the tag of its answer."""

    response: int


Operation: TypeAlias = Bind | Unbind | Abandon | Search | Extended | Unsupported


@dataclass(frozen=True, slots=True)
class Request:
    """One message of a client."""

    message_id: int
    operation: Operation
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """The paged results control (RFC 2696): entries wanted, and where to go on."""

    size: int
    cookie: bytes


def address(message: bytes) -> tuple[int, int]:
    """The id of an LDAPMessage and the tag of its operation, which is not read.

    :raises ProtocolError: when there is none.
    """
    message_id, reader = _opened(message)
    return message_id, reader.peek()


def _opened(message: bytes) -> tuple[int, ber.Reader]:
    whole = ber.Reader(message)
    reader = whole.enter()
    whole.finish()
    message_id = reader.integer()
    if not 0 < message_id < 1 << 31:
        raise ProtocolError("a message id is between 1 and 2147483647")
    return message_id, reader


def decode(message: bytes) -> Request:
    """Read one LDAPMessage.

    :raises ProtocolError: when it is none.
    """
    message_id, reader = _opened(message)
    tag = reader.peek()
    if tag == 0x60:
        operation: Operation = _bind(reader.enter(tag))
    elif tag == UNBIND_REQUEST:
        reader.take(tag)
        operation = Unbind()
    elif tag == ABANDON_REQUEST:
        operation = Abandon(reader.integer(tag))
    elif tag == SEARCH_REQUEST:
        operation = _search(reader.enter(tag))
    elif tag == EXTENDED_REQUEST:
        operation = _extended(reader.enter(tag))
    elif tag in _RESPONSES:
        reader.take(tag)
        operation = Unsupported(_RESPONSES[tag])
    else:
        raise ProtocolError(f"0x{tag:02x} is not an operation of LDAP")
    controls = _controls(reader.enter(0xA0)) if reader.more else ()
    return Request(message_id, operation, controls)


def _bind(reader: ber.Reader) -> Bind:
    version = reader.integer()
    name = reader.octets()
    tag, password = reader.take()
    return Bind(version, tag == 0x80 and not password and not name)


def _extended(reader: ber.Reader) -> Extended:
    oid = ber.decoded(reader.take(0x80)[1])
    value = bytes(reader.take(0x81)[1]) if reader.more else None
    reader.finish()
    return Extended(oid, value)


def cancelled(extended: Extended) -> int:
    """The id of the request that a Cancel (RFC 3909) names.

    :raises ProtocolError: when it names none.
    """
    if extended.value is None:
        raise ProtocolError("a Cancel names no request")
    whole = ber.Reader(extended.value)
    reader = whole.enter()
    whole.finish()
    target = reader.integer()
    reader.finish()
    return target


def _search(reader: ber.Reader) -> Search:
    base = reader.text()
    scope = reader.integer(ber.ENUMERATED)
    reader.integer(ber.ENUMERATED)  # derefAliases: there are no aliases here
    size_limit = reader.integer()
    time_limit = reader.integer()
    types_only = reader.boolean()
    wanted = filters.decode(reader)
    selection = reader.enter()
    reader.finish()
    attributes: list[str] = []
    while selection.more:
        attributes.append(selection.text())
        if len(attributes) > MAX_ATTRIBUTES:
            raise ProtocolError(f"a search may select {MAX_ATTRIBUTES} attributes, not more")
    if scope not in (BASE, ONE_LEVEL, SUBTREE, SUBORDINATE) or size_limit < 0 or time_limit < 0:
        raise ProtocolError("the scope or a limit of a search is out of range")
    return Search(base, scope, size_limit, time_limit, types_only, wanted, tuple(attributes))


def _controls(reader: ber.Reader) -> tuple[Control, ...]:
    controls: list[Control] = []
    while reader.more:
        if len(controls) == MAX_CONTROLS:
            raise ProtocolError(f"a request may carry {MAX_CONTROLS} controls, not more")
        inner = reader.enter()
        oid = inner.text()
        critical = inner.boolean() if inner.more and inner.peek() == ber.BOOLEAN else False
        value = inner.octets() if inner.more else b""
        controls.append(Control(oid, critical, value))
    return tuple(controls)


def page_of(control: Control) -> Page:
    """The value of a paged results control.

    :raises ProtocolError: when it is none.
    """
    whole = ber.Reader(control.value)
    reader = whole.enter()
    size = reader.integer()
    cookie = reader.octets()
    if not 0 <= size < 1 << 31:
        raise ProtocolError("the size of a page is out of range")
    return Page(size, cookie)


def page_control(page: Page) -> bytes:
    """The paged results control of an answer, encoded."""
    value = ber.sequence(ber.integer(page.size), ber.octets(page.cookie))
    return ber.sequence(ber.octets(PAGED_RESULTS), ber.octets(value))


def result(
    message_id: int, tag: int, code: int, matched: str = "", text: str = "", controls: Iterable[bytes] = ()
) -> bytes:
    """An LDAPMessage with an LDAPResult (RFC 4511 §4.1.9)."""
    answer = ber.sequence(ber.integer(code, ber.ENUMERATED), ber.octets(matched), ber.octets(text), tag=tag)
    encoded = b"".join(controls)
    return ber.sequence(ber.integer(message_id), answer, ber.tlv(0xA0, encoded) if encoded else b"")


def search_entry(message_id: int, name: bytes, attributes: bytes) -> bytes:
    """A SearchResultEntry of a name and attributes that are encoded already."""
    number = _number(message_id)
    inner = ber.head(ber.SEQUENCE, len(attributes))
    entry = ber.head(SEARCH_ENTRY, len(name) + len(inner) + len(attributes))
    size = len(number) + len(entry) + len(name) + len(inner) + len(attributes)
    return b"".join((ber.head(ber.SEQUENCE, size), number, entry, name, inner, attributes))


@functools.lru_cache(maxsize=256)
def _number(message_id: int) -> bytes:
    """An id that the thousands of entries of one answer have."""
    return ber.integer(message_id)


def disconnection(code: int, text: str) -> bytes:
    """The unsolicited notice that the server ends the connection (RFC 4511 §4.4.1)."""
    answer = ber.sequence(
        ber.integer(code, ber.ENUMERATED),
        ber.octets(""),
        ber.octets(text),
        ber.octets(NOTICE_OF_DISCONNECTION, 0x8A),
        tag=EXTENDED_RESPONSE,
    )
    return ber.sequence(ber.integer(0), answer)
