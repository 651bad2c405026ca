"""Compound requests become whole, checked descriptions: what is inherited, what is refused, how errors are gathered."""

from __future__ import annotations

import gc
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import JdlError
from jdl.compound import Compound, CompoundKind, Node, as_dag, expand, resolve
from jdl.errors import AttributeFault, NodeFaults, NotAccepted
from jdl.parser import parse
from jdl.printing import string_text

COMMON = 'requirements = other.GlueCEStateStatus == "Production"; rank = -other.GlueCEStateEstimatedResponseTime; '
NODE = '[ Executable = "/bin/true"; ]'


def expanded(text: str, vo: str | None = "testvo") -> Compound:
    compound = expand(parse(COMMON + text), vo=vo)
    assert compound is not None
    return compound


def collection(nodes: str, root: str = "") -> Compound:
    return expanded(f'{root} Type = "Collection"; nodes = {{ {nodes} }};')


def dag(nodes: str, dependencies: str = "{}", root: str = "") -> Compound:
    return expanded(f'{root} Type = "dag"; nodes = [ {nodes} ]; dependencies = {dependencies};')


def fault(text: str, vo: str | None = "testvo") -> JdlError:
    with pytest.raises(JdlError) as caught:
        expand(parse(COMMON + text), vo=vo)
    return caught.value


def node_fault(text: str, root: str = "") -> AttributeFault:
    error = fault(f'{root} Type = "collection"; nodes = {{ [ NodeName = "a"; {text} ] }};')
    assert isinstance(error, NodeFaults)
    ((name, inner),) = error.errors
    assert name == "a"
    assert isinstance(inner, AttributeFault)
    return inner


@pytest.mark.parametrize("text", ['Executable = "/bin/ls"', 'Type = "Job"', 'JobType = "Mpich"', ""])
def test_a_description_of_one_job_is_not_compound(text: str) -> None:
    assert expand(parse(COMMON + text), vo="testvo") is None


def test_the_request_keeps_its_own_attributes_and_loses_its_nodes() -> None:
    compound = collection(NODE, 'JobType = "normal"; UserTags = [ a = "b" ]; edg_jobid = "x";')
    assert compound.kind is CompoundKind.COLLECTION
    assert compound.ad.string("Type") == "collection"
    assert compound.ad.string("VirtualOrganisation") == "testvo"
    assert "UserTags" in compound.ad
    for name in ("nodes", "dependencies", "JobType", "edg_jobid"):
        assert name not in compound.ad
    assert any("only the server sets" in text for text in compound.warnings)


def test_the_submitted_ad_is_left_alone() -> None:
    ad = parse(COMMON + f'Type = "collection"; nodes = {{ {NODE}, [ NodeName = "x"; Executable = "/bin/ls" ] }};')
    before = ad.text()
    expand(ad, vo="testvo")
    assert ad.text() == before


# -- inheritance

ROOT = """
FuzzyRank = true; OutputSandbox = {"o"}; OutputSandboxBaseDestURI = "gsiftp://h/d"; RetryCount = 2;
ShallowRetryCount = 3; PerusalFileEnable = true; PerusalTimeInterval = 60; SubmitTo = "ce:8443/jobmanager-pbs-long";
ShortDeadlineJob = true; ExpiryTime = 2000000000; InputSandboxBaseURI = "gsiftp://h/in";
"""


def test_a_node_inherits_what_it_does_not_say_itself() -> None:
    (node,) = collection(NODE, ROOT).nodes
    root = parse(COMMON + ROOT)
    for name in root:
        if name != "InputSandboxBaseURI":
            assert node.ad.get(name) == root.get(name), name
    assert node.ad.string("NodeName") == node.name == "Node_0"
    assert node.ad.string("VirtualOrganisation") == "testvo"
    assert (node.ad.string("Type"), node.ad.string("JobType")) == ("job", "normal")


def test_what_a_node_says_itself_wins() -> None:
    own = 'OutputSandbox = {"mine"}; RetryCount = 0; rank = 5; FuzzyRank = false; ExpiryTime = 1900000000'
    (node,) = collection(f'[ Executable = "/bin/true"; {own} ]', ROOT).nodes
    for name, expr in parse(own).items():
        assert node.ad.get(name) == expr


