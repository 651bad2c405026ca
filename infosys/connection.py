"""One client of the LDAP server, from its first byte to its last."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from infosys import ber, messages
from infosys.directory import Directory, Node
from infosys.errors import NameSyntaxError, ProtocolError
from infosys.filters import matches
from infosys.messages import Abandon, Bind, Page, Request, Search, Unbind, Unsupported

log = logging.getLogger("wms.infosys")

WRITE_CHUNK: Final = 1 << 16
YIELD_EVERY: Final = 500
"""Entries that are looked at before other clients get their turn."""
MAX_PAGED_SEARCHES: Final = 4
"""Paged searches that one connection may have open."""


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of the LDAP server: bytes of a request, clients at once, seconds."""

    max_message: int = 1 << 18
    max_connections: int = 200
    idle_seconds: float = 300.0
    message_seconds: float = 10.0
    """From the first byte of a request to its last."""
    write_seconds: float = 30.0
    """For a client to take 64 KiB of an answer."""
    search_seconds: float = 60.0


@dataclass(slots=True)
class _PagedSearch:
    """What is left of a paged search: the request must be the same for every page (RFC 2696)."""

    search: Search
    rest: Iterator[Node]
    sent: int


class Connection:
    """Answers one client's requests in their order."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        directory: Callable[[], Directory],
        limits: ServerLimits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._directory = directory
        self._limits = limits
        self._paged: dict[bytes, _PagedSearch] = {}
        self._pending: list[bytes] = []
        self._pending_size = 0

    async def serve(self) -> None:
        """Answer until the client goes, idles too long or sends what is no LDAP."""
        try:
            while (message := await self._next()) is not None:
                if not await self._answer(messages.decode(message)):
                    return
                await self._flush()
        except ProtocolError as error:
            await self._dismiss(messages.PROTOCOL_ERROR, error.description)
        except TimeoutError:
            log.debug("an LDAP client took too long and was let go")
        except (ConnectionError, asyncio.IncompleteReadError):
            log.debug("an LDAP client went without saying so")

    async def refuse(self, text: str) -> None:
        """Tell the client that there is no place for it."""
        try:
            await self._dismiss(messages.UNAVAILABLE, text)
        except (TimeoutError, ConnectionError):
            log.debug("an LDAP client that was refused had gone")

    async def _dismiss(self, code: int, text: str) -> None:
        self._put(messages.disconnection(code, text))
        await self._flush()

    async def _next(self) -> bytes | None:
        """The bytes of the next message, None when the client has gone between two."""
        async with asyncio.timeout(self._limits.idle_seconds):
            start = await self._reader.read(1)
        if not start:
            return None
        async with asyncio.timeout(self._limits.message_seconds):
            start += await self._reader.readexactly(1)
            while (found := ber.header(start)) is None:
                start += await self._reader.readexactly(1)
            tag, offset, size = found
            if tag != ber.SEQUENCE:
                raise ProtocolError("an LDAP message is a sequence")
            if size > self._limits.max_message:
                raise ProtocolError(f"an LDAP message may have {self._limits.max_message} bytes, not {size}")
            return start[:offset] + await self._reader.readexactly(size)

    def _put(self, data: bytes) -> None:
        self._pending.append(data)
        self._pending_size += len(data)

    async def _flush(self) -> None:
        if not self._pending:
            return
        self._writer.write(b"".join(self._pending))
        self._pending.clear()
        self._pending_size = 0
        async with asyncio.timeout(self._limits.write_seconds):
            await self._writer.drain()

    async def _answer(self, request: Request) -> bool:
        """Answer one request; False when the client said good-bye."""
        operation = request.operation
        if isinstance(operation, Unbind):
            return False
        if isinstance(operation, Abandon):
            return True  # requests are answered one by one: nothing of it is left to abandon
        if isinstance(operation, Bind):
            self._bind(request.message_id, operation)
        elif isinstance(operation, Unsupported) and operation.response == messages.EXTENDED_RESPONSE:
            text = "extended operations (StartTLS, Who am I?, Cancel) are not supported"  # RFC 4511 §4.12
            self._result(request, operation.response, messages.PROTOCOL_ERROR, text)
        elif isinstance(operation, Unsupported):
            self._result(request, operation.response, messages.UNWILLING_TO_PERFORM, "this directory is read only")
        else:
            await self._search(request, operation)
        return True

    def _result(self, request: Request, tag: int, code: int, text: str = "", matched: str = "") -> None:
        self._put(messages.result(request.message_id, tag, code, matched, text))

    def _bind(self, message_id: int, bind: Bind) -> None:
        if bind.version != 3:
            code, text = messages.PROTOCOL_ERROR, "only version 3 of LDAP is spoken here"
        elif not bind.anonymous:
            code, text = messages.AUTH_METHOD_NOT_SUPPORTED, "only anonymous binds are accepted"
        else:
            code, text = messages.SUCCESS, ""
        self._put(messages.result(message_id, messages.BIND_RESPONSE, code, "", text))

    async def _search(self, request: Request, search: Search) -> None:
        page: Page | None = None
        for control in request.controls:
            if control.oid == messages.PAGED_RESULTS:
                page = messages.page_of(control)
            elif control.critical:
                code = messages.UNAVAILABLE_CRITICAL_EXTENSION
                self._result(request, messages.SEARCH_DONE, code, "a critical control is not supported")
                return
        if page is not None and page.cookie:
            await self._next_page(request, search, page)
            return
        directory = self._directory()
        try:
            base = directory.find(search.base)
            matched = "" if base else directory.nearest(search.base)
        except NameSyntaxError as error:
            self._result(request, messages.SEARCH_DONE, messages.INVALID_DN_SYNTAX, error.description)
            return
        if base is None or (base is directory.root and search.scope != messages.BASE):
            self._result(request, messages.SEARCH_DONE, messages.NO_SUCH_OBJECT, matched=matched)
            return
        found = directory.candidates(base, search.scope, search.filter)
        if page is None:
            code, _, _ = await self._send(request, search, found, 0, None)
            self._result(request, messages.SEARCH_DONE, code)
        else:
            await self._send_page(request, search, found, 0, page)

    async def _next_page(self, request: Request, search: Search, page: Page) -> None:
        going_on = self._paged.pop(page.cookie, None)
        if going_on is None or going_on.search != search:
            text = "the cookie belongs to no open search of this connection"
            self._result(request, messages.SEARCH_DONE, messages.UNWILLING_TO_PERFORM, text)
        elif page.size == 0:  # the client gives the search up
            control = messages.page_control(Page(0, b""))
            self._put(messages.result(request.message_id, messages.SEARCH_DONE, messages.SUCCESS, controls=[control]))
        else:
            await self._send_page(request, search, going_on.rest, going_on.sent, page)

    async def _send_page(
        self, request: Request, search: Search, found: Iterator[Node], before: int, page: Page
    ) -> None:
        code, sent, rest = await self._send(request, search, found, before, page.size)
        cookie = b""
        if rest is not None:
            cookie = secrets.token_bytes(8)
            self._paged[cookie] = _PagedSearch(search, rest, sent)
            while len(self._paged) > MAX_PAGED_SEARCHES:
                del self._paged[next(iter(self._paged))]
        control = messages.page_control(Page(0, cookie))
        self._put(messages.result(request.message_id, messages.SEARCH_DONE, code, controls=[control]))

    async def _send(
        self, request: Request, search: Search, found: Iterator[Node], before: int, page: int | None
    ) -> tuple[int, int, Iterator[Node] | None]:
        """Send the entries that match, at most a page of them.

        :param before: entries that earlier pages of the search brought; the size limit counts them too (RFC 2696).
        :returns: the result code, the entries sent with ``before``, and what is left when a page is full.
        """
        seconds = self._limits.search_seconds
        if search.time_limit:
            seconds = min(seconds, search.time_limit)
        deadline = asyncio.get_running_loop().time() + seconds
        sent = before
        for looked, node in enumerate(found, 1):
            if looked % YIELD_EVERY == 0:
                await asyncio.sleep(0)
                if asyncio.get_running_loop().time() > deadline:
                    return messages.TIME_LIMIT_EXCEEDED, sent, None
            if matches(node, search.filter) is not True:
                continue
            if search.size_limit and sent == search.size_limit:
                return messages.SIZE_LIMIT_EXCEEDED, sent, None
            if page is not None and sent - before == page:
                return messages.SUCCESS, sent, itertools.chain((node,), found)
            selected = node.selected(search.attributes, search.types_only)
            self._put(messages.search_entry(request.message_id, node.name, selected))
            sent += 1
            if self._pending_size >= WRITE_CHUNK:
                await self._flush()
        return messages.SUCCESS, sent, None
