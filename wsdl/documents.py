"""``?wsdl``: the contract's documents as a running service gives them out.

Addresses come from the configuration, never from the request: a Host header is the caller's word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from lxml import etree

from grid.errors import ConfigurationError
from wsdl import library
from wsdl.contract import imported
from wsdl.names import WSDL, WSDL_SOAP, XSD

Answer = tuple[str, list[tuple[str, str]], bytes]

_IMPORTS: Final = (
    (f"{{{WSDL}}}import", "location"),
    (f"{{{XSD}}}include", "schemaLocation"),
    (f"{{{XSD}}}import", "schemaLocation"),
)


class Documents:
    """The documents of one service, made ready once.

    :param names: names of documents; the first is what ``?wsdl`` answers.  What they import is found.  When it has
        ports of other namespaces it is also there without them (:func:`alone`): PHP's SoapClient, Perl's SOAP::Lite
        and Java's wsimport cannot keep equal names of two namespaces apart.
    :param addresses: URL of each WSDL port by its name; a port that is not named has the first URL.
    :raises DocumentUnknown: when the package lacks one.
    :raises ConfigurationError: when there is no address.
    """

    def __init__(self, names: Sequence[str], addresses: Mapping[str, str]) -> None:
        if not names or not addresses:
            raise ConfigurationError("a service needs a contract document and the URL at which it answers")
        self.main = names[0]
        self.address = next(iter(addresses.values()))
        self._addresses = dict(addresses)
        self._ready: dict[str, bytes] = {}
        for name in names:
            self._prepare(name)
        self._prepare_alone(self.main)

    def answer(self, environ: Mapping[str, Any]) -> Answer | None:
        """The answer to a GET or HEAD that asks for a document; None when it asks for something else."""
        query = str(environ.get("QUERY_STRING", ""))
        asked = [(key.lower(), value) for key, value in parse_qsl(query[:1000], keep_blank_values=True)]
        if len(asked) != 1 or asked[0][0] not in ("wsdl", "xsd"):
            return None
        name = asked[0][1] or self.main
        data = self._ready.get(name)
        if data is None:
            text = b"This service has no such document. Its contract is at " + self.address.encode() + b"?wsdl\n"
            return "404 Not Found", _headers("text/plain; charset=utf-8", text), text
        return "200 OK", _headers("text/xml; charset=utf-8", data), data

    def _prepare(self, name: str) -> None:
        if name in self._ready:
            return
        root = library.root(name)
        needed = imported(root)
        self._ready[name] = b""  # documents may import one another
        self._ready[name] = self._finished(root)
        for other in needed:
            self._prepare(other)

    def _prepare_alone(self, name: str) -> None:
        """The document without the ports of others, for tools that cannot tell two namespaces apart."""
        root = library.root(name)
        space = root.get("targetNamespace")
        imports = [node for node in root.iterchildren(f"{{{WSDL}}}import") if node.get("namespace") != space]
        ports = [node for node in root.iter(f"{{{WSDL}}}port") if _space(node, node.get("binding", "")) != space]
        if not ports:
            return
        for node in (*imports, *ports):
            parent = node.getparent()
            if parent is not None:
                parent.remove(node)
        self._ready[alone(name)] = self._finished(root)

    def _finished(self, root: etree._Element) -> bytes:
        """The document with live addresses."""
        for node in root.iter(f"{{{WSDL}}}port"):
            for address in node.iterchildren(f"{{{WSDL_SOAP}}}address"):
                address.set("location", self._addresses.get(node.get("name", ""), self.address))
        for tag, attribute in _IMPORTS:
            for node in root.iter(tag):
                location = node.get(attribute)
                if location is not None:
                    kind = "xsd" if location.endswith(".xsd") else "wsdl"
                    node.set(attribute, f"{self.address}?{kind}={quote(location)}")
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def alone(name: str) -> str:
    """What the document is called that describes only the ports of its own namespace: ``WMProxy-alone.wsdl``."""
    return f"{name.removesuffix('.wsdl')}-alone.wsdl"


def _space(node: etree._Element, name: str) -> str | None:
    """The namespace of a QName in the content of an element."""
    prefix, colon, _ = name.rpartition(":")
    return node.nsmap.get(prefix if colon else None)


def _headers(kind: str, body: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", kind), ("Content-Length", str(len(body)))]