@pytest.mark.parametrize("name", ["HLRLocation", "MyProxyServer", "JobProvenance"])
def test_some_attributes_are_the_requests_alone(name: str) -> None:
    own = f'[ Executable = "/bin/true"; {name} = "node" ]'
    assert collection(own).nodes[0].ad.get(name) is None
    assert collection(own, f'{name} = "root";').nodes[0].ad.string(name) == "root"
    assert collection(NODE, f'{name} = "root";').nodes[0].ad.string(name) == "root"


def test_the_vo_is_the_requests_and_without_any_it_is_refused() -> None:
    (node,) = collection('[ Executable = "/bin/true"; VirtualOrganisation = "atlas" ]').nodes
    assert node.ad.string("VirtualOrganisation") == "testvo"
    error = fault(f'Type = "collection"; nodes = {{ {NODE} }}', vo="")
    assert error.code == 1502
    assert "VirtualOrganisation" in error.description
    other = fault(f'Type = "collection"; VirtualOrganisation = "atlas"; nodes = {{ {NODE} }}')
    assert isinstance(other, NotAccepted)
    assert expanded(f'Type = "collection"; nodes = {{ {NODE} }}', vo=None).ad.string("VirtualOrganisation") is None


@pytest.mark.parametrize(
    ("node", "shared", "root", "wanted"),
    [
        ("RetryCount = 1;", "RetryCount = 2;", "DefaultNodeRetryCount = 3; RetryCount = 4;", 1),
        ("", "RetryCount = 2;", "DefaultNodeRetryCount = 3; RetryCount = 4;", 2),
        ("", "", "DefaultNodeRetryCount = 3; RetryCount = 4;", 3),
        ("", "", "RetryCount = 4;", 4),
        ("", "", "", None),
    ],
)
@pytest.mark.parametrize("kind", ["", "Shallow"])
def test_the_nearest_retry_count_counts(node: str, shared: str, root: str, wanted: int | None, kind: str) -> None:
    text = [part.replace("RetryCount", f"{kind}RetryCount") for part in (node, shared, root)]
    compound = dag(f'{text[1]} a = [ description = [ Executable = "/bin/true"; {text[0]} ] ];', root=text[2])
    assert compound.nodes[0].ad.integer(f"{kind}RetryCount") == wanted


def test_output_destinations_go_with_their_list() -> None:
    root = 'OutputSandbox = {"a","b"}; OutputSandboxDestURI = {"gsiftp://h/1","gsiftp://h/2"};'
    taken, own, based = collection(
        f'{NODE}, [ Executable = "/bin/true"; OutputSandbox = {{"c"}} ],'
        '[ Executable = "/bin/true"; OutputSandboxBaseDestURI = "gsiftp://mine/d" ]',
        root,
    ).nodes
    assert taken.ad.strings("OutputSandboxDestURI") == ("gsiftp://h/1", "gsiftp://h/2")
    assert own.ad.strings("OutputSandboxDestURI") == based.ad.strings("OutputSandboxDestURI") == ()


def test_nodes_collocation_needs_rank_and_requirements_of_the_request() -> None:
    text = f'Type = "collection"; NodesCollocation = true; rank = 1; nodes = {{ {NODE} }};'
    with pytest.raises(AttributeFault) as caught:
        expand(parse(text), vo="testvo")
    assert caught.value.code == 1505
    assert "attributes group not complete" in caught.value.description
    collection(NODE, "NodesCollocation = true;")


# -- what is refused


def test_the_errors_of_all_nodes_come_together() -> None:
    error = fault(
        'Type = "collection"; nodes = { [ NodeName = "a"; ], [ Executable = "/bin/true" ],'
        ' [ Executable = "no.sh" ], [ File = "x.jdl"; NodeName = "d" ] };'
    )
    assert isinstance(error, NodeFaults)
    assert error.code == 1513
    assert [name for name, _ in error.errors] == ["a", "Node_2", "d"]
    first, *lines = error.description.split("\n")
    assert first == "The following error(s) have been found while checking nodes:"
    assert lines[0] == "a ->Executable: Jdl mandatory attribute is missing"
    assert lines[1].startswith("Node_2 ->Executable (inside InputSandbox): Specified path 'no.sh' is missing (line ")
    assert lines[2].startswith("d ->File: the file of a node is put in its place by the client")


