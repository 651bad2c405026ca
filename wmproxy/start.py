"""jobStart: from an open sandbox to a request in the broker's queue."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from broker import queue
from broker.queue import Submission
from grid.doorbell import ring
from grid.errors import InternalFailure
from grid.faultpoints import point
from grid.files import write_private
from grid.states import Source
from jdl.job import JobDescription
from jdl.parser import parse
from jdl.tree import ClassAd
from lb.events import Event
from lb.producer import JobLog
from wmproxy import jobs
from wmproxy.errors import JobNotFound, WrongPhase
from wmproxy.jobs import Job, Phase
from wmproxy.ledger import Ledger
from wmproxy.preparation import prepare
from wmproxy.sandboxes import JobDirectory, Sandboxes
from wmproxy.settings import WmproxySettings

_ALREADY = {
    Phase.STARTED: "job started or start operation already in progress",
    Phase.CANCELLED: "job state (CANCELLED) doesn't allow start operation",
    Phase.PURGED: "the job was purged",
}


class Starter:
    """Starts registered jobs."""

    def __init__(self, settings: WmproxySettings, ledger: Ledger, sandboxes: Sandboxes) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sandboxes = sandboxes

    def start(self, record: Job, client: str) -> None:
        """Start a job: when this returns it is in the broker's queue for good.

        The start lock keeps uploads out: a file has its name before the start, or is refused after it.

        :param client: the caller's host, for the Accepted event.
        :raises WrongPhase: when it was started or cancelled before.
        """
        directory = self._sandboxes.of(record.job)
        try:
            with directory.locked(exclusive=True):
                with self._ledger.engine.connect() as connection:
                    current = jobs.get(connection, record.job)
                if current is None:
                    raise JobNotFound(str(record.job))
                if current.phase is not Phase.REGISTERED:
                    raise WrongPhase(str(record.job), _ALREADY[current.phase])
                ad = prepare(
                    parse(directory.jdl_to_start.read_text("utf-8")),
                    record.job,
                    self._sandboxes,
                    self._settings.min_perusal_interval,
                )
                self._hand_over(current, ad, directory, client)
        except FileNotFoundError as error:
            raise InternalFailure(f"the sandbox of {record.job} is damaged; purge the job and submit again") from error
        ring(self._settings.broker_doorbell)

    def _hand_over(self, record: Job, ad: ClassAd, directory: JobDirectory, client: str) -> None:
        log = JobLog(record.job, record.owner, Source.NetworkServer, record.sequence_code, self._settings.host)
        events, submission = handover(log, ad, record, directory, client)
        write_private(directory.started_jdl, submission.ad.encode("utf-8") + b"\n")
        point("wmproxy.start.jdl-written")

        def unit(connection: Connection) -> None:
            if not jobs.move(connection, record.job, [Phase.REGISTERED], Phase.STARTED, log.seqcode):
                raise WrongPhase(str(record.job), _ALREADY[Phase.STARTED])
            queue.enqueue(connection, submission, expiry_period=self._settings.expiry_period)

        self._ledger.commit(unit, events)
        point("wmproxy.start.committed")
        directory.jdl_to_start.unlink(missing_ok=True)


def handover(
    log: JobLog, ad: ClassAd, record: Job, directory: JobDirectory, client: str
) -> tuple[list[Event], Submission]:
    """Make the events of a start and the request for the broker.

    The sequence code in the request is the last thing made, so the broker goes on from it.
    """
    description = JobDescription.of(ad)
    text = ad.text()
    events = [
        log.event("Accepted", from_=Source.UserInterface, from_host=client),
        log.event("EnQueued", queue="broker_requests", job=str(directory.started_jdl.name), result="START"),
        log.event("EnQueued", queue="broker_requests", job=text, result="OK"),
    ]
    ad.set("LB_sequence_code", log.seqcode)
    submission = Submission(
        job=record.job,
        owner=record.owner,
        fqans=record.fqans,
        ad=ad.text(),
        proxy=str(directory.proxy),
        sequence_code=log.seqcode,
        retry_count=description.retry_count,
        expiry=None if description.expiry_time is None else float(description.expiry_time),
    )
    return events, submission
