"""A real node for the tests that need one: made, started and stopped by the ``wms`` command, on free ports.

And a PostgreSQL server, when it is installed, for those that talk to a database.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

COMMANDS = Path(sys.executable).parent


class Node:
    """One node in its own directory.

    ``command`` runs any of the installed commands in the node's environment; ``submit`` and ``wait`` do what most
    tests do with jobs.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root.parent / "work"
        self.work.mkdir(exist_ok=True)
        self.extra: dict[str, str] = {}

    def wms(self, *arguments: str, check: bool = True, timeout: float = 90) -> subprocess.CompletedProcess:
        """Run ``wms`` with the node's directory as its first argument."""
        verb, *rest = arguments
        return self._run([str(COMMANDS / "wms"), verb, str(self.root), *rest], os.environ | self.extra, check, timeout)

    def command(
        self, name: str, *arguments: str, user: str = "alice", check: bool = True, timeout: float = 90
    ) -> subprocess.CompletedProcess:
        """Run a user's command with that user's proxy."""
        return self._run([str(COMMANDS / name), *arguments], self.environment(user), check, timeout)

    def _run(self, arguments, environment, check, timeout):
        result = subprocess.run(
            arguments, cwd=self.work, env=environment, capture_output=True, text=True, timeout=timeout
        )
        if check and result.returncode != 0:
            raise AssertionError(
                f"{arguments} ended with {result.returncode}\n{result.stdout}\n{result.stderr}\n{self.logs()}"
            )
        return result

    def environment(self, user: str = "alice") -> dict[str, str]:
        from node.environment import variables

        return {**os.environ, **variables(self.root, user), "LOGNAME": user, "HOME": str(self.work)}

    def configuration(self):
        from node.configuration import Configuration

        return Configuration.read(self.root / "wms.toml")

    def proxy(self, user: str = "alice", *arguments: str) -> Path:
        """Make a proxy and return its path."""
        report = self.wms("proxy", "--user", user, "--json", *arguments)
        return Path(json.loads(report.stdout)["path"])

    def status(self) -> dict:
        return json.loads(self.wms("status", "--json", check=False).stdout)

    def submit(self, jdl: str, user: str = "alice", files: dict[str, str] | None = None) -> str:
        """Submit a JDL text; returns the job identifier."""
        directory = Path(tempfile.mkdtemp(dir=self.work))
        for name, text in (files or {}).items():
            (directory / name).write_text(text)
            (directory / name).chmod(0o755)
        (directory / "job.jdl").write_text(jdl)
        result = subprocess.run(
            [str(COMMANDS / "glite-wms-job-submit"), "-a", "--nomsg", "job.jdl"],
            cwd=directory, env=self.environment(user), capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        if result.returncode != 0:
            raise AssertionError(f"submission failed\n{result.stdout}\n{result.stderr}\n{self.logs()}")
        return result.stdout.strip()

    def job_status(self, job: str, user: str = "alice") -> dict:
        result = self.command("glite-wms-job-status", "--json", "--noint", job, user=user)
        return json.loads(result.stdout)[job]

    def wait(self, job: str, user: str = "alice", timeout: float = 60, states: tuple[str, ...] = ()) -> str:
        """Wait for an end (or one of ``states``) and return what ``Current Status`` says."""
        wanted = states or ("Done", "Aborted", "Cancelled", "Cleared")
        deadline = time.monotonic() + timeout
        state, pause = "?", 0.2
        while time.monotonic() < deadline:
            state = self.job_status(job, user)["Current Status"]
            if state.startswith(wanted):
                return state
            time.sleep(pause)
            pause = min(1.5, pause * 1.3)
        raise AssertionError(f"{job} is {state} after {timeout} s\n{self.logs()}")

    def logs(self, lines: int = 15) -> str:
        """The ends of the services' logs, for a failure's message."""
        text = []
        for path in sorted((self.root / "log").glob("*.log")):
            text += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(text)

    def undeclared(self) -> list[str]:
        """Lines of the logs that tell of an operation that broke its own declaration (wsdl/operation.py)."""
        lines = [line for path in (self.root / "log").glob("*.log") for line in path.read_text("utf-8").splitlines()]
        return [line for line in lines if "undeclared error code" in line or "is declared for" in line]

    def remove(self) -> None:
        from node.layout import Layout

        work = Layout(self.root).ce_work_directory()
        if not work.is_relative_to(self.root):
            shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(self.root.parent, ignore_errors=True)


@pytest.fixture(scope="session")
def make_node():
    """Make nodes (not started); all are stopped and removed at the end."""
    nodes: list[Node] = []

    def make(**environment: str) -> Node:
        directory = Path(tempfile.mkdtemp(prefix="wms-test-"))
        directory.chmod(0o755)  # as root, the accounts of jobs pass through
        node = Node(directory / "node")
        node.extra.update(environment)
        nodes.append(node)
        node.wms("init", "--ports", "auto")
        return node

    yield make
    defects = []
    for node in nodes:
        if (node.root / "wms.toml").exists():
            node.wms("down", check=False)
        defects += node.undeclared()
        node.remove()
    assert defects == [], "operations did what they do not declare"


@pytest.fixture(scope="session")
def node(make_node) -> Node:
    """One running node that tests share; they leave it running and do not revoke alice."""
    made = make_node()
    file = made.root / "wms.toml"
    file.write_text(file.read_text().replace("[wmproxy]\n", "[wmproxy]\nmin_perusal_interval = 1\n"))
    made.wms("up", "--detach")
    made.proxy("alice")
    made.proxy("bob")
    return made


@pytest.fixture(scope="session")
def with_sha1():
    """Makes of a certificate the same one, signed with SHA-1 by an RSA key; cryptography itself makes none."""

    def make(certificate: x509.Certificate, signer: rsa.RSAPrivateKey) -> x509.Certificate:
        made = asn1.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
        made["tbs_certificate"]["signature"] = made["signature_algorithm"] = {"algorithm": "sha1_rsa"}
        signed = made["tbs_certificate"].dump(force=True)
        made["signature_value"] = signer.sign(signed, padding.PKCS1v15(), hashes.SHA1())
        return x509.load_der_x509_certificate(made.dump(force=True))

    return make


def programs() -> Path | None:
    """Where the programs of PostgreSQL are."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A private PostgreSQL server on a Unix socket, as another account when we are root (it refuses root)."""
    where = programs()
    if where is None:
        pytest.skip("PostgreSQL is not installed")
    user = None
    if os.getuid() == 0:
        try:
            user = pwd.getpwnam("postgres").pw_name
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no account postgres")
    place = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    if user:
        shutil.chown(place, user)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [where / program, "-D", place / "data", *arguments],
            check=True, user=user, cwd=place, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    try:
        run("initdb", "-A", "trust", "-U", "wms", "--no-sync", "-E", "UTF8", "--locale=C")
        run("pg_ctl", "start", "-w", "-l", str(place / "log"), "-o", f"-c listen_addresses= -k {place} -F")
        try:
            yield f"postgresql+psycopg://wms@/postgres?host={place}"
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(place)
