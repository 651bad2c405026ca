"""A node in a scratch directory, made and run by the ``wms`` command on free ports of loopback."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks import gsoap
from benchmarks.load import ROOT
from gsi.credential import Credential
from gsi.tls import client_context
from node import services
from node.configuration import Configuration
from node.health import Health
from node.layout import Layout
from node.process import ServiceProcess
from wsdl.client import SoapClient
from wsdl.delegation import delegate

DELEGATION: Final = "benchmark"
_DEADLINE: Final = 60.0


class ScratchNode:
    """One node; :meth:`make` gives it and takes it away."""

    def __init__(self, root: Path) -> None:
        self.layout = Layout(root)
        self.configuration = Configuration.read(self.layout.configuration)
        self.proxy = Path(json.loads(wms("proxy", root, "--user", "alice", "--json"))["path"])

    @classmethod
    @contextlib.contextmanager
    def make(cls, scratch: Path, sites: int = 0) -> Iterator[ScratchNode]:
        """Make a node with its databases and a user's proxy; nothing runs yet.

        :param sites: made-up sites that its information system shows beside it.
        """
        directory = Path(tempfile.mkdtemp(prefix="node-", dir=scratch))
        directory.chmod(0o755)  # as root, the accounts of jobs pass through
        root = directory / "node"
        work = Layout(root).ce_work_directory()
        try:
            wms("init", root, "--ports", "auto", "--sites", str(sites))
            _unbounded(Layout(root).configuration)
            node = cls(root)
            work = node.layout.ce_work_directory()
            services.prepare(node.layout, node.configuration)
            yield node
        finally:
            shutil.rmtree(work, ignore_errors=True)
            shutil.rmtree(directory)

    @contextlib.contextmanager
    def up(self) -> Iterator[dict[str, int]]:
        """The whole node; gives the processes of its services by name."""
        wms("up", self.layout.root, "--detach")
        try:
            report = json.loads(wms("status", self.layout.root, "--json"))
            yield {name: int(service["pid"]) for name, service in report["services"].items()}
        finally:
            wms("down", self.layout.root)

    @contextlib.contextmanager
    def only(self, names: Sequence[str], deadline: float = _DEADLINE) -> Iterator[dict[str, int]]:
        """Some of its services, each by ``wms run``; gives their processes by name.

        :param deadline: seconds until all of them answer.
        """
        health = Health(self.layout, self.configuration)
        running: list[ServiceProcess] = []
        try:
            for name in names:
                command = [sys.executable, "-m", "node", "run", str(self.layout.root), name]
                running.append(ServiceProcess.start(name, command, self.layout.logs / f"{name}.log"))
            end = time.monotonic() + deadline
            while not all(health.answers(one.name) for one in running):
                ended = [one.name for one in running if one.exit_code() is not None]
                if ended or time.monotonic() > end:
                    log = self.layout.logs / f"{(ended or names)[0]}.log"
                    raise RuntimeError(f"{', '.join(ended or names)} did not start\n{log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield {one.name: one.process.pid for one in running}
        finally:
            for one in running:
                one.terminate()
            for one in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    one.process.wait(10)
                one.kill_group()
                one.process.wait(5)

    @property
    def endpoint(self) -> str:
        """The URL of WMProxy."""
        return self.configuration.wmproxy_endpoint

    @property
    def workers(self) -> int:
        """Worker processes of WMProxy."""
        return self.configuration.wmproxy.workers

    @cached_property
    def gsoap(self) -> gsoap.Built | gsoap.Missing:
        """The programs made with gSOAP, made when first asked for, or why there are none."""
        try:
            return gsoap.build(self.layout.root.with_name("gsoap"))
        except gsoap.Missing as missing:
            return missing

    @cached_property
    def context(self) -> ssl.SSLContext:
        """TLS as the user."""
        return client_context(self.layout.certificates, self.proxy)

    def delegate(self) -> str:
        """Delegate the user's proxy to the running WMProxy; returns the delegation id."""
        with SoapClient("WMProxy.wsdl", "WMProxy_PortType", self.endpoint, self.context) as client:
            delegate(client, DELEGATION, Credential.load(self.proxy))
        return DELEGATION


def _unbounded(configuration: Path) -> None:
    """One user registers more than any user may."""
    text = configuration.read_text()
    configuration.write_text(text.replace("[wmproxy]\n", "[wmproxy]\nmax_waiting_jobs = 10000000\n"))


def wms(verb: str, root: Path, *arguments: str) -> str:
    """Run the operator's command; returns what it prints.

    :raises RuntimeError: with the command's own words.
    """
    command = [sys.executable, "-m", "node", verb, str(root), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_DEADLINE + 30, cwd=ROOT, check=False
    )
    if done.returncode:
        raise RuntimeError(f"wms {verb} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
