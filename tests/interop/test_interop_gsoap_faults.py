"""gSOAP's C++ clients, made from the served contract and from one without its two repairs: every fault, every port.

Two programs: one reads faults as gSOAP generates it, the other one as the commands of gLite did, whose header file knew
``fault`` and its type and none of the WSDL's elements.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gsi.tls import client_context

HTTP_TRANSPORT = "http://schemas.xmlsoap.org/soap/http"

SOURCE = Path(__file__).with_name("gsoap_faults.cpp")
TYPEMAP = """\
wmp = "http://glite.org/wms/wmproxy"
dlg1 = "http://www.gridsite.org/namespaces/delegation-1"
dlg2 = "http://www.gridsite.org/namespaces/delegation-2"
jsdl = "http://schemas.ggf.org/jsdl/2005/11/jsdl"
"""
DOCUMENTS = (
    "WMProxy.wsdl",
    "WMProxy-gridsite-delegation-1.0.0.wsdl",
    "WMProxy-gridsite-delegation-2.0.0.wsdl",
    "jsdl.xsd-18.xsd",
    "jsdl-posix.xsd-6.xsd",
)
UNITS = ("soapC", "soapWMProxyProxy", "soapDelegation1SoapBindingProxy", "soapDelegationSoapBindingProxy")


def run(place: Path, *command: str) -> None:
    result = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"


def unrepaired(text: str) -> str:
    """The contract with the original's two defects: a schema that imports its own namespace, and operations of its
    binding without soap:operation."""
    own = re.search(r'<xsd:schema targetNamespace="http://glite.org/wms/wmproxy"[^>]*>', text)
    assert own is not None and HTTP_TRANSPORT in text
    text = text.replace(own[0], f'{own[0]}<xsd:import namespace="http://glite.org/wms/wmproxy"/>', 1)
    text, count = re.subn(r'<soap:operation soapAction=""/>', "", text)
    assert count == 33
    return text


def historical(header: str) -> str:
    """The header file with the detail of a fault as gLite's commands had it."""
    begin = header.index("mutable struct SOAP_ENV__Detail")
    end = header.index("};", begin)
    return f"{header[:begin]}mutable struct SOAP_ENV__Detail {{ int __type; void *fault; _XML __any; {header[end:]}"


@pytest.fixture(scope="module")
def flags(tool) -> tuple[list[str], list[str]]:
    """Compiler and linker flags of gSOAP with OpenSSL."""
    tool("g++", "g++")
    config = tool("pkg-config", "pkg-config")
    found = []
    for option in ("--cflags", "--libs"):
        result = subprocess.run([config, option, "gsoapssl++"], capture_output=True, text=True, timeout=30)
        if result.returncode or not Path("/usr/include/openssl/ssl.h").exists():
            pytest.skip("gSOAP or OpenSSL cannot be compiled against (Debian: libgsoap-dev libssl-dev)")
        found.append(shlex.split(result.stdout))
    return found[0], found[1]


@pytest.fixture(scope="module", params=["served", "unrepaired", "historical"])
def client(request, user, tool, flags, tmp_path_factory):
    """A compiled client, as a function: credential, operation and values in, completed process out."""
    place = tmp_path_factory.mktemp(request.param)
    (place / "typemap.dat").write_text(TYPEMAP)
    context = client_context(Path(user.certificates))
    for name in DOCUMENTS:
        with urllib.request.urlopen(f"{user.endpoint}?wsdl={name}", context=context, timeout=30) as answer:
            text = answer.read().decode().replace(f"{user.endpoint}?wsdl=", "").replace(f"{user.endpoint}?xsd=", "")
        if name == "WMProxy.wsdl" and request.param == "unrepaired":
            text = unrepaired(text)
        (place / name).write_text(text)
    run(place, tool("wsdl2h", "gsoap"), "-t", "typemap.dat", "-o", "wmproxy.h", "WMProxy.wsdl")
    if request.param == "historical":
        header = place / "wmproxy.h"
        header.write_text(historical(header.read_text()))
    run(place, tool("soapcpp2", "gsoap"), "-j", "-x", "-C", "-I/usr/share/gsoap/import", "wmproxy.h")
    (place / SOURCE.name).write_bytes(SOURCE.read_bytes())
    defined = ["-DHISTORICAL"] if request.param == "historical" else []
    units = [*(f"{unit}.cpp" for unit in UNITS), SOURCE.name]
    with ThreadPoolExecutor(2) as two:
        list(two.map(lambda unit: run(place, "g++", "-O0", "-w", *defined, *flags[0], "-c", unit), units))
    objects = [unit.replace(".cpp", ".o") for unit in units]
    run(place, "g++", "-o", "client", *objects, *flags[1], "-lssl", "-lcrypto", "-lz")

    def call(credential: str | None, operation: str, *values: str) -> subprocess.CompletedProcess:
        pem = credential or "-"
        return user.run(str(place / "client"), user.endpoint, pem, user.certificates, operation, *values)

    call.kind = request.param
    return call


def test_every_typed_fault_is_decoded_as_its_own_type(client, cases):
    decoded = set()
    for case in cases:
        answer = client(case.credential, case.operation, *case.parts.values())
        assert answer.returncode == 2, f"{case}\n{answer.stdout}{answer.stderr}"
        kind, method, code, causes, *description = answer.stdout.splitlines()
        assert (kind, method, code) == (case.fault, case.operation, str(case.code))
        assert int(causes) >= 1 and description
        decoded.add(kind)
    assert len(decoded) == 9


def test_all_three_ports_answer(client, user):
    if client.kind == "historical":
        pytest.skip("the commands of gLite used GridSite's own delegation client")
    assert client(user.proxy, "getVersion").stdout == "3.9.0\n"
    assert "BEGIN CERTIFICATE REQUEST" in client(user.proxy, "getProxyReq-1", "gsoap").stdout
    refused = client(user.proxy, "putProxy-1", "gsoap", "nonsense")
    assert refused.returncode == 2
    assert refused.stdout.startswith("DelegationException-1\nthe proxy for the delegation id")
    assert client(user.proxy, "getNewProxyReq-2").stdout.strip()
    assert int(client(user.proxy, "getTerminationTime-2", "wire").stdout) > 0
    unknown = client(user.proxy, "getTerminationTime-2", "never-delegated")
    assert unknown.returncode == 2 and unknown.stdout.startswith("DelegationException-2\n")


def test_structures_lists_and_jsdl_go_both_ways(client, user):
    """gSOAP sends JSDL's children unqualified, as the contract's including schema has them."""
    answer = client(user.proxy, "structures", "wire")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    job, described, places, proxy, dag, quota = answer.stdout.splitlines()
    assert re.fullmatch(r"https://localhost:\d+/[\w-]{22}", job)
    assert (described, places, proxy, dag, quota) == ("1", "1 1", "1 testvo", "1", "2000000")
