"""The terms of a job's Requirements, and what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from broker.matchmaker import Job
from grid.errors import JdlError
from jdl.complete import added_requirements
from jdl.tree import SCOPES, ClassAd, Expr, Literal, Operation, Reference, rebuilt

MAX_TERMS: Final = 100
"""Terms that are looked at one by one; those beyond are one term together, since what a user may write must not cost
the broker minutes."""

LIGHT: Final = 2000
"""Nodes of an expression that is asked more often than the match asks it."""

REQUIREMENTS: Final = ("job", "cost", "late", "heavy")
"""Whose the terms are that stand for the job's Requirements (:attr:`Clause.whose`)."""


@dataclass(frozen=True)
class Clause:
    """One term that must be true.

    :ivar whose: ``job``, ``wms``, ``rank``, ``cost`` for whole Requirements whose evaluation is given up, ``late`` for
        whole Requirements whose terms there was no time to ask, ``heavy`` for whole Requirements that take the table
        too long.
    :ivar via: own attributes of the job behind which it stands, outermost first; of an added term, the attribute that
        it was made of.
    :ivar added: whether registration has made the term of an attribute (:func:`jdl.complete.added_requirements`).
    """

    expr: Expr
    whose: str = "job"
    via: tuple[str, ...] = ()
    added: bool = False


def clauses_of(job: Job) -> list[Clause]:
    """The terms of the Requirements: nested ``&&`` and own attributes that stand for terms are resolved.

    The Requirements are true exactly where all of them are.
    """
    found: dict[Expr, Clause] = {}
    added = {term: name for name, term in added_terms(job.ad)}
    followed: set[str] = set()
    waiting: list[tuple[Expr, tuple[str, ...]]] = [] if job.requirements is None else [(job.requirements, ())]
    while waiting:
        node, via = waiting.pop()
        if is_and(node):
            waiting.extend((each, via) for each in reversed(node.operands))  # type: ignore[attr-defined]
            continue
        if isinstance(node, Reference) and (node.scope or "self").lower() in ("self", "my"):
            own = job.ad.get(node.name)
            if own is not None and node.key not in followed:
                followed.add(node.key)
                waiting.append((own, (*via, node.name)))
                continue
            if own is not None and node.key not in (each.lower() for each in via):
                continue  # its terms are there already
        name = "" if via else added.get(node, "")
        found.setdefault(node, Clause(node, "job", (name,) if name else via, bool(name)))
    clauses = list(found.values())
    if len(clauses) > MAX_TERMS:
        rest = [each.expr for each in clauses[MAX_TERMS - 1 :]]
        return [*clauses[: MAX_TERMS - 1], Clause(Operation(("&&",) * (len(rest) - 1), rest))]
    return clauses


def added_terms(ad: ClassAd) -> list[tuple[str, Expr]]:
    """The terms of the Requirements that registration makes of attributes of a description; a description that it
    would refuse has none.
    """
    try:
        return added_requirements(ad)
    except JdlError:
        return []


def is_and(expr: Expr) -> bool:
    """Whether the expression is ``a && b``."""
    return isinstance(expr, Operation) and not expr.unary and expr.operator == "&&"


def is_or(expr: Expr) -> bool:
    """Whether the expression is ``a || b``."""
    return isinstance(expr, Operation) and not expr.unary and expr.operator == "||"


def is_other(expr: Expr) -> bool:
    """Whether the expression is ``other.Name``."""
    return isinstance(expr, Reference) and (expr.scope or "").lower() in ("other", "target")


def references(expr: Expr) -> Iterator[Reference]:
    """The attributes that an expression names, those of records inside it left out."""
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Reference):
            yield node
        elif not isinstance(node, ClassAd):
            waiting.extend(reversed(list(node.children())))


def is_own(reference: Reference) -> bool:
    """Whether the name is looked up in the job itself."""
    return (reference.scope or "self").lower() in ("self", "my") and reference.key not in SCOPES


def reads_other(expr: Expr, job: Job) -> bool:
    """Whether the expression's value depends on the computing element."""
    if any(True for _ in job.referenced(expr)):
        return True
    return any(each.scope is None and each.key in ("other", "target") for each in references(expr))


def is_light(expr: Expr, job: Job) -> bool:
    """Whether the expression, with the job's attributes that it names in their places, is small enough to be asked
    again and again; of one that is not, only what the match itself asks is asked."""
    left = LIGHT
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        left -= node.weight if isinstance(node, ClassAd) else 1
        if left < 0:
            return False
        if isinstance(node, Reference):
            own = job.ad.get(node.name) if is_own(node) else None
            if own is not None:
                waiting.append(own)
        elif not isinstance(node, ClassAd):
            waiting.extend(node.children())
    return True


def substituted(expr: Expr, replace: Callable[[Expr], Expr | None]) -> Expr:
    """The expression with every node in place of which ``replace`` gives another; records are left as they are."""
    new = replace(expr)
    if new is not None:
        return new
    if isinstance(expr, (Reference, Literal, ClassAd)):
        return expr
    children = list(expr.children())
    changed = [substituted(child, replace) for child in children]
    if all(one is other for one, other in zip(children, changed, strict=True)):
        return expr
    return rebuilt(expr, changed)
