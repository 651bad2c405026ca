"""How a computing element fared with the jobs that it was sent, and what follows from it.  Pure.

An element that fails every job at once has no queue, so it looks like the best of all and draws more jobs: a black
hole.  Two things keep them away.  The part of its jobs that went well within a window is the chance with which it is
taken when it is the best.  And after some failures in succession it is set aside for a while; then it gets one job at a
time until one goes well, and each further failure doubles the while, up to a bound.  So no element is lost for ever,
and none costs more than a few jobs an hour.

Only what the element or its site is to blame for counts: refusals, silence, lost jobs.  A job that fails by its own
fault says nothing about the place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

SLOTS: Final = 12
"""Parts of the window; counts leave it part by part."""
MAX_REASON: Final = 300
"""Characters that are kept of a failure's reason."""
_PRIOR: Final = 2
"""Jobs that are taken to have gone well before any is known."""


class Sign(StrEnum):
    """What an attempt says of its element.

    REFUSED: it was not taken, or there was no answer.  STARTED: it was taken; that ends what refusals began, but no
    black hole, which takes everything.  FAILED: it was lost there.  GOOD: it ended well.
    """

    REFUSED = "refused"
    STARTED = "started"
    FAILED = "failed"
    GOOD = "good"


@dataclass(frozen=True)
class StandingRules:
    """The operator's numbers; times in seconds.

    :ivar window: what lies further back does not count.
    :ivar failures: so many in succession set an element aside.
    :ivar hold: for how long the first time.
    :ivar longest_hold: for how long at the most.
    """

    window: float = 3600.0
    failures: int = 3
    hold: float = 30.0
    longest_hold: float = 1800.0


@dataclass(frozen=True)
class Standing:
    """What is known of one element.

    :ivar outcomes: attempts that were ever counted.
    :ivar failures: in succession, up to now.
    :ivar refused: all of these were refusals.
    :ivar holds: how often it was set aside in succession.
    :ivar held_until: when it is, or was last, taken again; seconds since 1970.
    :ivar reason: of the last failure.
    :ivar changed: when the last attempt was counted.
    :ivar slots: ``(number of the slot, good, failed)``, the oldest first.
    """

    ce_id: str
    outcomes: int = 0
    failures: int = 0
    refused: bool = False
    holds: int = 0
    held_until: float = 0.0
    reason: str = ""
    changed: float = 0.0
    slots: tuple[tuple[int, int, int], ...] = ()

    def after(self, sign: Sign, reason: str, now: float, rules: StandingRules) -> Standing:
        """The standing after one more attempt."""
        if sign is Sign.STARTED:
            return replace(self, failures=0, holds=0, held_until=min(self.held_until, now)) if self.refused else self
        good = sign is Sign.GOOD
        counted = replace(
            self,
            outcomes=self.outcomes + 1,
            changed=now,
            slots=_counted(self.slots, good, now, rules),
            reason=self.reason if good else _plain(reason),
            refused=sign is Sign.REFUSED and (self.refused or not self.failures),
        )
        held = now < self.held_until
        if good:
            return replace(counted, failures=0, holds=self.holds if held else 0)
        if held:
            return counted  # it was sent before: the same trouble once more
        failures = self.failures + 1
        if failures < rules.failures:
            return replace(counted, failures=failures)
        holds = self.holds + 1
        return replace(counted, failures=failures, holds=holds, held_until=now + _hold(holds, rules))

    def success(self, now: float, rules: StandingRules) -> float:
        """Good ÷ all attempts in the window; 1.0 when there is none (gLite, successFraction)."""
        good, failed = self._counts(now, rules)
        return good / (good + failed) if good + failed else 1.0

    def trust(self, now: float, rules: StandingRules) -> float:
        """With which chance the element is taken when it is the best: above 0, and 1 when nothing speaks against it.

        One failure alone is no verdict.
        """
        good, failed = self._counts(now, rules)
        return (good + _PRIOR) / (good + failed + _PRIOR)

    def held(self, now: float) -> bool:
        """Whether it is set aside."""
        return now < self.held_until

    def on_trial(self, now: float) -> bool:
        """Whether it was set aside and nothing has gone well since: it gets one job at a time."""
        return self.holds > 0 and not self.held(now)

    def patience(self, rules: StandingRules) -> float:
        """Seconds between two jobs for an element on trial."""
        return _hold(max(1, self.holds), rules)

    def _counts(self, now: float, rules: StandingRules) -> tuple[int, int]:
        first = _slot(now - rules.window, rules) + 1
        live = [each for each in self.slots if each[0] >= first]
        return sum(good for _, good, _ in live), sum(failed for _, _, failed in live)


def _plain(reason: str) -> str:
    """Somebody else's words, on one line: they go into logs and into reasons that users read."""
    words = "".join(each if each.isprintable() else " " for each in reason[: 4 * MAX_REASON]).split()
    return " ".join(words)[:MAX_REASON]


def _slot(moment: float, rules: StandingRules) -> int:
    return int(moment // (rules.window / SLOTS))


def _hold(holds: int, rules: StandingRules) -> float:
    return min(rules.longest_hold, rules.hold * 2.0 ** min(holds - 1, 40))


def _counted(
    slots: tuple[tuple[int, int, int], ...], good: bool, now: float, rules: StandingRules
) -> tuple[tuple[int, int, int], ...]:
    present = _slot(now, rules)
    counts = {number: (well, badly) for number, well, badly in slots if present - SLOTS < number}
    # a clock that was set back counts into the newest slot there is
    newest = max([present, *counts])
    well, badly = counts.get(newest, (0, 0))
    counts[newest] = (well + 1, badly) if good else (well, badly + 1)
    return tuple((number, *counts[number]) for number in sorted(counts))[-SLOTS:]
