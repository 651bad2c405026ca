"""The explanation of one job against one picture of the grid, put together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

import numpy as np

from broker.circumstances import USUAL, Circumstances
from broker.data import DataPlan
from broker.explanation.admission import access_of
from broker.explanation.changes import Changes
from broker.explanation.clause import REQUIREMENTS
from broker.explanation.examination import Examination
from broker.explanation.findings import conditions_of
from broker.explanation.mistakes import Correction, correction_of
from broker.explanation.submitto import obstacles
from broker.explanation.wording import count, literal, number, shown
from broker.matchmaker import WMS_REQUIREMENTS, Job
from broker.supermarket import Snapshot
from grid import clock as wall
from infosys.access import User
from jdl.tree import Expr
from wsdl.explanation import VERSION, Aside, Explanation, Match, Mistake, Picture, Refusal, Stage

MAX_BEST: Final = 10
"""Matching elements that are named."""
MAX_CLOSED: Final = 5
MAX_ASIDE: Final = 10
MAX_MISTAKES: Final = 10
MAX_PROBLEMS: Final = 10


def explain(
    job: Job,
    snapshot: Snapshot,
    user: User,
    *,
    wms_requirements: Expr | None = WMS_REQUIREMENTS,
    set_aside: Mapping[str, str] | None = None,
    data: DataPlan | None = None,
    circumstances: Circumstances = USUAL,
) -> Explanation:
    """Find what stands between a job and the computing elements.

    :param data: where the job's data is.
    :param set_aside: computing elements that are not used for a while, and why.
    """
    ex = Examination(
        job,
        snapshot,
        user,
        wms_requirements=wms_requirements,
        set_aside=set_aside,
        data=data,
        circumstances=circumstances,
    )
    if job.submit_to is not None:
        return _of_the_named(ex, job.submit_to)
    matches = ex.count(ex.matching)
    corrections = _corrections(ex)
    stages = _stages(ex)
    changes = Changes(ex, corrections) if not matches else None
    closed = ex.elements(ex.admitted) & ~ex.elements(ex.admitted & ex.open)
    return Explanation(
        VERSION,
        _verdict(ex, stages, matches),
        _picture(snapshot),
        matches,
        stages,
        tuple(Match(shown(ce_id), number(rank)) for ce_id, rank in ex.best(ex.matching, MAX_BEST)),
        conditions_of(ex, corrections),
        changes.find() if changes is not None else (),
        _mistakes(corrections),
        access_of(ex),
        _closed(ex, closed),
        int(closed.sum()),
        _aside(ex),
        tuple(shown(each, 500) for each in data.explain()) if data is not None else (),
        changes.nearest if changes is not None else 0,
        shown(job.rank.text()),
    )


def _corrections(ex: Examination) -> dict[int, Correction]:
    found = {}
    for place, (clause, holds) in enumerate(zip(ex.conditions, ex.holds, strict=True)):
        if ex.ce_ids and clause.whose != "wms" and not ex.overdue and not (holds | ~ex.asked).all():
            found[place] = correction_of(ex, clause)
    return found


def _mistakes(corrections: Mapping[int, Correction]) -> tuple[Mistake, ...]:
    every = dict.fromkeys(mistake for each in corrections.values() for mistake in each.mistakes)
    return tuple(every)[:MAX_MISTAKES]


def _stages(ex: Examination) -> tuple[Stage, ...]:
    stages = [
        Stage("known", len(ex.ce_ids)),
        Stage("admit", ex.count(ex.admitted)),
        Stage("open", ex.count(ex.admitted & ex.open)),
        *([Stage("data", ex.count(ex.asked))] if ex.data is not None else ()),
        Stage("wms", ex.count(ex.passed("wms"))),
        Stage("requirements", ex.count(ex.passed("wms", *REQUIREMENTS))),
        Stage("rank", ex.count(ex.passed("wms", *REQUIREMENTS, "rank"))),
    ]
    if ex.set_aside:
        stages.append(Stage("available", ex.count(ex.matching)))
    return tuple(stages)


_LOST: Final = {
    "admit": "none of {before} admits this user",
    "open": "none of {before} that admit this user takes jobs at present",
    "data": "none of {before} that admit this user and take jobs is near the job's data",
    "wms": "none of {before} that admit this user and take jobs meets the conditions of this WMS",
    "requirements": "none of {before} that admit this user and take jobs meets the Requirements",
    "rank": "Rank is not a number on any of {before} that meet the Requirements",
    "available": "{before} would match, and all of them are set aside for a while",
}


def _verdict(ex: Examination, stages: tuple[Stage, ...], matches: int) -> str:
    if matches:
        return f"{matches} of {count(len(ex.ce_ids), 'computing element matches', 'computing elements match')}"
    if not ex.ce_ids:
        return "no computing element is known"
    for before, stage in itertools.pairwise(stages):
        if not stage.passed:
            return f"no computing element matches: {_LOST[stage.name].format(before=before.passed)}"
    return "no computing element matches"


def _picture(snapshot: Snapshot) -> Picture:
    age = max(0.0, (wall.now() - snapshot.taken_at).total_seconds())
    return Picture(
        snapshot.taken_at.isoformat(timespec="seconds"),
        round(age, 1),
        snapshot.generation,
        tuple(shown(each, 300) for each in snapshot.health[:MAX_PROBLEMS]),
        len(snapshot.health),
    )


def _closed(ex: Examination, closed: np.ndarray) -> tuple[Refusal, ...]:
    states: dict[str, str] = {}
    for place in np.flatnonzero(ex.of(closed) & ex.admitted):
        ce_id = ex.ce_id(int(place))
        if ce_id not in states and len(states) == MAX_CLOSED:
            break
        state = ex.snapshot.records[int(place)].ad.value("GlueCEStateStatus")
        states.setdefault(ce_id, shown(state) if isinstance(state, str) else literal(state))
    return tuple(Refusal(shown(ce_id), state) for ce_id, state in states.items())


def _aside(ex: Examination) -> tuple[Aside, ...]:
    if not ex.set_aside:
        return ()
    names = ex.names(ex.elements(ex.asked & ex.fitting & ~ex.available))
    return tuple(Aside(shown(each), shown(ex.set_aside[each])) for each in names[:MAX_ASIDE])


def _of_the_named(ex: Examination, text: str) -> Explanation:
    """SubmitTo: nothing is matched, but a known element must admit the user."""
    notes = tuple(obstacles(ex, text))
    matches = 0 if notes else 1
    verdict = f"{shown(text)}, named by SubmitTo, takes the job" if matches else notes[0]
    return Explanation(
        VERSION,
        verdict,
        _picture(ex.snapshot),
        matches,
        (Stage("known", len(ex.ce_ids)),),
        (Match(shown(text), 0),) if matches else (),
        notes=notes,
    )
