"""Errors of Logging and Bookkeeping.

::

    GridError
    ├── InvalidArgument
    │   └── EventError            1225  an event breaks its type's definition
    │       └── UlmError          1401… a line is not a ULM event (L&B's parse codes are in ``ulm_code``)
    ├── LoggingFailure
    │   ├── RegistrationRefused   1227  the bookkeeping server said no to a RegJob, and why
    │   └── FrameError            1227  bytes on an event port are not L&B's framing
    ├── FileSystemFailure
    │   └── JournalBusy           1203  another process writes this journal
    └── OperationNotAllowed
        └── EventRefused          1226  an event that its sender may not log (server side)
"""

from __future__ import annotations

from grid.errors import FileSystemFailure, InvalidArgument, LoggingFailure, OperationNotAllowed


class EventError(InvalidArgument):
    """An event breaks the definition of its type.

    :ivar event_type: the type's name as given.
    :ivar field: the field at fault, or None when it is the event as a whole.
    """

    def __init__(self, event_type: str, reason: str, *, field: str | None = None) -> None:
        self.event_type = event_type[:100]
        self.field = field
        where = f"field {field!r} of event {self.event_type!r}" if field else f"event {self.event_type!r}"
        super().__init__(f"{where}: {reason}")


class UlmError(InvalidArgument):
    """A line is not a ULM event.

    :ivar ulm_code: 1401 broken line, 1402 unknown event type, 1403 unknown field, 1404 missing field,
        1405 a field's value is wrong (L&B counts its parse errors upward from 1400).
    """

    BROKEN = 1401
    UNKNOWN_EVENT = 1402
    EXTRA_FIELD = 1403
    MISSING_FIELD = 1404
    BAD_VALUE = 1405

    def __init__(self, ulm_code: int, reason: str) -> None:
        self.ulm_code = ulm_code
        super().__init__(f"not an L&B event line: {reason}")


class RegistrationRefused(LoggingFailure):
    """The bookkeeping server refused a RegJob; trying again will not help.

    :ivar jobid: the job that was to be registered.
    :ivar reason: the server's words.
    """

    def __init__(self, jobid: str, server: str, reason: str) -> None:
        self.jobid = jobid
        self.reason = reason
        super().__init__(f"the bookkeeping server {server} refused to register {jobid}: {reason}")


class FrameError(LoggingFailure):
    """Bytes on an event port are not L&B's framing (17-byte length, then length-counted strings)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"not a message of the L&B event protocol: {reason}")


class JournalBusy(FileSystemFailure):
    """Another process holds this journal open for writing.

    :ivar path: the journal's file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"the event journal {path} is being written by another process; give each service its own journal name"
        )


class EventRefused(OperationNotAllowed):
    """An event that its sender may not log.

    :ivar minor: errno that goes to the sender (EPERM, ENOENT, EINVAL, ENOSPC…).
    """

    def __init__(self, minor: int, reason: str) -> None:
        self.minor = minor
        super().__init__(reason)
