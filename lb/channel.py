"""TLS connections to event ports, as the services' own host credential."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grid.errors import LoggingFailure, TimedOut
from gsi.credential import Credential
from gsi.tls import client_context, explain
from lb import wire


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """How a service reaches event ports.

    :ivar certificate: PEM file of the service's certificate (it may hold the key too).
    :ivar key: PEM file of its private key; None when it is in ``certificate``.
    :ivar trust_dir: directory of CA certificates and CRLs.
    :ivar routes: real address for an address that job ids name, both ``host:port`` (event port); for hosts
        behind address translation, and tests.
    :ivar deadline: seconds for connecting, and for one exchange.
    """

    certificate: Path
    trust_dir: Path
    key: Path | None = None
    routes: Mapping[str, str] = field(default_factory=dict)
    deadline: float = 10.0


class Dialler:
    """Opens connections; keeps the TLS context and renews it when the credential's files change."""

    def __init__(self, settings: ChannelSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._stamp: tuple[float, ...] = ()

    def dial(self, host: str, port: int, deadline: wire.Deadline) -> ssl.SSLSocket:
        """Connect to the event port that job ids call ``host``:``port``.

        The server's certificate must name ``host`` (the name in the job id, whatever the route).

        :raises LoggingFailure: with one sentence about what failed.
        :raises TimedOut: at the deadline.
        """
        named = f"{host}:{port}"
        real_host, _, real_port = self._settings.routes.get(named, named).rpartition(":")
        plain: socket.socket | None = None
        try:
            context = self._fresh_context()
            plain = socket.create_connection((real_host.strip("[]"), int(real_port)), deadline.left(named))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.settimeout(deadline.left(named))
            return context.wrap_socket(plain, server_hostname=host.strip("[]"))
        except (OSError, TimedOut) as error:  # ssl.SSLError and time-outs are among them
            if plain is not None:
                plain.close()
            if isinstance(error, TimedOut):
                raise
            raise LoggingFailure(explain(error, real_host, int(real_port))) from error

    def _fresh_context(self) -> ssl.SSLContext:
        settings = self._settings
        files = (settings.certificate, settings.key or settings.certificate, settings.trust_dir)
        stamp = tuple(path.stat().st_mtime for path in files)
        with self._lock:
            if self._context is None or stamp != self._stamp:
                if settings.key is None:
                    context = client_context(settings.trust_dir, settings.certificate)
                else:
                    Credential.load_pair(settings.certificate, settings.key)  # its errors say what is wrong
                    context = client_context(settings.trust_dir)
                    context.load_cert_chain(settings.certificate, settings.key)
                self._context, self._stamp = context, stamp
            return self._context
