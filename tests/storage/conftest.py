"""A database of its own for every test, with one table that takes notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table
from sqlalchemy.engine import Connection, Engine

from storage import GroupWriter, create, open_engine

metadata = MetaData(info={"room": "notes"})
notes = Table("note", metadata, Column("id", Integer, primary_key=True), Column("text", String, unique=True))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, url: str) -> Iterator[Engine]:
    """SQLite always; PostgreSQL when it is installed."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql")
    opened = open_engine(url)
    create(opened, metadata, 1)
    yield opened
    if request.param == "postgresql":
        with opened.begin() as connection:
            metadata.drop_all(connection)
            connection.exec_driver_sql("DROP TABLE schema_version")
    opened.dispose()


@pytest.fixture
def writer(engine: Engine) -> Iterator[GroupWriter]:
    made = GroupWriter(engine)
    yield made
    made.close()


def note(text: str) -> Callable[[Connection], int]:
    """A piece of work that writes one note and returns its number."""

    def work(connection: Connection) -> int:
        return int(connection.execute(notes.insert().values(text=text)).inserted_primary_key[0])

    return work


def texts(engine: Engine) -> set[str]:
    """All notes."""
    with engine.connect() as connection:
        return set(connection.execute(notes.select()).scalars(1))


@pytest.fixture
def tools() -> object:
    class Tools:
        pass

    tools = Tools()
    tools.note, tools.texts, tools.notes, tools.metadata = note, texts, notes, metadata  # type: ignore[attr-defined]
    return tools
