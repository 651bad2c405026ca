"""What the attribute indexes find is what the filter means, entry by entry; they are bounded and taken over."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import pytest
from filter_logic import truth
from hypothesis import given, settings
from hypothesis import strategies as st

from infosys import directory, indexes, messages, names, synthetic
from infosys.attribute_index import STEP, AttributeIndex, Steps, flags, members
from infosys.directory import Directory
from infosys.entry import Entry
from infosys.filters import And, Compare, Extensible, Filter, Not, Or, Present, Substrings
from infosys.indexes import Indexes
from infosys.node import Node
from infosys.schema import glue
from infosys.synthetic2 import entries2

SITES = [*synthetic.entries(1, ces_per_site=8), *entries2(1)]
ODD = [
    Entry.of("cn=odd,mds-vo-name=local,o=grid", {"objectClass": ["GlueCE"], "GlueCEStateFreeJobSlots": ["x", "7"]}),
    Entry.of("cn=new,mds-vo-name=local,o=grid", {"nobodyKnows": ["a  B", "c"], "GlueCEName;x": "option"}),
    Entry.of("cn=deep,cn=nobody,cn=nowhere,mds-vo-name=local,o=grid", {"cn": "deep"}),
]
TREE = Directory([*SITES, *ODD])


def done(steps: Steps[Iterator[Node]]) -> list[Node]:
    """The result of a search whose steps are taken one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return list(end.value)


def found(tree: Directory, base: str, scope: int, wanted: Filter) -> list[str]:
    node = tree.find(base)
    assert node is not None
    return [each.entry.dn for each in done(tree.search(node, scope, wanted))]


def below(base: str, scope: int) -> list[Entry]:
    """The entries in the scope, found by their names alone."""
    key = names.key(base)
    everything = [node.entry for suffix in ("o=grid", "o=glue") for node in TREE.below(TREE.find(suffix), 2)]  # type: ignore[arg-type]
    within = [entry for entry in everything if entry.key[len(entry.key) - len(key) :] == key]
    if scope == messages.BASE:
        return [entry for entry in within if entry.key == key]
    if scope == messages.ONE_LEVEL:
        return [entry for entry in within if entry.key[1:] == key]
    return [entry for entry in within if scope == messages.SUBTREE or entry.key != key]


PAIRS = sorted({(name, each) for one in [*SITES, *ODD] for name, values in one.attributes.items() for each in values})
PAIRS += [("noSuchAttribute", "x"), ("nobodyKnows", "A b"), ("GlueCEStateFreeJobSlots", "x")]
PAIR = st.integers(0, len(PAIRS) - 1).map(lambda number: PAIRS[number])
RULES = ["caseExactMatch", "caseIgnoreMatch", "caseExactIA5Match", "caseIgnoreIA5Match"]
LEAF = st.one_of(
    st.builds(lambda pair: Present(pair[0]), PAIR),
    st.builds(
        lambda operator, pair, upper: Compare(operator, pair[0], pair[1].upper() if upper else pair[1]),
        st.sampled_from(["=", "=", ">=", "<=", "~="]), PAIR, st.booleans(),
    ),
    st.builds(
        lambda pair, cut, end: Substrings(pair[0], pair[1][:cut], (pair[1][cut : cut + 1] or "o",), pair[1][end:]),
        PAIR, st.integers(0, 4), st.integers(3, 9),
    ),
    st.builds(lambda pair, rule: Extensible(pair[0], rule, pair[1]), PAIR, st.sampled_from(RULES)),
)  # fmt: skip
FILTER = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(And, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=6,
)
BASES = ["o=grid", "o=glue", "mds-vo-name=local,o=grid", SITES[0].dn.partition(",")[2], "GLUE2GroupID=grid,o=glue"]
BASES += [entry.dn for entry in SITES[:60:7]]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BASES), st.sampled_from([0, 1, 2, 2, 2, 3]), FILTER, st.booleans())
def test_a_search_finds_what_its_filter_means(base: str, scope: int, wanted: Filter, indexed: bool) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(directory, "FEW", 1 if indexed else 10**9)
        expected = {entry.dn for entry in below(base, scope) if truth(entry, wanted, glue()) is True}
        got = found(TREE, base, scope, wanted)
    assert set(got) == expected
    assert len(got) == len(expected)


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize(("base", "scope", "number"), [("", 0, 1), ("cn=subschema", 2, 1), ("cn=subschema", 3, 0)])
def test_the_root_and_the_subschema_are_searched_in_an_empty_tree_too(
    base: str, scope: int, number: int, indexed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "FEW", 1 if indexed else 10**9)
    for tree in (TREE, Directory()):
        assert len(found(tree, base, scope, Present("objectClass"))) == number


