"""A job's ad as the broker reads it.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from broker.table import STATUS
from jdl.parser import parse_expression
from jdl.tree import ClassAd, Expr, Operation, Reference
from jdl.values import UNDEFINED

DEFAULT_RANK: Final = parse_expression("-other.GlueCEStateEstimatedResponseTime")


class Job:
    """A job's ad as the matchmaker reads it.

    A job without Requirements has none to meet; one without Rank is ranked by :data:`DEFAULT_RANK`.
    """

    def __init__(self, ad: ClassAd) -> None:
        self.ad = ad

    @property
    def requirements(self) -> Expr | None:
        """The expression, None when there is none."""
        return self.ad.get("Requirements")

    @property
    def rank(self) -> Expr:
        """The expression."""
        return self.ad.get("Rank") or DEFAULT_RANK

    @property
    def submit_to(self) -> str | None:
        """The CE id that the user has chosen, None when the broker shall choose.

        Of what is no string, the text of its expression: it names no computing element.
        """
        value = self.ad.value("SubmitTo")
        if isinstance(value, str):
            return value
        expr = self.ad.get("SubmitTo")
        return None if expr is None or value is UNDEFINED else expr.text()

    @property
    def needs_data(self) -> bool:
        """Whether the job names input data; then hosts that were tried are not avoided (gLite WMS)."""
        return "InputData" in self.ad or "DataRequirements" in self.ad

    @property
    def slots(self) -> int:
        """Slots that the job wants: CpuNumber, or its old name NodeNumber."""
        for name in ("CpuNumber", "NodeNumber"):
            value = self.ad.value(name)
            if isinstance(value, int) and not isinstance(value, bool):
                return max(1, value)
        return 1

    @property
    def fuzzy_factor(self) -> float | None:
        """The steepness of a fuzzy choice, None when the best rank wins."""
        if self.ad.value("FuzzyRank") is not True:
            return None
        value = self.ad.value("fuzzy_factor")
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 1.0

    @cached_property
    def decides_status(self) -> bool:
        """Whether the Requirements speak of GlueCEStateStatus."""
        return any(name.lower() == STATUS.lower() for name in self.referenced(self.requirements))

    def referenced(self, expr: Expr | None) -> Iterator[str]:
        """The names of the other ad's attributes that an expression reads, through own attributes too; each once."""
        waiting = [] if expr is None else [expr]
        followed: set[str] = set()
        seen: set[str] = set()
        while waiting:
            node = waiting.pop()
            waiting.extend(reversed(list(node.children())))
            if not isinstance(node, Reference):
                continue
            if (node.scope or "").lower() in ("other", "target"):
                if node.key not in seen:
                    seen.add(node.key)
                    yield node.name
            elif node.key not in followed:
                followed.add(node.key)
                own = self.ad.get(node.name)
                if own is not None:
                    waiting.append(own)

    def conjuncts(self, expr: Expr | None) -> list[Expr]:
        """The terms that must all be true: nested ``&&`` and own attributes that stand for terms are resolved."""
        found: dict[Expr, None] = {}
        followed: set[str] = set()
        waiting = [] if expr is None else [expr]
        while waiting:
            node = waiting.pop()
            if isinstance(node, Operation) and not node.unary and node.operator == "&&":
                waiting.extend(reversed(node.operands))
                continue
            if isinstance(node, Reference) and (node.scope or "self").lower() in ("self", "my"):
                own = self.ad.get(node.name)
                if own is not None and node.key not in followed:
                    followed.add(node.key)
                    waiting.append(own)
                    continue
            found.setdefault(node)
        return list(found)
