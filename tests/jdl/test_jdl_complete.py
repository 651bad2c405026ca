"""What the server writes into a description, the sandbox's URIs, and the view of the result."""

from __future__ import annotations

import pytest

from jdl.check import check
from jdl.classad import ClassAd
from jdl.complete import ServerAttributes, complete, complete_for_match, complete_for_start
from jdl.evaluate import evaluate
from jdl.job import JobDescription
from jdl.parser import parse, parse_expression
from jdl.sandbox import input_files, leaf, output_plan

BASE = "https://wms.example.org:7443/SandboxDir/ab/https_3a_2f_2fwms"
SERVER = ServerAttributes(
    virtual_organisation="testvo",
    job_id="https://wms.example.org:9000/ab",
    sandbox_uri=BASE,
    input_path="/s/ab/input",
    output_path="/s/ab/output",
    subject="/DC=test/CN=Alice",
    proxy_path="/s/ab/user.proxy",
    fqan="/testvo/Role=NULL/Capability=NULL",
    sequence_code="UI=000000:NS=0000000001",
)
GOOD = """
Executable = "run.sh"; InputSandbox = { "file:///home/u/run.sh" };
StdOutput = "out"; OutputSandbox = { "out" };
requirements = other.A == 1 || other.B == 1; rank = other.R;
"""


def registered(text: str = "") -> ClassAd:
    return complete(check(parse(GOOD + text), vo="testvo").ad, SERVER)


def test_registration_adds_the_attributes_of_the_server() -> None:
    ad = registered()
    expected = {
        "VirtualOrganisation": "testvo",
        "edg_jobid": SERVER.job_id,
        "WMPInputSandboxBaseURI": BASE,
        "InputSandboxPath": "/s/ab/input",
        "OutputSandboxPath": "/s/ab/output",
        "CertificateSubject": "/DC=test/CN=Alice",
        "X509UserProxy": "/s/ab/user.proxy",
        "VOMS_FQAN": "/testvo/Role=NULL/Capability=NULL",
        "LB_sequence_code": "UI=000000:NS=0000000001",
        "Type": "job",
        "JobType": "normal",
    }
    assert {name: ad.string(name) for name in expected} == expected
    default_rank = ad.get("DefaultRank")
    assert default_rank is not None
    assert default_rank.text() == "-other.GlueCEStateEstimatedResponseTime"
    assert ad.strings("InputSandboxDestFileName") == ("run.sh",)
    assert parse(ad.text()) == ad == parse(ad.pretty())


def test_what_a_user_writes_into_the_servers_attributes_is_replaced_or_removed() -> None:
    ad = complete(
        parse(GOOD + 'certificatesubject = "/CN=root"; ce_id = "mine"; QueueName = "q"; edg_previous_matches = "x"'),
        SERVER,
    )
    assert ad.string("CertificateSubject") == "/DC=test/CN=Alice"
    for name in ("ce_id", "QueueName", "edg_previous_matches"):
        assert name not in ad


def test_an_fqan_that_the_proxy_lacks_is_not_the_users_to_claim() -> None:
    server = ServerAttributes("testvo", "id", BASE, "/i", "/o", "/CN=u", "/p")
    ad = complete(parse(GOOD + 'VOMS_FQAN = "/testvo/Role=admin"; LB_sequence_code = "x"'), server)
    assert "VOMS_FQAN" not in ad
    assert "LB_sequence_code" not in ad


def test_an_interactive_job_learns_where_its_user_listens_and_wants_to_reach_them() -> None:
    ad = registered(
        'JobType = "Interactive"; ListenerHost = "ui.example.org"; ListenerPort = 4000; ListenerPipeName = "/tmp/pipe";'
        'Environment = { "A=1", "BYPASS_SHADOW_HOST=elsewhere" }'
    )
    assert ad.strings("Environment") == (
        "A=1",
        "BYPASS_SHADOW_HOST=ui.example.org",
        "BYPASS_SHADOW_PORT=4000",
        "GRID_CONSOLE_STDIN=/tmp/pipe.in",
        "GRID_CONSOLE_STDOUT=/tmp/pipe.out",
    )
    requirements = ad.get("requirements")
    assert requirements is not None
    assert requirements.text() == "(other.A == 1 || other.B == 1) && other.GlueHostNetworkAdapterOutboundIP"


