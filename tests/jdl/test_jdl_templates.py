"""Templates: the attributes of each, and that each can be submitted once it is filled in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grid.errors import JdlError
from jdl import templates
from jdl.check import check
from jdl.classad import ClassAd
from jdl.compound import CompoundKind, expand
from jdl.errors import JdlSyntaxError, TemplateRefused
from jdl.parser import parse

MATCH = ("other.GlueCEStateFreeCPUs > 2", "-other.GlueCEStateEstimatedResponseTime")
REQUIREMENTS, RANK = MATCH


def values(text: str) -> dict[str, str]:
    assert "\n" not in text
    return {name: expr.text() for name, expr in parse(text).items()}


def job(*types: str, arguments: str = "") -> dict[str, str]:
    return values(templates.job_template(types, "/bin/ls", arguments, *MATCH))


BASE = {"Executable": '"/bin/ls"', "requirements": REQUIREMENTS, "rank": RANK}
STEPS = {"Parameters": "4", "ParameterStart": "0", "ParameterStep": "1"}


@pytest.mark.parametrize(
    ("types", "more"),
    [
        ([], {}),
        (["NORMAL"], {}),
        (["PARTITIONABLE"], {}),
        (["CHECKPOINTABLE", "NORMAL"], {}),
        (["INTERACTIVE"], {"JobType": '{ "interactive" }', "ListenerPort": "0"}),
        (["MPI"], {"JobType": '{ "mpich" }', "CpuNumber": "2"}),
        (
            ["PARAMETRIC"],
            {"JobType": '{ "parametric" }', "Arguments": '"_PARAM_"', "StdInput": '"_PARAM_"', **STEPS},
        ),
        (
            ["MPI", "PARAMETRIC"],
            {
                "JobType": '{ "parametric","mpich" }', "CpuNumber": "2",
                "Arguments": '"_PARAM_"', "StdInput": '"_PARAM_"', **STEPS,
            },
        ),
    ],
)  # fmt: skip
def test_a_job_template_has_exactly_the_attributes_of_its_types(types: list[str], more: dict[str, str]) -> None:
    assert job(*types) == BASE | more


def test_arguments_that_are_given_stay() -> None:
    assert job(arguments="-l") == BASE | {"Arguments": '"-l"'}
    assert job("PARAMETRIC", arguments="-l")["Arguments"] == '"-l"'


def test_a_collection_template_names_its_nodes() -> None:
    ad = parse(templates.collection_template(2, *MATCH))
    node = '[ NodeName = "Node_%d"; requirements = {}; rank = {}; Executable = "<put executable path>" ]'.format(*MATCH)
    assert ad == parse(f'Type = "collection"; nodes = {{ {node % 0}, {node % 1} }}')


def test_a_parametric_template_puts_the_parameter_into_the_named_attributes() -> None:
    common = {"Arguments": '"_PARAM_"', "StdOutput": '"_PARAM_"', "requirements": REQUIREMENTS, "rank": RANK}
    common["JobType"] = '"parametric"'
    numbers = templates.int_parametric_template(["Arguments", "StdOutput"], 10, 2, 3, *MATCH)
    assert values(numbers) == common | {"Parameters": "10", "ParameterStart": "2", "ParameterStep": "3"}
    strings = templates.string_parametric_template(["Arguments", "StdOutput"], ["a", "b"], *MATCH)
    assert values(strings) == common | {"Parameters": '{ "a","b" }'}


def graph(name: str | None, *children: dict[str, object]) -> dict[str, object]:
    return {"name": name, "childrenJob": list(children)}


DIAMOND = graph(None, graph("a", graph("b", graph("d")), graph("c", graph("d"))))


def test_a_dag_template_has_a_node_for_each_name_and_pairs_of_parent_and_child() -> None:
    ad = parse(templates.dag_template(DIAMOND, *MATCH))
    head = f'requirements = {REQUIREMENTS}; rank = {RANK}; Executable = "<put executable path>"'
    node = f'[ {head}; node_type = "edg-jdl"; description = [ {head} ] ]'
    nodes = "".join(f"{name} = {node};" for name in "abdc")
    assert ad == parse(f'type = "dag"; nodes = [ {nodes} ]; dependencies = {{ {{a,b}}, {{b,d}}, {{a,c}}, {{c,d}} }}')


def test_a_root_with_a_name_is_a_node_and_what_lacks_one_is_none() -> None:
    named = expand(filled(templates.dag_template(graph("r", graph("x")), *MATCH)), vo="v")
    assert named is not None
    assert [(node.name, node.parents) for node in named.nodes] == [("r", ()), ("x", (0,))]
    skipped = expand(filled(templates.dag_template(graph("r", graph("", graph("x"))), *MATCH)), vo="v")
    assert skipped is not None
    assert [(node.name, node.parents) for node in skipped.nodes] == [("r", ()), ("x", (0,))]


# -- what is refused


@pytest.mark.parametrize(
    ("make", "code", "part"),
    [
        (lambda: templates.dag_template(graph("a"), *MATCH), 1506, "Empty NodeStruct given: syntax Error caught"),
        (lambda: templates.dag_template(graph("", graph("")), *MATCH), 1506, "Empty NodeStruct given"),
        (lambda: templates.dag_template(graph("a", graph("A")), *MATCH), 1507, "DAG has a cycle"),
        (lambda: templates.dag_template(graph("a", graph("b", graph("a"))), *MATCH), 1507, "DAG has a cycle"),
        (lambda: templates.dag_template(graph("a", graph("b\n")), *MATCH), 1506, "is no name for a node"),
        (
            lambda: templates.int_parametric_template([], 1, 0, 0, *MATCH),
            1507,
            "JDL Attribute ParameterStep must be different from zero, division by zero not allowed",
        ),
        (lambda: templates.job_template([], "x", "", "a b", "0"), 1507, "parsing error"),
        (lambda: templates.job_template([], "x", "", "true", ""), 1507, "parsing error"),
        (lambda: templates.collection_template(1, "true; x = 1", "0"), 1507, "parsing error"),
    ],
)
def test_what_makes_no_template_is_refused(make: Callable[[], str], code: int, part: str) -> None:
    with pytest.raises(JdlError) as caught:
        make()
    assert caught.value.code == code
    assert part in caught.value.description


@pytest.mark.parametrize(
    "make",
    [
        lambda: templates.job_template(["FOO"], "x", "", *MATCH),
        lambda: templates.collection_template(0, *MATCH),
        lambda: templates.collection_template(10_001, *MATCH),
        lambda: templates.int_parametric_template([""], 1, 0, 1, *MATCH),
        lambda: templates.string_parametric_template(["a"], [], *MATCH),
        lambda: templates.int_parametric_template([f"a{n}" for n in range(1001)], 1, 0, 1, *MATCH),
    ],
)
def test_arguments_that_make_no_sense_are_named(make: Callable[[], str]) -> None:
    with pytest.raises(TemplateRefused, match=r"^Invalid Argument: ") as caught:
        make()
    assert caught.value.code == 1225


@given(st.text(st.characters(exclude_characters="\0")), st.text(st.characters(exclude_characters="\0"), min_size=1))
def test_any_text_of_a_user_comes_back_out_of_its_template(executable: str, arguments: str) -> None:
    ad = parse(templates.job_template([], executable, arguments, *MATCH))
    assert (ad.string("Executable"), ad.string("Arguments")) == (executable, arguments)


def test_a_requirement_cannot_add_attributes() -> None:
    with pytest.raises(JdlSyntaxError):
        templates.job_template([], "x", "", 'true; Executable = "/bin/evil"', "0")


# -- filled in


def filled(text: str, **more: object) -> ClassAd:
    """The template as a user sends it: with paths in place of placeholders, and what it lacks."""
    ad = parse(text.replace(templates.PLACE, "/bin/true"))
    for name, value in more.items():
        ad.set(name, value)
    return ad


@pytest.mark.parametrize("types", [[], ["NORMAL"], ["MPI"], ["INTERACTIVE"]])
def test_a_job_template_filled_in_is_a_job(types: list[str]) -> None:
    more = {"ListenerHost": "ui.example.org", "ListenerPipeName": "/tmp/p"} if "INTERACTIVE" in types else {}
    ad = filled(templates.job_template(types, "/bin/ls", "", *MATCH), **more)
    assert expand(ad, vo="v") is None
    check(ad, vo="v")


@pytest.mark.parametrize("types", [["PARAMETRIC"], ["PARAMETRIC", "MPI"]])
def test_a_parametric_job_template_filled_in_is_four_jobs(types: list[str]) -> None:
    text = templates.job_template(types, "/bin/ls", "", *MATCH)
    compound = expand(filled(text, InputSandbox=["in/_PARAM_"]), vo="v")
    assert compound is not None
    assert [node.ad.string("StdInput") for node in compound.nodes] == ["0", "1", "2", "3"]


def test_the_other_templates_filled_in_are_requests() -> None:
    numbers = templates.int_parametric_template(["Arguments"], 5, 1, 2, *MATCH)
    strings = templates.string_parametric_template(["Arguments"], ["a b", "c"], *MATCH)
    for text, count in (
        (templates.collection_template(3, *MATCH), 3),
        (templates.dag_template(DIAMOND, *MATCH), 4),
        (numbers, 2),
        (strings, 2),
    ):
        more = {} if count > 2 else {"Executable": "/bin/true"}
        compound = expand(filled(text, **more), vo="v")
        assert compound is not None
        assert len(compound.nodes) == count
        assert (compound.kind is CompoundKind.DAG) == ("dependencies" in text)
