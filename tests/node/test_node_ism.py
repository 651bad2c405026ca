"""A demonstration node: made-up computing elements beside a real one, looked at with the operator's commands."""

import json
import os
import signal
import time

import pytest

from jdl.parser import parse
from node import ism


@pytest.fixture(scope="module")
def demonstration(make_node):
    node = make_node()
    node.root = node.root.parent / "demonstration"
    node.wms("init", "--ports", "auto", "--sites", "4")
    with (node.root / "wms.toml").open("a") as file:
        file.write("\n[[ce.queue]]\nname = \"second\"\nslots = 1\n")
    text = (node.root / "wms.toml").read_text()
    (node.root / "wms.toml").write_text(text.replace("[broker]\n", "[broker]\nrefresh = 1.0\nentry_lifetime = 600.0\n"))
    node.wms("up", "--detach")
    node.proxy()
    return node


def until(holds, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.3)
    return False


def test_a_number_of_sites_that_cannot_be_is_refused(make_node):
    node = make_node()
    node.root = node.root.parent / "other"
    assert "0 to 2000" in node.wms("init", "--sites", "5000", check=False).stderr
    assert not (node.root / "wms.toml").exists()


def test_a_node_that_is_there_is_not_given_sites_by_init(demonstration):
    told = demonstration.wms("init", "--sites", "9", check=False)
    assert told.returncode == 1
    assert "set synthetic_sites in [bdii]" in told.stderr


def test_made_up_elements_are_listed_and_a_job_goes_to_a_real_one(demonstration):
    jdl = '[ Executable = "/bin/true"; Rank = other.GlueCEInfoTotalCPUs; ]'
    (demonstration.work / "rank.jdl").write_text(jdl)
    listed = demonstration.command("glite-wms-job-list-match", "-a", "--rank", "rank.jdl").stdout
    elements = [line.split()[1] for line in listed.splitlines() if line.startswith(" - ")]
    assert ".synthetic.invalid:" in elements[0]
    assert len(elements) > 8
    assert any(each.startswith("localhost:") for each in elements)
    job = demonstration.submit(jdl)
    assert demonstration.wait(job).startswith("Done")
    assert demonstration.job_status(job)["Destination"].startswith("localhost:")


def test_ism_prints_a_table_json_and_classads(demonstration):
    table = demonstration.wms("ism").stdout
    assert "source: ldap://" in table
    assert "(GLUE 1.3, current)" in table
    assert table.count("\nce1.site00") > 20
    assert " records of 22 computing elements, " in table
    shown, _, known = table.splitlines()[-1].partition(":")[0].partition(" shown of ")
    assert shown == known == str(len([line for line in table.splitlines() if line.endswith(" ago") and line[0] != " "]))
    one = demonstration.wms("ism", "*-second*").stdout
    assert len([line for line in one.splitlines() if line.startswith("localhost:")]) == 1
    whole = json.loads(demonstration.wms("ism", "--json").stdout)
    assert len(whole["stock"]) == whole["records"]
    assert whole["stock"][0]["attributes"]["GlueCEUniqueID"] == whole["stock"][0]["ce_id"]
    dump = [parse(line) for line in demonstration.wms("ism", "--jdl").stdout.splitlines()]
    assert [each.string("id") for each in dump] == [each["id"] for each in whole["stock"]]
    assert json.loads(demonstration.wms("ism", "no such thing", "--json").stdout)["stock"] == []
    assert not list((demonstration.root / "run").glob("ism-*.dump"))


def test_the_broker_shows_the_last_picture_of_a_dead_bdii_also_after_its_own_death_and_status_says_so(demonstration):
    before = json.loads(demonstration.wms("ism", "--json").stdout)["computing_elements"]
    assert before == 22
    pids = {name: service["pid"] for name, service in demonstration.status()["services"].items()}
    os.kill(pids["bdii"], signal.SIGSTOP)
    try:
        os.kill(pids["broker"], signal.SIGKILL)

        def restored():
            return demonstration.status()["information"].get("computing_elements") == before

        assert until(restored, 60), demonstration.status()
        status = demonstration.status()
        assert any("comes from the picture that was kept on disk" in note for note in status["notes"])
        assert "the broker knows 22 computing elements, 20 of them made up" in status["notes"]
        assert "from disk" in demonstration.wms("ism").stdout
    finally:
        os.kill(pids["bdii"], signal.SIGCONT)
    assert until(lambda: demonstration.status()["information"].get("problems") == [], 60)


def test_what_a_site_publishes_cannot_write_to_the_terminal_or_forge_a_line():
    source = {
        **dict.fromkeys(("records", "storage_elements", "entries", "bytes", "peak_memory", "refresh_bytes"), 1),
        **dict.fromkeys(("age", "whole_age", "seconds", "read_seconds", "made_seconds", "refresh_seconds"), 1.0),
        "url": "ldap://h", "base": "o=grid", "schema": "1.3", "current": True, "from_disk": False,
    }
    summary = {
        **dict.fromkeys(("records", "records_known", "computing_elements", "storage_elements"), 1),
        "sources": [source], "memory": {"resident": 1, "peak": 1}, "problems": ["ce\nproblem: \x1b[2J none"],
    }
    record = {"id": "ce\x1b[31m\nsource: forged", "site": "\x9b1m", "status": "\u202e", "update_time": time.time()}
    lines = list(ism.FORMS["table"](summary, iter([json.dumps(record)])))
    assert all(line.isprintable() for line in lines)
    assert next(line for line in lines if "forged" in line).startswith("ce?[31m?source: forged")
    assert "problem: ce?problem: ?[2J none" in lines
