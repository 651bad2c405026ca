"""An explanation as sentences: FaultCause lines, the most helpful first, and the reason of a waiting job."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from broker.explanation.wording import count, listed, shown
from wsdl.explanation import Access, Change, Condition, Explanation

MAX_LINES: Final = 16
"""Lines of a fault."""
MAX_LINE: Final = 700
"""Characters of a line."""
MAX_REASON: Final = 1000
"""Characters of the reason of a waiting job."""
_CONDITIONS: Final = 6
_CHANGES: Final = 3

_NOTES: Final = 3
_STAGES: Final = {
    "admit": "admit this user",
    "open": "take jobs",
    "data": "can reach the data",
    "wms": "meet the conditions of this WMS",
    "requirements": "meet the Requirements",
    "rank": "have a Rank",
    "available": "are not set aside",
}


def lines(explanation: Explanation) -> list[str]:
    """One sentence for each thing that is in the way, or would help; never empty."""
    every = [*_lines(explanation)]
    left = len(every) - MAX_LINES
    if left > 0:
        every = [*every[: MAX_LINES - 1], f"and {left + 1} more lines; --explain shows everything"]
    return [shown(each, MAX_LINE) for each in every]


def _lines(each: Explanation) -> Iterator[str]:
    yield each.verdict
    yield from (note for note in each.notes if note != each.verdict)
    if not each.stages or not each.stages[0].passed:
        yield from each.picture.problems
        return
    funnel = _funnel(each)
    if funnel:
        yield funnel
    access = list(_access(each.access))
    if not each.conditions:
        yield from access
    for number, change in enumerate(each.changes[:_CHANGES]):
        yield f"{'smallest change' if not number else 'or'}: {_change(change)}"
    if not each.changes and each.nearest:
        yield f"the nearest computing element fails {count(each.nearest, 'condition', 'conditions')}"
    failing = [condition for condition in each.conditions if condition.failed]
    mistakes = [mistake.sentence for mistake in each.mistakes]
    yield from dict.fromkeys([*mistakes, *(remark for condition in failing for remark in condition.remarks)])
    yield from (_condition(condition) for condition in failing[:_CONDITIONS])
    if len(failing) > _CONDITIONS:
        yield f"and {len(failing) - _CONDITIONS} more conditions fail somewhere"
    if each.aside:
        held = [f"{one.ce_id} ({one.why})" for one in each.aside]
        yield f"set aside for a while, though fit: {listed(held)}"
    if each.closed_count:
        states = listed([f"{one.ce_id} is {one.why}" for one in each.closed], total=each.closed_count)
        yield f"{count(each.closed_count, 'takes', 'take')} no jobs at present: {states}"
    if each.conditions:
        yield from access
    yield from each.picture.problems


def _funnel(each: Explanation) -> str:
    parts = [f"{stage.passed} {_STAGES[stage.name]}" for stage in each.stages[1:]]
    kept = []
    before = each.stages[0].passed
    for stage, part in zip(each.stages[1:], parts, strict=True):
        if stage.passed != before:
            kept.append(part)
        before = stage.passed
    known = f"of {count(each.stages[0].passed, 'computing element', 'computing elements')} that the broker knows"
    return f"{known}: {', '.join(kept)}" if kept else ""


def _access(access: Access) -> Iterator[str]:
    if not access.refused:
        return
    who = f"{access.fqan or 'no VO'}"
    examples = listed([f"{one.ce_id} ({one.why})" for one in access.examples], total=access.refused)
    yield f"{count(access.refused, 'refuses', 'refuse')} this user ({who}): {examples}"
    for opening in access.openings:
        if opening.own:
            yield (
                f"{opening.rule} is in the proxy, and would be admitted by {opening.elements} more if it came first"
                f" ({opening.would_match} would match)"
            )
    useful = [f"{one.rule} ({one.would_match})" for one in access.openings if one.would_match and not one.own]
    if useful:
        meets = count(access.would_match, "meets", "meet")
        yield f"{meets} everything but this user; {'it admits' if access.would_match == 1 else 'they admit'} " + (
            ", ".join(useful)
        )


def _change(change: Change) -> str:
    edits = []
    for edit in change.edits:
        if edit.attribute == "Requirements":
            edits.append(f"{edit.instead} instead of {edit.text}" if edit.instead else f"without {edit.text}")
        elif edit.instead:
            edits.append(f"{edit.attribute} = {edit.instead} instead of {edit.text}")
        elif edit.attribute == "Rank":
            edits.append(f"without Rank = {edit.text}")
        else:
            edits.append(f"without the attribute {edit.attribute} = {edit.text}")
    then = count(change.matches, "matches", "match")
    best = listed([one.ce_id for one in change.best], total=change.matches)
    return f"{'; '.join(edits)}: then {then} ({best})"


def _condition(each: Condition) -> str:
    whose = {"wms": "a condition of this WMS, ", "rank": "Rank, "}.get(each.whose, "")
    what = "is not a number on" if each.whose == "rank" else "fails on"
    text = f"{whose}{each.text}: {what} {each.failed} of {each.asked}"
    facts = [each.found] if each.found else []
    if each.only:
        named = [f"{one.ce_id} has {one.found}" if one.found else one.ce_id for one in each.near]
        near = listed(named, total=each.only)
        facts.append(f"{count(each.only, 'fails', 'fail')} only this: {near}")
    if each.undefined and each.undefined != each.failed:
        facts.append(f"undefined on {each.undefined}")
    if each.erroneous:
        facts.append(f"an error on {each.erroneous}")
    facts += [f"{side.text}: true on {side.holds}" for side in each.alternatives[:3]]
    return f"{text} ({'; '.join(facts)})" if facts else text


# -- the reason of a waiting job


def reason(explanation: Explanation, headline: str = "") -> str:
    """What keeps a job waiting, in one short text that names no computing elements.

    :param headline: what comes first (:attr:`broker.candidates.MatchResult.headline`).
    """
    parts = [headline] if headline else []
    if explanation.verdict not in headline:
        parts.append(explanation.verdict)
    if not explanation.stages or not explanation.stages[0].passed:
        parts += explanation.picture.problems[:2]
    if any(stage.name == "data" and not stage.passed for stage in explanation.stages):
        parts += explanation.notes[:_NOTES]
    hopeless = [each for each in explanation.conditions if each.failed and each.failed == each.asked]
    mistakes = [mistake.sentence for mistake in explanation.mistakes]
    parts += list(dict.fromkeys([*mistakes, *(remark for each in hopeless for remark in each.remarks)]))[:3]
    told = [each for each in (hopeless or explanation.conditions[:2])[:3] if each.failed and not each.remarks]
    parts += [_briefly(each) for each in told]
    if explanation.changes:
        change = explanation.changes[0]
        parts.append(f"smallest change: {_change(change).rpartition(' (')[0]}")
    if explanation.access.refused and not explanation.conditions:
        parts += list(_access(explanation.access))[:1]
    return shown("; ".join(parts), MAX_REASON)


def _briefly(each: Condition) -> str:
    everywhere = "everywhere" if each.failed == each.asked else f"on {each.failed} of {each.asked}"
    return f"{each.text} {'is not a number' if each.whose == 'rank' else 'fails'} {everywhere}"


def same_reason(one: str | None, other: str) -> bool:
    """Whether two reasons differ in numbers only, which come and go with the grid and are no news to a user."""
    return one is not None and _NUMBER.sub("#", one) == _NUMBER.sub("#", other)


_NUMBER: Final = re.compile(r"\d+(\.\d+)?")
