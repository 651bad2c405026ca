"""A small catalogue of files: which logical names a file has, and where its replicas are.

A file is its GUID.  It has one logical file name or several (aliases, all equal) and any number of replicas.  Each
change is one transaction and durable when the call returns.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, Table, func, select

from grid.errors import InternalFailure
from infosys.catalogue_tables import files, lfns, replicas
from infosys.errors import FileUnknown, LogicalNameError, NameTaken, TooManyReplicas
from infosys.logical_name import check_guid, check_lfn, check_replica
from storage.writer import GroupWriter

MAX_REPLICAS: Final = 1000
"""Replicas of one file, and names of one file."""
MAX_LISTED: Final = 10_000
"""Files of one listing."""


@dataclass(frozen=True)
class CatalogueEntry:
    """A file: its GUID, its logical names (without ``lfn:``) and its replicas, each in the order of their coming."""

    guid: str
    lfns: tuple[str, ...]
    replicas: tuple[str, ...]


class Catalogue:
    """One database.  Names may carry their prefix, ``lfn:`` or ``guid:``; where both kinds are possible they must.

    :param writer: for changes; None for one who reads only.
    """

    def __init__(self, engine: Engine, writer: GroupWriter | None = None) -> None:
        self._engine = engine
        self._writer = writer

    # -- changes -------------------------------------------------------------------------------------------

    def register(self, lfn: str, guid: str | None = None, urls: Sequence[str] = ()) -> str:
        """Add a name, with its file if there is none of this GUID, and replicas; repeating it changes nothing.

        :param guid: of the file; without it that of the name if it is known, else a new one.
        :returns: the file's GUID.
        :raises NameTaken: the name belongs to another file.
        :raises LogicalNameError: something is no name.  :raises TooManyReplicas: beyond :data:`MAX_REPLICAS`.
        """
        name, wanted = check_lfn(lfn), check_guid(guid) if guid else None
        checked = [check_replica(url) for url in urls]

        def work(connection: Connection) -> str:
            known = _guid_of_lfn(connection, name)
            if known is not None and wanted not in (None, known):
                raise NameTaken(name, known)
            found = known or wanted or str(uuid.uuid4())
            if known is None:
                if not _is_there(connection, found):
                    connection.execute(files.insert().values(guid=found))
                _insert(connection, lfns, found, "lfn", name)
            for url in checked:
                _insert(connection, replicas, found, "url", url)
            return found

        return self._changed(work)

    def add_alias(self, name: str, lfn: str) -> str:
        """Give a file that is there one more name.

        :raises FileUnknown: there is no such file.  :raises NameTaken: the new name belongs to another file.
        """
        new = check_lfn(lfn)

        def work(connection: Connection) -> str:
            guid = _guid(connection, name)
            known = _guid_of_lfn(connection, new)
            if known not in (None, guid):
                raise NameTaken(new, str(known))
            if known is None:
                _insert(connection, lfns, guid, "lfn", new)
            return guid

        return self._changed(work)

    def add_replicas(self, name: str, urls: Sequence[str]) -> str:
        """Add replicas of a file that is there, all or none; those that it has already stay as they are.

        :raises FileUnknown: there is no such file.  :raises LogicalNameError: one of the URLs is no replica's.
        :raises TooManyReplicas: beyond :data:`MAX_REPLICAS`.
        """
        checked = [check_replica(url) for url in urls]

        def work(connection: Connection) -> str:
            guid = _guid(connection, name)
            for url in checked:
                _insert(connection, replicas, guid, "url", url)
            return guid

        return self._changed(work)

    def remove_replicas(self, name: str, urls: Sequence[str]) -> str:
        """Forget replicas, all or none.

        :raises FileUnknown: there is no such file, or it does not have one of these replicas.
        """
        wanted = tuple(dict.fromkeys(urls))

        def work(connection: Connection) -> str:
            guid = _guid(connection, name)
            for url in wanted:
                done = connection.execute(replicas.delete().where(replicas.c.guid == guid, replicas.c.url == url))
                if not done.rowcount:
                    raise FileUnknown(name, f"it has no replica {url}")
            return guid

        return self._changed(work)

    def remove(self, name: str) -> str:
        """Remove a logical name; with its last name a file goes, and what is known of its replicas.  A GUID: all.

        :raises FileUnknown: there is no such file.  :raises LogicalNameError: a replica's URL names it.
        """

        def work(connection: Connection) -> str:
            guid = _guid(connection, name)
            if name.startswith("guid:"):
                connection.execute(lfns.delete().where(lfns.c.guid == guid))
            elif "://" in name and not name.startswith("lfn:"):
                raise LogicalNameError(name, "what is removed is named lfn:… or guid:…, and its replicas behind that")
            else:
                connection.execute(lfns.delete().where(lfns.c.lfn == check_lfn(name)))
            if not _count(connection, lfns, guid):
                connection.execute(replicas.delete().where(replicas.c.guid == guid))
                connection.execute(files.delete().where(files.c.guid == guid))
            return guid

        return self._changed(work)

    def _changed(self, work: Callable[[Connection], str]) -> str:
        if self._writer is None:
            raise InternalFailure("this catalogue was opened for reading alone")
        return self._writer.run(work)

    # -- looks ---------------------------------------------------------------------------------------------

    def entry(self, name: str) -> CatalogueEntry:
        """All that is known of a file, by ``lfn:…``, ``guid:…`` or one of its replicas' URLs.

        :raises FileUnknown: there is no such file.
        """
        with self._engine.connect() as connection:
            return _entry(connection, _guid(connection, name))

    def listing(self, prefix: str = "", limit: int = MAX_LISTED) -> list[CatalogueEntry]:
        """The files with a name that begins with ``prefix``, by name; at most ``limit``."""
        start = prefix.removeprefix("lfn:")
        chosen = select(lfns.c.guid).where(func.substr(lfns.c.lfn, 1, len(start)) == start)
        with self._engine.connect() as connection:
            rows = connection.execute(chosen.order_by(lfns.c.lfn).limit(limit)).scalars()
            return [_entry(connection, guid) for guid in dict.fromkeys(rows)]


def _entry(connection: Connection, guid: str) -> CatalogueEntry:
    names = select(lfns.c.lfn).where(lfns.c.guid == guid).order_by(lfns.c.number)
    urls = select(replicas.c.url).where(replicas.c.guid == guid).order_by(replicas.c.number)
    return CatalogueEntry(guid, tuple(connection.execute(names).scalars()), tuple(connection.execute(urls).scalars()))


def _guid(connection: Connection, name: str) -> str:
    """The GUID of a file that is there.

    :raises FileUnknown: there is none.
    """
    if name.startswith("guid:"):
        guid = check_guid(name)
        found = guid if _is_there(connection, guid) else None
    elif "://" in name and not name.startswith("lfn:"):
        found = connection.execute(select(replicas.c.guid).where(replicas.c.url == name).limit(1)).scalar()
    else:
        found = _guid_of_lfn(connection, check_lfn(name))
    if found is None:
        raise FileUnknown(name)
    return str(found)


def _guid_of_lfn(connection: Connection, lfn: str) -> str | None:
    return connection.execute(select(lfns.c.guid).where(lfns.c.lfn == lfn)).scalar()


def _is_there(connection: Connection, guid: str) -> bool:
    return connection.execute(select(files.c.guid).where(files.c.guid == guid)).scalar() is not None


def _count(connection: Connection, table: Table, guid: str) -> int:
    counted = select(func.count()).select_from(table).where(table.c.guid == guid)
    return int(connection.execute(counted).scalar_one())


def _insert(connection: Connection, table: Table, guid: str, column: str, value: str) -> None:
    there = select(table.c.number).where(table.c.guid == guid, table.c[column] == value)
    if connection.execute(there).scalar() is not None:
        return
    if _count(connection, table, guid) >= MAX_REPLICAS:
        raise TooManyReplicas(guid, MAX_REPLICAS)
    connection.execute(table.insert().values({"guid": guid, column: value}))
