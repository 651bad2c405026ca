"""The LDAP server: read only, anonymous, one thread with an event loop, for ``ldapsearch`` and other readers."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Final

from grid.collector import Collector
from infosys.connection import Connection, ServerLimits
from infosys.directory import Directory
from infosys.entry import Entry
from infosys.errors import BindFailure

log = logging.getLogger("wms.infosys")

START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 5.0
LAST_BYTES_SECONDS: Final = 1.0
MAKES_ROOM_SECONDS: Final = 5.0
"""A client that has asked for nothing for so long goes when another one needs its place."""
_NO_SUCH_ADDRESS: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def split_bind(bind: str) -> tuple[str, int]:
    """``host:port`` or ``[::1]:port`` as host and port.

    :raises BindFailure: when it is neither.
    """
    host, colon, port = bind.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535 or not host:
        raise BindFailure(bind, "an address has the form host:port")
    return host.removeprefix("[").removesuffix("]"), int(port)


def listen(bind: str) -> list[socket.socket]:
    """Sockets that listen on every address of the host, all with the same port; port 0 chooses a free one.

    An address family that this machine does not have is left out as long as another one is there.

    :raises BindFailure: when an address is taken, or none can be had.
    """
    host, port = split_bind(bind)
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in sorted(addresses, key=lambda each: each[0] != socket.AF_INET):
            try:
                opened = socket.socket(family, kind, protocol)
            except OSError as error:
                missing = error
                continue
            sockets.append(opened)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = sockets[0].getsockname()[1] if len(sockets) > 1 else port
            try:
                opened.bind((address[0], chosen, *address[2:]))
                opened.listen(128)
            except OSError as error:
                if error.errno not in _NO_SUCH_ADDRESS:
                    raise
                sockets.pop().close()
                missing = error
    except OSError as error:
        _close(sockets)
        raise BindFailure(bind, error.strerror or str(error)) from error
    if not sockets:
        raise BindFailure(bind, str(missing) if missing else "the host has no address")
    return sockets


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()


class LdapServer:
    """Serves a tree of entries on a TCP address.

    The thread begins with :meth:`start` and ends with :meth:`close`; :meth:`publish` exchanges the whole tree
    between two requests, so that no reader ever sees half of it.  May be used as a context manager.
    """

    def __init__(self, bind: str, *, limits: ServerLimits | None = None) -> None:
        self.bind = bind
        self._limits = limits or ServerLimits()
        self._directory = Directory()
        self._publishing = threading.Lock()
        self._collector = Collector()
        self._sockets: list[socket.socket] = []
        self._port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()
        self._clients: dict[asyncio.Task[None], asyncio.WriteTransport] = {}
        self._connections: dict[asyncio.Task[None], Connection] = {}

    def start(self) -> LdapServer:
        """Take the address and begin to answer.

        :raises BindFailure: when the address cannot be had.
        """
        self._sockets = listen(self.bind)
        self._port = int(self._sockets[0].getsockname()[1])
        self._thread = threading.Thread(target=self._run, name="ldap-server", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise BindFailure(self.bind, f"the server did not start within {START_SECONDS:g} s")
        return self

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before :meth:`start`."""
        return self._port

    @property
    def url(self) -> str:
        """``ldap://host:port``."""
        host = split_bind(self.bind)[0]
        return f"ldap://[{host}]:{self.port}" if ":" in host else f"ldap://{host}:{self.port}"

    @property
    def directory(self) -> Directory:
        """The tree that is served now."""
        return self._directory

    def publish(self, entries: Iterable[Entry]) -> Directory:
        """Serve these entries and no others from the next request on."""
        with self._publishing, self._collector:
            entries = list(entries)
            self._collector.expecting(len(entries))
            made = Directory(entries, schema=self._directory.schema, previous=self._directory)
            for problem in made.problems[:20]:
                log.warning("left out of the directory: %s", problem)
            self._directory = made
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(self._forget, made.picture)
            return made

    def publish_beside(self, entries: Iterable[Entry]) -> Directory:
        """Serve these entries beside the tree that is there, which costs nothing of its size."""
        with self._publishing:
            self._directory = self._directory.with_beside(entries)
            return self._directory

    def close(self) -> None:
        """End the thread and every connection; nothing happens when it is closed already."""
        if self._loop is not None and self._stop is not None:
            # a loop that has ended by itself has nothing left to be stopped
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            if self._thread.is_alive():
                log.error("the LDAP server's thread did not end within %g s", STOP_SECONDS)
        _close(self._sockets)

    def __enter__(self) -> LdapServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        servers = [await asyncio.start_server(self._accept, sock=each) for each in self._sockets]
        self._ready.set()
        await self._stop.wait()
        for listener in self._sockets:
            self._loop.remove_reader(listener)
        for _ in range(3):  # what is accepted already reaches _accept; a closed server would lose its socket
            await asyncio.sleep(0)
        for server in servers:
            server.close()
        ended = list(self._clients)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        await asyncio.sleep(0)  # aborted sockets are closed in the loop's next turn

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._clients[task] = writer.transport
        task.add_done_callback(self._gone)

    def _forget(self, picture: int) -> None:
        for connection in self._connections.values():
            connection.forget(picture)

    def _gone(self, task: asyncio.Task[None]) -> None:
        """The last thing that happens to a connection, whatever happened to its task: its socket is closed."""
        self._clients.pop(task).abort()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an LDAP connection ended with an unexpected error", exc_info=error)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer, lambda: self._directory, self._limits)
        if len(self._connections) < self._limits.max_connections or self._made_room():
            task = asyncio.current_task()
            if task is None:
                raise RuntimeError("a connection is served by a task")
            self._connections[task] = connection
            try:
                await connection.serve()
            finally:
                self._connections.pop(task, None)
        else:
            await connection.refuse(f"{self._limits.max_connections} clients are connected already")
        writer.close()
        # a client that does not take its last bytes is cut off
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LAST_BYTES_SECONDS):
                await writer.wait_closed()

    def _made_room(self) -> bool:
        """Send the client away that has asked for nothing for longest; False when none has for long enough."""
        now = asyncio.get_running_loop().time()
        rested = {task: at for task, each in self._connections.items() if (at := each.rested_at) is not None}
        longest = min(rested, key=rested.__getitem__, default=None)
        if longest is None or now - rested[longest] < MAKES_ROOM_SECONDS:
            return False
        del self._connections[longest]
        longest.cancel()
        return True
