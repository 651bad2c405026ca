"""What the ends of nodes mean for their compound job; part of the transaction that ends them.

A node has succeeded when it ended Done with exit code 0 (DAGMan's rule; in gLite any exit code was good).  Only then
do its children stop waiting for it; after any other end they, and theirs, can never start.  With the last node's end
the compound job has its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from broker import compounds
from broker.compound import Compound, Fate, Kind
from broker.compound_trail import CompoundTrail
from broker.request import End, Phase, Request
from grid.jobid import JobId
from lb.events import Event

COMPLETED = "DAG successfully completed"
FAILED = "DAG completed with failed jobs"
PARENTS_ABORTED = "parents have aborted"
CANCELLED = "Cancelled by user"


@dataclass(frozen=True)
class NodeEnd:
    """How a node ended.

    :ivar node: as it was before; its phase tells whether it had been released.
    :ivar reason: for a node that can never start the reason names the node that failed.
    """

    node: Request
    end: End
    exit_code: int | None
    reason: str

    @property
    def fate(self) -> Fate:
        """What it counts as."""
        if self.end is End.DONE:
            return Fate.FAILED if self.exit_code else Fate.SUCCEEDED
        return Fate.ABORTED if self.end is End.ABORTED else Fate.CANCELLED

    @property
    def sentence(self) -> str:
        """What is said of a node that did not succeed."""
        name = self.node.node_name
        if self.fate is Fate.FAILED:
            return f"node {name} ended with exit code {self.exit_code}"
        return f"node {name} was {self.end.value}: {self.reason}"[:1000]

    @property
    def why_not(self) -> str:
        """The reason for which the node's children end."""
        if self.reason.startswith(PARENTS_ABORTED):
            return self.reason  # names the node where it began
        return f"{PARENTS_ABORTED}: {self.sentence}"


def count_ends(connection: Connection, job: JobId, ends: Sequence[NodeEnd], host: str) -> list[Event]:
    """Record the ends of nodes of the compound job ``job``; the events to log for that job.

    They must be logged before those of the nodes: bookkeeping takes a collection whose last node was cancelled for
    one that is over, and nothing moves it any more.
    """
    failed = [each for each in ends if each.fate is not Fate.SUCCEEDED]
    compound = compounds.count(
        connection,
        job,
        Counter(each.fate for each in ends),
        released=sum(each.node.phase is not Phase.HELD for each in ends),
        culprit=failed[0].sentence if failed else None,
    )
    if compound is None or compound.phase is Phase.ENDED:
        return []
    if compound.kind is Kind.DAG:
        for each in ends:
            if each.fate is Fate.SUCCEEDED:
                compounds.met(connection, job, _place(each.node))
        compounds.doom(connection, job, {_place(each.node): each.why_not for each in failed})
    if not compound.complete:
        return []
    trail = CompoundTrail(compound, host)
    if compound.phase is Phase.QUEUED:
        trail.begun()
    end, reason = judge(compound)
    trail.ended(end, reason)
    compounds.change(
        connection,
        job,
        phase=Phase.ENDED,
        end=end,
        reason=reason,
        next_try=None,
        sequence_code=trail.sequence_code,
    )
    return trail.events


def judge(compound: Compound) -> tuple[End, str]:
    """The end of a compound job whose nodes have all ended, and the sentence for the user.

    Of a collection it is what bookkeeping makes of the nodes: Aborted if one was aborted, Done otherwise, whatever
    the exit codes.  A DAG is Done when every node has succeeded.
    """
    if compound.cancelled == compound.nodes or (compound.cancelling and compound.cancelled):
        return End.CANCELLED, CANCELLED
    if compound.kind is Kind.COLLECTION:
        if compound.aborted:
            return End.ABORTED, f"{compound.aborted} of {compound.nodes} nodes were aborted; {compound.culprit}"
        return End.DONE, "all nodes have ended"
    if compound.succeeded == compound.nodes:
        return End.DONE, COMPLETED
    return End.ABORTED, f"{FAILED}: {compound.culprit}"


def _place(node: Request) -> int:
    if node.node_index is None:
        raise ValueError(f"{node.job} is not a node")
    return node.node_index
