"""A C++ client that gSOAP makes from the served contract: the toolkit of the old user interface, faults included."""

import datetime
import re
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gsi import proxy
from gsi.credential import Credential

PACKAGES = "gsoap libgsoap-dev libssl-dev zlib1g-dev g++ pkg-config"
SOURCE = Path(__file__).with_name("gsoap_client.cpp")
# Fixed prefixes, since gSOAP makes the names of its C++ types from them.
TYPEMAP = """\
wmp = "http://glite.org/wms/wmproxy"
dlg1 = "http://www.gridsite.org/namespaces/delegation-1"
dlg2 = "http://www.gridsite.org/namespaces/delegation-2"
"""
JDL = """[
  Executable = "/bin/echo"; Arguments = "x"; StdOutput = "o"; OutputSandbox = "o"; Requirements = true; Rank = 1;
]"""


@pytest.fixture(scope="module")
def flags(tool):
    """Compiler and linker flags of gSOAP with OpenSSL."""
    tool("g++", "g++")
    config = tool("pkg-config", "pkg-config")
    found = []
    for option in ("--cflags", "--libs"):
        result = subprocess.run([config, option, "gsoapssl++"], capture_output=True, text=True, timeout=30)
        if result.returncode:
            pytest.skip(f"gSOAP's library cannot be compiled against (Debian: apt-get install {PACKAGES})")
        found.append(shlex.split(result.stdout))
    if not Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("OpenSSL's headers are missing (Debian: apt-get install libssl-dev)")
    return found


@pytest.fixture(scope="module")
def client(alice, tool, flags, tmp_path_factory):
    """The compiled client, as a function: operation and values in, completed process out."""
    place = tmp_path_factory.mktemp("gsoap")
    (place / "typemap.dat").write_text(TYPEMAP)
    compile_flags, link_flags = flags

    def make(*command):
        result = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=240)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result

    # wsdl2h fetches the contract and its imports over HTTPS, without a certificate.
    make(tool("wsdl2h", "gsoap"), "-t", "typemap.dat", "-o", "wmproxy.h", f"{alice.endpoint}?wsdl")
    make(tool("soapcpp2", "gsoap"), "-j", "-x", "-C", "-I/usr/share/gsoap/import", "wmproxy.h")
    (place / SOURCE.name).write_bytes(SOURCE.read_bytes())
    units = ["soapC.cpp", "soapWMProxyProxy.cpp", "soapDelegationSoapBindingProxy.cpp", SOURCE.name]
    with ThreadPoolExecutor(2) as two:
        list(two.map(lambda unit: make("g++", "-O0", "-w", *compile_flags, "-c", unit), units))
    objects = [unit.replace(".cpp", ".o") for unit in units]
    make("g++", "-o", "client", *objects, *link_flags, "-lssl", "-lcrypto", "-lz")

    def call(operation, *values, user=alice):
        return user.run(str(place / "client"), alice.endpoint, user.proxy, alice.certificates, operation, *values)

    return call


@pytest.fixture(scope="module")
def delegated(client, alice, tmp_path_factory):
    """A delegation made through gSOAP's delegation-2 client; only the signing is ours."""
    request = client("getProxyReq", "gsoap")
    assert request.returncode == 0, request.stderr
    chain = tmp_path_factory.mktemp("chain") / "signed.pem"
    chain.write_text(proxy.sign_request(request.stdout, Credential.load(Path(alice.proxy))))
    put = client("putProxy", "gsoap", str(chain))
    assert (put.returncode, put.stdout) == (0, ""), put.stderr
    return "gsoap"


def test_getVersion(client):
    assert client("getVersion").stdout == "3.9.0\n"


def test_a_job_is_submitted_followed_and_its_output_listed(client, node, delegated, tmp_path):
    (tmp_path / "job.jdl").write_text(JDL)
    submitted = client("jobSubmit", str(tmp_path / "job.jdl"), delegated)
    assert submitted.returncode == 0, submitted.stderr
    job, name, path, children = submitted.stdout.splitlines()
    assert re.fullmatch(r"https://localhost:\d+/[A-Za-z0-9_-]{22}", job)
    assert (name, children) == ("named", "0")  # an empty name, as gLite sends it
    assert path.endswith("/input")
    assert node.wait(job) == "Done (Success)"
    assert client("getJobStatus", job).stdout.splitlines() == [job, "Done"]
    uri, size = client("getOutputFileList", job).stdout.split()
    assert (uri.endswith("/output/o"), size) == (True, "2")


def test_a_fault_is_decoded_as_its_own_type_with_all_that_is_in_it(client):
    unknown = "https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa"
    answer = client("jobStart", unknown)
    assert answer.returncode == 2, answer.stderr
    kind, faultcode, method, moment, code, description, causes = answer.stdout.splitlines()
    assert (kind, faultcode, method, code, causes) == ("JobUnknownFault", "SOAP-ENV:Client", "jobStart", "1218", "1")
    assert unknown in description
    told = datetime.datetime.fromtimestamp(int(moment), datetime.UTC)
    assert abs((datetime.datetime.now(datetime.UTC) - told).total_seconds()) < 120


def test_another_fault_is_decoded_as_another_type(client, delegated, tmp_path):
    (tmp_path / "bad.jdl").write_text('[ Executable = = "x"; ]')
    answer = client("jobSubmit", str(tmp_path / "bad.jdl"), delegated)
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout.splitlines()[0] == "InvalidArgumentFault"
    assert "line 1, column 16" in answer.stdout


def test_a_fault_of_the_delegation_port_is_decoded(client, tmp_path):
    (tmp_path / "nonsense").write_text("x")
    answer = client("putProxy", "gsoap-refused", str(tmp_path / "nonsense"))
    assert answer.returncode == 2, answer.stderr
    assert answer.stdout.startswith("DelegationException\nthe proxy for the delegation id 'gsoap-refused' is refused")


def test_somebody_elses_job_is_unknown_to_the_old_client_too(client, bob, finished):
    answer = client("getJobStatus", finished, user=bob)
    assert answer.returncode == 1
    assert "is not known to this server" in answer.stderr
