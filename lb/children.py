"""Nodes of compound jobs: what a registration creates, and how the nodes' states make their parent's.

Source: L&B's collections.  Only collections have a computed state; DAGs move by events of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from grid.clock import now
from grid.jobid import JobId
from grid.seqcode import SequenceCode
from grid.states import DoneCode, JobState, Source
from lb.events import Event
from lb.machine import initial
from lb.ordering import code_of
from lb.status import JobStatus, Marks, to_json
from lb.transitions import write_histogram

COLLECTIONS: Final = ("COLLECTION", "FILE_TRANSFER_COLLECTION")
_INTERNAL: Final = 32
"""Priority flag of events that the server logs itself."""


class NodeClass(StrEnum):
    """What a node counts as in its parent's histogram; the values are the histogram's slots."""

    RUNNING = "Running"
    DONE = "Done"
    ABORTED = "Aborted"
    CLEARED = "Cleared"
    REST = "Unknown"


Histogram = Mapping[NodeClass, int]


def class_of(status: JobStatus) -> NodeClass:
    """The class of a node.  A failed Done is REST: the collection waits for what becomes of the node."""
    if status.state is JobState.Running:
        return NodeClass.RUNNING
    if status.state is JobState.Done:
        return NodeClass.DONE if status.done_code is DoneCode.OK else NodeClass.REST
    if status.state is JobState.Aborted:
        return NodeClass.ABORTED
    if status.state in (JobState.Cleared, JobState.Cancelled):
        return NodeClass.CLEARED
    return NodeClass.REST


def collection_state(histogram: Histogram) -> JobState:
    """The state of a collection by its nodes; the first rule that holds decides."""
    count = {slot: histogram.get(slot, 0) for slot in NodeClass}
    total = sum(count.values())
    if count[NodeClass.RUNNING]:
        return JobState.Running
    if count[NodeClass.CLEARED] == total:
        return JobState.Cleared
    if count[NodeClass.DONE] + count[NodeClass.CLEARED] == total:
        return JobState.Done
    if count[NodeClass.ABORTED] + count[NodeClass.DONE] + count[NodeClass.CLEARED] == total:
        return JobState.Aborted
    return JobState.Waiting


@dataclass(frozen=True, slots=True)
class Newborns:
    """The nodes that a parent's registration creates: submitted, with the owner's name and no description yet.

    They differ by their identifiers alone, which follow from the seed; without one (or without a number) there are
    none.
    """

    parent: JobId
    seed: str
    count: int
    first: JobStatus

    @classmethod
    def of(cls, registration: Event) -> Newborns:
        """Read a RegJob."""
        seed, count = registration.get("seed"), registration.number("nsubjobs") or 0
        first = replace(
            initial(registration.jobid.child(seed, 0)),
            state=JobState.Submitted,
            owner=registration.user,
            parent_job=str(registration.jobid),
            network_server=registration.get("ns"),
            state_enter_time=registration.timestamp,
            last_update_time=registration.timestamp,
            state_enter_times=((JobState.Submitted, registration.timestamp),),
            marks=Marks(registered=True),
        )
        return cls(registration.jobid, seed, count if seed else 0, first)

    def nodes(self) -> Iterator[JobId]:
        """The identifiers in the order of the nodes."""
        return (self.parent.child(self.seed, index) for index in range(self.count))

    def texts(self) -> Iterator[tuple[JobId, str]]:
        """Each identifier with the node's status as it is kept; the text is made once."""
        before, after = to_json(self.first).split(str(self.first.job_id), 1)
        return ((node, f"{before}{node}{after}") for node in self.nodes())


def state_event(parent: JobStatus, histogram: Histogram, child: JobId, child_event: str, host: str) -> Event:
    """The CollectionState event by which the server moves a parent to the state of its nodes."""
    code = code_of(parent.marks.top) if parent.marks.top else SequenceCode()
    counts = {JobState(slot.value): number for slot, number in histogram.items()}
    return Event(
        type="CollectionState",
        jobid=parent.job_id,
        source=Source.LBServer,
        timestamp=now(),
        seqcode=str(code.bump(Source.LBServer)),
        user=parent.owner or "",
        host=host,
        priority=_INTERNAL,
        fields={
            "state": collection_state(histogram).value,
            "done_code": "0",
            "histogram": write_histogram(counts),
            "child": str(child),
            "child_event": child_event,
        },
    )


