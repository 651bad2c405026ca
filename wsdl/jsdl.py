"""JSDL documents (GFD.56) outside of a SOAP message: read as the service reads them inside of one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from lxml import etree

from grid.errors import InvalidArgument
from wsdl.codec import Codec, Reader, ValueRefused
from wsdl.contract import Contract

__all__ = ["decoded"]

_SPACE: Final = "http://schemas.ggf.org/jsdl/2005/11/jsdl"


@cache
def _reader() -> Reader:
    return Codec(Contract.load("WMProxy.wsdl").schemas).reader(f"{{{_SPACE}}}JobDefinition_Type")


def decoded(document: etree._Element) -> Mapping[str, Any]:
    """The value of a JobDefinition, as handlers get it.

    :param document: the root element.
    :raises InvalidArgument: it is none, or an element is not what the schema says.
    """
    name = etree.QName(document)
    if name.localname != "JobDefinition":
        raise InvalidArgument(f"this is no JSDL document: its root is {name.localname}, not JobDefinition")
    try:
        value = _reader()(document)
    except (ValueRefused, ValueError) as error:
        raise InvalidArgument(f"this is no JSDL document: {error}") from error
    if not isinstance(value, Mapping):
        raise InvalidArgument("this is no JSDL document: the JobDefinition is empty")
    return value
