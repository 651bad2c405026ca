"""Chains of proxy files, taken apart once: a user's jobs come by the hundred under one delegation.

Nothing is believed longer for it: whether a chain is good is asked each time it is used (:mod:`gsi.verdicts`).
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Final

from cryptography.x509 import Certificate

from gsi.credential import Credential

MOST: Final = 1000
"""Files remembered; the one not used for longest makes room."""


class Chains:
    """Safe for threads.  Remembers certificates by the digest of the file they stood in, and no keys."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, tuple[Certificate, ...]] = OrderedDict()

    def chain(self, content: bytes) -> tuple[Certificate, ...]:
        """The chain of a proxy file, leaf first.

        :param content: the file's bytes: certificate, key, chain.
        :raises ProxyError: when they are no credential.
        """
        named = hashlib.sha256(content).digest()
        with self._lock:
            found = self._known.get(named)
            if found is not None:
                self._known.move_to_end(named)
                return found
        found = Credential.from_pem(content).chain
        with self._lock:
            self._known[named] = found
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return found
