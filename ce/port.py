"""The CREAM2 port: plain values of the contract in, plain values out; nothing is decided here.

A problem with one job of a call is told in that job's result; a problem with the call is a fault.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ce.authorization import Authorization
from ce.database import Command, Job, StatusEvent
from ce.errors import NoSuchJob, WrongState
from ce.jobs import Caller, Jobs, JobView
from ce.settings import CeSettings
from delegation.store import DelegationStore
from grid.clock import now
from grid.errors import AuthorizationDenied, DelegationError, GridError, InvalidArgument
from wsdl.service import Call

MAX_DESCRIPTIONS = 100
MAX_EVENTS = 1000
JOB_STATUS = "JOB_STATUS"
Struct = Mapping[str, Any]


class CreamPort:
    """Handlers of the operations."""

    def __init__(
        self, settings: CeSettings, jobs: Jobs, authorization: Authorization, store: DelegationStore, db_id: str
    ) -> None:
        self._settings = settings
        self._jobs = jobs
        self._authorization = authorization
        self._store = store
        self._db_id = db_id

    def JobRegister(self, call: Call, jobDescriptionList: Sequence[Struct]) -> list[Struct]:
        """Register jobs, and start those that ask for it."""
        caller, admit = self._authorization.submitter(call, "JobRegister")
        _at_most("jobDescriptionList", len(jobDescriptionList), MAX_DESCRIPTIONS)
        results: list[Struct] = []
        for item in jobDescriptionList:
            name = item.get("jobDescriptionId")
            try:
                delegation = self._delegation(caller, item)
                job = self._jobs.register(
                    caller,
                    item["JDL"],
                    delegation,
                    description_id=name,
                    start=bool(item.get("autoStart")),
                    admit=admit,
                )
                results.append({"jobDescriptionId": name, "jobId": self._job_id(job.id)})
            except AuthorizationDenied:
                raise
            except DelegationError as error:
                fault = _fault("JobRegister", error)
                results.append({"jobDescriptionId": name, "DelegationProxyFault": fault})
            except _NoLeases as error:
                results.append({"jobDescriptionId": name, "LeaseIdMismatchFault": _fault("JobRegister", error)})
            except GridError as error:
                results.append({"jobDescriptionId": name, "GenericFault": _fault("JobRegister", error)})
        return results

    def JobStart(self, call: Call, **wanted: Any) -> list[Struct]:
        """Start registered jobs."""
        caller, _ = self._authorization.submitter(call, "JobStart")
        return self._each("JobStart", caller, wanted, self._jobs.start)

    def JobCancel(self, call: Call, **wanted: Any) -> list[Struct]:
        """Cancel jobs."""
        return self._each("JobCancel", self._authorization.caller(call, "JobCancel"), wanted, self._jobs.cancel)

    def JobPurge(self, call: Call, **wanted: Any) -> list[Struct]:
        """Remove what is left of ended jobs."""
        return self._each("JobPurge", self._authorization.caller(call, "JobPurge"), wanted, self._jobs.purge)

    def JobInfo(self, call: Call, **wanted: Any) -> list[Struct]:
        """Everything about jobs."""
        caller = self._authorization.caller(call, "JobInfo")
        results: list[Struct] = []
        for name in self._names(caller, wanted):
            base = {"jobDescriptionId": f"{self._settings.base}/{name}"}
            try:
                view = self._jobs.view(caller, name)
                _match(view.job, wanted)
                results.append({**base, "jobInfo": self._info(view, caller)})
            except GridError as error:
                results.append({**base, _result_fault(error): _fault("JobInfo", error)})
        return results

    def QueryEvent(
        self,
        call: Call,
        fromEventId: str | None,
        toEventId: str | None,
        fromDate: datetime.datetime | None,
        toDate: datetime.datetime | None,
        eventType: str,
        maxQueryEventResultSize: int | None,
        verbosityLevel: int | None,
        property: Sequence[Struct],
    ) -> Struct:
        """Status events with ids above ``fromEventId``; the property ``waitSeconds`` holds an empty answer back."""
        caller = self._authorization.caller(call, "QueryEvent")
        if eventType.upper() != JOB_STATUS:
            raise InvalidArgument(f"event type {eventType[:40]!r} is not known; there is {JOB_STATUS}")
        began = time.monotonic()
        size = maxQueryEventResultSize if maxQueryEventResultSize and maxQueryEventResultSize > 0 else MAX_EVENTS
        events = self._jobs.events(
            caller,
            _number("fromEventId", fromEventId) or 0,
            wait=_wait(property),
            until=_number("toEventId", toEventId),
            states=[item["value"].upper() for item in property if item["name"].lower() == "status"],
            since=fromDate.timestamp() if fromDate else None,
            before=toDate.timestamp() if toDate else None,
            limit=min(size, MAX_EVENTS),
        )
        return {
            "event": [_event(event) for event in events],
            "dbId": self._db_id,
            "queryExecutionTimeInMillis": int((time.monotonic() - began) * 1000),
        }

    def _delegation(self, caller: Caller, item: Struct) -> str:
        """The id of a delegation that is there and the caller's."""
        if item.get("leaseId"):
            raise _NoLeases
        delegation = item.get("delegationId")
        if not delegation:
            raise DelegationError("delegationId is needed: delegate a proxy by the delegation port first")
        return self._store.get(caller.dn, delegation).id

    def _each(
        self, operation: str, caller: Caller, wanted: Struct, action: Callable[[Caller, str], None]
    ) -> list[Struct]:
        results: list[Struct] = []
        for name in self._names(caller, wanted):
            result: dict[str, Any] = {"jobId": self._job_id(name)}
            try:
                _match(self._jobs.view(caller, name).job, wanted)
                action(caller, name)
            except GridError as error:
                result[_result_fault(error)] = _fault(operation, error)
            results.append(result)
        return results

    def _names(self, caller: Caller, wanted: Struct) -> list[str]:
        """The jobs that are named, or, when none is, the caller's own jobs that fit the filter."""
        ids = wanted.get("jobId") or ()
        _at_most("jobId", len(ids), self._settings.max_list)
        if ids:
            return [str(item["id"]).rpartition("/")[2] for item in ids]
        own = Caller(caller.dn, caller.fqan, caller.vo)
        return [job.id for job in self._jobs.listing(own) if _fits(job, wanted)]

    def _job_id(self, name: str) -> Struct:
        return {
            "id": name,
            "creamURL": self._settings.endpoint,
            "property": [{"name": "DB_ID", "value": self._db_id}],
        }

    def _info(self, view: JobView, caller: Caller) -> Struct:
        job = view.job
        full = caller.administrator
        return {
            "jobId": self._job_id(job.id),
            "GridJobId": job.grid_id or "N/A",
            "LRMSAbsLayerJobId": (job.batch_id or "N/A") if full else "[reserved]",
            "LRMSJobId": (job.batch_id or "N/A") if full else "[reserved]",
            "delegationProxyId": job.delegation_id,
            "delegationProxyInfo": "[reserved]",
            "workerNode": job.node or "N/A",
            "localUser": str(view.uid) if full else "[reserved]",
            "workingDirectory": str(self._settings.jobs_directory / job.id) if full else "[reserved]",
            "JDL": job.jdl,
            "type": "normal",
            "status": [_status(event) for event in view.events],
            "lastCommand": [_command(command) for command in view.commands],
        }


