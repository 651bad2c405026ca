"""rpc/literal: ``{namespace}operation`` around unqualified parts (WS-I Basic Profile 1.1 §4.7)."""

from __future__ import annotations

from collections.abc import Sequence

from lxml import etree

from wsdl.contract import Operation
from wsdl.names import local
from wsdl.protocol import Parts, SoapProtocol, Wire


class RpcLiteral(SoapProtocol):
    """The wire style of WMProxy and of the delegation ports.

    Parts are found by their names.  When none of the names is known they are taken in the order of the contract,
    because SOAPpy, on which the old Python API stands, calls them v1, v2 ….
    """

    def compiled(self, operation: Operation) -> Wire:
        request, response = operation.request.parts, operation.response.parts
        names = tuple(part.name for part in request)
        known = frozenset(names)
        read_members = self.codec.member_reader(request)
        write_members = self.codec.member_writer(response)
        answers = tuple(part.name for part in response)

        def read(wrapper: etree._Element) -> Parts:
            children = list(wrapper)
            if children and known and not any(local(child.tag) in known for child in children):
                children = _renamed(children, names)
            return read_members(children)

        def write(wrapper: etree._Element, values: Sequence[object]) -> None:
            write_members(wrapper, dict(zip(answers, values, strict=False)))

        return Wire(operation, read, write)


def _renamed(children: list[etree._Element], names: tuple[str, ...]) -> list[etree._Element]:
    """Give the children the names of the parts at their places."""
    for child, name in zip(children, names, strict=False):
        child.tag = name
    return children[: len(names)]
