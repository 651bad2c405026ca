"""The event port: TLS connections on which producers and interloggers deliver events.

One thread per connection, a bounded number of them, a deadline for everything a peer does.  Events that have
arrived together are stored together (the writer groups their commits); each is confirmed only when it is on
disk, in the order of arrival.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Final

from grid.dn import normalise
from grid.errors import ConfigurationError, GridError, InvalidArgument, ServerOverloaded
from grid.jobid import JobId
from gsi.errors import ChainError
from gsi.identity import Identity
from gsi.tls import ServerContext
from lb import ulm, wire
from lb.admission import Sender
from lb.database import LbDatabase
from lb.errors import EventRefused, FrameError
from lb.events import Event
from lb.intake import Outcome, together
from lb.wire import Answer, Major
from web.identity import Authenticator

_log = logging.getLogger("wms.lb")

_AT_ONCE: Final = 64
_COMMIT_SECONDS: Final = 60.0
_BIND_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The event port.

    :ivar bind: ``host:port``; port 0 takes a free one.
    :ivar trusted: DNs of services that log for others, normalised or not.
    :ivar max_connections: served at once.  One more pushes out whoever has gone longest without showing the
        certificate of a trusted service: strangers cannot keep the services out.
    :ivar idle: seconds that a connection may be silent.
    :ivar patience: seconds in which a message must be whole, and an answer taken.
    """

    bind: str
    trusted: frozenset[str] = frozenset()
    max_connections: int = 200
    idle: float = 120.0
    patience: float = 30.0

    def sender(self, identity: Identity) -> Sender:
        """How a verified peer counts."""
        return Sender(identity.dn, identity.dn in {normalise(dn) for dn in self.trusted})


