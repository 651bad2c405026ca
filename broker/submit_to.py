"""SubmitTo: the user has chosen the computing element.  No matching, but one that is known must admit the user."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from broker.candidates import Candidate, MatchResult
from broker.job import Job
from broker.supermarket import Snapshot
from infosys.access import User, judge
from infosys.ce_id import CeId, CeIdError

FORM: Final = r"(.+/[^\-]+-([^\-]+))-(.+)"
"""The form of a CE id as gLite WMS shows it to users."""
_SHOWN: Final = 200


def invalid(text: str) -> str:
    """What users are told of a SubmitTo that is no CE id."""
    shown = "".join(each if each.isprintable() else "?" for each in text[:_SHOWN])
    return f"invalid value {shown} for attribute SubmitTo (expecting match {FORM})"


def named(job: Job, snapshot: Snapshot, user: User) -> MatchResult:
    """The element that the job's SubmitTo names."""
    value = job.ad.value("SubmitTo")
    if not isinstance(value, str):
        return MatchResult(problem="attribute SubmitTo does not exist or has the wrong type (expected string)")
    known = [record for record in snapshot.records if record.ce_id == value]
    if not known:
        try:
            parts = CeId.parse(value)
        except CeIdError:
            return MatchResult(problem=invalid(value))
        return MatchResult(tuple(_unknown(value, parts)))
    record = next((each for each in known if judge(each.access_rules, user).allowed), None)
    if record is None or not record.endpoint:
        return MatchResult()
    return MatchResult((Candidate(value, 0, record.host, record.endpoint, record),))


def _unknown(text: str, parts: CeId) -> Iterator[Candidate]:
    """An element that nobody publishes: its identifier tells where its CREAM service is."""
    if parts.kind == "cream":
        yield Candidate(text, 0, parts.host, f"https://{parts.host}:{parts.port}/ce-cream/services")
