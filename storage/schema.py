"""Tables of a room, with a version.

The rooms that share one database (WMProxy and the broker do) each have a row in the table ``schema_version``.
Creation happens before the services start, never in their workers, which would race.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from sqlalchemy import Column, Integer, MetaData, String, Table, inspect, select, text
from sqlalchemy.engine import Connection, Engine

from grid.errors import ConfigurationError
from storage.engine import place_of
from storage.errors import DatabaseTooNew, MigrationMissing, SchemaMissing

log = logging.getLogger("wms.storage")

Migration = Callable[[Connection], None]
"""Brings the tables from the version before to its own; runs inside the transaction of the whole change."""

_versions = Table(
    "schema_version",
    MetaData(),
    Column("room", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
)

_LOCK = 0x776D7301
"""Key of the PostgreSQL advisory lock that keeps two ``wms init`` from creating at once."""


def create(engine: Engine, metadata: MetaData, version: int, migrations: Mapping[int, Migration] | None = None) -> None:
    """Create the tables of ``metadata``, or bring them to ``version``, in one transaction.

    :param metadata: made as ``MetaData(info={"room": "<name>"})``; the name keys the version.
    :param version: of the tables as ``metadata`` describes them, from 1.
    :param migrations: by the version that each leads to.  Tables that are new need no statement there: those
        that are missing are created after the migrations.
    :raises DatabaseTooNew: when the database holds a later version; nothing is touched.
    :raises MigrationMissing: when a step from the version found to ``version`` is not in ``migrations``.
    """
    room = _room(metadata)
    if version < 1:
        raise ConfigurationError(f"the version of the tables of {room} must be 1 or more, not {version}")
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        _versions.create(connection, checkfirst=True)
        found = _found(connection, room)
        if found is not None:
            _migrate(connection, room, found, version, migrations or {})
        metadata.create_all(connection, checkfirst=True)
        if found is None:
            connection.execute(_versions.insert().values(room=room, version=version))
        elif found != version:
            connection.execute(_versions.update().where(_versions.c.room == room).values(version=version))


def check(engine: Engine, metadata: MetaData, version: int) -> None:
    """Make sure at the start of a service that the tables are there and of ``version``.

    :raises SchemaMissing: when they are not there or older.
    :raises DatabaseTooNew: when they are newer.
    """
    room = _room(metadata)
    with engine.connect() as connection:
        there = inspect(connection).has_table(_versions.name)
        found = _found(connection, room) if there else None
    if found is not None and found > version:
        raise DatabaseTooNew(room, found, version, place_of(engine))
    if found != version:
        state = "has no tables" if found is None else f"holds version {found} of the tables"
        raise SchemaMissing(
            f"the database {place_of(engine)} {state} of {room}, and version {version} is needed; "
            "run the set-up of the node (wms init, wms up) before the services"
        )


def _room(metadata: MetaData) -> str:
    room = metadata.info.get("room")
    if not isinstance(room, str) or not room:
        raise ConfigurationError('name the owner of the tables: MetaData(info={"room": "<name>"})')
    return room


def _found(connection: Connection, room: str) -> int | None:
    found = connection.execute(select(_versions.c.version).where(_versions.c.room == room)).scalar_one_or_none()
    return None if found is None else int(found)


def _migrate(connection: Connection, room: str, found: int, version: int, migrations: Mapping[int, Migration]) -> None:
    if found > version:
        raise DatabaseTooNew(room, found, version, place_of(connection.engine))
    steps = range(found + 1, version + 1)
    for step in steps:
        if step not in migrations:
            raise MigrationMissing(room, found, step, place_of(connection.engine))
    for step in steps:
        log.info("bringing the tables of %s from version %d to %d", room, step - 1, step)
        migrations[step](connection)
