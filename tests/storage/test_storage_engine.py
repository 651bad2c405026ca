"""What a database opened from a URL promises."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from grid.errors import ConfigurationError
from storage import open_engine


@pytest.fixture
def sqlite(url: str) -> Any:
    engine = open_engine(url)
    yield engine
    engine.dispose()


def test_every_file_of_the_database_is_private(sqlite: Engine, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with sqlite.begin() as connection:
            connection.execute(text("CREATE TABLE t (x)"))
            names = sorted(path.name for path in tmp_path.iterdir())
            modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert names == ["test.db", "test.db-shm", "test.db-wal"]
    assert modes == {0o600}


def test_a_loose_file_is_tightened(tmp_path: Path) -> None:
    (tmp_path / "loose.db").touch(0o644)
    open_engine(f"sqlite:///{tmp_path}/loose.db").dispose()
    assert stat.S_IMODE((tmp_path / "loose.db").stat().st_mode) == 0o600


def test_a_link_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        open_engine(f"sqlite:///{tmp_path}/link.db")
    assert not (tmp_path / "elsewhere").exists()


def test_commits_survive_power_loss(sqlite: Engine) -> None:
    with sqlite.connect() as connection:
        pragma = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30000}


def test_a_reader_sees_one_state_and_does_not_wait_for_a_writer(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    with sqlite.connect() as reader, sqlite.begin() as writer:
        assert reader.execute(text("SELECT count(*) FROM t")).scalar() == 0
        writer.execute(text("INSERT INTO t VALUES (1)"))
        writer.commit()
        assert reader.execute(text("SELECT count(*) FROM t")).scalar() == 0


def test_read_then_write_never_loses_an_update(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        connection.execute(text("CREATE TABLE t (x INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (0)"))

    def count() -> None:
        for _ in range(20):
            with sqlite.begin() as connection:
                x = connection.execute(text("SELECT x FROM t")).scalar_one()
                connection.execute(text("UPDATE t SET x = :x"), {"x": x + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with sqlite.connect() as connection:
        assert connection.execute(text("SELECT x FROM t")).scalar_one() == 80


def test_ddl_is_part_of_the_transaction(sqlite: Engine) -> None:
    with pytest.raises(ZeroDivisionError), sqlite.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
        raise ZeroDivisionError
    with sqlite.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 0


def test_a_child_process_does_not_use_the_parents_connections(sqlite: Engine) -> None:
    with sqlite.begin() as connection:
        connection.execute(text("CREATE TABLE t (x)"))
    pid = os.fork()
    if pid == 0:
        try:
            with sqlite.begin() as connection:
                connection.execute(text("INSERT INTO t VALUES (1)"))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with sqlite.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 1
        assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://host/db", "nonsense", "sqlite:////no/such/dir/x"]
)
def test_an_unusable_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        open_engine(url)
