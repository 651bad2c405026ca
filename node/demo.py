"""``wms demo``: a whole grid in one directory, one real job on it, and nothing left behind.

The job goes the same way as in production: proxy, delegation, list-match, registration, sandbox, matchmaking,
CE, L&B, output.  Three computing elements are published; one refuses the user by its access rule, one does not
meet the Requirements.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from grid.errors import ConfigurationError, GridError
from infosys.ce_ads import CE_FILTER, assemble
from infosys.client import LdapSource
from node.configuration import Configuration
from node.environment import commands_directory, variables
from node.layout import Layout

JDL = """\
[
  Type = "Job";
  Executable = "count.sh";
  Arguments = "poem.txt";
  StdOutput = "std.out";
  StdError = "std.err";
  InputSandbox = { "count.sh", "poem.txt" };
  OutputSandbox = { "std.out", "std.err", "longest.txt" };
  Requirements = other.GlueHostMainMemoryRAMSize >= 1024;
  Rank = -other.GlueCEStateEstimatedResponseTime;
]
"""
SCRIPT = """\
#!/bin/sh
echo "running on $(uname -n) as uid $(id -u)"
echo "the input has $(wc -l < "$1") lines and $(wc -w < "$1") words"
awk '{ if (length($0) > length(longest)) longest = $0 } END { print longest }' "$1" > longest.txt
echo "the longest line went to longest.txt"
"""
POEM = """\
A job went out to find a place,
it carried all it had to run;
the broker looked for time and space
and found that of the three, just one.
"""
LINES = POEM.splitlines(keepends=True)
QUEUES = """
# Two more computing elements: one admits another virtual organisation only, one has little memory.
[[ce.queue]]
name = "others"
access = ["VO:othervo"]
memory_mb = 8192

[[ce.queue]]
name = "small"
memory_mb = 512
"""


class Demonstration:
    """One run, step by step, each with its command, its output and its time."""

    def __init__(self, root: Path, work: Path) -> None:
        self._root = root
        self._work = work
        self._times: list[tuple[str, float]] = []
        self._environment: Mapping[str, str] = os.environ

    def run(self) -> int:
        """Go through all steps; returns 0 when the job's output is what it must be."""
        node = str(self._root)
        self.step("make a node", ["wms", "init", node, "--ports", "auto"])
        with (self._root / "wms.toml").open("a") as file:
            file.write(QUEUES)
        self.step("start its services", ["wms", "up", node, "--detach"])
        try:
            return self._job(node)
        finally:
            self.step("stop the services", ["wms", "down", node])

    def _job(self, node: str) -> int:
        self.step("make a proxy", ["wms", "proxy", node, "--user", "alice"])
        self._environment = {**os.environ, **variables(self._root, "alice"), "LOGNAME": "alice"}
        for name, text, mode in (("job.jdl", JDL, 0o644), ("count.sh", SCRIPT, 0o755), ("poem.txt", POEM, 0o644)):
            (self._work / name).write_text(text)
            (self._work / name).chmod(mode)
        say("the job", "job.jdl")
        print(JDL)
        self._show_elements()
        self.step("which computing elements match?", ["glite-wms-job-list-match", "-a", "--rank", "job.jdl"])
        self.step("submit", ["glite-wms-job-submit", "-a", "-o", "ids", "job.jdl"])
        job = (self._work / "ids").read_text().split()[-1]
        self.step("follow", ["glite-wms-job-status", "--noint", "--follow", job])
        self.step("the events", ["glite-wms-job-logging-info", "--noint", "-v", "0", job])
        self.step("fetch the output", ["glite-wms-job-output", "--noint", "--dir", str(self._work / "out"), job])
        return self._show_output()

    def _show_elements(self) -> None:
        """What the information system tells of the three computing elements."""
        url = Configuration.read(Layout(self._root).configuration).information_system
        say("the computing elements", f"{url}/mds-vo-name=local,o=grid")
        entries = LdapSource(url, "mds-vo-name=local,o=grid", 10.0).fetch(CE_FILTER)
        for record in assemble(entries).records:
            memory = record.ad.value("GlueHostMainMemoryRAMSize")
            print(f"  {record.ce_id}  admits {', '.join(record.access_rules)}; {memory} MB of memory")

    def _show_output(self) -> int:
        files = sorted((self._work / "out").rglob("*.*"))
        for path in files:
            say("output", path.name)
            print(path.read_text())
        found = {path.name: path.read_text() for path in files}
        whole = "4 lines" in found.get("std.out", "") and found.get("longest.txt", "") == max(LINES, key=len)
        self._table()
        if not whole:
            print("wms demo: the output is not what the job should have written", file=sys.stderr)
            return 1
        return 0

    def step(self, title: str, command: Sequence[str]) -> None:
        """Run one command, show it, stop at a failure.

        :raises ConfigurationError: when it fails.
        """
        say(title, shlex.join(command))
        started = time.monotonic()
        program = str(commands_directory() / command[0])
        result = subprocess.run([program, *command[1:]], cwd=self._work, env=dict(self._environment), timeout=300)
        self._times.append((title, time.monotonic() - started))
        if result.returncode != 0:
            self._show_logs()
            raise ConfigurationError(f"{command[0]} ended with exit code {result.returncode}; the demonstration stops")

    def _table(self) -> None:
        say("how long each took", "")
        for title, seconds in self._times:
            print(f"  {title:<36}{seconds:8.2f} s")
        print(f"  {'all':<36}{sum(seconds for _, seconds in self._times):8.2f} s")

    def _show_logs(self) -> None:
        for path in sorted((self._root / "log").glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-8:]
            if lines:
                print(f"--- the end of {path.name}", *lines, sep="\n", file=sys.stderr)


def say(title: str, detail: str) -> None:
    """A heading."""
    print(f"\n\033[1m== {title}\033[0m  {detail}" if sys.stdout.isatty() else f"\n== {title}  {detail}", flush=True)


def demonstrate(directory: Path | None) -> int:
    """Run the demonstration in ``directory``, or in a scratch directory that is removed.

    :raises GridError: when a step fails.
    """
    scratch = Path(tempfile.mkdtemp(prefix="wms-demo-"))
    os.chmod(scratch, 0o755)  # a job's account passes through to its own directory
    root = (directory or scratch / "node").absolute()
    work = scratch / "work"
    work.mkdir()
    if directory is not None and (root / "wms.toml").exists():
        shutil.rmtree(scratch)
        raise ConfigurationError(f"{root} is a node already; the demonstration wants a new directory")
    try:
        return Demonstration(root, work).run()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GridError(f"the demonstration stops: {error}", code=1202) from error
    finally:
        _remove_work_directory(root)
        shutil.rmtree(scratch, ignore_errors=True)


def _remove_work_directory(root: Path) -> None:
    work = Layout(root).ce_work_directory()
    if not work.is_relative_to(root):
        shutil.rmtree(work, ignore_errors=True)
