"""Compound jobs (collections and DAGs) and their nodes, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from broker.request import End, Phase, Submission
from grid.jobid import JobId


class Kind(StrEnum):
    """How L&B learns the state of the job: of a DAG by events of the broker, of a collection by its nodes."""

    DAG = "dag"
    COLLECTION = "collection"


class Fate(StrEnum):
    """What became of a node; the values are the columns that count them."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class CompoundSubmission:
    """What WMProxy hands over about a compound job beside its nodes.

    :ivar sequence_code: of the compound job itself; the broker's events about it count on from here.
    """

    job: JobId
    owner: str
    kind: Kind
    sequence_code: str


@dataclass(frozen=True)
class NodeSubmission:
    """One node.

    :ivar index: its place, from 0 in node order.
    :ivar parents: places of the nodes that must have succeeded before it starts.
    """

    submission: Submission
    index: int
    name: str
    parents: tuple[int, ...] = ()


@dataclass(frozen=True)
class Compound:
    """One row.

    :ivar wait: how long a released node may wait for a match, seconds, unless its description says until when.
    :ivar released: nodes that were released and have not ended.
    :ivar failed: nodes that ended Done with an exit code other than 0.
    :ivar culprit: the first node that did not succeed, and how it ended.
    """

    job: JobId
    owner: str
    kind: Kind
    phase: Phase
    cancelling: bool
    sequence_code: str
    next_try: float | None
    stumbles: int
    wait: float
    nodes: int
    released: int
    succeeded: int
    failed: int
    aborted: int
    cancelled: int
    culprit: str | None
    end: End | None
    reason: str | None

    @property
    def ended(self) -> int:
        """How many nodes have ended."""
        return self.succeeded + self.failed + self.aborted + self.cancelled

    @property
    def held(self) -> int:
        """How many nodes were not released yet."""
        return self.nodes - self.released - self.ended

    @property
    def complete(self) -> bool:
        """Every node has ended."""
        return self.ended >= self.nodes
