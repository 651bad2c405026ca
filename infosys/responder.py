"""What one client of the LDAP server is answered: bind, search, pages of a search, refusals."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from infosys import messages
from infosys.attribute_index import Steps
from infosys.directory import Directory
from infosys.errors import NameSyntaxError
from infosys.messages import Bind, Extended, Page, Request, Search, Unsupported
from infosys.node import Node
from infosys.outlet import Outlet
from infosys.selection import Selection

TURN_SECONDS: Final = 0.003
"""Of a search's work, after which other clients get their turn."""
NAP_SECONDS: Final = 0.00002
"""In which other threads of the process get theirs: one that only lets go of the interpreter for a moment now and then,
as an event loop at work does, takes it back before they are awake, and they starve."""
LOOK_EVERY: Final = 32
"""Entries that are sent before the clock is looked at."""
MAX_PAGED_SEARCHES: Final = 4
"""Paged searches that one connection may have open."""
MAX_PICTURES: Final = 8
"""Later pictures of the information system after which a paged search that began on one is given up."""


class _Stopped(Exception):
    """The running search was abandoned or cancelled."""


@dataclass(slots=True)
class _PagedSearch:
    """What is left of a paged search: the request must be the same for every page (RFC 2696)."""

    search: Search
    rest: Iterator[Node]
    sent: int
    picture: int


@dataclass(slots=True)
class _Running:
    """The search that is being answered.

    :ivar deadline: of :func:`time.monotonic`.
    :ivar turn: when other clients last had their turn.
    :ivar cancels: requests that wanted it cancelled.
    """

    request: Request
    search: Search
    deadline: float
    turn: float
    stopped: bool = False
    cancels: list[int] = field(default_factory=list)

    @property
    def late(self) -> bool:
        """Whether the time limit has been met."""
        return time.monotonic() > self.deadline