class _NoLeases(InvalidArgument):
    """A lease was named."""

    def __init__(self) -> None:
        super().__init__("leases are not served by this computing element; leave leaseId out")


def _at_most(name: str, count: int, limit: int) -> None:
    if count > limit:
        raise InvalidArgument(f"{name} has {count} items; at most {limit} are served in one call")


def _number(name: str, text: str | None) -> int | None:
    if text is None or not text.strip():
        return None
    stripped = text.strip()
    if not (stripped.isascii() and stripped.removeprefix("-").isdigit() and len(stripped) < 19):
        raise InvalidArgument(f"{name} is not an event id: {stripped[:40]!r}")
    return int(stripped) if int(stripped) >= 0 else None


def _wait(properties: Sequence[Struct]) -> float:
    text = next((item["value"] for item in properties if item["name"].lower() == "waitseconds"), "0")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise InvalidArgument(f"waitSeconds is a number of seconds, not {text[:40]!r}")
    return seconds


class _Mismatch(InvalidArgument):
    """A named job does not fit the filter; ``member`` is the result's fault for that."""

    def __init__(self, member: str, what: str) -> None:
        self.member = member
        super().__init__(f"the job does not fit the filter: {what} mismatch")


def _match(job: Job, wanted: Struct) -> None:
    """:raises _Mismatch: the job does not fit the filter of the call."""
    if wanted.get("status") and job.state.value not in wanted["status"]:
        raise _Mismatch("JobStatusInvalidFault", "status")
    begins, ends = wanted.get("fromDate"), wanted.get("toDate")
    if (begins and job.created < begins.timestamp()) or (ends and job.created > ends.timestamp()):
        raise _Mismatch("DateMismatchFault", "date")
    if wanted.get("delegationId") and job.delegation_id != wanted["delegationId"]:
        raise _Mismatch("DelegationIdMismatchFault", "delegationId")
    if wanted.get("leaseId"):
        raise _Mismatch("LeaseIdMismatchFault", "leaseId")


def _fits(job: Job, wanted: Struct) -> bool:
    try:
        _match(job, wanted)
    except _Mismatch:
        return False
    return True


def _result_fault(error: GridError) -> str:
    if isinstance(error, _Mismatch):
        return error.member
    if isinstance(error, NoSuchJob):
        return "JobUnknownFault"
    return "JobStatusInvalidFault" if isinstance(error, WrongState) else "GenericFault"


def _fault(operation: str, error: GridError) -> Struct:
    return {
        "MethodName": operation,
        "Timestamp": now(),
        "ErrorCode": str(error.code),
        "Description": error.description,
        "FaultCause": "\n".join(error.causes) or error.description,
    }


def _moment(at: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)


def _status(event: StatusEvent) -> Struct:
    change = event.change
    code = None if change.exit_code is None else str(change.exit_code)
    return {
        "name": change.state.value,
        "timestamp": _moment(change.at),
        "exitCode": code,
        "failureReason": change.reason,
    }


def _command(command: Command) -> Struct:
    moment = _moment(command.at)
    return {
        "name": command.name,
        "category": "JOB_MANAGEMENT",
        "status": command.status,
        "description": command.description,
        "creationTime": moment,
        "startSchedulingTime": moment,
        "startProcessingTime": moment,
        "executionCompletedTime": moment,
    }


def _event(event: StatusEvent) -> Struct:
    change = event.change
    facts = {
        "jobId": event.job,
        "gridJobId": event.grid_id,
        "status": change.state.value,
        "exitCode": None if change.exit_code is None else str(change.exit_code),
        "failureReason": change.reason,
        "workerNode": change.node,
        "seqcode": change.seqcode,
        "infrastructure": "true" if change.infrastructure else None,
        "verdict": change.verdict,
    }
    properties = [{"name": name, "value": value} for name, value in facts.items() if value]
    return {"id": str(event.id), "type": JOB_STATUS, "timestamp": _moment(change.at), "property": properties}
