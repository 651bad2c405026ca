"""The outbox: a service's events ride in its own transaction and reach the journal afterwards.

What a service promises and what it tells L&B must not part company in a crash, so events are first rows of
the service's database, written in the transaction that makes the promise.  A thread moves committed rows to
the journal (fsync), deletes them, and rings the interlogger.  A crash in between writes a line twice; the
bookkeeping server stores equal lines once.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, bindparam, delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from grid.doorbell import Doorbell, ring
from grid.errors import GridError
from grid.faultpoints import point
from grid.files import make_directory
from lb import ulm
from lb.events import Event
from lb.journal import Journal
from storage.writer import GroupWriter

_log = logging.getLogger("wms.lb")

_BATCH: Final = 500
_LOOK_AGAIN: Final = 5.0
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0


def outbox_table(metadata: MetaData, name: str = "lb_outbox") -> Table:
    """Declare the outbox in a service's own metadata."""
    return Table(
        name,
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("line", Text, nullable=False),
        sqlite_autoincrement=True,
    )


class Outbox:
    """Moves a service's events from its database to its journal.

    Several worker processes of one service may each have an outbox on the same table and journal: a lock file
    beside the journal elects the one that moves, and the others ring it.

    :param writer: the writer of the database that holds ``table``.
    :param journal: must not be written by anybody else.
    :param il_doorbell: where the interlogger listens.
    """

    def __init__(self, table: Table, writer: GroupWriter, journal: Journal, il_doorbell: Path) -> None:
        self._table = table
        # Made once: making a statement costs several times what running it does.
        column = table.c
        self._insert = insert(table)
        self._oldest = select(column.id, column.line).order_by(column.id).limit(_BATCH)
        self._delete = delete(table).where(column.id.in_(bindparam("moved", expanding=True)))
        self._writer = writer
        self._journal = journal
        self._il_doorbell = il_doorbell
        self._bell = journal.path.with_suffix(".bell")
        self._lock = journal.path.with_suffix(".lock")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"outbox-{journal.path.stem}", daemon=True)
        make_directory(journal.path.parent)

    def start(self) -> Outbox:
        """Start the moving thread (after a fork, in the process that is to move)."""
        self._thread.start()
        return self

    def add(self, connection: Connection, events: Iterable[Event]) -> None:
        """Write ``events`` inside the caller's transaction, in this order.

        :raises EventError: when an event is too long for a line.
        """
        rows = [{"line": ulm.encode(event)} for event in events]
        if rows:
            connection.execute(self._insert, rows)

    def notify(self) -> None:
        """Say that rows were committed.  Forgetting it delays them by some seconds, no more."""
        ring(self._bell)

    def close(self, timeout: float = 5.0) -> None:
        """Move what is left if the journal is ours, then stop; rows that stay wait for the next start.

        :param timeout: seconds to wait for the thread.
        """
        self._ended.set()
        self.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            ending = self._ended.is_set()
            try:
                with _only_one(self._lock) as elected:
                    if elected:
                        self._move_until_closed()
            except OSError as error:
                _log.error("the outbox cannot work in %s: %s", self._journal.path.parent, error)
            if ending:
                return
            self._ended.wait(_LOOK_AGAIN)

    def _move_until_closed(self) -> None:
        pause = _FIRST_PAUSE
        with Doorbell.listen(self._bell) as bell, self._journal:
            while True:
                ending = self._ended.is_set()
                try:
                    while self._move():
                        pause = _FIRST_PAUSE
                except (GridError, SQLAlchemyError, OSError) as error:
                    _log.error("events wait in %s: %s; trying again in %.1f s", self._table.name, error, pause)
                    if self._ended.wait(pause):
                        return
                    pause = min(_LONGEST_PAUSE, pause * 2)
                    continue
                if ending:
                    return
                bell.wait(_LOOK_AGAIN)

    def _move(self) -> bool:
        """Move one batch; False when there was nothing."""
        rows = self._writer.run(lambda connection: connection.execute(self._oldest).all())
        if not rows:
            return False
        self._journal.append([row.line for row in rows])
        point("lb.outbox.journalled")
        # By their own ids: with PostgreSQL a smaller id may become visible later than a greater one.
        moved = {"moved": [row.id for row in rows]}
        self._writer.run(lambda connection: connection.execute(self._delete, moved).rowcount)
        point("lb.outbox.deleted")
        ring(self._il_doorbell)
        return True


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            elected = True
        except BlockingIOError:
            elected = False
        yield elected
    finally:
        os.close(descriptor)
