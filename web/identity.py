"""Who is at the other end of a connection.

The chain was taken at the TLS handshake (possession of the key is proven there) and is judged here, once per
connection.  A verdict does not outlive what it was founded on: it is given again when the trust directory
changed (a new revocation list takes effect on kept connections), after :data:`JUDGE_AGAIN` seconds, and when the
chain has meanwhile come to its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from grid import clock
from gsi.errors import ChainError, NoCertificate
from gsi.identity import Identity
from gsi.trust import TrustStore

JUDGE_AGAIN: Final = 30.0
"""Seconds that a verdict holds at most."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    result: Identity | ChainError
    generation: int
    given: float


class Authenticator:
    """Judges the chains of one service's connections; shared by its threads."""

    def __init__(self, trust: TrustStore, *, judge_again: float = JUDGE_AGAIN) -> None:
        self._trust = trust
        self._judge_again = judge_again
        self._verdicts: WeakKeyDictionary[Any, _Verdict] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def identify(self, environ: Mapping[str, Any]) -> Identity:
        """The identity behind a request, from the certificate chain of its connection and nothing else.

        :param environ: WSGI environment of :mod:`web.server`.
        :raises ChainError: naming the certificate and the reason; :class:`NoCertificate` when none was sent.
        """
        connection = environ.get("gunicorn.socket")
        chain = getattr(connection, "chain", ())
        if not chain:
            raise NoCertificate
        generation = self._trust.generation()
        with self._lock:
            verdict = self._verdicts.get(connection)
        if verdict is None or self._stale(verdict, generation):
            verdict = self._judge(chain, generation)
            with self._lock:
                self._verdicts[connection] = verdict
        if isinstance(verdict.result, ChainError):
            raise _again(verdict.result)
        return verdict.result

    def owner(self, connection: Any) -> str | None:
        """The DN behind a GSI socket; None when its chain is refused (the request is told why)."""
        try:
            return self.identify({"gunicorn.socket": connection}).dn
        except ChainError:
            return None

    def _judge(self, chain: Any, generation: int) -> _Verdict:
        try:
            result: Identity | ChainError = self._trust.verify(chain)
        except ChainError as error:
            result = error
        return _Verdict(result, generation, time.monotonic())

    def _stale(self, verdict: _Verdict, generation: int) -> bool:
        if verdict.generation != generation or time.monotonic() - verdict.given > self._judge_again:
            return True
        return isinstance(verdict.result, Identity) and verdict.result.not_after <= clock.now()


def _again(error: ChainError) -> ChainError:
    """A new object with the same facts: one that is raised in two threads would mix their tracebacks."""
    copy = type(error).__new__(type(error), *error.args)
    copy.__dict__.update(error.__dict__)
    return copy
