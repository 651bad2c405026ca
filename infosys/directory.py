"""A tree of entries, ready to be searched: immutable, every attribute encoded once when the tree is made."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infosys import names
from infosys.attribute_index import Steps, flags
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.filter_sets import sets
from infosys.filters import Filter
from infosys.indexes import FewNodes, Indexes, IndexReport
from infosys.matching_rules import RULES
from infosys.messages import BASE, CANCEL, ONE_LEVEL, PAGED_RESULTS, SUBORDINATE, SUBTREE
from infosys.node import SUBSCHEMA, Node
from infosys.schema import SYNTAXES, Schema, glue

FEW: Final = 8
"""A search of less than this part of the tree does not use the tree's indexes."""

_LEVELS: Final = {
    "o": ("o", ("top", "organization")),
    "mds-vo-name": ("Mds-Vo-name", ("top", "Mds")),
    "glue2groupid": ("GLUE2GroupID", ("GLUE2Group",)),
    "glue2domainid": ("GLUE2DomainID", ("GLUE2Entity", "GLUE2Domain", "GLUE2AdminDomain")),
}
"""Naming attributes of levels of the tree, their spelling and the object classes of the entries made for them."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which names there are and how they stand, without what the entries say.

    :ivar order: an entry, then all that is below it, then what stands beside it.
    :ivar places: where a name stands in the order.
    :ivar ends: by place, where what is below ends.
    :ivar children: by the name above, also by one that nobody publishes.
    """

    order: Sequence[names.Key]
    places: Mapping[names.Key, int]
    ends: Sequence[int]
    children: Mapping[names.Key, Sequence[names.Key]]

    @classmethod
    def of(cls, nodes: Mapping[names.Key, Node]) -> _Shape:
        children: dict[names.Key, list[names.Key]] = {}
        for key in nodes:
            children.setdefault(key[1:], []).append(key)
        hung: set[names.Key] = set()
        for above in list(children):
            # what nobody publishes has its place too: what is below it is below what is above it
            while above and above not in nodes and above not in hung:
                hung.add(above)
                children.setdefault(above[1:], []).append(above)
                above = above[1:]
        order: list[names.Key] = []
        ends = [0] * len(nodes)
        waiting: list[names.Key | int] = list(reversed(children.get((), ())))
        while waiting:
            key_or_place = waiting.pop()
            if isinstance(key_or_place, int):
                ends[key_or_place] = len(order)
                continue
            if key_or_place in nodes:
                waiting.append(len(order))
                order.append(key_or_place)
            waiting.extend(reversed(children.get(key_or_place, ())))
        return cls(order, {key: place for place, key in enumerate(order)}, ends, children)


class _Tree:
    """Entries with the levels above them.

    :ivar problems: sentences on what was left out.
    """

    def __init__(self, entries: Iterable[Entry], schema: Schema, previous: _Tree | None = None) -> None:
        self.problems: list[str] = []
        self.nodes: dict[names.Key, Node] = {}
        self._schema = schema
        old = previous.nodes if previous is not None else {}
        for entry in entries:
            self._add(entry, old)
        self._complete(old)
        same = previous is not None and self.nodes.keys() == old.keys()
        self.shape: _Shape = previous.shape if previous is not None and same else _Shape.of(self.nodes)
        changed = [(old[key], node) for key, node in self.nodes.items() if node is not old[key]] if same else None
        self.indexes = Indexes([self.nodes[key] for key in self.shape.order], schema)
        self.indexes.take_over(previous.indexes if previous is not None else None, changed)

    def below(self, key: names.Key) -> tuple[int, int]:
        """From which to which place of the order an entry and what is below it stand."""
        place = self.shape.places[key]
        return place, self.shape.ends[place]

    def _add(self, entry: Entry, old: Mapping[names.Key, Node]) -> None:
        try:
            key = entry.key
        except NameSyntaxError as error:
            self.problems.append(error.description)
            return
        if not key or key in self.nodes:
            self.problems.append(f"{entry.dn[:200] or 'the empty name'} is published twice or reserved")
            return
        self._put(entry, old)

    def _put(self, entry: Entry, old: Mapping[names.Key, Node]) -> None:
        known = old.get(entry.key)
        same = known is not None and (known.entry is entry or known.entry == entry)
        self.nodes[entry.key] = known if known is not None and same else Node(entry, self._schema)

    def _complete(self, old: Mapping[names.Key, Node]) -> None:
        """Make the missing entries that are only names of levels (``mds-vo-name=x``, ``GLUE2GroupID=x`` …)."""
        missing: set[names.Key] = set()
        for node in list(self.nodes.values()):
            for start in range(1, node.depth):
                above = node.key[start:]
                if above in self.nodes or above in missing:
                    break  # what is above that is or was seen to by itself
                made = _level(names.parse(node.entry.dn)[start:])
                if made is None:
                    missing.add(above)
                else:
                    self._put(made, old)


def _level(components: tuple[names.Rdn, ...]) -> Entry | None:
    """The entry of a name that is only a level of the tree, None for another name."""
    (attribute, value), *more = components[0]
    level = _LEVELS.get(attribute.lower())
    if more or level is None:
        return None
    spelt, classes = level
    return Entry.of(names.render(components), {"objectClass": classes, spelt: value})


