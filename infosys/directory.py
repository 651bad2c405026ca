"""A tree of entries, ready to be searched: immutable, every attribute encoded once when the tree is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from infosys import ber, names
from infosys.entry import Entry
from infosys.errors import NameSyntaxError
from infosys.filters import And, Compare, Filter, Or, base_name
from infosys.messages import BASE, ONE_LEVEL, PAGED_RESULTS
from infosys.schema import SYNTAXES, Schema, glue

SUBSCHEMA: Final = "cn=Subschema"

_LEVELS: Final = {
    "o": ("o", ("top", "organization")),
    "mds-vo-name": ("Mds-Vo-name", ("top", "Mds")),
    "glue2groupid": ("GLUE2GroupID", ("GLUE2Group",)),
    "glue2domainid": ("GLUE2DomainID", ("GLUE2Entity", "GLUE2Domain", "GLUE2AdminDomain")),
}
"""Naming attributes of levels of the tree, their spelling and the object classes of the entries made for them."""


class Node:
    """One entry of the tree, as filters see it and as bytes."""

    __slots__ = ("_folded", "_user", "depth", "entry", "key", "name", "operational", "schema", "whole")

    def __init__(self, entry: Entry, schema: Schema, operational: Entry | None = None) -> None:
        self.entry = entry
        self.key = entry.key
        self.schema = schema
        self.depth = len(self.key)
        self.name = ber.octets(entry.dn)
        self._folded = {
            name.lower(): tuple(names.fold(value) for value in values) for name, values in entry.attributes.items()
        }
        self._user = {name.lower(): _attribute(name, values) for name, values in entry.attributes.items()}
        self.whole = b"".join(self._user.values())
        self.operational = {
            name.lower(): _attribute(name, values)
            for name, values in (operational.attributes.items() if operational else ())
        }

    def known(self, attribute: str) -> bool:
        """Whether the schema or this entry knows the attribute (lower case)."""
        return attribute in self._folded or attribute in self.schema.attributes

    def folded(self, attribute: str) -> tuple[str, ...]:
        """The values as they are compared."""
        return self._folded.get(attribute, ())

    def numeric(self, attribute: str) -> bool:
        """Whether the values are integers."""
        found = self.schema.attributes.get(attribute)
        return found is not None and found.integer

    def selected(self, attributes: Sequence[str], types_only: bool) -> bytes:
        """The attributes of a selection list (RFC 4511 §4.5.1.8), encoded.

        An empty list and ``*`` mean the user attributes, ``+`` the operational ones, ``1.1`` none.
        """
        wanted = {base_name(each) for each in attributes}
        if not wanted or wanted == {"*"}:
            if not types_only:
                return self.whole
            chosen = dict(self._user)
        else:
            chosen = {name: encoded for name, encoded in self._user.items() if "*" in wanted or name in wanted}
            chosen.update(
                (name, encoded) for name, encoded in self._operational().items() if "+" in wanted or name in wanted
            )
        if types_only:
            chosen = {name: _type_only(encoded) for name, encoded in chosen.items()}
        return b"".join(chosen.values())

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
    return ber.sequence(ber.octets(name), ber.sequence(*map(ber.octets, values), tag=ber.SET))


def _type_only(encoded: bytes) -> bytes:
    name = ber.Reader(encoded).enter().octets()
    return ber.sequence(ber.octets(name), ber.tlv(ber.SET, b""))


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
        self.problems: list[str] = []
        self._nodes: dict[names.Key, Node] = {}
        old = previous._nodes if previous is not None and previous.schema is self.schema else {}
        for entry in entries:
            self._add(entry, old)
        for key in list(self._nodes):
            self._complete(self._nodes[key].entry.dn)
        self._order = sorted(self._nodes.values(), key=lambda node: node.depth)
        self._children: dict[names.Key, list[Node]] = {}
        self._classes: dict[str, list[Node]] = {}
        for node in self._order:
            self._children.setdefault(node.key[1:], []).append(node)
            for object_class in set(node.folded("objectclass")):
                self._classes.setdefault(object_class, []).append(node)
        self.root = self._root()
        self.subschema = self._subschema()

    def __len__(self) -> int:
        return len(self._nodes)

    def _add(self, entry: Entry, old: dict[names.Key, Node]) -> None:
        try:
            key = entry.key
        except NameSyntaxError as error:
            self.problems.append(error.description)
            return
        if not key or key in self._nodes:
            self.problems.append(f"{entry.dn[:200] or 'the empty name'} is published twice or reserved")
            return
        known = old.get(key)
        same = known is not None and known.entry == entry
        self._nodes[key] = known if known is not None and same else Node(entry, self.schema)

    def _complete(self, dn: str) -> None:
        """Make the entries above ``dn`` that are only names of levels (``mds-vo-name=x``, ``GLUE2GroupID=x`` …)."""
        components = names.parse(dn)
        for start in range(1, len(components)):
            (attribute, value), *more = components[start]
            above = names.render(components[start:])
            if more or names.key(above) in self._nodes:
                continue
            level = _LEVELS.get(attribute.lower())
            if level is None:
                continue
            spelt, classes = level
            made = Entry.of(above, {"objectClass": classes, spelt: value})
            self._nodes[made.key] = Node(made, self.schema)

    def find(self, base: str) -> Node | None:
        """The node of that name, the root DSE and the subschema included.

        :raises NameSyntaxError: when the text is no name.
        """
        key = names.key(base)
        if not key:
            return self.root
        if key == self.subschema.key:
            return self.subschema
        return self._nodes.get(key)

    def nearest(self, base: str) -> str:
        """The longest name above ``base`` that exists, or the empty one."""
        key = names.key(base)
        for start in range(1, len(key)):
            node = self._nodes.get(key[start:])
            if node is not None:
                return node.entry.dn
        return ""

    def candidates(self, base: Node, scope: int, wanted: Filter) -> Iterator[Node]:
        """Nodes within the scope that the filter might select, those nearer to the root first.

        Object classes that the filter demands narrow the choice; the filter itself is not applied.
        """
        if scope == BASE or base is self.subschema:
            yield from () if scope == ONE_LEVEL else (base,)
            return
        if scope == ONE_LEVEL:
            yield from self._children.get(base.key, ()) if base is not self.root else ()
            return
        narrow = self._narrow(wanted)
        tail = len(base.key)
        for node in self._order if narrow is None else narrow:
            if node.key[len(node.key) - tail :] == base.key:
                yield node

    def _narrow(self, wanted: Filter) -> list[Node] | None:
        if isinstance(wanted, Compare) and wanted.operator == "=" and base_name(wanted.attribute) == "objectclass":
            return self._classes.get(names.fold(wanted.value), [])
        if isinstance(wanted, And):
            found = [each for term in wanted.terms if (each := self._narrow(term)) is not None]
            return min(found, key=len) if found else None
        if isinstance(wanted, Or) and wanted.terms:
            merged: dict[names.Key, Node] = {}
            for term in wanted.terms:
                part = self._narrow(term)
                if part is None:
                    return None
                merged.update((node.key, node) for node in part)
            return sorted(merged.values(), key=lambda node: node.depth)
        return None

    def _root(self) -> Node:
        contexts = [node.entry.dn for node in self._order if node.depth == 1]
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
