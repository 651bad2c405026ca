"""What both wire styles share: envelope in, operation found, values read, answer written.

Spyne declares: its registry is the one table of operations.  Calls go by that table and not through Spyne's contexts,
events and protocol hooks, which cost more than all the rest of a small call.  Everything about the wire is here and in
:mod:`wsdl.rpc` and :mod:`wsdl.document`.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from grid.errors import GridError
from grid.limits import MAX_REQUEST_ELEMENTS
from wsdl import envelope
from wsdl.codec import Codec, ValueUnfit
from wsdl.contract import Operation
from wsdl.envelope import EnvelopeRefused
from wsdl.faults import FaultWriter, WireFault
from wsdl.names import WMPROXY
from wsdl.spyne_compat import ProtocolBase

_log: Final = logging.getLogger("wms.wsdl")

Parts = dict[str, object]


class SoapFault(Exception):
    """A finished fault."""

    def __init__(self, wire: WireFault) -> None:
        super().__init__(wire.text)
        self.wire = wire


@dataclass(frozen=True, slots=True)
class Wire:
    """An operation with its compiled reader and writer; what Spyne's descriptor carries as user data."""

    operation: Operation
    read: Callable[[etree._Element], Parts]
    write: Callable[[etree._Element, Sequence[object]], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that was understood.

    :ivar function: what was declared for the operation.
    :ivar values: of the parts, in the contract's order.
    """

    wire: Wire
    function: Callable[..., Sequence[object]]
    values: tuple[object, ...]


class SoapProtocol(ProtocolBase):  # type: ignore[misc]
    """One contract's requests in, answers and faults out.

    Derives from Spyne's bare protocol to be given its registry.
    """

    mime_type = "text/xml; charset=utf-8"
    type = {"xml", "soap", "soap11"}

    def __init__(self, codec: Codec, faults: FaultWriter, understood: frozenset[str] = frozenset()) -> None:
        self.codec = codec
        self.faults = faults
        self._understood = understood
        self._by_wrapper: Mapping[str, tuple[Wire, Callable[..., Sequence[object]]]] = {}
        super().__init__()

    @abstractmethod
    def compiled(self, operation: Operation) -> Wire:
        """The reader and writer of an operation in this wire style."""

    def set_app(self, value: Any) -> None:
        super().set_app(value)
        if value is not None:
            # Spyne's own table knows one namespace only; three ports answer at one URL here.
            declared = [(one.udd["wire"], one.function) for one in value.interface.method_id_map.values()]
            self._by_wrapper = {wire.operation.request.wrapper: (wire, function) for wire, function in declared}

    def request(self, data: bytes) -> Request:
        """Understand a request.  Its bytes say their encoding; the HTTP charset is only a hint and is not used.

        :raises SoapFault: when it is no request for an operation of the contract.
        """
        try:
            entry = envelope.body_entry(data, self._understood, max_elements=MAX_REQUEST_ELEMENTS)
        except EnvelopeRefused as error:
            raise SoapFault(error.fault) from None
        found = self._by_wrapper.get(entry.tag)
        if found is None:
            name = str(entry.tag)[:200]
            raise SoapFault(WireFault("Client", f"this service has no operation {name}; its WSDL names those it has"))
        wire, function = found
        try:
            parts = wire.read(entry)
        except GridError as error:
            raise SoapFault(self.faults.write(wire.operation, error)) from None
        return Request(wire, function, tuple(parts.values()))

    def answer(self, wire: Wire, values: Sequence[object]) -> bytes:
        """The envelope with an operation's answer.

        :param values: of the parts, in the contract's order.
        :raises SoapFault: when they do not fit the contract.
        """
        space = wire.operation.namespace
        document, body = envelope.answer("glitens" if space == WMPROXY else "ns", space)
        try:
            wire.write(etree.SubElement(body, wire.operation.response.wrapper), values)
        except ValueUnfit as unfit:
            _log.error("the answer of %s does not fit the contract: %s", wire.operation, unfit.description)
            raise SoapFault(self.faults.write(wire.operation, unfit)) from None
        return envelope.to_bytes(document)

    @staticmethod
    def fault(fault: WireFault, *, historical: bool = False) -> bytes:
        """The envelope with a fault; see :func:`wsdl.envelope.write_fault`."""
        document, body = envelope.answer("glitens", WMPROXY)
        envelope.write_fault(body, fault, historical=historical)
        return envelope.to_bytes(document)
