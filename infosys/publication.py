"""A node's entries as texts for a BDII of another make (Debian's ``bdii-update``): LDIF, provider and plugin.

``bdii-update`` reads three kinds of sources: files with whole entries, *providers* that print whole entries, and
*plugins* that print the names of entries with the attributes that are to be replaced.  It looks for the begin of an
entry by the letters ``dn:`` wherever they stand, and cannot read a name in base64; what would confuse it is left out
and told.  The order of everything printed is always the same, since it compares texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from infosys import messages, unknown
from infosys.directory import Directory
from infosys.entry import Entry, to_ldif
from infosys.errors import NameSyntaxError
from infosys.levels import BASE, GLUE1, Level, placed

_GLUE1: Final = {
    "GlueCEStateEstimatedResponseTime": unknown.TIME,
    "GlueCEStateFreeCPUs": 0,
    "GlueCEStateFreeJobSlots": 0,
    "GlueCEStateRunningJobs": unknown.JOBS,
    "GlueCEStateTotalJobs": unknown.JOBS,
    "GlueCEStateWaitingJobs": unknown.JOBS,
    "GlueCEStateWorstResponseTime": unknown.TIME,
}
_COUNTED: Final = ("ComputingShare", "ComputingService", "ComputingEndpoint")
_GLUE2: Final = {
    "GLUE2ComputingShareEstimatedAverageWaitingTime": unknown.LIMIT,
    "GLUE2ComputingShareEstimatedWorstWaitingTime": unknown.LIMIT,
    "GLUE2ComputingShareFreeSlots": 0,
    "GLUE2ComputingShareRequestedSlots": unknown.JOBS,
    **{f"GLUE2{kind}{name}Jobs": unknown.JOBS for kind in _COUNTED for name in ("Running", "Waiting", "Total")},
}
DYNAMIC: Final = {**_GLUE1, **_GLUE2}
"""Attributes that change from minute to minute, with the value that says that nobody knows."""
_STATE: Final = frozenset(
    name.lower()
    for name in (
        *DYNAMIC,
        *("GlueCEStateStatus", "GLUE2EntityCreationTime", "GLUE2ComputingShareServingState"),
        *("GLUE2EndpointServingState", "GLUE2EndpointHealthState", "GLUE2EndpointHealthStateInfo"),
        *("GlueServiceStatus", "GlueServiceStatusInfo"),
    )
)
_UNKNOWN: Final = {name.lower(): str(value) for name, value in DYNAMIC.items()}
_CONFUSING: Final = "dn:"
_ROOTS: Final = frozenset(
    {
        *((GLUE1,), (BASE,), ("mds-vo-name=local", GLUE1), ("mds-vo-name=resource", GLUE1)),
        *(("glue2groupid=resource", BASE), ("glue2groupid=grid", BASE)),
    }
)
"""Levels that every BDII has already (its ``default.ldif``)."""


def provider(entries: Iterable[Entry], site: str, level: Level, say: Callable[[str], None]) -> str:
    """Whole entries as they are now."""
    return to_ldif(_readable(_at(entries, site, level), say))


def static(entries: Iterable[Entry], site: str, level: Level, say: Callable[[str], None]) -> str:
    """Whole entries whose numbers say that nobody knows; a plugin replaces them."""
    return to_ldif(_readable((_unknowing(entry) for entry in _at(entries, site, level)), say))


def plugin(entries: Iterable[Entry], site: str, level: Level, say: Callable[[str], None]) -> str:
    """Names of entries with what changes of them."""
    moving = (_moving(entry) for entry in _at(entries, site, level))
    return to_ldif(_readable((entry for entry in moving if entry.attributes), say))


def _at(entries: Iterable[Entry], site: str, level: Level) -> Iterator[Entry]:
    """The entries in their places, those above before those below, with the levels between."""
    found = [entry.moved(place) for entry in entries if (place := _place(entry.dn, site, level))]
    tree = Directory(found)
    for base in (GLUE1, BASE):
        top = tree.find(base)
        if top is None:
            continue
        nodes = tree.below(top, messages.SUBTREE)
        for node in sorted(nodes, key=lambda each: (each.depth, each.key[::-1])):
            if node.key not in _ROOTS:
                yield _ordered(node.entry)


def _place(dn: str, site: str, level: Level) -> str:
    try:
        return placed(dn, site, level)
    except NameSyntaxError:
        return ""  # o=infosys and the like: metrics of the server that was asked


def _ordered(entry: Entry) -> Entry:
    pairs = sorted(entry.attributes.items(), key=lambda each: (each[0].lower() != "objectclass", each[0].lower()))
    return Entry(entry.dn, {name: tuple(sorted(values)) for name, values in pairs})


def _unknowing(entry: Entry) -> Entry:
    return Entry(
        entry.dn,
        {
            name: (_UNKNOWN[name.lower()],) if name.lower() in _UNKNOWN else values
            for name, values in entry.attributes.items()
        },
    )


def _moving(entry: Entry) -> Entry:
    return Entry(entry.dn, {name: values for name, values in entry.attributes.items() if name.lower() in _STATE})


def _readable(entries: Iterable[Entry], say: Callable[[str], None]) -> Iterator[Entry]:
    """What ``bdii-update`` can read; the rest is told.

    A value must be without ``dn:`` also after its lines were unfolded, and a name in plain letters.
    """
    for entry in entries:
        if not entry.dn.isascii() or not entry.dn.isprintable() or _CONFUSING in entry.dn.lower() or "\\" in entry.dn:
            say(f"left out, since bdii-update cannot read its name: {entry.dn[:200]}")
            continue
        kept: dict[str, tuple[str, ...]] = {}
        for name, values in entry.attributes.items():
            good = tuple(each for each in values if not _confuses(each))
            if len(good) < len(values):
                say(f"{entry.dn[:200]}: values of {name} that bdii-update cannot read are left out")
            if good:
                kept[name] = good
        yield Entry(entry.dn, kept)


def _confuses(value: str) -> bool:
    return _CONFUSING in value or "\n" in value or "\r" in value


