"""jobListMatch on a node that knows thousands of computing elements: the time of a call over a kept connection."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

from benchmarks import processes
from benchmarks.figure import Figure, Limit
from benchmarks.scratchnode import DELEGATION, ScratchNode
from wsdl.client import RemoteFault, SoapClient

SERVICES: Final = ("ce", "bdii", "lb", "interlogger", "broker", "wmproxy")
SITES: Final = 1000
"""Made-up sites of five computing elements, some 2.8 ads each."""
FEW_SITES: Final = 40
CALLS: Final = 60
AIM: Final = 20.0
_DEADLINE: Final = 400.0

JOBS: Final = {
    "few match": (
        'other.GlueCEStateStatus == "Production" && other.GlueHostMainMemoryRAMSize >= 8192'
        ' && Member("GCC-11.4.1", other.GlueHostApplicationSoftwareRunTimeEnvironment)'
        ' && RegExp("cream", other.GlueCEUniqueID) && other.GlueCEStateFreeJobSlots > 100'
    ),
    "most match": 'other.GlueCEStateStatus == "Production"',
    "nothing matches": 'other.GlueCEStateStatus == "Production" && other.GlueHostMainMemoryRAMSize > 100000000',
}
"""Requirements by what comes of them."""


def measure_list_match(node: ScratchNode, quick: bool) -> list[Figure]:
    """The figures, with the least request of the same server over the same connection as a limit."""
    with (
        node.only(SERVICES, _DEADLINE) as running,
        SoapClient("WMProxy.wsdl", "WMProxy_PortType", node.endpoint, node.context) as client,
    ):
        node.delegate()
        _settled(client)
        known = 5 * (FEW_SITES if quick else SITES)
        least = _median(lambda: client.call("getVersion"), CALLS)
        figures = []
        for what, requirements in JOBS.items():
            jdl = _description(requirements)
            matches = len(_ask(client, jdl))
            before = {name: processes.of_sessions([pid]) for name, pid in running.items()}
            value = _median(lambda jdl=jdl: _ask(client, jdl), CALLS)  # type: ignore[misc]
            used = {
                name: (processes.of_sessions([pid]) - before[name]) * 1000 / CALLS for name, pid in running.items()
            }
            limits = (Limit("aim", AIM), Limit("getVersion", least))
            figures.append(Figure(f"{known} CEs, {what} ({matches})", value, "ms", limits))
            figures += [Figure(f"  CPU of {name}", used[name], "ms") for name in ("wmproxy", "broker")]
        return figures


def _settled(client: SoapClient) -> None:
    """Wait until the broker knows all: a job that wants nothing has as many candidates as a moment ago.

    :raises RuntimeError: it does not within the deadline.
    """
    end = time.monotonic() + _DEADLINE
    seen = -1
    while time.monotonic() < end:
        found = len(_ask(client, _description("true")))
        if found and found == seen:
            return
        seen = found
        time.sleep(3)
    raise RuntimeError("the broker did not learn the computing elements in time")


def _ask(client: SoapClient, jdl: str) -> list[Any]:
    try:
        return list(client.call("jobListMatch", jdl=jdl, delegationId=DELEGATION) or ())
    except RemoteFault as fault:
        if fault.kind != "NoSuitableResourcesFault":
            raise
        return []


def _description(requirements: str) -> str:
    return (
        '[Type = "Job"; JobType = "Normal"; Executable = "/bin/hostname"; StdOutput = "out"; OutputSandbox = {"out"};'
        f" Requirements = {requirements}; Rank = other.GlueCEStateFreeCPUs;]"
    )


def _median(call: Callable[[], object], count: int) -> float:
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        call()
        taken.append((time.perf_counter() - begin) * 1000)
    return statistics.median(taken)