def test_a_compound_request_itself_gets_the_servers_attributes_and_none_of_a_jobs() -> None:
    ad = complete(parse('Type = "collection"; InputSandbox = "file:///x/run.sh"; MyProxyServer = ""'), SERVER)
    assert ad.string("edg_jobid") == SERVER.job_id
    assert ad.strings("InputSandbox") == (f"{BASE}/input/run.sh",)
    for name in ("JobType", "DefaultRank", "requirements", "MyProxyServer", "Environment"):
        assert name not in ad


def test_empty_servers_are_removed_and_user_tags_taken_out() -> None:
    ad = registered('MyProxyServer = ""; JobProvenance = ""; UserTags = [ a = "b" ]')
    for name in ("MyProxyServer", "JobProvenance", "UserTags"):
        assert name not in ad
    assert registered('MyProxyServer = "px.example.org"').string("MyProxyServer") == "px.example.org"


def test_one_environment_value_becomes_a_list() -> None:
    assert ' Environment = { "FOO=bar" };' in registered('Environment = "FOO=bar"').pretty().split("\n")
    ad = registered('Environment = {"A=1"}; HLRLocation = "hlr"')
    assert ad.strings("Environment") == ("A=1", "HLR_LOCATION=hlr")


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("CpuNumber = 4", "other.GlueCEInfoTotalCPUs >= 4"),
        ("NodeNumber = 2", "other.GlueCEInfoTotalCPUs >= 2"),
        ("NodeNumber = 2; CpuNumber = 3", "other.GlueCEInfoTotalCPUs >= 3"),
        ("SMPGranularity = 2", "other.GlueHostArchitectureSMPSize >= SMPGranularity"),
        (
            "CpuNumber = 5; HostNumber = 2",
            "other.GlueCEInfoTotalCPUs >= 5 && other.GlueHostArchitectureSMPSize >= 3",
        ),
        ("CpuNumber = 5; HostNumber = 2; WholeNodes = true", "other.GlueCEInfoTotalCPUs >= 5"),
    ],
)
def test_processors_are_required_of_the_computing_element(text: str, added: str) -> None:
    requirements = registered(text).get("requirements")
    assert requirements is not None
    assert requirements.text() == f"(other.A == 1 || other.B == 1) && {added}"


def test_the_spelling_and_place_of_the_users_attributes_stay() -> None:
    assert list(registered())[:6] == [
        "Executable",
        "InputSandbox",
        "StdOutput",
        "OutputSandbox",
        "requirements",
        "rank",
    ]


def test_the_start_says_where_the_output_goes_and_what_the_server_requires() -> None:
    wanted = parse_expression("member(CertificateSubject, other.Rule)")
    ad = complete_for_start(registered(), wms_requirements=wanted, sequence_code="UI=1")
    assert ad.strings("OutputSandboxDestURI") == (f"{BASE}/output/out",)
    assert ad.string("LB_sequence_code") == "UI=1"
    requirements = ad.get("requirements")
    assert requirements is not None
    assert evaluate(requirements, ad, {"A": 1, "Rule": ["/DC=test/CN=Alice"]}) is True
    assert evaluate(requirements, ad, {"A": 1, "Rule": ["/DC=test/CN=Bob"]}) is False
    assert evaluate(requirements, ad, {"B": 0, "A": 0, "Rule": ["/DC=test/CN=Alice"]}) is False


