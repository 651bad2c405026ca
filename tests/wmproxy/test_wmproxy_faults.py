"""Every kind of fault raised somewhere real, read as literal XML."""

import datetime
import re
import time
from xml.sax.saxutils import escape

import pytest

from gsi import proxy, voms
from gsi.ca import TestCA, write_lsc
from gsi.credential import Credential
from web.guard import Rule
from wmproxy.port import WMProxyPort
from wsdl.contract import Contract
from wsdl.operation import terms_of

D1 = "http://www.gridsite.org/namespaces/delegation-1"
D2 = "http://www.gridsite.org/namespaces/delegation-2"
DELEGATION = ((D1, "message"), (D2, "msg"))
WMPROXY = Contract.load("WMProxy.wsdl").ports["WMProxy_PortType"]
OWNERS_ONLY = {
    "enableFilePerusal": "<fileList><Item>out</Item></fileList>",
    "getPerusalFiles": "<file>out</file><allChunks>true</allChunks><protocol>https</protocol>",
    "jobStart": "",
    "jobCancel": "",
    "jobPurge": "",
    "getJDL": "<type>ORIGINAL</type>",
    "getSandboxDestURI": "<protocol>https</protocol>",
    "getSandboxBulkDestURI": "<protocol>https</protocol>",
    "getOutputFileList": "<protocol>https</protocol>",
}
HOUR = datetime.timedelta(hours=1)


def submission(jdl, operation="jobSubmit", delegation="wire"):
    return f"<w:{operation}><jdl>{escape(jdl)}</jdl><delegationId>{delegation}</delegationId></w:{operation}>"


def sandboxes(node):
    return sorted(path.name for path in (node.root / "sandbox").glob("*/*/*"))


# -- AuthenticationFault -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nobody(make_door):
    return make_door(None)


@pytest.fixture
def alices(node):
    return Credential.load(node.root / "credentials" / "users" / "alice" / "usercredential.pem")


def test_without_certificate_the_sentence_says_so(nobody):
    fault = nobody.call("<w:getVersion/>").fault()
    assert (fault.kind, fault.method, fault.code) == ("AuthenticationFault", "getVersion", "1206")
    assert fault.description == (
        "No client certificate was sent; this service needs a certificate or a proxy certificate"
    )


def _example(part):
    """What a part may hold."""
    kind = part.type.rpartition("}")[2]
    return {
        "int": "1", "boolean": "true", "StringList": "<Item>x</Item>", "GraphStructType": "<name>x</name>",
        "JobTypeList": "<jobType>NORMAL</jobType>", "JobDefinition_Type": "<JobDescription/>",
    }.get(kind, "ORIGINAL")  # fmt: skip


@pytest.mark.parametrize("operation", sorted(WMPROXY.operations))
def test_no_operation_answers_without_certificate(nobody, operation):
    parts = "".join(
        f"<{part.name}>{_example(part)}</{part.name}>" for part in WMPROXY.operations[operation].request.parts
    )
    fault = nobody.call(f"<w:{operation}>{parts}</w:{operation}>").fault()
    assert (fault.method, fault.code) == (operation, "1206")
    declared = {name.element.rpartition("}")[2] for name in WMPROXY.operations[operation].faults}
    assert fault.kind == ("AuthenticationFault" if "AuthenticationFault" in declared else "GenericFault")


def test_an_expired_proxy_is_named_with_its_end(make_door, alices, tmp_path, monkeypatch):
    long_ago = datetime.datetime.now(datetime.UTC) - 2 * HOUR
    with monkeypatch.context() as past:
        past.setattr(proxy, "now", lambda: long_ago)
        past.setattr(proxy, "BACKDATED", -HOUR)  # the user's own certificate is an hour old at most
        past.setattr(type(alices), "not_before", property(lambda _: long_ago - HOUR))
        expired = proxy.create(alices, lifetime=HOUR)
    expired.save(tmp_path / "proxy")
    fault = make_door(tmp_path / "proxy").call("<w:getVersion/>").fault()
    assert (fault.kind, fault.code) == ("AuthenticationFault", "1206")
    assert fault.description.startswith(f"The proxy certificate {expired.subject} has expired on ")


