"""The WMProxy process: SOAP on one path, the sandbox files beside it, both behind the same TLS and identity."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from broker import queue
from delegation.port import DelegationPort
from delegation.settings import DelegationSettings
from delegation.store import DelegationStore
from grid.jobid import JobId
from gsi.keypool import KeyPool
from gsi.tls import client_context
from gsi.trust import TrustStore
from lb.channel import ChannelSettings
from lb.client import Bookkeeping
from lb.registration import Registrar
from storage import schema
from storage.engine import open_engine
from web.identity import Authenticator
from web.server import ServerSettings, serve
from web.transfer import FileTransfer
from wmproxy import jobs
from wmproxy.accounts import Accounts
from wmproxy.acl import AccessLists
from wmproxy.admission import Admission
from wmproxy.authorization import AuthorizationPoint
from wmproxy.control import Controller
from wmproxy.descriptions import Descriptions
from wmproxy.drain import Drain
from wmproxy.explanation import NAME as EXPLAIN
from wmproxy.explanation import ExplanationResource
from wmproxy.handover import Handovers
from wmproxy.housekeeping import Housekeeping
from wmproxy.ledger import Ledger
from wmproxy.load import LoadLimiter
from wmproxy.operations import DELEGATION_1, DELEGATION_2, PORT, keys
from wmproxy.perusal import Perusal
from wmproxy.port import WMProxyPort
from wmproxy.protocols import Protocols
from wmproxy.quota import Quota
from wmproxy.recovery import Recovery
from wmproxy.registration import Registration
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings
from wmproxy.start import Starter
from wmproxy.unpacking import Unpacking
from wmproxy.uploads import SandboxPolicy
from wmproxy.waiting import WaitingJobs
from wsdl.contract import Contract
from wsdl.documents import Documents
from wsdl.faults import FaultWriter
from wsdl.service import soap_application

log = logging.getLogger("wms.wmproxy")

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_CONTEXT_LIFETIME = 60.0
"""Seconds after which a TLS context is made anew, so that a revoked server is noticed."""


def create_schema(settings: WmproxySettings) -> None:
    """Make WMProxy's tables; called before any service that uses them starts."""
    engine = open_engine(settings.database_url)
    try:
        schema.create(engine, jobs.metadata, jobs.SCHEMA_VERSION)
    finally:
        engine.dispose()


def run(settings: WmproxySettings) -> int:
    """Serve until SIGTERM; returns the exit code."""
    _recover(settings)
    return serve(
        lambda: Application(settings),
        ServerSettings(
            name="wmproxy",
            binds=settings.binds,
            certificate=settings.certificate,
            key=settings.key,
            workers=settings.workers,
            threads=settings.threads,
            run_dir=settings.run_directory,
            max_body=max(settings.max_input_sandbox, settings.max_output_sandbox, 8 << 20),
        ),
    )


class Application:
    """What one worker process holds: database, connections and the WSGI callable."""

    def __init__(self, settings: WmproxySettings) -> None:
        self._parts = _Parts(settings)
        self._pool = KeyPool()
        trust = TrustStore(settings.certificate_directory, settings.voms_directory, settings.policy)
        delegations = DelegationStore(DelegationSettings(settings.delegation_directory), trust, self._pool)
        self._recovery = self._parts.recovery().start()
        waiting = WaitingJobs(settings, self._parts.ledger, self._parts.sandboxes)
        hourly = (delegations.sweep, self._recovery.finish, waiting.expire, self._parts.quota.recount)
        self._housekeeping = Housekeeping(settings.run_directory / "wmproxy.housekeeping", hourly)
        authenticator = Authenticator(trust)
        authorization = AuthorizationPoint(
            authenticator, self._parts.ledger.engine, self._parts.acl, settings.admitted_vos
        )
        registration = self._parts.registration(delegations, authorization, self._recovery)
        sandboxes = self._parts.sandboxes
        port = WMProxyPort(
            settings,
            authorization,
            registration,
            self._parts.starter(),
            Controller(settings, self._parts.ledger, sandboxes, self._parts.bookkeeping),
            sandboxes,
            Perusal(sandboxes, self._parts.descriptions, settings.max_perusal_files),
            delegations,
            self._parts.acl,
            self._parts.quota,
            self._parts.descriptions,
            Protocols(sandboxes, settings.document_root, settings.gridftp_host, settings.gridftp_port),
        )
        delegation = DelegationPort(delegations, authorization.delegator)
        self.owner = authenticator.owner
        contract = Contract.load("WMProxy.wsdl")
        faults = FaultWriter(contract, hidden=_own_places(settings))
        admission = Admission(authenticator.identify, self._parts.limiter(), Drain(settings.document_root))
        addresses = dict.fromkeys((PORT, DELEGATION_1, DELEGATION_2), settings.endpoint)
        self._soap: Wsgi = soap_application(
            contract,
            {PORT: port, DELEGATION_1: delegation, DELEGATION_2: delegation},
            Documents(["WMProxy.wsdl"], addresses),
            fault=faults,
            identify=authenticator.identify,
            declared=True,
            wrap=admission,
        )
        self._explanations: Wsgi = ExplanationResource(settings, authorization, registration, admission, faults)
        self._explain_path = f"{urlsplit(settings.endpoint).path.rstrip('/')}/{EXPLAIN}"
        self._files: Wsgi = FileTransfer(
            SandboxPolicy(sandboxes, authorization, self._parts.ledger, settings, self._parts.quota),
            authenticator.identify,
        )
        self._sandbox_path = f"/{settings.sandbox_directory}/"

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request."""
        if str(environ.get("PATH_INFO", "")).startswith(self._sandbox_path):
            return self._files(environ, start_response)
        if environ.get("PATH_INFO") == self._explain_path:
            return self._explanations(environ, start_response)
        return self._soap(environ, start_response)

    def close(self) -> None:
        """Stop the worker's threads."""
        self._recovery.close()
        self._housekeeping.close()
        self._pool.close()
        self._parts.close()


