"""Names of states, sources and codes, spelled as Logging and Bookkeeping and CREAM spell them."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """L&B job states.  :attr:`code` is the historical number."""

    Undef = "Undef"
    Submitted = "Submitted"
    Waiting = "Waiting"
    Ready = "Ready"
    Scheduled = "Scheduled"
    Running = "Running"
    Done = "Done"
    Cleared = "Cleared"
    Aborted = "Aborted"
    Cancelled = "Cancelled"
    Unknown = "Unknown"
    Purged = "Purged"

    @property
    def code(self) -> int:
        """Position in L&B's enumeration, Undef 0 … Purged 11."""
        return list(JobState).index(self)

    @property
    def wire(self) -> str:
        """The spelling of the SOAP interface: upper case."""
        return self.value.upper()

    @property
    def final(self) -> bool:
        """True for states that no later event of the job's life leaves, Done included."""
        return self in _ENDS


_ENDS = frozenset(
    (JobState.Done, JobState.Cleared, JobState.Aborted, JobState.Cancelled, JobState.Purged)
)


class DoneCode(StrEnum):
    """What a Done event says."""

    OK = "OK"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Source(StrEnum):
    """Who logs an event (L&B source codes in their order)."""

    Undefined = "Undefined"
    UserInterface = "UserInterface"
    NetworkServer = "NetworkServer"
    WorkloadManager = "WorkloadManager"
    BigHelper = "BigHelper"
    JobController = "JobController"
    LogMonitor = "LogMonitor"
    LRMS = "LRMS"
    Application = "Application"
    LBServer = "LBServer"
    CREAMInterface = "CREAMInterface"
    CREAMExecutor = "CREAMExecutor"
    PBSClient = "PBSClient"
    PBSServer = "PBSServer"
    PBSMomSuperior = "PBSMomSuperior"
    PBSMom = "PBSMom"
    PBSScheduler = "PBSScheduler"
    CloudManager = "CloudManager"
    VMManager = "VMManager"
    VMSystem = "VMSystem"


class CreamState(StrEnum):
    """States of a job on a computing element (CREAM), in CREAM's order."""

    REGISTERED = "REGISTERED"
    PENDING = "PENDING"
    IDLE = "IDLE"
    RUNNING = "RUNNING"
    REALLY_RUNNING = "REALLY-RUNNING"
    CANCELLED = "CANCELLED"
    HELD = "HELD"
    DONE_OK = "DONE-OK"
    DONE_FAILED = "DONE-FAILED"
    PURGED = "PURGED"
    ABORTED = "ABORTED"

    @property
    def final(self) -> bool:
        """True when the job has ended on the computing element."""
        return self in (
            CreamState.CANCELLED,
            CreamState.DONE_OK,
            CreamState.DONE_FAILED,
            CreamState.PURGED,
            CreamState.ABORTED,
        )
