"""Literal XML of each implemented operation, sent over TLS with a proxy to a running node."""

import re
import time
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

import pytest
from lxml import etree

JOB_ID = re.compile(r"https://localhost:\d+/[A-Za-z0-9_-]{22}")
SPACES = {
    "wmproxy": ("http://glite.org/wms/wmproxy", "glitens", "request"),
    "delegation-1": ("http://www.gridsite.org/namespaces/delegation-1", "ns", "getProxyReqReturn"),
    "delegation-2": ("http://www.gridsite.org/namespaces/delegation-2", "ns", "getProxyReqReturn"),
}
CSR = r"-----BEGIN CERTIFICATE REQUEST-----\n[A-Za-z0-9+/=\n]+-----END CERTIFICATE REQUEST-----\n"


@pytest.fixture(scope="module")
def registered(alice):
    """A job that is registered and stays so."""
    return alice.register()


@pytest.fixture(scope="module")
def ended(node, alice, jdl):
    """A job that was submitted in one call, and has ended."""
    request = f"<jdl>{escape(jdl)}</jdl><delegationId>wire</delegationId>"
    job = alice.call(f"<w:jobSubmit>{request}</w:jobSubmit>").value("id")
    assert node.wait(job) == "Done (Success)"
    return job


# -- information ---------------------------------------------------------------------------------------------


def test_getVersion(alice):
    alice.call("<w:getVersion/>").says(
        "<glitens:getVersionResponse><version>3.9.0</version></glitens:getVersionResponse>"
    )


def test_getMaxInputSandboxSize(alice):
    alice.call("<w:getMaxInputSandboxSize/>").says(
        "<glitens:getMaxInputSandboxSizeResponse><size>100000000</size></glitens:getMaxInputSandboxSizeResponse>"
    )


def test_getTransferProtocols(alice):
    alice.call("<w:getTransferProtocols/>").says(
        "<glitens:getTransferProtocolsResponse><items><Item>https</Item></items></glitens:getTransferProtocolsResponse>"
    )


# -- delegation ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("port", SPACES)
def test_getProxyReq(alice, port):
    space, prefix, part = SPACES[port]
    answer = alice.call("<w:getProxyReq><delegationID>asked</delegationID></w:getProxyReq>", space)
    request = answer.value(part)
    assert re.fullmatch(CSR, request)
    answer.says(
        f"<{prefix}:getProxyReqResponse><{part}>{request}</{part}></{prefix}:getProxyReqResponse>", space
    )


@pytest.mark.parametrize("port", SPACES)
def test_putProxy(alice, port):
    space, prefix, _ = SPACES[port]
    alice.delegate(f"put-{port}", port).says(f"<{prefix}:putProxyResponse/>", space)


@pytest.mark.parametrize("port", SPACES)
def test_what_was_delegated_on_any_port_is_good_for_a_job(alice, port):
    alice.delegate(f"use-{port}", port)
    assert JOB_ID.fullmatch(alice.register(delegation=f"use-{port}"))


@pytest.mark.parametrize("port", ["delegation-1", "delegation-2"])
def test_delegation_2_operations_answer_in_both_delegation_namespaces_as_gridsite_wants(alice, port):
    space = SPACES[port][0]
    alice.delegate("ends", port)
    answer = alice.call("<w:getTerminationTime><delegationID>ends</delegationID></w:getTerminationTime>", space)
    end = answer.value("getTerminationTimeReturn")
    assert datetime.fromisoformat(end) - datetime.now(UTC) < timedelta(hours=12)
    assert end.endswith("Z")
    member = f"<getTerminationTimeReturn>{end}</getTerminationTimeReturn>"
    answer.says(f"<ns:getTerminationTimeResponse>{member}</ns:getTerminationTimeResponse>", space)
    answer = alice.call("<w:getNewProxyReq/>", space)
    request, name = answer.value("proxyRequest"), answer.value("delegationID")
    assert re.fullmatch(CSR, request)
    answer.says(
        "<ns:getNewProxyReqResponse><getNewProxyReqReturn>"
        f"<proxyRequest>{request}</proxyRequest><delegationID>{name}</delegationID>"
        "</getNewProxyReqReturn></ns:getNewProxyReqResponse>",
        space,
    )
    destroy = "<w:destroy><delegationID>ends</delegationID></w:destroy>"
    alice.call(destroy, space).says("<ns:destroyResponse/>", space)


# -- registration and start ----------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["jobRegister", "jobSubmit"])
def test_a_new_job(alice, jdl, sandbox_path, operation):
    request = f"<w:{operation}><jdl>{escape(jdl)}</jdl><delegationId>wire</delegationId></w:{operation}>"
    answer = alice.call(request)
    job = answer.value("id")
    assert JOB_ID.fullmatch(job)
    answer.says(
        f"<glitens:{operation}Response><jobIdStruct><id>{job}</id>"
        "<name></name>"
        f"<path>{sandbox_path(job)[1:]}/input</path></jobIdStruct></glitens:{operation}Response>"
    )