def test_entries_come_after_those_above_them_and_with_those_below_them() -> None:
    order = [names.key(dn) for dn in found(TREE, "o=grid", messages.SUBTREE, Present("objectClass"))]
    places = {key: place for place, key in enumerate(order)}
    for key, place in places.items():
        assert all(places[key[start:]] < place for start in range(1, len(key)) if key[start:] in places)
        family = [at for other, at in places.items() if other[len(other) - len(key) :] == key]
        assert sorted(family) == list(range(place, place + len(family)))


def test_an_entry_below_nothing_is_found_by_its_own_name() -> None:
    tree = Directory([Entry.of("cn=a,cn=nobody,cn=nowhere", {"cn": "a"}), Entry.of("o=grid", {"o": "grid"})])
    assert found(tree, "cn=a,cn=nobody,cn=nowhere", messages.SUBTREE, Present("cn")) == ["cn=a,cn=nobody,cn=nowhere"]
    assert tree.find("cn=nowhere") is None
    assert b"nowhere" not in tree.root.operational["namingcontexts"]
    assert found(tree, "o=grid", messages.SUBTREE, Present("objectClass")) == []


@given(st.sets(st.integers(0, 300)))
def test_a_set_of_places_comes_back(places: set[int]) -> None:
    assert [place for place, flag in enumerate(flags(members(places, 301), 301)) if flag] == sorted(places)


def with_values(number: int, total: int, attribute: str = "GlueCEName") -> list[Entry]:
    return [
        Entry.of(f"cn={each},o=grid", {"cn": f"{each}", attribute: f"value {each % number}"}) for each in range(total)
    ]


