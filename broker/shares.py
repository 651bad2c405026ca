"""Whose turn it is: users of one virtual organisation take turns, and virtual organisations by their shares.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grid.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Turn:
    """A request that is due.

    :ivar turn: its place among those of its owner, the first is 0.
    :ivar due: since when it is due; decides between owners at the same turn.
    :ivar vo: of the owner's primary FQAN; empty without one.
    """

    turn: int
    due: float
    job: str
    vo: str = ""


def in_turn(requests: Iterable[Turn], shares: Mapping[str, float]) -> list[Turn]:
    """In which order requests are worked on.

    :param shares: by virtual organisation in lower case, what is not named has 1; none at all: virtual organisations
        make no difference, however many users they have.
    """
    ordered = sorted(requests, key=lambda each: (each.turn, each.due, each.job))
    if not shares:
        return ordered
    seen: Counter[str] = Counter()
    keyed: list[tuple[float, int]] = []
    for place, each in enumerate(ordered):
        vo = each.vo.lower()
        seen[vo] += 1
        keyed.append((seen[vo] / shares.get(vo, 1.0), place))
    return [ordered[place] for _, place in sorted(keyed)]


def read_shares(texts: Sequence[str]) -> dict[str, float]:
    """The operator's ``vo=number``.

    :raises ConfigurationError: naming the entry that cannot be read.
    """
    shares: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if not name.strip() or not 0.001 <= share <= 1_000_000:
            raise ConfigurationError(f"{text!r} must have the form <virtual organisation>=<number above 0>")
        shares[name.strip().lower()] = share
    return shares
