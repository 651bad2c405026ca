"""Requests a second of WMProxy, beside the same server with a constant application.

What is measured and its limit take turns for a few rounds, with the same bytes, client credential, worker
processes and number of connections; medians are shown.  Of the node, only WMProxy, L&B and the interlogger run:
nothing matches or runs jobs meanwhile.  CPU time is that of the service's processes alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from benchmarks import disk, https_constant, processes
from benchmarks.figure import Figure, Limit, middle
from benchmarks.https_constant import Running
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


def get_version() -> bytes:
    """A request for getVersion."""
    return _envelope("getVersion", "")


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
    """getVersion over kept and over new connections."""
    with _both(node) as (service, constant):
        return [
            figure
            for new in (False, True)
            for figure in _compared(node, "getVersion", get_version(), new, service, constant, quick).figures()
        ]


def measure_submit(node: ScratchNode, quick: bool) -> list[Figure]:
    """Durable jobSubmit over kept and over new connections."""
    with _both(node) as (service, constant):
        body = job_submit(JDL, node.delegate())
        found: list[Figure] = []
        for new in (False, True):
            rounds = _compared(node, "jobSubmit", body, new, service, constant, quick)
            root = node.layout.root
            found += rounds.figures(
                Limit("4 KiB appended with fsync, one after the other", _best(disk.fsyncs, root, quick)),
                Limit("bare sandboxes made durable, one after the other", _best(disk.sandboxes, root, quick)),
            )
        return found


def _best(rate: Callable[[Path, float], float], directory: Path, quick: bool) -> float:
    """Disks that others use too stall now and then; a limit is what they can do."""
    return float(f"{max(rate(directory, 0.1 if quick else 0.3) for _ in range(3)):.4g}")


@contextlib.contextmanager
def _both(node: ScratchNode) -> Iterator[tuple[dict[str, int], Running]]:
    layout = node.layout
    with (
        node.only(SERVICES) as pids,
        https_constant.running(layout.host_certificate, layout.host_key, layout.run, node.workers) as constant,
    ):
        yield pids, constant


@dataclass
class _Rounds:
    """Rates (requests a second) and CPU times (milliseconds a request) of the rounds so far."""

    name: str
    rates: list[float] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    least_cpu: list[float] = field(default_factory=list)

    def figures(self, *more: Limit) -> list[Figure]:
        constant = "the same server with a constant application"
        least = (Limit(constant, middle(self.least_cpu)),)
        return [
            Figure(self.name, middle(self.rates), "/s", (Limit(constant, middle(self.limits)), *more)),
            Figure("  CPU of the services, each", middle(self.cpu), "ms", least),
        ]


def _compared(
    node: ScratchNode,
    operation: str,
    body: bytes,
    new: bool,
    service: dict[str, int],
    constant: Running,
    quick: bool,
) -> _Rounds:
    rounds = _Rounds(f"{operation}, {'new' if new else 'kept'} connections")

    def run(url: str, leaders: Sequence[int], seconds: float) -> tuple[float, float]:
        before = processes.of_sessions(leaders)
        load = Load(
            url, node.layout.certificates, node.proxy, 100_000, CONNECTIONS, new, body, HEADERS, seconds=seconds
        )
        figures = measure(load)
        return figures.rate, (processes.of_sessions(leaders) - before) * 1000 / figures.requests

    sides = (
        (constant.url, [constant.pid], rounds.limits, rounds.least_cpu),
        (node.endpoint, [*service.values()], rounds.rates, rounds.cpu),
    )
    for url, leaders, _, _ in sides:
        run(url, leaders, 0.1 if quick else 0.3)  # warm
    for _ in range(1 if quick else 3):
        for url, leaders, rates, cpu in sides:
            rate, milliseconds = run(url, leaders, 0.8 if quick else 2.5)
            rates.append(rate)
            cpu.append(milliseconds)
    return rounds
