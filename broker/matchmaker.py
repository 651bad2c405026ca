"""Matching one job with the computing elements of a snapshot.  Pure.

A computing element is a candidate when its access rules admit the user, the WMS's own requirements and the job's
Requirements are true with ``other`` being its ad (anything but boolean true is no match), it takes jobs, and the
job's Rank is a number there.

*It takes jobs*: GLUE 1.3 calls an element that accepts none Closed or Draining.  Such a one is no candidate, unless
the job's Requirements speak of GlueCEStateStatus themselves; then the user decides.
"""

from __future__ import annotations

import random
import time
from collections.abc import Collection

from broker.candidates import Candidate, MatchResult
from broker.job import Job
from broker.submit_to import named
from broker.supermarket import Snapshot
from broker.table import Mask, refuses_jobs
from broker.wms_requirements import WMS_REQUIREMENTS
from infosys.access import User, Verdict, judge
from infosys.ce_ads import CeRecord
from jdl.scope import Clock, Random, Success
from jdl.tree import Expr

__all__ = [
    "WMS_REQUIREMENTS",
    "Candidate",
    "Job",
    "MatchResult",
    "User",
    "admits",
    "candidates_of",
    "match",
    "refuses_jobs",
]


def match(
    job: Job,
    snapshot: Snapshot,
    user: User,
    *,
    tried_hosts: Collection[str] = (),
    wms_requirements: Expr | None = WMS_REQUIREMENTS,
    clock: Clock = time.time,
    rng: Random = random.random,
    success: Success | None = None,
) -> MatchResult:
    """Find the candidates.

    :param tried_hosts: hosts to leave out (GlueCEInfoHostName), unless nothing else remains.
    :param wms_requirements: conditions of the WMS itself; None for none.
    :param clock: what ``time()`` gives in expressions.  :param rng: what ``random()`` gives.
    :param success: what ``successFraction()`` gives; without it, 1.0.
    """
    if job.submit_to is not None:
        return named(job, snapshot, user)
    possible = candidates_of(job, snapshot, user, wms_requirements, clock=clock, rng=rng, success=success)
    found = ranked(job, snapshot, possible, clock=clock, rng=rng, success=success)
    found.sort(key=lambda each: (-each.rank, each.record.key if each.record else each.ce_id))
    avoided = () if job.needs_data else tried_hosts
    fresh = tuple(each for each in found if not _tried(each, avoided))
    tried = tuple(each for each in found if _tried(each, avoided)) if fresh else ()
    return MatchResult(
        fresh or tuple(found),
        job.fuzzy_factor,
        restored=bool(found) and not fresh,
        tried=tried,
        unranked=int(possible.sum()) - len(found),
    )


def candidates_of(
    job: Job,
    snapshot: Snapshot,
    user: User,
    wms_requirements: Expr | None = WMS_REQUIREMENTS,
    *,
    clock: Clock = time.time,
    rng: Random = random.random,
    success: Success | None = None,
) -> Mask:
    """The rows of the snapshot's table that meet everything but the rank."""
    table = snapshot.table
    possible = table.admitted(user)
    if not job.decides_status:
        possible = possible & table.takes_jobs()
    for demand in (job.requirements, wms_requirements):
        if demand is not None:
            possible = possible & table.where(job.ad, demand, clock=clock, rng=rng, success=success)
    return possible


def ranked(
    job: Job,
    snapshot: Snapshot,
    possible: Mask,
    *,
    clock: Clock = time.time,
    rng: Random = random.random,
    success: Success | None = None,
) -> list[Candidate]:
    """The possible rows on which the job's Rank is a number, in the order of the records."""
    found = []
    for row, value in snapshot.table.ranks(job.ad, job.rank, possible, clock=clock, rng=rng, success=success):
        record = snapshot.records[row]
        found.append(Candidate(record.ce_id, value, record.host, record.endpoint, record))
    return found


def admits(record: CeRecord, user: User) -> Verdict:
    """What the record's access rules say about the user."""
    return judge(record.access_rules, user)


def _tried(candidate: Candidate, hosts: Collection[str]) -> bool:
    return candidate.host in hosts or candidate.ce_id.partition(":")[0] in hosts