def test_a_certificate_of_another_ca_is_named_with_its_issuer(make_door, tmp_path):
    other = TestCA.create(tmp_path / "ca", "/O=Elsewhere/CN=Other CA").issue_user("Alice")
    proxy.create(other, lifetime=HOUR).save(tmp_path / "proxy")
    fault = make_door(tmp_path / "proxy").call("<w:getVersion/>").fault()
    assert (fault.kind, fault.code) == ("AuthenticationFault", "1206")
    assert other.subject in fault.description
    assert "/O=Elsewhere/CN=Other CA" in fault.description


def test_a_revoked_user_is_named(node, make_door):
    node.wms("init", "--user", "wirerevoked")
    path = node.proxy("wirerevoked")
    door = make_door(path)
    assert door.call("<w:getVersion/>").status == 200
    node.wms("revoke", "wirerevoked")
    deadline = time.monotonic() + 60
    while (answer := door.call("<w:getVersion/>")).status == 200:  # on the connection that was good before
        assert time.monotonic() < deadline
        time.sleep(0.5)
    for refused in (answer, make_door(path).call("<w:getVersion/>")):
        fault = refused.fault()
        assert (fault.kind, fault.code) == ("AuthenticationFault", "1206")
        assert "/DC=org/DC=wms-test/CN=Wirerevoked" in fault.description
        assert "revoked" in fault.description


@pytest.mark.parametrize(("space", "member"), DELEGATION)
def test_on_the_delegation_ports_the_same_is_a_DelegationException(nobody, space, member):
    answer = nobody.call("<w:getProxyReq><delegationID>x</delegationID></w:getProxyReq>", space)
    assert answer.delegation_fault(space, member).startswith("No client certificate was sent")


# -- AuthorizationFault --------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["jobRegister", "jobSubmit", "jobListMatch"])
def test_a_limited_proxy_makes_no_work(node, make_door, jdl, operation, tmp_path):
    node.wms("proxy", "--limited", "--out", str(tmp_path / "proxy"))
    limited = make_door(tmp_path / "proxy")
    fault = limited.call(submission(jdl, operation)).fault()
    assert (fault.kind, fault.method, fault.code) == ("AuthorizationFault", operation, "1207")
    assert fault.description.startswith(f"{operation} needs a full proxy")
    assert limited.call("<w:getVersion/>").status == 200


MEMBERS = sorted(
    name for name in WMPROXY.operations if Rule.MEMBER in terms_of(getattr(WMProxyPort, name)).rules
)
"""The operations that make work."""


@pytest.mark.parametrize("operation", MEMBERS)
def test_no_operation_that_makes_work_takes_a_limited_proxy(node, make_door, operation, tmp_path):
    node.wms("proxy", "--limited", "--out", str(tmp_path / "proxy"))
    parts = "".join(
        f"<{part.name}>{_example(part)}</{part.name}>" for part in WMPROXY.operations[operation].request.parts
    )
    fault = make_door(tmp_path / "proxy").call(f"<w:{operation}>{parts}</w:{operation}>").fault()
    assert (fault.method, fault.code) == (operation, "1207")
    assert fault.description.startswith(f"{operation} needs a full proxy")


