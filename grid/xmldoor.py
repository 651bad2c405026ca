"""The one door through which XML from outside comes in.

No DTD at all (so no entities, no external references, no amplification), no network, bounded size, depth and
count; comments and processing instructions are dropped, CDATA becomes text.  The parser is made here and passed
explicitly, so nothing that another library does to lxml's defaults can weaken it.
"""

from __future__ import annotations

import io
import re
import threading
from typing import Any, Final

from lxml import etree

from grid.errors import InvalidArgument
from grid.limits import (
    MAX_XML_ATTRIBUTES,
    MAX_XML_BYTES,
    MAX_XML_DEPTH,
    MAX_XML_ELEMENTS,
    MAX_XML_EQUALS,
    MAX_XML_NAMESPACES,
)

_HARDENED: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "attribute_defaults": False,
    "dtd_validation": False,
    "remove_comments": True,
    "remove_pis": True,
    "huge_tree": False,
    "recover": False,
}

WORN_BYTES: Final = 16 << 20
"""After so many bytes of XML a thread is :func:`worn`."""

_SMALL: Final = 64 << 10
_UTF8: Final = re.compile(
    rb"""<(?:\?xml version=(["'])1\.0\1(?: encoding=(["'])(?i:utf-8|us-ascii)\2)? ?\?>\s*<)?[A-Za-z_]"""
)
"""The beginning of a document whose markup is the bytes of ASCII."""

_thread: Final = threading.local()


class XmlRefused(InvalidArgument):
    """A document was refused.

    :ivar reason: what is wrong with it.
    :ivar line: where, 1-based, when known.
    :ivar column: where in the line, 1-based, when known.
    """

    def __init__(self, reason: str, line: int | None = None, column: int | None = None) -> None:
        self.reason = reason
        self.line = line
        self.column = column
        where = f" (line {line}" + (f", column {column})" if column else ")") if line else ""
        super().__init__(f"the XML document is refused: {reason}{where}")


def parse(
    data: bytes,
    *,
    max_bytes: int = MAX_XML_BYTES,
    max_elements: int = MAX_XML_ELEMENTS,
    max_depth: int = MAX_XML_DEPTH,
) -> etree._Element:
    """Parse ``data`` and return its root element.

    The encoding is what the XML declaration or the byte order mark says (UTF-8 otherwise).

    :raises XmlRefused: when it is not well-formed, carries a DOCTYPE or passes a limit.
    """
    if len(data) > max_bytes:
        raise XmlRefused(f"it has {len(data)} bytes, more than {max_bytes}")
    if not data.strip():
        raise XmlRefused("it is empty")
    _thread.parsed = getattr(_thread, "parsed", 0) + len(data)
    # An element has two tags at the most, so this costs nothing and stops what would cost a second to count.
    if data.count(b"<") > 2 * max_elements + 1000:
        raise XmlRefused(f"it has more than {max_elements} elements")
    if data.count(b"xmlns") > MAX_XML_NAMESPACES:
        raise XmlRefused(f"it has more than {MAX_XML_NAMESPACES} namespace declarations")
    if data.count(b"=") > MAX_XML_EQUALS:
        raise XmlRefused(f"it has more than {MAX_XML_EQUALS} attributes or equals signs")
    if _plain(data, min(2 * max_depth, max_elements)):
        try:
            return etree.fromstring(data, _small_parser())
        except etree.XMLSyntaxError:
            pass  # the long way says what is wrong, in its own order
    # Counting while parsing bounds the work; a finished tree of a hostile document is already too late.
    events = etree.iterparse(io.BytesIO(data), events=("start", "end"), **_HARDENED)
    depth = count = 0
    try:
        for event, element in events:
            if event == "end":
                depth -= 1
                continue
            depth += 1
            count += 1
            if count == 1 and _has_doctype(element):
                raise XmlRefused("a DOCTYPE is not allowed", element.sourceline)
            if depth > max_depth:
                raise XmlRefused(f"elements are nested deeper than {max_depth}", element.sourceline)
            if count > max_elements:
                raise XmlRefused(f"it has more than {max_elements} elements", element.sourceline)
            if len(element.attrib) > MAX_XML_ATTRIBUTES:
                raise XmlRefused(f"an element has more than {MAX_XML_ATTRIBUTES} attributes", element.sourceline)
    except etree.XMLSyntaxError as error:
        reason = re.sub(r", line \d+, column \d+$", "", error.msg or "it is not well-formed")
        line, column = error.position
        raise XmlRefused(reason, line, column) from error
    except (LookupError, ValueError) as error:
        raise XmlRefused(f"its encoding cannot be read: {error}") from error
    root: etree._Element | None = getattr(events, "root", None)
    if root is None:
        raise XmlRefused("it has no root element")
    if _has_doctype(root):
        raise XmlRefused("a DOCTYPE is not allowed")
    return root


def worn() -> bool:
    """Whether the calling thread has parsed so much that it should end and leave its work to another.

    libxml2 keeps every name that it meets for as long as the thread lives: documents of ever new names would fill the
    memory of a thread that never ends.
    """
    parsed: int = getattr(_thread, "parsed", 0)
    return parsed >= WORN_BYTES


def _has_doctype(element: etree._Element) -> bool:
    return element.getroottree().docinfo.internalDTD is not None


def _plain(data: bytes, most: int) -> bool:
    """Whether a document, if it is well-formed, is certain to keep within the limits, so that nothing need be counted.

    Elements nested to a depth of *n* have at least 2 *n* - 1 tags, and an attribute has an equals sign.
    """
    return (
        len(data) <= _SMALL
        and data.count(b"<") <= most
        and data.count(b"=") <= MAX_XML_ATTRIBUTES
        and b"<!DOCTYPE" not in data
        and _UTF8.match(data) is not None
    )


def _small_parser() -> etree.XMLParser:
    """The thread's own: a shared one would make threads wait for each other."""
    parser: etree.XMLParser | None = getattr(_thread, "parser", None)
    if parser is None:
        parser = _thread.parser = etree.XMLParser(**_HARDENED)
    return parser
