"""Which computing elements do not admit the user, and whom they would admit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from broker.explanation.elements import Places
from broker.explanation.examination import Examination
from broker.explanation.wording import listed, shown
from broker.table import Mask
from infosys.access import User, judge
from wsdl.explanation import Access, Opening, Refusal

MAX_OPENINGS: Final = 6
"""Rules that are named."""
MAX_EXAMPLES: Final = 3
_OTHERS: Final = 16
"""Further attributes of a proxy that are tried as the first one."""


def access_of(ex: Examination) -> Access:
    """What access rules exclude the user."""
    user = ex.user
    refusing = ~ex.elements(ex.admitted)
    refusing_records = ex.of(refusing)
    fit = ex.fitting & ex.open & ex.available
    if ex.data is not None:
        fit &= ex.data.mask
    rules: dict[str, int] = {}
    would: dict[str, int] = {}
    denying: list[str] = []
    denied = np.zeros(len(refusing), dtype=np.bool_)
    for rule, everywhere in ex.vocabulary.elements.rules.items():
        kind, places = rule[:5].upper(), everywhere[refusing_records[everywhere]]
        if kind == "DENY:":
            if len(places) and judge((rule,), user).rule is not None:
                denying.append(rule)
                denied |= ex.vocabulary.elements.having(places)
        elif len(places) and (kind == "VOMS:" or kind.startswith("VO:")) and not judge((rule,), user).allowed:
            rules[rule] = int(ex.vocabulary.elements.having(places).sum())
            would[rule] = int(ex.vocabulary.elements.having(places[fit[places]]).sum())
    own = _own(ex, fit)
    named = sorted(rules, key=lambda rule: (-would[rule], -rules[rule], rule))
    others = [Opening(shown(rule), rules[rule], would[rule]) for rule in named if rule not in own]
    return Access(
        shown(user.vo or ""),
        shown(user.primary or ""),
        int(refusing.sum()),
        int(denied.sum()),
        ex.count(fit & refusing_records),
        (*own.values(), *others)[:MAX_OPENINGS],
        tuple(_examples(ex, np.flatnonzero(refusing_records), denying)),
    )


def _own(ex: Examination, fit: Mask) -> dict[str, Opening]:
    """What the proxy's further attributes would give if they were the first."""
    found = {}
    fqans = ex.user.fqans
    for number, fqan in enumerate(fqans[1 : 1 + _OTHERS], 1):
        turned = User(ex.user.dn, (fqan, *fqans[:number], *fqans[number + 1 :]))
        admitted = ex.table.admitted(turned)
        more = ex.elements(admitted) & ~ex.elements(ex.admitted)
        if more.any():
            rule = f"VOMS:{fqan}"
            would = ex.count(fit & admitted & ex.of(more))
            found[rule] = Opening(shown(rule), int(more.sum()), would, own=True)
    return found


def _examples(ex: Examination, places: Places, denying: Sequence[str]) -> list[Refusal]:
    rules: dict[str, dict[str, None]] = {}
    for place in places:
        ce_id = ex.ce_id(int(place))
        if ce_id not in rules and len(rules) == MAX_EXAMPLES:
            break
        found = rules.setdefault(ce_id, {})
        found.update(dict.fromkeys(ex.snapshot.records[int(place)].access_rules))
    examples = []
    for ce_id, own in rules.items():
        denied = next((rule for rule in denying if rule in own), None)
        admits = [shown(rule, 80) for rule in own if rule[:5].upper() != "DENY:"]
        why = f"its rule {shown(denied)} says so" if denied else f"admits {listed(admits) or 'nobody'}"
        examples.append(Refusal(shown(ce_id), why))
    return examples
