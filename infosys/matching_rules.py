"""The matching rules of the syntaxes that GLUE uses, as a directory publishes them (RFC 4512 §4.1.3, RFC 4517 §4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from infosys.schema import BOOLEAN, DIRECTORY_STRING, DN, IA5_STRING, INTEGER, OID, TIME, AttributeType

SUBSTRING: Final = "1.3.6.1.4.1.1466.115.121.1.58"


@dataclass(frozen=True, slots=True)
class MatchingRule:
    """How an asserted value is compared with those of an attribute.

    :ivar syntax: of the asserted value.
    :ivar applies: the syntax of the attributes for which an extensible match may name the rule; empty for none.
    :ivar exact: whether case counts.
    :ivar ordering: whether the attribute's value must be less than the asserted one, not the same.
    """

    oid: str
    name: str
    syntax: str
    applies: str = ""
    exact: bool = False
    ordering: bool = False

    def holds(self, value: str | int, asserted: str | int) -> bool:
        """Whether a value matches, both in the form in which they are compared."""
        if isinstance(value, int) and isinstance(asserted, int):
            return value < asserted if self.ordering else value == asserted
        return str(value) < str(asserted) if self.ordering else value == asserted

    def definition(self) -> str:
        """``( oid NAME 'name' SYNTAX syntax )``."""
        return f"( {self.oid} NAME '{self.name}' SYNTAX {self.syntax} )"

    def use(self, attributes: Iterable[AttributeType]) -> str:
        """``( oid NAME 'name' APPLIES ( … ) )`` (RFC 4512 §4.1.4); empty when it applies to none of them."""
        named = [each.name for each in attributes if each.syntax == self.applies]
        if not named:
            return ""
        listed = named[0] if len(named) == 1 else f"( {' $ '.join(named)} )"
        return f"( {self.oid} NAME '{self.name}' APPLIES {listed} )"


RULES: Final = (
    MatchingRule("1.3.6.1.4.1.4203.1.2.1", "caseExactIA5SubstringsMatch", IA5_STRING),
    MatchingRule("1.3.6.1.4.1.1466.109.114.3", "caseIgnoreIA5SubstringsMatch", IA5_STRING),
    MatchingRule("1.3.6.1.4.1.1466.109.114.2", "caseIgnoreIA5Match", IA5_STRING, IA5_STRING),
    MatchingRule("1.3.6.1.4.1.1466.109.114.1", "caseExactIA5Match", IA5_STRING, IA5_STRING, exact=True),
    MatchingRule("2.5.13.30", "objectIdentifierFirstComponentMatch", OID, OID),
    MatchingRule("2.5.13.29", "integerFirstComponentMatch", INTEGER, INTEGER),
    MatchingRule("2.5.13.28", "generalizedTimeOrderingMatch", TIME, TIME, ordering=True),
    MatchingRule("2.5.13.27", "generalizedTimeMatch", TIME, TIME),
    MatchingRule("2.5.13.15", "integerOrderingMatch", INTEGER, INTEGER, ordering=True),
    MatchingRule("2.5.13.14", "integerMatch", INTEGER, INTEGER),
    MatchingRule("2.5.13.13", "booleanMatch", BOOLEAN, BOOLEAN),
    MatchingRule("2.5.13.7", "caseExactSubstringsMatch", SUBSTRING),
    MatchingRule("2.5.13.6", "caseExactOrderingMatch", DIRECTORY_STRING, DIRECTORY_STRING, exact=True, ordering=True),
    MatchingRule("2.5.13.5", "caseExactMatch", DIRECTORY_STRING, DIRECTORY_STRING, exact=True),
    MatchingRule("2.5.13.4", "caseIgnoreSubstringsMatch", SUBSTRING),
    MatchingRule("2.5.13.3", "caseIgnoreOrderingMatch", DIRECTORY_STRING, DIRECTORY_STRING, ordering=True),
    MatchingRule("2.5.13.2", "caseIgnoreMatch", DIRECTORY_STRING, DIRECTORY_STRING),
    MatchingRule("2.5.13.1", "distinguishedNameMatch", DN, DN),
    MatchingRule("2.5.13.0", "objectIdentifierMatch", OID, OID),
)
_BY_NAME: Final = {key.lower(): rule for rule in RULES for key in (rule.name, rule.oid)}


def rule_for(named: str, attribute: AttributeType) -> MatchingRule | None:
    """The rule of that name or OID, in any spelling, None when there is none or it does not apply to the attribute."""
    rule = _BY_NAME.get(named.lower())
    return rule if rule is not None and rule.applies == attribute.syntax else None
