"""suds, which many scripts of the grid's time were written with: from the served contract, with a proxy."""

from __future__ import annotations

import logging
import ssl
import urllib.request

import pytest

suds = pytest.importorskip("suds", reason="suds is not installed (pip install suds)")
from suds.client import Client  # noqa: E402
from suds.transport.http import HttpTransport  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:suds.*", "ignore::ResourceWarning")


class _Transport(HttpTransport):
    """Trusts a directory of CAs and shows a proxy with its chain."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        super().__init__(timeout=60)

    def u2handlers(self):
        return [*super().u2handlers(), urllib.request.HTTPSHandler(context=self.context)]


@pytest.fixture(scope="module")
def client(user, tmp_path_factory):
    """Makes a client of a port: ``client(credential, port)``."""
    logging.getLogger("suds").setLevel(logging.CRITICAL)

    def make(credential: str | None, port: str = "WMProxy_PortType"):
        context = ssl.create_default_context(capath=user.certificates)
        if credential is not None:
            context.load_cert_chain(credential)
        made = Client(f"{user.endpoint}?wsdl", transport=_Transport(context), cache=None, faults=True)
        made.set_options(service="WMProxy", port=port)
        return made.service

    return make


def test_every_typed_fault_is_decoded_as_its_own_type(client, cases):
    decoded = set()
    for case in cases:
        with pytest.raises(suds.WebFault) as raised:
            getattr(client(case.credential), case.operation)(*case.parts.values())
        ((name, value),) = list(raised.value.fault.detail)
        assert name == case.fault
        assert (value.methodName, str(value.ErrorCode)) == (case.operation, str(case.code))
        assert value.Description == raised.value.fault.faultstring and value.FaultCause
        decoded.add(name)
    assert len(decoded) == 9


def test_all_three_ports_answer(client, user):
    assert client(user.proxy).getVersion() == "3.9.0"
    assert "BEGIN CERTIFICATE REQUEST" in client(user.proxy, "WMProxyDelegation_PortType").getProxyReq("suds")
    second = client(user.proxy, "WMProxyDelegation2_PortType")
    assert second.getNewProxyReq().delegationID
    assert second.getTerminationTime("wire").year > 2000


def test_a_job_is_registered_and_its_places_told(client, user):
    port = client(user.proxy)
    job = port.jobRegister('[ Executable = "/bin/true"; Requirements = true; Rank = 1; ]', "wire")
    assert job.id.startswith("https://") and job.path.endswith("/input")
    assert [str(place) for place in port.getSandboxDestURI(job.id, "https").Item]
    assert port.getJDL(job.id, "ORIGINAL").startswith("[")