def test_input_entries_become_absolute_uris_and_stay_so() -> None:
    text = 'InputSandbox = {"run.sh","/abs/b c#1","file:///x/d%20e","https://h/f%20g","gsiftp://h/i"}'
    ad = registered(text)
    uris = (
        f"{BASE}/input/run.sh",
        f"{BASE}/input/b%20c%231",
        f"{BASE}/input/d%2520e",
        "https://h/f%20g",
        "gsiftp://h/i",
    )
    assert ad.strings("InputSandbox") == uris
    assert ad.strings("InputSandboxDestFileName") == ("run.sh", "b c#1", "d%20e", "f g", "i")
    again = complete_for_start(ad)
    assert again.strings("InputSandbox") == uris
    assert again.strings("InputSandboxDestFileName") == ad.strings("InputSandboxDestFileName")
    assert [file.uploaded for file in input_files(ad, BASE)] == [True, True, True, False, False]


def test_the_input_base_is_for_relative_entries_only() -> None:
    ad = parse('InputSandboxBaseURI = "gsiftp://h/base/"; InputSandbox = {"sub/a","/abs/b","https://h/c"}')
    files = input_files(ad, BASE)
    assert [file.uri for file in files] == ["gsiftp://h/base/sub/a", f"{BASE}/input/b", "https://h/c"]


@pytest.mark.parametrize(
    ("text", "uris", "base"),
    [
        ('OutputSandbox = {"dir/out","err"}', (f"{BASE}/output/out", f"{BASE}/output/err"), None),
        (
            'OutputSandbox = {"out","err"}; OutputSandboxDestURI = {"gsiftp://h/x","sub/y"}',
            ("gsiftp://h/x", f"{BASE}/output/sub/y"),
            None,
        ),
        ('OutputSandbox = {"dir/out"}; OutputSandboxBaseDestURI = "gsiftp://h/d"', ("gsiftp://h/d/out",), None),
        ('OutputSandbox = {"*.log","out"}', (), f"{BASE}/output"),
        ('OutputSandbox = {"*.log"}; OutputSandboxBaseDestURI = "gsiftp://h/d"', (), "gsiftp://h/d"),
        ("a = 1", (), None),
    ],
)
def test_the_output_has_its_destinations(text: str, uris: tuple[str, ...], base: str | None) -> None:
    plan = output_plan(parse(text), BASE)
    assert (plan.uris, plan.base_uri) == (uris, base)


def test_leaves() -> None:
    assert [leaf(entry) for entry in ("a", "/x/a", "x/a", "file:///x/a%20b", "https://h/a%20b", "dir/")] == [
        "a",
        "a",
        "a",
        "a%20b",
        "a b",
        "",
    ]


def test_the_view_of_a_job_holds_plain_values() -> None:
    job = JobDescription.of(
        complete_for_start(registered('Environment = "A=b=c"; RetryCount = 3; ExpiryTime = 1700000000; CpuNumber = 2'))
    )
    assert job.job_id == SERVER.job_id
    assert job.executable == "run.sh"
    assert job.environment == (("A", "b=c"),)
    assert job.input_sandbox == ((f"{BASE}/input/run.sh", "run.sh"),)
    assert job.output_sandbox_dest_uri == (f"{BASE}/output/out",)
    assert (job.retry_count, job.shallow_retry_count, job.expiry_time, job.cpu_number) == (3, 0, 1700000000, 2)
    assert job.type == "job"
    assert job.std_input is None
    assert JobDescription.of(parse('UserTags = [ a = "b" ]')).user_tags == (("a", "b"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "CpuNumber = 4; SMPGranularity = 2;",
        "NodeNumber = 9; HostNumber = 2;",
        'JobType = "interactive"; ListenerHost = "ui"; ListenerPort = 1; ListenerPipeName = "/tmp/p";',
    ],
)
def test_what_is_only_matched_requires_what_a_registered_job_requires(text: str) -> None:
    ad = parse(f"[{GOOD}{text}]")
    wanted = ad.get("requirements")
    assert complete_for_match(ad).get("requirements") == complete(ad, SERVER).get("requirements")
    assert ad.get("requirements") is wanted
