"""What a job's event history says of it, and whether that can be: pure rules, known to nobody but these tests."""

import collections
import dataclasses
import itertools

from grid.states import Source


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a history says: the one end, the attempts (CE job identifiers) handed over, resubmissions, what is wrong."""

    end: str | None
    attempts: tuple[str, ...]
    resubmissions: int
    wrong: tuple[str, ...]


def judge(events) -> Verdict:
    """Judge the events of one job, in the order of their times."""
    wrong = []
    seen = {}
    for event in events:
        key = (event.type, event.source, event.seqcode)
        if key in seen:
            wrong.append(f"{event.type} of {event.source} was logged twice with the code {event.seqcode}")
        seen[key] = event
    # What the worker node saw is told by the wrapper's clock and decides nothing: LogMonitor's word counts.
    told = [event for event in events if event.source is not Source.LRMS]
    ends = [(place, _end_of(event)) for place, event in enumerate(told) if _end_of(event)]
    if len(ends) != 1:
        wrong.append(f"{len(ends)} ends: {', '.join(end for _, end in ends) or 'none'}")
    if ends:
        after = [event for event in told[ends[0][0] + 1 :] if not _harmless_after_the_end(event)]
        wrong += [f"{event.type} of {event.source} after the end" for event in after]
    wrong += _failures_answered(told)
    attempts = tuple(
        event.fields["dest_jobid"]
        for event in told
        if (event.type, event.source, event.get("result")) == ("Transfer", Source.JobController, "OK")
    )
    if len(set(attempts)) != len(attempts):
        wrong.append(f"an attempt was handed over twice: {attempts}")
    resubmissions = sum(event.type == "Resubmission" for event in told)
    end = ends[0][1] if ends else None
    wrong += _missing(events, len(attempts), end)
    return Verdict(end, attempts, resubmissions, tuple(wrong))


def _missing(events, attempts: int, end: str | None) -> list[str]:
    """Events that must be there because others are: a lost one need not change the end to be a loss."""
    counts = collections.Counter((event.source, event.type) for event in events)
    server, manager, element = Source.NetworkServer, Source.WorkloadManager, Source.JobController
    exactly = {(server, "RegJob"): 1, (element, "DeQueued"): attempts, (Source.LogMonitor, "Accepted"): attempts}
    exactly[(manager, "HelperReturn")] = counts[(manager, "HelperCall")]
    at_least = {(manager, "Match"): attempts}
    if counts[(server, "Accepted")] or attempts:
        exactly |= {(server, "Accepted"): 1, (server, "EnQueued"): 2}
    if attempts:
        exactly[(manager, "DeQueued")] = 1
    if end == "Done":
        at_least |= {(Source.LogMonitor, name): 1 for name in ("Running", "ReallyRunning")}
        at_least |= {(Source.LRMS, name): 1 for name in ("Running", "ReallyRunning", "Done")}
        at_least[(Source.LRMS, "ResourceUsage")] = 3
    wrong = [f"{counts[key]} of {key}, not {count}" for key, count in exactly.items() if counts[key] != count]
    return wrong + [f"{counts[key]} of {key}, less than {n}" for key, n in at_least.items() if counts[key] < n]


def _end_of(event) -> str | None:
    if event.type == "Abort":
        return "Aborted"
    if event.type == "Cancel" and event.get("status_code") == "DONE":
        return "Cancelled"
    if (event.type, event.source, event.get("status_code")) == ("Done", Source.LogMonitor, "OK"):
        return "Done"
    return None


def _harmless_after_the_end(event) -> bool:
    return event.type in ("Clear", "UserTag") or (event.type == "Cancel" and event.get("status_code") == "REQ")


def _failures_answered(told) -> list[str]:
    """A Done that does not count is answered at once: by Resubmission, Abort or Cancel."""
    moved = [event for event in told if event.source in (Source.LogMonitor, Source.WorkloadManager)]
    wrong = []
    for event, following in itertools.pairwise([*moved, None]):
        failed = event.type == "Done" and event.get("status_code") != "OK"
        if failed and (following is None or following.type not in ("Resubmission", "Abort", "Cancel")):
            wrong.append(f"Done ({event.get('status_code')}) is followed by {following and following.type}")
    return wrong


def wrong_runs(verdict: Verdict, runs, *, lost_runs: bool = False) -> list[str]:
    """Each attempt runs the payload at most once, the last one of a Done job from its begin to its end.

    :param runs: what the payload noted: ``begin`` or ``end``, and the attempt.
    :param lost_runs: attempts may have begun and not ended, or not have begun.
    """
    begun = [ce_job for what, ce_job in runs if what == "begin"]
    ended = [ce_job for what, ce_job in runs if what == "end"]
    wrong = [f"the attempt {job} ran its payload twice" for job in set(begun) if begun.count(job) > 1]
    wrong += [f"{job} ran and was never handed over" for job in set(begun) - set(verdict.attempts)]
    if verdict.end == "Done":
        if not verdict.attempts or ended[-1:] != [verdict.attempts[-1]]:
            wrong.append(f"Done, but the last attempt of {verdict.attempts} did not run to its end: {runs}")
        if not lost_runs and begun != list(verdict.attempts):
            wrong.append(f"{len(begun)} runs of the payload in {len(verdict.attempts)} attempts: {runs}")
        if not lost_runs and begun != ended:
            wrong.append(f"a payload did not run to its end: {runs}")
    return wrong
