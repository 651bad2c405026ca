"""Parametric jobs: which values, what is substituted, which files are shared."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import JdlError
from jdl.compound import Compound, CompoundKind, expand, resolve
from jdl.errors import JdlSyntaxError, NodeFaults
from jdl.parser import parse
from jdl.printing import string_text

COMMON = 'JobType = "Parametric"; requirements = true; rank = 0; Executable = "/bin/true"; '


def parametric(text: str, base: str = COMMON) -> Compound:
    compound = expand(parse(base + text), vo="testvo")
    assert compound is not None
    assert compound.parametric
    assert compound.kind is CompoundKind.COLLECTION
    return compound


def names(text: str) -> list[str]:
    return [node.name for node in parametric(text).nodes]


def fault(text: str, base: str = COMMON) -> JdlError:
    with pytest.raises(JdlError) as caught:
        expand(parse(base + text), vo="testvo")
    return caught.value


# -- values


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Parameters = 3", "0 1 2"),
        ("Parameters = 10; ParameterStart = 1; ParameterStep = 2", "1 3 5 7 9"),
        ("Parameters = 8; ParameterStart = 2; ParameterStep = 3", "2 5"),
        ('Parameters = {alpha, "beta", 3, -4, 2.5}', "alpha beta 3 -4 2_5"),
        ("Parameters = {a, b, c, d, e}; ParameterStart = 1; ParameterStep = 2", "b d"),
        ('Parameters = {"x/y*z$"}', "xIy-z_S_"),
    ],
)
def test_the_values_name_the_nodes(text: str, wanted: str) -> None:
    assert names(text) == [f"Node_{value}" for value in wanted.split()]


@given(st.integers(0, 40), st.integers(0, 45), st.integers(1, 9))
def test_start_and_step_walk_through_numbers_and_lists_alike(count: int, start: int, step: int) -> None:
    wanted = list(range(count))[start::step]
    tail = f"; ParameterStart = {start}; ParameterStep = {step}"
    for text in (f"Parameters = {count}", "Parameters = {" + ",".join(map(str, range(count))) + "}"):
        if wanted:
            assert names(text + tail) == [f"Node_{value}" for value in wanted]
        else:
            assert fault(text + tail).code == 1502


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ("", 1502, "Parameters"),
        ("Parameters = 0", 1502, "make no node"),
        ("Parameters = {}", 1502, "make no node"),
        ("Parameters = 3; ParameterStart = 3", 1502, "make no node"),
        ("Parameters = 3; ParameterStep = 0", 1507, "division by zero"),
        ("Parameters = 3; ParameterStep = -1", 1506, "value cannot be less than 0"),
        ("Parameters = 3; ParameterStart = -1", 1506, "value cannot be less than 0"),
        ("Parameters = -1", 1506, "value cannot be less than 0"),
        ('Parameters = "x"', 1503, "an integer is wanted"),
        ("Parameters = {[]}", 1503, "is no number, string or word"),
        ("Parameters = {other.x}", 1503, "is no number, string or word"),
        ("Parameters = 10001", 1506, "a request has at most 10000 nodes, and this has 10001"),
        ("Parameters = 9223372036854775807", 1506, "a request has at most 10000 nodes"),
        ("Parameters = {a, A}", 1501, "Duplicated NodeName(Node_A)"),
        (r'Parameters = {"a\nb"}', 1506, "is no name for a node"),
        ("Parameters = 2; JobType = {\"parametric\",\"partitionable\"}", 1508, "Parametric, Partitionable"),
        ("Parameters = 2; JobType = {\"parametric\",\"normal\",\"mpich\"}", 1220, "Composite Job Type"),
        ("Parameters = 2; MyProxyServer = \"p_PARAM_\"", 1506, "it is one for all nodes"),
    ],
)
def test_what_makes_no_nodes_is_refused(text: str, code: int, part: str) -> None:
    error = fault(text)
    assert error.code == code
    assert part in error.description


def test_a_number_of_nodes_beyond_the_limit_costs_nothing() -> None:
    assert fault("Parameters = 9223372036854775807; ParameterStart = 3").code == 1506


# -- substitution


def test_the_value_stands_in_strings_names_and_expressions() -> None:
    node = parametric(
        'Parameters = {7}; Arguments = "-n _PARAM_ _PARAM_"; CpuNumber = _PARAM_; StdOutput = "out_PARAM_";'
        'Environment = {"A=_PARAM_"}; requirements = other.Max_PARAM_ > _PARAM_ && member("x_PARAM_", other.L);'
        "rank = ifThenElse(other.F == _PARAM_, {1,_PARAM_}[1], [ n_PARAM_ = _PARAM_ ].n7);"
        'UserTags = [ t_PARAM_ = "_PARAM_" ]'
    ).nodes[0]
    assert node.ad.string("Arguments") == "-n 7 7"
    assert node.ad.integer("CpuNumber") == 7
    assert node.ad.string("StdOutput") == "out7"
    assert node.ad.strings("Environment") == ("A=7", "ParameterValue=7")
    texts = {name: expr.text() for name, expr in node.ad.items()}
    assert texts["requirements"] == 'other.Max7 > 7 && member("x7",other.L)'
    assert texts["rank"] == "ifThenElse(other.F == 7,{ 1,7 }[1],[ n7 = 7 ].n7)"
    assert texts["UserTags"] == '[ t7 = "7" ]'


def test_requirements_and_rank_follow_each_nodes_own_value() -> None:
    compound = parametric("Parameters = 3; rank = other.R - _PARAM_; requirements = other.N > _PARAM_")
    assert [node.ad.get("rank").text() for node in compound.nodes] == [f"other.R - {n}" for n in range(3)]  # type: ignore[union-attr]
    assert "rank" not in compound.ad
    assert parametric("Parameters = 2").ad.value("rank") == 0


def test_a_string_where_an_expression_stands_is_read_as_one() -> None:
    nodes = parametric('Parameters = {"other.A > 5", "false"}; requirements = _PARAM_ || other.B').nodes
    assert [node.ad.get("requirements").text() for node in nodes] == ["other.A > 5 || other.B", "false || other.B"]  # type: ignore[union-attr]
    error = fault('Parameters = {"a b"}; requirements = _PARAM_')
    assert isinstance(error, JdlSyntaxError)
    assert "the parameter 'a b' is no expression" in error.description


@settings(max_examples=80)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=20).filter(str.isprintable))
def test_a_value_cannot_break_out_of_the_string_it_is_put_into(value: str) -> None:
    (node,) = parametric(f'Parameters = {{ {string_text(value)} }}; Arguments = "<_PARAM_>"').nodes
    assert node.ad.string("Arguments") == f"<{value}>"
    assert node.ad.string("Executable") == "/bin/true"
    assert node.ad.strings("Environment") == (f"ParameterValue={value}",)
    assert parse(node.ad.text()) == node.ad


def test_the_value_is_in_the_environment_even_when_nothing_else_uses_it() -> None:
    nodes = parametric("Parameters = {x, y}").nodes
    assert [node.ad.strings("Environment") for node in nodes] == [("ParameterValue=x",), ("ParameterValue=y",)]
    (node,) = parametric('Parameters = {x}; Environment = "A=1"').nodes
    assert node.ad.strings("Environment") == ("A=1", "ParameterValue=x")


def test_the_nodes_are_of_the_other_job_type() -> None:
    assert parametric("Parameters = 1").nodes[0].ad.string("JobType") == "normal"
    mpi = parametric('Parameters = 1; CpuNumber = 2; JobType = {"parametric","MpiCh"}')
    assert mpi.nodes[0].ad.string("JobType") == "mpich"
    error = fault('Parameters = 1; JobType = {"parametric","interactive"}')
    assert isinstance(error, NodeFaults)


def test_growth_is_counted_before_it_happens() -> None:
    value, marks = "x" * 200, "_PARAM_" * 60_000
    grown = fault(f'Parameters = {{ "{value}" }}; Arguments = "{marks}"')
    assert "with its parameters in place it has more than 1048576 characters" in grown.description
    assert "33554432 characters" in fault(f'Parameters = 10000; Arguments = "{"y" * 10_000}"').description


def test_some_attributes_are_the_requests() -> None:
    compound = parametric(
        'Parameters = 1; MyProxyServer = "p"; LBAddress = "lb"; AllowZippedISB = true; ZippedISB = "a.tar.gz";'
        'NodesCollocation = true; UserTags = [ a = "b" ]; StdOutput = "o"'
    )
    assert {name.lower() for name in compound.ad} == {
        "type", "virtualorganisation", "myproxyserver", "lbaddress", "allowzippedisb", "zippedisb",
        "nodescollocation", "usertags", "requirements", "rank",
    }  # fmt: skip
    assert compound.nodes[0].ad.string("MyProxyServer") == "p"
    assert "ZippedISB" not in compound.nodes[0].ad


# -- the input sandbox


def files(text: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The request's own files, and those of each node, as URIs."""
    compound = parametric(text)
    nodes = resolve(compound, "https://w/r", [f"https://w/{index}" for index in range(len(compound.nodes))])
    return compound.ad.strings("InputSandbox"), [node.ad.strings("InputSandbox") for node in nodes]


