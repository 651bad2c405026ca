"""The tables of the bookkeeping server: jobs with their kept status, and events as their lines."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION: Final = 2

metadata: Final = MetaData(info={"room": "lb"})

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

jobs: Final = Table(
    "lb_job",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("unique_id", String(128), nullable=False, unique=True),
    Column("jobid", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("parent", String(128)),
    Column("position", Integer, nullable=False, default=0),
    Column("state", String(16), nullable=False),
    Column("status", Text, nullable=False),
    Column("status_version", Integer, nullable=False),
    Column("born", Text),
    Column("class", String(16)),
    Column("events", Integer, nullable=False, default=0),
    Column("user_bytes", Integer, nullable=False, default=0),
    Index("lb_job_owner", "owner", "number"),
    Index("lb_job_parent", "parent", "position"),
)
"""``born``: the status that a parent's registration gave a node; ``class``: what a node counts as in its parent's
histogram; ``user_bytes``: lengths of the lines that users added."""

histograms: Final = Table(
    "lb_histogram",
    metadata,
    Column("parent", String(128), ForeignKey("lb_job.unique_id"), primary_key=True),
    Column("computed", Boolean, nullable=False),
    *(Column(slot, Integer, nullable=False) for slot in ("Running", "Done", "Aborted", "Cleared", "Unknown")),
)
"""How many nodes of a parent are in which class, in columns of their own: a node that moves changes two numbers, and
not the parent's status, which may be long.  ``computed``: the parent's state follows from its nodes'."""

events: Final = Table(
    "lb_event",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("job", String(128), ForeignKey("lb_job.unique_id"), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("type", String(40), nullable=False),
    Column("arrived", String(32), nullable=False),
    Column("line", Text, nullable=False),
    UniqueConstraint("job", "digest", name="lb_event_once"),
)
"""``digest`` names an event: the same event delivered twice is stored once."""
