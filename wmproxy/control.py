"""What the owner may do with a job after its registration: cancel, purge, list its output, ask its state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
from wmproxy.errors import JobNotFound, WrongPhase
from wmproxy.jobs import Job, Phase
from wmproxy.ledger import Ledger
from wmproxy.sandboxes import Sandboxes
from wmproxy.settings import WmproxySettings

CANCELLED_BY_USER = "Cancelled by user"
_NOT_OUTPUT = frozenset(("Maradona.output", ".gacl"))


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
        """Cancel: at once when it was never started, by the broker otherwise.

        :raises WrongPhase: when it has ended, or cancelling was asked for before.
        """
        if record.phase is Phase.CANCELLED:
            raise WrongPhase(str(record.job), "Cancel has already been requested")
        log = self._log(record)
        request = log.event("Cancel", status_code="REQ", reason=CANCELLED_BY_USER)
        if record.phase is Phase.REGISTERED:
            done = log.event("Cancel", status_code="DONE", reason=CANCELLED_BY_USER)

            def ended(connection: Connection) -> bool:
                return jobs.move(connection, record.job, [Phase.REGISTERED], Phase.CANCELLED, log.seqcode)

            try:
                self._ledger.commit(lambda connection: _or_retry(ended(connection)), [request, done])
            except _Raced:
                self.cancel(self._again(record.job))  # it was started a moment ago
            return

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

    def purge(self, record: Job) -> None:
        """Remove the sandbox of a job that has ended; it becomes Cleared (a Cancelled one stays so for L&B).

        :raises WrongPhase: while the job can still run.
        """
        log = self._log(record)
        clear = log.event("Clear", reason="USER")

        def unit(connection: Connection) -> None:
            if record.phase is not Phase.CANCELLED:
                progress = queue.progress(connection, record.job)
                if progress is None or progress.phase is not RequestPhase.ENDED:
                    raise WrongPhase(str(record.job), "Job current status doesn't allow purge operation")
            if not jobs.move(connection, record.job, [record.phase], Phase.PURGED, log.seqcode):
                raise JobNotFound(str(record.job))
            queue.forget(connection, record.job)

        self._ledger.commit(unit, [clear])
        point("wmproxy.purge.committed")
        self._sandboxes.remove(record.job)

    def output_files(self, record: Job) -> list[tuple[str, int]]:
        """``(URI, size in bytes)`` of each output file of a job that is Done or Aborted.

        :raises WrongPhase: in every other state.
        """
        with self._ledger.engine.connect() as connection:
            progress = queue.progress(connection, record.job)
        if progress is None or progress.end not in (End.DONE, End.ABORTED):
            raise WrongPhase(str(record.job), "Job current status doesn't allow getOutputFileList operation")
        directory = self._sandboxes.of(record.job).output
        return [
            (self._sandboxes.url(record.job, "output", path.name), size) for path, size in _regular_files(directory)
        ]

    def status(self, record: Job) -> JobState:
        """The job's state as the bookkeeping server tells it.

        :raises LoggingFailure: when it does not answer.
        """
        try:
            return state_of(self._lb(record.job).status(record.job))
        except LoggingFailure:
            raise
        except GridError as error:
            raise LoggingFailure(
                f"the state of {record.job} could not be learnt: {error.description}", causes=error.causes
            ) from error

    def _log(self, record: Job) -> JobLog:
        return JobLog(record.job, record.owner, Source.NetworkServer, record.sequence_code, self._settings.host)

    def _again(self, job: JobId) -> Job:
        with self._ledger.engine.connect() as connection:
            record = jobs.get(connection, job)
        if record is None:
            raise JobNotFound(str(job))
        return record


class _Raced(Exception):
    """The job moved on while it was being looked at."""


def _or_retry(moved: bool) -> None:
    if not moved:
        raise _Raced


def _regular_files(directory: Path) -> list[tuple[Path, int]]:
    found = []
    for path in sorted(directory.iterdir()):
        if path.name in _NOT_OUTPUT or path.name.startswith(".") or path.is_symlink() or not path.is_file():
            continue
        found.append((path, path.stat().st_size))
    return found
