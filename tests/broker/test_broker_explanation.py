"""Why nothing matches: the sentences that users read."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest

from broker.explanation import explain, lines, prepare, reason, same_reason
from broker.explanation.examination import Examination
from broker.explanation.findings import conditions_of
from broker.explanation.likeness import MAX_WORD
from broker.explanation.vocabulary import vocabulary_of
from broker.matchmaker import Job
from broker.supermarket import Snapshot
from grid.fqan import Fqan
from infosys.access import User
from infosys.ce_ads import CeRecord
from jdl.parser import parse
from wsdl.explanation import Explanation

ADA = User("/DC=org/DC=example/CN=Ada", (Fqan.parse("/vo"),))
Records = Callable[..., tuple[CeRecord, ...]]
GOOD = "good.example.org:8443/cream-fork-short"
OTHER = "other.example.org:8443/cream-fork-short"
SMALL = "small.example.org:8443/cream-fork-short"
MEMORY = "other.GlueHostMainMemoryRAMSize"
TAGS = "other.GlueHostApplicationSoftwareRunTimeEnvironment"


def explained(
    snapshot: Snapshot, requirements: str, rank: str = "1", more: str = "", user: User = ADA, **settings: object
) -> Explanation:
    job = Job(parse(f"[Requirements = {requirements}; Rank = {rank}; {more}]"))
    return explain(job, snapshot, user, **settings)  # type: ignore[arg-type]


def told(snapshot: Snapshot, requirements: str, rank: str = "1", more: str = "", user: User = ADA) -> list[str]:
    return lines(explained(snapshot, requirements, rank, more, user))


def test_the_first_lines_say_where_all_are_lost_what_would_help_and_how_each_condition_fares(three: Snapshot) -> None:
    assert told(three, f'{MEMORY} >= 64000 && other.GlueHostOperatingSystemName == "Plan9" && {MEMORY} > 1000') == [
        "no computing element matches: none of 2 that admit this user and take jobs meets the Requirements",
        "of 3 computing elements that the broker knows: 2 admit this user, 0 meet the Requirements",
        f'smallest change: {MEMORY} >= 4096 instead of {MEMORY} >= 64000; other.GlueHostOperatingSystemName == "Linux"'
        f' instead of other.GlueHostOperatingSystemName == "Plan9": then 1 matches ({GOOD})',
        'no computing element has "Plan9" in other.GlueHostOperatingSystemName',
        f"{MEMORY} >= 64000: fails on 2 of 2 (best: 4096 on {GOOD})",
        'other.GlueHostOperatingSystemName == "Plan9": fails on 2 of 2 (found: "Linux")',
        f"{MEMORY} > 1000: fails on 1 of 2 (best: 512 on {SMALL})",
        f"1 refuses this user (/vo): {OTHER} (admits VO:other)",
    ]


def test_what_was_prepared_is_not_made_when_somebody_asks(element: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    records = element("good.example.org", software=("VO-vo-tool-1.2",))
    requirements = f'other.GlueHostMainMemoryRAMSiz > 1 && other.GlueCEInfoLRMSType == "fokr" && Member("x", {TAGS})'
    wanted = told(Snapshot(records), requirements)
    fresh = Snapshot(records)
    prepare(fresh)
    monkeypatch.setattr("broker.explanation.likeness.Index", None)
    monkeypatch.setattr("broker.explanation.vocabulary.Sayings", None)
    assert told(fresh, requirements) == wanted


def test_words_of_an_attribute_that_did_not_change_are_known_in_the_next_picture(three: Snapshot) -> None:
    first = Snapshot(three.records).after(Snapshot())
    known = vocabulary_of(first.table).words("GlueCEInfoLRMSType")
    assert list(known) == ["fork"]
    second = Snapshot(three.records).after(first)
    assert second.table is not first.table
    assert vocabulary_of(second.table).words("GlueCEInfoLRMSType") is known


def test_a_word_that_no_element_has_any_more_is_not_suggested(three: Snapshot) -> None:
    first = Snapshot(three.records).after(Snapshot())
    changed = []
    for record in three.records:
        ad = record.ad.copy()
        ad.set("GlueCEInfoLRMSType", "slurm")
        changed.append(replace(record, ad=ad))
    second = Snapshot(tuple(changed)).after(first)
    assert list(vocabulary_of(second.table).words("GlueCEInfoLRMSType")) == ["slurm"]


# -- what users get wrong, each with the whole answer that matters


@pytest.mark.parametrize(
    ("requirements", "sentence", "change"),
    [
        (
            "other.GlueHostMainMemoryRAM >= 1000",
            f"no computing element publishes other.GlueHostMainMemoryRAM; did you mean {MEMORY}?",
            f"{MEMORY} >= 1000 instead of other.GlueHostMainMemoryRAM >= 1000: then 1 matches ({GOOD})",
        ),
        (
            "GlueHostMainMemoryRAMSize >= 1000",
            "the job has no attribute GlueHostMainMemoryRAMSize; an attribute of the computing element is written "
            f"{MEMORY}",
            f"{MEMORY} >= 1000 instead of GlueHostMainMemoryRAMSize >= 1000: then 1 matches ({GOOD})",
        ),
        (
            f'{MEMORY} >= "1000"',
            f'{MEMORY} is a number (such as 4096) and "1000" is a string, so {MEMORY} >= "1000" is an error; '
            "did you mean 1000?",
            f'{MEMORY} >= 1000 instead of {MEMORY} >= "1000": then 1 matches ({GOOD})',
        ),
        (
            "other.GlueCEInfoLRMSType == 1",
            'other.GlueCEInfoLRMSType is a string (such as "fork") and 1 is a number, '
            'so other.GlueCEInfoLRMSType == 1 is an error; did you mean "1"?',
            'other.GlueCEInfoLRMSType == "fork" instead of other.GlueCEInfoLRMSType == 1: then 2 match',
        ),
        (
            f'Member("VO-vo-tool-1.3", {TAGS})',
            f'no computing element has "VO-vo-tool-1.3" in {TAGS}; nearest: "VO-vo-tool-1.2"',
            f'Member("VO-vo-tool-1.2",{TAGS}) instead of Member("VO-vo-tool-1.3",{TAGS}): then 1 matches ({GOOD})',
        ),
        (
            'other.GlueCEInfoLRMSType =?= "Fork"',
            'no computing element has "Fork" in other.GlueCEInfoLRMSType, but "fork"; == does not look at the case',
            'other.GlueCEInfoLRMSType == "Fork" instead of other.GlueCEInfoLRMSType =?= "Fork": then 2 match',
        ),
        (
            'other.GlueCEInfoLRMSType == "fokr"',
            'no computing element has "fokr" in other.GlueCEInfoLRMSType; nearest: "fork"',
            'other.GlueCEInfoLRMSType == "fork" instead of other.GlueCEInfoLRMSType == "fokr": then 2 match',
        ),
        (
            '"3" == 3',
            '"3" == 3 is an error whatever the computing element (it compares a string with a number)',
            'without "3" == 3: then 2 match',
        ),
        (
            'RegExp("GOOD", other.GlueCEUniqueID)',
            "",
            'RegExp("GOOD",other.GlueCEUniqueID,"i") instead of RegExp("GOOD",other.GlueCEUniqueID): then 1 matches',
        ),
        (
            "other.VirtualOrganisation == \"vo\"",
            "no computing element publishes other.VirtualOrganisation; VirtualOrganisation is an attribute of the "
            "job: write self.VirtualOrganisation",
            'self.VirtualOrganisation == "vo" instead of other.VirtualOrganisation == "vo": then 2 match',
        ),
        (
            f"!({MEMORY} < 64000)",
            "",
            f"{MEMORY} >= 4096 instead of !({MEMORY} < 64000): then 1 matches ({GOOD})",
        ),
        (
            "other.Zebra =?= 1",
            "no computing element publishes other.Zebra",
            "without other.Zebra =?= 1: then 2 match",
        ),
    ],
)  # fmt: skip
def test_typical_mistakes_are_named_and_mended(
    element: Records, requirements: str, sentence: str, change: str
) -> None:
    snapshot = Snapshot(
        (
            *element("good.example.org", ram=4096, software=("VO-vo-tool-1.2", "GLITE-3_2_0")),
            *element("small.example.org", ram=512),
        )
    )
    found = told(snapshot, requirements, more='VirtualOrganisation = "vo";')
    if sentence:
        assert sentence in found
    assert found[2].startswith(f"smallest change: {change}")


def test_an_alternative_is_relaxed_where_it_costs_least_and_each_side_is_counted(three: Snapshot) -> None:
    wanted = f'{MEMORY} >= 5000 || other.GlueCEInfoTotalCPUs > 100000 && other.GlueCEStateStatus == "Production"'
    found = explained(three, wanted)
    (change,) = found.changes
    assert change.edits[0].instead.startswith(f"{MEMORY} >= 4096 || other.GlueCEInfoTotalCPUs > 100000")
    memory, rest = found.conditions[0].alternatives
    assert (memory.text, memory.holds) == (f"{MEMORY} >= 5000", 0)
    assert [(each.text, each.holds) for each in rest.terms] == [
        ("other.GlueCEInfoTotalCPUs > 100000", 0),
        ('other.GlueCEStateStatus == "Production"', 2),
    ]


def test_conditions_behind_own_attributes_are_found_and_say_where_they_stand(three: Snapshot) -> None:
    found = explained(three, "Memory && true", more=f"Memory = {MEMORY} > 9999;")
    assert (found.conditions[0].text, found.conditions[0].via) == (f"{MEMORY} > 9999", ("Memory",))
    assert found.changes[0].requirements == f"{MEMORY} >= 4096 && true"


def test_near_misses_fail_one_condition_only_and_come_with_what_they_have(element: Records) -> None:
    snapshot = Snapshot(
        (
            *element("a", ram=1000),
            *element("b", ram=3000),
            *element("c", ram=2000, status="Queueing"),
        )
    )
    memory, status = explained(snapshot, f'{MEMORY} >= 4000 && other.GlueCEStateStatus == "Production"').conditions
    assert (memory.failed, memory.only, status.failed, status.only) == (3, 2, 1, 0)
    assert [(each.ce_id[:1], each.found) for each in memory.near] == [("b", "3000"), ("a", "1000")]


def test_when_something_matches_the_others_are_explained_too(three: Snapshot) -> None:
    found = explained(three, f"{MEMORY} >= 1000")
    assert found.verdict == "1 of 3 computing elements match"
    assert [each.ce_id for each in found.best] == [GOOD]
    assert found.conditions[0].near[0].ce_id == SMALL
    assert found.changes == ()
    assert found.access.would_match == 1


def test_a_threshold_is_not_moved_to_a_number_that_means_unknown(element: Records) -> None:
    snapshot = Snapshot((*element("a", estimated_response_time=999999999), *element("b", estimated_response_time=7000)))
    (change,) = explained(snapshot, "other.GlueCEStateEstimatedResponseTime < 60").changes
    assert change.edits[0].instead == "other.GlueCEStateEstimatedResponseTime <= 7000"
    assert (change.matches, change.without) == (1, 2)


def test_a_change_that_would_close_an_element_is_none(element: Records) -> None:
    """Without the term that speaks of the state, closed elements are no candidates."""
    snapshot = Snapshot(element("a", status="Draining"))
    found = explained(snapshot, 'other.GlueCEStateStatus == "Production"')
    assert [each.edits[0].instead for each in found.changes] == ['other.GlueCEStateStatus == "Draining"']


def test_the_proxys_other_attributes_that_would_be_admitted_are_told(element: Records) -> None:
    snapshot = Snapshot((*element("a", rules=("VOMS:/vo/prod",)), *element("b", rules=("VO:atlas", "VO:cms"))))
    user = User(ADA.dn, (Fqan.parse("/vo"), Fqan.parse("/vo/prod")))
    found = told(snapshot, "true", user=user)
    assert found[0] == "no computing element matches: none of 2 admits this user"
    assert "VOMS:/vo/prod is in the proxy, and would be admitted by 1 more if it came first (1 would match)" in found
    assert found[-1] == "2 meet everything but this user; they admit VO:atlas (1), VO:cms (1)"


def test_a_denial_names_its_rule(element: Records) -> None:
    snapshot = Snapshot(element("a", rules=("VO:vo", "DENY:/vo")))
    assert "1 refuses this user (/vo): a:8443/cream-fork-short (its rule DENY:/vo says so)" in told(snapshot, "true")


def test_elements_that_take_no_jobs_are_told(element: Records) -> None:
    found = told(Snapshot(element("a", status="Draining")), "true")
    assert found[0] == "no computing element matches: none of 1 that admit this user takes jobs at present"
    assert "1 takes no jobs at present: a:8443/cream-fork-short is Draining" in found


def test_elements_that_are_set_aside_are_told_with_the_reason(three: Snapshot) -> None:
    found = explained(three, f"{MEMORY} > 1000", set_aside={GOOD: "3 of 4 jobs failed there"})
    assert found.verdict == "no computing element matches: 1 would match, and all of them are set aside for a while"
    assert f"set aside for a while, though fit: {GOOD} (3 of 4 jobs failed there)" in lines(found)


def test_conditions_of_the_wms_are_told_as_such(element: Records) -> None:
    found = told(Snapshot(element("a", "x_sdj")), "true")
    assert found[0].endswith("meets the conditions of this WMS")
    assert any(each.startswith("a condition of this WMS, ") and "fails on 1 of 1" in each for each in found)


def test_an_attribute_of_the_job_that_a_condition_of_the_wms_reads_can_be_the_change(three: Snapshot) -> None:
    found = told(three, "true", more='OutputSE = "se.example.org";')
    assert found[2].startswith('smallest change: without the attribute OutputSE = "se.example.org": then 2 match')


def test_a_rank_that_is_no_number_is_told(three: Snapshot) -> None:
    found = told(three, "true", rank="other.GlueCEStateStatus")
    assert found[0] == "no computing element matches: Rank is not a number on any of 2 that meet the Requirements"
    assert found[2].startswith("smallest change: without Rank = other.GlueCEStateStatus: then 2 match")


def test_requirements_that_cost_too_much_are_told_as_such(three: Snapshot) -> None:
    terms = " && ".join(f"A{number}" for number in range(40))
    deep = "".join(f"A{number} = B == B && B == B;" for number in range(40))
    loop = "B = " + " + ".join(["other.GlueHostMainMemoryRAMSize"] * 20_000) + ";"
    job = Job(parse(f"[Requirements = {terms}; Rank = 1; {deep}{loop}]"))
    three.table.seconds = 1e6
    conditions = conditions_of(Examination(job, three, ADA, patience=1e6), {})
    assert ("the evaluation of the whole Requirements takes more steps than it may",) in [
        each.remarks for each in conditions
    ]


def test_what_takes_too_long_is_told_with_its_size_and_the_limit(three: Snapshot) -> None:
    three.table.seconds = -1.0
    terms = " && ".join(f"{MEMORY} > {number}" for number in range(200))
    sentence = (
        "matching gave up: to evaluate the Requirements (601 parts) on 3 computing elements takes more than -1 s of "
        "processor time, the most that an expression may take; write fewer terms, or simpler ones"
    )
    found = explained(three, terms)
    assert [each for each in lines(found) if "gave up" in each] == [sentence]
    assert sentence in reason(found)
    (condition,) = (each for each in found.conditions if each.whose == "job")
    assert (condition.failed, condition.remarks) == (2, (sentence,))
    ranked = explained(three, "true", rank=" + ".join([MEMORY] * 200))
    assert any("to evaluate the Rank (" in each for each in lines(ranked))
    assert "to evaluate the Rank (" in reason(ranked)


def test_with_nothing_known_the_sources_problems_are_told() -> None:
    health = ("The information source ldap://b:2170 does not answer", "Nothing has come from ldap://b:2170 since …")
    snapshot = Snapshot(problems=(*health, "an entry is odd, which users need not know"), health=health)
    assert told(snapshot, "other.X") == ["no computing element is known", *health]
    assert reason(explained(snapshot, "other.X")) == f"no computing element is known; {'; '.join(health)}"


@pytest.mark.parametrize(
    ("submit_to", "words"),
    [
        (OTHER, f"{OTHER}, named by SubmitTo, refuses this user: it admits VO:other"),
        ("nonsense", "invalid value nonsense for attribute SubmitTo (expecting match"),
        ("h:2119/jobmanager-pbs-q", "is not known and is no CREAM service"),
    ],
)
def test_submit_to_is_explained(three: Snapshot, submit_to: str, words: str) -> None:
    found = told(three, "true", more=f'SubmitTo = "{submit_to}";')
    assert len(found) == 1
    assert words in found[0]


def test_many_are_shortened_and_foreign_texts_made_harmless(element: Records) -> None:
    snapshot = Snapshot(
        tuple(each for number in range(12) for each in element(f"h{number}", rules=("VO:evil\x1b[31m\n" + "x" * 999,)))
    )
    found = told(snapshot, "true")
    assert any(line.startswith("12 refuse this user (/vo): h0") and "and 9 more" in line for line in found)
    assert all(line.isprintable() and len(line) <= 700 for line in found)


def test_a_long_list_of_conditions_does_not_cost_minutes(three: Snapshot) -> None:
    wanted = " && ".join(f'other.GlueCEUniqueID != "{number}"' for number in range(5000)) + " && false"
    found = explained(three, wanted)
    assert len(lines(found)) <= 16
    assert len(found.conditions) <= 40
    (change,) = found.changes  # the last of a hundred terms stands for all that follow
    assert change.edits[0].text.startswith('other.GlueCEUniqueID != "99" && other.GlueCEUniqueID != "100" && ')


def test_nothing_of_a_picture_is_kept_when_it_is_gone(element: Records) -> None:
    snapshot = Snapshot(element("a", software=("VO-vo-tool-1.2",)))
    explained(snapshot, f'Member("VO-vo-tool-1.3", {TAGS}) && other.Zebra > 1 && {MEMORY} > 99999')
    gone = weakref.ref(snapshot.table)
    del snapshot
    gc.collect()
    assert gone() is None


# -- the reason of a waiting job


def test_the_reason_of_a_waiting_job_is_short_and_does_not_change_with_every_number(element: Records) -> None:
    def grid(*memory: int) -> Snapshot:
        return Snapshot(tuple(each for place, ram in enumerate(memory) for each in element(f"h{place}", ram=ram)))

    wanted = f"{MEMORY} >= 64000"
    first, later = (reason(explained(grid(*memory), wanted)) for memory in ((512, 4096), (1024, 8192, 2048)))
    assert first == (
        "no computing element matches: none of 2 that admit this user and take jobs meets the Requirements; "
        f"{wanted} fails everywhere; smallest change: {MEMORY} >= 4096 instead of {wanted}: then 1 matches"
    )
    assert first != later
    assert same_reason(first, later)
    closed = Snapshot(element("h", status="Closed"))
    assert not same_reason(first, reason(explained(closed, wanted)))
    assert not same_reason(None, first)


def test_of_a_huge_text_only_what_is_compared_is_kept(three: Snapshot) -> None:
    for last in "abc":
        explained(three, f'Member("{"VO-vo-tool-1.3" * 50_000}{last}", {TAGS})')
    kept = vocabulary_of(three.table)._like
    assert [len(wanted) for _, wanted in kept] == [MAX_WORD]