class Responder:
    """Answers requests one after the other; :meth:`abandon` and :meth:`cancel` may be called meanwhile.

    :param search_seconds: that one search may take, whatever its client allows.
    """

    def __init__(self, outlet: Outlet, directory: Callable[[], Directory], search_seconds: float) -> None:
        self._outlet = outlet
        self._directory = directory
        self._seconds = search_seconds
        self._paged: dict[bytes, _PagedSearch] = {}
        self._running: _Running | None = None

    async def answer(self, request: Request) -> None:
        """Answer one request.

        :raises ProtocolError: when it is none that can be answered.
        :raises TimeoutError: when the client does not take its answer.
        """
        operation = request.operation
        if isinstance(operation, Search):
            await self._search(request, operation)
        elif isinstance(operation, Bind):
            self._bind(request.message_id, operation)
        elif isinstance(operation, Extended):
            text = "extended operations besides Cancel (StartTLS, Who am I?) are not supported"  # RFC 4511 §4.12
            self._result(request, messages.EXTENDED_RESPONSE, messages.PROTOCOL_ERROR, text)
        elif isinstance(operation, Unsupported):
            self._result(request, operation.response, messages.UNWILLING_TO_PERFORM, "this directory is read only")
        await self._outlet.flush()

    def abandon(self, message_id: int) -> bool:
        """Stop the search with that id without a further word; False when it is not the one that is answered."""
        running = self._running
        if running is None or running.request.message_id != message_id:
            return False
        running.stopped = True
        return True

    def cancel(self, message_id: int, cancelled_by: int) -> bool:
        """Stop the search with that id and answer the Cancel (RFC 3909), or return False as :meth:`abandon` does."""
        running = self._running
        if running is None or not self.abandon(message_id):
            return False
        running.cancels.append(cancelled_by)
        return True

    def forget(self, picture: int) -> None:
        """Give up paged searches on pictures much older than this one, so that nobody holds any number of them."""
        old = [cookie for cookie, paged in self._paged.items() if paged.picture + MAX_PICTURES < picture]
        for cookie in old:
            del self._paged[cookie]

    def _result(self, request: Request, tag: int, code: int, text: str = "", matched: str = "") -> None:
        self._outlet.put(messages.result(request.message_id, tag, code, matched, text))

    def _bind(self, message_id: int, bind: Bind) -> None:
        if bind.version != 3:
            code, text = messages.PROTOCOL_ERROR, "only version 3 of LDAP is spoken here"
        elif not bind.anonymous:
            code, text = messages.AUTH_METHOD_NOT_SUPPORTED, "only anonymous binds are accepted"
        else:
            code, text = messages.SUCCESS, ""
        self._outlet.put(messages.result(message_id, messages.BIND_RESPONSE, code, "", text))

    async def _search(self, request: Request, search: Search) -> None:
        seconds = min(self._seconds, search.time_limit or self._seconds)
        now = time.monotonic()
        running = self._running = _Running(request, search, now + seconds, now)
        try:
            await self._answer_search(running)
        except _Stopped:
            if running.cancels:
                self._result(request, messages.SEARCH_DONE, messages.CANCELED, "the client has cancelled it")
            for cancel in running.cancels:
                self._outlet.put(messages.result(cancel, messages.EXTENDED_RESPONSE, messages.SUCCESS))
        finally:
            self._running = None

    async def _answer_search(self, running: _Running) -> None:
        request, search = running.request, running.search
        page: Page | None = None
        for control in request.controls:
            if control.oid == messages.PAGED_RESULTS:
                page = messages.page_of(control)
            elif control.critical:
                code = messages.UNAVAILABLE_CRITICAL_EXTENSION
                self._result(request, messages.SEARCH_DONE, code, "a critical control is not supported")
                return
        if page is not None and page.cookie:
            await self._next_page(running, page)
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
        found = await self._taken(running, directory.search(base, search.scope, search.filter))
        if found is None:
            self._result(request, messages.SEARCH_DONE, messages.TIME_LIMIT_EXCEEDED)
        elif page is None:
            code, _, _ = await self._send(running, found, 0, None)
            self._result(request, messages.SEARCH_DONE, code)
        else:
            await self._send_page(running, _PagedSearch(search, found, 0, directory.picture), page.size)

    async def _taken(self, running: _Running, steps: Steps[Iterator[Node]]) -> Iterator[Node] | None:
        """Take the steps of a search, in turns with other clients; None when its time is over."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                found: Iterator[Node] = end.value
                return found
            if await self._turn(running):
                return None

    async def _turn(self, running: _Running) -> bool:
        """Let others have their turn when it is time; whether the search's own time is over.

        Must follow whatever else waits, since the search may have been stopped meanwhile.

        :raises _Stopped: when it was.
        """
        if time.monotonic() - running.turn >= TURN_SECONDS:
            time.sleep(NAP_SECONDS)
            await asyncio.sleep(0)
            running.turn = time.monotonic()
        elif not running.stopped:
            return False
        if running.stopped:
            raise _Stopped
        return running.late

    async def _next_page(self, running: _Running, page: Page) -> None:
        going_on = self._paged.pop(page.cookie, None)
        if going_on is None or going_on.search != running.search:
            text = "the cookie belongs to no open search of this connection"
            self._result(running.request, messages.SEARCH_DONE, messages.UNWILLING_TO_PERFORM, text)
        elif page.size == 0:  # the client gives the search up
            self._page_done(running.request, messages.SUCCESS, b"")
        else:
            await self._send_page(running, going_on, page.size)

    async def _send_page(self, running: _Running, paged: _PagedSearch, size: int) -> None:
        code, paged.sent, rest = await self._send(running, paged.rest, paged.sent, size)
        cookie = b""
        if rest is not None:
            paged.rest = rest
            cookie = secrets.token_bytes(8)
            self._paged[cookie] = paged
            while len(self._paged) > MAX_PAGED_SEARCHES:
                del self._paged[next(iter(self._paged))]
        self._page_done(running.request, code, cookie)

    def _page_done(self, request: Request, code: int, cookie: bytes) -> None:
        control = messages.page_control(Page(0, cookie))
        self._outlet.put(messages.result(request.message_id, messages.SEARCH_DONE, code, controls=[control]))

    async def _send(
        self, running: _Running, found: Iterator[Node], before: int, page: int | None
    ) -> tuple[int, int, Iterator[Node] | None]:
        """Send the entries that were found, at most a page of them.

        :param before: entries that earlier pages of the search brought; the size limit counts them too (RFC 2696).
        :returns: the result code, the entries sent with ``before``, and what is left when a page is full.
        """
        search, outlet = running.search, self._outlet
        selection = Selection(search.attributes, search.types_only)
        message_id = running.request.message_id
        sent = before
        for node in found:
            if search.size_limit and sent == search.size_limit:
                return messages.SIZE_LIMIT_EXCEEDED, sent, None
            if page is not None and sent - before == page:
                return messages.SUCCESS, sent, itertools.chain((node,), found)
            outlet.put(messages.search_entry(message_id, node.name, selection.of(node)))
            sent += 1
            if outlet.full:
                await outlet.flush()
            elif sent % LOOK_EVERY:
                continue
            if await self._turn(running):
                return messages.TIME_LIMIT_EXCEEDED, sent, None
        return messages.SUCCESS, sent, None
