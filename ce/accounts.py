"""Grid identities and local accounts: one uid and gid for each distinguished name, for ever.

As root the ids come from a configured range that belongs to nobody else, and a job gets no supplementary
groups.  As an ordinary user the service runs every job under its own account, so it serves one distinguished
name only and says so to a second one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, func, insert, select

from ce.errors import AccountRefused, BadSettings
from ce.lrms import LocalAccount
from ce.settings import Accounts
from grid.clock import now
from grid.dn import normalise


def accounts_table(metadata: MetaData) -> Table:
    """Declare the table of mappings; ``slot`` is the position in the range."""
    return Table(
        "ce_accounts",
        metadata,
        Column("dn", String(1024), primary_key=True),
        Column("slot", Integer, nullable=False, unique=True),
        Column("since", Float, nullable=False),
    )


class AccountMap:
    """Maps identities; call :meth:`slot_of` inside the transaction that accepts the job.

    :raises BadSettings: when the mode does not fit the rights of this process.
    """

    def __init__(self, table: Table, settings: Accounts, clock: Callable[[], datetime] = now) -> None:
        self._table = table
        self._settings = settings
        self._clock = clock
        root = os.geteuid() == 0
        self.pool = settings.mode == "pool" or (settings.mode == "auto" and root)
        if settings.mode not in ("auto", "pool", "single"):
            raise BadSettings(f"account mode {settings.mode!r}", "use auto, pool or single")
        if self.pool and not root:
            raise BadSettings("account mode pool needs root", "run as root, or use single")
        if not self.pool and root:
            raise BadSettings("account mode single as root would run payloads as root", "use pool or auto")
        if self.pool and (settings.first_id < 1000 or settings.count < 1):
            raise BadSettings("the range of job accounts", "begin at 1000 or above and hold at least one id")

    def slot_of(self, connection: Connection, dn: str) -> int:
        """The position of ``dn`` in the range, leased for ever at the first call.

        :raises AccountRefused: the range is used up, or single-user mode serves somebody else.
        """
        dn = normalise(dn)
        slot = connection.execute(select(self._table.c.slot).where(self._table.c.dn == dn)).scalar()
        return self._lease(connection, dn) if slot is None else int(slot)

    def local(self, slot: int) -> LocalAccount:
        """The ids of a position of the range."""
        if not self.pool:
            return LocalAccount(os.geteuid(), os.getegid(), False)
        return LocalAccount(self._settings.first_id + slot, self._settings.first_id + slot, True)

    def _lease(self, connection: Connection, dn: str) -> int:
        highest = connection.execute(select(func.max(self._table.c.slot))).scalar()
        slot = 0 if highest is None else int(highest) + 1
        if not self.pool and slot > 0:
            raise AccountRefused(
                dn, "this computing element runs under an ordinary account and serves one user, who is another one"
            )
        if self.pool and slot >= self._settings.count:
            raise AccountRefused(dn, f"all {self._settings.count} accounts of the range are taken")
        connection.execute(insert(self._table).values(dn=dn, slot=slot, since=self._clock().timestamp()))
        return slot
