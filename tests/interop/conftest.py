"""Programs of other people, run against the shared node; a test without its program is skipped and says which."""

from __future__ import annotations

import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gsi.tls import client_context
from wsdl.client import SoapClient


@dataclass(frozen=True)
class User:
    """What a user's other programs need: where the services are, and the user's credentials."""

    node: object
    name: str

    @property
    def files(self) -> Path:
        return self.node.root / "credentials" / "users" / self.name

    @property
    def proxy(self) -> str:
        return str(self.files / "proxy.pem")

    @property
    def certificates(self) -> str:
        return str(self.node.root / "trust" / "certificates")

    @property
    def endpoint(self) -> str:
        return self.node.configuration().wmproxy_endpoint

    def run(self, *command: str, timeout: float = 60, text: bool = True, **more: str) -> subprocess.CompletedProcess:
        """Run a program in the user's environment; it may fail."""
        environment = self.node.environment(self.name) | {"LC_ALL": "C.UTF-8"} | more
        return subprocess.run(
            command, env=environment, cwd=self.node.work, capture_output=True, text=text, timeout=timeout
        )

    def ok(self, *command: str, **more: str) -> str:
        """The standard output of a program that must succeed."""
        result = self.run(*command, **more)
        assert result.returncode == 0, f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout


@pytest.fixture(scope="session")
def tool() -> Callable[[str, str], str]:
    """The path of a program; skips the test when there is none, naming the Debian package that has it."""

    def find(name: str, package: str) -> str:
        path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        if path is None:
            pytest.skip(f"{name} is not installed (Debian: apt-get install {package})")
        return path

    return find


@pytest.fixture(scope="session")
def alice(node) -> User:
    return User(node, "alice")


@pytest.fixture(scope="session")
def bob(node) -> User:
    return User(node, "bob")


@pytest.fixture(scope="session")
def person() -> type[User]:
    """Makes a user of a node that a test has made: ``person(node, "alice")``."""
    return User


@dataclass(frozen=True)
class Case:
    """A call that is answered with a typed fault.

    :ivar fault: local name of the fault's element.
    :ivar credential: PEM file that the caller shows; None: none.
    """

    fault: str
    code: int
    operation: str
    parts: dict[str, str]
    credential: str | None


WAITING = '[ Executable = "a"; InputSandbox = "a"; Requirements = true; Rank = 1; ]'
"""Cannot be started before its input is there."""

WMPROXY_SECTION = """
quota_hard = 2000000
"""
LIMIT = """
[[wmproxy.limit]]
operation = "getACLItems"
load1 = 0.0
memory_available = 1000000000000000
"""


@pytest.fixture(scope="session")
def wire(make_node):
    """A running node on which every fault can be had: one operation is overloaded, and the quota is small."""
    made = make_node()
    path = made.root / "wms.toml"
    text = path.read_text()
    assert "[wmproxy]\n" in text
    path.write_text(text.replace("[wmproxy]\n", f"[wmproxy]{WMPROXY_SECTION}") + LIMIT)
    made.wms("up", "--detach")
    for user in ("alice", "bob"):
        made.proxy(user)
        made.command("glite-wms-job-delegate-proxy", "-d", "wire", "--noint", user=user)
    made.proxy("alice", "--no-voms", "--out", str(made.work / "no-voms.pem"))
    return made


@pytest.fixture(scope="session")
def user(wire) -> User:
    """alice, on the node where every fault can be had."""
    return User(wire, "alice")


@pytest.fixture(scope="session")
def cases(wire, user) -> list[Case]:
    """One call for each of the nine typed faults."""
    port = caller(wire, "alice")
    waiting = port.call("jobRegister", jdl=WAITING, delegationId="wire")["id"]
    _fill(wire, "bob")
    nobody = '[ Executable = "/bin/true"; Requirements = false; Rank = 1; ]'
    bob, no_voms = User(wire, "bob").proxy, str(wire.work / "no-voms.pem")
    job = "https://localhost:9000/aaaaaaaaaaaaaaaaaaaaaa"
    return [
        Case("AuthenticationFault", 1206, "getVersion", {}, None),
        Case("AuthorizationFault", 1207, "jobRegister", {"jdl": "[]", "delegationId": "wire"}, no_voms),
        Case("InvalidArgumentFault", 1507, "jobRegister", {"jdl": "[ = ]", "delegationId": "wire"}, user.proxy),
        Case("GetQuotaManagementFault", 1224, "getFreeQuota", {}, bob),
        Case("NoSuitableResourcesFault", 1222, "jobListMatch", {"jdl": nobody, "delegationId": "wire"}, user.proxy),
        Case("GenericFault", 1218, "getJobStatus", {"jobId": job}, user.proxy),
        Case("JobUnknownFault", 1218, "jobStart", {"jobId": job}, user.proxy),
        Case("OperationNotAllowedFault", 1226, "jobStart", {"jobId": waiting}, user.proxy),
        Case("ServerOverloadedFault", 1228, "getACLItems", {"jobId": waiting}, user.proxy),
    ]


def caller(node, user: str) -> SoapClient:
    """Our own client, to prepare things with."""
    who = User(node, user)
    context = client_context(Path(who.certificates), Path(who.proxy))
    return SoapClient("WMProxy.wsdl", "WMProxy_PortType", who.endpoint, context)


def _fill(node, user: str) -> None:
    """Upload as much as the user's quota has room for."""
    who = User(node, user)
    with caller(node, user) as port:
        job = port.call("jobRegister", jdl=WAITING, delegationId="wire")["id"]
        (place,) = port.call("getSandboxDestURI", jobId=job, protocol="https")
        left = port.call("getFreeQuota")["hardLimit"]
    context = client_context(Path(who.certificates), Path(who.proxy))
    request = urllib.request.Request(f"{place}/a", b"x" * left, method="PUT")
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:
        assert answer.status == 201


@pytest.fixture(scope="session")
def delegation(node) -> str:
    """A delegation of alice's, made by our own command."""
    node.command("glite-wms-job-delegate-proxy", "-d", "interop", "--noint")
    return "interop"


@pytest.fixture(scope="session")
def finished(node) -> str:
    """A job of alice's that has ended."""
    job = node.submit('[ Executable = "/bin/echo"; Arguments = "<b>&amp;"; StdOutput = "o"; OutputSandbox = "o"; ]')
    assert node.wait(job) == "Done (Success)"
    return job
