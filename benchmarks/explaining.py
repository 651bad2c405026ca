"""Explaining: milliseconds of processor time for the first explanation of a kind on a new picture and for the next one,
and for Requirements that are made to be costly.

The ads are a made-up grid of some 5,000 computing elements (14,500 ads with their VO views).  A picture is new when a
third of its elements has other states than the one before, as after a look at states.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.figure import Figure, Limit, middle
from broker.explanation import explain, prepare
from broker.explanation.examination import PATIENCE
from broker.masks.question import MAX_SECONDS
from broker.matchmaker import Job, match
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord, assemble
from infosys.synthetic import entries
from jdl.nodes import Expr, Operation
from jdl.parser import parse, parse_expression
from jdl.tree import ClassAd

SITES: Final = 1000
ROUNDS: Final = 3
HOSTILE: Final = 20_000
"""Terms."""
KINDS: Final = {
    "nothing matches, numbers": 'other.GlueCEStateFreeCPUs > 100000 && other.GlueCEInfoLRMSType == "slurm"',
    "a misspelt name": 'other.GlueHostOperatingSystemNam == "CentOS"',
    "a forgotten other.": "GlueHostMainMemoryRAMSize >= 2048",
    "a number in quotes": 'other.GlueCEInfoTotalCPUs >= "16"',
    "a tag that nobody has": 'Member("VO-atlas-99.1", other.GlueHostApplicationSoftwareRunTimeEnvironment)',
    "an element that there is not": 'other.GlueCEUniqueID == "nowhere.example.org:8443/cream-pbs-long"',
    "a pattern that nothing has": 'RegExp("nowhere", other.GlueCEUniqueID)',
    "some match": 'other.GlueCEInfoLRMSType == "slurm"',
}
COSTLY: Final = {
    "comparisons": ("||", "other.GlueCEStateFreeCPUs > 1000000{}"),
    "sums": ("&&", "other.GlueCEStateFreeCPUs + other.GlueHostMainMemoryRAMSize >= -{}"),
    "patterns": ("||", 'RegExp("x{}.*[yz]", other.GlueCEUniqueID)'),
}
_USER: Final = User("/DC=org/DC=example/CN=Benchmark", (Fqan.parse("/testvo"),))


def measure_explaining(quick: bool) -> list[Figure]:
    """The figures; ``quick`` on a tenth of the elements."""
    records = assemble(entries(SITES // 10 if quick else SITES)).records
    before = Snapshot(records).after(Snapshot())
    elements = len(before.table.ce_ids)
    begin = time.thread_time()
    prepare(before)
    figures = [Figure(f"{elements} CEs: first preparation", _milliseconds(begin), "ms")]
    prepared: list[float] = []
    for kind, text in KINDS.items():
        job = Job(parse(f"[Requirements = {text}]"))
        first, then = [], []
        for number in range(ROUNDS):
            snapshot = Snapshot(_changed(records, number)).after(before)
            begin = time.thread_time()
            prepare(snapshot)
            prepared.append(_milliseconds(begin))
            match(job, snapshot, _USER)
            first.append(_explained(job, snapshot))
            then.append(_explained(job, snapshot))
        figures.append(Figure(f"{elements} CEs: {kind}", middle(first), "ms", (Limit("asked again", middle(then)),)))
    figures.append(Figure(f"{elements} CEs: preparation after a look at states", middle(prepared), "ms"))
    return figures + [_costly(before, elements, what) for what in COSTLY]


def _explained(job: Job, snapshot: Snapshot) -> float:
    begin = time.thread_time()
    explain(job, snapshot, _USER)
    return _milliseconds(begin)


def _costly(snapshot: Snapshot, elements: int, what: str) -> Figure:
    """A match of many different terms, and its explanation."""
    operator, form = COSTLY[what]
    terms: list[Expr] = [parse_expression(form.format(number)) for number in range(HOSTILE)]
    ad = ClassAd((("Requirements", Operation((operator,) * (len(terms) - 1), terms)),))
    begin = time.thread_time()
    match(Job(ad), snapshot, _USER)
    explain(Job(ad), snapshot, _USER)
    limit = Limit("what both may take", 1000 * (MAX_SECONDS + PATIENCE))
    return Figure(f"{elements} CEs: {HOSTILE} {what}", _milliseconds(begin), "ms", (limit,))


def _changed(records: Sequence[CeRecord], number: int) -> tuple[CeRecord, ...]:
    """The records with other states on a third of them."""
    found = list(records)
    for place in range(number % 3, len(found), 3):
        ad = found[place].ad.copy()
        ad.set("GlueCEStateFreeCPUs", place % 97)
        found[place] = dataclasses.replace(found[place], ad=ad)
    return tuple(found)


def _milliseconds(begin: float) -> float:
    return round((time.thread_time() - begin) * 1000, 3)
