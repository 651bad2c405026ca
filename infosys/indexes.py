"""The attribute indexes of one tree: made when they are first asked for, bounded, and taken over by the next tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infosys.attribute_index import AttributeIndex, Steps
from infosys.node import CLASS, Node
from infosys.schema import Schema

INDEX_BYTES: Final = 64 << 20
"""Bytes of all indexes of a tree together, about."""
MAX_MAKING: Final = 4
"""Indexes that are made at the same time."""
KEPT_UNUSED: Final = 20
"""Trees for which an index is made again although nobody has asked for it."""


@dataclass(slots=True)
class _Kept:
    """An index, and how many trees have come since it was asked for."""

    index: AttributeIndex
    unused: int = 0


class _Making:
    """An index that is being made, by whoever waits for it: each takes the next step."""

    def __init__(self, steps: Steps[AttributeIndex]) -> None:
        self._steps = steps
        self.made: AttributeIndex | None = None

    def go_on(self) -> None:
        """Take the next step."""
        try:
            next(self._steps)
        except StopIteration as end:
            self.made = end.value


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What is known of the indexes: the attributes that have one, and their bytes of memory, about."""

    attributes: tuple[str, ...]
    size: int
    most: int


class Indexes:
    """The entries of a tree by the values of their attributes.

    All but :meth:`take_over` is for the one thread that answers searches.

    :param nodes: in the order of the tree.
    :param most: bytes that all indexes may take; the one that was not asked for longest is let go first, and one that
        is larger alone is made for each search anew.
    """

    def __init__(self, nodes: Sequence[Node], schema: Schema, most: int = INDEX_BYTES) -> None:
        self.nodes = nodes
        self.schema = schema
        self.everything = (1 << len(nodes)) - 1
        self._places = range(len(nodes))
        self._names = frozenset(name for layout in {node.layout for node in nodes} for name in layout.places)
        self._most = most
        self._kept: dict[str, _Kept] = {}
        self._making: dict[str, _Making] = {}

    def index(self, attribute: str) -> Steps[AttributeIndex]:
        """The index of an attribute (lower case)."""
        kept = self._kept.pop(attribute, None)
        if kept is not None:
            kept.unused = 0
            self._kept[attribute] = kept  # the last one of them
            return kept.index
        if attribute not in self._names:  # names that nobody uses are endless: nothing is kept of them
            return AttributeIndex(len(self.nodes))
        while attribute not in self._making and len(self._making) >= MAX_MAKING:
            self._go_on(next(iter(self._making)))  # whoever began it may have gone
            yield
        making = self._making.get(attribute)
        if making is None:
            steps = AttributeIndex.steps(attribute, self.nodes, self._places)
            making = self._making[attribute] = _Making(steps)
        while making.made is None:
            self._go_on(attribute)
            yield
        return making.made

    def _go_on(self, attribute: str) -> None:
        making = self._making[attribute]
        making.go_on()
        if making.made is not None:
            del self._making[attribute]
            self._keep(attribute, _Kept(making.made))

    def _keep(self, attribute: str, kept: _Kept) -> None:
        if kept.index.size > self._most:
            return
        self._kept[attribute] = kept
        for oldest in self._over():
            del self._kept[oldest]

    def _over(self) -> list[str]:
        """The attributes whose indexes must be let go."""
        size = sum(kept.index.size for kept in self._kept.values())
        found = []
        for attribute, kept in self._kept.items():
            if size <= self._most:
                break
            size -= kept.index.size
            found.append(attribute)
        return found

    def take_over(self, before: Indexes | None, changed: Sequence[tuple[Node, Node]] | None) -> None:
        """Have those indexes that the tree before had, so that searches need not make them; takes time.

        :param changed: entries of the tree before with their new selves, the order being the same; None when it is
            another one.
        """
        known: Mapping[str, _Kept] = dict(before._kept) if before is not None else {}
        if not known:
            self._keep(CLASS, _Kept(_made(AttributeIndex.steps(CLASS, self.nodes, self._places))))
        for attribute, kept in known.items():
            if kept.unused >= KEPT_UNUSED and attribute != CLASS:
                continue
            index = kept.index
            if changed is None or any(_differ(attribute, *each) for each in changed):
                index = _made(AttributeIndex.steps(attribute, self.nodes, self._places))
            self._keep(attribute, _Kept(index, kept.unused + 1))

    def report(self) -> IndexReport:
        """What there is now; from any thread."""
        kept = dict(self._kept)
        return IndexReport(tuple(sorted(kept)), sum(each.index.size for each in kept.values()), self._most)


class FewNodes:
    """Some entries of a tree, so few that their attributes are looked at for each filter anew."""

    def __init__(self, nodes: Sequence[Node], schema: Schema) -> None:
        self.nodes = nodes
        self.schema = schema
        self.everything = (1 << len(nodes)) - 1
        self._made: dict[str, AttributeIndex] = {}

    def index(self, attribute: str) -> Steps[AttributeIndex]:
        """The index of an attribute (lower case)."""
        made = self._made.get(attribute)
        if made is None:
            made = yield from AttributeIndex.steps(attribute, self.nodes, range(len(self.nodes)))
            self._made[attribute] = made
        return made


def _differ(attribute: str, old: Node, new: Node) -> bool:
    return old.entry.values(attribute) != new.entry.values(attribute)


def _made(steps: Steps[AttributeIndex]) -> AttributeIndex:
    making = _Making(steps)
    while making.made is None:
        making.go_on()
    return making.made
