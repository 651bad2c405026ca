"""kill -9 in the middle of a DAG and of a collection: each node runs once and in its order; the whole has one end."""

import collections
import dataclasses
import os
import time

import pytest

from grid.states import JobState

ALL = int(os.environ.get("WMS_TEST_JOBS", "10")) >= 50
PARENTS = {"top": (), "left": ("top",), "right": ("top",), "bottom": ("left", "right"), "alone": ()}


@dataclasses.dataclass(frozen=True)
class Case:
    """Die in ``service`` at the n-th passage of ``point`` after the start of a DAG or a collection."""

    point: str
    kind: str = "dag"
    service: str = "broker"
    passage: int = 1
    always: bool = False

    def __str__(self) -> str:
        return f"{self.point}-{self.service}-{self.kind}-{self.passage}"


CASES = [
    Case("wmproxy.start.committed", service="wmproxy"),
    Case("broker.engine.advanced", always=True),
    Case("broker.engine.advanced", passage=2),
    Case("broker.engine.advanced", passage=3),
    Case("broker.engine.advanced", "collection", always=True),
    Case("broker.engine.advanced", "collection", passage=2),
    Case("broker.plan.chosen", passage=2),
    Case("broker.start.recorded", passage=3),
    Case("broker.monitor.heard", passage=4, always=True),
    Case("broker.monitor.recorded", passage=5),
    Case("broker.monitor.recorded", "collection", passage=5),
    *(Case("storage.writer.commit", passage=passage) for passage in (3, 8, 13, 21)),
    *(Case("storage.writer.committed", passage=passage) for passage in (3, 8, 13, 21)),
    Case("storage.writer.committed", "collection", passage=9, always=True),
    Case("ce.report.committed", service="ce", passage=3),
]


@pytest.fixture(scope="module")
def grid(make_grid):
    """One node for all cases, with few nodes on their way at a time, so that the engine has more than one turn."""
    made = make_grid()
    file = made.node.root / "wms.toml"
    few = "[broker]\nfewest_released_nodes = 2\nmost_released_nodes = 2\n"
    file.write_text(file.read_text().replace("[broker]\n", few))
    made.up()
    yield made
    made.disarm()


def description(grid, kind: str) -> str:
    nodes = {
        name: f'[ Executable = "{grid.payload}"; Arguments = "{name} 0.2"; StdOutput = "out.txt"; '
        'OutputSandbox = { "out.txt" } ]'
        for name in PARENTS
    }
    if kind == "collection":
        named = (text.replace("[", f'[ NodeName = "{name}";', 1) for name, text in nodes.items())
        return f'[ Type = "collection"; Requirements = true; Rank = 1; nodes = {{ {", ".join(named)} }}; ]'
    named = (f"{name} = [ description = {text} ];" for name, text in nodes.items())
    edges = ", ".join(f"{{ {above}, {name} }}" for name, all_above in PARENTS.items() for above in all_above)
    body = f'nodes = [ {" ".join(named)} ]; dependencies = {{ {edges} }};'
    return f'[ Type = "dag"; Requirements = true; Rank = 1; {body} ]'


def register(grid, kind: str) -> tuple[str, dict[str, str]]:
    grid.node.command("glite-wms-job-delegate-proxy", "-d", "compounds", "--noint", check=False)
    tree = grid.call("jobRegister", jdl=description(grid, kind), delegationId="compounds")
    return tree["id"], {child["name"]: child["id"] for child in tree["childrenJob"]}


def deaths(grid, service: str) -> int:
    if service != "broker":
        return (grid.node.root / "log" / f"{service}.log").read_text(errors="replace").count("was sent SIGKILL!")
    return grid.services()[service]["restarts"]


def settled(grid, ids: set[str]) -> dict[str, JobState]:
    """Wait until L&B says that all have ended."""

    def look():
        states = grid.states() or {}
        return states if all(job in states and states[job].final for job in ids) else None

    return grid.until(look, 90, f"not ended: {({job: (grid.states() or {}).get(job) for job in ids})}")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_kill_costs_a_compound_job_time_and_nothing_else(grid, case):
    if not (ALL or case.always):
        pytest.skip("make test dies at a choice of points; WMS_TEST_JOBS=50 (as .ci/run sets it) at every one")
    if grid.services()["broker"]["restarts"] >= 3:
        grid.down()  # else the supervisor's back-off would be what is measured
        grid.up()
    before = deaths(grid, case.service)
    job, nodes = register(grid, case.kind)
    grid.arm(case.point, case.service, case.passage)
    grid.call("jobStart", jobId=job)
    grid.until(grid.hit.exists, 40, f"{case} was not passed")
    grid.until(lambda: deaths(grid, case.service) > before, 10, f"nobody saw {case.service} die")
    states = settled(grid, {job, *nodes.values()})
    assert {states[each] for each in (job, *nodes.values())} == {JobState.Done}
    judge(grid, case.kind, nodes)


def judge(grid, kind: str, nodes: dict[str, str]) -> None:
    executions = grid.executions()
    lines = [line.split()[:2] for line in grid.runs.read_text().splitlines()]
    for name, job in nodes.items():
        assert [what for what, _ in executions[job]] == ["begin", "end"], f"{name} did not run exactly once"
        events = [event for event in grid.events(job) if event.source.value != "LRMS"]
        ends = [event for event in events if (event.type, event.get("status_code")) == ("Done", "OK")]
        assert len(ends) == 1, f"{name} has {len(ends)} ends"
        assert not [event for event in events if event.type in ("Abort", "Cancel")]
        assert grid.request(job) == ("ended", "done")
        for above in PARENTS[name] if kind == "dag" else ():
            ended, begun = lines.index(["end", nodes[above]]), lines.index(["begin", job])
            assert ended < begun, f"{name} began before {above} ended"


def test_a_compound_job_that_is_cancelled_while_the_broker_dies_ends_cancelled(grid):
    job, nodes = register(grid, "collection")
    with grid.hold():
        grid.call("jobStart", jobId=job)
        grid.until(lambda: set(nodes.values()) & set(grid.executions()), 40, "no node runs")
        before = deaths(grid, "broker")
        grid.arm("broker.engine.advanced", "broker", 1)
        grid.call("jobCancel", jobId=job)
        grid.until(lambda: deaths(grid, "broker") > before, 30, "the broker did not die")
        states = settled(grid, {job, *nodes.values()})
    assert collections.Counter(states[each] for each in nodes.values()) == {JobState.Cancelled: len(nodes)}
    assert states[job] is JobState.Cancelled
    time.sleep(0.5)
    assert not [what for name in nodes for what, _ in grid.executions().get(nodes[name], []) if what == "end"]
