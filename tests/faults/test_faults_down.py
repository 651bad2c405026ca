"""The whole node goes down while jobs run: by ``wms down``, with its jobs or without, and by the supervisor's death."""

import os
import signal
import time
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def grid(make_grid):
    """One node for this module."""
    made = make_grid()
    made.up()
    return made


def running(grid, count: int = 1):
    """Jobs whose payloads have begun."""
    jobs = [grid.submit(seconds=0, sandbox=False) for _ in range(count)]
    for job in jobs:
        grid.until(lambda job=job: job.job in grid.executions(), 40, f"{job.job} does not run")
    return jobs


def payload_of(grid, job) -> int:
    """Process id of the payload, as it noted it."""
    return next(int(line.split()[3]) for line in grid.runs.read_text().splitlines() if job.job in line)


def runs_of(grid, job) -> list[str]:
    return [what for what, _ in grid.executions()[job.job]]


def test_down_ends_running_jobs_and_they_run_again_after_up(grid):
    with grid.hold():
        first, second = running(grid, 2)
        queued = grid.submit(seconds=0)
        pids = [payload_of(grid, job) for job in (first, second)]
        began = time.monotonic()
        grid.down()
        assert time.monotonic() - began < 10
        assert grid.processes() == []
        assert not any(alive(pid) for pid in pids)
        grid.up()
        for job in (first, second):
            grid.until(lambda job=job: runs_of(grid, job) == ["begin", "begin"], 40, f"{job.job} is not run again")
    grid.settle(60)
    verdicts = grid.check(new=True, lost_runs=True)
    for job in (first, second):
        assert (verdicts[job.job].end, len(verdicts[job.job].attempts)) == ("Done", 2)
        assert verdicts[job.job].resubmissions == 1
        assert runs_of(grid, job) == ["begin", "begin", "end"]
    assert verdicts[queued.job].end == "Done"


def test_down_that_keeps_jobs_leaves_the_payload_running_and_up_adopts_it(grid):
    with grid.hold():
        (job,) = running(grid)
        pid = payload_of(grid, job)
        grid.down("--keep-jobs")
        left = grid.processes()
        assert any("wrapper.py" in process for process in left)
        assert not any("-m node" in process for process in left)
        assert alive(pid)
        grid.up()
        assert alive(pid)
        assert runs_of(grid, job) == ["begin"]
    grid.settle(60)
    verdict = grid.check(new=True)[job.job]
    assert (verdict.end, len(verdict.attempts), verdict.resubmissions) == ("Done", 1, 0)


def test_a_kept_job_that_ends_while_the_node_is_down_delivers_its_output_after_up(grid):
    with grid.hold():
        (job,) = running(grid)
        grid.down("--keep-jobs")
    grid.until(lambda: "end" in runs_of(grid, job), 20, "the payload does not end")
    time.sleep(1.5)  # the wrapper meets closed ports
    grid.up()
    grid.settle(60)
    verdict = grid.check(new=True)[job.job]
    assert (verdict.end, len(verdict.attempts), verdict.resubmissions) == ("Done", 1, 0)


def test_a_killed_supervisor_leaves_services_that_the_next_up_ends_and_the_jobs_finish(grid):
    with grid.hold():
        (job,) = running(grid)
        other = grid.submit(seconds=1)
        status = grid.node.status()
        os.kill(status["supervisor"], signal.SIGKILL)
        grid.until(lambda: grid.node.status()["supervisor"] is None, 5, "the supervisor lives")
        services = {name: state["pid"] for name, state in status["services"].items()}
        assert all(alive(pid) for pid in services.values())
        grid.up()
        fresh = {name: state["pid"] for name, state in grid.services().items()}
        assert not set(services.values()) & set(fresh.values())
        assert not any(alive(pid) for pid in services.values())
        assert runs_of(grid, job) == ["begin"]
    grid.settle(60)
    verdicts = grid.check(new=True)
    for each in (job, other):
        assert (verdicts[each.job].end, len(verdicts[each.job].attempts)) == ("Done", 1)


def alive(pid: int) -> bool:
    """Whether a process is there that is not a zombie (its parent may be slow to bury it)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
