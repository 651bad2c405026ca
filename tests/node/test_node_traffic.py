"""A broker that is killed knows its jobs on the way again: they count on top of a picture that is silent of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from grid.errors import GridError
from infosys.client import LdapSource
from infosys.entry import Entry
from infosys.server import LdapServer
from node.configuration import Configuration

T = TypeVar("T")
SUFFIX = "mds-vo-name=resource,o=grid"
JOB = """[ Executable = "/bin/sleep"; Arguments = "100"; Requirements = true;
           Rank = regexp("-second$", other.GlueCEUniqueID) ? 3.5 : other.GlueCEStateFreeJobSlots; ]"""
"""Goes to the first queue while that has four free slots or more."""


def until(node, holds: Callable[[], T], what: str) -> T:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}\n{node.logs()}")


@pytest.fixture
def blind(make_node):
    """A node whose broker is told for ever of five free slots in each queue."""
    node = make_node()
    path = node.root / "wms.toml"
    with LdapServer("127.0.0.1:0") as frozen:
        text = path.read_text()
        # one look counts for the whole test, and all that is sent from now on comes on top of it
        text = text.replace("[broker]\n", "[broker]\nrefresh = 0.5\nfull_refresh = 0.5\ninformation_delay = 3600.0\n")
        source = f'\n[[broker.source]]\nurl = "ldap://127.0.0.1:{frozen.port}"\nbase = "{SUFFIX}"\n'
        path.write_text(f'{text}\n[[ce.queue]]\nname = "second"\nslots = 2\n{source}')
        live = LdapSource(f"ldap://127.0.0.1:{Configuration.read(path).ce.ldap_port}", SUFFIX)
        with ThreadPoolExecutor(1) as pool:
            up = pool.submit(node.wms, "up", "--detach")  # ends when the broker knows an element
            found = until(node, lambda: _published(live), "the computing element does not answer")
            frozen.publish([_with_slots(each) for each in found])
            up.result()
        node.proxy("alice")
        yield node
        node.wms("down")


def _published(live: LdapSource) -> list[Entry]:
    try:
        return [each for each in live.fetch() if each.dn.lower() != SUFFIX]
    except GridError:
        return []


def _with_slots(entry: Entry) -> Entry:
    free = {name: ("5",) for name in entry.attributes if name == "GlueCEStateFreeJobSlots"}
    return Entry(entry.dn, {**entry.attributes, **free})


def test_after_kill_9_jobs_do_not_crowd_on_what_was_the_best_element(blind):
    node = blind

    def destination(job: str) -> str:
        return until(node, lambda: node.job_status(job).get("Destination", ""), f"{job} is sent nowhere")

    jobs = [node.submit(JOB) for _ in range(2)]
    first, again = map(destination, jobs)
    assert first == again and not first.endswith("-second")
    pid = node.status()["services"]["broker"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(node, lambda: node.status()["services"]["broker"]["pid"] not in (pid, None), "the broker stays away")
    jobs.append(node.submit(JOB))
    assert destination(jobs[2]).endswith("-second")
    assert "2 jobs are on their way to computing elements" in (node.root / "log/broker.log").read_text()
    node.command("glite-wms-job-cancel", "--noint", *jobs)
