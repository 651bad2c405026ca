"""Records on their way from one process to another: a stream of small parcels, each quickly unpacked.

What was sent before is not sent again: nodes that several ads share are shared on the other side too, and so are the
names of ads that have the same ones.  A reader makes nothing but the nodes of ads and the records that hold them, so
a stream of somebody else's bytes can at worst be wrong.
"""

from __future__ import annotations

import copyreg
import pickle
from collections.abc import Iterator, Sequence
from typing import Any, Final, Protocol

from grid.errors import InternalFailure
from infosys.ce_ads import CeRecord
from infosys.se_ads import SeRecord
from jdl import nodes
from jdl.classad import ClassAd
from jdl.values import ERROR, UNDEFINED, Error, Undefined

PARCEL: Final = 20
"""Records of one parcel: unpacking it takes about a millisecond, and during that no other thread runs."""

_SLOTS: Final[dict[type, tuple[str, ...]]] = {}
_KNOWN: Final[dict[tuple[str, str], Any]] = {
    (each.__module__, each.__qualname__): each
    for each in (CeRecord, SeRecord, ClassAd, *(getattr(nodes, name) for name in nodes.__all__ if name != "SCOPES"))
} | {("jdl.values", "UNDEFINED"): UNDEFINED, ("jdl.values", "ERROR"): ERROR}


class Stream(Protocol):
    """Where parcels come from."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self) -> bytes: ...


class ParcelError(InternalFailure):
    """A stream of parcels holds what does not belong there."""


class ParcelWriter(pickle.Pickler):
    """Packs plain values, nodes and records."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, protocol=5)
        self._shapes: dict[tuple[str, ...], dict[str, str]] = {}

    def reducer_override(self, given: Any) -> Any:
        """How nodes are packed: without their compiled form; ads of one shape with one dictionary of names."""
        if isinstance(given, (Undefined, Error)):
            return "UNDEFINED" if isinstance(given, Undefined) else "ERROR"
        if not isinstance(given, nodes.Expr):
            return NotImplemented
        kind = type(given)
        state = {name: getattr(given, name) for name in _slots(kind)}
        state["_code"] = None
        state["position"] = None  # an ad from a directory stands in no text
        if isinstance(given, ClassAd):
            names = state["_names"]
            state["_names"] = self._shapes.setdefault(tuple(names.values()), names)
            state["_positions"] = {}
        return copyreg.__newobj__, (kind,), (None, state)  # type: ignore[attr-defined]




class ParcelReader(pickle.Unpickler):
    """Unpacks what a :class:`ParcelWriter` packed, parcel by parcel.

    :raises ParcelError: for anything else.
    """

    def __init__(self, file: Stream) -> None:
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        """Only nodes and records."""
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise ParcelError(f"a stream of parcels names {module[:60]}.{name[:60]}") from None

    def parcel(self) -> Any:
        """The next parcel."""
        try:
            return self.load()
        except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, IndexError) as error:
            raise ParcelError(f"a stream of parcels cannot be read: {error or type(error).__name__}") from error


def parcels(records: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The records in small portions."""
    for start in range(0, len(records), PARCEL):
        yield records[start : start + PARCEL]


def _slots(kind: type) -> tuple[str, ...]:
    found = _SLOTS.get(kind)
    if found is None:
        every = [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]
        found = _SLOTS[kind] = tuple(name for name in every if name not in ("_code", "position"))
    return found
