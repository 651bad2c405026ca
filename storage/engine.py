"""Engines from a URL.

SQLite is set up so that a committed transaction survives power loss: write-ahead log and ``synchronous=FULL``
(one fsync of the log per commit).  A transaction that will write takes the write lock at its beginning
(``BEGIN IMMEDIATE``): one that reads first and then writes would otherwise fail at once, without waiting, when
another process has committed in between (SQLITE_BUSY_SNAPSHOT).
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from grid.errors import ConfigurationError
from grid.files import fsync_directory

BUSY_SECONDS: Final = 30.0
"""How long a statement waits for the lock of another process."""

POOL_SIZE: Final = 8
POOL_OVERFLOW: Final = 24
"""Connections kept and at most added per process; enough for the threads of one worker."""


class _SqliteEngine(Engine):
    """``connect()`` is for reading (a snapshot), ``begin()`` for writing (the write lock from the beginning)."""

    @contextlib.contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.connect() as connection:
            with connection.execution_options(immediate=True).begin():
                yield connection


def open_engine(url: str) -> Engine:
    """Open the database at ``url``: ``sqlite:////absolute/path`` or ``postgresql+psycopg://...``.

    Made once per process, after the fork.  With SQLite ``engine.connect()`` is for reading and
    ``engine.begin()`` (or a :class:`~storage.writer.GroupWriter`) for writing; the file is created with mode
    0600, and the ``-wal`` and ``-shm`` files beside it take the same mode.

    :raises ConfigurationError: when the URL is not one of these or the file cannot be made.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(
            "the database URL cannot be read; write sqlite:////path/of/file or postgresql+psycopg://user@host/name"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _open_sqlite(parsed)
    if backend == "postgresql":
        engine = sqlalchemy.create_engine(
            parsed, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_pre_ping=True, hide_parameters=True
        )
        _refuse_after_fork(engine)
        return engine
    raise ConfigurationError(f"databases of the kind {backend!r} are not supported; use sqlite or postgresql+psycopg")


def place_of(engine: Engine) -> str:
    """The database in words for a message, without a password."""
    return engine.url.database or "" if engine.dialect.name == "sqlite" else engine.url.render_as_string()


def _open_sqlite(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("a service's SQLite database must be a file; write sqlite:////path/of/file")
    path = Path(url.database)
    _make_private(path)
    made = sqlalchemy.create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )
    engine = _SqliteEngine(made.pool, made.dialect, made.url, hide_parameters=True)
    event.listen(engine, "connect", _prepare_connection)
    event.listen(engine, "begin", _begin)
    _refuse_after_fork(engine)
    return engine


def _make_private(path: Path) -> None:
    """Create the file before SQLite does, with its final mode; tighten one that stands there.

    One that stands there is not opened: closing any descriptor of a file drops all POSIX locks that this process
    holds on it (fcntl(2)), and SQLite relies on them.
    """
    try:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode):
                raise ConfigurationError(f"the database file {path} is not a regular file; move it away") from None
            if mode & 0o177:
                path.chmod(0o600)
        else:
            fsync_directory(path.parent)
    except OSError as error:
        raise ConfigurationError(f"the database file {path} cannot be made: {error.strerror}") from error


def _prepare_connection(connection: Any, _record: object) -> None:
    # The driver must not begin transactions itself: _begin does, so that DDL and SAVEPOINT are inside too.
    connection.isolation_level = None
    cursor = connection.cursor()
    try:
        for pragma in (
            f"busy_timeout={int(BUSY_SECONDS * 1000)}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
        ):
            cursor.execute(f"PRAGMA {pragma}")
    finally:
        cursor.close()


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _refuse_after_fork(engine: Engine) -> None:
    """A connection that crossed a fork would be used by two processes at once: leave it to the parent."""

    @event.listens_for(engine, "connect")
    def remember(_connection: object, record: Any) -> None:
        record.info["pid"] = os.getpid()

    @event.listens_for(engine, "checkout")
    def compare(_connection: object, record: Any, proxy: Any) -> None:
        if record.info["pid"] != os.getpid():
            record.dbapi_connection = proxy.dbapi_connection = None
            raise DisconnectionError("the connection belongs to the parent process")
