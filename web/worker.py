"""The worker process: one thread that waits for all connections, and threads that answer requests.

gunicorn's own threaded worker gives a thread to every new connection at once (for up to 5 s without a byte from
the client, and for the whole handshake and head), and closes connections in the thread that waits for all:
a handful of idle clients stalls it.  Here a connection costs no thread until its request has a complete head
(:mod:`web.connection`), those whose clients are slow afterwards are beside the count (:mod:`web.threads`), and
users take turns (:mod:`web.ready`).  The supervision of workers, the parser and the response writer are gunicorn's.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import logging
import os
import resource
import select
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any, Final

from gunicorn.workers.base import Worker

from grid.xmldoor import worn
from gsi.tls import ServerContext
from web.connection import Connection, Need
from web.exchange import Exchange
from web.ready import ReadyQueue
from web.tape import Recorder
from web.threads import Threads, share

log = logging.getLogger("wms.web")

STOP_SECONDS: Final = 2.0
"""What a stopping worker gives the requests under way."""

DIE_SECONDS: Final = 5
"""After the order to stop: the kernel ends a worker that has not ended by itself."""

MAX_CONNECTIONS: Final = 1000
"""Of one worker; beyond it connections that wait are closed, those of whoever has the most first."""

_EVICT_AT_ONCE: Final = 16
_COMPLAIN_SECONDS: Final = 30.0

_ACCEPT_AT_ONCE: Final = 32
_SWEEP_SECONDS: Final = 0.5
_SOON_SECONDS: Final = 0.002
"""How long a thread with nothing else to do waits for the next request of the connection it has just served:
going through the waiting thread costs more than a quick client's next request takes to arrive."""

_PR_SET_PDEATHSIG: Final = 1


