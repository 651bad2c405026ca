"""The protocols of sandbox URIs: with and without a GridFTP server in front of the sandbox tree."""

import re
from pathlib import Path

import pytest

from grid.jobid import JobId
from wmproxy.errors import ProtocolNotAvailable
from wmproxy.protocols import Protocols
from wmproxy.sandboxes import Sandboxes

JOB = JobId.parse("https://lb.example.org:9000/abcdefghijklmnopqrstuv")
PLACE = "SandboxDir/ab/https_3a_2f_2flb.example.org_3a9000_2fabcdefghijklmnopqrstuv"


@pytest.fixture
def make(tmp_path):
    def protocols(host="", port=2811) -> Protocols:
        root = tmp_path / "doc root"
        return Protocols(Sandboxes(root, "SandboxDir", "https://wms.example.org:7443"), root, host, port)

    return protocols


def test_https_alone_is_served_without_a_gridftp_server(make):
    protocols = make()
    assert protocols.served == ("https",)
    for wanted in ("all", "default", "https"):
        assert protocols.uris(JOB, "input", wanted=wanted) == [f"https://wms.example.org:7443/{PLACE}/input"]
    with pytest.raises(ProtocolNotAvailable, match="requested protocol not available: 'gsiftp'") as refused:
        protocols.uris(JOB, "input", wanted="gsiftp")
    assert refused.value.code == 1225


@pytest.mark.parametrize(("port", "authority"), [(2811, "ftp.example.org:2811"), (0, "ftp.example.org")])
def test_gsiftp_comes_first_and_names_the_absolute_file(make, tmp_path, port, authority):
    protocols = make("ftp.example.org", port)
    gsiftp = f"gsiftp://{authority}{tmp_path}/doc%20root/{PLACE}/output/a%20b"
    https = f"https://wms.example.org:7443/{PLACE}/output/a%20b"
    for wanted, expected in (
        ("all", [gsiftp, https]), ("default", [gsiftp]), ("https", [https]), ("gsiftp", [gsiftp]),
    ):  # fmt: skip
        assert protocols.uris(JOB, "output", "a b", wanted=wanted) == expected
    for wanted in ("GSIFTP", "http", "", "file"):
        with pytest.raises(ProtocolNotAvailable):
            protocols.uris(JOB, "input", wanted=wanted)


def test_the_directory_that_gridftp_writes_to_is_there(make, tmp_path):
    protocols = make("ftp.example.org")
    place = tmp_path / "doc root" / PLACE / "input"
    protocols.inputs(JOB, wanted="https")
    assert not place.exists()
    protocols.inputs(JOB, wanted="all")
    assert place.is_dir()


@pytest.fixture(scope="module")
def user(make_node, alice):
    """Alice on a node that says it has a GridFTP server."""
    made = make_node()
    configuration = made.root / "wms.toml"
    text, found = re.subn(
        r"(?m)^\[wmproxy\]\n",
        '[wmproxy]\ngridftp_host = "localhost"\ngridftp_port = 2812\nmax_input_sandbox = 1000\n',
        configuration.read_text(),
    )
    assert found == 1
    configuration.write_text(text)
    made.wms("up", "--detach")
    made.proxy("alice")
    door = type(alice)(made, made.root / "credentials" / "users" / "alice" / "proxy.pem")
    assert door.delegate("wire").status == 200
    yield made, door
    door.close()


def items(answer) -> list[str]:
    return re.findall("<Item>([^<]*)</Item>", answer.text)


def test_all_operations_offer_gsiftp(user, sandbox_path):
    node, door = user
    assert items(door.call("<w:getTransferProtocols/>")) == ["gsiftp", "https"]
    job = door.register('[ Executable = "/bin/cat"; Arguments = "data"; StdOutput = "out"; InputSandbox = { "data" };'
                        ' OutputSandbox = { "out" }; Requirements = true; Rank = 1; ]')  # fmt: skip
    place = sandbox_path(job)
    gsiftp = f"gsiftp://localhost:2812{node.root}/sandbox{place}"
    https = f"https://localhost:{door.port}{place}"
    uris = {"all": [gsiftp, https], "": [gsiftp, https], "default": [gsiftp], "https": [https], "gsiftp": [gsiftp]}
    for wanted, expected in uris.items():
        request = f"<jobId>{job}</jobId><protocol>{wanted}</protocol>"
        inputs = [f"{uri}/input" for uri in expected]
        assert items(door.call(f"<w:getSandboxDestURI>{request}</w:getSandboxDestURI>")) == inputs
        assert items(door.call(f"<w:getSandboxBulkDestURI>{request}</w:getSandboxBulkDestURI>")) == inputs
    came_by_gsiftp(node, place, "data", b"by gridftp\n")
    assert door.call(f"<w:jobStart><jobId>{job}</jobId></w:jobStart>").status == 200
    assert node.wait(job) == "Done (Success)"
    for wanted, expected in (uris | {"": [gsiftp]}).items():
        request = f"<jobId>{job}</jobId><protocol>{wanted}</protocol>"
        answer = door.call(f"<w:getOutputFileList>{request}</w:getOutputFileList>")
        assert re.findall("<name>([^<]*)</name>", answer.text) == [f"{uri}/output/out" for uri in expected]
    assert door.http("GET", f"{place}/output/out").body == b"by gridftp\n"


def came_by_gsiftp(node, place: str, name: str, data: bytes) -> None:
    path = Path(node.root / "sandbox" / place[1:] / "input" / name)
    path.write_bytes(data)
    path.chmod(0o644)


def test_what_came_by_gsiftp_and_is_too_large_is_refused_at_the_start(user, sandbox_path):
    node, door = user
    job = door.register('[ Executable = "/bin/true"; InputSandbox = { "data" }; Requirements = true; Rank = 1; ]')
    start = f"<w:jobStart><jobId>{job}</jobId></w:jobStart>"
    assert "data has not been uploaded" in door.call(start).fault().description
    came_by_gsiftp(node, sandbox_path(job), "data", bytes(1001))
    fault = door.call(start).fault()
    assert (fault.kind, fault.code) == ("OperationNotAllowedFault", "1226")
    assert "the input sandbox has 1001 bytes, and it may have 1000" in fault.description
