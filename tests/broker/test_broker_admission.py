"""Nobody's job goes to an element that refuses him, whatever rules its site and its views publish."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.explanation import explain, reason
from broker.matchmaker import Job, match
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord, assemble
from infosys.ce_id import CeId
from infosys.entry import Entry
from infosys.glue1 import CEInfo, CEState, Cluster, ComputingElement, Site, SubCluster, VOView, entries_of
from jdl.parser import parse

CE = str(CeId.cream("ce.example.org", 8443, "fork", "short"))
DN = "/O=Grid/CN=Ada"
ANY = Job(parse("[Rank = 1;]"))
NAMED = Job(parse(f'[Rank = 1; SubmitTo = "{CE}";]'))


def grid(rules: Sequence[str], *views: Sequence[str]) -> tuple[CeRecord, ...]:
    """The records of one element with these rules, and with a view for each further list of rules."""
    made = (
        Site(unique_id="S"),
        Cluster(unique_id=CE, site_id="S", ce_ids=(CE,)),
        SubCluster(unique_id=CE, cluster_id=CE, ram_size=2048),
        ComputingElement(
            unique_id=CE,
            cluster_id=CE,
            info=CEInfo(host_name="ce.example.org", lrms_type="fork"),
            access=tuple(rules),
            state=CEState(estimated_response_time=10),
            views=tuple(VOView(local_id=f"v{place}", access=tuple(each)) for place, each in enumerate(views)),
        ),
    )
    entries = [_with_rules(each, rules) if each.dn.startswith("GlueCEUniqueID") else each for each in entries_of(made)]
    return assemble(entries).records


def _with_rules(entry: Entry, rules: Sequence[str]) -> Entry:
    """As a site may write them, blanks and all."""
    given = Entry.of("x=y", {"GlueCEAccessControlBaseRule": list(rules)}).attributes
    return Entry(entry.dn, {**entry.attributes, **given})


def user(fqan: str) -> User:
    return User(DN, (Fqan.parse(fqan),))


def reached(records: tuple[CeRecord, ...], fqan: str) -> list[str]:
    """The records that the user's job could go to."""
    return [each.record.key for each in match(ANY, Snapshot(records), user(fqan)).candidates if each.record]


FQANS = ("/vo", "/vo/good", "/vo/bad", "/vo/Role=bad", "/cms", "/cms/bad")
RULES = st.lists(
    st.one_of(
        st.builds("{}VO:{}".format, st.sampled_from(["", " "]), st.sampled_from(["vo", "cms"])),
        st.builds("{}:{}".format, st.sampled_from(["VOMS", "DENY", " DENY"]), st.sampled_from(FQANS)),
        st.just(DN),
    ),
    min_size=1,
    max_size=4,
)  # fmt: skip


def denies(rules: Sequence[str], fqan: str) -> bool:
    return f"DENY:{fqan}" in [rule.strip() for rule in rules]


def grants(rules: Sequence[str], fqan: str) -> bool:
    vo = fqan.split("/")[1]
    return any(rule.strip() in (f"VO:{vo}", f"VOMS:{fqan}", DN) for rule in rules)


@settings(max_examples=300, deadline=None)
@given(RULES, st.lists(RULES, max_size=3), st.sampled_from(FQANS))
def test_no_job_reaches_an_element_that_excludes_its_fqan(rules, views, fqan) -> None:
    records = grid(rules, *views)
    keys = reached(records, fqan)
    if denies(rules, fqan) and not any(denies(view, fqan) for view in views):
        assert keys == []
    for key in keys:
        own = rules if key == CE else views[int(key.removeprefix(f"{CE}/v"))]
        assert grants(own, fqan) and not denies(own, fqan)
    if not views:
        assert bool(keys) == (grants(rules, fqan) and not denies(rules, fqan))
    # who chooses the element himself is admitted as any other
    assert bool(match(NAMED, Snapshot(records), user(fqan)).candidates) == bool(keys)


def test_a_denial_that_a_view_repeats_holds_for_those_without_a_view_too() -> None:
    records = grid(["VO:vo", "VO:cms", "DENY:/cms/bad"], ["VO:vo", "DENY:/cms/bad"])
    assert reached(records, "/cms") == [CE]
    assert reached(records, "/cms/bad") == []


def test_blanks_around_a_denial_do_not_open_the_views() -> None:
    records = grid(["VO:vo", " DENY:/vo/bad"], ["VO:vo"])
    assert reached(records, "/vo") == [f"{CE}/v0"]
    assert reached(records, "/vo/bad") == []


def test_another_spelling_of_the_host_opens_nothing() -> None:
    snapshot = Snapshot(grid(["VO:vo"]))
    loud = Job(parse(f'[SubmitTo = "{CE.replace("ce.example.org", "CE.Example.ORG")}";]'))
    (one,) = match(loud, snapshot, user("/vo")).candidates
    assert one.ce_id == CE
    assert not match(loud, snapshot, user("/cms")).candidates
    assert "refuses this user" in reason(explain(loud, snapshot, user("/cms")), "")


@pytest.mark.parametrize("host", ["ce.example.org", "CE.Example.ORG"])
def test_who_names_an_element_of_the_blacklist_is_told_so(host: str) -> None:
    snapshot = Snapshot(barred=(re.compile(r"ce\.example\.org:.*"),))
    job = Job(parse(f'[SubmitTo = "{CE.replace("ce.example.org", host)}";]'))
    assert not match(job, snapshot, user("/vo")).candidates
    assert "is on the blacklist of this WMS" in reason(explain(job, snapshot, user("/vo")), "")
    assert match(job, Snapshot(), user("/vo")).candidates  # and is unknown otherwise
