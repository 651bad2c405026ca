"""The files of a running job, read by its owner over SOAP and HTTPS while it runs, and by nobody else."""

import http.server
import re
import ssl
import threading
import time

import pytest

from gsi.credential import Credential
from gsi.tls import client_context
from web.client import FileClient
from wsdl.client import RemoteFault, SoapClient

PAYLOAD = """#!/bin/sh
echo first
while [ ! -e "$HOLD.1" ]; do sleep 0.1; done
echo second
while [ ! -e "$HOLD.2" ]; do sleep 0.1; done
echo third
"""


class User:
    """A user's SOAP and HTTPS clients."""

    def __init__(self, node, name: str) -> None:
        proxy = node.root / "credentials" / "users" / name / "proxy.pem"
        context = client_context(node.root / "trust" / "certificates", proxy)
        self.soap = SoapClient("WMProxy.wsdl", "WMProxy_PortType", node.configuration().wmproxy_endpoint, context)
        self.files = FileClient(context)

    def enable(self, job, *files):
        self.soap.call("enableFilePerusal", jobId=job, fileList=list(files))

    def get(self, job, file, *, again=False):
        return list(self.soap.call("getPerusalFiles", jobId=job, file=file, allChunks=again, protocol="") or ())

    def text(self, uris, tmp_path):
        out = b""
        for uri in uris:
            path = tmp_path / uri.rpartition("/")[2]
            self.files.get(uri, path)
            out += path.read_bytes()
        return out.decode()

    def until(self, job, file, wanted, tmp_path, seconds=20):
        """Ask until the new bytes are ``wanted``; returns the URIs."""
        uris, deadline = [], time.monotonic() + seconds
        while self.text(uris, tmp_path) != wanted:
            assert time.monotonic() < deadline, (uris, self.text(uris, tmp_path))
            time.sleep(0.2)
            uris += self.get(job, file)
        return uris

    def close(self):
        self.soap.close()
        self.files.close()


@pytest.fixture(scope="module")
def alice(node):
    user = User(node, "alice")
    yield user
    user.close()


@pytest.fixture(scope="module")
def bob(node):
    user = User(node, "bob")
    yield user
    user.close()


@pytest.fixture
def hold(node, tmp_path):
    """Files that the payload waits for; it may run under another account."""
    tmp_path.chmod(0o755)
    for directory in tmp_path.parents:
        if not directory.stat().st_mode & 1 and directory.owner() == tmp_path.owner():
            directory.chmod(directory.stat().st_mode | 0o011)
    return tmp_path / "hold"


def _submit(node, hold, more=""):
    jdl = f"""[
      Executable = "run.sh"; InputSandbox = "run.sh"; StdOutput = "out"; StdError = "err";
      OutputSandbox = {{ "out" }}; Environment = {{ "HOLD={hold}" }}; PerusalFileEnable = true; {more}
    ]"""
    return node.submit(jdl, files={"run.sh": PAYLOAD})


def _fault(call, *arguments, **options):
    with pytest.raises(RemoteFault) as caught:
        call(*arguments, **options)
    return caught.value


def test_a_running_job_is_read_twice_and_its_output_is_what_was_read(node, alice, hold, tmp_path):
    job = _submit(node, hold)
    node.wait(job, states=("Running",))
    assert alice.get(job, "out") == []
    alice.enable(job, "out", "err")
    first = alice.until(job, "out", "first\n", tmp_path)
    hold.with_suffix(".1").touch()
    second = alice.until(job, "out", "second\n", tmp_path)
    assert node.job_status(job)["Current Status"] == "Running"
    assert alice.get(job, "err") == []
    hold.with_suffix(".2").touch()
    assert node.wait(job) == "Done (Success)"
    third = alice.until(job, "out", "third\n", tmp_path)
    assert alice.get(job, "out") == []
    every = alice.get(job, "out", again=True)
    assert every == [*first, *second, *third] == sorted(every)
    assert alice.text(every, tmp_path) == "first\nsecond\nthird\n"