def test_a_hundred_errors_are_enough() -> None:
    error = fault('Type = "collection"; nodes = {' + ",".join(["[ a = 1 ]"] * 250) + "}")
    assert isinstance(error, NodeFaults)
    assert len(error.errors) == 100
    assert error.description.endswith("(the 150 nodes behind them were not checked)")


@pytest.mark.parametrize("kind", ["dag", "Collection"])
def test_a_node_is_not_compound(kind: str) -> None:
    error = node_fault(f'Type = "{kind}"; nodes = {{}};')
    assert error.code == 1506
    assert "a node is a job" in error.description


@pytest.mark.parametrize("kind", ["interactive", "Parametric", "partitionable", "checkpointable"])
def test_some_types_of_job_cannot_be_nodes(kind: str) -> None:
    error = node_fault(f'Executable = "/bin/true"; JobType = "{kind}";')
    assert error.code == 1503
    wanted = "Interactive, Partitionable, Checkpointable, Parametric are deprecated for children jobs"
    assert wanted in error.description


def test_a_node_may_be_an_mpi_job() -> None:
    (node,) = collection('[ Executable = "/bin/true"; JobType = "MpiCh"; CpuNumber = 4 ]').nodes
    assert (node.ad.string("JobType"), node.ad.integer("CpuNumber")) == ("mpich", 4)


@pytest.mark.parametrize(
    ("text", "code", "part"),
    [
        ('Type = "collection"; JobType = "interactive"; nodes = {[]}', 1508, "Type, JobType"),
        ('Type = "dag"; JobType = "parametric"; nodes = {[]}', 1508, "Type, JobType"),
        ('Type = "collection"; JobType = "checkpointable"; nodes = {[]}', 1219, "Checkpointable Jobs are Deprecated"),
        ('Type = "collection"; rank = "x"; nodes = {[]}', 1503, "rank"),
        ('Type = "collection"; RetryCount = -1; nodes = {[]}', 1506, "RetryCount"),
        ('Type = "collection"; UserTags = 3; nodes = {[]}', 1503, "UserTags"),
        ('Type = "collection"; InputSandbox = {"a","b/a"}; nodes = {[]}', 1509, "InputSandbox"),
        ('Type = "collection"; NodesCollocation = 1; nodes = {[]}', 1503, "NodesCollocation"),
    ],
)
def test_what_is_wrong_with_the_request_itself_is_said_first(text: str, code: int, part: str) -> None:
    error = fault(text)
    assert error.code == code
    assert part in error.description
    assert "(line 1, column" in error.description


def test_an_attribute_of_a_job_at_the_request_is_warned_about() -> None:
    compound = collection(NODE, 'Executable = "/bin/ls";')
    assert any(text.startswith("Executable: the attribute has no meaning") for text in compound.warnings)


def test_more_nodes_than_the_limit_are_refused() -> None:
    ad = parse(COMMON + f'Type = "collection"; nodes = {{ {NODE}, {NODE}, {NODE} }}')
    assert expand(ad, vo="testvo", max_nodes=3) is not None
    with pytest.raises(AttributeFault, match="a request has at most 2 nodes, and this has 3"):
        expand(ad, vo="testvo", max_nodes=2)


def test_what_all_nodes_together_amount_to_is_limited() -> None:
    big = "x" * 400_000
    text = f'Type = "collection"; SubmitTo = "{big}"; nodes = {{' + ",".join([NODE] * 200) + "}"
    assert "33554432 characters" in fault(text).description
    files = "{" + ",".join(f'"{index}"' for index in range(2000)) + "}"
    text = f'Type = "collection"; InputSandbox = {files}; nodes = {{' + ",".join([NODE] * 200) + "}"
    assert "33554432 characters" in fault(text).description


