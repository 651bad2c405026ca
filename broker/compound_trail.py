"""The events that the broker logs for a compound job itself, on one sequence code.

Bookkeeping computes the state of a collection from its nodes, so of a collection only its coming and a cancellation
are told.  A DAG moves by the events told here, which are those of the gLite WMS's DAG manager.
"""

from __future__ import annotations

from broker.compound import Compound, Kind
from broker.request import End
from broker.trail import QUEUE
from grid.states import DoneCode, Source
from lb.events import Event
from lb.producer import JobLog

MANAGER = "dagman"
"""What stands where a simple job has its computing element."""
MANAGED = "DAG managed by WM"


class CompoundTrail:
    """Collects events of one compound job.

    :ivar events: in order.
    """

    def __init__(self, compound: Compound, host: str) -> None:
        self._compound = compound
        self._host = host
        self._log: JobLog | None = None
        self.events: list[Event] = []

    @property
    def sequence_code(self) -> str:
        """The code after the events so far."""
        return self._log.seqcode if self._log else self._compound.sequence_code

    def begun(self) -> None:
        """The nodes are looked at from now on."""
        job = self._compound.job
        self._event(Source.WorkloadManager, "DeQueued", queue=QUEUE, local_jobid=job.unique)
        if self._compound.kind is Kind.COLLECTION:
            return
        self._event(Source.WorkloadManager, "Match", dest_id=MANAGER)
        self._event(Source.WorkloadManager, "EnQueued", queue=MANAGER, job=str(job), result="OK")
        for result in ("START", "OK"):
            self._event(
                Source.JobController,
                "Transfer",
                destination=Source.LogMonitor,
                dest_host=self._host,
                job=str(job),
                result=result,
                reason=MANAGED,
            )
        self._event(Source.LogMonitor, "Running", node=self._host)

    def ended(self, end: End, reason: str) -> None:
        """Every node has ended."""
        dag = self._compound.kind is Kind.DAG
        if end is End.CANCELLED:
            if dag:
                self._event(Source.LogMonitor, "Done", status_code=DoneCode.CANCELLED, reason=reason, exit_code=0)
            self._event(Source.WorkloadManager, "Cancel", status_code="DONE", reason=reason)
        elif dag and end is End.DONE:
            self._event(Source.LogMonitor, "Done", status_code=DoneCode.OK, reason=reason, exit_code=0)
        elif dag:
            self._event(Source.WorkloadManager, "Abort", reason=reason)

    def _event(self, source: Source, event_type: str, **fields: object) -> None:
        if self._log is None or self._log.source is not source:
            compound = self._compound
            self._log = JobLog(compound.job, compound.owner, source, self.sequence_code, self._host)
        self.events.append(self._log.event(event_type, **fields))
