"""Collections: what their nodes are called, and what is no collection."""

from __future__ import annotations

import pytest

from grid.errors import JdlError
from jdl.compound import expand
from jdl.errors import NodeFaults
from jdl.parser import parse

COMMON = "requirements = true; rank = 0; "


def names(*nodes: str) -> list[str]:
    bodies = ", ".join(f'[ Executable = "/bin/true"; {text} ]' for text in nodes)
    compound = expand(parse(COMMON + f'Type = "collection"; nodes = {{ {bodies} }}'), vo="testvo")
    assert compound is not None
    assert [node.ad.string("NodeName") for node in compound.nodes] == [node.name for node in compound.nodes]
    return [node.name for node in compound.nodes]


def fault(text: str) -> JdlError:
    with pytest.raises(JdlError) as caught:
        expand(parse(COMMON + 'Type = "collection"; ' + text), vo="testvo")
    return caught.value


def test_a_node_without_a_name_is_called_by_its_place_among_all() -> None:
    assert names("", 'NodeName = "x"', "") == ["Node_0", "x", "Node_2"]


def test_characters_that_have_a_meaning_elsewhere_are_replaced_in_names() -> None:
    assert names('NodeName = "a.b/c*d$e"') == ["a_bIc-d_S_e"]


@pytest.mark.parametrize(
    ("first", "second"),
    [("x", "x"), ("x", "X"), ("a.b", "a_b"), ("Node_1", None)],
)
def test_a_name_that_is_given_twice_is_refused(first: str, second: str | None) -> None:
    other = "" if second is None else f'NodeName = "{second}"'
    error = fault(f'nodes = {{ [ NodeName = "{first}" ], [ {other} ] }}')
    assert error.code == 1501
    assert error.description.startswith("Duplicated NodeName(")


@pytest.mark.parametrize("name", ["", " ", r"a\nb", "x" * 256])
def test_a_name_is_of_printable_characters_and_not_too_long(name: str) -> None:
    error = fault(f'nodes = {{ [ NodeName = "{name}" ] }}')
    assert error.code == 1506
    assert "is no name for a node" in error.description


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", 1502),
        ("nodes = {}", 1502),
        ("nodes = []", 1503),
        ('nodes = "x"', 1503),
        ("nodes = { 3 }", 1503),
        ("nodes = {[]}; dependencies = {{Node_0,Node_0}}", 1508),
    ],
)
def test_what_is_no_collection_is_refused(text: str, code: int) -> None:
    assert fault(text).code == code


def test_empty_dependencies_do_no_harm() -> None:
    ad = parse(COMMON + 'Type = "collection"; dependencies = {}; nodes = {[ Executable = "/bin/true" ]}')
    assert expand(ad, vo="testvo") is not None


@pytest.mark.parametrize(
    ("node", "code", "part"),
    [
        ('[ File = "x.jdl" ]', 1220, "put in its place by the client"),
        ('[ File = "x.jdl"; NodeName = "n" ]', 1220, "put in its place by the client"),
        ('[ File = "x.jdl"; Executable = "/x" ]', 1510, "no other attributes can be specified for this node"),
    ],
)
def test_a_node_that_is_a_file_of_the_clients_is_refused(node: str, code: int, part: str) -> None:
    error = fault(f"nodes = {{ {node} }}")
    assert isinstance(error, NodeFaults)
    assert error.errors[0][1].code == code
    assert part in error.errors[0][1].description
