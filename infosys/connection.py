"""One client of the LDAP server, from its first byte to its last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from infosys import ber, messages
from infosys.directory import Directory
from infosys.errors import ProtocolError
from infosys.messages import Abandon, Extended
from infosys.outlet import Outlet
from infosys.responder import Responder

log = logging.getLogger("wms.infosys")

MAX_WAITING: Final = 100
"""Requests of one client that are read while another one is answered; together they may have ``max_message`` bytes."""


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


class _Waiting(NamedTuple):
    """A request that will be answered: its id, the tag of its operation, and its bytes."""

    message_id: int
    tag: int
    message: bytes


class Connection:
    """Answers one client's requests in their order, and reads on meanwhile.

    So an Abandon or a Cancel is seen while a search runs, and so is that the client has gone: either ends the search.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        directory: Callable[[], Directory],
        limits: ServerLimits,
    ) -> None:
        self._reader = reader
        self._limits = limits
        self._outlet = Outlet(writer, limits.write_seconds)
        self._responder = Responder(self._outlet, directory, limits.search_seconds)
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._busy = False
        self._rested_at = asyncio.get_running_loop().time()

    @property
    def rested_at(self) -> float | None:
        """Since when it has had nothing to do (the event loop's seconds); None while it has."""
        return None if self._busy else self._rested_at

    def forget(self, picture: int) -> None:
        """Give up what belongs to pictures much older than this one."""
        self._responder.forget(picture)

    async def serve(self) -> None:
        """Answer until the client goes, idles too long or sends what is no LDAP."""
        sides = [asyncio.ensure_future(side) for side in (self._read(), self._work())]
        try:
            await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for side in sides:
                side.cancel()
            await asyncio.wait(sides)
        errors = [error for side in sides if not side.cancelled() and (error := side.exception()) is not None]
        if errors:
            await self._end(errors[0])

    async def _end(self, error: BaseException) -> None:
        if isinstance(error, ProtocolError):
            with contextlib.suppress(TimeoutError, ConnectionError):  # who sends nonsense need not listen
                await self._dismiss(messages.PROTOCOL_ERROR, error.description)
        elif isinstance(error, TimeoutError):
            log.debug("an LDAP client took too long and was let go")
        elif isinstance(error, (ConnectionError, asyncio.IncompleteReadError)):
            log.debug("an LDAP client went without saying so")
        else:
            raise error

    async def refuse(self, text: str) -> None:
        """Tell the client that there is no place for it."""
        try:
            await self._dismiss(messages.UNAVAILABLE, text)
        except (TimeoutError, ConnectionError):
            log.debug("an LDAP client that was refused had gone")

    async def _dismiss(self, code: int, text: str) -> None:
        if not self._outlet.torn:
            self._outlet.put(messages.disconnection(code, text))
            await self._outlet.flush()

    async def _read(self) -> None:
        """Take requests until the client goes; those that concern other ones are seen to at once."""
        while (message := await self._next()) is not None:
            message_id, tag = messages.address(message)
            if tag == messages.UNBIND_REQUEST:
                return
            heeded = tag in (messages.ABANDON_REQUEST, messages.EXTENDED_REQUEST) and await self._heeded(message)
            if heeded:
                await asyncio.sleep(0)  # what has come already is read without waiting: others want their turn
            else:
                self._waiting.append(_Waiting(message_id, tag, message))
                self._waiting_bytes += len(message)
                self._busy = True
                self._changed.set()
            while len(self._waiting) > MAX_WAITING or self._waiting_bytes > self._limits.max_message:
                self._changed.clear()
                await self._changed.wait()

    async def _heeded(self, message: bytes) -> bool:
        """Abandon or cancel another request (RFC 4511 §4.11, RFC 3909); False for another operation."""
        request = messages.decode(message)
        if isinstance(request.operation, Abandon):
            target = request.operation.target
            if not self._responder.abandon(target):
                self._dropped(target)
            return True
        if not isinstance(request.operation, Extended) or request.operation.oid != messages.CANCEL:
            return False
        text = ""
        try:
            target = messages.cancelled(request.operation)
            if self._responder.cancel(target, request.message_id):
                return True  # it answers both
            code = self._cancelled(target)
        except ProtocolError as error:
            code, text = messages.PROTOCOL_ERROR, error.description
        answer = messages.result(request.message_id, messages.EXTENDED_RESPONSE, code, text=text)
        self._outlet.put(answer)
        await self._outlet.flush()
        return True

    def _cancelled(self, target: int) -> int:
        """The result code of a Cancel for a request that is not being answered."""
        if self._dropped(target):
            text = "the client has cancelled it"
            self._outlet.put(messages.result(target, messages.SEARCH_DONE, messages.CANCELED, text=text))
            return messages.SUCCESS
        waits = any(each.message_id == target for each in self._waiting)
        return messages.CANNOT_CANCEL if waits else messages.NO_SUCH_OPERATION

    def _dropped(self, target: int) -> bool:
        """Take a search that waits out of the row; False when there is none with that id."""
        for each in self._waiting:
            if each.message_id == target and each.tag == messages.SEARCH_REQUEST:
                self._waiting.remove(each)
                self._waiting_bytes -= len(each.message)
                self._changed.set()
                return True
        return False

    async def _next(self) -> bytes | None:
        """The bytes of the next message, None when the client has gone between two."""
        start = await self._first()
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

    async def _first(self) -> bytes:
        """The first byte of a message, waited for while a request is answered and ``idle_seconds`` longer."""
        now = asyncio.get_running_loop().time
        while True:
            wait = self._limits.idle_seconds
            if not self._busy:
                wait -= now() - self._rested_at
            try:
                async with asyncio.timeout(wait):
                    return await self._reader.read(1)
            except TimeoutError:
                if not self._busy and now() - self._rested_at >= self._limits.idle_seconds:
                    raise

    async def _work(self) -> None:
        """Answer what was read, one after the other."""
        while True:
            if not self._waiting:
                self._busy, self._rested_at = False, asyncio.get_running_loop().time()
                self._changed.clear()
                await self._changed.wait()
                continue
            message = self._waiting.popleft().message
            self._waiting_bytes -= len(message)
            self._changed.set()
            await self._responder.answer(messages.decode(message))
            if self._waiting:
                await asyncio.sleep(0)
