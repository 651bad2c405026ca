"""The broker's books: the queue's database, its one writer, and the outbox for events.

Every step of a request is one transaction that holds the new row, the events that tell of it, at the end of a node
what that means for its compound job, and at the end of an attempt what it says of its computing element.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from broker import queue
from broker.queue import End, Phase, Request
from broker.standing import Sign, StandingRules
from broker.standings import Standings
from broker.tally import NodeEnd, count_ends
from broker.traffic import MAX_KEPT, Traffic
from broker.trail import Trail
from lb.events import Event
from lb.journal import Journal
from lb.outbox import Outbox, outbox_table
from storage.engine import open_engine
from storage.writer import GroupWriter

OUTBOX = outbox_table(queue.metadata, "broker_outbox")


@dataclass(frozen=True)
class Fared:
    """How an attempt goes at its computing element, when that says something of the element."""

    sign: Sign
    reason: str = ""


class Ledger:
    """Opened once by the broker's process.

    :param journal: path of the broker's event journal.
    :ivar standings: how the computing elements fare.
    :ivar traffic: what is on its way to them.
    """

    def __init__(
        self,
        database_url: str,
        journal: Path,
        interlogger_doorbell: Path,
        rules: StandingRules | None = None,
    ) -> None:
        self.engine: sa.Engine = open_engine(database_url)
        self.standings = Standings(self.engine, rules or StandingRules())
        self.traffic = Traffic()
        self.writer = GroupWriter(self.engine)
        self._outbox = Outbox(OUTBOX, self.writer, Journal(journal), interlogger_doorbell).start()

    def recall(self, since: float) -> int:
        """After a restart: take up the jobs again that were sent after this moment and are still there.

        :param since: when the picture was taken that jobs are matched with, seconds since 1970.
        :returns: how many they are.
        """
        with self.engine.connect() as connection:
            found = queue.on_their_way(connection, since, MAX_KEPT)
        self.traffic.recall(found)
        return len(found)

    def record(self, connection: Connection, events: Sequence[Event]) -> None:
        """Put events into the outbox, inside a transaction of :attr:`writer`."""
        self._outbox.add(connection, events)

    def told(self) -> None:
        """Events were committed."""
        self._outbox.notify()

    def step(self, request: Request, trail: Trail, *, fared: Fared | None = None, **values: Any) -> bool:
        """Move a request and log its events in one transaction.

        :param fared: what it says of the request's computing element, if anything.
        :returns: False, with nothing changed, when the request has moved on in the meantime.
        """
        moved: bool = self.writer.run(lambda connection: self.step_in(connection, request, trail, fared, **values))
        if moved:
            self.told()
        return moved

    def step_in(
        self, connection: Connection, request: Request, trail: Trail, fared: Fared | None = None, **values: Any
    ) -> bool:
        """The same inside a transaction that the caller holds."""
        if not queue.move(connection, request, sequence_code=trail.sequence_code, **values):
            return False
        if values.get("phase") in (Phase.WAITING, Phase.ENDED):
            self.traffic.ended(str(request.job))
        if fared is not None and request.ce_id is not None:
            self.standings.record(connection, request.ce_id, fared.sign, fared.reason)
        if request.compound is not None and values.get("phase") is Phase.ENDED:
            ended = NodeEnd(request, values["end"], values.get("exit_code"), values["reason"])
            self.record(connection, count_ends(connection, request.compound, [ended], trail.host))
        self.record(connection, trail.events)
        return True

    def end(self, request: Request, trail: Trail, end: End, reason: str, *, fared: Fared | None = None) -> bool:
        """End a request that no CE has."""
        return self.step(request, trail, fared=fared, phase=Phase.ENDED, end=end, reason=reason)

    def close(self) -> None:
        """Write what is under way and stop."""
        self._outbox.close()
        self.writer.close()
        self.engine.dispose()
