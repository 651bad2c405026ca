"""What the owner may do with a job after its registration: cancel, purge, list its output, ask its state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy.engine import Connection

from broker import queue
from broker.queue import End
from broker.queue import Phase as RequestPhase
from grid.doorbell import ring
from grid.errors import GridError, LoggingFailure
from grid.faultpoints import point
from grid.jobid import JobId
from grid.states import JobState, Source
from lb.client import Bookkeeping, state_of
from lb.producer import JobLog
from wmproxy import jobs
from wmproxy.errors import JobNotFound, NotForCompound, WrongPhase
from wmproxy.jobs import Job, Kind, Phase
from wmproxy.ledger import Ledger
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

CANCELLED_BY_USER = "Cancelled by user"
_NOT_OUTPUT = frozenset(("Maradona.output", ".gacl"))
_NOTHING_MORE = "CHILDHIST_FAST"
"""The flag of a status that adds least to the answer."""

T = TypeVar("T")


class Controller:
    """Control operations on jobs whose owner has been established."""

    def __init__(
        self, settings: WmproxySettings, ledger: Ledger, sandboxes: Sandboxes, lb: Callable[[JobId], Bookkeeping]
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._sandboxes = sandboxes
        self._lb = lb

    def cancel(self, record: Job) -> None:
        """Cancel: at once what was never started, by the broker otherwise.  A compound job goes with its nodes, a node
        goes alone.

        :raises WrongPhase: when it has ended, or cancelling was asked for before.
        """
        if record.phase is Phase.CANCELLED:
            raise WrongPhase(str(record.job), "Cancel has already been requested")
        if record.phase is Phase.REGISTERED:
            try:
                self._end_registered(record)
            except _Raced:
                self.cancel(self._again(record.job))  # it was started a moment ago
            return
        log = self._log(record)
        request = log.event("Cancel", status_code="REQ", reason=CANCELLED_BY_USER)

        def asked(connection: Connection) -> None:
            progress = queue.progress(connection, record.job)
            if progress is None or progress.phase is RequestPhase.ENDED:
                state = progress.end.value.upper() if progress and progress.end else "UNKNOWN"
                raise WrongPhase(str(record.job), f"job status ({state}) doesn't allow job cancel")
            if not queue.request_cancel(connection, record.job):
                raise WrongPhase(str(record.job), "Cancel has already been requested")
            jobs.set_sequence_code(connection, record.job, log.seqcode)

        self._ledger.commit(asked, [request])
        point("wmproxy.cancel.committed")
        ring(self._settings.broker_doorbell)

    def _end_registered(self, record: Job) -> None:
        log = self._log(record)
        events = [
            log.event("Cancel", status_code=code, reason=CANCELLED_BY_USER) for code in ("REQ", "DONE")
        ]
        codes: dict[JobId, str] = {}
        for node in self._nodes(record, Phase.REGISTERED):
            own = self._log(node)
            events.append(own.event("Cancel", status_code="DONE", reason=CANCELLED_BY_USER))
            codes[node.job] = own.seqcode

        def ended(connection: Connection) -> None:
            if not jobs.move(connection, record.job, [Phase.REGISTERED], Phase.CANCELLED, log.seqcode):
                raise _Raced
            if jobs.move_nodes(connection, record.job, [Phase.REGISTERED], Phase.CANCELLED, codes) != len(codes):
                raise _Raced  # a node was cancelled alone meanwhile: its events are its own

        self._ledger.commit(ended, events)

    def purge(self, record: Job) -> None:
        """Remove the sandbox of a job that has ended; it becomes Cleared (a Cancelled one stays so for L&B).

        With a compound job go its nodes.  A node goes alone: of a collection when it has ended, of a DAG when the whole
        DAG has, since other nodes may still need its output.

        :raises WrongPhase: while the job can still run.
        """
        log = self._log(record)
        events = [log.event("Clear", reason="USER")]
        codes: dict[JobId, str] = {}
        for node in self._nodes(record, Phase.STARTED, Phase.CANCELLED):
            own = self._log(node)
            events.append(own.event("Clear", reason="USER"))
            codes[node.job] = own.seqcode

        def unit(connection: Connection) -> None:
            self._check_ended(connection, record)
            if not jobs.move(connection, record.job, [record.phase], Phase.PURGED, log.seqcode):
                raise JobNotFound(str(record.job))
            jobs.move_nodes(connection, record.job, [Phase.STARTED, Phase.CANCELLED], Phase.PURGED, codes)
            if record.parent is None:
                queue.forget(connection, record.job)

        self._ledger.commit(unit, events)
        point("wmproxy.purge.committed")
        for job in (*codes, record.job):
            self._sandboxes.remove(job)

    @staticmethod
    def _check_ended(connection: Connection, record: Job) -> None:
        parent = None if record.parent is None else jobs.get(connection, record.parent)
        watched = [record, parent] if parent is not None and parent.kind is Kind.DAG else [record]
        for one in watched:
            if one.phase is Phase.CANCELLED:
                continue
            progress = queue.progress(connection, one.job)
            if progress is None or progress.phase is not RequestPhase.ENDED:
                whose = "Job" if one is record else "The DAG's"
                raise WrongPhase(str(record.job), f"{whose} current status doesn't allow purge operation")

    def output_files(self, record: Job) -> list[tuple[str, int]]:
        """``(name, size in bytes)`` of each output file of a job that is Done or Aborted.

        :raises NotForCompound: for a compound job; its nodes have the output.
        :raises WrongPhase: in every other state.
        """
        if record.compound:
            raise NotForCompound("getOutputFileList operation not allowed for dag or collection type")
        with self._ledger.engine.connect() as connection:
            progress = queue.progress(connection, record.job)
        if progress is None or progress.end not in (End.DONE, End.ABORTED):
            raise WrongPhase(str(record.job), "Job current status doesn't allow getOutputFileList operation")
        directory = self._sandboxes.of(record.job).output
        return [(path.name, size) for path, size in _regular_files(directory)]

    def status(self, record: Job) -> JobState:
        """The job's state as the bookkeeping server tells it.

        :raises LoggingFailure: when it does not answer.
        """
        return self._told(record, lambda lb: state_of(lb.status(record.job, _NOTHING_MORE)))

    def node_states(self, record: Job) -> dict[JobId, JobState]:
        """The states of a compound job's nodes, in their order; none for another job.

        :raises LoggingFailure: when the bookkeeping server does not answer.
        """
        return self._told(record, lambda lb: lb.node_states(record.job)) if record.compound else {}

    def _told(self, record: Job, ask: Callable[[Bookkeeping], T]) -> T:
        try:
            return ask(self._lb(record.job))
        except LoggingFailure:
            raise
        except GridError as error:
            raise LoggingFailure(
                f"the state of {record.job} could not be learnt: {error.description}", causes=error.causes
            ) from error

    def nodes(self, record: Job) -> list[Job]:
        """The nodes of a job in their order, those that were purged alone included; none for a job that has none."""
        if not record.compound:
            return []
        with self._ledger.engine.connect() as connection:
            return jobs.nodes(connection, record)

    def _nodes(self, record: Job, *phases: Phase) -> list[Job]:
        return [node for node in self.nodes(record) if node.phase in phases]

    def _log(self, record: Job) -> JobLog:
        code = record.sequence_code or None
        return JobLog(record.job, record.owner, Source.NetworkServer, code, self._settings.host)

    def _again(self, job: JobId) -> Job:
        with self._ledger.engine.connect() as connection:
            record = jobs.get(connection, job)
        if record is None:
            raise JobNotFound(str(job))
        return record


class _Raced(Exception):
    """The job moved on while it was being looked at."""


def _regular_files(directory: Path) -> list[tuple[Path, int]]:
    found: list[tuple[Path, int]] = []
    if not directory.is_dir():
        return found  # a node's directory is made with its first file
    for path in sorted(directory.iterdir()):
        if path.name in _NOT_OUTPUT or path.name.startswith(".") or path.is_symlink() or not path.is_file():
            continue
        found.append((path, path.stat().st_size))
    return found
