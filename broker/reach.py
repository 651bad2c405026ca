"""Computing elements that match and cannot be given a job: those that no job can be handed to.  Pure.

They are listed, ranked and explained as all others; a job is sent to the best of the rest.
"""

from __future__ import annotations

from typing import Final

from broker.candidates import Candidate

MADE_UP: Final = "are made up for demonstration (their hosts end in .invalid) and take no jobs"
NO_INTERFACE: Final = "offer no CREAM interface, the only one that this WMS can hand jobs to"


def is_made_up(host: str) -> bool:
    """Whether the name is one that never resolves (RFC 2606)."""
    return host.rstrip(".").lower().endswith(".invalid")


def out_of_reach(candidate: Candidate) -> str | None:
    """Why nothing can be sent there, to follow a number of elements; None when it can."""
    if is_made_up(candidate.host):
        return MADE_UP
    return None if candidate.endpoint else NO_INTERFACE
