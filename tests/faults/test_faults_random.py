"""Services are killed at random while jobs are on their way; afterwards every job has its one end and its output.

Ten jobs, or as many as WMS_TEST_JOBS says (.ci/run: 50), and a fifth more that their owner cancels on the way: of
these it may be Done or Cancelled, never both.  WMS_TEST_SEED repeats the choice of victims and pauses.
"""

import contextlib
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from node.process import is_same

JOBS = int(os.environ.get("WMS_TEST_JOBS", "10"))
SEED = int(os.environ["WMS_TEST_SEED"]) if "WMS_TEST_SEED" in os.environ else None
SERVICES = ("lb", "interlogger", "ce", "bdii", "broker", "wmproxy")
DOWN_AT_ONCE = 2
MOST_KILLS = 80
WHOLE = 150.0 if JOBS <= 10 else 300.0
"""Seconds for everything."""


class Killer(threading.Thread):
    """Kills a service every second or so until told to stop: the whole of it, or one worker of it.

    One of two is spared while it starts, at most two are down at once, and the kills are counted: a node on a slow
    machine, where a start takes longer than the pause between kills, would otherwise never be up, and nothing is
    promised of such a node.
    """

    def __init__(self, grid) -> None:
        super().__init__(name="killer", daemon=True)
        self._grid = grid
        self._random = random.Random(grid.seed)
        self._stopped = threading.Event()
        self.killed: list[str] = []

    def run(self) -> None:
        while len(self.killed) < MOST_KILLS and not self._stopped.wait(self._random.uniform(0.1, 1.5)):
            service = self._random.choice(SERVICES)
            one_worker = self._random.random() < 0.4
            services = self._grid.services()
            state = services[service]
            if state["pid"] is None or not is_same(state["pid"], state["started"]):
                continue  # it is down already
            if not state["ready"] and self._random.random() < 0.5:
                continue
            if sum(not services[name]["ready"] for name in SERVICES if name != service) >= DOWN_AT_ONCE:
                continue
            victims = children(state["pid"]) if one_worker else []
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._random.choice(victims) if victims else state["pid"], signal.SIGKILL)
                self.killed.append(f"{service}{' worker' if victims else ''}")

    def stop(self) -> None:
        self._stopped.set()
        self.join(30)


def children(pid: int) -> list[int]:
    """The workers of a service (those of a CE's workers are jobs and have another parent)."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def submit_and_cancel(grid):
    """A job that is cancelled somewhere on its way; the cancellation is asked for until it is taken or too late."""
    job = grid.submit(sandbox=False, tries=40)
    time.sleep(grid.random.uniform(0, 3))
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        if grid.cancel(job.job):
            return job
        state = grid.state(job.job)
        if state is not None and state.final:
            return job
        time.sleep(1)
    raise AssertionError(f"{job.job} was not cancelled: {grid.report()}")


def test_jobs_survive_services_that_are_killed_at_random(make_grid):
    began = time.monotonic()
    grid = make_grid(SEED)
    print(f"seed {grid.seed}: WMS_TEST_SEED={grid.seed} repeats the kills")
    grid.up()
    killer = Killer(grid)
    killer.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            submissions = [pool.submit(grid.submit, sandbox=number % 3 > 0, tries=40) for number in range(JOBS)]
            cancellations = [pool.submit(submit_and_cancel, grid) for _ in range(JOBS // 5)]
        time.sleep(8)  # these kills fall on jobs that run
    finally:
        killer.stop()
    grid.incidents.append(f"killed: {', '.join(killer.killed)}")
    accepted = [submission.result().job for submission in submissions]
    cancelled = [cancellation.result().job for cancellation in cancellations]
    assert len(set(killer.killed)) >= 3, killer.killed
    grid.settle(WHOLE - (time.monotonic() - began))
    verdicts = grid.check()
    assert len({*accepted, *cancelled}) == JOBS + JOBS // 5
    assert {verdicts[job].end for job in accepted} == {"Done"}
    assert {verdicts[job].end for job in cancelled} <= {"Done", "Cancelled"}
    took = time.monotonic() - began
    print(f"{JOBS} jobs, {len(grid.incidents) - 1} requests that failed, {len(killer.killed)} kills, {took:.0f} s")
    assert took < WHOLE + 30
