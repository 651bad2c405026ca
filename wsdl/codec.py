"""Values to XML and back, by the types of a contract; one reader and one writer compiled per type.

What a value is in Python:

* a simple type: ``str``, ``int``, ``bool``, ``float``, ``Decimal``, ``bytes`` or an aware UTC ``datetime``;
* a type that holds nothing but a list (``StringList``): a ``list``;
* any other complex type: read as a ``dict`` with a key for every member (None when absent, ``[]`` for no items) and
  every attribute, ``"value"`` for simple content, ``"any"`` for a list of :class:`AnyElement`; written from such a
  dict or from an object with these attributes;
* nil: None.

Children are matched by local name whatever their namespace, because gSOAP and zeep do not agree on the
qualification of JSDL's.  Of requests the order is not enforced and an unknown child is passed over, except in a
list, where it would silently lose an item, and in JSDL, where it would silently lose what the job is to be.  A strict
codec, for answers, enforces the order and knows no unknown
children.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar

from lxml import etree

from grid.errors import InternalFailure, InvalidArgument
from wsdl import texts
from wsdl.names import NIL, SOAP_ENCODING, XSI_TYPE, clark, local, namespace
from wsdl.schema import ComplexType, Member, Schemas, SimpleType

Reader = Callable[[etree._Element], object]
Writer = Callable[[etree._Element, object], None]
MemberReader = Callable[[Iterable[etree._Element]], dict[str, object]]
Function = TypeVar("Function", Reader, Writer)

_JSDL: Final = "http://schemas.ggf.org/jsdl/"
_TRUE: Final = ("true", "1")
_ARRAY_TYPE: Final = f"{{{SOAP_ENCODING}}}arrayType"
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class ValueRefused(InvalidArgument):
    """A value of a request is missing or not what the contract says.

    :ivar path: the elements down to it, ``"items/Item"``.
    :ivar reason: what is wrong with it.
    """

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"the argument {path} is refused: {reason}")


class ValueUnfit(InternalFailure):
    """A value that this program wanted to send is not what the contract says: a fault of the program."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(f"the value for {path} does not fit the contract: {reason}")


@dataclass(frozen=True, slots=True)
class AnyElement:
    """An element that came through a wildcard; ``value`` is None when the contract does not know it."""

    namespace: str | None
    name: str
    value: object


class _Field(NamedTuple):
    """A member, prepared for the hot path."""

    name: str
    tag: str
    many: bool
    nillable: bool
    required: bool
    type: str


