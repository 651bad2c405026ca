"""What a service decides about its delegations."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DelegationSettings:
    """Settings of one store.

    :ivar directory: belongs to the store alone; made with mode 0700.
    :ivar max_pending: requests of one owner that may wait for their proxy at the same time.
    :ivar pending_lifetime: how long a request waits before it is forgotten.
    :ivar key_bits: size of the RSA keys that are made.
    :ivar max_lifetime: the longest delegated proxy that is taken.
    :ivar accept_limited: whether a limited proxy may be delegated.  A WMS needs full ones, because it delegates
        further; a computing element is given limited ones.
    :ivar accept_legacy: whether a proxy older than RFC 3820 may be delegated.
    """

    directory: Path
    max_pending: int = 100
    pending_lifetime: datetime.timedelta = datetime.timedelta(hours=1)
    key_bits: int = 2048
    max_lifetime: datetime.timedelta = datetime.timedelta(days=31)
    accept_limited: bool = False
    accept_legacy: bool = False
