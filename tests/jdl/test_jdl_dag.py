"""DAGs: nodes by name, forms of dependencies, circles, and what is no DAG."""

from __future__ import annotations

import graphlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import JdlError
from jdl.compound import Compound, CompoundKind, expand
from jdl.errors import JdlSyntaxError, NodeFaults
from jdl.parser import parse

COMMON = "requirements = true; rank = 0; "
BODY = '[ description = [ Executable = "/bin/true" ]; node_type = "edg-jdl" ]'


def nodes_of(names: str) -> str:
    return "".join(f"{name} = {BODY};" for name in names.split())


def dag(dependencies: str, names: str = "a b c d") -> Compound:
    text = f'Type = "dag"; nodes = [ {nodes_of(names)} ]; dependencies = {dependencies};'
    compound = expand(parse(COMMON + text), vo="testvo")
    assert compound is not None
    return compound


def edges(compound: Compound) -> set[str]:
    names = [node.name for node in compound.nodes]
    return {names[parent] + node.name for node in compound.nodes for parent in node.parents}


def fault(text: str) -> JdlError:
    with pytest.raises(JdlError) as caught:
        expand(parse(COMMON + 'Type = "dag"; ' + text), vo="testvo")
    return caught.value


@pytest.mark.parametrize(
    ("dependencies", "wanted"),
    [
        ("{}", ""),
        ("{{a,b}}", "ab"),
        ("{{A,b},{b,C}}", "ab bc"),
        ("{{a,b},{a,b}}", "ab"),
        ("{{{a,b},c}}", "ac bc"),
        ("{{{a,b},{c}}}", "ac bc"),
        ("{{a,{b,c}}}", "ab ac"),
        ("{{{a},{b,c}}}", "ab ac"),
        ("{{{a,b},{c,d}}}", "ac ad bc bd"),
        ("{{{},{a}},{{a,b},{}}}", ""),
    ],
)
def test_each_form_of_a_dependency_means_that_all_of_the_first_end_before_all_of_the_second(
    dependencies: str, wanted: str
) -> None:
    compound = dag(dependencies)
    assert edges(compound) == set(wanted.split())
    assert compound.kind is (CompoundKind.DAG if wanted else CompoundKind.COLLECTION)
    assert any("empty list" in text for text in compound.warnings) == ("{}," in dependencies)


def test_nodes_keep_the_order_in_which_they_are_written() -> None:
    assert [node.name for node in dag("{{z,a}}", "z m a").nodes] == ["z", "m", "a"]


def test_dependencies_may_stand_among_the_nodes() -> None:
    compound = expand(
        parse(COMMON + f'Type = "dag"; nodes = [ {nodes_of("a b")} dependencies = {{ {{a,b}} }}; ];'), vo="testvo"
    )
    assert compound is not None
    assert edges(compound) == {"ab"}


