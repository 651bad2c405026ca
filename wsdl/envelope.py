"""SOAP 1.1 envelopes: what is taken apart on the way in and put together on the way out.

Source: SOAP 1.1 §4 and WS-I Basic Profile 1.1 §3.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Final

from lxml import etree

from grid import xmldoor
from grid.limits import MAX_XML_ELEMENTS
from grid.xmldoor import XmlRefused
from wsdl.codec import set_text
from wsdl.faults import FaultCode, WireFault, historical_form
from wsdl.names import BODY, ENVELOPE, HEADER, SOAP, XSI, local

_MUST_UNDERSTAND: Final = f"{{{SOAP}}}mustUnderstand"
_ACTOR: Final = f"{{{SOAP}}}actor"
_NEXT: Final = "http://schemas.xmlsoap.org/soap/actor/next"
FAULT: Final = f"{{{SOAP}}}Fault"


class EnvelopeRefused(Exception):
    """A message is not a SOAP 1.1 request that can be dispatched; it carries the fault that says so."""

    def __init__(self, code: FaultCode, text: str) -> None:
        self.fault = WireFault(code, text)
        super().__init__(text)


def body_entry(
    data: bytes, understood: frozenset[str] = frozenset(), *, max_elements: int = MAX_XML_ELEMENTS
) -> etree._Element:
    """The only child of soap:Body: a request's or an answer's wrapper element, or a fault.

    :param understood: Clark names of header entries that may say mustUnderstand.
    :raises EnvelopeRefused: when the document or the envelope is not acceptable.
    """
    entries = body_entries(data, understood, max_elements=max_elements)
    if len(entries) != 1:
        raise EnvelopeRefused("Client", f"soap:Body must have one child, the operation; it has {len(entries)}")
    return entries[0]


def body_entries(
    data: bytes, understood: frozenset[str] = frozenset(), *, max_elements: int = MAX_XML_ELEMENTS
) -> list[etree._Element]:
    """All children of soap:Body: rpc/encoded messages may have values beside the wrapper (:mod:`wsdl.encoded`).

    :raises EnvelopeRefused: as :func:`body_entry`.
    """
    try:
        root = xmldoor.parse(data, max_elements=max_elements)
    except XmlRefused as error:
        raise EnvelopeRefused("Client", error.description) from error
    if root.tag != ENVELOPE:
        if local(root.tag) == "Envelope":
            raise EnvelopeRefused("VersionMismatch", f"this service speaks SOAP 1.1, whose namespace is {SOAP}")
        raise EnvelopeRefused("Client", "the document is not a SOAP envelope")
    entries: list[etree._Element] = []
    bodies = 0
    for child in root:
        if child.tag == BODY:
            bodies += 1
            entries.extend(child)
        elif child.tag == HEADER:
            _check_header(child, understood)
    if bodies != 1:
        raise EnvelopeRefused("Client", "the envelope must have one soap:Body")
    return entries


def _check_header(header: etree._Element, understood: frozenset[str]) -> None:
    for entry in header:
        mandatory = entry.get(_MUST_UNDERSTAND, "").strip() in ("1", "true")
        if mandatory and entry.get(_ACTOR) in (None, "", _NEXT) and entry.tag not in understood:
            raise EnvelopeRefused("MustUnderstand", f"the header entry {entry.tag} is not understood")


def answer(prefix: str, space: str) -> tuple[etree._Element, etree._Element]:
    """An empty envelope and its Body.

    Its namespace declarations are fixed, and never those of SOAP 1.2: gSOAP clients would change their mode.
    """
    envelope = copy.deepcopy(_empty(prefix, space))  # a third of the cost of making one
    return envelope, envelope[0]


@cache
def _empty(prefix: str, space: str) -> etree._Element:
    envelope = etree.Element(ENVELOPE, nsmap={"SOAP-ENV": SOAP, "xsi": XSI, prefix: space})
    etree.SubElement(envelope, BODY)
    return envelope


def write_fault(body: etree._Element, fault: WireFault, *, historical: bool = False) -> None:
    """Put a fault into a Body (SOAP 1.1 §4.4: unqualified children, faultcode a qualified name).

    :param historical: repeat the detail's element in the form of gLite's server, for those who look for that
        (:func:`wsdl.faults.historical_form`).
    """
    element = etree.SubElement(body, FAULT)
    etree.SubElement(element, "faultcode").text = f"SOAP-ENV:{fault.code}"
    set_text(etree.SubElement(element, "faultstring"), fault.text)
    if fault.detail is not None:
        detail = etree.SubElement(element, "detail")
        again = historical_form(fault.detail) if historical else None
        detail.append(fault.detail)
        if again is not None:
            detail.append(again)


def to_bytes(envelope: etree._Element) -> bytes:
    """The document as UTF-8 with an XML declaration."""
    return etree.tostring(envelope, encoding="UTF-8", xml_declaration=True)
