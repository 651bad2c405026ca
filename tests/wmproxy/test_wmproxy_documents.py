"""``?wsdl``: readable by anybody, whole, with live addresses; zeep works with it and with nothing else."""

import re
from urllib.parse import urlsplit

import pytest
import requests
from lxml import etree

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
XSD = "{http://www.w3.org/2001/XMLSchema}"
IMPORTS = ((f"{WSDL}import", "location"), (f"{XSD}import", "schemaLocation"), (f"{XSD}include", "schemaLocation"))
ADDRESS = "{http://schemas.xmlsoap.org/wsdl/soap/}address"


@pytest.fixture(scope="module")
def nobody(make_door):
    return make_door(None)


@pytest.fixture(scope="module")
def documents(node, nobody):
    """Every document that can be reached from ``?wsdl``, by its URL, fetched without a certificate."""
    endpoint = node.configuration().wmproxy_endpoint
    found, wanted = {}, [f"{endpoint}?wsdl"]
    while wanted:
        url = wanted.pop()
        if url in found:
            continue
        parts = urlsplit(url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == endpoint
        answer = nobody.http("GET", f"{parts.path}?{parts.query}")
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        found[url] = root = etree.fromstring(answer.body)
        for tag, name in IMPORTS:
            wanted += [element.get(name) for element in root.iter(tag) if element.get(name)]
    return found


def test_the_contract_and_all_that_it_imports_need_no_certificate(documents):
    assert sorted(url.partition("?")[2] for url in documents) == [
        "wsdl",
        "wsdl=WMProxy-gridsite-delegation-1.0.0.wsdl",
        "wsdl=WMProxy-gridsite-delegation-2.0.0.wsdl",
        "xsd=jsdl-posix.xsd-6.xsd",
        "xsd=jsdl.xsd-18.xsd",
    ]


def test_every_address_is_the_live_one(node, documents):
    addresses = [element.get("location") for root in documents.values() for element in root.iter(ADDRESS)]
    assert set(addresses) == {node.configuration().wmproxy_endpoint}
    contract = documents[f"{node.configuration().wmproxy_endpoint}?wsdl"]
    assert [element.getparent().get("name") for element in contract.iter(ADDRESS)] == [
        "WMProxy_PortType",
        "WMProxyDelegation_PortType",
        "WMProxyDelegation2_PortType",
    ]


def test_the_host_header_changes_nothing(nobody):
    plain = nobody.http("GET", f"{nobody.path}?wsdl")
    forged = nobody.http("GET", f"{nobody.path}?wsdl", headers={"Host": "evil.example.org"})
    assert plain.body == forged.body
    assert b"evil" not in forged.body


@pytest.mark.parametrize("query", ["wsdl", "WSDL", "wsdl=WMProxy.wsdl", "wsdl="])
def test_spellings_of_the_query_that_old_tools_use(nobody, query):
    assert nobody.http("GET", f"{nobody.path}?{query}").body == nobody.http("GET", f"{nobody.path}?wsdl").body
    assert nobody.http("HEAD", f"{nobody.path}?{query}").status == 200


@pytest.mark.parametrize("name", ["LB.wsdl", "../port.py", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "WMProxy.wsdl%00"])
def test_other_documents_are_not_served(nobody, name):
    answer = nobody.http("GET", f"{nobody.path}?wsdl={name}")
    assert answer.status == 404
    assert b"root:" not in answer.body


def test_without_certificate_no_call_is_answered(nobody):
    assert nobody.call("<w:getVersion/>").fault().kind == "AuthenticationFault"


# -- zeep ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session(node, alice):
    made = requests.Session()
    made.trust_env = False
    made.verify = str(node.root / "trust" / "certificates")
    made.cert = str(alice.credential)
    yield made
    made.close()


@pytest.fixture(scope="module")
def zeep_client(node, session):
    """zeep, strict, that has seen the served contract only."""
    import zeep

    return zeep.Client(
        f"{node.configuration().wmproxy_endpoint}?wsdl",
        transport=zeep.Transport(session=session, timeout=30, operation_timeout=30),
        settings=zeep.Settings(strict=True),
    )


@pytest.fixture(scope="module")
def port(zeep_client):
    return zeep_client.bind("WMProxy", "WMProxy_PortType")


def test_zeep_calls_getVersion_at_the_address_in_the_contract(port):
    assert port.getVersion() == "3.9.0"
    assert port.getTransferProtocols() == ["https"]
    assert port.getMaxInputSandboxSize() == 100_000_000


def test_zeep_delegates_and_submits(node, zeep_client, port, alice, jdl, sandbox_path):
    from gsi import proxy
    from gsi.credential import Credential

    delegation = zeep_client.bind("WMProxy", "WMProxyDelegation2_PortType")
    request = delegation.getProxyReq("zeep")
    assert delegation.putProxy("zeep", proxy.sign_request(request, Credential.load(alice.credential))) is None
    (match,) = port.jobListMatch(jdl, "zeep")
    assert match.name.endswith("/cream-fork-default")
    answer = port.jobSubmit(jdl=jdl, delegationId="zeep")
    assert answer.name is None
    assert answer.childrenJob == []
    assert f"/{answer.path}" == f"{sandbox_path(answer.id)}/input"
    node.wait(answer.id)
    (file,) = port.getOutputFileList(answer.id, "https")
    assert (file.name.rpartition("/")[2], file.size) == ("out", 6)
    assert port.getJobStatus(answer.id).status == "Done"
    assert port.jobPurge(answer.id) is None


def test_zeep_finds_the_element_of_the_contract_in_a_fault(zeep_client, port):
    from zeep.exceptions import Fault

    with pytest.raises(Fault) as caught:
        port.jobStart("https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa")
    element = zeep_client.get_element("{http://glite.org/wms/wmproxy}JobUnknownFault")
    fault = element.parse(caught.value.detail[0], zeep_client.wsdl.types)
    assert (fault.methodName, fault.ErrorCode) == ("jobStart", "1218")
    assert fault.Timestamp.tzinfo is not None
    assert re.search(r"is not known to this server", fault.Description)
    assert len(fault.FaultCause) == 1
