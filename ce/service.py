"""The computing element as a service: one worker process with the SOAP ports, the executor, the fork batch system
and the LDAP server of the resource level."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine

from ce import database
from ce.accounts import AccountMap
from ce.authorization import Authorization
from ce.board import EventBoard
from ce.certificates import CertificateCopy
from ce.executor import Executor
from ce.fork import Fork
from ce.interpreter import choose
from ce.jobs import Jobs
from ce.port import CreamPort
from ce.proxies import Proxies
from ce.publisher import Publisher
from ce.settings import CeSettings
from ce.staging import Staging
from delegation.port import DelegationPort
from delegation.settings import DelegationSettings
from delegation.store import DelegationStore
from grid.files import make_directory
from gsi.identity import Identity
from gsi.keypool import KeyPool
from gsi.trust import TrustStore
from lb.journal import Journal
from lb.outbox import Outbox
from storage.engine import open_engine
from storage.schema import check, create
from storage.writer import GroupWriter
from web.identity import Authenticator
from web.server import ServerSettings
from wsdl.contract import Contract
from wsdl.documents import Documents
from wsdl.faults import FaultWriter
from wsdl.service import soap_application

_log = logging.getLogger("wms.ce")
CREAM_WSDL = "CREAM2.wsdl"
DELEGATION_WSDL = "WMProxy-gridsite-delegation-2.0.0.wsdl"
CREAM_PATH = "/ce-cream/services/CREAM2"
DELEGATION_PATH = "/ce-cream/services/gridsite-delegation"
_LONGEST_CLOSE = 5.0


class _Closable(Protocol):
    def close(self) -> None: ...


P = TypeVar("P", bound=_Closable)
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def create_schema(settings: CeSettings) -> None:
    """Create or migrate the tables, and give the database its id.  Before the service starts, never in a worker."""
    engine = open_engine(settings.database_url)
    try:
        create(engine, database.metadata, database.SCHEMA_VERSION)
        with engine.begin() as connection:
            database.ensure_identity(connection)
    finally:
        engine.dispose()


def server_settings(settings: CeSettings) -> ServerSettings:
    """How :func:`web.server.serve` runs the element: one worker, since it owns the jobs' processes."""
    return ServerSettings(
        name="ce",
        binds=(settings.bind,),
        certificate=settings.host_certificate,
        key=settings.host_key,
        workers=1,
        threads=settings.threads,
        max_body=16 << 20,
        run_dir=settings.run_directory or settings.spool_directory,
    )


def make_app(settings: CeSettings) -> ComputingElement:
    """Start everything in this process; call it after the fork.

    :raises ConfigurationError: something cannot work; nothing is left running then.
    """
    element = ComputingElement(settings)
    try:
        element.start()
    except BaseException:
        element.close()
        raise
    return element