class _Parts:
    """What serving and recovering both need."""

    def __init__(self, settings: WmproxySettings) -> None:
        self._settings = settings
        self._channel = ChannelSettings(
            certificate=settings.host_credential,
            trust_dir=settings.certificate_directory,
            deadline=settings.registration_deadline,
        )
        self.ledger = Ledger(
            settings.database_url, settings.journal_directory / "wmproxy.0.log", settings.interlogger_doorbell
        )
        self.sandboxes = Sandboxes(settings.document_root, settings.sandbox_directory, settings.base_url)
        self.acl = AccessLists(self.sandboxes)
        self.quota = Quota(
            Accounts(settings.document_root / ".accounts"),
            self.ledger.engine,
            self.sandboxes,
            settings.quota_soft,
            settings.quota_hard,
            settings.max_waiting_jobs,
        )
        self.sandboxes.freed = self.quota.freed
        self.descriptions = Descriptions(self.sandboxes, self.ledger.engine)
        self._handovers = Handovers(settings, self.sandboxes, self.descriptions)
        self._registrar = Registrar(self._channel)
        self._lock = threading.Lock()
        self._bookkeeping: dict[tuple[str, int], tuple[float, Bookkeeping]] = {}

    def registration(
        self, delegations: DelegationStore, authorization: AuthorizationPoint, recovery: Recovery
    ) -> Registration:
        return Registration(
            self._settings,
            self.ledger,
            self.sandboxes,
            delegations,
            authorization,
            self._registrar,
            recovery,
            self.descriptions,
            self._handovers,
            self.quota,
        )

    def starter(self) -> Starter:
        limits = self._settings.max_input_sandbox_files, self._settings.max_input_sandbox
        unpacking = Unpacking(self.sandboxes, self.quota, *limits)
        return Starter(self._settings, self.ledger, self.sandboxes, self.descriptions, self._handovers, unpacking)

    def recovery(self) -> Recovery:
        return Recovery(self._settings, self.ledger, self.sandboxes, self.descriptions, self.quota.recount)

    def limiter(self) -> LoadLimiter:
        """The load limits of this process."""

        def depth(most: int) -> int:
            with self.ledger.engine.connect() as connection:
                return queue.depth(connection, most)

        settings = self._settings
        database = self.ledger.engine.url.database if self.ledger.engine.dialect.name == "sqlite" else None
        directory = Path(database).parent if database else None
        return LoadLimiter(settings.limits, keys(), settings.document_root, directory, depth)

    def bookkeeping(self, job: JobId) -> Bookkeeping:
        """The bookkeeping server of a job, asked as this host."""
        key, now = (job.host, job.port), time.monotonic()
        with self._lock:
            kept = self._bookkeeping.get(key)
            if kept is None or now - kept[0] > _CONTEXT_LIFETIME:
                context = client_context(self._settings.certificate_directory, self._settings.host_credential)
                kept = (now, Bookkeeping.of(job, context))
                self._bookkeeping[key] = kept  # the one before closes when its last user is done
        return kept[1]

    def close(self) -> None:
        self._registrar.close()
        for _, bookkeeping in self._bookkeeping.values():
            bookkeeping.close()
        self.ledger.close()


def _own_places(settings: WmproxySettings) -> tuple[Path, ...]:
    """The directories that an answer does not name."""
    return (
        settings.document_root, settings.delegation_directory, settings.journal_directory, settings.run_directory,
        settings.certificate_directory, settings.voms_directory, settings.host_credential.parent,
    )  # fmt: skip


def _recover(settings: WmproxySettings) -> None:
    """Finish what a crash cut off, before the workers start."""
    parts = _Parts(settings)
    try:
        count = parts.recovery().before_serving()
        if count:
            log.info("removed %d sandboxes of registrations or purges that were cut off", count)
        parts.quota.recount(alone=True)
    finally:
        parts.close()
