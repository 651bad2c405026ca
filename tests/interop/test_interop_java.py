"""Java's clients: JAX-WS of today (``wsimport``) and Axis 1 of the grid's time (``WSDL2Java``), with a proxy."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import load_pem_x509_certificates

from gsi.tls import client_context

HERE = Path(__file__).parent
JARS = Path("/usr/share/java")
JAXWS = ("jaxws*", "jaxb*", "saaj*", "streambuffer*", "stax-ex*", "policy*", "istack*", "txw2*", "FastInfoset*",
         "javax.annotation*", "javax.activation", "jsr181*", "mimepull*", "gmbal*", "management*", "resolver*",
         "xml-resolver*", "javax.xml.soap*", "jaxws-api*", "webservices*")  # fmt: skip
AXIS = ("axis", "axis-jaxrpc", "axis-saaj", "commons-discovery", "commons-logging", "wsdl4j", "javax.activation",
        "javax.mail")  # fmt: skip
PASSWORD = "changeit"


def classpath(*patterns: str) -> str:
    return ":".join(str(jar) for pattern in patterns for jar in sorted(JARS.glob(f"{pattern}.jar")))


def run(place: Path, *command: str) -> subprocess.CompletedProcess:
    result = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, f"{command[:4]}\n{result.stdout}\n{result.stderr}"
    return result


@pytest.fixture(scope="module")
def place(user, tool, tmp_path_factory) -> Path:
    """A directory with the served description, and the trusted CAs as a key store."""
    tool("java", "default-jdk-headless")
    made = tmp_path_factory.mktemp("java")
    context = client_context(Path(user.certificates))
    with urllib.request.urlopen(f"{user.endpoint}?wsdl=WMProxy-alone.wsdl", context=context, timeout=30) as answer:
        text = answer.read().decode()
    for name in re.findall(r'schemaLocation="[^"]*[?]xsd=([^"]+)"', text):
        with urllib.request.urlopen(f"{user.endpoint}?xsd={name}", context=context, timeout=30) as answer:
            (made / name).write_bytes(answer.read())
    (made / "WMProxy.wsdl").write_text(text.replace(f"{user.endpoint}?xsd=", ""))
    keytool = tool("keytool", "default-jdk-headless")
    for number, path in enumerate(sorted(Path(user.certificates).glob("*.0"))):
        run(made, keytool, "-importcert", "-noprompt", "-storetype", "PKCS12", "-keystore", "trust.p12",
            "-storepass", PASSWORD, "-alias", f"ca{number}", "-file", str(path))  # fmt: skip
    return made


def key_store(place: Path, credential: str) -> str:
    """A proxy file as a key store."""
    pem = Path(credential).read_bytes()
    leaf, *chain = load_pem_x509_certificates(pem)
    key = load_pem_private_key(pem, None)
    path = place / f"{Path(credential).stem}.p12"
    encryption = BestAvailableEncryption(PASSWORD.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"me", key, leaf, chain, encryption))
    return str(path)


def jaxws(user, tool, place):
    tool("wsimport", "jaxws")
    jars = classpath(*JAXWS)
    run(place, tool("wsimport", "jaxws"), "-quiet", "-keep", "-Xnocompile", "-d", ".", "WMProxy.wsdl")
    (place / "JaxWsClient.java").write_bytes((HERE / "JaxWsClient.java").read_bytes())
    sources = [str(path) for path in (place / "org").rglob("*.java")]
    run(place, tool("javac", "default-jdk-headless"), "-nowarn", "-proc:none", "-cp", jars, "-d", "out", *sources,
        "JaxWsClient.java")  # fmt: skip

    def call(credential, operation, *values):
        store = "-" if credential is None else key_store(place, credential)
        document = (place / "WMProxy.wsdl").as_uri()
        return run(place, tool("java", "default-jdk-headless"), "-cp", f"out:{jars}", "JaxWsClient", document,
                   user.endpoint, store, "trust.p12", operation, *values)  # fmt: skip

    return call


def axis(user, tool, place):
    if not (JARS / "axis.jar").exists():
        pytest.skip("Axis is not installed (Debian: apt-get install libaxis-java)")
    jars = classpath(*AXIS)
    java = tool("java", "default-jdk-headless")
    run(place, java, "-cp", jars, "org.apache.axis.wsdl.WSDL2Java", "-o", "axis", "WMProxy.wsdl")
    (place / "AxisClient.java").write_bytes((HERE / "AxisClient.java").read_bytes())
    sources = [str(path) for path in (place / "axis").rglob("*.java")]
    run(place, tool("javac", "default-jdk-headless"), "-nowarn", "-proc:none", "-cp", jars, "-d", "out-axis", *sources,
        "AxisClient.java")  # fmt: skip

    def call(credential, operation, *values):
        stores = ["-Djavax.net.ssl.trustStore=trust.p12", f"-Djavax.net.ssl.trustStorePassword={PASSWORD}"]
        if credential is not None:
            stores += [f"-Djavax.net.ssl.keyStore={key_store(place, credential)}",
                       f"-Djavax.net.ssl.keyStorePassword={PASSWORD}"]  # fmt: skip
        return run(place, java, *stores, "-cp", f"out-axis:{jars}", "AxisClient", user.endpoint, operation, *values)

    return call


@pytest.fixture(scope="module", params=[jaxws, axis], ids=lambda make: make.__name__)
def client(request, user, tool, place):
    """A client, as a function: credential, operation and values in, printed lines out."""
    call = request.param(user, tool, place)
    return lambda *values: [line for line in call(*values).stdout.splitlines() if line]


def test_every_typed_fault_is_decoded_as_its_own_type(client, cases):
    told = set()
    for case in cases:
        exception, kind, method, code, causes = client(case.credential, case.operation, *case.parts.values())[-5:]
        assert (exception, kind) == (case.fault, f"{case.fault}Type")
        assert (method, code) == (case.operation, str(case.code)) and int(causes) >= 1
        told.add(exception)
    assert len(told) == 9


def test_a_job_is_registered(client, user):
    assert client(user.proxy, "getVersion")[-1] == "3.9.0"
    jdl = '[ Executable = "/bin/true"; Requirements = true; Rank = 1; ]'
    assert re.fullmatch(r"https://localhost:\d+/[\w-]{22}", client(user.proxy, "jobRegister", jdl, "wire")[-1])
