"""The LDAP server beside slapd: the same grid, the same questions by ldapsearch, in the same run."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

from benchmarks import pull
from benchmarks.figure import Figure, Limit
from infosys import synthetic
from infosys.directory import Directory

SEARCHES: Final = {
    "everything": ("(objectClass=*)",),
    "the elements' states": ("(objectClass=GlueCE)", "GlueCEUniqueID", "GlueCEStateFreeJobSlots"),
    "elements with free slots": ("(&(objectClass=GlueCE)(GlueCEStateFreeJobSlots>=50))", "GlueCEUniqueID"),
    "a piece of an id": ("(GlueCEUniqueID=ce1.site0*cream*)", "1.1"),
}
_ROUNDS: Final = 3


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
        with pull.served(["serve", str(sites)]) as url:
            ours = {name: _seconds(url, search) for name, search in SEARCHES.items()}
        theirs = _of_slapd(scratch, sites)
        figures += [Figure(f"{name}, {size}", seconds, "s", (theirs[name],)) for name, seconds in ours.items()]
    return figures


def _of_slapd(scratch: Path, sites: int) -> dict[str, Limit]:
    if not shutil.which("slapd") or not Path("/etc/bdii/bdii-top-slapd.conf").exists():
        missing = Limit("slapd", 0.0, "slapd with the GLUE schema (Debian: bdii) is not installed")
        return dict.fromkeys(SEARCHES, missing)
    with pull.slapd(scratch, sites) as url:
        return {name: Limit("slapd", _seconds(url, search)) for name, search in SEARCHES.items()}


def _seconds(url: str, search: tuple[str, ...]) -> float:
    """The best of some rounds."""
    program = shutil.which("ldapsearch")
    if program is None:
        raise pull.PullFailure("ldapsearch (Debian: ldap-utils) is not installed")
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        pull.run([program, "-x", "-LLL", "-o", "ldif-wrap=no", "-H", url, "-b", pull.BASE, "-z", "none", *search])
        best = min(best, time.perf_counter() - began)
    return best
