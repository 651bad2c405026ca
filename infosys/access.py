"""Who may use a computing element: the rules of GlueCEAccessControlBaseRule (gLite WMS, WmsRequirements).

A rule is ``VO:<vo>``, ``VOMS:<fqan>``, ``DENY:<fqan>``, a DN, or ``ALL`` (GLUE 2.0).  A user is admitted by the DN, by
the VO or by the primary FQAN, unless the primary FQAN is denied.  Only the primary FQAN counts: it is what the job will
run with, and a user chooses it when the proxy is made.  DNs, VOs and the prefixes ignore case; groups and roles do not,
and a group does not admit its subgroups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grid.dn import normalise
from grid.fqan import Fqan
from jdl.fqan_member import fqan_member


@dataclass(frozen=True, slots=True)
class User:
    """Whose job it is.

    :ivar dn: the identity's DN in slash form, from the verified chain.
    :ivar fqans: verified VOMS attributes, the primary one first.
    :ivar virtual_organisation: the VO when it is known otherwise; without it, that of the primary FQAN.
    """

    dn: str
    fqans: tuple[Fqan, ...] = ()
    virtual_organisation: str | None = None

    @property
    def vo(self) -> str | None:
        """The virtual organisation, None for a user without."""
        return self.virtual_organisation or (self.fqans[0].vo if self.fqans else None)

    @property
    def primary(self) -> str | None:
        """The primary FQAN as text without ``NULL`` parts."""
        return str(self.fqans[0]) if self.fqans else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the user is admitted, and the rule that decided; None when no rule speaks of the user."""

    allowed: bool
    rule: str | None = None


def judge(rules: Iterable[str], user: User) -> Verdict:
    """What the rules of one computing element (or VO view) say about the user; DENY wins."""
    granted: str | None = None
    for written in rules:
        rule = written.strip()
        prefix = rule[:5].upper()
        if prefix == "DENY:":
            if user.primary is not None and fqan_member("DENY:" + user.primary, rule):
                return Verdict(False, written)
        elif granted is None and _grants(rule, prefix, user):
            granted = written
    return Verdict(granted is not None, granted)


def _grants(rule: str, prefix: str, user: User) -> bool:
    if prefix == "VOMS:":
        return user.primary is not None and fqan_member("VOMS:" + user.primary, rule)
    if prefix[:3] == "VO:":
        return bool(user.vo) and rule[3:].strip().lower() == str(user.vo).lower()
    if prefix == "ALL":
        return True
    return rule.startswith("/") and normalise(rule).lower() == normalise(user.dn).lower()


def vos_of(rules: Iterable[str]) -> tuple[str, ...]:
    """The VOs that rules of the kinds ``VO:`` and ``VOMS:`` name, each once; patterns for any VO name none."""
    found: dict[str, str] = {}
    for rule in rules:
        prefix = rule[:5].upper()
        vo = rule[3:] if prefix[:3] == "VO:" else vo_of_pattern(rule[5:]) if prefix == "VOMS:" else ""
        if vo:
            found.setdefault(vo.lower(), vo)
    return tuple(found.values())


def vo_of_pattern(fqan: str) -> str:
    """The VO of an FQAN or of a pattern of FQANs, also spelt ``/VO=x/GROUP=…``; empty when it may be any."""
    first = fqan.strip().removeprefix("/").partition("/")[0]
    vo = first[3:] if first[:3].upper() == "VO=" else first
    return "" if "*" in vo else vo
