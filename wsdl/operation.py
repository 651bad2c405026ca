"""The terms of an operation, declared on its handler method: who may, what can go wrong, what it counts as.

::

    @operation("Cancels a job.", Rule.OWNER, codes=(1226,))
    def jobCancel(self, call: Call, jobId: str) -> None: ...

The dispatcher (:mod:`wsdl.service`) refuses to start with a handler that has none where they are demanded, the guard
holds each call against its rules, an error code beyond them is logged as a defect, and docs/operations.md is made
from them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from grid import codes as table
from web.guard import Rule

COMMON: Final = frozenset((1202, 1203, 1205, 1206, 1225, 1228, 1229))
"""Error codes that any operation may answer: a failure, file system or configuration of the service, a caller who
is not known, an argument that cannot be read, an overloaded service, a deadline."""

JDL: Final = tuple(sorted(number for number in table.TABLE if number in (1219, 1220) or number >= 1501))
"""Error codes of operations that read a job description."""

PROXY: Final = (1207, 1212, 1213, 1215)
"""Error codes of operations that use a delegated proxy."""

_IMPLIED: Final[dict[Rule, tuple[int, ...]]] = {
    Rule.ANYONE: (),
    Rule.KNOWN: (),
    Rule.MEMBER: (1207,),
    Rule.OWNER: (1207, 1218),
    Rule.READER: (1207, 1218),
    Rule.WRITER: (1207, 1218),
}

_ATTRIBUTE: Final = "__wms_terms__"

Method = TypeVar("Method", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class Terms:
    """What an operation promises beyond its WSDL.

    :ivar description: one sentence for users.
    :ivar rules: all that must be asked of the authorization point before it may answer.
    :ivar codes: error codes that it may answer, the common ones and those of its rules among them.
    :ivar key: its name for the authorization point and for the load limits, where it is not the operation's own.
    :ivar limited: whether load limits apply to it.
    :ivar new_work: it makes work for the service, which a drained one refuses.
    """

    description: str
    rules: frozenset[Rule]
    codes: frozenset[int]
    key: str | None = None
    limited: bool = True
    new_work: bool = False


def operation(
    description: str,
    *rules: Rule,
    codes: tuple[int, ...] = (),
    key: str | None = None,
    limited: bool = True,
    new_work: bool = False,
) -> Callable[[Method], Method]:
    """Declare the terms of a handler method.

    :param codes: error codes beyond :data:`COMMON` and those that the rules imply.
    :raises ValueError: without a rule, without a sentence, or for a code that the table does not have.
    """
    unknown = [code for code in codes if code not in table.TABLE]
    if not rules or not description.endswith(".") or unknown:
        raise ValueError(f"an operation needs a rule, a sentence and known error codes, not {rules}, {unknown}")
    implied = {code for rule in rules for code in _IMPLIED[rule]}
    terms = Terms(description, frozenset(rules), COMMON | implied | frozenset(codes), key, limited, new_work)

    def declare(method: Method) -> Method:
        setattr(method, _ATTRIBUTE, terms)
        return method

    return declare


def terms_of(method: object) -> Terms | None:
    """The terms declared on a handler method; None when there are none."""
    found = getattr(method, _ATTRIBUTE, None)
    return found if isinstance(found, Terms) else None
