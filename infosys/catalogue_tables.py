"""The tables of the file catalogue: files, the names of each, the replicas of each."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint

from infosys.logical_name import MAX_NAME

VERSION: Final = 1

metadata: Final = MetaData(info={"room": "catalogue"})

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

files: Final = Table(
    "catalogue_file",
    metadata,
    Column("guid", String(36), primary_key=True),
)

lfns: Final = Table(
    "catalogue_name",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("lfn", String(MAX_NAME), nullable=False, unique=True),
    Column("guid", String(36), ForeignKey("catalogue_file.guid"), nullable=False),
    Index("catalogue_name_guid", "guid"),
)
"""Several names of one file are aliases; all are equal."""

replicas: Final = Table(
    "catalogue_replica",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("guid", String(36), ForeignKey("catalogue_file.guid"), nullable=False),
    Column("url", String(MAX_NAME), nullable=False),
    UniqueConstraint("guid", "url"),
    Index("catalogue_replica_url", "url"),
)
