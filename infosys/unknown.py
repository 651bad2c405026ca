"""Numbers that mean "nobody knows" or "no limit".

Sites publish them instead of leaving an attribute out: 444444 jobs, slots or MB, 999999999 for a limit, 2146660842 s
for a response time, and rows of nines of other lengths.  They stay in the ads as they are published, since
requirements and ranks were always written against them (a limit of 999999999 minutes is greater than any demand, a
response time of 2146660842 s is the worst rank); who shows or judges a number asks here whether it is one.
"""

from __future__ import annotations

from typing import Final

LIMIT: Final = 999_999_999
"""GLUE 1.3: no limit, or an unknown one."""
JOBS: Final = 444_444
"""GLUE 1.3 and 2.0: an unknown number of jobs, slots or MB."""
TIME: Final = 2_146_660_842
"""GLUE 1.3: an unknown response time (s)."""

NUMBERS: Final = frozenset({LIMIT, JOBS, TIME, 99_999_999, 9_999_999_999, 2_147_483_647, 4_294_967_295})
"""All of them; the last two are the greatest numbers of 32 bits, which some batch systems report for no limit."""
TEXTS: Final = frozenset(
    {
        *("undefinedvalue", "undefined", "unset", "unknown", "not defined", "notdefined", "n.a.", "n/a", ""),
    }
)
"""Texts in lower case that say nothing (GLUE 2.0, appendix A, and what GLUE 1.3 sites publish)."""


def is_unknown(value: object) -> bool:
    """Whether a published value says nothing about the thing: one of :data:`NUMBERS` or :data:`TEXTS`."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return value in NUMBERS
    return isinstance(value, str) and value.strip().lower() in TEXTS


def known(value: int) -> int | None:
    """The number, or None when it means that nobody knows."""
    return None if is_unknown(value) else value
