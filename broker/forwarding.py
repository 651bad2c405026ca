"""What the computing element's batch system is told of a job's requirements (gLite WMS, requirements forwarding).

A queue may stand before machines that differ: 4 GB here, 64 GB there.  The information system publishes one number, so
a job that wants 16 GB and matches must still be led to the right machine.  Its Requirements are therefore evaluated as
far as they go against the element's ad without the attributes that differ from machine to machine; what is left of them
is the attribute CeRequirements of the description that the element gets.  What the operator wants the batch system to
know besides (``PropagateToLRMS``) is joined to it.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from broker.settings import BrokerSettings
from grid.errors import ConfigurationError, JdlError
from jdl.evaluate import compile as compiled
from jdl.evaluate import evaluate
from jdl.parser import parse
from jdl.scope import Clock, Random, scope_of
from jdl.tree import Call, ClassAd, Conditional, Expr, ListExpr, Literal, Operation, Reference, conjunction, from_python
from jdl.tree import rebuilt as rebuilt_with
from jdl.values import UNDEFINED, Record, Value, is_true

if TYPE_CHECKING:  # every service reads the operator's propagations, and none but the broker wants NumPy
    from broker.job import Job

MAX_NODES: Final = 10_000
"""Nodes that are looked at for one job; its requirements are not forwarded when they come to more."""
MAX_CHARACTERS: Final = 32_768
"""Of a term of CeRequirements; a longer one is not forwarded."""

_ELEMENTS: Final = frozenset({"anymatch", "allmatch", "whichmatch"})
"""Functions in whose second argument ``other`` is an item of the first."""
_LOGIC: Final = frozenset({"&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "=?=", "=!="})


class _TooMuch(Exception):
    """The requirements cannot be forwarded.  Never leaves the module."""


@dataclass(frozen=True)
class Propagation:
    """One thing that the batch system shall know.

    :ivar value: evaluated with the ads ``ce`` and ``jdl`` in sight.
    :ivar requires: when it holds; None for always.
    """

    name: str
    value: Expr
    requires: Expr | None = None

    def term(self, job: ClassAd, element: ClassAd) -> str:
        """``name==value``; empty when it does not apply or has no plain value."""
        context = ClassAd([("ce", element), ("jdl", job)])
        if self.requires is not None and not is_true(evaluate(self.requires, context)):
            return ""
        value = evaluate(self.value, context)
        return f"{self.name}=={Literal(value).text()}" if isinstance(value, (bool, int, float, str)) else ""


def read_propagations(texts: Iterable[str]) -> tuple[Propagation, ...]:
    """The operator's ``[ name = "…"; value = …; requires = … ]``.

    :raises ConfigurationError: naming the place of what is wrong.
    """
    return tuple(_propagation(number, text) for number, text in enumerate(texts, 1))


def _propagation(number: int, text: str) -> Propagation:
    try:
        ad = parse(text)
        name = ad.string("name")
    except JdlError as error:
        raise ConfigurationError(f"entry {number} cannot be read: {error.description}") from error
    value = ad.get("value")
    if not name or not name.replace("_", "").isalnum() or value is None:
        raise ConfigurationError(f'entry {number} must have the form [ name = "Name"; value = expression ]')
    return Propagation(name, value, ad.get("requires"))


@dataclass(frozen=True)
class Forwarding:
    """How requirements are forwarded.

    :ivar parameters: attributes of elements that stay as they are, in lower case (``CeForwardParameters``).
    :ivar propagations: what is joined to the requirements.
    """

    parameters: frozenset[str] = frozenset()
    propagations: tuple[Propagation, ...] = ()

    def ce_requirements(
        self, job: Job, element: ClassAd, *, clock: Clock | None = None, rng: Random | None = None
    ) -> str:
        """The text of CeRequirements for a job that matched ``element``; empty when there is nothing to say."""
        terms = _Residue(self.parameters, job.ad, element, clock, rng).terms(job.conjuncts(job.requirements))
        texts = [each.term(job.ad, element) for each in self.propagations]
        left = conjunction(*terms)
        return " && ".join(text for text in (left.text() if left else "", *texts) if text)


def forwarding_of(settings: BrokerSettings) -> Forwarding:
    """What the operator has configured.

    :raises ConfigurationError: see :func:`read_propagations`.
    """
    parameters = frozenset(name.lower() for name in settings.ce_forward_parameters)
    return Forwarding(parameters, read_propagations(settings.propagate_to_lrms))


class _Residue:
    """Evaluates expressions as far as they go."""

    def __init__(
        self,
        parameters: frozenset[str],
        job: ClassAd,
        element: ClassAd,
        clock: Clock | None,
        rng: Random | None,
    ) -> None:
        self._parameters = parameters
        self._job = job
        self._element = element
        self._clock = clock
        self._rng = rng
        self._nodes = MAX_NODES
        self._following: set[str] = set()

    def terms(self, conjuncts: Sequence[Expr]) -> list[Expr]:
        """What is left of the terms of requirements that hold; terms without a forwarded attribute hold already."""
        left: list[Expr] = []
        try:
            for term in conjuncts:
                rest = self._reduced(term)
                if not isinstance(rest, Literal) and len(rest.text()) <= MAX_CHARACTERS:
                    left.append(rest)
        except _TooMuch:
            return []
        return left

    def _open(self, expr: Expr) -> bool:
        """Whether the value depends on a forwarded attribute."""
        self._nodes -= 1
        if self._nodes < 0:
            raise _TooMuch
        if isinstance(expr, Reference):
            if (expr.scope or "").lower() in ("other", "target"):
                return expr.key in self._parameters
            own = self._own(expr)
            if own is None or expr.key in self._following:
                return False
            self._following.add(expr.key)
            try:
                return self._open(own)
            finally:
                self._following.discard(expr.key)
        if isinstance(expr, Call) and expr.key in _ELEMENTS:
            return any(self._open(each) for each in expr.arguments[:1])
        return any(self._open(each) for each in expr.children())

    def _own(self, expr: Reference) -> Expr | None:
        return self._job.get(expr.name) if (expr.scope or "self").lower() in ("self", "my", "root") else None

    def _reduced(self, expr: Expr) -> Expr:
        if not self._open(expr):
            return self._constant(expr)
        if isinstance(expr, Reference):
            own = self._own(expr)
            if own is None:
                return Reference(expr.name, "other")
            self._following.add(expr.key)
            try:
                return self._reduced(own)
            finally:
                self._following.discard(expr.key)
        if isinstance(expr, ClassAd) or (isinstance(expr, Call) and expr.key in _ELEMENTS):
            raise _TooMuch
        children = [self._reduced(each) for each in expr.children()]
        if isinstance(expr, Operation) and not expr.unary and expr.operator in ("&&", "||"):
            return _logic(expr, children)
        if isinstance(expr, Conditional) and expr.then is not None and isinstance(children[0], Literal):
            return _chosen(children[0].value, children[1], children[2])
        return rebuilt_with(expr, children)

    def _constant(self, expr: Expr) -> Expr:
        value = compiled(expr)(scope_of(self._job, self._element, clock=self._clock, rng=self._rng))
        found = _node(value)
        if found is None:
            raise _TooMuch
        return found


def _node(value: Value) -> Expr | None:
    """A value as an expression; None for an ad, whose attributes need their scope."""
    if isinstance(value, Record):
        return None
    if isinstance(value, tuple):
        items = [_node(each) for each in value]
        return None if None in items else ListExpr([each for each in items if each is not None])
    return from_python(value)


def _logic(expr: Operation, operands: list[Expr]) -> Expr:
    """``&&`` and ``||`` without the operands that decide nothing, and without those that nobody would look at."""
    decisive = expr.operator == "||"
    kept: list[Expr] = []
    for operand in operands:
        if isinstance(operand, Literal) and operand.value is decisive:
            kept.append(operand)
            break
        if not (isinstance(operand, Literal) and operand.value is (not decisive)):
            kept.append(operand)
    if not kept:
        return Literal(not decisive)
    if len(kept) == 1 and not (isinstance(kept[0], Operation) and kept[0].operator in _LOGIC):
        if isinstance(kept[0], Literal) and isinstance(kept[0].value, bool):
            return kept[0]
        kept.append(Literal(not decisive))  # what is no boolean makes ERROR, alone it would not
    if len(kept) == 1:
        return kept[0]
    return Operation((expr.operator,) * (len(kept) - 1), kept)


def _chosen(condition: object, then: Expr, otherwise: Expr) -> Expr:
    if condition is True:
        return then
    if condition is False:
        return otherwise
    return from_python(UNDEFINED) if condition is UNDEFINED else Conditional(from_python(condition), then, otherwise)
