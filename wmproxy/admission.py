"""What stands before every operation: who calls is known, the load allows it, and new work is taken at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from web.guard import Rule
from wmproxy.drain import Drain
from wmproxy.load import LoadLimiter
from wsdl.service import Call


class Admission:
    """Called around each operation, before its handler asks the authorization point.

    :param identify: who is calling; raises for a caller without a valid certificate.  It comes first, since the
        state of the machine is not a stranger's business.
    """

    def __init__(
        self, identify: Callable[[Mapping[str, Any]], object], limiter: LoadLimiter, drain: Drain
    ) -> None:
        self._identify = identify
        self._limiter = limiter
        self._drain = drain

    def __call__(self, call: Call, invoke: Callable[[], object]) -> object:
        """Run a call.

        :raises ChainError: the caller's certificate is not valid.
        :raises LoadTooHigh: naming the limit.
        :raises Drained: for new work, while the server is drained.
        """
        terms = call.terms
        if terms is None:
            return invoke()
        if Rule.ANYONE not in terms.rules:
            self._identify(call.environ)
        key = (terms.key or call.operation) if terms.limited else None
        with self._limiter.admitted(call.operation, key):
            if terms.new_work:
                self._drain.check(call.operation)
            return invoke()
