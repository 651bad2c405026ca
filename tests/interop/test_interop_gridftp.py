"""Sandbox files by GridFTP: a real globus-gridftp-server beside WMProxy, moved by globus-url-copy."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from gsi.credential import Credential
from gsi.tls import client_context
from node.ports import choose
from wsdl.client import SoapClient
from wsdl.delegation import delegate

SERVER = shutil.which("globus-gridftp-server", path="/usr/sbin:/usr/bin")
COPY = shutil.which("globus-url-copy", path="/usr/bin")
pytestmark = [
    pytest.mark.skipif(SERVER is None, reason="globus-gridftp-server is not installed (globus-gridftp-server-progs)"),
    pytest.mark.skipif(COPY is None, reason="globus-url-copy is not installed (globus-gass-copy-progs)"),
]

JDL = """[ Executable = "/bin/cat"; Arguments = "data"; StdOutput = "out"; OutputSandbox = { "out" };
  InputSandbox = { "data" }; requirements = true; rank = 1; ]"""


_SETTINGS = '[wmproxy]\ngridftp_host = "localhost"\ngridftp_port = {}\n'


@pytest.fixture(scope="module")
def grid(make_node):
    """A node, and the GridFTP server that its configuration names, set up as docs/operation.md says."""
    node = make_node()
    (port,) = choose(1)
    file = node.root / "wms.toml"
    file.write_text(file.read_text().replace("[wmproxy]\n", _SETTINGS.format(port)))
    node.wms("up", "--detach")
    node.proxy("alice")
    directory = node.root.parent / "gridftp"
    directory.mkdir()
    (directory / "gridmap").write_text(f'"/DC=org/DC=wms-test/CN=Alice" {getpass.getuser()}\n')
    place = f"{node.root}/sandbox/SandboxDir/*/*"
    process = subprocess.Popen(
        [
            SERVER, "-daemon", "-p", str(port), "-control-interface", "127.0.0.1", "-data-interface", "127.0.0.1",
            "-l", str(directory / "log"), "-d", "error,warn", "-c", "none",
            "-rp", f"RW{place}/input/*,R{place}/output/*,R{place}/peek/*-*",
            *(["-allow-root"] if os.getuid() == 0 else []),
        ],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(directory),
            "X509_USER_CERT": str(node.root / "credentials" / "hostcert.pem"),
            "X509_USER_KEY": str(node.root / "credentials" / "hostkey.pem"),
            "X509_CERT_DIR": str(node.root / "trust" / "certificates"),
            "GRIDMAP": str(directory / "gridmap"),
        },
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(port, process, directory / "log")
        yield node
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _wait_for(port, process, log):
    deadline = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            said = log.read_text() if log.exists() else ""
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)


@pytest.fixture(scope="module")
def alice(grid):
    proxy = grid.root / "credentials" / "users" / "alice" / "proxy.pem"
    context = client_context(grid.root / "trust" / "certificates", proxy)
    soap = SoapClient("WMProxy.wsdl", "WMProxy_PortType", grid.configuration().wmproxy_endpoint, context)
    delegate(soap, "gridftp", Credential.load(proxy))
    yield soap
    soap.close()


def copy(grid, source, target):
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(grid.root.parent),
        "X509_USER_PROXY": str(grid.root / "credentials" / "users" / "alice" / "proxy.pem"),
        "X509_CERT_DIR": str(grid.root / "trust" / "certificates"),
    }
    return subprocess.run([COPY, str(source), str(target)], env=environment, capture_output=True, text=True, timeout=60)


def register(alice, jdl=JDL):
    return alice.call("jobRegister", jdl=jdl, delegationId="gridftp")


def uris(alice, job, protocol):
    return alice.call("getSandboxDestURI", jobId=job, protocol=protocol)


def test_gsiftp_is_offered_first_and_is_the_default(grid, alice):
    assert alice.call("getTransferProtocols") == ["gsiftp", "https"]
    job = register(alice)["id"]
    gridftp, https = uris(alice, job, "all")
    assert uris(alice, job, "") == [gridftp, https]
    assert uris(alice, job, "default") == uris(alice, job, "gsiftp") == [gridftp]
    assert uris(alice, job, "https") == [https]
    assert gridftp.startswith(f"gsiftp://localhost:{grid.configuration().wmproxy.gridftp_port}{grid.root}/sandbox/SandboxDir/")
    assert gridftp.endswith(https.partition("/SandboxDir/")[2])


def test_a_job_runs_with_input_by_gsiftp_and_its_output_is_fetched_by_gsiftp(grid, alice, tmp_path):
    (tmp_path / "data").write_text("by GridFTP\n")
    job = register(alice)["id"]
    (place,) = uris(alice, job, "gsiftp")
    done = copy(grid, f"file://{tmp_path}/data", f"{place}/data")
    assert done.returncode == 0, done.stderr
    alice.call("jobStart", jobId=job)
    assert grid.wait(job) == "Done (Success)"
    (listed,) = alice.call("getOutputFileList", jobId=job, protocol="")
    assert listed["name"].startswith("gsiftp://")
    assert listed["size"] == len("by GridFTP\n")
    done = copy(grid, listed["name"], f"file://{tmp_path}/out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out").read_text() == "by GridFTP\n"
    both = [file["name"].partition(":")[0] for file in alice.call("getOutputFileList", jobId=job, protocol="all")]
    assert both == ["gsiftp", "https"]


def test_the_input_of_a_node_goes_by_gsiftp_too(grid, alice, tmp_path):
    (tmp_path / "data").write_text("of a node\n")
    jdl = f'Type = "collection"; requirements = true; rank = 1; nodes = {{ {JDL} }};'
    tree = register(alice, jdl)
    (node,) = tree["childrenJob"]
    places = alice.call("getSandboxBulkDestURI", jobId=tree["id"], protocol="gsiftp")
    (place,) = next(item["Item"] for item in places if item["id"] == node["id"])
    done = copy(grid, f"file://{tmp_path}/data", f"{place}/data")
    assert done.returncode == 0, done.stderr
    alice.call("jobStart", jobId=tree["id"])
    assert grid.wait(tree["id"]) == "Done (Success)"
    (listed,) = alice.call("getOutputFileList", jobId=node["id"], protocol="gsiftp")
    assert copy(grid, listed["name"], f"file://{tmp_path}/out").returncode == 0
    assert (tmp_path / "out").read_text() == "of a node\n"


def test_the_server_of_the_documentation_gives_out_no_proxy_and_no_description(grid, alice, tmp_path):
    job = register(alice)["id"]
    (place,) = uris(alice, job, "gsiftp")
    directory = place.rpartition("/")[0]
    for name in ("user.proxy", "JDLOriginal", "input/../user.proxy", "peek/files2peek"):
        done = copy(grid, f"{directory}/{name}", f"file://{tmp_path}/stolen")
        assert done.returncode != 0
        assert "Path not allowed" in done.stderr
    for level in (directory, directory.rpartition("/")[0], directory.rsplit("/", 2)[0]):
        names = copy(grid, "-list", f"{level}/").stdout.splitlines()[1:]  # the first line repeats the URL
        assert not [name for name in names if name.strip()], names
    (tmp_path / "forged").write_text("x")
    assert copy(grid, f"file://{tmp_path}/forged", f"{directory}/output/forged").returncode != 0


def test_our_commands_go_on_by_https_beside_it(grid):
    (grid.work / "data").write_text("by HTTPS\n")
    job = grid.submit(JDL, files={"data": "by HTTPS\n"})
    assert grid.wait(job) == "Done (Success)"
    grid.command("glite-wms-job-output", "--noint", "--dir", str(grid.work / "fetched"), job)
    assert [path.read_text() for path in (grid.work / "fetched").rglob("out")] == ["by HTTPS\n"]