class StoreListener:
    """Serves the event port until closed.

    :param stored: called after each new event with its job, so that waiting readers can look again.
    """

    def __init__(
        self,
        settings: StoreSettings,
        context: ServerContext,
        authenticator: Authenticator,
        database: LbDatabase,
        stored: Callable[[JobId], None] | None = None,
    ) -> None:
        self._settings = settings
        self._context = context
        self._authenticator = authenticator
        self._database = database
        self._stored = stored or (lambda _: None)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._strangers: dict[socket.socket, None] = {}  # by age: not known to be a trusted service's
        self._services: set[socket.socket] = set()
        self._closing = False
        self._listener = _listen(settings.bind)
        self._accepting = threading.Thread(target=self._accept, name="lb-store", daemon=True)

    @property
    def port(self) -> int:
        """The port that it really listens on."""
        return int(self._listener.getsockname()[1])

    def start(self) -> StoreListener:
        """Begin to accept connections."""
        self._accepting.start()
        return self

    def close(self, timeout: float = 5.0) -> None:
        """Stop accepting, end the connections, wait for their threads."""
        with self._lock:
            self._closing = True
            connections = dict(self._open)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in (self._accepting, *connections.values()):
            if thread.is_alive():
                thread.join(timeout)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closing:
                    return
                _log.warning("the event port could not accept a connection: %s", error)
                time.sleep(0.1)  # most likely out of descriptors: give connections time to end
                continue
            with self._lock:
                if self._closing or not self._room():
                    connection.close()
                    continue
                thread = threading.Thread(target=self._serve, args=(connection,), name="lb-store-peer", daemon=True)
                self._open[connection] = thread
                self._strangers[connection] = None
            thread.start()

    def _room(self) -> bool:
        """Make room for one more connection; False when there is none (called with the lock held)."""
        limit = self._settings.max_connections
        if len(self._strangers) + len(self._services) < limit:
            return True
        victim = next(iter(self._strangers), None)
        if victim is None or len(self._open) >= 2 * limit:  # all are services', or the pushed out do not end
            return False
        del self._strangers[victim]
        with contextlib.suppress(OSError):
            victim.shutdown(socket.SHUT_RDWR)  # its thread, which waits for the peer, closes it
        return True

    def _trust(self, connection: socket.socket) -> None:
        """Nobody pushes this connection out any more; one that has just been pushed out stays so."""
        with self._lock:
            if connection in self._strangers:
                del self._strangers[connection]
                self._services.add(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with contextlib.closing(self._context.wrap_socket(connection, server_side=True)) as secure:
                self._converse(secure, connection)
        except (GridError, OSError) as error:
            _log.info("a connection to the event port ended: %s", error)
        finally:
            with self._lock:
                self._open.pop(connection, None)
                self._strangers.pop(connection, None)
                self._services.discard(connection)
            connection.close()

    def _converse(self, secure: Any, connection: socket.socket) -> None:
        reader = wire.FrameReader(secure)
        idle = self._settings.patience  # who connects has something to say
        while not self._closing:
            try:
                body = reader.read(idle, self._settings.patience)
            except FrameError as error:
                self._say(secure, [Answer(Major.PROTO, errno.EPROTO, error.description)])
                return
            if body is None:
                return
            bodies = [body]
            while len(bodies) < _AT_ONCE and (more := _buffered(reader)) is not None:
                bodies.append(more)
            try:
                identity = self._authenticator.identify({"gunicorn.socket": secure})
            except ChainError as error:
                _log.warning("events of a peer were not taken: %s", error.description)
                self._say(secure, [Answer(Major.AUTH, errno.EACCES, error.description)] * len(bodies))
                return
            sender = self._settings.sender(identity)
            idle = self._settings.idle
            if sender.trusted:
                self._trust(connection)
            pieces = [self._begin(piece, sender) for piece in _pieces(bodies, sender)]
            self._say(secure, [answer for piece in pieces for answer in self._finish(*piece)])

    def _say(self, secure: Any, answers: list[Answer]) -> None:
        secure.settimeout(self._settings.patience)
        secure.sendall(b"".join(map(wire.answer, answers)))

    def _begin(
        self, piece: list[Event] | Answer, sender: Sender
    ) -> tuple[list[Event], Future[list[Outcome]] | Answer]:
        """Hand what is stored in one piece to the writer."""
        if isinstance(piece, Answer):
            return [], piece
        try:
            return piece, self._database.submit_all(piece, sender)
        except ServerOverloaded as error:
            return piece, Answer(Major.NOMEM, errno.EAGAIN, error.description)
        except GridError as error:
            return piece, Answer(Major.SYS, errno.EIO, error.description)

    def _finish(self, events: list[Event], outcome: Future[list[Outcome]] | Answer) -> list[Answer]:
        """Wait until the events are on disk, or refused."""
        if isinstance(outcome, Answer):
            return [outcome] * max(1, len(events))
        try:
            outcomes = outcome.result(_COMMIT_SECONDS)
        except (EventRefused, InvalidArgument) as refused:
            outcomes = [refused]
        except (FutureTimeout, ServerOverloaded):
            return [Answer(Major.TIME, errno.EAGAIN, "the database is too busy; send the event again")] * len(events)
        except Exception:  # noqa: BLE001 - logged; the sender is told to come again
            _log.exception("events for %s could not be stored", events[0].jobid)
            return [Answer(Major.SYS, errno.EIO, "the event could not be stored; send it again")] * len(events)
        if True in outcomes:
            self._stored(events[0].jobid)
        return [_answer(event, one) for event, one in zip(events, outcomes, strict=True)]


def _pieces(bodies: list[bytes], sender: Sender) -> Iterator[list[Event] | Answer]:
    """Messages as pieces that are stored together, in their order; a message that is no event is its answer."""
    piece: list[Event] = []
    for body in bodies:
        try:
            event = ulm.decode(wire.parse_request(body))
        except GridError as error:
            if piece:
                yield piece
            piece = []
            wrong = isinstance(error, FrameError | InvalidArgument)
            major, minor = (Major.PROTO, errno.EINVAL) if wrong else (Major.SYS, errno.EIO)
            yield Answer(major, minor, error.description)
            continue
        if piece and not together(piece[-1], event, sender):
            yield piece
            piece = []
        piece.append(event)
    if piece:
        yield piece


def _answer(event: Event, outcome: Outcome) -> Answer:
    if isinstance(outcome, bool):
        return Answer(Major.OK)
    if isinstance(outcome, InvalidArgument):
        return Answer(Major.PROTO, errno.EINVAL, outcome.description)
    major = Major.DBERR if outcome.minor == errno.ENOENT else Major.PERM
    _log.warning("an event for %s was refused: %s", event.jobid, outcome.description)
    return Answer(major, outcome.minor, outcome.description)


def _buffered(reader: wire.FrameReader) -> bytes | None:
    """A further message that has arrived; a broken one is met by the next read."""
    try:
        return reader.buffered()
    except FrameError:
        return None


def _listen(bind: str) -> socket.socket:
    """Bind the event port; a predecessor that is just going has a moment to let go of it."""
    host, _, port = bind.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    deadline = time.monotonic() + _BIND_SECONDS
    while True:
        try:
            return socket.create_server((host.strip("[]"), int(port)), family=family, backlog=128)
        except (OSError, ValueError) as error:
            in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            if not in_use or time.monotonic() > deadline:
                hint = "another service uses it; stop that or choose another port" if in_use else str(error)
                raise ConfigurationError(f"the event port {bind} cannot be opened: {hint}") from error
            time.sleep(0.1)
