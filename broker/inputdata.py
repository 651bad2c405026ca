"""What data a job reads, as its description says it (gLite WMS JDL).  Pure.

``InputData`` is a name or a list of names; ``DataRequirements`` groups them by catalogue.  A name begins with what it
is: ``lfn:`` a logical file name, ``guid:`` a GUID, ``lds:`` a logical data set, ``query:`` a query.  ``si-lfn:`` and
``si-guid:`` name files of a StorageIndex; what that speaks is not known any more, so they are looked up as ``lfn:`` and
``guid:`` in catalogues with a DataLocationInterface, with a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from broker.job import Job
from jdl.tree import ClassAd
from jdl.values import Record

MAX_FILES: Final = 1000
"""Files of one job that are looked up."""

KINDS: Final = ("lds", "query", "lfn", "guid")
"""Tested in this order, by the name's beginning."""
_STORAGE_INDEX: Final = "si-"


@dataclass(frozen=True)
class InputFile:
    """One file, data set or query.

    :ivar name: as the job has it.
    :ivar kind: one of :data:`KINDS`; empty when the name's beginning is none, then it cannot be looked up.
    :ivar asked: the name for the catalogue.
    :ivar catalogue: the address that the job gives; empty: those that are known for its VO.
    """

    name: str
    kind: str
    asked: str
    catalogue: str = ""


@dataclass(frozen=True)
class DataRequest:
    """The data attributes of a job.

    :ivar files: each name once, in the order of the description.
    :ivar protocols: DataAccessProtocol in lower case.
    :ivar full_list: FullListMatchResult: elements near fewer files stay candidates.
    :ivar warnings: what of the description is not acted upon, one sentence each.
    """

    files: tuple[InputFile, ...]
    protocols: frozenset[str]
    vo: str = ""
    full_list: bool = False
    warnings: tuple[str, ...] = ()


def data_request(job: Job) -> DataRequest | None:
    """Read a job; None when it reads no data, or goes to an element that the user has chosen.

    :raises AttributeFault: an attribute has another type than it must.
    """
    if not job.needs_data or job.submit_to is not None:
        return None
    ad = job.ad
    reader = _Reader()
    if "DataRequirements" in ad:
        for item in _records(ad, "DataRequirements"):
            reader.requirement(item)
    else:
        reader.add(ad.strings("InputData"), ad.string("DataCatalog") or "")
    protocols = frozenset(each.lower() for each in ad.strings("DataAccessProtocol"))
    vo = ad.string("VirtualOrganisation") or ""
    full = ad.value("FullListMatchResult") is True
    return DataRequest(tuple(reader.files.values()), protocols, vo, full, tuple(dict.fromkeys(reader.warnings)))


class _Reader:
    def __init__(self) -> None:
        self.files: dict[str, InputFile] = {}
        self.warnings: list[str] = []

    def requirement(self, item: ClassAd) -> None:
        kind = (item.string("DataCatalogType") or "").upper()
        names, catalogue = item.strings("InputData"), item.string("DataCatalog") or ""
        if kind == "SI":
            self.warnings.append(
                "DataCatalogType SI: a StorageIndex cannot be asked; its files are looked up in the catalogues with a "
                "DataLocationInterface that are known for the VO"
            )
            catalogue = ""
        elif kind != "DLI":
            self.warnings.append(f"DataCatalogType {kind[:40]!r} is not supported (DLI is); its files are passed over")
            return
        self.add(names, catalogue)

    def add(self, names: tuple[str, ...], catalogue: str) -> None:
        for name in names:
            if name in self.files:
                continue
            if len(self.files) >= MAX_FILES:
                self.warnings.append(f"the job reads more than {MAX_FILES} files; the others are passed over")
                return
            self.files[name] = self._file(name, catalogue)

    def _file(self, name: str, catalogue: str) -> InputFile:
        asked = name
        if name.startswith((f"{_STORAGE_INDEX}lfn:", f"{_STORAGE_INDEX}guid:")):
            asked = name.removeprefix(_STORAGE_INDEX)
            self.warnings.append(
                f"{name[:200]}: a StorageIndex cannot be asked; it is looked up as {asked[:200]} in the catalogues "
                "with a DataLocationInterface"
            )
        kind = next((each for each in KINDS if asked.startswith(each)), "")
        if not kind:
            self.warnings.append(f"{name[:200]} begins with none of lfn:, guid:, lds: and query:; it is not looked up")
        return InputFile(name, kind, asked, catalogue)


def _records(ad: ClassAd, name: str) -> list[ClassAd]:
    value = ad.value(name)
    return [each.ad for each in (value if isinstance(value, tuple) else (value,)) if isinstance(each, Record)]
