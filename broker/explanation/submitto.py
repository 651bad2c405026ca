"""A job whose user has chosen the computing element: what keeps it from going there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from broker.explanation.examination import Examination
from broker.explanation.wording import listed, shown
from infosys.access import judge
from infosys.ce_id import CeId, CeIdError


def obstacles(ex: Examination, text: str) -> Iterator[str]:
    """Sentences; none when the job can go there."""
    name = shown(text)
    places = [place for place, record in enumerate(ex.snapshot.records) if record.ce_id == text]
    if not places:
        yield from _unknown(text, name)
        return
    if not ex.admitted[places].any():
        records = [ex.snapshot.records[place] for place in places]
        denied = next((found.rule for each in records if (found := judge(each.access_rules, ex.user)).rule), None)
        rules = dict.fromkeys(rule for each in records for rule in each.access_rules if rule[:5].upper() != "DENY:")
        admits = listed([shown(rule) for rule in rules]) or "nobody"
        why = f"its rule {shown(denied)} says so" if denied else f"it admits {admits}"
        yield f"{name}, named by SubmitTo, refuses this user: {why}"
    elif not any(ex.snapshot.records[place].endpoint for place in np.flatnonzero(ex.admitted) if place in places):
        yield f"{name}, named by SubmitTo, offers no CREAM service"


def _unknown(text: str, name: str) -> Iterator[str]:
    try:
        parts = CeId.parse(text)
    except CeIdError:
        form = r"(.+/[^\-]+-([^\-]+))-(.+)"
        yield f"invalid value {name} for attribute SubmitTo (expecting match {form})"
        return
    if parts.kind != "cream":
        yield f"{name}, named by SubmitTo, is not known and is no CREAM service"
