"""Input sandboxes that refer to files of the request and of other nodes."""

from __future__ import annotations

import pytest

from jdl.compound import Compound, Node, expand, resolve
from jdl.errors import AttributeFault, NodeFaults
from jdl.parser import parse

COMMON = "requirements = true; rank = 0; "
URIS = [f"https://w/{index}" for index in range(5)]


def compound(text: str) -> Compound:
    found = expand(parse(COMMON + text), vo="testvo")
    assert found is not None
    return found


def dag(nodes: dict[str, str], dependencies: str, root: str = "") -> Compound:
    head = '[ description = [ Executable = "/bin/true";'
    bodies = "".join(f"{name} = {head} {text} ] ];" for name, text in nodes.items())
    return compound(f'{root} Type = "dag"; nodes = [ {bodies} ]; dependencies = {dependencies};')


def resolved(found: Compound) -> dict[str, Node]:
    return {node.name: node for node in resolve(found, "https://w/root", URIS[: len(found.nodes)])}


def node_fault(nodes: dict[str, str], dependencies: str, root: str = "") -> AttributeFault:
    with pytest.raises(NodeFaults) as caught:
        dag(nodes, dependencies, root)
    ((_, error),) = caught.value.errors
    assert isinstance(error, AttributeFault)
    assert error.position is not None
    return error


# -- the request's own files


def test_a_node_without_files_takes_over_all_of_the_requests() -> None:
    found = compound(
        'InputSandbox = {"a","gsiftp://h/b"}; InputSandboxDestFileName = {"x","y"}; Type = "collection";'
        'nodes = { [ Executable = "x" ], [ Executable = "/bin/true"; InputSandboxDestFileName = {"u","v"} ],'
        '[ Executable = "/bin/true"; InputSandbox = {} ] }'
    )
    nodes = list(resolved(found).values())
    assert nodes[0].ad.strings("InputSandbox") == ("https://w/root/input/a", "gsiftp://h/b")
    assert [node.ad.strings("InputSandboxDestFileName") for node in nodes] == [("x", "y"), ("u", "v"), ()]
    assert nodes[2].ad.strings("InputSandbox") == ()


@pytest.mark.parametrize(
    ("sandbox", "wanted"),
    [
        ("root.InputSandbox", ("https://w/root/input/a", "https://w/root/input/b")),
        ("root.inputsandbox[1]", ("https://w/root/input/b",)),
        ("{root.InputSandbox[1], \"c\"}", ("https://w/root/input/b", "https://w/0/input/c")),
        ("{\"c\", root.InputSandbox}", ("https://w/0/input/c", "https://w/root/input/a", "https://w/root/input/b")),
        ('{strcat("file:///d/", "c")}', ("https://w/0/input/c",)),
    ],
)
def test_references_to_the_requests_files(sandbox: str, wanted: tuple[str, ...]) -> None:
    found = compound(
        f'InputSandbox = {{"a","b"}}; Type = "collection"; nodes = {{[ Executable = "/x"; InputSandbox = {sandbox} ]}}'
    )
    (node,) = resolved(found).values()
    assert node.ad.strings("InputSandbox") == wanted
    assert node.ad.strings("InputSandboxDestFileName") == tuple(uri[-1] for uri in wanted)


def test_an_executable_may_be_a_file_of_the_request() -> None:
    compound('InputSandbox = {"x/run.sh"}; Type = "collection"; nodes = {[ Executable = "run.sh" ]}')


@pytest.mark.parametrize(
    ("sandbox", "code", "part"),
    [
        ("root.InputSandbox[2]", 1506, "root.InputSandbox[2] is none of the 2 files"),
        ("root.InputSandbox[-1]", 1506, "is none of the 2 files"),
        ("{root.InputSandbox, root.InputSandbox[0]}", 1509, "repeated more than once: 'a'"),
        ("root.OutputSandbox[0]", 1503, "'root.OutputSandbox[0]' is no file"),
        ("root.InputSandbox[i]", 1503, "is no file"),
        ("{3}", 1503, "a string or a list of strings is wanted"),
    ],
)
def test_references_that_lead_nowhere(sandbox: str, code: int, part: str) -> None:
    error = node_fault({"a": f"InputSandbox = {sandbox};"}, "{}", 'InputSandbox = {"a","b"};')
    assert error.code == code
    assert part in error.description


# -- files of other nodes

