"""Clients of other scripting languages: PHP's SoapClient, Perl's SOAP::Lite, Node's soap; each with a proxy.

They read the description of the WMProxy port alone, since PHP and Perl cannot keep two namespaces apart.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from pathlib import Path

import pytest

from gsi.tls import client_context

HERE = Path(__file__).parent
JDL = '[ Executable = "/bin/true"; Requirements = true; Rank = 1; ]'


@pytest.fixture(scope="module")
def document(user, tmp_path_factory) -> str:
    """The served description in a file."""
    path = tmp_path_factory.mktemp("wsdl") / "WMProxy-alone.wsdl"
    context = client_context(Path(user.certificates))
    with urllib.request.urlopen(f"{user.endpoint}?wsdl=WMProxy-alone.wsdl", context=context, timeout=30) as answer:
        text = answer.read().decode()
    for name in re.findall(r'schemaLocation="[^"]*[?]xsd=([^"]+)"', text):
        with urllib.request.urlopen(f"{user.endpoint}?xsd={name}", context=context, timeout=30) as answer:
            (path.parent / name).write_bytes(answer.read())
    path.write_text(text.replace(f"{user.endpoint}?xsd=", ""))
    return str(path)


def php(user, tool, document):
    program = tool("php", "php-cli php-soap")
    if "soap" not in subprocess.run([program, "-m"], capture_output=True, text=True, timeout=30).stdout.split():
        pytest.skip("PHP has no SOAP (Debian: apt-get install php-soap)")

    def call(credential, operation, parts):
        script = str(HERE / "client.php")
        return user.run(program, script, document, credential or "-", user.certificates, operation, *parts.values())

    return call


def perl(user, tool, document):
    program = tool("perl", "perl")
    modules = "use SOAP::Lite; use LWP::Protocol::https; use JSON::PP"
    if subprocess.run([program, "-e", modules], capture_output=True, timeout=60).returncode:
        pytest.skip("SOAP::Lite is not installed (Debian: libsoap-lite-perl liblwp-protocol-https-perl)")

    def call(credential, operation, parts):
        script = str(HERE / "client.pl")
        return user.run(
            program, script, f"file:{document}", credential or "-", user.certificates, operation, *parts.values()
        )

    return call


def node(user, tool, document):
    program = tool("node", "nodejs")
    modules = os.environ.get("NODE_PATH", "")
    if subprocess.run([program, "-e", "require('soap')"], capture_output=True, timeout=60).returncode:
        pytest.skip("the package soap is not installed for Node (npm install soap@1.13.0, and set NODE_PATH)")
    bundle = Path(document).with_name("cas.pem")
    bundle.write_bytes(b"".join(path.read_bytes() for path in sorted(Path(user.certificates).glob("*.0"))))

    def call(credential, operation, parts):
        script = str(HERE / "client.js")
        values = json.dumps(parts)
        return user.run(
            program, script, document, credential or "-", str(bundle), operation, values, NODE_PATH=modules
        )

    return call


@pytest.fixture(scope="module", params=[php, perl, node], ids=lambda make: make.__name__)
def client(request, user, tool, document):
    """A client, as a function: credential, operation and parts in, what it printed out."""
    made = request.param(user, tool, document)

    def call(credential: str | None, operation: str, **parts: str) -> dict:
        result = made(credential, operation, parts)
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(result.stdout)

    return call


def test_every_typed_fault_is_told_apart(client, cases):
    told = set()
    for case in cases:
        answer = client(case.credential, case.operation, **case.parts)
        assert answer.get("faultcode", "").partition(":")[0] == "SOAP-ENV", answer
        ((name, value),) = answer["detail"].items()
        assert name == case.fault
        value = value.get("enc_value", value)  # PHP keeps the value of what has an xsi:type apart
        assert (value["methodName"], str(value["ErrorCode"])) == (case.operation, str(case.code))
        assert value["Description"] == answer["faultstring"] and value["FaultCause"]
        told.add(name)
    assert len(told) == 9


def test_a_job_is_registered_and_its_place_told(client, user):
    assert "3.9.0" in json.dumps(client(user.proxy, "getVersion"))
    registered = client(user.proxy, "jobRegister", jdl=JDL, delegationId="wire")
    job = re.search(r"https://localhost:\d+/[\w-]{22}", json.dumps(registered).replace("\\/", "/"))
    assert job is not None, registered
    places = client(user.proxy, "getSandboxDestURI", jobId=job[0], protocol="https")
    assert "/input" in json.dumps(places).replace("\\/", "/")
