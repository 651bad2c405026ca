"""Matching one job with the computing elements of a snapshot.  Pure.

A computing element is a candidate when its access rules admit the user, the WMS's own requirements and the job's
Requirements are true with ``other`` being its ad (anything but boolean true is no match), it takes jobs, and the
job's Rank is a number there.

*It takes jobs*: GLUE 1.3 calls an element that accepts none Closed or Draining.  Such a one is no candidate, unless
the job's Requirements speak of GlueCEStateStatus themselves; then the user decides.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from broker.candidates import Candidate, MatchResult
from broker.circumstances import USUAL, Circumstances
from broker.data import DataPlan
from broker.job import Job
from broker.ranking import Ranking
from broker.submit_to import named
from broker.supermarket import Snapshot
from broker.table import Mask, refuses_jobs
from broker.wms_requirements import WMS_REQUIREMENTS
from infosys.access import User, Verdict, judge
from infosys.ce_ads import CeRecord
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
    circumstances: Circumstances = USUAL,
    data: DataPlan | None = None,
) -> MatchResult:
    """Find the candidates.

    :param tried_hosts: hosts to leave out (GlueCEInfoHostName), unless nothing else remains.
    :param wms_requirements: conditions of the WMS itself; None for none.
    :param data: where the job's data is; candidates are the elements near the most of it.
    """
    if job.submit_to is not None:
        return named(job, snapshot, user)
    possible = candidates_of(job, snapshot, user, wms_requirements, circumstances)
    if data is not None:
        possible = possible & data.mask
    table = snapshot.table
    ranks = table.exact_numbers(job.ad, job.rank, circumstances)
    fitting = possible & ranks.ok
    unranked = int(np.count_nonzero(possible)) - int(np.count_nonzero(fitting))
    found = Ranking(table, np.flatnonzero(data.nearest(fitting) if data is not None else fitting), ranks)
    if not found:
        return MatchResult(unranked=unranked)
    if job.needs_data or not tried_hosts:
        return MatchResult(found, job.fuzzy_factor, unranked=unranked)
    avoided = table.on_hosts(tried_hosts)
    fresh, tried = found.among(~avoided), found.among(avoided)
    if not fresh:
        return MatchResult(found, job.fuzzy_factor, restored=True, unranked=unranked)
    return MatchResult(fresh, job.fuzzy_factor, tried=tried, unranked=unranked)


def candidates_of(
    job: Job,
    snapshot: Snapshot,
    user: User,
    wms_requirements: Expr | None = WMS_REQUIREMENTS,
    circumstances: Circumstances = USUAL,
) -> Mask:
    """The rows of the snapshot's table that meet everything but the rank."""
    table = snapshot.table
    possible = table.admitted(user)
    if not job.decides_status:
        possible = possible & table.takes_jobs()
    for demand, standing in ((wms_requirements, True), (job.requirements, False)):
        if demand is not None:
            possible = possible & table.where(job.ad, demand, circumstances, standing=standing)
    return possible


def admits(record: CeRecord, user: User) -> Verdict:
    """What the record's access rules say about the user."""
    return judge(record.access_rules, user)
