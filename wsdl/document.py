"""document/literal: one element of the schema in, one out; its children are the parts (WS-I BP 1.1 §4.7)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lxml import etree

from wsdl.codec import ValueRefused, ValueUnfit
from wsdl.contract import Operation
from wsdl.protocol import Parts, SoapProtocol, Wire

_Read = Callable[[etree._Element], Parts]
_Write = Callable[[etree._Element, Sequence[object]], None]


class DocumentLiteral(SoapProtocol):
    """The wire style of L&B and CREAM."""

    def compiled(self, operation: Operation) -> Wire:
        request, response = operation.request, operation.response
        read_members = self.codec.member_reader(request.parts)
        write_members = self.codec.member_writer(response.parts)
        answers = tuple(part.name for part in response.parts)

        def read(wrapper: etree._Element) -> Parts:
            return read_members(wrapper)

        def write(wrapper: etree._Element, values: Sequence[object]) -> None:
            write_members(wrapper, dict(zip(answers, values, strict=False)))

        return Wire(
            operation,
            self._bare_reader(operation) if request.bare else read,
            self._bare_writer(operation) if response.bare else write,
        )

    def _bare_reader(self, operation: Operation) -> _Read:
        part = operation.request.parts[0]
        read_value = self.codec.reader(part.type)

        def read(wrapper: etree._Element) -> Parts:
            try:
                return {part.name: read_value(wrapper)}
            except ValueRefused:
                raise
            except ValueError as error:
                raise ValueRefused(part.name, str(error)) from None

        return read

    def _bare_writer(self, operation: Operation) -> _Write:
        part = operation.response.parts[0]
        write_value = self.codec.writer(part.type)

        def write(wrapper: etree._Element, values: Sequence[object]) -> None:
            (value,) = values
            try:
                write_value(wrapper, value)
            except (TypeError, ValueError) as error:
                raise ValueUnfit(part.name, str(error)) from error

        return write
