"""Names of the request in the expressions of its nodes."""

from __future__ import annotations

import time

import pytest

from jdl.compound import expand
from jdl.errors import NodeFaults
from jdl.nodes import Expr
from jdl.parser import parse

COMMON = "requirements = true; rank = 0; "


def node(text: str, root: str) -> dict[str, Expr]:
    """The attributes of the only node of a collection."""
    request = f'{root} Type = "collection"; nodes = {{ [ Executable = "/bin/true"; {text} ] }}'
    compound = expand(parse(COMMON + request), vo="testvo")
    assert compound is not None
    return dict(compound.nodes[0].ad.pairs())


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("root.Least", "7"),
        ("Least", "7"),
        (".Least", "7"),
        ("other.Least", "other.Least"),
        ("self.Least", "self.Least"),
        ("Own", "Own"),
        ("root.Own", "1"),
        ("root.Nothing", "undefined"),
        ("Nothing", "Nothing"),
        ("root.Sum > 3 && Sum < other.X", "7 + 1 > 3 && 7 + 1 < other.X"),
        ("[ Least = 3; b = Least ].b", "[ Least = 3; b = Least ].b"),
        ("[ a = Least ].a", "[ a = 7 ].a"),
        ("{ Least, 2 }[0]", "{ 7,2 }[0]"),
        ("f(Least)", "f(7)"),
        ("Least ? Least : 1", "7 ? 7 : 1"),
        ("Least ?: 1", "7 ?: 1"),
        ("root.Round", "error"),
        ("root.Named", "undefined + other.Y"),
    ],
)
def test_the_requests_expression_stands_in_place_of_its_name(text: str, wanted: str) -> None:
    root = "Least = 7; Own = 1; Sum = Least + self.Own; Round = Round; Named = Nothing + other.Y;"
    found = node(f"Own = 2; Extra = {text};", root)["extra"]
    assert found.text() == wanted


def test_inherited_expressions_find_the_requests_names() -> None:
    found = node("", "Least = 7; requirements = other.Memory > Least;")
    assert found["requirements"].text() == "other.Memory > 7"


def test_texts_may_be_made_of_the_requests() -> None:
    found = node('Arguments = strcat("-v ", root.Level); Environment = { strcat("L=", Level) };', 'Level = "3";')
    assert found["arguments"].text() == 'strcat("-v ","3")'


def test_a_parametric_job_is_its_own_request() -> None:
    text = 'JobType = "parametric"; Parameters = 1; Executable = "/bin/true";'
    text += 'Arguments = strcat(root.Level, "_PARAM_");'
    compound = expand(parse(COMMON + text + 'Level = "3";'), vo="testvo")
    assert compound is not None
    assert compound.nodes[0].ad.string("Arguments") == "30"


@pytest.mark.parametrize(
    "root",
    [
        "".join(f"a{index} = a{index - 1} + a{index - 1};" for index in range(1, 60)) + "a0 = 1;",
        "".join(f"a{index} = a{index - 1} && true;" for index in range(1, 60)) + "a0 = 1;",
    ],
    ids=["doubling", "long chain"],
)
def test_names_of_names_are_bounded(root: str) -> None:
    started = time.process_time()
    with pytest.raises(NodeFaults, match=r"grows too large|refer to one another"):
        node("requirements = a59;", root)
    assert time.process_time() - started < 1


def test_tags_of_all_nodes_are_bounded_together() -> None:
    tags = "; ".join(f't{index} = "_PARAM_"' for index in range(90))
    text = f'JobType = "parametric"; Parameters = 300; Executable = "/bin/true"; UserTags = [ {tags} ];'
    with pytest.raises(Exception, match="at most 20000 tags together"):
        expand(parse(COMMON + text), vo="testvo")