def test_a_legacy_proxy_reads_and_makes_no_work(node, make_door, alices, jdl, tmp_path):
    server = Credential.load(node.root / "credentials" / "vomscredential.pem")
    attributes = voms.issue(server, alices.certificate, "testvo", ["/testvo"], uri="localhost:15000", lifetime=HOUR)
    extension = voms.proxy_extension([attributes])
    proxy.create(alices, lifetime=HOUR, legacy="gt2", extensions=[extension]).save(tmp_path / "proxy")
    legacy = make_door(tmp_path / "proxy")
    assert legacy.call("<w:getVersion/>").status == 200
    for operation, request in (
        ("jobRegister", submission(jdl, "jobRegister")),
        ("getProxyReq", "<w:getProxyReq><delegationID>legacy</delegationID></w:getProxyReq>"),
    ):
        fault = legacy.call(request).fault()
        assert (fault.kind, fault.method, fault.code) == ("AuthorizationFault", operation, "1207")
        assert fault.description.startswith(f"{operation} needs a proxy of RFC 3820")


@pytest.fixture
def known_vo(node):
    """A VO whose attributes the node can verify, and does not admit."""
    server = Credential.load(node.root / "credentials" / "vomscredential.pem")
    authority = TestCA.open(node.root / "credentials" / "ca").certificate
    path = write_lsc(node.root / "trust" / "vomsdir", "knownvo", "localhost", server.certificate, authority)
    yield "knownvo"
    path.unlink()


def test_a_proxy_of_a_vo_that_is_not_admitted_is_told_the_admitted_ones(node, make_door, jdl, known_vo, tmp_path):
    node.wms("proxy", "--out", str(tmp_path / "proxy"), "--fqan", f"/{known_vo}/group")
    stranger = make_door(tmp_path / "proxy")
    deadline = time.monotonic() + 20
    while known_vo not in (fault := stranger.call(submission(jdl)).fault()).description:
        assert time.monotonic() < deadline, fault  # the trust directory is looked at every few seconds
        time.sleep(0.5)
    assert (fault.kind, fault.method, fault.code) == ("AuthorizationFault", "jobSubmit", "1207")
    assert f"attributes of the virtual organisation {known_vo}; this server admits: testvo." in fault.description


@pytest.mark.parametrize("arguments", [["--no-voms"], ["--fqan", "/othervo"]])
def test_a_proxy_without_verifiable_attributes_is_told_the_admitted_vos(node, make_door, jdl, arguments, tmp_path):
    node.wms("proxy", "--out", str(tmp_path / "proxy"), *arguments)
    fault = make_door(tmp_path / "proxy").call(submission(jdl)).fault()
    assert (fault.kind, fault.method, fault.code) == ("AuthorizationFault", "jobSubmit", "1207")
    assert "no VOMS attributes that can be verified here; this server admits: testvo." in fault.description


def test_a_delegation_that_was_not_made_is_named(alice, jdl):
    fault = alice.call(submission(jdl, delegation="never made")).fault()
    assert (fault.kind, fault.code) == ("AuthorizationFault", "1215")
    assert "'never made'" in fault.description


def test_somebody_elses_delegation_cannot_be_used(alice, bob, jdl):
    alice.delegate("alices own")
    fault = bob.call(submission(jdl, delegation="alices own")).fault()
    assert (fault.kind, fault.code) == ("AuthorizationFault", "1215")


# -- InvalidArgumentFault ------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["jobRegister", "jobSubmit", "jobListMatch"])
@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        ('[\n  Executable = "/bin/true";\n  Arguments = = 3;\n]', "1507", "line 3, column 15"),
        ('[\n  Executable = "/bin/true\n]', "1507", "line 2, column 16"),
        ('[ Executable = 3; Requirements = true; Rank = 1; ]', "15", "column"),
        ("", "1507", "empty"),
        ('[ Arguments = "x"; Requirements = true; Rank = 1; ]', "15", "Executable"),
    ],
)  # fmt: skip
def test_an_error_in_the_jdl_has_code_and_place_and_makes_no_job(node, alice, operation, text, code, position):
    before = sandboxes(node)
    fault = alice.call(submission(text, operation)).fault()
    assert (fault.kind, fault.method) == ("InvalidArgumentFault", operation)
    assert fault.code.startswith(code)
    assert position.lower() in fault.description.lower()
    assert sandboxes(node) == before


