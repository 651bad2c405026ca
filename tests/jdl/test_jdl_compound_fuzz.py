"""Whatever a user sends, a compound request is expanded or refused with an error of the room."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grid.errors import JdlError
from jdl.classad import ClassAd
from jdl.complete import ServerAttributes, complete, complete_for_start
from jdl.compound import as_dag, expand, resolve
from jdl.nodes import Expr, ListExpr, Literal
from jdl.parser import parse, parse_expression

PLAUSIBLE = {
    "Executable": ['"/bin/true"', '"/bin/x_PARAM_"', '"x"'],
    "Arguments": ['"-n _PARAM_"', "strcat(Executable, NodeName)"],
    "StdInput": ['"x"', '"o"', '"/etc/hosts"'],
    "StdOutput": ['"o"', '"out_PARAM_"'],
    "InputSandbox": [
        '"x"', '{"x","y"}', '{"in_PARAM_","file:///d_PARAM_/x"}', "root.InputSandbox", "{root.InputSandbox[0],\"z\"}",
        "root.nodes.a.description.OutputSandbox[0]", "{root.nodes.b.description.OutputSandbox}", "{}",
        '{strcat("a","b")}', '"gsiftp://h/x"', "InputSandbox[0]",
    ],
    "InputSandboxDestFileName": ['{"u"}', '{"u","v"}'],
    "InputSandboxBaseURI": ['"gsiftp://h/x"', '"gsiftp://h/_PARAM_"'],
    "OutputSandbox": ['{"o"}', '{"o","p"}', '"*.log"', "{}"],
    "OutputSandboxDestURI": ['{"gsiftp://h/o"}', '{"o"}', '{"o","p"}'],
    "OutputSandboxBaseDestURI": ['"gsiftp://h/d"', '"gsiftp://localhost/d"'],
    "Environment": ['{"A=_PARAM_"}', '"A=1"'],
    "RetryCount": ["0", "3", "_PARAM_"],
    "DefaultNodeRetryCount": ["2"],
    "requirements": ["other.a > 1", "other.a_PARAM_ == _PARAM_", "true"],
    "rank": ["0", "other._PARAM_", "-_PARAM_"],
    "Type": ['"job"', '"dag"'],
    "JobType": ['"normal"', '"mpich"', '{"parametric","mpich"}', '"interactive"'],
    "NodeName": ['"n"', '"a.b"'],
    "ParameterStart": ["1"],
    "ParameterStep": ["2", "0"],
    "UserTags": ['[ t_PARAM_ = "_PARAM_" ]', "[]"],
    "MyProxyServer": ['""', '"p"', '"p_PARAM_"'],
    "VirtualOrganisation": ['"testvo"', '"other"'],
    "NodesCollocation": ["true"],
    "ZippedISB": ['{"a.tar.gz"}'],
    "CpuNumber": ["2", "_PARAM_", "0"],
    "HLRLocation": ['"h"'],
    "edg_jobid": ['"x"'],
    "x_PARAM_": ["1", "_PARAM_"],
    "File": ['"x.jdl"'],
    "SignificantAttributes": ['{"requirements"}'],
}
"""Attributes and values that make sense somewhere; most combinations of few are accepted."""

WORDS = ("1", "-1", "2.5", '"x"', '"_PARAM_"', "true", "undefined", "error", "a", "{}", "[]", "self", "1/0", "time()")
STRANGE: st.SearchStrategy[Expr] = st.recursive(
    st.sampled_from(WORDS).map(parse_expression),
    lambda inner: st.lists(inner, max_size=3).map(ListExpr)
    | st.lists(st.tuples(st.sampled_from(list(PLAUSIBLE)), inner), max_size=3).map(ClassAd),
    max_leaves=4,
)


@st.composite
def attributes(draw: st.DrawFn) -> tuple[str, Expr]:
    name = draw(st.sampled_from(list(PLAUSIBLE)))
    if draw(st.integers(0, 11)) == 0:
        return name, draw(STRANGE)
    return name, parse_expression(draw(st.sampled_from(PLAUSIBLE[name])))


BODIES = st.lists(attributes(), max_size=2)
PARAMETERS = ("3", "1", "{a,b}", '{"x/y","z"}', "{1,-2,3.5}", "0", '{"other.x"}')
SERVER = ServerAttributes("testvo", "https://l:9000/x", "https://w/x", "/i", "/o", "/CN=u", "/p")


def body(pairs: list[tuple[str, Expr]]) -> ClassAd:
    """A job that would be accepted, with some attributes replaced."""
    ad = parse('Executable = "/bin/true"; requirements = true; rank = 0; OutputSandbox = {"o"};')
    for name, value in pairs:
        ad.set(name, value)
    return ad


@st.composite
def requests(draw: st.DrawFn) -> ClassAd:
    kind = draw(st.sampled_from(["dag", "collection", "parametric"]))
    nodes = [body(draw(BODIES)) for _ in range(draw(st.integers(1, 3)))]
    if kind == "parametric":
        ad = body(draw(BODIES))
        ad.set("JobType", "parametric")
        ad.set("Parameters", parse_expression(draw(st.sampled_from(PARAMETERS))))
        return ad
    ad = ClassAd(draw(BODIES))
    ad.set("Type", kind)
    if kind == "collection":
        ad.set("nodes", ListExpr(nodes))
    else:
        names = draw(st.permutations(["a", "b", "c"]))
        named = zip(names, nodes, strict=False)
        ad.set("nodes", ClassAd((name, ClassAd([("description", node)])) for name, node in named))
        if draw(st.integers(0, 4)):
            pairs = st.sampled_from(["{}", "{{a,b}}", "{{a,b},{b,c}}", "{{b,a}}", "{{{b,c},a}}"])
            ad.set("dependencies", draw(pairs.map(parse_expression)))
    if draw(st.integers(0, 9)) == 0:
        ad.set(draw(st.sampled_from(["nodes", "dependencies", "Type", "JobType"])), draw(STRANGE))
    return ad


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(requests())
def test_a_request_is_expanded_or_refused(ad: ClassAd) -> None:
    try:
        compound = expand(ad, vo="testvo")
    except JdlError as error:
        assert 1219 <= error.code <= 1220 or 1501 <= error.code <= 1513
        return
    if compound is None:
        return
    nodes = resolve(compound, "https://w/root", [f"https://w/{index}" for index in range(len(compound.nodes))])
    for node in nodes:
        final = complete_for_start(complete(node.ad, SERVER))
        assert all(uri.startswith(("https://w/", "gsiftp://h/")) for uri in final.strings("InputSandbox"))
        assert parse(final.text()) == final
    complete(compound.ad, SERVER)
    again = expand(parse(as_dag(compound.ad, compound.nodes).text()), vo="testvo")
    assert again is not None
    assert [(node.name, node.parents) for node in again.nodes] == [(node.name, node.parents) for node in nodes]
    assert all(isinstance(node.ad.get("NodeName"), Literal) for node in again.nodes)
