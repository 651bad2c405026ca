"""One way to a database: engines from a URL, schemas with a version, and the group-commit writer.

:func:`open_engine` and :class:`GroupWriter` are made in each worker process after the fork; :func:`create` runs
before the services start.
"""

from storage.engine import open_engine
from storage.errors import (
    DatabaseTooNew,
    MigrationMissing,
    OutcomeUnknown,
    SchemaMissing,
    StorageFailure,
    WriterBusy,
    WriterClosed,
)
from storage.schema import check, create
from storage.writer import GroupWriter

__all__ = [
    "DatabaseTooNew",
    "GroupWriter",
    "MigrationMissing",
    "OutcomeUnknown",
    "SchemaMissing",
    "StorageFailure",
    "WriterBusy",
    "WriterClosed",
    "check",
    "create",
    "open_engine",
]
