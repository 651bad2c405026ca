"""Access rules of a queue, evaluated the way they are published and matched: pure.

``VO:<vo>`` admits members of a VO (case ignored, as ClassAd comparison does), ``VOMS:<fqan>`` holders of that
attribute, a distinguished name its owner; ``DENY:<fqan>`` refuses and wins over everything (GLUE 1.3).  The FQAN
rules of the gLite WMS: group and role must be equal (``*`` in a rule stands for any text), ``Role=NULL`` and no
role are the same, capabilities are ignored, and a group does not stand for its subgroups.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from grid.dn import normalise
from grid.fqan import Fqan

_RULE = re.compile(r"(?P<group>(?:/[A-Za-z0-9._*-]+)+?)(?:/Role=(?P<role>[A-Za-z0-9._*-]+))?(?:/Capability=[^/]*)?")


class Decision(Enum):
    """Admitted by a rule, named by a DENY rule, or named by none."""

    ADMITTED = "admitted"
    DENIED = "denied"
    UNNAMED = "unnamed"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is judged: distinguished name, VO and attributes, all from a verified chain."""

    dn: str
    vo: str | None
    fqans: tuple[Fqan, ...]


def decide(rules: Sequence[str], who: Holder) -> Decision:
    """Judge ``who`` by ``rules``; no rules admit nobody."""
    if any(_holds(rule[5:], who.fqans) for rule in rules if rule[:5].upper() == "DENY:"):
        return Decision.DENIED
    return Decision.ADMITTED if any(_admits(rule, who) for rule in rules) else Decision.UNNAMED


def _admits(rule: str, who: Holder) -> bool:
    if rule[:5].upper() == "VOMS:":
        return _holds(rule[5:], who.fqans)
    if rule[:3].upper() == "VO:":
        return who.vo is not None and rule[3:].lower() == who.vo.lower()
    return rule.startswith("/") and normalise(rule) == normalise(who.dn)


def _holds(pattern: str, fqans: Iterable[Fqan]) -> bool:
    found = _RULE.fullmatch(pattern)
    if found is None:
        return False
    role = None if found["role"] in (None, "NULL") else found["role"]
    return any(_same(found["group"], fqan.group) and _same_role(role, fqan.role) for fqan in fqans)


def _same_role(rule: str | None, role: str | None) -> bool:
    if rule is None or role is None:
        return rule == role
    return _same(rule, role)


def _same(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text) is not None
