"""Judgements remembered for a moment: the same chain comes with every connection of a client and every job of a user.

Only what was found good is remembered, for at most :data:`GOOD_FOR` seconds, for the very bytes that were judged,
under the very trust directory they were judged by, and not beyond the end of anything in the chain.  So a new
revocation list takes effect as soon as it is read, and what time alone ends (a revocation list that nobody renews)
half a minute later.
"""

from __future__ import annotations

import datetime
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from gsi.anchors import Anchors
from gsi.identity import Identity

GOOD_FOR: Final = 30.0
"""Seconds for which a judgement is not made again."""

MOST: Final = 1000
"""Chains remembered; the oldest judgement makes room."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    anchors: Anchors
    identity: Identity
    given: float
    ends: datetime.datetime


class Verdicts:
    """Safe for threads."""

    def __init__(self, good_for: float = GOOD_FOR, most: int = MOST) -> None:
        self._good_for = good_for
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[x509.Certificate, ...], _Verdict] = OrderedDict()

    def find(self, chain: Sequence[x509.Certificate], anchors: Anchors, now: datetime.datetime) -> Identity | None:
        """The identity behind a chain that was judged by ``anchors`` a moment ago, or None."""
        with self._lock:
            verdict = self._known.get(tuple(chain))
        if verdict is None or verdict.anchors is not anchors or now >= verdict.ends:
            return None
        return verdict.identity if time.monotonic() - verdict.given < self._good_for else None

    def keep(self, chain: Sequence[x509.Certificate], anchors: Anchors, identity: Identity) -> None:
        """Remember a judgement."""
        ends = min([identity.not_after, *(attributes.not_after for attributes in identity.vo_attributes)])
        key = tuple(chain)
        with self._lock:
            self._known.pop(key, None)
            self._known[key] = _Verdict(anchors, identity, time.monotonic(), ends)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