@pytest.mark.parametrize(
    ("request_text", "part"),
    [
        ("<w:jobRegister><jdl>[]</jdl></w:jobRegister>", "delegationId"),
        ("<w:jobRegister><delegationId>wire</delegationId></w:jobRegister>", "jdl"),
        ("<w:jobStart/>", "jobId"),
        ("<w:getJDL><jobId>https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa</jobId></w:getJDL>", "type"),
        ("<w:getProxyReq/>", "delegationID"),
    ],
)
def test_a_missing_part_is_named(alice, request_text, part):
    fault = alice.call(request_text).fault()
    assert fault.kind in ("InvalidArgumentFault", "GenericFault")
    assert (fault.code, fault.description) == ("1225", f"the argument {part} is refused: it is missing")


@pytest.mark.parametrize(
    "request_text",
    [
        "<w:getJDL><jobId>https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa</jobId><type>BOTH</type></w:getJDL>",
        "<w:jobStart><jobId>https://x:9000/aaaaaaaaaaaaaaaaaaaaaa</jobId>"
        "<jobId>https://x:9000/aaaaaaaaaaaaaaaaaaaaaa</jobId></w:jobStart>",
        "<w:jobStart><jobId><deep/></jobId></w:jobStart>",
        "<w:jobStart><jobId xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='true'/></w:jobStart>",
        "<w:jobStart><jobId>not a job</jobId></w:jobStart>",
        "<w:jobStart><jobId>https://localhost:9000/../../etc/passwd</jobId></w:jobStart>",
    ],
)
def test_a_value_of_the_wrong_form_is_refused(alice, request_text):
    fault = alice.call(request_text).fault()
    assert (fault.kind, fault.code) == ("InvalidArgumentFault", "1225")


def test_a_protocol_that_is_not_served_is_named_with_those_that_are(alice):
    job = alice.register()
    request = f"<jobId>{job}</jobId><protocol>gsiftp</protocol>"
    fault = alice.call(f"<w:getSandboxDestURI>{request}</w:getSandboxDestURI>").fault()
    assert fault.kind == "InvalidArgumentFault"
    assert "'gsiftp'; this server serves https" in fault.description


# -- JobUnknownFault -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OWNERS_ONLY)
def test_an_unknown_job_and_somebody_elses_get_the_same_answer(alice, bob, operation):
    others = alice.register()
    unknown = others[:-6] + "AAAAAA"
    answers = []
    for job in (others, unknown):
        answer = bob.call(f"<w:{operation}><jobId>{job}</jobId>{OWNERS_ONLY[operation]}</w:{operation}>")
        fault = answer.fault()
        assert (fault.kind, fault.method, fault.code) == ("JobUnknownFault", operation, "1218")
        answers.append(re.sub(r"<Timestamp>[^<]+", "", answer.text).replace(job, "JOB"))
    assert answers[0] == answers[1]


def test_getJobStatus_declares_no_JobUnknownFault_so_the_general_one_carries_its_code(alice, bob):
    others = alice.register()
    answer = bob.call(f"<w:getJobStatus><jobId>{others}</jobId></w:getJobStatus>")
    assert answer.status == 500
    assert "<ErrorCode>1218</ErrorCode>" in answer.text
    assert "<glitens:GenericFault " in answer.text


# -- OperationNotAllowedFault --------------------------------------------------------------------------------


def test_a_job_is_started_once(alice):
    job = alice.register()
    start = f"<w:jobStart><jobId>{job}</jobId></w:jobStart>"
    alice.call(start).says("<glitens:jobStartResponse/>")
    fault = alice.call(start).fault()
    assert (fault.kind, fault.method, fault.code) == ("OperationNotAllowedFault", "jobStart", "1226")
    assert "job started or start operation already in progress" in fault.description
    assert job in fault.causes[0]


