"""Where an expression is evaluated, and what the evaluation may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from jdl.classad import ClassAd
from jdl.nodes import Expr
from jdl.tree import from_python

__all__ = ["MAX_DEPTH", "MAX_STEPS", "Abandoned", "Clock", "Random", "Run", "Scope", "Success", "scope_of"]

MAX_STEPS: Final = 500_000
"""Work that the attributes one expression refers to may cost (a node is a step, so are 64 characters)."""

MAX_DEPTH: Final = 300
"""Levels of expressions and references below one another; each takes up to two of a thread's 1000 Python frames."""

Clock = Callable[[], float]
"""Seconds since 1970."""

Random = Callable[[], float]
"""A number from 0 (included) to 1 (excluded)."""


Success = Callable[[str], float]
"""Which part of the jobs that lately came to a computing element (by its id) ended well there, 0 to 1."""


class Abandoned(Exception):
    """The evaluation costs more than it may; whole expression becomes ERROR.  Never leaves the room."""


class Run:
    """One evaluation: what is left of its budget, and its sources of time, chance and experience."""

    __slots__ = ("active", "clock", "depth", "random", "steps", "success")

    def __init__(self, clock: Clock | None, random: Random | None, success: Success | None = None) -> None:
        self.clock = clock
        self.random = random
        self.success = success
        self.steps = MAX_STEPS
        self.depth = 0
        self.active: set[tuple[int, int]] = set()

    def charge(self, steps: int) -> None:
        """Take from the budget.

        :raises Abandoned: nothing is left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise Abandoned

    def enter(self, expr: Expr) -> int:
        """Go down into an expression; gives the depth to go back to by setting :attr:`depth`.

        :raises Abandoned: too deep, or nothing is left of the budget.
        """
        before = self.depth
        depth = before + expr.depth + 3
        if depth > MAX_DEPTH:
            raise Abandoned
        self.charge(expr.weight)
        self.depth = depth
        return before


class Scope:
    """An ad in which names are looked up, the ad around it, and the ad on the other side of a match."""

    __slots__ = ("ad", "other", "parent", "run", "values")

    def __init__(self, ad: ClassAd, parent: Scope | None, other: Scope | None, run: Run) -> None:
        self.ad = ad
        self.values: Mapping[str, Expr] = ad._values
        self.parent = parent
        self.other = other
        self.run = run

    @property
    def root(self) -> Scope:
        """The outermost ad around."""
        scope = self
        while scope.parent is not None:
            scope = scope.parent
        return scope

    def against(self, other: Scope) -> Scope:
        """This ad with another one on the other side."""
        return Scope(self.ad, self.parent, other, self.run)


def scope_of(
    my: ClassAd | None = None,
    other: ClassAd | Mapping[str, object] | None = None,
    *,
    clock: Clock | None = None,
    rng: Random | None = None,
    success: Success | None = None,
) -> Scope:
    """The scope of one evaluation of expressions of ``my`` against ``other``.

    :param success: what ``successFraction()`` gives; without it, 1.0.

    A mapping is made an ad each time; who evaluates often passes a ClassAd.
    """
    run = Run(clock, rng, success)
    mine = Scope(my if my is not None else ClassAd(), None, None, run)
    if other is not None:
        ad = other if isinstance(other, ClassAd) else from_python(other)
        if isinstance(ad, ClassAd):
            mine.other = Scope(ad, None, mine, run)
    return mine
