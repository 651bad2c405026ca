"""Who may use a computing element."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.fqan import Fqan
from infosys.access import User, Verdict, judge

DN = "/DC=org/DC=example/CN=Ada Lovelace"


def user(*fqans: str, vo: str | None = None) -> User:
    return User(DN, tuple(Fqan.parse(text) for text in fqans), vo)


@pytest.mark.parametrize(
    ("rules", "fqans", "allowed"),
    [
        (("VO:vo",), ("/vo",), True),
        (("vo:VO",), ("/vo/group/Role=x",), True),
        (("VO:vo",), ("/vo2",), False),
        (("VOMS:/vo",), ("/vo",), True),
        (("VOMS:/vo",), ("/vo/group",), False),  # a group does not admit its subgroups
        (("VOMS:/vo/*",), ("/vo/group",), True),
        (("VOMS:/vo",), ("/vo/Role=NULL/Capability=NULL",), True),
        (("VOMS:/vo/Role=NULL",), ("/vo",), True),
        (("VOMS:/vo",), ("/vo/Role=production",), False),
        (("VOMS:/vo/Role=production",), ("/vo",), False),
        (("VOMS:/vo/Role=*",), ("/vo/Role=production",), True),
        (("voms:/vo",), ("/vo",), True),
        (("VOMS:/VO",), ("/vo",), False),  # groups do not ignore case
        (("VOMS:/v.",), ("/vo",), False),  # a dot is a dot
        (("VO:vo", "DENY:/vo"), ("/vo",), False),
        (("DENY:/vo/Role=bad", "VO:vo"), ("/vo/Role=bad",), False),
        (("DENY:/vo/Role=bad", "VO:vo"), ("/vo",), True),
        (("DENY:/*",), ("/vo",), False),
        ((DN,), (), True),
        ((DN.lower(),), (), True),
        (("/DC=org/DC=example/CN=Ada",), (), False),
        (("VO:",), (), False),
        (("VOMS:/vo", "VO:vo"), (), False),
        ((), ("/vo",), False),
        (("nonsense", "*", "VOMS:", "DENY:"), ("/vo",), False),
        (("ALL",), ("/vo",), True),  # GLUE 2.0
        (("all",), (), True),
        (("ALL", "DENY:/vo"), ("/vo",), False),
        (("ALLVO:x",), ("/vo",), False),
        ((" VO: vo ",), ("/vo",), True),
    ],
)
def test_what_the_rules_say(rules: tuple[str, ...], fqans: tuple[str, ...], allowed: bool) -> None:
    assert judge(rules, user(*fqans)).allowed is allowed


def test_only_the_primary_fqan_counts() -> None:
    both = user("/vo", "/vo/Role=production")
    assert not judge(("VOMS:/vo/Role=production",), both).allowed
    assert judge(("VO:vo", "DENY:/vo/Role=production"), both).allowed


def test_the_rule_that_decided_is_told() -> None:
    assert judge(("VO:other", "VO:vo"), user("/vo")) == Verdict(True, "VO:vo")
    assert judge(("VO:vo", "DENY:/vo"), user("/vo")) == Verdict(False, "DENY:/vo")
    assert judge(("VO:other",), user("/vo")) == Verdict(False, None)


def test_a_vo_may_be_known_without_attributes() -> None:
    assert judge(("VO:vo",), user(vo="vo")).allowed
    assert user().vo is None


NAMES = st.sampled_from(["vo", "VO", "atlas", "prod", "x.y"])
RULES = st.one_of(
    st.sampled_from(["ALL", "VO:vo", "vo:VO", "VOMS:/vo", "VOMS:/vo/*", "VOMS:/vo/Role=*"]),
    st.sampled_from(["DENY:/vo", "DENY:/*", DN, ""]),
    st.builds("{}:/{}/{}".format, st.sampled_from(["VOMS", "DENY", "voms"]), NAMES, NAMES),
    st.builds("VOMS:/{}/Role={}".format, NAMES, NAMES),
    st.text(max_size=20),
)
ENDS = st.sampled_from(["", "/prod", "/Role=prod"])
FQANS = st.builds(lambda group, end: Fqan.parse(f"/{group}{end}"), NAMES, ENDS)


@given(st.lists(RULES, max_size=8), st.lists(FQANS, max_size=2))
def test_a_denial_wins_in_any_order_and_what_admits_is_one_of_the_rules(rules: list[str], fqans: list[Fqan]) -> None:
    who = User(DN, tuple(fqans))
    verdict = judge(rules, who)
    assert judge(reversed(rules), who).allowed is verdict.allowed
    assert not verdict.allowed or verdict.rule in rules
    assert judge([*rules, "ALL"], who).allowed is not (bool(verdict.rule) and not verdict.allowed)
    denied = [rule for rule in rules if judge([rule, "ALL"], who).allowed is False]
    assert not (denied and verdict.allowed)
