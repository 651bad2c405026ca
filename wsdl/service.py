"""A SOAP server: a contract, handler objects for its ports, and the WSGI callable that joins them.

A handler is a plain object with a method per operation: ``handler.jobStart(call, jobId=...)``.  It takes and gives
plain values (:mod:`wsdl.codec`, :mod:`wsdl.types`), knows nothing of SOAP, and raises
:class:`grid.errors.GridError` for what the caller should read.
"""

from __future__ import annotations

import inspect
import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grid.errors import AuthenticationFailed, ConfigurationError, GridError, InternalFailure, NotImplementedYet
from grid.limits import MAX_XML_BYTES
from web.guard import guarded
from wsdl import declaration
from wsdl.codec import Codec, ValueUnfit
from wsdl.contract import Contract, Operation, Port
from wsdl.document import DocumentLiteral
from wsdl.documents import Documents
from wsdl.faults import FaultWriter, WireFault
from wsdl.names import SOAP
from wsdl.operation import Terms, terms_of
from wsdl.protocol import SoapFault, SoapProtocol
from wsdl.rpc import RpcLiteral
from wsdl.spyne_compat import spyne
from wsdl.wsgi import TEXT, XML, RequestRefused, StartResponse, read_body, reply

_log: Final = logging.getLogger("wms.wsdl")

_OK: Final = "200 OK"
_FAULT: Final = "500 Internal Server Error"
_GSOAP: Final = "gSOAP/"
_ALLOW: Final = ("Allow", "GET, HEAD, POST")


@dataclass(frozen=True, slots=True)
class Call:
    """One call, as a handler sees it.

    :ivar port: name of the WSDL port.
    :ivar environ: the WSGI environment of the request, for the connection's identity.
    :ivar terms: what is declared for the operation; None for a handler without a declaration.
    """

    port: str
    operation: str
    environ: Mapping[str, Any]
    terms: Terms | None = None


Wrap = Callable[[Call, Callable[[], object]], object]
WsgiApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


def soap_application(
    contract: Contract,
    handlers: Mapping[str, object],
    documents: Documents,
    *,
    fault: FaultWriter | None = None,
    wrap: Wrap | None = None,
    understood: frozenset[str] = frozenset(),
    max_bytes: int = MAX_XML_BYTES,
    identify: Callable[[Mapping[str, Any]], object] | None = None,
    declared: bool = False,
) -> WsgiApplication:
    """The WSGI callable that serves ``contract``.

    :param handlers: the handler object of each port, by port name; ports without one are not served.  An operation
        for which a handler has no method answers that it is not implemented yet.
    :param fault: how errors become faults, if not as :class:`FaultWriter` does.
    :param wrap: called with the call and a function that runs the handler, inside the authorization guard; for what
        a service does around every call.
    :param understood: Clark names of SOAP header entries that may say mustUnderstand.
    :param identify: who is calling (:meth:`web.identity.Authenticator.identify`).  A body that has not arrived yet,
        because it is large or comes in chunks, is read for a caller with a valid certificate only: reading it holds
        a thread for as long as the caller likes.
    :param declared: demand that each handler method declares its terms (:mod:`wsdl.operation`).
    :raises ConfigurationError: when a port is unknown, styles are mixed, a handler's method does not take the
        parts of its operation or lacks a declaration that is demanded.
    """
    contract = contract.answering_gridsite()
    unknown = handlers.keys() - contract.ports.keys()
    ports = [port for name, port in contract.ports.items() if name in handlers]
    if unknown or not ports:
        raise ConfigurationError(f"{contract.name} has no port {', '.join(sorted(unknown)) or '(none was given)'}")
    styles = {port.style for port in ports}
    if len(styles) != 1:
        raise ConfigurationError(f"the ports of {contract.name} have different wire styles; serve them apart")
    kind: type[SoapProtocol] = RpcLiteral if styles == {"rpc"} else DocumentLiteral
    codec, faults = Codec(contract.schemas), fault or FaultWriter(contract)
    incoming, outgoing = (kind(codec, faults, understood) for _ in range(2))
    models = declaration.Models(contract.schemas)
    services = [_service(port, handlers[port.name], models, incoming, wrap or _plainly, declared) for port in ports]
    # Gives its registry to the protocols, and checks what is declared.
    spyne.Application(
        services, tns=ports[0].namespace, name=contract.name, in_protocol=incoming, out_protocol=outgoing
    )
    return SoapServer(incoming, documents, max_bytes, identify)


def _plainly(call: Call, invoke: Callable[[], object]) -> object:
    return invoke()


def _service(
    port: Port, handler: object, models: declaration.Models, protocol: SoapProtocol, wrap: Wrap, declared: bool
) -> Any:
    def function(operation: Operation) -> declaration.Function:
        method = getattr(handler, operation.name, None)
        if method is not None:
            _check_signature(operation, method)
            if declared and terms_of(method) is None:
                raise ConfigurationError(
                    f"the handler of {operation} does not declare who may call it and what it may answer; "
                    "put @operation(…) before it (wsdl/operation.py)"
                )
        return _function(operation, method, protocol.faults, wrap)

    return declaration.service(port, models, protocol.compiled, function)