def test_files_that_can_lie_beside_one_another_are_the_requests_static_ones_first() -> None:
    shared, nodes = files('Parameters = 2; InputSandbox = { "in_PARAM_.txt", "run.sh", "file:///d/x_PARAM_" };')
    assert shared == ("run.sh", "in0.txt", "file:///d/x0", "in1.txt", "file:///d/x1")
    assert nodes == [
        ("https://w/r/input/in0.txt", "https://w/r/input/run.sh", "https://w/r/input/x0"),
        ("https://w/r/input/in1.txt", "https://w/r/input/run.sh", "https://w/r/input/x1"),
    ]


def test_files_that_differ_by_their_path_alone_stay_with_their_nodes() -> None:
    shared, nodes = files('Parameters = 2; InputSandbox = { "run.sh", "/d_PARAM_/in.txt" };')
    assert shared == ("run.sh",)
    assert nodes == [
        ("https://w/r/input/run.sh", "https://w/0/input/in.txt"),
        ("https://w/r/input/run.sh", "https://w/1/input/in.txt"),
    ]


def test_a_base_that_holds_the_parameter_keeps_all_with_the_nodes_and_a_static_one_is_shared() -> None:
    shared, nodes = files('Parameters = 1; InputSandboxBaseURI = "gsiftp://h/_PARAM_"; InputSandbox = "a";')
    assert (shared, nodes) == ((), [("gsiftp://h/0/a",)])
    shared, nodes = files('Parameters = 1; InputSandboxBaseURI = "gsiftp://h/x"; InputSandbox = "a";')
    assert (shared, nodes) == (("a",), [("gsiftp://h/x/a",)])


def test_values_with_a_slash_cannot_make_two_files_one() -> None:
    shared, nodes = files('Parameters = {"p/f","q/f"}; InputSandbox = "/d/_PARAM_";')
    assert shared == ("/d/p/f",)
    assert nodes == [("https://w/r/input/f",), ("https://w/1/input/f",)]


def test_names_in_the_job_go_with_their_entries() -> None:
    compound = parametric(
        'Parameters = 1; InputSandbox = {"in_PARAM_","run.sh"}; InputSandboxDestFileName = {"in","go"}; StdInput = "in"'
    )
    (node,) = resolve(compound, "https://w/r", ["https://w/0"])
    assert node.ad.strings("InputSandbox") == ("https://w/r/input/in0", "https://w/r/input/run.sh")
    assert node.ad.strings("InputSandboxDestFileName") == ("in", "go")


def test_the_same_file_is_found_missing_in_each_node_that_wants_it() -> None:
    error = fault('Parameters = 3; InputSandbox = "in1"; StdInput = "in_PARAM_"')
    assert isinstance(error, NodeFaults)
    assert [name for name, _ in error.errors] == ["Node_0", "Node_2"]
