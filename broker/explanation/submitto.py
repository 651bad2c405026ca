"""A job whose user has chosen the computing element: what keeps it from going there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from broker.explanation.examination import Examination
from broker.explanation.wording import listed, shown
from broker.submit_to import barred, known_by, named
from infosys.access import judge
from infosys.ce_id import CeId


def obstacles(ex: Examination, text: str) -> Iterator[str]:
    """Sentences; none when the job can go there."""
    name = shown(text)
    known = {id(record) for record in known_by(text, ex.snapshot)}
    places = [place for place, record in enumerate(ex.snapshot.records) if id(record) in known]
    problem = named(ex.job, ex.snapshot, ex.user).problem
    if problem:
        yield problem
        return
    if not places:
        if barred(text, ex.snapshot):
            yield f"{name}, named by SubmitTo, is on the blacklist of this WMS"
            return
        parts = CeId.find(text)
        if parts is None or parts.kind != "cream":
            yield f"{name}, named by SubmitTo, is not known and is no CREAM service"
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

