"""What the server refuses, with which code and sentence, and where it points."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grid.errors import JdlError
from jdl.attributes import ATTRIBUTES, PRIVATE, attribute
from jdl.check import MAX_USER_TAGS, check
from jdl.errors import AttributeFault, JdlSyntaxError, NotAccepted
from jdl.parser import parse

GOOD = """
Executable = "run.sh";
InputSandbox = { "file:///home/u/run.sh", "in.txt" };
StdInput = "in.txt"; StdOutput = "out"; StdError = "err"; OutputSandbox = { "out", "err" };
requirements = other.GlueCEStateStatus == "Production"; rank = -other.GlueCEStateEstimatedResponseTime;
"""


INTERACTIVE = 'JobType = "Interactive"; ListenerHost = "ui"; ListenerPort = 4000; ListenerPipeName = "/tmp/p"; '


def fault(text: str, base: str = GOOD, vo: str = "testvo") -> AttributeFault:
    with pytest.raises(AttributeFault) as caught:
        check(parse(base + text), vo=vo)
    return caught.value


def without(name: str) -> str:
    ad = parse(GOOD)
    ad.remove(name)
    return "; ".join(f"{key} = {value.text()}" for key, value in ad.items()) + ";\n"


def test_a_good_description_passes_with_type_and_job_type_in_lower_case() -> None:
    checked = check(parse(GOOD + 'type = "Job"; JOBTYPE = "Normal"'), vo="testvo")
    assert checked.ad.string("Type") == "job"
    assert checked.ad.string("JobType") == "normal"
    assert checked.warnings == ()
    assert check(parse(GOOD), vo="testvo").ad.string("JobType") == "normal"


def test_the_submitted_ad_is_left_alone() -> None:
    ad = parse(GOOD + 'ce_id = "x"')
    before = ad.text()
    checked = check(ad, vo="testvo")
    assert ad.text() == before
    assert "ce_id" not in checked.ad


@pytest.mark.parametrize("name", ["Executable", "rank", "requirements"])
def test_a_mandatory_attribute_is_missed_by_name(name: str) -> None:
    error = fault("", without(name))
    assert error.code == 1505
    assert error.description == f"{name}: Jdl mandatory attribute is missing"


@pytest.mark.parametrize(
    ("text", "code", "attribute", "part"),
    [
        ('Type = "foo"', 1506, "Type", "'foo' is none of job, dag, collection"),
        ("Type = 3", 1503, "Type", "wrong type caught for attribute"),
        ('Type = "DAG"', 1220, "Type", 'a description of type "dag" stands for many jobs, and one job is wanted'),
        ('Type = "collection"', 1220, "Type", 'a description of type "collection" stands for many jobs'),
        ('JobType = "Parametric"', 1220, "JobType", 'a description of JobType "parametric" stands for many jobs'),
        ('JobType = {"parametric","mpich"}', 1220, "JobType", 'JobType "parametric" stands for many jobs'),
        ('JobType = {"partitionable","parametric"}', 1508, "Parametric, Partitionable", "wrong combination"),
        (INTERACTIVE + "ListenerPort = 65536", 1506, "ListenerPort", "the number of a port"),
        (INTERACTIVE + 'ListenerHost = "a\\nb"', 1506, "ListenerHost", "a control character"),
        ('ListenerHost = "h"', 1505, "ListenerHost, JobType", "attributes group"),
        ('ZippedISB = "a/b.tar.gz"', 1506, "ZippedISB", "not a plain file name"),
        ('ZippedISB = {"b.tar.gz","b.tar.gz"}', 1509, "ZippedISB", "repeated more than once: 'b.tar.gz'"),
        ('JobType = {"mpich","interactive"}', 1220, "JobType", "Composite Job Type not yet supported"),
        ('JobType = "partitionable"', 1219, "JobType", "Partitionable Jobs are Deprecated"),
        ('JobType = "checkpointable"', 1219, "JobType", "Checkpointable Jobs are Deprecated"),
        ('JobType = "foo"', 1503, "JobType", "MpiCh | Normal | Parametric | Interactive"),
        ('VirtualOrganisation = "atlas"', 1220, "VirtualOrganisation", "Jdl VirtualOrganisation attribute (atlas)"),
        ('rank = "x"', 1503, "rank", "wrong type"),
        ("requirements = 3", 1503, "requirements", "wrong type"),
        ("requirements = {true}", 1506, "requirements", "the attribute cannot be of list type"),
        ("Executable = 3", 1503, "Executable", "a string is wanted"),
        ('Executable = {"a"}', 1506, "Executable", "the attribute cannot be of list type"),
        ('Executable = "no.sh"', 1505, "Executable (inside InputSandbox)", "Specified path 'no.sh' is missing"),
        ('Executable = "dir/run.sh"', 1505, "Executable", "Specified path 'dir/run.sh' is missing"),
        ('Executable = "/bin/*"', 1505, "Executable", "Specified path"),
        ('StdInput = "other.txt"', 1505, "StdInput (inside InputSandbox)", "Specified path"),
        ('Prologue = "p.sh"', 1505, "Prologue (inside InputSandbox)", "Specified path"),
        ('EpilogueArguments = "x"', 1505, "Epilogue, EpilogueArguments", "attributes group not complete"),
        ("InputSandbox = 3", 1503, "InputSandbox", "a string or a list of strings is wanted"),
        ('InputSandbox = {"run.sh", 3}', 1503, "InputSandbox", "a string or a list of strings is wanted"),
        ('InputSandbox = {"run.sh", "/x/run.sh"}', 1509, "InputSandbox", "repeated more than once: 'run.sh'"),
        ('InputSandbox = {"run.sh", "*.txt"}', 1503, "InputSandbox", "filename not allowed"),
        ('InputSandbox = {"run.sh", "dir/"}', 1506, "InputSandbox", "does not name a file"),
        ('InputSandbox = {"run.sh", "https://h/x/%2e%2e"}', 1506, "InputSandbox", "does not name a file"),
        ('InputSandbox = {"run.sh", "https://h/x/..%2fy"}', 1506, "InputSandbox", "does not name a file"),
        ('InputSandboxBaseURI = "/x"', 1503, "InputSandboxBaseURI", "<protocol>://<address>"),
        ('InputSandboxDestFileName = {"a"}', 1508, "InputSandbox and InputSandboxDestFileName card", "wrong comb"),
        ('InputSandboxDestFileName = {"a","../b"}', 1506, "InputSandboxDestFileName", "not a plain file name"),
        ('Environment = {"A=1","B"}', 1503, "Environment", "<variable>=<value>"),
        ('Environment = "=x"', 1503, "Environment", "<variable>=<value>"),
        ('StdOutput = "../out"', 1503, "StdOutput", "wrong type"),
        ('StdError = "x/out"', 1505, "StdOutput, StdError", "attributes group not complete"),
        ('OutputSandbox = {"out","dir/out"}', 1509, "OutputSandbox", "repeated more than once: 'out'"),
        ('OutputSandboxDestURI = {"https://h/x"}', 1508, "OutputSandbox and", "wrong combination of values"),
        ('OutputSandboxDestURI = {"a","../../b"}', 1506, "OutputSandboxDestURI", "leads out"),
        (
            'OutputSandbox = {"*.log"}; OutputSandboxDestURI = {"https://h/x"}',
            1508,
            "OutputSandbox (with WildCards), OutputSandboxDestURI",
            "wrong combination of values",
        ),
        ("CpuNumber = 0", 1506, "CpuNumber", "value must be greater than 0"),
        ("NodeNumber = -1", 1506, "NodeNumber", "value must be greater than 0"),
        (
            "SMPGranularity = 2; HostNumber = 2",
            1508,
            "SMPGranularity and HostNumber are mutually exclusive when WholeNodes allocation is not requested",
            "wrong combination of values",
        ),
        ("RetryCount = -1", 1506, "RetryCount", "value cannot be less than 0"),
        ('RetryCount = "3"', 1503, "RetryCount", "an integer is wanted"),
        ("RetryCount = other.n", 1503, "RetryCount", "an integer is wanted"),
        ("ShallowRetryCount = -2", 1506, "ShallowRetryCount", "value must be greater than 0 (-1 to unset)"),
        ("FuzzyRank = 1", 1503, "FuzzyRank", "true or false is wanted"),
        ("ExpiryTime = 1.5", 1503, "ExpiryTime", "an integer is wanted"),
        ('SubmitTo = "ce"', 1503, "SubmitTo", "jobmanager-<service>-<queuename>"),
        ('UserContact = "me"', 1503, "UserContact", "user@host"),
        ('UserTags = "x"', 1503, "UserTags", "a classad is wanted"),
        ("UserTags = [a = 1]", 1503, "a", "a string is wanted"),
        ('InputData = "lfn:/a"; DataRequirements = {}', 1508, "InputData, DataRequirements", "wrong combination"),
        ('InputData = "lfn:/a"', 1505, "InputData, DataAccessProtocol", "attributes group not complete"),
        ('InputData = "a"; DataAccessProtocol = "file"', 1503, "InputData", "wrong format"),
        ('DataAccessProtocol = "file"; DataRequirements = {[InputData="lfn:/a"]}', 1506, "DataReq", "DataCatalogType"),
        ("OutputData = {[]}", 1505, "OutputData", "mandatory"),
        ("rank = other.DataAccessCost", 1508, "DataAccessCost rank, InputData", "wrong combination"),
        ("ListenerPort = 3", 1505, "ListenerPort, JobType", "attributes group"),
    ],
)
def test_a_wrong_attribute_is_refused_by_name_and_place(text: str, code: int, attribute: str, part: str) -> None:
    error = fault(text)
    assert error.code == code
    assert error.attribute.startswith(attribute)
    assert part in error.description
    assert error.position is not None
    assert f"(line {error.line}, column {error.column})" in error.description
    if attribute != "a":
        assert error.line == 6


@pytest.mark.parametrize(
    "text",
    [
        'Executable = "/bin/ls"',
        'Executable = "$HOME/x"',
        "SMPGranularity = 2; HostNumber = 2; WholeNodes = true",
        "ShallowRetryCount = -1",
        'InputData = {"lfn:/a","guid:1"}; DataAccessProtocol = {"gsiftp"}; rank = other.DataAccessCost',
        'InputSandboxDestFileName = {"run.sh","in.txt"}',
        'OutputSandboxDestURI = {"gsiftp://h/x","sub/err"}',
        'OutputSandbox = {"*.log","out"}',
        'VirtualOrganisation = "TestVO"',
        'SubmitTo = "ce.example.org:8443/cream-pbs-long-queue"',
        'UserTags = [ colour = "red" ]',
        "Attribute = 'anything at all'",
        'MyProxyServer = ""',
        "requirements = undefined; rank = 0",
        'StdError = "out"',
        'Environment = "A=b c = d"',
        'JobType = "MpiCh"; CpuNumber = 4',
        'JobType = {"Normal","normal"}',
        INTERACTIVE,
        'ZippedISB = "ISBfiles_1.tar.gz"; AllowZippedISB = true; PerusalFileEnable = true; PerusalTimeInterval = 60',
        'Prologue = "run.sh"; PrologueArguments = "x"; Epilogue = "/bin/true"; EpilogueArguments = ""',
    ],
)
def test_what_is_allowed_passes(text: str) -> None:
    check(parse(GOOD + text), vo="testvo")


def test_the_file_may_be_named_by_its_name_in_the_job() -> None:
    check(parse(GOOD + 'InputSandboxDestFileName = {"go","in.txt"}; Executable = "go"'), vo="testvo")


@pytest.mark.parametrize("name", ["ListenerHost", "ListenerPort", "ListenerPipeName"])
def test_an_interactive_job_without_its_listener_is_refused_by_name(name: str) -> None:
    ad = parse(GOOD + INTERACTIVE)
    ad.remove(name)
    with pytest.raises(NotAccepted) as caught:
        check(ad, vo="testvo")
    assert (caught.value.code, caught.value.description) == (1219, f"{name}: Mandatory attribute {name} not set")


def test_the_first_error_in_the_order_of_the_checks_wins() -> None:
    assert fault('RetryCount = -1; Executable = 3; Type = "foo"').attribute == "Type"
    assert fault("RetryCount = -1; Executable = 3; CpuNumber = 0").attribute == "Executable"


def test_an_empty_ad_is_no_description() -> None:
    with pytest.raises(JdlSyntaxError, match="Not a valid ClassAd"):
        check(parse("[]"), vo="testvo")


def test_an_ad_deeper_than_a_user_may_write_is_refused() -> None:
    with pytest.raises(JdlSyntaxError, match="nested deeper than 80 levels"):
        check(parse("a = " + "{" * 85 + "}" * 85), vo="testvo")


def test_a_job_without_any_vo_is_refused_and_a_client_does_not_ask() -> None:
    assert fault("", vo="").attribute == "VirtualOrganisation"
    check(parse(GOOD), vo=None)
    check(parse(GOOD + 'VirtualOrganisation = "x"'), vo=None)


def test_another_vo_is_refused_with_the_sentence_clients_know() -> None:
    error = fault('VirtualOrganisation = "atlas"')
    assert isinstance(error, NotAccepted)
    wanted = "Jdl VirtualOrganisation attribute (atlas) is different from delegated Proxy Virtual Organisation (testvo)"
    assert wanted in error.description


def test_users_are_told_what_is_ignored() -> None:
    checked = check(parse(GOOD + 'edg_jobid = "x"; Rank = 0; NodeNumber = 2'), vo="testvo")
    assert len(checked.warnings) == 3
    assert any(text.startswith("edg_jobid: only the server") for text in checked.warnings)
    assert any(text.startswith("rank: the attribute is given more than once") for text in checked.warnings)
    assert any("deprecated" in text for text in checked.warnings)


def test_the_table_knows_its_attributes() -> None:
    row = attribute("EXECUTABLE")
    assert row is not None and row.mandatory and not row.private
    assert attribute("nonsense") is None
    assert all(ATTRIBUTES[name.lower()].private for name in PRIVATE)


values = st.sampled_from(
    ["3", "-1", '"x"', '{"a","a"}', "{}", "[]", "true", "undefined", "error", "other.x", "1/0", '{"https://h/a"}', "a"]
)


@given(st.lists(st.tuples(st.sampled_from(sorted(ATTRIBUTES)), values), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_any_value_of_any_attribute_passes_or_is_refused_with_a_jdl_code(rows: list[tuple[str, str]]) -> None:
    ad = parse(GOOD + "; ".join(f"{name} = {value}" for name, value in rows))
    try:
        check(ad, vo="testvo")
    except JdlError as error:
        assert error.code in (1219, 1220, 1503, 1505, 1506, 1507, 1508, 1509)


def test_more_user_tags_than_a_bookkeeping_server_should_bear_are_refused() -> None:
    tags = "; ".join(f't{number} = "x"' for number in range(MAX_USER_TAGS))
    assert check(parse(f"{GOOD} UserTags = [ {tags} ]"), vo="testvo")
    found = fault(f'UserTags = [ {tags}; one_more = "x" ]')
    assert (found.code, found.attribute) == (1506, "UserTags")
    assert f"a job has at most {MAX_USER_TAGS} tags, and these are {MAX_USER_TAGS + 1}" in found.description
