"""jobRegister and jobSubmit: from a JDL text to a job that exists, durably, in all three places.

The order is fixed: the sandbox directory under its final name, RegJob at the bookkeeping server, the rows in the
database, the answer.  What a crash leaves is a directory without a row, which :mod:`wmproxy.recovery` removes
(and tells L&B about); what a refusal leaves is nothing.  A compound job is registered in the same steps: one
directory, one RegJob that makes all nodes at L&B, its row and those of its nodes in one transaction.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.engine import Connection

from delegation.store import Delegation, DelegationStore
from grid.doorbell import ring
from grid.errors import DelegationError, GridError
from grid.faultpoints import point
from grid.jobid import JobId
from grid.states import Source
from gsi.identity import Identity
from jdl.check import check
from jdl.complete import complete_for_match
from jdl.compound import Compound, CompoundKind, expand
from jdl.job import user_tags
from jdl.nodes import ListExpr
from jdl.parser import SUBMITTED, parse
from jdl.tree import ClassAd
from lb.events import Event
from lb.producer import JobLog
from lb.registration import Registrar
from storage.errors import OutcomeUnknown
from wmproxy import acl, jobs
from wmproxy.authorization import AuthorizationPoint
from wmproxy.capabilities import check_served
from wmproxy.descriptions import Descriptions
from wmproxy.errors import InputMissing, NotForCompound, TooManyFiles
from wmproxy.handover import Handover, Handovers
from wmproxy.jobs import SEED, Job, Kind, Phase
from wmproxy.ledger import Ledger
from wmproxy.quota import Quota
from wmproxy.recovery import Recovery
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

log = logging.getLogger("wms.wmproxy")

_KINDS = {CompoundKind.COLLECTION: Kind.COLLECTION, CompoundKind.DAG: Kind.DAG}
_JOB_TYPES = {Kind.JOB: "SIMPLE", Kind.COLLECTION: "COLLECTION", Kind.DAG: "DAG"}


@dataclass(frozen=True)
class Request:
    """A checked description, before there is a job.

    :ivar ad: the description itself; of a compound job its own attributes.
    :ivar compound: the nodes, or None for a simple job.
    """

    text: str
    ad: ClassAd
    compound: Compound | None


@dataclass(frozen=True)
class Registered:
    """What was registered: a job, and its nodes in their order."""

    record: Job
    nodes: Sequence[Job] = ()


@dataclass(frozen=True)
class _New:
    """A job that is made, of which nothing is anywhere yet.

    :ivar ad: the registered description; of a compound job without its nodes.
    :ivar proxy: the file of the delegated proxy.
    :ivar registration: the RegJob.
    :ivar events: those after it.
    """

    registered: Registered
    request: Request
    ad: ClassAd
    proxy: bytes
    registration: Event
    events: Sequence[Event]


class Registration:
    """Registers and submits jobs."""

    def __init__(
        self,
        settings: WmproxySettings,
        ledger: Ledger,
        sandboxes: Sandboxes,
        delegations: DelegationStore,
        authorization: AuthorizationPoint,
        registrar: Registrar,
        recovery: Recovery,
        descriptions: Descriptions,
        handovers: Handovers,
        quota: Quota,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sandboxes = sandboxes
        self._delegations = delegations
        self._authorization = authorization
        self._registrar = registrar
        self._recovery = recovery
        self._descriptions = descriptions
        self._handovers = handovers
        self._quota = quota

    def register(self, caller: Identity, text: str, delegation_id: str) -> Registered:
        """Register a job, with all its nodes or not at all; its input sandbox is open until it is started.

        :raises JdlError: 15xx, with line and column; there is no job then.
        :raises DelegationError: when the delegation id names no proxy of the caller's.
        :raises LoggingFailure: when L&B does not confirm in time; there is no job then.
        :raises GridError: 1224, when the caller's quota is used up.
        """
        self._quota.admit(caller.dn, waits=True)
        new = self._new(caller, text, delegation_id)
        made = new.registered
        with self._existing(new, ("JDLToStart", new.ad.text())):
            self._ledger.commit(lambda connection: jobs.insert(connection, made.record, made.nodes), new.events)
        point("wmproxy.register.committed")
        return made

    def submit(self, caller: Identity, text: str, delegation_id: str, client: str) -> Registered:
        """Register and start in one: the job is in the broker's queue when this returns.

        :raises GridError: as :meth:`register`.
        """
        self._quota.admit(caller.dn, waits=False)
        new = self._new(caller, text, delegation_id)
        handover = self._handover(new, client)
        record, nodes = new.registered.record, new.registered.nodes
        started = Registered(
            replace(record, phase=Phase.STARTED, sequence_code=handover.sequence_code),
            [replace(node, phase=Phase.STARTED, sequence_code=handover.codes[node.job]) for node in nodes],
        )

        def unit(connection: Connection) -> None:
            jobs.insert(connection, started.record, started.nodes)
            handover.enqueue(connection)

        # There is no moment at which the job waits for its start, so it never has the description of one that waits.
        with self._existing(new, ("JDLStarted", handover.text)):
            self._ledger.commit(unit, [*new.events, *handover.events])
        point("wmproxy.submit.committed")
        ring(self._settings.broker_doorbell)
        return started

    def check_for_match(self, caller: Identity, text: str, delegation_id: str) -> tuple[ClassAd, Path]:
        """The checked description for jobListMatch, with what the server adds for matching, and the delegated proxy's
        file; no job is made.

        :raises GridError: as :meth:`register`.
        :raises NotForCompound: for a compound job, of which each node has matches of its own.
        """
        delegation = self._delegation(caller, delegation_id)
        return self._for_matching(caller, text, delegation.identity), delegation.path

    def check_for_explanation(self, caller: Identity, text: str) -> ClassAd:
        """As :meth:`check_for_match` for a caller who delegates nothing: his own proxy counts."""
        return self._for_matching(caller, text, caller)

    def _for_matching(self, caller: Identity, text: str, runs_as: Identity) -> ClassAd:
        request = self._checked(text, runs_as)
        if request.compound is not None:
            raise NotForCompound("Operation permitted only for normal job")
        ad = complete_for_match(request.ad)
        ad.set("VirtualOrganisation", str(runs_as.vo))
        ad.set("CertificateSubject", caller.dn)
        if runs_as.fqans:
            ad.set("VOMS_FQAN", str(runs_as.fqans[0]))
        return ad

    # -- steps -------------------------------------------------------------------------------------------

    def _new(self, caller: Identity, text: str, delegation_id: str) -> _New:
        """Check a description and make the job."""
        delegation = self._delegation(caller, delegation_id)
        identity = delegation.identity
        request = self._checked(text, identity)
        kind = Kind.JOB if request.compound is None else _KINDS[request.compound.kind]
        fqans = tuple(str(fqan) for fqan in identity.fqans)
        job = JobId.new(self._settings.lb_host, self._settings.lb_port)
        record = Job(job, caller.dn, str(identity.vo), fqans, Phase.REGISTERED, "", kind=kind)
        names = [node.name for node in request.compound.nodes] if request.compound else []
        nodes = [record.node(name, index) for index, name in enumerate(names)]
        ad = self._descriptions.registered(request.ad, record)
        joblog = JobLog(job, caller.dn, Source.NetworkServer, None, self._settings.host)
        registration = self._registration(joblog, ad, kind, len(nodes))
        tags = [joblog.event("UserTag", name=name, value=value) for name, value in user_tags(request.ad)]
        ad.set("LB_sequence_code", joblog.seqcode)
        registered = Registered(replace(record, sequence_code=joblog.seqcode), nodes)
        return _New(registered, request, ad, delegation.pem, registration, tags)

    @contextlib.contextmanager
    def _existing(self, new: _New, description: tuple[str, str]) -> Iterator[None]:
        """Put a job on the disk and tell L&B of it; the rows are written inside.

        :param description: name and text of the file with the description as it stands.
        """
        record = new.registered.record
        name, text = description
        files = [
            ("user.proxy", new.proxy),
            ("JDLOriginal", new.request.text.encode("utf-8") + b"\n"),
            (name, text.encode("utf-8") + b"\n"),
            (".gacl", acl.first(record.owner)),
        ]
        with self._sandboxes.create(record.job, files), self._undone_on_error(record.job):
            point("wmproxy.register.directory")
            self._registrar.register(new.registration)
            point("wmproxy.register.logged")
            yield

    def _registration(self, joblog: JobLog, ad: ClassAd, kind: Kind, nodes: int) -> Event:
        """The RegJob; L&B makes the nodes from their number and the seed."""
        return joblog.event(
            "RegJob",
            jdl=ad.text(),
            ns=self._settings.endpoint,
            jobtype=_JOB_TYPES[kind],
            nsubjobs=nodes or None,
            seed=SEED if nodes else None,
        )

    def _handover(self, new: _New, client: str) -> Handover:
        made, compound = new.registered, new.request.compound
        archives = new.ad.strings("ZippedISB")
        if archives:  # there was no moment for uploading them
            place = self._sandboxes.url(made.record.job, "input")
            raise InputMissing(str(made.record.job), archives[:1], place)
        if compound is None:
            return self._handovers.simple(made.record, new.ad, client)
        return self._handovers.compound(made.record, new.ad, compound, made.nodes, client)

    def _delegation(self, caller: Identity, delegation_id: str) -> Delegation:
        delegation = self._delegations.get(caller, delegation_id)
        if delegation.identity.dn != caller.dn:
            raise DelegationError("Unable to get delegated Proxy: it is somebody else's")
        self._authorization.admit(delegation.identity)
        return delegation

    def _checked(self, text: str, identity: Identity) -> Request:
        ad = parse(text, limits=SUBMITTED)
        compound = expand(ad, vo=identity.vo or "")
        if compound is None:
            own = check(ad, vo=identity.vo or "").ad
            self._check_served(own)
            return Request(text, own, None)
        self._check_served(compound.ad)
        for node in compound.nodes:
            self._check_served(node.ad)
        return Request(text, compound.ad, compound)

    def _check_served(self, ad: ClassAd) -> None:
        check_served(ad)
        inputs, outputs = _entries(ad, "InputSandbox"), _entries(ad, "OutputSandbox")
        if inputs > self._settings.max_input_sandbox_files:
            raise TooManyFiles("input", inputs, self._settings.max_input_sandbox_files)
        if outputs > self._settings.max_output_sandbox_files:
            raise TooManyFiles("output", outputs, self._settings.max_output_sandbox_files)

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


def _entries(ad: ClassAd, name: str) -> int:
    """How many entries a sandbox has.  They are not evaluated: those of a node may refer to files of other nodes."""
    listed = ad.get(name)
    if listed is None or isinstance(listed, ListExpr):
        return len(listed.items) if listed is not None else 0
    value = ad.value(name)  # a single file, or the name of a list
    return len(value) if isinstance(value, tuple) else 1
