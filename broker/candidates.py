"""What a match finds: the computing elements that a job can go to, best first.  Pure."""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from infosys.ce_ads import CeRecord

NO_MATCH: Final = "BrokerHelper: no compatible resources"
UNRANKABLE: Final = (
    "BrokerHelper: Problems during rank evaluation (e.g. GRISes down, wrong JDL rank expression, etc.)"
)


@dataclass(frozen=True)
class Candidate:
    """A computing element that the job can go to.

    :ivar record: what is known of it; None when the user named an element that no source publishes.
    :ivar endpoint: base URL of its CREAM service, ``https://host:port/ce-cream/services``.
    """

    ce_id: str
    rank: int | float
    host: str
    endpoint: str
    record: CeRecord | None = None

    @property
    def listed_rank(self) -> int:
        """The rank as jobListMatch shows it: a long, cut towards zero."""
        return int(self.rank)


class Ranked(Sequence[Candidate]):
    """Candidates, best first, that are told about without making an object for each."""

    @abstractmethod
    def best(self) -> list[Candidate]:
        """Those of the best rank.

        :raises IndexError: there is none.
        """

    @abstractmethod
    def listed(self) -> list[tuple[str, int]]:
        """The CE ids, and the ranks cut towards zero, as jobListMatch shows them."""

    @property
    @abstractmethod
    def elements(self) -> int:
        """How many computing elements they are; several views may be of one."""


@dataclass(frozen=True)
class MatchResult:
    """What matched.

    :ivar candidates: best rank first; equal ranks in the order of their keys.
    :ivar fuzzy_factor: when the choice is a roulette (:func:`fuzzy_weights`).
    :ivar tried: matches that are left out because the job was on their hosts before; best rank first.
    :ivar restored: every match was on a host that had been tried, so none of them is left out.
    :ivar unranked: records that met everything and on which Rank was no number.
    :ivar problem: what is wrong with the job itself, in the words of gLite WMS; then nothing matches.
    """

    candidates: Sequence[Candidate] = ()
    fuzzy_factor: float | None = None
    restored: bool = False
    tried: Sequence[Candidate] = ()
    unranked: int = 0
    problem: str = ""

    @property
    def headline(self) -> str:
        """What gLite WMS says of a job that waits; users and their scripts know these sentences."""
        if self.problem:
            return f"BrokerHelper: {self.problem}"
        return UNRANKABLE if self.unranked and not self.candidates else NO_MATCH

    @property
    def elements(self) -> int:
        """How many computing elements the candidates are; several views may be of one."""
        if isinstance(self.candidates, Ranked):
            return self.candidates.elements
        return len({each.ce_id for each in self.candidates})

    def listed(self) -> list[tuple[str, int]]:
        """The CE ids, best first, with the ranks as jobListMatch shows them."""
        if isinstance(self.candidates, Ranked):
            return self.candidates.listed()
        return [(each.ce_id, each.listed_rank) for each in self.candidates]

    def best(self) -> list[Candidate]:
        """The candidates of the best rank.

        :raises IndexError: when there is no candidate.
        """
        if isinstance(self.candidates, Ranked):
            return self.candidates.best()
        best = self.candidates[0].rank
        return [each for each in self.candidates if each.rank == best]

    def choose(self, rng: random.Random) -> Candidate:
        """One candidate: of the best rank, ties broken uniformly; with FuzzyRank a weighted roulette over all.

        :raises IndexError: when there is no candidate.
        """
        if self.fuzzy_factor is None:
            return rng.choice(self.best())
        weights = fuzzy_weights([each.rank for each in self.candidates], self.fuzzy_factor)
        return rng.choices(self.candidates, weights)[0]


def fuzzy_weights(ranks: Sequence[float], factor: float) -> list[float]:
    """The weights of a fuzzy choice: ``atan((rank - mean) * factor) + pi/2`` (gLite WMS).

    Ranks and factors so large that nothing comes of the formula weigh the same.

    :raises IndexError: without ranks.
    """
    if not ranks:
        raise IndexError("there is nothing to choose from")
    try:
        mean = math.fsum(ranks) / len(ranks)
        weights = [math.atan((rank - mean) * factor) + math.pi / 2 for rank in ranks]
    except (OverflowError, ValueError):
        return [1.0] * len(ranks)
    return weights if sum(weights) > 0 else [1.0] * len(ranks)
