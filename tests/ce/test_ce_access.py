"""Access rules: what is published is what is enforced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ce.access import Decision, Holder, decide
from grid.fqan import Fqan

names = st.text("abcXYZ019._-", min_size=1, max_size=6).filter(lambda text: text not in (".", ".."))


def holder(*fqans: str, vo: str | None = "test", dn: str = "/DC=org/CN=Alice") -> Holder:
    return Holder(dn, vo, tuple(map(Fqan.parse, fqans)))


@pytest.mark.parametrize(
    ("rules", "who", "decision"),
    [
        ((), holder("/test"), Decision.UNNAMED),
        (("VO:test",), holder("/test"), Decision.ADMITTED),
        (("vo:TEST",), holder("/test"), Decision.ADMITTED),
        (("VO:test",), holder(vo=None), Decision.UNNAMED),
        (("VOMS:/test",), holder("/test/Role=NULL/Capability=NULL"), Decision.ADMITTED),
        (("VOMS:/test",), holder("/test/group"), Decision.UNNAMED),
        (("VOMS:/test/*",), holder("/test/group"), Decision.ADMITTED),
        (("VOMS:/test",), holder("/test/Role=pilot"), Decision.UNNAMED),
        (("VOMS:/test/Role=pilot",), holder("/test/Role=pilot"), Decision.ADMITTED),
        (("VOMS:/test/Role=*",), holder("/test/Role=pilot"), Decision.ADMITTED),
        (("VOMS:/Test",), holder("/test"), Decision.UNNAMED),
        (("VOMS:/te.t",), holder("/test"), Decision.UNNAMED),
        (("VO:test", "DENY:/test/banned"), holder("/test", "/test/banned"), Decision.DENIED),
        (("DENY:/test/banned", "VO:test"), holder("/test"), Decision.ADMITTED),
        (("/DC=org/CN=Alice",), holder(vo=None), Decision.ADMITTED),
        (("/DC=org/CN=Bob",), holder("/test"), Decision.UNNAMED),
        (("VOMS:(.*)+", "VOMS:", "DENY:", "nonsense"), holder("/test"), Decision.UNNAMED),
    ],
)
def test_rules_decide_as_the_broker_matches_them(rules, who, decision):
    assert decide(rules, who) is decision


@given(st.lists(names, min_size=1, max_size=4), st.none() | names)
def test_an_attribute_is_admitted_by_its_own_rule_and_refused_by_its_denial(parts, role):
    fqan = "/" + "/".join(parts) + (f"/Role={role}" if role else "")
    who = holder(fqan)
    assert decide((f"VOMS:{fqan}",), who) is Decision.ADMITTED
    assert decide((f"VOMS:{fqan}", f"DENY:{fqan}"), who) is Decision.DENIED


@given(st.lists(st.text(max_size=20), max_size=5))
def test_no_rule_text_breaks_the_decision_and_only_admission_admits(rules):
    assert decide(rules, Holder("/CN=x", None, ())) in (Decision.UNNAMED, Decision.ADMITTED)
