"""docs/jdl.md is what the tables say, and what it says of attributes and functions is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grid.errors import JdlError
from jdl import attribute_words, vocabulary
from jdl.attributes import ATTRIBUTES
from jdl.calls import misuse
from jdl.check import check
from jdl.compound import expand
from jdl.document import ELEMENT, JOB, document
from jdl.errors import NodeFaults
from jdl.evaluate import evaluate
from jdl.functions import FUNCTIONS
from jdl.nodes import Call
from jdl.parser import parse, parse_expression
from jdl.special import SPECIAL
from jdl.values import ERROR

ATTRIBUTE_CODES = {
    (words.name, int(code))
    for words in attribute_words.WORDS.values()
    for code in re.findall(r"\b1[25][0-9]{2}\b", words.checks)
}

IN = 'InputSandbox = { "a.sh" }; '
DATA = 'DataAccessProtocol = { "gsiftp" }; '
REFUSED = {
    ("Type", 1506): 'Type = "thing"; Executable = "/bin/a"',
    ("JobType", 1503): 'JobType = "thing"; Executable = "/bin/a"',
    ("JobType", 1219): 'JobType = "checkpointable"; Executable = "/bin/a"',
    ("JobType", 1220): 'JobType = { "normal", "mpich" }; Executable = "/bin/a"',
    ("JobType", 1508): 'JobType = { "parametric", "partitionable" }; Parameters = 2; Executable = "/bin/a"',
    ("Executable", 1505): 'Arguments = "a"',
    ("Environment", 1503): 'Executable = "/bin/a"; Environment = { "A" }',
    ("StdInput", 1505): 'Executable = "/bin/a"; StdInput = "in"',
    ("StdOutput", 1505): 'Executable = "/bin/a"; StdOutput = "a/x"; StdError = "b/x"',
    ("StdOutput", 1503): 'Executable = "/bin/a"; StdOutput = "../x"',
    ("StdError", 1505): 'Executable = "/bin/a"; StdOutput = "a/x"; StdError = "b/x"',
    ("StdError", 1503): 'Executable = "/bin/a"; StdError = "../x"',
    ("Prologue", 1505): 'Executable = "/bin/a"; Prologue = "p"',
    ("PrologueArguments", 1505): 'Executable = "/bin/a"; PrologueArguments = "p"',
    ("Epilogue", 1505): 'Executable = "/bin/a"; Epilogue = "p"',
    ("EpilogueArguments", 1505): 'Executable = "/bin/a"; EpilogueArguments = "p"',
    ("VirtualOrganisation", 1220): 'Executable = "/bin/a"; VirtualOrganisation = "other"',
    ("VirtualOrganisation", 1505): None,
    ("UserTags", 1506): 'Executable = "/bin/a"; UserTags = [ ' + "".join(f'a{i} = "x"; ' for i in range(101)) + "]",
    ("UserTags", 1503): 'Executable = "/bin/a"; UserTags = [ a = 1 ]',
    ("UserContact", 1503): 'Executable = "/bin/a"; UserContact = "me"',
    ("InputSandbox", 1509): 'Executable = "/bin/a"; InputSandbox = { "a/x", "b/x" }',
    ("InputSandbox", 1503): 'Executable = "/bin/a"; InputSandbox = { "gsiftp://h/*" }',
    ("InputSandboxBaseURI", 1503): 'Executable = "/bin/a"; InputSandbox = { "x" }; InputSandboxBaseURI = "h"',
    ("InputSandboxDestFileName", 1508): f'Executable = "/bin/a"; {IN}InputSandboxDestFileName = {{ "x", "y" }}',
    ("OutputSandbox", 1509): 'Executable = "/bin/a"; OutputSandbox = { "a/x", "b/x" }',
    ("OutputSandboxDestURI", 1508): 'Executable = "/bin/a"; OutputSandbox = { "x" }; '
    'OutputSandboxDestURI = { "a", "b" }',
    ("OutputSandboxBaseDestURI", 1503): 'Executable = "/bin/a"; OutputSandboxBaseDestURI = "h"',
    ("ZippedISB", 1506): 'Executable = "/bin/a"; ZippedISB = { "a/b" }',
    ("ZippedISB", 1509): 'Executable = "/bin/a"; ZippedISB = { "a.tar.gz", "a.tar.gz" }',
    ("PerusalFilesDestURI", 1220): 'Executable = "/bin/a"; PerusalFilesDestURI = "gsiftp://h/x"',
    ("DataRequirements", 1503): f'Executable = "/bin/a"; {DATA}DataRequirements = {{ 1 }}',
    ("DataRequirements", 1505): 'Executable = "/bin/a"; '
    'DataRequirements = { [ InputData = { "lfn:x" }; DataCatalogType = "DLI" ] }',
    ("DataRequirements", 1506): f'Executable = "/bin/a"; {DATA}DataRequirements = {{ [ InputData = {{ "lfn:x" }} ] }}',
    ("File", 1220): ("node", 'File = "x.jdl"'),
    ("File", 1510): ("node", 'File = "x.jdl"; Executable = "/bin/a"'),
    ("Parameters", 1501): 'JobType = "parametric"; Executable = "/bin/a"; Parameters = { "a", "a" }',
    ("PerusalTimeInterval", 1506): 'Executable = "/bin/a"; PerusalTimeInterval = -1',
    ("PerusalFilesDestURI", 1503): 'Executable = "/bin/a"; PerusalFileEnable = true; PerusalFilesDestURI = "x"',
    ("requirements", 1505): ...,
    ("requirements", 1503): 'Executable = "/bin/a"; requirements = 3',
    ("requirements", 1504): 'Executable = "/bin/a"; requirements = Member("a")',
    ("requirements", 1506): 'Executable = "/bin/a"; requirements = Membr("a", { })',
    ("rank", 1505): ...,
    ("rank", 1503): 'Executable = "/bin/a"; rank = "a"',
    ("rank", 1504): 'Executable = "/bin/a"; rank = isMember()',
    ("rank", 1506): 'Executable = "/bin/a"; rank = nothing(1)',
    ("SubmitTo", 1503): 'Executable = "/bin/a"; SubmitTo = "ce"',
    ("CpuNumber", 1506): 'Executable = "/bin/a"; CpuNumber = 0',
    ("NodeNumber", 1506): 'Executable = "/bin/a"; NodeNumber = 0',
    ("SMPGranularity", 1506): 'Executable = "/bin/a"; SMPGranularity = 0',
    ("SMPGranularity", 1508): 'Executable = "/bin/a"; SMPGranularity = 2; HostNumber = 2; CpuNumber = 4',
    ("HostNumber", 1506): 'Executable = "/bin/a"; HostNumber = 0',
    ("HostNumber", 1508): 'Executable = "/bin/a"; SMPGranularity = 2; HostNumber = 2; CpuNumber = 4',
    ("RetryCount", 1506): 'Executable = "/bin/a"; RetryCount = -1',
    ("ShallowRetryCount", 1506): 'Executable = "/bin/a"; ShallowRetryCount = -2',
    ("ExpiryTime", 1506): 'Executable = "/bin/a"; ExpiryTime = -1',
    ("InputData", 1503): f'Executable = "/bin/a"; {DATA}InputData = {{ "x" }}',
    ("InputData", 1505): 'Executable = "/bin/a"; InputData = { "lfn:x" }',
    ("InputData", 1508): f'Executable = "/bin/a"; {DATA}InputData = {{ "lfn:x" }}; DataRequirements = {{ }}',
    ("ReplicaCatalog", 1503): 'Executable = "/bin/a"; ReplicaCatalog = "x"',
    ("OutputData", 1505): 'Executable = "/bin/a"; OutputData = { [ LogicalFileName = "lfn:x" ] }',
    ("OutputData", 1503): 'Executable = "/bin/a"; OutputData = { [ OutputFile = "o"; LogicalFileName = "x" ] }',
    ("Nodes", 1502): 'Type = "collection"',
    ("Nodes", 1503): 'Type = "collection"; Nodes = { 1 }',
    ("Nodes", 1507): 'Type = "dag"; Nodes = [ ]',
    ("Nodes", 1513): 'Type = "collection"; Nodes = { [ Executable = "x" ] }',
    ("Dependencies", 1507): 'Type = "dag"; Nodes = [ a = [ Description = [ Executable = "/bin/a" ] ]; '
    "Dependencies = { { a, a } } ]",
    ("NodeName", 1501): 'Type = "collection"; Nodes = { [ NodeName = "n"; Executable = "/bin/a" ], '
    '[ NodeName = "n"; Executable = "/bin/a" ] }',
    ("NodeName", 1506): 'Type = "collection"; Nodes = { [ NodeName = ""; Executable = "/bin/a" ] }',
    ("Parameters", 1502): 'JobType = "parametric"; Executable = "/bin/a"; Parameters = 0',
    ("Parameters", 1506): 'JobType = "parametric"; Executable = "/bin/a"; Parameters = -1',
    ("ParameterStart", 1506): 'JobType = "parametric"; Executable = "/bin/a"; Parameters = 2; ParameterStart = -1',
    ("ParameterStep", 1506): 'JobType = "parametric"; Executable = "/bin/a"; Parameters = 2; ParameterStep = -1',
    ("ParameterStep", 1507): 'JobType = "parametric"; Executable = "/bin/a"; Parameters = 2; ParameterStep = 0',
    ("NodesCollocation", 1505): ...,
    ("DefaultNodeRetryCount", 1506): 'Type = "collection"; DefaultNodeRetryCount = -1; '
    'Nodes = { [ Executable = "/bin/a" ] }',
    ("DefaultNodeShallowRetryCount", 1506): 'Type = "collection"; DefaultNodeShallowRetryCount = -2; '
    'Nodes = { [ Executable = "/bin/a" ] }',
    ("ListenerPort", 1219): 'Executable = "/bin/a"; JobType = "interactive"; ListenerHost = "h"',
    ("ListenerPort", 1505): 'Executable = "/bin/a"; ListenerPort = 1',
    ("ListenerPort", 1506): 'Executable = "/bin/a"; JobType = "interactive"; ListenerHost = "h"; '
    'ListenerPipeName = "p"; ListenerPort = 70000',
}  # fmt: skip
"""For each check that the document tells of, what it refuses (beside Requirements and Rank)."""


def test_the_document_is_what_the_tables_say() -> None:
    path = Path(__file__).parents[2] / "docs" / "jdl.md"
    assert path.read_text("utf-8") == document(), "docs/jdl.md is stale: run `make docs`"


def test_every_attribute_is_told_of() -> None:
    assert set(attribute_words.WORDS) == {key for key, row in ATTRIBUTES.items() if not row.private}


def refusal(given: object, name: str) -> int:
    """The code with which a description is refused."""
    rest = "; Requirements = true; Rank = 0"
    if given is None:
        text = 'Executable = "/bin/a"' + rest
    elif given is ...:
        text = f'Executable = "/bin/a"; {"Rank = 0" if name == "requirements" else "Requirements = true"}'
        if name == "NodesCollocation":
            text = 'Type = "dag"; NodesCollocation = true; Nodes = [ a = [ Description = [ Executable = "/bin/a" ] ]; '
            text += "Dependencies = { } ]"
    elif isinstance(given, tuple):
        text = f'Type = "collection"; Nodes = {{ [ {given[1]} ] }}' + rest
    elif name == "requirements":
        text = f"{given}; Rank = 0"
    else:
        text = f"{given}; Requirements = true" if name == "rank" else f"{given}{rest}"
    try:
        ad = parse(f"[ {text} ]")
        if expand(ad, vo="testvo") is None:
            check(ad, vo="" if given is None else "testvo")
    except NodeFaults as faults:
        return faults.errors[0][1].code if name == "File" else faults.code
    except JdlError as error:
        return error.code
    return 0


def test_every_check_that_is_told_of_has_an_example() -> None:
    assert set(REFUSED) == ATTRIBUTE_CODES


@pytest.mark.parametrize(("name", "code"), sorted(REFUSED))
def test_a_check_refuses_with_the_code_that_is_told(name: str, code: int) -> None:
    assert refusal(REFUSED[name, code], name) == code


def test_every_function_is_told_of_once() -> None:
    names = [word.name.lower() for _, words in vocabulary.GROUPS for word in words]
    assert sorted(names) == sorted({*FUNCTIONS, *SPECIAL})


@pytest.mark.parametrize("word", vocabulary.WORDS.values(), ids=lambda word: word.name)
def test_an_example_is_no_error_and_calls_its_function(word: vocabulary.Word) -> None:
    expression = parse_expression(word.example)
    value = evaluate(expression, JOB, ELEMENT, clock=lambda: 0, rng=lambda: 0.5)
    assert value is not ERROR
    waiting, calls = [expression], []
    while waiting:
        node = waiting.pop()
        waiting.extend(node.children())
        if isinstance(node, Call):
            calls.append(node.key)
            assert misuse(node) is None
    assert word.name.lower() in calls


@pytest.mark.parametrize("word", vocabulary.WORDS.values(), ids=lambda word: word.name)
def test_usage_tells_how_many_arguments(word: vocabulary.Word) -> None:
    function = FUNCTIONS.get(word.name.lower())
    if function is not None and "..." not in word.usage:
        assert word.least == function.least
        assert len(
            [part for part in re.split(r"[\[,]+", word.usage.partition("(")[2].rstrip(")")) if part.strip(" ]")]
        ) == (function.most)


@pytest.mark.parametrize("names", [names for names, _ in vocabulary.NOT_OFFERED])
def test_what_is_not_offered_does_not_exist(names: str) -> None:
    assert not {name.strip().lower() for name in names.split(",")} & {*FUNCTIONS, *SPECIAL}
