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
SEGMENT: Final = 50
"""Parcels between which nodes are shared: what a reader remembers for that is given back in one go, too."""

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


def literal(value: str | int | float | bool) -> nodes.Literal:
    """How a constant is packed; whoever unpacks it looks first whether there is an equal one (:class:`Nodes`)."""
    return nodes.Literal(value)


def list_of(*items: nodes.Expr) -> nodes.ListExpr:
    """How a list is packed, likewise."""
    return nodes.ListExpr(items)


class Nodes:
    """Constants, and lists of the same nodes, that are used again from one purchase to the next.

    So an attribute that did not change is the same node before and after, and what is computed from it stays valid.
    """

    def __init__(self) -> None:
        self._literals: dict[tuple[type, object], nodes.Literal] = {}
        self._lists: dict[tuple[int, ...], nodes.ListExpr] = {}
        self._old = (self._literals, self._lists)

    def turn(self) -> None:
        """Another purchase begins: forget what the last one did not use."""
        self._old = (self._literals, self._lists)
        self._literals, self._lists = {}, {}

    def literal(self, value: str | int | float | bool) -> nodes.Literal:
        """A constant."""
        key = (type(value), repr(value) if isinstance(value, float) else value)
        found = self._literals.get(key)
        if found is None:
            found = self._literals[key] = self._old[0].get(key) or nodes.Literal(value)
        return found

    def list_of(self, *items: nodes.Expr) -> nodes.ListExpr:
        """A list."""
        key = tuple(map(id, items))  # the list keeps its items, so the ids stay theirs
        found = self._lists.get(key)
        if found is None:
            found = self._lists[key] = self._old[1].get(key) or nodes.ListExpr(items)
        return found


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
        if type(given) is nodes.Literal and not isinstance(given.value, (Undefined, Error)):
            return literal, (given.value,)
        if type(given) is nodes.ListExpr:
            return list_of, tuple(given.items)
        kind = type(given)
        state = {name: getattr(given, name) for name in _slots(kind)}
        state["_code"] = None
        state["position"] = None  # an ad from a directory stands in no text
        if isinstance(given, ClassAd):
            names = state["_names"]
            state["_names"] = self._shapes.setdefault(tuple(names.values()), names)
            state["_positions"] = {}
        return copyreg.__newobj__, (kind,), (None, state)  # type: ignore[attr-defined]



class Sender:
    """Sends parcels, segment by segment."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._writer = ParcelWriter(file)
        self._sent = 0

    def send(self, parcel: Any) -> None:
        """One parcel.

        :raises OSError: when nobody reads any more.
        """
        if self._sent == SEGMENT:
            self._writer.dump(None)
            self._writer = ParcelWriter(self._file)
            self._sent = 0
        self._writer.dump(parcel)
        self._sent += 1


class Receiver:
    """Receives what a :class:`Sender` sent.

    :raises ParcelError: for anything else.
    """

    def __init__(self, file: Stream, nodes: Nodes) -> None:
        self._file = file
        self._nodes = nodes
        self._reader = ParcelReader(file, nodes)

    def receive(self) -> Any:
        """The next parcel."""
        parcel = self._reader.parcel()
        while parcel is None:
            self._reader = ParcelReader(self._file, self._nodes)
            parcel = self._reader.parcel()
        return parcel


class ParcelReader(pickle.Unpickler):
    """Unpacks what a :class:`ParcelWriter` packed, parcel by parcel.

    :raises ParcelError: for anything else.
    """

    def __init__(self, file: Stream, nodes: Nodes) -> None:
        super().__init__(file)
        self._nodes = nodes

    def find_class(self, module: str, name: str) -> Any:
        """Only nodes and records."""
        if module == __name__ and name in ("literal", "list_of"):
            return getattr(self._nodes, name)
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
