"""A real element that loses every job, on a real node: it is set aside, that is told, and it recovers when mended."""

from __future__ import annotations

import os
import re
import sys
import time
from pathlib import Path

import pytest

JOB = '[ Executable = "/bin/true"; Requirements = other.GlueHostMainMemoryRAMSize > 1; Rank = 1; ]'
"""Its Requirements go to the element too, as CeRequirements."""
BROKEN = """#!/bin/sh
case "$*" in *-c*) exit 0;; esac
exit 1
"""


@pytest.fixture
def hole(make_node):
    """A node whose element starts wrappers by a program that ends at once, so that every job is lost; the program."""
    node = make_node()
    interpreter = node.root.parent / "python"
    interpreter.write_text(BROKEN)
    interpreter.chmod(0o755)
    file = node.root / "wms.toml"
    text = re.sub(r"(?m)^interpreter = .*\n", "", file.read_text())
    text = text.replace("\n[ce]\n", f'\n[ce]\ninterpreter = "{interpreter}"\n')
    file.write_text(text.replace("\n[broker]\n", "\n[broker]\nhold = 4\nlongest_hold = 4\n"))
    node.wms("up", "--detach")
    node.proxy("alice")
    yield node, interpreter
    node.wms("down")


def test_an_element_that_loses_every_job_is_set_aside_and_taken_again_when_it_is_mended(hole):
    node, interpreter = hole
    jobs = [node.submit(JOB) for _ in range(3)]
    deadline, reason = time.monotonic() + 90, ""
    while "set aside" not in reason:
        assert time.monotonic() < deadline, f"no job says that the element is set aside\n{node.logs()}"
        time.sleep(0.3)
        reason = " ".join(node.job_status(job).get("Status Reason", "") for job in jobs)
    assert "BrokerHelper: no compatible resources; the only computing element that matches is set aside: " in reason
    assert "failed jobs in succession (the job wrapper vanished without a result)" in reason
    log = node.root / "log/broker.log"
    assert "jobs in succession failed there, the last one: the job wrapper vanished without a result" in log.read_text()
    assert "set aside until" in node.wms("status").stdout or "on trial" in node.wms("status").stdout
    while not any("jobs in succession failed there" in told for told in node.status()["information"]["set_aside"]):
        assert time.monotonic() < deadline, f"the node does not say it\n{node.logs()}"
    while "set aside" not in node.command("glite-wms-job-list-match", "-a", "--explain", str(_file(node))).stdout:
        assert time.monotonic() < deadline, f"list-match does not say it\n{node.logs()}"  # it was on trial just then
    python = next(path for path in (Path("/usr/bin/python3"), Path(sys.executable)) if path.exists())
    fresh = interpreter.with_name("fresh")
    fresh.write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    fresh.chmod(0o755)
    os.replace(fresh, interpreter)
    for job in jobs:
        assert node.wait(job, timeout=90).startswith("Done")
    assert "is taken again like any other" in log.read_text()


def _file(node) -> Path:
    path = node.work / "hole.jdl"
    path.write_text(JOB)
    return path
