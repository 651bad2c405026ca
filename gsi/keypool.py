"""RSA keys made ahead, so that a delegation request does not wait for one."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric import rsa

_log = logging.getLogger("wms.gsi")
_PATIENCE: Final = 0.5
"""Seconds between two looks of the maker at whether it should end."""


class KeyPool:
    """A few RSA keys, made by one background thread.  Every key is given out once.

    Make it after a fork: threads do not survive one, and a key must not exist in two processes.
    """

    def __init__(self, size: int = 4, bits: int = 2048) -> None:
        """:raises ValueError: for fewer than one key or fewer than 2048 bits."""
        if size < 1 or bits < 2048:
            raise ValueError("a key pool has at least one key of at least 2048 bits")
        self.bits: Final = bits
        self._keys: queue.Queue[rsa.RSAPrivateKey] = queue.Queue(maxsize=size)
        self._ended = threading.Event()
        self._maker = threading.Thread(target=self._make, name="gsi-keypool", daemon=True)
        self._maker.start()

    def take(self) -> rsa.RSAPrivateKey:
        """A key nobody else has; made on the spot (some 50 ms) when the pool is empty or closed."""
        try:
            return self._keys.get_nowait()
        except queue.Empty:
            return self._generate()

    def close(self) -> None:
        """End the background thread; takes at most the making of one key."""
        self._ended.set()
        self._maker.join(timeout=10)
        if self._maker.is_alive():
            _log.warning("the key pool's thread did not end within 10 s")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _make(self) -> None:
        while not self._ended.is_set():
            key = self._generate()
            while not self._ended.is_set():
                try:
                    self._keys.put(key, timeout=_PATIENCE)
                    break
                except queue.Full:
                    continue

    def _generate(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, self.bits)
