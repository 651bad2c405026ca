"""A tree of entries, ready to be searched: immutable, every attribute encoded once when the tree is made."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infosys import ber, names
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.filters import And, Compare, Filter, Or, base_name
from infosys.messages import BASE, ONE_LEVEL, PAGED_RESULTS, SUBORDINATE
from infosys.schema import SYNTAXES, Schema, glue

SUBSCHEMA: Final = "cn=Subschema"

_LEVELS: Final = {
    "o": ("o", ("top", "organization")),
    "mds-vo-name": ("Mds-Vo-name", ("top", "Mds")),
    "glue2groupid": ("GLUE2GroupID", ("GLUE2Group",)),
    "glue2domainid": ("GLUE2DomainID", ("GLUE2Entity", "GLUE2Domain", "GLUE2AdminDomain")),
}
"""Naming attributes of levels of the tree, their spelling and the object classes of the entries made for them."""


_SHORT: Final = 200
"""Characters of values whose encoding is kept."""


class Node:
    """One entry of the tree, as filters see it and as bytes."""

    __slots__ = ("_folded", "depth", "entry", "key", "name", "operational", "schema", "whole")

    def __init__(self, entry: Entry, schema: Schema, operational: Entry | None = None) -> None:
        self.entry = entry
        self.key = entry.key
        self.schema = schema
        self.depth = len(self.key)
        self.name = ber.octets(entry.dn)
        self._folded: dict[str, tuple[str, ...]] = {}
        self.whole = b"".join([_attribute(name, values) for name, values in entry.attributes.items()])
        self.operational = {
            name.lower(): _attribute(name, values)
            for name, values in (operational.attributes.items() if operational else ())
        }

    def known(self, attribute: str) -> bool:
        """Whether the schema or this entry knows the attribute (lower case)."""
        return bool(self.entry.values(attribute)) or attribute in self.schema.attributes

    def folded(self, attribute: str) -> tuple[str, ...]:
        """The values as they are compared."""
        found = self._folded.get(attribute)
        if found is None:
            found = tuple([self.fold(attribute, value) for value in self.entry.values(attribute)])
            if attribute == "objectclass":
                found += self.schema.superiors(found)
            if found:  # what is not there could be asked by endless names
                self._folded[attribute] = found
        return found

    def fold(self, attribute: str, text: str) -> str:
        """A text as it is compared with values of the attribute."""
        known = self.schema.attributes.get(attribute)
        return names.spaced(text) if known is not None and known.exact else names.fold(text)

    def numeric(self, attribute: str) -> bool:
        """Whether the values are integers."""
        found = self.schema.attributes.get(attribute)
        return found is not None and found.integer

    def selected(self, attributes: Sequence[str], types_only: bool) -> bytes:
        """The attributes of a selection list (RFC 4511 §4.5.1.8), encoded.

        An empty list and ``*`` mean the user attributes, ``+`` the operational ones, ``1.1`` none.
        """
        wanted = {each.strip().lower() for each in attributes}
        if not wanted or wanted == {"*"}:
            if not types_only:
                return self.whole
            chosen = self._user(None)
        else:
            chosen = self._user(None if "*" in wanted else wanted)
            chosen.update(
                (name, encoded) for name, encoded in self._operational().items() if "+" in wanted or name in wanted
            )
        if types_only:
            chosen = {name: _type_only(encoded) for name, encoded in chosen.items()}
        return b"".join(chosen.values())

    def _user(self, wanted: set[str] | None) -> dict[str, bytes]:
        return {
            lower: _attribute(name, values)
            for name, values in self.entry.attributes.items()
            if (lower := name.lower()) and (wanted is None or lower in wanted or base_name(lower) in wanted)
        }

    def _operational(self) -> dict[str, bytes]:
        structural = [
            each
            for each in self.entry.values("objectClass")
            if (known := self.schema.classes.get(each.lower())) and known.kind == "STRUCTURAL"
        ]
        made = {
            "entrydn": _attribute("entryDN", (self.entry.dn,)),
            "subschemasubentry": _attribute("subschemaSubentry", (SUBSCHEMA,)),
        }
        if structural:
            made["structuralobjectclass"] = _attribute("structuralObjectClass", (structural[-1],))
        return made | self.operational


def _attribute(name: str, values: Iterable[str]) -> bytes:
    encoded = b"".join([_short(value) if len(value) < _SHORT else ber.octets(value) for value in values])
    return ber.tlv(ber.SEQUENCE, _short(name) + ber.tlv(ber.SET, encoded))


@functools.lru_cache(maxsize=1 << 16)
def _short(text: str) -> bytes:
    """A name or value of which a grid has thousands that are the same."""
    return ber.octets(text)


def _type_only(encoded: bytes) -> bytes:
    name = ber.Reader(encoded).enter().octets()
    return ber.sequence(ber.octets(name), ber.tlv(ber.SET, b""))


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which names there are and how they stand, without what the entries say.

    :ivar order: those nearer to the root first.
    :ivar children: by the name above.
    :ivar classes: by object class, lower case, in the same order.
    """

    order: Sequence[names.Key]
    children: Mapping[names.Key, Sequence[names.Key]]
    classes: Mapping[str, Sequence[names.Key]]

    @classmethod
    def of(cls, nodes: Mapping[names.Key, Node]) -> _Shape:
        order = sorted(nodes, key=len)
        children: dict[names.Key, list[names.Key]] = {}
        classes: dict[str, list[names.Key]] = {}
        for key in order:
            children.setdefault(key[1:], []).append(key)
            for object_class in dict.fromkeys(nodes[key].folded("objectclass")):
                classes.setdefault(object_class, []).append(key)
        return cls(order, children, classes)


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
        self.shape: _Shape = previous.shape if previous is not None and self._stands_as(old) else _Shape.of(self.nodes)

    def _stands_as(self, old: Mapping[names.Key, Node]) -> bool:
        """Whether names and object classes are those of another tree: then nothing need be sorted again."""
        return self.nodes.keys() == old.keys() and all(
            node is old[key] or node.folded("objectclass") == old[key].folded("objectclass")
            for key, node in self.nodes.items()
        )

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
    :param previous: a tree of before, whose unchanged nodes are taken over.
    """

    def __init__(
        self, entries: Iterable[Entry] = (), *, schema: Schema | None = None, previous: Directory | None = None
    ) -> None:
        self.schema = schema or glue()
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
        key = names.key(base)
        if not key:
            return self.root
        if key == self.subschema.key:
            return self.subschema
        return self._node(key)

    def nearest(self, base: str) -> str:
        """The longest name above ``base`` that exists, or the empty one."""
        key = names.key(base)
        for start in range(1, len(key)):
            node = self._node(key[start:])
            if node is not None:
                return node.entry.dn
        return ""

    def candidates(self, base: Node, scope: int, wanted: Filter) -> Iterator[Node]:
        """Nodes within the scope that the filter might select, those nearer to the root first.

        Object classes that the filter demands narrow the choice; the filter itself is not applied.
        """
        if scope == BASE or base is self.subschema:
            yield from () if scope in (ONE_LEVEL, SUBORDINATE) else (base,)
            return
        tree = self._main if base.key in self._main.nodes else self._beside
        nodes, shape = tree.nodes, tree.shape
        if scope == ONE_LEVEL:
            yield from (nodes[key] for key in shape.children.get(base.key, ()) if base is not self.root)
            return
        narrow = _narrow(wanted, shape)
        tail = len(base.key)
        for key in shape.order if narrow is None else narrow:
            if key[len(key) - tail :] == base.key and (scope != SUBORDINATE or len(key) > tail):
                yield nodes[key]

    def _root(self) -> Node:
        contexts = [
            tree.nodes[key].entry.dn
            for tree in (self._main, self._beside)
            for key in tree.shape.children.get((), ())
        ]
        operational = {
            "namingContexts": contexts,
            "subschemaSubentry": SUBSCHEMA,
            "supportedLDAPVersion": "3",
            "supportedControl": PAGED_RESULTS,
            "vendorName": "wmproxy information system",
        }
        entry = Entry.of("", {"objectClass": "top"})
        return Node(entry, self.schema, Entry.of("", operational))

    def _subschema(self) -> Node:
        entry = Entry.of(SUBSCHEMA, {"objectClass": ["top", "subentry", "subschema"], "cn": "Subschema"})
        operational = {
            "attributeTypes": [each.definition() for each in self.schema.attributes.values()],
            "objectClasses": [each.definition() for each in self.schema.classes.values()],
            "ldapSyntaxes": [f"( {oid} DESC '{name}' )" for oid, name in SYNTAXES.items()],
        }
        return Node(entry, self.schema, Entry.of(SUBSCHEMA, operational))


def _narrow(wanted: Filter, shape: _Shape) -> Sequence[names.Key] | None:
    """The names that the object classes of a filter leave, None when it names none."""
    if isinstance(wanted, Compare) and wanted.operator == "=" and base_name(wanted.attribute) == "objectclass":
        return shape.classes.get(names.fold(wanted.value), ())
    if isinstance(wanted, And):
        found = [each for term in wanted.terms if (each := _narrow(term, shape)) is not None]
        return min(found, key=len) if found else None
    if isinstance(wanted, Or) and wanted.terms:
        merged: dict[names.Key, None] = {}
        for term in wanted.terms:
            part = _narrow(term, shape)
            if part is None:
                return None
            merged.update(dict.fromkeys(part))
        return sorted(merged, key=len)
    return None