@pytest.mark.parametrize(("operation", "rest"), [("jobPurge", ""), ("getOutputFileList", "<protocol>all</protocol>")])
def test_what_needs_an_ended_job_is_refused_before(alice, operation, rest):
    job = alice.register()
    fault = alice.call(f"<w:{operation}><jobId>{job}</jobId>{rest}</w:{operation}>").fault()
    assert (fault.kind, fault.code) == ("OperationNotAllowedFault", "1226")
    assert f"Job current status doesn't allow {operation.removeprefix('job').lower()}" in (
        fault.description.replace("getOutputFileList", "getoutputfilelist")
    )


def test_cancelling_twice_is_refused(alice):
    job = alice.register()
    cancel = f"<w:jobCancel><jobId>{job}</jobId></w:jobCancel>"
    assert alice.call(cancel).status == 200
    assert alice.call(cancel).fault().kind == "OperationNotAllowedFault"


# -- NoSuitableResourcesFault --------------------------------------------------------------------------------


def test_when_nothing_matches_the_causes_say_why(node, alice):
    jdl = '[ Executable = "/bin/true"; Rank = 1; Requirements = other.GlueCEInfoTotalCPUs > 100000; ]'
    fault = alice.call(submission(jdl, "jobListMatch")).fault()
    assert (fault.kind, fault.code) == ("NoSuitableResourcesFault", "1222")
    assert fault.description == "No Computing Element matching your job requirements has been found!"
    assert fault.causes[0] == (
        "no computing element matches: none of 1 that admit this user and take jobs meets the Requirements"
    )
    assert fault.causes[2].startswith("smallest change: other.GlueCEInfoTotalCPUs >= ")
    assert fault.causes[3].startswith("other.GlueCEInfoTotalCPUs > 100000: fails on 1 of 1 (best: ")


# -- GenericFault and DelegationException --------------------------------------------------------------------


def test_44_operations_are_declared():
    ports = Contract.load("WMProxy.wsdl").ports.values()
    assert sum(len(port.operations) for port in ports) == 44


@pytest.mark.parametrize(("space", "member"), DELEGATION)
def test_delegation_metadata_is_declared_and_says_that_there_is_none(alice, space, member):
    answer = alice.call("<w:getServiceMetadata><key>x</key></w:getServiceMetadata>", space)
    assert "no metadata" in answer.delegation_fault(space, member)


@pytest.mark.parametrize(("space", "member"), DELEGATION)
@pytest.mark.parametrize(
    ("request_text", "what"),
    [
        ("<w:putProxy><delegationID>x</delegationID><proxy>nonsense</proxy></w:putProxy>", "refused"),
        ("<w:getProxyReq><delegationID>../x</delegationID></w:getProxyReq>", "invalid delegation id: it has a slash"),
        ("<w:getTerminationTime><delegationID>unheard of</delegationID></w:getTerminationTime>", "delegated none"),
        ("<w:renewProxyReq><delegationID>unheard of</delegationID></w:renewProxyReq>", "delegated none"),
        ("<w:getProxyReq/>", "delegationID is refused: it is missing"),
    ],
)
def test_what_the_delegation_ports_refuse_is_a_DelegationException(alice, space, member, request_text, what):
    assert what in alice.call(request_text, space).delegation_fault(space, member)


def test_a_chain_that_somebody_else_signed_is_refused(alice, bob):
    request = alice.call("<w:getProxyReq><delegationID>mine</delegationID></w:getProxyReq>", D2)
    signed = proxy.sign_request(request.value("getProxyReqReturn"), Credential.load(bob.credential))
    put = f"<w:putProxy><delegationID>mine</delegationID><proxy>{signed}</proxy></w:putProxy>"
    assert "/CN=Bob" in alice.call(put, D2).delegation_fault(D2, "msg")
    fault = alice.call(put).fault()
    assert (fault.kind, fault.code) == ("AuthorizationFault", "1215")
