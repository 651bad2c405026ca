"""Buying a whole grid: how long it takes, what it takes of memory, and how long matchmaking stands still meanwhile.

    python -m benchmarks.pull serve SITES [SCHEMA]     serve a made-up grid until standard input ends
    python -m benchmarks.pull probe URL [SCHEMA]       buy it while jobs are matched; prints one JSON object

The server, the broker's part and ldapsearch are processes of their own, as in service.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.figure import Figure, Limit
from broker.job import Job
from broker.matchmaker import match
from broker.source import InformationSource
from broker.stocktaking import memory
from broker.supermarket import Supermarket
from grid.errors import GridError
from grid.fqan import Fqan
from infosys import synthetic
from infosys.access import User
from infosys.entry import Entry, to_ldif
from infosys.server import LdapServer
from infosys.synthetic2 import entries2
from jdl.parser import parse

BASE: Final = "mds-vo-name=local,o=grid"
BASES: Final = {"1.3": BASE, "2.0": "o=glue"}
"""Where the entries of each schema stand."""
USER: Final = User("/DC=org/CN=Bench", (Fqan.parse("/testvo"),))
JDL: Final = """[ Executable = "/bin/true";
  Requirements = other.GlueHostMainMemoryRAMSize >= {memory} && other.GlueCEPolicyMaxWallClockTime > {minutes}
    && Member("GCC-8.5.0", other.GlueHostApplicationSoftwareRunTimeEnvironment);
  Rank = other.GlueCEStateFreeJobSlots; ]"""
CALM: Final = 3.0
"""Seconds of matching without a purchase beside it."""
_ROUNDS: Final = 2
_START: Final = 120.0


class PullFailure(GridError):
    """The measurement could not be made."""

    default_code = 1205


def measure_pull(scratch: Path, quick: bool) -> list[Figure]:
    """Grids of 500 and 5 000 computing elements, from our server and, where it is installed, from slapd."""
    figures: list[Figure] = []
    for sites in (100,) if quick else (100, 1000):
        for schema, suffix in (("1.3", ""), ("2.0", ", GLUE 2.0")):
            with served(["serve", str(sites), schema]) as url:
                figures += _figures(f"{sites * 5} CEs{suffix}", url, schema)
            if shutil.which("slapd") and Path("/etc/bdii/bdii-top-slapd.conf").exists():
                with slapd(scratch, sites, schema) as url:
                    figures += _figures(f"{sites * 5} CEs, slapd{suffix}", url, schema)
    return figures


def _figures(name: str, url: str, schema: str) -> list[Figure]:
    bare = _ldapsearch(url, BASES[schema])
    found = json.loads(run([sys.executable, "-m", "benchmarks.pull", "probe", url, schema]))
    calm, busy = found["calm"], found["busy"]
    return [
        Figure(f"purchase of everything, {name}", found["whole"], "s", (bare,)),
        Figure(f"  entries, {name}", found["entries"], ""),
        Figure(f"  reading alone, {name}", found["read"], "s", (bare,)),
        Figure(f"look at states, {name}", found["states"], "s", (bare,)),
        Figure(f"match beside it, median, {name}", busy["p50"], "ms", (Limit("without it", calm["p50"]),)),
        Figure(f"  99 of 100, {name}", busy["p99"], "ms", (Limit("without it", calm["p99"]),)),
        Figure(f"  the longest, {name}", busy["max"], "ms", (Limit("without it", calm["max"]),)),
        Figure(f"broker's memory with it, {name}", found["after"], "MiB", (Limit("without it", found["before"]),)),
        Figure(f"  at most, {name}", found["peak"], "MiB", (Limit("with it", found["after"]),)),
        Figure(f"purchaser's memory at most, {name}", found["purchaser"], "MiB"),
    ]


def _ldapsearch(url: str, base: str) -> Limit:
    program = shutil.which("ldapsearch")
    if program is None:
        return Limit("ldapsearch of everything", 0.0, "ldapsearch is not installed")
    best = 1e9
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        run([program, "-x", "-LLL", "-o", "ldif-wrap=no", "-E", "!pr=1000/noprompt", "-H", url, "-b", base])
        best = min(best, time.perf_counter() - began)
    return Limit("ldapsearch of everything", best)


def run(arguments: list[str]) -> bytes:
    done = subprocess.run(arguments, capture_output=True, timeout=600)
    if done.returncode:
        raise PullFailure(f"{arguments[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
    return done.stdout


@contextlib.contextmanager
def served(arguments: list[str]) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.pull", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        if process.stdin is None or process.stdout is None:
            raise PullFailure("the server has no pipes")
        url = process.stdout.readline().decode().strip()
        if not url:
            raise PullFailure("the server of the grid did not start")
        yield url
    finally:
        process.kill()
        for end in (process.stdin, process.stdout):
            if end is not None:
                end.close()
        process.wait()


@contextlib.contextmanager
def slapd(scratch: Path, sites: int, schema: str = "1.3") -> Iterator[str]:
    """The grid in OpenLDAP's server, with the schema and the configuration of Debian's BDII."""
    with tempfile.TemporaryDirectory(prefix="slapd-", dir=scratch) as name:
        place = Path(name)
        for part in ("grid", "glue", "stats", "run"):
            (place / part).mkdir()
        text = Path("/etc/bdii/bdii-slapd.conf").read_text()
        text = text.replace("/run/bdii/db", str(place / "run")).replace("/var/lib/bdii/db", str(place))
        text = "".join(
            line + ("maxsize 1073741824\n" if line.startswith("directory") else "") for line in text.splitlines(True)
        )
        (place / "slapd.conf").write_text(text)
        (place / "grid.ldif").write_text(_roots(sites, schema) + to_ldif(_entries(sites, schema)))
        config = ["-f", str(place / "slapd.conf")]
        run(["slapadd", "-q", *config, "-b", "o=grid" if schema == "1.3" else "o=glue", "-l", str(place / "grid.ldif")])
        port = _free_port()
        url = f"ldap://127.0.0.1:{port}"
        process = subprocess.Popen(
            ["slapd", *config, "-h", url, "-d", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _until_it_answers(url, "o=grid" if schema == "1.3" else "o=glue")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def _entries(sites: int, schema: str) -> Iterator[Entry]:
    return synthetic.entries(sites) if schema == "1.3" else entries2(sites)


def _roots(sites: int, schema: str) -> str:
    """The entries above all others: our server makes them itself."""
    if schema == "2.0":
        top = Entry.of("o=glue", {"objectClass": "organization", "o": "glue"})
        group = {"objectClass": "GLUE2Group", "GLUE2GroupID": "grid"}
        return to_ldif([top, Entry.of("GLUE2GroupID=grid,o=glue", group)])
    levels = ["local", *(f"{synthetic.SITE_PREFIX}{number:03d},mds-vo-name=local" for number in range(1, sites + 1))]
    made = [Entry.of("o=grid", {"objectClass": "organization", "o": "grid"})]
    for level in levels:
        name = level.partition(",")[0]
        made.append(Entry.of(f"mds-vo-name={level},o=grid", {"objectClass": "MDS", "mds-vo-name": name}))
    return to_ldif(made)


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _until_it_answers(url: str, base: str) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        asked = subprocess.run(["ldapsearch", "-x", "-H", url, "-b", base, "-s", "base"], capture_output=True)
        if asked.returncode == 0:
            return
        time.sleep(0.2)
    raise PullFailure(f"{url} does not answer")


def serve(sites: int, schema: str = "1.3") -> None:
    """Serve the grid until standard input ends."""
    with LdapServer("127.0.0.1:0") as server:
        server.publish(_entries(sites, schema))
        print(server.url, flush=True)
        sys.stdin.read()


def probe(url: str, schema: str = "1.3") -> dict[str, Any]:
    """Buy while matching; times in s, of matches in ms, memory in MiB."""
    before = memory()["resident"]
    source = InformationSource(url, BASE, schema=schema, timeout=300.0)
    with Supermarket([source], refresh=1e6, whole_refresh=1e6) as shop:
        calm = _matched(shop, lambda: time.sleep(CALM))
        resident = memory()["resident"]
        busy = _matched(shop, lambda: _repeated(shop.refresh_now))
        (whole,) = shop.bills()
        shop._buy_due()  # what the scheduler calls
        (bill,) = shop.bills()
    receipt = whole.receipt
    mib = 1 << 20
    return {
        "whole": whole.seconds,
        "read": receipt.read_seconds,
        "states": bill.refresh_seconds,
        "entries": receipt.entries,
        "calm": calm,
        "busy": busy,
        "before": before / mib,
        "after": resident / mib,
        "peak": memory()["peak"] / mib,
        "purchaser": receipt.peak_memory / mib,
    }


def _repeated(buy: Callable[[], object]) -> None:
    for _ in range(_ROUNDS):
        buy()


def _matched(shop: Supermarket, beside: Callable[[], object]) -> dict[str, float]:
    """Match jobs, no two alike, while something else is done; median, 99th of a hundred and maximum in ms."""
    other = threading.Thread(target=beside)
    taken: list[float] = []
    number = 0
    other.start()
    while other.is_alive():
        number += 1
        began = time.perf_counter()
        job = Job(parse(JDL.format(memory=1024 + number % 9000, minutes=number % 3000)))
        if not match(job, shop.snapshot(), USER).candidates and number % 3000 < 20:
            raise PullFailure("no computing element matches")
        taken.append((time.perf_counter() - began) * 1000)
    other.join()
    taken.sort()
    return {"p50": taken[len(taken) // 2], "p99": taken[len(taken) * 99 // 100], "max": taken[-1], "count": len(taken)}


if __name__ == "__main__":
    os.umask(0o077)
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), *sys.argv[3:4])
    else:
        print(json.dumps(probe(*sys.argv[2:4])))
