"""A description: WSDL 1.1 documents with everything that they import, taken apart for the assertions.

It is read with lxml alone and shares no code with the server, whose own reading of its contract is under test.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lxml import etree

WSDL = "http://schemas.xmlsoap.org/wsdl/"
SOAPBIND = "http://schemas.xmlsoap.org/wsdl/soap/"
XSD = "http://www.w3.org/2001/XMLSchema"
W, S, X = f"{{{WSDL}}}", f"{{{SOAPBIND}}}", f"{{{XSD}}}"


def local(name: str) -> str:
    return name.rpartition("}")[2]


def elements(node: etree._Element) -> list[etree._Element]:
    """The element children; neither comments nor processing instructions."""
    return [child for child in node if isinstance(child.tag, str)]


def qname(node: etree._Element, text: str | None) -> str | None:
    """The Clark name that a QName in the content of ``node`` means; None when its prefix is not declared."""
    if text is None:
        return None
    prefix, colon, name = text.strip().rpartition(":")
    space = node.nsmap.get(prefix if colon else None)
    if colon and space is None:
        return None
    return f"{{{space}}}{name}" if space else name


@dataclass(frozen=True)
class Part:
    """A ``wsdl:part``; ``refers`` is the Clark name of its type or element."""

    name: str
    kind: str
    refers: str | None


@dataclass(frozen=True)
class BoundOperation:
    """An operation as a binding binds it.

    :ivar faults: Clark names of the elements of its declared faults.
    """

    binding: str
    name: str
    style: str
    action: str
    namespace: str | None
    request: tuple[Part, ...]
    response: tuple[Part, ...]
    faults: tuple[str, ...]


class Description:
    """:param documents: bytes of every document by its name; the first is the one that imports the others."""

    def __init__(self, documents: dict[str, bytes]) -> None:
        self.documents = documents
        self.roots = {name: etree.fromstring(data) for name, data in documents.items()}

    @classmethod
    def load(cls, main: str, read: Callable[[str], bytes]) -> Description:
        """Follow the imports and includes from ``main``; a name is what stands behind the last ``=`` or ``/``."""
        documents: dict[str, bytes] = {}
        todo = [main]
        while todo:
            name = todo.pop(0)
            if name in documents:
                continue
            documents[name] = read(name)
            for node in etree.fromstring(documents[name]).iter(f"{W}import", f"{X}import", f"{X}include"):
                location = node.get("location") or node.get("schemaLocation")
                if location:
                    todo.append(short(location))
        return cls(documents)

    @property
    def wsdls(self) -> list[tuple[str, etree._Element]]:
        return [(name, root) for name, root in self.roots.items() if root.tag == f"{W}definitions"]

    @property
    def schemas(self) -> list[tuple[str, etree._Element]]:
        """Every schema element, embedded or in a document of its own."""
        return [(name, node) for name, root in self.roots.items() for node in root.iter(f"{X}schema")]

    def named(self, kind: str) -> dict[str, etree._Element]:
        """All components of a kind (``"message"``, ``"portType"``, ``"binding"``) by Clark name."""
        return {
            f"{{{root.get('targetNamespace')}}}{node.get('name')}": node
            for _, root in self.wsdls
            for node in root.iterchildren(f"{W}{kind}")
        }

    def declared(self, kind: str) -> dict[str, etree._Element]:
        """All global components of the schemas of a kind (``"element"``), or types (``"Type"``), by Clark name."""
        tags = (f"{X}simpleType", f"{X}complexType") if kind == "Type" else (f"{X}{kind}",)
        found: dict[str, etree._Element] = {}
        for name, schema in self.schemas:
            for space in self.spaces_of(name, schema):
                prefix = f"{{{space}}}" if space else ""
                found.update({f"{prefix}{node.get('name')}": node for node in schema.iterchildren(*tags)})
        return found

    def spaces_of(self, name: str, schema: etree._Element) -> list[str | None]:
        """A schema's target namespace; a document without one takes those of the schemas that include it."""
        space = schema.get("targetNamespace")
        if space is not None or schema.getparent() is not None:
            return [space]
        including = [
            other.get("targetNamespace")
            for _, other in self.schemas
            for node in other.iterchildren(f"{X}include")
            if short(node.get("schemaLocation", "")) == name
        ]
        return list(including) or [None]

    def parts(self, message: str | None) -> tuple[Part, ...]:
        """The parts of a message by its Clark name."""
        node = self.named("message").get(message or "")
        if node is None:
            return ()
        found = []
        for part in node.iterchildren(f"{W}part"):
            kind = "element" if part.get("element") is not None else "type"
            found.append(Part(part.get("name", ""), kind, qname(part, part.get(kind))))
        return tuple(found)

    @cached_property
    def operations(self) -> list[BoundOperation]:
        """Every operation of every binding."""
        return [found for _, binding in self.named("binding").items() for found in self._bound(binding)]

    def _bound(self, binding: etree._Element) -> Iterator[BoundOperation]:
        port_type = self.named("portType").get(qname(binding, binding.get("type")) or "")
        abstract = {} if port_type is None else {o.get("name"): o for o in port_type.iterchildren(f"{W}operation")}
        soap = binding.find(f"{S}binding")
        for bound in binding.iterchildren(f"{W}operation"):
            operation = abstract.get(bound.get("name"))
            if operation is None:
                continue
            own = bound.find(f"{S}operation")
            style = (own.get("style") if own is not None else None) or (soap.get("style") if soap is not None else None)
            body = bound.find(f"{W}input/{S}body")
            yield BoundOperation(
                binding.get("name", ""),
                bound.get("name", ""),
                style or "document",
                (own.get("soapAction") if own is not None else None) or "",
                body.get("namespace") if body is not None else None,
                self.parts(_message(operation, "input")),
                self.parts(_message(operation, "output")),
                tuple(
                    part.refers or ""
                    for fault in operation.iterchildren(f"{W}fault")
                    for part in self.parts(qname(fault, fault.get("message")))
                ),
            )

    def called(self, entry: str) -> BoundOperation | None:
        """The operation that is called by a child of soap:Body with this Clark name."""
        for operation in self.operations:
            if operation.style == "rpc" and f"{{{operation.namespace}}}{operation.name}" == entry:
                return operation
            if operation.style == "document" and entry in [part.refers for part in operation.request]:
                return operation
        return None

    # ------------------------------------------------------------------ instances against the schemas

    def compiled(self, accessors: tuple[Part, ...] = ()) -> etree.XMLSchema:
        """The schemas of the description, with unqualified elements of the parts' types declared beside them.

        :raises lxml.etree.XMLSchemaParseError: when they are not valid.
        """
        with tempfile.TemporaryDirectory(prefix="wsi-schemas-") as folder:
            lines = self._write_out(Path(folder))
            for number, part in enumerate(accessors):
                space, _, name = (part.refers or "").lstrip("{").rpartition("}")
                lines.append(f'<xsd:element name="{part.name}" type="p{number}:{name}" xmlns:p{number}="{space}"/>')
            text = f'<xsd:schema xmlns:xsd="{XSD}">{"".join(lines)}</xsd:schema>'
            return etree.XMLSchema(etree.fromstring(text, base_url=str(Path(folder) / "main.xsd")))

    def _write_out(self, folder: Path) -> list[str]:
        """Write all schemas into files, with local names for what they include; returns an ``xsd:import`` of each
        embedded one."""
        for name, root in self.roots.items():
            if root.tag == f"{X}schema":
                (folder / name).write_bytes(_localised(root))
        lines = []
        embedded = [schema for _, schema in self.schemas if schema.getparent() is not None]
        for number, schema in enumerate(embedded):
            if schema.get("targetNamespace") is not None:
                (folder / f"embedded{number}.xsd").write_bytes(_localised(schema))
                space = schema.get("targetNamespace")
                lines.append(f'<xsd:import namespace="{space}" schemaLocation="embedded{number}.xsd"/>')
        return lines


def short(location: str) -> str:
    """``"jsdl.xsd"`` of ``"https://host/service?xsd=jsdl.xsd"``."""
    return location.rpartition("=")[2].rpartition("/")[2]


def _message(operation: etree._Element, side: str) -> str | None:
    node = operation.find(f"{W}{side}")
    return None if node is None else qname(node, node.get("message"))


def _localised(schema: etree._Element) -> bytes:
    copy = etree.fromstring(etree.tostring(schema))
    for node in copy.iter(f"{X}import", f"{X}include"):
        if node.get("schemaLocation"):
            node.set("schemaLocation", short(node.get("schemaLocation", "")))
    return etree.tostring(copy)
