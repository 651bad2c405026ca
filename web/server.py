"""The server that every service runs under: HTTPS with client proxies, pre-fork, threads.

gunicorn supervises the workers; :mod:`web.worker` is what they run.  There is no plain HTTP.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import resource
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from grid.collector import settle
from grid.errors import ConfigurationError
from web.worker import MAX_CONNECTIONS, GsiWorker

log = logging.getLogger("wms.web")

Bind = str
"""``host:port`` or ``[v6 address]:port``."""

DESCRIPTORS: Final = 4 * MAX_CONNECTIONS
"""File descriptors that each process wants."""

_ARBITER_STOP: Final = 4
"""Seconds after which the arbiter kills workers that did not stop; less than what ``serve`` promises."""

_HEARTBEAT: Final = 120
"""Seconds without a sign of life after which the arbiter replaces a worker (starting counts)."""


class App(Protocol):
    """What a worker serves."""

    @property
    def wsgi(self) -> Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]:
        """The WSGI callable."""
        ...

    # Optional: ``owner(tls)``, the name of the user behind a GSI socket, None without a valid certificate.  Users
    # take turns at the worker's threads; without it clients' addresses do.

    def close(self) -> None:
        """Stop background threads, finish writing; called once, when the worker ends.  At most 2 s."""
        ...


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How to serve.

    :ivar name: of the service, for messages.
    :ivar binds: addresses.
    :ivar certificate: of the host, PEM, with its chain.
    :ivar key: of the host, PEM.
    :ivar workers: processes.
    :ivar threads: of each process: the requests under way at once.
    :ivar request_timeout: seconds that a client in all may keep the server waiting in one request, to which comes
        one second for each kilobyte that moves.
    :ivar max_body: bytes of one request; an application may allow less.
    :ivar run_dir: for the workers' heartbeat files; private.
    :ivar keepalive: seconds that a connection may wait for its next request.
    """

    name: str
    binds: tuple[Bind, ...]
    certificate: Path
    key: Path
    run_dir: Path
    workers: int = 1
    threads: int = 16
    request_timeout: float = 30.0
    max_body: int = 1 << 32
    keepalive: int = 65


def serve(make_app: Callable[[], App], settings: ServerSettings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit status of the process.

    Called in the main thread of a process of its own.  ``make_app`` runs in each worker, after the fork.
    A stop takes less than 5 s: requests under way have 2 s, then the application is closed.  When this process is
    killed, its workers stop at once by themselves.

    :raises ConfigurationError: when a setting cannot work.
    """
    _check(settings)
    os.umask(0o077)
    _raise_descriptors()
    arbiter_pid = os.getpid()
    try:
        _Arbiter(_Service(make_app, settings)).run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    if os.getpid() != arbiter_pid:
        # A worker comes back through the arbiter's own stack.  It must not run what the caller, who thinks
        # himself the arbiter, does next, nor wait for threads that the stop has given up.
        logging.shutdown()
        os._exit(status & 0xFF)
    return status


class _Service(BaseApplication):  # type: ignore[misc]
    """gunicorn's view of a service: its settings, and the application that a worker makes."""

    def __init__(self, make_app: Callable[[], App], settings: ServerSettings) -> None:
        self._make_app = make_app
        self._made: App | None = None
        self.owner: Callable[[Any], str | None] | None = None
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        settings = self.settings
        chosen: dict[str, Any] = {
            "bind": list(settings.binds),
            "workers": settings.workers,
            "threads": settings.threads,
            "worker_class": GsiWorker,
            "keepalive": settings.keepalive,
            "timeout": _HEARTBEAT,
            "graceful_timeout": _ARBITER_STOP,
            "certfile": str(settings.certificate),
            "keyfile": str(settings.key),
            "worker_tmp_dir": str(settings.run_dir),
            "proc_name": settings.name,
            "umask": 0o077,
            "backlog": 512,
            "accesslog": None,
            "errorlog": "-",
            "loglevel": "warning",
            "control_socket_disable": True,
            "http_parser": "python",
            # Nothing in front of us is trusted to say who or what is at the other end.
            "secure_scheme_headers": {},
            "forwarder_headers": "",
            "header_map": "drop",
            "post_fork": _hear,
            "post_worker_init": settle,
            "worker_exit": self._close,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Iterable[bytes]]:
        self._made = self._make_app()
        self.owner = getattr(self._made, "owner", None)
        return self._made.wsgi

    def _close(self, _arbiter: Arbiter, _worker: GsiWorker) -> None:
        if self._made is not None:
            self._made.close()


class _Arbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's arbiter without what would run a second generation of a service beside the first."""

    def _ignore(self) -> None:
        log.warning("signals to reload or to change the number of workers are ignored; restart the service")

    handle_hup = handle_usr2 = handle_ttin = handle_ttou = _ignore

    def handle_int(self) -> None:
        """SIGINT stops as SIGTERM does."""
        self.handle_term()

    handle_quit = handle_int


def _hear(arbiter: Arbiter, worker: GsiWorker) -> None:
    """Stop a worker that is told to while it is being born.

    Until it has signal handlers of its own, a SIGTERM goes into its copy of the arbiter's queue, where nobody looks.
    """
    signal.signal(signal.SIGTERM, worker.handle_exit)
    with contextlib.suppress(queue.Empty):
        while True:
            if arbiter.SIG_QUEUE.get_nowait() == signal.SIGTERM:
                worker.alive = False


def _raise_descriptors() -> None:
    """Take as many file descriptors as the connections of a worker and what they are about may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < DESCRIPTORS:
        log.warning(
            "the system allows %d file descriptors, so each process takes %d connections at most; %d would do "
            "(ulimit -n, LimitNOFILE)",
            wanted,
            min(MAX_CONNECTIONS, wanted // 2),
            DESCRIPTORS,
        )


def _check(settings: ServerSettings) -> None:
    if not settings.binds:
        raise ConfigurationError(f"the service {settings.name} has no address to listen at")
    if settings.workers < 1 or settings.threads < 1:
        raise ConfigurationError(f"the service {settings.name} needs at least one worker with one thread")
    for path in (settings.certificate, settings.key):
        if not os.access(path, os.R_OK):
            raise ConfigurationError(f"the service {settings.name} cannot read {path}; check the host credential")
    if not settings.run_dir.is_dir():
        raise ConfigurationError(f"the run directory {settings.run_dir} of {settings.name} does not exist")