class Directory:
    """The tree of one moment.

    :param entries: what is published; of two with one name the first counts, one whose name is none is left out
        and noted in :attr:`problems`.  Missing entries above are made where they are levels of the tree.
    :param previous: a tree of before, whose unchanged nodes and whose indexes are taken over.
    :ivar picture: how many trees there were before this one.
    """

    def __init__(
        self, entries: Iterable[Entry] = (), *, schema: Schema | None = None, previous: Directory | None = None
    ) -> None:
        self.schema = schema or glue()
        self.picture: int = previous.picture + 1 if previous is not None else 0
        known = previous is not None and previous.schema is self.schema
        self._main: _Tree = _Tree(entries, self.schema, previous._main if previous is not None and known else None)
        self._beside: _Tree = previous._beside if previous is not None and known else _Tree((), self.schema)
        self.subschema: Node = previous.subschema if previous is not None and known else self._subschema()
        self.root = self._root()

    def with_beside(self, entries: Iterable[Entry]) -> Directory:
        """The same tree with other entries beside it, under a suffix of their own; the tree itself is not touched.

        What a suffix holds that changes all the time need not move what seldom does.
        """
        made = object.__new__(type(self))
        made.schema, made.subschema, made._main = self.schema, self.subschema, self._main
        made.picture = self.picture
        made._beside = _Tree(entries, self.schema, self._beside)
        made.root = made._root()
        return made

    @property
    def problems(self) -> list[str]:
        """Sentences on what was left out."""
        return self._main.problems + self._beside.problems

    def __len__(self) -> int:
        return len(self._main.nodes) + len(self._beside.nodes)

    def _node(self, key: names.Key) -> Node | None:
        return self._main.nodes.get(key) or self._beside.nodes.get(key)

    def find(self, base: str) -> Node | None:
        """The node of that name, the root DSE and the subschema included.

        :raises NameSyntaxError: when the text is no name.
        """
        key = names.fresh_key(base)
        if not key:
            return self.root
        if key == self.subschema.key:
            return self.subschema
        return self._node(key)

    def nearest(self, base: str) -> str:
        """The longest name above ``base`` that exists, or the empty one."""
        key = names.fresh_key(base)
        for start in range(1, len(key)):
            node = self._node(key[start:])
            if node is not None:
                return node.entry.dn
        return ""

    def below(self, base: Node, scope: int) -> Sequence[Node]:
        """The nodes within the scope, each before those below it."""
        if scope == BASE or base in (self.root, self.subschema):
            return (base,) if scope == BASE or (scope == SUBTREE and base is self.subschema) else ()
        tree = self._tree(base)
        if scope == ONE_LEVEL:
            return [tree.nodes[key] for key in tree.shape.children.get(base.key, ()) if key in tree.nodes]
        start, end = tree.below(base.key)
        return tree.indexes.nodes[start + (scope == SUBORDINATE) : end]

    def search(self, base: Node, scope: int, wanted: Filter) -> Steps[Iterator[Node]]:
        """The nodes within the scope that the filter selects, each before those below it."""
        tree, nodes = self._tree(base), self.below(base, scope)
        few = len(nodes) * FEW < len(tree.nodes)
        if few or scope in (BASE, ONE_LEVEL) or base in (self.root, self.subschema):
            found, _ = yield from sets(wanted, FewNodes(nodes, self.schema))
            return itertools.compress(nodes, flags(found, len(nodes)))
        found, _ = yield from sets(wanted, tree.indexes)
        start = tree.below(base.key)[0] + (scope == SUBORDINATE)
        below = found >> start & ((1 << len(nodes)) - 1)
        return itertools.compress(nodes, flags(below, len(nodes)))

    def _tree(self, base: Node) -> _Tree:
        return self._main if base.key in self._main.nodes else self._beside

    def index_report(self) -> IndexReport:
        """What the indexes of the tree (not of what is beside it) take."""
        return self._main.indexes.report()

    def _root(self) -> Node:
        contexts = [
            tree.nodes[key].entry.dn
            for tree in (self._main, self._beside)
            for key in tree.shape.children.get((), ())
            if key in tree.nodes
        ]
        operational = {
            "namingContexts": contexts,
            "subschemaSubentry": SUBSCHEMA,
            "supportedLDAPVersion": "3",
            "supportedControl": PAGED_RESULTS,
            "supportedExtension": CANCEL,
            "vendorName": "wmproxy information system",
        }
        entry = Entry.of("", {"objectClass": "top"})
        return Node(entry, self.schema, Entry.of("", operational))

    def _subschema(self) -> Node:
        entry = Entry.of(SUBSCHEMA, {"objectClass": ["top", "subentry", "subschema"], "cn": "Subschema"})
        operational = {
            "attributeTypes": [each.definition() for each in self.schema.attributes.values()],
            "objectClasses": [each.definition() for each in self.schema.classes.values()],
            "matchingRules": [each.definition() for each in RULES],
            "matchingRuleUse": [used for each in RULES if (used := each.use(self.schema.attributes.values()))],
            "ldapSyntaxes": [f"( {oid} DESC '{name}' )" for oid, name in SYNTAXES.items()],
        }
        return Node(entry, self.schema, Entry.of(SUBSCHEMA, operational))
