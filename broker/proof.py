"""A match that was computed by columns, proved by the evaluator on the computing element that a job would go to.  Pure.

The table equals the evaluator; that is tested, and this is the proof on the spot.  Should the two ever disagree, a
mistake in the table sends no job to an element that does not fit it.
"""

from __future__ import annotations

from broker.candidates import Candidate
from broker.circumstances import USUAL, Circumstances
from broker.job import Job
from broker.masks.question import Sources
from infosys.access import User, judge
from jdl.evaluate import compile as compiled
from jdl.tree import Expr
from jdl.values import Value, is_true

__all__ = ["objection"]


def objection(
    job: Job,
    candidate: Candidate,
    user: User,
    wms_requirements: Expr | None,
    circumstances: Circumstances = USUAL,
) -> str:
    """What the evaluator has against a candidate, as a sentence; empty when it agrees.

    Nothing is said of expressions that ask for time, chance or experience, which may have changed since the match, and
    of an element that the user has named.
    """
    record = candidate.record
    if record is None or job.submit_to is not None:
        return ""
    sources = Sources(circumstances)

    def value(expr: Expr) -> Value:
        return compiled(expr)(sources.asked().scope(job.ad, record.ad))

    if not judge(record.access_rules, user).allowed:
        return f"{record.key} does not admit {user.dn}"
    for demand in (job.requirements, wms_requirements):
        if demand is not None and not is_true(value(demand)) and not sources.used:
            return f"{record.key} does not meet {demand.text()[:500]}"
    rank = value(job.rank)
    if rank != candidate.rank and not sources.used:
        return f"{job.rank.text()[:500]} is {rank!r} on {record.key} and not {candidate.rank!r}"
    return ""
