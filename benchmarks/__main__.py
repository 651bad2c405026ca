"""``python -m benchmarks``: measure, and print one table.

Everything runs on loopback, in a scratch directory that is removed, and within about ten minutes.  A rate says
little without the machine it was taken on; its ratio to a limit measured in the same run says more.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks import chains, commands, disk, explaining, jobs, ldap, list_match, matching, pull, wmproxy_requests
from benchmarks.figure import Figure, table
from benchmarks.scratchnode import ScratchNode
from grid.errors import GridError

_Measure = Callable[[ScratchNode, bool], list[Figure]]

BENCHMARKS: Final[dict[str, tuple[str, _Measure]]] = {
    "commands": ("CPU seconds of each command to its usage text", lambda node, quick: commands.measure_commands(quick)),
    "chains": (
        "judgements of a chain with a VOMS proxy",
        lambda node, quick: chains.measure_chains(node.proxy, node.layout.certificates, node.layout.vomsdir, quick),
    ),
    "matching": (
        "matches of jobs with thousands of computing elements, beside classad2",
        lambda node, quick: matching.measure_matching(quick),
    ),
    "explaining": (
        "explanations on new pictures of 5 000 computing elements, and Requirements that are made to be costly",
        lambda node, quick: explaining.measure_explaining(quick),
    ),
    "pull": (
        "a grid of 500 and 5 000 computing elements bought while jobs are matched, beside ldapsearch",
        lambda node, quick: pull.measure_pull(node.layout.root.parent, quick),
    ),
    "ldap": (
        "4 400 and 44 000 entries loaded and searched, beside slapd",
        lambda node, quick: ldap.measure_ldap(node.layout.root.parent, quick),
    ),
    "listmatch": (
        "jobListMatch over SOAP on a node that knows 5 000 computing elements",
        list_match.measure_list_match,
    ),
    "getversion": ("getVersion in process, over kept and new connections", wmproxy_requests.measure_get_version),
    "register": ("durable jobRegister, the same", wmproxy_requests.measure_register),
    "collection": ("jobRegister of a thousand nodes, the same", wmproxy_requests.measure_collection),
    "submit": ("durable jobSubmit requests, kept and new connections", wmproxy_requests.measure_submit),
    "jobs": ("jobs from submission to Done on the fork CE", jobs.measure_jobs),
}


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    names = "\n".join(f"  {name:12} {text}" for name, (text, _) in BENCHMARKS.items())
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure this checkout, each figure beside a limit measured in the same run.",
        epilog=f"the benchmarks:\n{names}\n\nexit codes: 0 measured; 1 something failed; 2 wrong usage",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--json", action="store_true", help="print one JSON object instead of the table")
    made.add_argument("--quick", action="store_true", help="one short round of everything (less than a minute)")
    made.add_argument(
        "--only", action="append", choices=tuple(BENCHMARKS), metavar="NAME", help="this benchmark alone (repeatable)"
    )
    made.add_argument(
        "--scratch",
        type=Path,
        metavar="DIR",
        default=Path(tempfile.gettempdir()),
        help="where the scratch directory is made; its disk is what durability is measured on (%(default)s)",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    given = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that services are stopped and files removed
    begin = time.monotonic()
    try:
        with tempfile.TemporaryDirectory(prefix="wms-bench-", dir=given.scratch) as name:
            scratch = Path(name)
            scratch.chmod(0o755)
            machine = describe(scratch)
            figures = _measure(scratch, given.only or list(BENCHMARKS), given.quick)
    except GridError as error:
        print(f"benchmarks: {error.description}", file=sys.stderr)
        return 1
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: interrupted", file=sys.stderr)
        return 130
    seconds = round(time.monotonic() - begin, 1)
    if given.json:
        machine |= {"seconds": seconds, "quick": given.quick}
        print(json.dumps({"machine": machine, "figures": [figure.as_json() for figure in figures]}, indent=2))
    else:
        print(", ".join(f"{key} {value}" for key, value in machine.items()) + f"; {seconds:.0f} s")
        print("\n".join(table(figures)))
    return 0


def _measure(scratch: Path, names: Sequence[str], quick: bool) -> list[Figure]:
    """Measure what is named; some on a node of their own: a large grid beside, or no queue left of the submissions."""
    figures: list[Figure] = []
    sites = list_match.FEW_SITES if quick else list_match.SITES
    alone = {"listmatch": sites, "jobs": 0}
    for group in ([name for name in BENCHMARKS if name not in alone], *[[name] for name in alone]):
        wanted = [name for name in group if name in names]
        if not wanted:
            continue
        with ScratchNode.make(scratch, alone.get(wanted[0], 0)) as node:
            for name in wanted:
                text, measure = BENCHMARKS[name]
                print(f"{name}: {text} ...", end=" ", file=sys.stderr, flush=True)
                begin = time.monotonic()
                figures += measure(node, quick)
                print(f"{time.monotonic() - begin:.1f} s", file=sys.stderr)
    return figures


def describe(scratch: Path) -> dict[str, Any]:
    """The machine, as far as a reader of the figures must know it."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "disk": disk.kind(scratch),
    }


if __name__ == "__main__":
    sys.exit(main())
