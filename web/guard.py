"""The authorization guard: an operation that never asked the authorization point, or asked for less, fails.

The authorization point of a service calls :func:`asked`; whoever dispatches operations runs each in
:func:`guarded`, with the rules that are declared for it.  So a new operation that forgets to ask, or asks another
question than its declaration says, cannot answer, and its first test shows it.
"""

from __future__ import annotations

import contextlib
import enum
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

from web.errors import OtherAuthorization, UnaskedAuthorization

log = logging.getLogger("wms.web")


class Rule(enum.Enum):
    """Who may call an operation; the value is the phrase for documents."""

    ANYONE = "anyone"
    KNOWN = "anyone with a valid certificate"
    MEMBER = "a full proxy of a member of an admitted VO"
    OWNER = "the job's owner"
    READER = "the job's owner, or who may read by its access list"
    WRITER = "the job's owner, or who may write by its access list"


_WEAK = frozenset((Rule.ANYONE, Rule.KNOWN))  # every stronger rule asks them on its way


@dataclass
class _Ledger:
    operation: str
    answers: list[str] = field(default_factory=list)
    rules: set[Rule] = field(default_factory=set)


_current: ContextVar[_Ledger | None] = ContextVar("wms_authorization", default=None)


@contextlib.contextmanager
def guarded(operation: str, rules: frozenset[Rule] = frozenset()) -> Iterator[None]:
    """Run one operation.  An exception of the body passes through untouched: a refusal is an answer.

    :param rules: what is declared for it; empty when nothing is.
    :raises UnaskedAuthorization: when the body ends normally and nothing called :func:`asked` in it.
    :raises OtherAuthorization: when the body ends normally and the rules asked for are not those declared.
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
    if (rules and ledger.rules - _WEAK != rules - _WEAK) or rules & _WEAK - ledger.rules:
        log.error("operation %s is declared for %s and asked for %s", operation, rules, ledger.rules)
        raise OtherAuthorization(operation)


def asked(action: str, decision: object, rule: Rule | None = None) -> None:
    """Note that the authorization point was asked whether the caller may do ``action``.

    Called only by authorization points, also when they refuse.  Outside :func:`guarded` it does nothing.

    :param rule: the declared rule that was applied.
    """
    ledger = _current.get()
    if ledger is not None:
        ledger.answers.append(f"{action}: {decision}")
        if rule is not None:
            ledger.rules.add(rule)
