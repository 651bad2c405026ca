"""What a BDII says of its own work, below ``o=infosys`` (schema of BDII, UpdateStats)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infosys import names
from infosys.entry import Entry
from infosys.harvest import Harvest
from infosys.indexes import IndexReport

BASE: Final = "o=infosys"


@dataclass(frozen=True, slots=True)
class Update:
    """One harvest as a whole.  Times are seconds.

    :ivar read: until every source had answered or failed.
    :ivar published: to make and exchange the tree.
    """

    total: int
    new: int
    changed: int
    deleted: int
    read: float
    published: float

    @classmethod
    def between(
        cls, before: Mapping[names.Key, Entry], now: Mapping[names.Key, Entry], *, read: float, published: float
    ) -> Update:
        """What a harvest has changed.

        :param before: the picture that was served before the harvest began.
        """
        kept = now.keys() & before.keys()
        return cls(
            total=len(now),
            new=len(now) - len(kept),
            changed=sum(1 for key in kept if before[key] is not now[key] and before[key] != now[key]),
            deleted=len(before) - len(kept),
            read=read,
            published=published,
        )


def entries(
    host: str, update: Update, harvests: Sequence[Harvest], now: float, indexes: IndexReport
) -> list[Entry]:
    """The figures of the last update, and below them one entry for each source and one for the indexes of the tree."""
    top = names.join(names.rdn("Hostname", host), BASE)
    figures = {
        "TotalEntries": update.total,
        "NewEntries": update.new,
        "ModifiedEntries": update.changed,
        "DeletedEntries": update.deleted,
        "FailedAdds": 0,
        "FailedModifies": 0,
        "FailedDeletes": 0,
        "UpdateTime": round(update.read + update.published),
        "DBUpdateTime": round(update.published),
        "QueryTime": 0,
        "ProvidersTime": round(update.read),
        "PluginsTime": 0,
        "ReadTime": 0,
    }
    found = [
        Entry.of(BASE, {"objectClass": ["top", "organization"], "o": "infosys"}),
        Entry.of(top, {"objectClass": ["top", "UpdateStats"], "Hostname": host, **figures}),
    ]
    found += [_source(each, top, now) for each in harvests]
    return [*found, _indexes(indexes, top)]


def _indexes(report: IndexReport, top: str) -> Entry:
    said = [
        f"attributes: {', '.join(report.attributes)}",
        f"memory: {report.size} of at most {report.most} bytes",
    ]
    return Entry.of(
        names.join("cn=indexes", top),
        {"objectClass": ["top", "applicationProcess"], "cn": "indexes", "description": said},
    )


def _source(harvest: Harvest, top: str, now: float) -> Entry:
    if harvest.good_at is None:
        state = "never answered"
    elif harvest.expired:
        state = f"let go: silent for {now - harvest.good_at:.0f} s"
    elif harvest.problem:
        state = f"answered {now - harvest.good_at:.0f} s ago"
    else:
        state = "answers"
    said = [f"state: {state}", f"entries: {len(harvest.entries)}"]
    said += [f"problem: {each[:500]}" for each in (harvest.problem, harvest.refused) if each]
    return Entry.of(
        names.join(names.rdn("cn", harvest.source.url), top),
        {"objectClass": ["top", "applicationProcess"], "cn": harvest.source.url, "description": said},
    )
