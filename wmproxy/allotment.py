"""The room of one upload: counted while its bytes arrive, against the job's limit and the owner's quota."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from grid.errors import TimedOut
from web.places import TransferRefused
from wmproxy.errors import QuotaExceeded
from wmproxy.quota import Quota

log = logging.getLogger("wms.wmproxy")


class Allotment:
    """The room of one upload (:class:`web.places.Room`).

    The owner's account is locked while the file grows, so of several uploads at once none can pass a limit that
    the others have nearly used up.

    :param owner: DN of the job's owner, whose account is charged.
    :param whole: bytes of all files of the directory together, negative for any number.
    :param what: the directory in a sentence: "the input sandbox of the job".
    """

    def __init__(self, quota: Quota, owner: str, whole: int, what: str) -> None:
        self._quota = quota
        self._owner = owner
        self._whole = whole
        self._what = what
        self._taken = 0

    def grow(self, directory: int, descriptor: int, name: str, size: int) -> None:
        """Make the file of the upload ``size`` bytes long.

        :param name: what it will be called; what stands there now will be replaced and is not counted.
        :raises TransferRefused: 413 beyond the job's limit, 507 beyond the quota.
        """
        try:
            with self._quota.accounts.opened(self._owner) as account:
                if self._whole >= 0:
                    others = _size(directory, but=name) - self._taken
                    if others + size > self._whole:
                        raise TransferRefused(
                            413,
                            f"{self._what} may have {self._whole} bytes; without {name!r} it has {others}, and "
                            f"{size} more do not fit",
                        )
                account.charge(size - self._taken, self._quota.hard)
                os.ftruncate(descriptor, size)
                self._taken = size
        except QuotaExceeded as error:
            raise TransferRefused(507, error.description) from None
        except TimedOut as error:
            raise TransferRefused(503, error.description) from None

    @contextlib.contextmanager
    def naming(self, directory: int, name: str, size: int) -> Iterator[None]:
        """Inside, the upload gets its name; what stood there is no longer charged for, nor what was not needed."""
        try:
            with self._quota.accounts.opened(self._owner) as account:
                replaced = _size_of(directory, name)
                yield
                account.refund(self._taken - size + replaced)
                self._taken = 0
        except TimedOut as error:
            raise TransferRefused(503, error.description) from None

    def give_back(self) -> None:
        """The upload has failed, and its file is gone."""
        if self._taken:
            try:
                self._quota.refund(self._owner, self._taken)
            except TimedOut as error:
                log.error("%d bytes stay on the account of %s until the next recount: %s",
                          self._taken, self._owner, error.description)  # fmt: skip
            self._taken = 0


def _size(directory: int, but: str) -> int:
    """The bytes of all files of a directory except one."""
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name != but:
                with contextlib.suppress(FileNotFoundError):  # it got another name this moment
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def _size_of(directory: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
