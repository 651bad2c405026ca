"""GACL documents: what they decide, that nothing is passed over, and that hostile ones are cheap."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.fqan import Fqan
from gsi.gacl import MAX_ENTRIES, Caller, Credential, Entry, Gacl, GaclError, Permission

ALICE, BOB = "/DC=org/DC=test/CN=Alice", "/DC=org/DC=test/CN=Bob"
READ, LIST, WRITE, NONE = Permission.READ, Permission.LIST, Permission.WRITE, Permission.NONE


def gacl(*entries: str) -> Gacl:
    inner = "".join(f"<entry>{entry}</entry>" for entry in entries)
    return Gacl.parse(f'<gacl version="0.0.1">{inner}</gacl>'.encode())


def caller(dn=ALICE, *fqans, **facts) -> Caller:
    return Caller(dn, tuple(map(Fqan.parse, fqans)), **facts)


def person(dn: str) -> str:
    return f"<person><dn>{dn}</dn></person>"


def test_the_historical_document_is_written_literally():
    document = Gacl((Entry((Credential.person(ALICE),), READ | LIST | WRITE),))
    assert document.to_bytes().decode() == (
        "<?xml version='1.0' encoding='utf-8'?>\n"
        '<gacl version="0.0.1">\n  <entry>\n    <person>\n      <dn>/DC=org/DC=test/CN=Alice</dn>\n    </person>\n'
        "    <allow>\n      <read/>\n      <list/>\n      <write/>\n    </allow>\n  </entry>\n</gacl>\n"
    )


@pytest.mark.parametrize(
    ("entry", "who", "expected"),
    [
        (person(ALICE), caller(), READ),
        (person(ALICE), caller(BOB), NONE),
        (person("/DC=org/DC=test/CN=Al%69ce"), caller(), READ),
        (person("/O=x/Email=a@b"), caller("/O=x/emailAddress=a@b"), READ),
        (person(ALICE + "/CN=proxy"), caller(), READ),
        ("<any-user/>", caller(None), READ),
        ("<auth-user/>", caller(None), NONE),
        ("<auth-user/>", caller(), READ),
        ("<voms><fqan>/vo/g</fqan></voms>", caller(ALICE, "/vo", "/vo/g"), READ),
        ("<voms><fqan>/vo/g/Role=NULL/Capability=NULL</fqan></voms>", caller(ALICE, "/vo/g"), READ),
        ("<voms><fqan>/vo/g</fqan></voms>", caller(ALICE, "/vo/g/Role=x"), NONE),
        ("<voms><fqan>/vo/g</fqan></voms>", caller(ALICE, "/vo/g/h"), NONE),
        ("<voms><fqan>/vo/*</fqan></voms>", caller(ALICE, "/vo/g/h"), READ),
        ("<voms><fqan>/vo/%2A</fqan></voms>", caller(ALICE, "/vo/g/h"), READ),
        ("<voms><fqan>/my.vo/*</fqan></voms>", caller(ALICE, "/my-vo/g"), NONE),
        ("<voms-cred><vo>vo</vo><group>g</group></voms-cred>", caller(ALICE, "/vo/g"), READ),
        ("<dns><hostname>*.test</hostname></dns>", caller(host="a.TEST"), READ),
        ("<dns><hostname>*.test</hostname></dns>", caller(host="test"), NONE),
        ("<dns><hostname>*.test</hostname></dns>", caller(), NONE),
        ("<dn-list><url>https://x/l</url></dn-list>", caller(listed={"https://x/l": True}.get), READ),
        ("<dn-list><url>https://x/*</url></dn-list>", caller(listed={"https://x/l": True}.get), NONE),
        ("<dn-list><url>https://x/l</url></dn-list>", caller(), NONE),
        (person(ALICE) + "<voms><fqan>/vo</fqan></voms>", caller(), NONE),
        (person(ALICE) + "<voms><fqan>/vo</fqan></voms>", caller(ALICE, "/vo"), READ),
    ],
)
def test_who_has_what_an_entry_names(entry, who, expected):
    assert gacl(f"{entry}<allow><read/></allow>").permissions(who) == expected


def test_what_is_denied_anywhere_is_denied_wherever_it_is_allowed():
    allow, deny = "<any-user/><allow><read/><write/></allow>", person(ALICE) + "<deny><write/></deny>"
    for entries in ((allow, deny), (deny, allow)):
        assert gacl(*entries).permissions(caller()) == READ
        assert gacl(*entries).permissions(caller(BOB)) == READ | WRITE


def test_a_deny_of_which_nobody_can_tell_whom_it_means_denies():
    entries = "<any-user/><allow><read/></allow>", "<dn-list><url>https://x/l</url></dn-list><deny><read/></deny>"
    assert gacl(*entries).permissions(caller()) == NONE
    assert gacl(*entries).permissions(caller(listed=lambda url: False)) == READ


names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)
credentials = st.one_of(
    st.builds(lambda name: Credential.person(f"/O=x/CN={name}"), names),
    st.builds(lambda group: Credential.voms(f"/vo/{group}"), st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True)),
    st.builds(lambda name: Credential("dn-list", f"https://x/{name}"), names),
    st.sampled_from([Credential("any-user"), Credential("auth-user"), Credential("dns", "*.x.org")]),
)
permissions = st.integers(0, 31).map(Permission)
entries = st.builds(
    lambda who, allow, deny: Entry(tuple(who), allow, deny & ~allow),
    st.lists(credentials, min_size=1, max_size=3), permissions, permissions,
)  # fmt: skip


@given(st.lists(entries, max_size=6).map(tuple).map(Gacl))
def test_what_was_written_is_read_again(document):
    assert Gacl.parse(document.to_bytes()) == document


@given(st.lists(entries, max_size=6), entries)
def test_a_deny_entry_never_gives_anything(listed, more):
    deny = Entry(more.credentials, NONE, more.deny)
    before = Gacl(tuple(listed)).permissions(caller())
    assert Gacl((*listed, deny)).permissions(caller()) & ~before == NONE


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("<gacl><entry>", "Premature end"),
        ("", "it is empty"),
        ("<acl/>", "the document is a <acl>, not a <gacl>"),
        ("<!DOCTYPE gacl [<!ENTITY x 'y'>]><gacl/>", "a DOCTYPE is not allowed"),
        ("<gacl><entry><allow><read/></allow></entry></gacl>", "an entry names 0 credentials"),
        ("<gacl><entry><any-user/><allow><read/></allow><deny><read/></deny></entry></gacl>", "allowed and denied"),
        ("<gacl><entry><any-user/><allow><sudo/></allow></entry></gacl>", "<sudo> is no permission"),
        ("<gacl><entry><any-user/><allow><none/></allow></entry></gacl>", "<none> is no permission"),
        ("<gacl><entry><level/><deny><read/></deny></entry></gacl>", "<level> is no credential"),
        ("<gacl><grant/></gacl>", "<grant> is no entry"),
        ("<gacl><entry><person/></entry></gacl>", "<person> must hold <dn>"),
        ("<gacl><entry><person><dn/></person></entry></gacl>", "<person> holds no name"),
        ("<gacl><entry><person><dn>/O=x</dn><dn>/O=y</dn></person></entry></gacl>", "<person> must hold <dn>"),
        ("<gacl><entry><person><dn>/O=x%00</dn></person></entry></gacl>", "<person> holds no name"),
        ("<gacl><entry><voms><fqan>/vo/../x</fqan></voms></entry></gacl>", "is not an FQAN"),
        ("<gacl><entry><voms-cred><vo>a</vo><vo>b</vo></voms-cred></entry></gacl>", "<voms-cred> must hold <vo>"),
        ("<gacl><entry><any-user/><x/></entry></gacl>", "<x> is no credential"),
    ],
)
def test_a_document_that_is_not_understood_wholly_is_refused(document, reason):
    with pytest.raises(GaclError, match=reason) as refused:
        Gacl.parse(document.encode())
    assert refused.value.code == 1209


@pytest.mark.parametrize(
    "entry",
    [
        "<person><dn>/CN=Alice<b/> Smith</dn></person><allow><read/></allow>",
        "<person><dn>/CN=Alice</dn>, /CN=Bob</person><allow><read/></allow>",
        "<any-user/><allow><read/></allow><deny>write</deny>",
        "<any-user/><allow><read/></allow><deny><write/>admin</deny>",
        "<any-user/><allow><read>no</read></allow>",
        "<any-user/><allow><read><write/></read></allow>",
        "<any-user>but Bob</any-user><deny><read/></deny>",
        "<any-user/> and <auth-user/><allow><read/></allow>",
        "<voms-cred><vo>vo<b/></vo></voms-cred><allow><read/></allow>",
    ],
)
def test_what_stands_where_nothing_belongs_is_not_passed_over(entry):
    with pytest.raises(GaclError, match="nothing belongs"):
        gacl(entry)


def test_a_hundred_thousand_entries_are_refused_at_once():
    document = b"<gacl>" + b"<entry><any-user/><deny><read/></deny></entry>" * 100_000 + b"</gacl>"
    begin = time.monotonic()
    with pytest.raises(GaclError, match="bytes, more than"):
        Gacl.parse(document)
    with pytest.raises(GaclError, match=f"at most {MAX_ENTRIES}"):
        gacl(*["<any-user/>"] * (MAX_ENTRIES + 1))
    assert time.monotonic() - begin < 1


def test_a_pattern_of_many_stars_costs_nothing():
    pattern = "/vo/" + "*a" * 200 + "*b"
    begin = time.monotonic()
    assert gacl(f"<voms><fqan>{pattern}</fqan></voms><allow><read/></allow>").permissions(
        caller(ALICE, "/vo/" + "a" * 900)
    ) == NONE
    assert time.monotonic() - begin < 0.5
