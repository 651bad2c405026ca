"""The LDAP server beside slapd: the same grid, the same questions by ldapsearch, in the same run.

And what the indexes of the attributes that were asked for take, and how long questions wait while a tree is exchanged.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import pull
from benchmarks.figure import Figure, Limit, middle
from infosys import synthetic
from infosys.client import LdapSource
from infosys.directory import Directory
from infosys.server import LdapServer

_CE: Final = "ce1.site050.synthetic.invalid"
SEARCHES: Final = {
    "everything": ("(objectClass=*)",),
    "the elements' states": ("(objectClass=GlueCE)", "GlueCEUniqueID", "GlueCEStateFreeJobSlots"),
    "elements with free slots": ("(&(objectClass=GlueCE)(GlueCEStateFreeJobSlots>=50))", "GlueCEUniqueID"),
    "a piece of an id": ("(GlueCEUniqueID=ce1.site0*cream*)", "1.1"),
    "the elements of a VO (lcg-infosites)": (
        "(&(objectClass=GlueCE)(GlueCEAccessControlBaseRule=VO:atlas))",
        *("GlueCEUniqueID", "GlueCEStateFreeCPUs", "GlueCEStateWaitingJobs", "GlueCEStateRunningJobs"),
    ),
    "what a broker buys (gLite WMS)": (
        "(|(objectclass=gluecesebind)(objectclass=gluecluster)(objectclass=gluesubcluster)"
        "(&(|(objectclass=gluevoview)(objectclass=gluece))(|(GlueCEAccessControlBaseRule=VO:atlas)"
        "(GlueCEAccessControlBaseRule=VOMS:/atlas/*))))",
    ),
    "a cluster's hosts (lcg-info)": (
        f"(&(objectClass=GlueSubCluster)(GlueChunkKey=GlueClusterUniqueID={_CE}))",
        "GlueHostApplicationSoftwareRunTimeEnvironment",
    ),
    "a storage element (GFAL)": (
        "(|(GlueSEUniqueID=se1.site050.synthetic.invalid)"
        "(&(GlueServiceType=srm*)(GlueServiceEndpoint=*://se1.site050.synthetic.invalid*)))",
    ),
    "an element by its name": (f"(GlueForeignKey=GlueClusterUniqueID={_CE})", "GlueCEUniqueID"),
    "elements that are not in production": (
        "(&(objectClass=GlueCE)(!(GlueCEStateStatus=Production)))",
        "GlueCEUniqueID",
    ),
}
"""Filters and selections; those with a name in brackets are what that client sends."""
_ROUNDS: Final = 7


def measure_ldap(scratch: Path, quick: bool) -> list[Figure]:
    """Grids of some 4 400 and 44 000 entries: loaded, then searched; slapd is left out where it is not installed."""
    figures = []
    for sites in (100,) if quick else (100, 1000):
        entries = list(synthetic.entries(sites))
        size = f"{len(entries)} entries"
        began = time.perf_counter()
        tree = Directory(entries)
        figures.append(Figure(f"load, {size}", time.perf_counter() - began, "s"))
        began = time.perf_counter()
        Directory(entries, previous=tree)
        figures.append(Figure(f"  again, nothing changed, {size}", time.perf_counter() - began, "s"))
        figures += _searched(scratch, sites, size)
        figures += _beside_a_refresh(sites, size)
    return figures


def _beside_a_refresh(sites: int, size: str) -> list[Figure]:
    """How long questions wait while the tree is exchanged for that of another moment, and what its indexes take."""
    moments = [list(synthetic.entries(sites, moment=moment)) for moment in (0, 1, 2)]
    with LdapServer("127.0.0.1:0") as server:
        server.publish(moments[0])
        source = LdapSource(server.url, pull.BASE)
        for text, *_ in SEARCHES.values():
            source.fetch(text, ("1.1",))
        report = server.directory.index_report()
        calm = _waited(source, lambda: time.sleep(1.0))
        began = time.perf_counter()
        busy = _waited(source, lambda: [server.publish(entries) for entries in moments[1:]])
        published = (time.perf_counter() - began) / (len(moments) - 1)
    usual = Limit("calm", middle(calm) * 1000)
    return [
        Figure(f"exchange, all states new, {size}", published, "s"),
        Figure(f"  a question meanwhile, median, {size}", middle(busy) * 1000, "ms", (usual,)),
        Figure(f"  the longest, {size}", max(busy) * 1000, "ms", (Limit("calm", max(calm) * 1000),)),
        Figure(f"  indexes of {len(report.attributes)} attributes, {size}", report.size / 2**20, "MiB",
               (Limit("bound", report.most / 2**20),)),
    ]  # fmt: skip


def _waited(source: LdapSource, beside: Callable[[], object]) -> list[float]:
    """Seconds that each of many questions for one element took while something else was done."""
    other = threading.Thread(target=beside)
    taken: list[float] = []
    other.start()
    while other.is_alive():
        began = time.perf_counter()
        source.fetch(f"(GlueForeignKey=GlueClusterUniqueID={_CE})", ("1.1",))
        taken.append(time.perf_counter() - began)
    other.join()
    return taken


def _searched(scratch: Path, sites: int, size: str) -> list[Figure]:
    """Both servers are asked in turns, so that what else the machine does falls on both."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(pull.served(["serve", str(sites)]))]
        installed = shutil.which("slapd") and Path("/etc/bdii/bdii-top-slapd.conf").exists()
        if installed:
            urls.append(stack.enter_context(pull.slapd(scratch, sites)))
        best = {(url, name): float("inf") for url in urls for name in SEARCHES}
        for _ in range(_ROUNDS):
            for name, search in SEARCHES.items():
                for url in urls:
                    best[url, name] = min(best[url, name], _seconds(url, search))
    missing = Limit("slapd", 0.0, "slapd with the GLUE schema (Debian: bdii) is not installed")
    return [
        Figure(
            f"{name}, {size}", best[urls[0], name] * 1000, "ms",
            (Limit("slapd", best[urls[1], name] * 1000) if installed else missing,),
        )
        for name in SEARCHES
    ]  # fmt: skip


def _seconds(url: str, search: tuple[str, ...]) -> float:
    program = shutil.which("ldapsearch")
    if program is None:
        raise pull.PullFailure("ldapsearch (Debian: ldap-utils) is not installed")
    began = time.perf_counter()
    pull.run([program, "-x", "-LLL", "-o", "ldif-wrap=no", "-H", url, "-b", pull.BASE, "-z", "none", *search])
    return time.perf_counter() - began
