"""The authorization guard: an operation that never asked the authorization point fails.

The authorization point of a service calls :func:`asked`; whoever dispatches operations runs each in
:func:`guarded`.  So a new operation that forgets to ask cannot answer, and its first test shows it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

from web.errors import UnaskedAuthorization

log = logging.getLogger("wms.web")


@dataclass
class _Ledger:
    operation: str
    answers: list[str] = field(default_factory=list)


_current: ContextVar[_Ledger | None] = ContextVar("wms_authorization", default=None)


@contextlib.contextmanager
def guarded(operation: str) -> Iterator[None]:
    """Run one operation.  An exception of the body passes through untouched: a refusal is an answer.

    :raises UnaskedAuthorization: when the body ends normally and nothing called :func:`asked` in it.
    """
    ledger = _Ledger(operation)
    token = _current.set(ledger)
    try:
        yield
    finally:
        _current.reset(token)
    if not ledger.answers:
        log.error("operation %s answered without asking the authorization point", operation)
        raise UnaskedAuthorization(operation)


def asked(action: str, decision: object) -> None:
    """Note that the authorization point was asked whether the caller may do ``action``.

    Called only by authorization points, also when they refuse.  Outside :func:`guarded` it does nothing.
    """
    ledger = _current.get()
    if ledger is not None:
        ledger.answers.append(f"{action}: {decision}")
