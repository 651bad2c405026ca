"""Where a job's data is, and which computing elements are near it (gLite WMS, data matchmaking).  Pure.

A replica's URL names the host of a storage element.  The element is of use when it is published and speaks one of the
job's DataAccessProtocols; ``file`` counts where the computing element has a mount point for it.  Candidates are the
computing elements that are close to such elements; of those that meet everything else only the ones near the greatest
number of the job's files stay, all of them when FullListMatchResult is true.  The rank decides among these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from broker.inputdata import DataRequest, InputFile
from broker.supermarket import Snapshot
from broker.table import Mask
from infosys import names
from infosys.logical_name import storage_host
from infosys.se_ads import SeRecord

MAX_LINES: Final = 20
"""Sentences on files."""
_MAX_PLACES: Final = 5
_FILE: Final = "file"


@dataclass(frozen=True)
class Replicas:
    """What the catalogues say of one file.

    :ivar urls: its replicas; empty when there are none or nobody could say.
    :ivar problem: why there are none, in one sentence.
    """

    file: InputFile
    urls: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Resolution:
    """What the catalogues said of all files of a job.

    :ivar replicas: of each file, in the job's order.
    :ivar answered_at: when they had answered, by a monotonic clock.
    """

    request: DataRequest
    replicas: tuple[Replicas, ...]
    answered_at: float

    @property
    def length(self) -> int:
        """Characters that it keeps, roughly."""
        return sum(len(each.file.name) + len(each.problem) + sum(map(len, each.urls)) for each in self.replicas)

    def plan(self, snapshot: Snapshot) -> DataPlan:
        """Where that is in this picture."""
        return DataPlan(self.request, self.replicas, snapshot)


@dataclass(frozen=True)
class Place:
    """A storage element that has a replica.

    :ivar host: as the replicas name it.
    :ivar problem: why it is of no use to the job; empty when it is.
    :ivar near: how many of a snapshot's records are close to it and can use it.
    """

    host: str
    problem: str = ""
    near: int = 0


class DataPlan:
    """The data of one job against one picture of the grid.

    :ivar request: what the job wants.
    :ivar replicas: of each file, in the job's order.
    :ivar mask: rows of the snapshot's records that are near at least one file.
    """

    def __init__(self, request: DataRequest, replicas: Sequence[Replicas], snapshot: Snapshot) -> None:
        self.request = request
        self.replicas = tuple(replicas)
        self._snapshot = snapshot
        self._rows: dict[str, frozenset[int]] = {}
        self._places: dict[str, Place] = {}
        self._near: dict[int, set[int]] = {}
        for number, each in enumerate(self.replicas):
            for host in self._hosts(each):
                for row in self._usable_rows(host):
                    self._near.setdefault(row, set()).add(number)
        self._counts = np.zeros(len(snapshot.records), dtype=np.int64)
        for row, files in self._near.items():
            self._counts[row] = len(files)
        self.mask: Mask = np.asarray(self._counts > 0)

    # -- matching ------------------------------------------------------------------------------------------

    def nearest(self, rows: Mask) -> Mask:
        """Of these rows those near the most files; with FullListMatchResult all that are near any."""
        near = rows & self.mask
        if self.request.full_list or not near.any():
            return np.asarray(near)
        return np.asarray(near & (self._counts == self._counts[near].max()))

    def storage(self) -> tuple[SeRecord, ...]:
        """The published storage elements that have a replica, in the order of the files."""
        found = (self._snapshot.storage.get(names.fold(host)) for each in self.replicas for host in self._hosts(each))
        return tuple({each.se_id: each for each in found if each is not None}.values())

    # -- explanation ---------------------------------------------------------------------------------------

    @property
    def best(self) -> tuple[int, int]:
        """The greatest number of files near one computing element, and near how many elements so many are."""
        most = int(self._counts.max(initial=0))
        ids = {self._snapshot.records[row].ce_id for row, files in self._near.items() if len(files) == most}
        return most, len(ids)

    def explain(self) -> list[str]:
        """Sentences: what was passed over, which files are out of reach and why, and what is near at all."""
        told = [each for number, each in enumerate(self.replicas) if not self._is_near(number)]
        lines = [*self.request.warnings[:MAX_LINES], *(self._sentence(each) for each in told[:MAX_LINES])]
        if len(told) > MAX_LINES:
            lines.append(f"{len(told) - MAX_LINES} more files are out of reach")
        most, elements = self.best
        files = len(self.replicas)
        if most:
            which = "computing element is" if elements == 1 else "computing elements are"
            lines.append(f"{elements} {which} near {most} of {files} input files, and none is near more")
        elif files:
            lines.append("no computing element is near any of the input files")
        else:
            lines.append("the job names no input file that can be looked up")
        return lines

    def structured(self) -> dict[str, Any]:
        """The same for programs."""
        most, elements = self.best
        return {
            "protocols": sorted(self.request.protocols),
            "warnings": list(self.request.warnings),
            "most_files_near_one_element": most,
            "elements_near_most": elements,
            "files": [
                {
                    "name": each.file.name,
                    "replicas": list(each.urls),
                    "problem": each.problem,
                    "near": self._is_near(number),
                    "storage": [
                        {"host": place.host, "problem": place.problem, "near": place.near}
                        for place in map(self._place, self._hosts(each))
                    ],
                }
                for number, each in enumerate(self.replicas)
            ],
        }

    def _is_near(self, number: int) -> bool:
        return any(number in files for files in self._near.values())

    def _sentence(self, each: Replicas) -> str:
        name = each.file.name[:200]
        if not each.urls:
            return f"{name} has no replica" + (f": {each.problem}" if each.problem else "")
        places = [self._place(host) for host in self._hosts(each)]
        if not places:
            return f"the replicas of {name} name no storage element ({each.urls[0][:100]})"
        shown = "; ".join(f"{place.host} {place.problem}" for place in places[:_MAX_PLACES])
        more = len(places) - _MAX_PLACES
        return f"no replica of {name} can be used: {shown}" + (f"; and {more} more" if more > 0 else "")

    # -- storage elements ------------------------------------------------------------------------------------

    def _hosts(self, each: Replicas) -> list[str]:
        return list(dict.fromkeys(host for url in each.urls if (host := storage_host(url)) is not None))

    def _usable_rows(self, host: str) -> frozenset[int]:
        if host not in self._rows:
            self._look(host)
        return self._rows[host]

    def _place(self, host: str) -> Place:
        if host not in self._places:
            self._look(host)
        return self._places[host]

    def _look(self, host: str) -> None:
        """Find out what a storage element is good for."""
        name, wanted = names.fold(host), self.request.protocols
        record = self._snapshot.storage.get(name)
        close = self._snapshot.close.get(name, ())
        spoken = wanted & record.protocols if record is not None else frozenset()
        rows = frozenset(each.row for each in close if spoken - {_FILE} or (spoken and each.mount))
        problem = ""
        if record is None:
            problem = "is not published in the information system"
        elif not spoken:
            problem = f"speaks {_listed(record.protocols)}, and the job {_listed(wanted)}"
        elif not close:
            problem = "is close to no computing element"
        elif not rows:
            problem = "is mounted at none of the computing elements that it is close to, as the protocol file needs"
        self._rows[host] = rows
        self._places[host] = Place(host, problem, len(rows))


def _listed(protocols: Iterable[str]) -> str:
    return ", ".join(sorted(protocols)) or "nothing"
