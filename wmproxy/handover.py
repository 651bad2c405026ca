"""What a start hands to the broker and tells L&B, made whole before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection

from broker import compounds, queue
from broker.compounds import CompoundSubmission, NodeSubmission
from broker.compounds import Kind as BrokerKind
from broker.queue import Submission
from grid.jobid import JobId
from grid.seqcode import SequenceCode
from grid.states import Source
from jdl.compound import Compound
from jdl.job import JobDescription, user_tags
from jdl.jobtype import INTERACTIVE
from jdl.tree import ClassAd
from lb.events import Event
from lb.producer import JobLog
from wmproxy.descriptions import Descriptions
from wmproxy.jobs import Job, Kind, Phase
from wmproxy.preparation import check_nodes_input, prepare, started
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

_QUEUE = "broker_requests"
_KINDS = {Kind.COLLECTION: BrokerKind.COLLECTION, Kind.DAG: BrokerKind.DAG}


@dataclass(frozen=True)
class Handover:
    """The parts of one start, to be written in one transaction.

    :ivar text: the started description of a simple job, or of a compound job without its nodes.
    :ivar sequence_code: the job's after :attr:`events`; the broker goes on from it.
    :ivar enqueue: puts the request into the broker's queue, inside the caller's transaction.
    :ivar codes: the sequence codes of nodes after :attr:`events`.
    """

    text: str
    sequence_code: str
    events: Sequence[Event]
    enqueue: Callable[[Connection], None]
    codes: Mapping[JobId, str] = field(default_factory=dict)


class Handovers:
    """Makes handovers."""

    def __init__(self, settings: WmproxySettings, sandboxes: Sandboxes, descriptions: Descriptions) -> None:
        self._settings = settings
        self._sandboxes = sandboxes
        self._descriptions = descriptions

    def simple(self, record: Job, registered: ClassAd, client: str) -> Handover:
        """Hand over a simple job.

        :param registered: its registered description.
        :param client: the caller's host, for the Accepted event.
        :raises InputMissing: when a file that should have been uploaded is not there.
        """
        ad = prepare(registered, record, self._sandboxes, self._settings.min_perusal_interval)
        description = JobDescription.of(ad)
        log = self._log(record)
        events = listening(log, ad)
        events += _accepted(log, ad.text(), self._sandboxes.of(record.job).started_jdl.name, client)
        ad.set("LB_sequence_code", log.seqcode)
        submission = Submission(
            job=record.job,
            owner=record.owner,
            fqans=record.fqans,
            ad=ad.text(),
            proxy=str(self._sandboxes.of(record.job).proxy),
            sequence_code=log.seqcode,
            retry_count=description.retry_count,
            expiry=None if description.expiry_time is None else float(description.expiry_time),
        )
        period = self._settings.expiry_period
        return Handover(
            submission.ad,
            log.seqcode,
            events,
            lambda connection: queue.enqueue(connection, submission, expiry_period=period),
        )

    def compound(
        self, record: Job, root: ClassAd, compound: Compound, nodes: Sequence[Job], client: str
    ) -> Handover:
        """Hand over a compound job with its nodes.

        A node that was cancelled before (and may have been purged since) is handed over too, without its files: the
        broker keeps the books of them all.

        :param root: its registered description, without nodes.
        :raises InputMissing: when a file that should have been uploaded is not there.
        """
        log = self._log(record)
        events = _accepted(log, root.text(), self._sandboxes.of(record.job).started_jdl.name, client)
        root.set("LB_sequence_code", log.seqcode)
        ads = list(self._descriptions.registered_nodes(compound, record, nodes))
        live = ((node, ad) for node, ad in zip(nodes, ads, strict=True) if node.phase is Phase.REGISTERED)
        check_nodes_input(record, live, self._sandboxes)
        submissions: list[NodeSubmission] = []
        proxy = str(self._sandboxes.of(record.job).proxy)
        for node, ad, described in zip(nodes, ads, compound.nodes, strict=True):
            final = started(ad, node, self._sandboxes, self._settings.min_perusal_interval)
            submission = self._node(node, final, user_tags(described.ad), proxy, events)
            submissions.append(NodeSubmission(submission, node.index, node.name, described.parents))
        parent = CompoundSubmission(record.job, record.owner, _KINDS[record.kind], log.seqcode)
        period = self._settings.expiry_period
        return Handover(
            root.text(),
            log.seqcode,
            events,
            lambda connection: compounds.enqueue(connection, parent, submissions, expiry_period=period),
            {node.submission.job: node.submission.sequence_code for node in submissions},
        )

    def _node(
        self, node: Job, ad: ClassAd, tags: Sequence[tuple[str, str]], proxy: str, events: list[Event]
    ) -> Submission:
        """One node's request; its registration with its description, and its tags, are added to ``events``."""
        log = self._log(node)
        code = _code_after(log.seqcode, 1 + len(tags))
        ad.set("LB_sequence_code", code)
        text = ad.text()
        events.append(
            log.event("RegJob", jdl=text, ns=self._settings.endpoint, jobtype="SIMPLE", parent=node.sandbox_owner)
        )
        events.extend(log.event("UserTag", name=name, value=value) for name, value in tags)
        expiry = ad.integer("ExpiryTime")
        return Submission(
            job=node.job,
            owner=node.owner,
            fqans=node.fqans,
            ad=text,
            proxy=proxy,
            sequence_code=code,
            retry_count=ad.integer("RetryCount") or 0,
            expiry=None if expiry is None else float(expiry),
        )

    def _log(self, record: Job) -> JobLog:
        code = record.sequence_code or None
        return JobLog(record.job, record.owner, Source.NetworkServer, code, self._settings.host)


def listening(log: JobLog, ad: ClassAd) -> list[Event]:
    """Where the user listens for the streams of an interactive job (gLite: the service ``InteractiveListener``)."""
    if ad.string("JobType") != INTERACTIVE:
        return []
    host, port = ad.string("ListenerHost") or "", ad.integer("ListenerPort") or 0
    return [log.event("Listener", svc_name="InteractiveListener", svc_host=host, svc_port=port)]


def _accepted(log: JobLog, text: str, file_name: str, client: str) -> list[Event]:
    """The events of a start: the request was taken, and put into the broker's queue."""
    return [
        log.event("Accepted", from_=Source.UserInterface, from_host=client),
        log.event("EnQueued", queue=_QUEUE, job=file_name, result="START"),
        log.event("EnQueued", queue=_QUEUE, job=text, result="OK"),
    ]


def _code_after(code: str, events: int) -> str:
    """The code that a log has after so many events: a description holds it, and is in the first of them."""
    found = SequenceCode.parse(code)
    for _ in range(events):
        found = found.bump(Source.NetworkServer)
    return str(found)
