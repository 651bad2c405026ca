"""Asking a bookkeeping server, for the services: a job's status, its events, the caller's jobs."""

from __future__ import annotations

import ssl
from typing import Any, Final

from grid.errors import JobUnknown
from grid.jobid import JobId, JobIdError
from grid.states import JobState, Source
from lb.events import Event
from lb.eventtypes import EVENT_TYPES, EventType, Field
from lb.values import from_timeval
from wsdl.client import RemoteFault, SoapClient
from wsdl.transport import HttpTransport, ServiceUnreachable

_ENOENT: Final = 2
_OK: Final = 200
_NOT_FOUND: Final = 404
_FLAGS: Final = ("CLASSADS", "CHILDREN")
_SINCE_EVER: Final = {"attr": "TIME", "record": [{"op": "GREATER", "value1": {"t": {"tvSec": 0, "tvUsec": 0}}}]}
_SOURCES: Final = {"JobSubmission": Source.JobController, "PBSsMom": Source.PBSMomSuperior}


class Bookkeeping:
    """One bookkeeping server.  Safe for threads.

    :param url: ``https://host:port/`` of its query or SOAP port.
    :param context: TLS context with the caller's credential (:func:`gsi.tls.client_context`).
    :param timeout: seconds for one call.
    """

    def __init__(self, url: str, context: ssl.SSLContext, timeout: float = 30.0) -> None:
        self._url = url
        self._client = SoapClient("LB.wsdl", "LoggingAndBookkeeping", url, context, timeout)
        self._pages = HttpTransport(context, timeout)

    @classmethod
    def of(cls, jobid: JobId, context: ssl.SSLContext, timeout: float = 30.0) -> Bookkeeping:
        """The server that a job identifier names."""
        return cls(f"https://{jobid.host}:{jobid.port}/", context, timeout)

    def status(self, jobid: JobId, *flags: str) -> dict[str, Any]:
        """A job's status as the web service's ``jobStatus`` (:data:`state_of` reads the state).

        :param flags: of ``jobFlags``; CLASSADS and CHILDREN when none is given.
        :raises JobUnknown: when there is no such job, or it is somebody else's.
        :raises RemoteFault, ServiceUnreachable: for what else can go wrong.
        """
        found: dict[str, Any] = self._call("JobStatus", jobid=str(jobid), flags=list(flags or _FLAGS))
        return found

    def events(self, jobid: JobId) -> list[Event]:
        """A job's events by time.

        :raises JobUnknown: when there is no such job, or it is somebody else's.
        """
        job = {"attr": "JOBID", "record": [{"op": "EQUAL", "value1": {"c": str(jobid)}}]}
        found = self._call("QueryEvents", jobConditions=[job], eventConditions=[_SINCE_EVER])
        return [_event(choice) for choice in found]

    def node_states(self, parent: JobId) -> dict[JobId, JobState]:
        """The states of a compound job's nodes, in their order, as the server's pages list them.

        One question whatever their number: the web service would send each node's whole status.

        :raises JobUnknown: when there is no such job, or it is somebody else's.
        :raises ServiceUnreachable: no answer, or not a list of states.
        """
        address = f"{self._url}?query=parent={parent}&text"
        code, text = self._pages.get(address)
        if code == _NOT_FOUND:
            raise JobUnknown(f"{parent} is not known to its bookkeeping server, or it is somebody else's")
        if code != _OK:
            raise ServiceUnreachable(address, f"it answered HTTP {code}: {' '.join(text[:300].split())}")
        pairs = (line.rpartition("=") for line in text.splitlines())
        try:
            return {JobId.parse(job): JobState(state) for job, _, state in pairs}
        except (ValueError, JobIdError):
            raise ServiceUnreachable(address, "its answer does not list states") from None

    def user_jobs(self) -> list[tuple[JobId, JobState]]:
        """The caller's jobs with their states, the newest first."""
        found = self._call("UserJobs")
        return [
            (JobId.parse(job), state_of(status)) for job, status in zip(found["jobs"], found["states"], strict=True)
        ]

    def version(self) -> str:
        """The server's version."""
        return str(self._call("GetVersion"))

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()
        self._pages.close()

    def _call(self, operation: str, **parts: object) -> Any:
        try:
            return self._client.call(operation, **parts)
        except RemoteFault as fault:
            if fault.code == _ENOENT:
                raise JobUnknown(fault.description) from fault
            raise


def state_of(status: dict[str, Any]) -> JobState:
    """The state in a ``jobStatus`` structure."""
    return JobState(str(status["state"]).capitalize())


def _event(choice: dict[str, Any]) -> Event:
    name, values = next((name, values) for name, values in choice.items() if values is not None)
    definition: EventType = EVENT_TYPES[name]
    fields = {own.name: _text(own, values[own.wire]) for own in definition.fields if values.get(own.wire) is not None}
    return Event(
        type=name,
        jobid=JobId.parse(values["jobId"]),
        source=_source(values["source"]),
        timestamp=from_timeval(values["timestamp"]),
        seqcode=values["seqcode"],
        user=values["user"],
        host=values["host"],
        level=values["level"],
        priority=values["priority"],
        src_instance=values.get("srcInstance"),
        fields=fields,
        arrived=from_timeval(values["arrived"]) if values.get("arrived") else None,
    )


def _source(name: str) -> Source:
    return _SOURCES.get(name) or Source(name)


def _text(own: Field, value: Any) -> str:
    if own.kind == "source":
        return _source(value).value
    if isinstance(value, dict):
        moment = from_timeval(value)
        return moment.strftime("%Y%m%d%H%M%S.%f")
    if isinstance(value, list):
        return ",".join(f'{tag["tag"]}="{tag["value"] or ""}"' for tag in value)
    return str(value)