def test_ten_thousand_nodes_that_are_alike_cost_a_tenth_of_a_millisecond_each() -> None:
    ad = parse(
        COMMON + 'JobType = "parametric"; Parameters = 10000; Executable = "run.sh"; Arguments = "-n _PARAM_";'
        'InputSandbox = {"run.sh","data.txt"}; StdOutput = "out"; OutputSandbox = {"out"}; Environment = {"A=1"};'
    )
    gc.collect()
    started = time.process_time()
    compound = expand(ad, vo="testvo")
    elapsed = time.process_time() - started
    assert compound is not None
    assert len(compound.nodes) == 10_000
    # a tenth of a millisecond on a quiet machine; what is promised here is that nothing is quadratic
    assert elapsed < 10_000 * 0.0004


# -- as one description


NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_ -]{0,8}", fullmatch=True).map(str.strip).filter(bool)


@settings(deadline=None, max_examples=60)
@given(st.lists(NAME, min_size=1, max_size=6, unique_by=str.lower), st.data())
def test_a_request_written_as_a_dag_expands_to_the_same_nodes(names: list[str], data: st.DataObject) -> None:
    nodes = ", ".join(f'[ NodeName = {string_text(name)}; Executable = "/bin/true" ]' for name in names)
    compound = collection(nodes, 'InputSandbox = {"a","b"}; RetryCount = 2;')
    linked = []
    for index, node in enumerate(compound.nodes):
        before = data.draw(st.lists(st.sampled_from(range(index)), unique=True)) if index else []
        linked.append(Node(node.name, node.ad, tuple(sorted(before))))
    again = expand(parse(as_dag(compound.ad, linked).text()), vo="testvo")
    assert again is not None
    assert [(node.name, node.ad, node.parents) for node in again.nodes] == [
        (node.name, node.ad, node.parents) for node in linked
    ]
    assert (again.kind is CompoundKind.DAG) == any(node.parents for node in linked)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["", "RetryCount = 1;", 'StdOutput = "o";', 'CpuNumber = 0;', 'Executable = "x";',
                                 'InputSandbox = "x";', "Arguments = strcat(Executable, \"-v\");",
                                 "Arguments = 3;", 'InputSandbox = {root.InputSandbox[0], "x"};']),
                min_size=1, max_size=8))  # fmt: skip
def test_nodes_are_checked_each_for_itself_whatever_stands_before_them(bodies: list[str]) -> None:
    """What is remembered of one node makes no difference to the next."""

    def verdict(texts: list[str]) -> list[tuple[str, str]]:
        nodes = ", ".join(f'[ Executable = "/bin/true"; {text} ]' for text in texts)
        ad = parse(COMMON + f'Type = "collection"; InputSandbox = {{"r"}}; nodes = {{ {nodes} }};')
        try:
            expand(ad, vo="testvo")
        except NodeFaults as error:
            return [(name, inner.description.partition(" (line")[0]) for name, inner in error.errors]
        return []

    alone = [(f"Node_{index}", text) for index, body in enumerate(bodies) for _, text in verdict([body])]
    assert verdict(bodies) == alone


def test_resolved_nodes_hold_uris_and_names() -> None:
    compound = collection('[ Executable = "x"; InputSandbox = {"x", "gsiftp://h/y"} ], [ Executable = "/bin/true" ]')
    first, second = resolve(compound, "https://w/root", ["https://w/0", "https://w/1"])
    assert first.ad.strings("InputSandbox") == ("https://w/0/input/x", "gsiftp://h/y")
    assert first.ad.strings("InputSandboxDestFileName") == ("x", "y")
    assert "InputSandbox" not in second.ad


def test_an_error_says_a_bounded_part_of_what_the_user_wrote() -> None:
    text = f'JobType = "parametric"; Parameters = 100; Executable = "_PARAM_{"x" * 100_000}";'
    error = fault(text)
    assert isinstance(error, NodeFaults)
    assert len(error.errors) == 100
    assert len(error.description) < 130_000
    assert len(fault(f'Type = "{"y" * 500_000}";').description) < 1500
