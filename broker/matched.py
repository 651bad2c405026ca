"""What a job was matched with, as its row in the queue keeps it for who asks later."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Final

from broker.candidates import Candidate, MatchResult
from wsdl.explanation import Choice, Match

MAX_OTHERS: Final = 5
"""Further candidates that are kept, the best first."""


def kept(result: MatchResult, choice: Candidate, now: float) -> str:
    """The match as JSON: ``at`` (seconds since the epoch), ``rank``, the number of ``candidates``, ``others``."""
    others: dict[str, int | float] = {}
    for each in result.candidates:
        if len(others) >= MAX_OTHERS:
            break
        if each.ce_id != choice.ce_id:
            others.setdefault(each.ce_id, each.rank)
    facts = {"at": now, "rank": choice.rank, "candidates": result.elements, "others": list(others.items())}
    return json.dumps(facts)


def told(ce_id: str, text: str | None) -> Choice:
    """What :func:`kept` wrote, for a reader; without it only where the job went."""
    facts = json.loads(text) if text else {}
    others = tuple(Match(str(name), rank) for name, rank in facts.get("others", ()))
    return Choice(ce_id, moment(facts.get("at")), facts.get("rank", 0), facts.get("candidates", 0), others)


def moment(seconds: float | None) -> str:
    """ISO 8601, UTC; empty when there is none."""
    if seconds is None or not math.isfinite(seconds):
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