@pytest.mark.parametrize("number", [1, 2, 40, 3_000])
def test_few_and_many_entries_with_a_value_are_found_alike(number: int) -> None:
    tree = Directory(with_values(number, 3_000))
    for value in {0, number // 2, number - 1}:
        wanted = Compare("=", "GlueCEName", f"VALUE {value}")
        expected = [f"cn={each},o=grid" for each in range(3_000) if each % number == value]
        assert found(tree, "o=grid", messages.SUBTREE, wanted) == expected
        middle = Substrings("GlueCEName", "", (f"lue {value}",), "")
        assert set(expected) <= set(found(tree, "o=grid", messages.SUBTREE, middle))


def test_an_index_is_made_in_small_steps_and_by_all_who_wait_for_it() -> None:
    tree = Directory(with_values(3_000, 6_000))
    base = tree.find("o=grid")
    assert base is not None
    wanted = Compare("=", "GlueCEName", "value 7")
    one, other = (tree.search(base, messages.SUBTREE, wanted) for _ in range(2))
    turns = 0
    results: list[list[Node]] = []
    while len(results) < 2:
        for steps in (one, other):
            try:
                next(steps)
                turns += 1
            except StopIteration as end:
                results.append(list(end.value))
    assert [node.entry.first("cn") for node in results[0]] == ["7", "3007"]
    assert results[0] == results[1]
    assert turns >= 6_000 * 2 // STEP
    alone = sum(1 for _ in AttributeIndex.steps("gluecename", tree.below(base, 2), range(6_001)))
    assert turns < alone * 1.5  # each did a part of it


def test_who_goes_in_the_midst_of_it_leaves_the_rest_to_others() -> None:
    tree = Directory([Entry.of(f"cn={n},o=grid", {f"a{k}": str(n) for k in range(20)}) for n in range(2_000)])
    base = tree.find("o=grid")
    assert base is not None
    for number in range(20):
        steps = tree.search(base, messages.SUBTREE, Present(f"a{number}"))
        for _ in range(3):
            next(steps)
        steps.close()
    assert len(tree._main.indexes._making) <= indexes.MAX_MAKING
    assert len(found(tree, "o=grid", messages.SUBTREE, Compare("=", "a19", "7"))) == 1


def kept(tree: Directory) -> set[str]:
    return set(tree.index_report().attributes)


def test_what_is_asked_for_is_indexed_and_reported_and_names_that_nobody_uses_are_not() -> None:
    tree = Directory(with_values(10, 500))
    assert kept(tree) == {"objectclass"}
    before = tree.index_report().size
    for attribute in ("GlueCEName", "cn", *(f"noSuch{each}" for each in range(100))):
        found(tree, "o=grid", messages.SUBTREE, Present(attribute))
    assert kept(tree) == {"objectclass", "gluecename", "cn"}
    assert tree.index_report().size > before + 500 * sys.getsizeof("100")


def test_the_indexes_take_no_more_memory_than_they_may() -> None:
    nodes = Directory([Entry.of(f"cn={n},o=grid", {f"a{k}": f"{n} {k}" for k in range(9)}) for n in range(300)])
    whole = nodes.find("o=grid")
    assert whole is not None
    one = done_index(Indexes(nodes.below(whole, 2), glue()), "a0").size
    bounded = Indexes(nodes.below(whole, 2), glue(), most=one * 7 // 2)
    for attribute in ("a0", "a1", "a2", "a0", "a3", "a4"):
        assert done_index(bounded, attribute).equal("7 " + attribute[1:])
    assert bounded.report().attributes == ("a0", "a3", "a4")  # those asked for last
    assert bounded.report().size <= bounded.report().most
    tiny = Indexes(nodes.below(whole, 2), glue(), most=one // 2)
    assert done_index(tiny, "a0").equal("7 0")
    assert tiny.report().attributes == ()


def done_index(over: Indexes, attribute: str) -> AttributeIndex:
    steps = over.index(attribute)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            made: AttributeIndex = end.value
            return made


def changed(entries: Iterable[Entry], **attributes: str) -> list[Entry]:
    return [Entry(entry.dn, {**entry.attributes, **{k: (v,) for k, v in attributes.items()}}) for entry in entries]


def test_the_next_tree_has_the_indexes_of_the_one_before() -> None:
    entries = with_values(10, 500)
    first = Directory(entries)
    for attribute in ("GlueCEName", "cn"):
        found(first, "o=grid", messages.SUBTREE, Present(attribute))
    second = Directory([*entries[:-3], *changed(entries[-3:], GlueCEName="new")], previous=first)
    assert kept(second) == {"objectclass", "gluecename", "cn"}
    before, after = first._main.indexes._kept, second._main.indexes._kept
    assert before["cn"].index is after["cn"].index
    assert before["gluecename"].index is not after["gluecename"].index
    assert len(found(second, "o=grid", messages.SUBTREE, Compare("=", "GlueCEName", "NEW"))) == 3
    assert not found(first, "o=grid", messages.SUBTREE, Compare("=", "GlueCEName", "new"))
    fewer = Directory(entries[5:], previous=second)
    assert kept(fewer) == {"objectclass", "gluecename", "cn"}
    assert found(fewer, "o=grid", messages.SUBTREE, Compare("=", "cn", "5")) == ["cn=5,o=grid"]
    assert not found(fewer, "o=grid", messages.SUBTREE, Compare("=", "cn", "4"))


def test_an_index_that_nobody_asks_for_is_not_made_for_ever() -> None:
    entries = with_values(10, 50)
    tree = Directory(entries)
    found(tree, "o=grid", messages.SUBTREE, Present("cn"))
    for _ in range(indexes.KEPT_UNUSED):
        tree = Directory(entries, previous=tree)
        assert kept(tree) == {"objectclass", "cn"}
    assert kept(Directory(entries, previous=tree)) == {"objectclass"}
