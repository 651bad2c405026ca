"""Nodes in the database: their rows, made with their parent's registration, and the count of their classes.

A compound job may have 10,000 nodes, so nothing here is done for a node that could be done for all of them, and a
node that moves costs the same whatever their number.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import ReturningUpdate

from lb import tables
from lb.children import COLLECTIONS, Histogram, Newborns, NodeClass, class_of
from lb.errors import EventRefused
from lb.events import Event
from lb.status import STATUS_VERSION

_AT_ONCE: Final = 500
"""Rows that are made before they are written: what a large collection takes of the memory."""

_jobs = tables.jobs.c
_counts = tables.histograms.c
_ADD_NODES: Final = insert(tables.jobs)
_ADD_HISTOGRAM: Final = insert(tables.histograms)
_HISTOGRAM: Final = select(tables.histograms).where(_counts.parent == bindparam("wanted"))
_STATE: Final = select(_jobs.state).where(_jobs.unique_id == bindparam("wanted"))
_IDS: Final = (
    select(_jobs.jobid).where(_jobs.parent == bindparam("wanted")).order_by(_jobs.position, _jobs.number)
)


def add(connection: Connection, registration: Event) -> None:
    """Make the nodes that a parent's RegJob names.

    :raises EventRefused: when the identifier of one is taken: the sender is told so for good, and does not try again
        for ever.
    """
    newborns = Newborns.of(registration)
    if not newborns.count:
        return
    rows = _rows(newborns)
    try:
        while some := list(islice(rows, _AT_ONCE)):
            connection.execute(_ADD_NODES, some)
    except IntegrityError:
        parent = registration.jobid
        raise EventRefused(errno.EPERM, f"{parent} cannot be registered: an identifier of its nodes is taken") from None
    counts = {slot.value: 0 for slot in NodeClass} | {class_of(newborns.first).value: newborns.count}
    _add_histogram(connection, registration.jobid.unique, registration.get("jobtype"), counts)


def _rows(newborns: Newborns) -> Iterator[dict[str, Any]]:
    first = newborns.first
    shared = {
        "owner": first.owner,
        "parent": newborns.parent.unique,
        "state": first.state.value,
        "status_version": STATUS_VERSION,
        "class": class_of(first).value,
        "events": 0,
    }
    for position, (node, text) in enumerate(newborns.texts()):
        yield shared | {
            "unique_id": node.unique,
            "jobid": str(node),
            "position": position,
            "status": text,
            "born": text,
        }


def has_histogram(connection: Connection, parent: str) -> bool:
    """Whether nodes of a job are counted, because its registration made some or some registered themselves."""
    return connection.execute(_HISTOGRAM, {"wanted": parent}).first() is not None


def histogram(connection: Connection, parent: str) -> dict[NodeClass, int]:
    """How many nodes of a job are in which class; empty when it has none."""
    row = connection.execute(_HISTOGRAM, {"wanted": parent}).first()
    return {} if row is None else _read(row)


def ids(connection: Connection, parent: str) -> tuple[str, ...]:
    """The identifiers of a job's nodes in their order."""
    return tuple(connection.execute(_IDS, {"wanted": parent}).scalars())


def count_new(connection: Connection, parent: str, jobtype: str, new: NodeClass) -> None:
    """Count a node that registered itself."""
    done = connection.execute(_born(new), {"wanted": parent})
    if done.first() is None:
        _add_histogram(connection, parent, jobtype, {slot.value: int(slot is new) for slot in NodeClass})


def recount(connection: Connection, parent: str, old: NodeClass, new: NodeClass) -> Histogram | None:
    """A node went from one class to another: the histogram now, or None when no state follows from it."""
    row = connection.execute(_moved(old, new), {"wanted": parent}).one()
    return _read(row) if row.computed else None


def state(connection: Connection, parent: str) -> str:
    """The state of a job, without reading its status."""
    return str(connection.execute(_STATE, {"wanted": parent}).scalar_one())


def _add_histogram(connection: Connection, parent: str, jobtype: str, counts: dict[str, int]) -> None:
    connection.execute(_ADD_HISTOGRAM, {"parent": parent, "computed": jobtype in COLLECTIONS} | counts)


def _read(row: Row[Any]) -> dict[NodeClass, int]:
    return {slot: row._mapping[slot.value] for slot in NodeClass}


@cache
def _born(new: NodeClass) -> ReturningUpdate[Any]:
    return _changed({new.value: _counts[new.value] + 1})


@cache
def _moved(old: NodeClass, new: NodeClass) -> ReturningUpdate[Any]:
    return _changed({old.value: _counts[old.value] - 1, new.value: _counts[new.value] + 1})


def _changed(values: dict[str, Any]) -> ReturningUpdate[Any]:
    these = update(tables.histograms).where(_counts.parent == bindparam("wanted"))
    return these.values(values).returning(*tables.histograms.c)
