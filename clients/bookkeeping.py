"""The users' view of Logging and Bookkeeping: states, events and their names on the screen."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clients.errors import ClientError, JobNotFound
from grid.errors import GridError
from grid.jobid import JobId
from grid.states import JobState

if TYPE_CHECKING:
    from clients.session import Session

WSDL: Final = "LB.wsdl"
PORT: Final = "LoggingAndBookkeeping"

_BY_WIRE: Final = {state.wire: state for state in JobState}
_ENOENT, _EIDRM = 2, 43
_FIRST_OWN: Final = 200
"""From here on codes are not those of the system."""

_UNKNOWN: Final = (_ENOENT, 1218)
_STATUS_FLAGS: Final = ("CLASSADS", "CHILDREN", "CHILDSTAT")


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one job; ``fields`` holds everything by the names of the SOAP interface.

    :ivar state: L&B's state.
    """

    state: JobState
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, wire: Mapping[str, Any]) -> Status:
        """From the wire's structure."""
        return cls(_BY_WIRE.get(str(wire.get("state")), JobState.Unknown), wire)

    def text(self, name: str) -> str | None:
        """A field as a text, None when it is absent or empty."""
        value = self.fields.get(name)
        return None if value in (None, "") else str(value)

    @property
    def done_code(self) -> str | None:
        """``OK``, ``FAILED``, ``CANCELLED``, or None."""
        return self.text("doneCode")

    @property
    def exit_code(self) -> int:
        """What the payload returned; 0 when it says nothing."""
        return int(self.fields.get("exitCode") or 0)

    @property
    def shown(self) -> str:
        """The state as the commands print it: ``Running``, ``Done (Success)``, ``Done(Exit Code !=0)`` …"""
        if self.state is not JobState.Done:
            return str(self.state)
        code = self.done_code
        if code is None:
            return "Done (Unable to retrieve  a valid done_code)"
        if code == "OK":
            return "Done (Success)" if self.exit_code == 0 else "Done(Exit Code !=0)"
        words = {"FAILED": "Failed", "CANCELLED": "Cancelled"}
        return f"Done ({words[code]})" if code in words else f"Done (Unexpected done code: {code} )"

    @property
    def entered(self) -> dict[JobState, datetime.datetime]:
        """When each state was entered, in the order of the states."""
        times: dict[JobState, datetime.datetime] = {}
        for item in self.fields.get("stateEnterTimes") or ():
            state, moment = _BY_WIRE.get(str(item.get("state"))), aware(item.get("time"))
            if state is not None and moment is not None and moment.timestamp() > 0:
                times[state] = moment
        return times

    @property
    def submitted(self) -> datetime.datetime | None:
        """When the job was registered."""
        return self.entered.get(JobState.Submitted)

    @property
    def changed(self) -> datetime.datetime | None:
        """When the present state was entered."""
        return aware(self.fields.get("stateEnterTime")) or self.entered.get(self.state)

    @property
    def children(self) -> tuple[Status, ...]:
        """The nodes of a compound job, when L&B was asked for them."""
        return tuple(Status.of(child) for child in self.fields.get("childrenStates") or ())


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event of a job; ``fields`` by the names of the SOAP interface, absent ones left out."""

    name: str
    fields: Mapping[str, Any]

    @property
    def timestamp(self) -> datetime.datetime | None:
        """When it happened."""
        return aware(self.fields.get("timestamp"))


class Bookkeeping:
    """Asks the bookkeeping servers that the job ids name."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def status(self, job: JobId, *, nodes: bool = True) -> Status:
        """The state of a job.

        :param nodes: with the states of its nodes.
        :raises JobNotFound: L&B has no such job for this user.
        :raises GridError: L&B could not be asked.
        """
        flags = _STATUS_FLAGS if nodes else _STATUS_FLAGS[:1]
        answer = self._ask(job, "JobStatus", jobid=str(job), flags=list(flags))
        return Status.of(_part(answer, "stat", "state"))

    def events(self, job: JobId) -> list[LoggedEvent]:
        """All events of a job, oldest first.

        :raises JobNotFound: L&B has no such job for this user.
        """
        of_job = {"attr": "JOBID", "record": [{"op": "EQUAL", "value1": {"c": str(job)}}]}
        always = {"attr": "TIME", "record": [{"op": "GREATER", "value1": {"t": {"tvSec": 0, "tvUsec": 0}}}]}
        answer = self._ask(job, "QueryEvents", jobConditions=[of_job], eventConditions=[always])
        events = [_event(item) for item in _items(answer, "events")]
        oldest = datetime.datetime.min.replace(tzinfo=datetime.UTC)
        return sorted(events, key=lambda event: event.timestamp or oldest)

    def user_jobs(self, server: str) -> list[tuple[str, Status]]:
        """The jobs of this user on a server ``host:port``.

        :raises GridError: L&B could not be asked.
        """
        try:
            answer = self.session.call(WSDL, PORT, f"https://{server}/", "UserJobs")
        except GridError as error:
            if error.code == _ENOENT:
                return []
            raise
        states = [Status.of(item) for item in _items(answer, "states")]
        jobs = [str(job) for job in _items(answer, "jobs")] if isinstance(answer, Mapping) else []
        jobs = jobs if len(jobs) == len(states) else [state.text("jobId") or "" for state in states]
        return list(zip(jobs, states, strict=True))

    def _ask(self, job: JobId, operation: str, **parts: Any) -> Any:
        from wsdl.client import RemoteFault

        url = f"https://{job.host}:{job.port}/"
        try:
            return self.session.call(WSDL, PORT, url, operation, **parts)
        except RemoteFault as fault:
            if fault.code in _UNKNOWN:
                raise JobNotFound(str(job), _about(job, fault)) from fault
            if fault.code == _EIDRM:
                raise JobNotFound(str(job), f"Identifier removed - the job was purged\n{job}") from fault
            raise ClientError(
                _about(job, fault), title="Logging and Bookkeeping Error", causes=fault.causes
            ) from fault


