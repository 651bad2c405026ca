"""The bookkeeping server: pages, web service and event port in one process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import storage
from grid.errors import ConfigurationError
from gsi.tls import ServerContext
from gsi.trust import TrustStore
from lb import tables
from lb.access import Access
from lb.database import LbDatabase
from lb.intake import Intake
from lb.pages import Pages
from lb.port import BookkeepingPort
from lb.settings import LbSettings
from lb.store import StoreListener
from web.identity import Authenticator
from web.server import ServerSettings
from wsdl.contract import Contract
from wsdl.documents import Documents
from wsdl.service import soap_application

__all__ = ["BookkeepingServer", "LbSettings", "create_schema", "make_app", "server_settings"]

_log = logging.getLogger("wms.lb")

WSDL = "LB.wsdl"
PORT = "LoggingAndBookkeeping"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def create_schema(settings: LbSettings) -> None:
    """Create or migrate the tables; before the service starts.

    :raises ConfigurationError: when the database cannot be used.
    """
    engine = storage.open_engine(settings.database_url)
    try:
        storage.create(engine, tables.metadata, tables.VERSION)
    finally:
        engine.dispose()


def server_settings(settings: LbSettings) -> ServerSettings:
    """How :func:`web.server.serve` is to run this service: one worker, since it has the event port."""
    return ServerSettings(
        name="lb",
        binds=(settings.query_bind, settings.soap_bind),
        certificate=settings.certificate,
        key=settings.key,
        run_dir=settings.run_dir,
        workers=1,
        threads=settings.threads,
        max_body=8 << 20,
    )


def make_app(settings: LbSettings) -> BookkeepingServer:
    """The application of one worker process, with its event port listening.

    :raises ConfigurationError: when something it needs is missing or the event port is taken.
    """
    return BookkeepingServer(settings)


class BookkeepingServer:
    """What a worker serves.

    :ivar wsgi: the WSGI callable: POST is SOAP, GET and HEAD are the contract (``?wsdl``) and pages.
    :ivar store_port: the event port that is really listened on.
    """

    def __init__(self, settings: LbSettings) -> None:
        trust = TrustStore(settings.trust_dir, settings.voms_dir, settings.policy)
        self._engine = storage.open_engine(settings.database_url)
        storage.check(self._engine, tables.metadata, tables.VERSION)
        authenticator = Authenticator(trust)
        self.owner = authenticator.owner
        access = Access(authenticator, settings.trusted)
        address = f"{settings.host.lower()}:{settings.query_port}"
        self._writer = storage.GroupWriter(self._engine)
        try:
            intake = Intake(settings.host, frozenset((address,)), settings.max_events)
            self.database = LbDatabase(self._engine, self._writer, intake)
            self._pages = Pages(self.database, access, settings.host.lower(), settings.query_port)
            self._documents = Documents((WSDL,), {PORT: settings.soap_url})
            port = BookkeepingPort(self.database, access, settings.max_jobs)
            self._soap = soap_application(
                Contract.load(WSDL), {PORT: port}, self._documents, identify=authenticator.identify
            )
            context = ServerContext(settings.certificate, settings.key)
            self._store = StoreListener(settings.store, context, authenticator, self.database).start()
        except ConfigurationError:
            self._writer.close()
            self._engine.dispose()
            raise
        self.store_port = self._store.port

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._soap(environ, start_response)
        document = self._documents.answer(environ)
        if document is not None:
            status, headers, body = document
        else:
            page = self._pages.answer(environ)
            status, headers, body = page.status, page.headers, page.body
        start_response(status, headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def close(self) -> None:
        """Stop the event port, finish what is being committed, let go of the database."""
        self._store.close(timeout=1.0)
        self._writer.close(timeout=5.0)
        self._engine.dispose()
        _log.info("the bookkeeping server has stopped")
