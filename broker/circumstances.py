"""What an expression may ask for beside the two ads: the time, chance, and experience.  Pure."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Final

from jdl.scope import Clock, Random, Scope, Success, scope_of
from jdl.tree import ClassAd

__all__ = ["USUAL", "Circumstances"]


@dataclass(frozen=True)
class Circumstances:
    """Where expressions take them from.

    :ivar clock: what ``time()`` gives.
    :ivar rng: what ``random()`` gives.
    :ivar success: what ``successFraction()`` gives; without it, 1.0.
    """

    clock: Clock = time.time
    rng: Random = random.random
    success: Success | None = None

    def scope(self, my: ClassAd, other: ClassAd | None = None) -> Scope:
        """Where expressions of ``my`` are evaluated against ``other``."""
        return scope_of(my, other, clock=self.clock, rng=self.rng, success=self.success)

    def held(self) -> Circumstances:
        """The same with a time and a chance that are asked once, now: all expressions see the same."""
        moment, drawn = self.clock(), self.rng()
        return Circumstances(lambda: moment, lambda: drawn, self.success)


USUAL: Final = Circumstances()
"""The clock and the dice of this machine, and no experience."""
