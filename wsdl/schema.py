"""What the contracts' XML schemas say, as plain values: types, their members, global elements.

Only what these contracts use is understood: sequences, choices, element references, extensions, simple content,
attributes, enumerations, wildcards.  Anything else is refused when the contract is loaded, never on a request.
Source of the rules: XML Schema 1.0 part 1, §3.3 (elements), §3.4 (complex types), §3.7 (particles).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from lxml import etree

from grid.errors import ConfigurationError
from wsdl.names import XSD, clark, local

_SCHEMA: Final = f"{{{XSD}}}schema"
_GROUPS: Final = frozenset(f"{{{XSD}}}{name}" for name in ("sequence", "choice", "all"))


class SchemaError(ConfigurationError):
    """A contract document says something that this module does not understand."""


@dataclass(frozen=True, slots=True)
class Member:
    """An element inside a complex type, or a part of a message.

    :ivar namespace: of the element on the wire; None when it is unqualified.
    :ivar type: Clark name of its type.
    :ivar max_occurs: None when unbounded.
    :ivar ordered: False inside a group that may be repeated, whose members may come in any order.
    """

    name: str
    namespace: str | None
    type: str
    min_occurs: int = 1
    max_occurs: int | None = 1
    nillable: bool = False
    ordered: bool = True

    @property
    def repeated(self) -> bool:
        """Whether the value is a list."""
        return self.max_occurs is None or self.max_occurs > 1

    @property
    def tag(self) -> str:
        """Its Clark name on the wire."""
        return clark(self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a complex type."""

    name: str
    type: str
    required: bool


