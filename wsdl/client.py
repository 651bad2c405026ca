"""A SOAP client: zeep with its edges taken off.

Contracts are loaded from the package, never from the network.  zeep checks and writes the requests.  The answers
come in through :mod:`grid.xmldoor` and are read by :mod:`wsdl.codec`: zeep turns a number it cannot read into None
and loses a zero inside a choice.  Values are plain Python, lists are never None, answers must be exactly what the
contract says, faults are typed.  zeep is loaded with the first client, because it is slow to import.
"""

from __future__ import annotations

import copy
import datetime
import ssl
import threading
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from grid.errors import ConfigurationError, GridError, InvalidArgument
from wsdl import envelope, library, texts
from wsdl.codec import Codec, ValueRefused
from wsdl.contract import Contract, Operation
from wsdl.envelope import EnvelopeRefused
from wsdl.names import XSI_TYPE, local
from wsdl.schema import Member, Schemas, SimpleType

if TYPE_CHECKING:
    from lxml import etree

    from wsdl.transport import HttpTransport

_ZEEP: Final = threading.Lock()


class RemoteFault(GridError):
    """A service answered with a fault.

    :ivar kind: local name of the fault's element, ``"JobUnknownFault"``; ``"Fault"`` when it has none.
    :ivar method: the operation, as the service names it.
    :ivar timestamp: when it happened, as the service says (UTC), or None.
    :ivar faultcode: ``Client``, ``Server`` …
    """

    default_code = 1202

    def __init__(
        self,
        kind: str,
        description: str,
        *,
        code: int | None = None,
        causes: tuple[str, ...] = (),
        method: str | None = None,
        timestamp: datetime.datetime | None = None,
        faultcode: str = "Server",
    ) -> None:
        super().__init__(description, code=code, causes=causes)
        self.kind = kind
        self.method = method
        self.timestamp = timestamp
        self.faultcode = faultcode


class SoapClient:
    """Calls the operations of one port at one address.  Safe for threads; connections are kept.

    :param wsdl_name: a contract of the package, ``"WMProxy.wsdl"``.
    :param port: one of its ports, ``"WMProxy_PortType"``.
    :param context: TLS context for an https address; it alone says who is trusted and who calls.
    :param timeout: seconds for one call.
    :raises ConfigurationError: when the contract has no such port.
    """

    def __init__(
        self, wsdl_name: str, port: str, url: str, context: ssl.SSLContext | None, timeout: float = 60.0
    ) -> None:
        from wsdl.transport import HttpTransport

        self.url = url
        self._contract = Contract.load(wsdl_name)
        if port not in self._contract.ports:
            raise ConfigurationError(f"{wsdl_name} has no port {port}")
        self.port = self._contract.ports[port]
        self._transport: HttpTransport = HttpTransport(context, timeout)
        self._binding = _zeep_binding(wsdl_name, port)
        codec = Codec(self._contract.schemas, strict=True)
        self._wires = {
            name: _reader(codec, operation) for name, operation in self.port.operations.items()
        }

    def __enter__(self) -> SoapClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def call(self, operation: str, **parts: object) -> Any:
        """Call an operation with its parts by name.

        A part that is given as an element is sent with the content of this element (a JSDL document, whose
        extensions no schema describes).

        :returns: None, the value of the only part of the answer, or a dict of them by name.
        :raises RemoteFault: the service answered with a fault.
        :raises ServiceUnreachable: it could not be asked, or did not answer as the contract says.
        :raises InvalidArgument: the parts are not those of the operation.
        """
        import zeep.exceptions
        from lxml import etree

        declared = self.port.operations.get(operation)
        if declared is None:
            raise InvalidArgument(f"the port {self.port.name} has no operation {operation}")
        elements = {name: value for name, value in parts.items() if isinstance(value, etree._Element)}
        arguments = _arguments(self._contract.schemas, declared, parts)
        try:
            bound = self._binding.get(operation)
            request = bound.create(**arguments).content
        except (zeep.exceptions.Error, TypeError, ValueError) as error:
            raise InvalidArgument(f"{operation} cannot be called like that: {error}") from error
        for name, element in elements.items():
            _put_content(request, name, element)
        return self._result(declared, self._transport.post(self.url, request, bound.soapaction or ""))

    def _result(self, operation: Operation, data: bytes) -> object:
        from wsdl.transport import ServiceUnreachable

        try:
            entry = envelope.body_entry(data)
            if entry.tag == envelope.FAULT:
                raise remote_fault(entry)
            if entry.tag != operation.response.wrapper:
                raise ValueRefused(str(entry.tag)[:100], f"{operation.response.wrapper} belongs there")
            values = self._wires[operation.name](entry)
        except (EnvelopeRefused, ValueRefused) as error:
            reason = f"its answer to {operation.name} is not what the contract says: {error}"
            raise ServiceUnreachable(self.url, reason) from error
        if len(operation.response.parts) > 1:
            return values
        return next(iter(values.values()), None)


def _reader(codec: Codec, operation: Operation) -> Callable[[etree._Element], dict[str, object]]:
    """The function that reads the values of an answer from its wrapper element."""
    message = operation.response
    if not message.bare:
        return codec.member_reader(message.parts)
    part, read_value = message.parts[0], codec.reader(message.parts[0].type)

    def read(wrapper: etree._Element) -> dict[str, object]:
        try:
            return {part.name: read_value(wrapper)}
        except ValueRefused:
            raise
        except ValueError as error:
            raise ValueRefused(part.name, str(error)) from None

    return read


