"""The broker's own errors.

::

    GridError
    ├── NoSuitableResource
    │   └── NothingMatches         with the lines that say why
    ├── JobUnknown
    │   └── JobNotQueued           the queue has no such job
    ├── AuthorizationDenied
    │   └── CatalogueRefused       a job names a catalogue that the broker must not ask
    └── InternalFailure
        ├── BadCompound            the nodes of a compound job make no DAG
        ├── BrokerInfoFailed       the file that tells a job of its place cannot be written
        ├── CeUnreachable          no answer: what was asked may or may not have happened
        └── CeRefused              an answer, and it is no
            └── CeJobUnknown       the CE has no such job
"""

from __future__ import annotations

from pathlib import Path

from grid.errors import AuthorizationDenied, InternalFailure, JobUnknown


class JobNotQueued(JobUnknown):
    """The broker's queue has no such job: there never was one, it was purged, or it was not started.

    :ivar job: its identifier.
    """

    def __init__(self, job: str) -> None:
        self.job = job
        super().__init__(
            f"the broker knows no job {job}: either it was never started, or its output was fetched and it was purged"
        )


class CatalogueRefused(AuthorizationDenied):
    """A job names a catalogue that the broker must not ask.

    :ivar url: as the job has it.
    :ivar reason: why, without the address.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url[:200]} is not asked: {reason}")


class BadCompound(InternalFailure):
    """The nodes of a compound job make no DAG; its description should have been refused before.

    :ivar job: the compound job's identifier.
    """

    def __init__(self, job: str, reason: str) -> None:
        self.job = job
        super().__init__(f"the compound job {job} cannot be queued: {reason}")


class BrokerInfoFailed(InternalFailure):
    """``.BrokerInfo`` cannot be written; the words are gLite's.

    :ivar path: the file.
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"cannot create the brokerinfo file at {path.name}: {reason}")


class CeUnreachable(InternalFailure):
    """A computing element gave no answer.

    :ivar endpoint: its URL.
    """

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        super().__init__(f"the computing element {endpoint} does not answer: {reason}")


class CeRefused(InternalFailure):
    """A computing element answered no.

    :ivar endpoint: its URL.
    :ivar reason: its words.
    :ivar about_job: it says that the description or the user is the reason, so others may be served well there.
    """

    def __init__(self, endpoint: str, reason: str, *, about_job: bool = False) -> None:
        self.endpoint = endpoint
        self.reason = reason
        self.about_job = about_job
        super().__init__(f"the computing element {endpoint} refuses: {reason}")


class CeJobUnknown(CeRefused):
    """A computing element does not know a job that it took before."""