@dataclass(frozen=True, slots=True)
class SimpleType:
    """A type of text.

    :ivar base: local name of the XML Schema type it is built on, ``string``, ``long`` …
    :ivar enumeration: the allowed values; empty when all are.
    """

    name: str
    base: str
    enumeration: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComplexType:
    """A type of elements.

    :ivar members: base type's first, then its own, in wire order.
    :ivar text: Clark name of the text's type for simple content, else None.
    :ivar wildcard: whether foreign elements may follow (``xsd:any``).
    :ivar base: the type it extends, if any.
    """

    name: str
    members: tuple[Member, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    text: str | None = None
    wildcard: bool = False
    base: str | None = None

    @property
    def list_of(self) -> Member | None:
        """The only member, when all that the type holds is a list; its values are then plain Python lists."""
        if len(self.members) == 1 and not (self.attributes or self.text or self.wildcard):
            return self.members[0] if self.members[0].repeated else None
        return None


@dataclass(frozen=True, slots=True)
class Element:
    """A global element."""

    name: str
    type: str
    nillable: bool = False


@dataclass(frozen=True, slots=True)
class Schemas:
    """All types and global elements of a contract, by Clark name."""

    types: Mapping[str, SimpleType | ComplexType]
    elements: Mapping[str, Element]

    def type(self, name: str) -> SimpleType | ComplexType:
        """The type of this Clark name; XML Schema's own are simple types.

        :raises SchemaError: when there is none.
        """
        found = self.types.get(name)
        if found is not None:
            return found
        if name.startswith(f"{{{XSD}}}"):
            return SimpleType(name, local(name))
        raise SchemaError(f"the contract uses the type {name}, which no schema defines")

    def element(self, name: str) -> Element:
        """The global element of this Clark name.

        :raises SchemaError: when there is none.
        """
        try:
            return self.elements[name]
        except KeyError:
            raise SchemaError(f"the contract uses the element {name}, which no schema declares") from None


def qname(node: etree._Element, text: str) -> str:
    """Resolve ``prefix:name`` as written at ``node`` to a Clark name.

    :raises SchemaError: when the prefix is not declared there.
    """
    prefix, colon, name = text.strip().rpartition(":")
    space = node.nsmap.get(prefix if colon else None)
    if colon and space is None:
        raise SchemaError(f"the prefix of {text!r} is not declared (line {node.sourceline})")
    return clark(space, name)


def read(roots: Iterable[etree._Element]) -> Schemas:
    """Read ``xsd:schema`` elements into one set of types and elements.

    Includes and imports are not followed; the caller gives every schema document.

    :raises SchemaError: when they say something that is not understood, or refer to what is not there.
    """
    reader = _Reader()
    for root in roots:
        if root.tag != _SCHEMA:
            raise SchemaError(f"{root.tag} is not an XML schema")
        reader.read(root)
    return reader.finished()


class _Reader:
    """Collects declarations, then joins what refers to one another."""

    def __init__(self) -> None:
        self._types: dict[str, SimpleType | ComplexType] = {}
        self._elements: dict[str, Element] = {}
        self._references: list[tuple[str, str]] = []

    def read(self, root: etree._Element) -> None:
        space = root.get("targetNamespace")
        qualified = root.get("elementFormDefault") == "qualified"
        for node in root:
            kind, name = local(str(node.tag)), clark(space, node.get("name", ""))
            if kind == "element":
                self._elements[name] = Element(name, self._type_of(node, space, qualified), _true(node, "nillable"))
            elif kind == "complexType":
                self._complex(node, name, space, qualified)
            elif kind == "simpleType":
                self._simple(node, name)
            elif kind not in ("include", "import", "annotation"):
                raise SchemaError(f"xsd:{kind} is not understood (line {node.sourceline})")

    def finished(self) -> Schemas:
        for name in list(self._types):
            self._join(name, ())
        schemas = Schemas(self._types, self._elements)
        for kind in self._types.values():
            for member in kind.members if isinstance(kind, ComplexType) else ():
                schemas.type(member.type)
        for element in self._elements.values():
            schemas.type(element.type)
        return schemas

    def _join(self, name: str, seen: tuple[str, ...]) -> ComplexType | None:
        """Resolve element references and put the members of the base type first."""
        kind = self._types.get(name)
        if name in seen:
            raise SchemaError(f"the type {name} extends itself")
        if not isinstance(kind, ComplexType):
            return None
        members = tuple(self._dereferenced(member) for member in kind.members)
        base = self._join(kind.base, (*seen, name)) if kind.base else None
        if base is not None and members[: len(base.members)] != base.members:  # not joined before
            members = base.members + members
        joined = replace(kind, members=members)
        self._types[name] = joined
        return joined

    def _dereferenced(self, member: Member) -> Member:
        if not member.type.startswith("ref "):
            return member
        target = member.type.removeprefix("ref ")
        if target not in self._elements:
            raise SchemaError(f"an element refers to {target}, which no schema declares")
        element = self._elements[target]
        return replace(member, type=element.type, nillable=element.nillable)

    def _type_of(self, node: etree._Element, space: str | None, qualified: bool) -> str:
        """The Clark name of an element's type; an anonymous type is named after its element."""
        named = node.get("type")
        if named is not None:
            return qname(node, named)
        for child in node:
            anonymous = clark(space, f"{node.get('name')}#{node.sourceline}")
            if child.tag == f"{{{XSD}}}complexType":
                self._complex(child, anonymous, space, qualified)
                return anonymous
            if child.tag == f"{{{XSD}}}simpleType":
                self._simple(child, anonymous)
                return anonymous
        raise SchemaError(f"the element {node.get('name')} has no type (line {node.sourceline})")

    def _simple(self, node: etree._Element, name: str) -> None:
        restriction = node.find(f"{{{XSD}}}restriction")
        base = None if restriction is None else restriction.get("base")
        if restriction is None or base is None:
            raise SchemaError(f"the simple type {name} is not a restriction (line {node.sourceline})")
        values = tuple(value.get("value", "") for value in restriction.iterchildren(f"{{{XSD}}}enumeration"))
        resolved = qname(restriction, base)
        if not resolved.startswith(f"{{{XSD}}}"):
            raise SchemaError(f"the simple type {name} does not restrict a type of XML Schema")
        self._types[name] = SimpleType(name, local(resolved), values)

    def _complex(self, node: etree._Element, name: str, space: str | None, qualified: bool) -> None:
        base: str | None = None
        text: str | None = None
        holder = node
        for content in node.iterchildren(f"{{{XSD}}}complexContent", f"{{{XSD}}}simpleContent"):
            extension = content.find(f"{{{XSD}}}extension")
            if extension is None:
                raise SchemaError(f"the type {name} restricts another, which is not understood")
            target = qname(extension, extension.get("base", ""))
            base, text = (target, None) if content.tag.endswith("}complexContent") else (None, target)
            holder = extension
        members: list[Member] = []
        wildcard = False
        for group in holder:
            if group.tag in _GROUPS:
                for found in self._particles(group, space, qualified, optional=False, repeated=False):
                    if found is None:
                        wildcard = True
                    else:
                        members.append(found)
        attributes = tuple(
            Attribute(item.get("name", ""), qname(item, item.get("type", "")), item.get("use") == "required")
            for item in holder.iterchildren(f"{{{XSD}}}attribute")
        )
        self._types[name] = ComplexType(name, tuple(members), attributes, text, wildcard, base)

    def _particles(
        self, group: etree._Element, space: str | None, qualified: bool, *, optional: bool, repeated: bool
    ) -> Iterator[Member | None]:
        """The members of a group, flattened in order; None stands for a wildcard."""
        optional = optional or group.tag.endswith("}choice") or group.get("minOccurs") == "0"
        repeated = repeated or group.get("maxOccurs", "1") != "1"
        for node in group:
            kind = local(str(node.tag))
            if node.tag in _GROUPS:
                yield from self._particles(node, space, qualified, optional=optional, repeated=repeated)
            elif kind == "any":
                yield None
            elif kind == "element":
                yield self._member(node, space, qualified, optional, repeated)
            elif kind != "annotation":
                raise SchemaError(f"xsd:{kind} is not understood (line {node.sourceline})")

    def _member(
        self, node: etree._Element, space: str | None, qualified: bool, optional: bool, repeated: bool
    ) -> Member:
        most = node.get("maxOccurs", "1")
        maximum = None if repeated or most == "unbounded" else int(most)
        minimum = 0 if optional else int(node.get("minOccurs", "1"))
        reference = node.get("ref")
        if reference is not None:
            target = qname(node, reference)
            name = local(target)
            wire = target[1 : target.index("}")] if target.startswith("{") else None
            return Member(name, wire, f"ref {target}", minimum, maximum, ordered=not repeated)
        form = node.get("form")
        wire = space if (form == "qualified" or (form is None and qualified)) else None
        kind = self._type_of(node, space, qualified)
        nillable = _true(node, "nillable")
        return Member(node.get("name", ""), wire, kind, minimum, maximum, nillable, not repeated)


def _true(node: etree._Element, attribute: str) -> bool:
    return node.get(attribute) in ("true", "1")
