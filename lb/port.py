"""The web service's port: plain values in, plain values out; SOAP is :mod:`wsdl`'s business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grid.errors import ServerOverloaded
from grid.jobid import JobId
from lb.access import Access
from lb.database import JobRecord, LbDatabase
from lb.query import event_test, jobs_of
from lb.values import event_choice, job_status
from lb.version import VERSION
from wsdl.service import Call

INTERFACE_VERSION: Final = "4.0.0"

_MAX_EVENTS: Final = 20_000

_MAX_NODES: Final = 1000
"""Nodes whose full status one answer carries."""


class BookkeepingPort:
    """Operations of LoggingAndBookkeeping; those that are missing answer that they are not implemented yet.

    :param max_jobs: jobs in one answer of UserJobs.
    """

    def __init__(self, database: LbDatabase, access: Access, max_jobs: int) -> None:
        self._database = database
        self._access = access
        self._max_jobs = max_jobs

    def GetVersion(self, call: Call, dummy: str | None = None) -> str:
        """The version of L&B that this server stands in for."""
        self._access.anybody(call.operation)
        return VERSION

    def GetInterfaceVersion(self, call: Call, dummy: str | None = None) -> str:
        """The version of the WSDL."""
        self._access.anybody(call.operation)
        return INTERFACE_VERSION

    def JobStatus(self, call: Call, jobid: str, flags: Sequence[str] | None) -> dict[str, Any]:
        """One job's status; the flags add descriptions and nodes.

        :raises JobUnknown: for no job, and for somebody else's.
        :raises ServerOverloaded: when the nodes' statuses are more than one answer holds.
        """
        reader = self._access.reader(call.environ, call.operation)
        return self._expanded(self._database.job(JobId.parse(jobid), reader), frozenset(flags or ()))

    def UserJobs(self, call: Call) -> dict[str, Any]:
        """The caller's jobs, the newest first.

        :raises ServerOverloaded: when there are more than one answer holds.
        """
        reader = self._access.reader(call.environ, call.operation)
        found, whole = self._database.jobs_of(reader.dn, self._max_jobs)
        if not whole:
            raise ServerOverloaded(f"you have more than {len(found)} jobs here, and one answer may hold no more")
        return {
            "jobs": [str(status.job_id) for status in found],
            "states": [job_status(JobRecord(status)) for status in found],
        }

    def QueryEvents(
        self,
        call: Call,
        jobConditions: Sequence[Mapping[str, Any]],
        eventConditions: Sequence[Mapping[str, Any]],
    ) -> list[dict[str, Any]]:
        """Events of the jobs that are named, by time; see :mod:`lb.query`.

        :raises QueryRefused: for conditions that are not served.
        :raises JobUnknown: when a job is not there, or is somebody else's.
        :raises ServerOverloaded: when they are more than one answer holds.
        """
        reader = self._access.reader(call.environ, call.operation)
        test = event_test(eventConditions)
        found: list[dict[str, Any]] = []
        for job in jobs_of(jobConditions):
            found += [event_choice(event) for event in self._database.events(job, reader) if test(event)]
            if len(found) > _MAX_EVENTS:
                raise ServerOverloaded(f"more than {_MAX_EVENTS} events were found; ask for fewer jobs")
        return found

    def _expanded(self, record: JobRecord, flags: frozenset[str]) -> dict[str, Any]:
        jobid, classads = record.status.job_id, "CLASSADS" in flags
        nodes: list[dict[str, Any]] = []
        if "CHILDSTAT" in flags and record.children:
            if len(record.children) > _MAX_NODES:
                raise ServerOverloaded(
                    f"{jobid} has {len(record.children)} nodes, and one answer holds the full status of {_MAX_NODES}; "
                    f"ask for its nodes one by one, or for their states at https://{jobid.host}:{jobid.port}"
                    f"/?query=parent={jobid}&text"
                )
            nodes = [job_status(JobRecord(node), classads=classads) for node in self._database.node_statuses(jobid)]
        histogram = record.histogram if "CHILDHIST_FAST" in flags else ()
        if "CHILDHIST_THOROUGH" in flags:
            histogram = self._database.node_counts(jobid)
        return job_status(record, classads=classads, children="CHILDREN" in flags, histogram=histogram, nodes=nodes)