def test_jobStart(alice):
    job = alice.register()
    alice.call(f"<w:jobStart><jobId>{job}</jobId></w:jobStart>").says("<glitens:jobStartResponse/>")


def test_jobListMatch(node, alice, jdl):
    answer = alice.call(f"<w:jobListMatch><jdl>{escape(jdl)}</jdl><delegationId>wire</delegationId></w:jobListMatch>")
    answer.says(
        "<glitens:jobListMatchResponse><CEIdAndRankList>"
        f"<file><name>localhost:{node.configuration().ce.port}/cream-fork-default</name><size>1</size></file>"
        "</CEIdAndRankList></glitens:jobListMatchResponse>"
    )


def test_jobListMatch_asks_for_the_processors_that_the_job_would_ask_for(node, alice, jdl):
    greedy = jdl.replace("Executable", "CpuNumber = 100000; Executable", 1)
    assert greedy != jdl
    body = f"<w:jobListMatch><jdl>{escape(greedy)}</jdl><delegationId>wire</delegationId></w:jobListMatch>"
    assert "GlueCEInfoTotalCPUs &gt;= 100000: fails on 1 of 1" in alice.call(body).text


def test_jobListMatch_makes_no_job(node, alice, jdl):
    before = sorted((node.root / "sandbox" / "SandboxDir").glob("*/*"))
    alice.call(f"<w:jobListMatch><jdl>{escape(jdl)}</jdl><delegationId>wire</delegationId></w:jobListMatch>")
    assert sorted((node.root / "sandbox" / "SandboxDir").glob("*/*")) == before


# -- what is known of a job ----------------------------------------------------------------------------------


def test_getJDL_original(alice, registered):
    alice.call(f"<w:getJDL><jobId>{registered}</jobId><type>ORIGINAL</type></w:getJDL>").says(
        "<glitens:getJDLResponse><jdl>[\n"
        ' Executable = "/bin/echo";\n Arguments = "hello";\n StdOutput = "out";\n OutputSandbox = { "out" };\n'
        " Requirements = true;\n Rank = 1;\n]</jdl></glitens:getJDLResponse>"
    )


def test_getJDL_registered_has_what_old_clients_look_for(alice, registered):
    answer = alice.call(f"<w:getJDL><jobId>{registered}</jobId><type>REGISTERED</type></w:getJDL>")
    jdl = answer.value("jdl")
    for line in (
        f'edg_jobid = "{registered}";',
        'VirtualOrganisation = "testvo";',
        'CertificateSubject = "/DC=org/DC=wms-test/CN=Alice";',
        "Requirements = true;",
    ):
        assert f"\n {line}\n" in jdl
    answer.says(f"<glitens:getJDLResponse><jdl>{escape(jdl)}</jdl></glitens:getJDLResponse>")


@pytest.mark.parametrize("protocol", ["https", "all", "default", ""])
def test_getSandboxDestURI(alice, registered, sandbox_path, protocol):
    request = f"<jobId>{registered}</jobId><protocol>{protocol}</protocol>"
    alice.call(f"<w:getSandboxDestURI>{request}</w:getSandboxDestURI>").says(
        "<glitens:getSandboxDestURIResponse><path>"
        f"<Item>https://localhost:{alice.port}{sandbox_path(registered)}/input</Item>"
        "</path></glitens:getSandboxDestURIResponse>"
    )


def test_getSandboxBulkDestURI(alice, registered, sandbox_path):
    request = f"<jobId>{registered}</jobId><protocol>https</protocol>"
    alice.call(f"<w:getSandboxBulkDestURI>{request}</w:getSandboxBulkDestURI>").says(
        "<glitens:getSandboxBulkDestURIResponse><DestURIsStructType><Item>"
        f"<id>{registered}</id><Item>https://localhost:{alice.port}{sandbox_path(registered)}/input</Item>"
        "</Item></DestURIsStructType></glitens:getSandboxBulkDestURIResponse>"
    )


def test_getJobStatus_of_a_registered_job(alice, registered):
    alice.call(f"<w:getJobStatus><jobId>{registered}</jobId></w:getJobStatus>").says(
        "<glitens:getJobStatusResponse><JobStatusStruct>"
        f"<jobid>{registered}</jobid><status>Submitted</status>"
        "</JobStatusStruct></glitens:getJobStatusResponse>"
    )


def test_getJobStatus_of_a_job_that_has_ended(alice, ended):
    answer = alice.call(f"<w:getJobStatus><jobId>{ended}</jobId></w:getJobStatus>")
    assert answer.value("status") == "Done"


def test_getOutputFileList_names_uris_and_sizes(alice, ended, sandbox_path):
    request = f"<jobId>{ended}</jobId><protocol>https</protocol>"
    answer = alice.call(f"<w:getOutputFileList>{request}</w:getOutputFileList>")
    path = f"{sandbox_path(ended)}/output/out"
    answer.says(
        "<glitens:getOutputFileListResponse><OutputFileAndSizeList>"
        f"<file><name>https://localhost:{alice.port}{path}</name><size>6</size></file>"
        "</OutputFileAndSizeList></glitens:getOutputFileListResponse>"
    )
    assert alice.http("GET", path).body == b"hello\n"


