"""Which jobs of a user the status command shows when none is named: filters on state, time and tags."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from clients.bookkeeping import Status
from clients.errors import OptionError
from clients.options import CommandLine
from clients.timevalue import moment
from grid.states import JobState

_BY_NAME = {state.lower(): state for state in JobState}


def state_named(text: str) -> JobState:
    """A state by its name in any case, or by its number 0 to 11.

    :raises OptionError: there is no such state.
    """
    if text.isdigit() and int(text) < len(JobState):
        return list(JobState)[int(text)]
    state = _BY_NAME.get(text.lower())
    if state is None:
        known = ", ".join(f"{state} {state.code}" for state in JobState)
        raise OptionError(f"no such state: {text} (known are {known})", title="Wrong Argument Option")
    return state


def tag_named(text: str) -> tuple[str, str]:
    """``name=value``; names ignore case.

    :raises OptionError: another form.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise OptionError(f"wrong user tag: {text} (the form is name=value)", title="Wrong Argument Option")
    return name.strip().lower(), value.strip()


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that all must hold; empty ones always do.

    :ivar states: the present state is one of these.
    :ivar excluded: the present state is none of these.
    :ivar tags: each is set to the value.
    :ivar since: submitted not before.
    :ivar until: submitted not after.
    """

    states: frozenset[JobState] = frozenset()
    excluded: frozenset[JobState] = frozenset()
    tags: tuple[tuple[str, str], ...] = ()
    since: datetime.datetime | None = None
    until: datetime.datetime | None = None

    @classmethod
    def of(cls, line: CommandLine, now: datetime.datetime) -> Selection:
        """From the options.

        :raises OptionError: a value is wrong, or the times are the wrong way round.
        """
        since, until = line.text("from"), line.text("to")
        first = moment(since, now) if since else None
        last = moment(until, now) if until else None
        if first and last and first > last:
            raise OptionError(f"--from {since} is later than --to {until}", title="Wrong Time Value")
        return cls(
            frozenset(state_named(text) for text in line.texts("status")),
            frozenset(state_named(text) for text in line.texts("exclude")),
            tuple(tag_named(text) for text in line.texts("user-tag")),
            first,
            last,
        )

    def holds(self, status: Status) -> bool:
        """True when the job is selected."""
        if self.states and status.state not in self.states:
            return False
        if status.state in self.excluded:
            return False
        submitted = status.submitted
        if self.since and (submitted is None or submitted < self.since):
            return False
        if self.until and (submitted is None or submitted > self.until):
            return False
        return self._tagged(status.fields.get("userTags") or ())

    def _tagged(self, tags: Sequence[dict[str, str]]) -> bool:
        have = {(str(tag.get("tag", "")).lower(), str(tag.get("value") or "")) for tag in tags}
        return all(tag in have for tag in self.tags)