class Codec:
    """The readers and writers of one contract, each compiled when it is first asked for.  Safe for threads.

    :param strict: read only what is exactly as the contract says.
    """

    def __init__(self, schemas: Schemas, *, strict: bool = False) -> None:
        self._schemas = schemas
        self._strict = strict
        self._readers: dict[str, Reader] = {}
        self._writers: dict[str, Writer] = {}
        self._compiling = threading.RLock()
        by_local: dict[str, str] = {}
        for name in schemas.elements:
            by_local.setdefault(local(name), name)
        self._element_by_local = by_local

    def reader(self, name: str) -> Reader:
        """The function that turns an element of this type into a value.

        It raises ValueError with a reason, or :class:`ValueRefused` for something inside.
        """
        found = self._readers.get(name)
        if found is None:
            with self._compiling:
                if name not in self._readers:
                    # For types that hold themselves, and for threads that come while it is compiled.
                    self._readers[name] = lambda element: self._whole(self._readers, name)(element)
                    self._readers[name] = self._compile_reader(name)
                found = self._readers[name]
        return found

    def writer(self, name: str) -> Writer:
        """The function that fills an element of this type with a value.

        It raises TypeError or ValueError with a reason, or :class:`ValueUnfit` for something inside.
        """
        found = self._writers.get(name)
        if found is None:
            with self._compiling:
                if name not in self._writers:
                    self._writers[name] = lambda element, value: self._whole(self._writers, name)(element, value)
                    self._writers[name] = self._compile_writer(name)
                found = self._writers[name]
        return found

    def _whole(self, compiled: Mapping[str, Function], name: str) -> Function:
        """What is compiled for a type, once it is: another thread may be at it."""
        with self._compiling:
            return compiled[name]

    # ------------------------------------------------------------------ reading

    def _compile_reader(self, name: str) -> Reader:
        kind = self._schemas.type(name)
        if not isinstance(kind, ComplexType):
            return _text_reader(texts.from_text(kind))
        if kind.list_of is not None:
            return self._list_reader(kind.list_of)
        return self._complex_reader(kind)

    def member_reader(self, members: Sequence[Member], *, wildcard: bool = False) -> MemberReader:
        """The function that reads the children of a wrapper or of a complex type into a dict.

        It raises :class:`ValueRefused`, with the path from here, for what is missing, doubled or wrong.
        """
        read = self._lenient_reader(members)
        if not self._strict:
            return read
        places = {member.name: place for place, member in enumerate(members)}

        def read_strictly(children: Iterable[etree._Element]) -> dict[str, object]:
            before = -1
            for child in children:
                place = places.get(local(child.tag))
                if place is None:
                    if wildcard:
                        continue
                    raise ValueRefused(local(child.tag)[:60], "the contract does not have it here")
                if place < before and members[place].ordered:
                    raise ValueRefused(members[place].name, f"it comes after {members[before].name}")
                before = max(place, before)
            return read(children)

        return read_strictly

    def _lenient_reader(self, members: Sequence[Member]) -> MemberReader:
        fields = {m.name: (_field(m), self.reader(m.type)) for m in members}
        absent = dict.fromkeys(m.name for m in members)  # in the contract's order, which callers rely on
        lists = tuple(m.name for m in members if m.repeated)
        # An empty list passes even where one item is the least: L&B answers so for a user without jobs.
        required = tuple(m for m in members if m.min_occurs and not m.nillable and not m.repeated)

        def read(children: Iterable[etree._Element]) -> dict[str, object]:
            values: dict[str, object] = dict(absent)
            for name in lists:
                values[name] = []
            seen: set[str] = set()
            for child in children:
                found = fields.get(local(child.tag))
                if found is None:
                    continue
                field, read_child = found
                nil = child.get(NIL) in _TRUE
                if field.many:
                    if not nil:
                        values[field.name].append(_read(field.name, read_child, child))  # type: ignore[attr-defined]
                    continue
                if field.name in seen:
                    raise ValueRefused(field.name, "it is given more than once")
                seen.add(field.name)
                if not nil:
                    values[field.name] = _read(field.name, read_child, child)
            for member in required:
                if values[member.name] is None:
                    raise ValueRefused(member.name, "it is nil" if member.name in seen else "it is missing")
            return values

        return read

    def _complex_reader(self, kind: ComplexType) -> Reader:
        read_members = self.member_reader(kind.members, wildcard=kind.wildcard)
        members = frozenset(member.name for member in kind.members)
        attributes = tuple((a, texts.from_text(_simple(self._schemas, a.type))) for a in kind.attributes)
        read_text = self.reader(kind.text) if kind.text else None
        closed = (namespace(kind.name) or "").startswith(_JSDL) and not kind.wildcard and not kind.text

        def read(element: etree._Element) -> object:
            _refuse_reference(element)
            for child in element if closed else ():
                if local(child.tag) not in members:
                    raise ValueError(f"it holds <{local(child.tag)[:60]}>, which JSDL does not know there")
            if read_text is not None:
                values: dict[str, object] = {"value": read_text(element)}
            else:
                values = read_members(element)
            for attribute, convert in attributes:
                given = element.get(attribute.name)
                if given is None and attribute.required:
                    raise ValueError(f"its attribute {attribute.name} is missing")
                values[attribute.name] = None if given is None else convert(given)
            if kind.wildcard:
                values["any"] = [self._foreign(child) for child in element if local(child.tag) not in members]
            return values

        return read

    def _list_reader(self, member: Member) -> Reader:
        read_item = self.reader(member.type)

        def read(element: etree._Element) -> object:
            _refuse_reference(element)
            # SOAPpy sends lists as SOAP arrays, whose items carry any name.
            array = element.get(_ARRAY_TYPE) is not None or element.get(XSI_TYPE, "").endswith(":Array")
            items: list[object] = []
            for child in element:
                if not array and local(child.tag) != member.name:
                    raise ValueError(f"it holds <{local(child.tag)[:60]}> where <{member.name}> belongs")
                nil = child.get(NIL) in _TRUE
                if not nil:
                    items.append(_read(member.name, read_item, child))
                elif member.nillable:
                    items.append(None)
            return items

        return read

    def _foreign(self, element: etree._Element) -> AnyElement:
        """Lax processing (XML Schema §3.10): an element that the contract knows is read by its type."""
        name, space = local(element.tag), namespace(element.tag)
        known = self._schemas.elements.get(clark(space, name))
        if known is None and space is None and name in self._element_by_local:
            known = self._schemas.elements[self._element_by_local[name]]
        if known is None:
            return AnyElement(space, name, None)
        return AnyElement(namespace(known.name), name, _read(name, self.reader(known.type), element))

    # ------------------------------------------------------------------ writing

    def _compile_writer(self, name: str) -> Writer:
        kind = self._schemas.type(name)
        if not isinstance(kind, ComplexType):
            return _text_writer(texts.to_text(kind))
        if kind.list_of is not None:
            return self._list_writer(kind.list_of)
        write_text = self.writer(kind.text) if kind.text else None
        write_members = self.member_writer(kind.members)
        attributes = tuple((a, texts.to_text(_simple(self._schemas, a.type))) for a in kind.attributes)

        def write(element: etree._Element, value: object) -> None:
            get = _getter(value)
            for attribute, convert in attributes:
                given = get(attribute.name)
                if given is not None:
                    element.set(attribute.name, convert(given))
            if write_text is not None:
                write_text(element, get("value"))
            else:
                write_members(element, value)

        return write

    def member_writer(self, members: Sequence[Member]) -> Writer:
        """The function that writes the children of a wrapper or of a complex type, in the contract's order.

        It raises :class:`ValueUnfit`, with the path from here, for what is missing, unknown or wrong.
        """
        fields = tuple((_field(m), self.writer(m.type)) for m in members)
        known = frozenset(m.name for m in members)

        def write(element: etree._Element, value: object) -> None:
            if isinstance(value, Mapping) and not value.keys() <= known | {"any"}:
                raise TypeError(f"the contract has no {', '.join(sorted(map(str, value.keys() - known)))}")
            get = _getter(value)
            for field, write_child in fields:
                given = get(field.name)
                if field.many:
                    _write_items(element, field, write_child, given)
                elif given is not None:
                    _write(element, field, write_child, given)
                elif field.required:
                    if not field.nillable:
                        raise ValueUnfit(field.name, "it is missing")
                    etree.SubElement(element, field.tag).set(NIL, "true")

        return write

    def _list_writer(self, member: Member) -> Writer:
        field, write_child = _field(member), self.writer(member.type)

        def write(element: etree._Element, value: object) -> None:
            _write_items(element, field, write_child, value)

        return write


