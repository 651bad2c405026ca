"""WMProxy's books: the shared database, its one writer in this process, and the outbox for events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from lb.events import Event
from lb.journal import Journal
from lb.outbox import Outbox, outbox_table
from storage.engine import open_engine
from storage.writer import GroupWriter
from wmproxy import jobs

T = TypeVar("T")

OUTBOX = outbox_table(jobs.metadata, "wmproxy_outbox")


class Ledger:
    """Opened once in each worker process.

    :param journal: path of the service's event journal; the workers elect the one that writes it.
    """

    def __init__(self, database_url: str, journal: Path, interlogger_doorbell: Path) -> None:
        self.engine: sa.Engine = open_engine(database_url)
        self._writer = GroupWriter(self.engine)
        self._outbox = Outbox(OUTBOX, self._writer, Journal(journal), interlogger_doorbell).start()

    def commit(self, work: Callable[[Connection], T], events: Sequence[Event] = ()) -> T:
        """Do ``work`` and log ``events`` in one transaction; durable when this returns.

        :raises Exception: what ``work`` raises; then nothing was done.
        """

        def unit(connection: Connection) -> T:
            result = work(connection)
            self._outbox.add(connection, events)
            return result

        result = self._writer.run(unit)
        if events:
            self._outbox.notify()
        return result

    def close(self) -> None:
        """Write what is under way and stop."""
        self._outbox.close()
        self._writer.close()
        self.engine.dispose()
