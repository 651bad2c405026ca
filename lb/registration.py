"""Registration of jobs: a RegJob goes straight to the bookkeeping server and is answered before the caller goes on."""

from __future__ import annotations

import ssl
import threading

from grid.errors import LoggingFailure, TimedOut
from lb import ulm, wire
from lb.channel import ChannelSettings, Dialler
from lb.errors import EventError, FrameError, RegistrationRefused
from lb.events import Event
from lb.wire import Major

_KEPT = 4
_AGAIN = frozenset((Major.NOMEM, Major.SYS, Major.TIME, Major.DBERR, Major.AUTH))
"""Answers that say nothing about the event itself: the server may take it at another time."""


class Registrar:
    """Registers jobs over kept TLS connections; any number of threads may share one.

    :param settings: the service's credential and how long a registration may take (``deadline``, seconds).
    """

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings
        self._dialler = Dialler(settings)
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, int], list[ssl.SSLSocket]] = {}

    def register(self, event: Event, address: tuple[str, int] | None = None) -> None:
        """Store a RegJob at the bookkeeping server; when this returns the server has it on disk.

        Registering the same job again for the same owner changes nothing, so a caller may repeat it.

        :param address: host and event port; the job id's own when None.
        :raises EventError: when the event is not a RegJob.
        :raises RegistrationRefused: when the server refuses (the job belongs to somebody else, …).
        :raises LoggingFailure: when no answer came within the deadline; the job may or may not be registered.
        """
        if event.type != "RegJob":
            raise EventError(event.type, "only RegJob is a registration")
        host, port = address or (event.jobid.host, event.jobid.store_port)
        server = f"{host}:{port}"
        message = wire.request(ulm.encode(event))
        deadline = wire.Deadline(self._settings.deadline)
        try:
            reply = self._exchange(host, port, message, deadline)
        except (TimedOut, OSError) as error:
            raise LoggingFailure(
                f"the bookkeeping server {server} did not confirm the registration of {event.jobid} "
                f"within {self._settings.deadline:g} s"
            ) from error
        if reply.major is not Major.OK:
            if reply.major in _AGAIN:
                raise LoggingFailure(f"the bookkeeping server {server} could not register {event.jobid}: {reply.text}")
            raise RegistrationRefused(str(event.jobid), server, reply.text)

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            kept, self._kept = self._kept, {}
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def _exchange(self, host: str, port: int, message: bytes, deadline: wire.Deadline) -> wire.Answer:
        server = f"{host}:{port}"
        while (connection := self._take(host, port)) is not None:
            # A kept connection may have been closed by the server meanwhile: not a failure, try the next.
            try:
                return self._ask(connection, host, port, message, deadline)
            except (FrameError, ssl.SSLError, ConnectionError):
                deadline.left(server)
        return self._ask(self._dialler.dial(host, port, deadline), host, port, message, deadline)

    def _ask(
        self, connection: ssl.SSLSocket, host: str, port: int, message: bytes, deadline: wire.Deadline
    ) -> wire.Answer:
        server = f"{host}:{port}"
        try:
            connection.settimeout(deadline.left(server))
            connection.sendall(message)
            reply = wire.read_answer(wire.answer_reader(connection), deadline, server)
        except BaseException:
            connection.close()
            raise
        self._keep(host, port, connection, reply)
        return reply

    def _take(self, host: str, port: int) -> ssl.SSLSocket | None:
        with self._lock:
            kept = self._kept.get((host, port))
            return kept.pop() if kept else None

    def _keep(self, host: str, port: int, connection: ssl.SSLSocket, reply: wire.Answer) -> None:
        with self._lock:
            kept = self._kept.setdefault((host, port), [])
            if reply.major is not Major.AUTH and len(kept) < _KEPT:
                kept.append(connection)
                return
        connection.close()
