"""An explanation as a terminal of 80 columns shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Final

from wsdl.explanation import Access, Change, Condition, Explanation, JobStory

WIDTH: Final = 80
_STAGES: Final = {
    "known": "computing elements are known",
    "admit": "admit this user",
    "open": "take jobs at present",
    "wms": "meet the conditions of this WMS",
    "requirements": "meet the Requirements",
    "rank": "have a number as Rank",
    "data": "can reach the data",
    "available": "are not set aside for a while",
}
_NUMBER: Final = 7
"""Columns of a number and the blank before it."""


def table(explanation: Explanation) -> list[str]:
    """The lines of the whole explanation; nothing is left out but what the server left out."""
    lines = [*wrapped(f"{explanation.verdict}.", 0)]
    if len(explanation.stages) > 1 and explanation.stages[0].passed:
        lines += ["", *_funnel(explanation)]
    lines += _section("Notes", [note for note in explanation.notes if note != explanation.verdict])
    if explanation.best:
        lines += ["", "Best matches", f"{'rank':>{_NUMBER + 4}}"]
        lines += [f"{_rank(each.rank):>{_NUMBER + 4}}  {each.ce_id}" for each in explanation.best]
        if explanation.matches > len(explanation.best):
            lines.append(f"{'':{_NUMBER + 6}}and {explanation.matches - len(explanation.best)} more")
    if explanation.changes:
        lines += ["", "Smallest changes that give a match"]
        for number, change in enumerate(explanation.changes, 1):
            lines += _change(number, change)
    elif explanation.nearest:
        lines += ["", *wrapped(f"The nearest computing element fails {explanation.nearest} conditions at once.", 0)]
    lines += _section("Probably mistakes", [each.sentence for each in explanation.mistakes])
    if explanation.conditions and explanation.conditions[0].asked:
        near_data = any(stage.name == "data" for stage in explanation.stages)
        lines += ["", *_conditions(explanation.conditions, near_data)]
    lines += [*_access(explanation.access), *_others(explanation), *_picture(explanation)]
    return lines


def story(told: JobStory) -> list[str]:
    """Where a job stands, and why."""
    lines = [told.job, f"  phase     {told.phase}: {told.sentence}"]
    for name, value in (("node", told.node), ("of", told.parent), ("attempt", str(told.attempt or ""))):
        if value:
            lines.append(f"  {name:<8}  {value}")
    if told.choice is not None:
        lines += ["", "Matched with", f"  {told.choice.ce_id}"]
        if told.choice.at:
            many = f"of {told.choice.candidates} that matched"
            lines.append(f"  rank {_rank(told.choice.rank)}, {told.choice.at}, {many}")
        if told.choice.others:
            lines += ["  the next best were"]
            lines += [f"  {_rank(each.rank):>{_NUMBER}}  {each.ce_id}" for each in told.choice.others]
    if told.nodes:
        lines += ["", "Nodes", *(f"{each.count:>{_NUMBER}}  {each.state}" for each in told.nodes)]
    lines += _section("Nodes that wait for a computing element", told.waiting)
    if told.reason:
        lines += ["", "Reason as its user was told", *wrapped(told.reason, 2)]
    if told.next_try:
        until = f" and waits until {told.expires}" if told.expires else ""
        lines += ["", *wrapped(f"It is matched again at {told.next_try}{until}.", 0)]
    if told.explanation is not None:
        lines += ["", "-" * WIDTH, *table(told.explanation)]
    return lines


def wrapped(text: str, indent: int, first: str = "") -> list[str]:
    """A sentence, or JDL, in lines of 80 columns; names of computing elements are not broken."""
    pad = " " * indent
    return wrap(
        _spaced(text),
        WIDTH,
        initial_indent=first or pad,
        subsequent_indent=pad,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _spaced(text: str) -> str:
    """The text with a blank behind each comma that is not in a string, so that there is a place to break the line."""
    shown: list[str] = []
    inside = escaped = False
    for character, after in zip(text, [*text[1:], " "], strict=True):
        shown.append(character)
        if character == '"' and not escaped:
            inside = not inside
        elif character == "," and not inside and after != " ":
            shown.append(" ")
        escaped = inside and character == "\\" and not escaped
    return "".join(shown)


def _section(title: str, sentences: Sequence[str]) -> list[str]:
    if not sentences:
        return []
    return ["", title, *(line for each in sentences for line in wrapped(each, 4, "  - "))]


def _funnel(explanation: Explanation) -> Iterator[str]:
    lost = False
    for stage in explanation.stages:
        mark = ""
        if not stage.passed and not lost:
            lost, mark = True, "  <- here all are lost"
        yield f"{stage.passed:>{_NUMBER}}  {_STAGES.get(stage.name, stage.name)}{mark}"
        if lost:
            return


def _change(number: int, change: Change) -> Iterator[str]:
    then = f"{change.matches} match" if change.matches != 1 else "1 matches"
    left_out = "it" if len(change.edits) == 1 else "them"
    more = f"; {change.without} if you leave {left_out} out" if change.without > change.matches else ""
    yield f"  {number}. {then} then{more}"
    for edit in change.edits:
        name = "" if edit.attribute == "Requirements" else f"{edit.attribute} = "
        yield from wrapped(f"{name}{edit.text}", 19, "     instead of   " if edit.instead else "     leave out    ")
        if edit.instead:
            yield from wrapped(f"{name}{edit.instead}", 19, "     write        ")
    names = [each.ce_id for each in change.best]
    yield from (f"     {'best' if not place else '':<13}{name}" for place, name in enumerate(names))


def _conditions(conditions: Sequence[Condition], near_data: bool) -> Iterator[str]:
    asked = conditions[0].asked
    which = "admits this user and takes jobs" if asked == 1 else "admit this user and take jobs"
    data = " near the job's data" if near_data else ""
    yield from wrapped(f"Conditions, on the {asked} {'element' if asked == 1 else 'elements'}{data} that {which}", 0)
    yield f"{'fail':>{_NUMBER}}{'alone':>{_NUMBER}}  condition"
    pad = 2 * _NUMBER + 2
    for each in conditions:
        head = f"{each.failed:>{_NUMBER}}{each.only or '-':>{_NUMBER}}  "
        whose = {"wms": "(this WMS) ", "rank": "Rank = "}.get(each.whose, "")
        via = f"  (in {' -> '.join(each.via)})" if each.via else ""
        yield from wrapped(f"{whose}{each.text}{via}", pad + 2, head)
        if not each.failed:
            continue
        facts = [each.found] if each.found else []
        if each.undefined and each.undefined != each.failed:
            facts.append(f"undefined on {each.undefined}")
        if each.erroneous:
            facts.append(f"an error on {each.erroneous}")
        for fact in facts:
            yield from wrapped(fact, pad + 4, " " * (pad + 2))
        for side in each.alternatives:
            yield from wrapped(f"{side.holds} true: {side.text}", pad + 6, " " * (pad + 2) + "| ")
            for term in side.terms:
                yield from wrapped(f"{term.holds} true: {term.text}", pad + 8, " " * (pad + 4) + "| ")
        for number, near in enumerate(each.near):
            if not number:
                yield f"{'':{pad + 2}}near misses (they fail nothing else):"
            yield from wrapped(f"{near.ce_id}{f'  {near.found}' if near.found else ''}", pad + 6, " " * (pad + 4))


def _access(access: Access) -> Iterator[str]:
    if not access.refused:
        return
    who = f"{access.fqan or 'without VOMS attributes'}"
    yield ""
    yield f"Access: {access.refused} refuse this user ({who}), {access.would_match} of them meet everything else"
    if access.denied:
        yield f"  {access.denied} {'has' if access.denied == 1 else 'have'} a DENY rule for the user"
    openings = [each for each in access.openings if each.would_match or each.own]
    if openings:
        yield f"{'have':>{_NUMBER}}{'match':>{_NUMBER}}  the rule"
    for each in openings:
        own = "  (in the proxy, but not first)" if each.own else ""
        yield f"{each.elements:>{_NUMBER}}{each.would_match or '-':>{_NUMBER}}  {each.rule}{own}"
    for refusal in access.examples:
        yield from wrapped(f"{refusal.ce_id} ({refusal.why})", 4, "  - ")


def _others(explanation: Explanation) -> Iterator[str]:
    held = [f"{each.ce_id}: {each.why}" for each in explanation.aside]
    yield from _section("Set aside for a while, though they fit", held)
    if explanation.closed_count:
        states = [f"{each.ce_id} is {each.why}" for each in explanation.closed]
        more = explanation.closed_count - len(states)
        yield from _section("Take no jobs at present", [*states, *([f"and {more} more"] if more > 0 else [])])


def _picture(explanation: Explanation) -> Iterator[str]:
    picture = explanation.picture
    if picture.problems:
        more = picture.problem_count - len(picture.problems)
        tail = [f"and {more} more"] if more > 0 else []
        yield from _section("Problems of the information system", [*picture.problems, *tail])
    if picture.taken_at:
        yield ""
        yield f"As the broker knew the grid at {picture.taken_at}, {_age(picture.age)} ago."


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _rank(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"
