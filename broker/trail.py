"""The events that one step of the broker logs for a request, on one sequence code.

The broker speaks for three of the historical components: WorkloadManager (queue and match), JobController
(hand-over to the CE) and LogMonitor (what the CE reports; these move the job to Done).  All events of a step are
made first and put into the outbox in the transaction that makes the step true.
"""

from __future__ import annotations

from broker.queue import Request
from grid.seqcode import SequenceCode, SequenceCodeError
from grid.states import CreamState, DoneCode, Source
from lb.events import Event
from lb.producer import JobLog

QUEUE = "broker_requests"
HELPER = "BrokerHelper"


class Trail:
    """Collects events of one request.

    :ivar events: in order.
    :ivar host: this host's name.
    """

    def __init__(self, request: Request, host: str) -> None:
        self._request = request
        self.host = host
        self._code = request.sequence_code
        self._log: JobLog | None = None
        self.events: list[Event] = []

    @property
    def sequence_code(self) -> str:
        """The code after the events so far: what the next component, and the next step, starts from."""
        return self._log.seqcode if self._log else self._code

    def log(self, source: Source, event_type: str, **fields: object) -> None:
        """Add one event."""
        if self._log is None or self._log.source is not source:
            self._log = JobLog(self._request.job, self._request.owner, source, self.sequence_code, self.host)
        self.events.append(self._log.event(event_type, **fields))

    # -- WorkloadManager ---------------------------------------------------------------------------------

    def taken(self) -> None:
        self.log(Source.WorkloadManager, "DeQueued", queue=QUEUE, local_jobid=self._request.job.unique)

    def matched(self, ce_id: str, ce_host: str, ce_jdl: str) -> None:
        wm = Source.WorkloadManager
        self.log(wm, "HelperCall", helper_name=HELPER, src_role="CALLING")
        self.log(wm, "HelperReturn", helper_name=HELPER, retval=ce_id, src_role="CALLING")
        self.log(wm, "Match", dest_id=ce_id)
        self.log(wm, "UserTag", name="CEInfoHostName", value=ce_host)
        self.log(wm, "EnQueued", queue="ICE", job=ce_jdl, result="OK")

    def pending(self, reason: str) -> None:
        wm = Source.WorkloadManager
        self.log(wm, "HelperCall", helper_name=HELPER, src_role="CALLING")
        self.log(wm, "HelperReturn", helper_name=HELPER, retval=reason, src_role="CALLING")
        self.log(wm, "Pending", reason=reason)

    def will_resubmit(self, reason: str, tag: str) -> None:
        """Resubmission alone moves no job (L&B): without Pending it would be seen as failed until its next match."""
        self.log(Source.WorkloadManager, "Resubmission", result="WILLRESUB", reason=reason, tag=tag)
        self.log(Source.WorkloadManager, "Pending", reason=reason)

    def aborted(self, reason: str) -> None:
        self.log(Source.WorkloadManager, "Abort", reason=reason)

    def cancelled(self, reason: str) -> None:
        self.log(Source.WorkloadManager, "Cancel", status_code="DONE", reason=reason)

    # -- JobController -----------------------------------------------------------------------------------

    def wrapper_code(self, endpoint: str) -> str:
        """The sequence code that the wrapper starts from: after the hand-over, before the log monitor's first event.

        It is known before the hand-over happens, since the counters go by rule.
        """
        ahead = Trail(self._request, self.host)
        ahead._hand_over(endpoint, "")
        return ahead.sequence_code

    def handed_over(self, endpoint: str, ce_job: str) -> None:
        self._hand_over(endpoint, ce_job)
        self.log(
            Source.LogMonitor, "Accepted", from_=Source.JobController, from_host=self.host, local_jobid=ce_job
        )

    def _hand_over(self, endpoint: str, ce_job: str) -> None:
        jc = Source.JobController
        self.log(jc, "DeQueued", queue="ICE", local_jobid=ce_job)
        self.log(
            jc,
            "Transfer",
            destination=Source.LogMonitor,
            dest_host=endpoint,
            job=str(self._request.job),
            result="OK",
            dest_jobid=ce_job,
        )

    def hand_over_failed(self, endpoint: str, reason: str) -> None:
        self.log(
            Source.JobController,
            "Transfer",
            destination=Source.LogMonitor,
            dest_host=endpoint,
            job=str(self._request.job),
            result="FAIL",
            reason=reason,
        )

    # -- LogMonitor --------------------------------------------------------------------------------------

    def reported(self, state: CreamState, *, worker_node: str, wrapper_code: str) -> None:
        """A state on the way that the CE reports (PENDING and REGISTERED say nothing new)."""
        lm = Source.LogMonitor
        if state is CreamState.IDLE:
            self.log(
                lm,
                "Transfer",
                destination=Source.LRMS,
                dest_host=self._request.ce_id or "",
                job=str(self._request.job),
                result="OK",
                dest_jobid=self._request.ce_job,
            )
        elif state is CreamState.RUNNING:
            self.log(lm, "Running", node=worker_node or "unavailable")
        elif state is CreamState.REALLY_RUNNING:
            self.log(lm, "ReallyRunning", wn_seq=_valid(wrapper_code))

    def done(self, code: DoneCode, reason: str, exit_code: int) -> None:
        self.log(Source.LogMonitor, "Done", status_code=code, reason=reason, exit_code=exit_code)


def _valid(code: str) -> str | None:
    """The worker node's sequence code if it is one: it comes from a place that the job can write to."""
    try:
        return str(SequenceCode.parse(code)) if code else None
    except SequenceCodeError:
        return None
