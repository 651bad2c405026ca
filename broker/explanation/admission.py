"""Which computing elements do not admit the user, and whom they would admit."""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

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
    places = np.flatnonzero(ex.of(refusing))
    fit = ex.fitting & ex.open & ex.available
    rules: Counter[str] = Counter()
    would: Counter[str] = Counter()
    denied: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    for place in places:
        record, ce_id = ex.snapshot.records[int(place)], ex.ce_id(int(place))
        for rule in record.access_rules:
            kind = rule[:5].upper()
            if kind == "DENY:":
                verdict = judge(record.access_rules, user) if ce_id not in denied else None
                if verdict is not None and verdict.rule is not None:
                    denied[ce_id] = verdict.rule
            elif (kind == "VOMS:" or kind.startswith("VO:")) and (ce_id, rule) not in seen:
                seen.add((ce_id, rule))
                rules[rule] += 1
                would[rule] += bool(fit[place])
    own = _own(ex, fit)
    named = sorted(rules, key=lambda rule: (-would[rule], -rules[rule], rule))
    others = [Opening(shown(rule), rules[rule], would[rule]) for rule in named if rule not in own]
    return Access(
        shown(user.vo or ""),
        shown(user.primary or ""),
        int(refusing.sum()),
        len(denied),
        ex.count(fit & ex.of(refusing)),
        (*own.values(), *others)[:MAX_OPENINGS],
        tuple(_examples(ex, places, denied)),
    )


def _own(ex: Examination, fit: Mask) -> dict[str, Opening]:
    """What the proxy's further attributes would give if they were the first."""
    found = {}
    fqans = ex.user.fqans
    for number, fqan in enumerate(fqans[1 : 1 + _OTHERS], 1):
        turned = User(ex.user.dn, (fqan, *fqans[:number], *fqans[number + 1 :]))
        more = ex.elements(ex.table.admitted(turned)) & ~ex.elements(ex.admitted)
        if more.any():
            rule = f"VOMS:{fqan}"
            found[rule] = Opening(shown(rule), int(more.sum()), ex.count(fit & ex.of(more)), own=True)
    return found


def _examples(ex: Examination, places: np.ndarray, denied: dict[str, str]) -> list[Refusal]:
    rules: dict[str, dict[str, None]] = {}
    for place in places:
        ce_id = ex.ce_id(int(place))
        if ce_id not in rules and len(rules) == MAX_EXAMPLES:
            break
        found = rules.setdefault(ce_id, {})
        found.update(dict.fromkeys(ex.snapshot.records[int(place)].access_rules))
    examples = []
    for ce_id, own in rules.items():
        admits = [shown(rule, 80) for rule in own if rule[:5].upper() != "DENY:"]
        why = f"its rule {shown(denied[ce_id])} says so" if ce_id in denied else f"admits {listed(admits) or 'nobody'}"
        examples.append(Refusal(shown(ce_id), why))
    return examples
