"""Other people's tools read what ``wms proxy`` makes, and delegate with it."""

import datetime
import re

import pytest

from gsi.credential import Credential
from gsi.tls import client_context
from wsdl.client import RemoteFault, SoapClient


def test_voms_proxy_info_reads_the_proxy_and_its_attributes(alice, tool):
    info = (tool("voms-proxy-info", "voms-clients"), "-file", alice.proxy)
    text = alice.ok(*info, "-all")
    values = dict(re.findall(r"^(\w[\w ]*?) *: (.*)$", text, re.MULTILINE))
    assert values["type"] == "RFC compliant proxy"
    assert values["identity"] == "/DC=org/DC=wms-test/CN=Alice"
    assert values["strength"] == "2048 bits"
    assert values["VO"] == "testvo"
    assert re.findall(r"^attribute : (.*)$", text, re.MULTILINE) == ["/testvo/Role=NULL/Capability=NULL"]
    hours, minutes, _ = map(int, values["timeleft"].split(":"))
    assert 10 * 60 < hours * 60 + minutes <= 12 * 60
    assert alice.run(*info, "-exists", "-valid", "11:00", "-acexists", "testvo").returncode == 0
    assert alice.run(*info, "-acexists", "othervo").returncode == 1


def test_voms_proxy_info_reads_groups_roles_and_their_order(alice, tool, tmp_path):
    fqans = ["/testvo/analysis/Role=production", "/testvo/analysis", "/testvo"]
    path = str(tmp_path / "proxy")
    alice.node.wms("proxy", "--out", path, *(word for fqan in fqans for word in ("--fqan", fqan)))
    told = alice.ok(tool("voms-proxy-info", "voms-clients"), "-fqan", "-file", path).splitlines()
    assert told == [
        "/testvo/analysis/Role=production/Capability=NULL",
        "/testvo/analysis/Role=NULL/Capability=NULL",
        "/testvo/Role=NULL/Capability=NULL",
    ]


@pytest.mark.parametrize(
    ("option", "language"), [((), "Inherit all"), (("--limited",), "1.3.6.1.4.1.3536.1.1.1.9")]
)
def test_openssl_reads_the_policy_language_of_the_proxy(alice, tool, tmp_path, option, language):
    alice.node.wms("proxy", *option, "--out", str(tmp_path / "proxy"))
    show = (tool("openssl", "openssl"), "x509", "-noout", "-ext", "proxyCertInfo")
    text = alice.ok(*show, "-in", str(tmp_path / "proxy"))
    assert f"Policy Language: {language}" in text


def test_openssl_verifies_the_chain_against_the_trust_directory(alice, tool):
    verify = (
        tool("openssl", "openssl"), "verify", "-allow_proxy_certs", "-crl_check_all",
        "-CApath", alice.certificates, "-untrusted", alice.proxy,
    )  # fmt: skip
    assert alice.ok(*verify, alice.proxy).endswith(": OK\n")
    without = alice.run(*(word for word in verify if word != "-allow_proxy_certs"), alice.proxy)
    assert "proxy certificates not allowed" in without.stdout + without.stderr


def test_openssl_reads_host_certificate_crl_and_pkcs12(alice, tool):
    openssl = tool("openssl", "openssl")
    host = str(alice.node.root / "credentials" / "hostcert.pem")
    verify = (openssl, "verify", "-crl_check_all", "-x509_strict", "-CApath", alice.certificates)
    assert alice.ok(*verify, "-purpose", "sslserver", "-verify_hostname", "localhost", host).endswith(": OK\n")
    for crl in (alice.node.root / "trust" / "certificates").glob("*.r0"):
        assert "verify OK" in alice.run(openssl, "crl", "-in", str(crl), "-noout", "-CApath", alice.certificates).stderr
    p12 = ("pkcs12", "-in", str(alice.files / "user.p12"), "-passin", f"file:{alice.files / 'user.p12.password'}")
    text = alice.ok(openssl, *p12, "-nodes")
    assert "BEGIN PRIVATE KEY" in text
    assert "CN = Alice" in text or "CN=Alice" in text


# -- GridSite's delegation clients ---------------------------------------------------------------------------


def test_gridsite_reads_the_end_of_a_delegation_and_destroys_it(alice, tool):
    alice.node.command("glite-wms-job-delegate-proxy", "-d", "gridsite", "--noint")
    end = Credential.load(alice.files / "proxy.pem").not_after
    about = ("--delegation-id", "gridsite", alice.endpoint)
    told = int(alice.ok(tool("htproxyunixtime", "gridsite-clients"), *about))
    assert abs(told - end.timestamp()) < 60
    assert datetime.datetime.fromtimestamp(told, datetime.UTC).strftime("%H:%M") in alice.ok(
        tool("htproxytime", "gridsite-clients"), *about, TZ="UTC"
    )
    assert alice.run(tool("htproxydestroy", "gridsite-clients"), *about).returncode == 0
    gone = alice.run(tool("htproxytime", "gridsite-clients"), *about)
    assert gone.returncode == 1
    assert "you have delegated none under the id 'gridsite'" in gone.stderr


def test_gridsite_cannot_renew_a_delegation_into_one_that_is_worth_less(alice, tool):
    """htproxyrenew signs as htproxyput does; what it sends is refused, and the delegation stays as it was."""
    alice.node.command("glite-wms-job-delegate-proxy", "-d", "renewed", "--noint")
    about = ("--delegation-id", "renewed", alice.endpoint)
    before = alice.ok(tool("htproxyunixtime", "gridsite-clients"), *about)
    renewed = alice.run(tool("htproxyrenew", "gridsite-clients"), "--verbose", *about)
    assert "BEGIN CERTIFICATE" in renewed.stdout + renewed.stderr, renewed.stderr
    assert alice.ok(tool("htproxyunixtime", "gridsite-clients"), *about) == before


def test_gridsite_asks_for_a_request_and_its_sha1_signature_is_refused_with_the_reason(alice, tool):
    """htproxyput signs with SHA-1 and without ProxyCertInfo (GridSite 3.0): no proxy by RFC 3820, and forgeable."""
    put = alice.run(tool("htproxyput", "gridsite-clients"), "--verbose", alice.endpoint)
    assert "Send putProxy to service" in put.stdout + put.stderr, put.stderr
    chain = "".join(
        re.findall(
            r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", (put.stdout + put.stderr), re.DOTALL
        )
    )
    name = put.stdout.split()[-1]
    time_left = alice.run(tool("htproxytime", "gridsite-clients"), "--delegation-id", name, alice.endpoint)
    assert time_left.returncode == 1  # htproxyput itself does not look at the answer
    context = client_context(alice.node.root / "trust" / "certificates", alice.files / "proxy.pem")
    with SoapClient("WMProxy.wsdl", "WMProxyDelegation_PortType", alice.endpoint, context) as again:
        with pytest.raises(RemoteFault) as refused:
            again.call("putProxy", delegationID=name, proxy=chain)
    assert refused.value.kind == "DelegationException"
    assert re.fullmatch(
        f"the proxy for the delegation id '{name}' is refused: The certificate "
        r"/DC=org/DC=wms-test/CN=Alice/CN=\d+/CN=\d+ is signed with SHA1, which is no longer safe; "
        "SHA-256 or better is needed",
        refused.value.description,
    )
    log = (alice.node.root / "log" / "wmproxy.log").read_text()
    assert "gridsite_proxies = true in the section [trust] of wms.toml would accept it" in log
