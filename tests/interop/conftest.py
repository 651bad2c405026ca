"""Programs of other people, run against the shared node; a test without its program is skipped and says which."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


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
