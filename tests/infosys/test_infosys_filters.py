"""Search filters: the text form as ldap3 reads it, and the three-valued logic."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils.asn1 import encode

from infosys import ber, filters
from infosys.entry import Entry
from infosys.errors import ProtocolError
from infosys.filter_sets import sets
from infosys.filters import And, Compare, Extensible, Filter, Not, Or, Present, Substrings
from infosys.indexes import FewNodes
from infosys.node import Node
from infosys.schema import glue1

ATTRIBUTES = st.sampled_from(["objectClass", "GlueCEUniqueID", "GlueCEStateFreeJobSlots", "cn"])
VALUES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
LEAVES = st.one_of(
    st.builds(Present, ATTRIBUTES),
    st.builds(Compare, st.sampled_from(["=", ">=", "<=", "~="]), ATTRIBUTES, VALUES),
    st.builds(Substrings, ATTRIBUTES, VALUES, st.lists(VALUES, max_size=2).map(tuple), VALUES),
)
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)


def through_ldap3(text: str) -> Filter:
    compiled = compile_filter(parse_filter(text, None, True, True, None, False).elements[0])
    return filters.decode(ber.Reader(encode(compiled)))


@settings(max_examples=100, deadline=None)
@given(FILTERS)
def test_a_filter_survives_its_text_and_another_library(wanted: Filter) -> None:
    assert through_ldap3(filters.text(wanted)) == wanted


def node(**attributes: object) -> Node:
    return Node(Entry.of("cn=x,o=grid", attributes), glue1())


def truth(subject: Node, wanted: Filter) -> bool | None:
    """Whether the filter is true, false or undefined for one entry."""
    steps = sets(wanted, FewNodes([subject], subject.schema))
    try:
        while True:
            next(steps)
    except StopIteration as end:
        true, false = end.value
    assert not true & false
    return True if true else False if false else None


CE = node(
    objectClass=["GlueTop", "GlueCE"],
    GlueCEUniqueID="Host.example.org:8443/cream-fork-short",
    GlueCEStateFreeJobSlots=12,
    GlueCEName="a  Long   name",
)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("(objectClass=gluece)", True),
        ("(objectclass=GlueSE)", False),
        ("(GlueCEUniqueID=*)", True),
        ("(GlueCEUniqueID=HOST*cream*SHORT)", True),
        ("(GlueCEUniqueID=*fork*cream*)", False),
        ("(GlueCEUniqueID=host.example.org:8443/cream-fork-short*short)", False),
        ("(GlueCEStateFreeJobSlots>=12)", True),
        ("(GlueCEStateFreeJobSlots>=9)", True),  # as numbers, not as texts
        ("(GlueCEStateFreeJobSlots<=9)", False),
        ("(GlueCEStateFreeJobSlots=012)", True),
        ("(GlueCEStateFreeJobSlots>=many)", None),
        ("(!(GlueCEStateFreeJobSlots>=many))", None),
        ("(GlueCEName=A long NAME)", True),
        ("(GlueCEName~=a long name)", True),
        ("(GlueCEName=*long na*)", True),
        ("(GlueSEName=x)", False),
        ("(!(GlueSEName=x))", True),
        ("(nobodyKnowsThis=x)", None),
        ("(!(nobodyKnowsThis=*))", None),
        ("(&(objectClass=GlueCE)(nobodyKnowsThis=x))", None),
        ("(|(objectClass=GlueCE)(nobodyKnowsThis=x))", True),
        ("(&(objectClass=GlueSE)(nobodyKnowsThis=x))", False),
        ("(cn:caseExactMatch:=x)", False),
        ("(cn:noSuchRule:=x)", None),
        ("(!(cn:noSuchRule:=x))", None),
        ("(noSuchAttribute:caseExactMatch:=x)", None),
        ("(:caseExactIA5Match:=x)", None),
        ("(GlueCEName:dn:=a long name)", None),
        ("(GlueCEName:=A long NAME)", True),
        ("(GlueCEName:caseIgnoreIA5Match:=A long NAME)", True),
        ("(GlueCEName:1.3.6.1.4.1.1466.109.114.2:=A long NAME)", True),
        ("(GlueCEName:caseExactIA5Match:=A long NAME)", False),
        ("(GlueCEName:CASEEXACTIA5MATCH:=a Long   name)", True),
        ("(GlueCEName:caseExactMatch:=a long name)", None),  # for another syntax
        ("(GlueCEStateFreeJobSlots:integerMatch:=012)", True),
        ("(GlueCEStateFreeJobSlots:integerMatch:=many)", None),
        ("(GlueCEStateFreeJobSlots:integerOrderingMatch:=13)", True),
        ("(GlueCEStateFreeJobSlots:integerOrderingMatch:=12)", False),
        ("(objectClass:objectIdentifierMatch:=GLUECE)", True),
    ],
)
def test_what_a_filter_selects(text: str, answer: bool | None) -> None:
    assert truth(CE, through_ldap3(text)) is answer


def test_the_filters_of_rfc_4526_are_true_and_false() -> None:
    assert truth(CE, And(())) is True
    assert truth(CE, Or(())) is False


def test_a_value_cannot_change_the_filter_around_it() -> None:
    hostile = "x)(objectClass=*\\)\0"
    wanted = Compare("=", "cn", hostile)
    assert through_ldap3(f"(cn={filters.escape(hostile)})") == wanted
    assert filters.text(Extensible("cn", "rule", "(")) == "(cn:rule:=\\28)"


def test_a_filter_that_is_too_deep_is_refused() -> None:
    encoded = ber.octets("cn", 0x87)
    for _ in range(filters.MAX_DEPTH):
        encoded = ber.tlv(0xA2, encoded)
    with pytest.raises(ProtocolError, match="levels"):
        filters.decode(ber.Reader(encoded))


def test_a_filter_with_too_many_terms_is_refused() -> None:
    encoded = ber.tlv(0xA1, ber.octets("cn", 0x87) * filters.MAX_TERMS)
    with pytest.raises(ProtocolError, match="terms"):
        filters.decode(ber.Reader(encoded))


def test_the_pieces_of_a_substring_are_terms_too() -> None:
    pieces = ber.sequence(*[ber.octets("x", 0x81)] * filters.MAX_TERMS)
    with pytest.raises(ProtocolError, match="terms"):
        filters.decode(ber.Reader(ber.sequence(ber.octets("cn"), pieces, tag=0xA4)))