MAKER = 'OutputSandbox = {"out.txt","log"};'
TAKER = "InputSandbox = { root.nodes.maker.description.OutputSandbox[0] };"


def test_what_a_parent_leaves_is_fetched_from_where_it_goes() -> None:
    found = resolved(dag({"taker": TAKER + 'StdInput = "out.txt";', "maker": MAKER}, "{{maker,taker}}"))
    assert found["taker"].ad.strings("InputSandbox") == ("https://w/1/output/out.txt",)
    assert found["taker"].ad.strings("InputSandboxDestFileName") == ("out.txt",)


@pytest.mark.parametrize(
    ("destination", "wanted"),
    [
        ('OutputSandboxDestURI = {"gsiftp://se/x/result","log"};', "gsiftp://se/x/result"),
        ('OutputSandboxBaseDestURI = "gsiftp://se/d";', "gsiftp://se/d/out.txt"),
        ('OutputSandbox = {"out.txt","*.log"};', "https://w/0/output/out.txt"),
    ],
)
def test_it_keeps_its_name_wherever_it_goes(destination: str, wanted: str) -> None:
    found = resolved(dag({"maker": MAKER + destination, "taker": TAKER}, "{{maker,taker}}"))
    assert found["taker"].ad.strings("InputSandbox") == (wanted,)
    assert found["taker"].ad.strings("InputSandboxDestFileName") == ("out.txt",)


def test_all_that_a_parent_leaves() -> None:
    taker = "InputSandbox = root.nodes.maker.description.OutputSandbox;"
    found = resolved(dag({"maker": MAKER, "taker": taker}, "{{maker,taker}}"))
    assert found["taker"].ad.strings("InputSandbox") == ("https://w/0/output/out.txt", "https://w/0/output/log")


def test_a_parents_parent_has_ended_too() -> None:
    nodes = {"maker": MAKER, "between": "", "taker": TAKER}
    found = resolved(dag(nodes, "{{maker,between},{between,taker}}"))
    assert found["taker"].ad.strings("InputSandbox") == ("https://w/0/output/out.txt",)


@pytest.mark.parametrize("dependencies", ["{}", "{{taker,maker}}", "{{maker,other}}"])
def test_who_does_not_wait_cannot_have_it(dependencies: str) -> None:
    error = node_fault({"maker": MAKER, "taker": TAKER, "other": ""}, dependencies)
    assert error.code == 1505
    assert "failed dependency with maker" in error.description
    assert "add {maker, taker} to the dependencies" in error.description


@pytest.mark.parametrize(
    ("maker", "taker", "part"),
    [
        (MAKER, TAKER.replace("maker", "nobody"), "there is no node 'nobody'"),
        (MAKER, TAKER.replace("[0]", "[2]"), "unable to find 'root.nodes.maker.description.OutputSandbox[2]' in maker"),
        (MAKER, TAKER.replace("[0]", "[-1]"), "sandbox output files"),
        ('OutputSandbox = "*.txt";', TAKER, "is a pattern and not the name of a file"),
        (MAKER + 'OutputSandboxBaseDestURI = "gsiftp://localhost/d";', TAKER, "stays on the computing element"),
    ],
)
def test_what_is_not_left_cannot_be_fetched(maker: str, taker: str, part: str) -> None:
    assert part in node_fault({"maker": maker, "taker": taker}, "{{maker,taker}}").description


def test_a_node_cannot_take_what_it_makes_itself() -> None:
    assert "failed dependency" in node_fault({"maker": MAKER + TAKER}, "{}").description


def test_files_in_a_long_chain_are_found_quickly() -> None:
    count = 1500
    nodes = {"n0": MAKER} | {f"n{index}": TAKER.replace("maker", "n0") for index in range(1, count)}
    found = dag(nodes, "{" + ",".join(f"{{n{index},n{index + 1}}}" for index in range(count - 1)) + "}")
    ends = resolve(found, "https://w/root", [f"https://w/{index}" for index in range(count)])
    assert ends[-1].ad.strings("InputSandbox") == ("https://w/0/output/out.txt",)


def test_many_files_of_one_node_cost_each_a_little() -> None:
    files = "{" + ",".join(f'"f{index}"' for index in range(4000)) + "}"
    taker = "InputSandbox = root.nodes.maker.description.OutputSandbox;"
    found = resolved(dag({"maker": f"OutputSandbox = {files};", "taker": taker}, "{{maker,taker}}"))
    assert len(found["taker"].ad.strings("InputSandbox")) == 4000
