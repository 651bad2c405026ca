"""rpc/literal on the wire, byte by byte."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from wsdl.types import DestURIStruct, JobIdStruct, JobStatusStruct, NewProxyReq, StringAndLong

START = (
    '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:glitens="http://glite.org/wms/wmproxy">'
    "<SOAP-ENV:Body>"
)
END = "</SOAP-ENV:Body></SOAP-ENV:Envelope>"
Make = Callable[..., Any]


def job(*children: JobIdStruct, name: str | None = None, path: str | None = None) -> JobIdStruct:
    return JobIdStruct("https://lb:9000/abc", name, path, children)


@pytest.mark.parametrize(
    ("operation", "answer", "expected"),
    [
        ("getVersion", "3.4.0", "<version>3.4.0</version>"),
        ("getMaxInputSandboxSize", 10485760, "<size>10485760</size>"),
        ("getTotalQuota", (1, 2), "<softLimit>1</softLimit><hardLimit>2</hardLimit>"),
        ("getFreeQuota", {"hardLimit": 2, "softLimit": 1}, "<softLimit>1</softLimit><hardLimit>2</hardLimit>"),
        ("getTransferProtocols", ["https", "gsiftp"], "<items><Item>https</Item><Item>gsiftp</Item></items>"),
        ("getTransferProtocols", [], "<items/>"),
    ],
)
def test_answers_without_arguments(service: Make, operation: str, answer: object, expected: str) -> None:
    found = service(**{operation: answer}).post(f"<n:{operation}/>")
    assert found.status == "200 OK"
    assert found.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert found.text == f"{START}<glitens:{operation}Response>{expected}</glitens:{operation}Response>{END}"


def test_an_empty_answer_is_an_empty_wrapper(service: Make) -> None:
    found = service(jobStart=None).post("<n:jobStart><jobId>x</jobId></n:jobStart>")
    assert found.text == f"{START}<glitens:jobStartResponse/>{END}"


def test_name_and_path_of_a_job_are_sent_as_nil_when_unknown(service: Make) -> None:
    answer = job(job(name="n0", path="/p"), job())
    found = service(jobRegister=answer).post(
        "<n:jobRegister><jdl>[]</jdl><delegationId>d</delegationId></n:jobRegister>"
    )
    nil = '<name xsi:nil="true"/><path xsi:nil="true"/>'
    identifier = "<id>https://lb:9000/abc</id>"
    assert found.text == (
        f"{START}<glitens:jobRegisterResponse><jobIdStruct>{identifier}{nil}"
        f"<childrenJob>{identifier}<name>n0</name><path>/p</path></childrenJob>"
        f"<childrenJob>{identifier}{nil}</childrenJob>"
        f"</jobIdStruct></glitens:jobRegisterResponse>{END}"
    )


def test_structures_of_the_other_operations(service: Make) -> None:
    made = service(
        getJobStatus=JobStatusStruct("j", "Done", [JobStatusStruct("k", "Running")]),
        getSandboxBulkDestURI=[DestURIStruct("j", ["https://a", "https://b"])],
        getOutputFileList=[StringAndLong("https://f", 7)],
        jobListMatch=[{"name": "ce:2119/x-y", "size": -3}],
    )
    status = made.post("<n:getJobStatus><jobId>j</jobId></n:getJobStatus>")
    assert (
        "<JobStatusStruct><jobid>j</jobid><status>Done</status><childrenJob><jobid>k</jobid>"
        "<status>Running</status></childrenJob></JobStatusStruct>" in status.text
    )
    bulk = made.post("<n:getSandboxBulkDestURI><jobId>j</jobId><protocol>all</protocol></n:getSandboxBulkDestURI>")
    assert (
        "<DestURIsStructType><Item><id>j</id><Item>https://a</Item><Item>https://b</Item></Item></DestURIsStructType>"
        in bulk.text
    )
    files = made.post("<n:getOutputFileList><jobId>j</jobId><protocol>https</protocol></n:getOutputFileList>")
    assert (
        "<OutputFileAndSizeList><file><name>https://f</name><size>7</size></file></OutputFileAndSizeList>"
        in files.text
    )
    match = made.post("<n:jobListMatch><jdl/><delegationId>d</delegationId></n:jobListMatch>")
    assert "<CEIdAndRankList><file><name>ce:2119/x-y</name><size>-3</size></file></CEIdAndRankList>" in match.text


@pytest.mark.parametrize(
    "parts",
    [
        "<jdl>[ a = 1 ]</jdl><delegationId>d</delegationId>",
        "<delegationId>d</delegationId><jdl>[ a = 1 ]</jdl>",
        "<n:jdl>[ a = 1 ]</n:jdl><n:delegationId>d</n:delegationId>",
        '<jdl xmlns:x="http://www.w3.org/2001/XMLSchema" xsi:type="x:string">[ a = 1 ]</jdl>'
        '<delegationId xsi:type="x:nonsense">d</delegationId>',
        "<v1>[ a = 1 ]</v1><v2>d</v2>",
        "<jdl><![CDATA[[ a ]]>= 1 ]<!-- note --></jdl><delegationId>d</delegationId><extra>e</extra>",
    ],
    ids=["in order", "out of order", "qualified", "typed", "SOAPpy's positions", "CDATA and an unknown part"],
)
def test_parts_are_understood_as_every_client_sends_them(service: Make, parts: str) -> None:
    made = service(jobRegister=job())
    assert made.post(f"<n:jobRegister>{parts}</n:jobRegister>").code == 200
    ((_, given),) = made.handler.calls
    assert given == {"jdl": "[ a = 1 ]", "delegationId": "d"}


def test_white_space_and_unicode_of_texts_are_kept(service: Make) -> None:
    made = service(jobStart=None)
    made.post("<n:jobStart><jobId> a\n\té€\U0001f600 </jobId></n:jobStart>")
    assert made.handler.calls == [("jobStart", {"jobId": " a\n\té€\U0001f600 "})]


def test_lists_booleans_numbers_and_enumerations_arrive_as_python_values(service: Make) -> None:
    made = service(getPerusalFiles=[], getJobTemplate="", getIntParametricJobTemplate="")
    made.post(
        "<n:getPerusalFiles><jobId>j</jobId><file>f</file><allChunks> 1 </allChunks><protocol>p</protocol>"
        "</n:getPerusalFiles>"
    )
    made.post(
        "<n:getJobTemplate><jobType><jobType>NORMAL</jobType><jobType>MPI</jobType></jobType><executable>e</executable>"
        "<arguments/><requirements>r</requirements><rank>k</rank></n:getJobTemplate>"
    )
    made.post(
        "<n:getIntParametricJobTemplate><attributes/><param>-7</param><parameterStart>+1</parameterStart>"
        "<parameterStep> 2 </parameterStep><requirements>r</requirements><rank>k</rank>"
        "</n:getIntParametricJobTemplate>"
    )
    perusal, template, parametric = (parts for _, parts in made.handler.calls)
    assert perusal["allChunks"] is True
    assert template["jobType"] == ["NORMAL", "MPI"] and template["arguments"] == ""
    assert (parametric["attributes"], parametric["param"], parametric["parameterStart"]) == ([], -7, 1)


def test_soap_arrays_of_the_old_python_api_are_lists(service: Make) -> None:
    made = service(enableFilePerusal=None)
    made.post(
        '<n:enableFilePerusal><v1>j</v1><v2 xmlns:e="http://schemas.xmlsoap.org/soap/encoding/"'
        ' e:arrayType="xsd:string[2147483647]"><item>a</item><item>b</item></v2></n:enableFilePerusal>'
    )
    assert made.handler.calls == [("enableFilePerusal", {"jobId": "j", "fileList": ["a", "b"]})]


def test_a_graph_arrives_with_its_nils(service: Make) -> None:
    made = service(getDAGTemplate="")
    made.post(
        '<n:getDAGTemplate><dependencies><name>a</name><childrenJob><name xsi:nil="true"/></childrenJob>'
        '<childrenJob><name xsi:nil="false">b</name></childrenJob></dependencies>'
        "<requirements/><rank/></n:getDAGTemplate>"
    )
    ((_, parts),) = made.handler.calls
    assert parts["dependencies"] == {
        "name": "a",
        "childrenJob": [{"name": None, "childrenJob": []}, {"name": "b", "childrenJob": []}],
    }


@pytest.mark.parametrize("form", ["qualified", "unqualified"])
def test_jsdl_is_read_by_local_names_as_zeep_and_gsoap_send_it(service: Make, form: str) -> None:
    text = """
      <j:JobDescription>
        <j:JobIdentification><j:JobName>name</j:JobName><j:JobProject>p</j:JobProject></j:JobIdentification>
        <j:Application><j:ApplicationName>a</j:ApplicationName>
          <p:POSIXApplication name="x"><p:Executable>/bin/ls</p:Executable><p:Argument>-l</p:Argument>
            <p:Environment name="A">1</p:Environment></p:POSIXApplication>
          <o:Other xmlns:o="urn:other"/>
        </j:Application>
        <j:Resources><j:TotalCPUCount><j:Exact>2.0</j:Exact>
          <j:Range><j:LowerBound exclusiveBound="true">1</j:LowerBound><j:UpperBound>4</j:UpperBound></j:Range>
        </j:TotalCPUCount></j:Resources>
        <j:DataStaging name="d"><j:FileName>f</j:FileName><j:CreationFlag>overwrite</j:CreationFlag>
          <j:Source><j:URI>https://a/b</j:URI></j:Source></j:DataStaging>
      </j:JobDescription>"""
    if form == "unqualified":
        text = re.sub(r"(</?)[jp]:", r"\1", text)
    made = service(jobRegisterJSDL=job())
    found = made.post(
        '<n:jobRegisterJSDL xmlns:j="http://schemas.ggf.org/jsdl/2005/11/jsdl"'
        ' xmlns:p="http://schemas.ggf.org/jsdl/2005/11/jsdl-posix">'
        f"<jsdl>{text}</jsdl><delegationId>d</delegationId></n:jobRegisterJSDL>"
    )
    assert found.code == 200, found.text
    ((_, parts),) = made.handler.calls
    described = parts["jsdl"]["JobDescription"]
    assert described["JobIdentification"]["JobName"] == "name"
    assert described["JobIdentification"]["JobProject"] == ["p"]
    assert described["DataStaging"][0]["name"] == "d"
    assert described["DataStaging"][0]["Source"]["URI"] == "https://a/b"
    cpus = described["Resources"]["TotalCPUCount"]
    assert cpus["Exact"] == [{"value": 2.0, "epsilon": None}]
    assert cpus["Range"][0]["LowerBound"] == {"value": 1.0, "exclusiveBound": True}
    posix, other = described["Application"]["any"]
    assert (posix.namespace, posix.name) == ("http://schemas.ggf.org/jsdl/2005/11/jsdl-posix", "POSIXApplication")
    assert posix.value["Executable"]["value"] == "/bin/ls"
    assert posix.value["Environment"] == [{"value": "1", "name": "A", "filesystemName": None}]
    assert (other.namespace, other.name, other.value) == ("urn:other", "Other", None)


def test_jsdl_of_an_application_is_found_whatever_its_prefixes_and_defaults_are(service: Make) -> None:
    """gSOAP sends what stands in place of xsd:any as its user wrote it, zeep with prefixes of its own."""
    posix = "http://schemas.ggf.org/jsdl/2005/11/jsdl-posix"
    forms = (
        f'<POSIXApplication xmlns="{posix}"><Executable>/x</Executable></POSIXApplication>',
        f'<q:POSIXApplication xmlns:q="{posix}"><q:Executable>/x</q:Executable></q:POSIXApplication>',
        f'<q:POSIXApplication xmlns:q="{posix}"><Executable>/x</Executable></q:POSIXApplication>',
        "<POSIXApplication><Executable>/x</Executable></POSIXApplication>",
        f'<!-- a comment --><q:POSIXApplication xmlns:q="{posix}" xsi:type="q:POSIXApplication_Type">'
        "<!-- another --><q:Executable><![CDATA[/x]]></q:Executable></q:POSIXApplication>",
    )
    for form in forms:
        made = service(jobRegisterJSDL=job())
        found = made.post(
            "<n:jobRegisterJSDL><delegationId>d</delegationId><jsdl><JobDescription><Application>"
            f"{form}</Application></JobDescription></jsdl></n:jobRegisterJSDL>"
        )
        assert found.code == 200, found.text
        ((_, parts),) = made.handler.calls
        (application,) = parts["jsdl"]["JobDescription"]["Application"]["any"]
        assert (application.namespace, application.name) == (posix, "POSIXApplication")
        assert application.value["Executable"] == {"value": "/x", "filesystemName": None}


def test_an_element_that_jsdl_does_not_have_is_refused_and_not_lost(service: Make) -> None:
    made = service(jobRegisterJSDL=job())
    found = made.post(
        "<n:jobRegisterJSDL><delegationId>d</delegationId><jsdl><JobDescription><Application><POSIXApplication>"
        "<Arguments>-l</Arguments></POSIXApplication></Application></JobDescription></jsdl></n:jobRegisterJSDL>"
    )
    assert found.code == 500
    assert "it holds &lt;Arguments&gt;, which JSDL does not know there" in found.text
    assert made.handler.calls == []


@pytest.mark.parametrize(
    ("version", "part"), [("delegation-1", "getProxyReqReturn"), ("delegation-2", "getProxyReqReturn")]
)
def test_three_namespaces_answer_at_one_url(service: Make, version: str, part: str) -> None:
    made = service(getProxyReq=lambda delegationID: f"CSR {delegationID}")
    space = f"http://www.gridsite.org/namespaces/{version}"
    found = made.post("<n:getProxyReq><delegationID>d</delegationID></n:getProxyReq>", space)
    assert f"<ns:getProxyReqResponse><{part}>CSR d</{part}></ns:getProxyReqResponse>" in found.text
    assert f'xmlns:ns="{space}"' in found.text
    own = made.post("<n:getProxyReq><delegationID>d</delegationID></n:getProxyReq>")
    assert "<glitens:getProxyReqResponse><request>CSR d</request></glitens:getProxyReqResponse>" in own.text


def test_operations_of_delegation_2_answer_in_the_namespace_of_delegation_1(service: Make) -> None:
    made = service(getNewProxyReq=NewProxyReq("CSR", None), destroy=None)
    space = "http://www.gridsite.org/namespaces/delegation-1"
    found = made.post("<n:getNewProxyReq/>", space)
    assert (
        "<ns:getNewProxyReqResponse><getNewProxyReqReturn><proxyRequest>CSR</proxyRequest>"
        '<delegationID xsi:nil="true"/></getNewProxyReqReturn></ns:getNewProxyReqResponse>' in found.text
    )
    assert made.post("<n:destroy><delegationID>d</delegationID></n:destroy>", space).code == 200


def test_a_soap_12_namespace_is_never_declared(service: Make) -> None:
    made = service(getVersion="1")
    for found in (made.post("<n:getVersion/>"), made.post("<n:getJDL/>"), made.http("POST", b"<x/>")):
        assert b"2003/05/soap" not in found.body


def test_what_xml_cannot_carry_is_replaced_and_not_fatal(service: Make) -> None:
    found = service(getVersion="a\x00b\x1bc\ud800").post("<n:getVersion/>")
    assert found.code == 200
    assert "<version>a\ufffdb\ufffdc\ufffd</version>" in found.text
