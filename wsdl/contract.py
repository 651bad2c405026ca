"""A contract: the ports, operations, messages and faults of a WSDL document, read from the document itself.

WSDL 1.1 with the SOAP 1.1 binding, rpc/literal and document/literal (WS-I Basic Profile 1.1 §4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

from lxml import etree

from wsdl import library, schema
from wsdl.names import DELEGATION_1, DELEGATION_2, WSDL, WSDL_SOAP, XSD, clark, local, namespace
from wsdl.schema import ComplexType, Member, SchemaError, Schemas, qname

Style = Literal["rpc", "document"]

_SCHEMA: Final = f"{{{XSD}}}schema"


@dataclass(frozen=True, slots=True)
class Message:
    """What travels in one direction.

    :ivar wrapper: Clark name of the child of soap:Body.
    :ivar parts: what the wrapper holds: the message's parts (rpc) or the wrapper's children (document).
    :ivar bare: document style only: the wrapper itself is the only value, of the type of ``parts[0]``.
    """

    wrapper: str
    parts: tuple[Member, ...]
    bare: bool = False


@dataclass(frozen=True, slots=True)
class FaultDeclaration:
    """A fault that an operation may answer: its name in the port type, its detail element, that element's type."""

    name: str
    element: str
    type: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one port."""

    name: str
    port: str
    namespace: str
    style: Style
    request: Message
    response: Message
    faults: tuple[FaultDeclaration, ...]

    def __str__(self) -> str:
        return f"{self.port}.{self.name}"


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a WSDL service.

    :ivar binding: Clark name of its binding.
    :ivar namespace: of its operations' wrappers (rpc) or of its binding (document).
    """

    name: str
    binding: str
    namespace: str
    style: Style
    operations: Mapping[str, Operation]


@dataclass(frozen=True, slots=True)
class Contract:
    """All that a WSDL document and the documents it imports say.

    :ivar name: the file's name.
    :ivar documents: names of all files it is made of, itself first.
    :ivar ports: of its own services, by port name, in the document's order.
    """

    name: str
    documents: tuple[str, ...]
    ports: Mapping[str, Port]
    schemas: Schemas

    @classmethod
    def load(cls, name: str) -> Contract:
        """Read a contract of the package; the same object every time.

        :raises DocumentUnknown: when the package has no such document.
        :raises SchemaError: when the document is not understood.
        """
        return _load(name)

    def answering_gridsite(self) -> Contract:
        """The same contract, in which the delegation-1 port also takes the operations of delegation-2.

        GridSite's own client (htproxyput 3.0) calls getNewProxyReq and its kin in the namespace of version 1.
        Their faults are then those of version 1.
        """
        first = next((port for port in self.ports.values() if port.namespace == DELEGATION_1), None)
        second = next((port for port in self.ports.values() if port.namespace == DELEGATION_2), None)
        if first is None or second is None:
            return self
        faults = next(iter(first.operations.values())).faults
        borrowed = {
            name: replace(
                operation,
                port=first.name,
                namespace=DELEGATION_1,
                request=replace(operation.request, wrapper=clark(DELEGATION_1, local(operation.request.wrapper))),
                response=replace(operation.response, wrapper=clark(DELEGATION_1, local(operation.response.wrapper))),
                faults=faults,
            )
            for name, operation in second.operations.items()
        }
        widened = replace(first, operations={**borrowed, **first.operations})
        return replace(self, ports={**self.ports, first.name: widened})


@cache
def _load(name: str) -> Contract:
    return _Loader(name).contract()


