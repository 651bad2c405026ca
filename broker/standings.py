"""The standings of all computing elements: durable, since a restart must not send jobs into a black hole again.

A standing changes in the transaction that ends the attempt (:mod:`broker.ledger`) and is shown from memory.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from broker.standing import Sign, Standing, StandingRules
from broker.tables import STANDINGS

log = logging.getLogger("wms.broker")

_GET = sa.select(STANDINGS).where(STANDINGS.c.ce_id == sa.bindparam("wanted"))


class Standings:
    """Opened once by the broker's process.

    :param clock: seconds since 1970.
    """

    def __init__(self, engine: sa.Engine, rules: StandingRules, clock: Callable[[], float] = time.time) -> None:
        self.rules = rules
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        with engine.connect() as connection:
            rows = connection.execute(sa.select(STANDINGS)).mappings()
            self._known = {row["ce_id"]: _standing_of(row) for row in rows}
        self._doubtful = {name: each for name, each in self._known.items() if each.holds}

    def record(self, connection: Connection, ce_id: str, sign: Sign, reason: str) -> Standing:
        """Count an attempt, inside the transaction that makes it true."""
        row = connection.execute(_GET, {"wanted": ce_id}).mappings().first()
        before = _standing_of(row) if row else Standing(ce_id)
        after = before.after(sign, reason, self._clock(), self.rules)
        if after == before:
            return after
        values = {
            "outcomes": after.outcomes,
            "failures": after.failures,
            "refused": after.refused,
            "holds": after.holds,
            "held_until": after.held_until,
            "reason": after.reason,
            "changed": after.changed,
            "slots": json.dumps(after.slots),
        }
        if row:
            connection.execute(STANDINGS.update().where(STANDINGS.c.ce_id == ce_id).values(**values))
        else:
            connection.execute(STANDINGS.insert().values(ce_id=ce_id, **values))
        self._learn(before, after)
        return after

    def _learn(self, before: Standing, after: Standing) -> None:
        """Show it.  Should the transaction fail, the attempt is counted again and the same comes out."""
        with self._lock:
            known = self._known.get(after.ce_id)
            if known is None or known.outcomes <= after.outcomes:
                self._known[after.ce_id] = after
                if after.holds:
                    self._doubtful[after.ce_id] = after
                else:
                    self._doubtful.pop(after.ce_id, None)
        if after.held_until > before.held_until:
            log.warning("%s", self.sentence(after))
        elif before.holds and not after.holds:
            log.info("%s is taken again like any other", after.ce_id)
            for listener in self._listeners:
                listener()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when an element is taken again that was set aside; inside a transaction, so quickly."""
        self._listeners.append(listener)

    def of(self, ce_id: str) -> Standing:
        """What is known of an element."""
        with self._lock:
            return self._known.get(ce_id) or Standing(ce_id)

    def doubtful(self) -> dict[str, Standing]:
        """The elements that were set aside and of which nothing has gone well since: most often none."""
        with self._lock:
            return dict(self._doubtful)

    def success(self, ce_id: str) -> float:
        """What ``successFraction()`` gives in a job's expressions."""
        return self.of(ce_id).success(self._clock(), self.rules)

    def trust(self, ce_id: str, now: float) -> float:
        """With which chance the element is taken when it is the best."""
        with self._lock:
            known = self._known.get(ce_id)
        return 1.0 if known is None else known.trust(now, self.rules)

    def set_aside(self) -> list[Standing]:
        """The elements that are set aside now, or on trial, by their ids."""
        now = self._clock()
        doubtful = self.doubtful().values()
        return sorted((each for each in doubtful if each.held(now) or each.on_trial(now)), key=lambda each: each.ce_id)

    def sentence(self, standing: Standing) -> str:
        """What operators and users are told of an element that is set aside or on trial."""
        many = f"{standing.failures} jobs in succession failed there" if standing.failures > 1 else "a job failed there"
        last = f", the last one: {standing.reason}" if standing.reason else ""
        if standing.held(self._clock()):
            return f"{standing.ce_id} is set aside until {moment(standing.held_until)} because {many}{last}"
        return f"{standing.ce_id} is on trial: it gets one job at a time because {many}{last}"

    def purge(self, connection: Connection) -> None:
        """Forget elements of which nothing has been heard for so long that nothing follows from it any more."""
        now = self._clock()
        horizon = now - 2 * max(self.rules.window, self.rules.longest_hold)
        connection.execute(STANDINGS.delete().where(STANDINGS.c.changed < horizon, STANDINGS.c.held_until < now))
        with self._lock:
            self._known = {
                name: each for name, each in self._known.items() if each.changed >= horizon or each.held(now)
            }
            self._doubtful = {name: each for name, each in self._known.items() if each.holds}


def moment(seconds: float) -> str:
    """A time of today as users read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")


def _standing_of(row: RowMapping) -> Standing:
    values = {name: row[name] for name in row if name != "slots"}
    return Standing(**values, slots=tuple((slot, good, failed) for slot, good, failed in json.loads(row["slots"])))
