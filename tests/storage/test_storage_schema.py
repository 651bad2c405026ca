"""Creation and migration of tables."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, inspect, text
from sqlalchemy.engine import Connection, Engine

from grid.errors import ConfigurationError
from storage import DatabaseTooNew, MigrationMissing, SchemaMissing, check, create


def second_release() -> MetaData:
    metadata = MetaData(info={"room": "notes"})
    Table(
        "note",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("text", String, unique=True),
        Column("author", String),
    )
    Table("label", metadata, Column("id", Integer, primary_key=True))
    return metadata


def add_author(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE note ADD COLUMN author VARCHAR"))


def test_creating_twice_changes_nothing(engine: Engine, tools: Any) -> None:
    create(engine, tools.metadata, 1)
    check(engine, tools.metadata, 1)


def test_a_migration_keeps_the_rows_and_new_tables_need_none(engine: Engine, tools: Any) -> None:
    with engine.begin() as connection:
        tools.note("kept")(connection)
    create(engine, second_release(), 2, {2: add_author})
    with engine.connect() as connection:
        assert connection.execute(text("SELECT text, author FROM note")).all() == [("kept", None)]
        assert inspect(connection).has_table("label")
    check(engine, second_release(), 2)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE label"))


def test_a_failing_migration_leaves_the_database_as_it_was(engine: Engine, tools: Any) -> None:
    def fail(connection: Connection) -> None:
        add_author(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        create(engine, second_release(), 2, {2: fail})
    check(engine, tools.metadata, 1)
    with engine.connect() as connection:
        assert "author" not in {column["name"] for column in inspect(connection).get_columns("note")}


def test_a_database_newer_than_the_program_is_refused_with_both_versions(engine: Engine, tools: Any) -> None:
    create(engine, tools.metadata, 7, {step: lambda connection: None for step in range(2, 8)})
    for refuse in (create, check):
        with pytest.raises(DatabaseTooNew, match=r"version 7 of the tables of notes.*up to version 3"):
            refuse(engine, tools.metadata, 3)


def test_a_missing_step_is_named(engine: Engine, tools: Any) -> None:
    with pytest.raises(MigrationMissing, match="no migration to version 2"):
        create(engine, tools.metadata, 3, {3: add_author})
    check(engine, tools.metadata, 1)


def test_a_service_without_its_tables_says_what_to_run(engine: Engine) -> None:
    with pytest.raises(SchemaMissing, match=r"has no tables of other.*wms init"):
        check(engine, MetaData(info={"room": "other"}), 1)


def test_rooms_that_share_a_database_have_their_own_versions(engine: Engine, tools: Any) -> None:
    other = MetaData(info={"room": "other"})
    table = Table("other_thing", other, Column("id", Integer, primary_key=True))
    create(engine, other, 4)
    check(engine, other, 4)
    check(engine, tools.metadata, 1)
    with engine.begin() as connection:
        table.drop(connection)


def test_tables_without_an_owner_are_refused(engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="room"):
        create(engine, MetaData(), 1)
