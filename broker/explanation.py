"""Why nothing matches: what users read in FaultCause lines and in the reason of a waiting job.  Pure.

Counts are of computing elements, not of VO views: an element refuses, or fails a condition, when all its views do.
"""

from __future__ import annotations

import difflib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from broker.matchmaker import WMS_REQUIREMENTS, Job, admits, refuses_jobs
from broker.supermarket import Snapshot
from infosys.access import User
from infosys.ce_ads import CeRecord
from infosys.ce_id import CeId, CeIdError
from jdl.evaluate import compile as compiled
from jdl.scope import Clock, Random, scope_of
from jdl.tree import Call, ClassAd, Expr, Literal, Operation, Reference
from jdl.values import UNDEFINED, Record, Value, is_true

MAX_NAMED: Final = 3
"""Computing elements, values and rules that one line names."""
MAX_TEXT: Final = 200
"""Characters of one expression or value in a line."""
MAX_CONDITIONS: Final = 20
"""Conditions that are reported, those that fail most often first."""

MAX_TERMS: Final = 200
"""Terms of one expression that are looked at; what a user may write must not cost the broker minutes."""

_MIRRORED: Final = {">=": "<=", "<=": ">=", ">": "<", "<": ">", "==": "==", "=?=": "=?="}


@dataclass(frozen=True)
class Refusal:
    """A computing element that does not admit the user.

    :ivar denied_by: the DENY rule that says so, None when no rule admits the user.
    :ivar rules: what its rules admit.
    """

    ce_id: str
    denied_by: str | None
    rules: tuple[str, ...]

    def __str__(self) -> str:
        if self.denied_by is not None:
            return f"{self.ce_id} (its rule {_shown(self.denied_by)} says so)"
        rules = [_shown(rule) for rule in self.rules if rule[:5].upper() != "DENY:"]
        return f"{self.ce_id} (admits {_listed(rules, '; ') or 'nobody'})"


@dataclass(frozen=True)
class Condition:
    """A term of the Requirements (or of the WMS's own) and how it fared.

    :ivar near: what came nearest, for example ``best: 2048 on host:8443/cream-fork-x``; empty when nothing can be said.
    """

    text: str
    failed: int
    asked: int
    near: str = ""
    of_the_wms: bool = False

    def __str__(self) -> str:
        whose = "a condition of this WMS, " if self.of_the_wms else ""
        near = f" ({self.near})" if self.near else ""
        return f"{whose}{_shown(self.text)}: fails on {self.failed} of {self.asked}{near}"


