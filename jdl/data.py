"""Attributes about data: what the job reads, where catalogues are, what it leaves in storage (gLite WMS JDL)."""

from __future__ import annotations

import re
from typing import Final

from jdl.classad import ClassAd
from jdl.errors import MandatoryMissing, Position, TypeMismatch, WrongCombination, WrongValue
from jdl.nodes import Expr, Reference
from jdl.values import Record

__all__ = ["check_cost_rank", "check_data"]

_LOGICAL: Final = re.compile(r"(lfn|guid|lds|query|si-lfn|si-guid):.+", re.DOTALL)
_CATALOG: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/:]+:[0-9]+/.+", re.DOTALL)


def check_data(ad: ClassAd) -> None:
    """The data attributes are complete and well written.

    :raises WrongCombination: 1508.  :raises MandatoryMissing: 1505.  :raises TypeMismatch: 1503.
    :raises WrongValue: 1506.
    """
    where = ad.where("InputData")
    if "InputData" in ad and "DataRequirements" in ad:
        raise WrongCombination("InputData, DataRequirements", where)
    _check_logical(ad, "InputData")
    if "DataRequirements" in ad:
        for item in _records(ad, "DataRequirements"):
            _check_requirement(item, ad.where("DataRequirements"))
    for name in ("InputData", "DataRequirements"):
        if name in ad and "DataAccessProtocol" not in ad:
            raise MandatoryMissing.group_incomplete(f"{name}, DataAccessProtocol", ad.where(name))
    catalog = ad.string("ReplicaCatalog")
    if catalog is not None and not _CATALOG.fullmatch(catalog):
        right = "<protocol>://<full hostname>:<port>/<Replica Catalog DN>"
        raise TypeMismatch.wrong_format(ad.spelling("ReplicaCatalog"), right, ad.where("ReplicaCatalog"))
    if "OutputData" in ad:
        for item in _records(ad, "OutputData"):
            _check_output(item, ad.where("OutputData"))


def check_cost_rank(ad: ClassAd) -> None:
    """A rank by DataAccessCost stands alone and needs the data attributes.

    :raises WrongCombination: 1508.
    """
    rank = ad.get("rank")
    if rank is None or not _mentions(rank, "dataaccesscost"):
        return
    where = ad.where("rank")
    if not (("InputData" in ad or "DataRequirements" in ad) and "DataAccessProtocol" in ad):
        raise WrongCombination("DataAccessCost rank, InputData, DataAccessProtocol", where)
    if not isinstance(rank, Reference):
        raise WrongCombination("DataAccessCost rank not alone", where)


def _mentions(expr: Expr, key: str) -> bool:
    waiting = [expr]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Reference) and node.key == key:
            return True
        waiting.extend(node.children())
    return False


def _records(ad: ClassAd, name: str) -> list[ClassAd]:
    value = ad.value(name)
    items = value if isinstance(value, tuple) else (value,)
    records = [item.ad for item in items if isinstance(item, Record)]
    if len(records) < len(items):
        raise TypeMismatch.wrong_type(ad.spelling(name), "a list of classads is wanted", ad.where(name))
    return records


def _check_logical(ad: ClassAd, name: str) -> None:
    for item in ad.strings(name):
        if not _LOGICAL.fullmatch(item):
            right = "lfn:<logical file name>' or 'guid:<GUID>' or 'si-lfn:<name>' or 'si-guid:<GUID>"
            raise TypeMismatch.wrong_format(ad.spelling(name), right, ad.where(name))


def _check_requirement(item: ClassAd, where: Position | None) -> None:
    for name in ("InputData", "DataCatalogType"):
        if name not in item:
            raise WrongValue.because("DataRequirements", f"{name} is missing", where)
    _check_logical(item, "InputData")
    item.string("DataCatalogType")
    item.string("DataCatalog")


def _check_output(item: ClassAd, where: Position | None) -> None:
    if item.string("OutputFile") is None:
        raise MandatoryMissing("OutputData", "Jdl mandatory attribute is missing (OutputFile)", where)
    name = item.string("LogicalFileName")
    if name is not None and not name.startswith("lfn:"):
        raise TypeMismatch.wrong_format("LogicalFileName", "lfn:<value>", item.where("LogicalFileName"))
    item.string("StorageElement")
