"""SubmitTo: the user has chosen the computing element.  No matching, but one that is known must admit the user,
and one that the operator's blacklist names gets nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from broker.candidates import Candidate, MatchResult
from broker.job import Job
from broker.supermarket import Snapshot
from infosys import names
from infosys.access import User, judge
from infosys.ce_ads import CeRecord
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
    known = known_by(value, snapshot)
    if not known:
        try:
            parts = CeId.parse(value)
        except CeIdError:
            return MatchResult(problem=invalid(value))
        return MatchResult(() if barred(value, snapshot) else tuple(_unknown(value, parts)))
    record = next((each for each in known if judge(each.access_rules, user).allowed), None)
    if record is None or not record.endpoint:
        return MatchResult()
    return MatchResult((Candidate(record.ce_id, 0, record.host, record.endpoint, record),))


def known_by(ce_id: str, snapshot: Snapshot) -> list[CeRecord]:
    """The records of the element.  Hosts ignore case, so another spelling opens nothing that is closed to the user."""
    exact = [record for record in snapshot.records if record.ce_id == ce_id]
    folded = names.fold(ce_id)
    return exact or [record for record in snapshot.records if names.fold(record.ce_id) == folded]


def barred(ce_id: str, snapshot: Snapshot) -> bool:
    """Whether the operator's blacklist names the element: then it is not unknown, it is not wanted."""
    spellings = {ce_id, names.fold(ce_id)}
    return any(pattern.fullmatch(each) for pattern in snapshot.barred for each in spellings)


def _unknown(text: str, parts: CeId) -> Iterator[Candidate]:
    """An element that nobody publishes: its identifier tells where its CREAM service is."""
    if parts.kind == "cream":
        yield Candidate(text, 0, parts.host, f"https://{parts.host}:{parts.port}/ce-cream/services")