@pytest.fixture(scope="module")
def silent(node, alice):
    """A job without output, ended."""
    request = '<jdl>[ Executable = "/bin/true"; Requirements = true; Rank = 1; ]</jdl><delegationId>wire</delegationId>'
    job = alice.call(f"<w:jobSubmit>{request}</w:jobSubmit>").value("id")
    node.wait(job)
    return job


def test_a_list_without_items_is_an_empty_element(alice, silent):
    alice.call(f"<w:getOutputFileList><jobId>{silent}</jobId><protocol>all</protocol></w:getOutputFileList>").says(
        "<glitens:getOutputFileListResponse><OutputFileAndSizeList/></glitens:getOutputFileListResponse>"
    )


# -- control -------------------------------------------------------------------------------------------------


def test_jobCancel(node, alice):
    job = alice.register()
    alice.call(f"<w:jobCancel><jobId>{job}</jobId></w:jobCancel>").says("<glitens:jobCancelResponse/>")
    assert node.wait(job) == "Cancelled"


def test_jobPurge(node, alice, silent):
    alice.call(f"<w:jobPurge><jobId>{silent}</jobId></w:jobPurge>").says("<glitens:jobPurgeResponse/>")
    assert node.wait(silent, states=("Cleared",)) == "Cleared"
    again = alice.call(f"<w:jobPurge><jobId>{silent}</jobId></w:jobPurge>").fault()
    assert (again.kind, again.code) == ("JobUnknownFault", "1218")


# -- how requests may be written -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_text",
    [
        "<w:getProxyReq><delegationID>asked</delegationID></w:getProxyReq>",
        "<w:getProxyReq><w:delegationID>asked</w:delegationID></w:getProxyReq>",
        "<q:getProxyReq xmlns:q='http://glite.org/wms/wmproxy'><delegationID>asked</delegationID></q:getProxyReq>",
        "<getProxyReq xmlns='http://glite.org/wms/wmproxy'><delegationID>asked</delegationID></getProxyReq>",
        "<w:getProxyReq><delegationID xmlns:x='http://www.w3.org/2001/XMLSchema-instance' "
        "xmlns:d='http://www.w3.org/2001/XMLSchema' x:type='d:string'>asked</delegationID></w:getProxyReq>",
        "<w:getProxyReq><delegationID><![CDATA[asked]]></delegationID></w:getProxyReq>",
        "<w:getProxyReq><delegationID>as<!-- a comment -->ked</delegationID></w:getProxyReq>",
        "<w:getProxyReq><delegationID>&#97;sked</delegationID><unknown>ignored</unknown></w:getProxyReq>",
        "<w:getProxyReq><v1>asked</v1></w:getProxyReq>",
    ],
)
def test_whatever_the_spelling_the_request_is_the_same(alice, request_text):
    assert re.fullmatch(CSR, alice.call(request_text).value("request"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_the_encoding_is_the_documents_own(alice, encoding):
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?>'
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header/><e:Body>'
        '<w:getProxyReq xmlns:w="http://glite.org/wms/wmproxy"><delegationID>Zoë</delegationID></w:getProxyReq>'
        "</e:Body></e:Envelope>"
    )
    for kind in ("text/xml", "text/xml; charset=us-ascii", "application/xml"):
        answer = alice.post(text.encode(encoding), {"Content-Type": kind})
        assert re.fullmatch(CSR, answer.value("request"))


@pytest.mark.parametrize("action", [None, '""', '"getVersion"', "anything at all", '"urn:x"'])
def test_soap_action_does_not_matter(alice, action):
    body = (
        b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        b'<getVersion xmlns="http://glite.org/wms/wmproxy"/></e:Body></e:Envelope>'
    )
    headers = {"Content-Type": "text/xml"} | ({"SOAPAction": action} if action is not None else {})
    assert alice.post(body, headers).value("version") == "3.9.0"


def test_many_calls_go_over_one_connection(alice):
    began = time.monotonic()
    for _ in range(50):
        assert alice.call("<w:getVersion/>").headers["Connection"] == "keep-alive"
    assert time.monotonic() - began < 10


def test_characters_come_back_as_they_went(alice):
    jdl = '[ Executable = "/bin/echo"; Arguments = "é 日本 &<> \\" x"; Requirements = 1 < 2; Rank = 1; ]'
    job = alice.register(jdl)
    text = alice.call(f"<w:getJDL><jobId>{job}</jobId><type>ORIGINAL</type></w:getJDL>").value("jdl")
    assert 'Arguments = "é 日本 &<> \\" x";' in text
    assert etree.fromstring(f"<x>{escape(text)}</x>").text == text