def _field(member: Member) -> _Field:
    return _Field(
        member.name, member.tag, member.repeated, member.nillable, member.min_occurs > 0, member.type
    )


def _simple(schemas: Schemas, name: str) -> SimpleType:
    kind = schemas.type(name)
    if isinstance(kind, ComplexType):
        raise ValueError(f"{name} is not a simple type")
    return kind


def _read(name: str, reader: Reader, element: etree._Element) -> object:
    try:
        return reader(element)
    except ValueRefused as error:
        raise ValueRefused(f"{name}/{error.path}", error.reason) from None
    except ValueError as error:
        raise ValueRefused(name, str(error)) from None


def _text_reader(convert: texts.FromText) -> Reader:
    def read(element: etree._Element) -> object:
        if len(element):
            raise ValueError(f"it holds the element <{local(element[0].tag)[:60]}> where a text belongs")
        text = element.text
        if text is None:
            _refuse_reference(element)
            text = ""
        return convert(text)

    return read


def _refuse_reference(element: etree._Element) -> None:
    """SOAP section 5 references would read as empty values; neither wire style has them."""
    if element.get("href") is not None and not len(element):
        raise ValueError("references (href) are not supported, send the value in its place")


def _getter(value: object) -> Callable[[str], object]:
    if isinstance(value, Mapping):
        return value.get
    if isinstance(value, (str, bytes, int, float, list, tuple)):
        raise TypeError(f"a {type(value).__name__} stands where a structure belongs")
    return lambda name: getattr(value, name, None)


def _write(parent: etree._Element, field: _Field, writer: Writer, value: object) -> None:
    try:
        writer(etree.SubElement(parent, field.tag), value)
    except ValueUnfit as error:
        raise ValueUnfit(f"{field.name}/{error.path}", error.reason) from error
    except (TypeError, ValueError) as error:
        raise ValueUnfit(field.name, str(error)) from error


def _write_items(parent: etree._Element, field: _Field, writer: Writer, items: object) -> None:
    if items is None:
        return
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise ValueUnfit(field.name, f"a {type(items).__name__} stands where a list belongs")
    for item in items:
        if item is None and field.nillable:
            etree.SubElement(parent, field.tag).set(NIL, "true")
        else:
            _write(parent, field, writer, item)


def _text_writer(convert: texts.ToText) -> Writer:
    def write(element: etree._Element, value: object) -> None:
        set_text(element, convert(value))

    return write


def set_text(element: etree._Element, text: str) -> None:
    """Set an element's text; a character that XML 1.0 cannot carry becomes U+FFFD.

    One control character in one job's data must not make a whole answer impossible.
    """
    try:
        element.text = text
    except ValueError:
        element.text = _NOT_XML.sub("\ufffd", text)
