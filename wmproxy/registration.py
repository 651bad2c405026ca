"""jobRegister and jobSubmit: from a JDL text to a job that exists, durably, in all three places.

The order is fixed: the sandbox directory under its final name, RegJob at the bookkeeping server, the row in the
database, the answer.  What a crash leaves is a directory without a row, which :mod:`wmproxy.recovery` removes
(and tells L&B about); what a refusal leaves is nothing.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy.engine import Connection

from broker import queue
from delegation.store import Delegation, DelegationStore
from grid.doorbell import ring
from grid.errors import DelegationError, GridError, InvalidArgument
from grid.faultpoints import point
from grid.files import write_private
from grid.jobid import JobId
from grid.states import Source
from gsi.identity import Identity
from jdl.check import check
from jdl.complete import ServerAttributes, complete
from jdl.job import JobDescription
from jdl.parser import SUBMITTED, parse
from jdl.tree import ClassAd
from lb.events import Event
from lb.producer import JobLog
from lb.registration import Registrar
from storage.errors import OutcomeUnknown
from wmproxy import acl, jobs
from wmproxy.authorization import AuthorizationPoint
from wmproxy.capabilities import check_served
from wmproxy.errors import TooManyFiles
from wmproxy.jobs import Job, Phase
from wmproxy.ledger import Ledger
from wmproxy.preparation import prepare
from wmproxy.quota import Quota
from wmproxy.recovery import Recovery
from wmproxy.sandboxes import JobDirectory, Sandboxes
from wmproxy.settings import WmproxySettings
from wmproxy.start import handover

log = logging.getLogger("wms.wmproxy")


class Registration:
    """Registers and submits jobs, and answers what was registered."""

    def __init__(
        self,
        settings: WmproxySettings,
        ledger: Ledger,
        sandboxes: Sandboxes,
        delegations: DelegationStore,
        authorization: AuthorizationPoint,
        registrar: Registrar,
        recovery: Recovery,
        quota: Quota,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sandboxes = sandboxes
        self._delegations = delegations
        self._authorization = authorization
        self._registrar = registrar
        self._recovery = recovery
        self._quota = quota

    def register(self, caller: Identity, text: str, delegation_id: str) -> Job:
        """Register a job; its input sandbox is open until it is started.

        :raises JdlError: 15xx, with line and column; there is no job then.
        :raises DelegationError: when the delegation id names no proxy of the caller's.
        :raises LoggingFailure: when L&B does not confirm in time; there is no job then.
        :raises GridError: 1224, when the caller's quota is used up.
        """
        self._quota.admit(caller.dn, waits=True)
        with self._existing(caller, text, delegation_id) as (record, _, _, events):
            self._ledger.commit(lambda connection: jobs.insert(connection, record), events)
        point("wmproxy.register.committed")
        return record

    def submit(self, caller: Identity, text: str, delegation_id: str, client: str) -> Job:
        """Register and start in one: the job is in the broker's queue when this returns.

        :raises GridError: as :meth:`register`.
        """
        self._quota.admit(caller.dn, waits=False)
        with self._existing(caller, text, delegation_id) as (record, directory, ad, events):
            joblog = JobLog(record.job, record.owner, Source.NetworkServer, record.sequence_code, self._settings.host)
            more, submission = handover(
                joblog,
                prepare(ad, record.job, self._sandboxes, self._settings.min_perusal_interval),
                record,
                directory,
                client,
            )
            started = replace(record, phase=Phase.STARTED, sequence_code=joblog.seqcode)

            def unit(connection: Connection) -> None:
                jobs.insert(connection, started)
                queue.enqueue(connection, submission, expiry_period=self._settings.expiry_period)

            write_private(directory.started_jdl, submission.ad.encode("utf-8") + b"\n")
            self._ledger.commit(unit, [*events, *more])
        point("wmproxy.submit.committed")
        ring(self._settings.broker_doorbell)
        return started

    def check_for_match(self, caller: Identity, text: str, delegation_id: str) -> ClassAd:
        """The checked description for jobListMatch, with what the server adds for matching; no job is made.

        :raises GridError: as :meth:`register`.
        """
        delegation = self._delegation(caller, delegation_id)
        ad = self._checked(text, delegation.identity)
        ad.set("VirtualOrganisation", str(delegation.identity.vo))
        ad.set("CertificateSubject", caller.dn)
        if delegation.identity.fqans:
            ad.set("VOMS_FQAN", str(delegation.identity.fqans[0]))
        return ad

    def jdl(self, record: Job, kind: str) -> str:
        """The description as it was sent (``ORIGINAL``) or as it stands now (``REGISTERED``), one ClassAd text.

        :raises InvalidArgument: for another kind.
        """
        directory = self._sandboxes.of(record.job)
        if kind == "ORIGINAL":
            return parse(directory.original_jdl.read_text("utf-8")).pretty()
        if kind != "REGISTERED":
            raise InvalidArgument(f"the type of a JDL is ORIGINAL or REGISTERED, not {kind[:40]!r}")
        path = directory.started_jdl if record.phase is Phase.STARTED else directory.jdl_to_start
        return parse(path.read_text("utf-8")).pretty()

    # -- steps -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _existing(
        self, caller: Identity, text: str, delegation_id: str
    ) -> Iterator[tuple[Job, JobDirectory, ClassAd, list[Event]]]:
        """Everything but the row, which the caller writes inside: checked, on disk, and known to L&B."""
        delegation = self._delegation(caller, delegation_id)
        identity = delegation.identity
        ad = self._checked(text, identity)
        description = JobDescription.of(ad)
        job = JobId.new(self._settings.lb_host, self._settings.lb_port)
        joblog = JobLog(job, caller.dn, Source.NetworkServer, None, self._settings.host)
        directory = self._sandboxes.of(job)
        complete_ad = complete(ad, self._server_attributes(job, caller, identity, directory))
        registration = joblog.event(
            "RegJob", jdl=complete_ad.text(), ns=self._settings.endpoint, jobtype="SIMPLE"
        )
        tags = [joblog.event("UserTag", name=name, value=value) for name, value in description.user_tags]
        complete_ad.remove("UserTags")
        complete_ad.set("LB_sequence_code", joblog.seqcode)
        fqans = tuple(str(fqan) for fqan in identity.fqans)
        record = Job(job, caller.dn, str(identity.vo), fqans, Phase.REGISTERED, joblog.seqcode)
        files = [
            ("user.proxy", delegation.pem),
            ("JDLOriginal", text.encode("utf-8") + b"\n"),
            ("JDLToStart", complete_ad.text().encode("utf-8") + b"\n"),
            (".gacl", acl.first(caller.dn)),
        ]
        with self._sandboxes.create(job, files), self._undone_on_error(job):
            point("wmproxy.register.directory")
            self._registrar.register(registration)
            point("wmproxy.register.logged")
            yield record, directory, complete_ad, tags

    def _delegation(self, caller: Identity, delegation_id: str) -> Delegation:
        delegation = self._delegations.get(caller, delegation_id)
        if delegation.identity.dn != caller.dn:
            raise DelegationError("Unable to get delegated Proxy: it is somebody else's")
        self._authorization.admit(delegation.identity)
        return delegation

    def _checked(self, text: str, identity: Identity) -> ClassAd:
        ad = check(parse(text, limits=SUBMITTED), vo=identity.vo or "").ad
        check_served(ad)
        inputs, outputs = ad.strings("InputSandbox"), ad.strings("OutputSandbox")
        if len(inputs) > self._settings.max_input_sandbox_files:
            raise TooManyFiles("input", len(inputs), self._settings.max_input_sandbox_files)
        if len(outputs) > self._settings.max_output_sandbox_files:
            raise TooManyFiles("output", len(outputs), self._settings.max_output_sandbox_files)
        return ad

    def _server_attributes(
        self, job: JobId, caller: Identity, identity: Identity, directory: JobDirectory
    ) -> ServerAttributes:
        return ServerAttributes(
            virtual_organisation=str(identity.vo),
            job_id=str(job),
            sandbox_uri=self._sandboxes.url(job),
            input_path=str(directory.input),
            output_path=str(directory.output),
            subject=caller.dn,
            proxy_path=str(directory.proxy),
            fqan=str(identity.fqans[0]) if identity.fqans else "",
        )

    @contextlib.contextmanager
    def _undone_on_error(self, job: JobId) -> Iterator[None]:
        try:
            yield
        except OutcomeUnknown:
            raise  # the row may yet become durable: then the job exists, else Recovery ends it
        except BaseException as error:
            reason = error.description if isinstance(error, GridError) else "the server failed"
            self._recovery.abandon(job, f"the registration failed: {reason}")
            raise