@dataclass(frozen=True)
class Explanation:
    """All that stands between one job and the computing elements of one snapshot.

    :ivar known: computing elements in the snapshot.
    :ivar refusals: those that do not admit the user.
    :ivar idle: CE ids with their state, of those that admit the user and take no jobs.
    :ivar conditions: terms that fail somewhere, the hardest first.
    :ivar unpublished: attributes that the job reads and no element has, with a name that may be meant or ``""``.
    :ivar unranked: elements that meet everything and on which Rank is no number.
    :ivar notes: further sentences (SubmitTo).
    """

    known: int
    refusals: tuple[Refusal, ...] = ()
    idle: tuple[tuple[str, str], ...] = ()
    conditions: tuple[Condition, ...] = ()
    unpublished: tuple[tuple[str, str], ...] = ()
    unranked: int = 0
    rank: str = ""
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One sentence for each thing that is in the way; never empty."""
        lines = [self._summary(), *self.notes]
        if self.idle:
            states = _listed([f"{ce_id} is {_shown(state)}" for ce_id, state in self.idle])
            lines.append(f"{_count(len(self.idle), 'takes', 'take')} no jobs at present: {states}")
        for name, meant in self.unpublished:
            hint = f"; did you mean {meant}?" if meant else ""
            lines.append(f"no computing element publishes other.{_shown(name)}{hint}")
        lines.extend(str(each) for each in self.conditions[:MAX_CONDITIONS])
        left = len(self.conditions) - MAX_CONDITIONS
        if left > 0:
            lines.append(f"and {left} more conditions fail somewhere")
        if self.unranked:
            lines.append(f"Rank, {_shown(self.rank)}, is not a number on {self.unranked} that would match")
        return lines

    def _summary(self) -> str:
        if not self.known:
            return "no computing element is known"
        known = f"{self.known} computing {_count(self.known, 'element is', 'elements are', number=False)} known"
        if not self.refusals:
            return known
        refused = _count(len(self.refusals), "refuses", "refuse")
        return f"{known}; {refused} this user: {_listed([str(each) for each in self.refusals])}"


def explain(
    job: Job,
    snapshot: Snapshot,
    user: User,
    *,
    wms_requirements: Expr | None = WMS_REQUIREMENTS,
    clock: Clock = time.time,
    rng: Random = random.random,
) -> Explanation:
    """Find what stands in the way; to be asked when :func:`broker.matchmaker.match` found nothing."""
    elements = _by_element(snapshot.records)
    admitted, refusals = _admitted(elements, user)
    if job.submit_to is not None:
        named = tuple(each for each in refusals if each.ce_id == job.submit_to)
        return Explanation(len(elements), named, notes=tuple(_on_submit_to(job.submit_to, elements, named)))

    def value(expr: Callable[..., Value], record: CeRecord) -> Value:
        return expr(scope_of(job.ad, record.ad, clock=clock, rng=rng))

    idle: list[tuple[str, str]] = []
    asked: dict[str, list[CeRecord]] = {}
    for ce_id, records in admitted.items():
        open_ones = [each for each in records if job.decides_status or not refuses_jobs(each)]
        if open_ones:
            asked[ce_id] = open_ones
        else:
            idle.append((ce_id, str(records[0].ad.value("GlueCEStateStatus"))))
    conditions = _conditions(job, asked, wms_requirements, value)
    demands = [compiled(each) for each in (job.requirements, wms_requirements) if each is not None]
    rank = compiled(job.rank)
    unranked = 0
    for records in asked.values():
        meeting = [record for record in records if all(is_true(value(demand, record)) for demand in demands)]
        if meeting and not any(_is_number(value(rank, record)) for record in meeting):
            unranked += 1
    return Explanation(
        known=len(elements),
        refusals=refusals,
        idle=tuple(idle),
        conditions=tuple(conditions),
        unpublished=tuple(_unpublished(job, snapshot)),
        unranked=unranked,
        rank=job.rank.text(),
    )


def _conditions(
    job: Job,
    asked: dict[str, list[CeRecord]],
    wms_requirements: Expr | None,
    value: Callable[[Callable[..., Value], CeRecord], Value],
) -> list[Condition]:
    """How each term of the Requirements and of the WMS's own fares, the hardest first."""
    terms = [(each, False) for each in job.conjuncts(job.requirements)[:MAX_TERMS]]
    terms += [(each, True) for each in job.conjuncts(wms_requirements)]
    conditions: list[Condition] = []
    for term, of_the_wms in terms:
        code = compiled(term)
        failed = {
            ce_id: records
            for ce_id, records in asked.items()
            if not any(is_true(value(code, record)) for record in records)
        }
        if failed:
            near = _near(term, job.ad, [each for records in failed.values() for each in records])
            conditions.append(Condition(term.text(), len(failed), len(asked), near, of_the_wms))
    return sorted(conditions, key=lambda each: -each.failed)


def _by_element(records: Iterable[CeRecord]) -> dict[str, list[CeRecord]]:
    elements: dict[str, list[CeRecord]] = {}
    for record in records:
        elements.setdefault(record.ce_id, []).append(record)
    return elements


def _admitted(elements: dict[str, list[CeRecord]], user: User) -> tuple[dict[str, list[CeRecord]], tuple[Refusal, ...]]:
    admitted: dict[str, list[CeRecord]] = {}
    refusals: list[Refusal] = []
    for ce_id, records in elements.items():
        verdicts = [(record, admits(record, user)) for record in records]
        open_ones = [record for record, verdict in verdicts if verdict.allowed]
        if open_ones:
            admitted[ce_id] = open_ones
            continue
        denied = next((verdict.rule for _, verdict in verdicts if verdict.rule), None)
        rules = dict.fromkeys(rule for record in records for rule in record.access_rules)
        refusals.append(Refusal(ce_id, denied, tuple(rules)))
    return admitted, tuple(refusals)


