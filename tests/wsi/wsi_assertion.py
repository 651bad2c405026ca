"""Requirements of the WS-I Basic Profile 1.1 as functions, each known by its number.

A check looks at its subject and returns what violates the requirement, in sentences; an empty list when it is met,
None when the subject gives it nothing to judge.  There are two subjects: a description (WSDL documents with all that
they import) and an exchange (one HTTP request with its response, together with the description that it follows).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Level = Literal["MUST", "SHOULD"]
Check = Callable[..., "list[str] | None"]


@dataclass(frozen=True)
class Assertion:
    """One requirement.

    :ivar number: as the profile names it, ``"R2001"``.
    :ivar level: whether the profile demands or recommends it.
    """

    number: str
    level: Level
    check: Check

    @property
    def text(self) -> str:
        """What is required, in one paragraph."""
        return " ".join((self.check.__doc__ or "").split())


@dataclass(frozen=True)
class Violation:
    """What a check found."""

    number: str
    level: Level
    sentence: str

    def __str__(self) -> str:
        return f"{self.number} ({self.level}): {self.sentence}"


class Assertions:
    """A set of requirements for one kind of subject."""

    def __init__(self) -> None:
        self.by_number: dict[str, Assertion] = {}

    def __call__(self, number: str, level: Level = "MUST") -> Callable[[Check], Check]:
        """Declare the decorated function to be the check of a requirement."""

        def declare(check: Check) -> Check:
            if number in self.by_number or not check.__doc__:
                raise ValueError(f"{number} is declared twice, or says nothing")
            self.by_number[number] = Assertion(number, level, check)
            return check

        return declare

    def judge(self, *subject: Any) -> tuple[list[Violation], set[str]]:
        """What violates any of them, and the numbers of those that had something to judge."""
        violations: list[Violation] = []
        applied: set[str] = set()
        for assertion in self.by_number.values():
            found = assertion.check(*subject)
            if found is None:
                continue
            applied.add(assertion.number)
            violations += [Violation(assertion.number, assertion.level, sentence) for sentence in found]
        return violations, applied


DESCRIPTION = Assertions()
EXCHANGE = Assertions()
