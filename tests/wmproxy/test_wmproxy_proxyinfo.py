"""getDelegatedProxyInfo and getJobProxyInfo: literal answers, and what is told of proxies that are past."""

import datetime

import pytest

from gsi import proxy, voms
from gsi.credential import Credential
from gsi.dn import slash
from wmproxy import proxyinfo
from wmproxy.errors import ProxyFileMissing
from wmproxy.sandboxes import JobDirectory


def info(door, operation, part, value):
    return door.call(f"<w:{operation}><{part}>{value}</{part}></w:{operation}>")


@pytest.fixture
def job(alice):
    return alice.register()


@pytest.fixture
def directory(node, job, sandbox_path):
    return node.root / "sandbox" / sandbox_path(job)[1:]


def expected(pem: bytes) -> str:
    """The content of items, made from the certificate by hand."""
    credential = Credential.from_pem(pem)
    leaf = credential.certificate
    (attributes,) = voms.read_attributes(credential.chain)
    begin, end = (str(int(moment.timestamp())) for moment in (leaf.not_valid_before_utc, leaf.not_valid_after_utc))
    user = slash(credential.end_entity.subject)
    authority = slash(credential.end_entity.issuer)
    fqans = "".join(f"<Attribute>{fqan.full}</Attribute>" for fqan in attributes.fqans)
    return (
        f"<Subject>{slash(leaf.subject)}</Subject><Issuer>{slash(leaf.issuer)}</Issuer><Identity>{user}</Identity>"
        f"<Type>proxy</Type><Strength>2048</Strength><StartTime>{begin}</StartTime><EndTime>{end}</EndTime>"
        f"<VOsInfo><User>{user}</User><UserCA>{authority}</UserCA><Server>{attributes.server}</Server>"
        f"<ServerCA>{attributes.server_issuer}</ServerCA><VOName>testvo</VOName>"
        f"<URI>{attributes.uri.partition('://')[2]}</URI><StartTime>{int(attributes.not_before.timestamp())}</StartTime>"
        f"<EndTime>{int(attributes.not_after.timestamp())}</EndTime>{fqans}</VOsInfo>"
    )


def test_both_operations_describe_the_same_proxy(alice, job, directory):
    items = expected((directory / "user.proxy").read_bytes())
    assert "/testvo/Role=NULL/Capability=NULL" in items
    for operation, part, value in (
        ("getDelegatedProxyInfo", "delegationID", "wire"),
        ("getJobProxyInfo", "jobId", job),
    ):
        info(alice, operation, part, value).says(
            f"<glitens:{operation}Response><items>{items}</items></glitens:{operation}Response>"
        )


def test_empty_ids_are_named(alice, make_door):
    for operation, part, text in (
        ("getDelegatedProxyInfo", "delegationID", "Provided Delegation Id not valid"),
        ("getJobProxyInfo", "jobId", "Provided Job Id not valid"),
    ):
        fault = info(alice, operation, part, "").fault()
        assert (fault.kind, fault.code, fault.description) == ("InvalidArgumentFault", "1225", text)
        assert info(make_door(None), operation, part, "").fault().code == "1206"


def test_somebody_elses_delegation_and_none_are_the_same(alice, bob):
    alice.delegate("info of alice")
    answers = [info(bob, "getDelegatedProxyInfo", "delegationID", name) for name in ("info of alice", "info of nobody")]
    for answer in answers:
        fault = answer.fault()
        assert (fault.kind, fault.code) == ("AuthorizationFault", "1215")
    assert answers[0].fault().description.replace("alice", "nobody") == answers[1].fault().description


def test_a_missing_proxy_is_made_again_from_its_backup(alice, job, directory):
    before = (directory / "user.proxy").read_bytes()
    (directory / "user.proxy").unlink()
    assert info(alice, "getJobProxyInfo", "jobId", job).status == 200
    assert (directory / "user.proxy").read_bytes() == before
    assert (directory / "user.proxy").stat().st_mode & 0o777 == 0o600
    (directory / "user.proxy").unlink()
    (directory / ".user.proxy.bak").unlink()
    answer = info(alice, "getJobProxyInfo", "jobId", job)
    assert answer.value("ErrorCode") == "1226"
    assert "Unable to find a Proxy file in the job directory" in answer.text
    with pytest.raises(ProxyFileMissing):
        proxyinfo.of_job(JobDirectory(directory))


def test_an_expired_proxy_is_described_like_any_other(node, tmp_path):
    alice = Credential.load(node.root / "credentials" / "users" / "alice" / "usercredential.pem")
    short = proxy.create(alice, lifetime=datetime.timedelta(seconds=1))
    told = proxyinfo.describe(short.to_pem())
    assert int(told.EndTime) == int(short.certificate.not_valid_after_utc.timestamp())
    assert (told.Type, told.Identity, list(told.VOsInfo)) == ("proxy", alice.subject, [])
    plain = proxyinfo.describe(alice.to_pem())
    assert (plain.Type, plain.Subject, plain.Identity) == ("x509", alice.subject, alice.subject)
