"""Where a job of the queue stands, told to an operator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sqlalchemy.engine import Connection

from broker import compounds, queue
from broker.compound import Compound
from broker.errors import JobNotQueued
from broker.matched import moment, told
from broker.request import End, Phase, Request
from grid.jobid import JobId
from wsdl.explanation import VERSION, Explanation, JobStory, NodeCount

MAX_WAITING: Final = 10
"""Waiting nodes of a compound job that are named."""

_PHASES: Final = {
    Phase.HELD: "it is a node that waits for its turn or for its parents",
    Phase.QUEUED: "it has not been looked at yet",
    Phase.WAITING: "no computing element matches it",
    Phase.CHOSEN: "a computing element was chosen; the job is being handed over",
    Phase.REGISTERED: "the computing element has it; its start is on the way",
    Phase.RUNNING: "the computing element has it",
}
_ENDS: Final = {
    End.DONE: "it is done",
    End.ABORTED: "it was aborted",
    End.CANCELLED: "it was cancelled",
}

Explain = Callable[[str, str, tuple[str, ...], str], Explanation]
"""Explains a description for an owner with these FQANs and this proxy file."""


class Story:
    """Tells of jobs.

    :param explain: asked for jobs that wait for a match.
    """

    def __init__(self, connection: Connection, explain: Explain) -> None:
        self._connection = connection
        self._explain = explain

    def of(self, job: JobId) -> JobStory:
        """Where the job stands.

        :raises JobNotQueued: the queue has no such job.
        """
        request = queue.get(self._connection, job)
        if request is not None:
            return self._of_request(request)
        compound = compounds.get(self._connection, job)
        if compound is None:
            raise JobNotQueued(str(job))
        return self._of_compound(compound)

    def _of_request(self, request: Request) -> JobStory:
        waits = request.phase in (Phase.QUEUED, Phase.WAITING, Phase.HELD)
        return JobStory(
            VERSION,
            str(request.job),
            request.phase.value,
            _sentence(request),
            request.attempt,
            request.reason or "",
            moment(request.next_try) if request.phase in (Phase.QUEUED, Phase.WAITING) else "",
            moment(request.expiry) if waits else "",
            told(request.ce_id, request.matched) if request.ce_id is not None else None,
            str(request.compound or ""),
            request.node_name or "",
            explanation=self._explain(request.ad, request.owner, request.fqans, request.proxy) if waits else None,
        )

    def _of_compound(self, compound: Compound) -> JobStory:
        counts = compounds.node_states(self._connection, compound.job)
        waiting = compounds.waiting(self._connection, compound.job, MAX_WAITING)
        kind = f"it is a {compound.kind.value} of {compound.nodes} nodes"
        end = f" and {_ENDS[compound.end].removeprefix('it ')}" if compound.end is not None else ""
        return JobStory(
            VERSION,
            str(compound.job),
            compound.phase.value,
            f"{kind}{end}",
            reason=compound.reason or compound.culprit or "",
            nodes=tuple(NodeCount(state, count) for state, count in counts),
            waiting=tuple(f"{node}: {reason}" for node, reason in waiting),
        )


def _sentence(request: Request) -> str:
    if request.phase is Phase.ENDED and request.end is not None:
        code = f" with exit code {request.exit_code}" if request.exit_code is not None else ""
        return _ENDS[request.end] + code
    if request.cancelling:
        return "its user has cancelled it"
    if request.phase is Phase.WAITING and request.reason is None:
        return f"it waits to be sent again, since attempt {request.attempt} failed"
    return _PHASES[request.phase]

