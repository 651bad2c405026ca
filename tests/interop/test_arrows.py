"""Each arrow of the way of a job, seen on its socket.

A node whose services are told to others by the addresses of relays.  A relay counts what passes and asks the
kernel which program it was that connected, so an arrow has a beginning, an end, and a weight in bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import stat
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from node.ports import choose

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the kernel does not tell who connects")

INPUT, OUTPUT = 300_000, 400_000
JDL = """[
  Executable = "payload.sh"; InputSandbox = { "payload.sh", "data" };
  StdOutput = "out"; OutputSandbox = { "out", "produced" };
]"""
PAYLOAD = f"#!/bin/sh\nwc -c < data\nhead -c {OUTPUT} /dev/urandom > produced\n"


@dataclass
class Traffic:
    """What one program sent (``up``) and was sent (``down``) through one relay; bytes of TLS or LDAP."""

    connections: int = 0
    up: int = 0
    down: int = 0


@dataclass
class Relay:
    """A TCP relay in front of one service."""

    name: str
    listener: socket.socket
    target: int
    traffic: dict[str, Traffic] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)
    open: set[socket.socket] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> int:
        return self.listener.getsockname()[1]

    def start(self) -> None:
        self._thread(self._accept)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for sock in self.open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()

    def by(self, program: str) -> Traffic:
        """What ``program`` did; nothing, when it never came."""
        with self.lock:
            return self.traffic.get(program, Traffic())

    def _thread(self, work, *arguments) -> None:
        thread = threading.Thread(target=work, args=arguments, name=f"relay-{self.name}")
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, peer = self.listener.accept()
            except OSError:
                return
            self._thread(self._serve, near, peer)

    def _serve(self, near: socket.socket, peer: tuple[str, int]) -> None:
        program = program_of(peer, self.listener.getsockname())
        with self.lock:
            own = self.traffic.setdefault(program, Traffic())
            own.connections += 1
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with near, far:
            with self.lock:
                self.open |= {near, far}
            back = threading.Thread(target=self._pump, args=(far, near, own, "down"))
            back.start()
            self._pump(near, far, own, "up")
            back.join()
            with self.lock:
                self.open -= {near, far}

    def _pump(self, source: socket.socket, sink: socket.socket, own: Traffic, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with self.lock:
                    setattr(own, way, getattr(own, way) + len(data))
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def program_of(peer: tuple[str, int], here: tuple[str, int]) -> str:
    """The program at the other end of a connection on this machine: a command, a service of the node, a wrapper."""
    wanted = f"{_hex(peer)} {_hex(here)}"
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        if f"{columns[1]} {columns[2]}" == wanted:
            inodes.add(f"socket:[{columns[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(os.readlink(descriptor) in inodes for descriptor in (process / "fd").iterdir()):
                return _named((process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0"))
    return "unknown"


def _hex(address: tuple[str, int]) -> str:
    return f"{int.from_bytes(socket.inet_aton(address[0]), sys.byteorder):08X}:{address[1]:04X}"


def _named(arguments: list[str]) -> str:
    for argument in arguments:
        name = Path(argument).name
        if name.startswith("glite-wms-") or name == "wrapper.py":
            return name
    if "broker.purchaser" in arguments:
        return "purchaser"
    return arguments[5] if arguments[1:4] == ["-m", "node", "run"] else " ".join(arguments)


@dataclass
class Grid:
    """A node behind relays, after one job."""

    node: object
    relays: dict[str, Relay]
    job: str
    state: str
    produced: int

    def __getattr__(self, name: str) -> Relay:
        return self.relays[name]


@pytest.fixture(scope="module")
def grid(make_node):
    node = make_node()
    relays = _relays(node)
    try:
        for relay in relays.values():
            relay.start()
        node.wms("up", "--detach")
        node.proxy("alice")
        _wait_for_the_element(node)
        job = node.submit(JDL, files={"payload.sh": PAYLOAD, "data": "x" * INPUT})
        state = node.wait(job)
        node.command("glite-wms-job-output", "--noint", "--nopurge", "--dir", "results", job)
        (produced,) = (node.work / "results").rglob("produced")
        yield Grid(node, relays, job, state, produced.stat().st_size)
    finally:
        node.wms("down", check=False)
        for relay in relays.values():
            relay.close()


def _relays(node) -> dict[str, Relay]:
    """Relays for all services, and a configuration that tells their addresses."""
    conf = node.configuration()
    targets = {
        "wmproxy": conf.wmproxy.port,
        "lb": conf.lb.port,
        "lb_events": conf.lb.store_port,
        "bdii": conf.bdii.port,
        "ce": conf.ce.port,
        "ce_ldap": conf.ce.ldap_port,
    }
    wmproxy, lb, bdii, ce, ce_ldap = choose(5)
    ports = {"wmproxy": wmproxy, "lb": lb, "lb_events": lb + 1, "bdii": bdii, "ce": ce, "ce_ldap": ce_ldap}
    relays = {name: Relay(name, _listener(ports[name]), target) for name, target in targets.items()}
    settings = {
        "wmproxy": f'endpoint = "https://localhost:{wmproxy}/glite_wms_wmproxy_server"',
        "lb": f'endpoint = "localhost:{lb}"',
        "bdii": f'endpoint = "ldap://127.0.0.1:{bdii}"\nsources = ["ldap://127.0.0.1:{ce_ldap}"]\nrefresh = 1.0',
        "ce": f'endpoint = "https://localhost:{ce}/ce-cream/services"',
    }
    path = node.root / "wms.toml"
    text = path.read_text()
    for section, lines in settings.items():
        text = text.replace(f"[{section}]\n", f"[{section}]\n{lines}\n")
    path.write_text(text)
    return relays


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(64)
    return listener


def _wait_for_the_element(node) -> None:
    """The broker asks for elements when it starts; give it the time to have seen one."""
    jdl = node.work / "match.jdl"
    jdl.write_text('[ Executable = "/bin/true"; ]')
    deadline = time.monotonic() + 60
    while node.command("glite-wms-job-list-match", "-a", jdl.name, check=False).returncode:
        assert time.monotonic() < deadline, node.logs()
        time.sleep(1)


def test_the_job_ran_and_its_files_are_whole(grid):
    assert grid.state == "Done (Success)"
    assert grid.produced == OUTPUT


def test_every_program_on_the_way_is_one_that_belongs_there(grid):
    # the bdii looks whether the services answer: it connects, says nothing and is gone before it can be named
    programs = {
        name: {program for program, own in relay.traffic.items() if own.up} for name, relay in grid.relays.items()
    }
    commands = {f"glite-wms-job-{verb}" for verb in ("submit", "status", "output", "list-match")}
    assert programs["wmproxy"] == {*commands - {"glite-wms-job-status"}, "wrapper.py"}
    assert programs["lb"] >= {"glite-wms-job-status"}
    assert programs["lb"] <= {*commands, "wmproxy"}
    assert programs["lb_events"] == {"wmproxy", "interlogger"}
    assert programs["bdii"] == {"purchaser"}
    assert programs["ce"] == {"broker"}
    assert programs["ce_ldap"] == {"bdii"}


def test_the_client_calls_WMProxy_and_puts_the_input_there(grid):
    client = grid.wmproxy.by("glite-wms-job-submit")
    assert client.connections >= 1
    assert INPUT < client.up < 2 * INPUT
    assert client.down > 3_000  # the answers to getVersion, getProxyReq, jobRegister and the others


def test_WMProxy_registers_the_job_at_the_event_port(grid):
    registrar = grid.lb_events.by("wmproxy")
    assert registrar.connections >= 1
    assert registrar.up > 2_000


def test_the_bdii_reads_the_element_by_LDAP_and_the_broker_reads_the_bdii(grid):
    assert grid.ce_ldap.by("bdii").down > 2_000
    assert grid.bdii.by("purchaser").down > 2_000


def test_the_broker_drives_the_element_by_SOAP(grid):
    broker = grid.ce.by("broker")
    assert broker.connections >= 2  # as the user to hand over, as the host to watch
    assert broker.up > 5_000  # a delegated proxy and a description


def test_the_wrapper_gets_the_input_from_WMProxy_and_puts_the_output_there(grid):
    wrapper = grid.wmproxy.by("wrapper.py")
    assert INPUT < wrapper.down < 2 * INPUT
    assert OUTPUT < wrapper.up < 2 * OUTPUT


def test_the_interlogger_brings_the_events_to_the_event_port(grid):
    events = json.loads(
        grid.node.command("glite-wms-job-logging-info", "--json", "-v", "2", "--noint", grid.job).stdout
    )
    assert "RegJob" in json.dumps(events)
    counted = Counter(re.findall(r'"(?:Event|event)": "(\w+)"', json.dumps(events)))
    assert sum(counted.values()) >= 10, events
    assert grid.lb_events.by("interlogger").up > 5_000


def test_the_client_asks_the_bookkeeping_server_at_the_address_in_the_job_id(grid):
    assert f":{grid.lb.port}/" in grid.job
    assert grid.lb.by("glite-wms-job-status").connections >= 1


def test_the_client_gets_the_output_from_WMProxy(grid):
    assert grid.wmproxy.by("glite-wms-job-output").down > OUTPUT


@pytest.mark.parametrize("name", ["broker.bell", "broker.sock", "interlogger.bell"])
def test_the_local_sockets_are_there_and_private(grid, name):
    path = grid.node.root / "run" / name
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_addresses_that_are_told_are_those_of_the_relays(grid):
    from infosys.client import LdapSource

    source = LdapSource(f"ldap://127.0.0.1:{grid.bdii.port}", "o=grid", timeout=5)
    (element,) = source.fetch("(objectClass=GlueCE)", ["GlueCEUniqueID", "GlueCEInfoContactString"])
    assert element.values("GlueCEUniqueID") == (f"localhost:{grid.ce.port}/cream-fork-default",)
    assert element.values("GlueCEInfoContactString") == (f"https://localhost:{grid.ce.port}/ce-cream/services",)