def _on_submit_to(text: str, elements: dict[str, list[CeRecord]], refused: Sequence[Refusal]) -> Iterator[str]:
    if text in elements:
        if not refused:
            yield f"{_shown(text)}, named by SubmitTo, offers no CREAM service"
        return
    try:
        parts = CeId.parse(text)
    except CeIdError:
        form = r"(.+/[^\-]+-([^\-]+))-(.+)"
        yield f"invalid value {_shown(text)} for attribute SubmitTo (expecting match {form})"
        return
    if parts.kind != "cream":
        yield f"{_shown(text)}, named by SubmitTo, is not known and is no CREAM service"


def _unpublished(job: Job, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Attributes of other that no ad has, with the published name that is most like each."""
    published: dict[str, str] = {}
    for record in snapshot.records:
        for name in record.ad:
            published.setdefault(name.lower(), name)
    if not published:
        return
    for name in dict.fromkeys((*job.referenced(job.requirements), *job.referenced(job.rank))):
        if name.lower() not in published:
            like = difflib.get_close_matches(name.lower(), published, n=1, cutoff=0.75)
            yield name, published[like[0]] if like else ""


def _near(term: Expr, own: ClassAd, records: Sequence[CeRecord]) -> str:
    """What the failing elements have instead, when the term compares or looks up one of their attributes."""
    if isinstance(term, Call) and term.key in ("member", "ismember", "identicalmember") and len(term.arguments) == 2:
        wanted, held = term.arguments
        if isinstance(held, Reference) and _is_other(held):
            return _near_member(wanted, held, own, records)
    if not isinstance(term, Operation) or len(term.operands) != 2:
        return ""
    left, right = term.operands
    operator = term.operator
    if isinstance(right, Reference) and _is_other(right):
        left, right, operator = right, left, _MIRRORED.get(operator, "")
    if not isinstance(left, Reference) or not _is_other(left):
        return ""
    found = [(each.ad.value(left.name), each.ce_id) for each in records]
    if all(value is UNDEFINED for value, _ in found):
        return f"{left.name} is not published by any of them"
    numbers = [pair for pair in found if _is_number(pair[0])]
    if operator in (">=", ">", "<=", "<") and numbers:
        largest = operator in (">=", ">")
        best, ce_id = (max if largest else min)(numbers, key=lambda pair: pair[0])  # type: ignore[arg-type,return-value]
        return f"best: {best} on {ce_id}"
    if operator in ("==", "=?=", "!=", "=!="):
        return _found(value for value, _ in found)
    return ""


def _near_member(wanted: Expr, held: Reference, own: ClassAd, records: Sequence[CeRecord]) -> str:
    """The published values that are most like the one that is looked for."""
    value = compiled(wanted)(scope_of(own))
    if not isinstance(value, str):
        return ""
    published: dict[str, str] = {}
    for record in records:
        items = record.ad.value(held.name)
        for item in items if isinstance(items, tuple) else (items,):
            if isinstance(item, str):
                published.setdefault(item.lower(), item)
    if not published:
        return f"{held.name} is not published by any of them"
    like = difflib.get_close_matches(value.lower(), published, n=MAX_NAMED, cutoff=0.6)
    return f"nearest: {_listed([_shown(published[each]) for each in like])}" if like else ""


def _found(values: Iterable[Value]) -> str:
    counted = Counter("undefined" if value is UNDEFINED else _literal(value) for value in values)
    return "found: " + _listed([text for text, _ in counted.most_common()])


def _is_number(value: Value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _literal(value: Value) -> str:
    if isinstance(value, (tuple, Record)):
        return "a list or record"
    if isinstance(value, (str, int, float, bool)):
        return _shown(Literal(value).text())
    return "error"


def _is_other(reference: Reference) -> bool:
    return (reference.scope or "").lower() in ("other", "target")


def _listed(items: Sequence[str], separator: str = ", ") -> str:
    """The first few, and how many more there are."""
    left = len(items) - MAX_NAMED
    shown = separator.join(items[:MAX_NAMED])
    return f"{shown} and {left} more" if left > 0 else shown


def _shown(text: str) -> str:
    """Somebody else's text, short and without control characters."""
    clean = "".join(each if each.isprintable() else "?" for each in text)
    return clean if len(clean) <= MAX_TEXT else clean[: MAX_TEXT - 1] + "…"


def _count(number_of: int, one: str, many: str, *, number: bool = True) -> str:
    word = one if number_of == 1 else many
    return f"{number_of} {word}" if number else word
