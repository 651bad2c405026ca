"""Whole messages on their way to one client, which may be slow to take them."""

from __future__ import annotations

import asyncio
from typing import Final

WRITE_CHUNK: Final = 1 << 16


class Outlet:
    """Gathers messages and sends them in pieces of 64 KiB.

    :param seconds: that a client may take for one piece.
    :ivar torn: whether a message was left half sent; nothing can follow it.
    """

    def __init__(self, writer: asyncio.StreamWriter, seconds: float) -> None:
        self._writer = writer
        self._seconds = seconds
        self._waiting: list[bytes] = []
        self._size = 0
        self._sending = asyncio.Lock()
        self.torn = False

    def put(self, message: bytes) -> None:
        """Have a message sent with the next ones."""
        self._waiting.append(message)
        self._size += len(message)

    @property
    def full(self) -> bool:
        """Whether it is time to send."""
        return self._size >= WRITE_CHUNK

    async def flush(self) -> None:
        """Send what is there.

        :raises TimeoutError: when the client takes too long for a piece of it.
        :raises ConnectionError: when it has gone.
        """
        async with self._sending:
            data = memoryview(b"".join(self._waiting))
            self._waiting.clear()
            self._size = 0
            for start in range(0, len(data), WRITE_CHUNK):
                end = start + WRITE_CHUNK
                self._writer.write(data[start:end])
                self.torn = end < len(data)
                if not self._writer.transport.get_write_buffer_size():
                    continue
                async with asyncio.timeout(self._seconds):
                    await self._writer.drain()