def test_the_commands_look_at_a_running_job(node, hold, tmp_path):
    job = _submit(node, hold)
    node.command("glite-wms-job-perusal", "--set", "-f", "out", job)
    hold.with_suffix(".1").touch()
    seen = node.work / f"seen-{job.rpartition('/')[2]}"
    deadline = time.monotonic() + 30
    text = ""
    while text != "first\nsecond\n":
        assert time.monotonic() < deadline, text
        node.command("glite-wms-job-perusal", "--get", "-f", "out", "--dir", str(seen), "--nodisplay", job)
        text = "".join(path.read_text() for path in sorted(seen.glob("out-*")))
    assert node.job_status(job)["Current Status"] == "Running"
    again = node.command("glite-wms-job-perusal", "--get", "-f", "out", "--all", "--dir", str(seen), job)
    assert again.stdout.endswith("first\nsecond\n")
    node.command("glite-wms-job-perusal", "--unset", job)
    hold.with_suffix(".2").touch()
    node.wait(job)
    nothing = node.command("glite-wms-job-perusal", "--get", "-f", "out", "--dir", str(seen), job)
    assert "No files to be retrieved for the job:" in nothing.stdout
    registered = node.command("glite-wms-job-info", "--jdl", job).stdout
    assert f'edg_jobid = "{job}";' in registered
    assert "requirements = " in registered
    assert "PerusalTimeInterval = 1;" in registered
    proxy = node.command("glite-wms-job-info", "--proxy", job).stdout
    assert "=== VO testvo extension information ===" in proxy
    assert "Timeleft    : " in proxy
    node.command("glite-wms-job-delegate-proxy", "-d", "info")
    delegated = node.command("glite-wms-job-info", "-d", "info").stdout
    assert "with delegationID info: " in delegated


def test_nobody_else_sees_the_files_of_a_job(node, alice, bob, hold, tmp_path):
    job = _submit(node, hold)
    alice.enable(job, "out")
    hold.with_suffix(".1").touch()
    hold.with_suffix(".2").touch()
    node.wait(job)
    (uri,) = alice.get(job, "out")
    assert _fault(bob.get, job, "out").code == 1218
    assert _fault(bob.enable, job, "out").code == 1218
    with pytest.raises(Exception, match="404"):
        bob.files.get(uri, tmp_path / "stolen")
    # What is no merged file and not the list is not served, and nothing is written after the end.
    directory = uri.rpartition("/")[0]
    (tmp_path / "chunk").write_text("forged")
    for name in ("out.20261127230000_000001", "files2peek", "out", uri.rpartition("/")[2]):
        with pytest.raises(Exception, match=r"40[349]"):
            alice.files.put(f"{directory}/{name}", tmp_path / "chunk")


def test_what_is_not_enabled_is_told_with_the_historical_words(node, alice, hold):
    job = node.submit('[ Executable = "/bin/true"; Requirements = false; ]')
    for call in (lambda: alice.enable(job, "out"), lambda: alice.get(job, "out")):
        fault = _fault(call)
        assert (fault.kind, fault.code) == ("OperationNotAllowedFault", 1226)
        assert "Perusal not enabled for this job: its description does not say PerusalFileEnable" in fault.description
    allowed = _submit(node, hold, "Requirements = false;")
    for names in ([""], ["../x"], ["/etc/passwd"], ["a\nb"], ["a/b", "c/b"], ["x" * 250]):
        assert (_fault(alice.enable, allowed, *names).kind, _fault(alice.enable, allowed, *names).code) == (
            "InvalidArgumentFault",
            1225,
        )
    assert "maximum number of perusal files" in _fault(alice.enable, allowed, *map(str, range(16))).description
    assert "Provided file name not valid" in _fault(alice.get, allowed, "").description
    for waiting in (job, allowed):
        node.command("glite-wms-job-cancel", "--noint", waiting)


def test_a_job_that_is_not_started_and_chunks_that_go_elsewhere_are_told(node, alice, hold):
    node.work.joinpath("reg.jdl").write_text('[ Executable = "/bin/true"; PerusalFileEnable = true; ]')
    result = node.command("glite-wms-job-submit", "-a", "--register-only", "--nomsg", "reg.jdl")
    job = result.stdout.strip()
    alice.enable(job, "out")
    assert "the job is not started" in _fault(alice.get, job, "out").description
    node.command("glite-wms-job-cancel", "--noint", job)
    away = _submit(node, hold, 'Requirements = false; PerusalFilesDestURI = "https://elsewhere/x";')
    description = _fault(alice.get, away, "out").description
    assert "Remote perusal peek URI set:\nhttps://elsewhere/x" in description
    node.command("glite-wms-job-cancel", "--noint", away)