def test_what_stands_beside_a_description_fills_it_and_the_node_retry_count_is_warned_about() -> None:
    text = '[ rank = 7; Executable = "/bin/a"; description = [ Executable = "/bin/b" ]; node_retry_count = 2 ]'
    compound = expand(parse(COMMON + f'Type = "dag"; nodes = [ a = {text} ]; dependencies = {{}}'), vo="testvo")
    assert compound is not None
    assert compound.nodes[0].ad.string("Executable") == "/bin/b"
    assert compound.nodes[0].ad.value("rank") == 7
    assert "node_retry_count" not in compound.nodes[0].ad
    assert any(text.startswith("node_retry_count") for text in compound.warnings)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("dependencies = {};", "'nodes' not valid"),
        ("nodes = {}; dependencies = {};", "'nodes' not valid"),
        ("nodes = []; dependencies = {};", "'nodes' not valid: there is none"),
        ("nodes = [ a = 3 ]; dependencies = {};", "'nodes' not valid: 'a' is no classad"),
        (f"nodes = [ {nodes_of('a')} ];", "'dependencies' not valid"),
        (f"nodes = [ {nodes_of('a')} ]; dependencies = 3", "'dependencies' not valid"),
        (f"nodes = [ {nodes_of('a b')} ]; dependencies = {{a, b}}", "'dependencies' not valid: 'a' is no pair"),
        (f"nodes = [ {nodes_of('a b')} ]; dependencies = {{{{a}}}}", "'dependencies' not valid"),
        (f"nodes = [ {nodes_of('a b')} ]; dependencies = {{{{a,b,a}}}}", "'dependencies' not valid"),
        (f"nodes = [ {nodes_of('a b')} ]; dependencies = {{{{a,\"b\"}}}}", "is no name of a node"),
        (f"nodes = [ {nodes_of('a b')} ]; dependencies = {{{{a,root.b}}}}", "is no name of a node"),
        (f"nodes = [ {nodes_of('a b')} ]; dependencies = {{{{a,{{{{b}}}}}}}}", "is no name of a node"),
        (
            f"nodes = [ {nodes_of('a')} dependencies = {{}} ]; dependencies = {{}}",
            "'dependencies' not valid: they are given twice",
        ),
        (
            f"nodes = [ {nodes_of('a')} ]; dependencies = {{{{a,x}}}}",
            "Invalid reference in 'dependencies': there is no node 'x'",
        ),
        (f"nodes = [ {nodes_of('a')} ]; dependencies = {{{{a,a}}}}", "DAG has a cycle: a -> a"),
        (
            f"nodes = [ {nodes_of('a b c d')} ]; dependencies = {{{{a,b}},{{b,c}},{{c,b}},{{c,d}}}}",
            "DAG has a cycle: ",
        ),
    ],
)
def test_what_is_no_dag_is_refused_with_its_sentence(text: str, part: str) -> None:
    error = fault(text)
    assert isinstance(error, JdlSyntaxError)
    assert error.code == 1507
    assert error.description.startswith("The following parsing error(s) have been found:\n")
    assert part in error.description


def test_a_wrong_reference_is_shown_where_it_stands() -> None:
    with pytest.raises(JdlSyntaxError) as caught:
        text = f'Type = "dag"; rank = 0; requirements = true;\nnodes = [ {nodes_of("a")} ];\ndependencies = {{{{a,x}}}}'
        expand(parse(text), vo="testvo")
    assert (caught.value.line, caught.value.column) == (3, 20)


def test_a_node_that_is_written_twice_is_refused() -> None:
    error = fault(f"nodes = [ {nodes_of('a b A')} ]; dependencies = {{}}")
    assert error.code == 1501
    assert "Duplicated NodeName(" in error.description


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("[]", 1508),
        ('[ file = "x"; description = [] ]', 1508),
        ('[ file = "" ]', 1506),
        ('[ file = "x.jdl" ]', 1220),
        ("[ description = 3 ]", 1506),
        ('[ description = [ Executable = "/x" ]; node_type = "" ]', 1506),
        ('[ description = [ Executable = "/x" ]; node_type = "condor" ]', 1506),
        ('[ description = [ Executable = "/x" ]; node_retry_count = -1 ]', 1506),
    ],
)
def test_a_node_that_is_written_wrongly_is_one_of_the_nodes_errors(body: str, code: int) -> None:
    error = fault(f"nodes = [ good = {BODY}; bad = {body} ]; dependencies = {{}}")
    assert isinstance(error, NodeFaults)
    assert [(name, inner.code) for name, inner in error.errors] == [("bad", code)]


def test_dependencies_are_counted_before_they_are_made() -> None:
    names = " ".join(f"n{index}" for index in range(700))
    half = names.split()[:350], names.split()[350:]
    sides = "{" + ",".join(half[0]) + "},{" + ",".join(half[1]) + "}"
    error = fault(f"nodes = [ {nodes_of(names)} ]; dependencies = {{ {{ {sides} }} }}")
    assert "a DAG has at most 100000 dependencies" in error.description


@settings(deadline=None, max_examples=150)
@given(st.integers(1, 7), st.data())
def test_a_circle_is_found_exactly_when_there_is_one(count: int, data: st.DataObject) -> None:
    pairs = data.draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=10))
    names = " ".join(f"n{index}" for index in range(count))
    text = "{" + ",".join(f"{{n{first},n{second}}}" for first, second in pairs) + "}"
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for first, second in pairs:
        sorter.add(second, first)
    try:
        sorter.prepare()
        circle = False
    except graphlib.CycleError:
        circle = True
    if circle:
        with pytest.raises(JdlSyntaxError, match="DAG has a cycle"):
            dag(text, names)
    else:
        found = {(parent, child) for child, node in enumerate(dag(text, names).nodes) for parent in node.parents}
        assert found == set(pairs)
