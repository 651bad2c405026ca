"""GridSite's delegation clients against a node whose ``[trust] gridsite_proxies`` is on: from htproxyput to the output.

What they meet where it is off stands in test_interop_proxies.py.
"""

import re
import time

import pytest

from gsi.tls import client_context
from wsdl.client import SoapClient

JDL = """[
  Executable = "script.sh"; InputSandbox = { "script.sh", "data.txt" };
  StdOutput = "out.txt"; StdError = "err.txt"; OutputSandbox = { "out.txt", "err.txt", "made.txt" };
]"""
FILES = {"script.sh": "#!/bin/sh\ncat data.txt\nprintf made > made.txt\n", "data.txt": "carried\n"}


@pytest.fixture(scope="module")
def gina(make_node, person):
    """A user of a node that accepts what GridSite's clients sign."""
    made = make_node()
    path = made.root / "wms.toml"
    setting = re.subn("# gridsite_proxies = false.*", "gridsite_proxies = true", path.read_text())
    assert setting[1] == 1
    path.write_text(setting[0])
    made.wms("up", "--detach")
    made.proxy("alice", "--hours", "6")
    return person(made, "alice")


@pytest.fixture(scope="module")
def delegated(gina, tool) -> str:
    """The id of a delegation that htproxyput made; its exit code is 0 whatever it was answered, so we ask."""
    time_of = tool("htproxytime", "gridsite-clients")
    for _ in range(3):
        put = gina.ok(tool("htproxyput", "gridsite-clients"), gina.endpoint)
        name = put.split()[-1]
        assert re.fullmatch("[0-9a-f]{16}", name)
        for _ in range(10):
            asked = gina.run(time_of, "--delegation-id", name, gina.endpoint)
            if asked.returncode == 0:
                return name
            time.sleep(1)
    pytest.fail(f"htproxyput delegated nothing under {name}: {asked.stderr}\n{gina.node.logs()}")


def ends(user, tool, name: str) -> int:
    return int(user.ok(tool("htproxyunixtime", "gridsite-clients"), "--delegation-id", name, user.endpoint))


def test_htproxyput_delegates_and_htproxytime_reads_the_end(gina, tool, delegated):
    assert abs(ends(gina, tool, delegated) - (time.time() + 6 * 3600)) < 300
    assert gina.run(
        tool("htproxytime", "gridsite-clients"), "--delegation-id", delegated, gina.endpoint
    ).returncode == 0  # fmt: skip


def test_the_delegation_is_described_as_the_users(gina, delegated):
    context = client_context(gina.node.root / "trust" / "certificates", gina.files / "proxy.pem")
    with SoapClient("WMProxy.wsdl", "WMProxy_PortType", gina.endpoint, context) as port:
        told = port.call("getDelegatedProxyInfo", delegationID=delegated)
    assert told["Identity"] == "/DC=org/DC=wms-test/CN=Alice"
    assert re.fullmatch(r"/DC=org/DC=wms-test/CN=Alice/CN=\d+/CN=\d+", told["Subject"])
    assert told["Type"] == "proxy"
    assert [vo["VOName"] for vo in told["VOsInfo"]] == ["testvo"]


def test_a_job_under_it_runs_to_its_output(gina, delegated, tmp_path):
    """The chain is shown to WMProxy, to the computing element, and by the job on its worker node to WMProxy again."""
    for name, text in FILES.items():
        (gina.node.work / name).write_text(text)
    (gina.node.work / "gridsite.jdl").write_text(JDL)
    submit = gina.node.command("glite-wms-job-submit", "-d", delegated, "--nomsg", "--noint", "gridsite.jdl")
    job = submit.stdout.strip()
    assert gina.node.wait(job) == "Done (Success)"
    gina.node.command("glite-wms-job-output", "--noint", "--dir", str(tmp_path / "out"), job)
    got = {path.name: path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert got == {"out.txt": "carried\n", "err.txt": "", "made.txt": "made"}


def test_htproxyrenew_renews_it_and_htproxydestroy_ends_it(gina, tool, delegated):
    before = ends(gina, tool, delegated)
    gina.node.proxy("alice", "--hours", "12")
    gina.ok(tool("htproxyrenew", "gridsite-clients"), "--delegation-id", delegated, gina.endpoint)
    assert abs(ends(gina, tool, delegated) - before - 6 * 3600) < 300
    about = ("--delegation-id", delegated, gina.endpoint)
    assert gina.run(tool("htproxydestroy", "gridsite-clients"), *about).returncode == 0
    gone = gina.run(tool("htproxytime", "gridsite-clients"), *about)
    assert gone.returncode == 1
    assert "you have delegated none under the id" in gone.stderr