def _check_signature(operation: Operation, method: Callable[..., object]) -> None:
    parts = {part.name: None for part in operation.request.parts}
    try:
        inspect.signature(method).bind(None, **parts)
    except TypeError as error:
        raise ConfigurationError(f"the handler of {operation} does not take its parts: {error}") from error


def _function(
    operation: Operation, method: Callable[..., object] | None, faults: FaultWriter, wrap: Wrap
) -> declaration.Function:
    """What is called for an operation: the handler, with errors turned into faults."""
    names = tuple(part.name for part in operation.request.parts)
    answers = tuple(part.name for part in operation.response.parts)
    terms = terms_of(method)
    rules = frozenset() if terms is None else terms.rules

    def call_handler(environ: Mapping[str, Any], *values: object) -> Sequence[object]:
        call = Call(operation.port, operation.name, environ, terms)
        try:
            if method is None:
                raise NotImplementedYet(f"{operation.name} is not implemented yet by this server")
            with guarded(operation.name, rules):
                result = wrap(call, lambda: method(call, **dict(zip(names, values, strict=True))))
            return _arranged(result, answers)
        except GridError as error:
            _log.info("%s answered with fault %d (%s)", operation, error.code, type(error).__name__)
            if terms is not None and error.code not in terms.codes:
                _log.error("%s answered with the undeclared error code %d", operation, error.code, exc_info=True)
            raise SoapFault(faults.write(operation, error)) from None
        except Exception:  # noqa: BLE001 - the last place that can answer; the log has the traceback
            raise SoapFault(faults.write(operation, _unforeseen(str(operation)))) from None

    call_handler.__name__ = operation.name  # part of Spyne's key of the method
    return call_handler


def _arranged(result: object, answers: tuple[str, ...]) -> Sequence[object]:
    """A handler's result as the values of the parts, in the contract's order."""
    if len(answers) <= 1:
        return (result,) if answers else ()
    if isinstance(result, Mapping):
        if result.keys() != set(answers):
            raise ValueUnfit("the answer", f"it must have {', '.join(answers)}")
        return tuple(result[name] for name in answers)
    if isinstance(result, tuple):
        if len(result) != len(answers):
            raise ValueUnfit("the answer", f"it must have {len(answers)} values")
        return result
    return tuple(getattr(result, name) for name in answers)


def _unforeseen(where: str) -> InternalFailure:
    """Log the exception being handled and give what the caller may know of it."""
    reference = secrets.token_hex(4)
    _log.exception("%s failed (reference %s)", where, reference)
    return InternalFailure(f"the server failed to answer; its log tells why under the reference {reference}")


class SoapServer:
    """The server side of HTTP, as a WSGI callable.

    POST is a call; GET and HEAD with ``?wsdl`` answer the contract; anything else is refused.  What is wrong with a
    POST as an HTTP request (its Content-Type, its length) is answered with 4xx and a sentence; every other answer is
    a SOAP envelope, faults with HTTP status 500 (SOAP 1.1 §6.2, WS-I Basic Profile 1.1 R1125 and R1126).

    :param protocol: has been given the table of operations.
    """

    def __init__(
        self,
        protocol: SoapProtocol,
        documents: Documents,
        max_bytes: int,
        identify: Callable[[Mapping[str, Any]], object] | None = None,
    ) -> None:
        self._protocol = protocol
        self._documents = documents
        self._max_bytes = max_bytes
        self._identify = identify

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return self._not_a_call(environ, start_response)
        try:
            if self._identify is not None and not environ.get("wms.body_arrived", True):
                self._identify(environ)
            data = read_body(environ, self._max_bytes)
        except RequestRefused as refused:
            # Not a fault: a fault's status is 500 (WS-I Basic Profile 1.1 R1126), that of wrong HTTP is 4xx (R1125).
            text = f"{refused.text}. The contract of this service is at {self._documents.address}?wsdl\n"
            return reply(start_response, refused.status, TEXT, text.encode())
        except AuthenticationFailed as error:
            return reply(start_response, _FAULT, XML, SoapProtocol.fault(WireFault("Client", error.description)))
        try:
            status, body = self._call(environ, data)
        except Exception:  # noqa: BLE001 - a defect outside of any handler must still be answered
            failure = WireFault("Server", _unforeseen("the SOAP server").description)
            status, body = _FAULT, SoapProtocol.fault(failure)
        return reply(start_response, status, XML, body)

    def _call(self, environ: dict[str, Any], data: bytes) -> tuple[str, bytes]:
        protocol = self._protocol
        try:
            request = protocol.request(data)
            return _OK, protocol.answer(request.wire, request.function(environ, *request.values))
        except SoapFault as error:
            agent = str(environ.get("HTTP_USER_AGENT", ""))
            return _FAULT, protocol.fault(error.wire, historical=agent.startswith(_GSOAP))

    def _not_a_call(self, environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        method = environ["REQUEST_METHOD"]
        found = self._documents.answer(environ) if method in ("GET", "HEAD") else None
        if found is None:
            address = self._documents.address
            text = f"This is a SOAP service ({SOAP}): it takes POST. Its contract is at {address}?wsdl\n"
            body = b"" if method == "HEAD" else text.encode()
            return reply(start_response, "405 Method Not Allowed", TEXT, body, _ALLOW)
        status, headers, body = found
        start_response(status, headers)
        return [b"" if method == "HEAD" else body]
