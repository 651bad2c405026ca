"""Matching: milliseconds a job, beside the ClassAd library evaluating the same pairs on the same ads in the same run.

A job is matched as the broker does it: access rules, the WMS's own demands, Requirements, Rank, and the best taken.
Every series begins with nothing kept but the table itself; reading the descriptions is a figure of its own.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from typing import Final

from benchmarks import classad2_pairs
from benchmarks.figure import Figure, Limit
from benchmarks.matching_jobs import JobMaker
from broker.job import Job
from broker.matchmaker import match
from broker.supermarket import Snapshot
from broker.table import Table
from grid.collector import settle
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord, assemble
from infosys.synthetic import entries
from jdl.parser import parse

SIZES: Final = (100, 1000, 5000)
"""Ads of computing elements (or VO views of them), of some 70 attributes each."""
COUNTS: Final = (100, 1000, 10_000)
TEMPLATES: Final = 20
SAMPLE: Final = 100
"""Jobs that the ClassAd library matches; the rest costs it the same."""
COLD_ROUNDS: Final = 25
AIMS: Final = {(5000, "one job"): 3.0, (5000, "1000 distinct jobs"): 0.3}
_ADS_PER_SITE: Final = 13
_USER: Final = User("/DC=org/DC=example/CN=Benchmark", (Fqan.parse("/testvo"),))


def measure_matching(quick: bool) -> list[Figure]:
    """The figures; ``quick`` without the largest numbers."""
    sizes, counts = (SIZES[:2], COUNTS[:1]) if quick else (SIZES, COUNTS)
    records = _records(sizes[-1])
    settle()  # as the broker does when it starts, and with each picture
    texts = _distinct(JobMaker(records, seed=1), counts[-1])
    begin = time.perf_counter()
    jobs = [Job(parse(text)) for text in texts]
    figures = [Figure("reading a job description", _milliseconds(begin, len(jobs)), "ms")]
    unique = [Job(parse(text)) for text in _distinct(JobMaker(records, seed=2, unique=True), min(1000, counts[-1]))]
    similar = _similar(jobs[:TEMPLATES], counts[-1])
    for size in sizes:
        figures += _of_size(records[:size], size, texts, jobs, unique, similar, counts)
    return figures


def _of_size(
    records: Sequence[CeRecord],
    size: int,
    texts: Sequence[str],
    jobs: Sequence[Job],
    unique: Sequence[Job],
    similar: Sequence[Job],
    counts: Sequence[int],
) -> list[Figure]:
    begin = time.perf_counter()
    table = Table(records).prepare()
    figures = [Figure(f"{size} CEs: making the table", _milliseconds(begin, 1), "ms")]
    baseline = _baseline(texts[: min(SAMPLE, len(texts))], jobs, records)

    def figure(what: str, value: float) -> Figure:
        aim = AIMS.get((size, what))
        limits = (baseline, *([Limit("aim", aim)] if aim else []))
        return Figure(f"{size} CEs: {what}", value, "ms", limits)

    cold = [_series(table, jobs[number : number + 1]) for number in range(min(COLD_ROUNDS, len(jobs)))]
    figures.append(figure("one job", statistics.median(cold)))
    for count in counts:
        figures.append(figure(f"{count} distinct jobs", _series(table, jobs[:count])))
    figures.append(figure(f"{len(unique)} jobs, all numbers unique", _series(table, unique)))
    for count in counts:
        figures.append(figure(f"{count} jobs of {TEMPLATES} templates", _series(table, similar[:count])))
    return figures


def _series(table: Table, jobs: Sequence[Job]) -> float:
    """Milliseconds a job, on a table that nobody has asked anything."""
    snapshot = Snapshot(table.records)
    snapshot.__dict__["table"] = table.unasked()
    fresh = [Job(job.ad) for job in jobs]
    begin = time.perf_counter()
    for job in fresh:
        found = match(job, snapshot, _USER)
        if found.candidates:
            found.best()
    return _milliseconds(begin, len(jobs))


def _baseline(texts: Sequence[str], jobs: Sequence[Job], records: Sequence[CeRecord]) -> Limit:
    """The ClassAd library's milliseconds a job.

    :raises RuntimeError: it finds other matches.
    """
    try:
        pairs = classad2_pairs.measure(texts, [record.ad.text() for record in records])
    except classad2_pairs.Missing as missing:
        return Limit("classad2, pair by pair", 0.0, str(missing))
    table = Table(records)
    for text, job, theirs in zip(texts, jobs, pairs.matches, strict=False):
        requirements = job.requirements
        mask = table.numbers(job.ad, job.rank)[1]
        ours = int((mask & table.where(job.ad, requirements)).sum()) if requirements is not None else int(mask.sum())
        if ours != theirs:
            raise RuntimeError(f"classad2 finds {theirs} matches and the table {ours} for\n{text}")
    return Limit("classad2, pair by pair", pairs.seconds * 1000 / len(texts))


def _records(count: int) -> tuple[CeRecord, ...]:
    sites = math.ceil(count / _ADS_PER_SITE)
    while True:
        records = assemble(entries(sites)).records
        if len(records) >= count:
            return records[:count]
        sites += sites // 5 + 1


def _distinct(maker: JobMaker, count: int) -> list[str]:
    """Descriptions of which no two have the same Requirements and Rank."""
    found: dict[str, str] = {}
    while len(found) < count:
        text = maker.text()
        found.setdefault(text[text.index("Requirements") :], text)
    return list(found.values())


def _similar(templates: Sequence[Job], count: int) -> list[Job]:
    """Jobs that differ in their Arguments alone."""
    jobs = []
    for number in range(count):
        ad = templates[number % len(templates)].ad.copy()
        ad.set("Arguments", f"run{number}")
        jobs.append(Job(ad))
    return jobs


def _milliseconds(begin: float, count: int) -> float:
    return (time.perf_counter() - begin) * 1000 / count