class GsiWorker(Worker):  # type: ignore[misc]
    """One worker process; made by gunicorn's arbiter before the fork, run after it."""

    sockets: list[Any]

    def init_process(self) -> None:
        """Called in the new process: prepare, load the application, run."""
        # gunicorn's workers look for their parent once a second; this tells at once, and also while starting.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != self.ppid:
            sys.exit(0)
        self._poll = select.epoll()
        self._ready: ReadyQueue[Connection] = ReadyQueue(share(self.cfg.threads))
        self._threads: Threads[Connection] = Threads(self.cfg.threads, self._ready, self._work, worn)
        self._complained = -_COMPLAIN_SECONDS
        self._connections: set[Connection] = set()
        self._waiting: dict[int, Connection] = {}
        self._limit = min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        settings = self.app.settings
        self._context = ServerContext(settings.certificate, settings.key)
        recorder = Recorder(settings.run_dir, settings.name)
        self._exchange = Exchange(self, settings.max_body, recorder)
        self._patience = settings.request_timeout
        self._keepalive = settings.keepalive
        super().init_process()

    def handle_quit(self, sig: int, frame: object) -> None:
        """SIGQUIT and SIGINT end the worker as SIGTERM does: requests under way are finished."""
        self.handle_exit(sig, frame)

    def run(self) -> None:
        """Serve until told to stop, or the parent is gone."""
        for listener in self.sockets:
            listener.setblocking(False)
            self._poll.register(listener.fileno(), select.EPOLLIN)
        self._poll.register(self.PIPE[0], select.EPOLLIN)
        self._owner_of: Callable[[Any], str | None] | None = self.app.owner
        self._threads.start()
        while self.alive and os.getppid() == self.ppid:
            self.notify()
            self._turn(_SWEEP_SECONDS)
            self._give_up()
        self._stop()

    # The waiting thread.

    def _turn(self, seconds: float) -> None:
        listeners = {listener.fileno(): listener for listener in self.sockets}
        for descriptor, _event in self._poll.poll(seconds):
            connection = self._waiting.pop(descriptor, None)
            if connection is not None:
                self._ready.put(connection.owner, connection)
            elif descriptor in listeners:
                self._accept(listeners[descriptor])
            elif descriptor == self.PIPE[0]:
                with contextlib.suppress(BlockingIOError):
                    os.read(descriptor, 4096)

    def _accept(self, listener: Any) -> None:
        for _ in range(_ACCEPT_AT_ONCE):
            try:
                raw, peer = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                log.warning("cannot accept connections: %s", os.strerror(error.errno))
                self._evict()
                time.sleep(0.05)  # the listener stays readable: do not spin
                return
            if len(self._connections) >= self._limit:
                self._complain()
                if not self._evict():
                    raw.close()
                    continue
            self._welcome(raw, peer, listener.getsockname())

    def _welcome(self, raw: socket.socket, peer: Any, server: Any) -> None:
        connection = Connection(raw, (peer, server), self._context, self.cfg, self._patience, self._threads.parked)
        self._connections.add(connection)
        self._waiting[connection.descriptor] = connection
        self._poll.register(connection.descriptor, select.EPOLLIN | select.EPOLLONESHOT)

    def _evict(self) -> bool:
        """Close a waiting connection: the idle one whose time ends first, or the oldest ones, idle or not, of an owner
        who has more than a quarter of all.
        """
        waiting = list(self._waiting.values())
        count = Counter(connection.owner for connection in waiting)
        greedy, number = next(iter(count.most_common(1)), (None, 0))
        of_one = number > self._limit // 4
        victims = [c for c in waiting if (c.owner == greedy if of_one else c.idle)]
        victims.sort(key=lambda connection: connection.born if of_one else connection.deadline)
        evicted = False
        for victim in victims[: _EVICT_AT_ONCE if of_one else 1]:
            if self._waiting.pop(victim.descriptor, None) is not None:
                self._drop(victim)
                evicted = True
        return evicted

    def _complain(self) -> None:
        now = time.monotonic()
        if now - self._complained >= _COMPLAIN_SECONDS:
            self._complained = now
            log.warning(
                "%d connections are open, the most that this process takes: it closes waiting ones of whoever has "
                "the most, to accept others",
                len(self._connections),
            )

    def _give_up(self) -> None:
        now = time.monotonic()
        for connection in list(self._waiting.values()):
            if connection.deadline <= now and self._waiting.pop(connection.descriptor, None) is not None:
                if connection.begun:
                    connection.late = True
                    self._ready.put(connection.owner, connection)  # a thread tells the client
                else:
                    self._drop(connection)

    def _stop(self) -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(DIE_SECONDS)
        for listener in self.sockets:
            self._poll.unregister(listener.fileno())
            listener.close()
        self.sockets = []
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            for connection in list(self._waiting.values()):
                if connection.idle and self._waiting.pop(connection.descriptor, None) is not None:
                    self._drop(connection)
            if not self._connections:
                break
            self._turn(0.05)
            self._give_up()
        self._ready.stop()

    # The threads that answer.

    def _work(self, owner: Hashable, connection: Connection) -> Hashable:
        connection.holder = owner
        try:
            return self._continue(connection)
        except Exception:
            log.exception("a connection was dropped")
            self._drop(connection)
            return connection.holder

    def _continue(self, connection: Connection) -> Hashable:
        """Serve a connection as long as it needs a thread; returns who holds that then."""
        holder = connection.holder
        while True:
            need = connection.advance()
            if need is Need.SERVICE:
                owner = self._identify(connection)
                if owner != holder:
                    if not self._ready.move(holder, owner):
                        self._ready.put(owner, connection)
                        return holder
                    connection.holder = holder = owner
                if self._exchange.serve(connection):
                    connection.rest(self._keepalive)
                else:
                    connection.last()
                    continue
                if not connection.quiet:
                    if self._ready.empty() and not worn():
                        continue
                    self._ready.put(owner, connection)  # who sends many requests at once waits his turn for each
                    return holder
                need = Need.READ  # the kernel knows of all that comes now
            if need is Need.END:
                self._drop(connection)
                return holder
            at_leisure = self.alive and self._ready.empty() and not worn()
            if connection.idle and at_leisure and connection.soon(_SOON_SECONDS):
                continue
            self._wait(connection, need)
            return holder

    def _identify(self, connection: Connection) -> Hashable:
        """Whom the connection counts for, from now on."""
        if self._owner_of is not None and connection.name is None and connection.tls.chain:
            connection.name = self._owner_of(connection.tls)
        return connection.owner

    def _wait(self, connection: Connection, need: Need) -> None:
        self._waiting[connection.descriptor] = connection
        # From here on the connection is the waiting thread's.
        self._poll.modify(connection.descriptor, need.value | select.EPOLLONESHOT)

    def _drop(self, connection: Connection) -> None:
        self._connections.discard(connection)
        with contextlib.suppress(OSError):  # it was never registered, or the descriptor is gone
            self._poll.unregister(connection.descriptor)
        connection.close()
