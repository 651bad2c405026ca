"""The DataLocationInterface with other people's programs: gSOAP's server and client, zeep and Perl's SOAP::Lite."""

from __future__ import annotations

import json
import shlex
import ssl
import subprocess
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
import zeep.exceptions
from requests.adapters import HTTPAdapter

from gsi.tls import client_context
from wsdl import library
from wsdl.client import RemoteFault
from wsdl.datalocation import DataLocation

HERE = Path(__file__).parent
CONTRACT = "data-location-interface.wsdl"
FILE, REPLICAS = "lfn:/grid/testvo/interop", ("srm://se.example.org:8446/a&b", "sfn://se2.example.org/b")


@pytest.fixture(scope="module")
def program(tool, tmp_path_factory) -> Path:
    """The compiled gSOAP program, a server and a client from the contract."""
    place = tmp_path_factory.mktemp("catalogue")
    config = tool("pkg-config", "pkg-config")
    flags = subprocess.run([config, "--cflags", "--libs", "gsoapssl++"], capture_output=True, text=True, timeout=30)
    if flags.returncode or not Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("gSOAP's library cannot be compiled against (Debian: apt-get install libgsoap-dev libssl-dev)")

    def make(*command: str) -> None:
        result = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=240)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"

    (place / "typemap.dat").write_text('dli = "urn:DataLocationInterface"\n')
    (place / CONTRACT).write_bytes(library.read(CONTRACT))
    (place / "catalogue.cpp").write_bytes((HERE / "gsoap_catalogue.cpp").read_bytes())
    make(tool("wsdl2h", "gsoap"), "-t", "typemap.dat", "-o", "dli.h", CONTRACT)
    make(tool("soapcpp2", "gsoap"), "-j", "-x", "-I/usr/share/gsoap/import", "dli.h")
    units = ["soapC", "soapDataLocationInterfaceProxy", "soapDataLocationInterfaceService", "catalogue"]
    compiler = tool("g++", "g++")
    with ThreadPoolExecutor(2) as two:
        list(two.map(lambda unit: make(compiler, "-O0", "-w", "-c", f"{unit}.cpp"), units))
    libraries = [*shlex.split(flags.stdout), "-lssl", "-lcrypto", "-lz"]
    make(compiler, "-o", "catalogue", *(f"{unit}.o" for unit in units), *libraries)
    return place / "catalogue"


@pytest.fixture
def served(program):
    """A catalogue that gSOAP serves over http: its URL, and a function that gives what it was asked."""
    process = subprocess.Popen([program, "serve"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/", process
    finally:
        process.kill()
        process.communicate(timeout=10)


def test_our_client_asks_a_server_made_by_gsoap(served):
    url, process = served
    catalogue = DataLocation(url, None, timeout=10)
    assert catalogue.list_replicas("lfn", "lfn:/grid/vo/three") == (*REPLICAS, "se3.example.org")
    assert catalogue.list_replicas("guid", "guid:none") == ()
    with pytest.raises(RemoteFault, match="No such file"):
        catalogue.list_replicas("lfn", "lfn:/grid/vo/other")
    catalogue.close()
    asked = [process.stderr.readline().strip() for _ in range(3)]
    assert asked == ["lfn lfn:/grid/vo/three", "guid guid:none", "lfn lfn:/grid/vo/other"]


@pytest.fixture(scope="module")
def endpoint(node) -> str:
    """The node's catalogue, with one file."""
    node.wms("catalogue", "add", FILE, *REPLICAS)
    return node.configuration().catalogue_endpoint


def test_a_client_made_by_gsoap_asks_our_server(program, alice, endpoint):
    def ask(*words: str) -> subprocess.CompletedProcess:
        return alice.run(str(program), "ask", endpoint, alice.proxy, alice.certificates, *words)

    for name in (FILE, FILE.removeprefix("lfn:")):
        found = ask("lfn", name)
        assert (found.returncode, found.stdout.splitlines()) == (0, list(REPLICAS)), found.stderr
    missing = ask("guid", "guid:00000000-0000-0000-0000-000000000000")
    assert missing.returncode == 2
    assert missing.stdout == "No such file: guid:00000000-0000-0000-0000-000000000000\n"


class _Adapter(HTTPAdapter):
    """Connections that trust a directory of CAs and show a proxy with its chain."""

    def __init__(self, capath: str, credential: str) -> None:
        self.context = ssl.create_default_context(capath=capath)
        self.context.load_cert_chain(credential)
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self.context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: object, cert: object) -> None:
        conn.cert_reqs = "CERT_REQUIRED"


ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
SCHEMA = f"""<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="{ENCODING}">
  <attribute name="arrayType" type="string"/>
  <complexType name="Array"><sequence>
    <any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>
  </sequence><anyAttribute namespace="##any" processContents="lax"/></complexType>
</schema>"""


class _Transport(zeep.Transport):
    """zeep fetches the schema of the encoding from the network; here it has the part that counts."""

    def load(self, url: str) -> bytes:
        return SCHEMA.encode() if url == ENCODING else super().load(url)


def test_zeep_asks_our_server_by_its_contract(alice, endpoint):
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", _Adapter(alice.certificates, alice.proxy))
        client = zeep.Client(f"{endpoint}?wsdl", transport=_Transport(session=session, operation_timeout=30))
        assert tuple(client.service.listReplicas("lfn", FILE)) == REPLICAS
        with pytest.raises(zeep.exceptions.Fault, match="No such file: lfn:none"):
            client.service.listReplicas(inputDataType="lfn", inputData="none")


def test_perl_asks_our_server_by_its_contract(alice, tool, endpoint, tmp_path):
    perl = tool("perl", "perl")
    if alice.run(perl, "-MSOAP::Lite", "-MIO::Socket::SSL", "-e", "1").returncode:
        pytest.skip("Perl has no SOAP::Lite (Debian: apt-get install libsoap-lite-perl libio-socket-ssl-perl)")
    document = tmp_path / CONTRACT
    context = client_context(Path(alice.certificates))
    with urllib.request.urlopen(f"{endpoint}?wsdl", context=context, timeout=30) as answer:
        document.write_bytes(answer.read())
    script, options = str(HERE / "client.pl"), (f"file:{document}", alice.proxy, alice.certificates, "listReplicas")
    assert json.loads(alice.ok(perl, script, *options, "lfn", FILE)) == {"answer": list(REPLICAS)}
    assert "No such file" in json.loads(alice.ok(perl, script, *options, "lfn", "lfn:none"))["faultstring"]
