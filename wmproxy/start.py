"""jobStart: from an open sandbox to a request in the broker's queue."""

from __future__ import annotations

from sqlalchemy.engine import Connection

from broker import queue
from grid.doorbell import ring
from grid.errors import InternalFailure
from grid.faultpoints import point
from grid.files import write_private
from wmproxy import jobs
from wmproxy.descriptions import Descriptions
from wmproxy.errors import IsNode, JobNotFound, WrongPhase
from wmproxy.handover import Handover, Handovers
from wmproxy.jobs import Job, Phase
from wmproxy.ledger import Ledger
from wmproxy.preparation import check_size
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings
from wmproxy.unpacking import Unpacking

_ALREADY = {
    Phase.STARTED: "job started or start operation already in progress",
    Phase.CANCELLED: "job state (CANCELLED) doesn't allow start operation",
    Phase.PURGED: "the job was purged",
}


class Starter:
    """Starts registered jobs, compound ones with all their nodes."""

    def __init__(
        self,
        settings: WmproxySettings,
        ledger: Ledger,
        sandboxes: Sandboxes,
        descriptions: Descriptions,
        handovers: Handovers,
        unpacking: Unpacking,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sandboxes = sandboxes
        self._descriptions = descriptions
        self._handovers = handovers
        self._unpacking = unpacking

    def start(self, record: Job, client: str) -> None:
        """Start a job: when this returns it is in the broker's queue for good.

        The start lock keeps uploads out: a file has its name before the start, or is refused after it.

        :param client: the caller's host, for the Accepted event.
        :raises IsNode: for a node.
        :raises WrongPhase: when it was started or cancelled before, or a file is missing.
        :raises ArchiveRefused: for its zipped input sandbox.
        """
        if record.parent is not None:
            raise IsNode(str(record.job), str(record.parent))
        directory = self._sandboxes.of(record.job)
        try:
            with directory.locked(exclusive=True):
                with self._ledger.engine.connect() as connection:
                    current = jobs.get(connection, record.job)
                    nodes = jobs.nodes(connection, current) if current and current.compound else []
                if current is None:
                    raise JobNotFound(str(record.job))
                if current.phase is not Phase.REGISTERED:
                    raise WrongPhase(str(record.job), _ALREADY[current.phase])
                self._write(current, self._handover(current, nodes, client))
        except FileNotFoundError as error:
            raise InternalFailure(f"the sandbox of {record.job} is damaged; purge the job and submit again") from error
        ring(self._settings.broker_doorbell)

    def _handover(self, record: Job, nodes: list[Job], client: str) -> Handover:
        ad = self._descriptions.to_start(record)
        self._unpacking.unpack(record, nodes, ad.strings("ZippedISB"))
        if self._settings.gridftp_host:
            for job in (record, *nodes):  # what came by GridFTP was not counted while it came
                check_size(job, self._sandboxes, self._settings.max_input_sandbox)
        if not record.compound:
            return self._handovers.simple(record, ad, client)
        compound = self._descriptions.compound(record)
        if [node.name for node in compound.nodes] != [node.name for node in nodes]:
            raise InternalFailure(
                f"the description of {record.job} does not make the nodes that were registered; "
                "purge the job and submit again"
            )
        return self._handovers.compound(record, ad, compound, nodes, client)

    def _write(self, record: Job, handover: Handover) -> None:
        directory = self._sandboxes.of(record.job)
        write_private(directory.started_jdl, handover.text.encode("utf-8") + b"\n")
        point("wmproxy.start.jdl-written")

        def unit(connection: Connection) -> None:
            if not jobs.move(connection, record.job, [Phase.REGISTERED], Phase.STARTED, handover.sequence_code):
                raise WrongPhase(str(record.job), _ALREADY[Phase.STARTED])
            # Asked here, not before: a node may be cancelled until this very moment, and the broker must hear of it.
            # One that was purged had been cancelled before.
            over = (Phase.CANCELLED, Phase.PURGED) if record.compound else ()
            cancelled = [node for phase in over for node in jobs.nodes_in(connection, record.job, phase)]
            jobs.move_nodes(
                connection, record.job, [Phase.REGISTERED, Phase.CANCELLED], Phase.STARTED, handover.codes
            )
            handover.enqueue(connection)
            for node in cancelled:
                queue.request_cancel(connection, node)

        self._ledger.commit(unit, handover.events)
        point("wmproxy.start.committed")
        directory.jdl_to_start.unlink(missing_ok=True)
