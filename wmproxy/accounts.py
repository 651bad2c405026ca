"""The accounts of sandbox space: for each user one small file with the bytes of all of his sandboxes.

The number is that of the files in the users' ``input``, ``output`` and ``peek``, uploads under way and archives
being unpacked included: an upload makes its file as long as it will be before the bytes arrive.  So it can be made
again from the tree at any time, and is, when the service starts (:meth:`wmproxy.quota.Quota.recount`): a power cut
costs a walk and nothing else, and nothing here waits for the disk.

All workers share the files.  Whoever changes one holds its lock, some 20 µs for a change.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from grid import dn
from grid.filelock import lock
from grid.files import make_directory
from wmproxy.errors import QuotaExceeded

_FORM: Final = struct.Struct("<qQ")


@dataclass
class Account:
    """One user's account, while its lock is held.

    :ivar used: bytes.
    :ivar changes: how often it was changed; tells a recount that its numbers are old.
    """

    used: int
    changes: int

    def charge(self, size: int, limit: int) -> None:
        """Add ``size`` bytes.

        :param limit: bytes that the account may hold, negative for any number.
        :raises QuotaExceeded: 1224, when they do not fit; nothing was added.
        """
        if 0 <= limit < self.used + size:
            raise QuotaExceeded(self.used, size, limit)
        self.used += size

    def refund(self, size: int) -> None:
        """Take ``size`` bytes off.  Never below nothing: what is lost by a crash is lost in both directions."""
        self.used = max(0, self.used - size)


class Accounts:
    """The files of all accounts.

    :param directory: belongs to the service alone; made with mode 0700.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = make_directory(directory, 0o700)

    @contextlib.contextmanager
    def opened(self, owner: str) -> Iterator[Account]:
        """An account with its lock held; what was changed inside is written, also when an exception leaves.

        :raises TimedOut: when somebody holds it for too long.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self._directory / dn.file_name(owner), flags, 0o600)
        try:
            lock(descriptor)
            before = os.pread(descriptor, _FORM.size, 0)
            account = Account(*_FORM.unpack(before)) if len(before) == _FORM.size else Account(0, 0)
            used = account.used
            try:
                yield account
            finally:
                if account.used != used:
                    os.pwrite(descriptor, _FORM.pack(account.used, account.changes + 1), 0)
        finally:
            os.close(descriptor)

    def used(self, owner: str) -> tuple[int, int]:
        """``(bytes, changes)``, without the lock: one read of 16 bytes is whole."""
        try:
            descriptor = os.open(self._directory / dn.file_name(owner), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return 0, 0
        try:
            data = os.pread(descriptor, _FORM.size, 0)
        finally:
            os.close(descriptor)
        return _FORM.unpack(data) if len(data) == _FORM.size else (0, 0)

    def clear(self) -> None:
        """Forget all accounts.  Nobody may use them now: the service starts."""
        for path in self._directory.iterdir():
            path.unlink()