class _Given(str):
    """The text of a value that Python holds for false: zeep would leave a zero out of a choice."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


@cache
def _zeep_document(wsdl_name: str) -> Any:
    from zeep import Settings
    from zeep.wsdl import Document

    settings = Settings(strict=True, forbid_dtd=True, forbid_entities=True)
    return Document(str(library.DIRECTORY / wsdl_name), _PackageFiles(), settings=settings)


def _zeep_binding(wsdl_name: str, port: str) -> Any:
    with _ZEEP:  # zeep's documents are not made for being loaded twice at once
        document = _zeep_document(wsdl_name)
    return next(service.ports[port].binding for service in document.services.values() if port in service.ports)


class _PackageFiles:
    """What zeep loads documents with: package files by name, nothing from anywhere else."""

    def load(self, url: str) -> bytes:
        return library.read(url.rsplit("/", 1)[-1])


def _put_content(request: etree._Element, part: str, content: etree._Element) -> None:
    """Give the element of a part the content of another one."""
    place = next(element for element in request.iter(part))
    place[:] = [copy.deepcopy(child) for child in content]


def _arguments(schemas: Schemas, operation: Operation, parts: Mapping[str, object]) -> dict[str, object]:
    members = {member.name: member for member in operation.request.parts}
    wrong = parts.keys() - members.keys()
    missing = [m.name for m in members.values() if m.min_occurs and not m.nillable and parts.get(m.name) is None]
    if wrong or missing:
        raise InvalidArgument(f"{operation.name} takes {', '.join(members) or 'nothing'}; given: {', '.join(parts)}")
    return {
        name: _to_zeep_member(schemas, members[name], value) for name, value in parts.items() if value is not None
    }


def _to_zeep_member(schemas: Schemas, member: Member, value: object) -> object:
    if not member.repeated:
        return _to_zeep(schemas, member.type, value)
    if not isinstance(value, (list, tuple)):
        raise InvalidArgument(f"{member.name} must be a list, not a {type(value).__name__}")
    return [_to_zeep(schemas, member.type, item) for item in value]


def _hollow(schemas: Schemas, name: str) -> object:
    """The least value of a type: what is there of an element before it gets its content."""
    kind = schemas.type(name)
    if isinstance(kind, SimpleType):
        return ""
    return {member.name: _hollow(schemas, member.type) for member in kind.members if member.min_occurs}


def _to_zeep(schemas: Schemas, name: str, value: object) -> object:
    kind = schemas.type(name)
    if value is None:
        return None
    if hasattr(value, "iterchildren"):
        return _hollow(schemas, name)
    if isinstance(kind, SimpleType):
        try:
            text = texts.to_text(kind)(value)  # zeep would take and send anything
        except (TypeError, ValueError) as error:
            raise InvalidArgument(str(error)) from error
        return value if value else _Given(text)
    if kind.list_of is not None:
        return {kind.list_of.name: _to_zeep_member(schemas, kind.list_of, value)}
    given = {member.name: _attribute(value, member.name) for member in kind.members}
    return {
        member.name: _to_zeep_member(schemas, member, given[member.name])
        for member in kind.members
        if given[member.name] is not None
    }


def _attribute(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def remote_fault(fault: etree._Element) -> RemoteFault:
    """The exception for a ``soap:Fault``, whichever of the known forms its detail has (:mod:`wsdl.faults`)."""
    text = fault.findtext("faultstring")
    where = (fault.findtext("faultcode") or "Server").strip().rpartition(":")[2]
    detail = fault.find("detail")
    if detail is None or not len(detail):
        return RemoteFault("Fault", text or "the service answered with a fault that says nothing", faultcode=where)
    entry = detail[0]
    found: dict[str, list[str]] = {}
    for child in entry:
        found.setdefault(local(child.tag).lower(), []).append(child.text or "")

    def first(*names: str) -> str | None:
        return next((found[name][0] for name in names if found.get(name)), None)

    kind = _kind(entry)
    number = first("errorcode", "code")
    return RemoteFault(
        kind,
        first("description", "message", "msg", "text") or text or kind,
        code=int(number) if number and number.strip().isdigit() else _code_of(kind),
        causes=tuple(found.get("faultcause", ())),
        method=first("methodname"),
        timestamp=_moment(first("timestamp")),
        faultcode=where,
    )


def _kind(entry: etree._Element) -> str:
    """The fault's name; the original servers sent ``<fault xsi:type="ns1:JobUnknownFaultType">``."""
    name = local(entry.tag)
    named = entry.get(XSI_TYPE, "").rpartition(":")[2].removesuffix("Type")
    return named if name == "fault" and named else name


def _code_of(kind: str) -> int | None:
    return 1215 if kind == "DelegationException" else None


def _moment(text: str | None) -> datetime.datetime | None:
    if not text:
        return None
    try:
        found = texts.from_text(SimpleType("", "dateTime"))(text)
    except ValueError:
        return None  # a fault with a strange date is still a fault
    return found if isinstance(found, datetime.datetime) else None