def aware(value: Any) -> datetime.datetime | None:
    """A time of the wire: ``{tvSec, tvUsec}`` or dateTime; None for none and for the epoch itself."""
    if isinstance(value, datetime.datetime):
        return value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
    if isinstance(value, Mapping):
        seconds, micro = int(value.get("tvSec") or 0), int(value.get("tvUsec") or 0)
        if seconds or micro:
            return datetime.datetime.fromtimestamp(seconds, datetime.UTC).replace(microsecond=micro)
    return None


def asctime(moment: datetime.datetime) -> str:
    """``Fri Nov 20 10:00:00 2026 CET``: local time, as the status command always printed it."""
    local = moment.astimezone()
    return f"{local:%a %b} {local.day:2d} {local:%H:%M:%S %Y %Z}"


def _event(item: Mapping[str, Any]) -> LoggedEvent:
    """The one branch of the choice that is set."""
    if isinstance(item.get("type"), str) and isinstance(item.get("fields"), Mapping):
        return LoggedEvent(item["type"], item["fields"])
    for name, fields in item.items():
        if isinstance(fields, Mapping):
            return LoggedEvent(name, {key: value for key, value in fields.items() if value is not None})
    raise ClientError("L&B answered an event of a kind that this client does not know")


def _part(answer: Any, name: str, inside: str) -> Mapping[str, Any]:
    """A structure that may come bare or below its part's name."""
    if isinstance(answer, Mapping) and inside not in answer and isinstance(answer.get(name), Mapping):
        answer = answer[name]
    if not isinstance(answer, Mapping):
        raise ClientError(f"L&B answered without {name}")
    return answer


def _items(answer: Any, name: str) -> Sequence[Any]:
    """A list that may come bare or below its part's name."""
    found = answer.get(name) if isinstance(answer, Mapping) else answer
    return found if isinstance(found, (list, tuple)) else [] if found is None else [found]


def _about(job: JobId, fault: GridError) -> str:
    """What L&B says, with the job when it does not name it."""
    said = _two_pieces(fault)
    return said if str(job) in said else f"{said}\n{job}"


def _two_pieces(fault: GridError) -> str:
    """``No such file or directory - <description>``: L&B's codes are those of the system."""
    if 0 < fault.code < _FIRST_OWN:
        name = os.strerror(fault.code)
        return name if fault.description.startswith(name) else f"{name} - {fault.description}"
    return fault.description
