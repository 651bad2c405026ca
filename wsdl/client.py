"""A SOAP client: zeep with its edges taken off.

Contracts are loaded from the package, never from the network; values are plain Python in the forms of
:mod:`wsdl.codec`, lists are never None; answers must be exactly what the contract says; faults are typed.
zeep is loaded with the first client, because it is slow to import.
"""

from __future__ import annotations

import datetime
import ssl
import threading
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from grid.errors import ConfigurationError, GridError, InvalidArgument
from wsdl import library, texts
from wsdl.contract import Contract, Operation
from wsdl.names import local
from wsdl.schema import ComplexType, Member, Schemas, SimpleType

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
        self._zeep, self._binding = _zeep_client(wsdl_name, port, self._transport)

    def __enter__(self) -> SoapClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def call(self, operation: str, **parts: object) -> Any:
        """Call an operation with its parts by name.

        :returns: None, the value of the only part of the answer, or a dict of them by name.
        :raises RemoteFault: the service answered with a fault.
        :raises ServiceUnreachable: it could not be asked, or did not answer as the contract says.
        :raises InvalidArgument: the parts are not those of the operation.
        """
        import zeep.exceptions

        from wsdl.transport import ServiceUnreachable

        declared = self.port.operations.get(operation)
        if declared is None:
            raise InvalidArgument(f"the port {self.port.name} has no operation {operation}")
        arguments = _arguments(self._contract.schemas, declared, parts)
        try:
            result = self._binding.send(self._zeep, {"address": self.url}, operation, (), arguments)
        except zeep.exceptions.Fault as fault:
            raise remote_fault(fault.message, fault.code, fault.detail) from None
        except (zeep.exceptions.ValidationError, TypeError, ValueError) as error:
            raise InvalidArgument(f"{operation} cannot be called like that: {error}") from error
        except zeep.exceptions.Error as error:
            reason = f"its answer to {operation} is not what the contract says: {error}"
            raise ServiceUnreachable(self.url, reason) from error
        return _result(self._contract.schemas, declared, result)


@cache
def _zeep_document(wsdl_name: str) -> Any:
    from zeep import Settings
    from zeep.wsdl import Document

    # Reading is from package files; the same settings hold for answers, which come from the network.
    settings = Settings(strict=True, forbid_dtd=True, forbid_entities=True)
    return Document(str(library.DIRECTORY / wsdl_name), _PackageFiles(), settings=settings)


def _zeep_client(wsdl_name: str, port: str, transport: HttpTransport) -> tuple[Any, Any]:
    import zeep

    with _ZEEP:  # loading twice at once would only waste time, but zeep's documents are not made for it
        document = _zeep_document(wsdl_name)
    client: Any = zeep.Client(document, transport=transport, settings=document.settings)
    return client, next(s.ports[port].binding for s in document.services.values() if port in s.ports)


class _PackageFiles:
    """What zeep loads documents with: package files by name, nothing from anywhere else."""

    def load(self, url: str) -> bytes:
        return library.read(url.rsplit("/", 1)[-1])


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


def _to_zeep(schemas: Schemas, name: str, value: object) -> object:
    kind = schemas.type(name)
    if value is None:
        return None
    if isinstance(kind, SimpleType):
        try:
            texts.to_text(kind)(value)  # zeep would take and send anything
        except (TypeError, ValueError) as error:
            raise InvalidArgument(str(error)) from error
        return value
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


def _result(schemas: Schemas, operation: Operation, result: object) -> object:
    """zeep's values as ours.  zeep unwraps an answer with one part, and leaves out empty lists."""
    parts = operation.response.parts
    if not parts:
        return None
    if len(parts) > 1:
        return {part.name: _member(schemas, part, getattr(result, part.name, None)) for part in parts}
    value = result
    if _is_structure(result) and hasattr(result, parts[0].name) and operation.style == "document":
        value = getattr(result, parts[0].name)
    return _member(schemas, parts[0], value)


def _member(schemas: Schemas, member: Member, value: object) -> object:
    if not member.repeated:
        return _plain(schemas, schemas.type(member.type), value)
    kind = schemas.type(member.type)
    items = value if isinstance(value, (list, tuple)) else [] if value is None else [value]
    return [_plain(schemas, kind, item) for item in items]


def _plain(schemas: Schemas, kind: SimpleType | ComplexType, value: object) -> object:
    if isinstance(kind, SimpleType):
        if isinstance(value, datetime.datetime):
            return value.replace(tzinfo=datetime.UTC) if value.tzinfo is None else value.astimezone(datetime.UTC)
        return "" if value is None and kind.base == "string" else value
    if kind.list_of is not None:
        items = getattr(value, kind.list_of.name) if _is_structure(value) else value
        return _member(schemas, kind.list_of, items)
    if value is None:
        return None
    return {
        member.name: None
        if not member.repeated and getattr(value, member.name, None) is None
        else _member(schemas, member, getattr(value, member.name, None))
        for member in kind.members
    }


def _is_structure(value: object) -> bool:
    from zeep.xsd import CompoundValue

    return isinstance(value, CompoundValue)


def remote_fault(text: str | None, faultcode: str | None, detail: etree._Element | None) -> RemoteFault:
    """The exception for a SOAP fault, whichever of the known forms its detail has (:mod:`wsdl.faults`)."""
    entry = detail[0] if detail is not None and not isinstance(detail, (str, bytes)) and len(detail) else None
    where = (faultcode or "Server").rpartition(":")[2]
    if entry is None:
        return RemoteFault("Fault", text or "the service answered with a fault that says nothing", faultcode=where)
    found: dict[str, list[str]] = {}
    for child in entry:
        if isinstance(child.tag, str):
            found.setdefault(local(child.tag).lower(), []).append(child.text or "")

    def first(*names: str) -> str | None:
        return next((found[name][0] for name in names if found.get(name)), None)

    kind = local(str(entry.tag))
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