class _Loader:
    """Reads a document and all that it imports and includes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._roots: dict[str, etree._Element] = {}
        self._follow(name)
        self._schemas = schema.read(self._schema_roots())

    def contract(self) -> Contract:
        main = self._roots[self._name]
        ports = {
            port.get("name", ""): self._port(port)
            for service in main.iterchildren(f"{{{WSDL}}}service")
            for port in service.iterchildren(f"{{{WSDL}}}port")
        }
        if not ports:
            raise SchemaError(f"{self._name} has no service with a port")
        return Contract(self._name, tuple(self._roots), ports, self._schemas)

    def _follow(self, name: str) -> None:
        if name in self._roots:
            return
        root = library.root(name)
        self._roots[name] = root
        for location in imported(root):
            self._follow(location)

    def _schema_roots(self) -> Iterator[etree._Element]:
        for root in self._roots.values():
            if root.tag == _SCHEMA:
                yield root
            else:
                yield from root.iterfind(f"{{{WSDL}}}types/{_SCHEMA}")

    def _named(self, kind: str, name: str) -> etree._Element:
        """The message, port type or binding of this Clark name."""
        for root in self._roots.values():
            if root.get("targetNamespace") == namespace(name):
                for node in root.iterchildren(f"{{{WSDL}}}{kind}"):
                    if node.get("name") == local(name):
                        return node
        raise SchemaError(f"{self._name} refers to the {kind} {name}, which is not there")

    def _port(self, node: etree._Element) -> Port:
        name, binding_name = node.get("name", ""), qname(node, node.get("binding", ""))
        binding = self._named("binding", binding_name)
        soap = binding.find(f"{{{WSDL_SOAP}}}binding")
        style = "document" if soap is None else soap.get("style", "document")
        if soap is None or style not in ("rpc", "document"):
            raise SchemaError(f"the binding {binding_name} is not a SOAP 1.1 binding")
        port_type = self._named("portType", qname(binding, binding.get("type", "")))
        kind: Style = "rpc" if style == "rpc" else "document"
        operations: dict[str, Operation] = {}
        space = namespace(binding_name) or ""
        for bound in binding.iterchildren(f"{{{WSDL}}}operation"):
            operation = self._operation(name, port_type, bound, kind)
            space = operation.namespace if kind == "rpc" else space
            operations[operation.name] = operation
        return Port(name, binding_name, space, kind, operations)

    def _operation(
        self, port: str, port_type: etree._Element, bound: etree._Element, style: Style
    ) -> Operation:
        name = bound.get("name", "")
        abstract = next((n for n in port_type.iterchildren(f"{{{WSDL}}}operation") if n.get("name") == name), None)
        body = bound.find(f"{{{WSDL}}}input/{{{WSDL_SOAP}}}body")
        if abstract is None or body is None or body.get("use") != "literal":
            raise SchemaError(f"the operation {port}.{name} is not bound as a literal one")
        space = body.get("namespace", "") if style == "rpc" else ""
        messages = [
            self._message(abstract, side, space, name + suffix, style)
            for side, suffix in (("input", ""), ("output", "Response"))
        ]
        faults = tuple(self._fault(node) for node in abstract.iterchildren(f"{{{WSDL}}}fault"))
        space = space or namespace(messages[0].wrapper) or ""
        return Operation(name, port, space, style, messages[0], messages[1], faults)

    def _message(
        self, abstract: etree._Element, side: str, space: str, wrapper: str, style: Style
    ) -> Message:
        node = abstract.find(f"{{{WSDL}}}{side}")
        if node is None:
            raise SchemaError(f"the operation {abstract.get('name')} has no {side}")
        message = self._named("message", qname(node, node.get("message", "")))
        parts = list(message.iterchildren(f"{{{WSDL}}}part"))
        if style == "rpc":
            members = tuple(Member(p.get("name", ""), None, qname(p, p.get("type", ""))) for p in parts)
            return Message(clark(space, wrapper), members)
        if len(parts) != 1 or parts[0].get("element") is None:
            raise SchemaError(f"the message {message.get('name')} is not one element, as document/literal needs")
        element = self._schemas.element(qname(parts[0], parts[0].get("element", "")))
        kind = self._schemas.type(element.type)
        if isinstance(kind, ComplexType) and kind.text is None and not kind.attributes:
            return Message(element.name, kind.members)
        return Message(element.name, (Member(parts[0].get("name", ""), None, element.type),), bare=True)

    def _fault(self, node: etree._Element) -> FaultDeclaration:
        message = self._named("message", qname(node, node.get("message", "")))
        part = message.find(f"{{{WSDL}}}part")
        if part is None or part.get("element") is None:
            raise SchemaError(f"the fault {node.get('name')} has no element")
        element = self._schemas.element(qname(part, part.get("element", "")))
        return FaultDeclaration(node.get("name", ""), element.name, element.type)


def imported(root: etree._Element) -> list[str]:
    """The locations of all documents that a WSDL or schema document imports or includes, in its order."""
    found = [node.get("location") for node in root.iter(f"{{{WSDL}}}import")]
    for kind in ("include", "import"):
        found += [node.get("schemaLocation") for node in root.iter(f"{{{XSD}}}{kind}")]
    return [location for location in dict.fromkeys(found) if location]
