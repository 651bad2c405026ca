"""The boundary to a local resource management system: what each back end offers and what it tells.

Life of a job here: :meth:`Lrms.submit` queues it; when a place is free the back end asks
:meth:`Watcher.assigned`, which records the place durably *before* the job's wrapper is allowed to begin; the
wrapper's own steps are read from its status file; :meth:`Watcher.ended` says that the wrapper is gone.  After
a restart of the service the executor calls :meth:`Lrms.adopt` for what was assigned and submits the rest anew.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol


@dataclass(frozen=True, slots=True)
class LocalAccount:
    """The uid and gid a job runs under; ``switch`` is False when the service's own account is used."""

    uid: int
    gid: int
    switch: bool


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A prepared job: its id on this element, its queue, its control directory, its account and the slots it needs."""

    id: str
    queue: str
    control: Path
    account: LocalAccount
    slots: int = 1


@dataclass(frozen=True, slots=True)
class Load:
    """How many jobs of a queue run and wait."""

    running: int
    waiting: int


class Watcher(Protocol):
    """Who is told.  The calls come from a thread of the back end, one at a time."""

    def assigned(self, places: Sequence[tuple[str, str]]) -> Collection[str]:
        """Record (job id, batch id) pairs durably and return the ids of the jobs that may begin.

        Raising means that nothing was recorded: the back end keeps the jobs and asks again later.
        """

    def ended(self, job: str) -> None:
        """The wrapper of an assigned or adopted job is gone, whatever it left behind."""

    def refused(self, job: str, reason: str) -> None:
        """The batch system would not take the job."""


class Lrms(ABC):
    """One batch system.  Every method may be called from any thread."""

    name: ClassVar[str]

    @abstractmethod
    def submit(self, job: BatchJob) -> None:
        """Queue a prepared job; its start is asked by :meth:`Watcher.assigned`."""

    @abstractmethod
    def adopt(self, job: BatchJob, batch_id: str) -> bool:
        """Take over a job that an earlier life of the service had assigned.  False when it is gone."""

    @abstractmethod
    def cancel(self, job: str) -> bool:
        """Cancel.  True: it was waiting and never begins; False: it is being ended, or is not known here."""

    @abstractmethod
    def load(self, queue: str) -> Load:
        """How full a queue is."""

    @abstractmethod
    def close(self) -> None:
        """Stop watching.  Running jobs run on; the next life of the service adopts them."""