def test_the_jobs_limited_proxy_may_send_chunks_only_of_what_is_listed_while_the_job_runs(
    node, alice, hold, tmp_path
):
    job = _submit(node, hold)
    node.wait(job, states=("Running",))
    alice.enable(job, "out")
    uri = alice.until(job, "out", "first\n", tmp_path)[0]
    directory = uri.rpartition("/")[0]
    proxy = tmp_path / "limited"
    node.wms("proxy", "--out", str(proxy), "--limited")
    assert Credential.load(proxy)
    client = FileClient(client_context(node.root / "trust" / "certificates", proxy))
    (tmp_path / "chunk").write_text("x")
    try:
        with pytest.raises(Exception, match="404"):
            client.put(f"{directory}/other.20991231000000_000001", tmp_path / "chunk")
        with pytest.raises(Exception, match="403"):
            client.put(f"{directory}/files2peek", tmp_path / "chunk")
        taken = uri.rpartition("-")[2]
        with pytest.raises(Exception, match="409"):
            client.put(f"{directory}/out.{taken}", tmp_path / "chunk")
        client.put(f"{directory}/out.20991231000000_000001", tmp_path / "chunk")
    finally:
        client.close()
    node.command("glite-wms-job-cancel", "--noint", job)
    node.wait(job)


def test_people_on_the_access_list_may_look_and_not_choose(node, alice, bob, hold, tmp_path):
    job = _submit(node, hold)
    alice.enable(job, "out")
    hold.with_suffix(".1").touch()
    hold.with_suffix(".2").touch()
    assert node.wait(job) == "Done (Success)"
    alice.soap.call("addACLItems", jobId=job, items=["/DC=org/DC=wms-test/CN=Bob"])
    seen = bob.get(job, "out")
    assert bob.text(seen, tmp_path) == "first\nsecond\nthird\n"
    fault = _fault(bob.enable, job, "err")
    assert (fault.kind, fault.code) == ("AuthorizationFault", 1207)
    assert alice.get(job, "out", again=True) == seen


def test_a_compound_job_itself_has_no_files_to_look_at(node, alice):
    node.work.joinpath("c.jdl").write_text(
        'Type = "collection"; PerusalFileEnable = true; nodes = { [ Executable = "/bin/true"; ] };'
    )
    parent = node.command("glite-wms-job-submit", "-a", "--nomsg", "c.jdl").stdout.strip()
    fault = _fault(alice.enable, parent, "out")
    assert (fault.kind, fault.code) == ("OperationNotAllowedFault", 1226)
    assert "Perusal service not available for dag or collection type" in fault.description
    node.wait(parent)


@pytest.fixture
def elsewhere(node):
    """The user's own HTTPS server: takes what is put, asks for a certificate of the grid."""
    received: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Keep the test's output clean."""

        def do_PUT(self):
            received[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(node.root / "credentials" / "hostcert.pem", node.root / "credentials" / "hostkey.pem")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"https://localhost:{server.server_port}", received
    server.shutdown()
    server.server_close()
    thread.join()


def test_chunks_go_to_the_users_own_server_while_the_job_runs(node, alice, hold, elsewhere):
    base, received = elsewhere
    job = _submit(node, hold, f'PerusalFilesDestURI = "{base}/mine/";')
    alice.enable(job, "out")
    deadline = time.monotonic() + 30
    while not received:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert list(received.values()) == [b"first\n"]
    hold.with_suffix(".1").touch()
    hold.with_suffix(".2").touch()
    assert node.wait(job) == "Done (Success)"
    assert b"".join(received[path] for path in sorted(received)) == b"first\nsecond\nthird\n"
    assert all(re.fullmatch(r"/mine/out\.\d{14}_\d{6}", path) for path in received)
