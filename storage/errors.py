"""What can go wrong with a database.

::

    InternalFailure
    └── StorageFailure           1202  the database did not do what was asked; nothing of it was kept
        └── WriterClosed         1202  the writer was already closed when the work came
    TimedOut
    └── OutcomeUnknown           1229  the deadline passed while the work was being committed
    ServerOverloaded
    └── WriterBusy               1228  too much work waits, or the work did not start before its deadline
    ConfigurationError
    ├── SchemaMissing            1205  the tables were never created
    ├── DatabaseTooNew           1205  a newer release wrote this database
    └── MigrationMissing         1205  no way from the database's version to the program's
"""

from __future__ import annotations

from grid.errors import ConfigurationError, InternalFailure, ServerOverloaded, TimedOut


class StorageFailure(InternalFailure):
    """The database did not do what was asked, and nothing of the transaction was kept."""


class WriterClosed(StorageFailure):
    """Work came to a writer that is closed; it was not done."""

    def __init__(self) -> None:
        super().__init__("the database writer is closed; the service is stopping, try again later")


class OutcomeUnknown(TimedOut):
    """The deadline passed while the work was in a transaction: it may or may not become durable."""

    def __init__(self, timeout: float) -> None:
        super().__init__(
            f"the database did not confirm a change within {timeout:g} s; it may still take effect, "
            "so look before repeating it"
        )
        self.timeout = timeout


class WriterBusy(ServerOverloaded):
    """The work was not begun and never will be; repeating it is safe."""


class SchemaMissing(ConfigurationError):
    """A service met a database without its tables, or with tables of an older release."""


class DatabaseTooNew(ConfigurationError):
    """A newer release wrote this database."""

    def __init__(self, room: str, found: int, known: int, place: str) -> None:
        super().__init__(
            f"the database {place} holds version {found} of the tables of {room}, and this program knows them "
            f"only up to version {known}; install the release that wrote it, or restore a copy made before"
        )
        self.room, self.found, self.known = room, found, known


class MigrationMissing(ConfigurationError):
    """There is no way from the version found to the version wanted."""

    def __init__(self, room: str, found: int, step: int, place: str) -> None:
        super().__init__(
            f"the database {place} holds version {found} of the tables of {room}, and this program has no "
            f"migration to version {step}; install the releases in between one after the other"
        )
        self.room, self.found, self.step = room, found, step
