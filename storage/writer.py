"""Group commit: many small changes, one fsync.

One thread per process writes.  What callers hand over while a transaction is being committed goes together into
the next one, each piece in its own SAVEPOINT, so that a piece that fails takes nothing with it but itself.
Callers hear of success only after the COMMIT that holds their piece has returned.

A piece that comes alone is committed at once.  Only when the last transaction held several pieces does the
writer wait, at most ``max_delay``, for as many to come again: the callers it has just answered are then on their
way with their next ones.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from grid import faultpoints
from grid.errors import GridError
from storage.errors import OutcomeUnknown, StorageFailure, WriterBusy, WriterClosed

log = logging.getLogger("wms.storage")

T = TypeVar("T")

MAX_WAITING: Final = 10_000
"""Pieces of work that may wait; beyond it the callers are told to come back."""


@dataclass(frozen=True, slots=True)
class _Unit:
    work: Callable[[Connection], Any]
    future: Future[Any]


class GroupWriter:
    """The writer of one process for one database.

    Make it after the fork and :meth:`close` it at the end; several processes may each have one on the same
    database.  A piece of work gets a connection inside a transaction and must neither commit nor roll back; it
    runs in the writer's thread, so it should do nothing but talk to the database.
    """

    def __init__(self, engine: Engine, max_batch: int = 100, max_delay: float = 0.005) -> None:
        """:param max_batch: pieces of one transaction.
        :param max_delay: seconds to wait for company at most.
        """
        self._engine = engine
        self._max_batch = max_batch
        self._max_delay = max_delay
        self._waiting: queue.Queue[_Unit | None] = queue.Queue(MAX_WAITING + 1)
        self._gate = threading.Lock()  # nothing may enter the queue behind the end mark
        self._closed = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._serve, name="group-writer", daemon=True)
        self._thread.start()

    def run(self, work: Callable[[Connection], T], timeout: float = 30.0) -> T:
        """Do ``work`` and return its result when it is committed and durable.

        An exception of ``work`` undoes it alone and is raised here.

        :param timeout: seconds.
        :raises WriterBusy: the work was not begun in time and will not be.
        :raises OutcomeUnknown: the time ended while the work was in a transaction.
        :raises StorageFailure: the transaction failed as a whole; nothing was kept.
        """
        future = self.submit(work)
        try:
            return future.result(timeout)
        except FutureTimeout:
            if future.done() and not future.cancelled():
                return future.result()  # a TimeoutError of the work itself, or it ended this very moment
            if future.cancel():
                raise WriterBusy(
                    f"the database was too busy for {timeout:g} s to begin a change; try again later"
                ) from None
            raise OutcomeUnknown(timeout) from None

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Hand ``work`` over; the future resolves after the COMMIT.  Cancelling works until it is begun.

        :raises WriterBusy: when too many pieces wait.
        :raises WriterClosed: after :meth:`close`.
        """
        if os.getpid() != self._pid:
            raise StorageFailure("the database writer belongs to the parent process; make one after the fork")
        future: Future[T] = Future()
        with self._gate:
            if self._closed:
                raise WriterClosed
            if self._waiting.qsize() >= MAX_WAITING:
                raise WriterBusy(f"{MAX_WAITING} changes wait for the database; try again later")
            self._waiting.put_nowait(_Unit(work, future))
        return future

    def close(self, timeout: float = 30.0) -> None:
        """Take no more work, finish what waits, end the thread.

        :raises StorageFailure: when that takes longer than ``timeout`` seconds.
        """
        with self._gate:
            if not self._closed:
                self._closed = True
                self._waiting.put_nowait(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise StorageFailure(f"the database writer did not finish within {timeout:g} s")

    def _serve(self) -> None:
        company = 1
        while True:
            first = self._waiting.get()
            if first is None:
                return
            batch, ended = self._gather(first, company)
            begun = [unit for unit in batch if unit.future.set_running_or_notify_cancel()]
            company = len(begun)
            if begun:
                self._commit(begun)
            if ended:
                return

    def _gather(self, first: _Unit, company: int) -> tuple[list[_Unit], bool]:
        """Take what waits; when the last group had ``company``, give as many a moment to come."""
        batch = [first]
        deadline = time.monotonic() + self._max_delay
        while len(batch) < self._max_batch:
            try:
                unit = self._waiting.get_nowait()
            except queue.Empty:
                left = deadline - time.monotonic()
                if len(batch) >= company or left <= 0:
                    break
                try:
                    unit = self._waiting.get(timeout=left)
                except queue.Empty:
                    break
            if unit is None:
                return batch, True
            batch.append(unit)
        return batch, False

    def _commit(self, batch: list[_Unit]) -> None:
        done: list[tuple[_Unit, Any]] = []
        failed: list[tuple[_Unit, BaseException]] = []
        try:
            with self._engine.begin() as connection:
                for unit in batch:
                    self._do(connection, unit, done, failed)
                faultpoints.point("storage.writer.commit")
        except BaseException as error:  # noqa: BLE001 - delivered to every caller of the group
            log.error("a transaction of %d changes failed: %s", len(batch), type(error).__name__)
            for unit in batch:
                unit.future.set_exception(_of_the_group(error))
            return
        faultpoints.point("storage.writer.committed")
        for unit, result in done:
            unit.future.set_result(result)
        for unit, problem in failed:
            unit.future.set_exception(problem)

    @staticmethod
    def _do(
        connection: Connection,
        unit: _Unit,
        done: list[tuple[_Unit, Any]],
        failed: list[tuple[_Unit, BaseException]],
    ) -> None:
        savepoint = connection.begin_nested()
        try:
            result = unit.work(connection)
        except BaseException as error:  # noqa: BLE001 - delivered to the caller of this piece
            # Raises when the database has already thrown the whole transaction away (a full disk, a lost
            # connection): then the neighbours are gone too and must hear it.
            savepoint.rollback()
            failed.append((unit, error))
            return
        if not savepoint.is_active:
            raise StorageFailure("a piece of work ended the transaction that it shares with others")
        try:
            savepoint.commit()
        except DBAPIError as error:
            # PostgreSQL and SQLite check deferred constraints at COMMIT, so what fails here is the connection.
            raise StorageFailure("the database lost a transaction", causes=[type(error).__name__]) from error
        done.append((unit, result))


def _of_the_group(error: BaseException) -> BaseException:
    """One exception object per caller: they are raised in different threads."""
    if isinstance(error, GridError):
        return StorageFailure(error.description, causes=error.causes)
    failure = StorageFailure(
        "the database could not commit the change and kept nothing of it", causes=[type(error).__name__]
    )
    failure.__cause__ = error
    return failure
