"""The broker's tables; only :mod:`broker.queue`, :mod:`broker.compounds` and :mod:`broker.standings` touch them.

A node of a compound job is a request like any other, with the columns from ``compound`` on filled in.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from storage.schema import Migration

SCHEMA_VERSION = 4
metadata = sa.MetaData(info={"room": "broker"})

REQUESTS = sa.Table(
    "broker_requests",
    metadata,
    sa.Column("job_id", sa.String(1024), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("fqans", sa.Text, nullable=False),
    sa.Column("ad", sa.Text, nullable=False),
    sa.Column("proxy", sa.Text, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("infrastructure", sa.Integer, nullable=False),
    sa.Column("stumbles", sa.Integer, nullable=False),
    sa.Column("retry_count", sa.Integer, nullable=False),
    sa.Column("next_try", sa.Float),  # none: nothing is to be done here until somebody sets it
    sa.Column("expiry", sa.Float),  # none: held, and the wait begins with the release
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("sequence_code", sa.String(160), nullable=False),
    sa.Column("tried_hosts", sa.Text, nullable=False),
    sa.Column("ce_id", sa.Text),
    sa.Column("ce_endpoint", sa.Text),
    sa.Column("ce_job", sa.Text),
    sa.Column("end", sa.String(16)),
    sa.Column("exit_code", sa.Integer),
    sa.Column("reason", sa.Text),
    sa.Column("told", sa.Integer, nullable=False),  # reasons of this wait that L&B was told of
    sa.Column("told_at", sa.Float),
    sa.Column("matched", sa.Text),  # JSON: when, with which rank, and what else could have been taken
    sa.Column("sent_at", sa.Float),  # when the present element was chosen, and how many slots the job wants there
    sa.Column("slots", sa.Integer),
    sa.Column("purge_ce", sa.Boolean, nullable=False),
    sa.Column("compound", sa.String(1024)),
    sa.Column("node_index", sa.Integer),
    sa.Column("node_name", sa.Text),
    sa.Column("unmet", sa.Integer),  # parents that have not ended well yet; DOOMED: one never will
    sa.Index("broker_requests_phase", "phase", "ce_endpoint"),
    sa.Index("broker_requests_ce", "ce_endpoint", "ce_job"),
)
_PENDING = REQUESTS.c.next_try.is_not(None)
sa.Index("broker_requests_due", REQUESTS.c.next_try, sqlite_where=_PENDING, postgresql_where=_PENDING)
sa.Index(
    "broker_requests_turns", REQUESTS.c.owner, REQUESTS.c.next_try, sqlite_where=_PENDING, postgresql_where=_PENDING
)
_SENT = REQUESTS.c.sent_at.is_not(None)
_BY_SENDING = sa.Index("broker_requests_sent", REQUESTS.c.sent_at, sqlite_where=_SENT, postgresql_where=_SENT)
_OF_COMPOUND = REQUESTS.c.compound.is_not(None)
sa.Index(
    "broker_requests_nodes",
    REQUESTS.c.compound,
    REQUESTS.c.phase,
    REQUESTS.c.unmet,
    REQUESTS.c.node_index,
    sqlite_where=_OF_COMPOUND,
    postgresql_where=_OF_COMPOUND,
)
sa.Index(
    "broker_requests_node",
    REQUESTS.c.compound,
    REQUESTS.c.node_index,
    unique=True,
    sqlite_where=_OF_COMPOUND,
    postgresql_where=_OF_COMPOUND,
)
DOOMED = -1
"""The value of ``unmet`` of a node that can never start."""

COMPOUNDS = sa.Table(
    "broker_compounds",
    metadata,
    sa.Column("job_id", sa.String(1024), primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("cancelling", sa.Boolean, nullable=False),
    sa.Column("sequence_code", sa.String(160), nullable=False),
    sa.Column("next_try", sa.Float),
    sa.Column("stumbles", sa.Integer, nullable=False),
    sa.Column("wait", sa.Float, nullable=False),  # seconds that a released node may wait for a match
    sa.Column("nodes", sa.Integer, nullable=False),
    sa.Column("released", sa.Integer, nullable=False),  # and not ended
    sa.Column("succeeded", sa.Integer, nullable=False),
    sa.Column("failed", sa.Integer, nullable=False),
    sa.Column("aborted", sa.Integer, nullable=False),
    sa.Column("cancelled", sa.Integer, nullable=False),
    sa.Column("culprit", sa.Text),
    sa.Column("end", sa.String(16)),
    sa.Column("reason", sa.Text),
    sa.Index("broker_compounds_due", "next_try"),
)
EDGES = sa.Table(
    "broker_edges",
    metadata,
    sa.Column("compound", sa.String(1024), primary_key=True),
    sa.Column("parent", sa.Integer, primary_key=True),
    sa.Column("child", sa.Integer, primary_key=True),
)
STREAMS = sa.Table(
    "broker_ce_streams",
    metadata,
    sa.Column("endpoint", sa.String(1024), primary_key=True),
    sa.Column("db_id", sa.String(128), nullable=False),
    sa.Column("last_event", sa.BigInteger, nullable=False),
)
STANDINGS = sa.Table(
    "broker_standings",
    metadata,
    sa.Column("ce_id", sa.String(1024), primary_key=True),
    sa.Column("outcomes", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("refused", sa.Boolean, nullable=False),
    sa.Column("holds", sa.Integer, nullable=False),
    sa.Column("held_until", sa.Float, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("changed", sa.Float, nullable=False),
    sa.Column("slots", sa.Text, nullable=False),  # JSON: [[number, good, failed], ...]
)


def _with_sending(connection: Connection) -> None:
    """Jobs that are on their way already are taken for sent before the picture."""
    connection.execute(sa.text("ALTER TABLE broker_requests ADD COLUMN sent_at FLOAT"))
    connection.execute(sa.text("ALTER TABLE broker_requests ADD COLUMN slots INTEGER"))
    _BY_SENDING.create(connection)


MIGRATIONS: Mapping[int, Migration] = {4: _with_sending}
"""From the version before to each."""
