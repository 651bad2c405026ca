"""Jobs a second from jobSubmit to Done, and how long one takes, beside a loop that forks ``/bin/true``.

A job is over when its Done event has arrived at the bookkeeping server; that moment is L&B's own, so that asking
for it may take its time.
"""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks import processes
from benchmarks.figure import Figure, Limit, middle
from benchmarks.load import Load, measure
from benchmarks.scratchnode import ScratchNode
from benchmarks.wmproxy_requests import HEADERS, job_submit
from grid.jobid import JobId
from grid.states import JobState, Source
from lb.client import Bookkeeping
from wsdl.client import SoapClient

JDL: Final = """[
  Type = "Job"; JobType = "Normal"; Executable = "/bin/true"; VirtualOrganisation = "testvo";
  Requirements = other.GlueCEStateStatus == "Production"; Rank = -other.GlueCEStateEstimatedResponseTime;
]"""
_PATIENCE: Final = 60.0
_TRUE: Final = "/bin/true"


def measure_jobs(node: ScratchNode, quick: bool) -> list[Figure]:
    """Latency of single jobs, then the rate of many."""
    singles, many = (3, 10) if quick else (7, 40)
    with node.up() as pids:
        delegation = node.delegate()
        forks = [fork_rate([_TRUE])]
        pythons = [fork_rate([_interpreter(node), "-I", "-S", "-c", "pass"], 20)]
        with SoapClient("WMProxy.wsdl", "WMProxy_PortType", node.endpoint, node.context) as client:
            run = _Run(node, delegation, client)
            run.single()  # the first job opens connections and delegates to the CE
            latencies = [run.single() for _ in range(singles)]
            rate, own, payloads = run.many(many, [*pids.values()])
        forks.append(fork_rate([_TRUE]))
        pythons.append(fork_rate([_interpreter(node), "-I", "-S", "-c", "pass"], 20))
    fork, python = middle(forks), middle(pythons)
    loop, bare = "a loop that forks /bin/true", "a loop that starts the wrapper's Python and no more"
    slots = sum(queue.slots for queue in node.configuration.ce.queue)
    return [
        Figure(f"{many} jobs of /bin/true, {slots} slots", rate, "/s", (Limit(loop, fork), Limit(bare, python))),
        Figure("  CPU of the services, one job", own, "ms", (Limit(bare, 1000 / python),)),
        Figure("  CPU of the job's own processes", payloads, "ms", (Limit(bare, 1000 / python),)),
        Figure("one job, submit to Done", middle(latencies), "s", (Limit("the aim", 2.0),)),
    ]


def fork_rate(command: Sequence[str], count: int = 200) -> float:
    """How often a second a program can be started and waited for, one after the other."""
    begin = time.perf_counter()
    for _ in range(count):
        pid = os.posix_spawn(command[0], command, {})
        _, status = os.waitpid(pid, 0)
        if status:
            raise RuntimeError(f"{' '.join(command)} ended with {status}")
    return count / (time.perf_counter() - begin)


def _interpreter(node: ScratchNode) -> str:
    return node.configuration.ce.interpreter or "/usr/bin/python3"


class _Run:
    """Submits jobs and waits for their ends."""

    def __init__(self, node: ScratchNode, delegation: str, client: SoapClient) -> None:
        self._node = node
        self._delegation = delegation
        self._client = client
        conf = node.configuration
        self._lb = Bookkeeping(f"https://{conf.lb_host}:{conf.lb_port}/", node.context)

    def single(self) -> float:
        """Seconds from the call of jobSubmit to the arrival of Done."""
        begin = time.time()
        job = JobId.parse(self._client.call("jobSubmit", jdl=JDL, delegationId=self._delegation)["id"])
        self._wait(lambda: self._lb.status(job)["state"] == JobState.Done.wire)
        return self._done_at(job) - begin

    def many(self, count: int, services: Sequence[int]) -> tuple[float, float, float]:
        """Jobs a second; milliseconds of CPU for each job in the services, and in its own processes."""
        before = {job for job, _ in self._lb.user_jobs()}
        own, payloads = processes.of_sessions(services), processes.of_ended_children(services)
        begin = time.time()
        body = job_submit(JDL, self._delegation)
        trust = self._node.layout.certificates
        measure(Load(self._node.endpoint, trust, self._node.proxy, count, 4, False, body, HEADERS))
        jobs = [job for job, _ in self._lb.user_jobs() if job not in before]  # the newest first
        if len(jobs) != count:
            raise RuntimeError(f"{count} jobs were submitted, and L&B knows {len(jobs)}")
        self._wait(lambda: self._lb.status(jobs[0])["state"] == JobState.Done.wire)  # the newest: asking costs too
        self._wait(lambda: {state for job, state in self._lb.user_jobs() if job in jobs} == {JobState.Done})
        own = processes.of_sessions(services) - own
        payloads = processes.of_ended_children(services) - payloads
        end = max(self._done_at(job) for job in jobs)
        return float(f"{count / (end - begin):.4g}"), own * 1000 / count, payloads * 1000 / count

    def _wait(self, over: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not over():
            if time.monotonic() > deadline:
                raise RuntimeError(f"a job was not Done within {_PATIENCE:g} s")
            time.sleep(0.1)

    def _done_at(self, job: JobId) -> float:
        """When the event that makes the job Done arrived, seconds of the epoch."""
        for event in self._lb.events(job):
            if event.type == "Done" and event.source is Source.LogMonitor and event.arrived is not None:
                return event.arrived.astimezone(datetime.UTC).timestamp()
        raise RuntimeError(f"{job} is Done without a Done event")
