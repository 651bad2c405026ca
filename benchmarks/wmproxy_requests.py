"""Requests a second of WMProxy, beside a gSOAP server of the same contract that answers constants, and beside the
same server with a constant application.

What is measured and its limits take turns for a few rounds, with the same bytes, client credential, driver and number
of connections; medians are shown.  Of the node, only WMProxy, L&B and the interlogger run: nothing matches or runs jobs
meanwhile.  CPU time is that of the service's processes alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks import disk, gsoap, https_constant, in_process, processes
from benchmarks.figure import Figure, Limit, middle
from benchmarks.load import Load, measure
from benchmarks.scratchnode import ScratchNode

CONNECTIONS: Final = 8
HEADERS: Final = ("Content-Type: text/xml; charset=utf-8", 'SOAPAction: ""')
SERVICES: Final = ("lb", "interlogger", "wmproxy")
JDL: Final = """[
  Type = "Job"; JobType = "Normal"; Executable = "/bin/true"; StdOutput = "std.out"; StdError = "std.err";
  OutputSandbox = { "std.out", "std.err" }; RetryCount = 3; ShallowRetryCount = 3; VirtualOrganisation = "testvo";
  Requirements = false; Rank = -other.GlueCEStateEstimatedResponseTime;
]"""
"""A usual description that matches nowhere."""

NODES: Final = 1000
"""Of the collection that is registered."""

CONSTANT: Final = "the same server with a constant application"
GSOAP: Final = "a gSOAP server that answers a constant"
GSOAP_HTTP: Final = f"{GSOAP}, plain HTTP, kept connections"


def get_version() -> bytes:
    """A request for getVersion."""
    return _envelope("getVersion", "")


def job_register(jdl: str, delegation: str) -> bytes:
    """A request for jobRegister."""
    return _envelope("jobRegister", f"<jdl>{escape(jdl)}</jdl><delegationId>{delegation}</delegationId>")


def collection(nodes: int) -> str:
    """The description of a collection of alike nodes, each written out."""
    return f'[ Type = "Collection"; VirtualOrganisation = "testvo"; Nodes = {{ {", ".join([JDL] * nodes)} }}; ]'


def job_submit(jdl: str, delegation: str) -> bytes:
    """A request for jobSubmit."""
    return _envelope("jobSubmit", f"<jdl>{escape(jdl)}</jdl><delegationId>{delegation}</delegationId>")


def _envelope(operation: str, parts: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:wms="http://glite.org/wms/wmproxy"><soap:Body>'
        f"<wms:{operation}>{parts}</wms:{operation}></soap:Body></soap:Envelope>"
    ).encode()


def measure_get_version(node: ScratchNode, quick: bool) -> list[Figure]:
    """getVersion in process, over kept and over new connections."""
    return _measured(node, "getVersion", get_version, quick)


def measure_register(node: ScratchNode, quick: bool) -> list[Figure]:
    """Durable jobRegister, the same."""
    return _measured(node, "jobRegister", lambda: job_register(JDL, node.delegate()), quick)


def measure_collection(node: ScratchNode, quick: bool) -> list[Figure]:
    """jobRegister of a collection of a thousand nodes, the same; requests a second, so thousands of nodes."""
    name = f"jobRegister of {NODES} nodes"
    return _measured(node, name, lambda: job_register(collection(NODES), node.delegate()), quick, NODES)


def measure_submit(node: ScratchNode, quick: bool) -> list[Figure]:
    """Durable jobSubmit over kept and over new connections."""
    with _served(node) as sides:
        body = job_submit(JDL, node.delegate())
        root, found = node.layout.root, list[Figure]()
        for new in (False, True):
            found += _compared(node, "jobSubmit", body, new, sides, quick).figures(
                Limit("4 KiB appended with fsync, one after the other", _best(disk.fsyncs, root, quick)),
                Limit("bare sandboxes made durable, one after the other", _best(disk.sandboxes, root, quick)),
            )
        return found


def _best(rate: Callable[[Path, float], float], directory: Path, quick: bool) -> float:
    """Disks that others use too stall now and then; a limit is what they can do."""
    return float(f"{max(rate(directory, 0.1 if quick else 0.3) for _ in range(3)):.4g}")


def _measured(
    node: ScratchNode, operation: str, make: Callable[[], bytes], quick: bool, children: int = 0
) -> list[Figure]:
    found: list[Figure] = []
    layout = node.layout
    with contextlib.ExitStack() as stack:
        sides = stack.enter_context(_served(node))
        body = make()  # may delegate, while the service runs
        toolkit = node.gsoap
        if isinstance(toolkit, gsoap.Built):
            tls = (layout.host_certificate, layout.host_key, layout.certificates)
            server = stack.enter_context(gsoap.running(toolkit, children, tls))
            sides.append(_Side(GSOAP, server.url, (server.pid,)))
        for new in (False, True):
            found += _compared(node, operation, body, new, sides, quick).figures()
    return _in_process(node, operation, body, quick, children) + found


def _in_process(node: ScratchNode, operation: str, body: bytes, quick: bool, children: int) -> list[Figure]:
    """Calls within one process beside what gSOAP does over plain HTTP."""
    toolkit = node.gsoap
    with node.only([name for name in SERVICES if name != "wmproxy"]):
        ours = [
            in_process.measure(node.layout.root, node.proxy, body, 0.8 if quick else 2.5)
            for _ in range(1 if quick else 3)
        ]
    if isinstance(toolkit, gsoap.Missing):
        rate = cpu = Limit(GSOAP_HTTP, 0.0, str(toolkit))
    else:
        with gsoap.running(toolkit, children) as server:
            rounds = _compared(node, operation, body, False, [_Side(GSOAP_HTTP, server.url, (server.pid,))], quick)
        rate, cpu = Limit(GSOAP_HTTP, middle(rounds.rates[0])), Limit(GSOAP_HTTP, middle(rounds.cpu[0]))
    return [
        Figure(f"{operation}, in process, one thread", middle(one.rate for one in ours), "/s", (rate,)),
        Figure("  CPU of the process, each", middle(one.cpu for one in ours), "ms", (cpu,)),
    ]


@dataclass(frozen=True, slots=True)
class _Side:
    """A server that takes its turn; ``leaders`` are the sessions whose CPU time counts."""

    name: str
    url: str
    leaders: tuple[int, ...]


@contextlib.contextmanager
def _served(node: ScratchNode) -> Iterator[list[_Side]]:
    """WMProxy and the same server with a constant application."""
    layout = node.layout
    with (
        node.only(SERVICES) as pids,
        https_constant.running(layout.host_certificate, layout.host_key, layout.run, node.workers) as constant,
    ):
        yield [
            _Side("WMProxy", node.endpoint, tuple(pids.values())),
            _Side(CONSTANT, constant.url, (constant.pid,)),
        ]


@dataclass
class _Rounds:
    """Rates (requests a second) and CPU times (milliseconds a request) of the rounds so far, of each side.

    :ivar skipped: why there is no gSOAP server, if there is none.
    """

    name: str
    sides: list[_Side]
    skipped: str
    rates: list[list[float]] = field(default_factory=list)
    cpu: list[list[float]] = field(default_factory=list)

    def figures(self, *more: Limit) -> list[Figure]:
        """What is measured is the first side; the others are its limits."""
        return [
            Figure(self.name, middle(self.rates[0]), "/s", (*self._limits(self.rates), *more)),
            Figure("  CPU of the services, each", middle(self.cpu[0]), "ms", self._limits(self.cpu)),
        ]

    def _limits(self, values: list[list[float]]) -> tuple[Limit, ...]:
        found = [Limit(side.name, middle(each)) for side, each in zip(self.sides, values, strict=True)][:0:-1]
        return (Limit(GSOAP, 0.0, self.skipped), *found) if self.skipped else tuple(found)


def _compared(
    node: ScratchNode, operation: str, body: bytes, new: bool, sides: list[_Side], quick: bool
) -> _Rounds:
    toolkit = node.gsoap
    driver, skipped = (toolkit.driver, "") if isinstance(toolkit, gsoap.Built) else (None, str(toolkit))
    rounds = _Rounds(f"{operation}, {'new' if new else 'kept'} connections", sides, skipped)

    def run(side: _Side, seconds: float) -> tuple[float, float]:
        before = processes.of_sessions(side.leaders)
        load = Load(
            side.url, node.layout.certificates, node.proxy, 100_000, CONNECTIONS, new, body, HEADERS, seconds=seconds
        )
        figures = measure(load, driver)
        return figures.rate, (processes.of_sessions(side.leaders) - before) * 1000 / figures.requests

    for side in sides:
        run(side, 0.1 if quick else 0.3)  # warm
        rounds.rates.append([])
        rounds.cpu.append([])
    for _ in range(1 if quick else 3):
        for side, rates, cpu in zip(sides, rounds.rates, rounds.cpu, strict=True):
            rate, milliseconds = run(side, 0.8 if quick else 2.5)
            rates.append(rate)
            cpu.append(milliseconds)
    return rounds
