"""The Spyne protocol that both wire styles share: envelope in, operation found, values read, answer written.

Spyne declares and dispatches; everything about the wire is here and in :mod:`wsdl.rpc` and :mod:`wsdl.document`.
It derives from Spyne's bare protocol and not from its Soap11, whose parsing, reference resolving, logging, type
polymorphism and writing would all have to be switched off.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from grid.errors import GridError
from wsdl import envelope
from wsdl.codec import Codec, ValueUnfit
from wsdl.contract import Operation
from wsdl.envelope import EnvelopeRefused
from wsdl.faults import FaultWriter, WireFault
from wsdl.names import WMPROXY
from wsdl.spyne_compat import ProtocolBase, spyne

Parts = dict[str, object]


class SoapFault(spyne.Fault):  # type: ignore[misc]
    """A finished fault, in the form in which Spyne carries errors."""

    def __init__(self, wire: WireFault) -> None:
        super().__init__(faultcode=wire.code, faultstring=wire.text or "fault")
        self.wire = wire


@dataclass(frozen=True, slots=True)
class Wire:
    """An operation with its compiled reader and writer; what Spyne's descriptor carries as user data."""

    operation: Operation
    read: Callable[[etree._Element], Parts]
    write: Callable[[etree._Element, Sequence[object]], None]


class SoapProtocol(ProtocolBase):  # type: ignore[misc]
    """One contract's requests in, answers and faults out.

    ``ctx.in_string`` is the request as a sequence of bytes; ``ctx.in_object`` becomes the sequence of part values
    in the contract's order, and ``ctx.out_object`` must be one.
    """

    mime_type = "text/xml; charset=utf-8"
    type = {"xml", "soap", "soap11"}

    def __init__(self, codec: Codec, faults: FaultWriter, understood: frozenset[str] = frozenset()) -> None:
        self.codec = codec
        self.faults = faults
        self._understood = understood
        self._by_wrapper: Mapping[str, Any] = {}
        super().__init__()

    @abstractmethod
    def compiled(self, operation: Operation) -> Wire:
        """The reader and writer of an operation in this wire style."""

    def set_app(self, value: Any) -> None:
        super().set_app(value)
        if value is not None:
            # Spyne's own table knows one namespace only; three ports answer at one URL here.
            descriptors = value.interface.method_id_map.values()
            self._by_wrapper = {d.udd["wire"].operation.request.wrapper: d for d in descriptors}

    def create_in_document(self, ctx: Any, charset: str | None = None) -> None:
        """Parse the request.  The bytes say their encoding; the HTTP charset is only a hint and is not used."""
        try:
            ctx.in_document = envelope.body_entry(b"".join(ctx.in_string), self._understood)
        except EnvelopeRefused as error:
            raise SoapFault(error.fault) from None

    def decompose_incoming_envelope(self, ctx: Any, message: object) -> None:
        ctx.in_body_doc = ctx.in_document
        ctx.method_request_string = ctx.in_document.tag

    def generate_method_contexts(self, ctx: Any) -> tuple[Any, ...]:
        descriptor = self._by_wrapper.get(ctx.method_request_string)
        if descriptor is None:
            name = str(ctx.method_request_string)[:200]
            raise SoapFault(WireFault("Client", f"this service has no operation {name}; its WSDL names those it has"))
        ctx.descriptor = descriptor
        return (ctx,)

    def deserialize(self, ctx: Any, message: object) -> None:
        wire: Wire = ctx.descriptor.udd["wire"]
        try:
            parts = wire.read(ctx.in_body_doc)
        except GridError as error:
            raise SoapFault(self.faults.write(wire.operation, error)) from None
        ctx.in_object = tuple(parts.values())

    def serialize(self, ctx: Any, message: object) -> None:
        error = ctx.out_error
        if error is None:
            try:
                ctx.out_document = self._answer(ctx)
                return
            except ValueUnfit as unfit:
                ctx.out_error = error = SoapFault(self.faults.write(ctx.descriptor.udd["wire"].operation, unfit))
        wire = error.wire if isinstance(error, SoapFault) else WireFault("Server", "the server failed to answer")
        document, body = envelope.answer("glitens", WMPROXY)
        envelope.write_fault(body, wire)
        ctx.out_document = document

    def _answer(self, ctx: Any) -> etree._Element:
        wire: Wire = ctx.descriptor.udd["wire"]
        space = wire.operation.namespace
        document, body = envelope.answer("glitens" if space == WMPROXY else "ns", space)
        wire.write(etree.SubElement(body, wire.operation.response.wrapper), ctx.out_object)
        return document

    def create_out_string(self, ctx: Any, charset: str | None = None) -> None:
        ctx.out_string = [envelope.to_bytes(ctx.out_document)]
