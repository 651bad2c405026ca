"""What a term wants of a computing element: a comparison, a member of a list, a text of some pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from broker.explanation.clause import is_light, is_other, reads_other
from broker.matchmaker import Job
from jdl.evaluate import compile as compiled
from jdl.scope import scope_of
from jdl.tree import Call, Expr, Literal, Operation
from jdl.values import ERROR, UNDEFINED, Record, Value

_MIRRORED: Final = {">=": "<=", "<=": ">=", ">": "<", "<": ">", "==": "==", "!=": "!=", "=?=": "=?=", "=!=": "=!="}
_OPPOSITE: Final = {">=": "<", "<": ">=", ">": "<=", "<=": ">", "==": "!=", "!=": "==", "=?=": "=!=", "=!=": "=?="}
ORDERED: Final = frozenset({">=", ">", "<=", "<"})
EQUAL: Final = frozenset({"==", "=?="})


@dataclass(frozen=True)
class Demand:
    """``subject operator wanted``: what is read of the element, and what it should be.

    :ivar operator: of the comparison as if the subject stood on its left; ``member``, ``identicalmember`` or
        ``regexp`` for these functions (and with ``!`` before it when the function must be false).
    :ivar wanted: a constant for this job.
    """

    subject: Expr
    operator: str
    wanted: Value
    options: str = ""

    def with_wanted(self, value: str | int | float | bool, operator: str | None = None) -> Expr:
        """The same term with another constant, written with the subject on the left (functions as such)."""
        name = operator or self.operator
        if name in _CALLS:
            return Call(_CALLS[name], (Literal(value), self.subject))
        return Operation((name,), (self.subject, Literal(value)))


_CALLS: Final = {"member": "Member", "identicalmember": "IdenticalMember"}


def demand_of(expr: Expr, job: Job) -> Demand | None:
    """Read a term; None when it is of another kind, or too large to be looked at closely."""
    return _demand_of(expr, job) if is_light(expr, job) else None


def _demand_of(expr: Expr, job: Job) -> Demand | None:
    if isinstance(expr, Operation) and expr.unary and expr.operator == "!":
        inner = _demand_of(expr.operands[0], job)
        if inner is None:
            return None
        opposite = _OPPOSITE.get(inner.operator, f"!{inner.operator}")
        return None if opposite.startswith("!!") else Demand(inner.subject, opposite, inner.wanted, inner.options)
    if isinstance(expr, Call):
        return _of_call(expr, job)
    if not isinstance(expr, Operation) or len(expr.operands) != 2 or expr.operator not in _MIRRORED:
        return None
    left, right = expr.operands
    if reads_other(left, job):
        return None if reads_other(right, job) else _demand(left, expr.operator, right, job)
    return _demand(right, _MIRRORED[expr.operator], left, job) if reads_other(right, job) else None


def _of_call(expr: Call, job: Job) -> Demand | None:
    arguments = expr.arguments
    if expr.key in ("member", "ismember", "identicalmember") and len(arguments) == 2:
        wanted, held = arguments
        if reads_other(held, job) and not reads_other(wanted, job):
            return _demand(held, "identicalmember" if expr.key == "identicalmember" else "member", wanted, job)
    if expr.key == "regexp" and len(arguments) in (2, 3):
        pattern, subject, *options = arguments
        if reads_other(subject, job) and not any(reads_other(each, job) for each in (pattern, *options)):
            given = _constant(options[0], job) if options else ""
            demand = _demand(subject, "regexp", pattern, job)
            return demand and Demand(subject, "regexp", demand.wanted, given if isinstance(given, str) else "")
    return None


def _demand(subject: Expr, operator: str, wanted: Expr, job: Job) -> Demand | None:
    value = _constant(wanted, job)
    if isinstance(value, (Record, tuple)) or (isinstance(value, bool) and not is_other(subject)):
        return None  # (a || b) =!= false says nothing of values
    return Demand(subject, operator, value)


def _constant(expr: Expr, job: Job) -> Value:
    return compiled(expr)(scope_of(job.ad))


def is_number(value: Value) -> bool:
    """Whether the value is an integer or a real."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_plain(value: Value) -> bool:
    """Whether the value has a literal of its own."""
    return value is not UNDEFINED and value is not ERROR and not isinstance(value, (Record, tuple))
