"""kill -9 of WMProxy while compound jobs are registered, started, cancelled and purged: whole or not at all.

What was answered is there with all its nodes; what was not answered is either there with all of them or nowhere, and
ended at L&B.  No node runs twice.
"""

from __future__ import annotations

import time

import pytest

from grid.errors import GridError
from grid.jobid import JobId
from grid.states import JobState
from gsi.credential import Credential
from wsdl.client import RemoteFault, SoapClient
from wsdl.delegation import delegate

NODES = 4
ENDED = {"Done", "Aborted", "Cancelled", "Cleared"}


@pytest.fixture(scope="module")
def grid(make_grid):
    made = make_grid()
    made.up()
    proxy = made.node.root / "credentials" / "users" / "alice" / "proxy.pem"
    endpoint = made.node.configuration().wmproxy_endpoint
    with SoapClient("WMProxy.wsdl", "WMProxy_PortType", endpoint, made._context()) as client:
        delegate(client, "faults", Credential.load(proxy))
    yield made
    made.disarm()


def description(grid, word: str) -> str:
    nodes = ", ".join(
        f'[ Executable = "{grid.payload}"; Arguments = "{word}-{number} 0"; StdOutput = "out.txt"; '
        'StdError = "err.txt"; OutputSandbox = { "out.txt", "err.txt", "data.txt" } ]'
        for number in range(NODES)
    )
    return f'[ Type = "collection"; Requirements = true; Rank = 1; nodes = {{ {nodes} }}; ]'


def register(grid, word: str, operation: str = "jobRegister"):
    return grid.call(operation, jdl=description(grid, word), delegationId="faults")


def family(job: str) -> list[str]:
    return [job, *(str(JobId.parse(job).child("WMPROXY", number)) for number in range(NODES))]


def parents(grid) -> set[str]:
    """The compound jobs of alice that L&B knows."""
    (states,) = grid.until(lambda: [found] if (found := grid.states()) is not None else None, 20, "no L&B")
    nodes = {node for job in states for node in family(job)[1:]}
    return set(states) - nodes


def directories(grid, job: str) -> list[str]:
    names = [JobId.parse(one).file_name for one in family(job)]
    return [path.name for path in (grid.node.root / "sandbox").glob("*/*/*") if path.name in names]


def states(grid, job: str) -> dict[str, str]:
    told = grid.call("getJobStatus", jobId=job)
    return {told["jobid"]: told["status"]} | {child["jobid"]: child["status"] for child in told["childrenJob"]}


def wait(grid, job: str) -> dict[str, str]:
    return grid.until(lambda: (found := states(grid, job)) and set(found.values()) <= ENDED and found, 90, "not ended")


def died(grid, point: str) -> None:
    grid.until(grid.hit.exists, 30, f"{point} was not passed")
    grid.ready()


def ran_once_each(grid, job: str) -> None:
    runs = grid.executions()
    for node in family(job)[1:]:
        assert [what for what, _ in runs.get(node, [])] == ["begin", "end"], (node, runs.get(node))


@pytest.mark.parametrize(
    "point", ["wmproxy.register.directory", "wmproxy.register.logged", "storage.writer.commit"]
)
@pytest.mark.parametrize("operation", ["jobRegister", "jobSubmit"])
def test_a_registration_that_is_cut_off_leaves_nothing_but_ends(grid, point, operation):
    before = parents(grid)
    grid.arm(point, "wmproxy")
    assert register(grid, "cut", operation) is None
    died(grid, point)
    for job in parents(grid) - before:
        grid.until(lambda job=job: {grid.state(one) for one in family(job)} == {JobState.Aborted}, 30, "not aborted")
        grid.until(lambda job=job: not directories(grid, job), 30, "its sandbox is left")
        with pytest.raises(RemoteFault) as unknown:
            grid.call("jobStart", jobId=job)
        assert unknown.value.code == 1218
    answered = register(grid, "next")  # and the service goes on
    assert len(answered["childrenJob"]) == NODES
    grid.call("jobCancel", jobId=answered["id"])


@pytest.mark.parametrize(
    ("point", "operation"),
    [
        ("wmproxy.register.committed", "jobRegister"),
        ("storage.writer.committed", "jobRegister"),
        ("wmproxy.submit.committed", "jobSubmit"),
    ],
)
def test_a_registration_that_was_written_is_there_with_all_its_nodes(grid, point, operation):
    before = parents(grid)
    grid.arm(point, "wmproxy")
    assert register(grid, "kept", operation) is None
    died(grid, point)
    (job,) = grid.until(lambda: parents(grid) - before, 20, "L&B does not know it")
    assert list(states(grid, job)) == family(job)
    if operation == "jobRegister":
        grid.call("jobStart", jobId=job)
    assert set(wait(grid, job).values()) == {"Done"}
    ran_once_each(grid, job)


@pytest.mark.parametrize("point", ["wmproxy.start.jdl-written", "storage.writer.commit", "wmproxy.start.committed"])
def test_a_start_that_is_cut_off_is_repeated_and_every_node_runs_once(grid, point):
    job = register(grid, "start")["id"]
    grid.arm(point, "wmproxy")
    assert grid.call("jobStart", jobId=job) is None
    died(grid, point)
    if point == "wmproxy.start.committed":
        with pytest.raises(RemoteFault, match="job started"):
            grid.call("jobStart", jobId=job)
    else:
        assert set(states(grid, job).values()) == {"Submitted"}
        grid.call("jobStart", jobId=job)
    assert set(wait(grid, job).values()) == {"Done"}
    ran_once_each(grid, job)


def test_a_cancel_that_was_written_ends_every_node(grid):
    job = register(grid, "cancel")["id"]
    with grid.hold():
        grid.call("jobStart", jobId=job)
        grid.until(lambda: "Running" in states(grid, job).values(), 60, "no node runs")
        grid.arm("wmproxy.cancel.committed", "wmproxy")
        assert grid.call("jobCancel", jobId=job) is None
        died(grid, "wmproxy.cancel.committed")
        found = wait(grid, job)
    assert {found[node] for node in family(job)[1:]} == {"Cancelled"}


def test_a_purge_that_was_written_removes_every_nodes_files(grid):
    job = register(grid, "purge", "jobSubmit")["id"]
    assert set(wait(grid, job).values()) == {"Done"}
    assert len(directories(grid, job)) == 1 + NODES
    grid.arm("wmproxy.purge.committed", "wmproxy")
    assert grid.call("jobPurge", jobId=job) is None
    died(grid, "wmproxy.purge.committed")
    grid.until(lambda: not directories(grid, job), 30, "sandboxes are left")
    grid.until(lambda: {grid.state(one) for one in family(job)} == {JobState.Cleared}, 30, "not cleared")


def test_l_and_b_that_is_away_refuses_a_registration_and_keeps_no_trace(grid):
    before = {path for path in (grid.node.root / "sandbox").glob("*/*/*") if not path.name.startswith(".")}
    services = grid.services()
    assert services["lb"]["pid"]
    grid.arm("storage.writer.commit", "lb")
    began = time.monotonic()
    try:
        answered = register(grid, "away")
    except GridError as error:
        assert error.code == 1227
        answered = None
    died(grid, "storage.writer.commit of lb")
    assert time.monotonic() - began < 40
    if answered is None:
        after = {path for path in (grid.node.root / "sandbox").glob("*/*/*") if not path.name.startswith(".")}
        assert after <= before
    else:  # the registrar came again in time
        assert list(states(grid, answered["id"])) == family(answered["id"])