class ComputingElement:
    """The parts, started in the order of their needs and closed in the opposite one."""

    def __init__(self, settings: CeSettings) -> None:
        self._settings = settings
        self._closers: list[Callable[[], object]] = []
        self._routes: dict[str, Wsgi] = {}

    def start(self) -> None:
        """Open the database, take over what an earlier life left, and serve."""
        settings = self._settings
        engine = open_engine(settings.database_url)
        self._closers.append(engine.dispose)
        check(engine, database.metadata, database.SCHEMA_VERSION)
        writer = self._closing(GroupWriter(engine))
        accounts = AccountMap(database.accounts, settings.accounts)
        board = self._closing(EventBoard(max(1, settings.threads // 2)))
        trust = TrustStore(settings.trust_directory, settings.voms_directory, settings.policy)
        keys = self._closing(KeyPool())
        make_directory(settings.delegations_directory, 0o700)
        delegations = DelegationSettings(settings.delegations_directory, accept_limited=True)
        store = DelegationStore(delegations, trust, keys)
        publisher = self._closing(Publisher(settings, engine))

        def changed() -> None:
            board.publish()
            publisher.changed()

        executor = self._start_execution(engine, writer, accounts, store, changed)
        publisher.start()
        jobs = Jobs(settings, engine, writer, accounts, board, executor)
        authenticator = Authenticator(trust)
        self.owner = authenticator.owner
        authorization = Authorization(settings, authenticator)
        db_id = writer.run(database.ensure_identity)
        port, identify = CreamPort(settings, jobs, authorization, store, db_id), authenticator.identify
        self._routes[CREAM_PATH] = _cream(settings, port, identify)
        self._routes[DELEGATION_PATH] = _delegation(settings, DelegationPort(store, authorization.delegator), identify)

    def _start_execution(
        self,
        engine: Engine,
        writer: GroupWriter,
        accounts: AccountMap,
        store: DelegationStore,
        changed: Callable[[], None],
    ) -> Executor:
        settings = self._settings
        staging = Staging(settings, pool=accounts.pool)
        certificates = CertificateCopy(settings.trust_directory, settings.certificates_directory)
        certificates.refresh()
        self._schedule(certificates, store)
        bell = settings.interlogger_doorbell or settings.journal.with_name("interlogger.bell")
        outbox = self._closing(Outbox(database.outbox, writer, Journal(settings.journal), bell).start())
        executor = self._closing(Executor(settings, engine, writer, accounts, staging, Proxies(store), outbox, changed))
        slots = {queue.name: queue.slots for queue in settings.queues}
        interpreter = choose(settings.interpreter, accounts.local(0))
        lrms = self._closing(Fork(slots, interpreter, executor, grace=settings.kill_grace))
        executor.start(lrms)
        lrms.start()
        return executor

    def _schedule(self, certificates: CertificateCopy, store: DelegationStore) -> None:
        scheduler = BackgroundScheduler(timezone="UTC")
        scheduler.add_job(certificates.refresh, "interval", seconds=10, coalesce=True, max_instances=1)
        scheduler.add_job(store.sweep, "interval", minutes=10, coalesce=True, max_instances=1)
        scheduler.start()
        self._closers.append(lambda: scheduler.shutdown(wait=False))

    def _closing(self, part: P) -> P:
        self._closers.append(part.close)
        return part

    @property
    def wsgi(self) -> Wsgi:
        """The WSGI callable."""
        return self._answer

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        route = self._routes.get(environ.get("PATH_INFO", ""))
        if route is not None:
            return route(environ, start_response)
        text = f"There is nothing here; the services are {', '.join(self._routes)}\n".encode()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(text)))]
        start_response("404 Not Found", headers)
        return [text]

    def close(self) -> None:
        """Stop every thread; jobs run on and are adopted at the next start."""
        began = time.monotonic()
        while self._closers:
            self._closers.pop()()
        if time.monotonic() - began > _LONGEST_CLOSE:
            _log.warning("closing took %.1f s", time.monotonic() - began)


def _cream(settings: CeSettings, port: CreamPort, identify: Callable[[Mapping[str, Any]], Identity]) -> Wsgi:
    contract = Contract.load(CREAM_WSDL)
    documents = Documents([CREAM_WSDL], {"CREAM2": settings.endpoint})
    places = (settings.work_directory, settings.spool_directory, settings.trust_directory, settings.host_key.parent)
    faults = FaultWriter(contract, aliases={"Authentication": "Authorization"}, hidden=places)
    return soap_application(contract, {"CREAM2": port}, documents, fault=faults, identify=identify)


def _delegation(settings: CeSettings, port: DelegationPort, identify: Callable[[Mapping[str, Any]], Identity]) -> Wsgi:
    contract = Contract.load(DELEGATION_WSDL)
    name = next(iter(contract.ports))
    documents = Documents([DELEGATION_WSDL], {name: settings.delegation_endpoint})
    return soap_application(contract, {name: port}, documents, identify=identify)
