"""zeep as anybody would use it: strict, from the served contract, with a proxy; no code of ours in between."""

from __future__ import annotations

import ssl
from typing import Any

import pytest
import requests
import zeep
import zeep.exceptions
from requests.adapters import HTTPAdapter

WMP = "http://glite.org/wms/wmproxy"
PORT = ("WMProxy", "WMProxy_PortType")


class _Adapter(HTTPAdapter):
    """Connections that trust a directory of CAs and show a proxy with its chain."""

    def __init__(self, capath: str, credential: str | None) -> None:
        self.context = ssl.create_default_context(capath=capath)
        if credential is not None:
            self.context.load_cert_chain(credential)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        conn.cert_reqs = "CERT_REQUIRED"


@pytest.fixture(scope="module")
def client(user):
    """Makes a client: ``client(credential)``."""
    made = []

    def make(credential: str | None) -> zeep.Client:
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", _Adapter(user.certificates, credential))
        made.append(session)
        transport = zeep.Transport(session=session, timeout=60, operation_timeout=60)
        return zeep.Client(f"{user.endpoint}?wsdl", transport=transport, settings=zeep.Settings(strict=True))

    yield make
    for session in made:
        session.close()


@pytest.fixture(scope="module")
def alice(client, user):
    return client(user.proxy)


def test_every_typed_fault_is_decoded_as_its_own_type(client, cases):
    found = {}
    for case in cases:
        made = client(case.credential)
        with pytest.raises(zeep.exceptions.Fault) as raised:
            made.bind(*PORT)[case.operation](**case.parts)
        entry = raised.value.detail[0]
        value = made.wsdl.types.get_element(entry.tag).parse(entry, made.wsdl.types)
        assert type(value).__name__ == f"{case.fault}Type"
        assert (value.methodName, value.ErrorCode) == (case.operation, str(case.code))
        assert value.Description == raised.value.message and value.FaultCause
        assert len(raised.value.detail) == 1
        found[case.fault] = value
    assert len(found) == 9


def test_all_three_ports_answer(alice):
    assert alice.bind(*PORT).getVersion() == "3.9.0"
    first = alice.bind("WMProxy", "WMProxyDelegation_PortType").getProxyReq("zeep-1")
    second = alice.bind("WMProxy", "WMProxyDelegation2_PortType")
    assert "BEGIN CERTIFICATE REQUEST" in first
    new = second.getNewProxyReq()
    assert "BEGIN CERTIFICATE REQUEST" in new.proxyRequest and new.delegationID
    assert second.getVersion() and second.getInterfaceVersion()
    ends = second.getTerminationTime("wire")
    assert ends.tzinfo is not None
    with pytest.raises(zeep.exceptions.Fault) as raised:
        second.destroy("never-delegated")
    entry = raised.value.detail[0]
    space = "http://www.gridsite.org/namespaces/delegation-2"
    assert entry.tag == f"{{{space}}}DelegationException"
    assert alice.wsdl.types.get_element(entry.tag).parse(entry, alice.wsdl.types).msg == raised.value.message


def test_a_job_goes_all_the_way(alice, wire):
    port = alice.bind(*PORT)
    jdl = '[ Executable = "/bin/echo"; Arguments = "zeep"; StdOutput = "o"; OutputSandbox = "o"; '
    job = port.jobSubmit(f"{jdl} Requirements = true; Rank = 1; ]", "wire").id
    assert wire.wait(job) == "Done (Success)"
    assert port.getJobStatus(job).status == "Done"
    (file,) = port.getOutputFileList(job, "https")
    assert file.name.endswith("/o") and file.size == 5
    assert '"/bin/echo"' in port.getJDL(job, "ORIGINAL")
    port.jobPurge(job)
