"""The XML names that every module here needs, in Clark notation (``{namespace}local``) where they are elements."""

from __future__ import annotations

from typing import Final

XSD: Final = "http://www.w3.org/2001/XMLSchema"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
WSDL_SOAP: Final = "http://schemas.xmlsoap.org/wsdl/soap/"
SOAP: Final = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_ENCODING: Final = "http://schemas.xmlsoap.org/soap/encoding/"

WMPROXY: Final = "http://glite.org/wms/wmproxy"
DELEGATION_1: Final = "http://www.gridsite.org/namespaces/delegation-1"
DELEGATION_2: Final = "http://www.gridsite.org/namespaces/delegation-2"
DATA_LOCATION: Final = "urn:DataLocationInterface"

NIL: Final = f"{{{XSI}}}nil"
XSI_TYPE: Final = f"{{{XSI}}}type"
ENVELOPE: Final = f"{{{SOAP}}}Envelope"
HEADER: Final = f"{{{SOAP}}}Header"
BODY: Final = f"{{{SOAP}}}Body"


def local(name: str) -> str:
    """The local part of a Clark name: ``local("{ns}a") == "a"``."""
    return name[name.rfind("}") + 1 :]


def namespace(name: str) -> str | None:
    """The namespace of a Clark name, or None."""
    return name[1 : name.rfind("}")] if name.startswith("{") else None


def clark(space: str | None, name: str) -> str:
    """The Clark name of ``name`` in ``space``; unqualified without one."""
    return f"{{{space}}}{name}" if space else name
